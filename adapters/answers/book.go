package answers

import (
	"context"
	"fmt"
	"time"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// Kept is how long an answer is remembered.
const Kept = 24 * time.Hour

// MaxBody is the largest body that is kept: with it, a record is below its limit. A larger one is
// left out, and the answer says so.
const MaxBody = 40 << 10

// Answer is what a call was answered.
type Answer struct {
	Status int    `json:"status"` // of HTTP
	Index  uint64 `json:"index"`
	ETag   string `json:"etag,omitempty"`
	Body   []byte `json:"body,omitempty"`
	Cut    bool   `json:"cut,omitempty"` // the body was too large
}

// claim is the body of a record. One without a status was never answered.
type claim struct {
	Of string `json:"of"` // what the call was told
	Answer
}

// Book keeps the answers. It is safe for concurrent use, on any number of nodes.
type Book struct {
	store records.Store
	now   func() time.Time
}

// New returns a Book.
func New(store records.Store, now func() time.Time) *Book { return &Book{store, now} }

// Error is a no of the book. It is understood by its Code.
type Error struct{ code, detail string }

// Error returns the detail.
func (e *Error) Error() string { return e.detail }

// Code is "idempotency-conflict", or the ledger's word for why it takes no more records.
func (e *Error) Code() string { return e.code }

// tries bounds how often a claim that vanishes while it is read is made anew.
const tries = 4

// Claim takes a key for a command, or returns what was answered under it: known is false for a call
// that is to be done, because nobody has, or whoever began it never said how it ended.
//
// It fails with an *Error when the key is another command's, or the store is full, or with the
// store's error: then the claim may be there, and the call has done nothing.
func (b *Book) Claim(ctx context.Context, key engine.Key, of string) (a Answer, known bool, err error) {
	for range tries {
		var tx records.Tx
		tx.Create(b.record(&tx, key, claim{Of: of}))
		out, err := b.store.Submit(ctx, &tx)
		switch {
		case err != nil:
			return a, false, fmt.Errorf("claim an Idempotency-Key: %w", err)
		case out.Refusal != engine.Accepted:
			return a, false, &Error{out.Refusal.String(), "the store takes no more answers"}
		case !out.Conflict:
			return a, false, nil
		}
		row, ok, err := b.store.Get(ctx, records.Answers, name(key))
		if err != nil {
			return a, false, fmt.Errorf("read what an Idempotency-Key was answered: %w", err)
		}
		if !ok {
			continue // its day has just ended
		}
		c, err := records.Decode[claim](row)
		if err != nil {
			return a, false, err
		}
		if c.Of != of {
			return a, false, &Error{engine.IdempotencyConflict.String(), "The key was used for another command."}
		}
		return c.Answer, c.Status != 0, nil
	}
	return a, false, records.ErrBusy
}

// Keep remembers the answer of a call that has claimed its key. It fails with the store's error: then
// the same call again is done again.
func (b *Book) Keep(ctx context.Context, key engine.Key, of string, a Answer) error {
	if len(a.Body) > MaxBody {
		a.Body, a.Cut = nil, true
	}
	var tx records.Tx
	tx.Put(b.record(&tx, key, claim{of, a}))
	_, err := b.store.Submit(ctx, &tx)
	return err
}

// Forget lets go of a key whose call has done nothing and may be made anew with another command. It
// fails with the store's error: then the key stays with its command for a day.
func (b *Book) Forget(ctx context.Context, key engine.Key) error {
	var tx records.Tx
	tx.Drop(records.Answers, name(key), 0)
	_, err := b.store.Submit(ctx, &tx)
	return err
}

func (b *Book) record(tx *records.Tx, key engine.Key, c claim) records.Record {
	return records.Record{Table: records.Answers, Key: name(key), Expires: b.now().Add(Kept),
		Body: tx.Encode(c)}
}

func name(key engine.Key) string { return fmt.Sprintf("%016x%016x", key.Hi, key.Lo) }
