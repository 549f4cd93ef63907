package engine

// Records are rows in the form in which they are kept: with numbers and logical keys, without slots,
// links and indexes. Checkpoints are made of them, and so are the before-images of a running sweep
// and of an atomic group.

// stockRecord is a stock row.
type stockRecord struct {
	sku, location uint32
	row           stockRow
	marks         []markRow
}

func (r *stockRecord) wire(x *coder) {
	sku, location := uint64(r.sku), uint64(r.location)
	x.uint(&sku)
	x.uint(&location)
	r.sku, r.location = uint32(sku), uint32(location)
	x.int(&r.row.onHand)
	x.int(&r.row.held)
	x.int(&r.row.committed)
	x.int(&r.row.moved)
	x.uint(&r.row.lastEvent)
	codeList(x, &r.marks, maxMarks, markWire)
}

func markWire(x *coder, m *markRow) {
	x.uint(&m.source)
	x.int(&m.asOf)
}

func (l *Ledger) stockRecord(r *stockRecord, row *stockRow) {
	r.sku, r.location, r.row, r.marks = row.sku, row.location, *row, l.sortedMarks(row)
}

// loadStock puts a record's counts into its row; the digest is the caller's business.
func (l *Ledger) loadStock(r *stockRecord) stockRef {
	ref := l.needStock(r.sku, r.location)
	row := l.stockAt(ref)
	row.onHand, row.held, row.committed = r.row.onHand, r.row.held, r.row.committed
	row.moved, row.lastEvent = r.row.moved, r.row.lastEvent
	l.setMarks(row, r.marks)
	return ref
}

// resvRecord is a reservation with its parts; closing and closedAt are of a closed one.
type resvRecord struct {
	row      resvRow
	closing  uint64
	closedAt int64
	blob     []byte
	parts    []partRecord
}

// partRecord is a part; sku and location stand for its stock row.
type partRecord struct {
	row           partRow
	sku, location uint32
}

func (r *resvRecord) wire(x *coder) {
	x.uint(&r.row.seq)
	x.uint(&r.row.content)
	x.int(&r.row.moment)
	channel, lines := uint64(r.row.channel), uint64(r.row.lines)
	x.uint(&channel)
	x.uint(&lines)
	r.row.channel, r.row.lines = uint16(channel), uint16(lines)
	codeByte(x, &r.row.mode)
	codeByte(x, &r.row.flags)
	if r.row.flags&isClosed != 0 {
		x.uint(&r.closing)
		x.int(&r.closedAt)
	}
	x.bytes(&r.blob)
	codeList(x, &r.parts, MaxLines*(2*MaxChannelLocations+MaxComponents), partWire)
}

func partWire(x *coder, r *partRecord) {
	line, sku, location := uint64(r.row.line), uint64(r.sku), uint64(r.location)
	x.uint(&line)
	codeByte(x, &r.row.kind)
	x.uint(&sku)
	x.uint(&location)
	r.row.line, r.sku, r.location = uint16(line), uint32(sku), uint32(location)
	for _, n := range [...]*uint32{
		&r.row.held, &r.row.committed, &r.row.shipped, &r.row.released, &r.row.expired,
		&r.row.returned,
	} {
		v := uint64(*n)
		x.uint(&v)
		*n = uint32(v)
	}
}

func (l *Ledger) resvRecord(r *resvRecord, ref resvRef) {
	sh := l.shardOfResv(ref)
	r.row = *l.resvAt(ref)
	if r.row.flags&isClosed != 0 {
		r.closing = r.row.closing()
		r.closedAt = l.closed.at(r.closing).at
	}
	r.blob = sh.blobs.at(r.row.blob)
	r.parts = r.parts[:0]
	for at := r.row.parts; at != 0 && at&lastPart == 0; {
		p := sh.parts.at(at)
		part := partRecord{row: *p, sku: uint32(p.stock)}
		if p.kind >= placePart {
			s := l.stockAt(p.stock)
			part.sku, part.location = s.sku, s.location
		}
		r.parts = append(r.parts, part)
		at = p.next
	}
}

// loadResv makes a reservation from a record and closes it.
func (l *Ledger) loadResv(r *resvRecord) resvRef {
	row := r.row
	row.parts, row.earlier, row.later, row.awaiting = 0, 0, 0, false
	h := hashID(idOfRecord(r))
	row.blob = l.shards[l.shardOf(h)].blobs.put(r.blob)
	ref := l.addResv(h, row)
	if row.flags&isClosed != 0 {
		l.resvAt(ref).setClosing(r.closing)
		l.closed.put(r.closing, closedRow{at: r.closedAt, ref: ref})
	}
	after := uint32(0)
	for i := range r.parts {
		part := r.parts[i].row
		part.next, part.earlier, part.later, part.listed = 0, 0, 0, false
		part.stock = stockRef(r.parts[i].sku)
		if part.kind >= placePart {
			part.stock = l.needStock(r.parts[i].sku, r.parts[i].location)
		}
		after = l.appendPart(ref, after, part)
		if part.kind == componentPart {
			l.noteUse(r.parts[i].sku, l.skuOfLine(r, part.line))
		}
	}
	l.wheel.put(l, ref, l.resvAt(ref))
	l.closeResv(ref)
	return ref
}

// skuOfLine is the SKU that a line of a record names.
func (l *Ledger) skuOfLine(r *resvRecord, line uint16) uint32 {
	for i := range r.parts {
		if p := &r.parts[i]; p.row.line == line && p.row.kind != componentPart {
			return p.sku
		}
	}
	return 0
}

// skuRecord is a SKU's definition.
type skuRecord struct {
	number     uint32
	name       []byte
	attributes []byte
	deleted    bool
	kit        []kitPart
}

func (r *skuRecord) wire(x *coder) {
	number := uint64(r.number)
	x.uint(&number)
	r.number = uint32(number)
	x.bytes(&r.name)
	x.bytes(&r.attributes)
	x.bool(&r.deleted)
	codeList(x, &r.kit, MaxComponents, kitPartWire)
}

func kitPartWire(x *coder, p *kitPart) {
	sku, qty := uint64(p.sku), uint64(p.qty)
	x.uint(&sku)
	x.uint(&qty)
	p.sku, p.qty = uint32(sku), uint32(qty)
}

func (l *Ledger) skuRecord(r *skuRecord, number uint32, row *skuRow) {
	r.number, r.name, r.deleted = number, l.names.texts.at(row.name), row.deleted
	more := l.moreOf(number)
	r.attributes, r.kit = l.names.texts.at(more.attributes), r.kit[:0]
	for at := more.kit; at != 0; {
		p := l.names.parts.at(at)
		r.kit = append(r.kit, *p)
		at = p.next
	}
}
