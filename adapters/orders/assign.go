package orders

import (
	"context"
	"slices"

	"holdfast/adapters/exceptions"
	"holdfast/engine"
)

// Assigned is units of a line that the home wants to leave from a location of ours. Group is what
// the home calls them together, such as a fulfilment order, for a task that moves them.
type Assigned struct {
	Ref      string `json:"ref"`
	Qty      int64  `json:"qty"`
	Location string `json:"location"`
	Group    string `json:"group,omitempty"`
}

// Assign takes in from where the home wants an order to leave: all of its open assignments, as they
// are now, whatever was split, merged or moved. The home has taken the units out of its number
// there. By the account's [Placement] the allocation follows, or the home is told to move them to
// where the allocation is. An assignment to a location that is not ours is a location "", and an
// exception.
//
// Where there is no room to follow, the units that are in the way may be those of another order that
// is guessed to be there, or be added over there and not counted yet. So it fails with no-room; when it
// is firm a person is asked, too. Where the home has the units is noted in any case, and as many as
// there is room for have followed. It fails with unknown-order, or with the store's error.
func (b *Book) Assign(ctx context.Context, id string, all []Assigned, firm bool) (Order, error) {
	var missing string
	o, err := b.change(ctx, id, func(d *draft) error {
		d.by, missing = d.home.ID, ""
		d.moved, d.o.Guessed = d.moved || d.o.Guessed, false
		for i := range d.o.Lines {
			l := &d.o.Lines[i]
			if l.SKU == "" || l.Unmapped != "" {
				continue
			}
			want := assignedTo(all, l.Ref)
			if len(want) == 0 {
				continue
			}
			if err := d.recount(l, want); err != nil {
				return err
			}
			if d.home.Placement == Lead {
				d.lead(l, want, all)
				continue
			}
			lack, err := d.follow(l, want)
			if err != nil {
				return err
			}
			if lack > 0 {
				missing = l.SKU
			}
		}
		return d.placed(all, missing, firm)
	})
	if err == nil && missing != "" {
		err = &Error{code: "no-room", detail: "there is no room for " + missing + " of " + id +
			" where it is to leave from"}
	}
	return o, err
}

// placed tells a person what cannot leave from where the home has assigned it, or that it now can.
func (d *draft) placed(all []Assigned, missing string, firm bool) error {
	trace := "place:" + d.o.ID
	foreign := slices.ContainsFunc(all, func(a Assigned) bool { return a.Location == "" })
	switch {
	case foreign:
		d.moved = true
		if err := d.raise(exceptions.Exception{Trace: "assigned:" + d.o.ID, Class: exceptions.Data,
			Code: "unmapped-location", Flow: "F3", Actions: []string{"map", "resolve"},
			Detail: "The order is to leave from a location that is mapped to none of ours."}); err != nil {
			return err
		}
	case missing == "":
		if err := exceptions.Clear(d.ctx, d.b.Store, &d.tx, trace, d.now); err != nil {
			return err
		}
		d.moved = d.moved || !d.tx.Empty()
	}
	if missing == "" || !firm {
		return nil
	}
	d.moved = true
	return d.raise(exceptions.Exception{Trace: trace, Class: exceptions.Stock,
		Code: "no-stock-there", Flow: "F3", Actions: []string{"wait", "move", "cancel"},
		Detail: "Units of " + missing + " are to leave from a location that has none free."})
}

// assignedTo sums what is assigned of a line by location.
func assignedTo(all []Assigned, ref string) (sum []Placed) {
	for _, a := range all {
		if a.Ref != ref || a.Location == "" || a.Qty <= 0 {
			continue
		}
		at := slices.IndexFunc(sum, func(p Placed) bool { return p.Location == a.Location })
		if at < 0 {
			sum = append(sum, Placed{Location: a.Location, Qty: a.Qty})
		} else {
			sum[at].Qty += a.Qty
		}
	}
	return sum
}

func unitsAt(all []Placed, location string) (n int64) {
	for _, p := range all {
		if p.Location == location {
			n += p.Qty
		}
	}
	return n
}

// recount moves what is counted of a line to where the home has it: only units that have not left
// can have been guessed wrong, or moved.
func (d *draft) recount(l *Line, want []Placed) error {
	for i := len(l.Counted) - 1; i >= 0; i-- {
		from := l.Counted[i].Location
		extra := l.Counted[i].Qty - d.sentFrom(l, from) - unitsAt(want, from)
		for _, p := range want {
			n := min(extra, p.Qty-(l.countedAt(p.Location)-d.sentFrom(l, p.Location)))
			if n <= 0 || p.Location == from {
				continue
			}
			if err := d.tally(l, from, n); err != nil {
				return err
			}
			if err := d.tally(l, p.Location, -n); err != nil {
				return err
			}
			l.counted(from, -n)
			l.counted(p.Location, n)
			extra -= n
			d.moved = true
		}
	}
	d.back = nil // nothing was put back: it only stands elsewhere
	return nil
}

// sentFrom is how many units of a line have left from a location.
func (d *draft) sentFrom(l *Line, location string) (n int64) {
	d.eachShipped(l, func(s *Shipment, sl *ShipmentLine) {
		if s.Location == location && !s.Off {
			n += sl.Qty
		}
	})
	return n
}

// follow transfers the allocation of a line to where it is to leave from, and says for how many units
// there is no room. Those stay where they are promised.
func (d *draft) follow(l *Line, want []Placed) (missing int64, err error) {
	for _, p := range want {
		lack := p.Qty
		for _, h := range d.linesOf(l) {
			lack -= h.at(p.Location).live
		}
		for n, h := range d.linesOf(l) {
			for i := 0; i < len(h.places) && lack > 0; i++ {
				from := h.places[i].location
				n, err := d.transfer(n, from, p.Location, min(lack, d.spare(l, h, want, from)))
				if err != nil {
					return 0, err
				}
				lack -= n
			}
		}
		if short := d.shortOf(l); lack > short {
			missing += lack - short
		}
	}
	return missing, nil
}

func (d *draft) shortOf(l *Line) (n int64) {
	for _, h := range d.linesOf(l) {
		n += h.short
	}
	return n
}

// spare is how many units of a reservation line at a place are not wanted there.
func (d *draft) spare(l *Line, h *held, want []Placed, location string) int64 {
	all := int64(0)
	for _, other := range d.linesOf(l) {
		all += other.at(location).live
	}
	return max(0, min(h.at(location).live, all-unitsAt(want, location)))
}

// transfer moves up to qty units of reservation line n, as many as there is room for.
func (d *draft) transfer(n int, from, to string, qty int64) (int64, error) {
	if qty <= 0 || from == to || from == "" {
		return 0, nil
	}
	listed, err := d.listed(to)
	if err != nil || !listed {
		return 0, err
	}
	h := &d.stock.lines[n-1]
	room, err := d.room(h.sku, to) // what stands in for the line's SKU is what moves
	if err != nil {
		return 0, err
	}
	if qty = min(qty, room); qty <= 0 {
		return 0, nil
	}
	d.stock.moves = append(d.stock.moves, &engine.Transfer{ID: d.stock.id, Line: int64(n),
		From: engine.Name(from), To: engine.Name(to), Qty: qty})
	d.take(h.sku, to, qty)
	h.at(from).live -= qty
	h.at(to).live += qty
	d.moved = true
	d.o.note(Moment{At: d.now, What: "moved", By: d.by, More: h.sku + " " + from + " → " + to})
	return qty, nil
}

// lead tells the home to move what it has assigned elsewhere than the allocation is.
func (d *draft) lead(l *Line, want []Placed, all []Assigned) {
	ours := make(map[string]int64)
	for _, h := range d.linesOf(l) {
		for i := range h.places {
			ours[h.places[i].location] += h.places[i].live
		}
	}
	to := ""
	for location, n := range ours {
		if n > unitsAt(want, location) && (to == "" || location < to) {
			to = location
		}
	}
	for _, a := range all {
		if a.Ref != l.Ref || to == "" || a.Location == to ||
			unitsAt(want, a.Location) <= ours[a.Location] {
			continue
		}
		n := min(a.Qty, ours[to]-unitsAt(want, to))
		d.by = "" // the home is told although it spoke: it is asked to change its mind
		d.moved = true
		d.say(Moved, l.Ref+"@"+to, map[string]any{"ref": l.Ref, "qty": n, "from": a.Location,
			"to": to, "group": a.Group})
		d.by = d.home.ID
	}
}

// Hold notes that the home must not ship an order for now, or may again. It moves no stock.
//
// It fails with unknown-order, or with the store's error.
func (b *Book) Hold(ctx context.Context, id, why string, on bool) (Order, error) {
	return b.change(ctx, id, func(d *draft) error {
		d.by = d.home.ID
		at := slices.Index(d.o.Holds, why)
		if on == (at >= 0) {
			return nil
		}
		d.moved = true
		word := "hold released"
		if on {
			d.o.Holds, word = append(d.o.Holds, why), "on hold"
		} else {
			d.o.Holds = slices.Delete(d.o.Holds, at, at+1)
		}
		d.o.note(Moment{At: d.now, What: word, By: d.by, More: why})
		return nil
	})
}
