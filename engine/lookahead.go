package engine

import (
	"encoding/binary"
	"unsafe"
)

// Rows lie where their hashes put them, so a command's first look at each is a wait for the memory,
// and much of apply's time at a million SKUs. The looks of different commands do not depend on each
// other: the look-ahead reads a window of ops before their turn and makes the first looks of the plain
// reserves among them, stage by stage, so that the processor waits for all of a stage at once. It
// changes nothing and decides nothing.

// window is how many ops are looked at ahead: enough for the ten or so loads that a core has on their
// way at a time, few enough that what was loaded is still in its cache when its turn comes.
const window = 32

// lookahead is the ops of an entry, and the window of those that were read.
type lookahead struct {
	rest []byte // ops that were not read yet
	next int    // the next op of the window
	end  int    // of the window
	sink uint64 // keeps the loads from being optimised away
	ops  [window]seenOp
}

// seenOp is an op that was split from the entry, and read if it is a plain reserve.
type seenOp struct {
	head    opHead
	body    []byte
	err     error
	isPlain bool
	plain   plainReserve
}

func (a *lookahead) begin(ops []byte) { a.rest, a.next, a.end = ops, 0, 0 }

// nextOp returns the next op of the entry; it is valid until the next one.
func (l *Ledger) nextOp() *seenOp {
	a := &l.work.ahead
	if a.next == a.end {
		l.look(a)
	}
	a.next++
	return &a.ops[a.next-1]
}

// look fills the window.
func (l *Ledger) look(a *lookahead) {
	n := 0
	for n < window && (len(a.rest) > 0 || n == 0) {
		op := &a.ops[n]
		n++
		if op.head, op.body, a.rest, op.err = splitOp(a.rest); op.err != nil {
			op.isPlain = false
			break
		}
		op.isPlain = op.head.kind == kindReserve && op.plain.read(op.body)
		op.plain.key = op.head.key
	}
	a.next, a.end = 0, n
	l.lookAtStock(a, a.ops[:n])
}

// lookAtStock touches the SKUs of the window, then a stock row of each, then what that row lists.
func (l *Ledger) lookAtStock(a *lookahead, ops []seenOp) {
	for i := range ops {
		if p := &ops[i].plain; ops[i].isPlain {
			a.sink += l.shards[l.shardOf(p.hash)].byID.touch(p.hash)
			if !p.key.IsZero() {
				a.sink += l.shards[l.shardOf(p.key.Hi)].results.touch(p.key.Lo)
			}
		}
	}
	var stock [window]stockRef
	for i := range ops {
		if p := &ops[i].plain; ops[i].isPlain && p.sku < l.names.skuNext {
			stock[i] = l.sku(p.sku).stock
		}
	}
	var parts [window]partRef
	for i, ref := range stock[:len(ops)] {
		if ref != 0 {
			parts[i] = l.stockAt(ref).parts
		}
	}
	for _, ref := range parts[:len(ops)] {
		if ref != 0 {
			a.sink += uint64(l.partAt(ref).next)
		}
	}
}

// plainReserve is what nearly every command of a sale is: a reserve of one line of a SKU that the
// leader knew by number, without a location or a ref. It is valid as [Validate] means it.
type plainReserve struct {
	key          Key
	id           string // shares the entry's bytes
	hash         uint64 // of the id
	channel, sku uint32
	qty, ttl     int64
	mode         Mode
	commit       bool
}

// read reads the body of a reserve; false when it is not a plain one, whatever else it is.
func (p *plainReserve) read(b []byte) bool {
	size := 0
	if len(b) > 0 {
		size = int(b[0])
	}
	if size == 0 || size > MaxIDBytes-1 || len(b) < 1+size {
		return false // an id of 128 bytes has a longer length; it takes the long way
	}
	p.id = aliasText(b[1 : 1+size])
	b = b[1+size:]
	var ok bool
	if p.channel, b, ok = cutNumber(b); !ok || len(b) < 3 {
		return false
	}
	p.mode, p.commit = Mode(b[0]), b[2] == 1
	if !modes.valid(p.mode) || b[1] != 0 || b[2] > 1 {
		return false
	}
	if p.ttl, b = cutInt(b[3:]); p.ttl != 0 && (p.ttl < MinTTL || p.ttl > MaxTTL) {
		return false
	}
	if len(b) == 0 || b[0] != 1 { // lines
		return false
	}
	if p.sku, b, ok = cutNumber(b[1:]); !ok || len(b) == 0 || b[0] != 0 { // location
		return false
	}
	if p.qty, b = cutInt(b[1:]); p.qty < 1 || p.qty > MaxQty {
		return false
	}
	if len(b) != 1 || b[0] != 0 || !printableASCII(p.id) { // ref
		return false
	}
	p.hash = hashID(p.id)
	return true
}

// cutNumber cuts a name in its numbered form off the front of b; ok is false when there is none.
func cutNumber(b []byte) (number uint32, rest []byte, ok bool) {
	if len(b) == 0 || int(b[0]) >= len(b) {
		return 0, nil, false
	}
	size := int(b[0])
	number, ok = Name(aliasText(b[1 : 1+size])).number()
	return number, b[1+size:], ok
}

// cutInt cuts a signed number off the front of b. Where there is none, what is left is empty.
func cutInt(b []byte) (v int64, rest []byte) {
	u, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil
	}
	return int64(u>>1) ^ -int64(u&1), b[n:]
}

// aliasText returns b as a string that shares its bytes.
func aliasText(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
