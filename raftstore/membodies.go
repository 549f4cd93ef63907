package raftstore

import (
	"bytes"
	"slices"
	"sync"

	"holdfast/engine"
)

// MemBodies is a Bodies in memory, for tests: no file, no goroutine, so that it works inside a synctest
// bubble. What was flushed outlives Close; Reopen gives it back, as a restart would.
type MemBodies struct {
	dirty dirtyBodies
	mu    struct {
		sync.Mutex
		rows    []BodyRow // by key, then version
		through uint64
		closed  bool
	}
}

var _ Bodies = (*MemBodies)(nil)

// NewMemBodies makes an empty store.
func NewMemBodies() *MemBodies { return &MemBodies{} }

// Reopen closes s and gives what was flushed to a new handle.
func (s *MemBodies) Reopen() *MemBodies {
	_ = s.Close() // it never fails
	s.mu.Lock()
	defer s.mu.Unlock()
	next := &MemBodies{}
	next.mu.rows, next.mu.through = s.mu.rows, s.mu.through
	next.dirty.durable(s.mu.through)
	return next
}

// Put takes the bodies of one entry.
func (s *MemBodies) Put(index uint64, bodies []engine.Body) { s.dirty.put(index, bodies) }

// Get returns a body of just that version, or ErrNoBody.
func (s *MemBodies) Get(key []byte, version uint64) ([]byte, error) {
	if value, known := s.dirty.get(key, version); known {
		return bodyOrNone(value)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at, found := slices.BinarySearchFunc(s.mu.rows, BodyRow{Key: key, Version: version}, compareBodies)
	if !found {
		return nil, ErrNoBody
	}
	return bodyOrNone(s.mu.rows[at].Value)
}

func compareBodies(a, b BodyRow) int {
	if c := bytes.Compare(a.Key, b.Key); c != 0 {
		return c
	}
	return int(int64(a.Version - b.Version))
}

// Flush keeps the bodies of entries up to through. It fails after Close.
func (s *MemBodies) Flush(through, floor uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return errBodiesClosed
	}
	for {
		piece := s.dirty.piece(through, bodyWriteBytes)
		if len(piece) == 0 {
			break
		}
		s.writeLocked(piece)
		s.dirty.written(piece)
	}
	if mark := s.dirty.mark(through); mark != 0 {
		s.mu.through = mark
		s.dirty.durable(mark)
	}
	s.discardLocked(floor)
	return nil
}

func (s *MemBodies) writeLocked(piece []BodyRow) {
	for _, r := range piece {
		r := BodyRow{Key: bytes.Clone(r.Key), Version: r.Version, Value: bytes.Clone(r.Value)}
		at, found := slices.BinarySearchFunc(s.mu.rows, r, compareBodies)
		if !found {
			s.mu.rows = slices.Insert(s.mu.rows, at, r)
		}
	}
}

// discardLocked drops, of each key, the versions before the newest one up to floor.
func (s *MemBodies) discardLocked(floor uint64) {
	var kept []BodyRow
	for i, r := range s.mu.rows {
		last := i+1 == len(s.mu.rows) || !bytes.Equal(s.mu.rows[i+1].Key, r.Key)
		if last && r.Value == nil && r.Version <= floor {
			continue
		}
		if last || s.mu.rows[i+1].Version > floor {
			kept = append(kept, r)
		}
	}
	s.mu.rows = kept
}

// State says how far bodies are.
func (s *MemBodies) State() BodyState { return s.dirty.state() }

// Size is how many bytes keys and values take.
func (s *MemBodies) Size() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.mu.rows {
		n += int64(len(r.Key) + len(r.Value))
	}
	return n
}

// Expect says that the ledger was loaded, or installed, at index.
func (s *MemBodies) Expect(index uint64) { s.dirty.expect(index) }

// Scan visits the newest version up to one version of each body behind a key; it returns nil.
func (s *MemBodies) Scan(after []byte, version uint64, visit func(BodyRow) bool) error {
	s.mu.Lock()
	rows := slices.Clone(s.mu.rows)
	s.mu.Unlock()
	for i, r := range rows {
		newer := i+1 < len(rows) && bytes.Equal(rows[i+1].Key, r.Key) && rows[i+1].Version <= version
		if newer || r.Version > version || len(r.Value) == 0 || bytes.Compare(r.Key, after) <= 0 {
			continue
		}
		if !visit(r) {
			return nil
		}
	}
	return nil
}

// Fill takes bodies that were missing. It fails after Close.
func (s *MemBodies) Fill(after []byte, rows []BodyRow, last bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return errBodiesClosed
	}
	s.writeLocked(rows)
	missing := s.dirty.state().Missing
	if missing == 0 {
		return nil
	}
	write := func(rows []BodyRow) error { s.writeLocked(rows); return nil }
	err := dropStrangers(s.spanLocked, write, fillRange{after, rows, last, missing})
	if last && err == nil {
		s.mu.through = missing
		s.dirty.filled(missing)
	}
	return err
}

// Newest returns the newest body up to a version, or ErrNoBody.
func (s *MemBodies) Newest(key []byte, version uint64) ([]byte, uint64, error) {
	if row, known := s.dirty.newest(key, version); known {
		return newestOrNone(row)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at, found := slices.BinarySearchFunc(s.mu.rows, BodyRow{Key: key, Version: version}, compareBodies)
	if !found {
		at--
	}
	if at < 0 || !bytes.Equal(s.mu.rows[at].Key, key) {
		return nil, 0, ErrNoBody
	}
	return newestOrNone(s.mu.rows[at])
}

// List returns the newest bodies of some keys, in order; it never fails.
func (s *MemBodies) List(prefix, after []byte, version uint64, limit int) ([]BodyRow, []byte, error) {
	q := bodySpan{prefix, after, version, limit}
	inMemory, next := s.dirty.span(q)
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, behind, err := s.spanLocked(q)
	rows, end := mergeSpans(inMemory, next, kept, behind, limit)
	return rows, end, err
}

func (s *MemBodies) spanLocked(q bodySpan) (rows []BodyRow, next []byte, err error) {
	at, _ := slices.BinarySearchFunc(s.mu.rows, BodyRow{Key: q.from()}, compareBodies)
	for _, r := range s.mu.rows[at:] {
		n := len(rows)
		switch {
		case !bytes.HasPrefix(r.Key, q.prefix):
			return rows, nil, nil
		case bytes.Equal(r.Key, q.after) || r.Version > q.version:
		case n > 0 && bytes.Equal(rows[n-1].Key, r.Key):
			rows[n-1] = r
		case n == q.limit:
			return rows, rows[n-1].Key, nil
		default:
			rows = append(rows, r)
		}
	}
	return rows, nil, nil
}

// Close drops what is in memory only; it returns nil.
func (s *MemBodies) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.closed = true
	return nil
}
