package raftstore

import (
	"context"
	"slices"

	"holdfast/engine"
)

// Submit runs one command and returns its result, which may be a refusal. The store changes nothing
// in the command, and nobody else may from here on, nor what its strings and slices point to: after
// an error it may still be waiting to be encoded.
//
// It fails with *engine.FieldError (a fault that needs no state), *TooLargeError, *OverloadedError
// or *NoLeaderError: then nothing happened. With *UnknownError, also when ctx ends first, it may
// have happened.
func (s *Store) Submit(ctx context.Context, op engine.Op) (engine.Result, error) {
	if err := engine.Validate(op.Command); err != nil {
		return engine.Result{}, err
	}
	var err error
	if op.Command, err = s.withBasis(ctx, op.Command); err != nil {
		return engine.Result{}, err
	}
	size := engine.SizeOf(op)
	if size > maxOpBytes {
		return engine.Result{}, &TooLargeError{Name: "command", Bytes: size, Most: maxOpBytes}
	}
	b, at, err := s.batcher.add(op, size)
	if err != nil {
		if r, ok := s.recall(op, err); ok {
			return r, nil
		}
		return engine.Result{}, err
	}
	if err := b.wait(ctx); err != nil {
		return engine.Result{}, err
	}
	return b.result(at)
}

// recall looks for a remembered answer when admission refused, so that replays are answered however
// full the queue is.
func (s *Store) recall(op engine.Op, err error) (engine.Result, bool) {
	if _, over := err.(*OverloadedError); !over || op.Key.IsZero() {
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
// entries. done is called once for each, in order, before SubmitAll returns; i is its place in ops.
//
// Each command gets what Submit would have given it, with two differences: admission takes all of
// them or none; and once one may not have happened, none of the later ones of this call happens:
// they fail with *NoLeaderError. The commands must not change, as in Submit, nor ops until SubmitAll
// returns.
func (s *Store) SubmitAll(ctx context.Context, ops []engine.Op,
	done func(i int, r engine.Result, err error)) {
	c := call{ops: ops, sizes: make([]int32, len(ops))}
	for i := range ops {
		c.check(ctx, s, i)
	}
	kept := c.kept()
	if len(kept) == 0 {
		c.finish(done, len(ops))
		return
	}
	spans, err := s.batcher.addAll(kept, c.sizes[:len(kept)], true, false)
	if err != nil {
		for _, op := range kept {
			c.finish(done, c.place())
			r, known := s.recall(op, err)
			if known {
				c.answer(done, r, nil)
			} else {
				c.answer(done, engine.Result{}, err)
			}
		}
		c.finish(done, len(ops))
		return
	}
	for _, sp := range spans {
		err := sp.b.wait(ctx)
		for k := range sp.n {
			c.finish(done, c.place())
			if err != nil {
				c.answer(done, engine.Result{}, err)
				continue
			}
			r, err := sp.b.result(sp.at + k)
			c.answer(done, r, err)
		}
	}
	c.finish(done, len(ops))
}

// call is one SubmitAll: which of its commands failed before they were queued, and how far it is.
type call struct {
	ops    []engine.Op
	sizes  []int32
	copied bool    // ops is no longer the caller's
	errs   []error // nil while no command failed
	next   int     // the first command that is not answered
}

// check validates command i and completes it.
func (c *call) check(ctx context.Context, s *Store, i int) {
	op := c.ops[i]
	err := engine.Validate(op.Command)
	if err == nil {
		op.Command, err = s.withBasis(ctx, op.Command)
	}
	if err == nil && op.Command != c.ops[i].Command {
		if !c.copied {
			c.ops, c.copied = slices.Clone(c.ops), true
		}
		c.ops[i] = op
	}
	if err == nil {
		size := engine.SizeOf(op)
		c.sizes[i] = int32(min(size, maxOpBytes+1))
		if size > maxOpBytes {
			err = &TooLargeError{Name: "command", Bytes: size, Most: maxOpBytes}
		}
	}
	if err == nil {
		return
	}
	if c.errs == nil {
		c.errs = make([]error, len(c.ops))
	}
	c.errs[i] = err
}

// kept returns the commands that can be queued, with their sizes in front.
func (c *call) kept() []engine.Op {
	if c.errs == nil {
		return c.ops
	}
	var kept []engine.Op
	for i, op := range c.ops {
		if c.errs[i] == nil {
			c.sizes[len(kept)] = c.sizes[i]
			kept = append(kept, op)
		}
	}
	return kept
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
func (c *call) finish(done func(int, engine.Result, error), end int) {
	for ; c.next < end; c.next++ {
		done(c.next, engine.Result{}, c.errs[c.next])
	}
}

func (c *call) answer(done func(int, engine.Result, error), r engine.Result, err error) {
	done(c.next, r, err)
	c.next++
}
