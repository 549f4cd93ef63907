package spapitest

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// The states of an order, in the words of Orders 2026-01-01.
const (
	pendingAvailability = "PENDING_AVAILABILITY"
	pending             = "PENDING"
	unshipped           = "UNSHIPPED"
	partlyShipped       = "PARTIALLY_SHIPPED"
	shipped             = "SHIPPED"
	cancelled           = "CANCELLED"
	unfulfillable       = "UNFULFILLABLE"
)

// order is a customer's order.
type order struct {
	acct             *account
	id               string
	market           marketplace
	created, updated time.Time
	status           string
	afn, nonAmazon   bool
	alias            string // SELLER_ORDER_ID
	opened           bool   // it has left PENDING at some time: prices and addresses are known
	programs         []string
	original, kind   string // of a replacement or an exchange
	items            []*orderItem
	parcels          []*parcel
	buyer            string
	to               ShipTo
	shipBy           time.Time
	pool             int
	refunded         money

	seen struct { // what searchOrders has indexed
		updated time.Time
		status  string
	}
}

// orderItem is one line.
type orderItem struct {
	id                   string
	listing              *listing
	qty, shipped         int64
	returned             int64
	price, tax, delivery money // price of one unit, the others of the line
	requested            string
	cancelledBy, reason  string
	gone                 bool // cancelled
}

func (i *orderItem) left() int64 {
	if i.gone {
		return 0
	}
	return i.qty - i.shipped
}

// parcel is one package of a merchant's.
type parcel struct {
	ref, carrier, service, tracking string
	created, sent                   time.Time
	qty                             map[string]int64 // by item
	codes                           map[string][]string
}

// ShipTo is where an order goes.
type ShipTo struct {
	Name       string `json:"name"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2"`
	City       string `json:"city"`
	State      string `json:"state"`
	PostalCode string `json:"postal_code"`
	Country    string `json:"country"`
	Phone      string `json:"phone"`
}

func (o *order) open() bool { return o.status == unshipped || o.status == partlyShipped }

func (o *order) channel() string {
	if o.afn {
		return "AFN"
	}
	return "MFN"
}

func (o *order) item(id string) *orderItem {
	i := slices.IndexFunc(o.items, func(i *orderItem) bool { return i.id == id })
	if i < 0 {
		return nil
	}
	return o.items[i]
}

var errOrder = errors.New("order")

// change sets the state of an order and tells about it.
func (a *action) change(o *order, status, reason string) {
	o.status = status
	a.log(Entry{Kind: "order", Op: status, Order: o.id, Channel: o.channel(), Result: reason})
	a.touch(o)
	a.tellOrder(o, "OrderStatusChange", reason)
}

// touch moves the time of the last update, which always rises, and lets the index see it later.
func (a *action) touch(o *order) {
	at := a.at.Truncate(time.Millisecond)
	if !at.After(o.updated) {
		at = o.updated.Add(time.Millisecond)
	}
	o.updated = at
	status := o.status
	o.acct.after(a.acct.srv.timing().Index, "system", func(*action) {
		if at.After(o.seen.updated) {
			o.seen.updated, o.seen.status = at, status
		}
	})
}

// place takes the stock of a new order, numbers it and starts its life. Where there is too little
// stock the buyer goes away, and false comes back.
func (a *action) place(o *order, pendingFor *int64) bool {
	x := a.acct
	if o.status != pendingAvailability && !a.take(o) {
		return false
	}
	x.sales++
	o.id = x.srv.newID(3) + "-" + x.srv.newID(7) + "-" + x.srv.newID(7)
	o.created = a.at.Truncate(time.Millisecond)
	o.shipBy = a.at.Add(x.srv.period(48 * time.Hour))
	for _, i := range o.items {
		i.id = x.srv.newID(14)
		a.log(Entry{Kind: "sale", Order: o.id, Item: i.id, SKU: i.listing.sku, Qty: i.qty,
			Channel: o.channel(), Op: o.status})
	}
	x.orders = append(x.orders, o)
	x.byID[o.id] = o
	a.log(Entry{Kind: "order", Op: o.status, Order: o.id, Channel: o.channel()})
	a.touch(o)
	if x.srv.assumptions().ChangeAtCreation {
		a.tellOrder(o, "OrderStatusChange", "New order")
	}
	span := x.srv.timing().Pending
	if pendingFor != nil {
		if *pendingFor < 0 {
			return true // it stays until somebody moves it
		}
		span = Span{*pendingFor, *pendingFor}
	}
	x.after(span, "system", func(a *action) { a.proceed(o) })
	return true
}

// take takes the units of an order from the stock that fulfils it, all or none.
func (a *action) take(o *order) bool {
	need := map[*listing]int64{}
	for _, i := range o.items {
		need[i.listing] += i.qty
		if need[i.listing] > i.listing.sellable(o.afn, o.pool) {
			a.log(Entry{Kind: "refused", SKU: i.listing.sku, Qty: i.qty, Channel: o.channel()})
			return false
		}
	}
	for _, i := range o.items {
		if o.afn {
			a.reserveFBA(i.listing, o.pool, i.qty)
		} else {
			a.shift(i.listing, -i.qty)
		}
	}
	return true
}

// proceed is what happens when a payment went through or an article became available.
func (a *action) proceed(o *order) {
	switch o.status {
	case pendingAvailability:
		if !a.take(o) {
			a.cancel(o, cancelling{by: "AMAZON", reason: "Not available", untaken: true})
			return
		}
		a.change(o, pending, "Available")
		a.acct.after(a.acct.srv.timing().Pending, "system", func(a *action) { a.proceed(o) })
	case pending:
		o.opened = true
		a.change(o, unshipped, "Payment verified")
		if o.afn && !o.nonAmazon {
			a.planFBA(o)
		}
	}
}

// cancelling is who cancels which items, and why.
type cancelling struct {
	by, reason string
	items      []*orderItem // none: all that are left
	untaken    bool         // no stock was taken yet
}

// cancel cancels what is asked for and gives its stock back. The error says why it cannot be; then
// nothing changed.
func (a *action) cancel(o *order, c cancelling) error {
	if o.status == cancelled || o.status == shipped || o.status == partlyShipped {
		return fmt.Errorf("%w %s is %s", errOrder, o.id, o.status)
	}
	if len(c.items) == 0 {
		c.items = o.items
	}
	keeps := c.reason == "NoInventory" && a.acct.srv.assumptions().NoInventoryKeeps
	for _, i := range c.items {
		n := i.left()
		if n == 0 {
			continue
		}
		i.gone, i.cancelledBy, i.reason = true, c.by, c.reason
		switch {
		case c.untaken || o.status == pendingAvailability:
		case o.afn:
			a.unreserveFBA(i.listing, o.pool, n)
		case !keeps:
			a.shift(i.listing, n)
		}
	}
	if slices.ContainsFunc(o.items, func(i *orderItem) bool { return !i.gone }) {
		a.log(Entry{Kind: "order", Op: "items_cancelled", Order: o.id, Result: c.reason})
		a.touch(o)
		a.tellOrder(o, "OrderStatusChange", c.reason)
		return nil
	}
	a.change(o, cancelled, c.by+": "+c.reason)
	return nil
}

// ask is a buyer who asks the seller to cancel.
func (a *action) ask(o *order, reason string) error {
	if !o.open() || o.afn {
		return fmt.Errorf("%w %s: a buyer cannot ask to cancel it now", errOrder, o.id)
	}
	for _, i := range o.items {
		i.requested = reason
	}
	a.log(Entry{Kind: "order", Op: "cancel_requested", Order: o.id, Result: reason})
	a.touch(o)
	a.tellOrder(o, "BuyerRequestedChange", reason)
	return nil
}

// progress sets the state of an order after units of it were shipped.
func (a *action) progress(o *order, reason string) {
	var left, sent int64
	for _, i := range o.items {
		left += i.left()
		sent += i.shipped
	}
	switch {
	case left == 0 && o.status != shipped:
		a.change(o, shipped, reason)
	case left > 0 && sent > 0:
		a.change(o, partlyShipped, reason)
	default:
		a.touch(o)
	}
}
