//go:build !bug_no_clamp

package raftstore

// bugNoClamp lets raft delete what the older checkpoint needs. See bugs.go.
const bugNoClamp = false
