package raftstore

import "sync"

// readers are those who read what somebody else may close: closing waits for those who are in, and
// nobody comes in behind it. A reader may begin another read. Safe for concurrent use.
type readers struct {
	mu     sync.Mutex
	closed bool
	in     sync.WaitGroup
}

// enter reports whether there is still something to read; then leave must follow.
func (r *readers) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.in.Add(1)
	return true
}

func (r *readers) leave() { r.in.Done() }

// close waits until nobody reads any more. A reader must not call it.
func (r *readers) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.in.Wait()
}
