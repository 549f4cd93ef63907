package publish

import (
	"context"
	"errors"
	"time"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// do decides about slots again, with what is known now, and does it: only the latest value of a slot
// is ever sent. It fails with the store's error.
func (w *worker) do(ctx context.Context, outlet Outlet, ids []string) error {
	all, err := w.gather.gather(ctx, ids, false)
	if err != nil {
		return err
	}
	var pushes, reads []*gathered
	for i := range all {
		one := &all[i]
		w.place(ids[i], one) // what it is by now
		if w.queue.byID[ids[i]] == nil || !one.ok {
			continue
		}
		w.queue.drop(ids[i])
		delete(w.slow, ids[i])
		if one.plan.Do == Read {
			reads = append(reads, one)
			continue
		}
		wait, err := w.astray(ctx, one)
		if err != nil {
			return err
		}
		if wait {
			w.parked[ids[i]] = w.l.p.cfg.Now().Add(astrayWait)
			continue
		}
		pushes = append(pushes, one)
	}
	fetched := w.fetch(ctx, outlet, reads) // beside the pushes: they are of other slots
	err = w.push(ctx, outlet, pushes)
	seen, failed := fetched()
	if err != nil {
		return err
	}
	return w.read(ctx, outlet, reads, seen, failed)
}

// astrayWait is how often a slot is looked at again of which all that it differs by is astray: what ends
// that is no change of the slot.
const astrayWait = 250 * time.Millisecond

// astray takes out of a new push what an order of the channel's own has at one location here and at
// another one there: nobody can buy too much of it, and the push would undo what the channel did itself.
// While such orders are being placed, what the slots of the SKU differ by together is the most that is
// pushed of it. wait: nothing is left, or nobody can tell. It fails with the store's error.
func (w *worker) astray(ctx context.Context, one *gathered) (wait bool, err error) {
	p := &one.plan
	if s := one.facts.Slot; p.Do != Send || p.Push.Activate || s.Location == "" {
		return false, nil
	}
	ids := w.siblings(one.facts.Slot)
	if len(ids) < 2 {
		return false, nil
	}
	all, err := w.gather.gather(ctx, ids, false)
	if err != nil {
		return false, err
	}
	tally := uint64(0)
	for i := range all {
		tally = max(tally, all[i].tallyAt)
	}
	away, err := w.l.p.cfg.Astray(ctx, one.facts.Slot, tally)
	if err != nil || !away.Known {
		return true, err
	}
	// The orders were read after the slots: only if those have not moved does one belong to the other.
	if all, err = w.gather.gather(ctx, ids, false); err != nil {
		return false, err
	}
	sum := int64(0)
	for i := range all {
		q := &all[i].plan
		if !all[i].ok || all[i].tallyAt > tally || all[i].facts.Slot.ID == one.facts.Slot.ID &&
			(q.Do != Send || q.Target != p.Target || q.Expected != p.Expected) {
			return true, nil
		}
		sum += q.Target - q.Expected
	}
	own := p.Push.Quantity - p.Expected
	rest := towards(own-away.Units, own)
	if away.Moving {
		rest = towards(sum, rest)
	}
	if rest != 0 && rest != own {
		one.facts.push(p, p.Expected+rest)
	}
	return rest == 0, nil
}

// towards cuts n to what is between 0 and most: other reasons may hide a part of a difference, so that
// one reason makes a push smaller and never turns it round.
func towards(n, most int64) int64 { return min(max(n, min(most, 0)), max(most, 0)) }

// siblings are the slots of a slot's SKU in its channel, and it is one of them.
func (w *worker) siblings(s *Slot) (ids []string) {
	for _, other := range w.l.p.book.Of(s.SKU) {
		if other.Connection == s.Connection && other.Channel == s.Channel {
			ids = append(ids, other.ID)
		}
	}
	return ids
}

// push claims, sends and acknowledges. When the process dies before the claim is in the log, nothing
// was sent; after it, whoever leads next finds Slot.Sent, waits until the call has surely ended, and
// sends the same again.
func (w *worker) push(ctx context.Context, outlet Outlet, list []*gathered) error {
	list, err := w.claim(ctx, list)
	if err != nil {
		return err
	}
	var slots []Slot
	var changes []Push
	var sent []*gathered
	for _, one := range list {
		if one.plan.Do == Settle {
			w.mark(one.facts.Slot.ID)
			continue
		}
		slots, changes = append(slots, *one.facts.Slot), append(changes, *one.facts.Slot.Sent)
		sent = append(sent, one)
	}
	if len(sent) == 0 {
		return nil
	}
	call, cancel := context.WithTimeout(ctx, CallTime-time.Second)
	results, whole := outlet.Pusher.Push(call, slots, changes)
	cancel()
	fates := make([]fate, len(sent))
	for i := range sent {
		switch {
		case whole != nil:
			fates[i] = fateOf(whole)
		case i < len(results):
			fates[i] = fateOf(results[i])
		default:
			fates[i] = fate{kind: unknown, code: "no-answer"}
		}
	}
	return w.acknowledge(ctx, sent, fates)
}

// claim writes what is about to be done, and returns what was so written. A slot that somebody else
// has changed since, or whose hold cannot be taken, is left out and looked at again.
func (w *worker) claim(ctx context.Context, list []*gathered) ([]*gathered, error) {
	for len(list) > 0 {
		var tx records.Tx
		var opOf []int // op → place in list
		var claims []Slot
		for i, one := range list {
			s, ops := w.claimOf(one)
			for range ops {
				opOf = append(opOf, i)
			}
			tx.Do(ops...)
			tx.Replace(s.Record(&tx), one.version)
			claims = append(claims, s)
		}
		o, err := w.l.p.cfg.Store.Submit(ctx, &tx)
		if err != nil {
			return nil, err
		}
		out := -1
		switch {
		case o.Conflict:
			out = o.At
		case o.Refusal != engine.Accepted:
			out = opOf[min(o.At, len(opOf)-1)]
			w.failed(list[out].facts.Slot.ID, 0) // the units were sold meanwhile
		}
		if out < 0 {
			for i, one := range list {
				one.facts.Slot, one.version = &claims[i], o.Index
			}
			return list, nil
		}
		w.mark(list[out].facts.Slot.ID)
		list = append(list[:out:out], list[out+1:]...)
	}
	return nil, nil
}

// claimOf is the slot as it is claimed, and what must be done to its standing hold before.
func (w *worker) claimOf(one *gathered) (Slot, []engine.Command) {
	f, p := &one.facts, &one.plan
	s := *f.Slot
	var ops []engine.Command
	if p.Hold > 0 && p.Do != Resend {
		ops, s.Hold = one.hold.grow(&s, p.Hold, engine.Dip, f.Index)
	}
	switch p.Do {
	case Send:
		s = claimed(s, f, p)
		if one.bulk != nil {
			s = one.bulk.in(s)
		}
	case Resend:
		again := *s.Sent
		again.Until, again.Term, again.Unknown = f.Now.Add(CallTime), f.Term, false
		s.Sent = &again
	case Settle:
		if p.Hold < 0 {
			ops = append(ops, one.hold.shrink(-p.Hold, "lease lowered"))
		}
		s.Lease, s.LeaseTally = p.Claims, f.Tally
	}
	return s, ops
}

// acknowledge writes what became of pushes. It may be that another leader has taken over: then its
// claim stands, and ours is not touched.
func (w *worker) acknowledge(ctx context.Context, sent []*gathered, fates []fate) error {
	now := w.l.p.cfg.Now()
	_, err := records.Retry(ctx, w.l.p.cfg.Store, func(tx *records.Tx) error {
		for i, one := range sent {
			claim := one.facts.Slot
			r, ok, err := w.l.p.cfg.Store.Get(ctx, records.Slots, claim.ID)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			s, err := records.Decode[Slot](r)
			if err != nil {
				return err
			}
			if s.Sent == nil || s.Sent.Sequence != claim.Sent.Sequence || s.Sent.Term != w.l.term {
				continue
			}
			s = fates[i].on(s, now)
			tx.Replace(s.Record(tx), r.Version)
			if fates[i].kind != done {
				continue
			}
			if err := w.l.p.cfg.Healed(ctx, tx, s.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err // the claims stand, and are sent again
	}
	for i, one := range sent {
		w.after(ctx, one, &fates[i])
	}
	return nil
}

// after notes what became of a push where only this leader needs to know.
func (w *worker) after(ctx context.Context, one *gathered, f *fate) {
	cfg, s := &w.l.p.cfg, one.facts.Slot
	w.l.p.metrics.pushes.WithLabelValues(w.connection, f.kind.String()).Inc()
	defer w.mark(s.ID)
	if f.kind == done {
		delete(w.backoff, s.ID)
		w.l.p.metrics.lag.WithLabelValues(w.connection).Observe(
			cfg.Now().Sub(s.Sent.At).Seconds())
		return
	}
	if f.kind == unsent { // however often that is, nobody has said no
		w.later(s.ID, f.wait)
		return
	}
	tries := w.failed(s.ID, f.wait)
	if f.kind == stale {
		return
	}
	cfg.Logger.Info("push not applied", "slot", s.ID, "outcome", f.kind.String(), "code", f.code,
		"tries", tries)
	if f.kind == refused || tries >= tellAfter {
		cfg.Failed(ctx, Failure{Slot: *s, Push: *s.Sent, Code: f.code, Detail: f.detail,
			Tries: tries})
	}
}

// tellAfter is how often a push may fail before a person is told: half a minute of doubling waits.
const tellAfter = 6

// outcome is what became of a push.
type outcome uint8

const (
	done    outcome = iota
	stale           // something else was there, and nothing happened
	refused         // nothing happened, and the same again would be refused again
	unknown         // it may have happened, or is to be sent again
	unsent          // it never left, because there was no turn for it
)

// String is the outcome as metrics and logs have it.
func (o outcome) String() string {
	return [...]string{"applied", "stale", "refused", "unknown", "unsent"}[o]
}

// fate is what became of a push, and why.
type fate struct {
	kind         outcome
	code, detail string
	wait         time.Duration
}

// fateOf asks an error what it is. One that does not say is taken for unknown: the same key again has
// no second effect, and a new one could.
func fateOf(err error) fate {
	if err == nil {
		return fate{}
	}
	f := fate{kind: unknown, code: "unknown", detail: err.Error()}
	if e, ok := errors.AsType[interface {
		error
		Code() string
	}](err); ok {
		f.code = e.Code()
	}
	if e, ok := errors.AsType[interface {
		error
		RetryAfter() time.Duration
	}](err); ok {
		f.wait = e.RetryAfter()
	}
	if e, ok := errors.AsType[interface {
		error
		Stale() bool
	}](err); ok && e.Stale() {
		f.kind = stale
		return f
	}
	if e, ok := errors.AsType[interface {
		error
		Unsent() bool
	}](err); ok && e.Unsent() {
		f.kind = unsent
		return f
	}
	if e, ok := errors.AsType[interface {
		error
		Unknown() bool
	}](err); ok && e.Unknown() {
		return f
	}
	if e, ok := errors.AsType[interface {
		error
		Retryable() bool
	}](err); ok && !e.Retryable() {
		f.kind = refused
	}
	return f
}

// on is the slot after its push met its fate.
func (f *fate) on(s Slot, now time.Time) Slot {
	switch f.kind {
	case done:
		return applied(s, now)
	case stale: // unseen sales or an edit: it is read once they can be told apart
		s.Sent, s.Doubt = nil, now
	case refused:
		s = s.notInBulk()
		s.Sent, s.Blocked = nil, f.code
	case unknown, unsent: // a call before this one may still arrive
		if f.kind == unsent {
			s = s.notInBulk()
		}
		again := *s.Sent
		again.Unknown = true
		s.Sent, s.Blocked = &again, ""
	}
	return s
}
