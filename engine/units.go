package engine

import "sort"

// unit is one place or short part of a reservation while a verb is worked out on it: the counts are
// what is left after the picks before.
type unit struct {
	part      partRef
	line      uint16
	kind      partKind
	location  uint32 // 0 of a short part
	held      uint32
	committed uint32
	shipped   uint32 // not returned yet
	expired   uint32
	take      act // what the present pick takes
}

// act is what a verb does to one place or short part.
type act struct {
	part      partRef
	held      uint32
	committed uint32
	returned  uint32
	location  uint32 // of a return: where the units come back to, 0 the place
}

func (a *act) units() int64 { return int64(a.held) + int64(a.committed) + int64(a.returned) }

// units fills the scratch list with the places and short parts of a reservation, in their order.
func (l *Ledger) units(ref resvRef) []unit {
	list := l.work.units[:0]
	shard := uint32(ref) & l.shardMask()
	sh := &l.shards[shard]
	for at := l.resvAt(ref).parts; at != 0 && at&lastPart == 0; {
		p := sh.parts.at(at)
		if p.kind >= placePart {
			u := unit{
				part: partRef(l.makeRef(at, shard)), line: p.line, kind: p.kind, held: p.held,
				expired: p.expired,
			}
			if p.place() {
				u.location = l.stockAt(p.stock).location
				u.committed, u.shipped = p.committed, p.shipped-p.returned
			}
			list = append(list, u)
		}
		at = p.next
	}
	l.work.units = list
	l.work.load += int64(len(list))
	return list
}

// unitsOf returns the part of the scratch list that belongs to one line.
func (l *Ledger) unitsOf(line uint16) []unit {
	list := l.work.units
	from := sort.Search(len(list), func(i int) bool { return list[i].line >= line })
	to := from
	for to < len(list) && list[to].line == line {
		to++
	}
	return list[from:to]
}

// siteOf is where the units of a place are. A kit's parts are valid until the next siteOf.
func (l *Ledger) siteOf(ref resvRef, p *partRow) site {
	stock := l.stockAt(p.stock)
	s := site{sku: stock.sku, location: stock.location, kit: p.kind == kitPlace}
	if s.kit {
		l.work.kit = l.componentsOf(l.work.kit[:0], ref, p.line)
		s.parts = l.work.kit
	}
	return s
}
