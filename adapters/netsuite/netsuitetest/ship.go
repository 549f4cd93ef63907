package netsuitetest

import "slices"

// beginShipment makes the lines of a fulfilment or receipt: every line with something left, as much as
// can be taken.
func (a *account) beginShipment(s *saving) *apiError {
	r, src := s.r, s.r.source
	if !shippable(r, src) {
		if src.is("salesOrder") {
			return refused("You have an invalid sales order %d or the order is already closed.", src.id)
		}
		return refused("You can not initialize %s: invalid reference %d", r.typ.name, src.id)
	}
	copyHead(r, src)
	if r.is("itemFulfillment") {
		r.values["shipStatus"] = enum(a.assumed.DefaultShipStatus)
	} else if src.is("transferOrder") {
		r.values["location"] = ref(src.ref("transferLocation"))
	}
	for _, from := range src.items() {
		left := a.left(r, from)
		item := a.item(from.values)
		if left <= 0 || !item.ships() {
			continue
		}
		n := left
		if r.is("itemFulfillment") && a.assumed.LimitToCommitted && len(from.parts) > 0 {
			n = min(left, a.pickable(from))
		}
		l := &line{values: values{"orderLine": whole(from.no), "item": from.values["item"],
			"quantity": n, "itemReceive": a.assumed.UnlistedLinesFulfilled && n > 0}}
		for _, name := range []string{"location", "description"} {
			if v, ok := from.values[name]; ok {
				l.values[name] = v
			}
		}
		if at, ok := r.values["location"]; ok && r.is("itemReceipt") {
			l.values["location"] = at
		}
		if src.is("returnAuthorization") {
			l.values["restock"] = true
		}
		r.append("item", l)
	}
	delete(r.values, "location")
	return nil
}

// shippable says whether a record is in a state to be fulfilled or received.
func shippable(r, src *record) bool {
	states := "BDE"
	if src.is("transferOrder") && r.is("itemReceipt") {
		states = "DEF"
	}
	return src.status != "" && slices.Contains([]byte(states), src.status[0])
}

// left is how much of an order's line may still be fulfilled or received.
func (a *account) left(r *record, l *line) dec {
	switch {
	case r.is("itemReceipt") && l.order.is("transferOrder"):
		return l.shipped - l.received
	case l.flag("isClosed"):
		return 0
	case r.is("itemReceipt"):
		return l.num("quantity") - l.received
	}
	return l.num("quantity") - l.picked
}

// pickable is what is committed to a line and not yet picked for it.
func (a *account) pickable(l *line) dec { return max(0, l.committed-(l.picked-l.shipped)) }

// checkShipment completes and refuses fulfilments and receipts.
func (a *account) checkShipment(s *saving) *apiError {
	r := s.r
	if r.source == nil {
		return refused("Please enter value(s) for: Created From")
	}
	if !s.isNew() {
		return a.checkShipped(s)
	}
	r.lines["item"] = slices.DeleteFunc(r.items(), func(l *line) bool {
		return !l.flag("itemReceive") || l.num("quantity") == 0
	})
	if len(r.items()) == 0 {
		return &apiError{status: 400, code: codeNoLine, detail: "Error while accessing a resource. " +
			"You must have at least one valid line item for this transaction."}
	}
	taken := map[place]dec{}
	for _, l := range r.items() {
		if err := a.checkShipLine(r, l, taken); err != nil {
			return err
		}
	}
	if r.is("itemFulfillment") {
		first := r.items()[0].ref("location")
		if slices.ContainsFunc(r.items(), func(l *line) bool { return l.ref("location") != first }) {
			return refused("Fulfillments can be shipped from only one location when using " +
				"Multi-Location Inventory.")
		}
		if first != 0 {
			r.values["location"] = ref(first)
		}
	}
	a.addMembers(r)
	return nil
}

func (a *account) checkShipLine(r *record, l *line, taken map[place]dec) *apiError {
	from := r.source.find("item", int64(l.num("orderLine")/one))
	if from == nil {
		return refused("Invalid order line %s.", l.num("orderLine"))
	}
	l.values["item"] = from.values["item"]
	l.parts = a.partsOf(a.item(l.values))
	if l.num("quantity") < 0 || l.num("quantity") > a.left(r, from) {
		return refused("The quantity %s of line %d is more than the %s that remains.",
			l.num("quantity"), from.no, a.left(r, from))
	}
	if len(l.parts) > 0 && !l.has("location") {
		return refused("Please enter value(s) for: Location")
	}
	if !r.is("itemFulfillment") || !a.assumed.LimitToCommitted {
		return nil
	}
	if l.ref("location") == from.ref("location") {
		if len(l.parts) > 0 && l.num("quantity") > a.pickable(from) {
			return a.uncommitted(from)
		}
		return nil
	}
	for _, p := range l.parts {
		at := place{p.item.id, l.ref("location")}
		taken[at] += l.num("quantity").times(p.per, 1)
		if taken[at] > a.bucket(at.item, at.location).available() {
			return a.uncommitted(from)
		}
	}
	return nil
}

// uncommitted is how more than stock has is refused: the line counts as none.
func (a *account) uncommitted(l *line) *apiError {
	return &apiError{status: 400, code: codeNoLine, detail: "Error while accessing a resource. " +
		"You must have at least one valid line item for this transaction. " +
		a.item(l.values).name() + " is not committed in that quantity."}
}

// checkShipped holds a change of a fulfilment or receipt to its head: what left, left.
func (a *account) checkShipped(s *saving) *apiError {
	for _, old := range s.old.items() {
		l := s.r.find("item", old.no)
		if l == nil || l.num("quantity") != old.num("quantity") ||
			l.ref("location") != old.ref("location") {
			return refused("You cannot change the lines of a saved %s.", s.r.typ.title)
		}
	}
	if len(s.r.items()) != len(s.old.items()) {
		return refused("You cannot add lines to a saved %s.", s.r.typ.title)
	}
	if s.old.enum("shipStatus") == "C" && s.r.enum("shipStatus") != "C" {
		return refused("A shipped fulfillment cannot go back.")
	}
	return nil
}

// addMembers shows the members of kits as lines of their own, which say of what kit they are.
func (a *account) addMembers(r *record) {
	for _, l := range slices.Clone(r.items()) {
		if item := a.item(l.values); item.is("kitItem") {
			for _, p := range l.parts {
				r.append("item", &line{member: true, values: values{"item": ref(p.item.id),
					"quantity":    l.num("quantity").times(p.per, 1),
					"kitMemberOf": whole(l.no), "itemReceive": true, "location": l.values["location"]}})
			}
		}
	}
}

// shipmentMoves takes what is shipped off the shelf. Picked and packed goods are still there.
func (a *account) shipmentMoves(r *record) []move {
	if r.enum("shipStatus") != "C" {
		return nil
	}
	out := a.movesOf(r, -1)
	if r.source.is("transferOrder") {
		for _, m := range out {
			out = append(out, move{place: place{m.item, r.source.ref("transferLocation")},
				inTransit: -m.onHand})
		}
	}
	return out
}

// receiptMoves puts what came on the shelf.
func (a *account) receiptMoves(r *record) []move {
	out := a.movesOf(r, 1)
	if r.source.is("transferOrder") {
		for _, m := range out {
			out = append(out, move{place: place{m.item, r.source.ref("transferLocation")},
				inTransit: -m.onHand})
		}
	}
	return out
}

// movesOf is what the lines of a record move on hand. Lines of a return that say not to restock do
// nothing.
func (a *account) movesOf(r *record, sign dec) []move {
	var out []move
	for _, l := range r.items() {
		if l.has("restock") && !l.flag("restock") || l.member || l.ref("location") == 0 {
			continue
		}
		for _, p := range l.parts {
			out = append(out, move{place: place{p.item.id, l.ref("location")},
				onHand: sign * l.num("quantity").times(p.per, 1)})
		}
	}
	return out
}
