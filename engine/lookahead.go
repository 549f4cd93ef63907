package engine

// Rows lie where their hashes put them, so a command's first look at each is a wait for the memory,
// and much of apply's time at a million SKUs. The looks of different commands do not depend on each
// other: the look-ahead reads a window of ops before their turn and makes the first looks of the plain
// reserves among them, stage by stage, so that the processor waits for all of a stage at once. What it
// knows of an op is in the entry's bytes: the rows are only touched.

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
			a.sink += l.shards[l.shardOf(p.hash)].byOldID.touch(p.hash)
			if !p.key.IsZero() {
				a.sink += l.shards[l.shardOf(p.key.Hi)].results.touch(p.key.Lo)
			}
			if p.sku < l.names.skuNext {
				a.sink += uint64(l.sku(p.sku).more)
			}
		}
	}
	var stock [window]stockRef
	for i := range ops {
		p := &ops[i].plain
		if !ops[i].isPlain {
			continue
		}
		a.sink += l.shards[l.shardOf(p.hash)].byID.touchOver(p.hash)
		if p.sku < l.names.skuNext {
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
