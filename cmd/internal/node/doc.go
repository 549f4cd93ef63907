// Package node puts one node together: the replicated store, the HTTP interface before it, and the
// adapter between the two, which know nothing of each other. wiring.go is the only file of the
// command that imports them; `serve` runs one [Node], the demo runs three.
package node
