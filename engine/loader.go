package engine

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/zeebo/xxh3"
)

// Loader rebuilds a ledger from the blocks of a sweep. Links, indexes, the wheel and the digest are
// made anew.
type Loader struct {
	l     *Ledger
	meta  metaRecord
	last  []byte
	kits  []kitOfSKU
	skus  uint64
	x     coder
	sku   skuRecord
	stock stockRecord
	resv  resvRecord
	keyed keyedRecord

	unknown *VersionError // the ledger is of a later build's apply version
}

type kitOfSKU struct {
	sku uint32
	kit []kitPart
}

// NewLoader returns a loader that waits for the first block.
func NewLoader() *Loader { return &Loader{} }

// Load adds a block; blocks come in the order of their keys. The error names the block's key and the
// fault, or is a *[VersionError]; the loader is then of no more use.
func (ld *Loader) Load(b Block) (err error) {
	fail := func(why string) error { return fmt.Errorf("checkpoint block %x: %s", b.Key, why) }
	if len(b.Key) != 7 {
		return fail("the key is not of 7 bytes")
	}
	if bytes.Compare(b.Key, ld.last) <= 0 {
		return fail("the keys do not ascend")
	}
	ld.last = bytes.Clone(b.Key)
	table := tableID(b.Key[0])
	if (ld.l == nil) != (table == metaTable) {
		return fail("the first block, and only that, must be the head")
	}
	ld.x = coder{mode: reading, b: b.Value}
	if table > skuTable {
		ld.linkKits()
	}
	for len(ld.x.b) > 0 {
		ld.record(table)
	}
	switch {
	case ld.unknown != nil:
		return ld.unknown
	case ld.x.bad != "":
		return fail(ld.x.bad)
	}
	return nil
}

// Finish returns the ledger. It returns an error when rows are missing or the digest of what was
// loaded is not the one that the cut had.
func (ld *Loader) Finish() (*Ledger, error) {
	if ld.l == nil {
		return nil, fmt.Errorf("checkpoint: there is no block at all")
	}
	ld.linkKits()
	l, m := ld.l, &ld.meta
	if ld.skus != m.skuNext-1 || l.remember.tail != m.tail {
		return nil, fmt.Errorf("checkpoint: %d of %d SKUs and %d of %d answers are there",
			ld.skus, m.skuNext-1, l.remember.tail-m.head, m.tail-m.head)
	}
	if r := &l.remember; uint64(len(r.marks)) != m.marks || uint64(len(r.shorts)) != m.shorts ||
		len(r.marks) == 0 && r.tail > r.head {
		return nil, fmt.Errorf("checkpoint: %d of %d marks and %d of %d short lines are there",
			len(r.marks), m.marks, len(r.shorts), m.shorts)
	}
	if uint64(l.retired.count) != m.olds {
		return nil, fmt.Errorf("checkpoint: %d of %d ids that have left memory are there",
			l.retired.count, m.olds)
	}
	if uint64(l.keyed.count) != m.records {
		return nil, fmt.Errorf("checkpoint: %d of %d records are there", l.keyed.count, m.records)
	}
	l.retired.firstChunk = l.retired.head / retiredChunk
	for _, p := range m.pending {
		if !ld.isSKU(p.sku) || !ld.isLocation(p.location) || l.stockOf(p.sku, p.location) == 0 {
			return nil, fmt.Errorf("checkpoint: a shortfall is of an unknown row")
		}
		ref := l.stockOf(p.sku, p.location)
		l.stockAt(ref).shortfall = true
		l.shortfall = append(l.shortfall, ref)
	}
	if got := l.Digest(); got != m.digest {
		return nil, fmt.Errorf("checkpoint: the digest is %016x, the cut had %016x", got, m.digest)
	}
	return l, nil
}

// record reads one record of a table.
func (ld *Loader) record(t tableID) {
	switch t {
	case metaTable:
		ld.loadMeta()
	case locationTable:
		ld.loadLocation()
	case channelTable:
		ld.loadChannel()
	case skuTable:
		ld.loadSKU()
	case stockTable:
		ld.loadStock()
	case resvTable:
		ld.loadResv()
	case answerTable:
		ld.loadAnswer()
	case markTable:
		ld.loadMark()
	case shortTable:
		var s rememberedShort
		if rememberedShortWire(&ld.x, &s); ld.ok(ld.isSKU(s.sku) &&
			s.answer >= ld.meta.head && s.answer < ld.meta.tail, "a short line is of nothing known") {
			ld.l.remember.shorts = append(ld.l.remember.shorts, s)
		}
	case retiredTable:
		ld.loadRetired()
	case keyedTable:
		ld.loadKeyed()
	default:
		ld.x.fail("the table is not known to this build")
	}
}

func (ld *Loader) loadMark() {
	var m rememberedMark
	rememberedMarkWire(&ld.x, &m)
	marks := ld.l.remember.marks
	n := len(marks)
	good := m.first <= ld.meta.tail && (n == 0 || marks[n-1].first < m.first && marks[n-1].at < m.at)
	if ld.ok(good, "the marks do not ascend") {
		ld.l.remember.marks = append(marks, m)
	}
}

// ok latches a fault unless the condition holds; it reports whether all is well so far.
func (ld *Loader) ok(condition bool, why string) bool {
	if !condition {
		ld.x.fail(why)
	}
	return ld.x.bad == ""
}

func (ld *Loader) isSKU(n uint32) bool {
	return n > 0 && n < ld.l.names.skuNext && ld.l.skuIsThere(n)
}

func (ld *Loader) isLocation(n uint32) bool {
	return n > 0 && int(n) <= len(ld.l.names.locations.rows)
}

// skuIsThere reports whether the SKU's row was loaded.
func (l *Ledger) skuIsThere(n uint32) bool {
	sh := &l.shards[n&l.shardMask()]
	return n>>l.bits+1 < sh.skus.end() && l.sku(n).name != 0
}

func (ld *Loader) loadMeta() {
	m := &ld.meta
	m.wire(&ld.x)
	good := m.bits <= 8 && m.skuNext >= 1 && m.skuNext <= MaxSKUs+1 && m.head >= 1 &&
		m.tail >= m.head && m.due <= m.now && m.limits.ApplyVersion >= firstApplyVersion &&
		m.closed >= 1 && m.retired >= 1
	if !ld.ok(ld.l == nil && good, "a counter of the head is out of range") {
		return
	}
	if v := m.limits.ApplyVersion; v > ApplyVersion {
		ld.unknown = &VersionError{Version: v, Knows: ApplyVersion}
		ld.x.fail(ld.unknown.Error())
		return
	}
	l := New(Options{ShardBits: uint(max(m.bits, 1))})
	l.index, l.now, l.due, l.seq, l.eventSeq = m.index, m.now, m.due, m.seq, m.eventSeq
	l.limits, l.skipped = m.limits, m.skipped
	for i, e := range m.nodes {
		if !ld.ok(e.good() && (i == 0 || e.Node > m.nodes[i-1].Node),
			"the nodes are not in order, or one is none") {
			return
		}
		l.setNode(&nodeRow{Enrolment{strings.Clone(e.Node), e.Incarnation, e.Folder}})
	}
	l.remember.head, l.remember.tail = m.head, m.head
	l.remember.firstChunk = m.head / rememberedChunk
	l.closed.head, l.closed.tail = m.closed, m.closed
	l.retired.head, l.retired.tail = m.retired, m.retired
	l.keyed.archived = int64(m.archived)
	ld.l = l
}

func (ld *Loader) loadLocation() {
	d := &locationDef{}
	locationRecordWire(&ld.x, d)
	if !ld.ok(locationKinds.valid(d.Kind) && shortfallPolicies.valid(d.Shortfall),
		"a location has an unknown kind") {
		return
	}
	t := &ld.l.names.locations
	d.Name, d.Master = strings.Clone(d.Name), strings.Clone(d.Master)
	d.Attributes = bytes.Clone(d.Attributes)
	d.Number, d.hash = uint32(len(t.rows)+1), xxh3.HashString(d.Name)
	t.rows = append(t.rows, d)
	if !d.gone {
		t.byName[d.Name] = d.Number
	}
	ld.l.digest.add(hashLocation(d))
}

func (ld *Loader) loadChannel() {
	d := &channelDef{}
	channelRecordWire(&ld.x, d)
	good := channelKinds.valid(d.Kind) && publishModes.valid(d.Publish)
	for _, n := range d.locations {
		good = good && ld.isLocation(n)
	}
	if !ld.ok(good, "a channel has an unknown kind or location") {
		return
	}
	t := &ld.l.names.channels
	d.Name, d.Attributes = strings.Clone(d.Name), bytes.Clone(d.Attributes)
	d.Number, d.hash = uint32(len(t.rows)+1), xxh3.HashString(d.Name)
	t.rows = append(t.rows, d)
	if !d.gone {
		t.byName[d.Name] = d.Number
		ld.l.linkChannel(d)
		ld.l.listed(d, 1)
	}
	ld.l.digest.add(hashChannel(d))
}

func (ld *Loader) loadSKU() {
	r := &ld.sku
	r.wire(&ld.x)
	l := ld.l
	good := r.number > 0 && uint64(r.number) < ld.meta.skuNext && len(r.name) > 0
	good = good && !l.skuIsThere(r.number)
	if !ld.ok(good, "a SKU has a number out of range, or of another, or no name") {
		return
	}
	ld.skus++
	row := l.addSKU(r.number, string(r.name))
	row.epoch, row.deleted = l.epoch, r.deleted
	l.setAttributes(r.number, r.attributes)
	if !r.deleted {
		l.indexSKU(r.number)
	}
	ld.kits = append(ld.kits, kitOfSKU{sku: r.number, kit: append([]kitPart(nil), r.kit...)})
}

// linkKits gives the SKUs their components, once all of them are there.
func (ld *Loader) linkKits() {
	for _, k := range ld.kits {
		for _, part := range k.kit {
			if !ld.ok(ld.isSKU(part.sku) && part.qty > 0, "a component is of an unknown SKU") {
				return
			}
		}
		ld.l.setKit(k.sku, k.kit)
		ld.l.digest.add(ld.l.hashSKU(k.sku))
	}
	ld.kits = nil
}

func (ld *Loader) loadStock() {
	r := &ld.stock
	r.wire(&ld.x)
	if !ld.ok(ld.isSKU(r.sku) && ld.isLocation(r.location), "stock of an unknown SKU or location") {
		return
	}
	ref := ld.l.needStock(r.sku, r.location)
	ld.l.openStock(ref)
	ld.l.loadStock(r)
	ld.l.closeStock(ld.l.stockAt(ref))
}

func (ld *Loader) loadResv() {
	r := &ld.resv
	*r = resvRecord{blob: r.blob[:0], parts: r.parts}
	r.wire(&ld.x)
	if ld.ok(ld.goodResv(r), "a reservation is not whole") {
		ld.l.loadResv(r)
	}
}

// goodResv reports whether a record could have been written by a sweep.
func (ld *Loader) goodResv(r *resvRecord) bool {
	row := &r.row
	if row.seq == 0 || row.seq > ld.l.seq || row.channel == 0 || len(r.blob) == 0 ||
		int(row.channel) > len(ld.l.names.channels.rows) || !modes.valid(row.mode) ||
		row.lines > MaxLines || !goodBlob(r.blob, row) {
		return false
	}
	line, live := uint16(1), false
	for i := range r.parts {
		p := &r.parts[i]
		live = live || p.row.live() > 0
		if p.row.line < line || p.row.line > row.lines || !ld.isSKU(p.sku) ||
			p.row.kind < askedPart || p.row.kind > firmShort {
			return false
		}
		if line = p.row.line; p.row.place() && !ld.isLocation(p.location) ||
			!p.row.place() && p.location != 0 {
			return false
		}
		if p.row.kind == askedPart && p.row.committed != 0 && !ld.isLocation(p.row.committed) {
			return false
		}
		if p.row.kind == componentPart && p.row.held == 0 {
			return false
		}
	}
	return live != (row.flags&isClosed != 0) && (live || ld.goodClosing(r))
}

// goodClosing reports whether the number of a closed reservation is its own.
func (ld *Loader) goodClosing(r *resvRecord) bool {
	q := &ld.l.closed
	if r.closing == 0 || r.closing >= q.tail || r.closedAt > ld.l.now {
		return false
	}
	chunk := q.chunks[r.closing/closedChunk]
	return chunk == nil || chunk[r.closing%closedChunk].ref == 0
}

// goodBlob reports whether an id and its refs can be taken apart.
func goodBlob(blob []byte, row *resvRow) bool {
	if row.flags&hasRefs == 0 {
		return len(blob) <= MaxIDBytes
	}
	n := 0
	for ; len(blob) > 0; n++ {
		if size := int(blob[0]); size >= len(blob) || n == 0 && size == 0 {
			return false
		}
		blob = blob[1+int(blob[0]):]
	}
	return n == int(row.lines)+1
}

func (ld *Loader) loadAnswer() {
	var r answerRow
	answerWire(&ld.x, &r)
	l := ld.l
	good := l.remember.tail < ld.meta.tail && r.refusal < refusalEnd && !r.key.IsZero()
	if !ld.ok(good, "there are more answers than the head says, or one has no key or an unknown verdict") {
		return
	}
	n := l.appendAnswer(r)
	l.shards[l.shardOf(r.key.Hi)].results.put(r.key.Lo, uint32(n))
	l.digest.add(hashAnswer(&r))
}

func (ld *Loader) loadRetired() {
	var r retiredRow
	n := retiredWire(&ld.x, 0, &r)
	t := &ld.l.retired
	good := n > 0 && n < t.tail && !r.key.IsZero() && states.valid(r.state)
	if good {
		chunk := t.chunks[n/retiredChunk]
		good = chunk == nil || chunk[n%retiredChunk].key.IsZero()
	}
	if ld.ok(good, "an id that has left memory has no key, or the number of another") {
		ld.l.putRetired(n, r)
	}
}

func (ld *Loader) loadKeyed() {
	r := &ld.keyed
	*r = keyedRecord{}
	r.wire(&ld.x)
	row := &r.row
	withText := r.expires != 0
	good := row.version > 0 && row.version <= ld.l.index && row.table > 0 && row.flags&^keepsBody == 0 &&
		r.expires >= 0 && withText == (len(r.text) > 0) && len(r.text) <= MaxKeyBytes &&
		ld.l.findKeyed(row.key) == 0 && !row.key.IsZero() &&
		(!withText || keyOfRecord(row.table, aliasText(r.text)) == row.key)
	if ld.ok(good, "a record is not whole, or there twice") {
		ld.l.loadKeyed(r)
	}
}
