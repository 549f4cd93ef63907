package engine

import (
	"cmp"
	"slices"
)

// expire ends the holds that begin found due, in order of (deadline, reservation sequence, line),
// and returns how many reservations that were.
func (l *Ledger) expire() int {
	list := l.work.expiring
	if len(list) > 1 {
		slices.SortFunc(list, func(a, b resvRef) int {
			x, y := l.resvAt(a), l.resvAt(b)
			return cmp.Or(cmp.Compare(x.moment, y.moment), cmp.Compare(x.seq, y.seq))
		})
	}
	for _, ref := range list {
		l.expireOne(ref)
	}
	return len(list)
}

// expireOne ends a hold: held and soft short units become expired.
func (l *Ledger) expireOne(ref resvRef) {
	row := l.openResv(ref)
	e := l.noteOf(ref, EventExpired, "")
	l.units(ref)
	for line := uint16(1); line <= row.lines; line++ {
		for _, short := range [...]bool{false, true} { // places first, then what is at none
			for _, u := range l.unitsOf(line) {
				p := l.partAt(u.part)
				if p.kind == firmShort || p.short() != short || p.held == 0 {
					continue
				}
				n := int64(p.held)
				p.held, p.expired = 0, p.expired+p.held
				l.settlePart(u.part, p)
				if short {
					l.emitShort(l.skuOfPart(p), n, e)
				} else {
					l.shiftUnits(l.siteOf(ref, p), change{held: -n}, n, e)
				}
			}
		}
	}
	l.setDeadline(ref, row, 0)
	l.closeResv(ref)
}
