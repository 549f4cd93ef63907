package engine

import "fmt"

// Checker walks the invariants in steps, so that it can run beside a full load. Each row is checked
// by itself against the rows that it refers to, so that what changes between steps does no harm.
type Checker struct {
	l     *Ledger
	phase int
	shard int
	slot  uint32
	found []Violation
}

// maxViolations bounds a report: a broken ledger may break everywhere.
const maxViolations = 1000

// NewChecker begins a walk.
func (l *Ledger) NewChecker() *Checker { return &Checker{l: l, slot: 1} }

// Check walks everything at once, and also adds up the digest anew.
func (l *Ledger) Check() []Violation {
	c := l.NewChecker()
	for c.Step(1 << 20) {
	}
	c.digest()
	return c.found
}

// Violations returns what was found so far; nil is good.
func (c *Checker) Violations() []Violation { return c.found }

// Step checks about n rows; more is false at the end.
func (c *Checker) Step(n int) (more bool) {
	for ; n > 0 && c.phase < phaseEnd; n-- {
		if c.shard == len(c.l.shards) {
			c.phase, c.shard, c.slot = c.phase+1, 0, 1
			continue
		}
		if c.phase == phaseAnswers {
			c.answers(&n)
			continue
		}
		sh := &c.l.shards[c.shard]
		end := [...]uint32{sh.stock.end(), sh.resv.end(), sh.keyed.end()}[c.phase]
		if c.slot >= end {
			c.shard, c.slot = c.shard+1, 1
			continue
		}
		ref := c.l.makeRef(c.slot, uint32(c.shard))
		switch {
		case c.phase == phaseStock:
			n -= c.stock(stockRef(ref))
		case c.phase == phaseResv && sh.resv.at(c.slot).seq != 0:
			c.resv(resvRef(ref))
		case c.phase == phaseKeyed && sh.keyed.at(c.slot).version != 0:
			c.keyed(keyedRef(ref))
		}
		c.slot++
	}
	return c.phase < phaseEnd
}

// The phases of a walk; those before phaseAnswers go from row to row.
const (
	phaseStock = iota
	phaseResv
	phaseKeyed
	phaseAnswers
	phaseEnd
)

// keyed checks that a record is found, is no newer than the ledger, and expires in its place.
func (c *Checker) keyed(ref keyedRef) {
	l, row := c.l, c.l.keyedAt(ref)
	if l.findKeyed(row.key) != ref || row.version > l.index {
		c.fail("structure", "record %016x%016x of table %d and index %d is not found by its key, or too new",
			row.key.Hi, row.key.Lo, row.table, row.version)
	}
	if row.due == 0 {
		return
	}
	d := l.keyed.due.at(row.due)
	if d.ref != ref || row.due > 1 && l.dueBefore(d, l.keyed.due.at(dueParent(row.due))) ||
		keyOfRecord(row.table, l.keyed.texts.text(d.text)) != row.key {
		c.fail("structure", "record %016x%016x of table %d has no place among those that expire",
			row.key.Hi, row.key.Lo, row.table)
	}
}

func (c *Checker) fail(invariant, format string, args ...any) {
	if len(c.found) < maxViolations {
		c.found = append(c.found, Violation{
			Invariant: invariant, Detail: fmt.Sprintf(format, args...),
		})
	}
}

// stock checks I1 for one row: it adds up the places that are listed under it, and under the kits
// that have its SKU as a component there.
func (c *Checker) stock(ref stockRef) (looked int) {
	l, row := c.l, c.l.stockAt(ref)
	if row.sku == 0 {
		return 0
	}
	where := func() string {
		return fmt.Sprintf("%q at %q", l.NameOf(SKUName, row.sku), l.NameOf(LocationName, row.location))
	}
	var held, committed int64
	sum := func(list stockRef) {
		before := partRef(0)
		for at := l.stockAt(list).parts; at != 0; at = l.partAt(at).later {
			p := l.partAt(at)
			looked++
			if p.stock != list || !p.listed || p.live() == 0 || p.earlier != before {
				c.fail("structure", "%s: the list of places is broken", where())
				return
			}
			before = at
			if row.location == 0 || !p.place() {
				continue
			}
			per := l.perUnit(l.ownerOf(at), p, row.sku)
			held += per * int64(p.held)
			committed += per * int64(p.committed)
		}
	}
	sum(ref)
	if row.location == 0 {
		return looked
	}
	for at := l.moreOf(row.sku).usedIn; at != 0; at = l.names.uses.at(at).next {
		if kits := l.stockOf(l.names.uses.at(at).kit, row.location); kits != 0 {
			sum(kits)
		}
	}
	if held != row.held || committed != row.committed {
		c.fail("I1", "%s: held %d and committed %d, but its allocations add up to %d and %d",
			where(), row.held, row.committed, held, committed)
	}
	return looked
}

func (c *Checker) resv(ref resvRef) {
	l, row := c.l, c.l.resvAt(ref)
	sh := l.shardOfResv(ref)
	id := func() string { return l.idOf(sh, row) }
	if l.findResv(id()) != ref {
		c.fail("structure", "reservation %q is not found by its id", id())
	}
	mirror := row.flags&isMirror != 0
	held, soft := l.heldUnits(ref)
	waits := !mirror && row.moment != 0
	if waits && row.moment <= l.due {
		c.fail("I4", "reservation %q has deadline %d, and due is %d", id(), row.moment, l.due)
	}
	if live, closed := l.anyLive(ref), row.flags&isClosed != 0; live == closed ||
		closed && l.closed.at(row.closing()).ref != ref {
		c.fail("structure", "reservation %q: live %v, in the queue of closed ones %v", id(), live, closed)
	}
	if waits != row.awaiting || waits && held == 0 && soft == 0 {
		c.fail("structure", "reservation %q: deadline %d, in the wheel %v, units %d",
			id(), row.moment, row.awaiting, held+soft)
	}
	line := uint16(0)
	for at := row.parts; at != 0 && at&lastPart == 0; {
		p := sh.parts.at(at)
		if p.line < line || p.line > row.lines || p.listed != (p.live() > 0) ||
			p.returned > p.shipped && p.kind >= placePart {
			c.fail("structure", "reservation %q: line %d has a part that cannot be", id(), p.line)
		}
		if line = p.line; p.place() && p.live() > 0 {
			c.place(row, p, id)
		}
		at = p.next
	}
}

// anyLive reports whether a unit of a reservation waits for something.
func (l *Ledger) anyLive(ref resvRef) bool {
	sh := l.shardOfResv(ref)
	for at := l.resvAt(ref).parts; at != 0 && at&lastPart == 0; {
		p := sh.parts.at(at)
		if p.live() > 0 {
			return true
		}
		at = p.next
	}
	return false
}

// place checks I6 for one live place.
func (c *Checker) place(row *resvRow, p *partRow, id func() string) {
	l := c.l
	at := l.stockAt(p.stock).location
	if l.location(at).Kind == FBA && !l.channel(uint32(row.channel)).lists(at) {
		c.fail("I6", "reservation %q of channel %q has units at fba location %q, which the channel does not list",
			id(), l.channel(uint32(row.channel)).Name, l.location(at).Name)
	}
}

// answers checks I5 for a piece of the remembered answers: a key leads to one answer.
func (c *Checker) answers(n *int) {
	m := &c.l.remember
	from := m.head + uint64(c.slot-1)
	for ; from < m.tail && *n > 0; *n-- {
		if row := m.at(from); c.l.findAnswer(row.key) != from {
			c.fail("I5", "the answer of index %d is not the one its key leads to", row.index)
		}
		from++
		c.slot++
	}
	if from >= m.tail {
		c.shard = len(c.l.shards)
	}
}

// digest checks I7's own half: what was kept up to date is what the rows add up to.
func (c *Checker) digest() {
	l := c.l
	var d digest
	for n := uint32(1); n < l.names.skuNext; n++ {
		d.add(l.hashSKU(n))
	}
	for _, row := range l.nodes {
		d.add(row.hash())
	}
	for _, row := range l.names.locations.rows {
		d.add(hashLocation(row))
	}
	for _, row := range l.names.channels.rows {
		d.add(hashChannel(row))
	}
	for i := range l.shards {
		sh := &l.shards[i]
		for slot := uint32(1); slot < sh.stock.end(); slot++ {
			if row := sh.stock.at(slot); row.sku != 0 && !row.blank() {
				d.add(hashStock(row))
				for at := row.marks; at != 0; at = l.markOf(row, at).next {
					d.add(hashMark(row, l.markOf(row, at)))
				}
			}
		}
		for slot := uint32(1); slot < sh.resv.end(); slot++ {
			if row := sh.resv.at(slot); row.seq != 0 {
				d.add(hashResvHead(row, sh.blobs.at(row.blob)))
				h, _ := l.hashResv(resvRef(l.makeRef(slot, uint32(i))), row)
				d.add(h)
			}
		}
	}
	for i := range l.shards {
		sh := &l.shards[i]
		for slot := uint32(1); slot < sh.keyed.end(); slot++ {
			if row := sh.keyed.at(slot); row.version != 0 {
				d.add(l.hashKeyed(row))
			}
		}
	}
	for n := l.retired.head; n < l.retired.tail; n++ {
		if !l.retired.gone(n) {
			d.add(hashRetired(n, l.retired.at(n)))
		}
	}
	for n := l.remember.head; n < l.remember.tail; n++ {
		d.add(hashAnswer(l.remember.at(n)))
	}
	if d.lanes != l.digest.lanes {
		c.fail("I7", "the digest is %x, but the rows add up to %x", l.digest.lanes, d.lanes)
	}
}
