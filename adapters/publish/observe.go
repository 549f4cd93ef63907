package publish

import (
	"context"
	"slices"
	"strings"
	"time"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// What a read of a slot means. A number alone means nothing: sales that are not in the ledger yet are
// in it. Only when the watermark has passed the slot's own time of its last change is every sale that
// it shows also in its tally; what is left then was done by somebody, or by a push of ours that we do
// not know of.

// finding is what a read of one slot comes to.
type finding struct {
	one    *gathered
	seen   *Seen
	slot   Slot             // as it is to be written
	ops    []engine.Command // that must happen with it
	look   look             // that is answered with it; version 0: none
	again  time.Time        // it says nothing before the watermark has passed this
	silent bool             // there is nothing to write
}

// fetch returns what reads slots, or waits for what was read: a [Bulker] is asked at once, so that its
// reads and the pushes beside them, which have limits of their own, do not wait for each other.
func (w *worker) fetch(ctx context.Context, outlet Outlet, list []*gathered) func() ([]*Seen, error) {
	if len(list) == 0 {
		return func() ([]*Seen, error) { return nil, nil }
	}
	slots := make([]Slot, len(list))
	for i, one := range list {
		slots[i] = *one.facts.Slot
	}
	var seen []*Seen
	var err error
	ask := func() {
		call, cancel := context.WithTimeout(ctx, CallTime-time.Second)
		defer cancel()
		seen, err = outlet.Pusher.Read(call, slots)
	}
	if _, ok := outlet.Pusher.(Bulker); !ok {
		return func() ([]*Seen, error) {
			ask()
			return seen, err
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		ask()
	}()
	return func() ([]*Seen, error) {
		<-done
		return seen, err
	}
}

// read writes what follows from what slots were read to be, each once: a slot that has changed since it was
// gathered is looked at again. When the process dies before the write, it is read again.
func (w *worker) read(ctx context.Context, outlet Outlet, list []*gathered, seen []*Seen, err error) error {
	if len(list) == 0 {
		return nil
	}
	if err != nil || len(seen) != len(list) {
		f := fateOf(err)
		for _, one := range list {
			w.failed(one.facts.Slot.ID, f.wait)
			w.mark(one.facts.Slot.ID)
		}
		w.l.p.cfg.Logger.Info("read failed", "connection", w.connection, "slots", len(list),
			"code", f.code, "error", err)
		return ctx.Err()
	}
	findings := make([]*finding, 0, len(list))
	for i, one := range list {
		busy, err := w.l.p.cfg.Busy(ctx, one.facts.Slot)
		if err != nil {
			return err
		}
		x := findOut(one, seen[i], busy, outlet.Master)
		if l, ok := w.l.p.book.look(x.slot.ID); ok && one.facts.Watermark.After(l.after) {
			x.look, x.silent = l, false
		}
		if x.again.IsZero() {
			findings = append(findings, x)
		} else {
			w.reading[x.slot.ID] = x.again
			w.mark(x.slot.ID)
		}
	}
	return w.write(ctx, findings)
}

// write writes findings in one Tx. One that cannot be written as it is, is left out: also when the
// tally has moved since, because a sale that was counted elsewhere by guess now stands here, and what
// was read shows it.
func (w *worker) write(ctx context.Context, list []*finding) error {
	for len(list) > 0 {
		var tx records.Tx
		var writeOf, opOf []int
		for i, x := range list {
			if x.healthy() { // also where nobody wrote that it is: what was told of it may be older
				before := len(tx.Writes)
				if err := w.l.p.cfg.Healed(ctx, &tx, x.slot.ID); err != nil {
					return err
				}
				writeOf = append(writeOf, slices.Repeat([]int{i}, len(tx.Writes)-before)...)
			}
			if x.silent {
				continue
			}
			tx.Do(x.ops...)
			opOf = append(opOf, slices.Repeat([]int{i}, len(x.ops))...)
			tx.Look(records.Tallies, x.slot.ID, x.one.tallyAt)
			writeOf = append(writeOf, i)
			tx.Replace(x.slot.Record(&tx), x.one.version)
			writeOf = append(writeOf, i)
			if len(x.ops) > 0 || !x.one.facts.Slot.Known {
				// A sale that was booked meanwhile is in none of what this was computed from.
				tx.Look(records.Tallies, x.slot.ID, x.one.tallyAt)
				writeOf = append(writeOf, i)
			}
			if key, ok := lookKey(x.slot.ID); ok && x.look.version != 0 {
				tx.Drop(records.Cursors, key, x.look.version)
				writeOf = append(writeOf, i)
			}
		}
		if tx.Empty() {
			break
		}
		o, err := w.l.p.cfg.Store.Submit(ctx, &tx)
		if err != nil {
			return err // if it happened, the next read finds nothing unexplained
		}
		if !o.Conflict && o.Refusal == engine.Accepted {
			break
		}
		if o.Conflict { // read again, and think again
			out := writeOf[o.At]
			w.wantRead(list[out].slot.ID)
			list = slices.Delete(list, out, out+1)
			continue
		}
		out := list[opOf[o.At]] // the ledger cannot count it, such as a kit: then it is drift
		out.ops = nil
		out.drift("edit", w.l.p.cfg.Now())
	}
	for _, x := range list {
		w.found(x)
	}
	return nil
}

// found notes a finding that is written.
func (w *worker) found(x *finding) {
	id := x.slot.ID
	delete(w.reading, id)
	delete(w.backoff, id)
	w.mark(id)
	old, d := x.one.facts.Slot.Drift, x.slot.Drift
	if d == nil || old != nil && d.At.Equal(old.At) {
		return
	}
	w.l.p.metrics.drift.WithLabelValues(w.connection, d.Cause).Inc()
	w.l.p.cfg.Logger.Info("drift", "slot", id, "sku", x.slot.SKU, "ours", d.Ours,
		"theirs", d.Theirs, "cause", d.Cause, "repair", d.Repair)
}

// findOut is what a read comes to. It is pure.
func findOut(one *gathered, seen *Seen, busy bool, master string) *finding {
	f := &one.facts
	x := &finding{one: one, seen: seen, slot: *f.Slot}
	s, now := &x.slot, f.Now
	if seen != nil && !seen.Tracked && seen.UpdatedAt.IsZero() && s.Known && (s.Seen == nil || s.Seen.Active) {
		seen, x.seen = nil, nil // it was counted there, and its level is gone
	}
	if seen == nil && !(s.Known && (s.Seen == nil || s.Seen.Active)) {
		// An item that was never stocked there: none are for sale, until a push activates the level.
		seen = &Seen{ReadAt: now, Tracked: true}
		x.seen = seen
	}
	if seen == nil {
		s.Blocked, s.Sent = Missing, nil
		if f.Slot.Drift == nil || f.Slot.Drift.Cause != Missing {
			s.Drift = &Drift{Ours: s.Expected(f.Tally), Cause: Missing, Repair: "none", At: now}
		}
		return x
	}
	switch {
	case !seen.UpdatedAt.IsZero() && !f.Watermark.After(seen.UpdatedAt):
		x.again = seen.UpdatedAt
		return x
	case busy: // a call of ours may be in the number, and not in the tally
		x.again = f.Watermark.Add(time.Millisecond)
		return x
	}
	ours := s.Expected(f.Tally)
	cause, known := "edit", s.Known
	if s.Sent != nil {
		cause = "unknown-push"
	}
	x.silent = known && s.Sent == nil && s.Doubt.IsZero() && s.Blocked == "" &&
		seen.Available == ours && s.Seen != nil && s.Seen.like(seen) &&
		s.Seen.ReadAt.After(s.AckedAt)
	s.Seen, s.Sent, s.Doubt, s.Blocked, s.Known = seen, nil, time.Time{}, "", true
	s.Acked, s.Tally = seen.Available, f.Tally
	s.Lease, s.LeaseTally = max(0, seen.Available), f.Tally
	switch by := seen.Available - ours; {
	case !known && f.Master && seen.Tracked:
		x.ops = append(x.ops, &engine.Set{
			SKU: engine.Name(s.SKU), Location: engine.Name(s.Location), Source: master,
			Value: max(0, seen.Available+seen.Committed),
			// What is booked between the gathering and the write counts on top.
			AsOf: one.readAt, Basis: one.moved, BasisRead: true,
		})
	case !known || by == 0:
	case f.Master && cause == "edit":
		kind, _, _ := strings.Cut(master, ":")
		x.ops = append(x.ops, &engine.Adjust{
			SKU: engine.Name(s.SKU), Location: engine.Name(s.Location), Source: master,
			Delta: by, Reason: kind + "-edit",
		})
		s.Drift = &Drift{Ours: ours, Theirs: seen.Available, Cause: cause, Repair: "adjusted",
			At: now, Repaired: now}
	default:
		x.drift(cause, now)
	}
	return x
}

// drift notes a difference that a push will repair, if it must.
func (x *finding) drift(cause string, now time.Time) {
	f := &x.one.facts
	d := &Drift{Ours: f.Slot.Expected(f.Tally), Theirs: x.seen.Available, Cause: cause,
		Repair: "push", At: now}
	if x.one.plan.Target == x.seen.Available {
		d.Repair, d.Repaired = "none", now // it is what it should be
	}
	x.slot.Drift = d
}

// healthy reports whether the slot was found to be what it should be.
func (x *finding) healthy() bool {
	return x.seen != nil && x.slot.Blocked == "" && x.seen.Available == x.one.plan.Target
}

// like reports whether two reads show the same.
func (s *Seen) like(o *Seen) bool {
	return s.Available == o.Available && s.Committed == o.Committed && s.OnHand == o.OnHand &&
		s.Active == o.Active && s.Tracked == o.Tracked
}
