package engine

import "github.com/zeebo/xxh3"

// AppendOps appends encoded ops to dst, and where each ends to ends. Names that l knows are in their
// numbered form, which is shorter and spares every node the look-up; a nil l knows none.
//
// It reads the names of l and nothing else. So any number of goroutines may call it beside Apply of
// an entry that does not define ([Entry.Defines]), unlike all else of a Ledger. It does not matter
// when, nor on which node: a number says the name that had it, whatever that stands for when the op
// is applied.
func (l *Ledger) AppendOps(dst []byte, ends []int, ops []Op) ([]byte, []int) {
	var x coder
	for len(ops) > 0 {
		n := min(len(ops), window)
		if l != nil && n > 1 {
			l.lookAtNames(ops[:n])
		}
		for _, op := range ops[:n] {
			dst = appendOp(&x, dst, op, l)
			ends = append(ends, len(dst))
		}
		ops = ops[n:]
	}
	return dst, ends
}

// lookAtNames touches what finding the SKUs of reserves will touch, stage by stage, as the look-ahead
// of apply does. What it returns means nothing: it keeps the loads from being optimised away.
//
//go:noinline
func (l *Ledger) lookAtNames(ops []Op) (sink uint64) {
	var hashes [window]uint64
	for i := range ops {
		if c, ok := ops[i].Command.(*Reserve); ok && len(c.Lines) > 0 {
			hashes[i] = xxh3.HashString(string(c.Lines[0].SKU))
		}
	}
	for _, h := range hashes[:len(ops)] {
		if h != 0 {
			sink += l.shards[l.shardOf(h)].byName.touch(h)
		}
	}
	var rows [window]*skuRow
	for i, h := range hashes[:len(ops)] {
		if h == 0 {
			continue
		}
		if p := l.shards[l.shardOf(h)].byName.probe(h); p.next() {
			rows[i] = l.sku(p.slot)
			sink += rows[i].hash
		}
	}
	for _, row := range rows[:len(ops)] {
		if row != nil {
			if name := l.names.texts.at(row.name); len(name) > 0 {
				sink += uint64(name[0])
			}
		}
	}
	return sink
}

// Defines reports whether a command may change which names there are.
func Defines(c Command) bool {
	switch c.(type) {
	case *DefineSKU, *DefineLocation, *DefineChannel, *Delete:
		return true
	}
	return false
}
