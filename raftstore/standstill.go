package raftstore

import (
	"context"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// stallAfter is for how long a node that is behind may take nothing in before something is done
	// about it: well above an election, a sync that hangs, and the second between two reports.
	stallAfter = 5 * time.Second
	// maxStallPause bounds the pause between two attempts to heal it, which doubles each time.
	maxStallPause = 5 * time.Minute
)

// standstill tells whether a node takes nothing in although it is behind. The zero value has seen
// nothing yet. One goroutine uses it.
type standstill struct {
	seen  progress
	since time.Time // of seen
	pause time.Duration
}

// progress is how far a node is.
type progress struct {
	applied, last uint64
	behind        bool // there is more, and nothing is under way that would explain the wait
}

// look takes what is seen now, and reports whether the node has stood still for a pause: that of
// stallAfter the first time, twice as long each time after.
func (s *standstill) look(now time.Time, p progress) bool {
	if p.applied != s.seen.applied || s.pause == 0 {
		s.pause = stallAfter
	}
	if p != s.seen || !p.behind {
		s.seen, s.since = p, now
		return false
	}
	if now.Sub(s.since) < s.pause {
		return false
	}
	s.since, s.pause = now, min(2*s.pause, maxStallPause)
	return true
}

// runStandstill asks for another raft when this follower hears its leader and is behind it, and
// neither its log nor its ledger moves: what raft keeps in memory does not fit the log then, and a
// restart of it, here as of the process, reads it anew. It ends with ctx.
func (s *Store) runStandstill(ctx context.Context) {
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	var own standstill
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		p := s.progress()
		if !own.look(time.Now(), p) {
			continue
		}
		s.log.Warn("nothing comes in although the leader is ahead", "index", p.applied,
			"log", p.last, "again_after", own.pause)
		s.askReopen("it stood still")
	}
}

// progress is how far this node is against the leader that it hears.
func (s *Store) progress() progress {
	r := s.raft()
	p := progress{applied: s.machine.applied.Load(), last: r.LastIndex()}
	_, id := r.LeaderWithID()
	leader := s.members.get(id)
	p.behind = r.State() == raft.Follower && s.contact() < silentAfter &&
		time.Since(leader.heard) < silentAfter && leader.Applied > p.applied &&
		!s.installing.Load() && !s.machine.held.Load()
	return p
}

// lookAtMembers says, on the leader, which members stand still. It is called once a second, by one
// goroutine.
func (s *Store) lookAtMembers(seen map[raft.ServerID]*standstill) {
	if s.lead.Load() == nil {
		clear(seen)
		s.stalled.Store(0)
		return
	}
	newest, now, count := s.machine.applied.Load(), time.Now(), int64(0)
	for _, server := range s.servers() {
		r := s.members.get(server.ID)
		if server.ID == s.parts.id || r.heard.IsZero() {
			continue
		}
		if seen[server.ID] == nil {
			seen[server.ID] = &standstill{}
		}
		one := seen[server.ID]
		before := one.pause > stallAfter
		behind := r.Applied < newest && now.Sub(r.heard) < silentAfter && !r.Installing
		if one.look(now, progress{applied: r.Applied, behind: behind}) && !before {
			s.log.Warn("a member stands still", "member", server.ID, "index", r.Applied,
				"lag", newest-r.Applied)
		}
		if stands := one.pause > stallAfter && behind; stands {
			count++
		} else if before {
			one.pause = stallAfter
			s.log.Info("a member goes on again", "member", server.ID, "index", r.Applied)
		}
	}
	s.stalled.Store(count)
}
