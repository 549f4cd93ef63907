package shopifytest

import "fmt"

func returnTypes() map[string]fields {
	return map[string]fields{
		"Refund":         refundFields(),
		"RefundLineItem": refundLineFields(),
		"Return":         returnFields(),
		"ReturnLineItem": returnLineFields(),
		"ReverseFulfillmentOrder": {
			"id": get(func(r *reverseOrder) any {
				return gid{"ReverseFulfillmentOrder", r.id}
			}),
			"status": get(func(r *reverseOrder) any { return r.status }),
			"order":  get(func(r *reverseOrder) any { return r.doc.order }),
			"lineItems": on(func(_ *call, r *reverseOrder, a args) any {
				return paginate(r.lines, a, idCursor(func(l *reverseLine) int64 { return l.id }))
			}),
		},
		"ReverseFulfillmentOrderLineItem": {
			"id": get(func(l *reverseLine) any {
				return gid{"ReverseFulfillmentOrderLineItem", l.id}
			}),
			"totalQuantity":       get(func(l *reverseLine) any { return l.from.quantity }),
			"fulfillmentLineItem": get(func(l *reverseLine) any { return l.from.from }),
			"dispositions":        get(func(l *reverseLine) any { return list(l.dispositions) }),
		},
		"ReverseFulfillmentOrderDisposition": {
			"id": get(func(d *disposition) any {
				return gid{"ReverseFulfillmentOrderDisposition", d.id}
			}),
			"quantity":  get(func(d *disposition) any { return d.quantity }),
			"type":      get(func(d *disposition) any { return d.typ }),
			"location":  get(func(d *disposition) any { return ref(d.loc) }),
			"createdAt": get(func(d *disposition) any { return d.created }),
		},
		"ExchangeLineItem": {
			"id":       get(func(e *exchangeLine) any { return gid{"ExchangeLineItem", e.id} }),
			"quantity": get(func(e *exchangeLine) any { return e.quantity }),
			"variantId": get(func(e *exchangeLine) any {
				return gid{"ProductVariant", e.variant.id}
			}),
			"lineItems": get(func(e *exchangeLine) any {
				if e.line == nil {
					return []any{}
				}
				return []any{e.line}
			}),
		},
		"ReturnableFulfillment": {
			"id": get(func(r returnable) any {
				return gid{"ReturnableFulfillment", r.f.id}
			}),
			"fulfillment": get(func(r returnable) any { return r.f }),
			"returnableFulfillmentLineItems": on(func(_ *call, r returnable, a args) any {
				return paginate(r.f.returnableLines(), a,
					idCursor(func(l *fulfillmentLine) int64 { return l.id }))
			}),
		},
		"ReturnableFulfillmentLineItem": {
			"quantity":            get(func(l *fulfillmentLine) any { return l.returnable() }),
			"fulfillmentLineItem": get(func(l *fulfillmentLine) any { return l }),
		},
		"ReturnReasonDefinition": {
			"id": get(func(d reasonDefinition) any {
				return gid{"ReturnReasonDefinition", d.n}
			}),
			"handle":  get(func(d reasonDefinition) any { return d.handle }),
			"name":    get(func(d reasonDefinition) any { return d.handle }),
			"deleted": get(func(reasonDefinition) any { return false }),
		},
	}
}

func refundFields() fields {
	return fields{
		"id":               get(func(r *refund) any { return gid{"Refund", r.id} }),
		"legacyResourceId": get(func(r *refund) any { return decimal(r.id) }),
		"createdAt":        get(func(r *refund) any { return r.created }),
		"updatedAt":        get(func(r *refund) any { return r.created }),
		"processedAt":      get(func(r *refund) any { return r.processed }),
		"note":             get(func(r *refund) any { return text(r.note) }),
		"order":            get(func(r *refund) any { return r.order }),
		"return":           get(func(r *refund) any { return ref(r.returned) }),
		"totalRefundedSet": get(func(r *refund) any {
			var sum money
			for _, t := range r.transactions {
				sum += t.amount
			}
			return r.order.bag(sum)
		}),
		"refundLineItems": on(func(_ *call, r *refund, a args) any {
			return paginate(r.lines, a, idCursor(func(l *refundLine) int64 { return l.id }))
		}),
		"transactions": on(func(_ *call, r *refund, a args) any {
			return paginate(r.order.transactionsOf(r.transactions), a,
				idCursor(func(t transactionOf) int64 { return t.id }))
		}),
	}
}

func refundLineFields() fields {
	return fields{
		"id":          get(func(l *refundLine) any { return gid{"RefundLineItem", l.id} }),
		"quantity":    get(func(l *refundLine) any { return l.quantity }),
		"restockType": get(func(l *refundLine) any { return l.restock }),
		"restocked":   get(func(l *refundLine) any { return l.restock != "NO_RESTOCK" }),
		"location":    get(func(l *refundLine) any { return ref(l.loc) }),
		"lineItem":    get(func(l *refundLine) any { return l.line }),
		"priceSet":    get(func(l *refundLine) any { return l.line.bag(l.line.price) }),
		"subtotalSet": get(func(l *refundLine) any {
			return l.line.bag(l.line.price * money(l.quantity))
		}),
	}
}

func (r *returnDoc) name() string { return fmt.Sprintf("%s-R%d", r.order.name, r.number) }

func returnFields() fields {
	return fields{
		"id":        get(func(r *returnDoc) any { return gid{"Return", r.id} }),
		"name":      get(func(r *returnDoc) any { return r.name() }),
		"status":    get(func(r *returnDoc) any { return r.status }),
		"createdAt": get(func(r *returnDoc) any { return r.created }),
		"closedAt":  get(func(r *returnDoc) any { return r.closed }),
		"order":     get(func(r *returnDoc) any { return r.order }),
		"totalQuantity": get(func(r *returnDoc) any {
			var n int64
			for _, l := range r.lines {
				n += l.quantity
			}
			return n
		}),
		"returnLineItems": on(func(_ *call, r *returnDoc, a args) any {
			return paginate(r.lines, a, idCursor(func(l *returnLine) int64 { return l.id }))
		}),
		"reverseFulfillmentOrders": on(func(_ *call, r *returnDoc, a args) any {
			return paginate(r.reverse, a, idCursor(func(x *reverseOrder) int64 { return x.id }))
		}),
		"exchangeLineItems": on(func(_ *call, r *returnDoc, a args) any {
			return paginate(r.exchanges, a, idCursor(func(x *exchangeLine) int64 { return x.id }))
		}),
		"refunds": on(func(_ *call, r *returnDoc, a args) any {
			var out []*refund
			for _, x := range r.order.refunds {
				if x.returned == r {
					out = append(out, x)
				}
			}
			return paginate(out, a, idCursor(func(x *refund) int64 { return x.id }))
		}),
	}
}

func returnLineFields() fields {
	return fields{
		"id":                  get(func(l *returnLine) any { return gid{"ReturnLineItem", l.id} }),
		"quantity":            get(func(l *returnLine) any { return l.quantity }),
		"fulfillmentLineItem": get(func(l *returnLine) any { return l.from }),
		"returnReason":        get(func(l *returnLine) any { return l.reason }),
		"returnReasonNote":    get(func(l *returnLine) any { return l.note }),
		"customerNote":        get(func(*returnLine) any { return nil }),
		"refundedQuantity":    get(func(l *returnLine) any { return l.refunded }),
		"refundableQuantity":  get(func(l *returnLine) any { return l.quantity - l.refunded }),
		"processedQuantity":   get(func(l *returnLine) any { return l.processed }),
		"processableQuantity": get(func(l *returnLine) any { return l.quantity - l.processed }),
		"unprocessedQuantity": get(func(l *returnLine) any { return l.quantity - l.processed }),
	}
}
