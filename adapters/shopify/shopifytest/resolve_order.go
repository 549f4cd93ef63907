package shopifytest

import "strings"

func first[T any](v []T, a args) []T {
	if n, ok := a["first"].(int64); ok && int(n) < len(v) {
		return v[:max(0, n)]
	}
	return v
}

func orderTypes() map[string]fields {
	return map[string]fields{
		"Order":             merge(orderFields(), orderParts(), orderMoney()),
		"OrderCancellation": {"staffNote": get(func(o *order) any { return text(o.staffNote) })},
		"LineItem":          lineFields(),
		"TaxLine": {
			"title":    get(func(t taxOf) any { return t.title }),
			"rate":     get(func(t taxOf) any { return rate(t.rate) }),
			"priceSet": get(func(t taxOf) any { return t.order.bag(t.price) }),
		},
		"ShippingLine": {
			"id":               get(func(s shippingOf) any { return gid{"ShippingLine", s.id} }),
			"title":            get(func(s shippingOf) any { return s.title }),
			"code":             get(func(s shippingOf) any { return text(s.code) }),
			"source":           get(func(s shippingOf) any { return text(s.source) }),
			"originalPriceSet": get(func(s shippingOf) any { return s.order.bag(s.price) }),
		},
		"OrderTransaction": {
			"id":          get(func(t transactionOf) any { return gid{"OrderTransaction", t.id} }),
			"kind":        get(func(t transactionOf) any { return t.kind }),
			"status":      get(func(t transactionOf) any { return t.status }),
			"gateway":     get(func(t transactionOf) any { return text(t.gateway) }),
			"amountSet":   get(func(t transactionOf) any { return t.order.bag(t.amount) }),
			"createdAt":   get(func(t transactionOf) any { return t.at }),
			"processedAt": get(func(t transactionOf) any { return t.processed }),
			"test":        get(func(t transactionOf) any { return t.test }),
			"parentTransaction": get(func(t transactionOf) any {
				if t.parent == nil {
					return nil
				}
				return transactionOf{t.parent, t.order}
			}),
		},
		"MailingAddress": addressFields(),
	}
}

func merge(all ...fields) fields {
	out := fields{}
	for _, f := range all {
		for name, r := range f {
			out[name] = r
		}
	}
	return out
}

// Parts of an order that need it for its currency.
type (
	taxOf struct {
		taxLine
		order *order
	}
	shippingOf struct {
		shippingLine
		order *order
	}
	transactionOf struct {
		*transaction
		order *order
	}
)

func (o *order) taxesOf(list []taxLine) []any {
	out := []any{}
	for _, t := range list {
		out = append(out, taxOf{t, o})
	}
	return out
}

func (o *order) transactionsOf(list []*transaction) []transactionOf {
	var out []transactionOf
	for _, t := range list {
		out = append(out, transactionOf{t, o})
	}
	return out
}

// allTransactions are those of the order and of its refunds.
func (o *order) allTransactions() []*transaction {
	out := append([]*transaction{}, o.transactions...)
	for _, r := range o.refunds {
		out = append(out, r.transactions...)
	}
	return out
}

func orderFields() fields {
	return fields{
		"id":                      get(func(o *order) any { return gid{"Order", o.id} }),
		"legacyResourceId":        get(func(o *order) any { return decimal(o.id) }),
		"name":                    get(func(o *order) any { return o.name }),
		"createdAt":               get(func(o *order) any { return o.created }),
		"updatedAt":               get(func(o *order) any { return o.updated }),
		"processedAt":             get(func(o *order) any { return o.processed }),
		"cancelledAt":             get(func(o *order) any { return o.cancelled }),
		"closedAt":                get(func(o *order) any { return o.closed }),
		"closed":                  get(func(o *order) any { return !o.closed.IsZero() }),
		"cancelReason":            get(func(o *order) any { return text(o.cancelReason) }),
		"test":                    get(func(o *order) any { return o.test }),
		"confirmed":               get(func(o *order) any { return o.confirmed }),
		"edited":                  get(func(o *order) any { return o.edited }),
		"sourceName":              get(func(o *order) any { return text(o.sourceName) }),
		"sourceIdentifier":        get(func(o *order) any { return text(o.sourceID) }),
		"registeredSourceUrl":     get(func(o *order) any { return text(o.sourceURL) }),
		"email":                   get(func(o *order) any { return text(o.email) }),
		"phone":                   get(func(o *order) any { return text(o.phone) }),
		"note":                    get(func(o *order) any { return text(o.note) }),
		"poNumber":                get(func(o *order) any { return text(o.poNumber) }),
		"tags":                    get(func(o *order) any { return append([]string{}, o.tags...) }),
		"currencyCode":            get(func(o *order) any { return o.currency }),
		"presentmentCurrencyCode": get(func(o *order) any { return o.currency }),
		"taxesIncluded":           get(func(o *order) any { return o.taxesIncluded }),
		"displayFinancialStatus":  get(func(o *order) any { return text(o.financialStatus()) }),
		"displayFulfillmentStatus": get(func(o *order) any {
			return o.fulfillmentStatus()
		}),
		"returnStatus": get(func(o *order) any { return o.returnStatus() }),
		"fulfillable": get(func(o *order) any {
			for _, fo := range o.fulfillmentOrders {
				if fo.open() {
					return true
				}
			}
			return false
		}),
		"cancellation": get(func(o *order) any {
			if o.cancelled.IsZero() {
				return nil
			}
			return o
		}),
	}
}

func (o *order) returnStatus() string {
	out := "NO_RETURN"
	for _, r := range o.returns {
		switch r.status {
		case "OPEN":
			return "IN_PROGRESS"
		case "REQUESTED":
			out = "RETURN_REQUESTED"
		case "CLOSED":
			out = "RETURNED"
		}
	}
	return out
}

func orderParts() fields {
	return fields{
		"app":              get(func(o *order) any { return ref(o.app) }),
		"customAttributes": get(func(o *order) any { return list(o.attributes) }),
		"shippingAddress": get(func(o *order) any {
			if o.ship == nil {
				return nil
			}
			return o
		}),
		"retailLocation": get(func(o *order) any { return ref(o.pos) }),
		"lineItems": on(func(_ *call, o *order, a args) any {
			return paginate(o.lines, a, idCursor(func(l *line) int64 { return l.id }))
		}),
		"fulfillmentOrders": on(func(_ *call, o *order, a args) any {
			return paginate(o.fulfillmentOrders, a,
				idCursor(func(f *fulfillmentOrder) int64 { return f.id }))
		}),
		"fulfillments": on(func(_ *call, o *order, a args) any {
			return list(first(o.fulfillments, a))
		}),
		"refunds": on(func(_ *call, o *order, a args) any {
			return list(first(o.refunds, a))
		}),
		"returns": on(func(_ *call, o *order, a args) any {
			return paginate(o.returns, a, idCursor(func(r *returnDoc) int64 { return r.id }))
		}),
		"transactions": on(func(_ *call, o *order, a args) any {
			return list(first(o.transactionsOf(o.allTransactions()), a))
		}),
		"taxLines": get(func(o *order) any { return o.taxesOf(o.taxes) }),
		"shippingLines": on(func(_ *call, o *order, a args) any {
			var out []shippingOf
			for _, s := range o.shipping {
				out = append(out, shippingOf{s, o})
			}
			return paginate(out, a, idCursor(func(s shippingOf) int64 { return s.id }))
		}),
		"metafield": on(func(c *call, o *order, a args) any {
			for _, m := range o.metafields {
				if m.namespace == c.namespace(a.text("namespace")) && m.key == a.text("key") {
					return m
				}
			}
			return nil
		}),
		"paymentGatewayNames": get(func(o *order) any {
			out := []string{}
			for _, t := range o.transactions {
				out = addOnce(out, t.gateway)
			}
			return out
		}),
	}
}

func orderMoney() fields {
	amount := func(f func(*order) money) resolver {
		return get(func(o *order) any { return o.bag(f(o)) })
	}
	return fields{
		"totalPriceSet":         amount((*order).total),
		"currentTotalPriceSet":  amount((*order).currentTotal),
		"subtotalPriceSet":      amount((*order).subtotal),
		"totalTaxSet":           amount((*order).taxTotal),
		"totalShippingPriceSet": amount((*order).shippingTotal),
		"totalDiscountsSet":     amount((*order).discountTotal),
		"currentSubtotalPriceSet": amount(func(o *order) money {
			return o.currentTotal() - o.shippingTotal() - o.addedTax()
		}),
		"currentTotalTaxSet":      amount((*order).taxTotal),
		"currentShippingPriceSet": amount((*order).shippingTotal),
		"totalRefundedSet":        amount((*order).refundedTotal),
	}
}

func lineFields() fields {
	return fields{
		"id":                  get(func(l *line) any { return gid{"LineItem", l.id} }),
		"sku":                 get(func(l *line) any { return text(l.sku) }),
		"title":               get(func(l *line) any { return l.title }),
		"name":                get(func(l *line) any { return l.title }),
		"variantTitle":        get(func(*line) any { return nil }),
		"vendor":              get(func(*line) any { return nil }),
		"quantity":            get(func(l *line) any { return l.quantity }),
		"currentQuantity":     get(func(l *line) any { return l.current }),
		"unfulfilledQuantity": get(func(l *line) any { return l.unfulfilled() }),
		"fulfillableQuantity": get(func(l *line) any { return l.unfulfilled() }),
		"refundableQuantity":  get(func(l *line) any { return l.quantity - l.refunded }),
		"nonFulfillableQuantity": get(func(l *line) any {
			return l.quantity - l.fulfilled() - l.unfulfilled()
		}),
		"fulfillmentStatus": get(func(l *line) any {
			switch done := l.fulfilled(); {
			case done == 0:
				return "unfulfilled"
			case l.unfulfilled() > 0:
				return "partial"
			}
			return "fulfilled"
		}),
		"requiresShipping": get(func(l *line) any { return l.ships }),
		"restockable":      get(func(l *line) any { return l.tracked }),
		"isGiftCard":       get(func(l *line) any { return l.giftCard }),
		"taxable":          get(func(l *line) any { return l.taxable }),
		"variant":          get(func(l *line) any { return ref(l.variant) }),
		"product": get(func(l *line) any {
			if l.variant == nil {
				return nil
			}
			return l.variant.product
		}),
		"customAttributes":     get(func(l *line) any { return list(l.properties) }),
		"taxLines":             get(func(l *line) any { return l.order.taxesOf(l.taxes) }),
		"originalUnitPriceSet": get(func(l *line) any { return l.bag(l.price) }),
		"discountedUnitPriceSet": get(func(l *line) any {
			return l.bag(l.price - l.discount/money(l.quantity))
		}),
		"discountedTotalSet": get(func(l *line) any {
			return l.bag(l.price*money(l.quantity) - l.discount)
		}),
		"totalDiscountSet": get(func(l *line) any { return l.bag(l.discount) }),
	}
}

func addressFields() fields {
	word := func(f func(*address) string) resolver {
		return get(func(o *order) any { return text(f(o.ship)) })
	}
	return fields{
		"id":        get(func(o *order) any { return gid{"MailingAddress", o.shipID} }),
		"firstName": word(func(a *address) string { return a.FirstName }),
		"lastName":  word(func(a *address) string { return a.LastName }),
		"name": word(func(a *address) string {
			return strings.TrimSpace(a.FirstName + " " + a.LastName)
		}),
		"company":       word(func(a *address) string { return a.Company }),
		"address1":      word(func(a *address) string { return a.Address1 }),
		"address2":      word(func(a *address) string { return a.Address2 }),
		"city":          word(func(a *address) string { return a.City }),
		"province":      word(func(a *address) string { return a.Province }),
		"provinceCode":  word(func(a *address) string { return a.ProvinceCode }),
		"country":       word(func(a *address) string { return a.Country }),
		"countryCodeV2": word(func(a *address) string { return a.CountryCode }),
		"zip":           word(func(a *address) string { return a.Zip }),
		"phone":         word(func(a *address) string { return a.Phone }),
	}
}
