package netsuitetest

// beginBill makes the lines of a bill from what may be billed, or of a refund from what came back.
func (a *account) beginBill(s *saving) *apiError {
	r, src := s.r, s.r.source
	copyHead(r, src)
	orders := src.is("salesOrder", "returnAuthorization")
	if orders && (src.status == "A" || src.status == "H" || src.status == "C") {
		return refused("You can not initialize %s: invalid reference %d", r.typ.name, src.id)
	}
	references := map[string]bool{}
	for _, from := range src.items() {
		n := from.num("quantity")
		if orders {
			n = a.billable(from)
		}
		if n <= 0 {
			continue
		}
		l := copyLine(from, n)
		references[l.text("taxDetailsReference")] = true
		r.append("item", l)
	}
	if len(r.items()) == 0 || orders && !a.anyShips(r) && a.anyShips(src) && !a.allShipped(src) {
		return refused("You can not initialize %s: invalid reference %d", r.typ.name, src.id)
	}
	for _, t := range src.lines["taxDetails"] {
		if references[t.text("taxDetailsReference")] {
			r.append("taxDetails", &line{values: copied(t.values)})
		}
	}
	if first := a.firstBill(src); first {
		for _, name := range []string{"shippingCost", "handlingCost", "discountItem", "discountRate"} {
			if v, ok := src.values[name]; ok {
				r.values[name] = v
			}
		}
	}
	return nil
}

// firstBill says whether nothing was billed from the record yet: shipping and discount go with the
// first bill.
func (a *account) firstBill(src *record) bool {
	for _, d := range src.derived {
		if d.is("invoice", "cashSale", "creditMemo", "cashRefund") {
			return false
		}
	}
	return true
}

// anyShips says whether a line of the record is goods.
func (a *account) anyShips(r *record) bool {
	for _, l := range r.items() {
		if a.item(l.values).ships() {
			return true
		}
	}
	return false
}

func (a *account) allShipped(r *record) bool { return a.progressOf(r).open == 0 }

func copied(v values) values {
	out := values{}
	for name, x := range v {
		out[name] = x
	}
	return out
}

// checkBill completes and refuses invoices, cash sales, credit memos and cash refunds.
func (a *account) checkBill(s *saving) *apiError {
	r := s.r
	if err := a.checkBuyer(r); err != nil {
		return err
	}
	if len(r.items()) == 0 {
		return &apiError{status: 400, code: codeNoLine, detail: "Error while accessing a resource. " +
			"You must have at least one valid line item for this transaction."}
	}
	for _, l := range r.items() {
		if err := a.completeLine(r, l); err != nil {
			return err
		}
		if r.source == nil || !r.source.is("salesOrder", "returnAuthorization") || !l.has("orderLine") {
			continue
		}
		from := r.source.find("item", int64(l.num("orderLine")/one))
		if from == nil {
			return refused("Invalid order line %s.", l.num("orderLine"))
		}
		limit := a.billable(from)
		if old := s.old; old != nil {
			if was := old.find("item", l.no); was != nil {
				limit += was.num("quantity")
			}
		}
		if l.num("quantity") > limit {
			return refused("The quantity %s of line %d is more than the %s that remains to be billed.",
				l.num("quantity"), from.no, limit)
		}
	}
	return a.total(r)
}

// billMoves is what a bill without an order does to stock, and a refund that no receipt preceded.
func (a *account) billMoves(r *record) []move {
	if r.source.is("salesOrder", "returnAuthorization") {
		return nil
	}
	if r.is("invoice", "cashSale") {
		return a.movesOf(r, -1)
	}
	if a.assumed.StandaloneRefundRestocks {
		return a.movesOf(r, 1)
	}
	return nil
}
