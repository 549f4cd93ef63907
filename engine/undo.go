package engine

import "slices"

// undo is what an atomic group needs to be undone: the rows that it touched as they were, in the
// form of records, and the counters. Undoing takes those rows out and reads the records back in, so
// that no command needs an inverse. Slots change by it, which nobody can see.
type undo struct {
	seenStock map[stockRef]bool
	seenResv  map[resvRef]bool
	stocks    []byte // records
	resvs     []byte
	touched   []resvRef
	stockRefs []stockRef

	seq, eventSeq uint64
	events        int
	eventCount    uint32
	answers       uint64
	closed        uint64
	shortfall     []stockRef
	steps         int64
}

func (l *Ledger) beginUndo() {
	l.undo = &undo{
		seenStock: map[stockRef]bool{}, seenResv: map[resvRef]bool{},
		seq: l.seq, eventSeq: l.eventSeq, events: len(l.events.b), eventCount: l.events.count,
		answers: l.remember.tail, closed: l.closed.tail, shortfall: slices.Clone(l.shortfall), steps: l.work.steps,
	}
}

// stock keeps a stock row as it is, the first time that the group opens it.
func (u *undo) stock(l *Ledger, ref stockRef) {
	if u.seenStock[ref] {
		return
	}
	u.seenStock[ref] = true
	u.stockRefs = append(u.stockRefs, ref)
	var r stockRecord
	l.stockRecord(&r, l.stockAt(ref))
	x := coder{mode: writing, b: u.stocks}
	r.wire(&x)
	u.stocks = x.b
}

// resv keeps a reservation as it is, the first time that the group opens it.
func (u *undo) resv(l *Ledger, ref resvRef) {
	if u.seenResv[ref] {
		return
	}
	u.created(ref)
	var r resvRecord
	l.resvRecord(&r, ref)
	x := coder{mode: writing, b: u.resvs}
	r.wire(&x)
	u.resvs = x.b
}

// created notes a reservation that the group made.
func (u *undo) created(ref resvRef) {
	u.seenResv[ref] = true
	u.touched = append(u.touched, ref)
}

// rollBack undoes the running atomic group.
func (l *Ledger) rollBack() {
	u := l.undo
	l.undo = nil
	for _, ref := range u.touched {
		l.openResv(ref)
		l.eraseResv(ref)
	}
	for _, ref := range u.stockRefs {
		l.openStock(ref) // closed below, as the row that it was
	}
	l.closed.cutTo(u.closed)
	x := coder{mode: reading, b: u.stocks}
	for len(x.b) > 0 {
		var r stockRecord
		r.wire(&x)
		l.closeStock(l.stockAt(l.loadStock(&r)))
	}
	x = coder{mode: reading, b: u.resvs}
	for len(x.b) > 0 {
		var r resvRecord
		r.wire(&x)
		r.row.epoch = l.epoch
		l.loadResv(&r)
	}
	l.seq, l.eventSeq = u.seq, u.eventSeq
	l.events.b, l.events.count = l.events.b[:u.events], u.eventCount
	l.undoAnswers(u.answers)
	for _, ref := range l.shortfall {
		l.stockAt(ref).shortfall = false
	}
	for _, ref := range u.shortfall {
		l.stockAt(ref).shortfall = true
	}
	l.shortfall, l.work.steps = u.shortfall, u.steps
	l.work.raised, l.work.fallen = l.work.raised[:0], l.work.fallen[:0]
}
