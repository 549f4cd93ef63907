package recordstest

import (
	"bytes"
	"container/heap"
	"context"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// table is the records of one table. Keys are sorted when somebody lists them: what was added since
// is merged in then, so that neither many writes nor many pages are slow.
type table struct {
	rows   map[string]row
	sorted []string // has every key of rows that is not in fresh, and keys that are gone
	fresh  []string
}

type row struct {
	records.Record
	keep bool // the body stays when it expires
}

func newTable() *table { return &table{rows: make(map[string]row)} }

func (t *table) put(r row) {
	if _, known := t.rows[r.Key]; !known {
		r.Key = strings.Clone(r.Key)
		t.fresh = append(t.fresh, r.Key)
	}
	t.rows[r.Key] = r
}

// keys are all keys in order, and some that are gone.
func (t *table) keys() []string {
	if len(t.fresh) == 0 {
		return t.sorted
	}
	slices.Sort(t.fresh)
	merged := make([]string, 0, len(t.rows))
	a, b := t.sorted, t.fresh
	for len(a)+len(b) > 0 {
		var k string
		if len(b) == 0 || len(a) > 0 && a[0] <= b[0] {
			k, a = a[0], a[1:]
		} else {
			k, b = b[0], b[1:]
		}
		_, alive := t.rows[k]
		if alive && (len(merged) == 0 || merged[len(merged)-1] != k) {
			merged = append(merged, k)
		}
	}
	t.sorted, t.fresh = merged, nil
	return merged
}

// Get returns a copy of a record. It fails with an *Error, or as the hook of [Store.Fail] says.
func (s *Store) Get(ctx context.Context, t records.Table, key string) (records.Record, bool, error) {
	if err := s.mayRead(ctx); err != nil {
		return records.Record{}, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireLocked()
	r, ok := s.tableLocked(t).rows[key]
	return copyOf(r.Record), ok, nil
}

// List returns copies of the records that have not left memory. It fails with an *Error, or as the
// hook of [Store.Fail] says.
func (s *Store) List(ctx context.Context, t records.Table, prefix, after string, limit int) (
	rows []records.Record, more bool, err error) {
	if limit < 1 || limit > records.MaxList {
		return nil, false, invalid("a list of %d records", limit)
	}
	if err := s.mayRead(ctx); err != nil {
		return nil, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireLocked()
	of := s.tableLocked(t)
	keys := of.keys()
	from, _ := slices.BinarySearch(keys, max(prefix, after))
	for _, k := range keys[from:] {
		if k <= after && after != "" {
			continue
		}
		if !strings.HasPrefix(k, prefix) {
			break
		}
		r, ok := of.rows[k]
		if !ok || r.Archived {
			continue
		}
		if len(rows) == limit {
			return rows, true, nil
		}
		rows = append(rows, copyOf(r.Record))
	}
	return rows, false, nil
}

// Ledger calls step under the lock. It fails with an *Error, or as the hook of [Store.Fail] says.
func (s *Store) Ledger(ctx context.Context, step func(*engine.Ledger) (more bool)) (uint64, error) {
	if err := s.mayRead(ctx); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireLocked()
	for step(s.ledger) {
	}
	return s.ledger.Index(), nil
}

func copyOf(r records.Record) records.Record {
	r.Body = bytes.Clone(r.Body)
	return r
}

func goodKey(k string) bool {
	return k != "" && len(k) <= records.MaxKey && utf8.ValidString(k) &&
		!strings.ContainsFunc(k, unicode.IsControl)
}

// deadlines is a heap of what expires; what was written again since is in it more than once.
type deadlines struct {
	now  time.Time
	list []records.Record // Table, Key, Version, Expires
}

func (d *deadlines) add(r records.Record) {
	if !r.Expires.IsZero() {
		r.Body = nil
		heap.Push(d, r)
	}
}

func (d *deadlines) Len() int           { return len(d.list) }
func (d *deadlines) Less(i, j int) bool { return d.list[i].Expires.Before(d.list[j].Expires) }
func (d *deadlines) Swap(i, j int)      { d.list[i], d.list[j] = d.list[j], d.list[i] }
func (d *deadlines) Push(x any)         { d.list = append(d.list, x.(records.Record)) }
func (d *deadlines) Pop() any {
	last := d.list[len(d.list)-1]
	d.list = d.list[:len(d.list)-1]
	return last
}

// expireLocked moves the time and ends, in an entry of its own, what is due: holds and records.
func (s *Store) expireLocked() {
	if now := s.now(); now.After(s.due.now) {
		s.due.now = now
	}
	due, holds := s.ledger.NextDeadline()
	holds = holds && due <= s.due.now.UnixMilli()
	if !holds && (len(s.due.list) == 0 || s.due.list[0].Expires.After(s.due.now)) {
		return
	}
	if _, err := s.entryLocked(nil); err != nil {
		panic("recordstest: " + err.Error())
	}
	index := s.ledger.Index()
	for len(s.due.list) > 0 && !s.due.list[0].Expires.After(s.due.now) {
		d := heap.Pop(&s.due).(records.Record)
		t := s.tableLocked(d.Table)
		r, ok := t.rows[d.Key]
		if !ok || r.Version != d.Version || r.Archived {
			continue
		}
		if r.keep {
			r.Archived = true
			t.rows[d.Key] = r
		} else {
			delete(t.rows, d.Key)
		}
		s.feed.add(records.Change{Gone: true, Record: records.Record{Table: d.Table, Key: d.Key,
			Version: index, Archived: r.keep}})
	}
	s.feed.wake()
}
