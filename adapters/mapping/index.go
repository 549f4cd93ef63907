package mapping

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/adapters/records"
)

// Index is the mapping in memory, as the records have it. It is safe for concurrent use; a look-up
// takes a lock that writers hold for some microseconds. Make it with NewIndex and let Run follow.
type Index struct {
	store records.Store
	log   *slog.Logger

	mu    sync.RWMutex // guards all below
	rows  *state
	seen  uint64        // version of the table up to which rows is complete
	ready bool          // all was read once
	moved chan struct{} // closed, and replaced, when seen or ready changes
}

var _ Lookup = (*Index)(nil)

// NewIndex returns an empty Index of the mappings of a store. log may be nil.
func NewIndex(store records.Store, log *slog.Logger) *Index {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Index{store: store, log: log, rows: newState(), moved: make(chan struct{})}
}

const (
	// guardKey is the record that every write of a row writes too, last in its Tx: its version is that of
	// the whole table, and who has seen it has seen all rows of that version. No row's key begins with
	// a slash, because a connection has a name.
	guardKey = "/version"
	// applySlice is how many changes are taken in under one hold of the lock: some 100 µs.
	applySlice = 256
	// rebuildPause is how long Run waits before it tries again what a store without a leader refused.
	rebuildPause = 200 * time.Millisecond
)

func isRow(key string) bool { return !strings.HasPrefix(key, "/") }

// Run follows the records until ctx ends or the store is closed, and fails with that. What it has read
// stays; a store that cannot be read for a while only delays what is new.
func (x *Index) Run(ctx context.Context) error {
	w := x.store.Watch(records.Mappings)
	defer w.Close()
	for {
		changes, lost, err := w.Next(ctx)
		if err != nil {
			return fmt.Errorf("follow the mappings: %w", err)
		}
		// The rows are read after the watch began, so that what changes meanwhile comes as a change; its
		// version says which of the two is newer.
		for said := ""; lost; {
			if err = x.rebuild(ctx); err == nil {
				break
			}
			if err.Error() != said {
				said = err.Error()
				x.log.Warn("mappings cannot be read", "error", err)
			}
			if err := pause(ctx, rebuildPause); err != nil {
				return fmt.Errorf("follow the mappings: %w", err)
			}
		}
		for part := range slices.Chunk(changes, applySlice) {
			x.take(part)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// rebuild reads all rows, a page at a time, while the old ones still answer.
func (x *Index) rebuild(ctx context.Context) error {
	guard, _, err := x.store.Get(ctx, records.Mappings, guardKey)
	if err != nil {
		return err
	}
	fresh := newState()
	for after, more := "", true; more; {
		var page []records.Record
		page, more, err = x.store.List(ctx, records.Mappings, "", after, records.MaxList)
		if err != nil {
			return err
		}
		for _, r := range page {
			x.judge(fresh.apply(records.Change{Record: r}))
			after = r.Key
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.rows, x.ready = fresh, true
	x.seen = max(x.seen, guard.Version)
	x.moveLocked()
	return nil
}

func (x *Index) take(changes []records.Change) {
	x.mu.Lock()
	defer x.mu.Unlock()
	before := x.seen
	for _, c := range changes {
		x.judge(x.rows.apply(c))
		if c.Key == guardKey {
			x.seen = max(x.seen, c.Version)
		}
	}
	if x.seen != before {
		x.moveLocked()
	}
}

// judge reports a record that is not a row: a mistake of ours. The row counts as not there.
func (x *Index) judge(err error) {
	if err != nil {
		x.log.Error("a mapping cannot be decoded", "error", err)
	}
}

func (x *Index) moveLocked() {
	close(x.moved)
	x.moved = make(chan struct{})
}

// Wait blocks until all rows up to a version of the table are here. It fails with ctx's error only.
func (x *Index) Wait(ctx context.Context, version uint64) error {
	for {
		x.mu.RLock()
		there, moved := x.ready && x.seen >= version, x.moved
		x.mu.RUnlock()
		if there {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		}
	}
}

// Len is how many rows there are.
func (x *Index) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.rows.byKey)
}

// Find looks up what a Ref is; a listing that has no row of its own has that of all marketplaces.
func (x *Index) Find(f Ref) (Row, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	s, ok := x.rows.find(f)
	return s.row, ok
}

// ByVariant implements Lookup.
func (x *Index) ByVariant(connection string, variant int64) (Row, bool) {
	return x.Find(VariantRef(connection, variant))
}

// ByInventoryItem implements Lookup.
func (x *Index) ByInventoryItem(connection string, item int64) (Row, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	s, ok := x.rows.inventoryItem(connection, item)
	return s.row, ok
}

// BySellerSKU implements Lookup.
func (x *Index) BySellerSKU(connection, marketplace, sellerSKU string) (Row, bool) {
	return x.Find(SellerRef(connection, marketplace, sellerSKU))
}

// ByItem implements Lookup.
func (x *Index) ByItem(connection, item string) (Row, bool) {
	return x.Find(ItemRef(connection, item))
}

// Of implements Lookup; the rows are in the order of their keys.
func (x *Index) Of(sku string) []Row {
	x.mu.RLock()
	var found []slot
	for s := range x.rows.ofSKU(sku) {
		found = append(found, *s)
	}
	x.mu.RUnlock()
	slices.SortFunc(found, func(a, b slot) int { return cmp.Compare(a.key, b.key) })
	rows := make([]Row, len(found))
	for i := range found {
		rows[i] = found[i].row
	}
	return rows
}
