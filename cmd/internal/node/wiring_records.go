package node

import (
	"bytes"
	"context"
	"sync/atomic"
	"time"

	"holdfast/adapters/records"
	"holdfast/engine"
	"holdfast/raftstore"
)

// syncStore is the store as the sync core sees it.
type syncStore struct {
	store *raftstore.Store
	// known is the highest index that was told to a caller: what is read must be at least as new.
	known atomic.Uint64
}

var _ records.Store = (*syncStore)(nil)

func newSyncStore(s *raftstore.Store) *syncStore { return &syncStore{store: s} }

// Submit runs one Tx as an atomic group, writes first: what they demand is told before any op is refused,
// and an op that is refused undoes them. It fails with the Tx's fault, and as raftstore.Store.Submit.
func (s *syncStore) Submit(ctx context.Context, tx *records.Tx) (records.Outcome, error) {
	if err := tx.Fault(); err != nil {
		return records.Outcome{}, err
	}
	if tx.Empty() {
		return records.Outcome{Index: s.known.Load()}, nil
	}
	group := &engine.Group{Atomic: true, Ops: make([]engine.Command, 0, len(tx.Ops)+len(tx.Writes))}
	for i := range tx.Writes {
		group.Ops = append(group.Ops, commandOf(&tx.Writes[i]))
	}
	group.Ops = append(group.Ops, tx.Ops...)
	r, err := s.store.Submit(ctx, engine.Op{Key: tx.Key, Command: group})
	if err != nil {
		return records.Outcome{}, err
	}
	if r.Refusal == engine.Overloaded { // the entry was full, and the Tx has nothing to do with it
		return records.Outcome{}, &raftstore.OverloadedError{Queue: "writes", After: time.Second}
	}
	for now := s.known.Load(); now < r.Index && !s.known.CompareAndSwap(now, r.Index); {
		now = s.known.Load()
	}
	return outcomeOf(&r, len(tx.Writes)), nil
}

// outcomeOf says what became of a Tx with so many writes.
func outcomeOf(r *engine.Result, writes int) records.Outcome {
	o := records.Outcome{Index: r.Index, Replayed: r.Replayed, Refusal: r.Refusal, At: max(r.At, 0)}
	switch r.Refusal {
	case engine.Accepted:
		if len(r.Ops) > writes {
			o.Results = r.Ops[writes:]
		}
	case engine.RecordExists, engine.RecordChanged, engine.RecordUnknown:
		o.Conflict, o.Refusal = true, engine.Accepted
	default:
		if r.At >= writes {
			o.At = r.At - writes
		}
	}
	return o
}

// commandOf is the command that a write is.
func commandOf(w *records.Write) engine.Command {
	table, condition := uint8(w.Table), engine.IfAny
	switch w.If {
	case records.IfAbsent:
		condition = engine.IfAbsent
	case records.IfPresent:
		condition = engine.IfPresent
	case records.IfAt:
		condition = engine.IfAt
	}
	version := uint64(0)
	if condition == engine.IfAt {
		version = w.At
	}
	switch w.Do {
	case records.DoDrop:
		return &engine.Drop{Table: table, Key: w.Key, If: condition, Version: version}
	case records.DoLook:
		return &engine.Expect{Table: table, Key: w.Key, If: condition, Version: version}
	}
	expires := int64(0)
	if !w.Expires.IsZero() {
		expires = max(1, w.Expires.UnixMilli())
	}
	return &engine.Put{Table: table, Key: w.Key, If: condition, Version: version, State: w.State,
		Value: w.Value, Add: w.Do == records.DoAdd, Expires: expires, Archive: w.Archived, Body: w.Body}
}

// Get returns the record under a key, archived ones too. It fails as raftstore.Store.Record.
func (s *syncStore) Get(ctx context.Context, t records.Table, key string) (records.Record, bool, error) {
	r, ok, err := s.store.Record(ctx, uint8(t), key, s.known.Load())
	if err != nil || !ok {
		return records.Record{}, false, err
	}
	return recordOf(r), true, nil
}

// List returns a page of records. It fails as raftstore.Store.Records.
func (s *syncStore) List(ctx context.Context, t records.Table, prefix, after string, limit int) (
	[]records.Record, bool, error) {
	if _, err := s.Ledger(ctx, func(*engine.Ledger) bool { return false }); err != nil {
		return nil, false, err
	}
	page, more, err := s.store.Records(ctx, uint8(t), prefix, after, min(limit, records.MaxList))
	if err != nil {
		return nil, false, err
	}
	rows := make([]records.Record, len(page))
	for i := range page {
		rows[i] = recordOf(page[i])
	}
	return rows, more, nil
}

// Ledger reads this node's ledger as it is, with all that was answered through s. Who leads is as new as
// anybody; what one that was deposed reads is old, and so are the versions that it writes with. It fails
// as raftstore.Store.Read.
func (s *syncStore) Ledger(ctx context.Context, step func(*engine.Ledger) (more bool)) (uint64, error) {
	index, _, err := s.store.Read(ctx, true, s.known.Load(), step)
	return index, err
}

func recordOf(r raftstore.Record) records.Record {
	row := records.Record{Table: records.Table(r.Table), Key: r.Key, Version: r.Version,
		State: r.State, Value: r.Value, Archived: r.Archived, Body: r.Body}
	if r.Expires != 0 {
		row.Expires = time.UnixMilli(r.Expires)
	}
	return row
}

// Watch follows tables.
func (s *syncStore) Watch(tables ...records.Table) records.Watch {
	numbers := make([]uint8, len(tables))
	for i, t := range tables {
		numbers[i] = uint8(t)
	}
	return syncWatch{s.store.WatchRecords(numbers...)}
}

type syncWatch struct{ of *raftstore.RecordWatch }

// Next waits for changes. It fails as raftstore.RecordWatch.Next.
func (w syncWatch) Next(ctx context.Context) ([]records.Change, bool, error) {
	list, lost, err := w.of.Next(ctx)
	if err != nil {
		return nil, false, err
	}
	changes := make([]records.Change, len(list))
	for i := range list {
		changes[i] = records.Change{Record: recordOf(list[i].Record), Gone: list[i].Deleted}
		changes[i].Body = bytes.Clone(changes[i].Body) // other watches have the same
	}
	return changes, lost, nil
}

// Close ends the watch.
func (w syncWatch) Close() { w.of.Close() }
