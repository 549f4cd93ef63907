package engine

import (
	"encoding/binary"
	"unsafe"
)

// Rows lie where their hashes put them, so a command's first look at each is a wait for the memory,
// and most of apply's time at a million SKUs. The looks of different commands do not depend on each
// other: touch makes those of a window of reserves ahead of their turn, stage by stage, and the
// processor waits for all of a stage at once. It changes nothing and decides nothing.

// touchWindow is how many ops are looked at ahead: enough for the ten or so loads that a core has on
// their way at a time, few enough that what was loaded is still in its cache when its turn comes.
const touchWindow = 32

// toucher remembers how far the entry was touched.
type toucher struct {
	rest  []byte // ops that were not touched yet
	ready int    // ops that were touched and not yet run
	sink  uint64 // keeps the loads from being optimised away
	skus  [touchWindow]uint32
	stock [touchWindow]stockRef
}

func (t *toucher) begin(ops []byte) { t.rest, t.ready = ops, 0 }

// touch looks ahead once the window is used up.
func (l *Ledger) touch() {
	t := &l.work.touch
	if t.ready > 0 {
		t.ready--
		return
	}
	n := 0
	for ; n < touchWindow && len(t.rest) > 0; n++ {
		head, body, rest, err := splitOp(t.rest)
		if err != nil {
			t.rest = nil
			break
		}
		t.rest, t.skus[n] = rest, 0
		if head.kind == kindReserve {
			l.touchReserve(t, n, body)
		}
	}
	for _, sku := range t.skus[:n] {
		if sku != 0 {
			t.sink += l.sku(sku).hash
		}
	}
	for i, sku := range t.skus[:n] {
		if t.stock[i] = 0; sku != 0 {
			if t.stock[i] = l.sku(sku).stock; t.stock[i] != 0 {
				t.sink += uint64(l.stockAt(t.stock[i]).parts)
			}
		}
	}
	for _, ref := range t.stock[:n] {
		if ref == 0 {
			continue
		}
		if first := l.stockAt(ref).parts; first != 0 {
			t.sink += uint64(l.partAt(first).next)
		}
	}
	t.ready = n - 1
}

// touchReserve looks at the bucket of a reserve's id, and finds the number of its first line's SKU.
func (l *Ledger) touchReserve(t *toucher, n int, body []byte) {
	id, body := skipText(body)
	if len(id) == 0 {
		return
	}
	h := hashID(id)
	x := &l.shards[l.shardOf(h)].byID
	if x.count > 0 {
		t.sink += uint64(x.bucket(x.home(uint32(h))).slots[0])
	}
	_, body = skipText(body) // channel
	if len(body) < 4 {
		return
	}
	body = body[3:] // mode, partial, commit
	for range 2 {   // ttl, number of lines
		_, size := binary.Uvarint(body)
		if size <= 0 {
			return
		}
		body = body[size:]
	}
	sku, _ := skipText(body)
	if number, ok := Name(sku).number(); ok && number < l.names.skuNext {
		t.skus[n] = number
	}
}

// skipText cuts a text off the front of b, which it shares.
func skipText(b []byte) (text string, rest []byte) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return "", nil
	}
	return unsafe.String(unsafe.SliceData(b[n:]), int(size)), b[n+int(size):]
}
