package driver

import (
	"sync"
	"time"

	"holdfast/loadtest/schedule"
)

// job is a call that is due.
type job struct {
	call  schedule.Call
	phase int
	due   time.Duration
	again bool // the second of a duplicate
}

// queue holds the calls that are due and wait for a connection, at most limit of them.
type queue struct {
	limit int
	ready *sync.Cond

	mu struct {
		sync.Mutex
		jobs   []job
		closed bool
	}
}

func newQueue(limit int) *queue {
	q := &queue{limit: limit}
	q.ready = sync.NewCond(&q.mu)
	return q
}

// put takes a call, or reports that there is no room.
func (q *queue) put(j job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.mu.jobs) >= q.limit {
		return false
	}
	q.mu.jobs = append(q.mu.jobs, j)
	q.ready.Signal()
	return true
}

// take waits for a call; false after close.
func (q *queue) take() (job, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.mu.jobs) == 0 && !q.mu.closed {
		q.ready.Wait()
	}
	if len(q.mu.jobs) == 0 {
		return job{}, false
	}
	j := q.mu.jobs[0]
	q.mu.jobs = q.mu.jobs[1:]
	return j, true
}

// close lets take end once the queue is empty.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.closed = true
	q.ready.Broadcast()
}

// drop empties the queue and returns what was in it: calls that were never sent.
func (q *queue) drop() []job {
	q.mu.Lock()
	defer q.mu.Unlock()
	rest := q.mu.jobs
	q.mu.jobs = nil
	return rest
}

// oldest is when the call that waits longest was due.
func (q *queue) oldest() (time.Duration, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.mu.jobs) == 0 {
		return 0, false
	}
	return q.mu.jobs[0].due, true
}
