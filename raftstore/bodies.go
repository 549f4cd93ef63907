package raftstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/tidwall/btree"
	"github.com/zeebo/xxh3"

	"holdfast/engine"
)

// ErrNoBody says that a body of just that version is not here: it was never made, it was discarded,
// or it has not come yet after an install.
var ErrNoBody = errors.New("no such body")

// BodyRow is a body as it is kept: a table and a key under a version, which is the index of the entry
// that made it.
type BodyRow struct {
	Key     []byte // one byte of engine.BodyTable, then the body's key
	Version uint64
	Value   []byte // empty: what was there is forgotten
}

// BodyState says how far bodies are.
type BodyState struct {
	DirtyBytes int64  // in memory only
	Through    uint64 // every body of an entry up to this one is durable here
	// Missing is the index up to which bodies must still come from another node; 0: none are.
	Missing uint64
}

// rowKey is the key of a body as it is kept. Nothing sorts before bodyTableMin but the marker.
func rowKey(t engine.BodyTable, key []byte) []byte {
	return append(append(make([]byte, 0, 1+len(key)), byte(t)), key...)
}

// markerKey is the row that says BodyState.Through. No table has number 0.
var markerKey = []byte{0}

// sealBody is what is kept of a body: a checksum over key, version and value, then the value. Badger
// checks what it reads from its tables, not what it reads back from its log after a crash.
func sealBody(key []byte, version uint64, value []byte) []byte {
	p := binary.LittleEndian.AppendUint64(make([]byte, 0, 8+len(value)), 0)
	p = append(p, value...)
	binary.LittleEndian.PutUint64(p, bodySum(key, version, value))
	return p
}

func bodySum(key []byte, version uint64, value []byte) uint64 {
	return xxh3.HashSeed(value, xxh3.HashSeed(key, version))
}

// openBody returns the value of what sealBody made. It fails when that was changed since.
func openBody(key []byte, version uint64, p []byte) ([]byte, error) {
	if len(p) < 8 || binary.LittleEndian.Uint64(p) != bodySum(key, version, p[8:]) {
		return nil, fmt.Errorf("the body %x of index %d is damaged", key, version)
	}
	return p[8:], nil
}

// dirtyBodies are the bodies that are in memory only, in the order of their entries, and how far the
// durable ones reach. Safe for concurrent use.
type dirtyBodies struct {
	mu struct {
		sync.Mutex
		queue   []BodyRow              // oldest first
		rows    *btree.BTreeG[BodyRow] // the same, by key and version; nil: none
		bytes   int64
		through uint64
		missing uint64
		// expected is the index at which the ledger was loaded or installed.
		expected uint64
	}
	// seen is what state says: every command that makes a body asks.
	seen struct{ bytes, through, missing atomic.Int64 }
}

// publishLocked shows what changed. Through comes before missing, which says whether it counts.
func (d *dirtyBodies) publishLocked() {
	d.seen.bytes.Store(d.mu.bytes)
	d.seen.through.Store(int64(d.mu.through))
	d.seen.missing.Store(int64(d.mu.missing))
}

// dirtyOverhead is about what a body takes beside its bytes.
const dirtyOverhead = 128

// put takes copies of the bodies of one entry. Those of an entry that is durable already, which
// replay makes again, are left out.
func (d *dirtyBodies) put(index uint64, bodies []engine.Body) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.publishLocked()
	if index <= d.mu.through {
		return
	}
	if d.mu.rows == nil {
		d.mu.rows = btree.NewBTreeGOptions(earlierBody, btree.Options{NoLocks: true})
	}
	size := 0
	for i := range bodies {
		size += 1 + len(bodies[i].Key) + len(bodies[i].Value)
	}
	room := make([]byte, 0, size) // one piece: they are written, and let go, together
	for i := range bodies {
		b, at := &bodies[i], len(room)
		room = append(append(room, byte(b.Table)), b.Key...)
		row := BodyRow{Key: room[at:len(room):len(room)], Version: index}
		if at = len(room); len(b.Value) > 0 {
			room = append(room, b.Value...)
			row.Value = room[at:len(room):len(room)]
		}
		d.mu.queue = append(d.mu.queue, row)
		d.mu.rows.Set(row)
		d.mu.bytes += row.size()
	}
}

// earlierBody is the order of keys, and of versions under one key.
func earlierBody(a, b BodyRow) bool {
	if c := bytes.Compare(a.Key, b.Key); c != 0 {
		return c < 0
	}
	return a.Version < b.Version
}

func (r *BodyRow) size() int64 { return int64(len(r.Key) + len(r.Value) + dirtyOverhead) }

// get returns a body that is in memory; known is false when none of that version is.
func (d *dirtyBodies) get(key []byte, version uint64) (value []byte, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.rows == nil {
		return nil, false
	}
	row, known := d.mu.rows.Get(BodyRow{Key: key, Version: version})
	return row.Value, known
}

// newest returns the newest body in memory up to a version; known is false when there is none.
func (d *dirtyBodies) newest(key []byte, version uint64) (row BodyRow, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.rows == nil {
		return row, false
	}
	d.mu.rows.Descend(BodyRow{Key: key, Version: version}, func(r BodyRow) bool {
		row, known = r, bytes.Equal(r.Key, key)
		return false
	})
	return row, known
}

// span is Bodies.List without the disk, and with what was forgotten.
func (d *dirtyBodies) span(q bodySpan) (rows []BodyRow, next []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.rows == nil {
		return nil, nil
	}
	looked, last := 0, []byte(nil) // the key that was looked at last
	d.mu.rows.Ascend(BodyRow{Key: q.from()}, func(r BodyRow) bool {
		if !bytes.HasPrefix(r.Key, q.prefix) {
			return false
		}
		n := len(rows)
		if !bytes.Equal(r.Key, last) {
			if n == q.limit || looked > spanLook {
				next = last
				return false
			}
			last = r.Key
		}
		switch looked++; {
		case r.Version > q.version:
		case n > 0 && bytes.Equal(rows[n-1].Key, r.Key):
			rows[n-1] = r
		default:
			rows = append(rows, r)
		}
		return true
	})
	return rows, next
}

// piece returns the oldest bodies of entries up to through, about most bytes of them.
func (d *dirtyBodies) piece(through uint64, most int64) []BodyRow {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, size := 0, int64(0)
	for n < len(d.mu.queue) && d.mu.queue[n].Version <= through &&
		(n == 0 || size+d.mu.queue[n].size() <= most) {
		size += d.mu.queue[n].size()
		n++
	}
	return d.mu.queue[:n:n]
}

// written lets go of a piece that was written, unless expect has dropped it meanwhile.
func (d *dirtyBodies) written(piece []BodyRow) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.publishLocked()
	if len(d.mu.queue) < len(piece) || &d.mu.queue[0].Key[0] != &piece[0].Key[0] {
		return
	}
	for i := range piece {
		d.mu.rows.Delete(piece[i])
		d.mu.bytes -= piece[i].size()
	}
	clear(d.mu.queue[:len(piece)])
	if d.mu.queue = d.mu.queue[len(piece):]; len(d.mu.queue) == 0 {
		d.mu.queue = nil
	}
}

// durable moves Through to where the marker stands.
func (d *dirtyBodies) durable(through uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.publishLocked()
	d.mu.through = max(d.mu.through, through)
}

// mark is where a flush up to through may put the marker; 0: nowhere.
func (d *dirtyBodies) mark(through uint64) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.missing != 0 || through <= d.mu.through {
		return 0
	}
	return through
}

// expect notes that the ledger is at index: bodies that are not durable here up to it are missing.
// What is dirty belongs to a ledger that is no more.
func (d *dirtyBodies) expect(index uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.publishLocked()
	d.mu.queue, d.mu.rows, d.mu.bytes = nil, nil, 0
	d.mu.expected = index
	if d.mu.missing = 0; index > d.mu.through {
		d.mu.missing = index
	}
}

// opened notes where the marker stands, which may be known only after the ledger was loaded.
func (d *dirtyBodies) opened(through uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.publishLocked()
	d.mu.through = through
	if d.mu.missing = 0; d.mu.expected > through {
		d.mu.missing = d.mu.expected
	}
}

// filled notes that nothing is missing any more, once the marker says so.
func (d *dirtyBodies) filled(through uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.publishLocked()
	d.mu.missing = 0
	d.mu.through = max(d.mu.through, through)
}

func (d *dirtyBodies) state() BodyState {
	missing := uint64(d.seen.missing.Load())
	return BodyState{DirtyBytes: d.seen.bytes.Load(), Through: uint64(d.seen.through.Load()),
		Missing: missing}
}
