package exceptions

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/zeebo/xxh3"

	"holdfast/adapters/records"
)

// Retention is how long an exception stays in lists after it was closed; by its id it is found longer.
const Retention = 30 * 24 * time.Hour

// quiet is how long an open exception is only counted, not written again: then the newest detail and
// payload are taken over. So a storm of one cause writes one record every few seconds.
const quiet = 5 * time.Second

// ID is the id of the exception of a cause.
func ID(trace string) string {
	h := xxh3.HashString128(trace).Bytes()
	return "exc-" + hex.EncodeToString(h[:])
}

// tally is the key of the count of tries that were not written.
func tally(id string) string { return "!exception/" + id }

// Raise adds to tx that something failed: e.Trace names the cause and e.LastAt is now. What must be
// given beside them is Class, Code and Detail. It opens the exception of that cause, or adds a try to
// it; the Tx conflicts if somebody opens or closes it in between, so build it with [records.Retry].
//
// It fails when the exception cannot be read.
func Raise(ctx context.Context, r records.Reader, tx *records.Tx, e Exception) error {
	e.ID = ID(e.Trace)
	if inTx(tx, e.ID) {
		return nil // two lines of one order may have one cause
	}
	old, version, err := read(ctx, r, e.ID)
	if err != nil {
		return err
	}
	e = e.bounded()
	switch {
	case version == 0 || old.State == Resolved:
		e.State, e.Tries, e.FirstAt = Open, 1, e.LastAt
		tx.Drop(records.Tallies, tally(e.ID), 0)
	case old.State == Open && old.Code == e.Code && e.LastAt.Sub(old.LastAt) < quiet:
		tx.Look(records.Exceptions, e.ID, version)
		tx.Add(tally(e.ID), 1)
		return nil
	default:
		e.State, e.Tries, e.FirstAt = Open, old.Tries+1, old.FirstAt
		e.Note = old.Note
	}
	e.write(tx, version, old.State)
	return nil
}

// Clear adds to tx that what failed has succeeded: the exception of that cause, if one is open, is
// resolved by [BySuccess]. The Tx conflicts if somebody raises it in between.
//
// It fails when the exception cannot be read.
func Clear(ctx context.Context, r records.Reader, tx *records.Tx, trace string, at time.Time) error {
	e, version, err := read(ctx, r, ID(trace))
	if err != nil || version == 0 || e.State == Resolved || inTx(tx, e.ID) {
		return err
	}
	e.closed(BySuccess, "", at).write(tx, version, e.State)
	return nil
}

// read returns an exception with its version; 0: there is none in memory.
func read(ctx context.Context, r records.Reader, id string) (e Exception, version uint64, err error) {
	row, ok, err := r.Get(ctx, records.Exceptions, id)
	if err != nil || !ok || row.Archived {
		return e, 0, err
	}
	e, err = records.Decode[Exception](row)
	return e, row.Version, err
}

func inTx(tx *records.Tx, id string) bool {
	return slices.ContainsFunc(tx.Writes, func(w records.Write) bool {
		return w.Table == records.Exceptions && w.Key == id
	})
}

// closed is e as it is after somebody closed it.
func (e Exception) closed(by, note string, at time.Time) Exception {
	e.State, e.ClosedAt, e.ClosedBy = Resolved, at, by
	if note != "" {
		e.Note = Cut(note, MaxNote)
	}
	return e
}

// bounded cuts what is over the limits and fills in what every exception has.
func (e Exception) bounded() Exception {
	e.Detail, e.Note = Cut(e.Detail, MaxDetail), Cut(e.Note, MaxNote)
	if len(e.Payload) > MaxPayload {
		e.Payload = fmt.Appendf(nil, `{"too_large_bytes":%d}`, len(e.Payload))
	} else if len(e.Payload) > 0 && !json.Valid(e.Payload) {
		e.Payload, _ = json.Marshal(strings.ToValidUTF8(string(e.Payload), "\uFFFD"))
	}
	if len(e.Actions) == 0 {
		e.Actions = []string{ActResolve}
		if e.Task != "" {
			e.Actions = []string{ActRetry, ActEdit, ActResolve}
		}
	}
	return e
}

// write adds e to tx in the place of what was read with the version old, in the state was; 0 and 0: there
// was none. Beside one that is open there is a record without a body, so that a new leader finds what is
// open without a walk over all that ever was.
func (e Exception) write(tx *records.Tx, old uint64, was State) {
	tx.Replace(e.record(tx), old)
	switch is, was := e.State.open(), was.open(); {
	case is && !was:
		tx.Put(records.Record{Table: records.OpenExceptions, Key: e.ID})
	case was && !is:
		tx.Drop(records.OpenExceptions, e.ID, 0)
	}
}

func (s State) open() bool { return s == Open || s == Retrying }

func (e Exception) record(tx *records.Tx) records.Record {
	r := records.Record{Table: records.Exceptions, Key: e.ID, State: uint8(e.State),
		Body: tx.Encode(e)}
	if e.State == Resolved {
		r.Expires, r.Archived = e.ClosedAt.Add(Retention), true
	}
	return r
}

// Cut shortens a text to at most n bytes, between two runes.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
