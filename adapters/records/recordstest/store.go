package recordstest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// Options are the choices of a Store. The zero value is ready.
type Options struct {
	// Now is the clock that records and holds expire by. Default time.Now.
	Now func() time.Time
	// Ring is how many changes a slow Watch may be behind before it is told that some are lost. 65,536.
	Ring int
}

// Store is records.Store in memory. It is safe for concurrent use.
type Store struct {
	now func() time.Time
	mu  sync.Mutex // guards all below
	state
	fail func(tx *records.Tx) Failure
}

type state struct {
	ledger  *engine.Ledger
	builder engine.EntryBuilder
	out     engine.Output
	tables  map[records.Table]*table
	done    map[engine.Key]records.Outcome // accepted and refused, never what was a Conflict
	due     deadlines
	feed    feed
	closed  bool
}

var _ records.Store = (*Store)(nil)

// New returns an empty Store.
func New(o Options) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Ring == 0 {
		o.Ring = 1 << 16
	}
	return &Store{now: o.Now, state: state{
		ledger: engine.New(engine.Options{}),
		tables: make(map[records.Table]*table),
		done:   make(map[engine.Key]records.Outcome),
		feed:   feed{most: o.Ring, changed: make(chan struct{})},
	}}
}

// Submit runs a Tx as one entry. It fails with ctx's error, with an *Error or an engine.FieldError, and
// as the hook of [Store.Fail] says.
func (s *Store) Submit(ctx context.Context, tx *records.Tx) (records.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return records.Outcome{}, err
	}
	if err := check(tx); err != nil {
		return records.Outcome{}, err
	}
	failure := s.failure(tx)
	if failure == NoLeader || failure == UnknownBefore {
		return records.Outcome{}, failure.err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return records.Outcome{}, errClosed
	}
	s.expireLocked()
	o, err := s.runLocked(tx)
	if err == nil && failure == UnknownAfter {
		return records.Outcome{}, failure.err()
	}
	return o, err
}

// Define runs commands that no Tx can hold, such as the definition of a SKU, each as an entry. It
// ends the test when one is refused.
func (s *Store) Define(t testing.TB, commands ...engine.Command) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireLocked()
	for _, c := range commands {
		if err := engine.Validate(c); err != nil {
			t.Fatalf("%T: %v", c, err)
		}
		r, err := s.entryLocked(c)
		if err != nil || r.Refusal != engine.Accepted {
			t.Fatalf("%T is refused as %s: %v", c, r.Refusal, err)
		}
	}
}

// Tick lets what is due expire now; otherwise the next call of any other kind does.
func (s *Store) Tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireLocked()
}

// Close makes every call fail from now on, and ends every Watch.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.feed.wake()
}

// runLocked checks what the writes demand, runs the ops, and only then writes: nothing has happened
// when it returns a Conflict or a Refusal.
func (s *state) runLocked(tx *records.Tx) (records.Outcome, error) {
	if o, ok := s.done[tx.Key]; ok {
		o.Replayed = true
		return o, nil
	}
	for i := range tx.Writes {
		if !s.holdsLocked(&tx.Writes[i]) {
			return records.Outcome{Index: s.ledger.Index(), Conflict: true, At: i}, nil
		}
	}
	o := records.Outcome{}
	if len(tx.Ops) > 0 {
		r, err := s.entryLocked(&engine.Group{Atomic: true, Ops: tx.Ops})
		if err != nil {
			return o, err
		}
		if r.Refusal != engine.Accepted {
			o = records.Outcome{Index: s.ledger.Index(), Refusal: r.Refusal, At: max(r.At, 0)}
			s.rememberLocked(tx.Key, o)
			return o, nil
		}
		o.Results = r.Ops
	} else if _, err := s.entryLocked(nil); err != nil {
		return o, err
	}
	o.Index = s.ledger.Index()
	for i := range tx.Writes {
		s.writeLocked(&tx.Writes[i], o.Index)
	}
	s.feed.wake()
	s.rememberLocked(tx.Key, o)
	return o, nil
}

func (s *state) rememberLocked(key engine.Key, o records.Outcome) {
	if !key.IsZero() {
		s.done[key] = o
	}
}

// entryLocked applies one entry of one command, or of none.
func (s *state) entryLocked(c engine.Command) (engine.Result, error) {
	s.builder.Reset()
	if c != nil {
		s.builder.AddFor(s.ledger, engine.Op{Command: c})
	}
	now := s.due.now.UnixMilli()
	entry, err := engine.OpenEntry(s.builder.Seal(now, now))
	if err != nil {
		return engine.Result{}, err
	}
	s.out.WantResults = true
	s.ledger.Apply(s.ledger.Index()+1, entry, &s.out)
	if c == nil {
		return engine.Result{}, nil
	}
	return engine.DecodeResult(bytes.Clone(s.out.Result(0)), c)
}

// holdsLocked reports whether a record is as a write expects it.
func (s *state) holdsLocked(w *records.Write) bool {
	old, ok := s.tableLocked(w.Table).rows[w.Key]
	ok = ok && !old.Archived
	switch w.If {
	case records.IfAbsent:
		return !ok
	case records.IfPresent:
		return ok
	case records.IfAt:
		return ok && old.Version == w.At
	default:
		return true
	}
}

func (s *state) writeLocked(w *records.Write, index uint64) {
	t := s.tableLocked(w.Table)
	r := w.Record
	r.Version = index
	switch w.Do {
	case records.DoLook:
		return
	case records.DoDrop:
		if _, ok := t.rows[w.Key]; !ok {
			return
		}
		delete(t.rows, w.Key)
		s.feed.add(records.Change{Gone: true, Record: records.Record{
			Table: w.Table, Key: strings.Clone(w.Key), Version: index}})
		return
	case records.DoAdd:
		r.Value += t.rows[w.Key].Value
	}
	kept := row{Record: r, keep: r.Archived}
	kept.Archived = false
	kept.Body = bytes.Clone(r.Body)
	t.put(kept)
	s.due.add(kept.Record)
	s.feed.add(records.Change{Record: kept.Record})
}

func (s *state) tableLocked(t records.Table) *table {
	if s.tables[t] == nil {
		s.tables[t] = newTable()
	}
	return s.tables[t]
}

// check finds the mistakes that need no state.
func check(tx *records.Tx) error {
	if err := tx.Fault(); err != nil {
		return err
	}
	size := 0
	if len(tx.Ops) > 0 {
		group := &engine.Group{Atomic: true, Ops: tx.Ops}
		if err := engine.Validate(group); err != nil {
			return err
		}
		size = len(engine.AppendOp(nil, engine.Op{Command: group}))
	}
	deeds := make(map[string]records.Deed, len(tx.Writes))
	for i := range tx.Writes {
		w := &tx.Writes[i]
		if err := checkWrite(w); err != nil {
			return err
		}
		// Two writes of one record are a mistake: no order of them could be told from the versions.
		id := string(rune(w.Table)) + w.Key
		if first, twice := deeds[id]; twice && w.Do != records.DoLook &&
			(first != records.DoAdd || w.Do != records.DoAdd) {
			return invalid("%s %q is written twice", w.Table, w.Key)
		}
		if w.Do != records.DoLook {
			deeds[id] = w.Do
		}
		size += len(w.Key) + len(w.Body) + 48
	}
	if size > records.MaxTx {
		return &Error{code: "too-large", detail: fmt.Sprintf("the Tx has %d bytes", size)}
	}
	return nil
}

func checkWrite(w *records.Write) error {
	known := []records.Deed{records.DoPut, records.DoDrop, records.DoLook, records.DoAdd}
	switch {
	case w.Table.String() == "unknown":
		return invalid("table %d is not known", w.Table)
	case !goodKey(w.Key):
		return invalid("%s: the key %q is not one", w.Table, w.Key)
	case len(w.Body) > records.MaxBody:
		return &Error{code: "too-large", detail: fmt.Sprintf("the body of %s %q has %d bytes",
			w.Table, w.Key, len(w.Body))}
	case !slices.Contains(known, w.Do) || w.If > records.IfAt:
		return invalid("%s %q: deed %d, demand %d", w.Table, w.Key, w.Do, w.If)
	case (w.Do == records.DoAdd) != (w.Table == records.Tallies) && w.Do != records.DoLook &&
		w.Do != records.DoDrop:
		return invalid("%s %q: tallies, and nothing else, are added to", w.Table, w.Key)
	}
	return nil
}
