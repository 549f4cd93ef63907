package spapitest

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// reportKinds are the reports with their headings, as the pages of Amazon and the files of sellers
// show them.
var reportKinds = map[string]reportKind{
	reportOrders:  {0, orderRows(func(o *order) time.Time { return o.created }), orderHeads},
	reportUpdates: {0, orderRows(func(o *order) time.Time { return o.updated }), orderHeads},
	reportShipments: {30 * time.Minute, shipmentRows, split("amazon-order-id merchant-order-id " +
		"shipment-id shipment-item-id amazon-order-item-id merchant-order-item-id purchase-date " +
		"payments-date shipment-date reporting-date buyer-email buyer-name buyer-phone-number sku " +
		"product-name quantity-shipped currency item-price item-tax shipping-price shipping-tax " +
		"gift-wrap-price gift-wrap-tax ship-service-level recipient-name ship-address-1 " +
		"ship-address-2 ship-address-3 ship-city ship-state ship-postal-code ship-country " +
		"ship-phone-number bill-address-1 bill-address-2 bill-address-3 bill-city bill-state " +
		"bill-postal-code bill-country item-promotion-discount ship-promotion-discount carrier " +
		"tracking-number estimated-arrival-date fulfillment-center-id fulfillment-channel " +
		"sales-channel")},
	reportFBAReturns: {4 * time.Hour, fbaReturnRows, split("return-date order-id sku asin fnsku " +
		"product-name quantity fulfillment-center-id detailed-disposition reason status " +
		"license-plate-number customer-comments")},
	reportReturns: {0, returnRows, strings.Split("Order ID,Order date,Return request date,"+
		"Return request status,Amazon RMA ID,Merchant RMA ID,Label type,Label cost,Currency code,"+
		"Return carrier,Tracking ID,Label to be paid by,A-to-Z Claim,Is prime,ASIN,Merchant SKU,"+
		"Item Name,Return quantity,Return Reason,In policy,Return type,Resolution,Invoice number,"+
		"Return delivery date,Order Amount,Order quantity,SafeT Action reason,SafeT claim id,"+
		"SafeT claim state,SafeT claim creation time,SafeT claim reimbursement amount,"+
		"Refunded Amount", ",")},
	reportListings: {0, listingRows, split("item-name item-description listing-id seller-sku price " +
		"quantity open-date image-url item-is-marketplace product-id-type zshop-shipping-fee " +
		"item-note item-condition zshop-category1 zshop-browse-path zshop-storefront-feature asin1 " +
		"asin2 asin3 will-ship-internationally expedited-shipping zshop-boldface product-id " +
		"bid-for-featured-placement add-delete pending-quantity fulfillment-channel " +
		"merchant-shipping-group status")},
	reportStock: {30 * time.Minute, stockRows, split("sku fnsku asin product-name condition " +
		"your-price mfn-listing-exists mfn-fulfillable-quantity afn-listing-exists " +
		"afn-warehouse-quantity afn-fulfillable-quantity afn-unsellable-quantity " +
		"afn-reserved-quantity afn-total-quantity per-unit-volume afn-inbound-working-quantity " +
		"afn-inbound-shipped-quantity afn-inbound-receiving-quantity afn-researching-quantity " +
		"afn-reserved-future-supply afn-future-supply-buyable")},
}

var orderHeads = split("amazon-order-id merchant-order-id purchase-date last-updated-date " +
	"order-status fulfillment-channel sales-channel order-channel ship-service-level product-name " +
	"sku asin item-status quantity currency item-price item-tax shipping-price shipping-tax " +
	"gift-wrap-price gift-wrap-tax item-promotion-discount ship-promotion-discount ship-city " +
	"ship-state ship-postal-code ship-country promotion-ids")

func split(s string) []string { return strings.Fields(s) }

// line is one row of a report by heading; what is not named is empty.
type line map[string]string

// lay puts a row in the order of the headings.
func (l line) lay(heads []string) string {
	out := make([]string, len(heads))
	for i, h := range heads {
		out[i] = strings.NewReplacer("\t", " ", "\n", " ", "\r", " ").Replace(l[h])
	}
	return strings.Join(out, "\t")
}

// reportTime is how times stand in reports.
func reportTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05-07:00") }

func (r *report) covers(t time.Time) bool { return !t.Before(r.since) && !t.After(r.until) }

func (r *report) in(m marketplace) bool { return slices.Contains(r.markets, m.id) }

func orderRows(key func(*order) time.Time) func(*account, *report) []line {
	return func(x *account, r *report) []line {
		var out []line
		for _, o := range x.orders {
			if !r.covers(key(o)) || !r.in(o.market) || o.nonAmazon {
				continue
			}
			for _, i := range o.items {
				out = append(out, o.reportRow(i))
			}
		}
		return out
	}
}

func (o *order) reportRow(i *orderItem) line {
	channel, status, item := "Merchant", oldStatus[o.status], "Unshipped"
	if o.afn {
		channel = "Amazon"
	}
	if o.status == cancelled {
		status = "Cancelled" // the one place where the report spells it so
	}
	qty := i.qty
	switch {
	case i.gone:
		item = "Cancelled"
		if o.acct.srv.assumptions().CancelledShowsZero {
			qty = 0
		}
	case i.left() == 0:
		item = "Shipped"
	}
	v := line{"amazon-order-id": o.id, "merchant-order-id": o.alias,
		"purchase-date": reportTime(o.created), "last-updated-date": reportTime(o.updated),
		"order-status": status, "fulfillment-channel": channel, "sales-channel": o.market.name,
		"ship-service-level": "Standard", "product-name": i.listing.title, "sku": i.listing.sku,
		"asin": i.listing.asin, "item-status": item, "quantity": strconv.FormatInt(qty, 10)}
	if o.priced() {
		cur := o.market.currency
		v["currency"], v["item-price"] = cur, (i.price * money(i.qty)).text(cur)
		v["item-tax"], v["shipping-price"] = i.tax.text(cur), i.delivery.text(cur)
		v["ship-city"], v["ship-state"] = o.to.City, o.to.State
		v["ship-postal-code"], v["ship-country"] = o.to.PostalCode, o.to.Country
	}
	return v
}

func shipmentRows(x *account, r *report) []line {
	var out []line
	for _, s := range x.shipments {
		o := s.order
		market := o.market
		if !r.covers(s.at) || s.listed.After(x.srv.clock.Now()) || !r.in(market) {
			continue
		}
		channel := market.name
		if o.nonAmazon {
			channel = "Non-Amazon"
		}
		for _, p := range s.parts {
			cur := market.currency
			out = append(out, line{"amazon-order-id": o.id,
				"merchant-order-id": o.alias, "shipment-id": s.id, "shipment-item-id": p.id,
				"amazon-order-item-id": p.item.id, "purchase-date": reportTime(o.created),
				"payments-date": reportTime(o.created), "shipment-date": reportTime(s.at),
				"reporting-date": reportTime(s.listed), "sku": p.item.listing.sku,
				"product-name": p.item.listing.title, "quantity-shipped": strconv.FormatInt(p.qty, 10),
				"currency": cur, "item-price": (p.item.price * money(p.qty)).text(cur),
				"item-tax": "0.00", "shipping-price": "0.00", "ship-service-level": "Standard",
				"ship-city": o.to.City, "ship-state": o.to.State, "ship-postal-code": o.to.PostalCode,
				"ship-country": o.to.Country, "carrier": s.carrier, "tracking-number": s.tracking,
				"estimated-arrival-date": reportTime(s.at.Add(48 * time.Hour)),
				"fulfillment-center-id":  s.centre, "fulfillment-channel": "AFN",
				"sales-channel": channel})
		}
	}
	return out
}

func fbaReturnRows(x *account, r *report) []line {
	var out []line
	for _, b := range x.returns {
		if b.received.IsZero() || !b.order.afn || !r.covers(b.received) || !r.in(b.order.market) {
			continue
		}
		l := b.item.listing
		out = append(out, line{"return-date": reportTime(b.received),
			"order-id": b.order.id, "sku": l.sku, "asin": l.asin, "fnsku": l.fnsku,
			"product-name": l.title, "quantity": strconv.FormatInt(b.qty, 10),
			"fulfillment-center-id": "PHX7", "detailed-disposition": b.disposition,
			"reason": b.reason, "status": "Unit returned to inventory",
			"license-plate-number": "LPN" + b.id, "customer-comments": ""})
	}
	return out
}

func returnRows(x *account, r *report) []line {
	var out []line
	for _, b := range x.returns {
		if b.order.afn || !r.covers(b.requested) || !r.in(b.order.market) {
			continue
		}
		l, cur := b.item.listing, b.order.market.currency
		v := line{"Order ID": b.order.id, "Order date": b.order.created.Format("02-Jan-2006"),
			"Return request date":   b.requested.Format("02-Jan-2006"),
			"Return request status": b.status, "Amazon RMA ID": b.id, "Label type": "AmazonUnPaidLabel",
			"Currency code": cur, "A-to-Z Claim": "N", "Is prime": "N", "ASIN": l.asin,
			"Merchant SKU": l.sku, "Item Name": l.title, "Return quantity": strconv.FormatInt(b.qty, 10),
			"Return Reason": b.reason, "In policy": "Y", "Return type": "C-Returns",
			"Resolution": "StandardRefund", "Order Amount": b.order.total().text(cur),
			"Order quantity":  strconv.FormatInt(b.item.qty, 10),
			"Refunded Amount": b.order.refunded.text(cur)}
		if !b.received.IsZero() {
			v["Return delivery date"] = b.received.Format("02-Jan-2006")
		}
		out = append(out, v)
	}
	return out
}

func listingRows(x *account, r *report) []line {
	var out []line
	for _, l := range x.listings {
		m, known := x.market(r.markets[0])
		if !known || !l.in(m) {
			continue
		}
		v := line{"item-name": l.title, "listing-id": "L" + l.fnsku, "seller-sku": l.sku,
			"price": l.priceIn(m).text(m.currency), "open-date": l.created.Format("2006-01-02 15:04:05 MST"),
			"item-is-marketplace": "y", "product-id-type": "1", "item-condition": "11", "asin1": l.asin,
			"product-id": l.asin, "pending-quantity": "0", "fulfillment-channel": defaultChannel,
			"merchant-shipping-group": "Migrated Template", "status": "Active"}
		if l.afn() {
			v["fulfillment-channel"] = l.fba
		} else {
			v["quantity"] = strconv.FormatInt(l.quantity, 10)
		}
		out = append(out, v)
	}
	return out
}

func stockRows(x *account, r *report) []line {
	m, _ := x.market(r.markets[0])
	pool := x.pool(m.id)
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	var out []line
	for _, l := range x.listings {
		if l.fba == "" || !l.in(m) {
			continue
		}
		s := l.shown[pool]
		out = append(out, line{"sku": l.sku, "fnsku": l.fnsku, "asin": l.asin,
			"product-name": l.title, "condition": "New", "your-price": l.priceIn(m).text(m.currency),
			"mfn-listing-exists": map[bool]string{true: "Yes", false: "No"}[l.own],
			"afn-listing-exists": "Yes", "afn-warehouse-quantity": n(s.Fulfillable +
				s.unfulfillable() + s.reserved()), "afn-fulfillable-quantity": n(s.Fulfillable),
			"afn-unsellable-quantity": n(s.unfulfillable()), "afn-reserved-quantity": n(s.reserved()),
			"afn-total-quantity": n(s.total()), "afn-inbound-working-quantity": n(s.Working),
			"afn-inbound-shipped-quantity": n(s.Shipped), "afn-inbound-receiving-quantity": n(s.Receiving),
			"afn-researching-quantity": n(s.Researching)})
	}
	return out
}
