package connections

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// maxConnections bounds what one leader runs; the largest merchants have some tens.
const maxConnections = 200

// Save puts a document in the place of the one of its id. Its kind stays what it is, and so does
// its mode where the document names none. Mode on is refused with *BlockedError while the start has
// found, or the checks find, something in the way; while the start still runs it is taken, and
// opens when the start ends clean (see [Registry.Open]).
//
// It fails with *engine.FieldError, joined, for a document that is not valid; with *BlockedError;
// with *InUseError for another kind; or with the store's error, which says by its Code whether it
// may have happened.
func (r *Registry) Save(ctx context.Context, c Connection) (Entry, error) {
	silent := c.Mode == ""
	c = c.withDefaults()
	if err := c.Validate(); err != nil {
		return Entry{}, err
	}
	if r.checks.Document != nil {
		if err := r.checks.Document(c); err != nil {
			return Entry{}, err
		}
	}
	return r.change(ctx, c.ID, func(old *Entry) (Connection, error) {
		switch {
		case old == nil:
			return c, r.full(ctx)
		case old.Kind != c.Kind:
			return c, &InUseError{c.ID, "is of kind " + old.Kind + ": remove it first"}
		case silent: // nobody stops a shop by leaving out a word
			c.Mode = old.Mode
		}
		return c, nil
	})
}

// SetMode changes only the mode. It fails as Save does, and with *UnknownError.
func (r *Registry) SetMode(ctx context.Context, id, mode string) (Entry, error) {
	return r.change(ctx, id, func(old *Entry) (Connection, error) {
		if old == nil {
			return Connection{}, &UnknownError{id}
		}
		c := old.Connection
		c.Mode = mode
		return c, c.Validate()
	})
}

func (r *Registry) full(ctx context.Context) error {
	rows, _, err := r.store.List(ctx, records.Connections, "", "", maxConnections)
	if err == nil && len(rows) >= maxConnections {
		return &engine.FieldError{Field: "id",
			Reason: fmt.Sprintf("would be one more than %d connections", maxConnections)}
	}
	return err
}

// change writes what next makes of a connection as it is; old is nil where there is none.
func (r *Registry) change(ctx context.Context, id string,
	next func(old *Entry) (Connection, error)) (Entry, error) {
	var saved Entry
	out, err := records.Retry(ctx, r.store, func(tx *records.Tx) error {
		var old *Entry
		var unknown *UnknownError
		e, err := r.Read(ctx, id)
		if err == nil {
			old = &e
		} else if !errors.As(err, &unknown) {
			return err
		}
		c, err := next(old)
		if err != nil {
			return err
		}
		if c.Mode == On {
			if e.Progress, err = r.turnOn(ctx, tx, c, &e); err != nil {
				return err
			}
		}
		tx.Replace(records.Record{Table: records.Connections, Key: id, Body: tx.Encode(c)}, e.Version)
		saved = Entry{Connection: c, Progress: e.Progress}
		return nil
	})
	if err != nil {
		return Entry{}, fmt.Errorf("save connection %s: %w", id, err)
	}
	saved.Version = out.Index
	return saved, nil
}

// turnOn refuses mode on for what is known to be in the way, and forgets what was when it no longer
// is. What a start has yet to find out keeps the gate closed, and not the document out.
func (r *Registry) turnOn(ctx context.Context, tx *records.Tx, c Connection, old *Entry) (*Progress,
	error) {
	p := old.Progress
	if p == nil || p.Identity != c.identity() || p.Step != StepDone ||
		old.Mode == On && len(p.Found) == 0 {
		return p, nil
	}
	all := p.Found
	if r.checks.Obstacles != nil {
		now, err := r.checks.Obstacles(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("look for what stands in the way: %w", err)
		}
		lasting := slices.DeleteFunc(slices.Clone(all), func(o Obstacle) bool {
			return slices.Contains(seenNow, o.Code)
		})
		all = merge(lasting, now)
	}
	if len(all) > 0 {
		return nil, &BlockedError{ID: c.ID, Obstacles: all}
	}
	if len(p.Found) == 0 {
		tx.Look(records.Cursors, c.ID+startSuffix, p.version)
		return p, nil
	}
	clear := *p
	clear.Found = nil
	clear.write(tx, c.ID)
	return &clear, nil
}

// seenNow are the obstacles that Checks.Obstacles sees as they are; of the others the start knows
// best.
var seenNow = []string{AuditConflicts, DriftUnexplained, FulfilmentModel}

// Delete removes a paused connection with what its start and its schedules remember. Its orders and
// its mappings stay: they are of the merchant. It fails with *UnknownError, with *InUseError unless
// it is paused, or with the store's error.
func (r *Registry) Delete(ctx context.Context, id string) (uint64, error) {
	out, err := records.Retry(ctx, r.store, func(tx *records.Tx) error {
		e, err := r.Read(ctx, id)
		if err != nil {
			return err
		}
		if e.Mode != Paused {
			return &InUseError{id, "is " + e.Mode + ": pause it before it is removed"}
		}
		tx.Drop(records.Connections, id, e.Version)
		for _, key := range []string{id + startSuffix, id + healthSuffix} {
			tx.Drop(records.Cursors, key, 0)
		}
		for name := range e.Flows {
			tx.Drop(records.Cursors, lastKey(id, name), 0)
		}
		waiting, err := readRuns(ctx, r.store, runPrefix(id))
		for _, run := range waiting {
			tx.Drop(records.Cursors, runPrefix(id)+run.ID, run.version)
		}
		return err
	})
	return out.Index, err
}
