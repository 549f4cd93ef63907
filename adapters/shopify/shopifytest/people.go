package shopifytest

import "fmt"

// Returns is what customers and staff do about goods and money that go back. The parts that are
// given happen one after the other: request, approve or decline, process, refund.
type Returns struct {
	Shop  string `json:"shop"`
	Order string `json:"order"` // id or name

	Lines     []Units    `json:"lines"`     // shipped units of a new return; none: no return is made
	Exchange  []SaleLine `json:"exchange"`  // sent in their place once it is processed
	Requested bool       `json:"requested"` // by the customer: it waits for approval
	Return    string     `json:"return"`    // acts on this return in place of a new one

	Approve bool `json:"approve"`
	Decline bool `json:"decline"`
	Cancel  bool `json:"cancel"`

	// Disposition processes all units of the return: RESTOCKED (at Location, default where they
	// were shipped from), NOT_RESTOCKED, PROCESSING_REQUIRED or MISSING.
	Disposition string `json:"disposition"`
	Location    string `json:"location"`
	Close       bool   `json:"close"`

	Refund *RefundEdit `json:"refund"` // a refund without a return, or after it
}

// RefundEdit is a refund. Without lines it is money only.
type RefundEdit struct {
	Lines    []Units `json:"lines"`
	Restock  string  `json:"restock"`  // NO_RESTOCK (default), CANCEL or RETURN
	Location string  `json:"location"` // of what is restocked
	Amount   string  `json:"amount"`   // default the price of the lines
	Note     string  `json:"note"`
}

// Returned is what came of it.
type Returned struct {
	Return string `json:"return,omitempty"` // id
	Status string `json:"status,omitempty"`
	Refund string `json:"refund,omitempty"` // id
}

// Return does what customers and staff do about returns and refunds. The error says what cannot be
// done; what came before it stays.
func (s *Server) Return(in Returns) (Returned, error) {
	var out Returned
	x, err := s.shop(in.Shop)
	if err != nil {
		return out, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	o, err := x.needOrder(in.Order)
	if err != nil {
		return out, fmt.Errorf("%w: %w", errEdit, err)
	}
	a := x.begin("admin")
	defer x.finish(a)
	r, err := x.returnOf(a, o, in)
	if err == nil && r != nil {
		err = x.decide(a, r, in)
		out.Return, out.Status = gid{"Return", r.id}.String(), r.status
	}
	if err == nil && in.Refund != nil {
		var back *refund
		back, err = x.refundBy(a, o, *in.Refund)
		if err == nil {
			out.Refund = gid{"Refund", back.id}.String()
		}
	}
	if err != nil {
		return out, fmt.Errorf("%w: %w", errEdit, err)
	}
	return out, nil
}

// returnOf finds the return that is meant, or opens a new one; nil where neither is asked for.
func (s *shop) returnOf(a *action, o *order, in Returns) (*returnDoc, error) {
	if in.Return != "" {
		r, ok := find[*returnDoc](s, in.Return)
		if !ok || r.order != o {
			return nil, fmt.Errorf("order %s has no return %s", o.name, in.Return)
		}
		return r, nil
	}
	if len(in.Lines) == 0 {
		return nil, nil
	}
	p := returnPlan{order: o, requested: in.Requested}
	for _, u := range in.Lines {
		l := o.findLine(u)
		if l == nil {
			return nil, fmt.Errorf("order %s has no line %s%s", o.name, u.SKU, u.Line)
		}
		parts, left := shippedUnits(l, u.Qty)
		if left > 0 || len(parts) == 0 {
			return nil, fmt.Errorf("order %s: not so many units of %s can come back", o.name, l.sku)
		}
		p.lines = append(p.lines, parts...)
	}
	for _, e := range in.Exchange {
		if len(s.bySKU[e.SKU]) == 0 {
			return nil, fmt.Errorf("no SKU %q", e.SKU)
		}
		p.exchanges = append(p.exchanges, exchangePart{s.bySKU[e.SKU][0], max(1, e.Qty)})
	}
	return s.openReturn(a, p), nil
}

// shippedUnits finds n units of a line in its fulfilments, all where n is 0.
func shippedUnits(l *line, n int64) (parts []returnPart, left int64) {
	left = n
	for _, f := range l.order.fulfillments {
		for _, x := range f.lines {
			k := x.returnable()
			if n > 0 {
				k = min(k, left)
			}
			if x.line != l || k == 0 || f.status != "SUCCESS" {
				continue
			}
			left -= k
			parts = append(parts, returnPart{from: x, qty: k, reason: "UNWANTED"})
		}
	}
	return parts, max(0, left)
}

func (s *shop) decide(a *action, r *returnDoc, in Returns) error {
	if in.Approve && r.status == "REQUESTED" {
		s.approve(a, r)
	}
	switch {
	case in.Decline && r.status == "REQUESTED":
		s.endReturn(a, r, "DECLINED", "returns/decline")
	case in.Cancel && r.status == "OPEN":
		s.endReturn(a, r, "CANCELED", "returns/cancel")
	case in.Disposition != "":
		if r.status != "OPEN" {
			return fmt.Errorf("return %s is %s", r.name(), r.status)
		}
		return s.receive(a, r, in)
	case in.Close && r.status == "OPEN":
		s.closeReturn(a, r)
	}
	return nil
}

func (s *shop) receive(a *action, r *returnDoc, in Returns) error {
	loc := s.location(in.Location)
	if in.Location != "" && loc == nil {
		return fmt.Errorf("no location %q", in.Location)
	}
	var got []received
	for _, ro := range r.reverse {
		for _, l := range ro.lines {
			n := l.from.quantity - l.from.processed
			if n == 0 {
				continue
			}
			to := loc
			if to == nil && in.Disposition == "RESTOCKED" {
				to = l.from.from.fulfillment.loc
			}
			got = append(got, received{l.from, n, []arrival{{l, n, in.Disposition, to}}})
		}
	}
	s.process(a, r, got)
	return nil
}

func (s *shop) refundBy(a *action, o *order, in RefundEdit) (*refund, error) {
	p := refundPlan{order: o, note: in.Note}
	if in.Restock == "" {
		in.Restock = "NO_RESTOCK"
	}
	var sum money
	for _, u := range in.Lines {
		l := o.findLine(u)
		if l == nil {
			return nil, fmt.Errorf("order %s has no line %s%s", o.name, u.SKU, u.Line)
		}
		n := u.Qty
		if n == 0 {
			n = l.quantity - l.refunded
		}
		if n <= 0 || n > l.quantity-l.refunded || in.Restock == "CANCEL" && n > l.unfulfilled() {
			return nil, fmt.Errorf("order %s: not so many units of %s can be refunded", o.name, l.sku)
		}
		p.lines = append(p.lines, refundPart{l, n, in.Restock, s.location(in.Location)})
		sum += l.price * money(n)
	}
	if m, ok := parseMoney(in.Amount); ok {
		sum = m
	}
	if sum = min(sum, o.paidTotal()-o.refundedTotal()); sum > 0 {
		p.transactions = []*transaction{s.refundTransaction(a, o, sum)}
	}
	return s.refund(a, p), nil
}
