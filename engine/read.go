package engine

import (
	"slices"
	"strings"
)

// The ledger's answers to questions. What they return shares nothing with the state.

// SKU returns a SKU's definition; ok is false when there is none of that name.
func (l *Ledger) SKU(name string) (s SKU, ok bool) {
	number := l.find(SKUName, Name(name))
	if number == 0 {
		return SKU{}, false
	}
	return l.viewSKU(number), true
}

// SKUs returns up to limit SKUs with a number above after, in order of number.
func (l *Ledger) SKUs(after uint32, limit int) []SKU {
	var list []SKU
	for n := uint64(after) + 1; n < uint64(l.names.skuNext) && len(list) < limit; n++ {
		if !l.sku(uint32(n)).deleted {
			list = append(list, l.viewSKU(uint32(n)))
		}
	}
	return list
}

func (l *Ledger) viewSKU(number uint32) SKU {
	row := l.moreOf(number)
	s := SKU{
		Name: l.NameOf(SKUName, number), Number: number,
		Attributes: slices.Clone(l.names.texts.at(row.attributes)),
	}
	for at := row.kit; at != 0; {
		p := l.names.parts.at(at)
		s.Kit = append(s.Kit, KitPart{SKU: l.NameOf(SKUName, p.sku), Qty: int64(p.qty)})
		at = p.next
	}
	return s
}

// Location returns a location's definition; ok is false when there is none of that name.
func (l *Ledger) Location(name string) (d Location, ok bool) {
	number := l.find(LocationName, Name(name))
	if number == 0 {
		return Location{}, false
	}
	return l.viewLocation(number), true
}

// Locations returns up to limit locations with a number above after, in order of number.
func (l *Ledger) Locations(after uint32, limit int) []Location {
	var list []Location
	for i := int(after); i < len(l.names.locations.rows) && len(list) < limit; i++ {
		if d := l.names.locations.rows[i]; !d.gone {
			list = append(list, l.viewLocation(d.Number))
		}
	}
	return list
}

func (l *Ledger) viewLocation(number uint32) Location {
	d := l.location(number).Location
	d.Attributes = slices.Clone(d.Attributes)
	return d
}

// Channel returns a channel's definition; ok is false when there is none of that name.
func (l *Ledger) Channel(name string) (d Channel, ok bool) {
	number := l.find(ChannelName, Name(name))
	if number == 0 {
		return Channel{}, false
	}
	return l.viewChannel(number), true
}

// Channels returns up to limit channels with a number above after, in order of number.
func (l *Ledger) Channels(after uint32, limit int) []Channel {
	var list []Channel
	for i := int(after); i < len(l.names.channels.rows) && len(list) < limit; i++ {
		if d := l.names.channels.rows[i]; !d.gone {
			list = append(list, l.viewChannel(d.Number))
		}
	}
	return list
}

func (l *Ledger) viewChannel(number uint32) Channel {
	row := l.channel(number)
	d := row.Channel
	d.Attributes = slices.Clone(d.Attributes)
	d.Locations = make([]string, 0, len(row.locations))
	for _, n := range row.locations {
		d.Locations = append(d.Locations, l.location(n).Name)
	}
	return d
}

// Stock returns the balance of a SKU at every location where it was ever stocked, by the location's
// name, or UnknownSKU.
func (l *Ledger) Stock(sku string) ([]LocationStock, Refusal) {
	number := l.find(SKUName, Name(sku))
	if number == 0 {
		return nil, UnknownSKU
	}
	var list []LocationStock
	for ref := l.sku(number).stock; ref != 0; {
		row := l.stockAt(ref)
		if ref = row.next; row.blank() || l.location(row.location).gone {
			continue
		}
		list = append(list, LocationStock{
			Location: l.location(row.location).Name, Balance: row.balance(),
			Moved: row.moved, LastEvent: row.lastEvent,
		})
	}
	slices.SortFunc(list, func(a, b LocationStock) int {
		return strings.Compare(a.Location, b.Location)
	})
	return list, Accepted
}

// Reservation returns a reservation as it is; ok is false when the id is unknown.
func (l *Ledger) Reservation(id string) (r Reservation, ok bool) {
	ref := l.findResv(id)
	if ref == 0 {
		return Reservation{}, false
	}
	return l.copyResv(ref), true
}

// copyResv returns a reservation that shares nothing with the state.
func (l *Ledger) copyResv(ref resvRef) Reservation {
	var r Reservation
	l.viewResv(&r, ref)
	r.ownTexts()
	return r
}

// ownTexts copies what belongs to the state; names are kept for ever and need no copy.
func (r *Reservation) ownTexts() {
	r.ID = strings.Clone(r.ID)
	for i := range r.Lines {
		r.Lines[i].Ref = strings.Clone(r.Lines[i].Ref)
	}
}

// ReservationOf returns the reservation that a body is of, as it left memory; ok is false when it is not
// of this ledger.
func (l *Ledger) ReservationOf(body []byte) (r Reservation, ok bool) {
	rec := &l.work.record
	if !readRecord(rec, body) || !l.knowsNames(rec) {
		return Reservation{}, false
	}
	l.viewRecord(&r, rec)
	r.ownTexts()
	return r, true
}

// knowsNames reports whether the numbers of a record stand for names.
func (l *Ledger) knowsNames(r *resvRecord) bool {
	if !l.given(ChannelName, uint32(r.row.channel)) {
		return false
	}
	for i := range r.parts {
		p := &r.parts[i]
		if !l.given(SKUName, p.sku) || p.row.line == 0 || p.row.line > r.row.lines ||
			p.row.place() && !l.given(LocationName, p.location) {
			return false
		}
	}
	return true
}

// viewResv fills r, whose room is reused. Its texts are those of the state.
func (l *Ledger) viewResv(r *Reservation, ref resvRef) {
	l.resvRecord(&l.work.record, ref)
	l.viewRecord(r, &l.work.record)
}

// viewRecord fills r from a record. Its texts are those of the record and the names.
func (l *Ledger) viewRecord(r *Reservation, rec *resvRecord) {
	row := &rec.row
	*r = Reservation{
		ID: idOfRecord(rec), Seq: row.seq, Channel: l.channel(uint32(row.channel)).Name,
		Mode: row.mode, Mirror: row.flags&isMirror != 0, Lines: grow(r.Lines, int(row.lines)),
	}
	refs := refsOf(l.work.refs[:0], aliasText(rec.blob), row)
	l.work.refs = refs
	for i := range r.Lines {
		r.Lines[i] = ReservationLine{
			Line: int64(i + 1), Ref: refs[i], Allocations: r.Lines[i].Allocations[:0],
		}
	}
	for i := range rec.parts {
		l.viewPart(&r.Lines[rec.parts[i].row.line-1], rec, &rec.parts[i])
	}
	held := int64(0)
	for i := range r.Lines {
		line := &r.Lines[i]
		line.Qty = line.Held + line.Committed + line.Short + line.Shipped + line.Released +
			line.Expired
		if line.Wanted == 0 {
			line.Wanted = line.Qty
		}
		held += line.Held
	}
	if r.State = stateOf(r.Lines); held > 0 && !r.Mirror {
		r.Deadline = row.moment
	}
}

func (l *Ledger) viewPart(line *ReservationLine, rec *resvRecord, part *partRecord) {
	p := &part.row
	if p.kind == componentPart {
		return
	}
	line.SKU = l.nameText(part.sku)
	if p.kind == askedPart {
		line.Wanted = int64(p.held)
		return
	}
	line.Released += int64(p.released)
	line.Expired += int64(p.expired)
	if p.short() {
		line.Short += int64(p.held)
		return
	}
	line.Held += int64(p.held)
	line.Committed += int64(p.committed)
	line.Shipped += int64(p.shipped)
	line.Returned += int64(p.returned)
	if p.held|p.committed|p.shipped == 0 {
		return // only kept for its place in the order
	}
	if p.kind != kitPlace {
		line.Allocations = append(line.Allocations,
			l.viewAllocation(part.sku, part.location, 1, p))
		return
	}
	for i := range rec.parts {
		if of := &rec.parts[i]; of.row.kind == componentPart && of.row.line == p.line {
			line.Allocations = append(line.Allocations,
				l.viewAllocation(of.sku, part.location, int64(of.row.held), p))
		}
	}
}

func (l *Ledger) viewAllocation(sku, location uint32, per int64, p *partRow) Allocation {
	return Allocation{
		SKU: l.nameText(sku), Location: l.location(location).Name,
		Held: per * int64(p.held), Committed: per * int64(p.committed),
		Shipped: per * int64(p.shipped),
	}
}

// stateOf is the first state that any unit is in.
func stateOf(lines []ReservationLine) State {
	var n [Released + 1]int64
	for i := range lines {
		n[Held] += lines[i].Held
		n[Committed] += lines[i].Committed
		n[Short] += lines[i].Short
		n[Shipped] += lines[i].Shipped
		n[Expired] += lines[i].Expired
	}
	for s := Held; s < Released; s++ {
		if n[s] > 0 {
			return s
		}
	}
	return Released
}
