package raftstore

import (
	"sync"
	"time"
)

// termClock is the ledger's time while this node leads, in ms since 1970. It begins at the median of
// the voters' clocks and runs with the monotonic clock from there, so that a step of any wall clock
// changes nothing at once; aim then moves it towards the median, faster or slower by at most 1%.
//
// When the ledger is ahead of the median at the start of a term, time goes on from the ledger's,
// slower by 1% until the two meet: standing still would keep holds for as long as the gap is.
//
// Until begin was called it stands still where the ledger does: the barrier that opens a term ends
// no hold. A process that was paused reads the right time when it goes on, for the monotonic clock
// went on too. Safe for concurrent use.
type termClock struct {
	mono func() time.Duration // runs evenly, and on while the process is paused

	mu struct {
		sync.Mutex
		set  bool
		at   time.Duration // mono when the pace was last set
		from time.Duration // the time then, since 1970
		off  time.Duration // how much further it has to go until it is right; below 0: too far already
		last int64         // the newest stamp
	}
}

// slewPart is the part of the elapsed time by which the clock may move beside it. A hold of 15
// minutes is then at most 9 s shorter by the time of its shop than it was promised, which only a
// clock that was set too late at the start of a term can bring about.
const slewPart = 100

// begin starts a term's time at target, since 1970, or at ledger time in ms when that is ahead.
func (c *termClock) begin(ledger int64, target time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setLocked(max(time.Duration(ledger)*time.Millisecond, target), target)
}

// aim has the clock move towards target from now on, without a step.
func (c *termClock) aim(target time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.set {
		c.setLocked(c.readLocked(), target)
	}
}

func (c *termClock) setLocked(from, target time.Duration) {
	c.mu.set, c.mu.at, c.mu.from, c.mu.off = true, c.mono(), from, target-from
}

func (c *termClock) readLocked() time.Duration {
	elapsed := max(0, c.mono()-c.mu.at)
	most := elapsed / slewPart
	return c.mu.from + elapsed + min(max(c.mu.off, -most), most)
}

// read returns the time in ms; 0 before begin.
func (c *termClock) read() int64 { return c.since1970().Milliseconds() }

// since1970 is read, as it is.
func (c *termClock) since1970() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.mu.set {
		return 0
	}
	return c.readLocked()
}

// stamp returns the time for the next entry: never below the last one, nor below the ledger's.
func (c *termClock) stamp(ledger int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.last = max(c.mu.last, ledger)
	if c.mu.set {
		c.mu.last = max(c.mu.last, c.readLocked().Milliseconds())
	}
	return c.mu.last
}
