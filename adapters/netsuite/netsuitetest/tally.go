package netsuitetest

// tally counts anew what other records did to the lines of an order, and takes what left out of what
// was committed for it.
func (a *account) tally(act *action, o *record) {
	for _, l := range o.items() {
		was := l.shipped
		l.shipped, l.picked, l.packed, l.billed, l.received, l.arrived = 0, 0, 0, 0, 0, 0
		for _, d := range o.derived {
			for _, x := range d.items() {
				if int64(x.num("orderLine")/one) == l.no && !x.member {
					l.count(d, x.num("quantity"))
				}
			}
		}
		if gone := min(l.shipped-was, l.committed); gone > 0 {
			a.setDemand(act, l, l.committed-gone, l.backordered)
		}
	}
	a.demand(act, o, func(l *line) dec { return l.committed })
}

// count adds what one record did to the line.
func (l *line) count(by *record, n dec) {
	switch by.typ.name {
	case "itemFulfillment":
		l.picked += n
		switch by.enum("shipStatus") {
		case "C":
			l.shipped += n
			l.packed += n
		case "B":
			l.packed += n
		}
	case "itemReceipt":
		l.received += n
	case "invoice", "cashSale", "creditMemo", "cashRefund":
		l.billed += n
	}
}

// billable is how much of a line may be billed (or, of a return, refunded) now.
func (a *account) billable(l *line) dec {
	done := l.shipped
	advance := a.assumed.InvoiceInAdvance
	if l.order.is("returnAuthorization") {
		done, advance = l.received, a.assumed.RefundInAdvance
	}
	if item := a.item(l.values); advance || item == nil || !item.ships() {
		done = l.num("quantity")
	}
	return max(0, done-l.billed)
}

// progress sums up the lines of an order.
type progress struct {
	lines, closed       int
	open, done, arrived dec // of what ships
	unbilled, billed    dec
}

func (a *account) progressOf(o *record) progress {
	var p progress
	for _, l := range o.items() {
		p.lines++
		if l.flag("isClosed") {
			p.closed++
		}
		done := l.shipped
		if o.is("returnAuthorization") {
			done = l.received
		}
		if item := a.item(l.values); item != nil && item.ships() {
			p.done += done
			p.arrived += l.received
			if !l.flag("isClosed") {
				p.open += max(0, l.num("quantity")-done)
			}
		}
		p.billed += l.billed
		p.unbilled += a.billable(l)
	}
	return p
}

// statusOf computes the status of a record from its lines.
func (a *account) statusOf(r *record) string {
	switch r.typ.name {
	case "itemFulfillment":
		return r.enum("shipStatus")
	case "invoice", "creditMemo":
		return "A"
	case "cashSale", "cashRefund":
		return "B"
	case "salesOrder", "returnAuthorization", "transferOrder":
		p := a.progressOf(r)
		switch {
		case r.enum("orderStatus") == "A":
			return "A"
		case p.closed == p.lines && p.lines > 0:
			return "H"
		case r.is("transferOrder"):
			return p.transfer()
		}
		return p.order()
	}
	return ""
}

// order is the status of a sales order or a return, whose letters mean the same steps.
func (p progress) order() string {
	switch {
	case p.open > 0 && p.done == 0:
		return "B"
	case p.open > 0 && p.unbilled > 0:
		return "E"
	case p.open > 0:
		return "D"
	case p.unbilled > 0:
		return "F"
	}
	return "G"
}

func (p progress) transfer() string {
	switch {
	case p.done == 0:
		return "B"
	case p.open > 0 && p.arrived < p.done:
		return "E"
	case p.open > 0:
		return "D"
	case p.arrived < p.done:
		return "F"
	}
	return "G"
}
