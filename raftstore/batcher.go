package raftstore

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxInFlight is how many batches may be on their way at once. With one, the disk idles while the
// followers answer; beyond three, batches only get smaller.
const maxInFlight = 3

// batcher collects commands into batches and keeps them in arrival order until they are answered.
// Any goroutine may add; one goroutine (Store.runBatches) takes.
//
// It clocks itself: there is no timer, a batch leaves as soon as fewer than maxInFlight are on
// their way, with all that has queued since.
type batcher struct {
	admit   admission
	metrics *metrics
	full    atomic.Pointer[DiskFullError] // why what takes stock is refused; nil: it is not
	wake    chan struct{}                 // one token: something changed for the taking goroutine
	quiet   chan struct{}                 // closed when, after close, nothing is on its way any more

	mu struct {
		sync.Mutex
		sealed   []*batch // full, in order
		open     *batch   // nil when nothing waits
		inFlight []*batch // taken and not answered, in order
		usual    int      // bytes of the batch that was taken last: as much room has the next one
		idle     bool     // the taking goroutine sleeps
		closed   bool
		quiet    bool
		load     load
	}
}

func newBatcher(c Config, m *metrics) *batcher {
	return &batcher{
		admit:   admission{bytes: c.QueueBytes, wait: c.QueueWait},
		metrics: m,
		wake:    make(chan struct{}, 1),
		quiet:   make(chan struct{}),
	}
}

// add puts the one command of c into the batch under construction and returns the batch and the place
// of the command in it. It never blocks, and keeps nothing of c. It fails with *OverloadedError,
// *DiskFullError, *TooLargeError, *NoLeaderError (closing) or the fault of c; then nothing happened.
func (q *batcher) add(c *commands) (*batch, int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.checkLocked(c); err != nil {
		return nil, 0, err
	}
	b, at, _ := q.putLocked(c, 0)
	q.nudgeLocked()
	return b, at, nil
}

// addAll puts commands into batches, one behind the other, all or none. whole says that another node
// must take them all or none too, and in order; hopped that they came from another node. It fails
// as add.
func (q *batcher) addAll(c *commands, whole, hopped bool) ([]span, error) {
	spans := make([]span, 0, 1+len(c.buf)/maxBatchBytes+c.len()/maxBatchOps)
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.checkLocked(c); err != nil {
		return nil, err
	}
	for from := 0; from < c.len(); {
		b, at, to := q.putLocked(c, from)
		if whole && from > 0 {
			b.after = spans[len(spans)-1].b
		}
		b.whole = b.whole || whole
		b.hopped = b.hopped || hopped
		spans = append(spans, span{b: b, at: at, n: to - from, from: from, to: to})
		from = to
	}
	q.nudgeLocked()
	return spans, nil
}

// join returns the batch under construction, which then goes out even when it stays empty. hopped
// is as in addAll. It fails with *NoLeaderError when the store is closing.
func (q *batcher) join(hopped bool) (*batch, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.closed {
		return nil, closing()
	}
	b := q.openLocked(0)
	b.waits = true
	b.hopped = b.hopped || hopped
	q.nudgeLocked()
	return b, nil
}

func (q *batcher) checkLocked(c *commands) error {
	if q.mu.closed {
		return closing()
	}
	if c.fault != nil {
		return c.fault
	}
	if full := q.full.Load(); full != nil && c.priority == priorityLow {
		q.metrics.refused.Inc()
		return full
	}
	if err := q.admit.check(&q.mu.load, c.priority, len(c.buf), q.expectedLocked()); err != nil {
		q.metrics.refused.Inc()
		return err
	}
	return nil
}

// expectedLocked is how long what joins now will wait: by the pace at which batches were answered
// lately, and at least as long as the first has waited already. It is 0 while there is no backlog.
func (q *batcher) expectedLocked() time.Duration {
	if len(q.mu.inFlight) < maxInFlight {
		return 0
	}
	expected := time.Since(q.mu.inFlight[0].opened)
	if full := len(q.mu.sealed); full > 0 {
		expected = max(expected, q.mu.load.expected(full))
	}
	return expected
}

// putLocked puts as many commands as fit into one batch, from one place on, at least that one. It
// returns the place of the first in the batch, and that of the first that did not fit.
func (q *batcher) putLocked(c *commands, from int) (b *batch, at, to int) {
	b = q.openLocked(len(c.run(from, from+1)))
	at, to = b.count, b.room(c, from)
	run := c.run(from, to)
	b.entry.Append(run, to-from, c.defines)
	b.count += to - from
	b.bytes += len(run)
	q.mu.load.bytes += len(run)
	return b, at, to
}

// openLocked returns the batch under construction, a new one when size more bytes do not fit.
func (q *batcher) openLocked(size int) *batch {
	if b := q.mu.open; b != nil {
		if b.fits(size) {
			return b
		}
		q.mu.sealed = append(q.mu.sealed, b)
	}
	q.mu.open = newBatch(time.Now())
	q.mu.open.entry.Grow(q.mu.usual)
	return q.mu.open
}

// nudgeLocked wakes the taking goroutine if it sleeps for want of work.
func (q *batcher) nudgeLocked() {
	if q.mu.idle && len(q.mu.inFlight) < maxInFlight {
		q.mu.idle = false
		q.poke()
	}
}

func (q *batcher) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// next blocks until a batch may go and returns it, in arrival order; nil once the batcher is
// closed.
func (q *batcher) next() *batch {
	for {
		q.mu.Lock()
		if q.mu.closed {
			q.mu.Unlock()
			return nil
		}
		if len(q.mu.inFlight) < maxInFlight {
			if b := q.takeLocked(); b != nil {
				q.mu.inFlight = append(q.mu.inFlight, b)
				q.mu.usual = min(b.bytes, maxBatchBytes)
				q.mu.Unlock()
				return b
			}
		}
		q.mu.idle = true
		q.mu.Unlock()
		<-q.wake
		// Whoever was answered together comes back together: let them join this batch, for each
		// entry has a price of its own.
		runtime.Gosched()
	}
}

func (q *batcher) takeLocked() *batch {
	if len(q.mu.sealed) > 0 {
		b := q.mu.sealed[0]
		n := copy(q.mu.sealed, q.mu.sealed[1:])
		q.mu.sealed[n] = nil
		q.mu.sealed = q.mu.sealed[:n]
		return b
	}
	b := q.mu.open
	q.mu.open = nil
	return b
}

// proposed makes the batch known to the state machine under its payload, before raft has it. When
// it is not answered within limit its outcome is unknown: raft's own futures may hang for ever.
//
// It returns false when b is answered and must not go to raft: the batcher was abandoned while b was
// being stamped, or it is closed and b is an entry of our own, which never queued; that one is
// answered here.
func (q *batcher) proposed(b *batch, payload []byte, term uint64, limit time.Duration) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if b.settled {
		return false
	}
	if !slices.Contains(q.mu.inFlight, b) { // an entry of our own
		if q.mu.closed { // nobody would wait for it, and abandon may have been here
			q.settleLocked(b, outcome{err: closing()})
			close(b.done)
			return false
		}
		q.mu.inFlight = append(q.mu.inFlight, b)
	}
	b.payload, b.term = payload, term
	b.limit = time.AfterFunc(limit, func() {
		q.settle(b, outcome{err: &UnknownError{Cause: errDeadline}})
	})
	return true
}

// find returns the batch in flight whose very payload data is, or nil. An entry of another node, or
// one read back from the log, is somebody else's.
func (q *batcher) find(data []byte) *batch {
	if len(data) == 0 {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, b := range q.mu.inFlight {
		if len(b.payload) == len(data) && &b.payload[0] == &data[0] {
			return b
		}
	}
	return nil
}

// inFlightIn reports whether b waits for its answer as an entry of term.
func (q *batcher) inFlightIn(b *batch, term uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !b.settled && b.term == term && term != 0
}

// outcome is what became of a batch. Its slices belong to the batch from then on.
type outcome struct {
	err   error
	index uint64
	buf   []byte
	ends  []int
	kinds []opKind
}

// settle answers everyone who waits on b, unless that has happened, and lets the next batch go.
func (q *batcher) settle(b *batch, o outcome) {
	q.mu.Lock()
	first := q.settleLocked(b, o)
	q.mu.Unlock()
	if first {
		close(b.done) // not under the lock: those who wake come straight back for it
	}
}

// settleLocked reports whether b was not answered yet; the caller then closes b.done.
func (q *batcher) settleLocked(b *batch, o outcome) bool {
	if b.settled {
		return false
	}
	b.settled = true
	b.err, b.index, b.buf, b.ends, b.kinds = o.err, o.index, o.buf, o.ends, o.kinds
	if b.limit != nil {
		b.limit.Stop()
	}
	for i, f := range q.mu.inFlight {
		if f == b {
			q.mu.inFlight = append(q.mu.inFlight[:i], q.mu.inFlight[i+1:]...)
			q.mu.load.settled(time.Now(), b.opened, len(q.mu.sealed) > 0)
			break
		}
	}
	q.mu.load.bytes -= b.bytes
	q.metrics.settled(b, time.Now())
	q.quietLocked()
	q.mu.idle = false
	q.poke()
	return true
}

func (q *batcher) quietLocked() {
	if q.mu.closed && !q.mu.quiet && len(q.mu.inFlight) == 0 {
		q.mu.quiet = true
		close(q.quiet)
	}
}

// queued is the bytes of all commands that are not answered.
func (q *batcher) queued() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.load.bytes
}

// close refuses what comes and answers what was never taken: it did not happen. What is on its way
// is left to those who wait for it, or to abandon.
func (q *batcher) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.closed = true
	for b := q.takeLocked(); b != nil; b = q.takeLocked() {
		q.settleLocked(b, outcome{err: closing()})
		close(b.done)
	}
	q.quietLocked()
	q.poke()
}

// abandon answers what is still on its way: nobody knows.
func (q *batcher) abandon(cause error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.mu.inFlight) > 0 {
		b := q.mu.inFlight[0]
		q.settleLocked(b, outcome{err: &UnknownError{Cause: cause}})
		close(b.done)
	}
}
