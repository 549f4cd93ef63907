package raftstore

import (
	"slices"
	"sync"
	"time"
)

// stallWatch notices calls that have waited for the disk for too long while they still wait. There
// is one timer, which follows the oldest call. Safe for concurrent use.
type stallWatch struct {
	limit time.Duration
	now   func() time.Time
	found func(what string, took time.Duration)

	mu struct {
		sync.Mutex
		calls   []stallCall // that run now, the oldest first: one or two
		last    uint64      // number of the newest call
		timer   stallTimer
		stopped bool
	}
}

type stallCall struct {
	number uint64
	what   string
	began  time.Time
}

// init makes the watch ready. found runs on the timer's goroutine, without the lock.
func (w *stallWatch) init(limit time.Duration, now func() time.Time,
	afterFunc func(time.Duration, func()) stallTimer, found func(string, time.Duration)) {
	w.limit, w.now, w.found = limit, now, found
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.timer = afterFunc(time.Hour, w.fire)
	w.mu.timer.Stop()
}

// begin notes that a call runs from now on, until the function that it returns is called.
func (w *stallWatch) begin(what string) (ended func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.last++
	number := w.mu.last
	w.mu.calls = append(w.mu.calls, stallCall{number: number, what: what, began: w.now()})
	if len(w.mu.calls) == 1 {
		w.setLocked()
	}
	return func() { w.end(number) }
}

func (w *stallWatch) end(number uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := slices.IndexFunc(w.mu.calls, func(c stallCall) bool { return c.number == number })
	w.mu.calls = slices.Delete(w.mu.calls, at, at+1)
	if at == 0 {
		w.setLocked()
	}
}

// setLocked sets the timer for the oldest call.
func (w *stallWatch) setLocked() {
	if len(w.mu.calls) == 0 || w.mu.stopped {
		w.mu.timer.Stop()
		return
	}
	w.mu.timer.Reset(w.limit - w.now().Sub(w.mu.calls[0].began))
}

// fire runs when the timer fires: maybe for a call that has just ended, so the time decides.
func (w *stallWatch) fire() {
	w.mu.Lock()
	if len(w.mu.calls) == 0 || w.mu.stopped {
		w.mu.Unlock()
		return
	}
	oldest := w.mu.calls[0]
	took := w.now().Sub(oldest.began)
	if took < w.limit {
		w.setLocked()
		w.mu.Unlock()
		return
	}
	w.mu.Unlock()
	w.found(oldest.what, took)
}

// stop ends the watch.
func (w *stallWatch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.stopped = true
	w.mu.timer.Stop()
}
