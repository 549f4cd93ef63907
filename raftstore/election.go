package raftstore

import (
	"time"

	"github.com/hashicorp/raft"
)

// Raft refuses whoever wants to lead as long as it knows a leader, and a follower forgets a leader only
// by standing for election itself. So the first to notice that the leader is silent is always refused,
// and waits for one to two heartbeat timeouts before it tries again; the next one to notice is taken by
// the first, if its log reaches as far. Where it does not, nobody leads until the first tries again.
//
// intake answers for raft here: a leader that has been silent for most of a timeout is no reason to
// refuse. All that elections rest on stays raft's: the term, one vote in each, and the log.

// silentPart of a heartbeat timeout without a word makes a leader silent: the nodes hear it at times
// that differ by up to a fifth of a timeout, so who is asked must be a little less patient than who
// asks.
const silentPart = 0.75

// leaderSilent reports whether run follows a leader of which it has not heard for a while.
func (s *Store) leaderSilent(run *raftRun) bool {
	last := run.contact()
	return run.State() == raft.Follower && !last.IsZero() &&
		time.Since(last) >= time.Duration(silentPart*float64(s.cfg.Heartbeat))
}

// election answers what a node asks which wants to lead, or changes it so that raft will; it reports
// whether it has answered.
func (t *intake) election(call *raft.RPC) (answered bool) {
	run := t.store.running.Load()
	if run == nil {
		return false
	}
	switch r := call.Command.(type) {
	case *raft.RequestVoteRequest:
		if t.store.leaderSilent(run) {
			own := *r
			own.LeadershipTransfer = true // all that it does is to ask in spite of a leader
			call.Command = &own
		}
	case *raft.RequestPreVoteRequest:
		if leader, _ := run.LeaderWithID(); leader == "" || !t.store.leaderSilent(run) {
			return false
		}
		granted := t.store.wouldVote(run, r)
		call.Respond(&raft.RequestPreVoteResponse{
			RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax},
			Term:      max(run.CurrentTerm(), r.Term), Granted: granted,
		}, nil)
		return true
	}
	return false
}

// wouldVote reports whether raft would vote for who asks, by what raft itself goes by. It binds nobody:
// the vote itself is raft's.
func (s *Store) wouldVote(run *raftRun, r *raft.RequestPreVoteRequest) bool {
	if r.Term < run.CurrentTerm() {
		return false
	}
	voter := false
	for _, m := range s.servers() {
		voter = voter || m.ID == raft.ServerID(r.ID) && m.Suffrage == raft.Voter
	}
	index, term, err := s.lastEntry()
	if !voter || err != nil {
		return false
	}
	return r.LastLogTerm > term || r.LastLogTerm == term && r.LastLogIndex >= index
}

// lastEntry is where this node's log ends, or its newest checkpoint when that is later. It fails with
// the log's error.
func (s *Store) lastEntry() (index, term uint64, err error) {
	if meta, ok := s.parts.checkpoints.Newest(); ok {
		index, term = meta.Index, meta.Term
	}
	last, err := s.parts.log.LastIndex()
	if err != nil || last <= index {
		return index, term, err
	}
	var e raft.Log
	err = s.parts.log.GetLog(last, &e)
	return last, e.Term, err
}
