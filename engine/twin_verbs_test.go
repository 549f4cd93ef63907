package engine_test

import (
	"fmt"
	"slices"

	"holdfast/engine"
)

// twinVerb is what commit, release and ship differ in.
type twinVerb interface {
	// can is how many units of the line the verb can act on, at one place or (0) anywhere.
	can(l *twinLine, location uint32) int64
	// did reports whether the verb ever took a unit of the reservation.
	did(v *twinReservation) bool
	// rest is what the verb without picks does to a line beside the units of can.
	rest(w *twin, v *twinReservation, l *twinLine) bool
	// do acts on n units of a line.
	do(w *twin, v *twinReservation, l *twinLine, n int64, location uint32)
	// expiredFirst reports whether, with nothing left, units that expired count before did.
	expiredFirst() bool
}

// verb runs commit, release or ship.
func (w *twin) verb(verb twinVerb, id string, picks []engine.Pick, r *engine.Result) {
	v := w.reservation(id)
	switch {
	case v == nil:
		r.Refusal = engine.UnknownReservation
		return
	case v.mirror:
		r.Refusal = engine.WrongState
		return
	case len(picks) == 0:
		w.verbAll(verb, v, r)
		return
	}
	before := v.clone() // a line is expired if nothing was left of it before the first pick
	for i, pick := range picks {
		location := w.location(pick.Location)
		l, n := v.picked(pick, func(l *twinLine) int64 {
			if pick.Location != "" && location == 0 {
				return 0
			}
			return verb.can(l, location)
		})
		if n == 0 {
			r.Refusal, r.Field = engine.WrongState, fmt.Sprintf("lines[%d]", i)
			if l != nil && verb.can(before.lines[pick.Line-1], 0) == 0 && l.expired > 0 {
				r.Refusal = engine.ReservationExpired
			}
			return
		}
		verb.do(w, v, l, n, location)
	}
	w.tidy(v)
}

// picked finds the line and the units of a pick; 0 units when it cannot be done.
func (v *twinReservation) picked(p engine.Pick, can func(*twinLine) int64) (*twinLine, int64) {
	if p.Line < 1 || p.Line > int64(len(v.lines)) {
		return nil, 0
	}
	l := v.lines[p.Line-1]
	switch n := can(l); {
	case p.Qty == 0:
		return l, n
	case p.Qty > n:
		return l, 0
	}
	return l, p.Qty
}

func (w *twin) verbAll(verb twinVerb, v *twinReservation, r *engine.Result) {
	did, acted := verb.did(v), false
	for _, l := range v.lines {
		if n := verb.can(l, 0); n > 0 {
			verb.do(w, v, l, n, 0)
			acted = true
		}
		acted = verb.rest(w, v, l) || acted
	}
	if acted {
		w.tidy(v)
		return
	}
	expired := v.sum(func(l *twinLine) int64 { return l.expired }) > 0
	switch {
	case expired && verb.expiredFirst():
		r.Refusal = engine.ReservationExpired
	case did:
	case expired:
		r.Refusal = engine.ReservationExpired
	default:
		r.Refusal = engine.WrongState
	}
}

// tidy drops empty places, and the deadline when it has nothing left to end.
func (w *twin) tidy(v *twinReservation) {
	for _, l := range v.lines {
		l.tidy()
	}
	if v.sum(holding) == 0 {
		v.deadline = 0
	}
	w.rank(v)
}

// takeFrom takes up to n units from a number, and returns how many.
func takeFrom(from *int64, n int64) int64 {
	n = min(n, *from)
	*from -= n
	return n
}

type twinCommit struct{}

func (twinCommit) can(l *twinLine, location uint32) int64 {
	return l.sum(only(location, heldOf))
}

// only counts places at one location; 0 is everywhere.
func only(location uint32, of func(*twinPlace) int64) func(*twinPlace) int64 {
	return func(p *twinPlace) int64 {
		if location != 0 && p.location != location {
			return 0
		}
		return of(p)
	}
}

func (twinCommit) did(v *twinReservation) bool { return v.everCommitted }
func (twinCommit) expiredFirst() bool          { return true }

func (twinCommit) rest(w *twin, v *twinReservation, l *twinLine) bool {
	soft := takeFrom(&l.soft, l.soft)
	l.firm += soft
	if soft > 0 {
		v.everCommitted = true
		w.emitNowhere(engine.EventCommitted, v, l, soft, "")
	}
	return soft > 0
}

func (twinCommit) do(w *twin, v *twinReservation, l *twinLine, n int64, location uint32) {
	v.everCommitted = true
	for _, p := range l.places {
		if location != 0 && p.location != location {
			continue
		}
		q := takeFrom(&p.held, n)
		p.committed += q
		n -= q
		if q > 0 {
			w.emitPlace(engine.EventCommitted, v, l, p.location, q, "")
		}
	}
}

type twinRelease struct{ reason string }

func (twinRelease) can(l *twinLine, location uint32) int64 {
	n := l.sum(only(location, heldOf)) + l.sum(only(location, committedOf))
	if location == 0 {
		n += l.short()
	}
	return n
}

func (twinRelease) did(v *twinReservation) bool {
	return v.sum(func(l *twinLine) int64 { return l.released }) > 0
}
func (twinRelease) expiredFirst() bool                           { return false }
func (twinRelease) rest(*twin, *twinReservation, *twinLine) bool { return false }

func (t twinRelease) do(w *twin, v *twinReservation, l *twinLine, n int64, at uint32) {
	l.released += n
	if at == 0 {
		for _, short := range []*int64{&l.soft, &l.firm} {
			q := takeFrom(short, n)
			n -= q
			w.emitNowhere(engine.EventReleased, v, l, q, t.reason)
		}
	}
	back := slices.Clone(l.places)
	slices.Reverse(back)
	held := func(p *twinPlace) *int64 { return &p.held }
	committed := func(p *twinPlace) *int64 { return &p.committed }
	for _, took := range takeInTurn(back, at, n, held, committed) {
		l.at(took.location).ended += took.qty
		w.freed(l, took.location)
		w.emitPlace(engine.EventReleased, v, l, took.location, took.qty, t.reason)
	}
}

// takeInTurn takes n units from the first state of every place, then from the second. It returns
// what it took from each place, in the order of the places.
func takeInTurn(places []*twinPlace, at uint32, n int64,
	states ...func(*twinPlace) *int64,
) (takes []take) {
	took := map[uint32]int64{}
	for _, state := range states {
		for _, p := range places {
			if at == 0 || p.location == at {
				q := takeFrom(state(p), n)
				took[p.location] += q
				n -= q
			}
		}
	}
	for _, p := range places {
		takes = append(takes, some(take{p.location, took[p.location]})...)
	}
	return takes
}

type twinShip struct{ note string }

func (twinShip) can(l *twinLine, location uint32) int64 {
	return l.sum(only(location, heldOf)) + l.sum(only(location, committedOf))
}

func (twinShip) did(v *twinReservation) bool {
	return v.sum(func(l *twinLine) int64 { return l.sum(shippedOf) }) > 0
}
func (twinShip) expiredFirst() bool                           { return false }
func (twinShip) rest(*twin, *twinReservation, *twinLine) bool { return false }

func (t twinShip) do(w *twin, v *twinReservation, l *twinLine, n int64, at uint32) {
	held := func(p *twinPlace) *int64 { return &p.held }
	committed := func(p *twinPlace) *int64 { return &p.committed }
	for _, took := range takeInTurn(l.places, at, n, committed, held) {
		l.at(took.location).shipped += took.qty
		for _, part := range w.parts(l, took.location) {
			k := rowKey{part.sku, took.location}
			w.row(k).onHand -= took.qty * part.qty
			w.row(k).moved -= took.qty * part.qty
		}
		w.emitPlace(engine.EventShipped, v, l, took.location, took.qty, t.note)
	}
}

func (w *twin) returns(c *engine.Return, r *engine.Result) {
	v := w.reservation(c.ID)
	home := w.location(c.Location)
	switch {
	case v == nil:
		r.Refusal = engine.UnknownReservation
		return
	case v.mirror:
		r.Refusal = engine.WrongState
		return
	case c.Location != "" && home == 0:
		r.Refusal, r.Field = engine.UnknownLocation, "location"
		return
	}
	for i, pick := range c.Picks {
		if pick.Location != "" && w.location(pick.Location) == 0 {
			r.Refusal, r.Field = engine.UnknownLocation, fmt.Sprintf("lines[%d].location", i)
			return
		}
	}
	back := func(l *twinLine) int64 { return l.sum(backOf) }
	if len(c.Picks) == 0 {
		did := v.sum(func(l *twinLine) int64 { return l.sum(returnedOf) }) > 0
		if v.sum(back) == 0 && !did {
			r.Refusal = engine.WrongState
		}
		for _, l := range v.lines {
			w.takeBack(v, l, back(l), home, c.Disposition, r)
		}
		return
	}
	for i, pick := range c.Picks {
		l, n := v.picked(pick, back)
		if n == 0 {
			r.Refusal, r.Field = engine.WrongState, fmt.Sprintf("lines[%d]", i)
			return
		}
		to := home
		if pick.Location != "" {
			to = w.location(pick.Location)
		}
		if w.takeBack(v, l, n, to, c.Disposition, r); r.Refusal != engine.Accepted {
			return
		}
	}
}

// takeBack returns n shipped units of a line, place by place, to a location or (0) to each place.
func (w *twin) takeBack(v *twinReservation, l *twinLine, n int64, to uint32,
	d engine.Disposition, r *engine.Result,
) {
	for _, p := range l.places {
		q := min(n, backOf(p))
		if q == 0 {
			continue
		}
		n -= q
		p.returned += q
		home := to
		if home == 0 {
			home = p.location
		}
		if w.takeHome(l, home, q, d, r); r.Refusal != engine.Accepted {
			return
		}
		if d != engine.Sellable {
			home = p.location
		}
		w.emitPlace(engine.EventReturned, v, l, home, q, d.String())
		w.rank(v)
	}
}

// takeHome puts q units of a line back on hand, if they can be sold again.
func (w *twin) takeHome(l *twinLine, home uint32, q int64, d engine.Disposition, r *engine.Result) {
	if w.locations[home].gone {
		r.Refusal = engine.UnknownLocation
		return
	}
	for _, part := range w.parts(l, home) {
		k := rowKey{part.sku, home}
		switch {
		case w.skus[k.sku].gone:
			r.Refusal = engine.UnknownSKU
			return
		case w.kitWithoutStock(k):
			r.Refusal = engine.KitWithoutStock
			return
		}
		if d == engine.Sellable {
			w.row(k).onHand += q * part.qty
			w.row(k).moved += q * part.qty
			w.touched[k.sku] = true
		}
	}
}

func (w *twin) extend(c *engine.Extend, r *engine.Result) {
	v := w.reservation(c.ID)
	switch {
	case v == nil:
		r.Refusal = engine.UnknownReservation
	case v.mirror:
		r.Refusal = engine.WrongState
	case v.sum(func(l *twinLine) int64 { return l.sum(heldOf) }) > 0:
		v.deadline = w.now + c.TTL
		w.emit(engine.Event{Type: engine.EventExtended, Channel: v.channel, Cause: v.id})
	case v.sum(func(l *twinLine) int64 { return l.expired }) > 0:
		r.Refusal = engine.ReservationExpired
	default:
		r.Refusal = engine.WrongState
	}
}

func (w *twin) transfer(c *engine.Transfer, r *engine.Result) {
	v := w.reservation(c.ID)
	if v == nil {
		r.Refusal = engine.UnknownReservation
		return
	}
	from, to := w.location(c.From), w.location(c.To)
	ch := w.channels[v.channel]
	switch {
	case v.mirror:
		r.Refusal = engine.WrongState
	case from == 0:
		r.Refusal, r.Field = engine.UnknownLocation, "from"
	case to == 0:
		r.Refusal, r.Field = engine.UnknownLocation, "to"
	case ch.gone || !slices.Contains(ch.locations, to):
		r.Refusal, r.Field = engine.NotListed, "to"
	}
	if r.Refusal != engine.Accepted {
		return
	}
	live := func(location uint32) func(*twinLine) int64 {
		return func(l *twinLine) int64 {
			return l.sum(only(location, heldOf)) + l.sum(only(location, committedOf))
		}
	}
	l, n := v.picked(engine.Pick{Line: c.Line, Qty: c.Qty}, live(from))
	switch {
	case n == 0 && l != nil && live(0)(l) == 0 && l.expired > 0:
		r.Refusal = engine.ReservationExpired
	case n == 0:
		r.Refusal = engine.WrongState
	case w.units(l, to) < n:
		r.Refusal = engine.InsufficientStock
		r.Short = []engine.ShortLine{{SKU: w.skus[l.sku].name, Wanted: n,
			Sellable: w.units(l, to)}}
	default:
		p := l.at(from)
		held := min(n, p.held)
		w.shift(v, l, from, to, held, n-held)
		w.tidy(v)
	}
}

// shift moves held and committed units of a line from one location to another.
func (w *twin) shift(v *twinReservation, l *twinLine, from, to uint32, held, committed int64) {
	l.at(from).held -= held
	l.at(from).committed -= committed
	l.at(to).held += held
	l.at(to).committed += committed
	w.freed(l, from)
	w.emitPlace(engine.EventTransferred, v, l, from, -held-committed, "")
	w.emitPlace(engine.EventTransferred, v, l, to, held+committed, "")
}

// expire ends every hold that is due, in order of (deadline, reservation sequence, line).
func (w *twin) expire() {
	var due []*twinReservation
	for _, v := range w.reservations {
		if v.deadline != 0 && v.deadline <= w.due && v.sum(holding) > 0 {
			due = append(due, v)
		}
	}
	slices.SortStableFunc(due, func(a, b *twinReservation) int {
		return int(a.deadline - b.deadline)
	})
	for _, v := range due {
		w.expired++
		for _, l := range v.lines {
			for _, p := range l.places {
				q := takeFrom(&p.held, p.held)
				p.ended += q
				l.expired += q
				if q > 0 {
					w.freed(l, p.location)
					w.emitPlace(engine.EventExpired, v, l, p.location, q, "")
				}
			}
			q := takeFrom(&l.soft, l.soft)
			l.expired += q
			w.emitNowhere(engine.EventExpired, v, l, q, "")
		}
		w.tidy(v)
	}
}
