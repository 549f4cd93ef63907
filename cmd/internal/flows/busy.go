package flows

import (
	"context"
	"errors"
	"strings"
	"sync"

	"holdfast/adapters/mapping"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
)

// busy follows the calls of ours that have begun and not ended: what one did over there is not in the
// tallies before its task is done, so that a difference in a slot of its order says nothing yet.
type busy struct {
	store     records.Store
	orders    *orders.Book
	mapping   *mapping.Index
	executors map[string]outbox.Executor
	mu        struct {
		sync.Mutex
		ready bool
		calls map[string]call // by the task's id
	}
}

type call struct{ connection, order string }

// Run follows the tasks until ctx ends. Its error is ctx's, or the store's.
func (b *busy) Run(ctx context.Context) error {
	watch := b.store.Watch(records.Tasks)
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
			b.learn(&changes[i].Record, changes[i].Gone)
		}
	}
}

func (b *busy) readAll(ctx context.Context) error {
	b.mu.Lock()
	b.mu.ready, b.mu.calls = false, map[string]call{}
	b.mu.Unlock()
	for kind := range b.executors {
		for after, more := "", true; more; {
			rows, next, err := b.store.List(ctx, records.Tasks, kind+":", after, records.MaxList)
			if err != nil {
				return err
			}
			for i := range rows {
				after = rows[i].Key
				b.learn(&rows[i], false)
			}
			more = next
		}
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
	c, called := call{}, false
	if state := outbox.State(r.State); !gone && (state == outbox.Running || state == outbox.Queued ||
		state == outbox.Failed) {
		t, err := records.Decode[outbox.Task](*r)
		called = err == nil && (state == outbox.Running || t.Unknown)
		c = call{t.Connection, t.Key}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if called {
		b.mu.calls[r.Key] = c
	} else {
		delete(b.mu.calls, r.Key)
	}
}

// Busy reports whether a call that has not ended may have changed a slot, or an order waits for its
// mapping: then what it took there is in no tally yet. It fails with the store's error.
func (b *busy) Busy(ctx context.Context, s *publish.Slot) (bool, error) {
	b.mu.Lock()
	if !b.mu.ready {
		b.mu.Unlock()
		return true, nil
	}
	var about []string
	for _, c := range b.mu.calls {
		if c.connection == s.Connection {
			about = append(about, c.order)
		}
	}
	b.mu.Unlock()
	for _, id := range about {
		o, err := b.orders.Get(ctx, id)
		if err != nil {
			if coded, ok := errors.AsType[*orders.Error](err); !ok || coded.Code() != unknownOrder {
				return false, err
			}
			continue // a task that is about no order changes no stock
		}
		for _, l := range o.Lines {
			if l.SKU == s.SKU {
				return true, nil
			}
		}
	}
	return b.waits(ctx, s)
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
