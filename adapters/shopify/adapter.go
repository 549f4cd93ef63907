package shopify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/adapters/connections"
	"holdfast/adapters/mapping"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
)

// Kind makes the adapters of shops.
type Kind struct{ Shops *Shops }

// The flows of a shop.
const (
	FlowOrders    = "orders"    // what changed is taken in
	FlowCatalogue = "catalogue" // all variants are read
	FlowWebhooks  = "webhooks"  // the subscriptions are as they should be
	FlowCheck     = "check"     // scopes, locations, version
)

// Check checks what is of the kind in a document. It fails with *engine.FieldError, joined.
func (k Kind) Check(c connections.Connection) error { return checkSettings(c) }

// Flows lists the flows of a shop.
func (k Kind) Flows() []string {
	return []string{FlowOrders, FlowCatalogue, FlowWebhooks, FlowCheck}
}

// Connect makes the adapter of a connection. It fails when the document cannot be worked with.
func (k Kind) Connect(l connections.Link) (connections.Adapter, error) {
	if err := checkSettings(l.Connection); err != nil {
		return nil, err
	}
	return &adapter{all: k.Shops, id: l.Connection.ID, health: l.Health}, nil
}

var _ connections.Kind = Kind{}

// adapter is one shop while this node leads.
type adapter struct {
	all    *Shops
	id     string
	health *connections.Reporter
}

// How often what never ends is done.
const (
	sweepEvery   = 30 * time.Second // what a lost webhook costs at most, and how old the watermark is
	webhookEvery = 15 * time.Minute // Shopify deletes a subscription after 8 failures in 4 hours
	checkEvery   = 6 * time.Hour
	placesEvery  = 5 * time.Minute // what a lost webhook of a fulfilment order costs at most
)

// Run sweeps, keeps the subscriptions, and checks, until ctx ends. It fails with ctx's error only:
// what goes wrong with one of them is reported, and tried again when it is due.
func (a *adapter) Run(ctx context.Context) error {
	type chore struct {
		name  string
		every time.Duration
		do    func(context.Context, *shop) error
		due   time.Time
	}
	chores := []*chore{
		{name: FlowCheck, every: checkEvery, do: a.check},
		{name: FlowWebhooks, every: webhookEvery, do: a.watch},
		{name: FlowOrders, every: sweepEvery, do: a.sweep},
		{name: "places", every: placesEvery, do: func(ctx context.Context, s *shop) error {
			return s.sweepPlaces(ctx, a.all)
		}},
	}
	for {
		s, err := a.all.shop(a.id)
		if err != nil {
			return err
		}
		next := a.all.cfg.Now().Add(s.every(sweepEvery))
		for _, c := range chores {
			if now := a.all.cfg.Now(); now.Before(c.due) {
				next = earlier(next, c.due)
				continue
			}
			err := c.do(ctx, s)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			c.due = a.all.cfg.Now().Add(s.every(c.every))
			next = earlier(next, c.due)
			a.tell(s, c.name, err)
		}
		if err := s.client.cfg.Pause(ctx, max(next.Sub(a.all.cfg.Now()), time.Millisecond)); err != nil {
			return err
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// tell reports how a chore ended, and what is left of the shop's budget.
func (a *adapter) tell(s *shop, name string, err error) {
	if err != nil {
		a.all.cfg.Logger.Warn("a chore of a shop failed", "connection", a.id, "chore", name,
			"error", err)
	}
	if a.health == nil {
		return
	}
	if err != nil {
		a.health.Failed(name, err)
	} else {
		a.health.Succeeded()
	}
	b := s.client.Budget()
	a.health.Limit("graphql-points", connections.Limit{Left: b.Available, Of: b.Maximum})
}

// sweep takes in what has changed, and reports up to when every sale is known.
func (a *adapter) sweep(ctx context.Context, s *shop) error {
	if err := s.sweep(ctx, a.all); err != nil {
		return err
	}
	at, err := publish.Proven(ctx, a.all.cfg.Store, a.id)
	if err == nil && a.health != nil && !at.IsZero() {
		a.health.Watermark(at)
	}
	return err
}

// check looks at what the shop lets us do, and at what it must have before orders are made there.
func (a *adapter) check(ctx context.Context, s *shop) error {
	found, err := s.check(ctx)
	if err != nil {
		return err
	}
	if s.conn.Mode == connections.On { // observing changes nothing over there
		if err := s.defineID(ctx); err != nil {
			return err
		}
	}
	_, err = records.Retry(ctx, a.all.cfg.Store, func(tx *records.Tx) error {
		return s.report(ctx, tx, a.all.cfg.Store, found, a.all.cfg.Now().UTC())
	})
	return err
}

// RunFlow runs a flow once. It fails with the error of the flow.
func (a *adapter) RunFlow(ctx context.Context, r connections.Run) error {
	s, err := a.all.shop(a.id)
	if err != nil {
		return err
	}
	switch r.Flow {
	case FlowOrders:
		return s.run(ctx, a.all, r)
	case FlowWebhooks:
		return a.watch(ctx, s)
	case FlowCheck:
		return a.check(ctx, s)
	case FlowCatalogue:
		return a.wholeCatalogue(ctx)
	}
	return fmt.Errorf("a shop has no flow %q", r.Flow)
}

// wholeCatalogue reads the catalogue page by page, as a start does.
func (a *adapter) wholeCatalogue(ctx context.Context) error {
	for cursor, n := "", 0; ; n++ {
		page, err := a.Catalogue(ctx, cursor)
		if err != nil {
			return err
		}
		if page.Write != nil {
			_, err := records.Retry(ctx, a.all.cfg.Store, func(tx *records.Tx) error {
				return page.Write(ctx, tx)
			})
			if err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		cursor = page.Next
	}
}

// Levels reads what the shop shows of each mapped item at each mapped place, and keeps a slot for it (see
// slotting). What is shown means nothing yet: that is the publisher's to say, once the watermark has passed
// it: a count, where the shop is the master, or what to begin from. A slot that is there already is only
// looked at again. It fails with a Fault, or with the store's error; then the page is read again.
func (a *adapter) Levels(ctx context.Context, cursor string) (connections.Page, error) {
	s, err := a.all.shop(a.id)
	if err != nil {
		return connections.Page{}, err
	}
	if a.all.cfg.Mapping == nil {
		return connections.Page{}, errors.New("shopify: no mapping is wired")
	}
	rows, more, err := a.all.cfg.Store.List(ctx, records.Catalogue, mapping.Variants(s.id), cursor,
		levelsPage)
	if err != nil || len(rows) == 0 {
		return connections.Page{}, err
	}
	var slots []publish.Slot
	var things []thing
	for _, row := range rows {
		item, err := records.Decode[mapping.Item](row)
		if err != nil {
			return connections.Page{}, err
		}
		things = append(things, thing{key: row.Key})
		if m, ok := a.all.cfg.Mapping.ByVariant(s.id, item.VariantID); ok && slotted(&m, &item) {
			slots = append(slots, s.slots(m.SKU, &item)...)
		}
	}
	seen, err := (&pusher{all: a.all, id: a.id}).Read(ctx, slots)
	if err != nil {
		return connections.Page{}, err
	}
	b := slotting{all: a.all, id: s.id, shop: s, look: true, seen: make(map[string]*publish.Seen)}
	for i := range slots {
		b.seen[slots[i].ID] = seen[i]
	}
	page := connections.Page{Rows: len(slots), Write: func(ctx context.Context, tx *records.Tx) error {
		return b.write(ctx, tx, things)
	}}
	if more {
		page.Next = rows[len(rows)-1].Key
	}
	return page, nil
}
