package engine

// change is what an act does to a stock row.
type change struct{ onHand, held, committed, moved int64 }

func (c change) times(n int64) change {
	return change{c.onHand * n, c.held * n, c.committed * n, c.moved * n}
}

// note is what an event says beside the numbers. The zero channel and texts are none.
type note struct {
	kind    EventType
	minus   bool // the event shows the units as going
	channel uint32
	cause   string
	text    string
}

// shift changes a stock row and emits the event, which shows qty units. A row that becomes more
// available is noted for the short units.
func (l *Ledger) shift(ref stockRef, c change, qty int64, e note) {
	row := l.openStock(ref)
	before := row.available()
	row.onHand += c.onHand
	row.held += c.held
	row.committed += c.committed
	row.moved += c.moved
	if e.minus {
		qty = -qty
	}
	l.emit(row, qty, e)
	l.closeStock(row)
	if row.available() > before {
		l.work.raised = append(l.work.raised, ref)
	}
}

// site is where units of a line are: a SKU at a location, or, for a kit at a merchant location, the
// components that one unit stands for there.
type site struct {
	sku, location uint32
	kit           bool
	parts         []kitPart
}

// shiftUnits changes a site, in units of the line: its own stock row, or that of every component.
func (l *Ledger) shiftUnits(s site, c change, qty int64, e note) {
	if !s.kit {
		l.shift(l.needStock(s.sku, s.location), c, qty, e)
		return
	}
	for _, part := range s.parts {
		per := int64(part.qty)
		l.shift(l.needStock(part.sku, s.location), c.times(per), qty*per, e)
	}
}

// availableOf is how many units of a line are available at a site.
func (l *Ledger) availableOf(s site) int64 {
	if !s.kit {
		if ref := l.stockOf(s.sku, s.location); ref != 0 {
			return l.stockAt(ref).available()
		}
		return 0
	}
	least := int64(MaxBalance)
	for _, part := range s.parts {
		n := int64(0)
		if ref := l.stockOf(part.sku, s.location); ref != 0 {
			n = max(0, l.stockAt(ref).available()) / int64(part.qty)
		}
		least = min(least, n)
	}
	return least
}

// emit appends an event about an open stock row.
func (l *Ledger) emit(row *stockRow, qty int64, n note) {
	l.eventSeq++
	l.work.load++
	e := Event{
		Seq: l.eventSeq, Type: n.kind, SKU: row.sku, Location: row.location, Channel: n.channel,
		Qty: qty, Balance: row.balance(), Prev: row.lastEvent, Cause: n.cause, Note: n.text,
	}
	row.lastEvent = l.eventSeq
	l.events.add(&e)
}

// emitPlain appends an event that concerns no stock row.
func (l *Ledger) emitPlain(e Event) {
	l.eventSeq++
	l.work.load++
	e.Seq = l.eventSeq
	l.events.add(&e)
}

// emitShort appends an event about units of a line that are at no location.
func (l *Ledger) emitShort(sku uint32, qty int64, n note) {
	l.emitPlain(Event{
		Type: n.kind, SKU: sku, Channel: n.channel, Qty: qty, Cause: n.cause, Note: n.text,
	})
}

// noteOf begins the notes of the events of a reservation.
func (l *Ledger) noteOf(ref resvRef, kind EventType, text string) note {
	row := l.resvAt(ref)
	return note{
		kind: kind, channel: uint32(row.channel), text: text,
		cause: l.idOf(l.shardOfResv(ref), row),
	}
}
