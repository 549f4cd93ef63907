package shopify

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"time"

	"holdfast/adapters/connections"
	"holdfast/adapters/exceptions"
	"holdfast/adapters/orders"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
)

const (
	// sweepOverlap is asked again each time: an order may show in the search a little after its
	// time.
	sweepOverlap = 2 * time.Minute
	// watermarkLag is how far behind the start of a sweep its watermark stays, for the same reason.
	watermarkLag = time.Minute
	// firstPage is how many orders a page begins with. A shop that finds it too expensive gets
	// half.
	firstPage = 25
	// maxSweep bounds the pages of one sweep; a longer one is gone on with by the next.
	maxSweep = 4000
)

type sweepVars struct {
	Query string  `json:"query"`
	First int     `json:"first"`
	Lines int     `json:"lines"`
	Page  *string `json:"page"`
}

type ordersPage struct {
	Orders struct {
		Page  pageInfo    `json:"pageInfo"`
		Nodes []orderTree `json:"nodes"`
	} `json:"orders"`
}

// page reads a page of orders, a smaller one where the shop finds it too expensive. It fails with a
// Fault.
func (s *shop) page(ctx context.Context, vars *sweepVars) (*ordersPage, error) {
	for {
		var out ordersPage
		err := s.client.do(ctx, opOrders, *vars, &out)
		if codeOf(err) == codeCost && vars.First > 1 {
			vars.First /= 2
			continue
		}
		return &out, err
	}
}

// sweep takes in all orders that have changed since the last one, the oldest change first and
// without an end: an order that changes meanwhile moves to the end of the list and is met there.
// When the list is empty, every sale before the sweep began is in the ledger, and the watermark
// says so.
//
// If it breaks off, the next one begins at the last page that was taken in.
func (s *shop) sweep(ctx context.Context, all *Shops) error {
	since, err := s.since(ctx, all)
	if err != nil {
		return err
	}
	began := all.cfg.Now().UTC()
	vars := sweepVars{First: firstPage, Lines: sweepLines,
		Query: "updated_at:>=" + quoted(since.Add(-s.every(sweepOverlap)).Format(time.RFC3339))}
	for range maxSweep {
		out, err := s.page(ctx, &vars)
		if err != nil {
			return err
		}
		nodes := out.Orders.Nodes
		if len(nodes) == 0 {
			return s.swept(ctx, all, began, true)
		}
		for i := range nodes {
			if err := s.take(ctx, all, &nodes[i], s.admit); err != nil {
				return err
			}
		}
		if last := nodes[len(nodes)-1].UpdatedAt; last.After(since) {
			if err := s.swept(ctx, all, last, false); err != nil {
				return err
			}
		}
		if end := out.Orders.Page.End; end != "" {
			vars.Page = &end
		} else {
			return s.swept(ctx, all, began, true)
		}
	}
	return nil
}

// since is from when a sweep asks; a connection that has none yet begins where its start did.
func (s *shop) since(ctx context.Context, all *Shops) (time.Time, error) {
	row, ok, err := all.cfg.Store.Get(ctx, records.Cursors, s.id+ordersFeed)
	if err != nil {
		return time.Time{}, err
	}
	if ok {
		return time.UnixMilli(row.Value).UTC(), nil
	}
	if !s.conn.OrdersFrom.IsZero() {
		return s.conn.OrdersFrom.UTC(), nil
	}
	return all.cfg.Now().UTC().Add(-24 * time.Hour), nil
}

// swept notes how far a sweep has come; done: it met the end, and proves what came before it began.
func (s *shop) swept(ctx context.Context, all *Shops, to time.Time, done bool) error {
	_, err := records.Retry(ctx, all.cfg.Store, func(tx *records.Tx) error {
		key := s.id + ordersFeed
		old, _, err := all.cfg.Store.Get(ctx, records.Cursors, key)
		if err != nil {
			return err
		}
		if to.UnixMilli() > old.Value {
			tx.Replace(records.Record{Table: records.Cursors, Key: key, Value: to.UnixMilli()},
				old.Version)
		}
		if !done {
			return nil
		}
		return publish.Advance(ctx, all.cfg.Store, tx, s.id, to.Add(-s.every(watermarkLag)))
	})
	return err
}

// take hands one order of a page to the book. One that has more lines than the page has is read
// alone. One that the book cannot have becomes an exception, and holds up no other.
func (s *shop) take(ctx context.Context, all *Shops, tree *orderTree, admit func(context.Context, *Shops, *orderTree) error) error {
	if !tree.whole() {
		full, err := s.readTree(ctx, tree.ID)
		if codeOf(err) == codeGone || codeOf(err) == codePending {
			return nil // gone, or changed: then it stands at the end of the list again
		}
		if err != nil {
			return err
		}
		tree = full
	}
	err := admit(ctx, all, tree)
	if err == nil || !isNo(err) {
		return err
	}
	_, err = records.Retry(ctx, all.cfg.Store, func(tx *records.Tx) error {
		return exceptions.Raise(ctx, all.cfg.Store, tx, exceptions.Exception{
			Trace: "webhook:" + s.id + ":order:" + tree.ID.tail(), Class: exceptions.Data,
			Code: "bad-order", Flow: "F3", Connection: s.id,
			Key: kindName + ":" + s.id + ":" + tree.ID.tail(), LastAt: all.cfg.Now().UTC(),
			Detail: "The book does not take an order of the shop: " + err.Error()})
	})
	return err
}

// admit hands an order to the book, which has it placed when the shop may have chosen another location
// than the book guesses. It fails as [Book] does.
func (s *shop) admit(ctx context.Context, all *Shops, tree *orderTree) error {
	_, err := s.receive(ctx, all, tree, nil)
	return err
}

// mayPlace reports whether an order that the book has taken is to be placed: it is the shop's own, units
// of it are still to leave, and the shop has a choice.
func (s *shop) mayPlace(tree *orderTree, got orders.Receipt) bool {
	return len(s.locations) > 1 && got.Order == s.orderKey(tree) && tree.toLeave()
}

// orderKey is our id of an order whose home is the shop.
func (s *shop) orderKey(tree *orderTree) string { return kindName + ":" + s.id + ":" + tree.ID.tail() }

// toLeave reports whether units of an order are still to leave: else there is nothing to place.
func (o *orderTree) toLeave() bool {
	return o.Cancelled.IsZero() && slices.ContainsFunc(o.Lines.Nodes, func(l lineTree) bool {
		return l.Unfulfilled > 0
	})
}

// openCursor is the place of the reading of open orders.
type openCursor struct {
	After string `json:"after"`
	First int    `json:"first"`
}

// OpenOrders reads a page of the orders that are open, and hands them to the book, which promises
// their units. The sweeps begin at the moment when its first page was asked for.
//
// Orders that another app made and that carry Amazon's numbers stand in the way of being on: with
// both running, each sale would be created twice. It fails with a Fault, or with the store's error;
// then the page is read again, which adds nothing to the orders that the book has.
func (a *adapter) OpenOrders(ctx context.Context, cursor string) (connections.Page, error) {
	s, err := a.all.shop(a.id)
	if err != nil {
		return connections.Page{}, err
	}
	began := a.all.cfg.Now().UTC()
	at := openCursor{First: firstPage}
	vars := sweepVars{Lines: sweepLines, Query: "status:open"}
	if cursor != "" {
		if err := json.Unmarshal([]byte(cursor), &at); err != nil {
			return connections.Page{}, err
		}
		vars.Page = &at.After
	}
	vars.First = at.First
	out, err := s.page(ctx, &vars)
	if err != nil {
		return connections.Page{}, err
	}
	page := connections.Page{Rows: len(out.Orders.Nodes)}
	var foreign []string
	var open []gid // to be placed
	admit := func(ctx context.Context, all *Shops, tree *orderTree) error {
		got, err := s.receive(ctx, all, tree, nil)
		if err == nil && s.mayPlace(tree, got) {
			open = append(open, tree.ID)
		}
		return err
	}
	for i := range out.Orders.Nodes {
		tree := &out.Orders.Nodes[i]
		if s.foreign(tree) {
			foreign = append(foreign, tree.Name+" ("+tree.SourceID+")")
		}
		if err := s.take(ctx, a.all, tree, admit); err != nil {
			return connections.Page{}, err
		}
	}
	if err := s.place(ctx, a.all, open); err != nil {
		return connections.Page{}, err
	}
	if len(foreign) > 0 {
		page.Found = []connections.Obstacle{{Code: connections.ForeignOrders, Names: foreign,
			Detail: "orders that another app has made carry Amazon's numbers"}}
	}
	if p := out.Orders.Page; p.More {
		next, err := json.Marshal(openCursor{p.End, vars.First})
		if err != nil {
			return connections.Page{}, err
		}
		page.Next = string(next)
	}
	if cursor == "" {
		page.Write = func(ctx context.Context, tx *records.Tx) error {
			key := s.id + ordersFeed
			old, _, err := a.all.cfg.Store.Get(ctx, records.Cursors, key)
			if err == nil && began.UnixMilli() > old.Value {
				tx.Replace(records.Record{Table: records.Cursors, Key: key,
					Value: began.UnixMilli()}, old.Version)
			}
			return err
		}
	}
	return page, nil
}

// amazonNumber is the shape of an order's number at Amazon.
var amazonNumber = regexp.MustCompile(`\b\d{3}-\d{7}-\d{7}\b`)

// foreign reports whether another app has made an order of Amazon's.
func (s *shop) foreign(o *orderTree) bool {
	var r reading
	r.conn = s.account
	r.tree(o)
	if r.snap.Of != "" {
		return false
	}
	for _, text := range append([]string{o.SourceID, o.Name}, o.Tags...) {
		if amazonNumber.MatchString(text) {
			return true
		}
	}
	return false
}

var errNoOrder = errors.New("there is no such order")

// run takes in orders by their ids, or those of a window, now.
func (s *shop) run(ctx context.Context, all *Shops, r connections.Run) error {
	if len(r.IDs) == 0 {
		return s.window(ctx, all, r.From, r.To)
	}
	for _, id := range r.IDs {
		tree, err := s.readTree(ctx, gidOfText(kindOrder, id))
		if codeOf(err) == codeGone {
			return errors.Join(errNoOrder, err)
		}
		if err != nil {
			return err
		}
		if err := s.admit(ctx, all, tree); err != nil {
			return err
		}
	}
	return nil
}

// window takes in the orders that changed in a window. It moves no cursor and proves nothing.
func (s *shop) window(ctx context.Context, all *Shops, from, to time.Time) error {
	if from.IsZero() {
		return s.sweep(ctx, all)
	}
	query := "updated_at:>=" + quoted(from.UTC().Format(time.RFC3339))
	if !to.IsZero() {
		query += " updated_at:<=" + quoted(to.UTC().Format(time.RFC3339))
	}
	vars := sweepVars{First: firstPage, Lines: sweepLines, Query: query}
	for range maxSweep {
		out, err := s.page(ctx, &vars)
		if err != nil {
			return err
		}
		for i := range out.Orders.Nodes {
			if err := s.take(ctx, all, &out.Orders.Nodes[i], s.admit); err != nil {
				return err
			}
		}
		if !out.Orders.Page.More {
			return nil
		}
		vars.Page = &out.Orders.Page.End
	}
	return nil
}
