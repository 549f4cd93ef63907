package amazon

import (
	"context"
	"errors"
	"time"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
)

// changed takes in that an order has changed. A message carries lines, quantities and a state, and
// no price, address or package. So it does what cannot wait, and leaves the rest to a reading of
// the order:
//
//   - One of the seller's own that is not known is promised, and nobody else hears of it yet.
//   - One that is cancelled gives back what is promised.
//   - A buyer's wish to cancel is passed on.
//   - What else has changed is read.
//
// What Amazon fulfils takes nothing from the ledger: unless it is known, the sweep finds it in
// time. It fails with the store's error; doing it twice adds nothing.
func (s *seller) changed(ctx context.Context, all *Sellers, n *spapi.Notification) error {
	c := n.Order
	known, err := all.cfg.Book.Get(ctx, s.orderKey(c.OrderID))
	if isUnknownOrder(err) {
		return s.news(ctx, all, n)
	}
	if err != nil {
		return err
	}
	if c.Status == spapi.StatusCancelled {
		return s.calledOff(ctx, all, &known, c)
	}
	for i := range c.Items {
		if c.Items[i].CancelAsked && known.CancelledAt.IsZero() && known.FulfilledBy != byAmazon {
			if err := s.passOn(ctx, all, c.OrderID); err != nil {
				return err
			}
			break
		}
	}
	if !s.unlike(&known, c) {
		return nil
	}
	return s.readLater(ctx, all, c.OrderID)
}

// unlike reports whether a message says something of an order that is not known of it.
func (s *seller) unlike(o *orders.Order, c *spapi.OrderChange) bool {
	if c.Status == spapi.StatusPending {
		return false // either it is so, or the message is late: no order becomes pending again
	}
	if o.Pending {
		return true
	}
	for i := range c.Items {
		for k := range o.Lines {
			l := &o.Lines[k]
			if l.Ref == c.Items[i].ID && (l.HomeSent != c.Items[i].Shipped.Value ||
				l.Ordered < c.Items[i].Quantity.Value) {
				return true
			}
		}
	}
	return false
}

// news takes in an order that is not known. Its time is just before the purchase, so that whatever
// a sweep says of it is newer.
func (s *seller) news(ctx context.Context, all *Sellers, n *spapi.Notification) error {
	c := n.Order
	if c.FulfilledBy != spapi.ByMerchant {
		if c.FulfilledBy != spapi.ByAmazon {
			return s.readLater(ctx, all, c.OrderID) // somebody new fulfils: reading tells
		}
		return nil
	}
	sent := false
	for i := range c.Items {
		sent = sent || c.Items[i].Shipped.Value != 0
	}
	if sent || c.Status == spapi.StatusShipped || len(c.Items) == 0 || c.Purchased.IsZero() {
		return s.readLater(ctx, all, c.OrderID) // which packages have left, only reading tells
	}
	r := &reading{acc: s.account, heard: n.At}
	r.change(c)
	if _, err := all.cfg.Book.Receive(ctx, s.delivery(n), r.snap); err != nil && !isNo(err) {
		return err
	}
	if err := s.complain(ctx, all, r, c.OrderID); err != nil {
		return err
	}
	if c.Status == spapi.StatusPending || c.Status == spapi.StatusCancelled {
		return nil
	}
	return s.readLater(ctx, all, c.OrderID)
}

func (s *seller) delivery(n *spapi.Notification) orders.Delivery {
	return orders.Delivery{Connection: s.id, Topic: n.Type, ID: n.ID}
}

// change makes the snapshot of an order of which nothing else is known. Nobody is told of it: its
// price and where it goes are still to come.
func (r *reading) change(c *spapi.OrderChange) {
	s := &r.snap
	s.Home = orders.External{System: r.acc.id, Kind: "order", ID: c.OrderID}
	s.Name, s.CreatedAt, s.ShipBy = c.OrderID, c.Purchased, c.ShipBy
	s.UpdatedAt = c.Purchased.Add(-time.Millisecond)
	s.FulfilledBy, s.Pending = byMerchant, true
	s.Channel = r.acc.channel(c.MarketplaceID, s.FulfilledBy)
	switch c.Status {
	case spapi.StatusPendingAvailability:
		s.RecordOnly = true
	case spapi.StatusCancelled:
		s.Cancelled = &orders.Cancellation{At: first(c.Changed, r.heard), By: r.acc.id,
			Reason: c.Reason, Restock: true}
	}
	for i := range c.Items {
		it := &c.Items[i]
		if it.ID == "" {
			r.complain("line %d has no id", i+1)
			continue
		}
		qty := r.units(it.Quantity, "Quantity")
		sku := it.SellerSKU
		if sku == "" {
			r.complain("line %s has no seller SKU", it.ID)
			continue // the sweep tells its ASIN
		}
		s.Lines = append(s.Lines, orders.SnapshotLine{Ref: it.ID, Ordered: qty, Qty: qty, SKU: sku,
			SellerSKU: sku, Marketplace: c.MarketplaceID})
	}
}

// calledOff gives back what is promised for an order that Amazon has cancelled, by what is known
// here: the message may say that its lines have no units. It is final at Amazon, so it is newer
// than whatever is known.
func (s *seller) calledOff(ctx context.Context, all *Sellers, o *orders.Order, c *spapi.OrderChange) error {
	if !o.CancelledAt.IsZero() && o.Cancel != nil {
		return nil
	}
	snap := again(o)
	snap.UpdatedAt = o.UpdatedAt.Add(time.Millisecond)
	snap.Cancelled = &orders.Cancellation{At: first(c.Changed, all.cfg.Now().UTC()), By: s.id,
		Reason: c.Reason, Restock: true}
	_, err := all.cfg.Book.Receive(ctx, orders.Delivery{Connection: s.id}, snap)
	return err
}

// again is the snapshot that has led to an order as it is.
func again(o *orders.Order) orders.Snapshot {
	s := orders.Snapshot{Home: o.Home, Channel: o.Channel, Name: o.Name, CreatedAt: o.CreatedAt,
		UpdatedAt: o.UpdatedAt, ShipBy: o.ShipBy, Currency: o.Currency, Total: o.Total, Tags: o.Tags,
		ShipTo: o.ShipTo, FulfilledBy: o.FulfilledBy, Pending: o.Pending}
	for i := range o.Lines {
		l := &o.Lines[i]
		left := l.ToShip
		s.Lines = append(s.Lines, orders.SnapshotLine{Ref: l.Ref, Qty: l.Qty, Ordered: l.Ordered,
			ToShip: &left, SellerSKU: l.Item.SellerSKU, Marketplace: l.Item.Marketplace, SKU: l.Theirs,
			Title: l.Title, Price: l.Price})
	}
	for i := range o.Shipments {
		if p := &o.Shipments[i]; p.By == o.Home.System && !p.Off {
			s.Shipments = append(s.Shipments, *p)
		}
	}
	return s
}

// readLater queues the reading of an order.
func (s *seller) readLater(ctx context.Context, all *Sellers, id string) error {
	_, err := records.Retry(ctx, all.cfg.Store, func(tx *records.Tx) error {
		return outbox.Again(ctx, all.cfg.Store, tx, outbox.Task{Kind: taskRead, Connection: s.id,
			Key: s.orderKey(id), CreatedAt: all.cfg.Now().UTC(), Trace: s.orderKey(id), Flow: "F5"})
	})
	return err
}

// isUnknownOrder reports whether the book does not know an order.
func isUnknownOrder(err error) bool {
	var coded interface{ Code() string }
	return errors.As(err, &coded) && coded.Code() == "unknown-order"
}
