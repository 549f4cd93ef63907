//go:build !bug_answer_early

package raftstore

import "github.com/hashicorp/raft"

// answersEarly reports whether a follower's answer was made up. It never is. See bugs.go.
func answersEarly(*raft.AppendEntriesRequest, *raft.AppendEntriesResponse, sendEntries) bool {
	return false
}
