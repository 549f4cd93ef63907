package orders

import (
	"strconv"
	"strings"

	"holdfast/engine"
)

// shelf is an order's reservation as it was read, and what is to be done with it. Each step of a
// plan changes both, so that the next one sees what will be there.
type shelf struct {
	id    string // of the reservation
	found bool   // it is in the ledger, in memory or retired
	lines []held // by number, from 1 at place 0

	draws   []engine.Command // out of standing holds, before anything is taken
	add     []engine.Line
	moves   []engine.Command // transfers, before anything leaves
	ships   []*engine.Ship   // one for each package
	release engine.Release
	returns []*engine.Return
	adjusts []engine.Command

	results []engine.Result
	refused string // the ledger's no, in its words
	refusal engine.Refusal
}

// held is one line of the reservation.
type held struct {
	sku    string
	short  int64
	places []heldPlace
}

// heldPlace is units at a location; "" is a place that the ledger has still to choose.
type heldPlace struct {
	location string
	live     int64
	shipped  int64 // and not returned
}

func (h *held) live() int64 {
	n := h.short
	for i := range h.places {
		n += h.places[i].live
	}
	return n
}

func (h *held) at(location string) *heldPlace {
	for i := range h.places {
		if h.places[i].location == location {
			return &h.places[i]
		}
	}
	h.places = append(h.places, heldPlace{location: location})
	return &h.places[len(h.places)-1]
}

// loadStock reads the reservation. One that has left memory is closed: nothing of it is live, and
// the order knows what shipped. One that nobody knows any more is followed by another id.
func (d *draft) loadStock() error {
	if d.stock.id = first(d.o.Reservation, d.o.ID); d.o.Reservation == "" {
		return nil
	}
	var r engine.Reservation
	var here, retired bool
	if _, err := d.b.Store.Ledger(d.ctx, func(l *engine.Ledger) bool {
		if r, here = l.Reservation(d.stock.id); !here {
			_, retired = l.Retired(d.stock.id)
		}
		return false
	}); err != nil {
		return err
	}
	switch {
	case here && (r.State == engine.Released || r.State == engine.Expired), !here && !retired:
		d.renumber()
	case here:
		d.stock.found = true
		for i := range r.Lines {
			d.stock.lines = append(d.stock.lines, heldOf(&r.Lines[i]))
		}
	default:
		d.stock.found = true
		d.retiredLines()
	}
	return nil
}

// renumber gives the order its next reservation: the last one can take no more lines.
func (d *draft) renumber() {
	base, n, _ := strings.Cut(d.o.Reservation, "~")
	count, _ := strconv.Atoi(n)
	d.stock.id = base + "~" + strconv.Itoa(max(count, 1)+1)
	for i := range d.o.Lines {
		d.o.Lines[i].Lines = nil
	}
}

// heldOf counts a line's places in units of its own SKU. A kit's allocations name its components,
// each with the same share of the kit's units at every location.
func heldOf(l *engine.ReservationLine) held {
	h := held{sku: l.SKU, short: l.Short}
	var live, shipped int64
	for i := range l.Allocations {
		if a := &l.Allocations[i]; a.SKU == l.Allocations[0].SKU {
			live += a.Held + a.Committed
			shipped += a.Shipped
		}
	}
	for i := range l.Allocations {
		a := &l.Allocations[i]
		if a.SKU != l.Allocations[0].SKU {
			continue
		}
		p := h.at(a.Location)
		if live > 0 {
			p.live += (a.Held + a.Committed) * (l.Held + l.Committed) / live
		}
		if shipped > 0 {
			p.shipped += a.Shipped * l.Shipped / shipped
		}
	}
	for back, i := l.Returned, 0; back > 0 && i < len(h.places); i++ {
		n := min(back, h.places[i].shipped)
		h.places[i].shipped -= n
		back -= n
	}
	return h
}

// retiredLines stands for a reservation that has left memory.
func (d *draft) retiredLines() {
	for i := range d.o.Lines {
		l := &d.o.Lines[i]
		for k, n := range l.Lines {
			for len(d.stock.lines) < n {
				d.stock.lines = append(d.stock.lines, held{})
			}
			h := &d.stock.lines[n-1]
			h.sku = l.SKU
			if k == 0 {
				h.at("").shipped = max(0, l.Shipped-l.Returned)
			}
		}
	}
}

// linesOf are a line's parts of the reservation.
func (d *draft) linesOf(l *Line) func(yield func(int, *held) bool) {
	return func(yield func(int, *held) bool) {
		for _, n := range l.Lines {
			if n <= len(d.stock.lines) && !yield(n, &d.stock.lines[n-1]) {
				return
			}
		}
	}
}

func (d *draft) live(l *Line) (n int64) {
	for _, h := range d.linesOf(l) {
		n += h.live()
	}
	return n
}

// commands are what the ledger is to do, in the order in which each can rely on those before it:
// what comes is there before it leaves, and a reservation is never empty before it is added to.
func (d *draft) commands() (all []engine.Command) {
	s := &d.stock
	all = append(all, s.draws...)
	if len(s.add) > 0 {
		if !s.found {
			all = append(all, &engine.Reserve{ID: s.id, Channel: engine.Name(d.o.Channel),
				Mode: engine.Accept, Commit: true, Lines: s.add})
		} else {
			all = append(all, &engine.Add{ID: s.id, Mode: engine.Accept, Commit: true,
				Lines: s.add})
		}
	}
	all = append(all, s.moves...)
	for _, c := range s.ships {
		all = append(all, c)
	}
	if len(s.release.Picks) > 0 {
		s.release.ID = s.id
		all = append(all, &s.release)
	}
	for _, c := range s.returns {
		all = append(all, c)
	}
	return append(all, s.adjusts...)
}

// want adds units to the reservation, at a location or wherever the ledger finds them.
func (d *draft) want(l *Line, qty int64, location string) (number int) {
	return d.wantOf(l, l.SKU, qty, location)
}

// wantOf is want with the SKU that is to leave for the line.
func (d *draft) wantOf(l *Line, sku string, qty int64, location string) (number int) {
	d.o.Reservation = d.stock.id
	for qty > 0 {
		n := min(qty, engine.MaxQty)
		qty -= n
		ref := l.Ref
		if len(ref) > engine.MaxRefBytes {
			ref = ref[:engine.MaxRefBytes]
		}
		d.stock.add = append(d.stock.add, engine.Line{SKU: engine.Name(sku), Qty: n, Ref: ref,
			Location: engine.Name(location)})
		d.stock.lines = append(d.stock.lines, held{sku: sku,
			places: []heldPlace{{location: location, live: n}}})
		number = len(d.stock.lines)
		l.Lines = append(l.Lines, number)
	}
	return number
}

// giveBack releases units of a line: those at a location first, then as the ledger does, the short
// ones first and then from the last place backwards. It returns where most of them were.
func (d *draft) giveBack(l *Line, qty int64, location string) (from string) {
	take := func(n int, h *held, p *heldPlace, most int64) {
		if most <= 0 {
			return
		}
		pick := engine.Pick{Line: int64(n), Qty: most}
		if p != nil {
			pick.Location, from = engine.Name(p.location), p.location
			p.live -= most
		} else {
			h.short -= most
		}
		d.stock.release.Picks = append(d.stock.release.Picks, pick)
		qty -= most
	}
	for n, h := range d.linesOf(l) {
		take(n, h, nil, min(qty, h.short))
	}
	if location != "" {
		for n, h := range d.linesOf(l) {
			take(n, h, h.at(location), min(qty, h.at(location).live))
		}
	}
	for k := len(l.Lines) - 1; k >= 0; k-- {
		n := l.Lines[k]
		h := &d.stock.lines[n-1]
		for i := len(h.places) - 1; i >= 0; i-- {
			take(n, h, &h.places[i], min(qty, h.places[i].live))
		}
	}
	return from
}
