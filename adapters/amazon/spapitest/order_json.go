package spapitest

import (
	"slices"
	"time"
)

type obj = map[string]any

func (m money) json(currency string) obj {
	return obj{"amount": m.text(currency), "currencyCode": currency}
}

// included are the data sets that a call asks for and is allowed to see.
type included map[string]bool

var dataSets = []string{"BUYER", "RECIPIENT", "PROCEEDS", "EXPENSE", "PROMOTION", "CANCELLATION",
	"FULFILLMENT", "PACKAGES", "TAX", "PAYMENT", "FULFILLMENT_ORDERS"}

// include reads includedData; the answer is an error, or nil.
func (c *call) include() (included, *answer) {
	in := included{}
	for _, name := range c.list("includedData") {
		if !slices.Contains(dataSets, name) {
			a := invalid("Invalid value for includedData: " + name)
			return nil, &a
		}
		in[name] = true
	}
	if (in["BUYER"] || in["RECIPIENT"]) && !c.srv.tokens.role(c.grant.app, RoleRecipient) {
		if c.srv.assumptions().MissingRoleDenies {
			a := fail(403, "Unauthorized", accessDenied)
			return nil, &a
		}
		delete(in, "BUYER")
		delete(in, "RECIPIENT")
	}
	return in, nil
}

// json is an order as Orders 2026-01-01 shows it.
func (o *order) json(in included) obj {
	channel := obj{"channelName": "AMAZON", "marketplaceId": o.market.id,
		"marketplaceName": o.market.name}
	if o.nonAmazon {
		channel = obj{"channelName": "NON_AMAZON", "marketplaceName": "Non-Amazon"}
	}
	out := obj{"orderId": o.id, "createdTime": stamp(o.created), "lastUpdatedTime": stamp(o.updated),
		"salesChannel": channel}
	if o.alias != "" {
		out["orderAliases"] = []obj{{"aliasId": o.alias, "aliasType": "SELLER_ORDER_ID"}}
	}
	if len(o.programs) > 0 {
		out["programs"] = o.programs
	}
	if o.original != "" {
		out["associatedOrders"] = []obj{{"orderId": o.original, "associationType": o.kind}}
	}
	items := []obj{}
	for _, i := range o.items {
		items = append(items, o.itemJSON(i, in))
	}
	out["orderItems"] = items
	if in["FULFILLMENT"] {
		out["fulfillment"] = o.fulfillmentJSON()
	}
	if in["PACKAGES"] && !o.afn && len(o.parcels) > 0 {
		out["packages"] = o.parcelsJSON()
	}
	o.private(out, in)
	return out
}

// private adds what is hidden while an order is PENDING.
func (o *order) private(out obj, in included) {
	if !o.priced() {
		return
	}
	if in["PROCEEDS"] {
		out["proceeds"] = o.proceeds()
	}
	if !o.opened || o.nonAmazon {
		return
	}
	if in["BUYER"] && !o.afn {
		out["buyer"] = obj{"buyerName": o.to.Name, "buyerEmail": o.buyer}
	}
	if in["RECIPIENT"] {
		to := obj{"city": o.to.City, "postalCode": o.to.PostalCode, "countryCode": o.to.Country}
		if o.to.State != "" {
			to["stateOrRegion"] = o.to.State
		}
		if !o.afn {
			to["name"], to["addressLine1"], to["phone"] = o.to.Name, o.to.Line1, o.to.Phone
			to["addressType"] = "RESIDENTIAL"
			if o.to.Line2 != "" {
				to["addressLine2"] = o.to.Line2
			}
		}
		out["recipient"] = obj{"deliveryAddress": to}
	}
}

// priced says whether prices are shown.
func (o *order) priced() bool {
	return o.opened || o.acct.srv.assumptions().PriceWhilePending
}

func (o *order) fulfillmentJSON() obj {
	by := "MERCHANT"
	if o.afn {
		by = "AMAZON"
	}
	out := obj{"fulfillmentStatus": o.status, "fulfilledBy": by,
		"fulfillmentServiceLevel": "STANDARD"}
	if o.opened {
		out["shipByWindow"] = obj{"earliestDateTime": stamp(o.created),
			"latestDateTime": stamp(o.shipBy)}
		out["deliverByWindow"] = obj{"earliestDateTime": stamp(o.shipBy),
			"latestDateTime": stamp(o.shipBy.Add(o.acct.srv.period(72 * time.Hour)))}
	}
	return out
}

func (o *order) itemJSON(i *orderItem, in included) obj {
	qty := i.qty
	if i.gone && o.acct.srv.assumptions().CancelledShowsZero {
		qty = 0
	}
	product := obj{"asin": i.listing.asin, "title": i.listing.title, "sellerSku": i.listing.sku,
		"condition": obj{"conditionType": "NEW", "conditionSubtype": "NEW"}}
	if o.priced() && !o.nonAmazon {
		product["price"] = obj{"unitPrice": i.price.json(o.market.currency)}
	}
	out := obj{"orderItemId": i.id, "quantityOrdered": qty, "product": product}
	if in["FULFILLMENT"] {
		out["fulfillment"] = obj{"quantityFulfilled": i.shipped, "quantityUnfulfilled": i.left()}
	}
	if in["PROCEEDS"] && o.priced() && !o.nonAmazon {
		cur := o.market.currency
		out["proceeds"] = obj{"proceedsTotal": i.total().json(cur), "breakdowns": []obj{
			{"type": "ITEM", "subtotal": (i.price * money(i.qty)).json(cur)},
			{"type": "SHIPPING", "subtotal": i.delivery.json(cur)},
			{"type": "TAX", "subtotal": i.tax.json(cur), "detailedBreakdowns": []obj{
				{"subtype": "ITEM", "value": i.tax.json(cur)}}}}}
	}
	if in["CANCELLATION"] && (i.requested != "" || i.gone) {
		cancellation := obj{}
		if i.requested != "" {
			cancellation["cancellationRequest"] = obj{"requester": "BUYER", "cancelReason": i.requested}
		}
		if i.gone {
			cancellation["cancellationExecution"] = obj{"cancelledBy": i.cancelledBy,
				"cancelReason": i.reason}
		}
		out["cancellation"] = cancellation
	}
	return out
}

func (i *orderItem) total() money { return i.price*money(i.qty) + i.delivery + i.tax }

func (o *order) total() money {
	var sum money
	for _, i := range o.items {
		sum += i.total()
	}
	return sum
}

func (o *order) proceeds() obj {
	var items, delivery, tax money
	for _, i := range o.items {
		items += i.price * money(i.qty)
		delivery += i.delivery
		tax += i.tax
	}
	cur := o.market.currency
	return obj{"grandTotal": o.total().json(cur), "breakdowns": []obj{
		{"type": "ITEM", "subtotal": items.json(cur)},
		{"type": "SHIPPING", "subtotal": delivery.json(cur)},
		{"type": "TAX", "subtotal": tax.json(cur)}}}
}

func (o *order) parcelsJSON() []obj {
	out := []obj{}
	for _, p := range o.parcels {
		items := []obj{}
		for _, i := range o.items {
			if n := p.qty[i.id]; n > 0 {
				items = append(items, obj{"orderItemId": i.id, "quantity": n})
			}
		}
		x := obj{"packageReferenceId": p.ref, "createdTime": stamp(p.created),
			"packageStatus": obj{"status": "SHIPPED"}, "carrier": p.carrier, "shipTime": stamp(p.sent),
			"trackingNumber": p.tracking, "packageItems": items}
		if p.service != "" {
			x["shippingService"] = p.service
		}
		out = append(out, x)
	}
	return out
}
