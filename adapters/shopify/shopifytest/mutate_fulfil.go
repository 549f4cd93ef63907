package shopifytest

func (c *call) fulfillmentCreate(a args) *payload {
	sh, message := c.planShipment(a.object("fulfillment"))
	if message != "" {
		return refused(userError{field: []string{"fulfillment"}, message: message})
	}
	return done(map[string]any{"fulfillment": c.shop.fulfil(c.act, sh)})
}

func (c *call) fulfillmentCancel(a args) *payload {
	f, ok := find[*fulfillment](c.shop, a.text("id"))
	if !ok {
		return refused(userError{field: []string{"id"}, message: "Fulfillment not found."})
	}
	if f.status != "SUCCESS" {
		return refused(userError{field: []string{"id"}, message: "Fulfillment is already cancelled."})
	}
	c.shop.unfulfil(c.act, f)
	return done(map[string]any{"fulfillment": f})
}

func (c *call) fulfillmentTrackingInfoUpdate(a args) *payload {
	f, ok := find[*fulfillment](c.shop, a.text("fulfillmentId"))
	if !ok {
		return refused(userError{field: []string{"fulfillmentId"},
			message: "Fulfillment does not exist."})
	}
	f.track(a.object("trackingInfoInput"))
	f.updated = c.act.at
	c.act.touch(f.order)
	c.act.tell("fulfillments/update", f)
	return done(map[string]any{"fulfillment": f})
}

// holdLimit is how many holds one app may put on one fulfilment order.
const holdLimit = 10

func (c *call) fulfillmentOrderHold(a args) *payload {
	in := a.object("fulfillmentHold")
	fo, ok := find[*fulfillmentOrder](c.shop, a.text("id"))
	fault := func(code, message string, field ...string) *payload {
		return refused(userError{field, message, code})
	}
	if !ok {
		return fault("FULFILLMENT_ORDER_NOT_FOUND", "Fulfillment order does not exist.", "id")
	}
	if !fo.open() {
		return fault("", "The fulfillment order is not in a holdable state.", "id")
	}
	h := &hold{fo: fo, app: c.app, handle: in.text("handle"), reason: in.text("reason"),
		notes: in.text("reasonNotes")}
	own := 0
	for _, x := range fo.holds {
		if x.app != c.app {
			continue
		}
		own++
		if x.handle == h.handle {
			return fault("DUPLICATE_FULFILLMENT_HOLD_HANDLE",
				"The handle provided for the fulfillment hold is already in use by this app for another "+
					"hold on this fulfillment order.", "fulfillmentHold", "handle")
		}
	}
	if own >= holdLimit {
		return fault("FULFILLMENT_ORDER_HOLD_LIMIT_REACHED",
			"The maximum number of fulfillment holds for this fulfillment order has been reached for "+
				"this app. An app can only have up to 10 holds on a single fulfillment order at any one "+
				"time.", "id")
	}
	var lines []shipLine
	if list := in.objects("fulfillmentOrderLineItems"); len(list) > 0 {
		var message string
		if lines, message = fo.pick(list); message != "" {
			return fault("INVALID_LINE_ITEM_QUANTITY", message, "fulfillmentHold",
				"fulfillmentOrderLineItems")
		}
	}
	rest := c.shop.holdOn(c.act, h, lines)
	out := map[string]any{"fulfillmentHold": h, "fulfillmentOrder": fo}
	if rest != nil {
		out["remainingFulfillmentOrder"] = rest
	}
	return done(out)
}

func (c *call) fulfillmentOrderReleaseHold(a args) *payload {
	fo, ok := find[*fulfillmentOrder](c.shop, a.text("id"))
	if !ok {
		return refused(userError{[]string{"id"}, "Fulfillment order does not exist.",
			"FULFILLMENT_ORDER_NOT_FOUND"})
	}
	ids := map[int64]bool{}
	for _, id := range a.texts("holdIds") {
		if _, n, ok := parseGID(id); ok {
			ids[n] = true
		}
	}
	if len(fo.holds) == 0 {
		return refused(userError{field: []string{"id"},
			message: "The fulfillment order is not on hold."})
	}
	c.shop.release(c.act, fo, ids)
	return done(map[string]any{"fulfillmentOrder": fo})
}

func (c *call) fulfillmentOrderMove(a args) *payload {
	fault := func(code, message string, field ...string) *payload {
		return refused(userError{field, message, code})
	}
	fo, ok := find[*fulfillmentOrder](c.shop, a.text("id"))
	if !ok {
		return fault("", "Fulfillment order does not exist.", "id")
	}
	to, ok := find[*location](c.shop, a.text("newLocationId"))
	switch {
	case !ok || !to.active:
		return fault("", "Location does not exist.", "newLocationId")
	case fo.status == "IN_PROGRESS":
		return fault("CANNOT_MOVE_FULFILLMENT_ORDER_WITH_REPORTED_PROGRESS",
			"Cannot move a fulfillment order that has had progress reported.", "id")
	case !fo.open():
		return fault("", "Cannot change location, the fulfillment order is closed or cancelled.", "id")
	case fo.loc == to:
		return fault("", "The fulfillment order is already assigned to this location.",
			"newLocationId")
	}
	lines, message := fo.pick(a.objects("fulfillmentOrderLineItems"))
	if message != "" {
		return fault("", message, "fulfillmentOrderLineItems")
	}
	for _, x := range lines {
		l := x.line.line
		if !l.tracked {
			continue
		}
		if lev := l.variant.item.level(to); lev == nil || !lev.active {
			return fault("", "Cannot change location, the destination does not stock the items.",
				"newLocationId")
		}
	}
	m := c.shop.move(c.act, fo, to, lines)
	return done(map[string]any{"movedFulfillmentOrder": m.moved, "originalFulfillmentOrder": fo})
}
