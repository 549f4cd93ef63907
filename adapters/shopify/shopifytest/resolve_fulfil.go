package shopifytest

import (
	"encoding/json"
	"strings"
)

func rate(s string) any {
	if s == "" {
		return nil
	}
	return json.Number(s)
}

func fulfilTypes() map[string]fields {
	return map[string]fields{
		"FulfillmentOrder":         fulfillmentOrderFields(),
		"FulfillmentOrderLineItem": foLineFields(),
		"FulfillmentOrderAssignedLocation": {
			"name":     get(func(l *location) any { return l.name }),
			"location": get(func(l *location) any { return l }),
		},
		"FulfillmentOrderSupportedAction": {"action": get(func(s string) any { return s })},
		"FulfillmentHold": {
			"id":                  get(func(h *hold) any { return gid{"FulfillmentHold", h.id} }),
			"handle":              get(func(h *hold) any { return text(h.handle) }),
			"reason":              get(func(h *hold) any { return h.reason }),
			"displayReason":       get(func(h *hold) any { return strings.ToLower(h.reason) }),
			"reasonNotes":         get(func(h *hold) any { return text(h.notes) }),
			"heldByApp":           get(func(h *hold) any { return ref(h.app) }),
			"heldByRequestingApp": on(func(c *call, h *hold, _ args) any { return h.app == c.app }),
		},
		"Fulfillment": fulfillmentFields(),
		"FulfillmentTrackingInfo": {
			"company": get(func(t tracking) any { return text(t.company) }),
			"number":  get(func(t tracking) any { return text(t.number) }),
			"url":     get(func(t tracking) any { return text(t.url) }),
		},
		"FulfillmentLineItem": {
			"id": get(func(l *fulfillmentLine) any {
				return gid{"FulfillmentLineItem", l.id}
			}),
			"quantity": get(func(l *fulfillmentLine) any { return l.quantity }),
			"lineItem": get(func(l *fulfillmentLine) any { return l.line }),
		},
	}
}

func fulfillmentOrderFields() fields {
	return fields{
		"id": get(func(f *fulfillmentOrder) any {
			return gid{"FulfillmentOrder", f.id}
		}),
		"status":           get(func(f *fulfillmentOrder) any { return f.status }),
		"requestStatus":    get(func(*fulfillmentOrder) any { return "UNSUBMITTED" }),
		"fulfillAt":        get(func(f *fulfillmentOrder) any { return f.created }),
		"createdAt":        get(func(f *fulfillmentOrder) any { return f.created }),
		"updatedAt":        get(func(f *fulfillmentOrder) any { return f.updated }),
		"order":            get(func(f *fulfillmentOrder) any { return f.order }),
		"orderId":          get(func(f *fulfillmentOrder) any { return gid{"Order", f.order.id} }),
		"orderName":        get(func(f *fulfillmentOrder) any { return f.order.name }),
		"assignedLocation": get(func(f *fulfillmentOrder) any { return f.loc }),
		"fulfillmentHolds": get(func(f *fulfillmentOrder) any { return list(f.holds) }),
		"supportedActions": get(func(f *fulfillmentOrder) any { return list(f.actions()) }),
		"lineItems": on(func(_ *call, f *fulfillmentOrder, a args) any {
			return paginate(f.lines, a, idCursor(func(l *foLine) int64 { return l.id }))
		}),
		"fulfillments": on(func(_ *call, f *fulfillmentOrder, a args) any {
			var out []*fulfillment
			for _, x := range f.order.fulfillments {
				for _, from := range x.from {
					if from == f {
						out = append(out, x)
					}
				}
			}
			return paginate(out, a, idCursor(func(x *fulfillment) int64 { return x.id }))
		}),
	}
}

func (f *fulfillmentOrder) actions() []string {
	switch f.status {
	case "OPEN":
		return []string{"CREATE_FULFILLMENT", "REPORT_PROGRESS", "MOVE", "HOLD", "SPLIT", "MERGE"}
	case "ON_HOLD":
		return []string{"RELEASE_HOLD", "HOLD", "MOVE"}
	case "IN_PROGRESS":
		return []string{"CREATE_FULFILLMENT", "MARK_AS_OPEN"}
	}
	return nil
}

func foLineFields() fields {
	return fields{
		"id": get(func(l *foLine) any {
			return gid{"FulfillmentOrderLineItem", l.id}
		}),
		"totalQuantity":     get(func(l *foLine) any { return l.total }),
		"remainingQuantity": get(func(l *foLine) any { return l.remaining }),
		"sku":               get(func(l *foLine) any { return text(l.line.sku) }),
		"productTitle":      get(func(l *foLine) any { return l.line.title }),
		"requiresShipping":  get(func(l *foLine) any { return l.line.ships }),
		"lineItem":          get(func(l *foLine) any { return l.line }),
		"variant":           get(func(l *foLine) any { return ref(l.line.variant) }),
		"inventoryItemId": get(func(l *foLine) any {
			if l.line.variant == nil {
				return nil
			}
			return gid{"InventoryItem", l.line.variant.item.id}
		}),
	}
}

// tracking is one number of a fulfilment.
type tracking struct{ company, number, url string }

func (f *fulfillment) trackings() []tracking {
	var out []tracking
	for i := range max(len(f.numbers), len(f.urls)) {
		t := tracking{company: f.company}
		if i < len(f.numbers) {
			t.number = f.numbers[i]
		}
		if i < len(f.urls) {
			t.url = f.urls[i]
		}
		out = append(out, t)
	}
	if out == nil && f.company != "" {
		out = []tracking{{company: f.company}}
	}
	return out
}

func fulfillmentFields() fields {
	return fields{
		"id":               get(func(f *fulfillment) any { return gid{"Fulfillment", f.id} }),
		"legacyResourceId": get(func(f *fulfillment) any { return decimal(f.id) }),
		"name":             get(func(f *fulfillment) any { return f.name() }),
		"status":           get(func(f *fulfillment) any { return f.status }),
		"displayStatus": get(func(f *fulfillment) any {
			if f.status == "CANCELLED" {
				return "CANCELED"
			}
			return "FULFILLED"
		}),
		"createdAt": get(func(f *fulfillment) any { return f.created }),
		"updatedAt": get(func(f *fulfillment) any { return f.updated }),
		"order":     get(func(f *fulfillment) any { return f.order }),
		"location":  get(func(f *fulfillment) any { return f.loc }),
		"totalQuantity": get(func(f *fulfillment) any {
			var n int64
			for _, l := range f.lines {
				n += l.quantity
			}
			return n
		}),
		"trackingInfo": on(func(_ *call, f *fulfillment, a args) any {
			return list(first(f.trackings(), a))
		}),
		"fulfillmentLineItems": on(func(_ *call, f *fulfillment, a args) any {
			return paginate(f.lines, a, idCursor(func(l *fulfillmentLine) int64 { return l.id }))
		}),
		"fulfillmentOrders": on(func(_ *call, f *fulfillment, a args) any {
			return paginate(f.from, a, idCursor(func(x *fulfillmentOrder) int64 { return x.id }))
		}),
	}
}
