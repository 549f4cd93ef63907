package shopifytest

import "fmt"

// refundPlan is a checked refund.
type refundPlan struct {
	order        *order
	lines        []refundPart
	transactions []*transaction
	note         string
	returned     *returnDoc
}

type refundPart struct {
	line    *line
	qty     int64
	restock string
	loc     *location
}

// planRefund checks the input of refundCreate.
func (c *call) planRefund(in args) (refundPlan, *userError) {
	p := refundPlan{note: in.text("note")}
	fault := func(field []string, format string, a ...any) (refundPlan, *userError) {
		return p, &userError{field: field, message: fmt.Sprintf(format, a...)}
	}
	o, ok := find[*order](c.shop, in.text("orderId"))
	if !ok {
		return fault([]string{"orderId"}, "Order does not exist")
	}
	p.order = o
	asked := map[*line]int64{}
	for i, r := range in.objects("refundLineItems") {
		field := []string{"refundLineItems", fmt.Sprint(i)}
		l, ok := find[*line](c.shop, r.text("lineItemId"))
		if !ok || l.order != o {
			return fault(field, "Line item does not exist")
		}
		x := refundPart{line: l, qty: r.number("quantity"), restock: r.text("restockType")}
		if x.restock == "" {
			x.restock = "NO_RESTOCK"
		}
		asked[l] += x.qty
		if x.qty <= 0 || asked[l] > l.quantity-l.refunded {
			return fault(append(field, "quantity"),
				"Quantity cannot refund more items than were purchased")
		}
		if x.restock == "CANCEL" && x.qty > l.unfulfilled() {
			return fault(append(field, "restockType"),
				"Quantity cannot cancel more items than are unfulfilled")
		}
		if place := r.text("locationId"); place != "" {
			if x.loc, ok = find[*location](c.shop, place); !ok {
				return fault(append(field, "locationId"), "Location does not exist")
			}
		}
		p.lines = append(p.lines, x)
	}
	return c.planMoney(p, in)
}

func (c *call) planMoney(p refundPlan, in args) (refundPlan, *userError) {
	var sum money
	for i, t := range in.objects("transactions") {
		amount, _ := parseMoney(t.text("amount"))
		sum += amount
		x := c.shop.refundTransaction(c.act, p.order, amount)
		x.gateway = t.text("gateway")
		if id := t.text("parentId"); id != "" {
			parent, ok := find[*transaction](c.shop, id)
			if !ok {
				return p, &userError{field: []string{"transactions", fmt.Sprint(i), "parentId"},
					message: "Parent transaction does not exist"}
			}
			x.parent = parent
		}
		p.transactions = append(p.transactions, x)
	}
	left := p.order.paidTotal() - p.order.refundedTotal()
	if sum > left && !in.flag("allowOverRefunding") {
		return p, &userError{field: []string{"transactions"},
			message: fmt.Sprintf("Refund amount %s is greater than net payment received %s", sum, left)}
	}
	return p, nil
}

// refund carries a checked refund out. CANCEL takes units that wait and gives their stock back,
// RETURN puts shipped units back, NO_RESTOCK moves no stock back: units that wait are gone.
func (s *shop) refund(a *action, p refundPlan) *refund {
	o := p.order
	r := &refund{id: s.srv.newID(), order: o, note: p.note, created: a.at, processed: a.at,
		transactions: p.transactions, returned: p.returned}
	s.objects[r.id] = r
	for _, x := range p.lines {
		l := x.line
		l.refunded += x.qty
		l.current -= min(x.qty, l.current)
		out := &refundLine{id: s.srv.newID(), line: l, quantity: x.qty, restock: x.restock, loc: x.loc}
		switch {
		case p.returned != nil:
		case x.restock == "CANCEL":
			r.restock = true
			out.loc = a.cancelUnits(x)
		case x.restock == "RETURN":
			r.restock = true
			out.loc = a.returnUnits(x)
		case s.srv.assumptions().RefundTakesUnfulfilledFirst || l.fulfilled() == 0:
			a.takeOut(l, min(x.qty, l.unfulfilled()), false)
		}
		r.lines = append(r.lines, out)
	}
	o.refunds = append(o.refunds, r)
	o.closeFulfillmentOrders(a.at)
	a.touch(o)
	a.tell("refunds/create", r)
	a.logOrder(o, "refunded")
	return r
}

// cancelUnits gives back units that wait, at the location asked for or where they waited.
func (a *action) cancelUnits(x refundPart) *location {
	parts := a.takeOut(x.line, x.qty, true)
	if len(parts) == 0 {
		return x.loc
	}
	if x.loc == nil {
		return parts[0].loc
	}
	for _, p := range parts {
		if p.loc != x.loc && x.line.tracked {
			a.shift(a.levelFor(x.line.variant.item, p.loc), available, -p.qty)
			a.shift(a.levelFor(x.line.variant.item, x.loc), available, p.qty)
		}
	}
	return x.loc
}

// returnUnits puts shipped units back on the shelf.
func (a *action) returnUnits(x refundPart) *location {
	loc := x.loc
	for _, f := range x.line.order.fulfillments {
		for _, fl := range f.lines {
			if fl.line == x.line && loc == nil {
				loc = f.loc
			}
		}
	}
	if loc == nil {
		loc = a.shop.primary()
	}
	if x.line.tracked {
		a.shift(a.levelFor(x.line.variant.item, loc), available, x.qty)
	}
	return loc
}
