package raftstore

import (
	"context"
	"errors"
	"time"

	"holdfast/engine"
)

// minIndexPatience is how long a read waits for its least index before it asks for a barrier: a
// follower that is merely a heartbeat behind has it by then.
const minIndexPatience = 50 * time.Millisecond

// Read runs step on the ledger, again while it returns true, and returns the index at which the
// last run saw it. Each run has the one lock for itself and must end within 100 µs; the state may
// move between two runs.
//
// Unless stale, the ledger then shows every write that was answered, on any node, before Read was
// called. A stale read does not ask anyone; age is how old the ledger may be: how long ago this node
// last heard of the leader, and more while it replays its log, 0 on the leader. Either waits until
// the ledger is at minIndex.
//
// It fails with *OverloadedError (too many reads), *NoLeaderError (also when ctx ends first) or
// *TooFarError (minIndex does not exist yet); step has not run then, or its last run does not count
// because the node died meanwhile.
func (s *Store) Read(ctx context.Context, stale bool, minIndex uint64,
	step func(*engine.Ledger) (more bool)) (index uint64, age time.Duration, err error) {
	if s.reads.Add(1) > int64(s.cfg.ReadsInFlight) {
		s.reads.Add(-1)
		s.metrics.refused.Inc()
		return 0, 0, &OverloadedError{Queue: "reads", After: minRetry}
	}
	defer s.reads.Add(-1)
	if stale || bugStaleRead {
		err = s.reach(ctx, minIndex)
		age = s.age()
	} else {
		err = s.catchUp(ctx, minIndex)
	}
	if err != nil {
		return 0, 0, err
	}
	for more := true; more; {
		if index, more, err = s.machine.look(step); err != nil {
			return 0, 0, s.asRead(err)
		}
	}
	return index, age, nil
}

// look runs step once under the lock. It fails with errDead, and step has not run, when the ledger
// is half way through an entry that could not be applied.
func (m *machine) look(step func(*engine.Ledger) bool) (index uint64, more bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.broken {
		return 0, false, errDead
	}
	more = step(m.mu.ledger)
	return m.applied.Load(), more, nil
}

// view is look for those who can do without: then step has not run.
func (m *machine) view(step func(*engine.Ledger) bool) { _, _, _ = m.look(step) }

// catchUp waits until everything that was answered before it was called is applied here: it joins
// the batch under construction, which on a follower goes to the leader and comes back with an
// index. It fails as Read does.
func (s *Store) catchUp(ctx context.Context, minIndex uint64) error {
	b, err := s.batcher.join(false)
	if err != nil {
		return err
	}
	if err := b.wait(ctx); err != nil {
		return s.asRead(err)
	}
	if b.index == 0 { // nothing of it was applied, so it says nothing of what was agreed before
		return s.asRead(errNoIndex)
	}
	if err := s.machine.waiters.wait(ctx, b.index, &s.machine.applied, s.closing); err != nil {
		return s.asRead(err)
	}
	if have := s.machine.applied.Load(); have < minIndex {
		return &TooFarError{Wanted: minIndex, Have: have}
	}
	return nil
}

var errNoIndex = errors.New("the leader could not say an index")

// reach waits until the ledger is at minIndex: for a moment by itself, then with one barrier. It
// fails as Read does.
func (s *Store) reach(ctx context.Context, minIndex uint64) error {
	if s.machine.applied.Load() >= minIndex {
		return nil
	}
	soon, cancel := context.WithTimeout(ctx, minIndexPatience)
	defer cancel()
	if s.machine.waiters.wait(soon, minIndex, &s.machine.applied, s.closing) == nil {
		return nil
	}
	return s.catchUp(ctx, minIndex)
}

// asRead turns what befell a batch into what it means for a read, which changes nothing: it can
// always be sent again.
func (s *Store) asRead(err error) error {
	if e, ok := err.(*NoLeaderError); ok {
		return e
	}
	return &NoLeaderError{Known: s.leaderName(), Why: err.Error(), After: retrySoon}
}

// Check looks for broken invariants, in slices, on this node's ledger as it is after everything
// that was answered before. The index is that of the last slice; the state may move meanwhile. It
// fails as Read does.
func (s *Store) Check(ctx context.Context) (uint64, []engine.Violation, error) {
	var c *engine.Checker
	index, _, err := s.Read(ctx, false, 0, func(l *engine.Ledger) bool {
		if c == nil {
			c = l.NewChecker()
		}
		return c.Step(checkSlice) && ctx.Err() == nil
	})
	if err != nil {
		return 0, nil, err
	}
	if ctx.Err() != nil {
		return 0, nil, s.asRead(context.Cause(ctx))
	}
	var found []engine.Violation
	s.machine.view(func(*engine.Ledger) bool {
		found = c.Violations()
		return false
	})
	return index, found, nil
}

// checkSlice is how many rows a check looks at under one hold of the lock: some 50 µs.
const checkSlice = 200
