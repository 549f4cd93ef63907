package raftstore

import (
	"context"
	"errors"
	"sync"
)

// following is the leader that this node sends batches to, and what ends the calls to one that leads
// no more: a leader that was cut off never answers, and its calls would hold every place in flight
// until their own deadline, against whoever leads by then. Safe for concurrent use.
type following struct {
	mu struct {
		sync.Mutex
		node  string
		calls context.Context
		leave context.CancelCauseFunc // nil before the first leader
	}
}

var errLeaderChanged = errors.New("another node leads now")

// look asks who leads and ends the calls to the one before, if that is somebody else now; while
// nobody is known to lead, calls go on: the old leader may be found again and answer. The calls
// context belongs to the node that is returned, and is nil without one.
//
// leader is asked under the lock, so that an older answer never takes the place of a newer one.
func (f *following) look(within context.Context, leader func() (addr, node string)) (
	calls context.Context, addr, node string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	addr, node = leader()
	if node == "" {
		return nil, "", ""
	}
	if node != f.mu.node {
		if f.mu.leave != nil {
			f.mu.leave(errLeaderChanged)
		}
		f.mu.node = node
		f.mu.calls, f.mu.leave = context.WithCancelCause(within)
	}
	return f.mu.calls, addr, node
}
