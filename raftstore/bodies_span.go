package raftstore

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"holdfast/engine"
)

// Bodies in the order of their keys. Those in memory only and those on the disk are read apart, in this
// order, since what is flushed goes from the one to the other; each part says up to which key it is
// whole, and only that much of the two is put together.

// bodySpan asks for the newest body up to a version of each of some keys.
type bodySpan struct {
	prefix, after []byte
	version       uint64
	limit         int
}

// from is the least key that may be in the span.
func (q bodySpan) from() []byte {
	if bytes.Compare(q.after, q.prefix) < 0 {
		return q.prefix
	}
	return append(slices.Clone(q.after), 0)
}

// spanLook bounds how many bodies one look at a span visits: versions that were written over and what
// was forgotten take time too.
const spanLook = 10_000

// mergeSpans puts two parts of one span together. Each is whole up to its next, nil: to the end. What
// was forgotten is left out.
func mergeSpans(a []BodyRow, nextA []byte, b []BodyRow, nextB []byte, limit int) (rows []BodyRow, next []byte) {
	next = nextA
	if next == nil || nextB != nil && bytes.Compare(nextB, next) < 0 {
		next = nextB
	}
	for len(a) > 0 || len(b) > 0 {
		var row BodyRow
		switch c := compareHeads(a, b); {
		case c < 0:
			row, a = a[0], a[1:]
		case c > 0:
			row, b = b[0], b[1:]
		default:
			if row = a[0]; b[0].Version > row.Version {
				row = b[0]
			}
			a, b = a[1:], b[1:]
		}
		if next != nil && bytes.Compare(row.Key, next) > 0 {
			break
		}
		if len(row.Value) == 0 {
			continue
		}
		if len(rows) == limit {
			return rows, rows[limit-1].Key
		}
		rows = append(rows, row)
	}
	return rows, next
}

// compareHeads compares the keys of the first rows; an empty list is behind all.
func compareHeads(a, b []BodyRow) int {
	switch {
	case len(b) == 0:
		return -1
	case len(a) == 0:
		return 1
	}
	return bytes.Compare(a[0].Key, b[0].Key)
}

func newestOrNone(row BodyRow) ([]byte, uint64, error) {
	if len(row.Value) == 0 {
		return nil, 0, ErrNoBody
	}
	return row.Value, row.Version, nil
}

// Newest returns the newest body under a key up to a version, or ErrNoBody. It fails as Get does.
func (s *BodyStore) Newest(key []byte, version uint64) (value []byte, at uint64, err error) {
	if row, known := s.dirty.newest(key, version); known {
		return newestOrNone(row)
	}
	return s.onDisk(key, version)
}

// List returns the newest bodies of some keys, in order. It fails with an error of Badger, or one that
// says what is damaged.
func (s *BodyStore) List(prefix, after []byte, version uint64, limit int) ([]BodyRow, []byte, error) {
	q := bodySpan{prefix, after, version, limit}
	inMemory, next := s.dirty.span(q)
	kept, behind, err := s.span(q)
	if err != nil {
		return nil, nil, fmt.Errorf("bodies in %s: %w", s.cfg.Dir, err)
	}
	rows, end := mergeSpans(inMemory, next, kept, behind, limit)
	return rows, end, nil
}

// span reads what is on the disk, with what was forgotten. It fails as List does.
func (s *BodyStore) span(q bodySpan) (rows []BodyRow, next []byte, err error) {
	if !s.readers.enter() {
		return nil, nil, errBodiesClosed
	}
	defer s.readers.leave()
	db, err := s.open()
	if err != nil {
		return nil, nil, err
	}
	txn := db.NewTransactionAt(q.version, false)
	defer txn.Discard()
	opts := badger.DefaultIteratorOptions
	opts.PrefetchValues, opts.AllVersions, opts.Prefix = false, true, q.prefix
	it := txn.NewIterator(opts)
	defer it.Close()
	looked := 0
	for it.Seek(q.from()); it.Valid(); it.Next() {
		item, n := it.Item(), len(rows)
		looked++
		if n > 0 && bytes.Equal(rows[n-1].Key, item.Key()) {
			continue // an earlier version
		}
		if n == q.limit || n > 0 && looked > spanLook {
			return rows, rows[n-1].Key, nil
		}
		row := BodyRow{Key: item.KeyCopy(nil), Version: item.Version()}
		if !item.IsDeletedOrExpired() {
			var err error
			row.Value, err = s.readItem(item)
			if errors.Is(err, errTorn) {
				continue
			}
			if err != nil {
				return nil, nil, err
			}
		}
		rows = append(rows, row)
	}
	return rows, nil, nil
}

// fillRange is what a Fill brought: all that there is behind after up to the last of rows, or to the end.
type fillRange struct {
	after   []byte
	rows    []BodyRow
	last    bool
	missing uint64
}

// dropStrangers forgets the records that are kept here and that the node which filled did not have: they
// were dropped in the entries that this node never saw. Without it, one that was dropped would pass for
// one that was archived. Other bodies are read by the version that memory names alone, so these may stay.
// It fails as span or write.
func dropStrangers(span func(bodySpan) ([]BodyRow, []byte, error), write func([]BodyRow) error,
	f fillRange,
) error {
	prefix := []byte{byte(engine.BodyOfRecord)}
	for after := f.after; ; {
		kept, next, err := span(bodySpan{prefix, after, f.missing, 1000})
		if err != nil {
			return err
		}
		var gone []BodyRow
		for _, r := range kept {
			if !f.last && (len(f.rows) == 0 || bytes.Compare(r.Key, f.rows[len(f.rows)-1].Key) > 0) {
				next = nil
				break
			}
			_, came := slices.BinarySearchFunc(f.rows, r.Key, func(row BodyRow, key []byte) int {
				return bytes.Compare(row.Key, key)
			})
			if !came && len(r.Value) > 0 {
				gone = append(gone, BodyRow{Key: r.Key, Version: f.missing})
			}
		}
		if len(gone) > 0 {
			if err := write(gone); err != nil {
				return err
			}
		}
		if next == nil {
			return nil
		}
		after = next
	}
}
