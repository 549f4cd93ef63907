package raftstore

import (
	"context"
	"fmt"
	"math"
	"time"

	"holdfast/engine"
)

const (
	// flushAt is how many bytes of bodies wait in memory before they are written without a checkpoint.
	flushAt = 8 << 20
	// maxDirty is how many may wait: above, what makes bodies is held back. Retiring and purging wait,
	// and changes of definitions and of records are refused.
	maxDirty = 64 << 20
	// flushAgain is how long to wait after a flush that failed.
	flushAgain = 5 * time.Second
)

// keepBodies takes the bodies of the entry that was just applied.
func (m *machine) keepBodies(index uint64) {
	if len(m.out.Bodies) == 0 {
		return
	}
	m.bodies.Put(index, m.out.Bodies)
	if m.bodies.State().DirtyBytes > flushAt {
		m.poke(m.dirty)
	}
}

// flushBodies makes the bodies of all entries up to through durable, before a checkpoint of that state
// takes the place of the log. Versions that neither of the two newest checkpoints names may go.
func (m *machine) flushBodies(through uint64) error {
	floor := m.checkpoints.Floor()
	if floor == math.MaxUint64 {
		floor = 0
	}
	if err := m.bodies.Flush(through, floor); err != nil {
		return fmt.Errorf("flush the bodies: %w", err)
	}
	return nil
}

// runBodies writes bodies whenever many are in memory only, until ctx ends. One that fails leaves them
// there; the next checkpoint fails too then, so that the log that makes them again is kept.
func (s *Store) runBodies(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.machine.dirty:
		}
		if err := s.machine.bodies.Flush(s.machine.applied.Load(), 0); err != nil {
			s.log.Warn("bodies not written", "error", err)
			if !pause(ctx, flushAgain) {
				return
			}
			s.poke(s.machine.dirty)
		}
	}
}

// pause waits; it returns false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// admitAll is admitBodies for commands of another node: bodies may wait here that do not wait there.
func (s *Store) admitAll(ops []engine.Op) error {
	for _, op := range ops {
		if err := s.admitBodies(op.Command); err != nil {
			return err
		}
	}
	return nil
}

// admitBodies refuses commands that make bodies while too many wait for the disk: *OverloadedError.
func (s *Store) admitBodies(c engine.Command) error {
	if engine.MakesBody(c) && s.machine.bodies.State().DirtyBytes >= maxDirty {
		return &OverloadedError{Queue: "bodies", After: time.Second}
	}
	return nil
}
