package engine

import "slices"

// stockRow is the stock of one SKU at one location, 64 bytes.
//
// Two kinds of row have no stock and are never shown: a kit's at a merchant location, and that of
// location 0. They only head a list: of the places of lines that have that kit there, and of the
// lines that are short of that SKU.
type stockRow struct {
	sku, location           uint32
	onHand, held, committed int64
	moved                   int64 // running sum of ship, return, adjust and move
	lastEvent               uint64
	parts                   partRef // first live place here, in no order
	next                    stockRef
	marks                   uint32 // first markRow
	epoch                   uint8
	shortfall               bool // waits in Ledger.shortfall
}

// markRow remembers the moment of the last count of one source.
type markRow struct {
	source uint64 // hash of its name
	asOf   int64
	next   uint32
}

// maxMarks sources are remembered a row: more than anybody has, and a caller who invents a source a
// call cannot fill the memory.
const maxMarks = 8

func (s *stockRow) available() int64 { return s.onHand - s.held - s.committed }

func (s *stockRow) balance() Balance {
	return Balance{OnHand: s.onHand, Held: s.held, Committed: s.committed}
}

// blank reports whether nothing was ever stocked here, so that the row's being there cannot be seen.
func (s *stockRow) blank() bool { return s.lastEvent == 0 && s.marks == 0 }

// stockOf returns the row of a SKU at a location, or 0.
func (l *Ledger) stockOf(sku, location uint32) stockRef {
	for ref := l.sku(sku).stock; ref != 0; {
		row := l.stockAt(ref)
		if row.location == location {
			return ref
		}
		ref = row.next
	}
	return 0
}

// needStock returns the row of a SKU at a location and makes it if need be.
func (l *Ledger) needStock(sku, location uint32) stockRef {
	if ref := l.stockOf(sku, location); ref != 0 {
		return ref
	}
	sh := sku & l.shardMask()
	ref := stockRef(l.makeRef(l.shards[sh].stock.take(), sh))
	owner := l.sku(sku)
	*l.stockAt(ref) = stockRow{sku: sku, location: location, next: owner.stock, epoch: l.epoch}
	owner.stock = ref
	if location == 0 {
		l.needMore(sku).short = ref
	}
	return ref
}

// availableAt is what is available of a SKU at a location; of a kit the number of whole kits.
func (l *Ledger) availableAt(sku, location uint32) int64 {
	if l.isKitAt(sku, location) {
		return l.kitsAt(sku, location)
	}
	if ref := l.stockOf(sku, location); ref != 0 {
		return l.stockAt(ref).available()
	}
	return 0
}

// kitsAt is I8: the minimum over the components of available / quantity, rounded down.
func (l *Ledger) kitsAt(kit, location uint32) int64 {
	least := int64(-1)
	for at := l.moreOf(kit).kit; at != 0; {
		part := l.names.parts.at(at)
		n := max(0, l.availableAt(part.sku, location)) / int64(part.qty)
		if least < 0 || n < least {
			least = n
		}
		at = part.next
	}
	return max(0, least)
}

// openStock must come before a change of a row, and closeStock after it: they keep the digest and
// leave a before-image for a running sweep or an atomic group.
func (l *Ledger) openStock(ref stockRef) *stockRow {
	row := l.stockAt(ref)
	if row.epoch != l.epoch {
		l.saveStock(ref, row)
	}
	if l.undo != nil {
		l.undo.stock(l, ref)
	}
	if !row.blank() {
		l.digest.remove(hashStock(row))
	} else {
		l.location(row.location).rows++
	}
	return row
}

func (l *Ledger) closeStock(row *stockRow) {
	if !row.blank() {
		l.digest.add(hashStock(row))
	} else {
		l.location(row.location).rows--
	}
}

func hashStock(row *stockRow) uint64 {
	h := mixPairs(uint64(row.onHand), uint64(row.held), uint64(row.committed), uint64(row.moved))
	return mixWide(mixWide(uint64(row.sku)<<32|uint64(row.location), 'S')+h, row.lastEvent)
}

// hashMark hashes a mark by itself: a row's other changes need not look at its marks.
func hashMark(row *stockRow, m *markRow) uint64 {
	return mixWide(mixWide(uint64(row.sku)<<32|uint64(row.location), 'M'), mixWide(m.source, uint64(m.asOf)))
}

func (l *Ledger) markOf(row *stockRow, at uint32) *markRow {
	return l.shards[row.sku&l.shardMask()].marks.at(at)
}

// lastCount is the moment of the last count of a source, and whether there was one.
func (l *Ledger) lastCount(row *stockRow, source uint64) (asOf int64, ok bool) {
	for at := row.marks; at != 0; {
		m := l.markOf(row, at)
		if m.source == source {
			return m.asOf, true
		}
		at = m.next
	}
	return 0, false
}

// setMark remembers a count; the row is open. Above maxMarks the oldest is forgotten.
func (l *Ledger) setMark(row *stockRow, source uint64, asOf int64) {
	marks := &l.shards[row.sku&l.shardMask()].marks
	n, at, oldest := 0, uint32(0), uint32(0)
	for next := row.marks; next != 0; n++ {
		m := marks.at(next)
		if m.source == source {
			at = next
			break
		}
		if o := oldest; o == 0 || m.asOf < marks.at(o).asOf ||
			m.asOf == marks.at(o).asOf && m.source < marks.at(o).source {
			oldest = next
		}
		next = m.next
	}
	if at == 0 && n == maxMarks {
		at = oldest
	}
	if at == 0 {
		at = marks.take()
		*marks.at(at) = markRow{next: row.marks}
		row.marks = at
	} else {
		l.digest.remove(hashMark(row, marks.at(at)))
	}
	m := marks.at(at)
	m.source, m.asOf = source, asOf
	l.digest.add(hashMark(row, m))
}

// sortedMarks returns a row's marks by source, for a checkpoint.
func (l *Ledger) sortedMarks(row *stockRow) []markRow {
	list := l.work.marks[:0]
	for at := row.marks; at != 0; {
		m := l.markOf(row, at)
		list = append(list, *m)
		at = m.next
	}
	slices.SortFunc(list, func(a, b markRow) int {
		if a.source < b.source {
			return -1
		}
		return 1
	})
	l.work.marks = list
	return list
}

// setMarks replaces a row's marks.
func (l *Ledger) setMarks(row *stockRow, list []markRow) {
	marks := &l.shards[row.sku&l.shardMask()].marks
	for at := row.marks; at != 0; {
		next := marks.at(at).next
		l.digest.remove(hashMark(row, marks.at(at)))
		marks.give(at)
		at = next
	}
	row.marks = 0
	for i := len(list) - 1; i >= 0; i-- {
		at := marks.take()
		*marks.at(at) = markRow{source: list[i].source, asOf: list[i].asOf, next: row.marks}
		l.digest.add(hashMark(row, marks.at(at)))
		row.marks = at
	}
}
