package orders

import (
	"context"
	"errors"
	"slices"
)

// Attachment is what a system that is not an order's home says of it.
type Attachment struct {
	System    string
	Externals []External
	Shipments []Shipment
	// Items say what the system's own names of the lines sell, where it does not use those of the
	// home.
	Items map[string]Item
}

// made takes in what a shop says of its document of an order that was born elsewhere, one thing
// after the other: each is harmless when it comes again. What it cancels is a wish, which the home
// decides.
func (b *Book) made(ctx context.Context, s *Snapshot) error {
	by := s.Home.System
	a := Attachment{System: by, Externals: append([]External{s.Home}, s.Externals...),
		Shipments: s.Shipments, Items: map[string]Item{}}
	if s.Name != "" {
		a.Externals = append(a.Externals, External{System: by, Kind: "name", ID: s.Name})
	}
	for i := range s.Lines {
		l := &s.Lines[i]
		a.Items[l.Ref] = Item{l.VariantID, l.ItemID, l.SellerSKU, l.Marketplace}
	}
	if _, err := b.Attach(ctx, s.Of, a); err != nil {
		return err
	}
	_, err := b.change(ctx, s.Of, func(d *draft) error {
		d.by = by
		for _, r := range s.Refunds {
			if d.knownRefund(&Refund{ID: r.ID, By: by, Amount: r.Amount}) == nil &&
				d.home.Kind == "amazon" {
				if err := d.raise(refundElsewhere(s.Of, r.ID)); err != nil {
					return err
				}
			}
			d.refunds([]Refund{{ID: r.ID, By: by, At: r.At, Amount: r.Amount}})
		}
		returns := s.returns()
		for i := range returns {
			returns[i].Lines = d.translate(returns[i].Lines, a.Items)
		}
		d.returnsOf(slices.DeleteFunc(returns, func(r Return) bool { return len(r.Lines) == 0 }))
		return nil
	})
	if err != nil || s.Cancelled == nil {
		return err
	}
	_, err = b.Cancel(ctx, s.Of, CancelRequest{By: by, Reason: s.Cancelled.Reason,
		Restock: s.Cancelled.Restock})
	var no *Error
	if errors.As(err, &no) && no.code == "wrong-state" {
		return nil // it has left: the home never knew that somebody wanted it back
	}
	return err
}

// translate turns a system's names of lines into those of the home, by what they sell. Units of
// what the order does not have are left out: they are nothing of ours.
func (d *draft) translate(lines []ShipmentLine, items map[string]Item) (all []ShipmentLine) {
	for _, l := range lines {
		if d.o.line(l.Ref) != nil {
			all = append(all, l)
			continue
		}
		item := items[l.Ref]
		row, ok := d.b.find(d.by, &item)
		at := slices.IndexFunc(d.o.Lines, func(have Line) bool {
			return ok && have.SKU == row.SKU &&
				!slices.ContainsFunc(all, func(a ShipmentLine) bool { return a.Ref == have.Ref })
		})
		if at >= 0 {
			all = append(all, ShipmentLine{Ref: d.o.Lines[at].Ref, Qty: l.Qty})
		}
	}
	return all
}

// Attach adds what another system than the home says of an order: its ids there, and packages, of
// which those nobody has reported yet ship. It never reserves, releases or cancels. What says
// nothing new writes nothing.
//
// It fails with unknown-order, invalid, or with the store's error.
func (b *Book) Attach(ctx context.Context, id string, a Attachment) (Order, error) {
	return b.change(ctx, id, func(d *draft) error {
		d.by = a.System
		d.naming = a.Items == nil
		d.attach(a.Externals)
		for _, s := range a.Shipments {
			if a.Items != nil {
				s.Lines = d.translate(s.Lines, a.Items)
			}
			if err := d.checkLines(s.Lines); err != nil {
				return err
			}
			d.report(s)
		}
		return nil
	})
}

// Ship records a package that somebody reports. Lines empty: all that is still to leave. The first
// report of a package ships it; a second one, by its key, its tracking or its lines, attaches.
//
// It fails with unknown-order, invalid, wrong-state when more leaves than is left, or with the
// store's error; nothing happened then, unless the store's error says that this is not known.
func (b *Book) Ship(ctx context.Context, id string, s Shipment) (Order, error) {
	return b.change(ctx, id, func(d *draft) error {
		d.by = s.By
		if s.At.IsZero() {
			s.At = d.now
		}
		if d.known(&s) != nil {
			d.report(s)
			return nil
		}
		if len(s.Lines) == 0 {
			for i := range d.o.Lines {
				if n := d.o.toShip(&d.o.Lines[i]); n > 0 {
					s.Lines = append(s.Lines, ShipmentLine{Ref: d.o.Lines[i].Ref, Qty: n})
				}
			}
			if len(s.Lines) == 0 {
				return &Error{code: "wrong-state", detail: "nothing of the order is left to ship"}
			}
		}
		if err := d.checkLines(s.Lines); err != nil {
			return err
		}
		for _, sl := range s.Lines {
			if l := d.o.line(sl.Ref); d.o.toShip(l) < sl.Qty {
				return &Error{code: "wrong-state", at: "lines",
					detail: "fewer units of line " + sl.Ref + " are left to ship"}
			}
		}
		d.report(s)
		return nil
	})
}

func (d *draft) checkLines(lines []ShipmentLine) error {
	for i := range lines {
		if d.o.line(lines[i].Ref) == nil {
			return &Error{code: "invalid", at: "lines",
				detail: "the order has no line " + lines[i].Ref}
		}
	}
	return nil
}

// shipments brings the order's packages to those of its home. One of the home's own that it no
// longer names has been taken back.
func (d *draft) shipments(s *Snapshot) {
	all := append(slices.Clone(s.Shipments), s.soldHere()...)
	for i := range all {
		d.report(all[i])
	}
	for i := range d.o.Shipments {
		have := &d.o.Shipments[i]
		if have.By != d.home.ID || have.Off {
			continue
		}
		if !slices.ContainsFunc(all, func(s Shipment) bool { return have.is(&s, d.home.ID) }) {
			have.Off = true
			d.o.note(Moment{At: d.now, What: "shipment taken back", By: d.home.ID, More: have.Key})
		}
	}
}

// overCounter is the package of what left a shop with the buyer.
const overCounter = "point-of-sale"

// soldHere is the package of the lines that have left with the buyer and are in no other.
func (s *Snapshot) soldHere() []Shipment {
	pack := Shipment{Key: overCounter, At: s.CreatedAt}
	for i := range s.Lines {
		sl := &s.Lines[i]
		if !sl.PointOfSale || s.Cancelled != nil {
			continue
		}
		left := max(0, sl.Qty-sentBy(s.Shipments, sl.Ref))
		if sl.ToShip != nil {
			left = *sl.ToShip
		}
		if left > 0 {
			pack.Location = first(sl.Location, pack.Location)
			pack.Lines = append(pack.Lines, ShipmentLine{Ref: sl.Ref, Qty: left})
		}
	}
	if len(pack.Lines) == 0 {
		return nil
	}
	return []Shipment{pack}
}

// is reports whether a package that a system calls s is the one that is kept as k.
func (k *Shipment) is(s *Shipment, by string) bool {
	return k.By == by && k.Key == s.Key || slices.Contains(k.IDs, External{by, "shipment", s.Key})
}

// known finds the package that a report is about: by what its reporter calls it, else by the
// tracking or the lines of one that only others have reported, else by the tracking of one of which
// its reporter has another part: one package can be several fulfilments. Units beyond what others
// have reported of that package are another one.
func (d *draft) known(s *Shipment) *Shipment {
	by := first(s.By, d.by)
	for i := range d.o.Shipments {
		if d.o.Shipments[i].is(s, by) {
			return &d.o.Shipments[i]
		}
	}
	for i := range d.o.Shipments {
		k := &d.o.Shipments[i]
		own := k.By == by && k.Key != overCounter ||
			slices.ContainsFunc(k.IDs, func(e External) bool { return e.System == by })
		if own || k.Off {
			continue
		}
		if s.Tracking != "" && k.Tracking != "" {
			if s.Tracking == k.Tracking {
				return k
			}
		} else if sameLines(s.Lines, k.Lines) {
			return k
		}
	}
	for i := range d.o.Shipments {
		if k := &d.o.Shipments[i]; !k.Off && k.By != by && s.Tracking != "" &&
			k.Tracking == s.Tracking && (k.fits(s, by) || d.naming && sameLines(s.Lines, k.Lines)) {
			return k
		}
	}
	return nil
}

// fits reports whether units can be a part of the package of which a system has other parts
// already, each under a name of its own.
func (k *Shipment) fits(s *Shipment, by string) bool {
	for _, l := range s.Lines {
		left := -l.Qty
		for _, have := range k.Lines {
			if have.Ref == l.Ref {
				left += have.Qty
			}
		}
		for _, id := range k.IDs {
			if id.System != by {
				continue
			}
			for _, have := range k.partOf(id) {
				if have.Ref == l.Ref {
					left -= have.Qty
				}
			}
		}
		if left < 0 {
			return false
		}
	}
	return len(s.Lines) > 0
}

// partOf is what one of the package's IDs has of it.
func (k *Shipment) partOf(id External) []ShipmentLine {
	for i := range k.Parts {
		if k.Parts[i].ID == id {
			return k.Parts[i].Lines
		}
	}
	return k.Lines
}

// part notes what an ID has of the package; one that has all of it needs no note. It reports
// whether that is news.
func (k *Shipment) part(id External, lines []ShipmentLine) bool {
	if len(lines) == 0 || sameLines(lines, k.partOf(id)) {
		return false
	}
	k.Parts = slices.DeleteFunc(k.Parts, func(p Part) bool { return p.ID == id })
	if !sameLines(lines, k.Lines) {
		p := Part{ID: id, Lines: slices.Clone(lines)}
		for i := range p.Lines {
			p.Lines[i].Done = 0
		}
		k.Parts = append(k.Parts, p)
	}
	return true
}

func sameLines(a, b []ShipmentLine) bool {
	if len(a) != len(b) || len(a) == 0 {
		return false
	}
	for _, l := range a {
		if !slices.ContainsFunc(b, func(o ShipmentLine) bool {
			return o.Ref == l.Ref && o.Qty == l.Qty
		}) {
			return false
		}
	}
	return true
}

// report takes one report of a package in.
func (d *draft) report(s Shipment) {
	by := first(s.By, d.by)
	k := d.known(&s)
	if k == nil {
		s.By, s.Off = by, false
		s.Lines = slices.Clone(s.Lines)
		for i := range s.Lines {
			s.Lines[i].Done = 0
		}
		d.o.Shipments = append(d.o.Shipments, s)
		d.moved = true
		if s.Tracking != "" {
			d.index(External{by, "tracking", s.Tracking})
		}
		d.say(Sent, s.Key, map[string]any{"shipment": s.Key})
		return
	}
	if k.By == by && (k.Key == s.Key || k.Key == overCounter) {
		d.update(k, &s)
	} else {
		id := External{by, "shipment", s.Key}
		if !slices.Contains(k.IDs, id) {
			k.IDs = append(k.IDs, id)
			d.moved = true
		}
		d.moved = k.part(id, s.Lines) || d.moved
	}
	d.fill(k, &s)
}

// update brings a package to what its first reporter says of it now.
func (d *draft) update(k, s *Shipment) {
	if k.Off || k.Key != s.Key {
		k.Off, k.Key = false, s.Key
		d.moved = true
	}
	for i := range k.Lines {
		l := &k.Lines[i]
		qty := int64(0)
		for _, now := range s.Lines {
			if now.Ref == l.Ref {
				qty = now.Qty
			}
		}
		d.moved = d.moved || l.Qty != qty
		l.Qty = qty
	}
	for _, now := range s.Lines {
		if !slices.ContainsFunc(k.Lines, func(l ShipmentLine) bool { return l.Ref == now.Ref }) {
			k.Lines = append(k.Lines, ShipmentLine{Ref: now.Ref, Qty: now.Qty})
			d.moved = true
		}
	}
}

// fill adds what the package had not: a tracking number often comes later.
func (d *draft) fill(k, s *Shipment) {
	before := [...]string{k.Carrier, k.Service, k.Tracking, k.URL, k.Location}
	k.Carrier, k.Service = first(k.Carrier, s.Carrier), first(k.Service, s.Service)
	late := k.Tracking == "" && s.Tracking != ""
	k.Tracking, k.URL = first(k.Tracking, s.Tracking), first(k.URL, s.URL)
	k.Location = first(k.Location, s.Location)
	if before != [...]string{k.Carrier, k.Service, k.Tracking, k.URL, k.Location} {
		d.moved = true
	}
	if late {
		d.index(External{first(s.By, d.by), "tracking", s.Tracking})
		d.o.note(Moment{At: d.now, What: "tracking", By: first(s.By, d.by), More: s.Tracking})
	}
}
