package netsuitetest

// maxAdjustmentLines is how many lines an inventory adjustment may have.
const maxAdjustmentLines = 1000

// checkAdjustment completes and refuses inventory adjustments.
func (a *account) checkAdjustment(s *saving) *apiError {
	r := s.r
	if !r.has("account") {
		return refused("Please enter value(s) for: Adjustment Account")
	}
	return a.checkStockLines(r, "adjLocation")
}

// checkTransfer completes and refuses inventory transfers.
func (a *account) checkTransfer(s *saving) *apiError {
	r := s.r
	if !r.has("location") || !r.has("transferLocation") ||
		r.ref("location") == r.ref("transferLocation") {
		return refused("Please enter value(s) for: From Location, To Location")
	}
	return a.checkStockLines(r, "location")
}

func (a *account) checkStockLines(r *record, fallback string) *apiError {
	lines := r.lines["inventory"]
	if len(lines) == 0 {
		return refused("You must enter at least one line item for this transaction.")
	}
	if len(lines) > maxAdjustmentLines {
		return refused("A transaction cannot have more than %d lines.", maxAdjustmentLines)
	}
	for _, l := range lines {
		item := a.item(l.values)
		switch {
		case item == nil:
			return refused("Please enter value(s) for: Item")
		case !item.stocked():
			return badValue(item.id, "item")
		case !l.has("adjustQtyBy") || l.num("adjustQtyBy") == 0:
			return refused("Please enter value(s) for: Adjust Qty. By")
		case r.is("inventoryTransfer") && l.num("adjustQtyBy") < 0:
			return refused("Invalid number (must be positive)")
		}
		if r.has(fallback) {
			l.fallback("location", ref(r.ref(fallback)))
		}
		if !l.has("location") {
			return refused("Please enter value(s) for: Location")
		}
	}
	return nil
}

func (a *account) adjustmentMoves(r *record) []move {
	var out []move
	for _, l := range r.lines["inventory"] {
		out = append(out, move{place: place{l.ref("item"), l.ref("location")},
			onHand: l.num("adjustQtyBy")})
	}
	return out
}

func (a *account) transferMoves(r *record) []move {
	var out []move
	for _, l := range r.lines["inventory"] {
		n := l.num("adjustQtyBy")
		out = append(out, move{place: place{l.ref("item"), r.ref("location")}, onHand: -n},
			move{place: place{l.ref("item"), r.ref("transferLocation")}, onHand: n})
	}
	return out
}
