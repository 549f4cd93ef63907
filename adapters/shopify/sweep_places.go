package shopify

import (
	"context"
	"slices"
	"time"

	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
)

// groupsPage is how many fulfilment orders a page begins with; a shop that finds it too expensive gets
// half.
const groupsPage = 50

type groupsVars struct {
	Query string  `json:"query"`
	First int     `json:"first"`
	Page  *string `json:"page"`
}

// place places orders at once, those of a page in as few calls as the shop allows: during a start the
// levels that are read after the orders are compared with what is promised at each place. A process
// that dies in between has moved no cursor: the orders are met again, as ones that are known, and are
// placed then. It fails with a Fault, with *outbox.Later, or with the store's error.
func (s *shop) place(ctx context.Context, all *Shops, ids []gid) error {
	j := &job{shop: s, all: all}
	for most := firstPage; len(ids) > 0; {
		n := min(most, len(ids))
		var out struct {
			Nodes []*placesTree `json:"nodes"`
		}
		err := s.client.do(ctx, opPlaces, struct {
			IDs []gid `json:"ids"`
		}{ids[:n]}, &out)
		if codeOf(err) == codeCost && n > 1 {
			most = n / 2
			continue
		}
		if err != nil {
			return err
		}
		for i, id := range ids[:n] {
			order := kindName + ":" + s.id + ":" + id.tail()
			if i < len(out.Nodes) && out.Nodes[i] != nil && out.Nodes[i].whole() {
				err = j.assignTo(ctx, out.Nodes[i], order)
			} else {
				err = j.assign(ctx, id, order)
			}
			if err != nil && codeOf(err) != codeGone {
				return err
			}
		}
		ids = ids[n:]
	}
	return nil
}

// whole reports whether all parts of the order were read.
func (p *placesTree) whole() bool {
	return !p.Groups.Page.More && !slices.ContainsFunc(p.Groups.Nodes, func(g groupTree) bool {
		return g.Lines.Page.More
	})
}

// sweepPlaces looks at the fulfilment orders that have changed since the last time. One that was moved
// changes no order over there, so that without its webhook nobody would hear of it: what the shop has
// elsewhere than the book is placed anew. What stands where the book has it costs no more than its row.
//
// If it breaks off, the next one begins where this one did.
func (s *shop) sweepPlaces(ctx context.Context, all *Shops) error {
	if len(s.locations) < 2 {
		return nil
	}
	old, _, err := all.cfg.Store.Get(ctx, records.Cursors, s.id+placesFeed)
	if err != nil {
		return err
	}
	began := all.cfg.Now().UTC()
	since := time.UnixMilli(old.Value).UTC()
	if old.Version == 0 { // the start has placed what was open
		since = began.Add(-s.every(placesEvery))
	}
	vars := groupsVars{First: groupsPage,
		Query: "updated_at:>=" + quoted(since.Add(-s.every(sweepOverlap)).Format(time.RFC3339))}
	for range maxSweep {
		var out struct {
			Groups struct {
				Page  pageInfo    `json:"pageInfo"`
				Nodes []groupTree `json:"nodes"`
			} `json:"fulfillmentOrders"`
		}
		err := s.client.do(ctx, opGroups, vars, &out)
		if codeOf(err) == codeCost && vars.First > 1 {
			vars.First /= 2
			continue
		}
		if err != nil {
			return err
		}
		for i := range out.Groups.Nodes {
			if err := s.look(ctx, all, &out.Groups.Nodes[i]); err != nil {
				return err
			}
		}
		if !out.Groups.Page.More {
			break
		}
		vars.Page = &out.Groups.Page.End
	}
	var tx records.Tx
	tx.Replace(records.Record{Table: records.Cursors, Key: s.id + placesFeed,
		Value: began.UnixMilli()}, old.Version)
	_, err = all.cfg.Store.Submit(ctx, &tx) // a Conflict: another leader is further
	return err
}

// look has the order of a fulfilment order placed anew when the book has it elsewhere.
func (s *shop) look(ctx context.Context, all *Shops, g *groupTree) error {
	order := kindName + ":" + s.id + ":" + g.Order.tail()
	if !g.open() || g.Order.tail() == "" {
		return nil
	}
	o, err := all.cfg.Book.Get(ctx, order)
	if isUnknownOrder(err) {
		return nil // the sweep of orders brings it, and has it placed
	}
	if err != nil || !s.misplaced(&o, g) {
		return err
	}
	_, err = records.Retry(ctx, all.cfg.Store, func(tx *records.Tx) error {
		return outbox.Again(ctx, all.cfg.Store, tx, outbox.Task{Kind: taskPlaces, Connection: s.id,
			Key: order, CreatedAt: all.cfg.Now().UTC(), Trace: order, Flow: "F3"})
	})
	return err
}

// misplaced reports whether the book counts fewer units of an order at a fulfilment order's location
// than are to leave from there.
func (s *shop) misplaced(o *orders.Order, g *groupTree) bool {
	at := s.ours(g.At.Location.tail())
	for i := range g.Lines.Nodes {
		l := &g.Lines.Nodes[i]
		k := slices.IndexFunc(o.Lines, func(line orders.Line) bool { return line.Ref == l.Line.ID.tail() })
		if k < 0 || o.Lines[k].SKU == "" || o.Lines[k].Unmapped != "" {
			continue
		}
		counted := int64(0)
		for _, p := range o.Lines[k].Counted {
			if p.Location == at {
				counted = p.Qty
			}
		}
		if counted < l.Remaining {
			return true
		}
	}
	return false
}
