package publish

import (
	"context"
	"maps"
	"sync"
	"time"
)

// worker does all that is to be done with the slots of one connection, one call at a time. What it
// remembers is volatile: a new leader finds it out again.
type worker struct {
	l          *leading
	connection string
	wake       chan struct{} // holds one

	mu     sync.Mutex
	marked map[string]bool // to be looked at; true: to be read
	moved  bool            // the watermark

	// The rest is the worker's own.
	queue   *queue
	parked  map[string]time.Time // waits until then, or for the watermark when that is zero
	rising  map[string]time.Time // since when a slot is to rise
	reading map[string]time.Time // to be read once the watermark has passed that moment
	backoff map[string]backoff
	pace    map[string]pace
	slow    map[string]bool // of those queued: they may go into a document
	bulked  bool            // the last call was one
	noBulk  time.Time       // none is sent before
	gather  gatherer
}

// backoff is what a slot that failed waits for.
type backoff struct {
	tries int
	until time.Time
}

func newWorker(l *leading, connection string) *worker {
	w := &worker{
		l: l, connection: connection, wake: make(chan struct{}, 1), marked: map[string]bool{},
		queue: newQueue(), parked: map[string]time.Time{}, rising: map[string]time.Time{},
		reading: map[string]time.Time{}, backoff: map[string]backoff{}, pace: map[string]pace{},
		slow: map[string]bool{},
	}
	w.gather = gatherer{
		store: l.p.cfg.Store, book: l.p.book, now: l.p.cfg.Now, outlets: l.p.cfg.Outlets,
		stands: l.p.cfg.Stands, term: l.term, unseen: w.unseen, since: func(id string) time.Time { return w.rising[id] },
	}
	return w
}

// mark has slots looked at. Any goroutine may call it.
func (w *worker) mark(ids ...string) {
	if len(ids) == 0 {
		return // and nobody is woken
	}
	w.mu.Lock()
	for _, id := range ids {
		if !w.marked[id] { // else it is to be read, too
			w.marked[id] = false
		}
	}
	w.mu.Unlock()
	w.poke()
}

// wantRead has slots read and then looked at. Any goroutine may call it.
func (w *worker) wantRead(ids ...string) {
	w.mu.Lock()
	for _, id := range ids {
		w.marked[id] = true
	}
	w.mu.Unlock()
	w.poke()
}

// watermarkMoved has all that waits for it looked at. Any goroutine may call it.
func (w *worker) watermarkMoved() {
	w.mu.Lock()
	w.moved = true
	w.mu.Unlock()
	w.poke()
}

func (w *worker) poke() {
	select {
	case w.wake <- struct{}{}:
	default: // it is awake, or will be
	}
}

// run works until ctx ends.
func (w *worker) run(ctx context.Context) {
	for ctx.Err() == nil {
		busy, err := w.turn(ctx)
		wait := w.until()
		if err != nil && ctx.Err() == nil {
			w.l.p.cfg.Logger.Warn("publishing stopped for a moment", "connection", w.connection,
				"error", err)
			wait = max(wait, time.Second)
			busy = false
		}
		if busy {
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-w.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// longest is how long a worker sleeps at most: gates open without telling it.
const longest = 5 * time.Second

// until is for how long there is nothing to do.
func (w *worker) until() time.Duration {
	now, wait := w.l.p.cfg.Now(), longest
	for _, t := range w.parked {
		if !t.IsZero() {
			wait = min(wait, max(0, t.Sub(now)))
		}
	}
	return max(wait, time.Millisecond)
}

// lookAtOnce bounds how many slots are looked at before the most urgent ones are sent.
const lookAtOnce = 4096

// turn looks at what is marked and makes one call of each kind. busy is false when there is nothing
// more to be done now. It fails with the store's error, with what it was about marked again.
func (w *worker) turn(ctx context.Context) (busy bool, err error) {
	w.unpark()
	ids := w.takeMarked()
	w.gather.topo = w.l.topology()
	if len(ids) > 0 {
		if err := w.look(ctx, ids); err != nil {
			w.mark(ids...)
			return false, err
		}
	}
	w.l.p.metrics.waiting.WithLabelValues(w.connection).Set(float64(w.queue.len()))
	if w.queue.len() == 0 {
		return len(ids) == lookAtOnce, nil
	}
	outlet, ok := w.l.p.cfg.Outlets.Outlet(w.connection)
	if !ok {
		return false, nil
	}
	if sent, err := w.bulk(ctx, outlet); sent || err != nil {
		return sent, err
	}
	next := w.queue.take(max(1, outlet.Pusher.PushBatch()))
	if err := w.do(ctx, outlet, next); err != nil {
		w.mark(next...)
		return false, err
	}
	return true, nil
}

// takeMarked takes up to lookAtOnce of what is marked.
func (w *worker) takeMarked() (ids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, read := range w.marked {
		if len(ids) == lookAtOnce {
			break
		}
		if read {
			w.reading[id] = time.Time{}
		}
		ids = append(ids, id)
		delete(w.marked, id)
	}
	return ids
}

// unpark marks what has waited long enough.
func (w *worker) unpark() {
	w.mu.Lock()
	moved := w.moved
	w.moved = false
	w.mu.Unlock()
	now := w.l.p.cfg.Now()
	var due []string
	maps.DeleteFunc(w.parked, func(id string, t time.Time) bool {
		if moved && t.IsZero() || !t.IsZero() && !t.After(now) {
			due = append(due, id)
			return true
		}
		return false
	})
	w.mark(due...)
}

// look decides about slots and puts them where they belong.
func (w *worker) look(ctx context.Context, ids []string) error {
	all, err := w.gather.gather(ctx, ids, false)
	if err != nil {
		return err
	}
	for i, id := range ids {
		w.place(id, &all[i])
	}
	return nil
}

// place puts a slot into the queue, parks it, or forgets it.
func (w *worker) place(id string, one *gathered) {
	if one.facts.Slot == nil {
		w.forget(id)
		return
	}
	now := w.l.p.cfg.Now()
	if !one.ok { // its tally moves all the time
		w.queue.put(id, first, now)
		return
	}
	f, p := &one.facts, &one.plan
	if last, ok := w.pace[id]; ok && last.sku != f.Slot.SKU {
		w.forget(id) // what was learnt is of another SKU
	}
	w.measure(f.Slot, f.Tally, now)
	if p.Target > p.Expected {
		if w.rising[id].IsZero() {
			w.rising[id] = now
		}
	} else {
		delete(w.rising, id)
	}
	delete(w.parked, id)
	w.mayRead(one)
	if b := w.backoff[id]; p.Do > Wait && b.until.After(now) {
		w.queue.drop(id)
		delete(w.slow, id)
		w.parked[id] = b.until
		return
	}
	switch p.Do {
	case Rest:
		w.queue.drop(id)
		switch {
		case p.Why == Remapped:
			w.parked[id] = now.Add(remappedWait)
		case f.Closed != "" && p.Why == f.Closed:
			w.parked[id] = now.Add(longest) // whoever opens the gate need not tell
		}
	case Wait:
		w.queue.drop(id)
		w.parked[id] = p.Wake
	case Send, Resend:
		c := second
		if p.Push.Quantity < p.Expected || p.Do == Resend && f.Slot.Sent.Delta < 0 {
			c = first
		}
		w.queue.put(id, c, now)
	default:
		w.queue.put(id, second, now)
	}
	w.noteSlow(id, one)
}

// remappedWait is how often a slot is looked at again that does not stand: most often its record is about
// to follow, and tells; but a row may also become what it was.
const remappedWait = time.Second

// mayRead turns a plan into a read where one is wanted and the watermark allows it. What falls is
// sent before, unless that was refused: it does not depend on what is there.
func (w *worker) mayRead(one *gathered) {
	f, p := &one.facts, &one.plan
	after, wanted := w.wantsRead(f.Slot.ID)
	if !wanted || !readable(f.Closed) || f.Remapped || f.Slot.Bulk != nil {
		return
	}
	allowed := f.Watermark.After(after)
	switch {
	case p.Do == Read && !allowed:
		p.Do, p.Why, p.Wake = Wait, "watermark", time.Time{}
	case f.Slot.Sent != nil || p.Do == Send && p.Push.Quantity < p.Expected && f.Slot.Blocked == "":
	case allowed:
		p.Do, p.Why = Read, "look"
	case p.Do == Rest:
		p.Do, p.Why, p.Wake = Wait, "watermark", time.Time{}
	}
}

// wantsRead reports whether a slot is to be read, and after which moment.
func (w *worker) wantsRead(id string) (after time.Time, wanted bool) {
	after, wanted = w.reading[id]
	if l, ok := w.l.p.book.look(id); ok {
		if wanted = true; l.after.After(after) {
			after = l.after
		}
	}
	return after, wanted
}

// forget lets go of a slot that is no more.
func (w *worker) forget(id string) {
	w.queue.drop(id)
	delete(w.parked, id)
	delete(w.rising, id)
	delete(w.reading, id)
	delete(w.backoff, id)
	delete(w.pace, id)
	delete(w.slow, id)
}

// The waits of what failed: doubled from the first to the longest.
const (
	firstWait   = time.Second
	longestWait = 5 * time.Minute
)

// later makes a slot wait for its turn. What it has failed before stays counted.
func (w *worker) later(id string, wait time.Duration) {
	b := w.backoff[id]
	b.until = w.l.p.cfg.Now().Add(max(wait, firstWait))
	w.backoff[id] = b
}

// failed makes a slot wait, at least as long as the vendor asks.
func (w *worker) failed(id string, atLeast time.Duration) int {
	b := w.backoff[id]
	wait := min(firstWait<<min(b.tries, 20), longestWait)
	b.tries++
	b.until = w.l.p.cfg.Now().Add(max(wait, atLeast))
	w.backoff[id] = b
	return b.tries
}
