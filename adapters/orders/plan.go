package orders

import (
	"holdfast/adapters/exceptions"
	"holdfast/engine"
)

// planStock makes the ledger follow the order: for every line what has left is shipped, what is to
// leave is promised, what is not any more is released, and what came back to its master is there.
func (d *draft) planStock(where *Snapshot) error {
	if d.alone {
		return nil
	}
	for i := range d.o.Lines {
		l := &d.o.Lines[i]
		if l.SKU == "" || l.Unmapped != "" {
			d.noStock(l)
			continue
		}
		if err := d.planLine(l, where); err != nil {
			return err
		}
	}
	d.tx.Do(d.commands()...)
	return d.restock()
}

// noStock settles a line that has nothing in the ledger: what leaves and comes back is only noted.
// One that waits for a mapping is left as it is, so that all is done once the mapping is there.
func (d *draft) noStock(l *Line) {
	if l.Unmapped != "" {
		return
	}
	d.eachShipped(l, func(_ *Shipment, s *ShipmentLine) { s.Done = s.Qty })
	l.Shipped = d.o.sent(l.Ref)
	d.eachReturned(l, func(_ *Return, s *ShipmentLine) { s.Done = s.Qty })
}

func (d *draft) eachShipped(l *Line, visit func(*Shipment, *ShipmentLine)) {
	for i := range d.o.Shipments {
		s := &d.o.Shipments[i]
		for k := range s.Lines {
			if s.Lines[k].Ref == l.Ref {
				visit(s, &s.Lines[k])
			}
		}
	}
}

// eachReturned visits the returned units of a line, those that have come back. Several systems may
// report the same ones: what one of them has is what came back.
func (d *draft) eachReturned(l *Line, visit func(*Return, *ShipmentLine)) {
	l.Returned = d.o.backBy(l.Ref, func(r *Return) bool { return r.State == ReturnReceived })
	for i := range d.o.Returns {
		r := &d.o.Returns[i]
		if r.State != ReturnReceived {
			continue
		}
		for k := range r.Lines {
			if r.Lines[k].Ref == l.Ref {
				visit(r, &r.Lines[k])
			}
		}
	}
}

// planLine brings one line to where the order says that it is.
func (d *draft) planLine(l *Line, where *Snapshot) (err error) {
	place := ""
	if where != nil {
		place = where.restockPlace(l.Ref)
	}
	var pending int64
	d.eachShipped(l, func(s *Shipment, sl *ShipmentLine) {
		due := sl.Qty
		if s.Off {
			due = 0
		}
		if err == nil && sl.Done > due {
			err = d.unship(l, sl.Done-due, s.Location)
			sl.Done = due
		}
		pending += due - sl.Done
	})
	left := d.o.toShip(l)
	lack := left + pending - d.live(l)
	d.eachShipped(l, func(s *Shipment, sl *ShipmentLine) {
		if n := sl.Qty - sl.Done; err == nil && n > 0 && !s.Off {
			fresh := min(max(0, lack), n)
			lack -= fresh
			sl.Done = sl.Qty
			if err = d.shipFresh(l, s, fresh); err == nil {
				err = d.shipHeld(l, s, n-fresh)
			}
		}
	})
	if err != nil {
		return err
	}
	l.Shipped = d.o.sent(l.Ref)
	if lack > 0 {
		err = d.promise(l, lack)
	} else if extra := d.live(l) - left; extra > 0 && d.o.Keep == "" {
		from := d.giveBack(l, extra, place)
		place = first(place, from)
	}
	if err == nil && d.o.Keep == "" {
		err = d.lose(l, place)
	}
	if err == nil {
		err = d.takeBack(l)
	}
	if err == nil {
		err = d.count(l, place)
	}
	return err
}

// promise takes units for a line: at its pin, by its route, or wherever the channel's order leads.
func (d *draft) promise(l *Line, qty int64) error {
	drawn, err := d.draw(l, qty, l.Location)
	if err != nil {
		return err
	}
	for _, p := range drawn {
		d.want(l, p.Qty, p.Location)
		qty -= p.Qty
	}
	if l.Location != "" || len(d.o.Route.Locations) == 0 {
		d.want(l, qty, l.Location)
		return nil
	}
	rest, split := qty, d.o.Route.Split == nil || *d.o.Route.Split
	for _, location := range d.o.Route.Locations {
		room, err := d.room(l.SKU, location)
		if err != nil {
			return err
		}
		if room <= 0 || !split && room < rest {
			continue
		}
		n := min(room, rest)
		d.want(l, n, location)
		d.take(l.SKU, location, n)
		if rest -= n; rest == 0 {
			return nil
		}
	}
	d.want(l, rest, d.o.Route.Locations[0])
	return nil
}

// shipFresh records units that had left before they were promised here. As many as the ledger has
// there pass through the reservation; for the others on hand falls: that they left is a fact.
func (d *draft) shipFresh(l *Line, s *Shipment, qty int64) error {
	if qty <= 0 {
		return nil
	}
	location, err := d.orGuess(first(s.Location, l.Location), l, qty)
	if err != nil {
		return err
	}
	listed, err := d.listed(location)
	if err != nil {
		return err
	}
	var drawn []Placed
	if listed {
		if drawn, err = d.draw(l, qty, location); err != nil {
			return err
		}
	}
	for _, p := range drawn {
		number := d.want(l, p.Qty, location)
		d.pickShip(s, number, d.stock.lines[number-1].at(location), p.Qty)
		qty -= p.Qty
	}
	room, err := d.room(l.SKU, location)
	if err != nil {
		return err
	}
	if n := min(qty, max(0, room)); n > 0 && listed {
		number := d.want(l, n, location)
		d.take(l.SKU, location, n)
		h := &d.stock.lines[number-1]
		d.pickShip(s, number, h.at(location), n)
		qty -= n
	}
	return d.adjust(l.SKU, location, -qty, "shipped")
}

// shipHeld ships units that are promised: from where they left if the ledger has them there, else
// it is set right between the two places.
func (d *draft) shipHeld(l *Line, s *Shipment, qty int64) error {
	for n, h := range d.linesOf(l) {
		for i := range h.places {
			if p := &h.places[i]; s.Location == "" || p.location == s.Location {
				m := min(qty, p.live)
				d.pickShip(s, n, p, m)
				qty -= m
			}
		}
	}
	for n, h := range d.linesOf(l) {
		for i := range h.places {
			m := min(qty, h.places[i].live)
			if m <= 0 {
				continue
			}
			qty -= m
			if err := d.shipFromElsewhere(s, n, i, m); err != nil {
				return err
			}
		}
	}
	location, err := first(s.Location, l.Location), error(nil)
	for n, h := range d.linesOf(l) {
		if m := min(qty, h.short); m > 0 {
			pick := engine.Pick{Line: int64(n), Qty: m}
			d.stock.release.Picks = append(d.stock.release.Picks, pick)
			h.short -= m
			if location, err = d.orGuess(location, l, m); err != nil {
				return err
			}
			if err := d.adjust(h.sku, location, -m, "shipped"); err != nil {
				return err
			}
			qty -= m
		}
	}
	return nil
}

// shipFromElsewhere ships units of place i of reservation line n that have left from s.Location.
func (d *draft) shipFromElsewhere(s *Shipment, n, i int, qty int64) error {
	h := &d.stock.lines[n-1]
	from := h.places[i].location
	room, err := d.room(h.sku, s.Location)
	if err != nil {
		return err
	}
	listed, err := d.listed(s.Location)
	if err != nil {
		return err
	}
	if room >= qty && listed && from != "" {
		d.stock.moves = append(d.stock.moves, &engine.Transfer{ID: d.stock.id, Line: int64(n),
			From: engine.Name(from), To: engine.Name(s.Location), Qty: qty})
		d.take(h.sku, s.Location, qty)
		h.places[i].live -= qty
		to := h.at(s.Location)
		to.live += qty
		d.pickShip(s, n, to, qty)
		return nil
	}
	d.pickShip(s, n, &h.places[i], qty)
	if from == "" {
		return nil
	}
	if err := d.adjust(h.sku, from, qty, "shipped-elsewhere"); err != nil {
		return err
	}
	return d.adjust(h.sku, s.Location, -qty, "shipped-elsewhere")
}

func (d *draft) pickShip(s *Shipment, n int, p *heldPlace, qty int64) {
	if qty <= 0 {
		return
	}
	p.live -= qty
	p.shipped += qty
	pick := engine.Pick{Line: int64(n), Qty: qty, Location: engine.Name(p.location)}
	for _, c := range d.stock.ships {
		if c.Package == note(s.Key) {
			c.Picks = append(c.Picks, pick)
			return
		}
	}
	d.stock.ships = append(d.stock.ships, &engine.Ship{ID: d.stock.id, Picks: []engine.Pick{pick},
		Package: note(s.Key), Tracking: note(s.Tracking)})
}

// unship takes back what was reported as shipped and has not left. Units of it that are counted as
// returned are there already.
func (d *draft) unship(l *Line, qty int64, location string) error {
	rest := d.pickBack(l, qty, location, engine.Sellable)
	for i := range d.o.Returns {
		if r := &d.o.Returns[i]; r.Counted {
			for _, line := range r.Lines {
				if line.Ref == l.Ref {
					rest -= line.Done
				}
			}
		}
	}
	return d.addBack(l, max(0, rest), location)
}

// comeBack returns units to a location; those of which the reservation knows nothing are added there.
func (d *draft) comeBack(l *Line, qty int64, location string, as engine.Disposition) error {
	rest := d.pickBack(l, qty, location, as)
	if as != engine.Sellable {
		return nil
	}
	return d.addBack(l, rest, location)
}

// pickBack returns units through the reservation, and says how many it does not have as shipped.
func (d *draft) pickBack(l *Line, qty int64, location string, as engine.Disposition) (rest int64) {
	var picks []engine.Pick
	for n, h := range d.linesOf(l) {
		for i := range h.places {
			p := &h.places[i]
			if m := min(qty, p.shipped); m > 0 {
				picks = append(picks, engine.Pick{Line: int64(n), Qty: m,
					Location: engine.Name(first(location, p.location))})
				p.shipped -= m
				qty -= m
			}
		}
	}
	if len(picks) > 0 {
		d.stock.returns = append(d.stock.returns, &engine.Return{ID: d.stock.id, Picks: picks,
			Disposition: as})
	}
	return qty
}

// addBack lets on hand rise by units that left beside the reservation.
func (d *draft) addBack(l *Line, qty int64, location string) error {
	if qty == 0 {
		return nil
	}
	location, err := d.orGuess(location, l, qty)
	if err != nil {
		return err
	}
	return d.adjust(l.SKU, location, qty, "returned")
}

// lose takes units that were cancelled and not put back out of on hand, where the home is master.
// It cannot say so elsewhere: there somebody must count.
func (d *draft) lose(l *Line, location string) error {
	qty := l.Gone - l.Lost
	if qty <= 0 {
		return nil
	}
	location, err := d.orGuess(first(location, l.Location), l, qty)
	if err != nil {
		return err
	}
	l.Lost = l.Gone
	d.moved = true
	master, err := d.master(location)
	if err != nil {
		return err
	}
	if master == d.home.master() {
		return d.adjust(l.SKU, location, -qty, "not-restocked")
	}
	return d.raise(exceptions.Exception{Trace: "recount:" + d.o.ID + ":" + l.Ref,
		Class: exceptions.Stock, Code: "recount", Flow: "F4", Actions: []string{"resolve"},
		Detail: "Units of " + l.SKU + " were cancelled and not put back at " + location +
			", which its master must count."})
}

// takeBack lets on hand rise by what came back, where its master has received it.
func (d *draft) takeBack(l *Line) (err error) {
	d.eachReturned(l, func(r *Return, s *ShipmentLine) {
		qty := s.Qty - s.Done
		if err != nil || qty <= 0 {
			return
		}
		s.Done = s.Qty
		if r.By == d.home.ID && r.Disposition == "sellable" {
			if err = d.tally(l, r.Location, qty); err != nil {
				return
			}
		}
		as := engine.ParseDisposition(r.Disposition)
		if as == engine.Sellable {
			var may bool
			if may, err = d.mayCount(r.By, r.Location); err != nil || !may {
				return
			}
		}
		if as != 0 {
			r.Counted = as == engine.Sellable
			err = d.comeBack(l, qty, r.Location, as)
		}
	})
	return err
}

// first is the first of two texts that is not empty.
func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// note cuts a text to what the ledger takes as a note.
func note(text string) string {
	if len(text) > engine.MaxNoteBytes {
		return text[:engine.MaxNoteBytes]
	}
	return text
}
