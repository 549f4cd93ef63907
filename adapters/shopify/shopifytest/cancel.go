package shopifytest

import "time"

// cancelDelay is how long the job of orderCancel takes. It is not documented; a few seconds are
// seen.
const cancelDelay = 2 * time.Second

// cancellation is what orderCancel or a member of staff asks for.
type cancellation struct {
	reason, note    string
	restock, refund bool
}

// refuseCancel says why an order cannot be cancelled, or "".
func (o *order) refuseCancel() string {
	switch {
	case !o.cancelled.IsZero() || o.cancelling:
		return "Cannot cancel an order that has already been canceled"
	case o.activeReturn():
		return "Cannot cancel an order that has an active return"
	}
	for _, f := range o.fulfillments {
		if f.status == "SUCCESS" {
			return "Cannot cancel an order that has outstanding fulfillments"
		}
	}
	return ""
}

func (o *order) activeReturn() bool {
	for _, r := range o.returns {
		if r.status == "OPEN" || r.status == "REQUESTED" {
			return true
		}
	}
	return false
}

// cancel ends an order: its fulfilment orders close with what was left in them, their claims end.
func (s *shop) cancel(a *action, o *order, c cancellation) {
	o.cancelling = false
	o.cancelled, o.cancelReason, o.staffNote = a.at, c.reason, c.note
	guess := s.srv.assumptions().CancelRestocksBypassed
	for _, fo := range o.fulfillmentOrders {
		if !fo.open() {
			continue
		}
		for _, x := range fo.lines {
			switch {
			case x.remaining == 0:
			case x.claimed:
				a.unclaim(x.line.variant.item, fo.loc, x.remaining, c.restock)
			case c.restock && x.line.tracked && guess:
				a.shift(a.levelFor(x.line.variant.item, fo.loc), available, x.remaining)
			}
		}
		fo.status, fo.updated, fo.holds = "CLOSED", a.at, nil
	}
	if c.refund && o.paidTotal() > 0 {
		s.refundWhole(a, o, c.restock)
	}
	if o.financialStatus() != "PAID" {
		o.closed = a.at
	}
	a.touch(o)
	a.tell("orders/cancelled", o)
	a.logOrder(o, "cancelled")
}

// refundWhole refunds what is left of a cancelled order. Its stock has been seen to already.
func (s *shop) refundWhole(a *action, o *order, restock bool) {
	r := &refund{id: s.srv.newID(), order: o, created: a.at, processed: a.at, restock: restock}
	for _, l := range o.lines {
		if l.current == 0 {
			continue
		}
		x := &refundLine{id: s.srv.newID(), line: l, quantity: l.current, restock: "NO_RESTOCK"}
		if restock {
			x.restock, x.loc = "CANCEL", o.placeOf(l)
		}
		r.lines = append(r.lines, x)
		l.refunded += l.current
		l.current = 0
	}
	r.transactions = []*transaction{s.refundTransaction(a, o, o.paidTotal()-o.refundedTotal())}
	s.objects[r.id] = r
	o.refunds = append(o.refunds, r)
	if s.srv.assumptions().CancelSendsRefund {
		a.tell("refunds/create", r)
	}
}

// placeOf is where a line is, or was, to be fulfilled.
func (o *order) placeOf(l *line) *location {
	for _, fo := range o.fulfillmentOrders {
		for _, x := range fo.lines {
			if x.line == l {
				return fo.loc
			}
		}
	}
	return nil
}

func (s *shop) refundTransaction(a *action, o *order, amount money) *transaction {
	t := &transaction{id: s.srv.newID(), kind: "REFUND", status: "SUCCESS", amount: amount, at: a.at,
		processed: a.at, test: o.test}
	for _, p := range o.transactions {
		if p.kind == "SALE" || p.kind == "CAPTURE" {
			t.parent, t.gateway = p, p.gateway
		}
	}
	s.objects[t.id] = t
	return t
}

// cancelLater starts the job of a cancellation. Until it is done the order is as it was.
func (s *shop) cancelLater(a *action, o *order, c cancellation) string {
	job := s.uuid("job")
	s.jobs[job] = false
	o.cancelling = true
	cause, number, by := a.cause, a.request, a.app
	s.srv.clock.After(s.srv.period(cancelDelay), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		later := s.begin(cause)
		later.request, later.app = number, by
		s.cancel(later, o, c)
		s.jobs[job] = true
		s.finish(later)
	})
	return job
}
