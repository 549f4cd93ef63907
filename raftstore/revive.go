package raftstore

import (
	"context"
	"errors"
	"time"

	"holdfast/engine"
)

// Reservations that have left memory are known there by their ids only. What names one is answered in
// three ways:
//
//   - A result about it says the version of its body; the node that was asked reads that body and
//     completes the result.
//   - A verb on it is refused as engine.ReservationClosed, which is not remembered and changed nothing:
//     the node that was asked reads the body and sends the verb again behind an engine.Revive.
//   - The commands of one SubmitAll must take effect in their order, so what they name is brought back
//     before they are sent at all. What leaves in between is treated as in Submit.

// reviveTries bounds how often a verb is sent again: what came back stays for Limits.ClosedAfter.
const reviveTries = 3

// bodyPatience is how long a node waits for its own ledger to reach the entry that made a body.
const bodyPatience = 2 * time.Second

// whole returns the result of op with what has left memory. It fails with *OverloadedError when the
// body is not on this node, and as Submit when the command had to be sent again; a command that did
// take effect and whose reservation cannot be shown is not an error: the result is without it.
func (s *Store) whole(ctx context.Context, op engine.Op, r engine.Result) (engine.Result, error) {
	for range reviveTries {
		if r.Refusal != engine.ReservationClosed {
			s.showRetired(ctx, op.Command, &r)
			return r, nil
		}
		var err error
		if r, err = s.again(ctx, op, r.Index); err != nil {
			return engine.Result{}, err
		}
	}
	return engine.Result{}, bodiesBusy()
}

// bodiesBusy says that a body could not be had in time; nothing happened.
func bodiesBusy() error { return &OverloadedError{Queue: "bodies", After: time.Second} }

// again sends op behind the revives that it needs, as this node's ledger knows them at index or later.
// It fails as Submit.
func (s *Store) again(ctx context.Context, op engine.Op, index uint64) (r engine.Result, err error) {
	ops, err := s.revivesFor(ctx, []engine.Op{op}, index)
	if err != nil {
		return r, err
	}
	c := s.machine.encode(append(ops, op)...)
	spans, err := s.batcher.addAll(c, true, false)
	c.release()
	if err != nil {
		return r, err
	}
	last := spans[len(spans)-1]
	if err := last.b.wait(ctx); err != nil {
		return r, err
	}
	err = last.b.result(last.at+last.n-1, op.Command, &r)
	return r, err
}

// reviveFirst brings back what ops act upon. When it cannot, the ops are refused one by one, and each is
// tried again by itself.
func (s *Store) reviveFirst(ctx context.Context, ops []engine.Op) {
	if !s.anyRetired() {
		return
	}
	revives, err := s.revivesFor(ctx, ops, 0)
	if err != nil || len(revives) == 0 {
		return
	}
	c := s.machine.encode(revives...)
	spans, err := s.batcher.addAll(c, false, false)
	c.release()
	if err != nil {
		return
	}
	for _, sp := range spans {
		if sp.b.wait(ctx) != nil {
			return
		}
	}
}

func (s *Store) anyRetired() (any bool) {
	s.machine.view(func(l *engine.Ledger) bool {
		any = l.AnyRetired()
		return false
	})
	return any
}

// revivesFor returns a revive for each reservation that has left memory and that ops act upon, by the
// ledger as it is at index or later. It fails with *OverloadedError when a body cannot be had.
func (s *Store) revivesFor(ctx context.Context, ops []engine.Op, index uint64) ([]engine.Op, error) {
	if !s.soonAt(ctx, index) {
		return nil, bodiesBusy()
	}
	var revives []engine.Op
	for _, id := range actedOn(ops) {
		version, away := s.retired(id)
		if !away {
			continue
		}
		record, err := s.body(id, version)
		if err != nil {
			return nil, err
		}
		revives = append(revives, engine.Op{Command: &engine.Revive{
			ID: id, Version: version, Record: record,
		}})
	}
	return revives, nil
}

// soonAt waits a little until the ledger is at index.
func (s *Store) soonAt(ctx context.Context, index uint64) bool {
	ctx, cancel := context.WithTimeout(ctx, bodyPatience)
	defer cancel()
	return s.machine.waiters.wait(ctx, index, &s.machine.applied, s.closing) == nil
}

// actedOn lists the reservations that commands act upon, each once.
func actedOn(ops []engine.Op) (ids []string) {
	seen := map[string]bool{}
	add := func(c engine.Command) {
		if id := engine.ActsOn(c); id != "" && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	for _, op := range ops {
		if g, ok := op.Command.(*engine.Group); ok {
			for _, c := range g.Ops {
				add(c)
			}
			continue
		}
		add(op.Command)
	}
	return ids
}

func (s *Store) retired(id string) (version uint64, away bool) {
	s.machine.view(func(l *engine.Ledger) bool {
		version, away = l.Retired(id)
		return false
	})
	return version, away
}

// body reads the body of a reservation. It fails with *OverloadedError: a body that the ledger names is
// missing only until it has come after an install; one that is damaged is said in the log.
func (s *Store) body(id string, version uint64) ([]byte, error) {
	key := rowKey(engine.BodyOfReservation, engine.ReservationKey(id))
	p, err := s.machine.bodies.Get(key, version)
	if err == nil {
		return p, nil
	}
	if !errors.Is(err, ErrNoBody) || s.machine.bodies.State().Missing == 0 {
		s.log.Error("a body cannot be read", "reservation", id, "version", version, "error", err)
	}
	return nil, bodiesBusy()
}

// showRetired puts the reservations that have left memory into a result.
func (s *Store) showRetired(ctx context.Context, c engine.Command, r *engine.Result) {
	if g, ok := c.(*engine.Group); ok {
		for i := range r.Ops {
			if i < len(g.Ops) {
				s.showRetired(ctx, g.Ops[i], &r.Ops[i])
			}
		}
		return
	}
	if r.Body == 0 {
		return
	}
	id := engine.ActsOn(c)
	if reserve, ok := c.(*engine.Reserve); ok {
		id = reserve.ID
	}
	if v, err := s.Retired(ctx, id, r.Body); err == nil {
		r.Reservation = &v
	}
}

// Retired returns a reservation as it left memory; version is what [engine.Ledger.Retired] says. It
// fails with *OverloadedError when its body cannot be had now, or with *NoLeaderError when the node has
// stopped or is behind.
func (s *Store) Retired(ctx context.Context, id string, version uint64) (r engine.Reservation, err error) {
	if !s.soonAt(ctx, version) {
		return r, bodiesBusy()
	}
	p, err := s.body(id, version)
	if err != nil {
		return r, err
	}
	known := false
	if _, _, err := s.machine.look(func(l *engine.Ledger) bool {
		r, known = l.ReservationOf(p)
		return false
	}); err != nil {
		return r, s.asRead(err)
	}
	if !known {
		s.log.Error("a body is of no reservation", "reservation", id, "version", version)
		return r, bodiesBusy()
	}
	return r, nil
}
