package engine

import "github.com/zeebo/xxh3"

// reserve allocates stock to a new reservation. Nothing is changed until it must succeed.
func (l *Ledger) reserve(c *Reserve, v *verdict) {
	content := l.contentOfReserve(c)
	id := hashID(c.ID)
	if v.resv = l.findHashed(c.ID, id); v.resv != 0 {
		if row := l.resvAt(v.resv); row.content != content || row.flags&isMirror != 0 {
			v.refuse(IDConflict, field{leaf: "id"})
			return
		}
		v.existed = true
		return
	}
	if n := l.findRetired(c.ID, id); n != 0 {
		row := l.retired.at(n)
		if v.body = row.version; row.content != content || row.flags&isMirror != 0 {
			v.refuse(IDConflict, field{leaf: "id"})
			return
		}
		v.existed = true
		return
	}
	number := l.find(ChannelName, c.Channel)
	if number == 0 {
		v.refuse(UnknownChannel, field{leaf: "channel"})
		return
	}
	p := l.source(l.channel(number), c.Mode, c.Partial, c.Lines, v)
	if v.refusal != Accepted {
		return
	}
	l.seq++
	row := resvRow{
		content: content, seq: l.seq, channel: uint16(number), mode: c.Mode,
		lines: uint16(len(c.Lines)),
	}
	if c.Commit {
		row.flags = didCommit
	} else if c.TTL != 0 {
		row.moment = l.now + c.TTL
	}
	v.resv = l.newResv(c.ID, id, c.Lines, row)
	l.book(v.resv, 0, p, c.Lines, bookAs{mode: c.Mode, commit: c.Commit, partial: c.Partial})
	l.wheel.put(l, v.resv, l.resvAt(v.resv))
	l.closeResv(v.resv)
}

// source plans the lines of a reserve or an add, or refuses them.
func (l *Ledger) source(ch *channelDef, mode Mode, partial bool, lines []Line, v *verdict) *plan {
	p := l.plan(ch, mode, lines, v)
	if v.refusal != Accepted {
		return p
	}
	partial = partial && mode != Accept
	over := !partial && p.oversummed()
	short := p.place(l, lines)
	switch {
	case p.rows() > MaxRows:
		v.refuse(LimitReached, field{leaf: "lines"})
	case mode == Accept:
	case !partial && (over || short >= 0), partial && len(p.takes) == 0:
		v.refuse(InsufficientStock, field{leaf: "lines"})
		p.lacking(lines, v)
	}
	return p
}

// contentOfReserve hashes what an id stands for: everything but the time to live.
func (l *Ledger) contentOfReserve(c *Reserve) uint64 {
	h := mix('r', l.nameHash(ChannelName, c.Channel))
	h = mix(h, uint64(c.Mode))
	if c.Partial {
		h = mix(h, 1)
	}
	if c.Commit {
		h = mix(h, 2)
	}
	for i := range c.Lines {
		line := &c.Lines[i]
		h = mix(h, l.nameHash(SKUName, line.SKU))
		h = mix(h, uint64(line.Qty))
		if line.Location != "" {
			h = mix(h, l.nameHash(LocationName, line.Location))
		}
		if line.Ref != "" {
			h = mix(h, xxh3.HashString(line.Ref))
		}
	}
	return mixWide(h, uint64(len(c.Lines)))
}

// newResv makes a reservation's row with its id, which hashes to h, and refs.
func (l *Ledger) newResv(id string, h uint64, lines []Line, row resvRow) resvRef {
	refs := l.work.refs[:0]
	for i := range lines {
		refs = append(refs, lines[i].Ref)
	}
	l.work.refs = refs
	blob, withRefs := packBlob(l.work.blob[:0], id, refs)
	l.work.blob = blob
	if withRefs {
		row.flags |= hasRefs
	}
	row.blob = l.shards[l.shardOf(h)].blobs.put(blob)
	return l.addResv(h, row)
}

// bookAs says how planned lines are booked.
type bookAs struct {
	mode            Mode
	commit, partial bool
}

// book gives planned lines their parts, behind the lines that the reservation has already, and takes
// the units from the stock rows.
func (l *Ledger) book(ref resvRef, before uint16, p *plan, lines []Line, how bookAs) {
	e := l.noteOf(ref, EventReserved, "")
	if how.commit {
		e.kind = EventCommitted
	}
	takes := p.takes
	after := l.lastSlot(ref)
	for i := range p.lines {
		line, s := &p.lines[i], &p.skus[p.lines[i].sku]
		number := before + uint16(i) + 1
		after = l.bookAsked(ref, after, p, i, number, lines[i].Qty, how)
		parts := l.work.kit[:0]
		for _, part := range p.parts[s.part : s.part+s.parts] {
			of := kitPart{sku: p.skus[part.sku].sku, qty: uint32(part.qty)}
			parts = append(parts, of)
			after = l.appendPart(ref, after, partRow{
				line: number, kind: componentPart, stock: stockRef(of.sku), held: of.qty,
			})
		}
		l.work.kit = parts
		for _, t := range takes[:line.takes] {
			at := site{sku: s.sku, location: p.locs[t.loc], parts: parts}
			at.kit = len(parts) > 0 && l.location(at.location).Kind == Merchant
			after = l.bookPlace(ref, after, number, at, t.qty, e)
		}
		takes = takes[line.takes:]
		if missing := lines[i].Qty - line.taken; missing > 0 && how.mode == Accept {
			after = l.bookShort(ref, after, number, s.sku, missing, how.commit)
		}
	}
}

// bookAsked keeps what a line asked for, where its parts do not say it.
func (l *Ledger) bookAsked(ref resvRef, after uint32, p *plan, i int, number uint16, want int64,
	how bookAs) uint32 {
	line := &p.lines[i]
	short := line.taken < want && how.mode != Accept
	if !short && line.pin < 0 {
		return after
	}
	asked := partRow{line: number, kind: askedPart, stock: stockRef(p.skus[line.sku].sku)}
	if short {
		asked.held = uint32(want)
	}
	if line.pin >= 0 {
		asked.committed = p.locs[line.pin]
	}
	return l.appendPart(ref, after, asked)
}

func (l *Ledger) bookPlace(ref resvRef, after uint32, number uint16, at site, n int64,
	e note) uint32 {
	part := partRow{
		line: number, kind: placeKind(at), stock: l.needStock(at.sku, at.location), held: uint32(n),
	}
	by := change{held: n}
	if e.kind == EventCommitted {
		part.held, part.committed = 0, uint32(n)
		by = change{committed: n}
	}
	after = l.appendPart(ref, after, part)
	l.shiftUnits(at, by, n, e)
	return after
}

func (l *Ledger) bookShort(ref resvRef, after uint32, number uint16, sku uint32, n int64,
	firm bool) uint32 {
	kind := softShort
	if firm {
		kind = firmShort
	}
	l.emitShort(sku, n, l.noteOf(ref, EventShort, ""))
	return l.appendPart(ref, after, partRow{
		line: number, kind: kind, stock: l.needStock(sku, 0), held: uint32(n),
	})
}

// lastSlot is the slot of a reservation's last part, 0 if it has none.
func (l *Ledger) lastSlot(ref resvRef) uint32 {
	sh, last := l.shardOfResv(ref), uint32(0)
	for at := l.resvAt(ref).parts; at != 0 && at&lastPart == 0; at = sh.parts.at(at).next {
		last = at
	}
	return last
}

// add appends lines to a reservation.
func (l *Ledger) add(c *Add, v *verdict) {
	if !l.begun(c.ID, v) {
		return
	}
	row := l.resvAt(v.resv)
	held, soft := l.heldUnits(v.resv)
	switch live, shipped, expired := l.totals(v.resv); {
	case row.flags&isMirror != 0, live == 0 && shipped == 0 && expired == 0:
		v.refuse(WrongState, field{leaf: "id"})
		return
	case live == 0 && shipped == 0:
		v.refuse(ReservationExpired, field{leaf: "id"})
		return
	case int(row.lines)+len(c.Lines) > MaxLines:
		v.refuse(LimitReached, field{leaf: "lines"})
		return
	case l.channel(uint32(row.channel)).gone:
		v.refuse(UnknownChannel, field{leaf: "id"})
		return
	}
	p := l.source(l.channel(uint32(row.channel)), c.Mode, c.Partial, c.Lines, v)
	if v.refusal != Accepted {
		return
	}
	l.openResv(v.resv)
	before := row.lines
	l.setRefs(v.resv, before, c.Lines)
	l.book(v.resv, before, p, c.Lines, bookAs{mode: c.Mode, commit: c.Commit, partial: c.Partial})
	if c.Commit {
		row.flags |= didCommit
	} else if waiting := held + soft; c.TTL != 0 && (waiting == 0 || row.moment != 0) {
		l.setDeadline(v.resv, row, max(row.moment, l.now+c.TTL))
	}
	l.endHold(v.resv, row)
	l.closeResv(v.resv)
}

// totals are the units of a reservation that are live, shipped and expired.
func (l *Ledger) totals(ref resvRef) (live, shipped, expired int64) {
	sh := l.shardOfResv(ref)
	for at := l.resvAt(ref).parts; at != 0 && at&lastPart == 0; {
		p := sh.parts.at(at)
		live += int64(p.live())
		shipped += int64(p.shipped)
		expired += int64(p.expired)
		at = p.next
	}
	return live, shipped, expired
}

// setRefs gives a reservation as many lines as keep and the new ones are, with their refs; the
// reservation is open.
func (l *Ledger) setRefs(ref resvRef, keep uint16, lines []Line) {
	sh, row := l.shardOfResv(ref), l.resvAt(ref)
	refs := refsOf(l.work.refs[:0], sh.blobs.text(row.blob), row)[:keep]
	for i := range lines {
		refs = append(refs, lines[i].Ref)
	}
	l.work.refs = refs
	blob, withRefs := packBlob(l.work.blob[:0], l.idOf(sh, row), refs)
	l.work.blob = blob
	row.lines = keep + uint16(len(lines))
	if !withRefs && row.flags&hasRefs == 0 {
		return
	}
	l.digest.remove(hashResvHead(row, sh.blobs.at(row.blob)))
	sh.blobs.give(row.blob)
	row.blob = sh.blobs.put(blob)
	if row.flags &^= hasRefs; withRefs {
		row.flags |= hasRefs
	}
	l.digest.add(hashResvHead(row, sh.blobs.at(row.blob)))
}

// endHold takes the deadline away when nothing waits for it any more; the reservation is open.
func (l *Ledger) endHold(ref resvRef, row *resvRow) {
	if row.moment == 0 || row.flags&isMirror != 0 {
		return
	}
	if held, soft := l.heldUnits(ref); held == 0 && soft == 0 {
		l.setDeadline(ref, row, 0)
	}
}
