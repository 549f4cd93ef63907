package simtest

import "sync"

// Journal keeps the newest entries of a simulator. Safe for concurrent use.
type Journal[E any] struct {
	limit int
	stamp func(e *E, n uint64)

	mu      sync.Mutex
	n       uint64
	entries []E
	dropped uint64
}

// NewJournal makes an empty one. stamp gives an entry its number and its time; it is called under
// the lock of the journal, so that times never fall.
func NewJournal[E any](limit int, stamp func(e *E, n uint64)) *Journal[E] {
	return &Journal[E]{limit: limit, stamp: stamp}
}

// Add stamps and keeps an entry; where the journal is full, the older half goes.
func (j *Journal[E]) Add(e E) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.n++
	j.stamp(&e, j.n)
	if len(j.entries) >= j.limit {
		old := (j.limit + 1) / 2
		j.dropped += uint64(old)
		j.entries = append(j.entries[:0:0], j.entries[old:]...)
	}
	j.entries = append(j.entries, e)
}

// Dropped is the number of entries that went to make room.
func (j *Journal[E]) Dropped() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.dropped
}

// Find returns the entries that match, oldest first; at most limit of them, 0 for all.
func (j *Journal[E]) Find(match func(*E) bool, limit int) []E {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := []E{}
	for i := range j.entries {
		if limit > 0 && len(out) == limit {
			break
		}
		if match(&j.entries[i]) {
			out = append(out, j.entries[i])
		}
	}
	return out
}
