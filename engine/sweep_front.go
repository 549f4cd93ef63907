package engine

// What a checkpoint says before its tables: the counters, and the definitions that are few.

// metaRecord is the first block of a checkpoint.
type metaRecord struct {
	version  uint64
	bits     uint64
	index    uint64
	now, due int64
	seq      uint64
	eventSeq uint64
	skuNext  uint64
	head     uint64 // of the remembered answers
	tail     uint64
	marks    uint64 // how many there are
	shorts   uint64
	closed   uint64 // tail of the queue of closed reservations
	retired  uint64 // tail of those that have left memory
	olds     uint64 // how many of those there are
	records  uint64 // how many there are
	archived uint64 // records that have left memory
	digest   uint64
	skipped  uint64
	limits   Limits
	pending  []pendingShortfall
	nodes    []Enrolment // by name
}

// pendingShortfall is a row that waits in Ledger.shortfall.
type pendingShortfall struct{ sku, location uint32 }

// checkpointVersion is the version of the blocks. A build reads every version up to its own.
const checkpointVersion = 1

func (r *metaRecord) wire(x *coder) {
	x.uint(&r.version)
	if r.version != checkpointVersion {
		x.fail("a version is not known to this build")
		return
	}
	x.uint(&r.bits)
	x.uint(&r.index)
	x.int(&r.now)
	x.int(&r.due)
	for _, v := range [...]*uint64{
		&r.seq, &r.eventSeq, &r.skuNext, &r.head, &r.tail, &r.marks, &r.shorts, &r.closed,
		&r.retired, &r.olds, &r.records, &r.archived, &r.digest, &r.skipped,
	} {
		x.uint(v)
	}
	limits := Configure{Limits: r.limits}
	limits.wire(x)
	r.limits = limits.Limits
	codeList(x, &r.pending, 1<<30, pendingWire)
	codeList(x, &r.nodes, MaxNodes, enrolmentWire)
}

func pendingWire(x *coder, p *pendingShortfall) {
	sku, location := uint64(p.sku), uint64(p.location)
	x.uint(&sku)
	x.uint(&location)
	p.sku, p.location = uint32(sku), uint32(location)
}

func (s *Sweep) writeFront() {
	l := s.l
	meta := metaRecord{
		version: checkpointVersion, bits: uint64(l.bits), index: l.index, now: l.now, due: l.due,
		seq: l.seq, eventSeq: l.eventSeq, skuNext: uint64(l.names.skuNext),
		head: l.remember.head, tail: l.remember.tail, digest: s.Digest, limits: l.limits,
		skipped: l.skipped,
		marks:   uint64(len(s.marks)), shorts: uint64(len(s.shorts)), closed: l.closed.tail,
		nodes:   l.Enrolments(),
		retired: l.retired.tail, olds: uint64(l.retired.count),
		records: uint64(l.keyed.count), archived: uint64(l.keyed.archived),
	}
	for _, ref := range l.shortfall {
		row := l.stockAt(ref)
		meta.pending = append(meta.pending, pendingShortfall{row.sku, row.location})
	}
	s.x = coder{mode: writing}
	meta.wire(&s.x)
	s.front = append(s.front, Block{Key: blockKey(metaTable, 0, 0), Value: s.x.b})
	s.x = coder{mode: writing}
	for _, d := range l.names.locations.rows {
		locationRecordWire(&s.x, d)
		s.endFront(locationTable, false)
	}
	s.endFront(locationTable, true)
	for _, d := range l.names.channels.rows {
		channelRecordWire(&s.x, d)
		s.endFront(channelTable, false)
	}
	s.endFront(channelTable, true)
	s.number = 0
}

// endFront ends a block of definitions when it is full, or the table's last.
func (s *Sweep) endFront(t tableID, last bool) {
	if len(s.x.b) > 0 && (last || len(s.x.b) >= blockBytes) {
		s.front = append(s.front, Block{Key: blockKey(t, 0, s.number), Value: s.x.b})
		s.number++
		s.x = coder{mode: writing}
	}
	if last {
		s.number = 0
	}
}

func locationRecordWire(x *coder, d *locationDef) {
	x.string(&d.Name)
	codeByte(x, &d.Kind)
	x.string(&d.Master)
	codeByte(x, &d.Shortfall)
	x.bytes(&d.Attributes)
	x.bool(&d.gone)
}

func channelRecordWire(x *coder, d *channelDef) {
	x.string(&d.Name)
	codeByte(x, &d.Kind)
	codeByte(x, &d.Publish)
	x.bool(&d.Split)
	x.int(&d.Priority)
	codeList(x, &d.locations, MaxChannelLocations, numberWire)
	d.Rules.wire(x)
	x.bytes(&d.Attributes)
	x.bool(&d.gone)
}

func numberWire(x *coder, n *uint32) {
	v := uint64(*n)
	x.uint(&v)
	*n = uint32(v)
}

func answerWire(x *coder, r *answerRow) {
	x.uint(&r.key.Hi)
	x.uint(&r.key.Lo)
	x.uint(&r.content)
	x.uint(&r.index)
	extra := int64(r.extra)
	x.int(&extra)
	r.extra = int32(extra)
	codeByte(x, &r.refusal)
	codeByte(x, &r.status)
	codeByte(x, &r.flags)
}

func rememberedMarkWire(x *coder, m *rememberedMark) {
	x.uint(&m.first)
	x.int(&m.at)
}

func rememberedShortWire(x *coder, s *rememberedShort) {
	x.uint(&s.answer)
	numberWire(x, &s.sku)
	x.int(&s.wanted)
	x.int(&s.sellable)
}

// Head is what the first block of a checkpoint says of the whole.
type Head struct {
	Index     uint64 // of the last entry that it contains
	LastEvent uint64 // sequence of the newest event by then; 0 before the first
	ClusterID [16]byte
}

// ReadHead reads the first block of a checkpoint. It returns an *EntryError when b is none.
func ReadHead(b Block) (Head, error) {
	var m metaRecord
	x := coder{mode: reading, b: b.Value}
	if m.wire(&x); x.bad != "" || len(x.b) > 0 || len(b.Key) != 7 || tableID(b.Key[0]) != metaTable {
		return Head{}, &EntryError{Reason: "a block is not the head of a checkpoint: " + x.bad}
	}
	return Head{Index: m.index, LastEvent: m.eventSeq, ClusterID: m.limits.ClusterID}, nil
}
