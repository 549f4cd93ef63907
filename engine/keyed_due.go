package engine

import "cmp"

// dueQueue is a heap of the records that expire, the first due on top: four children a place, in chunks,
// so that it grows without a copy. Its order is that of (time, table, key), which no two records share,
// so what comes next never depends on history; where a record stands does, and is never shown.
type dueQueue struct {
	chunks [][]dueRow
	count  uint32
}

// dueRow is one of them, 16 bytes.
type dueRow struct {
	at   int64 // ms since 1970
	ref  keyedRef
	text uint32 // its key, in keyed.texts
}

const (
	dueBits   = 10
	dueChunk  = 1 << dueBits
	dueFanOut = 4
)

// at is the row of a place, from 1.
func (q *dueQueue) at(place uint32) *dueRow {
	return &q.chunks[(place-1)>>dueBits][(place-1)&(dueChunk-1)]
}

func (q *dueQueue) push(l *Ledger, d dueRow) {
	if int(q.count>>dueBits) == len(q.chunks) {
		q.chunks = append(q.chunks, make([]dueRow, dueChunk))
	}
	q.count++
	q.rise(l, q.count, d)
}

// remove takes a place out; the last one comes into it.
func (q *dueQueue) remove(l *Ledger, place uint32) {
	last := *q.at(q.count)
	*q.at(q.count) = dueRow{}
	if q.count--; place > q.count {
		return
	}
	if place > 1 && l.dueBefore(&last, q.at(dueParent(place))) {
		q.rise(l, place, last)
		return
	}
	q.sink(l, place, last)
}

// rise puts d at a place or above it.
func (q *dueQueue) rise(l *Ledger, place uint32, d dueRow) {
	for place > 1 {
		up := q.at(dueParent(place))
		if !l.dueBefore(&d, up) {
			break
		}
		q.set(l, place, *up)
		place = dueParent(place)
	}
	q.set(l, place, d)
}

// sink puts d at a place or below it.
func (q *dueQueue) sink(l *Ledger, place uint32, d dueRow) {
	for {
		first := uint64(place-1)*dueFanOut + 2
		if first > uint64(q.count) {
			break
		}
		least := uint32(first)
		for i := first + 1; i < first+dueFanOut && i <= uint64(q.count); i++ {
			if l.dueBefore(q.at(uint32(i)), q.at(least)) {
				least = uint32(i)
			}
		}
		if !l.dueBefore(q.at(least), &d) {
			break
		}
		q.set(l, place, *q.at(least))
		place = least
	}
	q.set(l, place, d)
}

func (q *dueQueue) set(l *Ledger, place uint32, d dueRow) {
	*q.at(place) = d
	l.keyedAt(d.ref).due = place
}

func dueParent(place uint32) uint32 { return (place-2)/dueFanOut + 1 }

func (l *Ledger) dueBefore(a, b *dueRow) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	x, y := l.keyedAt(a.ref), l.keyedAt(b.ref)
	return cmp.Or(cmp.Compare(x.table, y.table), cmp.Compare(x.key.Hi, y.key.Hi),
		cmp.Compare(x.key.Lo, y.key.Lo)) < 0
}
