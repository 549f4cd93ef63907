package records

import (
	"encoding/json"
	"fmt"
	"time"

	"holdfast/engine"
)

// Tx is a transaction under construction. Ops run first, in their order, then the writes. The zero Tx
// is ready. It is used by one goroutine.
type Tx struct {
	// Key makes the Tx happen once: a second one under the same key is answered as the first was. The
	// zero Key: the versions that the writes expect are what makes it happen once.
	Key    engine.Key
	Ops    []engine.Command // stock changes and verbs of reservations
	Writes []Write
	fault  error
}

// Write is one write of one record, or only a look at it.
type Write struct {
	Record        // Table, Key, State, Value, Expires, Body; Archived: keep the body when it expires
	Do     Deed   // what is done
	If     Expect // what must hold before
	At     uint64 // the version, for IfAt
}

// Deed is what a Write does.
type Deed uint8

// The deeds.
const (
	DoPut  Deed = iota // the record becomes what the Write says
	DoDrop             // the record is no more
	DoLook             // nothing; If is what counts
	DoAdd              // Value is added to what the record has; one that is not there begins at 0
)

// Expect is what a Write demands of the record as it is before it.
type Expect uint8

// The demands.
const (
	IfAny     Expect = iota // nothing
	IfAbsent                // there is none
	IfPresent               // there is one
	IfAt                    // there is one of the version At
)

// Do adds commands of the ledger.
func (tx *Tx) Do(ops ...engine.Command) { tx.Ops = append(tx.Ops, ops...) }

// Create writes a record that must not be there.
func (tx *Tx) Create(r Record) { tx.Writes = append(tx.Writes, Write{Record: r, If: IfAbsent}) }

// Put writes a record whatever was there.
func (tx *Tx) Put(r Record) { tx.Writes = append(tx.Writes, Write{Record: r}) }

// Replace writes a record that was read as old: Version 0 means that there was none.
func (tx *Tx) Replace(r Record, old uint64) {
	w := Write{Record: r, If: IfAt, At: old}
	if old == 0 {
		w.If = IfAbsent
	}
	tx.Writes = append(tx.Writes, w)
}

// Add adds to a tally. It commutes with every other Add, so that hot ones never conflict.
func (tx *Tx) Add(key string, delta int64) {
	tx.Writes = append(tx.Writes, Write{
		Record: Record{Table: Tallies, Key: key, Value: delta}, Do: DoAdd,
	})
}

// Drop deletes a record that was read with the version old; 0: whatever was there.
func (tx *Tx) Drop(t Table, key string, old uint64) {
	w := Write{Record: Record{Table: t, Key: key}, Do: DoDrop, If: IfAt, At: old}
	if old == 0 {
		w.If = IfAny
	}
	tx.Writes = append(tx.Writes, w)
}

// Look demands that a record still has the version with which it was read; 0: that there is none.
func (tx *Tx) Look(t Table, key string, old uint64) {
	w := Write{Record: Record{Table: t, Key: key}, Do: DoLook, If: IfAt, At: old}
	if old == 0 {
		w.If = IfAbsent
	}
	tx.Writes = append(tx.Writes, w)
}

// Remember writes that something was seen, until expires; the Tx is refused if it was seen before.
func (tx *Tx) Remember(key string, expires time.Time) {
	tx.Create(Record{Table: Seen, Key: key, Expires: expires})
}

// Encode makes the body of a record. A document that cannot be JSON is a mistake of ours: it makes
// the Tx fail when it is submitted, so that builders need not look at errors.
func (tx *Tx) Encode(document any) []byte {
	body, err := json.Marshal(document)
	if err == nil && len(body) > MaxBody {
		err = fmt.Errorf("a %T of %d bytes is over %d", document, len(body), MaxBody)
	}
	if err != nil && tx.fault == nil {
		tx.fault = err
	}
	return body
}

// Fault is the first mistake that was made in building the Tx. A store's Submit fails with it.
func (tx *Tx) Fault() error { return tx.fault }

// Empty reports whether the Tx does nothing at all.
func (tx *Tx) Empty() bool { return len(tx.Ops) == 0 && len(tx.Writes) == 0 }

// Decode reads a record's body. It fails with the fault of a body that is not the document.
func Decode[T any](r Record) (v T, err error) {
	if err = json.Unmarshal(r.Body, &v); err != nil {
		err = fmt.Errorf("record %s %q of index %d: %w", r.Table, r.Key, r.Version, err)
	}
	return v, err
}
