//go:build bug_answer_early

package raftstore

import "github.com/hashicorp/raft"

// answersEarly is broken on purpose: it says yes in a follower's name as soon as entries are on
// their way to it, so that the leader takes them for agreed. See bugs.go.
func answersEarly(req *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse,
	send sendEntries) bool {
	n := len(req.Entries)
	if n == 0 {
		return false
	}
	resp.Term, resp.LastLog, resp.Success = req.Term, req.Entries[n-1].Index, true
	go func() { _ = send(new(raft.AppendEntriesResponse)) }()
	return true
}
