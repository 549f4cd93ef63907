package shopifytest

import (
	"fmt"
	"time"
)

// draft is an order that is about to be placed, by a shopper or by orderCreate.
type draft struct {
	order  *order
	bypass bool   // takes no stock
	how    policy // unless bypass
	cause  string
}

// place numbers and stores an order, takes its stock and makes its fulfilment orders. It returns
// false, and nothing has happened, where the stock policy forbids it.
func (s *shop) place(a *action, d draft) bool {
	o := d.order
	if len(s.places()) == 0 && o.pos == nil {
		o.pos = s.locations[0]
	}
	var needs []need
	for _, l := range o.lines {
		n := need{qty: l.quantity}
		if l.variant != nil && l.variant.item.tracked && !d.bypass {
			n.item = l.variant.item
		}
		needs = append(needs, n)
	}
	parts, ok := s.assign(needs, d.how, o.pos)
	if !ok {
		return false
	}
	s.sales++
	o.number = 1000 + int(s.sales)
	if o.name == "" {
		o.name = fmt.Sprintf("#%d", o.number)
	}
	o.id = s.srv.newID()
	o.created = a.at
	if o.processed.IsZero() {
		o.processed = a.at
	}
	o.confirmed = !d.bypass
	s.objects[o.id] = o
	s.orders = append(s.orders, o)
	if o.sourceID != "" {
		s.bySource[o.sourceID] = append(s.bySource[o.sourceID], o)
	}
	for i, l := range o.lines {
		s.storeLine(l)
		s.open(a, l, parts[i], needs[i].item != nil)
		a.log(Entry{Kind: "sale", Op: d.cause, Order: gid{"Order", o.id}.String(), OrderName: o.name,
			Line: gid{"LineItem", l.id}.String(), SKU: l.sku, Qty: l.quantity,
			Location: parts[i][0].loc.name})
	}
	a.touch(o)
	a.tell("orders/create", o)
	if o.financialStatus() == "PAID" {
		a.tell("orders/paid", o)
	}
	for _, l := range o.lines {
		if l.variant != nil {
			a.tell("products/update", l.variant.product)
		}
	}
	return true
}

func (s *shop) storeLine(l *line) {
	l.id = s.srv.newID()
	l.current = l.quantity
	s.objects[l.id] = l
}

// open puts units of a line into the open fulfilment orders of their locations, one each, and
// claims their stock.
func (s *shop) open(a *action, l *line, parts []part, claimed bool) {
	for _, p := range parts {
		if p.qty == 0 {
			continue
		}
		fo := s.openAt(a, l.order, p.loc)
		x := &foLine{id: s.srv.newID(), fo: fo, line: l, total: p.qty, remaining: p.qty,
			claimed: claimed}
		s.objects[x.id] = x
		fo.lines = append(fo.lines, x)
		fo.updated = a.at
		if claimed {
			a.claim(l.variant.item, p.loc, p.qty)
		}
	}
}

func (s *shop) openAt(a *action, o *order, l *location) *fulfillmentOrder {
	for _, fo := range o.fulfillmentOrders {
		if fo.loc == l && fo.status == "OPEN" {
			return fo
		}
	}
	return s.newFulfillmentOrder(a, o, l)
}

func (s *shop) newFulfillmentOrder(a *action, o *order, l *location) *fulfillmentOrder {
	fo := &fulfillmentOrder{id: s.srv.newID(), order: o, loc: l, status: "OPEN", created: a.at,
		updated: a.at}
	s.objects[fo.id] = fo
	o.fulfillmentOrders = append(o.fulfillmentOrders, fo)
	return fo
}

// closeFulfillmentOrders ends those of an order that have nothing left.
func (o *order) closeFulfillmentOrders(at time.Time) {
	for _, fo := range o.fulfillmentOrders {
		if fo.open() && fo.remaining() == 0 {
			fo.status, fo.updated, fo.holds = "CLOSED", at, nil
		}
	}
}

// takeOut removes units of a line from its fulfilment orders, from the last backwards, and gives
// their stock back or not. It returns the parts that it took.
func (a *action) takeOut(l *line, n int64, restock bool) []part {
	var parts []part
	for i := len(l.order.fulfillmentOrders) - 1; i >= 0; i-- {
		fo := l.order.fulfillmentOrders[i]
		if !fo.open() {
			continue
		}
		for _, x := range fo.lines {
			k := min(n, x.remaining)
			if x.line != l || k == 0 {
				continue
			}
			x.remaining -= k
			x.total -= k
			n -= k
			fo.updated = a.at
			parts = append(parts, part{fo.loc, k})
			switch {
			case x.claimed:
				a.unclaim(l.variant.item, fo.loc, k, restock)
			case restock && l.tracked && a.shop.srv.assumptions().CancelRestocksBypassed:
				a.shift(a.levelFor(l.variant.item, fo.loc), available, k)
			}
		}
	}
	return parts
}
