package raftstore

import (
	"context"
	"sync"
	"sync/atomic"
)

// appliedWaiters are those who wait for the ledger to reach an index: a few at a time, because
// reads wait in batches. Safe for concurrent use.
type appliedWaiters struct {
	count atomic.Int32 // lets apply pass without the lock while nobody waits
	mu    struct {
		sync.Mutex
		list []appliedWaiter
	}
}

type appliedWaiter struct {
	index   uint64
	reached chan struct{}
}

// wait blocks until applied is at least index. It returns the cause when ctx ends first, and
// errClosing when closing is closed.
func (w *appliedWaiters) wait(ctx context.Context, index uint64, applied *atomic.Uint64,
	closing <-chan struct{}) error {
	if applied.Load() >= index {
		return nil
	}
	me := appliedWaiter{index: index, reached: make(chan struct{})}
	w.mu.Lock()
	w.mu.list = append(w.mu.list, me)
	w.count.Add(1)
	w.mu.Unlock()
	// Apply stores the index and then looks at count; we do it the other way round, so one of the
	// two sees the other.
	w.advance(applied.Load())
	select {
	case <-me.reached:
		return nil
	case <-ctx.Done():
		w.forget(me)
		return context.Cause(ctx)
	case <-closing:
		w.forget(me)
		return errClosing
	}
}

// advance lets those go who wait for index or less.
func (w *appliedWaiters) advance(index uint64) {
	if w.count.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.removeLocked(func(a appliedWaiter) bool {
		if a.index > index {
			return false
		}
		close(a.reached)
		return true
	})
}

func (w *appliedWaiters) forget(me appliedWaiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.removeLocked(func(a appliedWaiter) bool { return a.reached == me.reached })
}

func (w *appliedWaiters) removeLocked(gone func(appliedWaiter) bool) {
	kept := w.mu.list[:0]
	for _, a := range w.mu.list {
		if gone(a) {
			w.count.Add(-1)
		} else {
			kept = append(kept, a)
		}
	}
	clear(w.mu.list[len(kept):])
	w.mu.list = kept
}
