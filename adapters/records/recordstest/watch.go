package recordstest

import (
	"bytes"
	"context"

	"holdfast/adapters/records"
)

// feed is the newest changes, for all who watch.
type feed struct {
	most    int
	first   uint64 // number of list[0]
	list    []records.Change
	changed chan struct{} // closed, and replaced, when there is more
}

// add appends a change. The oldest half goes at once when there are too many.
func (f *feed) add(c records.Change) {
	if len(f.list) >= f.most {
		n := (len(f.list) + 1) / 2
		f.list = append([]records.Change(nil), f.list[n:]...)
		f.first += uint64(n)
	}
	f.list = append(f.list, c)
}

func (f *feed) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// end is the number of the next change.
func (f *feed) end() uint64 { return f.first + uint64(len(f.list)) }

// watch is one reader's place in the feed.
type watch struct {
	s      *Store
	tables map[records.Table]bool
	begun  bool
	next   uint64
}

// Watch follows tables from now on. The first Next says at once that all must be read.
func (s *Store) Watch(tables ...records.Table) records.Watch {
	w := &watch{s: s, tables: make(map[records.Table]bool)}
	for _, t := range tables {
		w.tables[t] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w.next = s.feed.end()
	return w
}

// Next waits for changes. It fails with ctx's error, or when the store is closed.
func (w *watch) Next(ctx context.Context) ([]records.Change, bool, error) {
	for {
		changes, lost, wait, err := w.take()
		if err != nil || lost || len(changes) > 0 {
			return changes, lost, err
		}
		select {
		case <-ctx.Done():
			return nil, false, ctx.Err()
		case <-wait:
		}
	}
}

// take returns what has come since the last time, or what to wait for.
func (w *watch) take() (changes []records.Change, lost bool, wait <-chan struct{}, err error) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if w.s.closed {
		return nil, false, nil, errClosed
	}
	w.s.expireLocked()
	f := &w.s.feed
	lost = !w.begun || w.next < f.first
	w.begun = true
	for _, c := range f.list[max(w.next, f.first)-f.first:] {
		if w.tables[c.Table] {
			c.Body = bytes.Clone(c.Body)
			changes = append(changes, c)
		}
	}
	w.next = f.end()
	return changes, lost, f.changed, nil
}

// Close does nothing: the store keeps nothing of a watch.
func (w *watch) Close() {}
