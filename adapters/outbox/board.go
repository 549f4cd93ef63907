package outbox

import (
	"container/heap"
	"slices"
	"strings"
	"time"
)

// place is where an item of the board is.
type place uint8

const (
	nowhere place = iota
	timed         // waits for at
	behind        // waits for the task that it comes after
	listed        // due, in the queue of its key
	flying        // a worker of ours has it
)

// item is what the leader keeps of a task that has not ended: some 200 bytes, whatever its payload.
type item struct {
	id, kind, key, after string
	lane                 *lane
	version              uint64
	missed               uint64 // while it was flying: a newer version that was not looked at
	at, held             int64  // ms: when it is due, and until when it holds its key
	generation           uint32
	state                State
	place                place
	reads                bool // it changes nothing over there
	retry                bool // it was tried before
	ended                bool // while it was flying
}

// keyState is a key of which something is due or holds it.
type keyState struct {
	key    string
	holder *item
	until  int64       // ms: of a holder that is not flying
	queues []*keyQueue // one for each lane and list of it, seldom three
}

// keyQueue is the due tasks of one key on one connection: those that only read have one of their own,
// so that one that may not be sent never keeps back what may be read.
type keyQueue struct {
	of     *keyState
	lane   *lane
	items  []*item
	reads  bool // of tasks that only read
	listed bool // in a list of the lane
}

// board is what the leader knows of the tasks that have not ended. Only the dispatcher's loop uses
// it; it does nothing by itself.
type board struct {
	items      map[string]*item
	keys       map[string]*keyState
	lanes      map[string]*lane
	order      []*lane
	after      map[string][]*item // by the id that they come after
	timers     timers
	kinds      map[string]string // one string for each kind
	reads      []string          // kinds that only read
	generation uint32
	// past has the tasks that landed as ended until the watch, which is behind, has come to that: what
	// it tells of their claims in between is old.
	past map[string]uint64
}

func newBoard() *board {
	return &board{items: make(map[string]*item), keys: make(map[string]*keyState),
		lanes: make(map[string]*lane), after: make(map[string][]*item),
		kinds: make(map[string]string), past: make(map[string]uint64)}
}

// learn takes over what a task is at a version; older news change nothing.
func (b *board) learn(t *Task, version uint64, now int64) {
	it := b.items[t.ID]
	if it != nil && it.version >= version {
		it.generation = b.generation
		return
	}
	if t.State.ended() {
		b.end(t.ID, version, now)
		if held := t.ClaimUntil.Add(Grace).UnixMilli(); t.Unknown && held > now {
			b.hold(&item{key: keyOfTask(t), held: held})
		}
		return
	}
	if it == nil {
		it = &item{id: strings.Clone(t.ID), lane: b.lane(t.Connection)}
		it.kind, it.key = b.kind(t.Kind), keyOfTask(&Task{ID: it.id, Kind: t.Kind, Part: t.Part})
		it.reads = slices.Contains(b.reads, it.kind)
		b.items[it.id] = it
		it.lane.waiting++
	}
	it.version, it.generation, it.state, it.ended = version, b.generation, t.State, false
	it.after, it.retry = strings.Clone(t.After), t.Tries > 0
	it.at, it.held = t.NextAt.UnixMilli(), 0
	if t.State == Running || t.Unknown {
		it.held = t.ClaimUntil.Add(Grace).UnixMilli()
		it.at = max(it.at, it.held)
	}
	if it.place != flying {
		b.unplace(it, now)
		b.settle(it, now)
	}
}

// end forgets a task: nothing comes of it by itself.
func (b *board) end(id string, version uint64, now int64) {
	it := b.items[id]
	if it == nil || it.version >= version {
		return
	}
	it.version, it.ended = version, true
	if it.place == flying {
		return // its worker tells when it is over
	}
	b.unplace(it, now)
	b.forget(it, now)
}

func (b *board) forget(it *item, now int64) {
	it.lane.waiting--
	delete(b.items, it.id)
	b.release(it, now)
	b.free(it.id, now)
}

// free makes due what waits for a task that has ended; the task need not be on the board.
func (b *board) free(id string, now int64) {
	waiting := b.after[id]
	delete(b.after, id)
	for _, w := range waiting {
		if b.items[w.id] == w && (w.place == behind || w.place == timed) {
			w.place = nowhere
			b.due(w, now)
		}
	}
}

// awaits notes that an item, which waits for a moment, is due as soon as another task has ended that is
// not on the board: it is done outside.
func (b *board) awaits(it *item) {
	if it.after != "" && !slices.Contains(b.after[it.after], it) {
		b.after[it.after] = append(b.after[it.after], it)
	}
}

// old reports whether a change of a task was seen already.
func (b *board) old(id string, version uint64) bool {
	if it := b.items[id]; it != nil && it.version >= version {
		return true
	}
	ended, ok := b.past[id]
	if ok && version >= ended {
		delete(b.past, id)
	}
	return ok && version <= ended
}

// landed puts an item back that its worker is done with.
func (b *board) landed(it *item, now int64) {
	it.place = nowhere
	it.lane.running--
	b.release(it, now)
	if it.ended {
		b.past[it.id] = it.version
		b.forget(it, now)
		return
	}
	b.settle(it, now)
}

// settle finds the place of an item that has none.
func (b *board) settle(it *item, now int64) {
	if it.held > now {
		b.hold(it)
	} else {
		b.release(it, now)
	}
	if it.at > now {
		b.wait(it, it.at)
	} else {
		b.due(it, now)
	}
}

// hold keeps other tasks of an item's key back until it.held.
func (b *board) hold(it *item) {
	ks := b.keyOf(it.key)
	ks.holder, ks.until = it, it.held
	b.timers.add(timer{at: it.held, key: ks})
}

// wait makes an item due at a moment.
func (b *board) wait(it *item, at int64) {
	it.place, it.at = timed, at
	b.timers.add(timer{at: at, item: it})
}

// due queues an item behind what is due of its key, unless it comes after a task that is on the board.
func (b *board) due(it *item, now int64) {
	if it.after != "" && b.items[it.after] != nil {
		it.place = behind
		b.after[it.after] = append(b.after[it.after], it)
		return
	}
	it.place = listed
	ks := b.keyOf(it.key)
	q := ks.queueOf(it)
	q.items = append(q.items, it)
	b.ready(ks, now)
}

// ready lists the queues of a key that nobody holds.
func (b *board) ready(ks *keyState, now int64) {
	if !ks.free(now) {
		return
	}
	for _, q := range ks.queues {
		if !q.listed && len(q.items) > 0 {
			q.listed = true
			list := q.lane.list(q.reads)
			*list = append(*list, q)
		}
	}
}

// release ends the hold of an item on its key.
func (b *board) release(it *item, now int64) {
	ks := b.keys[it.key]
	if ks == nil || ks.holder != it {
		return
	}
	ks.holder = nil
	b.ready(ks, now)
	b.tidy(ks, now)
}

// unplace takes an item from where it waits. What lies in a heap or behind a task finds out by itself.
func (b *board) unplace(it *item, now int64) {
	if it.place == listed {
		ks := b.keys[it.key]
		q := ks.queueOf(it)
		for i, other := range q.items {
			if other == it {
				q.items = append(q.items[:i], q.items[i+1:]...)
				break
			}
		}
		b.tidy(ks, now)
	}
	it.place = nowhere
}

// tidy forgets a key of which nothing is due and that nobody holds.
func (b *board) tidy(ks *keyState, now int64) {
	if !ks.free(now) {
		return
	}
	for _, q := range ks.queues {
		if q.listed || len(q.items) > 0 {
			return
		}
	}
	delete(b.keys, ks.key)
}

// pass makes due what waited for a moment up to now.
func (b *board) pass(now int64) {
	for len(b.timers) > 0 && b.timers[0].at <= now {
		t := heap.Pop(&b.timers).(timer)
		if t.key != nil {
			if b.keys[t.key.key] == t.key {
				b.ready(t.key, now)
				b.tidy(t.key, now)
			}
			continue
		}
		if t.item.place == timed && t.item.at == t.at {
			t.item.place = nowhere
			b.due(t.item, now)
		}
	}
}

// next takes the next due item of a lane whose key is free; nil: there is none that the gate lets
// through. Reads and writes take turns.
func (b *board) next(l *lane, now int64) *item {
	for {
		l.readNext = len(l.reads) > 0 && (l.readNext || l.blocked != "" || len(l.ready) == 0)
		if !l.readNext && (l.blocked != "" || len(l.ready) == 0) {
			return nil
		}
		list := l.list(l.readNext)
		l.readNext = !l.readNext
		q := (*list)[0]
		*list = (*list)[1:]
		q.listed = false
		if !q.of.free(now) || len(q.items) == 0 {
			b.tidy(q.of, now)
			continue // it is listed again when the key is released
		}
		it := q.items[0]
		q.items = q.items[1:]
		return it
	}
}

// fly gives an item to a worker: from now on it holds its key until it has landed.
func (b *board) fly(it *item) {
	it.place = flying
	it.lane.running++
	ks := b.keyOf(it.key)
	ks.holder, ks.until = it, 0
}

// sweep forgets the items that a reading of all tasks did not meet.
func (b *board) sweep(now int64) {
	for _, it := range b.items {
		if it.generation != b.generation && it.place != flying {
			b.unplace(it, now)
			b.forget(it, now)
		}
	}
}

// keyOfTask is the key as a part of the id, which takes no room of its own.
func keyOfTask(t *Task) string {
	key := t.ID[min(len(t.Kind)+1, len(t.ID)):]
	if t.Part != "" {
		key = strings.TrimSuffix(key, ":"+t.Part)
	}
	return key
}

func (b *board) lane(connection string) *lane {
	l := b.lanes[connection]
	if l == nil {
		l = &lane{connection: strings.Clone(connection)}
		b.lanes[l.connection] = l
		b.order = append(b.order, l)
	}
	return l
}

func (b *board) kind(k string) string {
	if own, ok := b.kinds[k]; ok {
		return own
	}
	k = strings.Clone(k)
	b.kinds[k] = k
	return k
}

func (b *board) keyOf(key string) *keyState {
	ks := b.keys[key]
	if ks == nil {
		ks = &keyState{key: key}
		b.keys[key] = ks
	}
	return ks
}

// free reports whether a task of the key may be claimed. A holder that flies has no end of its own.
func (ks *keyState) free(now int64) bool {
	return ks.holder == nil || ks.holder.place != flying && ks.until <= now
}

func (ks *keyState) queueOf(it *item) *keyQueue {
	for _, q := range ks.queues {
		if q.lane == it.lane && q.reads == it.reads {
			return q
		}
	}
	q := &keyQueue{of: ks, lane: it.lane, reads: it.reads}
	ks.queues = append(ks.queues, q)
	return q
}

// timer is when an item is due, or the hold of a key has ended. One that was overtaken stays in the
// heap until its moment, and then changes nothing.
type timer struct {
	at   int64 // ms
	item *item
	key  *keyState
}

type timers []timer

func (t *timers) add(x timer)        { heap.Push(t, x) }
func (t *timers) Len() int           { return len(*t) }
func (t *timers) Less(i, j int) bool { return (*t)[i].at < (*t)[j].at }
func (t *timers) Swap(i, j int)      { (*t)[i], (*t)[j] = (*t)[j], (*t)[i] }
func (t *timers) Push(x any)         { *t = append(*t, x.(timer)) }
func (t *timers) Pop() any {
	last := (*t)[len(*t)-1]
	(*t)[len(*t)-1] = timer{}
	*t = (*t)[:len(*t)-1]
	return last
}

// Grace is for how long after a claim's end nobody calls for the same key: clocks of two leaders may
// differ by 2 s, and a call may be under way in a network for some more.
const Grace = 5 * time.Second
