package netsuitetest

import (
	"slices"
	"time"
)

// place is an item at a location.
type place struct{ item, location int64 }

// bucket is the stock of an item at a location.
type bucket struct {
	place
	onHand, committed, backordered, inTransit dec

	changed time.Time // lastquantityavailablechange
	queue   []*line   // open lines of orders that ask for it, oldest first
}

func (b *bucket) available() dec { return b.onHand - b.committed }

// move is one change of stock that a record makes.
type move struct {
	place
	onHand, inTransit dec
}

// action is one thing that somebody does: a call, or what staff do in one go. The numbers that it
// changes are compared at its end.
type action struct {
	cause   string // api or staff
	request uint64
	client  string
	fault   string
	record  *record // what it saved last
	touched []before
}

type before struct {
	bucket *bucket
	old    bucket
}

func (a *account) bucket(item, location int64) *bucket {
	at := place{item, location}
	b := a.buckets[at]
	if b == nil {
		b = &bucket{place: at, changed: a.now()}
		a.buckets[at] = b
		a.order = append(a.order, b)
	}
	return b
}

// touch remembers the numbers of a bucket before the action changes them.
func (a *account) touch(act *action, b *bucket) {
	if !slices.ContainsFunc(act.touched, func(t before) bool { return t.bucket == b }) {
		act.touched = append(act.touched, before{b, *b})
	}
}

// apply does (sign 1) or undoes (sign -1) moves.
func (a *account) apply(act *action, moves []move, sign dec) {
	for _, m := range moves {
		b := a.bucket(m.item, m.location)
		a.touch(act, b)
		b.onHand += sign * m.onHand
		b.inTransit += sign * m.inTransit
	}
}

// demands says whether lines of the record ask for stock.
func (r *record) demands() bool { return r.is("salesOrder", "transferOrder") }

// want is what a line asks of stock now, in its own units.
func (l *line) want() dec {
	o := l.order
	if o.enum("orderStatus") != "B" || l.enum("commitInventory") == "3" ||
		len(l.parts) == 0 || l.ref("location") == 0 {
		return 0
	}
	return l.open()
}

func (l *line) buckets(a *account) []*bucket {
	var out []*bucket
	for _, p := range l.parts {
		out = append(out, a.bucket(p.item.id, l.ref("location")))
	}
	return out
}

// setDemand changes what a line has committed and back-ordered, and with it the sums of its buckets.
func (a *account) setDemand(act *action, l *line, committed, backordered dec) {
	if l.committed == committed && l.backordered == backordered {
		return
	}
	for i, b := range l.buckets(a) {
		a.touch(act, b)
		b.committed += (committed - l.committed).times(l.parts[i].per, 1)
		b.backordered += (backordered - l.backordered).times(l.parts[i].per, 1)
	}
	l.committed, l.backordered = committed, backordered
}

// enqueue puts a line where it will be given stock when there is some.
func (a *account) enqueue(l *line) {
	for _, b := range l.buckets(a) {
		i, found := slices.BinarySearchFunc(b.queue, l, func(x, y *line) int {
			if x.order.id != y.order.id {
				return int(x.order.id - y.order.id)
			}
			return int(x.no - y.no)
		})
		if !found {
			b.queue = slices.Insert(b.queue, i, l)
		}
	}
}

func (a *account) dequeue(l *line) {
	for _, b := range l.buckets(a) {
		b.queue = slices.DeleteFunc(b.queue, func(x *line) bool { return x == l })
	}
}

// release takes all of a record's lines out of stock's accounts, before they are replaced.
func (a *account) release(act *action, r *record) {
	if !r.demands() {
		return
	}
	for _, l := range r.items() {
		a.setDemand(act, l, 0, 0)
		a.dequeue(l)
	}
}

// demand makes a record's lines ask for what they want. What they had committed stays theirs, up to
// what they still want.
func (a *account) demand(act *action, r *record, had func(*line) dec) {
	if !r.demands() {
		return
	}
	for _, l := range r.items() {
		want := l.want()
		if want == 0 {
			a.setDemand(act, l, 0, 0)
			a.dequeue(l)
			continue
		}
		a.enqueue(l)
		keep := min(had(l), want)
		a.setDemand(act, l, keep, want-keep)
	}
}

// fill commits what is free to lines that wait, oldest first.
func (a *account) fill(act *action) {
	for i := 0; i < len(act.touched); i++ { // committing a kit touches more
		b := act.touched[i].bucket
		if b.backordered == 0 {
			continue
		}
		for _, l := range b.queue {
			if l.backordered == 0 {
				continue
			}
			if n := min(l.backordered, a.free(l)); n > 0 {
				a.setDemand(act, l, l.committed+n, l.backordered-n)
			}
		}
	}
}

// free is how many units of a line stock has for it. A kit comes whole.
func (a *account) free(l *line) dec {
	var out dec
	for i, b := range l.buckets(a) {
		n := max(0, b.available()).over(l.parts[i].per)
		if l.parts[i].per != one || len(l.parts) > 1 {
			n = n.floor()
		}
		if i == 0 || n < out {
			out = n
		}
	}
	return out
}

// finish writes what the action did to stock into the journal.
func (a *account) finish(act *action) {
	now := a.now()
	for _, t := range act.touched {
		b, old := t.bucket, t.old
		if b.available() != old.available() || !a.assumed.AvailableChangeOnly &&
			(b.onHand != old.onHand || b.committed != old.committed) {
			b.changed = now
		}
		a.tell(act, b, "on_hand", old.onHand, b.onHand)
		a.tell(act, b, "committed", old.committed, b.committed)
		a.tell(act, b, "backordered", old.backordered, b.backordered)
		a.tell(act, b, "in_transit", old.inTransit, b.inTransit)
	}
	act.touched = nil
}

func (a *account) tell(act *action, b *bucket, state string, old, now dec) {
	if old == now {
		return
	}
	e := Entry{Kind: "stock", Cause: act.cause, Request: act.request, Client: act.client,
		Fault: act.fault, State: state, Delta: (now - old).String(), After: now.String(),
		SKU: a.records["item"][b.item].name(), Location: a.records["location"][b.location].name()}
	if act.record != nil {
		e.Type, e.Record, e.External = act.record.typ.name, act.record.id, act.record.external
	}
	a.journal.add(e)
}
