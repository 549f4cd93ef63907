package engine

import "math/bits"

// wheel finds the holds whose deadline has come. It is one ring of a slot per millisecond: a hold is
// in the slot of its deadline modulo the ring, and a pass that finds one of a later round leaves it
// there. Nothing cascades, so no entry ever pays for many holds that are not due, and with the usual
// time to live a hold is looked at once. A hold of 30 days is looked at 2,500 times in its life.
//
// The order inside a slot depends on history; what falls due is sorted before it shows.
type wheel struct {
	pages [wheelSlots / wheelPage]*[wheelPage]resvRef // made when first needed
	full  [wheelSlots / 64]uint64                     // a bit for each slot that is not empty
}

const (
	wheelBits  = 20 // 17.5 minutes, more than the usual 15
	wheelSlots = 1 << wheelBits
	wheelMask  = wheelSlots - 1
	wheelPage  = 1 << 12
)

// put adds a reservation that has a deadline and is no mirror.
func (w *wheel) put(l *Ledger, ref resvRef, row *resvRow) {
	if row.moment == 0 || row.flags&isMirror != 0 || row.awaiting {
		return
	}
	slot := uint64(row.moment) & wheelMask
	page := &w.pages[slot/wheelPage]
	if *page == nil {
		*page = new([wheelPage]resvRef)
	}
	head := &(*page)[slot%wheelPage]
	row.awaiting, row.earlier, row.later = true, 0, *head
	if *head != 0 {
		l.resvAt(*head).earlier = ref
	}
	*head = ref
	w.full[slot/64] |= 1 << (slot % 64)
	l.live++
}

// remove takes a reservation out, if it is in.
func (w *wheel) remove(l *Ledger, ref resvRef, row *resvRow) {
	if !row.awaiting {
		return
	}
	if row.later != 0 {
		l.resvAt(row.later).earlier = row.earlier
	}
	if row.earlier != 0 {
		l.resvAt(row.earlier).later = row.later
	} else {
		slot := uint64(row.moment) & wheelMask
		w.pages[slot/wheelPage][slot%wheelPage] = row.later
		if row.later == 0 {
			w.full[slot/64] &^= 1 << (slot % 64)
		}
	}
	row.awaiting, row.earlier, row.later = false, 0, 0
	l.live--
}

func (w *wheel) head(slot uint64) resvRef {
	if page := w.pages[slot/wheelPage]; page != nil {
		return page[slot%wheelPage]
	}
	return 0
}

// nextFull returns the first moment from from to to whose slot is not empty.
func (w *wheel) nextFull(from, to int64) (moment int64, ok bool) {
	for m := from; m <= to; {
		slot := uint64(m) & wheelMask
		if word := w.full[slot/64] >> (slot % 64); word != 0 {
			m += int64(bits.TrailingZeros64(word))
			return m, m <= to
		}
		m += int64(64 - slot%64)
	}
	return 0, false
}

// collect appends every reservation with a deadline from from to to. Moments a whole ring or more
// apart are one pass over all slots.
func (w *wheel) collect(l *Ledger, dst []resvRef, from, to int64) []resvRef {
	end := min(to, from+wheelSlots-1)
	for m, ok := w.nextFull(from, end); ok; m, ok = w.nextFull(m+1, end) {
		for ref := w.head(uint64(m) & wheelMask); ref != 0; {
			row := l.resvAt(ref)
			if row.moment <= to {
				dst = append(dst, ref)
			}
			ref = row.later
		}
	}
	return dst
}

// dueLook bounds how many holds a question to the wheel looks at: some 100 µs of cache misses.
const dueLook = 1_000

// NextDeadline returns the earliest deadline of a hold, in ms since 1970, or a moment before it when
// finding it would take long: ask again then. ok is false when no hold has a deadline.
func (l *Ledger) NextDeadline() (ms int64, ok bool) {
	if l.live == 0 {
		return 0, false
	}
	looked := 0
	from, end := l.due+1, l.due+wheelSlots
	for m, ok := l.wheel.nextFull(from, end); ok; m, ok = l.wheel.nextFull(m+1, end) {
		for ref := l.wheel.head(uint64(m) & wheelMask); ref != 0; ref = l.resvAt(ref).later {
			if l.resvAt(ref).moment <= m {
				return m, true
			}
			if looked++; looked > dueLook {
				return m, true
			}
		}
	}
	return end, true
}

// DueUpTo returns the latest due, not after now, for which holds with at most limit lines end. It is for the
// leader, who puts it into the next entry. When one millisecond alone has more, or after a gap there
// is much to look at, it stops there: the next entries go on.
func (l *Ledger) DueUpTo(now int64, limit int) int64 {
	if now <= l.due {
		return l.due
	}
	if l.live == 0 {
		return now
	}
	found, looked := 0, 0
	// Moments a ring apart share a slot: one question goes no further than one ring.
	end := min(now, l.due+wheelSlots)
	for m, ok := l.wheel.nextFull(l.due+1, end); ok; m, ok = l.wheel.nextFull(m+1, end) {
		here := 0
		for ref := l.wheel.head(uint64(m) & wheelMask); ref != 0; ref = l.resvAt(ref).later {
			if row := l.resvAt(ref); row.moment <= m {
				here += int(row.lines)
			}
			looked++
		}
		if found+here > limit && found > 0 {
			return m - 1
		}
		if found += here; found >= limit || looked > 20*dueLook {
			return m
		}
	}
	return end
}
