package engine

import "github.com/zeebo/xxh3"

// resvRow is one reservation, 48 bytes. Its lines are a chain of parts, in order of line.
type resvRow struct {
	content  uint64 // hash of what was asked, for the same id asked again
	seq      uint64 // dense number in log order; 0: the slot is free
	moment   int64  // deadline of a hold, 0 for none; of a mirror, the moment of its last report
	blob     uint32 // the id, and the lines' refs if there are any
	parts    uint32 // first part, a slot of the same shard
	earlier  resvRef
	later    resvRef // neighbours in the wheel; of a closed one its number, see closedQueue
	channel  uint16
	lines    uint16
	mode     Mode
	flags    resvFlags
	epoch    uint8
	awaiting bool // is in the wheel
}

type resvFlags uint8

const (
	isMirror resvFlags = 1 << iota
	hasRefs
	didCommit // the verb took a unit, so `{}` with nothing left is a repetition
	didRelease
	didShip
	didReturn
	isClosed // none of its units waits for anything: it is in the queue of Ledger.closed
)

// partRow is one piece of a line, 44 bytes. A line has, in this order: at most one asked part, for
// a kit its components, then places and short parts in the order in which they were made. Most
// lines are one place.
type partRow struct {
	next  uint32   // the reservation's next part; lastPart | the reservation's slot at the end
	stock stockRef // where the units are; a short part: the SKU's row of location 0
	// earlier and later are the neighbours in the list of the stock row, while the part is listed.
	earlier, later partRef
	line           uint16 // from 1
	kind           partKind
	listed         bool
	held           uint32 // of a short part: units without stock; of an asked one: what was wanted
	committed      uint32 // of an asked part: the number of the line's pinned location, or 0
	shipped        uint32
	released       uint32
	expired        uint32
	returned       uint32
}

type partKind uint8

const (
	askedPart     partKind = iota + 1 // what the line asked for, where that is not plain; stock is the SKU number
	componentPart                     // held is the quantity in one kit, stock the SKU number
	placePart                         // units at a location
	kitPlace                          // kits at a merchant location: each unit is units of its components
	softShort                         // has no stock, and ends with the hold
	firmShort                         // has no stock, and is promised
)

const lastPart = 1 << 31

func (p *partRow) short() bool { return p.kind == softShort || p.kind == firmShort }
func (p *partRow) place() bool { return p.kind == placePart || p.kind == kitPlace }

// live is the number of units that wait for something.
func (p *partRow) live() uint32 {
	switch {
	case p.place():
		return p.held + p.committed
	case p.short():
		return p.held
	}
	return 0
}

func (p *partRow) empty() bool {
	return p.held|p.committed|p.shipped|p.released|p.expired|p.returned == 0
}

// findResv returns the reservation with an id, or 0.
func (l *Ledger) findResv(id string) resvRef { return l.findHashed(id, hashID(id)) }

func (l *Ledger) findHashed(id string, h uint64) resvRef {
	sh := l.shardOf(h)
	for p := l.shards[sh].byID.probe(h); p.next(); {
		row := l.shards[sh].resv.at(p.slot)
		if l.idOf(&l.shards[sh], row) == id {
			return resvRef(l.makeRef(p.slot, sh))
		}
	}
	return 0
}

func (l *Ledger) shardOfResv(r resvRef) *shard { return &l.shards[uint32(r)&l.shardMask()] }

// idOf returns the id of a reservation; the text is valid until the reservation changes.
func (l *Ledger) idOf(sh *shard, row *resvRow) string {
	text := sh.blobs.text(row.blob)
	if row.flags&hasRefs != 0 {
		return text[1 : 1+int(text[0])]
	}
	return text
}

// packBlob is what is kept of an id and of the refs of its lines.
func packBlob(dst []byte, id string, refs []string) (blob []byte, withRefs bool) {
	for _, ref := range refs {
		withRefs = withRefs || ref != ""
	}
	if !withRefs {
		return append(dst, id...), false
	}
	dst = append(append(dst, byte(len(id))), id...)
	for _, ref := range refs {
		dst = append(append(dst, byte(len(ref))), ref...)
	}
	return dst, true
}

// refsOf appends the refs of all lines to dst; they are valid until the reservation changes.
func refsOf(dst []string, text string, row *resvRow) []string {
	if row.flags&hasRefs == 0 {
		for range row.lines {
			dst = append(dst, "")
		}
		return dst
	}
	for text = text[1+int(text[0]):]; len(text) > 0; text = text[1+int(text[0]):] {
		dst = append(dst, text[1:1+int(text[0])])
	}
	return dst
}

// addResv makes the row of a reservation, whose id hashes to h, without parts. It must be closed.
func (l *Ledger) addResv(h uint64, row resvRow) resvRef {
	n := l.shardOf(h)
	sh := &l.shards[n]
	slot := sh.resv.take()
	ref := resvRef(l.makeRef(slot, n))
	row.epoch = l.epoch
	*sh.resv.at(slot) = row
	sh.byID.put(h, slot)
	l.digest.add(hashResvHead(&row, sh.blobs.at(row.blob)))
	if l.undo != nil {
		l.undo.created(ref)
	}
	return ref
}

// eraseResv takes a reservation out of every structure, without a trace in balances or events. It
// must be open. The undoing of a group erases, and Retire, which keeps the record elsewhere.
func (l *Ledger) eraseResv(ref resvRef) {
	sh, row := l.shardOfResv(ref), l.resvAt(ref)
	l.clearParts(ref)
	l.wheel.remove(l, ref, row)
	l.digest.remove(hashResvHead(row, sh.blobs.at(row.blob)))
	sh.byID.drop(hashID(l.idOf(sh, row)), uint32(ref)>>l.bits)
	sh.blobs.give(row.blob)
	sh.resv.give(uint32(ref) >> l.bits)
}

// openResv must come before a change of a reservation or its parts, and closeResv after it: they
// keep the digest and the channel's count, and leave a before-image where one is needed.
func (l *Ledger) openResv(ref resvRef) *resvRow {
	row := l.resvAt(ref)
	if row.epoch != l.epoch {
		l.saveResv(ref, row)
	}
	if l.undo != nil {
		l.undo.resv(l, ref)
	}
	h, live := l.hashResv(ref, row)
	l.digest.remove(h)
	if live {
		l.channel(uint32(row.channel)).live--
	} else if row.flags&isClosed != 0 {
		l.unshut(row)
	}
	return row
}

func (l *Ledger) closeResv(ref resvRef) {
	row := l.resvAt(ref)
	h, live := l.hashResv(ref, row)
	if live {
		l.channel(uint32(row.channel)).live++
	} else if row.flags&isClosed == 0 {
		l.shut(ref, row)
		h, _ = l.hashResv(ref, row)
	}
	l.digest.add(h)
}

// hashResvHead hashes what never changes, and the refs.
func hashResvHead(row *resvRow, blob []byte) uint64 {
	h := mixPairs(row.seq, 'R', xxh3.Hash(blob), row.content)
	return mixWide(h, uint64(row.channel)<<16|uint64(row.mode)<<8|uint64(row.flags&isMirror))
}

// hashResv hashes what verbs change. live says whether any unit still waits for something.
func (l *Ledger) hashResv(ref resvRef, row *resvRow) (h uint64, live bool) {
	h = mixPairs(row.seq, 'L', uint64(row.moment), uint64(row.flags)<<16|uint64(row.lines))
	sh := l.shardOfResv(ref)
	for at := row.parts; at != 0 && at&lastPart == 0; {
		p := sh.parts.at(at)
		live = live || p.live() > 0
		where := uint64(p.stock)
		if p.kind >= placePart {
			s := l.stockAt(p.stock)
			where = uint64(s.sku)<<32 | uint64(s.location)
		}
		h = mix(h, mixPairs(
			where, uint64(p.held)<<32|uint64(p.committed),
			uint64(p.shipped)<<32|uint64(p.released), uint64(p.expired)<<32|uint64(p.returned)))
		h = mix(h, uint64(p.line)<<8|uint64(p.kind))
		at = p.next
	}
	if row.flags&isClosed != 0 {
		n := row.closing()
		h = mixPairs(h, n, uint64(l.closed.at(n).at), 'Z')
	}
	return mixWide(h, 'E'), live
}

// addPart appends a part behind the last part of its line; the reservation is open, or new.
func (l *Ledger) addPart(ref resvRef, part partRow) partRef {
	sh, row := l.shardOfResv(ref), l.resvAt(ref)
	slot := sh.parts.take()
	end := lastPart | uint32(ref)>>l.bits
	before := uint32(0)
	for at := row.parts; at != 0 && at&lastPart == 0; {
		p := sh.parts.at(at)
		if p.line > part.line {
			break
		}
		before, at = at, p.next
	}
	switch {
	case before != 0:
		part.next = sh.parts.at(before).next
		sh.parts.at(before).next = slot
	default:
		if part.next = row.parts; row.parts == 0 {
			part.next = end
		}
		row.parts = slot
	}
	p := sh.parts.at(slot)
	*p = part
	added := partRef(l.makeRef(slot, uint32(ref)&l.shardMask()))
	l.listPart(added, p)
	return added
}

// appendPart appends a part behind the last one of a new reservation, of which after is the slot, or
// 0 for the first. It is addPart without the walk.
func (l *Ledger) appendPart(ref resvRef, after uint32, part partRow) (slot uint32) {
	sh := l.shardOfResv(ref)
	slot = sh.parts.take()
	part.next = lastPart | uint32(ref)>>l.bits
	p := sh.parts.at(slot)
	*p = part
	if after == 0 {
		l.resvAt(ref).parts = slot
	} else {
		sh.parts.at(after).next = slot
	}
	l.listPart(partRef(l.makeRef(slot, uint32(ref)&l.shardMask())), p)
	return slot
}

// dropPart removes a part; the reservation is open.
func (l *Ledger) dropPart(ref resvRef, slot uint32) {
	sh, row := l.shardOfResv(ref), l.resvAt(ref)
	p := sh.parts.at(slot)
	l.unlistPart(partRef(l.makeRef(slot, uint32(ref)&l.shardMask())), p)
	if row.parts == slot {
		if row.parts = p.next; row.parts&lastPart != 0 {
			row.parts = 0
		}
	} else {
		at := row.parts
		for sh.parts.at(at).next != slot {
			at = sh.parts.at(at).next
		}
		sh.parts.at(at).next = p.next
	}
	sh.parts.give(slot)
}

// clearParts removes every part; the reservation is open.
func (l *Ledger) clearParts(ref resvRef) {
	sh, row := l.shardOfResv(ref), l.resvAt(ref)
	for at := row.parts; at != 0 && at&lastPart == 0; {
		p := sh.parts.at(at)
		next := p.next
		l.unlistPart(partRef(l.makeRef(at, uint32(ref)&l.shardMask())), p)
		sh.parts.give(at)
		at = next
	}
	row.parts = 0
}

// settlePart lists a part that has live units and takes one off the list that has none.
func (l *Ledger) settlePart(ref partRef, p *partRow) {
	if p.live() > 0 {
		l.listPart(ref, p)
	} else {
		l.unlistPart(ref, p)
	}
}

func (l *Ledger) listPart(ref partRef, p *partRow) {
	if p.listed || p.live() == 0 {
		return
	}
	if p.short() {
		l.waiting++
	}
	row := l.stockAt(p.stock)
	p.listed, p.earlier, p.later = true, 0, row.parts
	if row.parts != 0 {
		l.partAt(row.parts).earlier = ref
	}
	row.parts = ref
}

func (l *Ledger) unlistPart(ref partRef, p *partRow) {
	if !p.listed {
		return
	}
	if p.short() {
		l.waiting--
	}
	if p.earlier == 0 {
		l.stockAt(p.stock).parts = p.later
	} else {
		l.partAt(p.earlier).later = p.later
	}
	if p.later != 0 {
		l.partAt(p.later).earlier = p.earlier
	}
	p.listed, p.earlier, p.later = false, 0, 0
}

// ownerOf returns the reservation of a part. It costs a walk to the end of its chain.
func (l *Ledger) ownerOf(ref partRef) resvRef {
	n := uint32(ref) & l.shardMask()
	sh := &l.shards[n]
	p := sh.parts.at(uint32(ref) >> l.bits)
	for p.next&lastPart == 0 {
		p = sh.parts.at(p.next)
	}
	return resvRef(l.makeRef(p.next&^lastPart, n))
}

// skuOfPart is the SKU that the units of a part are counted in.
func (l *Ledger) skuOfPart(p *partRow) uint32 {
	if p.kind >= placePart {
		return l.stockAt(p.stock).sku
	}
	return uint32(p.stock)
}

// componentsOf appends the composition of one line to dst: what one unit of it stands for at a
// merchant location. It is empty for a line that is no kit.
func (l *Ledger) componentsOf(dst []kitPart, ref resvRef, line uint16) []kitPart {
	sh := l.shardOfResv(ref)
	for at := l.resvAt(ref).parts; at != 0 && at&lastPart == 0; {
		p := sh.parts.at(at)
		if p.line > line {
			break
		}
		if p.line == line && p.kind == componentPart {
			dst = append(dst, kitPart{sku: uint32(p.stock), qty: p.held})
		}
		at = p.next
	}
	return dst
}

// setDeadline changes when a hold ends; 0 is never. The reservation is open.
func (l *Ledger) setDeadline(ref resvRef, row *resvRow, deadline int64) {
	l.wheel.remove(l, ref, row)
	row.moment = deadline
	l.wheel.put(l, ref, row)
}

// heldUnits are the units of a reservation that a deadline would end.
func (l *Ledger) heldUnits(ref resvRef) (held, soft int64) {
	sh := l.shardOfResv(ref)
	for at := l.resvAt(ref).parts; at != 0 && at&lastPart == 0; {
		p := sh.parts.at(at)
		switch {
		case p.place():
			held += int64(p.held)
		case p.kind == softShort:
			soft += int64(p.held)
		}
		at = p.next
	}
	return held, soft
}

func hashID(id string) uint64 { return xxh3.HashString(id) }
