package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// BodyCheck holds bodies that were kept against a ledger that nobody changes meanwhile: which of them
// the ledger names, whether these are what it remembers of them, and whether any is missing.
type BodyCheck struct {
	ledger *Ledger
	seen   []uint64 // one bit for each number of retired
	// Reservations is how many bodies the ledger names and were there, Audit how many rows of it.
	Reservations, Audit int64
}

// CheckBodies begins a check of all bodies.
func (l *Ledger) CheckBodies() *BodyCheck {
	return &BodyCheck{ledger: l, seen: make([]uint64, (l.retired.tail-l.retired.head)/64+1)}
}

// Take looks at one body of a version, in any order. It reports whether the ledger can name it: not
// those of reservations that are in memory again, or forgotten. It fails when the body is not what the
// ledger remembers of it, or none at all.
func (c *BodyCheck) Take(b Body, version uint64) (named bool, err error) {
	switch b.Table {
	case BodyOfReservation:
		return c.reservation(b, version)
	case BodyOfAudit:
		if _, ok := readAudit(b.Value); !ok || len(b.Key) != 12 ||
			binary.BigEndian.Uint64(b.Key) != version || version > c.ledger.index {
			return false, fmt.Errorf("audit %x of index %d is none of this ledger", b.Key, version)
		}
		c.Audit++
		return true, nil
	}
	return false, fmt.Errorf("a body of table %d, which this build does not know", b.Table)
}

func (c *BodyCheck) reservation(b Body, version uint64) (named bool, err error) {
	if len(b.Key) != 16 {
		return false, fmt.Errorf("the body %x is under no key of a reservation", b.Key)
	}
	l := c.ledger
	key := Key{Hi: binary.BigEndian.Uint64(b.Key), Lo: binary.BigEndian.Uint64(b.Key[8:])}
	n := l.findRetiredKey(key)
	if n == 0 || l.retired.at(n).version != version {
		return false, nil
	}
	r := &l.work.record
	if checkOf(b.Value) != l.retired.at(n).check || !readRecord(r, b.Value) || !l.knowsNames(r) ||
		!bytes.Equal(ReservationKey(idOfRecord(r)), b.Key) {
		return false, fmt.Errorf("the body %x of index %d is not what left the ledger", b.Key, version)
	}
	at := n - l.retired.head
	if c.seen[at/64]&(1<<(at%64)) == 0 {
		c.seen[at/64] |= 1 << (at % 64)
		c.Reservations++
	}
	return true, nil
}

// Missing is how many reservations that left memory up to a version have no body among those that were
// taken.
func (c *BodyCheck) Missing(version uint64) (count int64) {
	t := &c.ledger.retired
	for n := t.head; n < t.tail; n++ {
		if at := n - t.head; !t.gone(n) && c.seen[at/64]&(1<<(at%64)) == 0 && t.at(n).version <= version {
			count++
		}
	}
	return count
}

// findRetiredKey returns the number of the reservation that left memory under a key, or 0.
func (l *Ledger) findRetiredKey(key Key) uint64 {
	if l.retired.count == 0 {
		return 0
	}
	for p := l.shards[l.shardOf(key.Hi)].byOldID.probe(key.Hi); p.next(); {
		if n := l.retired.number(p.slot); l.retired.at(n).key == key {
			return n
		}
	}
	return 0
}

// auditRow is what a body of the audit says.
type auditRow struct {
	at   int64 // ledger time, ms since 1970
	kind kind
	key  Key // of the call; zero when it had none
	body []byte
}

// readAudit reads the body of an audit row; false when it is none.
func readAudit(p []byte) (r auditRow, ok bool) {
	at, n := binary.Uvarint(p)
	if n <= 0 || len(p) < n+17 {
		return r, false
	}
	p = p[n:]
	r = auditRow{at: int64(at), kind: kind(p[0] &^ keyFollows),
		key: Key{Hi: binary.LittleEndian.Uint64(p[1:]), Lo: binary.LittleEndian.Uint64(p[9:])}}
	size, n := binary.Uvarint(p[17:])
	if n <= 0 || uint64(len(p)-17-n) != size || !r.kind.audited() {
		return r, false
	}
	r.body = p[17+n:]
	return r, true
}
