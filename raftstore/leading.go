package raftstore

import (
	"context"
	"errors"
	"sync"
)

// signal tells any number of goroutines that something changed. Safe for concurrent use.
type signal struct {
	mu struct {
		sync.Mutex
		fired chan struct{} // closed by the next fire; nil while nobody waits
	}
}

// next returns a channel that the next fire closes. Take it before looking.
func (s *signal) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.fired == nil {
		s.mu.fired = make(chan struct{})
	}
	return s.mu.fired
}

func (s *signal) fire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.fired != nil {
		close(s.mu.fired)
		s.mu.fired = nil
	}
}

var errLedNoMore = errors.New("this node does not lead any more")

// RunLeading calls run whenever this node leads and has applied all that was agreed in earlier terms, one
// call a term, until ctx ends or the store is closed; it returns when the last call has. The context of a
// call ends when the term does for this node. What run has sent by then may still take effect, and
// another node may have begun meanwhile: only transactions that look at what they claim keep the two
// apart.
//
// A run that returns early is not called again in that term.
func (s *Store) RunLeading(ctx context.Context, run func(ctx context.Context, term uint64)) {
	var done *leadership // what run was called for last
	for {
		changed := s.led.next()
		if l := s.lead.Load(); l != nil && l != done && l.opened.Load() {
			done = l
			s.runTerm(ctx, l, run)
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-s.closing:
			return
		case <-changed:
		}
	}
}

// runTerm calls run, and ends its context when l does.
func (s *Store) runTerm(ctx context.Context, l *leadership, run func(context.Context, uint64)) {
	ctx, end := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			changed := s.led.next()
			if s.lead.Load() != l {
				end(errLedNoMore)
			}
			select {
			case <-ctx.Done():
				return
			case <-s.closing:
				end(errClosing)
			case <-changed:
			}
		}
	})
	defer watch.Wait()
	defer end(nil)
	run(ctx, l.term)
}
