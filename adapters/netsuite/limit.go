package netsuite

import (
	"context"
	"slices"
	"sync"
	"time"
)

// limit is how many calls an account has under way, shared by all that calls it: every flow of every
// connection to it. It is safe for concurrent use.
//
// NetSuite counts all integrations of an account together, so nobody can know what is left for us. The
// limit begins at what the operator allows. When the account refuses a call it is halved, once for all
// calls that were under way together, and it grows by one after each [growAfter] without a refusal.
//
// Flows take turns: one that queues a thousand calls makes another one wait for one of them only. A call
// holds its place while it is under way, and never while it pauses or waits for a token.
type limit struct {
	now func() time.Time

	mu struct {
		sync.Mutex
		most      int // what the operator allows
		allowed   int // 1 to most
		inFlight  int
		lines     []*line // of flows that wait, in the order of their turns
		waiting   int
		halvedAt  time.Time
		changedAt time.Time // when allowed changed last
	}
}

// line is the calls of one flow that wait.
type line struct {
	flow  string
	turns []*turn
}

// turn is one call that waits; ready is closed when it has its place.
type turn struct{ ready chan struct{} }

const (
	// DefaultConcurrency leaves one of the 5 calls of the smallest account to others.
	DefaultConcurrency = 4
	// MaxConcurrency is over what the largest tier with many licences has.
	MaxConcurrency = 200
	// growAfter is how long it must go well before one more call is tried: with the smallest limit of
	// 5 it is two minutes from the worst to the best.
	growAfter = 30 * time.Second
	// maxWaiting bounds the calls that wait: at 4 calls of 300 ms the last one waits over a minute,
	// which is more than a claim of a task.
	maxWaiting = 1024
)

func newLimit(most int, now func() time.Time) *limit {
	l := &limit{now: now}
	l.mu.most, l.mu.allowed, l.mu.changedAt = most, most, now()
	return l
}

// bound sets what the operator allows.
func (l *limit) bound(most int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.allowed == l.mu.most || l.mu.allowed > most {
		l.mu.allowed = most
	}
	l.mu.most = most
	l.seatLocked()
}

// place is a call that is under way. It is given back once.
type place struct {
	of    *limit
	begun time.Time
}

// take waits for a place. It fails with ctx's error, or with a retryable Fault when too many wait; then
// there is no place to give back.
func (l *limit) take(ctx context.Context, flow string) (place, error) {
	l.mu.Lock()
	if l.mu.waiting == 0 && l.mu.inFlight < l.mu.allowed {
		l.mu.inFlight++
		l.mu.Unlock()
		return place{l, l.now()}, nil
	}
	if l.mu.waiting >= maxWaiting {
		l.mu.Unlock()
		return place{}, &Fault{code: codeThrottled, class: classLimit, retryable: true,
			after: time.Second, detail: "too many calls wait for the account"}
	}
	mine := &turn{ready: make(chan struct{})}
	l.joinLocked(flow, mine)
	l.mu.Unlock()
	select {
	case <-mine.ready:
		return place{l, l.now()}, nil
	case <-ctx.Done():
		l.leave(mine)
		return place{}, ctx.Err()
	}
}

func (l *limit) joinLocked(flow string, t *turn) {
	l.mu.waiting++
	for _, line := range l.mu.lines {
		if line.flow == flow {
			line.turns = append(line.turns, t)
			return
		}
	}
	l.mu.lines = append(l.mu.lines, &line{flow, []*turn{t}})
}

// leave forgets a turn; one that has got its place meanwhile gives it to the next.
func (l *limit) leave(t *turn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, line := range l.mu.lines {
		k := slices.Index(line.turns, t)
		if k < 0 {
			continue
		}
		l.mu.waiting--
		if line.turns = slices.Delete(line.turns, k, k+1); len(line.turns) == 0 {
			l.mu.lines = slices.Delete(l.mu.lines, i, i+1)
		}
		return
	}
	l.mu.inFlight--
	l.seatLocked()
}

// seatLocked gives free places to who waits, one flow after the other.
func (l *limit) seatLocked() {
	for l.mu.inFlight < l.mu.allowed && len(l.mu.lines) > 0 {
		first := l.mu.lines[0]
		l.mu.lines = l.mu.lines[1:]
		t := first.turns[0]
		if first.turns = first.turns[1:]; len(first.turns) > 0 {
			l.mu.lines = append(l.mu.lines, first)
		}
		l.mu.waiting--
		l.mu.inFlight++
		close(t.ready)
	}
}

// give ends a call. refused says that the account turned it down because too many were under way.
func (p place) give(refused bool) {
	l := p.of
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.inFlight--
	now := l.now()
	switch {
	case refused && p.begun.After(l.mu.halvedAt):
		l.mu.allowed = max(l.mu.allowed/2, 1)
		l.mu.halvedAt, l.mu.changedAt = now, now
	case refused:
		// It began before the lesson that was learnt already.
	case l.mu.allowed < l.mu.most && now.Sub(l.mu.changedAt) >= growAfter:
		l.mu.allowed++
		l.mu.changedAt = now
	}
	l.seatLocked()
}

// Concurrency is the limit of an account as it is seen from here.
type Concurrency struct {
	Allowed, Most int // now, and what the operator allows
	InFlight      int
	Waiting       int
}

func (l *limit) view() Concurrency {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Concurrency{Allowed: l.mu.allowed, Most: l.mu.most, InFlight: l.mu.inFlight,
		Waiting: l.mu.waiting}
}
