package engine

import "github.com/zeebo/xxh3"

// keyed are the records. A row knows its table and key by a hash of 128 bits: the text is in the key of
// its body, and in memory only of those that expire: a Purge says which they were.
type keyed struct {
	count    int64
	archived int64 // that left memory with their bodies staying, since ever
	due      dueQueue
	texts    arena // keys of those that expire
}

// keyedRow is one record, 40 bytes.
type keyedRow struct {
	key     Key    // of table and key, see keyOfRecord
	version uint64 // index of the last write; 0: the slot is free
	value   int64
	due     uint32 // place in the queue of those that expire; 0: it never does
	table   uint8
	state   uint8
	flags   keyedFlags
	epoch   uint8
}

type keyedFlags uint8

// keepsBody: the body stays when the record leaves memory.
const keepsBody keyedFlags = 1

// keyedRef names a record across shards.
type keyedRef uint32

// keyOfRecord makes 128 bits of a table and a key.
func keyOfRecord(table uint8, key string) Key {
	return nonZero(xxh3.HashString128Seed(key, uint64(table)))
}

func (l *Ledger) keyedAt(r keyedRef) *keyedRow {
	return l.shards[uint32(r)&l.shardMask()].keyed.at(uint32(r) >> l.bits)
}

// findKeyed returns the record under a key, or 0.
func (l *Ledger) findKeyed(k Key) keyedRef {
	n := l.shardOf(k.Hi)
	sh := &l.shards[n]
	for p := sh.byKey.probe(k.Lo); p.next(); {
		if sh.keyed.at(p.slot).key == k {
			return keyedRef(l.makeRef(p.slot, n))
		}
	}
	return 0
}

// expiresAt is when a record expires, 0 if never.
func (l *Ledger) expiresAt(row *keyedRow) int64 {
	if row.due == 0 {
		return 0
	}
	return l.keyed.due.at(row.due).at
}

// addKeyed makes a row without an expiry; row.version is not 0. The digest is the caller's business.
func (l *Ledger) addKeyed(row keyedRow) keyedRef {
	n := l.shardOf(row.key.Hi)
	sh := &l.shards[n]
	slot := sh.keyed.take()
	row.due, row.epoch = 0, l.epoch
	*sh.keyed.at(slot) = row
	sh.byKey.put(row.key.Lo, slot)
	l.keyed.count++
	return keyedRef(l.makeRef(slot, n))
}

// openKeyed must come before a change of a record, and closeKeyed or eraseKeyed after it: they keep the
// digest, and leave a before-image where one is needed.
func (l *Ledger) openKeyed(ref keyedRef) *keyedRow {
	row := l.keyedAt(ref)
	if row.epoch != l.epoch {
		l.saveKeyed(ref, row)
	}
	l.digest.remove(l.hashKeyed(row))
	return row
}

func (l *Ledger) closeKeyed(row *keyedRow) { l.digest.add(l.hashKeyed(row)) }

// eraseKeyed takes an open record out of every structure.
func (l *Ledger) eraseKeyed(ref keyedRef) {
	row := l.keyedAt(ref)
	l.unqueue(row)
	sh, slot := &l.shards[uint32(ref)&l.shardMask()], uint32(ref)>>l.bits
	sh.byKey.drop(row.key.Lo, slot)
	sh.keyed.give(slot)
	l.keyed.count--
}

// setExpiry changes when an open record expires; text is its key.
func (l *Ledger) setExpiry(ref keyedRef, at int64, text string) {
	row := l.keyedAt(ref)
	if row.due != 0 {
		if l.keyed.due.at(row.due).at == at {
			return
		}
		l.unqueue(row)
	}
	if at == 0 {
		return
	}
	l.keyed.due.push(l, dueRow{at: at, ref: ref, text: l.keyed.texts.putText(text)})
}

// unqueue takes a record out of the queue of those that expire, if it is there.
func (l *Ledger) unqueue(row *keyedRow) {
	if row.due == 0 {
		return
	}
	l.keyed.texts.give(l.keyed.due.at(row.due).text)
	l.keyed.due.remove(l, row.due)
	row.due = 0
}

func (l *Ledger) hashKeyed(row *keyedRow) uint64 {
	h := mixPairs(row.key.Hi, row.key.Lo, row.version, uint64(row.value))
	h = mixPairs(h, 'K', uint64(l.expiresAt(row)),
		uint64(row.table)<<16|uint64(row.state)<<8|uint64(row.flags))
	return mixWide(h, 'K')
}

// keyedRecord is a record in the form in which it is kept.
type keyedRecord struct {
	row     keyedRow
	expires int64
	text    []byte // the key, of those that expire
}

func (r *keyedRecord) wire(x *coder) {
	x.uint(&r.row.key.Hi)
	x.uint(&r.row.key.Lo)
	x.uint(&r.row.version)
	x.int(&r.row.value)
	codeByte(x, &r.row.table)
	codeByte(x, &r.row.state)
	codeByte(x, &r.row.flags)
	x.int(&r.expires)
	x.bytes(&r.text)
}

func (l *Ledger) keyedRecord(r *keyedRecord, row *keyedRow) {
	*r = keyedRecord{row: *row}
	if row.due != 0 {
		d := l.keyed.due.at(row.due)
		r.expires, r.text = d.at, l.keyed.texts.at(d.text)
	}
}

// loadKeyed makes a record from what was kept of it.
func (l *Ledger) loadKeyed(r *keyedRecord) {
	ref := l.addKeyed(r.row)
	l.setExpiry(ref, r.expires, aliasText(r.text))
	l.closeKeyed(l.keyedAt(ref))
}

// RecordHead is what memory knows of a record.
type RecordHead struct {
	Version uint64 // index of the entry that wrote it
	State   uint8
	Value   int64
	Expires int64 // ms since 1970; 0 is never
	Archive bool  // its body stays when it expires
}

// Record returns what is known of a record; ok is false when there is none, or it was archived.
func (l *Ledger) Record(table uint8, key string) (h RecordHead, ok bool) {
	ref := l.findKeyed(keyOfRecord(table, key))
	if ref == 0 {
		return RecordHead{}, false
	}
	row := l.keyedAt(ref)
	return RecordHead{Version: row.version, State: row.state, Value: row.value,
		Expires: l.expiresAt(row), Archive: row.flags&keepsBody != 0}, true
}

// Archived is how many records have left memory with their bodies staying, since ever.
func (l *Ledger) Archived() int64 { return l.keyed.archived }
