package raftstore

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"holdfast/engine"
)

// RecordChange is one write of one record. Deleted: it is in memory no more, because it was dropped or has
// expired, archived or not; Record has its table, its key and the index of that then. Nobody may change the body: others share it.
type RecordChange struct {
	Record
	Deleted bool
}

// What a watch keeps for a reader who is behind. Above either, the reader must read all again.
const (
	watchChanges = 16 << 10
	watchBytes   = 16 << 20
)

// recordWatchers are all who follow records. Apply feeds them; without any it does nothing. Safe for
// concurrent use.
type recordWatchers struct {
	count atomic.Int32
	mu    struct {
		sync.Mutex
		list []*RecordWatch
	}
}

// RecordWatch follows what is written in some tables, on this node. One goroutine at a time uses it.
type RecordWatch struct {
	all     *recordWatchers
	closing <-chan struct{}
	tables  [4]uint64     // a bit for each
	woken   chan struct{} // one token: there is something to read
	mu      struct {
		sync.Mutex
		changes []RecordChange
		bytes   int
		lost    bool
	}
}

// WatchRecords follows tables from now on. What was written before must be read: the first Next says
// that it was lost. Close the watch.
func (s *Store) WatchRecords(tables ...uint8) *RecordWatch {
	w := &RecordWatch{all: &s.machine.changes, closing: s.closing, woken: make(chan struct{}, 1)}
	for _, t := range tables {
		w.tables[t/64] |= 1 << (t % 64)
	}
	w.lose()
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	w.all.mu.list = append(w.all.mu.list, w)
	w.all.count.Add(1)
	return w
}

// Next waits for changes and returns them in the order of the log; they are the caller's, but for the
// bodies. lost says that some were missed before them, because the reader was too slow or the node got
// another ledger: whoever reads all records now and then these changes misses nothing, and may see some
// twice. It fails with the cause when ctx ends, or when the store is closed.
func (w *RecordWatch) Next(ctx context.Context) (changes []RecordChange, lost bool, err error) {
	for {
		w.mu.Lock()
		changes, lost = w.mu.changes, w.mu.lost
		w.mu.changes, w.mu.bytes, w.mu.lost = nil, 0, false
		w.mu.Unlock()
		if lost || len(changes) > 0 {
			return changes, lost, nil
		}
		select {
		case <-ctx.Done():
			return nil, false, context.Cause(ctx)
		case <-w.closing:
			return nil, false, closing()
		case <-w.woken:
		}
	}
}

// Close ends the watch; a second call does nothing.
func (w *RecordWatch) Close() {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	if i := slices.Index(w.all.mu.list, w); i >= 0 {
		w.all.mu.list = slices.Delete(w.all.mu.list, i, i+1)
		w.all.count.Add(-1)
	}
}

// feed gives the watches what an entry wrote. Apply calls it, once readers see the entry.
func (a *recordWatchers) feed(index uint64, out *engine.Output) {
	if len(out.Bodies)+len(out.Archived) == 0 || a.count.Load() == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var changes []RecordChange
	for _, list := range [...][]engine.Body{out.Bodies, out.Archived} {
		for i := range list {
			if b := &list[i]; b.Table == engine.BodyOfRecord && a.wantedLocked(b.Key[0]) {
				changes = append(changes, changeOf(index, b))
			}
		}
	}
	for _, w := range a.mu.list {
		w.take(changes)
	}
}

func (a *recordWatchers) wantedLocked(table uint8) bool {
	return slices.ContainsFunc(a.mu.list, func(w *RecordWatch) bool { return w.follows(table) })
}

// lose makes every watch read all again: the ledger is another.
func (a *recordWatchers) lose() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range a.mu.list {
		w.lose()
	}
}

func changeOf(index uint64, b *engine.Body) RecordChange {
	c := RecordChange{Record: Record{Table: b.Key[0], Key: string(b.Key[1:]), Version: index},
		Deleted: len(b.Value) == 0}
	if r, ok := engine.ReadRecordBody(b.Value); ok && !c.Deleted {
		c.State, c.Value, c.Expires, c.Body = r.State, r.Value, r.Expires, bytes.Clone(r.Body)
	}
	return c
}

func (w *RecordWatch) follows(table uint8) bool { return w.tables[table/64]>>(table%64)&1 != 0 }

// take queues the changes of the tables that are followed.
func (w *RecordWatch) take(changes []RecordChange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := len(w.mu.changes)
	for i := range changes {
		if c := &changes[i]; w.follows(c.Table) {
			w.mu.changes = append(w.mu.changes, *c)
			w.mu.bytes += len(c.Key) + len(c.Body)
		}
	}
	if len(w.mu.changes) > watchChanges || w.mu.bytes > watchBytes {
		w.mu.changes, w.mu.bytes, w.mu.lost = nil, 0, true
	}
	if w.mu.lost || len(w.mu.changes) > before {
		w.wake()
	}
}

func (w *RecordWatch) lose() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.changes, w.mu.bytes, w.mu.lost = nil, 0, true
	w.wake()
}

func (w *RecordWatch) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}
