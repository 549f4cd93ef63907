package mapping

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"holdfast/adapters/records"
)

// Waiters are told what a new row means to them. They must be safe to be told the same again: a process
// may die between a call and the note that it was made.
type Waiters interface {
	// Released is called for an order one of whose mappings is there now. Once it returns nil the order
	// is no longer called for that mapping; after an error it is called again later.
	Released(ctx context.Context, order string) error
	// Mapped is called when nothing waits for a Ref any more: its exception can be closed.
	Mapped(ctx context.Context, f Ref) error
}

// ReleaserConfig is what a Releaser is told. Store, Table and Waiters are required.
type ReleaserConfig struct {
	Store   records.Store
	Table   *Table
	Waiters Waiters
	Logger  *slog.Logger  // default: discards
	Every   time.Duration // pause between two looks at all that waits; default 1 minute
}

// Releaser releases orders when what they wait for is mapped. One runs in the cluster, on the leader;
// two at once do no harm. It goes by what is true and not by what it heard: it looks at all that waits
// when it begins, when it may have missed something, and every minute, and in between at what changed.
type Releaser struct {
	cfg ReleaserConfig
}

// NewReleaser returns a Releaser; Run works.
func NewReleaser(cfg ReleaserConfig) *Releaser {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Every == 0 {
		cfg.Every = time.Minute
	}
	return &Releaser{cfg: cfg}
}

// releasePage bounds what is asked for at once.
const releasePage = 200

// Run works until ctx ends or the store is closed, and fails with that.
func (r *Releaser) Run(ctx context.Context) error {
	w := r.cfg.Store.Watch(records.Mappings)
	defer w.Close()
	for {
		round, cancel := context.WithTimeout(ctx, r.cfg.Every)
		changes, lost, err := w.Next(round)
		late := round.Err() != nil && ctx.Err() == nil
		cancel()
		if err != nil && !late {
			return fmt.Errorf("follow the mappings: %w", err)
		}
		if lost || late {
			r.tell(r.Pass(ctx))
			continue
		}
		for _, c := range changes {
			if c.Gone || !isRow(c.Key) {
				continue
			}
			row, err := records.Decode[Row](c.Record)
			if err == nil {
				err = r.release(ctx, row.waitsFor())
			}
			r.tell(err)
		}
	}
}

func (r *Releaser) tell(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		r.cfg.Logger.Warn("orders still wait for a mapping that is there", "error", err)
	}
}

// Pass looks once at all that waits and releases what is mapped. It fails with the joined errors of
// those that must be tried again; the others are released.
func (r *Releaser) Pass(ctx context.Context) error {
	var faults []error
	for after := ""; ; {
		rows, _, err := r.cfg.Store.List(ctx, records.Waiting, "", after, 1)
		if err != nil {
			return errors.Join(append(faults, err)...)
		}
		if len(rows) == 0 {
			return errors.Join(faults...)
		}
		w, ok := waitOf(rows[0])
		if !ok {
			faults = bounded(faults, fmt.Errorf("%q is not something that waits", rows[0].Key))
			after = rows[0].Key
			continue
		}
		after = pastRef(w.Ref)
		_, mapped, err := r.cfg.Table.Find(ctx, w.Ref)
		if err == nil && mapped {
			err = r.release(ctx, w.Ref.Key()+"/")
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		faults = bounded(faults, err)
	}
}

// bounded keeps the first errors of many.
func bounded(faults []error, err error) []error {
	const most = 10
	if err == nil || len(faults) >= most {
		return faults
	}
	return append(faults, err)
}

// release releases all that waits under a prefix, a page at a time.
func (r *Releaser) release(ctx context.Context, prefix string) error {
	var faults []error
	for after, more := "", true; more; {
		var page []records.Record
		var err error
		page, more, err = r.cfg.Store.List(ctx, records.Waiting, prefix, after, releasePage)
		if err != nil {
			return errors.Join(append(faults, err)...)
		}
		for i, rec := range page {
			after = rec.Key
			w, ok := waitOf(rec)
			if !ok {
				continue
			}
			err := r.releaseOne(ctx, rec, w)
			last := i+1 == len(page) && !more || i+1 < len(page) && !sameRef(w, page[i+1])
			if err == nil && last && len(faults) == 0 {
				err = r.finish(ctx, w.Ref)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			faults = bounded(faults, err)
		}
	}
	return errors.Join(faults...)
}

func sameRef(w wait, next records.Record) bool {
	n, ok := waitOf(next)
	return ok && n.Ref == w.Ref
}

// releaseOne tells one order. When the process dies before the record is dropped, the order is told
// again; when the order's own Tx has dropped it, or written it anew, the drop is refused, which is
// right either way.
func (r *Releaser) releaseOne(ctx context.Context, rec records.Record, w wait) error {
	if err := r.cfg.Waiters.Released(ctx, w.Order); err != nil {
		return fmt.Errorf("release order %s from %s: %w", w.Order, w.Ref, err)
	}
	var tx records.Tx
	tx.Drop(records.Waiting, rec.Key, rec.Version)
	if _, err := r.cfg.Store.Submit(ctx, &tx); err != nil {
		return fmt.Errorf("forget that order %s waits: %w", w.Order, err)
	}
	return nil
}

// finish says that a Ref is done with, if nothing came to wait for it meanwhile.
func (r *Releaser) finish(ctx context.Context, f Ref) error {
	left, _, err := r.cfg.Store.List(ctx, records.Waiting, f.Key()+"/", "", 1)
	if err != nil || len(left) > 0 {
		return err
	}
	if err := r.cfg.Waiters.Mapped(ctx, f); err != nil {
		return fmt.Errorf("close what is open about %s: %w", f, err)
	}
	return nil
}
