package shopifytest

import (
	"fmt"
	"strings"
)

// shipment is what to fulfil: units of lines of fulfilment orders of one order and location.
type shipment struct {
	lines    []shipLine
	tracking args // FulfillmentTrackingInput
}

type shipLine struct {
	line *foLine
	qty  int64
}

// fulfil ships units: committed falls where they were claimed, else, as assumed, available.
func (s *shop) fulfil(a *action, sh shipment) *fulfillment {
	fo := sh.lines[0].line.fo
	o := fo.order
	f := &fulfillment{id: s.srv.newID(), order: o, loc: fo.loc, number: len(o.fulfillments) + 1,
		status: "SUCCESS", created: a.at, updated: a.at}
	f.track(sh.tracking)
	s.objects[f.id] = f
	for _, x := range sh.lines {
		l := x.line
		l.remaining -= x.qty
		l.fo.updated = a.at
		out := &fulfillmentLine{id: s.srv.newID(), fulfillment: f, line: l.line, fo: l.fo,
			quantity: x.qty, claimed: l.claimed}
		s.objects[out.id] = out
		f.lines = append(f.lines, out)
		f.from = addOnce(f.from, l.fo)
		switch {
		case l.claimed:
			a.shift(a.levelFor(l.line.variant.item, l.fo.loc), committed, -x.qty)
		case l.line.tracked && s.srv.assumptions().FulfilBypassedDeducts:
			out.deducted = true
			a.shift(a.levelFor(l.line.variant.item, l.fo.loc), available, -x.qty)
		}
	}
	o.fulfillments = append(o.fulfillments, f)
	o.closeFulfillmentOrders(a.at)
	a.touch(o)
	a.tell("fulfillments/create", f)
	if o.fulfillmentStatus() == "FULFILLED" {
		a.tell("orders/fulfilled", o)
	} else {
		a.tell("orders/partially_fulfilled", o)
	}
	a.logOrder(o, "fulfilled")
	return f
}

func addOnce[T comparable](list []T, v T) []T {
	for _, x := range list {
		if x == v {
			return list
		}
	}
	return append(list, v)
}

// track sets the tracking of a fulfilment; where both are given, the singular wins.
func (f *fulfillment) track(t args) {
	if t == nil {
		return
	}
	f.company = t.text("company")
	f.numbers, f.urls = t.texts("numbers"), t.texts("urls")
	if n := t.text("number"); n != "" {
		f.numbers = []string{n}
	}
	if u := t.text("url"); u != "" {
		f.urls = []string{u}
	}
}

// unfulfil cancels a fulfilment: its units go back into new fulfilment orders.
func (s *shop) unfulfil(a *action, f *fulfillment) {
	f.status, f.updated = "CANCELLED", a.at
	for _, x := range f.lines {
		fo := s.openAt(a, f.order, f.loc)
		back := &foLine{id: s.srv.newID(), fo: fo, line: x.line, total: x.quantity,
			remaining: x.quantity, claimed: x.claimed}
		s.objects[back.id] = back
		fo.lines = append(fo.lines, back)
		lev := func() *level { return a.levelFor(x.line.variant.item, f.loc) }
		switch {
		case x.claimed:
			a.shift(lev(), committed, x.quantity)
		case x.deducted:
			a.shift(lev(), available, x.quantity)
		}
	}
	a.touch(f.order)
	a.tell("fulfillments/update", f)
	a.logOrder(f.order, "fulfillment_cancelled")
}

// planShipment checks the input of fulfillmentCreate in Shopify's order and words.
func (c *call) planShipment(in args) (shipment, string) {
	sh := shipment{tracking: in.object("trackingInfo")}
	var first *fulfillmentOrder
	for _, group := range in.objects("lineItemsByFulfillmentOrder") {
		fo, ok := find[*fulfillmentOrder](c.shop, group.text("fulfillmentOrderId"))
		if !ok {
			return sh, "Fulfillment order does not exist."
		}
		if first == nil {
			first = fo
		}
		switch {
		case fo.order != first.order:
			return sh, "All fulfillment orders must belong to the same order."
		case fo.loc != first.loc:
			return sh, "All fulfillment orders must be assigned to the same location."
		case fo.status != "OPEN" && fo.status != "IN_PROGRESS":
			return sh, fmt.Sprintf("Fulfillment order %d has an unfulfillable status= %s.", fo.id,
				strings.ToLower(fo.status))
		}
		lines, message := fo.pick(group.objects("fulfillmentOrderLineItems"))
		if message != "" {
			return sh, message
		}
		sh.lines = append(sh.lines, lines...)
	}
	if len(sh.lines) == 0 {
		return sh, "Fulfillment order has no line items to fulfill."
	}
	return sh, ""
}

// pick chooses units of a fulfilment order, all where nothing is named.
func (f *fulfillmentOrder) pick(wanted []args) ([]shipLine, string) {
	var out []shipLine
	if len(wanted) == 0 {
		for _, l := range f.lines {
			if l.remaining > 0 {
				out = append(out, shipLine{l, l.remaining})
			}
		}
		return out, ""
	}
	for _, w := range wanted {
		_, id, _ := parseGID(w.text("id"))
		var found *foLine
		for _, l := range f.lines {
			if l.id == id {
				found = l
			}
		}
		n := w.number("quantity")
		switch {
		case found == nil:
			return nil, "Fulfillment order line item does not exist."
		case n <= 0:
			return nil, "Quantity must be greater than 0"
		case n > found.remaining:
			return nil, "Invalid fulfillment order line item quantity requested."
		}
		out = append(out, shipLine{found, n})
	}
	return out, ""
}
