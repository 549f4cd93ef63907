package spapitest

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// returned is units of a customer's that come back.
type returned struct {
	id                  string
	order               *order
	item                *orderItem
	qty                 int64
	reason, status      string
	disposition         string
	requested, received time.Time
}

// dispositions are what a warehouse of Amazon's says about what came back, and the number that it
// raises.
var dispositions = map[string]string{"SELLABLE": "fulfillable",
	"CUSTOMER_DAMAGED": "customer_damaged", "DAMAGED": "warehouse_damaged",
	"CARRIER_DAMAGED": "carrier_damaged", "DEFECTIVE": "defective", "EXPIRED": "expired"}

// giveBack opens a return of units that were shipped.
func (a *action) giveBack(o *order, i *orderItem, n int64, reason string) (*returned, error) {
	if n < 1 || n > i.shipped-i.returned {
		return nil, fmt.Errorf("%w %s: %d units of %s cannot come back", errOrder, o.id, n,
			i.listing.sku)
	}
	i.returned += n
	b := &returned{id: a.acct.srv.newID(10), order: o, item: i, qty: n, status: "Pending",
		reason: orElse(reason, "UNWANTED_ITEM"), requested: a.at}
	a.acct.returns = append(a.acct.returns, b)
	a.log(Entry{Kind: "order", Op: "return_requested", Order: o.id, SKU: i.listing.sku, Qty: n,
		Channel: o.channel(), Doc: b.id})
	a.touch(o)
	return b, nil
}

// arrive is a return that reaches a warehouse of Amazon's, or the merchant.
func (a *action) arrive(b *returned, disposition string) error {
	number, known := dispositions[disposition]
	if b.order.afn && !known {
		return fmt.Errorf("%w %s: no disposition %q", errOrder, b.order.id, disposition)
	}
	b.received, b.status, b.disposition = a.at, "Completed", disposition
	a.log(Entry{Kind: "order", Op: "return_received", Order: b.order.id, SKU: b.item.listing.sku,
		Qty: b.qty, Channel: b.order.channel(), Doc: b.id, Result: disposition})
	if b.order.afn {
		a.move(b.item.listing, b.order.pool, change{number, b.qty})
	}
	if b.order.nonAmazon {
		a.tellMCFReturn(b)
	}
	return nil
}

// transaction is a movement of money.
type transaction struct {
	id, refund     string
	kind, describe string
	order          *order
	posted, listed time.Time
	amount         money
}

// refund gives money of an order back.
func (a *action) refund(o *order, sum money) *transaction {
	x := a.acct
	t := &transaction{id: x.srv.newUUID(), refund: x.srv.newID(12), kind: "Refund",
		describe: "Refund Order", order: o, posted: a.at, amount: -sum}
	t.listed = a.at.Add(x.srv.period(x.srv.timing().Finance.draw(x.rng)))
	x.transactions = append(x.transactions, t)
	o.refunded += sum
	a.log(Entry{Kind: "order", Op: "refunded", Order: o.id, Doc: t.refund,
		Result: sum.text(o.market.currency)})
	a.touch(o)
	return t
}

func (t *transaction) json(x *account) obj {
	cur := t.order.market.currency
	amount := func(m money) obj {
		return obj{"currencyCode": cur, "currencyAmount": json.Number(m.text(cur))}
	}
	items := []obj{}
	for _, i := range t.order.items {
		items = append(items, obj{"description": i.listing.title, "contexts": []obj{
			{"contextType": "ProductContext", "asin": i.listing.asin, "sku": i.listing.sku,
				"quantityShipped": i.shipped, "fulfillmentNetwork": t.order.channel()}}})
	}
	return obj{"sellingPartnerMetadata": obj{"sellingPartnerId": x.cfg.SellerID,
		"accountType": "Standard Orders", "marketplaceId": t.order.market.id},
		"relatedIdentifiers": []obj{
			{"relatedIdentifierName": "ORDER_ID", "relatedIdentifierValue": t.order.id},
			{"relatedIdentifierName": "REFUND_ID", "relatedIdentifierValue": t.refund}},
		"transactionType": t.kind, "transactionId": t.id, "transactionStatus": "RELEASED",
		"description": t.describe, "postedDate": stamp(t.posted), "totalAmount": amount(t.amount),
		"marketplaceDetails": obj{"marketplaceId": t.order.market.id,
			"marketplaceName": t.order.market.name},
		"items": items, "breakdowns": []obj{{"breakdownType": "Refunded Sales",
			"breakdownAmount": amount(t.amount)}}}
}

// financePage is how many transactions a page has.
const financePage = 500

func listTransactions(c *call) answer {
	name, value := c.query.Get("relatedIdentifierName"), c.query.Get("relatedIdentifierValue")
	since, fineSince := parseTime(c.query.Get("postedAfter"))
	until, fineUntil := parseTime(c.query.Get("postedBefore"))
	switch {
	case !fineSince && (name == "" || value == ""):
		return invalid("postedAfter is required.")
	case name != "" && !slices.Contains([]string{"ORDER_ID", "FINANCIAL_EVENT_GROUP_ID"}, name):
		return invalid("Invalid relatedIdentifierName.")
	case c.query.Has("postedBefore") && !fineUntil:
		return invalid("postedBefore is not a time in ISO 8601.")
	case fineSince && since.After(c.act.at.Add(-c.srv.period(settleTime))):
		return invalid("postedAfter must be at least two minutes before the time of the request.")
	}
	if !fineUntil {
		until = c.act.at
	}
	last, refused := c.page("nextToken")
	if refused != nil {
		return *refused
	}
	market := c.query.Get("marketplaceId")
	found := []obj{}
	for _, t := range c.acct.transactions {
		if t.listed.After(c.act.at) || t.posted.Before(since) || t.posted.After(until) ||
			market != "" && market != t.order.market.id ||
			name == "ORDER_ID" && value != t.order.id || name == "FINANCIAL_EVENT_GROUP_ID" {
			continue
		}
		found = append(found, t.json(c.acct))
	}
	return payload(c.cut(found, "transactions", int(last.At), financePage))
}
