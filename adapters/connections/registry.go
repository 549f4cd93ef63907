package connections

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"holdfast/adapters/records"
)

// Entry is a connection with what is known of it.
type Entry struct {
	Connection
	Version uint64 // of the document
	// Progress is how far its start has come; nil while none has begun.
	Progress *Progress
}

// Registry keeps the documents in the records, and what they say in memory, where Run keeps it
// fresh. It is safe for concurrent use; what it returns from memory never blocks and is the
// caller's to read, not to change.
type Registry struct {
	store  records.Store
	checks Checks
	held   struct {
		sync.RWMutex
		entries map[string]Entry
		changed chan struct{} // closed and replaced at each change
	}
	loaded chan struct{} // closed once all was read
	once   sync.Once
}

// Checks are what a Registry asks of others before it saves a document.
type Checks struct {
	// Document checks what is of the kind: settings, endpoint, flows. nil: nothing more is checked.
	// It fails with *engine.FieldError, joined.
	Document func(c Connection) error
	// Obstacles lists what stands in the way of mode on now: conflicts of the audit, drift that is
	// not explained, a region without its fulfilment model. nil: only what the start has found
	// counts.
	Obstacles func(ctx context.Context, c Connection) ([]Obstacle, error)
}

// NewRegistry makes a Registry; until Run has read the records, what is in memory is empty.
func NewRegistry(store records.Store, checks Checks) *Registry {
	r := &Registry{store: store, checks: checks, loaded: make(chan struct{})}
	r.held.entries = make(map[string]Entry)
	r.held.changed = make(chan struct{})
	return r
}

// Run follows the records until ctx ends. Its error is ctx's, or that of the store: then what is in
// memory stays as it is, and grows old.
func (r *Registry) Run(ctx context.Context) error {
	watch := r.store.Watch(records.Connections, records.Cursors)
	defer watch.Close() // made before the first read, so that nothing falls in between
	if err := r.load(ctx); err != nil {
		return err
	}
	for {
		changes, lost, err := watch.Next(ctx)
		if err != nil {
			return err
		}
		if lost {
			err = r.load(ctx)
		} else {
			err = r.follow(changes)
		}
		if err != nil {
			return err
		}
	}
}

// load reads everything anew.
func (r *Registry) load(ctx context.Context) error {
	entries := make(map[string]Entry)
	for after := ""; ; {
		rows, more, err := r.store.List(ctx, records.Connections, "", after, records.MaxList)
		if err != nil {
			return fmt.Errorf("read the connections: %w", err)
		}
		for _, row := range rows {
			e, err := r.entry(ctx, row)
			if err != nil {
				return err
			}
			entries[row.Key] = e
			after = row.Key
		}
		if !more {
			break
		}
	}
	r.held.Lock()
	defer r.held.Unlock()
	r.held.entries = entries
	r.tellLocked()
	r.once.Do(func() { close(r.loaded) })
	return nil
}

// entry reads a document's progress beside it.
func (r *Registry) entry(ctx context.Context, row records.Record) (Entry, error) {
	c, err := records.Decode[Connection](row)
	if err != nil {
		return Entry{}, err
	}
	p, err := readProgress(ctx, r.store, c.ID)
	return Entry{Connection: c, Version: row.Version, Progress: p}, err
}

// follow takes what has changed. Cursors change with every page of every feed; only those of starts
// count here.
func (r *Registry) follow(changes []records.Change) error {
	r.held.Lock()
	defer r.held.Unlock()
	told := false
	for _, c := range changes {
		switch id, start := strings.CutSuffix(c.Key, startSuffix); {
		case c.Table == records.Connections:
			if err := r.takeLocked(c); err != nil {
				return err
			}
		case start:
			e, ok := r.held.entries[id]
			if !ok {
				continue
			}
			e.Progress = nil
			if !c.Gone {
				p, err := records.Decode[Progress](c.Record)
				if err != nil {
					return err
				}
				p.version = c.Version
				e.Progress = &p
			}
			r.held.entries[id] = e
		case c.Table == records.Cursors && strings.Contains(c.Key, "/run/"):
			// A run was asked for, or has ended: nothing is held of it, but whoever runs it waits.
		default:
			continue
		}
		told = true
	}
	if told {
		r.tellLocked()
	}
	return nil
}

func (r *Registry) takeLocked(c records.Change) error {
	if c.Gone {
		delete(r.held.entries, c.Key)
		return nil
	}
	doc, err := records.Decode[Connection](c.Record)
	if err != nil {
		return err
	}
	r.held.entries[c.Key] = Entry{Connection: doc, Version: c.Version,
		Progress: r.held.entries[c.Key].Progress}
	return nil
}

func (r *Registry) tellLocked() {
	close(r.held.changed)
	r.held.changed = make(chan struct{})
}

// Changed returns a channel that is closed at the next change of what is in memory.
func (r *Registry) Changed() <-chan struct{} {
	r.held.RLock()
	defer r.held.RUnlock()
	return r.held.changed
}

// Loaded returns a channel that is closed once Run has read all for the first time.
func (r *Registry) Loaded() <-chan struct{} { return r.loaded }

// Entry returns a connection from memory.
func (r *Registry) Entry(id string) (Entry, bool) {
	r.held.RLock()
	defer r.held.RUnlock()
	e, ok := r.held.entries[id]
	return e, ok
}

// Entries lists all connections from memory, in the order of their ids.
func (r *Registry) Entries() []Entry {
	r.held.RLock()
	defer r.held.RUnlock()
	return slices.SortedFunc(maps.Values(r.held.entries), func(a, b Entry) int {
		return cmp.Compare(a.ID, b.ID)
	})
}

// Read reads one connection from the records. It fails with *UnknownError, or with the store's
// error.
func (r *Registry) Read(ctx context.Context, id string) (Entry, error) {
	row, ok, err := r.store.Get(ctx, records.Connections, id)
	switch {
	case err != nil:
		return Entry{}, fmt.Errorf("read connection %s: %w", id, err)
	case !ok:
		return Entry{}, &UnknownError{id}
	}
	return r.entry(ctx, row)
}

// List reads up to limit connections behind after from the records. It fails with the store's
// error.
func (r *Registry) List(ctx context.Context, after string, limit int) ([]Entry, bool, error) {
	rows, more, err := r.store.List(ctx, records.Connections, "", after, limit)
	if err != nil {
		return nil, false, fmt.Errorf("list the connections: %w", err)
	}
	var all []Entry
	for _, row := range rows {
		e, err := r.entry(ctx, row)
		if err != nil {
			return nil, false, err
		}
		all = append(all, e)
	}
	return all, more, nil
}

// UnknownError says that there is no such connection.
type UnknownError struct{ ID string }

// Error names the connection.
func (e *UnknownError) Error() string { return "there is no connection " + e.ID }

// Code returns the wire name.
func (e *UnknownError) Code() string { return "unknown-connection" }

// InUseError says why a connection cannot be removed or become another one.
type InUseError struct{ ID, Reason string }

// Error names the connection and the reason.
func (e *InUseError) Error() string { return "connection " + e.ID + " " + e.Reason }

// Code returns the wire name.
func (e *InUseError) Code() string { return "in-use" }
