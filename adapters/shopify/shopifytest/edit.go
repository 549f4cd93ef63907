package shopifytest

// orderEdit is the delta that orders/edited carries.
type orderEdit struct {
	id             int64
	order          *order
	added, removed []editDelta
}

type editDelta struct {
	line  *line
	delta int64
}

func (s *shop) lineOf(o *order, v *variant, qty int64) *line {
	return &line{order: o, variant: v, sku: v.sku, title: v.product.title, quantity: qty,
		price: v.price, ships: v.item.ships, giftCard: v.giftCard, taxable: true,
		tracked: v.item.tracked}
}

// addLine adds a line to an order that exists and takes its stock, below 0 if need be: staff may.
func (s *shop) addLine(a *action, l *line) {
	o := l.order
	o.lines = append(o.lines, l)
	n := need{qty: l.quantity}
	if l.tracked {
		n.item = l.variant.item
	}
	parts, _ := s.assign([]need{n}, ignore, o.pos)
	s.storeLine(l)
	s.open(a, l, parts[0], l.tracked)
	a.log(Entry{Kind: "sale", Op: "edit", Order: gid{"Order", o.id}.String(), OrderName: o.name,
		Line: gid{"LineItem", l.id}.String(), SKU: l.sku, Qty: l.quantity, Location: parts[0][0].loc.name})
}

// removeUnits takes units that were not shipped off an order.
func (s *shop) removeUnits(a *action, l *line, n int64, restock bool) {
	n = min(n, l.unfulfilled())
	a.takeOut(l, n, restock)
	l.current -= min(n, l.current)
	l.order.closeFulfillmentOrders(a.at)
}

func (s *shop) edited(a *action, e *orderEdit) {
	e.id = s.srv.newID()
	e.order.edited = true
	a.touch(e.order)
	a.tell("orders/edited", e)
	a.logOrder(e.order, "edited")
}

// move puts units of a fulfilment order to another location, with the stock they hold: available
// rises where they were and falls where they go. All units: the old one is closed.
func (s *shop) move(a *action, fo *fulfillmentOrder, to *location, lines []shipLine) *moved {
	m := &moved{from: fo.loc, to: to, original: fo, lines: lines}
	m.moved = s.newFulfillmentOrder(a, fo.order, to)
	m.moved.status = fo.status
	for _, x := range lines {
		l := x.line
		l.remaining -= x.qty
		l.total -= x.qty
		n := &foLine{id: s.srv.newID(), fo: m.moved, line: l.line, total: x.qty, remaining: x.qty,
			claimed: l.claimed}
		s.objects[n.id] = n
		m.moved.lines = append(m.moved.lines, n)
		if l.claimed {
			a.unclaim(l.line.variant.item, fo.loc, x.qty, true)
			a.claim(l.line.variant.item, to, x.qty)
		}
	}
	fo.updated = a.at
	if fo.remaining() == 0 {
		fo.status = "CLOSED"
		m.moved.holds, fo.holds = fo.holds, nil
		for _, h := range m.moved.holds {
			h.fo = m.moved
		}
	} else if m.moved.status == "ON_HOLD" {
		m.moved.status = "OPEN"
	}
	a.touch(fo.order)
	a.tell("fulfillment_orders/moved", m)
	a.logOrder(fo.order, "moved")
	return m
}

// moved is what fulfillment_orders/moved tells of.
type moved struct {
	from, to        *location
	original, moved *fulfillmentOrder
	lines           []shipLine
}

// holdOn puts a hold on a fulfilment order; with lines, on those only: the others go on in one of
// their own, which is returned.
func (s *shop) holdOn(a *action, h *hold, lines []shipLine) (rest *fulfillmentOrder) {
	fo := h.fo
	var kept int64
	for _, x := range lines {
		kept += x.qty
	}
	if len(lines) > 0 && kept < fo.remaining() {
		rest = s.split(a, fo, lines)
	}
	h.id = s.srv.newID()
	s.objects[h.id] = h
	first := len(fo.holds) == 0
	fo.holds = append(fo.holds, h)
	fo.status, fo.updated = "ON_HOLD", a.at
	a.touch(fo.order)
	if first {
		a.tell("fulfillment_orders/placed_on_hold", h)
	}
	a.tell("fulfillment_holds/added", h)
	a.logOrder(fo.order, "held")
	return rest
}

// split moves all but the named units into a new fulfilment order at the same location.
func (s *shop) split(a *action, fo *fulfillmentOrder, keep []shipLine) *fulfillmentOrder {
	rest := s.newFulfillmentOrder(a, fo.order, fo.loc)
	for _, l := range fo.lines {
		n := l.remaining
		for _, k := range keep {
			if k.line == l {
				n -= k.qty
			}
		}
		if n <= 0 {
			continue
		}
		x := &foLine{id: s.srv.newID(), fo: rest, line: l.line, total: n, remaining: n,
			claimed: l.claimed}
		s.objects[x.id] = x
		rest.lines = append(rest.lines, x)
		l.remaining -= n
		l.total -= n
	}
	a.tell("fulfillment_orders/split", rest)
	return rest
}

// release ends holds, all of them where none is named.
func (s *shop) release(a *action, fo *fulfillmentOrder, ids map[int64]bool) {
	var kept []*hold
	for _, h := range fo.holds {
		if len(ids) > 0 && !ids[h.id] {
			kept = append(kept, h)
			continue
		}
		a.tell("fulfillment_holds/released", h)
	}
	fo.holds, fo.updated = kept, a.at
	if len(kept) == 0 && fo.status == "ON_HOLD" {
		fo.status = "OPEN"
		a.tell("fulfillment_orders/hold_released", fo)
	}
	a.touch(fo.order)
	a.logOrder(fo.order, "released")
}

// merged is what fulfillment_orders/merged tells of.
type merged struct {
	into *fulfillmentOrder
	from []*fulfillmentOrder
}

// merge makes one of the open fulfilment orders of an order at each location.
func (s *shop) merge(a *action, o *order) {
	first := map[*location]*merged{}
	for _, fo := range o.fulfillmentOrders {
		if fo.status != "OPEN" {
			continue
		}
		m := first[fo.loc]
		if m == nil {
			first[fo.loc] = &merged{into: fo}
			continue
		}
		for _, l := range fo.lines {
			l.fo = m.into
		}
		m.into.lines, fo.lines = append(m.into.lines, fo.lines...), nil
		fo.status, fo.updated, m.into.updated = "CLOSED", a.at, a.at
		m.from = append(m.from, fo)
		a.tell("fulfillment_orders/merged", m)
	}
	a.touch(o)
	a.logOrder(o, "merged")
}

// replaced is what fulfillment_orders/cancelled tells of.
type replaced struct{ old, by *fulfillmentOrder }

// reopen cancels the open fulfilment orders of an order; each is replaced by one like it.
func (s *shop) reopen(a *action, o *order) {
	for _, fo := range append([]*fulfillmentOrder{}, o.fulfillmentOrders...) {
		if !fo.open() {
			continue
		}
		by := s.newFulfillmentOrder(a, o, fo.loc)
		for _, l := range fo.lines {
			x := &foLine{id: s.srv.newID(), fo: by, line: l.line, total: l.remaining,
				remaining: l.remaining, claimed: l.claimed}
			s.objects[x.id] = x
			by.lines = append(by.lines, x)
			l.remaining = 0
		}
		fo.status, fo.updated, fo.holds = "CANCELLED", a.at, nil
		a.tell("fulfillment_orders/cancelled", &replaced{fo, by})
	}
	a.touch(o)
	a.logOrder(o, "reopened")
}
