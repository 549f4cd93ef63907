package engine

import (
	"math"
	"unsafe"

	"github.com/zeebo/xxh3"
)

// retired are the reservations that have left memory: what is kept of each to know its id again, and
// to know its body when it comes back. They are a queue in the order in which they left, with an
// index by id in the shards; those that came back left a hole, and the oldest are forgotten first.
type retired struct {
	head, tail uint64 // numbers head to tail-1; head is known, or there is none and head is tail
	count      int64
	chunks     map[uint64]*[retiredChunk]retiredRow
	pinned     uint64 // numbers from this one on are kept for a running sweep; 0: none
	firstChunk uint64 // the first chunk that is kept
}

const retiredChunk = 4096

// retiredRow is one of them, 48 bytes. The zero key is a hole.
type retiredRow struct {
	key     Key    // of its id, see keyOfID
	version uint64 // index of the entry with which it left: the version of its body
	content uint64 // hash of what was asked, for the same id asked again
	check   uint64 // hash of its record
	ended   uint32 // when it was last changed, in seconds since 1970
	state   State
	flags   resvFlags
	_       [2]byte
}

// MaxRetire is how many reservations one Retire takes out of memory, and how many it forgets.
const MaxRetire = 1000

// retireBytes bounds the bodies that one Retire makes, for those with many lines.
const retireBytes = 256 << 10

// maxRetired keeps the low halves of the numbers apart.
const maxRetired = 1 << 31

// keyOfID makes 128 bits of an id that hashes to h: two hashes that are not made of each other.
func keyOfID(id string, h uint64) Key { return nonZero(xxh3.Uint128{Hi: h, Lo: hashIDAgain(id)}) }

func hashIDAgain(id string) uint64 { return xxh3.HashStringSeed(id, 0x9e3779b97f4a7c15) }

func (t *retired) at(n uint64) *retiredRow { return &t.chunks[n/retiredChunk][n%retiredChunk] }

// number turns the low 32 bits of a number into the whole.
func (t *retired) number(slot uint32) uint64 {
	n := t.head&^(1<<32-1) | uint64(slot)
	if n < t.head {
		n += 1 << 32
	}
	return n
}

// findRetired returns the number of the reservation that left memory under an id that hashes to h, or 0.
func (l *Ledger) findRetired(id string, h uint64) uint64 {
	if l.retired.count == 0 {
		return 0
	}
	again := uint64(0)
	for p := l.shards[l.shardOf(h)].byOldID.probe(h); p.next(); {
		n := l.retired.number(p.slot)
		row := l.retired.at(n)
		if row.key.Hi != h {
			continue
		}
		if again == 0 {
			again = keyOfID(id, h).Lo
		}
		if row.key.Lo == again {
			return n
		}
	}
	return 0
}

// put adds a row under a number, which is not taken.
func (l *Ledger) putRetired(n uint64, row retiredRow) {
	t := &l.retired
	chunk := t.chunks[n/retiredChunk]
	if chunk == nil {
		if t.chunks == nil {
			t.chunks = map[uint64]*[retiredChunk]retiredRow{}
		}
		chunk = new([retiredChunk]retiredRow)
		t.chunks[n/retiredChunk] = chunk
	}
	chunk[n%retiredChunk] = row
	t.head = min(t.head, n)
	t.count++
	l.shards[l.shardOf(row.key.Hi)].byOldID.put(row.key.Hi, uint32(n))
	l.digest.add(hashRetired(n, &row))
}

// dropRetired takes a row out; a running sweep that has not come to it gets it first.
func (l *Ledger) dropRetired(n uint64) {
	t, row := &l.retired, l.retired.at(n)
	if s := l.sweep; s != nil && n >= s.retired && n < s.retiredTail {
		s.save(retiredTable, 0, func() { retiredWire(&s.x, n, row) })
	}
	l.digest.remove(hashRetired(n, row))
	l.shards[l.shardOf(row.key.Hi)].byOldID.drop(row.key.Hi, uint32(n))
	*row = retiredRow{}
	if t.count--; n == t.head {
		for t.head < t.tail && t.gone(t.head) {
			t.head++
		}
		t.trim()
	}
}

// gone reports whether a number from the head on is a hole; its chunk may never have been made.
func (t *retired) gone(n uint64) bool {
	chunk := t.chunks[n/retiredChunk]
	return chunk == nil || chunk[n%retiredChunk].key.IsZero()
}

// trim frees the chunks that neither the ledger nor a running sweep needs.
func (t *retired) trim() {
	until := t.head
	if t.pinned != 0 {
		until = min(until, t.pinned)
	}
	for ; (t.firstChunk+1)*retiredChunk <= until; t.firstChunk++ {
		delete(t.chunks, t.firstChunk)
	}
}

func hashRetired(n uint64, row *retiredRow) uint64 {
	h := mixPairs(row.key.Hi, row.key.Lo, row.version, row.content)
	h = mixPairs(h, row.check, n, uint64(row.ended)<<32|uint64(row.state)<<8|uint64(row.flags))
	return mixWide(h, 'O')
}

// retiredWire codes a row with its number, since rows that were dropped during a sweep come late.
func retiredWire(x *coder, n uint64, r *retiredRow) uint64 {
	x.uint(&n)
	x.uint(&r.key.Hi)
	x.uint(&r.key.Lo)
	x.uint(&r.version)
	x.uint(&r.content)
	x.uint(&r.check)
	numberWire(x, &r.ended)
	codeByte(x, &r.state)
	codeByte(x, &r.flags)
	return n
}

// NextRetire returns the ledger time, in ms since 1970, at which a Retire has something to do; ok is
// false while there is nothing to wait for.
func (l *Ledger) NextRetire() (ms int64, ok bool) {
	ms = math.MaxInt64
	if l.closed.head < l.closed.tail && l.retired.room() {
		ms = l.closed.at(l.closed.head).at + l.limits.ClosedAfter
	}
	if l.retired.count > 0 {
		ms = min(ms, l.forgetAt(l.retired.at(l.retired.head)))
	}
	return ms, ms != math.MaxInt64
}

func (t *retired) room() bool { return t.tail-t.head < maxRetired }

// forgetAt is when an id is forgotten: its second has passed, and then IDMemory.
func (l *Ledger) forgetAt(row *retiredRow) int64 {
	return (int64(row.ended)+1)*1000 + l.limits.IDMemory
}

// retire takes closed reservations out of memory, and forgets ids, the oldest first.
func (l *Ledger) retire(c *Retire) {
	made := len(l.bodies.buf)
	for range c.Count {
		if l.closed.head == l.closed.tail || !l.retired.room() ||
			len(l.bodies.buf)-made >= retireBytes || l.work.load > entryLoad {
			break
		}
		first := l.closed.at(l.closed.head)
		if first.at > l.now-l.limits.ClosedAfter {
			break
		}
		l.retireOne(first.ref, first.at)
	}
	for range c.Count {
		if l.retired.count == 0 {
			return
		}
		row := l.retired.at(l.retired.head)
		if l.forgetAt(row) > l.now {
			return
		}
		l.bodies.again = l.bodies.again || row.version == l.index // it left in this very entry
		l.bodies.add(BodyOfReservation, row.key.bytes(), nil)
		l.dropRetired(l.retired.head)
	}
}

// retireOne makes a body of a reservation and keeps only what knows it again.
func (l *Ledger) retireOne(ref resvRef, ended int64) {
	id := l.idOf(l.shardOfResv(ref), l.resvAt(ref))
	row := retiredRow{
		key: keyOfID(id, hashID(id)), version: l.index, content: l.resvAt(ref).content,
		ended: uint32(min(max(0, ended/1000), math.MaxUint32)), state: l.stateOfResv(ref),
		flags: l.resvAt(ref).flags & isMirror,
	}
	l.openResv(ref)
	r := &l.work.record
	l.resvRecord(r, ref)
	l.work.load += int64(len(r.parts)) + 1
	x := &l.work.coder
	*x = coder{mode: writing, b: l.work.blob[:0]}
	r.wire(x)
	l.work.blob = x.b
	row.check = checkOf(x.b)
	l.bodies.add(BodyOfReservation, row.key.bytes(), x.b)
	l.eraseResv(ref)
	n := l.retired.tail
	l.retired.tail++
	l.putRetired(n, row)
}

// checkOf is what is kept of a record to know it again.
func checkOf(record []byte) uint64 { return mixWide(xxh3.Hash(record), uint64(len(record))) }

// revive brings a reservation back from its body. One that is there, or left again since, stays as
// it is: then the body was read too early, and whoever asks looks again.
func (l *Ledger) revive(c *Revive, v *verdict) {
	h := hashID(c.ID)
	n := l.findRetired(c.ID, h)
	if n == 0 || l.retired.at(n).version != c.Version {
		return
	}
	r := &l.work.record
	if checkOf(c.Record) != l.retired.at(n).check || !readRecord(r, c.Record) ||
		!l.knowsNames(r) || idOfRecord(r) != c.ID {
		v.refuse(ReservationClosed, field{leaf: "id"})
		return
	}
	l.work.load += int64(len(r.parts)) + 1
	l.dropRetired(n)
	r.row.epoch = l.epoch
	l.loadResv(r)
}

// readRecord reads the record of a reservation; false when it is none.
func readRecord(r *resvRecord, b []byte) bool {
	r.row = resvRow{}
	x := coder{mode: reading, b: b}
	r.wire(&x)
	return x.bad == "" && len(x.b) == 0 && goodBlob(r.blob, &r.row) && len(r.blob) > 0
}

// idOfRecord is the id of a record; the text is valid as long as the record's bytes.
func idOfRecord(r *resvRecord) string {
	id := unsafe.String(unsafe.SliceData(r.blob), len(r.blob))
	if r.row.flags&hasRefs != 0 {
		id = id[1 : 1+int(id[0])]
	}
	return id
}

// away refuses a verb on a reservation that has left memory, and reports whether it has.
func (l *Ledger) away(id string, v *verdict) bool {
	n := l.findRetired(id, hashID(id))
	if n == 0 {
		return false
	}
	v.body = l.retired.at(n).version
	v.refuse(ReservationClosed, field{leaf: "id"})
	return true
}

// known finds the reservation of an answer, in memory or as a body.
func (l *Ledger) known(id string, v *verdict) {
	h := hashID(id)
	if v.resv = l.findHashed(id, h); v.resv != 0 {
		return
	}
	if n := l.findRetired(id, h); n != 0 {
		v.body = l.retired.at(n).version
	}
}

// awayIn returns the place of the first op of a group that acts on a reservation which has left
// memory, or -1.
func (l *Ledger) awayIn(g *Group) int {
	if l.retired.count == 0 {
		return -1
	}
	for i, op := range g.Ops {
		if id := ActsOn(op); id != "" && l.findRetired(id, hashID(id)) != 0 {
			return i
		}
	}
	return -1
}

// ActsOn returns the id of the reservation that a command acts upon, which must be in memory for
// that; "" for commands that do not, among them Reserve, and Group, whose ops have their own.
func ActsOn(c Command) string {
	switch c := c.(type) {
	case *Add:
		return c.ID
	case *Extend:
		return c.ID
	case *Commit:
		return c.ID
	case *Release:
		return c.ID
	case *Ship:
		return c.ID
	case *Return:
		return c.ID
	case *Transfer:
		return c.ID
	case *Mirror:
		return c.ID
	}
	return ""
}

// Retired returns the version of the body of a reservation that has left memory; ok is false when it
// is in memory, or unknown.
func (l *Ledger) Retired(id string) (version uint64, ok bool) {
	n := l.findRetired(id, hashID(id))
	if n == 0 {
		return 0, false
	}
	return l.retired.at(n).version, true
}

// AnyRetired reports whether any reservation has left memory.
func (l *Ledger) AnyRetired() bool { return l.retired.count > 0 }
