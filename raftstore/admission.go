package raftstore

import (
	"time"

	"holdfast/engine"
)

// priority decides only who is refused, never who goes first.
type priority uint8

const (
	// priorityLow is for what takes stock: it may fill three quarters of the queue, so that at the
	// peak of a sale the commits and releases which end it still get in.
	priorityLow priority = iota
	priorityHigh
)

// priorityOf returns the priority of a command; a group has that of its lowest.
func priorityOf(c engine.Command) priority {
	switch c := c.(type) {
	case *engine.Reserve, *engine.Add:
		return priorityLow
	case *engine.Group:
		for _, op := range c.Ops {
			if priorityOf(op) == priorityLow {
				return priorityLow
			}
		}
	}
	return priorityHigh
}

// minRetry and maxRetry bound what a refused caller is told.
const (
	minRetry = 100 * time.Millisecond
	maxRetry = 5 * time.Second
)

// admission bounds the queue by bytes and by the time that what joins now would wait.
type admission struct {
	bytes int
	wait  time.Duration
}

// check returns nil when size more bytes may queue, or *OverloadedError, or *TooLargeError when
// they would not fit into an empty queue. expected is how long the last in the queue will wait.
func (a admission) check(l *load, p priority, size int, expected time.Duration) error {
	bytes, wait := a.bytes, a.wait
	if p == priorityLow {
		bytes, wait = bytes/4*3, wait/4*3
	}
	if size > bytes {
		return &TooLargeError{Name: "commands of one call", Bytes: size, Most: bytes}
	}
	if l.bytes+size <= bytes && expected <= wait {
		return nil
	}
	return &OverloadedError{Queue: "writes", After: min(max(expected, minRetry), maxRetry)}
}

// load is how full the queue is and how fast it drains. Guarded by batcher.mu.
type load struct {
	bytes    int       // queued or on their way
	interval float64   // ns from one answered batch to the next while full ones queue
	last     time.Time // when a batch was last answered
}

// loadWeight is the weight of the newest batch in the moving average: about the last 16 count.
const loadWeight = 1.0 / 16

// settled records that a batch that was opened at opened is answered. Without a backlog the time
// between two answers says how few commands came, not how fast they go, so it does not count.
func (l *load) settled(now, opened time.Time, backlog bool) {
	from := l.last
	if opened.After(from) {
		from = opened
	}
	l.last = now
	if !backlog {
		return
	}
	// It begins at 0, so that one hiccup of the disk refuses nobody.
	l.interval += (float64(now.Sub(from)) - l.interval) * loadWeight
}

// expected is how long what joins behind a number of full batches will wait for its answer.
func (l *load) expected(full int) time.Duration {
	return time.Duration(l.interval * float64(full+maxInFlight))
}
