package shopify

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Urgency orders the calls that wait for the cost bucket of a shop.
type Urgency uint8

// The urgencies: what keeps from overselling goes first, what catches up goes last.
const (
	Falls      Urgency = iota // quantities that go down
	Ordinary                  // tasks, quantities that go up
	Background                // sweeps, imports, checks
	urgencies
)

// budget is our view of a shop's cost bucket, shared by all flows of a connection. It is safe for
// concurrent use.
//
// A call takes its cost before it is sent and settles when it is answered; then the shop's own
// figure replaces ours, less what is still in flight. So a wait is max(0, requested − available) /
// rate, and THROTTLED is rare even with many flows.
type budget struct {
	now   func() time.Time
	pause func(ctx context.Context, d time.Duration) error

	mu struct {
		sync.Mutex
		at        time.Time // when available was true
		available int64     // thousandths of a point; may be negative after a surprise
		inFlight  int64     // thousandths
		maximum   int64     // points
		rate      int64     // points a second
		waiting   [urgencies][]*turn
	}
}

// turn is one call in the queue; ready is told when it has become the first.
type turn struct{ ready chan struct{} }

const (
	milli = 1000
	// firstMaximum and firstRate are the smallest that Shopify documents: the truth comes with the
	// first reply, and until then a modest start harms nobody.
	firstMaximum = 1000
	firstRate    = 50
	// maxWaiting bounds the queue of one shop: at the smallest rate its last call would wait
	// minutes.
	maxWaiting = 1024
	// backgroundShare of the bucket is left for falls that are still to come: an import must not
	// make the next sale wait for a refill.
	backgroundShare = 4
	// minPause keeps rounding from becoming a busy loop.
	minPause = time.Millisecond
)

func newBudget(now func() time.Time, pause func(context.Context, time.Duration) error) *budget {
	b := &budget{now: now, pause: pause}
	b.mu.at = now()
	b.mu.maximum, b.mu.rate = firstMaximum, firstRate
	b.mu.available = firstMaximum * milli
	return b
}

// take waits for its turn and for the points. It fails with a Fault that is Unsent when ctx ends before,
// or when too many wait; then nothing was taken.
func (b *budget) take(ctx context.Context, cost int64, u Urgency) error {
	mine := &turn{ready: make(chan struct{}, 1)}
	if !b.enter(mine, u) {
		return unsent("too many calls wait for the shop's cost bucket", nil)
	}
	defer b.leave(mine, u)
	for {
		wait, first := b.try(mine, cost, u)
		switch {
		case first && wait == 0:
			return nil
		case first:
			if err := b.pause(ctx, max(wait, minPause)); err != nil {
				return unsent("the shop's cost bucket did not fill in time", err)
			}
		default:
			select {
			case <-mine.ready:
			case <-ctx.Done():
				return unsent("other calls went first to the shop's cost bucket", ctx.Err())
			}
		}
	}
}

func unsent(why string, cause error) *Fault {
	return &Fault{code: codeThrottled, class: classLimit, retryable: true, unsent: true,
		after: time.Second, detail: why, cause: cause}
}

func (b *budget) enter(t *turn, u Urgency) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.mu.waiting[u]) >= maxWaiting {
		return false
	}
	b.mu.waiting[u] = append(b.mu.waiting[u], t)
	return true
}

// leave forgets a turn and wakes whoever is first now.
func (b *budget) leave(t *turn, u Urgency) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.waiting[u] = slices.DeleteFunc(b.mu.waiting[u], func(o *turn) bool { return o == t })
	if first := b.firstLocked(); first != nil {
		select {
		case first.ready <- struct{}{}:
		default:
		}
	}
}

func (b *budget) firstLocked() *turn {
	for _, line := range b.mu.waiting {
		if len(line) > 0 {
			return line[0]
		}
	}
	return nil
}

// try takes the points if it is t's turn and they are there; wait is how long until they will be.
func (b *budget) try(t *turn, cost int64, u Urgency) (wait time.Duration, first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.firstLocked() != t {
		return 0, false
	}
	b.refillLocked()
	// A call that costs more than the bucket holds would wait for ever: let the shop say so.
	need := min(cost, b.mu.maximum) * milli
	room := need
	if u == Background {
		room = min(need+b.mu.maximum*milli/backgroundShare, b.mu.maximum*milli)
	}
	if b.mu.available < room {
		return b.untilLocked(room - b.mu.available), true
	}
	b.mu.available -= need
	b.mu.inFlight += need
	return 0, true
}

func (b *budget) untilLocked(missing int64) time.Duration {
	perSecond := max(b.mu.rate, 1) * milli
	return time.Duration((missing*int64(time.Second) + perSecond - 1) / perSecond)
}

func (b *budget) refillLocked() {
	now := b.now()
	passed := min(now.Sub(b.mu.at), time.Hour) // fills any bucket
	if passed <= 0 {
		return
	}
	gained := b.mu.rate * milli * passed.Microseconds() / time.Second.Microseconds()
	b.mu.available = min(b.mu.available+gained, b.mu.maximum*milli)
	b.mu.at = now
}

// settle ends a call that took cost; status is what the shop said of the bucket, or nil.
func (b *budget) settle(cost int64, status *throttleStatus) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refillLocked()
	b.mu.inFlight -= min(cost, b.mu.maximum) * milli
	b.mu.inFlight = max(b.mu.inFlight, 0)
	if status == nil || status.RestoreRate <= 0 || status.MaximumAvailable <= 0 {
		return
	}
	b.mu.maximum, b.mu.rate = int64(status.MaximumAvailable), int64(status.RestoreRate)
	b.mu.available = int64(status.CurrentlyAvailable)*milli - b.mu.inFlight
}

// empty notes that the shop has refused a call for its cost without saying what is left.
func (b *budget) empty() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refillLocked()
	b.mu.available = min(b.mu.available, 0)
}

// Budget is the cost bucket of a shop as it is seen from here, in points.
type Budget struct {
	Available, Maximum, RatePerSecond int64
	Waiting                           int // calls that wait for it
}

func (b *budget) view() Budget {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refillLocked()
	v := Budget{Available: b.mu.available / milli, Maximum: b.mu.maximum, RatePerSecond: b.mu.rate}
	for _, line := range b.mu.waiting {
		v.Waiting += len(line)
	}
	return v
}
