package raftstore

import (
	"context"
	"errors"

	"holdfast/engine"
)

// maxBasisSteps bounds the walk back through the events of one SKU at one location.
const maxBasisSteps = 100_000

// fillBasis completes every set in c that speaks of an earlier moment with the movements up to
// that moment. Movements and events are replicated, so any node finds the same. It fails as Read
// does, or with the error of the disk.
func (s *Store) fillBasis(ctx context.Context, c engine.Command) error {
	switch c := c.(type) {
	case *engine.Set:
		return s.basisOf(ctx, c)
	case *engine.Group:
		for _, op := range c.Ops {
			if set, ok := op.(*engine.Set); ok {
				if err := s.basisOf(ctx, set); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *Store) basisOf(ctx context.Context, set *engine.Set) error {
	set.Basis, set.BasisGone = 0, false
	if set.AsOf == 0 {
		return nil
	}
	if s.machine.now() < set.AsOf {
		// Entries with stamps up to that moment may still be on their way.
		if err := s.catchUp(ctx, 0); err != nil {
			return err
		}
	}
	moved, last := s.machine.movements(string(set.SKU), string(set.Location))
	basis, err := basisAt(s.machine.events, moved, last, set.AsOf)
	if errors.Is(err, ErrEventsGone) {
		set.BasisGone = true
		return nil
	}
	set.Basis = basis
	return err
}

// movements returns the running sum of movements of a SKU at a location and the sequence of its
// newest event; 0, 0 when nothing is known of it.
func (m *machine) movements(sku, location string) (moved int64, last uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rows, refusal := m.mu.ledger.Stock(sku)
	if refusal != engine.Accepted {
		return 0, 0
	}
	for _, row := range rows {
		if row.Location == location {
			return row.Moved, row.LastEvent
		}
	}
	return 0, 0
}

// basisAt returns the running sum of movements at the moment asOf: what it is now, less the
// changes of on hand since. A set changes on hand without being a movement. It fails with
// ErrEventsGone when the events do not reach back so far, or are too many to walk, or with the
// error of the disk.
func basisAt(events EventLog, moved int64, last uint64, asOf int64) (int64, error) {
	if last == 0 {
		return 0, nil
	}
	e, err := events.At(last)
	if err != nil {
		return 0, err
	}
	for range maxBasisSteps {
		if e.At <= asOf {
			return moved, nil
		}
		if e.Prev == 0 {
			return 0, nil
		}
		before, err := events.At(e.Prev)
		if err != nil {
			return 0, err
		}
		if e.Type != engine.EventStockSet {
			moved -= e.OnHand - before.OnHand
		}
		e = before
	}
	return 0, ErrEventsGone
}
