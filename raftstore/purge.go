package raftstore

import (
	"context"
	"math"
	"time"

	"holdfast/engine"
)

// purgePause is the least time between two entries that end records, so that it takes a node some 2% of
// a core: at most 20,000 records a second, more than any flow writes.
const purgePause = 50 * time.Millisecond

// notePurge publishes when a record expires.
func (m *machine) notePurge(ledger *engine.Ledger) {
	next, ok := ledger.NextPurge()
	if !ok {
		next = 0
	}
	if m.nextPurge.Swap(next) != next {
		m.poke(m.purging)
	}
}

// runPurge proposes that records end whenever one has expired, while this node leads, and nothing
// otherwise. It ends with ctx.
func (s *Store) runPurge(ctx context.Context) {
	timer := time.NewTimer(tickNever)
	defer timer.Stop()
	for {
		timer.Reset(s.untilPurge())
		select {
		case <-ctx.Done():
			return
		case <-s.machine.purging:
			continue
		case <-timer.C:
		}
		if s.untilPurge() > 0 {
			continue
		}
		if err := s.purge(ctx); err != nil {
			s.log.Debug("purge", "error", err)
		}
		if !pause(ctx, purgePause) {
			return
		}
	}
}

// untilPurge is how long no record expires; 0 or less when one has. While the term is not open, or too
// many bodies wait for the disk, it is when to look again.
func (s *Store) untilPurge() time.Duration {
	next := s.machine.nextPurge.Load()
	if next == 0 {
		return tickNever
	}
	now, least := s.cfg.Now().UnixMilli(), time.Second
	if l := s.lead.Load(); l != nil && l.opened.Load() {
		now = l.clock.read()
		if s.machine.bodies.State().DirtyBytes < maxDirty/2 {
			least = math.MinInt64
		}
	}
	due := min(next-now, tickNever.Milliseconds())
	return max(time.Duration(due)*time.Millisecond, least)
}

// purge proposes one Purge and waits until it is applied. It returns the batch's error.
func (s *Store) purge(ctx context.Context) error {
	c := s.machine.encode(engine.Op{Command: &engine.Purge{Count: engine.MaxPurge}})
	b, _, err := s.batcher.add(c)
	c.release()
	if err != nil {
		return err
	}
	return b.wait(ctx)
}
