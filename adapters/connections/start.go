package connections

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"holdfast/adapters/records"
)

// start brings a connection from nothing to what both sides know: catalogue, mapping, audit, open
// orders, levels, drift. It is done by the leader before anything else of the connection.
type start struct {
	store   records.Store
	adapter Adapter
	core    Core
	conn    Connection
	term    uint64
	now     func() time.Time
	changed func(*Progress) // told after each page; may be nil
}

// FencedError says that another leader has gone on with the work. Nothing was written.
type FencedError struct {
	Connection string
	Term       uint64 // of the other leader
}

// Error names the connection and the term.
func (e *FencedError) Error() string {
	return fmt.Sprintf("connection %s is run by the leader of term %d", e.Connection, e.Term)
}

// errStuck: an adapter that gives the same cursor for ever would never end.
var errStuck = errors.New("a page names itself as the next one")

// run does what is left of the start. When it returns nil the start is done. It fails with the
// error of a step, with the store's error, or with *FencedError; whatever it was, what the pages
// before have written stays, and the next run goes on behind it.
func (s *start) run(ctx context.Context) error {
	for {
		p, err := s.position(ctx)
		if err != nil {
			return err
		}
		if s.changed != nil {
			s.changed(p)
		}
		if p.Step == StepDone {
			return nil
		}
		if err := s.page(ctx, p); err != nil {
			return fmt.Errorf("start of connection %s, step %s: %w", s.conn.ID, p.Step, err)
		}
	}
}

// position is where the start is. One that has not begun, or was of another account, begins.
func (s *start) position(ctx context.Context) (*Progress, error) {
	p, err := readProgress(ctx, s.store, s.conn.ID)
	if err != nil {
		return nil, err
	}
	switch {
	case p == nil:
		return s.begin(0), nil
	case p.Term > s.term:
		return nil, &FencedError{s.conn.ID, p.Term}
	case p.Identity != s.conn.identity():
		return s.begin(p.version), nil
	}
	return p, nil
}

func (s *start) begin(version uint64) *Progress {
	return &Progress{Identity: s.conn.identity(), Step: StepCatalogue, Rows: map[Step]int{},
		StartedAt: s.now().UTC(), version: version}
}

// page reads one page and writes it with the progress, at one index. Dying before Submit loses the
// page, which is then read again; behind it nothing is lost.
func (s *start) page(ctx context.Context, p *Progress) error {
	page, err := s.read(ctx, p)
	if err != nil {
		return err
	}
	if page.Next != "" && page.Next == p.Cursor {
		return errStuck
	}
	next := *p
	next.Rows, next.Term = maps.Clone(p.Rows), s.term
	next.move(page, s.now().UTC())
	for range pageTries {
		var tx records.Tx
		next.write(&tx, s.conn.ID)
		if page.Write != nil {
			if err := page.Write(ctx, &tx); err != nil {
				return err
			}
		}
		out, err := s.store.Submit(ctx, &tx)
		switch {
		case err != nil:
			return err
		case out.Conflict && out.At == 0:
			// The progress itself: our own Submit whose answer was lost, a person who began it anew, or
			// another leader. Where it is now tells which.
			return nil
		case !out.Conflict && out.Refusal != 0:
			return fmt.Errorf("the ledger refuses a page: %s", out.Refusal)
		case !out.Conflict:
			return nil
		}
	}
	return records.ErrBusy
}

// pageTries is how often a page is written anew because a record of it has changed meanwhile.
const pageTries = 16

func (s *start) read(ctx context.Context, p *Progress) (Page, error) {
	switch p.Step {
	case StepCatalogue:
		return s.adapter.Catalogue(ctx, p.Cursor)
	case StepMapping:
		return s.core.Mapping(ctx, s.conn, p.Cursor)
	case StepAudit:
		return s.core.Audit(ctx, s.conn, p.Cursor)
	case StepOrders:
		return s.adapter.OpenOrders(ctx, p.Cursor)
	case StepLevels:
		return s.adapter.Levels(ctx, p.Cursor)
	case StepDrift:
		return s.core.Drift(ctx, s.conn, p.Cursor)
	}
	return Page{}, fmt.Errorf("there is no step %q", p.Step)
}
