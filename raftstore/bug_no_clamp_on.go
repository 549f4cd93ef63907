//go:build bug_no_clamp

package raftstore

// bugNoClamp is broken on purpose: compaction forgets the older checkpoint. See bugs.go.
const bugNoClamp = true
