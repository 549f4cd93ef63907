package publish

import (
	"cmp"
	"container/heap"
	"time"
)

// queue holds the slots of one connection that have something to be done, the most urgent first:
// falls before all else, then the one that has waited longest. Only its newest reason to be there
// counts. One goroutine uses it.
type queue struct {
	items []*queued
	byID  map[string]*queued
}

type queued struct {
	id    string
	class class
	since time.Time
	at    int // in items
}

// class is what is urgent.
type class uint8

const (
	first  class = iota // falls, and what may be one: until it is sent, more is shown than there is
	second              // rises, reads, holds
)

func newQueue() *queue { return &queue{byID: map[string]*queued{}} }

// put adds a slot, or changes what it is there for; it keeps since when it waits.
func (q *queue) put(id string, c class, now time.Time) {
	if it := q.byID[id]; it != nil {
		if it.class != c {
			it.class = c
			heap.Fix((*byUrgency)(q), it.at)
		}
		return
	}
	it := &queued{id: id, class: c, since: now}
	q.byID[id] = it
	heap.Push((*byUrgency)(q), it)
}

// drop removes a slot that has nothing to be done any more.
func (q *queue) drop(id string) {
	if it := q.byID[id]; it != nil {
		heap.Remove((*byUrgency)(q), it.at)
		delete(q.byID, id)
	}
}

// take removes and returns up to n slots.
func (q *queue) take(n int) []string {
	ids := make([]string, 0, min(n, len(q.items)))
	for len(q.items) > 0 && len(ids) < n {
		it := heap.Pop((*byUrgency)(q)).(*queued)
		delete(q.byID, it.id)
		ids = append(ids, it.id)
	}
	return ids
}

func (q *queue) len() int { return len(q.items) }

// byUrgency is the heap.
type byUrgency queue

func (q *byUrgency) Len() int { return len(q.items) }

func (q *byUrgency) Less(i, j int) bool {
	a, b := q.items[i], q.items[j]
	return cmp.Or(cmp.Compare(a.class, b.class), a.since.Compare(b.since),
		cmp.Compare(a.id, b.id)) < 0
}

func (q *byUrgency) Swap(i, j int) {
	q.items[i], q.items[j] = q.items[j], q.items[i]
	q.items[i].at, q.items[j].at = i, j
}

func (q *byUrgency) Push(x any) {
	it := x.(*queued)
	it.at = len(q.items)
	q.items = append(q.items, it)
}

func (q *byUrgency) Pop() any {
	it := q.items[len(q.items)-1]
	q.items = q.items[:len(q.items)-1]
	return it
}
