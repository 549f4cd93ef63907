package engine

// undo is what an atomic group needs to be undone: the rows that it touched as they were, in the
// form of records, and the counters. Undoing takes those rows out and reads the records back in, so
// that no command needs an inverse. Slots change by it, which nobody can see.
type undo struct {
	seenStock map[stockRef]bool
	seenResv  map[resvRef]bool
	seenKeyed map[Key]bool
	stocks    []byte // records
	resvs     []byte
	touched   []resvRef
	stockRefs []stockRef
	keyedRows []byte // records
	keys      []Key  // of all records that it touched

	seq, eventSeq uint64
	events        int
	bodies        int
	bodyBytes     int
	eventCount    uint32
	answers       uint64
	closed        uint64
	shortfall     []stockRef
	steps         int64
}

func (l *Ledger) beginUndo() {
	u := l.spare
	if u == nil {
		u = &undo{seenStock: map[stockRef]bool{}, seenResv: map[resvRef]bool{},
			seenKeyed: map[Key]bool{}}
	}
	l.undo, l.spare = u, nil
	u.seq, u.eventSeq, u.steps = l.seq, l.eventSeq, l.work.steps
	u.events, u.eventCount = len(l.events.b), l.events.count
	u.bodies, u.bodyBytes = len(l.bodies.list), len(l.bodies.buf)
	u.answers, u.closed = l.remember.tail, l.closed.tail
	u.shortfall = append(u.shortfall[:0], l.shortfall...)
}

// keepUndo ends the undo of the running group, and keeps its room for the next one unless it is much.
func (l *Ledger) keepUndo() {
	u := l.undo
	l.undo = nil
	if len(u.seenStock)+len(u.seenResv)+len(u.seenKeyed) > keptGroup || cap(u.stocks) > keptUndo ||
		cap(u.resvs) > keptUndo || cap(u.keyedRows) > keptUndo || cap(u.shortfall) > keptGroup {
		return
	}
	clear(u.seenStock)
	clear(u.seenResv)
	clear(u.seenKeyed)
	u.stocks, u.resvs, u.keyedRows = u.stocks[:0], u.resvs[:0], u.keyedRows[:0]
	u.touched, u.stockRefs, u.keys = u.touched[:0], u.stockRefs[:0], u.keys[:0]
	l.spare = u
}

// keptUndo is how many bytes of before-images are kept as room for the next group.
const keptUndo = 256 << 10

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

// keyed keeps the record under a key as it is, or that there is none: ref is 0 then.
func (u *undo) keyed(l *Ledger, key Key, ref keyedRef) {
	if u.seenKeyed[key] {
		return
	}
	u.seenKeyed[key] = true
	u.keys = append(u.keys, key)
	if ref == 0 {
		return
	}
	var r keyedRecord
	l.keyedRecord(&r, l.keyedAt(ref))
	x := coder{mode: writing, b: u.keyedRows}
	r.wire(&x)
	u.keyedRows = x.b
}

// created notes a reservation that the group made.
func (u *undo) created(ref resvRef) {
	u.seenResv[ref] = true
	u.touched = append(u.touched, ref)
}

// rollBack undoes the running atomic group.
func (l *Ledger) rollBack() {
	u := l.undo
	l.undo = nil // what follows is not the group's
	l.undoKeyed(u)
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
	l.shortfall, l.work.steps = append(l.shortfall[:0], u.shortfall...), u.steps
	l.work.raised, l.work.fallen = l.work.raised[:0], l.work.fallen[:0]
	l.undo = u
	l.keepUndo()
}

// undoKeyed puts the records back as they were, and takes back the bodies that the group made.
func (l *Ledger) undoKeyed(u *undo) {
	for _, key := range u.keys {
		if ref := l.findKeyed(key); ref != 0 {
			l.openKeyed(ref)
			l.eraseKeyed(ref)
		}
	}
	x := coder{mode: reading, b: u.keyedRows}
	for len(x.b) > 0 {
		var r keyedRecord
		r.wire(&x)
		l.loadKeyed(&r)
	}
	l.bodies.list, l.bodies.buf = l.bodies.list[:u.bodies], l.bodies.buf[:u.bodyBytes]
}
