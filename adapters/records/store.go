package records

import (
	"context"
	"time"

	"holdfast/engine"
)

// Store is the replicated store as the sync core needs it. It is safe for concurrent use.
//
// Its errors are understood by behaviour: Code() string names the outcome. With "outcome-unknown" the
// Tx may have happened; with every other error it did not. RetryAfter() time.Duration says when it is
// safe to send again.
type Store interface {
	Submitter
	Reader
	// Watch follows the tables from now on. Close the Watch.
	Watch(tables ...Table) Watch
}

// Submitter runs transactions.
type Submitter interface {
	// Submit runs one Tx. A refusal is no error: it is in the Outcome, and then nothing happened.
	Submit(ctx context.Context, tx *Tx) (Outcome, error)
}

// Reader reads what was agreed.
type Reader interface {
	// Get returns the record under a key; ok is false when there is none. It sees at least what this
	// process has submitted and was answered.
	Get(ctx context.Context, t Table, key string) (r Record, ok bool, err error)
	// List returns up to limit records in the order of their keys, those that begin with prefix and
	// come after after; more says that there are others. Limit is at most MaxList.
	List(ctx context.Context, t Table, prefix, after string, limit int) (rows []Record, more bool,
		err error)
	// Ledger calls step under the ledger's lock, again while it returns true; a call of step must end
	// within about 100 µs. index is that of the state that was read.
	Ledger(ctx context.Context, step func(*engine.Ledger) (more bool)) (index uint64, err error)
}

// MaxList is the most records that one List returns.
const MaxList = 1000

// Record is a record as it was at some moment. The body is the reader's.
type Record struct {
	Table    Table
	Key      string
	Version  uint64 // index of the entry that wrote it
	State    uint8
	Value    int64
	Expires  time.Time // zero: never
	Archived bool      // has left memory; preconditions see it as absent
	Body     []byte
}

// Watch is a view of what changes. One goroutine uses it.
type Watch interface {
	// Next waits for changes and returns them in the order of the log. lost says that some were missed,
	// at the beginning or because the reader was too slow: read all again. It fails with ctx's error,
	// or when the store is closed.
	Next(ctx context.Context) (changes []Change, lost bool, err error)
	// Close lets the store forget the watch.
	Close()
}

// Change is one write of one record. Gone: it was dropped, or has expired.
type Change struct {
	Record
	Gone bool
}

// Outcome is what became of a Tx.
type Outcome struct {
	Index uint64
	// Replayed: the Tx was done before, under its key; nothing happened again.
	Replayed bool
	// Conflict: a record was not as the Tx expected, and nothing happened. At is the place of its
	// write: read again and think again.
	Conflict bool
	// Refusal is engine.Accepted, or why the op at place At was refused; then nothing happened.
	Refusal engine.Refusal
	At      int
	// Results are of the ops, in their order, when the Tx was accepted.
	Results []engine.Result
}
