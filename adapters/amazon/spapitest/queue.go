package spapitest

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// message is one message on a queue. A duplicate is a message of its own with the same id.
type message struct {
	id, body string
	sent     time.Time
	first    time.Time // received for the first time
	receives int
	handle   string // of the last receive: an older one deletes nothing
	visible  time.Time
	deleted  bool
	flying   bool
	at       int // in the heap
}

// queue is a standard queue of SQS: at least once, in no order that holds. Safe for concurrent use.
type queue struct {
	srv *Server
	cfg QueueConfig

	mu       sync.Mutex
	rng      *rand.Rand
	ready    []*message // oldest first, most of the time
	inFlight flight
	handles  map[string]*message
	n        uint64
	arrived  chan struct{} // closed when something can be received
	lost     int
}

// flight are the messages in flight, the one that comes back first on top.
type flight []*message

func (f flight) Len() int           { return len(f) }
func (f flight) Less(i, j int) bool { return f[i].visible.Before(f[j].visible) }
func (f flight) Swap(i, j int)      { f[i], f[j] = f[j], f[i]; f[i].at, f[j].at = i, j }
func (f *flight) Push(x any)        { m := x.(*message); m.at = len(*f); *f = append(*f, m) }
func (f *flight) Pop() any {
	old := *f
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*f = old[:len(old)-1]
	return last
}

func newQueue(s *Server, cfg QueueConfig, n uint64) *queue {
	return &queue{srv: s, cfg: cfg, rng: rand.New(rand.NewPCG(s.cfg.Seed, 5000+n)),
		handles: map[string]*message{}, arrived: make(chan struct{})}
}

// put adds a message. A full queue loses it, and the journal says so.
func (q *queue) put(body string) string {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.n++
	m := &message{id: q.uuid(), body: body, sent: q.srv.clock.Now()}
	if len(q.ready)+len(q.inFlight) >= q.srv.cfg.QueueLimit {
		q.lost++
		q.log("lost", m)
		return m.id
	}
	q.ready = append(q.ready, m)
	q.wake()
	return m.id
}

func (q *queue) uuid() string {
	x, y := q.rng.Uint64(), q.rng.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", x>>32, x>>16&0xffff, x&0xfff, y>>52,
		y&0xffffffffffff)
}

func (q *queue) wake() {
	close(q.arrived)
	q.arrived = make(chan struct{})
}

func (q *queue) log(op string, m *message) {
	q.srv.journal.Add(Entry{Kind: "message", Op: op, Queue: q.cfg.Name, Message: m.id,
		Attempt: m.receives})
}

// land brings back what was in flight for too long.
func (q *queue) land() {
	now := q.srv.clock.Now()
	for len(q.inFlight) > 0 && !q.inFlight[0].visible.After(now) {
		m := heap.Pop(&q.inFlight).(*message)
		m.flying = false
		if !m.deleted {
			q.log("expired", m)
			q.ready = append(q.ready, m)
		}
	}
}

// receive takes up to n messages into flight for a while; the channel is closed when there may be
// more.
func (q *queue) receive(n int, timeout time.Duration) ([]received, <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.land()
	var out []received
	for len(out) < n && len(q.ready) > 0 {
		m := q.next()
		if m.deleted {
			continue
		}
		if q.cfg.MaxReceives > 0 && m.receives >= q.cfg.MaxReceives && q.cfg.DeadLetter != "" {
			q.log("dead", m)
			if dead := q.srv.queues[q.cfg.DeadLetter]; dead != nil && dead != q {
				dead.put(m.body)
			}
			continue
		}
		if q.rng.Float64()*100 < q.cfg.DuplicatePercent {
			again := &message{id: m.id, body: m.body, sent: m.sent, receives: m.receives}
			q.ready = append(q.ready, again)
		}
		q.fly(m, timeout)
		out = append(out, received{m.id, m.handle, m.body, m.sent, m.first, m.receives})
	}
	if len(out) > 0 {
		q.srv.clock.After(timeout, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.land()
			q.wake()
		})
	}
	return out, q.arrived
}

// next takes the oldest message, or any of the first thousand.
func (q *queue) next() *message {
	if q.rng.Float64()*100 < q.cfg.DisorderPercent {
		i := q.rng.IntN(min(len(q.ready), 1000))
		q.ready[0], q.ready[i] = q.ready[i], q.ready[0]
	}
	m := q.ready[0]
	q.ready[0] = nil
	q.ready = q.ready[1:]
	return m
}

// received is one message as it was handed out.
type received struct {
	id, handle, body string
	sent, first      time.Time
	receives         int
}

func (q *queue) fly(m *message, timeout time.Duration) {
	now := q.srv.clock.Now()
	if m.receives == 0 {
		m.first = now
	}
	m.receives++
	q.n++
	delete(q.handles, m.handle)
	m.handle = fmt.Sprintf("AQEB%016x%08x", q.rng.Uint64(), q.n)
	q.handles[m.handle] = m
	m.visible, m.flying = now.Add(timeout), true
	heap.Push(&q.inFlight, m)
	q.log("received", m)
}

// remove deletes by a receipt handle. An old handle deletes nothing and is no error, as in SQS.
func (q *queue) remove(handle string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	m := q.handles[handle]
	if m == nil {
		return len(handle) >= 4 && handle[:4] == "AQEB"
	}
	m.deleted = true
	if m.flying {
		heap.Remove(&q.inFlight, m.at)
		m.flying = false
	}
	delete(q.handles, handle)
	q.log("deleted", m)
	return true
}

// extend changes how long a message stays in flight; false where it is not.
func (q *queue) extend(handle string, timeout time.Duration) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.land()
	m := q.handles[handle]
	if m == nil || !m.flying {
		return false
	}
	m.visible = q.srv.clock.Now().Add(timeout)
	heap.Fix(&q.inFlight, m.at)
	q.srv.clock.After(timeout, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.land()
		q.wake()
	})
	return true
}

// counts are the messages that wait and those in flight.
func (q *queue) counts() (ready, flying int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.land()
	for _, m := range q.ready {
		if !m.deleted {
			ready++
		}
	}
	return ready, len(q.inFlight)
}
