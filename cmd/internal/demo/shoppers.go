package demo

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/cmd/internal/client"
)

// shoppers send a plan.
type shoppers struct {
	plan   *Plan
	books  *Books
	send   *sender
	rate   int          // orders a second; 0 is as fast as the nodes take them
	done   atomic.Int64 // orders that are through
	number int          // shoppers at the same time
}

// run sends all work of the plan. It fails when a call gets no verdict within patience, because
// then nobody can say any more what must be true.
func (s *shoppers) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	work := make(chan Work)
	g.Go(func() error {
		defer close(work)
		return s.pace(ctx, work)
	})
	for i := range s.number {
		g.Go(func() error {
			for w := range work {
				if err := s.do(ctx, i, w); err != nil {
					return fmt.Errorf("%s: %w", w.Name, err)
				}
				s.done.Add(int64(len(w.Orders)))
			}
			return nil
		})
	}
	return g.Wait()
}

// pace hands out the work, at most rate orders a second.
func (s *shoppers) pace(ctx context.Context, work chan<- Work) error {
	began, sent := time.Now(), 0
	for _, w := range s.plan.Work {
		if s.rate > 0 {
			due := began.Add(time.Duration(sent) * time.Second / time.Duration(s.rate))
			timer := time.NewTimer(time.Until(due))
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return ctx.Err()
			}
		}
		select {
		case work <- w:
		case <-ctx.Done():
			return ctx.Err()
		}
		sent += len(w.Orders)
	}
	return nil
}

func (s *shoppers) do(ctx context.Context, start int, w Work) error {
	switch {
	case w.Delivery != nil:
		return s.send.stock(ctx, start, w.Name, w.Delivery, s.books)
	case len(w.Orders) == 1:
		return s.single(ctx, start, w.Orders[0])
	}
	return s.together(ctx, start, w)
}

// verb is one step of an order after its reserve.
type verb struct{ client.Verb }

// next builds step of o from what was acknowledged last. ok is false when there is nothing to do:
// an order with only short units cannot ship.
func next(o *Order, last client.Reservation, step string) (v verb, ok bool) {
	v.Op, v.ID = step, o.ID
	live := func(l client.Line) int64 { return l.Held + l.Committed }
	switch step {
	case "ship-one", "return-one":
		v.Op, _, _ = strings.Cut(step, "-")
		units := live
		if v.Op == "return" {
			units = func(l client.Line) int64 { return l.Shipped - l.Returned }
			v.Location, v.Disposition = atMain, "sellable"
			if o.Fate == ReturnedDamaged {
				v.Disposition = "damaged"
			}
		}
		for _, l := range last.Lines {
			if units(l) > 0 {
				v.Lines = []client.PickLine{{Line: l.Line, Qty: 1}}
				return v, true
			}
		}
		return v, false
	case "ship":
		for _, l := range last.Lines {
			if live(l) > 0 {
				return v, true
			}
		}
		return v, false
	}
	return v, true
}

// single sends an order step by step.
func (s *shoppers) single(ctx context.Context, start int, o *Order) error {
	first, err := s.reserve(ctx, start, o)
	if err != nil || !s.books.reserved(o, first) {
		return err
	}
	for n, step := range steps[o.Fate][1:] {
		v, ok := next(o, s.books.lastOf(o), step)
		if !ok {
			return nil
		}
		body := v.Verb
		body.Op, body.ID = "", "" // they are in the path
		a, err := s.send.one(ctx, start, client.Call{Method: "POST",
			Path: "/v1/reservations/" + o.ID + "/" + v.Op, Body: body,
			Key: fmt.Sprintf("%s-%d-%s", o.ID, n+1, step)})
		if err != nil || !s.books.did(o, v, a) {
			return err
		}
	}
	return nil
}

// reserve sends an order's reserve, a second time if the plan says so, and returns the first
// answer.
func (s *shoppers) reserve(ctx context.Context, start int, o *Order) (answer, error) {
	c := client.Call{Method: "POST", Path: "/v1/reservations", Body: o.Reserve,
		Key: o.ID + "-reserve"}
	if o.Again == AtOnce {
		var twin answer
		g, gctx := errgroup.WithContext(ctx)
		g.Go(func() (err error) {
			twin, err = s.send.one(gctx, start+1, c)
			return err
		})
		first, err := s.send.one(ctx, start, c)
		if twinErr := g.Wait(); err == nil {
			err = twinErr
		}
		if err == nil {
			s.books.repeated("two reserves of "+o.ID+" at once", first, twin, true)
		}
		return first, err
	}
	first, err := s.send.one(ctx, start, c)
	if err != nil || o.Again == Once {
		return first, err
	}
	sameKey := o.Again == SameKey
	if !sameKey {
		if !first.ok() {
			return first, nil // a refused reserve leaves no trace under its id: it would be tried anew
		}
		c.Key = o.ID + "-other-key"
	}
	second, err := s.send.one(ctx, start+1, c)
	if err == nil {
		s.books.repeated("a second reserve of "+o.ID, first, second, sameKey)
	}
	return first, err
}

// together sends the orders of a batch: their reserves in one call, then step for step what goes
// on.
func (s *shoppers) together(ctx context.Context, start int, w Work) error {
	var ops []any
	for _, o := range w.Orders {
		r := o.Reserve
		r.Op = "reserve"
		ops = append(ops, r)
	}
	answers, err := s.twice(ctx, start, w, "reserve", ops)
	if err != nil {
		return err
	}
	var going []*Order
	for i, o := range w.Orders {
		if s.books.reserved(o, answers[i]) {
			going = append(going, o)
		}
	}
	for n := 1; len(going) > 0; n++ {
		var verbs []verb
		var who []*Order
		ops = ops[:0]
		for _, o := range going {
			if n >= len(steps[o.Fate]) {
				continue
			}
			if v, ok := next(o, s.books.lastOf(o), steps[o.Fate][n]); ok {
				ops, verbs, who = append(ops, v.Verb), append(verbs, v), append(who, o)
			}
		}
		if len(ops) == 0 {
			return nil
		}
		if answers, err = s.twice(ctx, start, w, fmt.Sprint("step-", n), ops); err != nil {
			return err
		}
		going = going[:0]
		for i, o := range who {
			if s.books.did(o, verbs[i], answers[i]) {
				going = append(going, o)
			}
		}
	}
	return nil
}

// twice sends a batch, again if the plan says so, and returns the first answers.
func (s *shoppers) twice(ctx context.Context, start int, w Work, step string,
	ops []any) ([]answer, error) {
	key := w.Name + "-" + step
	first, err := s.send.batch(ctx, start, key, ops)
	if err != nil || !w.Again {
		return first, err
	}
	second, err := s.send.batch(ctx, start+1, key, ops)
	if err != nil {
		return nil, err
	}
	for i := range second {
		what := fmt.Sprintf("op %d of batch %s sent again", i+1, key)
		s.books.repeated(what, first[i], second[i], true)
	}
	return first, nil
}
