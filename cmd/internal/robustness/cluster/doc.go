// Package cluster runs the nodes of a robustness run: real processes on loopback, each with a
// volume of its own, that reach each other only through the mesh.
package cluster
