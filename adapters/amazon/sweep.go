package amazon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/connections"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
)

const (
	// watermarkLag is how far the watermark stays behind what Amazon says that it has searched: an
	// order shows some minutes after it was placed.
	watermarkLag = 3 * time.Minute
	// changeOverlap is asked again by each sweep of changes, for the same reason.
	changeOverlap = 10 * time.Minute
	// pagesByReport is how many pages a sweep reads before a report is asked for as well.
	pagesByReport = 2
	// maxPages bounds the pages of one run; the rest is gone on with by the next.
	maxPages = 100
	// openFor is how far back a start looks for open orders.
	openFor = 180 * 24 * time.Hour
	// beginning is from when a connection without orders_from and without a start asks.
	beginning = 24 * time.Hour
)

// feed is one of the two ways in which orders are searched for. They alternate: only that by
// creation proves that no order is missing, and only that by change finds what has become of them.
type feed struct {
	name  string // of the record CONNECTION/NAME of the table Cursors; Value: ms from which it asks
	lag   time.Duration
	moves bool // the watermark
}

var (
	byCreation = feed{name: "/amazon-created", lag: watermarkLag, moves: true}
	byChange   = feed{name: "/amazon-changed", lag: changeOverlap}
)

// place is where a sweep is. A token needs all else to be as it was when it was given.
type place struct {
	After    time.Time `json:"after"`
	Token    string    `json:"token,omitempty"` // of the next page; empty: the first one
	Include  []string  `json:"include,omitempty"`
	Before   time.Time `json:"before,omitzero"` // up to when Amazon has looked, by its first page
	Pages    int       `json:"pages,omitempty"`
	Report   string    `json:"report,omitempty"` // that was asked for, because there are so many
	ReportTo time.Time `json:"report_to,omitzero"`

	version uint64
}

// at reads where a sweep is; a connection that has swept never begins where its start did.
func (s *seller) at(ctx context.Context, all *Sellers, f feed) (p place, err error) {
	row, ok, err := all.cfg.Store.Get(ctx, records.Cursors, s.id+f.name)
	if err != nil {
		return p, err
	}
	p.version = row.Version
	switch {
	case ok && len(row.Body) > 0:
		version := p.version
		if p, err = records.Decode[place](row); err != nil {
			return p, err
		}
		p.version = version
	case ok:
		p.After = time.UnixMilli(row.Value).UTC()
	case !s.conn.OrdersFrom.IsZero():
		p.After = s.conn.OrdersFrom.UTC()
	default:
		p.After = all.cfg.Now().UTC().Add(-beginning)
	}
	return p, nil
}

// put writes where a sweep is. What has moved it meanwhile wins: a start, or another leader.
func (s *seller) put(ctx context.Context, all *Sellers, f feed, p *place,
	also func(tx *records.Tx) error) error {
	var tx records.Tx
	tx.Replace(records.Record{Table: records.Cursors, Key: s.id + f.name, Value: p.After.UnixMilli(),
		Body: p.body(&tx)}, p.version)
	if also != nil {
		if err := also(&tx); err != nil {
			return err
		}
	}
	out, err := all.cfg.Store.Submit(ctx, &tx)
	if err == nil && out.Conflict {
		err = spapi.Later(time.Second, "the place of a sweep was moved meanwhile")
	}
	p.version = out.Index
	return err
}

// body is empty between two sweeps.
func (p *place) body(tx *records.Tx) []byte {
	if p.Token == "" && p.Report == "" {
		return nil
	}
	return tx.Encode(p)
}

// sweep takes in the orders that a feed has, page by page. When the last page was taken in, the
// next sweep asks from where Amazon has looked to, by its own clock, less the overlap; of the feed
// by creation that is also the watermark, and is written with it.
//
// If it breaks off, at a limit or because the process dies, the next one goes on at the page behind
// the last that was taken in. It fails with a spapi.Fault, or with the store's error.
func (s *seller) sweep(ctx context.Context, all *Sellers, f feed) error {
	p, err := s.at(ctx, all, f)
	if err != nil {
		return err
	}
	if p.Report != "" {
		done, err := s.catchUp(ctx, all, &p)
		if err != nil || done {
			return err
		}
	}
	for range maxPages {
		page, err := s.page(ctx, all, f, &p)
		if spapi.CodeOf(err) == spapi.CodeExpired {
			p = place{After: p.After, version: p.version} // its token is too old: from its beginning
			page, err = s.page(ctx, all, f, &p)
		}
		if err != nil {
			return err
		}
		for i := range page.Orders {
			if err := s.take(ctx, all, &page.Orders[i], p.Include); err != nil {
				return err
			}
		}
		if b := page.Before; p.Before.IsZero() || !b.IsZero() && b.Before(p.Before) {
			p.Before = b
		}
		if p.Token, p.Pages = page.Next, p.Pages+1; p.Token == "" {
			return s.swept(ctx, all, f, &p, p.Before)
		}
		if f.moves && p.Pages == pagesByReport && p.Report == "" {
			if err := s.askReport(ctx, all, &p); err != nil {
				return err
			}
		}
		if err := s.put(ctx, all, f, &p, nil); err != nil {
			return err
		}
	}
	return nil
}

// page reads the page that a sweep is at.
func (s *seller) page(ctx context.Context, all *Sellers, f feed, p *place) (*spapi.OrdersPage, error) {
	search := spapi.Search{Marketplaces: s.conn.Marketplaces, Include: p.Include, Token: p.Token}
	if f.moves {
		search.CreatedAfter = p.After
	} else {
		search.UpdatedAfter = p.After
	}
	client := s.client.As(spapi.Background)
	if p.Token != "" {
		return client.SearchOrders(ctx, search)
	}
	var page *spapi.OrdersPage
	err := s.withRoles(ctx, all, func(include []string) (err error) {
		search.Include, p.Include = include, include
		page, err = client.SearchOrders(ctx, search)
		return err
	})
	if err == nil && page.Before.IsZero() {
		return nil, spapi.Refused(spapi.CodeAnswer, "a page of orders does not say up to when it is")
	}
	return page, err
}

// swept notes that every order of a feed up to a moment is in the ledger.
func (s *seller) swept(ctx context.Context, all *Sellers, f feed, p *place, to time.Time) error {
	// Where nothing was ever older than the overlap the place does not go back.
	next := to.Add(-s.every(f.lag))
	if next.Before(p.After) {
		next = p.After
	}
	*p = place{After: next, version: p.version}
	return s.put(ctx, all, f, p, func(tx *records.Tx) error {
		if !f.moves {
			return nil
		}
		return publish.Advance(ctx, all.cfg.Store, tx, s.id, to.Add(-s.every(f.lag)))
	})
}

// openCursor is the place of the reading of open orders.
type openCursor struct {
	After   time.Time `json:"after"`
	Token   string    `json:"token"`
	Include []string  `json:"include"`
}

// OpenOrders reads a page of the orders that are open, and hands them to the book, which promises
// their units. Both sweeps begin where Amazon had looked to when its first page was made. It fails
// with a spapi.Fault, or with the store's error; then the page is read again, which adds nothing to
// the orders that the book has.
func (a *adapter) OpenOrders(ctx context.Context, cursor string) (connections.Page, error) {
	s, err := a.all.seller(a.id)
	if err != nil {
		return connections.Page{}, err
	}
	at := openCursor{After: a.all.cfg.Now().UTC().Add(-openFor)}
	if cursor != "" {
		if err := json.Unmarshal([]byte(cursor), &at); err != nil {
			return connections.Page{}, err
		}
	}
	search := spapi.Search{CreatedAfter: at.After, Marketplaces: s.conn.Marketplaces, Token: at.Token,
		Include:  at.Include,
		Statuses: []string{spapi.StatusPending, spapi.StatusUnshipped, spapi.StatusPartlyShipped}}
	var out *spapi.OrdersPage
	read := func(include []string) (err error) {
		search.Include, at.Include = include, include
		out, err = s.client.As(spapi.Background).SearchOrders(ctx, search)
		return err
	}
	if cursor == "" {
		err = s.withRoles(ctx, a.all, read)
	} else {
		err = read(at.Include)
	}
	if err != nil {
		return connections.Page{}, err
	}
	for i := range out.Orders {
		if err := s.take(ctx, a.all, &out.Orders[i], at.Include); err != nil {
			return connections.Page{}, err
		}
	}
	page := connections.Page{Rows: len(out.Orders)}
	if at.Token = out.Next; at.Token != "" {
		next, err := json.Marshal(at)
		if err != nil {
			return connections.Page{}, err
		}
		page.Next = string(next)
	}
	if cursor == "" && !out.Before.IsZero() {
		page.Write = func(ctx context.Context, tx *records.Tx) error {
			return s.begin(ctx, tx, a.all.cfg.Store, out.Before)
		}
	}
	return page, nil
}

// begin lets both sweeps begin where a start has looked to.
func (s *seller) begin(ctx context.Context, tx *records.Tx, r records.Reader, to time.Time) error {
	for _, f := range []feed{byCreation, byChange} {
		key, from := s.id+f.name, to.Add(-s.every(f.lag)).UnixMilli()
		old, _, err := r.Get(ctx, records.Cursors, key)
		if err != nil {
			return err
		}
		if from > old.Value {
			tx.Replace(records.Record{Table: records.Cursors, Key: key, Value: from}, old.Version)
		}
	}
	return nil
}

// run takes in orders by their ids, or those that changed since a moment, now.
func (s *seller) run(ctx context.Context, all *Sellers, r connections.Run) error {
	var failed []error
	for _, id := range r.IDs {
		if err := s.fetch(ctx, all, id); err != nil {
			failed = append(failed, fmt.Errorf("order %s: %w", id, err))
		}
	}
	if len(r.IDs) > 0 {
		return errors.Join(failed...)
	}
	if r.From.IsZero() {
		return errors.Join(s.sweep(ctx, all, byCreation), s.sweep(ctx, all, byChange))
	}
	return s.window(ctx, all, r.From, r.To)
}

// window takes in the orders that changed in a window. It moves no cursor and proves nothing.
func (s *seller) window(ctx context.Context, all *Sellers, from, to time.Time) error {
	search := spapi.Search{UpdatedAfter: from, UpdatedBefore: to, Marketplaces: s.conn.Marketplaces}
	for range maxPages {
		var page *spapi.OrdersPage
		read := func(include []string) (err error) {
			search.Include = include
			page, err = s.client.As(spapi.Background).SearchOrders(ctx, search)
			return err
		}
		var err error
		if search.Token == "" {
			err = s.withRoles(ctx, all, read)
		} else {
			err = read(search.Include)
		}
		if err != nil {
			return err
		}
		for i := range page.Orders {
			if err := s.take(ctx, all, &page.Orders[i], search.Include); err != nil {
				return err
			}
		}
		if search.Token = page.Next; search.Token == "" {
			return nil
		}
	}
	return fmt.Errorf("a window of more than %d pages: choose a shorter one", maxPages)
}
