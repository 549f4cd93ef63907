// Package volume gives each node of a robustness run a file system of its own, an ext4 image behind
// a loop device, so that a power can be cut, a disk can hang and a disk can fill up, as a real
// kernel does it. It also damages files of a node that is down.
package volume
