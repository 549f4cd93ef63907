package raftstore

import "time"

// age is how old the ledger of this node may be. A node that is up with the log is as old as its last
// word from the leader. One that is not, because it replays its log after a start or catches up with
// the others, has a ledger of some moment in the past, whomever it has just heard: that of the stamp
// of the last entry that it applied.
func (s *Store) age() time.Duration {
	if s.opened() {
		return 0
	}
	contact := s.contact()
	if !s.lags() {
		return contact
	}
	stamp := s.machine.now()
	if stamp == 0 && s.raft().LastIndex() <= 1 {
		return contact // there is no log that an empty ledger could be behind
	}
	return max(contact, s.cfg.Now().Sub(time.UnixMilli(stamp)))
}

// contact is how long ago this node last heard of the leader; 0 on the leader.
func (s *Store) contact() time.Duration {
	if s.lead.Load() != nil {
		return 0
	}
	return max(0, time.Since(s.running.Load().contact()))
}

// lags reports whether this node is behind what was agreed, as far as it can know: raft's commit index
// is not known before a leader told it, and while entries are on their way it is that of those that
// came, so the leader's own report counts too.
func (s *Store) lags() bool {
	if s.raft().CommitIndex() == 0 || s.behind() > readyBehind {
		return true
	}
	if s.lead.Load() != nil {
		return true // and the term is not open
	}
	_, id := s.raft().LeaderWithID()
	return s.members.get(id).Applied > s.machine.applied.Load()+readyBehind
}
