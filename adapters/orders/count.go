package orders

import (
	"context"
	"errors"

	"holdfast/adapters/mapping"
)

// row finds the mapping of what a line sells. Memory follows the store by a moment, and a sale that
// is promised by a row that only the store has must be counted by it, too: so what memory does not
// know is looked up there, once a draft. It fails with the store's error.
func (d *draft) row(l *Line) (mapping.Row, bool, error) {
	if row, ok := d.b.find(d.home.ID, &l.Item); ok {
		return row, true, nil
	}
	f := l.ref(d.home.ID)
	if row, ok := d.mapped[f]; ok {
		return row, row.SKU != "", nil
	}
	row, ok, err := d.b.Rows.Find(d.ctx, f)
	if err != nil {
		return mapping.Row{}, false, err
	}
	if d.mapped == nil {
		d.mapped = make(map[mapping.Ref]mapping.Row)
	}
	if !ok {
		row = mapping.Row{}
	}
	d.mapped[f] = row
	return row, ok, nil
}

func (b *Book) find(connection string, i *Item) (mapping.Row, bool) {
	if i.VariantID != 0 {
		if r, ok := b.Mapping.ByVariant(connection, i.VariantID); ok {
			return r, true
		}
	}
	if i.ItemID != 0 {
		if r, ok := b.Mapping.ByInventoryItem(connection, i.ItemID); ok {
			return r, true
		}
	}
	if i.SellerSKU != "" {
		return b.Mapping.BySellerSKU(connection, i.Marketplace, i.SellerSKU)
	}
	return mapping.Row{}, false
}

// count keeps the tallies equal to what the home did to its own numbers for a line: it took units
// out when it sold them, and put those back that were cancelled with restock. Units that shipped,
// and those that were not restocked, stay out. Of a line that the first counts have in them it is
// noted what they have, which moved nothing.
func (d *draft) count(l *Line, place string) error {
	if !d.home.counts() {
		return nil
	}
	have := int64(0)
	for _, p := range l.Counted {
		have += p.Qty
	}
	want := l.ToShip + l.HomeSent + l.Gone
	if want > have {
		at, sure, err := d.counting(l, want-have)
		if err != nil {
			return err
		}
		d.unsure = d.unsure || !sure
		if !l.Shown {
			if err := d.tally(l, at, have-want); err != nil {
				return err
			}
		}
		l.Shown = false
		l.counted(at, want-have)
		return d.countSent(l)
	}
	l.Shown = false
	for i := len(l.Counted) - 1; i >= 0 && have > want; i-- {
		at := l.Counted[i].Location
		if place != "" && l.countedAt(place) > 0 {
			at = place
		} else if len(l.Counted) > 1 {
			d.unsure = true // nobody says at which of them it stands no longer
		}
		n := min(have-want, l.countedAt(at))
		if err := d.tally(l, at, n); err != nil {
			return err
		}
		l.counted(at, -n)
		have -= n
	}
	return d.countSent(l)
}

// countSent counts units that the home has sent where it has sent them from: it had taken them out
// there, whatever was guessed before, and no longer says so among what is to leave.
func (d *draft) countSent(l *Line) error {
	for i := range d.o.Shipments {
		to := d.o.Shipments[i].Location
		if d.o.Shipments[i].By != d.home.ID || to == "" {
			continue
		}
		for k := len(l.Counted) - 1; k >= 0; k-- {
			from := l.Counted[k].Location
			n := min(d.sentFrom(l, to)-l.countedAt(to), l.countedAt(from)-d.sentFrom(l, from))
			if n <= 0 || from == to {
				continue
			}
			back := len(d.back)
			if err := d.tally(l, from, n); err != nil {
				return err
			}
			if err := d.tally(l, to, -n); err != nil {
				return err
			}
			d.back = d.back[:back] // nothing was put back: it only stood elsewhere
			l.counted(from, -n)
			l.counted(to, n)
		}
	}
	return nil
}

// counting is where the home has taken units of a line: from its pin, or where a package of the
// home's has left, or, and then it is not sure, as guessed.
func (d *draft) counting(l *Line, qty int64) (at string, sure bool, err error) {
	if l.Location != "" {
		return l.Location, true, nil
	}
	for i := range d.o.Shipments {
		if s := &d.o.Shipments[i]; s.By == d.home.ID && s.Location != "" && !s.Off &&
			sentBy(d.o.Shipments[i:i+1], l.Ref) > 0 {
			return s.Location, true, nil
		}
	}
	at, err = d.guess(l, qty)
	return at, d.home.Places < 2, err
}

// align counts units that are guessed where the ledger has promised them, if that is elsewhere: as long
// as nobody knows where the home has them, both sides must at least agree, or the difference would be
// pushed. Whatever a crash leaves undone here, or an error, the task that asks the home puts right.
func (b *Book) align(ctx context.Context, d *draft) {
	if !d.unsure || d.agrees() {
		return
	}
	_, _ = b.change(ctx, d.o.ID, func(d *draft) error {
		for i := range d.o.Lines {
			if l := &d.o.Lines[i]; d.o.Guessed && l.SKU != "" && l.Unmapped == "" {
				if err := d.recount(l, d.promised(l)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// agrees reports whether what is counted stands where the ledger, by its answer, has promised it.
func (d *draft) agrees() bool {
	for i := range d.stock.results {
		r := d.stock.results[i].Reservation
		if r == nil || r.ID != d.stock.id {
			continue
		}
		for k := range r.Lines {
			if k < len(d.stock.lines) {
				d.stock.lines[k] = heldOf(&r.Lines[k])
			}
		}
	}
	for i := range d.o.Lines {
		l := &d.o.Lines[i]
		for _, p := range d.promised(l) {
			if l.countedAt(p.Location)-d.sentFrom(l, p.Location) < p.Qty {
				return false
			}
		}
	}
	return true
}

// Astray is how many units of a SKU an order of a connection's own has at a location by the connection's
// number, to leave from there, and not by the ledger's; negative: the other way round. It is 0 for an
// order that is not known, or not the connection's. It fails with the store's error.
func (b *Book) Astray(ctx context.Context, id, connection, sku, location string) (units int64, err error) {
	d, err := b.open(ctx, id)
	if unknown := (*Error)(nil); errors.As(err, &unknown) {
		return 0, nil
	}
	if err != nil || d.home.ID != connection || !d.home.counts() {
		return 0, err
	}
	for i := range d.o.Lines {
		l := &d.o.Lines[i]
		if l.SKU == sku && l.Unmapped == "" {
			units += l.countedAt(location) - d.sentFrom(l, location) - unitsAt(d.promised(l), location)
		}
	}
	return units, nil
}

// promised sums what is promised to a line by location.
func (d *draft) promised(l *Line) (all []Placed) {
	for _, h := range d.linesOf(l) {
		for i := range h.places {
			if p := &h.places[i]; p.live > 0 && p.location != "" {
				all = append(all, Placed{Location: p.location, Qty: p.live})
			}
		}
	}
	return all
}

// counted moves what is counted of a line at a location.
func (l *Line) counted(location string, delta int64) {
	for i := range l.Counted {
		if p := &l.Counted[i]; p.Location == location {
			if p.Qty += delta; p.Qty == 0 {
				l.Counted = append(l.Counted[:i], l.Counted[i+1:]...)
			}
			return
		}
	}
	if delta != 0 {
		l.Counted = append(l.Counted, Placed{Location: location, Qty: delta})
	}
}

func (l *Line) countedAt(location string) int64 {
	for _, p := range l.Counted {
		if p.Location == location {
			return p.Qty
		}
	}
	return 0
}

// tally writes that the home's own number of a line's SKU has changed.
func (d *draft) tally(l *Line, location string, delta int64) error {
	if delta == 0 || location == "" {
		return nil
	}
	row, ok, err := d.row(l)
	if err != nil || !ok {
		return err
	}
	d.b.Numbers.Moved(&d.tx, row, location, delta)
	if delta > 0 && row.SKU == l.SKU { // else the hold there is of another SKU by now
		d.back = append(d.back, restocked{row, location, delta})
	}
	return nil
}

// restocked is units that the home offers again.
type restocked struct {
	row      mapping.Row
	location string
	qty      int64
}

// restock hands what the home offers again to its standing holds, behind all that released it.
func (d *draft) restock() error {
	for _, r := range d.back {
		if err := d.b.Numbers.Restock(d.ctx, &d.tx, r.row, r.location, r.qty); err != nil {
			return err
		}
	}
	return nil
}

// draw takes units out of the standing holds of the order's channel and promises them to a line,
// where they are. One SKU is drawn once: the holds are as they were read. What the first counts have
// in them is not drawn: the holds were made of what the home had available beside it.
func (d *draft) draw(l *Line, qty int64, location string) (drawn []Placed, err error) {
	if d.drawn[l.SKU] || qty <= 0 || l.Shown {
		return nil, nil
	}
	found, err := d.b.Numbers.Draw(d.ctx, d.o.Channel, l.SKU, location, qty)
	if err != nil || len(found.Placed) == 0 {
		return nil, err
	}
	if d.drawn == nil {
		d.drawn = make(map[string]bool)
	}
	d.drawn[l.SKU] = true
	d.stock.draws = append(d.stock.draws, found.Ops...)
	return found.Placed, nil
}
