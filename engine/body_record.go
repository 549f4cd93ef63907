package engine

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// RecordKey is the key of the body of a record, under BodyOfRecord: bodies stand in the order of table
// and key.
func RecordKey(table uint8, key string) []byte {
	return append(append(make([]byte, 0, 1+len(key)), table), key...)
}

// RecordBody is what the body of a record says of it.
type RecordBody struct {
	State   uint8
	Value   int64
	Expires int64 // ms since 1970; 0 is never
	Archive bool
	Body    []byte
}

// ReadRecordBody reads the body of a record, whose bytes it shares; ok is false when it is none.
func ReadRecordBody(p []byte) (r RecordBody, ok bool) {
	x := coder{mode: reading, b: p}
	r.wireHead(&x)
	r.Body = x.b
	return r, x.bad == ""
}

// wireHead codes what stands in front of the caller's bytes.
func (r *RecordBody) wireHead(x *coder) {
	codeByte(x, &r.State)
	x.bool(&r.Archive)
	x.int(&r.Value)
	x.int(&r.Expires)
}

// record adds the body of a record that was written.
func (w *bodyWriter) record(c *Put, value int64) {
	at := len(w.buf)
	b := append(append(w.buf, c.Table), c.Key...)
	end := len(b)
	archive := byte(0)
	if c.Archive {
		archive = 1
	}
	b = append(b, c.State, archive)
	b = binary.AppendUvarint(b, zigzag(value))
	b = binary.AppendUvarint(b, zigzag(c.Expires))
	b = append(b, c.Body...)
	w.buf = b
	w.list = append(w.list, Body{
		Table: BodyOfRecord, Key: b[at:end:end], Value: b[end:len(b):len(b)],
	})
}

// dropRecord adds that the body of a record goes.
func (w *bodyWriter) dropRecord(table uint8, key string) {
	at := len(w.buf)
	w.buf = append(append(w.buf, table), key...)
	w.list = append(w.list, Body{Table: BodyOfRecord, Key: w.buf[at:len(w.buf):len(w.buf)]})
	w.dropped = true
}

// leaveRecord notes a record that left memory, whose body stays.
func (w *bodyWriter) leaveRecord(table uint8, key string) {
	at := len(w.buf)
	w.buf = append(append(w.buf, table), key...)
	w.left = append(w.left, Body{Table: BodyOfRecord, Key: w.buf[at:len(w.buf):len(w.buf)]})
}

// hash is of a body's table and key.
func (b *Body) hash() Key { return nonZero(xxh3.Hash128Seed(b.Key, uint64(b.Table))) }

// finish returns the bodies of the entry. Of those under one key only the last is left, since all have
// the same version.
func (w *bodyWriter) finish() []Body {
	if !w.again {
		return w.list
	}
	if w.last == nil {
		w.last = map[Key]int{}
	}
	clear(w.last)
	for i := range w.list {
		w.last[w.list[i].hash()] = i
	}
	kept := w.list[:0]
	for i, b := range w.list {
		if w.last[b.hash()] == i {
			kept = append(kept, b)
		}
	}
	clear(w.list[len(kept):])
	w.list = kept
	return kept
}
