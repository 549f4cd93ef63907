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
	// records has one bit for each slot of the records of each shard.
	records [][]uint64
	// Reservations and Records are how many bodies the ledger names and were there, Archived how many
	// of records that have left memory, Audit how many rows of it.
	Reservations, Records, Archived, Audit int64
}

// CheckBodies begins a check of all bodies.
func (l *Ledger) CheckBodies() *BodyCheck {
	c := &BodyCheck{ledger: l, seen: make([]uint64, (l.retired.tail-l.retired.head)/64+1)}
	for i := range l.shards {
		c.records = append(c.records, make([]uint64, l.shards[i].keyed.end()/64+1))
	}
	return c
}

// Take looks at one body of a version, in any order. It reports whether the ledger can name it: not
// those of reservations that are in memory again, or forgotten, and not earlier ones of a record.
// Nothing in memory tells an archived record from the earlier body of one that was dropped. It fails when the body is not what the
// ledger remembers of it, or none at all.
func (c *BodyCheck) Take(b Body, version uint64) (named bool, err error) {
	switch b.Table {
	case BodyOfReservation:
		return c.reservation(b, version)
	case BodyOfRecord:
		return c.record(b, version)
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

// record looks at the body of a record.
func (c *BodyCheck) record(b Body, version uint64) (named bool, err error) {
	r, ok := ReadRecordBody(b.Value)
	if !ok || len(b.Key) < 2 || b.Key[0] == 0 {
		return false, fmt.Errorf("the body %x of index %d is of no record", b.Key, version)
	}
	l := c.ledger
	ref := l.findKeyed(keyOfRecord(b.Key[0], aliasText(b.Key[1:])))
	if ref == 0 {
		if r.Archive {
			c.Archived++
		}
		return r.Archive, nil
	}
	row := l.keyedAt(ref)
	if version < row.version {
		return false, nil
	}
	if version > row.version || r.State != row.state || r.Value != row.value ||
		r.Expires != l.expiresAt(row) || r.Archive != (row.flags&keepsBody != 0) {
		return false, fmt.Errorf("the body of record %q of table %d and index %d is not what the ledger has",
			b.Key[1:], b.Key[0], version)
	}
	shard, slot := uint32(ref)&l.shardMask(), uint32(ref)>>l.bits
	if c.records[shard][slot/64]&(1<<(slot%64)) == 0 {
		c.records[shard][slot/64] |= 1 << (slot % 64)
		c.Records++
	}
	return true, nil
}

// Missing is how many reservations that left memory, and how many records, up to a version have no body
// among those that were taken.
func (c *BodyCheck) Missing(version uint64) (count int64) {
	t := &c.ledger.retired
	for n := t.head; n < t.tail; n++ {
		if at := n - t.head; !t.gone(n) && c.seen[at/64]&(1<<(at%64)) == 0 && t.at(n).version <= version {
			count++
		}
	}
	for i := range c.ledger.shards {
		rows := &c.ledger.shards[i].keyed
		for slot := uint32(1); slot < rows.end(); slot++ {
			row := rows.at(slot)
			if row.version != 0 && row.version <= version &&
				c.records[i][slot/64]&(1<<(slot%64)) == 0 {
				count++
			}
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
