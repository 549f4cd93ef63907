package outbox

import "time"

// BreakerState is whether calls of a connection are made.
type BreakerState uint8

// The states.
const (
	Closed   BreakerState = iota // calls are made
	OpenWide                     // none is
	HalfOpen                     // one is, to see
)

var breakerNames = [...]string{Closed: "closed", OpenWide: "open", HalfOpen: "half-open"}

// String returns the wire name.
func (s BreakerState) String() string { return breakerNames[s] }

const (
	// breakAfter is how many calls in a row must fail before none is made: fewer would be chance, and
	// each more is a task that has to wait for its second try.
	breakAfter = 5
	// The first pause is about a restart of a vendor's part, the longest about what a person accepts to
	// wait after the vendor is back.
	breakFor, breakMost = 5 * time.Second, 2 * time.Minute
	// lasting is how many probes must fail before a person is told: with the pauses above some 3 minutes.
	lasting = 5
)

// breaker stops the calls of a connection that does not work, and tries with one call whether it works
// again. The zero breaker is closed. Times come in.
type breaker struct {
	failures int // in a row
	opened   int // times that it was opened since it was last closed
	state    BreakerState
	until    time.Time // of OpenWide
}

// may reports whether a call may be made, while running others are; if not, when to ask again.
func (b *breaker) may(now time.Time, running int) (ok bool, again time.Time) {
	if b.state == OpenWide && !now.Before(b.until) {
		b.state = HalfOpen
	}
	switch b.state {
	case OpenWide:
		return false, b.until
	case HalfOpen:
		return running == 0, time.Time{} // the end of the running one wakes
	default:
		return true, time.Time{}
	}
}

func (b *breaker) success() { *b = breaker{} }

// failure counts a call that failed for a reason that the next one may share. at once is for what will
// fail surely, such as credentials. jitter is from 0 to 1.
func (b *breaker) failure(now time.Time, atOnce bool, jitter float64) {
	b.failures++
	if b.state == OpenWide || b.state == Closed && b.failures < breakAfter && !atOnce {
		return
	}
	pause := min(breakFor<<min(b.opened, 10), breakMost)
	b.opened++
	b.state, b.until = OpenWide, now.Add(pause*3/4+time.Duration(jitter*float64(pause/4)))
}

// lasts reports whether it is time to tell a person.
func (b *breaker) lasts() bool { return b.opened >= lasting }
