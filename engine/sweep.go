package engine

import (
	"encoding/binary"
	"slices"
)

// Sweep is a pass over the state of one cut, in blocks, while entries go on being applied.
//
// Every row has an epoch. A cut begins a new one, so that exactly the rows that were there at the cut
// are of an older one. Whoever reaches such a row first writes it down as it was at the cut and
// brings it into the new epoch: the sweep on its way, or apply, just before it changes the row for
// the first time (a before-image). A row that is made after the cut is of the new epoch from the
// start. So each row of the cut is written exactly once, as it was, and nothing else is.
type Sweep struct {
	Index  uint64 // of the last entry that the cut contains
	Digest uint64 // of the state at the cut

	l       *Ledger
	front   []Block // meta, locations, channels
	table   tableID
	shard   int
	slot    uint32
	number  uint32               // of the next block of this table and shard
	images  map[imageID][][]byte // pieces of about a block
	pending int
	answer  uint64 // next to write
	tail    uint64
	retired uint64 // next to write
	// retiredTail is where those end that were there at the cut.
	retiredTail uint64
	marks       []rememberedMark
	shorts      []rememberedShort
	x           coder
	resv        resvRecord
	stock       stockRecord
	sku         skuRecord
	keyed       keyedRecord
	done        bool
}

// Block is one packed block of a checkpoint. Keys ascend from block to block.
type Block struct{ Key, Value []byte }

// tableID is the first byte of a block's key.
type tableID uint8

const (
	metaTable tableID = iota + 1
	locationTable
	channelTable
	skuTable
	stockTable
	resvTable
	answerTable
	markTable
	shortTable
	retiredTable
	keyedTable
	tableEnd
)

type imageID struct {
	table tableID
	shard int
}

// blockBytes is about how large a block is. Copying one takes some 30 µs, for which the owner of the
// ledger holds its lock.
const blockBytes = 32 << 10

// Cut begins a sweep of the state as it is now. It copies no table; its cost is linear in the number
// of locations and channels. Only one sweep can run at a time: Cut closes one that does.
func (l *Ledger) Cut() *Sweep {
	if l.sweep != nil {
		l.sweep.Close()
	}
	if l.epoch++; l.epoch == 0 {
		l.epoch = 1 // every row is of epoch 255, or was left behind by a sweep that was given up
		l.ageRows()
	}
	m := &l.remember
	s := &Sweep{
		Index: l.index, Digest: l.Digest(), l: l, table: skuTable, slot: 1,
		images: map[imageID][][]byte{}, answer: m.head, tail: m.tail,
		marks: slices.Clip(m.marks), shorts: slices.Clip(m.shorts),
		retired: l.retired.head, retiredTail: l.retired.tail,
	}
	m.pinned, l.retired.pinned = m.head, l.retired.head
	s.writeFront()
	l.sweep = s
	return s
}

// ageRows brings every row into epoch 0, once in 255 cuts.
func (l *Ledger) ageRows() {
	for i := range l.shards {
		sh := &l.shards[i]
		for slot := uint32(1); slot < sh.skus.end(); slot++ {
			sh.skus.at(slot).epoch = 0
		}
		for slot := uint32(1); slot < sh.stock.end(); slot++ {
			sh.stock.at(slot).epoch = 0
		}
		for slot := uint32(1); slot < sh.resv.end(); slot++ {
			sh.resv.at(slot).epoch = 0
		}
		for slot := uint32(1); slot < sh.keyed.end(); slot++ {
			sh.keyed.at(slot).epoch = 0
		}
	}
}

// Pending is the bytes of before-images that wait in memory for their place in the order. The owner
// must let the sweep catch up before it applies more, when they pass its bound.
func (s *Sweep) Pending() int { return s.pending }

// Next returns the next block; ok is false at the end. The caller owns the block.
func (s *Sweep) Next() (b Block, ok bool) {
	if len(s.front) > 0 {
		b, s.front = s.front[0], s.front[1:]
		return b, true
	}
	for !s.done && s.table < tableEnd {
		b := s.step()
		if len(b.Value) > 0 {
			return b, true
		}
	}
	s.Close()
	return Block{}, false
}

// Close ends the sweep, finished or not. It may be called more than once.
func (s *Sweep) Close() {
	if s.done {
		return
	}
	s.done = true
	s.images, s.pending = nil, 0
	s.l.remember.pinned = 0
	s.l.remember.trim()
	s.l.retired.pinned = 0
	s.l.retired.trim()
	if s.l.sweep == s {
		s.l.sweep = nil
	}
}

// step writes the next block of the present table and shard, which may be empty, and goes on to the
// next one when there is no more.
func (s *Sweep) step() Block {
	table, shard, number := s.table, s.shard, s.number
	s.x = coder{mode: writing, b: make([]byte, 0, blockBytes+blockBytes/8)}
	more := false
	switch table {
	case skuTable, stockTable, resvTable, keyedTable:
		if more = s.rows(); !more && len(s.x.b) == 0 {
			more = s.image(imageID{table, shard})
		} else if !more {
			more = len(s.images[imageID{table, shard}]) > 0
		}
	case answerTable:
		more = s.answers()
	case markTable:
		s.marks, more = writeSome(s, s.marks, rememberedMarkWire)
	case shortTable:
		s.shorts, more = writeSome(s, s.shorts, rememberedShortWire)
	case retiredTable:
		if more = s.olds(); !more && len(s.x.b) == 0 {
			more = s.image(imageID{table, shard})
		} else if !more {
			more = len(s.images[imageID{table, shard}]) > 0
		}
	}
	if s.number++; !more {
		s.number, s.slot = 0, 1
		if s.shard++; s.shard == len(s.l.shards) || table >= answerTable && table != keyedTable {
			s.table, s.shard = s.table+1, 0
		}
	}
	return Block{Key: blockKey(table, shard, number), Value: s.x.b}
}

// image writes the next piece of before-images; false when there are no more behind it.
func (s *Sweep) image(id imageID) (more bool) {
	pieces := s.images[id]
	if len(pieces) == 0 {
		return false
	}
	s.x.b = append(s.x.b, pieces[0]...)
	s.pending -= len(pieces[0])
	s.images[id] = pieces[1:]
	return len(pieces) > 1
}

func blockKey(t tableID, shard int, number uint32) []byte {
	k := append(make([]byte, 0, 7), byte(t))
	k = binary.BigEndian.AppendUint16(k, uint16(shard))
	return binary.BigEndian.AppendUint32(k, number)
}

// rows writes rows of the present shard until a block is full; false when there are no more.
func (s *Sweep) rows() (more bool) {
	sh, epoch := &s.l.shards[s.shard], s.l.epoch
	for ; len(s.x.b) < blockBytes; s.slot++ {
		switch s.table {
		case skuTable:
			if s.slot >= sh.skus.end() {
				return false
			}
			number := (s.slot-1)<<s.l.bits | uint32(s.shard)
			if row := sh.skus.at(s.slot); row.name != 0 && row.epoch != epoch {
				row.epoch = epoch
				s.putSKU(number, row)
			}
		case stockTable:
			if s.slot >= sh.stock.end() {
				return false
			}
			if row := sh.stock.at(s.slot); row.sku != 0 && row.epoch != epoch {
				row.epoch = epoch
				s.putStock(row)
			}
		case keyedTable:
			if s.slot >= sh.keyed.end() {
				return false
			}
			if row := sh.keyed.at(s.slot); row.version != 0 && row.epoch != epoch {
				row.epoch = epoch
				s.putKeyed(row)
			}
		default:
			if s.slot >= sh.resv.end() {
				return false
			}
			if row := sh.resv.at(s.slot); row.seq != 0 && row.epoch != epoch {
				row.epoch = epoch
				s.putResv(resvRef(s.l.makeRef(s.slot, uint32(s.shard))))
			}
		}
	}
	return true
}

func (s *Sweep) putSKU(number uint32, row *skuRow) {
	s.l.skuRecord(&s.sku, number, row)
	s.sku.wire(&s.x)
}

func (s *Sweep) putStock(row *stockRow) {
	if row.blank() {
		return
	}
	s.l.stockRecord(&s.stock, row)
	s.stock.wire(&s.x)
}

func (s *Sweep) putResv(ref resvRef) {
	s.l.resvRecord(&s.resv, ref)
	s.resv.wire(&s.x)
}

func (s *Sweep) putKeyed(row *keyedRow) {
	s.l.keyedRecord(&s.keyed, row)
	s.keyed.wire(&s.x)
}

// answers writes remembered answers until a block is full; false when there are no more.
func (s *Sweep) answers() (more bool) {
	m := &s.l.remember
	for s.answer < s.tail && len(s.x.b) < blockBytes {
		answerWire(&s.x, m.at(s.answer))
		s.answer++
	}
	m.pinned = s.answer
	m.trim()
	return s.answer < s.tail
}

// olds writes the rows of what has left memory until a block is full; false when there are no more.
func (s *Sweep) olds() (more bool) {
	t := &s.l.retired
	for s.retired < s.retiredTail && len(s.x.b) < blockBytes {
		if !t.gone(s.retired) {
			retiredWire(&s.x, s.retired, t.at(s.retired))
		}
		s.retired++
	}
	t.pinned = s.retired
	t.trim()
	return s.retired < s.retiredTail
}

func writeSome[T any](s *Sweep, list []T, wire func(*coder, *T)) (rest []T, more bool) {
	for len(list) > 0 && len(s.x.b) < blockBytes {
		wire(&s.x, &list[0])
		list = list[1:]
	}
	return list, len(list) > 0
}

// The before-images. A row is saved by the first change after the cut; without a sweep it only comes
// into the present epoch.

func (l *Ledger) saveSKU(number uint32, row *skuRow) {
	row.epoch = l.epoch
	if s := l.sweep; s != nil {
		s.save(skuTable, number&l.shardMask(), func() { s.putSKU(number, row) })
	}
}

func (l *Ledger) saveStock(ref stockRef, row *stockRow) {
	row.epoch = l.epoch
	if s := l.sweep; s != nil {
		s.save(stockTable, uint32(ref)&l.shardMask(), func() { s.putStock(row) })
	}
}

func (l *Ledger) saveResv(ref resvRef, row *resvRow) {
	row.epoch = l.epoch
	if s := l.sweep; s != nil {
		s.save(resvTable, uint32(ref)&l.shardMask(), func() { s.putResv(ref) })
	}
}

func (l *Ledger) saveKeyed(ref keyedRef, row *keyedRow) {
	row.epoch = l.epoch
	if s := l.sweep; s != nil {
		s.save(keyedTable, uint32(ref)&l.shardMask(), func() { s.putKeyed(row) })
	}
}

func (s *Sweep) save(table tableID, shard uint32, put func()) {
	id := imageID{table, int(shard)}
	pieces := s.images[id]
	if n := len(pieces); n == 0 || len(pieces[n-1]) >= blockBytes {
		pieces = append(pieces, nil)
	}
	last := &pieces[len(pieces)-1]
	s.x = coder{mode: writing, b: *last}
	put()
	s.pending += len(s.x.b) - len(*last)
	*last, s.x.b = s.x.b, nil
	s.images[id] = pieces
}
