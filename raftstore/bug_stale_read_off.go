//go:build !bug_stale_read

package raftstore

// bugStaleRead makes every read a stale one. See bugs.go.
const bugStaleRead = false
