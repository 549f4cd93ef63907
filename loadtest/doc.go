// Package loadtest is the load-test harness: it drives any build over the wire and signs off volume.
//
// It imports nothing of ours, so that it can be pointed at an old build or at a rival.
package loadtest
