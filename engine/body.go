package engine

import "encoding/binary"

// BodyTable says what a body is of. The numbers are in the bodies' keys on the disk.
type BodyTable uint8

// The tables of bodies.
const (
	BodyOfReservation BodyTable = iota + 1 // a reservation that has left memory; see ReservationKey
	BodyOfAudit                            // a change of definitions or limits; see AuditKey
	BodyOfRecord                           // a record, by RecordKey; see RecordBody
)

// Body is what an entry puts aside, to be kept on the disk: apply never reads it again. Its version
// is the index of the entry. Equal entries make equal bodies on every node.
type Body struct {
	Table BodyTable
	Key   []byte
	Value []byte // empty: what was there is forgotten
}

// bodyWriter collects the bodies of an entry.
type bodyWriter struct {
	list []Body
	left []Body // keys alone
	buf  []byte // when it grows, those before keep the old room

	dropped bool        // the body of a record goes
	again   bool        // a key may have two bodies
	last    map[Key]int // for finish
}

func (w *bodyWriter) begin() {
	w.list, w.left, w.buf = w.list[:0], w.left[:0], w.buf[:0]
	w.dropped, w.again = false, false
}

func (w *bodyWriter) add(t BodyTable, key, value []byte) {
	at := len(w.buf)
	w.buf = append(append(w.buf, key...), value...)
	end := at + len(key)
	w.list = append(w.list, Body{
		Table: t, Key: w.buf[at:end:end], Value: w.buf[end:len(w.buf):len(w.buf)],
	})
}

// bytes is a key in the order in which bodies are kept.
func (k Key) bytes() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, k.Hi), k.Lo)
}

// ReservationKey is the key of the body of the reservation with an id.
func ReservationKey(id string) []byte { return keyOfID(id, hashID(id)).bytes() }

// AuditKey is the key of the body of op place, from 0, of an entry: keys ascend in log order.
func AuditKey(index uint64, place int) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, index), uint32(place))
}

// audit puts aside an op that changed definitions or limits: what was said, and when. It is the op of
// the entry, so its names may be numbers.
func (l *Ledger) audit(place int, op *seenOp) {
	value := binary.AppendUvarint(l.work.blob[:0], uint64(l.now))
	value = append(value, byte(op.head.kind)|keyFollows)
	value = binary.LittleEndian.AppendUint64(value, op.head.key.Hi)
	value = binary.LittleEndian.AppendUint64(value, op.head.key.Lo)
	value = append(binary.AppendUvarint(value, uint64(len(op.body))), op.body...)
	l.work.blob = value
	l.bodies.add(BodyOfAudit, AuditKey(l.index, place), value)
}

// audited reports whether commands of a kind change what is not traffic.
func (k kind) audited() bool {
	switch k {
	case kindDefineSKU, kindDefineLocation, kindDefineChannel, kindDelete, kindConfigure:
		return true
	}
	return false
}

// MakesBody reports whether a command may leave a body of its own accord.
func MakesBody(c Command) bool {
	switch k := c.kind(); k {
	case kindRetire, kindPut, kindDrop, kindPurge:
		return true
	case kindGroup:
		for _, op := range c.(*Group).Ops {
			if MakesBody(op) {
				return true
			}
		}
		return false
	default:
		return k.audited()
	}
}
