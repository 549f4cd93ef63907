package raftstore

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// leadership is one term in which this node leads.
type leadership struct {
	term   uint64
	mark   []byte // what its entries carry, see sameTerm
	clock  termClock
	opened atomic.Bool   // the term's barrier is applied: the node may serve
	began  time.Duration // monotonic
	asked  chan struct{} // closed when the voters' clocks were asked
}

func newLeadership(term uint64, mono func() time.Duration) *leadership {
	return &leadership{term: term, mark: termMark(term), clock: termClock{mono: mono},
		began: mono(), asked: make(chan struct{})}
}

// runTerms follows raft's word on whether this node leads, until ctx ends.
func (s *Store) runTerms(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case leads := <-s.leads:
			if !leads && s.lead.Load() == nil {
				continue // an end that was said already
			}
			s.metrics.leaderChanges.Inc()
			if !leads {
				s.lead.Store(nil)
				s.led.fire()
				s.log.Info("not leading any more")
				s.batcher.poke()
				s.poke(s.ticks)
				continue
			}
			// When the term has moved on since, raft refuses our entries, or sameTerm voids them.
			l := newLeadership(s.raft().CurrentTerm(), s.mono)
			s.tasks.Go(func() {
				defer close(l.asked)
				s.askClocks(ctx)
			})
			s.lead.Store(l)
			s.tasks.Go(func() { s.beginTerm(ctx, l) })
		case <-s.machine.learnt:
			s.rememberCluster()
		}
	}
}

// beginTerm has the batcher open the term although nobody may have sent anything.
func (s *Store) beginTerm(ctx context.Context, l *leadership) {
	for s.lead.Load() == l && !l.opened.Load() {
		b, err := s.batcher.join(true)
		if err != nil {
			return
		}
		if b.wait(ctx) == nil || ctx.Err() != nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(s.cfg.Heartbeat / 10):
		}
	}
}

// runDetector shortens a follower's wait when the leader falls silent: raft's timer runs for up to
// two heartbeat timeouts, which we end at one and a little more for each place in the list. It also
// ends the calls to a leader that another has followed. It ends with ctx.
func (s *Store) runDetector(ctx context.Context) {
	ticker := time.NewTicker(s.cfg.Heartbeat / 20)
	defer ticker.Stop()
	var kicked time.Time // the contact that was the last when we kicked
	if s.alone() {
		s.kick() // nobody else can lead
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		s.following.look(s.ctx, s.leader)
		last := s.raft().LastContact()
		if last.IsZero() || last.Equal(kicked) || time.Since(last) < s.cfg.Heartbeat ||
			time.Since(last) < s.patience() || s.raft().State() != raft.Follower {
			continue
		}
		kicked = last
		s.kick()
	}
}

// patience is how long a follower waits for its leader: a little longer for each place among the
// members, so that they do not stand for election in the same moment.
func (s *Store) patience() time.Duration {
	return s.cfg.Heartbeat + s.cfg.Heartbeat/10*time.Duration(s.rank())
}

// rank is this node's place among the members.
func (s *Store) rank() int { return rankOf(s.servers(), s.parts.id) }

// alone reports whether this node is the only voter.
func (s *Store) alone() bool {
	f := s.raft().GetConfiguration()
	if f.Error() != nil {
		return false
	}
	voters, own := 0, false
	for _, server := range f.Configuration().Servers {
		if server.Suffrage == raft.Voter {
			voters++
			own = own || server.ID == s.parts.id
		}
	}
	return own && voters == 1
}

// kick makes raft look at its follower's timer at once: it does when the timeout becomes shorter.
// So it grows by a millisecond first, and all settings are what they were afterwards.
func (s *Store) kick() {
	s.settings.Lock()
	defer s.settings.Unlock()
	c := s.raft().ReloadableConfig()
	longer := c
	longer.HeartbeatTimeout += time.Millisecond
	longer.ElectionTimeout += time.Millisecond
	err := s.raft().ReloadConfig(longer)
	if err == nil {
		err = s.raft().ReloadConfig(c)
	}
	if err != nil {
		s.log.Warn("raft settings refused", "error", err)
	}
}

// leader returns the address and the name of the leader, "" while there is none.
func (s *Store) leader() (addr, node string) {
	a, id := s.raft().LeaderWithID()
	if id != "" {
		a = s.nodes.resolve(id, a)
	}
	return string(a), nodeName(id)
}

func (s *Store) leaderName() string {
	_, node := s.leader()
	return node
}
