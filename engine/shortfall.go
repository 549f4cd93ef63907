package engine

import (
	"cmp"
	"slices"
)

// noteFall notes a stock row whose promises a command may have left without stock.
func (l *Ledger) noteFall(ref stockRef) {
	if l.stockAt(ref).available() < 0 {
		l.work.fallen = append(l.work.fallen, ref)
	}
}

// resolveShortfalls deals with the rows that a command left below 0, in order of (SKU number,
// location number).
func (l *Ledger) resolveShortfalls() {
	if len(l.work.fallen) == 0 {
		return
	}
	slices.SortFunc(l.work.fallen, l.compareStock)
	for _, ref := range slices.Compact(l.work.fallen) {
		if !l.stockAt(ref).shortfall {
			l.resolve(ref)
		}
	}
	l.work.fallen = l.work.fallen[:0]
}

// resumeShortfalls goes on with what earlier entries left over.
func (l *Ledger) resumeShortfalls() {
	l.work.steps = l.limits.ShortfallStep
	if len(l.shortfall) == 0 {
		return
	}
	waiting := slices.Clone(l.shortfall)
	for _, ref := range waiting {
		l.stockAt(ref).shortfall = false
	}
	l.shortfall = l.shortfall[:0]
	for _, ref := range waiting {
		l.resolve(ref)
	}
	l.allocateShort()
}

func (l *Ledger) compareStock(a, b stockRef) int {
	x, y := l.stockAt(a), l.stockAt(b)
	return cmp.Or(cmp.Compare(x.sku, y.sku), cmp.Compare(x.location, y.location))
}

// resolve deals with one row that is below 0: allocations move to their channel's other locations;
// then the location's policy says whose units become short. It looks at every live place of the row
// (its cost is linear in them); of those it changes at most ShortfallStep an entry, and what is left
// waits for the next one.
func (l *Ledger) resolve(ref stockRef) {
	if l.stockAt(ref).available() >= 0 {
		return
	}
	if l.work.load > entryLoad {
		l.postpone(ref)
		return
	}
	losers := l.losersOf(ref)
	slices.SortFunc(losers, func(a, b claim) int {
		return cmp.Or(cmp.Compare(b.seq, a.seq), cmp.Compare(b.line, a.line))
	})
	for _, c := range losers {
		l.moveAway(ref, c)
	}
	policy := l.location(l.stockAt(ref).location).Shortfall
	if policy == ShortfallPriority {
		slices.SortStableFunc(losers, func(a, b claim) int {
			return cmp.Compare(a.priority, b.priority)
		})
	}
	if policy != ShortfallNone {
		for _, committed := range [...]bool{false, true} {
			for _, c := range losers {
				l.lose(ref, c, committed)
			}
		}
	}
	l.dropEmpty(losers)
	if l.work.steps == 0 && l.stockAt(ref).available() < 0 {
		l.postpone(ref)
	}
}

// postpone leaves a row to the next entry.
func (l *Ledger) postpone(ref stockRef) {
	if l.stockAt(ref).shortfall {
		return
	}
	l.stockAt(ref).shortfall = true
	at, _ := slices.BinarySearchFunc(l.shortfall, ref, l.compareStock)
	l.shortfall = slices.Insert(l.shortfall, at, ref)
}

// dropEmpty drops the places that lost their last unit; only now, so that no claim's slot is given
// to another part while the list is in use.
func (l *Ledger) dropEmpty(losers []claim) {
	for _, c := range losers {
		if l.partAt(c.part).empty() {
			l.openResv(c.resv)
			l.dropPart(c.resv, uint32(c.part)>>l.bits)
			l.closeResv(c.resv)
		}
	}
}

// losersOf lists the live places that hold units of a row: its own, and those of kits that have its
// SKU as a component there. Foreign allocations never lose.
func (l *Ledger) losersOf(ref stockRef) []claim {
	row := l.stockAt(ref)
	list := l.appendLosers(l.work.losers[:0], ref, row.sku)
	for at := l.moreOf(row.sku).usedIn; at != 0; {
		use := l.names.uses.at(at)
		if kits := l.stockOf(use.kit, row.location); kits != 0 {
			list = l.appendLosers(list, kits, row.sku)
		}
		at = use.next
	}
	l.work.losers = list
	l.work.load += int64(len(list))
	return list
}

func (l *Ledger) appendLosers(list []claim, ref stockRef, sku uint32) []claim {
	for at := l.stockAt(ref).parts; at != 0; {
		p := l.partAt(at)
		owner := l.ownerOf(at)
		resv := l.resvAt(owner)
		if resv.flags&isMirror == 0 && l.perUnit(owner, p, sku) > 0 {
			list = append(list, claim{
				seq: resv.seq, line: p.line, part: at, resv: owner,
				priority: l.channel(uint32(resv.channel)).Priority,
			})
		}
		at = p.later
	}
	return list
}

// perUnit is how many units of a SKU one unit of a place stands for.
func (l *Ledger) perUnit(owner resvRef, p *partRow, sku uint32) int64 {
	s := l.siteOf(owner, p)
	if !s.kit {
		if s.sku == sku {
			return 1
		}
		return 0
	}
	for _, part := range s.parts {
		if part.sku == sku {
			return int64(part.qty)
		}
	}
	return 0
}

// missing is how many units of a place would mend the row.
func (l *Ledger) missing(ref stockRef, c claim) int64 {
	row := l.stockAt(ref)
	lack, per := -row.available(), l.perUnit(c.resv, l.partAt(c.part), row.sku)
	if lack <= 0 {
		return 0
	}
	return (lack + per - 1) / per
}

// moveAway moves units of a place to the channel's other locations of that kind that have room.
func (l *Ledger) moveAway(ref stockRef, c claim) {
	if l.work.steps == 0 {
		return
	}
	from := l.stockAt(ref).location
	moved := false
	for _, to := range l.channel(uint32(l.resvAt(c.resv).channel)).locations {
		p := l.partAt(c.part)
		lack := min(l.missing(ref, c), int64(p.held)+int64(p.committed))
		if lack <= 0 {
			break
		}
		if to == from || l.location(to).Kind != l.location(from).Kind {
			continue
		}
		s := l.siteTo(c.resv, p, to)
		if n := min(lack, l.availableOf(s)); n > 0 {
			l.openResv(c.resv)
			l.relocate(c.resv, c.part, s, uint32(n))
			l.closeResv(c.resv)
			moved = true
		}
	}
	if moved {
		l.work.steps--
	}
}

// relocate moves n live units of a place, held ones first, to another site; the reservation is open.
// The place stays, even without units.
func (l *Ledger) relocate(ref resvRef, from partRef, to site, n uint32) {
	target := l.needPlace(ref, l.partAt(from).line, to)
	p, q := l.partAt(from), l.partAt(target)
	at := to
	at.location, at.kit = l.stockAt(p.stock).location, p.kind == kitPlace
	held := min(n, p.held)
	p.held, q.held = p.held-held, q.held+held
	p.committed, q.committed = p.committed-(n-held), q.committed+(n-held)
	l.settlePart(from, p)
	l.settlePart(target, q)
	e := l.noteOf(ref, EventTransferred, "")
	by := change{held: int64(held), committed: int64(n - held)}
	e.minus = true
	l.shiftUnits(at, by.times(-1), int64(n), e)
	e.minus = false
	l.shiftUnits(to, by, int64(n), e)
}

// lose takes the stock of a place's held, or committed, units: they become short.
func (l *Ledger) lose(ref stockRef, c claim, committed bool) {
	lack := l.missing(ref, c)
	if lack <= 0 || l.work.steps == 0 {
		return
	}
	p := l.partAt(c.part)
	units, kind := &p.held, softShort
	if committed {
		units, kind = &p.committed, firmShort
	}
	n := min(lack, int64(*units))
	if n == 0 {
		return
	}
	by := change{held: -n}
	if committed {
		by = change{committed: -n}
	}
	l.work.steps--
	l.openResv(c.resv)
	*units -= uint32(n)
	l.settlePart(c.part, p)
	s := l.siteOf(c.resv, p)
	l.addShort(c.resv, p.line, s.sku, kind, uint32(n))
	l.shiftUnits(s, by, n, l.noteOf(c.resv, EventShort, ""))
	l.closeResv(c.resv)
}

// addShort puts n units of a line on its list of units without stock; the reservation is open.
func (l *Ledger) addShort(ref resvRef, line uint16, sku uint32, kind partKind, n uint32) {
	shard := uint32(ref) & l.shardMask()
	sh := &l.shards[shard]
	for at := l.resvAt(ref).parts; at != 0 && at&lastPart == 0; {
		p := sh.parts.at(at)
		if p.line == line && p.kind == kind {
			p.held += n
			l.settlePart(partRef(l.makeRef(at, shard)), p)
			return
		}
		at = p.next
	}
	l.addPart(ref, partRow{line: line, kind: kind, stock: l.needStock(sku, 0), held: n})
}
