package simtest

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// Clock is the simulator's time and the list of what is to happen later. It is either the real time
// or a manual one, which moves only when it is told to. Safe for concurrent use.
type Clock struct {
	manual bool

	mu struct {
		sync.Mutex
		now   time.Time // manual only
		seq   uint64
		later timers
	}
	wake    chan struct{} // a timer earlier than all others was added
	settled func()        // manual only
}

type timer struct {
	at  time.Time
	seq uint64 // equal times fire in the order in which they were set
	run func()
}

type timers []timer

func (t timers) Len() int { return len(t) }
func (t timers) Less(i, j int) bool {
	if t[i].at.Equal(t[j].at) {
		return t[i].seq < t[j].seq
	}
	return t[i].at.Before(t[j].at)
}
func (t timers) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t *timers) Push(x any)   { *t = append(*t, x.(timer)) }
func (t *timers) Pop() any {
	old := *t
	last := old[len(old)-1]
	old[len(old)-1] = timer{}
	*t = old[:len(old)-1]
	return last
}

// NewClock makes a clock. A manual one begins at start and stands still.
func NewClock(manual bool, start time.Time) *Clock {
	c := &Clock{manual: manual, wake: make(chan struct{}, 1), settled: func() {}}
	c.mu.now = start
	return c
}

// Now is the simulator's time.
func (c *Clock) Now() time.Time {
	if !c.manual {
		return time.Now().UTC()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.now
}

// OnSettle sets what an advance of a manual clock waits for before every step: that what was
// started has come to rest. It is to be set before the clock is used.
func (c *Clock) OnSettle(wait func()) { c.settled = wait }

// After runs f once d has passed. f runs on the clock's goroutine and must not block for long.
func (c *Clock) After(d time.Duration, f func()) {
	at := c.Now().Add(d)
	c.mu.Lock()
	c.mu.seq++
	heap.Push(&c.mu.later, timer{at: at, seq: c.mu.seq, run: f})
	first := c.mu.later[0].seq == c.mu.seq
	c.mu.Unlock()
	if first {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// due takes the earliest timer that is not after limit.
func (c *Clock) due(limit time.Time) (timer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.mu.later) == 0 || c.mu.later[0].at.After(limit) {
		return timer{}, false
	}
	t := heap.Pop(&c.mu.later).(timer)
	if c.manual && t.at.After(c.mu.now) {
		c.mu.now = t.at
	}
	return t, true
}

// Advance moves a manual clock on and runs what falls due on the way, each at its own time.
func (c *Clock) Advance(d time.Duration) {
	limit := c.Now().Add(d)
	c.settled()
	for {
		t, ok := c.due(limit)
		if !ok {
			break
		}
		t.run()
		c.settled()
	}
	c.mu.Lock()
	if limit.After(c.mu.now) {
		c.mu.now = limit
	}
	c.mu.Unlock()
}

// Run fires timers as real time passes, until the context ends. What is still set then is dropped.
func (c *Clock) Run(ctx context.Context) {
	wait := time.NewTimer(time.Hour)
	defer wait.Stop()
	for {
		for t, ok := c.due(time.Now()); ok; t, ok = c.due(time.Now()) {
			t.run()
		}
		c.mu.Lock()
		next := time.Hour
		if len(c.mu.later) > 0 {
			next = max(0, time.Until(c.mu.later[0].at))
		}
		c.mu.Unlock()
		wait.Reset(next)
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-wait.C:
		}
	}
}
