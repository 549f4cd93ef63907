package shopifytest

import "fmt"

// returnPlan is a checked return.
type returnPlan struct {
	order     *order
	lines     []returnPart
	exchanges []exchangePart
	requested bool // by the customer: it waits for approval
}

type returnPart struct {
	from         *fulfillmentLine
	qty          int64
	reason, note string
}

type exchangePart struct {
	variant *variant
	qty     int64
}

func returnError(code, message string, field ...string) *userError {
	return &userError{code: code, message: message, field: field}
}

// planReturn checks the input of returnCreate: shipped units that are in no other return.
func (c *call) planReturn(in args) (returnPlan, *userError) {
	var p returnPlan
	o, ok := find[*order](c.shop, in.text("orderId"))
	if !ok {
		return p, returnError("NOT_FOUND", "Order not found.", "returnInput", "orderId")
	}
	p.order = o
	asked := map[*fulfillmentLine]int64{}
	for i, r := range in.objects("returnLineItems") {
		field := []string{"returnInput", "returnLineItems", fmt.Sprint(i)}
		f, ok := find[*fulfillmentLine](c.shop, r.text("fulfillmentLineItemId"))
		if !ok || f.fulfillment.order != o || f.fulfillment.status != "SUCCESS" {
			return p, returnError("NOT_FOUND", "Fulfillment line item not found.",
				append(field, "fulfillmentLineItemId")...)
		}
		n := r.number("quantity")
		asked[f] += n
		if n <= 0 || asked[f] > f.returnable() {
			return p, returnError("INVALID", "Return line item has an invalid quantity.",
				append(field, "quantity")...)
		}
		reason := r.text("returnReason")
		if reason == "" {
			reason = "UNKNOWN"
		}
		p.lines = append(p.lines, returnPart{f, n, reason, r.text("returnReasonNote")})
	}
	if len(p.lines) == 0 {
		return p, returnError("BLANK", "Return line items can't be blank", "returnInput",
			"returnLineItems")
	}
	for i, e := range in.objects("exchangeLineItems") {
		v, ok := find[*variant](c.shop, e.text("variantId"))
		if !ok {
			return p, returnError("NOT_FOUND", "Variant not found.", "returnInput",
				"exchangeLineItems", fmt.Sprint(i), "variantId")
		}
		p.exchanges = append(p.exchanges, exchangePart{v, e.number("quantity")})
	}
	return p, nil
}

// returnable are the units of a fulfilment line that may still come back: not in another return and
// not refunded.
func (f *fulfillmentLine) returnable() int64 {
	return max(0, min(f.quantity-f.returned, f.line.quantity-f.line.refunded))
}

// openReturn stores a return. One that staff or an app makes is open at once and has a reverse
// fulfilment order; one that a customer asks for gets it when it is approved.
func (s *shop) openReturn(a *action, p returnPlan) *returnDoc {
	o := p.order
	r := &returnDoc{id: s.srv.newID(), order: o, number: len(o.returns) + 1, status: "REQUESTED",
		created: a.at}
	s.objects[r.id] = r
	for _, x := range p.lines {
		l := &returnLine{id: s.srv.newID(), doc: r, from: x.from, quantity: x.qty, reason: x.reason,
			note: x.note}
		s.objects[l.id] = l
		x.from.returned += x.qty
		r.lines = append(r.lines, l)
	}
	for _, x := range p.exchanges {
		e := &exchangeLine{id: s.srv.newID(), variant: x.variant, quantity: x.qty}
		s.objects[e.id] = e
		r.exchanges = append(r.exchanges, e)
	}
	o.returns = append(o.returns, r)
	a.touch(o)
	if p.requested {
		a.tell("returns/request", r)
		a.logOrder(o, "return_requested")
		return r
	}
	s.approve(a, r)
	return r
}

// approve opens a requested return.
func (s *shop) approve(a *action, r *returnDoc) {
	r.status = "OPEN"
	ro := &reverseOrder{id: s.srv.newID(), doc: r, status: "OPEN"}
	s.objects[ro.id] = ro
	for _, l := range r.lines {
		x := &reverseLine{id: s.srv.newID(), order: ro, from: l}
		s.objects[x.id] = x
		ro.lines = append(ro.lines, x)
	}
	r.reverse = append(r.reverse, ro)
	a.touch(r.order)
	a.tell("returns/approve", r)
	a.logOrder(r.order, "return_opened")
}

// endReturn declines or cancels a return; its units may be returned again.
func (s *shop) endReturn(a *action, r *returnDoc, status, topic string) {
	r.status, r.closed = status, a.at
	for _, l := range r.lines {
		l.from.returned -= l.quantity - l.processed
	}
	a.touch(r.order)
	a.tell(topic, r)
	a.logOrder(r.order, topic)
}

// received is what came back of one line of a return.
type received struct {
	line         *returnLine
	qty          int64
	dispositions []arrival
}

type arrival struct {
	line *reverseLine
	qty  int64
	typ  string
	loc  *location
}

// planProcess checks the input of returnProcess.
func (c *call) planProcess(in args) (*returnDoc, []received, *userError) {
	r, ok := find[*returnDoc](c.shop, in.text("returnId"))
	if !ok {
		return nil, nil, returnError("NOT_FOUND", "Return not found.", "input", "returnId")
	}
	if r.status != "OPEN" {
		return nil, nil, returnError("INVALID_STATE", "Return is not open.", "input", "returnId")
	}
	var out []received
	for i, x := range in.objects("returnLineItems") {
		field := []string{"input", "returnLineItems", fmt.Sprint(i)}
		l, ok := find[*returnLine](c.shop, x.text("id"))
		if !ok || l.doc != r {
			return nil, nil, returnError("NOT_FOUND", "Return line item not found.",
				append(field, "id")...)
		}
		n := x.number("quantity")
		if n <= 0 || n > l.quantity-l.processed {
			return nil, nil, returnError("INVALID", "Return line item has an invalid quantity.",
				append(field, "quantity")...)
		}
		got := received{line: l, qty: n}
		for j, d := range x.objects("dispositions") {
			where := append(append([]string{}, field...), "dispositions", fmt.Sprint(j))
			one, fault := c.planDisposition(r, d, where)
			if fault != nil {
				return nil, nil, fault
			}
			got.dispositions = append(got.dispositions, one)
		}
		out = append(out, got)
	}
	return r, out, nil
}

func (c *call) planDisposition(r *returnDoc, d args, field []string) (arrival, *userError) {
	x, ok := find[*reverseLine](c.shop, d.text("reverseFulfillmentOrderLineItemId"))
	if !ok || x.order.doc != r {
		return arrival{}, returnError("NOT_FOUND", "Reverse fulfillment order line item not found.",
			append(field, "reverseFulfillmentOrderLineItemId")...)
	}
	a := arrival{line: x, qty: d.number("quantity"), typ: d.text("dispositionType")}
	if a.qty <= 0 || a.qty > x.from.quantity-x.disposed() {
		return a, returnError("INVALID", "Quantity is invalid.", append(field, "quantity")...)
	}
	id := d.text("locationId")
	if a.loc, ok = find[*location](c.shop, id); !ok && (id != "" || a.typ == "RESTOCKED") {
		return a, returnError("NOT_FOUND", "Location not found.", append(field, "locationId")...)
	}
	return a, nil
}

// process takes units back. RESTOCKED raises available at its location, nothing else moves stock.
func (s *shop) process(a *action, r *returnDoc, got []received) {
	for _, x := range got {
		x.line.processed += x.qty
		l := x.line.from.line
		l.current -= min(x.qty, l.current)
		for _, d := range x.dispositions {
			s.dispose(a, d)
		}
	}
	for _, e := range r.exchanges {
		if e.line == nil {
			s.exchange(a, r.order, e)
		}
	}
	a.touch(r.order)
	a.tell("returns/process", r)
	a.logOrder(r.order, "return_processed")
	for _, l := range r.lines {
		if l.processed < l.quantity {
			return
		}
	}
	s.closeReturn(a, r)
}

func (s *shop) dispose(a *action, d arrival) {
	x := &disposition{id: s.srv.newID(), quantity: d.qty, typ: d.typ, loc: d.loc, created: a.at}
	s.objects[x.id] = x
	d.line.dispositions = append(d.line.dispositions, x)
	l := d.line.from.from.line
	if d.typ == "RESTOCKED" && l.tracked {
		a.shift(a.levelFor(l.variant.item, d.loc), available, d.qty)
	}
	a.tell("reverse_fulfillment_orders/dispose", d.line.order)
}

func (s *shop) closeReturn(a *action, r *returnDoc) {
	r.status, r.closed = "CLOSED", a.at
	for _, ro := range r.reverse {
		ro.status = "CLOSED"
	}
	a.touch(r.order)
	a.tell("returns/close", r)
	a.logOrder(r.order, "return_closed")
}

// exchange adds the new units of an exchange to the order.
func (s *shop) exchange(a *action, o *order, e *exchangeLine) {
	l := s.lineOf(o, e.variant, e.quantity)
	l.exchange, e.line = e, l
	s.addLine(a, l)
}
