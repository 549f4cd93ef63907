package raftstore

import (
	"sync"

	"holdfast/engine"
)

// maxEventsPage bounds one call of Events.
const maxEventsPage = 10_000

// Events returns at most limit events of this node with a sequence above after, oldest first; limit
// is cut to 10,000. The slice is the caller's. It fails with ErrEventsGone when some of them are no
// longer kept, or with the error of the disk.
func (s *Store) Events(after uint64, limit int) ([]engine.Event, error) {
	limit = min(limit, maxEventsPage)
	if limit <= 0 {
		return nil, nil
	}
	var page []engine.Event // mostly there are a few new ones
	err := s.machine.events.Read(after, func(e *engine.Event) bool {
		page = append(page, *e)
		return len(page) < limit
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// EventsChanged returns a channel that is closed when the next event is kept. Take it before
// reading, so that nothing falls in between.
func (s *Store) EventsChanged() <-chan struct{} { return s.machine.watchers.next() }

// eventWatchers wake all who wait for an event, once. Safe for concurrent use.
type eventWatchers struct {
	mu struct {
		sync.Mutex
		changed chan struct{} // nil while nobody waits
	}
}

func (w *eventWatchers) next() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.changed == nil {
		w.mu.changed = make(chan struct{})
	}
	return w.mu.changed
}

func (w *eventWatchers) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.changed != nil {
		close(w.mu.changed)
		w.mu.changed = nil
	}
}
