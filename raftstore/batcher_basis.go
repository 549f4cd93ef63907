package raftstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"holdfast/engine"
)

// maxBasisSteps bounds the walk back through the events of one SKU at one location.
const maxBasisSteps = 100_000

// withBasis returns c, or a copy in which every set that speaks of an earlier moment has the
// movements up to that moment; c itself stays as it is. Movements and events are replicated, so any
// node finds the same, but for one that is still fetching them after an install: it says so with
// *NoLeaderError. It fails as Read does, or with the error of the disk.
func (s *Store) withBasis(ctx context.Context, c engine.Command) (engine.Command, error) {
	switch c := c.(type) {
	case *engine.Set:
		return s.basisOf(ctx, c)
	case *engine.Group:
		group := c
		for i, op := range c.Ops {
			set, ok := op.(*engine.Set)
			if !ok {
				continue
			}
			whole, err := s.basisOf(ctx, set)
			if err != nil {
				return nil, err
			}
			if whole == set {
				continue
			}
			if group == c {
				copied := *c
				copied.Ops = slices.Clone(c.Ops)
				group = &copied
			}
			group.Ops[i] = whole
		}
		return group, nil
	}
	return c, nil
}

// basisOf returns set, or a copy with its basis; it fails as withBasis.
func (s *Store) basisOf(ctx context.Context, set *engine.Set) (*engine.Set, error) {
	if set.AsOf == 0 && set.Basis == 0 && !set.BasisGone || set.AsOf != 0 && set.BasisRead {
		return set, nil
	}
	whole := *set
	whole.Basis, whole.BasisGone = 0, false // ours to say
	return &whole, s.fillBasis(ctx, &whole)
}

func (s *Store) fillBasis(ctx context.Context, set *engine.Set) error {
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
	basis, err := basisAt(ctx, s.machine.events, moved, last, set.AsOf)
	if errors.Is(err, ErrEventsGone) {
		if !s.complete() { // they may come yet
			return &NoLeaderError{Why: "this node is fetching its history", After: time.Second}
		}
		set.BasisGone = true
		return nil
	}
	set.Basis = basis
	return err
}

// movements returns the running sum of movements of a SKU at a location and the sequence of its
// newest event; 0, 0 when nothing is known of it, and when the node is dead, which answers nothing.
func (m *machine) movements(sku, location string) (moved int64, last uint64) {
	m.view(func(l *engine.Ledger) bool {
		rows, _ := l.Stock(sku) // none when it is refused
		for _, row := range rows {
			if row.Location == location {
				moved, last = row.Moved, row.LastEvent
			}
		}
		return false
	})
	return moved, last
}

// basisAt returns the running sum of movements at the moment asOf: what it is now, less the
// changes of on hand since. A set changes on hand without being a movement. It fails with
// ErrEventsGone when the events do not reach back so far, or are too many to walk, with the error of
// the disk, or with *NoLeaderError when ctx ends first.
func basisAt(ctx context.Context, events EventLog, moved int64, last uint64, asOf int64) (int64, error) {
	if last == 0 {
		return 0, nil
	}
	e, err := events.At(last)
	if err != nil {
		return 0, err
	}
	for step := range maxBasisSteps {
		if step%256 == 255 && ctx.Err() != nil {
			return 0, &NoLeaderError{Why: context.Cause(ctx).Error(), After: retrySoon}
		}
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
