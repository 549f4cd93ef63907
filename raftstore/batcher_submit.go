package raftstore

import (
	"context"
	"slices"

	"holdfast/engine"
)

// Submit runs one command and returns its result, which may be a refusal. The store changes nothing
// in the command, and keeps nothing of it; the result may share its strings.
//
// It fails with *engine.FieldError (a fault that needs no state), *TooLargeError, *OverloadedError,
// *DiskFullError or *NoLeaderError: then nothing happened. With *UnknownError, also when ctx ends first, it may
// have happened.
func (s *Store) Submit(ctx context.Context, op engine.Op) (r engine.Result, err error) {
	if err := engine.Validate(op.Command); err != nil {
		return engine.Result{}, err
	}
	if err := s.admitBodies(op.Command); err != nil {
		return engine.Result{}, err
	}
	if op.Command, err = s.withBasis(ctx, op.Command); err != nil {
		return engine.Result{}, err
	}
	b, at, err := s.queue(op)
	if err != nil {
		if r, ok := s.recall(op, err); ok {
			return s.whole(ctx, op, r)
		}
		return engine.Result{}, err
	}
	if err := b.wait(ctx); err != nil {
		return engine.Result{}, err
	}
	if err = b.result(at, op.Command, &r); err != nil {
		return r, err
	}
	return s.whole(ctx, op, r)
}

// queue encodes op and puts it into a batch. It fails as batcher.add, or with *TooLargeError.
func (s *Store) queue(op engine.Op) (*batch, int, error) {
	c := s.machine.encode(op)
	defer c.release()
	if err := c.checkSize(0); err != nil {
		return nil, 0, err
	}
	return s.batcher.add(c)
}

// notAdmitted reports whether err says that a command was not admitted and may be another time.
func notAdmitted(err error) bool {
	switch err.(type) {
	case *OverloadedError, *DiskFullError:
		return true
	}
	return false
}

// recall looks for a remembered answer when admission refused, so that replays are answered however
// full the queue is.
func (s *Store) recall(op engine.Op, err error) (engine.Result, bool) {
	if !notAdmitted(err) || op.Key.IsZero() {
		return engine.Result{}, false
	}
	s.machine.mu.Lock()
	defer s.machine.mu.Unlock()
	if s.machine.mu.broken {
		return engine.Result{}, false
	}
	return s.machine.mu.ledger.Recall(op)
}

// SubmitAll runs commands in their order, with those of others in between where they span several
// entries. done is called once for each, in order, before SubmitAll returns; i is its place in ops,
// and r and what it points to are done's until it returns.
//
// Each command gets what Submit would have given it, with two differences: admission takes all of
// them or none; and once one may not have happened, none of the later ones of this call happens:
// they fail with *NoLeaderError. Nobody may change ops or a command until SubmitAll returns.
func (s *Store) SubmitAll(ctx context.Context, ops []engine.Op,
	done func(i int, r engine.Result, err error)) {
	c := call{ops: ops, done: done}
	for i := range ops {
		c.check(ctx, s, i)
	}
	if kept := c.kept(); len(kept) > 0 {
		s.submitKept(ctx, &c, kept)
	}
	c.finish(len(ops))
}

// submitKept queues the commands that can be, and answers them.
func (s *Store) submitKept(ctx context.Context, c *call, kept []engine.Op) {
	s.reviveFirst(ctx, kept)
	encoded := s.machine.encode(kept...)
	for c.tooLarge(encoded) {
		encoded.release()
		if kept = c.kept(); len(kept) == 0 {
			return
		}
		encoded = s.machine.encode(kept...)
	}
	spans, err := s.batcher.addAll(encoded, true, false)
	encoded.release()
	var r engine.Result // its room is used again and again
	if err != nil {
		for _, op := range kept {
			c.finish(c.place())
			if known, ok := s.recall(op, err); ok {
				c.answer(s.whole(ctx, op, known))
			} else {
				c.answer(engine.Result{}, err)
			}
		}
		return
	}
	for _, sp := range spans {
		err := sp.b.wait(ctx)
		for k, op := range kept[sp.from:sp.to] {
			c.finish(c.place())
			if err != nil {
				c.answer(engine.Result{}, err)
				continue
			}
			if err := sp.b.result(sp.at+k, op.Command, &r); err != nil {
				c.answer(r, err)
				continue
			}
			c.answer(s.whole(ctx, op, r))
		}
	}
}

// checkSize fails with *TooLargeError when the command at a place fits into no batch.
func (c *commands) checkSize(i int) error {
	if size := len(c.run(i, i+1)); size > maxOpBytes {
		return &TooLargeError{Name: "command", Bytes: size, Most: maxOpBytes}
	}
	return nil
}

// call is one SubmitAll: which of its commands failed before they were queued, and how far it is.
type call struct {
	ops    []engine.Op
	done   func(i int, r engine.Result, err error)
	copied bool    // ops is no longer the caller's
	errs   []error // nil while no command failed
	next   int     // the first command that is not answered
}

// check validates command i and completes it.
func (c *call) check(ctx context.Context, s *Store, i int) {
	op := c.ops[i]
	err := engine.Validate(op.Command)
	if err == nil {
		err = s.admitBodies(op.Command)
	}
	if err == nil {
		op.Command, err = s.withBasis(ctx, op.Command)
	}
	if err == nil && op.Command != c.ops[i].Command {
		if !c.copied {
			c.ops, c.copied = slices.Clone(c.ops), true
		}
		c.ops[i] = op
	}
	if err != nil {
		c.fail(i, err)
	}
}

func (c *call) fail(i int, err error) {
	if c.errs == nil {
		c.errs = make([]error, len(c.ops))
	}
	c.errs[i] = err
}

// kept returns the commands that can be queued.
func (c *call) kept() []engine.Op {
	if c.errs == nil {
		return c.ops
	}
	var kept []engine.Op
	for i, op := range c.ops {
		if c.errs[i] == nil {
			kept = append(kept, op)
		}
	}
	return kept
}

// tooLarge fails the kept commands that are too large, which shows once they are encoded, and reports
// whether there were any.
func (c *call) tooLarge(encoded *commands) (any bool) {
	if len(encoded.buf) <= maxOpBytes {
		return false
	}
	places := make([]int, 0, encoded.len()) // of the kept ones in ops
	for i := range c.ops {
		if c.errs == nil || c.errs[i] == nil {
			places = append(places, i)
		}
	}
	for k, i := range places {
		if err := encoded.checkSize(k); err != nil {
			c.fail(i, err)
			any = true
		}
	}
	return any
}

// place is the place of the next command that was queued.
func (c *call) place() int {
	i := c.next
	for c.errs != nil && i < len(c.errs) && c.errs[i] != nil {
		i++
	}
	return i
}

// finish answers the commands in front of end that were never queued.
func (c *call) finish(end int) {
	for ; c.next < end; c.next++ {
		c.done(c.next, engine.Result{}, c.errs[c.next])
	}
}

func (c *call) answer(r engine.Result, err error) {
	c.done(c.next, r, err)
	c.next++
}
