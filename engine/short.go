package engine

import (
	"cmp"
	"slices"
)

// claim is a part of a reservation that waits for stock or may lose it, with what it is ordered by.
type claim struct {
	seq      uint64
	line     uint16
	firm     bool
	priority int64
	part     partRef
	resv     resvRef
}

// allocateShort gives what became available to the units that wait for it, oldest first, before
// anybody else can have it. It runs after every command, and mostly finds nothing to do.
func (l *Ledger) allocateShort() {
	raised := l.work.raised
	if len(raised) == 0 || l.waiting == 0 {
		l.work.raised = raised[:0]
		return
	}
	if len(raised) > 1 {
		slices.SortFunc(raised, func(a, b stockRef) int {
			return cmp.Compare(l.stockAt(a).sku, l.stockAt(b).sku)
		})
	}
	last := uint32(0)
	for _, ref := range raised {
		if sku := l.stockAt(ref).sku; sku != last {
			last = sku
			l.allocateSKU(sku)
		}
	}
	l.work.raised = l.work.raised[:0]
}

// allocateSKU serves the lines that are short of a SKU, or of a kit that has it.
func (l *Ledger) allocateSKU(sku uint32) {
	list := l.claimsOn(l.work.waiting[:0], sku)
	for at := l.moreOf(sku).usedIn; at != 0; {
		use := l.names.uses.at(at)
		list = l.claimsOn(list, use.kit)
		at = use.next
	}
	l.work.waiting = list
	if len(list) == 0 {
		return
	}
	slices.SortFunc(list, func(a, b claim) int {
		firm := 0
		if a.firm != b.firm {
			if firm = 1; a.firm {
				firm = -1
			}
		}
		return cmp.Or(cmp.Compare(a.seq, b.seq), cmp.Compare(a.line, b.line), firm)
	})
	for _, c := range list {
		l.allocateClaim(c, sku)
	}
}

// claimsOn appends the short parts of lines of a SKU.
func (l *Ledger) claimsOn(list []claim, sku uint32) []claim {
	head := l.moreOf(sku).short
	if head == 0 {
		return list
	}
	for ref := l.stockAt(head).parts; ref != 0; {
		p := l.partAt(ref)
		owner := l.ownerOf(ref)
		list = append(list, claim{
			seq: l.resvAt(owner).seq, line: p.line, firm: p.kind == firmShort, part: ref,
			resv: owner,
		})
		ref = p.later
	}
	return list
}

// allocateClaim gives one short part what there is for it.
func (l *Ledger) allocateClaim(c claim, raised uint32) {
	p := l.partAt(c.part)
	sku := l.skuOfPart(p)
	parts := l.componentsOf(l.work.kit[:0], c.resv, c.line)
	l.work.kit = parts
	uses := len(parts) == 0 && sku == raised
	for _, part := range parts {
		uses = uses || part.sku == raised
	}
	// At an fba location a kit is a SKU like any other, so its own stock counts as well.
	if !uses && sku != raised {
		return // which of these there are depends on history, so they are not counted either
	}
	l.work.load++
	ch := l.channel(uint32(l.resvAt(c.resv).channel))
	sources, one := l.sourcesOf(ch, c)
	for _, location := range sources {
		if p.held == 0 {
			break
		}
		s := site{sku: sku, location: location, parts: parts}
		s.kit = len(parts) > 0 && l.location(location).Kind == Merchant
		if n := min(int64(p.held), l.availableOf(s)); n > 0 {
			l.allocate(c, s, uint32(n))
			if one {
				break
			}
		}
	}
	if l.partAt(c.part).empty() {
		l.openResv(c.resv)
		l.dropPart(c.resv, uint32(c.part)>>l.bits)
		l.closeResv(c.resv)
	}
}

// sourcesOf lists where a short part may take from: its pin; without split where the line has live
// units, else one of the channel's sourcing locations; with split all of those.
func (l *Ledger) sourcesOf(ch *channelDef, c claim) (list []uint32, one bool) {
	sh := l.shardOfResv(c.resv)
	list = l.work.sources[:0]
	for at := l.resvAt(c.resv).parts; at != 0 && at&lastPart == 0; {
		p := sh.parts.at(at)
		if p.line > c.line {
			break
		}
		if p.line == c.line {
			if p.kind == askedPart && p.committed != 0 && ch.lists(p.committed) {
				l.work.sources = append(list[:0], p.committed)
				return l.work.sources, false
			}
			if !ch.Split && p.place() && p.live() > 0 {
				if at := l.stockAt(p.stock).location; slices.Contains(ch.sourcing, at) {
					list = append(list, at)
				}
			}
		}
		at = p.next
	}
	if l.work.sources = list; len(list) > 0 {
		return list, false
	}
	return ch.sourcing, !ch.Split
}

// allocate turns n short units of a part into units at a site.
func (l *Ledger) allocate(c claim, s site, n uint32) {
	l.openResv(c.resv)
	p := l.partAt(c.part)
	p.held -= n
	l.settlePart(c.part, p)
	place := l.needPlace(c.resv, c.line, s)
	by := change{held: int64(n)}
	if q := l.partAt(place); c.firm {
		q.committed += n
		by = change{committed: int64(n)}
	} else {
		q.held += n
	}
	l.settlePart(place, l.partAt(place))
	l.shiftUnits(s, by, int64(n), l.noteOf(c.resv, EventAllocated, ""))
	l.closeResv(c.resv)
}

// needPlace returns the place of a line at a site and makes it if need be; the reservation is open.
func (l *Ledger) needPlace(ref resvRef, line uint16, s site) partRef {
	shard := uint32(ref) & l.shardMask()
	sh := &l.shards[shard]
	for at := l.resvAt(ref).parts; at != 0 && at&lastPart == 0; {
		p := sh.parts.at(at)
		if p.line == line && p.place() && l.stockAt(p.stock).location == s.location {
			return partRef(l.makeRef(at, shard))
		}
		at = p.next
	}
	return l.addPart(ref, partRow{
		line: line, kind: placeKind(s), stock: l.needStock(s.sku, s.location),
	})
}

func placeKind(s site) partKind {
	if s.kit {
		return kitPlace
	}
	return placePart
}
