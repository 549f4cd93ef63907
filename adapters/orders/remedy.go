package orders

import (
	"context"

	"holdfast/adapters/exceptions"
	"holdfast/engine"
)

// Remedy does to an order what a person has chosen among the actions of its exception. Done again it
// does nothing more, so that a call that is sent again is answered as the first one was.
//
// It fails as the method that the action names, with invalid for an action that no order knows.
func (b *Book) Remedy(ctx context.Context, id string, r exceptions.Remedy) (err error) {
	switch r.Do {
	case exceptions.ActMove:
		_, err = b.MoveTo(ctx, id, r.By, r.Location)
	case exceptions.ActSubstitute:
		_, err = b.Substitute(ctx, id, Substitution{By: r.By, SKU: r.SKU, With: r.With,
			Location: r.Location})
	case exceptions.ActCancel:
		_, err = b.Cancel(ctx, id, CancelRequest{By: r.By, Reason: "INVENTORY", Restock: true})
	case exceptions.ActAccept, exceptions.ActDecline:
		_, err = b.Decide(ctx, id, r.By, r.Do == exceptions.ActAccept)
	case exceptions.ActRetryOrder:
		_, err = b.Retry(ctx, id)
	default:
		err = &Error{code: "invalid", at: "action", detail: "no order knows the action " + r.Do}
	}
	return err
}

// MoveTo has those units of an order that have no room where they are to leave from leave from another
// location of its channel: those that are short, and those that the home has where the ledger has no
// room for them. Their promise goes there, and the home is told to have them there, too. Where all have
// room it does nothing.
//
// It fails, with nothing done, with unknown-order, unknown-location, not-listed, with
// insufficient-stock when not all of them fit, or with the store's error.
func (b *Book) MoveTo(ctx context.Context, id, by, location string) (Order, error) {
	o, err := b.change(ctx, id, func(d *draft) error {
		d.by = by
		if err := d.mayServe(location); err != nil {
			return err
		}
		for i := range d.o.Lines {
			if l := &d.o.Lines[i]; l.SKU != "" && l.Unmapped == "" {
				if err := d.moveLine(l, location); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return b.remedied(ctx, o, err)
}

// remedied looks whether the order still lacks stock. The change is stored; what a crash or an error
// leaves undone here, the next look at the order finds.
func (b *Book) remedied(ctx context.Context, o Order, err error) (Order, error) {
	if err != nil {
		return o, err
	}
	if now, err := b.Reassess(ctx, o.ID); err == nil {
		o = now
	}
	return o, nil
}

func (d *draft) mayServe(location string) error {
	listed, err := d.listed(location)
	if err != nil || listed {
		return err
	}
	known := false
	_, err = d.b.Store.Ledger(d.ctx, func(l *engine.Ledger) bool {
		_, known = l.Location(location)
		return false
	})
	switch {
	case err != nil:
		return err
	case !known:
		return &Error{code: engine.UnknownLocation.String(), at: "location",
			detail: "there is no location " + location}
	}
	return &Error{code: engine.NotListed.String(), at: "location",
		detail: "the channel " + d.o.Channel + " does not list " + location}
}

// moveLine moves the units of a line that have no room.
func (d *draft) moveLine(l *Line, to string) error {
	crowd, atHome := d.crowded(l)
	short := d.shortOf(l)
	rest := -short
	for _, p := range crowd {
		rest += p.Qty
	}
	there := -unitsAt(atHome, to)
	for _, h := range d.linesOf(l) {
		there += h.at(to).live
	}
	rest -= max(0, there) // they are there already, and only the home does not know
	if short > 0 {
		room, err := d.room(l.SKU, to)
		if err != nil {
			return err
		}
		if room < short {
			return d.noRoom(l.SKU, to)
		}
		d.want(l, short, to)
		d.take(l.SKU, to, short)
		d.giveBack(l, short, "")
		d.moved = true
		d.o.note(Moment{At: d.now, What: "moved", By: d.by, More: l.SKU + " → " + to})
	}
	for n, h := range d.linesOf(l) {
		for i := 0; i < len(h.places) && rest > 0; i++ {
			from := h.places[i].location
			moved, err := d.transfer(n, from, to, min(rest, d.spare(l, h, atHome, from)))
			if err != nil {
				return err
			}
			rest -= moved
		}
	}
	if rest > 0 {
		return d.noRoom(l.SKU, to)
	}
	for _, p := range crowd {
		if p.Location == to {
			continue
		}
		d.moved = true
		d.say(Moved, l.Ref+"@"+to+"<"+p.Location, map[string]any{"ref": l.Ref, "qty": p.Qty,
			"from": p.Location, "to": to})
	}
	return nil
}

func (d *draft) noRoom(sku, location string) error {
	return &Error{code: engine.InsufficientStock.String(), at: "location",
		detail: "there is no room for all units of " + sku + " at " + location}
}

// crowded are the units of a line that the home has at a location and the ledger does not, and atHome
// all that the home has, where they are still to leave.
func (d *draft) crowded(l *Line) (crowd, atHome []Placed) {
	if !d.home.counts() {
		return nil, d.promised(l)
	}
	for _, p := range l.Counted {
		if p.Qty -= d.sentFrom(l, p.Location); p.Qty <= 0 {
			continue
		}
		atHome = append(atHome, p)
		for _, h := range d.linesOf(l) {
			p.Qty -= h.at(p.Location).live
		}
		if p.Qty > 0 {
			crowd = append(crowd, p)
		}
	}
	return crowd, atHome
}

// Substitution is a person's word that units which are short leave as units of another SKU.
type Substitution struct {
	By       string
	SKU      string // whose short units are meant; "": those of the one line that has any
	With     string
	Location string // from where they leave; "": from wherever they are
}

// Substitute has the short units of an order leave as units of another SKU. The line stays what was
// sold, and notes what stands in for it; the buyer and the home are told by nobody here. Units that
// the SKU stands in for already are left alone.
//
// It fails, with nothing done, with unknown-order, unknown-sku, unknown-location, not-listed, with
// wrong-state when nothing is short, with invalid when it is not clear which line is meant, with
// insufficient-stock when not all of them are there, or with the store's error.
func (b *Book) Substitute(ctx context.Context, id string, s Substitution) (Order, error) {
	o, err := b.change(ctx, id, func(d *draft) error {
		d.by = s.By
		l, err := d.lacking(&s)
		if err != nil || l == nil {
			return err
		}
		if err := d.mayReplace(l, &s); err != nil {
			return err
		}
		return d.substitute(l, &s)
	})
	return b.remedied(ctx, o, err)
}

// lacking finds the line whose short units are meant; nil when they are replaced already.
func (d *draft) lacking(s *Substitution) (found *Line, err error) {
	done := false
	for i := range d.o.Lines {
		l := &d.o.Lines[i]
		if l.SKU == "" || l.Unmapped != "" || s.SKU != "" && l.SKU != s.SKU {
			continue
		}
		done = done || unitsOfSKU(l.Substitutes, s.With) > 0
		if d.shortOf(l) == 0 {
			continue
		}
		if found != nil && found.SKU != l.SKU {
			return nil, &Error{code: "invalid", at: "sku",
				detail: "several lines are short: name the SKU that is meant"}
		}
		if found == nil {
			found = l
		}
	}
	if found == nil && !done {
		return nil, &Error{code: engine.WrongState.String(), at: "sku",
			detail: "the order has no short units that could be replaced"}
	}
	return found, nil
}

func (d *draft) mayReplace(l *Line, s *Substitution) error {
	known := false
	_, err := d.b.Store.Ledger(d.ctx, func(ledger *engine.Ledger) bool {
		_, known = ledger.SKU(s.With)
		return false
	})
	switch {
	case err != nil:
		return err
	case !known:
		return &Error{code: engine.UnknownSKU.String(), at: "with", detail: "there is no SKU " + s.With}
	case s.With == l.SKU:
		return &Error{code: "invalid", at: "with", detail: "with must be another SKU"}
	case s.Location != "":
		return d.mayServe(s.Location)
	}
	return nil
}

// substitute promises units of another SKU to every line of the SKU that is short: where the home has
// the units if there are some, else wherever there are.
func (d *draft) substitute(first *Line, s *Substitution) error {
	for i := range d.o.Lines {
		l := &d.o.Lines[i]
		short := d.shortOf(l)
		if l.SKU != first.SKU || l.Unmapped != "" || short == 0 {
			continue
		}
		rest := short
		places, err := d.placesFor(l, s)
		if err != nil {
			return err
		}
		for _, location := range places {
			room, err := d.room(s.With, location)
			if err != nil {
				return err
			}
			n := min(rest, max(0, room))
			d.wantOf(l, s.With, n, location)
			d.take(s.With, location, n)
			rest -= n
		}
		if rest > 0 {
			return &Error{code: engine.InsufficientStock.String(), at: "with",
				detail: "there are not enough units of " + s.With + " for all that are short"}
		}
		d.giveBack(l, short, "")
		l.replaced(s.With, short)
		d.moved = true
		d.o.note(Moment{At: d.now, What: "substituted", By: d.by, More: l.SKU + " → " + s.With})
	}
	d.say(Changed, "", nil)
	return nil
}

func (d *draft) placesFor(l *Line, s *Substitution) (all []string, err error) {
	if s.Location != "" {
		return []string{s.Location}, nil
	}
	served, err := d.channel()
	if err != nil {
		return nil, err
	}
	crowd, _ := d.crowded(l)
	for _, p := range crowd {
		if listed, err := d.listed(p.Location); err != nil {
			return nil, err
		} else if listed {
			all = append(all, p.Location)
		}
	}
	return append(all, served.locations...), nil
}

// Replacement is units of another SKU that stand in for those of a line.
type Replacement struct {
	SKU string `json:"sku"`
	Qty int64  `json:"qty"`
}

func (l *Line) replaced(sku string, qty int64) {
	for i := range l.Substitutes {
		if l.Substitutes[i].SKU == sku {
			l.Substitutes[i].Qty += qty
			return
		}
	}
	l.Substitutes = append(l.Substitutes, Replacement{sku, qty})
}

func unitsOfSKU(all []Replacement, sku string) (n int64) {
	for _, r := range all {
		if r.SKU == sku {
			n += r.Qty
		}
	}
	return n
}

var _ exceptions.Orders = (*Book)(nil)
