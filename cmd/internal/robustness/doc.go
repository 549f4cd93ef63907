// Package robustness runs real nodes as processes, drives load over HTTP, injects faults on a
// schedule drawn from a seed, and judges the whole history. The command of the same name is its
// face.
//
// The parts know nothing of each other but what they need: cluster runs the nodes, link is the
// network between them, volume what they write to, load the clients, history what those saw, fault
// what is done to the nodes, judge whether it all makes sense; broken builds nodes with faults on
// purpose, which must be caught.
package robustness
