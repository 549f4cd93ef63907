package engine_test

import (
	"cmp"
	"maps"
	"slices"

	"holdfast/engine"
)

// twinSKU, twinLocation and twinChannel are definitions. A deleted one keeps its number and name.
type twinSKU struct {
	name  string
	gone  bool
	kit   []twinPart
	attrs []byte
}

// twinPart is one component of a kit: qty units of the SKU with that number.
type twinPart struct {
	sku uint32
	qty int64
}

type twinLocation struct {
	name string
	gone bool
	def  engine.DefineLocation
}

type twinChannel struct {
	name      string
	gone      bool
	def       engine.DefineChannel
	locations []uint32
}

// rowKey names the stock of one SKU at one location by their numbers.
type rowKey struct{ sku, location uint32 }

func compareRows(a, b rowKey) int {
	return cmp.Or(cmp.Compare(a.sku, b.sku), cmp.Compare(a.location, b.location))
}

// twinRow is what cannot be added up from reservations.
type twinRow struct {
	onHand, moved int64
	lastEvent     uint64
	sources       []twinSource // in the order in which they were first noted
}

type twinSource struct {
	name string
	asOf int64
}

type twinReservation struct {
	id            string
	seq           uint64
	channel       uint32
	mode          engine.Mode
	mirror        bool
	asOf          int64  // of a mirror
	deadline      int64  // 0 is none
	content       string // of the reserve
	everCommitted bool
	closing       int   // its place among those that can leave memory; 0: it is live
	closedAt      int64 // when it got that place
	lines         []*twinLine
}

type twinLine struct {
	ref        string
	sku        uint32
	pin        uint32     // location that was asked for; 0 is none
	kit        []twinPart // the composition when the line was made; nil is no kit
	wanted     int64
	soft, firm int64 // short units
	released   int64
	expired    int64
	places     []*twinPlace
}

// twinPlace is the units of a line at one location. Those that ended there, released or expired,
// keep its place in the order, though it is shown only while it has others.
type twinPlace struct {
	location                           uint32
	held, committed, shipped, returned int64
	ended                              int64
}

func (l *twinLine) short() int64 { return l.soft + l.firm }

// sum adds up one number of every place.
func (l *twinLine) sum(of func(*twinPlace) int64) int64 {
	var n int64
	for _, p := range l.places {
		n += of(p)
	}
	return n
}

func heldOf(p *twinPlace) int64      { return p.held }
func committedOf(p *twinPlace) int64 { return p.committed }
func shippedOf(p *twinPlace) int64   { return p.shipped }
func returnedOf(p *twinPlace) int64  { return p.returned }
func backOf(p *twinPlace) int64      { return p.shipped - p.returned }

func (l *twinLine) live() int64 { return l.short() + l.sum(heldOf) + l.sum(committedOf) }

// at returns the place of the line at a location, made if it is not there.
func (l *twinLine) at(location uint32) *twinPlace {
	for _, p := range l.places {
		if p.location == location {
			return p
		}
	}
	p := &twinPlace{location: location}
	l.places = append(l.places, p)
	return p
}

// tidy drops places without a unit in any state.
func (l *twinLine) tidy() {
	l.places = slices.DeleteFunc(l.places, func(p *twinPlace) bool {
		return p.held == 0 && p.committed == 0 && p.shipped == 0 && p.ended == 0
	})
}

// sum adds up one number of every line.
func (v *twinReservation) sum(of func(*twinLine) int64) int64 {
	var n int64
	for _, l := range v.lines {
		n += of(l)
	}
	return n
}

// parts says which SKUs one unit of the line takes at a location: the components of a kit at a
// merchant location, else the SKU itself.
func (w *twin) parts(l *twinLine, location uint32) []twinPart {
	if l.kit != nil && w.locations[location].def.Kind == engine.Merchant {
		return l.kit
	}
	return []twinPart{{sku: l.sku, qty: 1}}
}

// balance adds up the stock of a SKU at a location.
func (w *twin) balance(k rowKey) engine.Balance {
	var b engine.Balance
	if row := w.rows[k]; row != nil {
		b.OnHand = row.onHand
	}
	for _, v := range w.reservations {
		for _, l := range v.lines {
			for _, p := range l.places {
				if p.location != k.location {
					continue
				}
				for _, part := range w.parts(l, p.location) {
					if part.sku == k.sku {
						b.Held += p.held * part.qty
						b.Committed += p.committed * part.qty
					}
				}
			}
		}
	}
	return b
}

func (w *twin) available(k rowKey) int64 { return w.balance(k).Available() }

// freed notes that more of a line's stock became available at a location.
func (w *twin) freed(l *twinLine, location uint32) {
	for _, part := range w.parts(l, location) {
		w.touched[part.sku] = true
	}
}

// row returns the row of a SKU at a location, made if it is not there.
func (w *twin) row(k rowKey) *twinRow {
	if w.rows[k] == nil {
		w.rows[k] = &twinRow{}
	}
	return w.rows[k]
}

// emit appends an event. One that names a SKU and a location is an event of that row, and carries
// its balance.
func (w *twin) emit(e engine.Event) {
	w.lastEvent++
	e.Seq, e.Index, e.At = w.lastEvent, w.index, w.now
	if e.SKU != 0 && e.Location != 0 {
		k := rowKey{e.SKU, e.Location}
		e.Balance = w.balance(k)
		e.Prev = w.row(k).lastEvent
		w.row(k).lastEvent = e.Seq
	}
	w.events = append(w.events, e)
}

// emitPlace says that n units of a line changed state at a location: one event for each stock row.
func (w *twin) emitPlace(t engine.EventType, v *twinReservation, l *twinLine, location uint32,
	n int64, note string,
) {
	for _, part := range w.parts(l, location) {
		w.emit(engine.Event{Type: t, SKU: part.sku, Location: location, Channel: v.channel,
			Qty: n * part.qty, Cause: v.id, Note: note})
	}
}

// emitNowhere says that n units of a line that are at no location changed state.
func (w *twin) emitNowhere(t engine.EventType, v *twinReservation, l *twinLine, n int64,
	note string,
) {
	if n > 0 {
		w.emit(engine.Event{Type: t, SKU: l.sku, Channel: v.channel, Qty: n, Cause: v.id,
			Note: note})
	}
}

func (w *twin) sku(name engine.Name) uint32 {
	for i, s := range w.skus {
		if s != nil && !s.gone && s.name == string(name) {
			return uint32(i)
		}
	}
	return 0
}

func (w *twin) location(name engine.Name) uint32 {
	for i, l := range w.locations {
		if l != nil && !l.gone && l.name == string(name) {
			return uint32(i)
		}
	}
	return 0
}

func (w *twin) channel(name engine.Name) uint32 {
	for i, c := range w.channels {
		if c != nil && !c.gone && c.name == string(name) {
			return uint32(i)
		}
	}
	return 0
}

func (w *twin) reservation(id string) *twinReservation {
	for _, v := range w.reservations {
		if v.id == id {
			return v
		}
	}
	return nil
}

// clone copies everything that a command can change.
func (w *twin) clone() *twin {
	c := *w
	c.skus = slices.Clone(w.skus)
	c.locations = slices.Clone(w.locations)
	c.channels = slices.Clone(w.channels)
	c.rows = maps.Clone(w.rows)
	for k, row := range c.rows {
		r := *row
		r.sources = slices.Clone(row.sources)
		c.rows[k] = &r
	}
	c.retired = slices.Clone(w.retired)
	c.records = w.records.clone()
	c.reservations = slices.Clone(w.reservations)
	for i, v := range c.reservations {
		c.reservations[i] = v.clone()
	}
	c.answers = slices.Clone(w.answers)
	c.nodes = slices.Clone(w.nodes)
	c.touched = maps.Clone(w.touched)
	c.events = slices.Clone(w.events)
	return &c
}

func (v *twinReservation) clone() *twinReservation {
	c := *v
	c.lines = slices.Clone(v.lines)
	for i, l := range c.lines {
		line := *l
		line.places = slices.Clone(l.places)
		for j, p := range line.places {
			place := *p
			line.places[j] = &place
		}
		c.lines[i] = &line
	}
	return &c
}

// view is the reservation as the ledger shows it.
func (w *twin) view(v *twinReservation) *engine.Reservation {
	r := &engine.Reservation{ID: v.id, Seq: v.seq, Channel: w.channels[v.channel].name,
		Mode: v.mode, Mirror: v.mirror}
	var held, committed, short, shipped, expired int64
	for i, l := range v.lines {
		line := engine.ReservationLine{Line: int64(i + 1), Ref: l.ref, SKU: w.skus[l.sku].name,
			Wanted: l.wanted, Held: l.sum(heldOf), Committed: l.sum(committedOf),
			Short: l.short(), Shipped: l.sum(shippedOf), Returned: l.sum(returnedOf),
			Released: l.released, Expired: l.expired}
		line.Qty = line.Held + line.Committed + line.Short + line.Shipped + line.Released +
			line.Expired
		for _, p := range l.places {
			if p.held == 0 && p.committed == 0 && p.shipped == 0 {
				continue
			}
			for _, part := range w.parts(l, p.location) {
				line.Allocations = append(line.Allocations, engine.Allocation{
					SKU: w.skus[part.sku].name, Location: w.locations[p.location].name,
					Held: p.held * part.qty, Committed: p.committed * part.qty,
					Shipped: p.shipped * part.qty})
			}
		}
		held, committed, short = held+line.Held, committed+line.Committed, short+line.Short
		shipped, expired = shipped+line.Shipped, expired+line.Expired
		r.Lines = append(r.Lines, line)
	}
	if held > 0 {
		r.Deadline = v.deadline
	}
	switch {
	case held > 0:
		r.State = engine.Held
	case committed > 0:
		r.State = engine.Committed
	case short > 0:
		r.State = engine.Short
	case shipped > 0:
		r.State = engine.Shipped
	case expired > 0:
		r.State = engine.Expired
	default:
		r.State = engine.Released
	}
	return r
}
