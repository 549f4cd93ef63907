// Package load is the clients of a robustness run: few hot SKUs, several clients each, every one of
// which talks to every node, and one outcome for each operation however often it was sent.
package load
