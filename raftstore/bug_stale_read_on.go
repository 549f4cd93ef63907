//go:build bug_stale_read

package raftstore

// bugStaleRead is broken on purpose: a linearizable read asks nobody. See bugs.go.
const bugStaleRead = true
