package outbox

import "time"

const (
	// learnOver is the time over which the rate of calls is measured that a vendor turned down.
	learnOver = 10 * time.Second
	// shrink and grow are as in every additive-increase scheme: down at once, up slowly.
	shrink, grow = 0.7, 1.05
	// minRate keeps a connection alive that was told to wait again and again.
	minRate = 0.2
	// forgetAfter is how long a vendor must not have asked to wait before its limit is forgotten.
	forgetAfter = 10 * time.Minute
	// A retry costs one token and a success earns a fifth, so that at most a fifth of what a vendor
	// gets are retries, but for the few that are always allowed.
	retryMost, retryEarn, retryPerSecond = 50, 0.2, 1
)

// budget paces the calls of a connection: as many as its vendor takes, which it learns from being
// told to wait. Without having been told it sets no limit. Times come in.
type budget struct {
	until     time.Time // nobody calls before: the vendor's own word
	rate      float64   // calls a second; 0 is no limit
	tokens    float64
	at        time.Time // tokens and retries are as of then
	limitedAt time.Time
	grownAt   time.Time
	calls     int // since from
	from      time.Time
	retries   float64
}

// may reports whether a call may be made now; if not, when to ask again.
func (b *budget) may(now time.Time) (ok bool, again time.Time) {
	b.pass(now)
	if now.Before(b.until) {
		return false, b.until
	}
	if b.rate > 0 && b.tokens < 1 {
		return false, now.Add(time.Duration((1-b.tokens)/b.rate*float64(time.Second)) + 1)
	}
	return true, time.Time{}
}

// take counts a call that is made.
func (b *budget) take(now time.Time) {
	if now.Sub(b.from) > learnOver {
		b.from, b.calls = now, 0
	}
	b.calls++
	if b.rate > 0 {
		b.tokens--
	}
}

// mayRetry takes what a retry costs, if there is so much.
func (b *budget) mayRetry(now time.Time) bool {
	b.pass(now)
	if b.retries < 1 {
		return false
	}
	b.retries--
	return true
}

func (b *budget) success() { b.retries = min(b.retries+retryEarn, retryMost) }

// limited learns that the vendor asks to wait. Several calls may hear so at the same time: they are
// one lesson.
func (b *budget) limited(now time.Time, after time.Duration) {
	if until := now.Add(max(after, time.Second)); until.After(b.until) {
		b.until = until
	}
	if now.Sub(b.limitedAt) < time.Second {
		return
	}
	measured := float64(b.calls) / max(now.Sub(b.from).Seconds(), 1)
	if b.rate > 0 {
		measured = min(measured, b.rate)
	}
	b.rate = max(measured*shrink, minRate)
	b.tokens, b.limitedAt, b.grownAt = 1, now, now
}

// pass moves the time.
func (b *budget) pass(now time.Time) {
	if b.at.IsZero() {
		b.at, b.from, b.retries = now, now, retryMost
	}
	d := now.Sub(b.at).Seconds()
	if d <= 0 {
		return
	}
	b.at = now
	b.retries = min(b.retries+d*retryPerSecond, retryMost)
	if b.rate == 0 {
		return
	}
	b.tokens = min(b.tokens+d*b.rate, max(b.rate, 1)) // a second's worth at once, no more
	if now.Sub(b.limitedAt) > forgetAfter {
		b.rate = 0
	} else if now.Sub(b.grownAt) > learnOver {
		b.rate, b.grownAt = b.rate*grow, now
	}
}

const (
	// backoffFrom and backoffMost bound the pause before a try: a second for what was a hiccup, ten
	// minutes because the breaker, not the pause, spares a vendor that is down.
	backoffFrom, backoffMost = time.Second, 10 * time.Minute
)

// backoff is the pause before the next try, with full jitter, so that what failed together does not
// come again together. jitter is from 0 to 1.
func backoff(tries int, jitter float64) time.Duration {
	most := min(backoffFrom<<min(max(tries-1, 0), 20), backoffMost)
	return time.Duration(jitter * float64(most))
}
