package spapi

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Urgency orders the calls that wait for one bucket.
type Urgency uint8

// The urgencies: what keeps from overselling goes first, what catches up goes last.
const (
	Falls      Urgency = iota // quantities that go down
	Ordinary                  // tasks, quantities that go up
	Background                // sweeps, imports, checks
	urgencies
)

// MaxPause is how long a call waits by itself, for a token or before another try; whoever queued it
// can wait longer, and is told how long.
const MaxPause = 5 * time.Second

// Budgets are the buckets of an account, one for each operation. It is safe for concurrent use.
type Budgets struct {
	cfg Config
	mu  sync.Mutex
	all map[*operation]*bucket
}

func newBudgets(cfg Config) *Budgets {
	return &Budgets{cfg: cfg, all: make(map[*operation]*bucket)}
}

func (b *Budgets) of(op *operation) *bucket {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := b.all[op]
	if at == nil {
		at = &bucket{cfg: &b.cfg, burst: max(op.burst, 1), op: op}
		at.every = interval(op.rate * float64(b.cfg.Speed))
		at.full = b.cfg.Now()
		b.all[op] = at
	}
	return at
}

// Limit is what is left of an operation's bucket.
type Limit struct {
	Operation string
	Left, Of  int64
	Every     time.Duration // between two calls, once the bucket is empty
}

// Limits lists the buckets that were used, by name.
func (b *Budgets) Limits() []Limit {
	b.mu.Lock()
	used := make([]*bucket, 0, len(b.all))
	for _, at := range b.all {
		used = append(used, at)
	}
	b.mu.Unlock()
	found := make([]Limit, 0, len(used))
	for _, at := range used {
		found = append(found, at.limit())
	}
	slices.SortFunc(found, func(a, b Limit) int {
		if a.Operation < b.Operation {
			return -1
		}
		return 1
	})
	return found
}

// bucket is our view of one of Amazon's token buckets. It is kept as one moment: when it will be
// full again; a call moves it by one interval, and is let in while it is at most a burst ahead.
type bucket struct {
	cfg   *Config
	op    *operation
	burst int

	mu      sync.Mutex
	every   time.Duration
	full    time.Time
	until   time.Time // nobody is let in before: Amazon has refused
	strikes int       // refusals in a row
	waiting [urgencies][]*turn
}

// turn is one call in the line; ready is told when it has become the first.
type turn struct{ ready chan struct{} }

const (
	// maxStrikes bounds how often a pause after a refusal doubles.
	maxStrikes = 6
	// minStrike is the shortest pause after a refusal, maxStrike the longest but for the interval.
	minStrike = 250 * time.Millisecond
	maxStrike = time.Minute
	// minPause keeps rounding from becoming a busy loop.
	minPause = time.Millisecond
	// slowest is the longest interval that is believed.
	slowest = time.Hour
)

func interval(rate float64) time.Duration {
	if !(rate > 0) {
		return slowest
	}
	return min(time.Duration(float64(time.Second)/rate), slowest)
}

// take waits for its turn and for a token, at most [MaxPause]. It fails with a Fault that says how
// long it would take, or with ctx's error; then no token was taken.
func (b *bucket) take(ctx context.Context, u Urgency) error {
	mine := &turn{ready: make(chan struct{}, 1)}
	if wait := b.enter(ctx, mine, u); wait > 0 {
		return b.throttled(wait)
	}
	defer b.leave(mine, u)
	for {
		wait, first := b.try(mine)
		switch {
		case first && wait == 0:
			return nil
		case first && !patient(ctx, b.cfg.Now(), wait):
			return b.throttled(wait)
		case first:
			if err := b.cfg.Pause(ctx, max(wait, minPause)); err != nil {
				return err
			}
		default:
			select {
			case <-mine.ready:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

func (b *bucket) throttled(wait time.Duration) *Fault {
	return &Fault{code: CodeThrottled, class: classLimit, retryable: true, after: wait,
		detail: b.op.name + ": the account's limit is reached"}
}

// patient reports whether a pause is short enough to be waited for here, and ends before ctx does.
func patient(ctx context.Context, now time.Time, wait time.Duration) bool {
	ends, ok := ctx.Deadline()
	return wait <= MaxPause && (!ok || now.Add(wait).Before(ends))
}

// enter joins the line, unless it is so long that its end is out of reach: then it returns how
// long.
func (b *bucket) enter(ctx context.Context, t *turn, u Urgency) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	ahead := 0
	for i := range u + 1 {
		ahead += len(b.waiting[i])
	}
	now := b.cfg.Now()
	if wait := b.waitLocked(now, ahead+1); wait > 0 && !patient(ctx, now, wait) {
		return wait
	}
	b.waiting[u] = append(b.waiting[u], t)
	return 0
}

// waitLocked is how long until n more calls have been let in.
func (b *bucket) waitLocked(now time.Time, n int) time.Duration {
	full := later(b.full, now)
	wait := full.Add(time.Duration(n)*b.every).Sub(now) - time.Duration(b.burst)*b.every
	return max(wait, b.until.Sub(now), 0)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// leave forgets a turn and wakes whoever is first now.
func (b *bucket) leave(t *turn, u Urgency) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting[u] = slices.DeleteFunc(b.waiting[u], func(o *turn) bool { return o == t })
	if first := b.firstLocked(); first != nil {
		select {
		case first.ready <- struct{}{}:
		default:
		}
	}
}

func (b *bucket) firstLocked() *turn {
	for _, line := range b.waiting {
		if len(line) > 0 {
			return line[0]
		}
	}
	return nil
}

// try takes a token if it is t's turn and one is there; wait is how long until it will be.
func (b *bucket) try(t *turn) (wait time.Duration, first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.firstLocked() != t {
		return 0, false
	}
	now := b.cfg.Now()
	if wait := b.waitLocked(now, 1); wait > 0 {
		return wait, true
	}
	b.full = later(b.full, now).Add(b.every)
	return 0, true
}

// settle takes in what an answer says of the limit: it may have been raised for this seller. What
// is spent stays spent.
func (b *bucket) settle(h http.Header) {
	rate, err := strconv.ParseFloat(h.Get("X-Amzn-Ratelimit-Limit"), 64)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.strikes = 0
	if err != nil || !(rate > 0) || rate > 10_000 {
		return
	}
	now, next := b.cfg.Now(), interval(rate)
	if spent := b.full.Sub(now); spent > 0 && b.every > 0 {
		b.full = now.Add(time.Duration(float64(spent) / float64(b.every) * float64(next)))
	}
	b.every = next
}

// refused notes that Amazon has let nobody in: somebody else used the bucket, or it is smaller than
// we think. Nobody of the account calls until the pause is over, which grows with each refusal, and
// is not the same everywhere. It returns the pause.
func (b *bucket) refused(after time.Duration) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.cfg.Now()
	b.full = later(b.full, now.Add(time.Duration(b.burst)*b.every))
	b.strikes = min(b.strikes+1, maxStrikes)
	wait := min(max(b.every, minStrike)<<(b.strikes-1), max(b.every, maxStrike))
	wait = max(wait/2+time.Duration(b.cfg.Jitter(int64(wait/2)+1)), after)
	b.until = later(b.until, now.Add(wait))
	return b.waitLocked(now, 1)
}

func (b *bucket) limit() Limit {
	b.mu.Lock()
	defer b.mu.Unlock()
	spent := max(b.full.Sub(b.cfg.Now()), 0)
	every := max(b.every, 1)
	used := int64((spent + every - 1) / every)
	return Limit{Operation: b.op.name, Left: max(int64(b.burst)-used, 0), Of: int64(b.burst),
		Every: b.every}
}

func jitter(n int64) int64 { return rand.Int64N(n) }
