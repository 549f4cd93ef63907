package flows

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/adapters/mapping"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
	"holdfast/adapters/shopify"
	"holdfast/engine"
)

// busy follows what makes a difference in a slot say nothing yet: calls of ours that have begun and not
// ended, because what one did over there is not in the tallies before its task is done; and orders of
// which we have not read from where they leave, because until then they are counted at a guess.
type busy struct {
	store     records.Store
	orders    *orders.Book
	mapping   *mapping.Index
	executors map[string]outbox.Executor
	// connections lists those whose slots are asked about.
	connections func() []string
	mu          struct {
		sync.Mutex
		ready bool
		calls map[string]*call     // by the task's id
		marks map[string]time.Time // watermarks: how much of the log is in calls
		// through is up to which entry of the log the tasks are in calls, as far as entries that moved a
		// tally go.
		through uint64
	}
}

// call is a task that is not done.
type call struct {
	connection, order string
	running           bool // or its outcome is not known
	// skus are those of its order, and guessed says that they are counted at a guess; nil until they
	// are asked for.
	skus    []string
	guessed bool
}

// Run follows the tasks until ctx ends. Its error is ctx's, or the store's.
func (b *busy) Run(ctx context.Context) error {
	watch := b.store.Watch(records.Tasks, records.Cursors, records.Tallies)
	defer watch.Close()
	for {
		changes, lost, err := watch.Next(ctx)
		if err != nil {
			return err
		}
		if lost {
			if err := b.readAll(ctx); err != nil {
				return err
			}
		}
		for i := range changes {
			switch r := &changes[i].Record; r.Table {
			case records.Cursors:
				b.mark(r)
			case records.Tasks:
				b.learn(r, changes[i].Gone)
			}
		}
		if n := len(changes); n > 0 {
			b.through(changes[n-1].Version)
		}
	}
}

// through notes up to which entry the log was followed.
func (b *busy) through(index uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.through = max(b.mu.through, index)
}

func (b *busy) readAll(ctx context.Context) error {
	b.mu.Lock()
	b.mu.ready, b.mu.calls, b.mu.marks = false, map[string]*call{}, map[string]time.Time{}
	b.mu.Unlock()
	index, err := b.store.Ledger(ctx, func(*engine.Ledger) bool { return false })
	if err != nil {
		return err
	}
	b.through(index)
	// The marks first: what they prove must be among the tasks that are then read.
	for _, a := range b.connections() {
		row, ok, err := b.store.Get(ctx, records.Cursors, publish.WatermarkKey(a))
		if err != nil {
			return err
		}
		if ok {
			b.mark(&row)
		}
	}
	kinds := slices.Sorted(maps.Keys(b.executors))
	learn := func(task *records.Record) { b.learn(task, false) }
	if err := outbox.EachOpen(ctx, b.store, kinds, learn); err != nil {
		return err
	}
	b.mu.Lock()
	b.mu.ready = true
	b.mu.Unlock()
	return nil
}

// learn takes over what a task is now.
func (b *busy) learn(r *records.Record, gone bool) {
	kind, _, _ := strings.Cut(r.Key, ":")
	if b.executors[kind] == nil {
		return
	}
	var c *call
	if state := outbox.State(r.State); !gone && (state == outbox.Running || state == outbox.Queued ||
		state == outbox.Failed) {
		t, err := records.Decode[outbox.Task](*r)
		places := shopify.PlacesTask(t.Kind) && state != outbox.Failed
		if err == nil && (state == outbox.Running || t.Unknown || places) {
			c = &call{connection: t.Connection, order: t.Key,
				running: !shopify.ReadsOnly(t.Kind) && (state == outbox.Running || t.Unknown)}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if c != nil {
		b.mu.calls[r.Key] = c
	} else {
		delete(b.mu.calls, r.Key)
	}
}

// mark takes over a watermark.
func (b *busy) mark(r *records.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.marks[r.Key] = time.UnixMilli(r.Value)
}

// Busy reports whether something that has not ended may have changed a slot, or what we count there, or
// an order waits for the mapping of its item: what it took there is in no tally yet. It fails with the
// store's error.
func (b *busy) Busy(ctx context.Context, s *publish.Slot) (bool, error) {
	calls, ready, err := b.about(ctx, s)
	if err != nil || !ready {
		return true, err
	}
	for i := range calls {
		if calls[i].running || calls[i].guessed {
			return true, nil
		}
	}
	return b.waits(ctx, s)
}

// Astray sums over the orders that are being placed what the connection has taken out of a slot and the
// ledger has promised elsewhere. tally is the index of the entry that last moved a tally of the SKU: a
// task that was queued with it must be known. It fails with the store's error.
func (b *busy) Astray(ctx context.Context, s *publish.Slot, tally uint64) (a publish.Astray, err error) {
	b.mu.Lock()
	behind := b.mu.through < tally
	b.mu.Unlock()
	if behind {
		return a, nil
	}
	calls, ready, err := b.about(ctx, s)
	if err != nil || !ready {
		return a, err
	}
	seen := map[string]bool{}
	for i := range calls {
		a.Moving = a.Moving || !calls[i].running
		id := calls[i].order
		if seen[id] {
			continue
		}
		seen[id] = true
		n, err := b.orders.Astray(ctx, id, s.Connection, s.SKU, s.Location)
		if err != nil {
			return a, err
		}
		a.Units += n
	}
	waits, err := b.waits(ctx, s)
	a.Known, a.Moving = err == nil, a.Moving || waits
	return a, err
}

// about returns the calls that are about orders of a slot's SKU. What a watermark proves may have made
// tasks just now: while the log was not followed up to there nobody is ready to say.
func (b *busy) about(ctx context.Context, s *publish.Slot) (calls []call, ready bool, err error) {
	key := publish.WatermarkKey(s.Connection)
	row, ok, err := b.store.Get(ctx, records.Cursors, key)
	if err != nil {
		return nil, false, err
	}
	b.mu.Lock()
	if !b.mu.ready || ok && b.mu.marks[key].Before(time.UnixMilli(row.Value)) {
		b.mu.Unlock()
		return nil, false, nil
	}
	var unread []*call
	for _, c := range b.mu.calls {
		switch {
		case c.connection != s.Connection:
		case c.skus == nil:
			unread = append(unread, c)
		case slices.Contains(c.skus, s.SKU):
			calls = append(calls, *c)
		}
	}
	b.mu.Unlock()
	for _, c := range unread {
		o, err := b.orders.Get(ctx, c.order)
		if err != nil {
			if coded, ok := errors.AsType[*orders.Error](err); !ok || coded.Code() != unknownOrder {
				return nil, false, err
			}
			continue // a task that is about no order changes no stock
		}
		skus := []string{}
		for _, l := range o.Lines {
			skus = append(skus, l.SKU)
		}
		b.mu.Lock()
		c.skus, c.guessed = skus, o.Guessed
		if slices.Contains(skus, s.SKU) {
			calls = append(calls, *c)
		}
		b.mu.Unlock()
	}
	return calls, true, nil
}

// unknownOrder is the code of an id that no order has.
const unknownOrder = "unknown-order"

// waits reports whether an order waits for the mapping of a slot's item. One that is mapped no longer
// has no key to look under: then any order of the connection that waits may be of it.
func (b *busy) waits(ctx context.Context, s *publish.Slot) (bool, error) {
	var under []string
	for _, row := range b.mapping.Of(s.SKU) {
		if row.Connection == s.Connection {
			under = append(under, row.Ref().Key()+"/")
		}
	}
	if len(under) == 0 {
		under = []string{s.Connection + "/"}
	}
	for _, prefix := range under {
		rows, _, err := b.store.List(ctx, records.Waiting, prefix, "", 1)
		if err != nil || len(rows) > 0 {
			return len(rows) > 0, err
		}
	}
	return false, nil
}
