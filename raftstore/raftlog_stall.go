package raftstore

import (
	"slices"
	"sync"
	"time"
)

// stallWatch notices calls that have waited for the disk for too long while they still wait. There
// is one timer, which looks at them stallLooks times within the limit: a look that comes much too late
// says that this process stood still (SIGSTOP, a machine that was suspended), and not that the disk
// did, so it counts for two at most. Safe for concurrent use.
type stallWatch struct {
	limit time.Duration
	now   func() time.Time
	found func(what string, took time.Duration)

	mu struct {
		sync.Mutex
		calls   []stallCall // that run now, the oldest first: one or two
		last    uint64      // number of the newest call
		looked  time.Time   // when the time was counted last
		timer   stallTimer
		stopped bool
	}
}

type stallCall struct {
	number uint64
	what   string
	began  time.Time
	waited time.Duration // while this process ran
}

// stallLooks is how often a call is looked at until it is over the limit: a process that the machine
// gives no time for an eighth of the limit does not look dead yet.
const stallLooks = 8

func (w *stallWatch) period() time.Duration { return w.limit / stallLooks }

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
		w.mu.looked = w.now()
		w.mu.timer.Reset(w.period())
	}
	return func() { w.end(number) }
}

func (w *stallWatch) end(number uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := slices.IndexFunc(w.mu.calls, func(c stallCall) bool { return c.number == number })
	w.mu.calls = slices.Delete(w.mu.calls, at, at+1)
	if len(w.mu.calls) == 0 {
		w.mu.timer.Stop()
	}
}

// countLocked adds to what the calls have waited.
func (w *stallWatch) countLocked() {
	now := w.now()
	passed := min(now.Sub(w.mu.looked), 2*w.period())
	w.mu.looked = now
	for i := range w.mu.calls {
		c := &w.mu.calls[i]
		c.waited += min(passed, now.Sub(c.began))
	}
}

// fire runs when the timer fires: maybe for a call that has just ended, so what was counted decides.
func (w *stallWatch) fire() {
	w.mu.Lock()
	if len(w.mu.calls) == 0 || w.mu.stopped {
		w.mu.Unlock()
		return
	}
	w.countLocked()
	oldest := w.mu.calls[0]
	if oldest.waited < w.limit {
		w.mu.timer.Reset(w.period())
		w.mu.Unlock()
		return
	}
	took := w.now().Sub(oldest.began)
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
