// Package bench measures Holdfast in process: what one command costs in apply, what a live hold
// weighs, and how many reserves a second one node and three can make durable, beside the bare pipe
// that carries them.
//
// Every figure is a Go benchmark's, so that benchstat can compare two runs; bench/README.md keeps
// the figures and the commands that made them. Figures of a shared machine are worth what their
// ratios are worth: what is compared runs in the same process, in turn.
package bench
