package spapitest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// defaultChannel is the fulfillment_channel_code of what a merchant fulfils.
const defaultChannel = "DEFAULT"

// listing is one SKU of a seller.
type listing struct {
	acct             *account
	sku, asin, fnsku string
	title, kind      string // kind is the product type
	markets          []marketplace
	created, updated time.Time
	price            money // in the currency of the account's first marketplace, where none is set

	fba      string // AMAZON_NA and so on, "" where the merchant fulfils
	own      bool   // there is a DEFAULT entry
	stranded bool   // own beside fba: the offer is the merchant's, Amazon's stock lies idle
	quantity int64  // of DEFAULT
	lead     int64
	restock  string

	attrs  attributes // all but fulfillment_availability
	issues []issue
	told   string    // the status that was told last
	effect time.Time // when the last accepted change takes effect
	gone   bool

	stock, shown []Levels // of Amazon's warehouses by pool; shown is what the API has seen
	changed      []time.Time
}

// issue is one of Amazon's findings about a listing.
type issue struct {
	code, message, severity string
	attributes              []string
}

func (i issue) json() obj {
	out := obj{"code": i.code, "message": i.message, "severity": i.severity,
		"categories": []string{"INVALID_ATTRIBUTE"}}
	if len(i.attributes) > 0 {
		out["attributeNames"] = i.attributes
	}
	return out
}

func issuesJSON(list []issue) []obj {
	out := []obj{}
	for _, i := range list {
		out = append(out, i.json())
	}
	return out
}

// addListing makes a listing of the configuration, in effect at once.
func (x *account) addListing(a *action, c ListingConfig) error {
	l := x.newListing(a, c.SKU)
	l.asin, l.title = orElse(c.ASIN, l.asin), orElse(c.Title, "Article "+c.SKU)
	l.kind = orElse(c.ProductType, "PRODUCT")
	var fine bool
	if l.price, fine = parseMoney(orElse(c.Price, "10"), x.markets[0].currency); !fine {
		return fmt.Errorf("SKU %s: price %q", c.SKU, c.Price)
	}
	if len(c.Marketplaces) > 0 {
		l.markets = nil
		for _, id := range c.Marketplaces {
			m, known := x.market(id)
			if !known {
				return fmt.Errorf("SKU %s: no marketplace %q", c.SKU, id)
			}
			l.markets = append(l.markets, m)
		}
	}
	l.own, l.quantity, l.lead = !c.FBA, c.Quantity, int64(c.LeadTime)
	if c.FBA {
		l.fba, l.quantity = "AMAZON_"+strings.ToUpper(x.cfg.Region), 0
		if x.markets[0].country == "JP" {
			l.fba = "AMAZON_JP"
		}
	}
	for market, n := range c.Stock {
		pool := x.pool(market)
		if pool < 0 || n < 0 {
			return fmt.Errorf("SKU %s: stock %d at %q", c.SKU, n, market)
		}
		l.stock[pool].Fulfillable = n
		l.shown[pool].Fulfillable = n
	}
	for _, m := range l.markets {
		l.attrs.set("item_name", obj{"value": l.title, "marketplace_id": m.id,
			"language_tag": m.language})
		l.attrs.set("condition_type", obj{"value": "new_new", "marketplace_id": m.id})
	}
	l.told = l.status()
	return nil
}

// newListing makes an empty one and keeps it.
func (x *account) newListing(a *action, sku string) *listing {
	l := &listing{acct: x, sku: sku, asin: "B0" + x.srv.newID(8), fnsku: "X00" + x.srv.newID(7),
		kind: "PRODUCT", markets: x.markets, created: a.at, updated: a.at, attrs: attributes{},
		stock: make([]Levels, len(x.pools)), shown: make([]Levels, len(x.pools)),
		changed: make([]time.Time, len(x.pools)), price: 1000}
	for i := range l.changed {
		l.changed[i] = a.at
	}
	x.listings = append(x.listings, l)
	x.bySKU[sku] = l
	return l
}

// afn says whether Amazon fulfils what is bought of it now.
func (l *listing) afn() bool { return l.fba != "" && !l.stranded }

// sellable is how many units a buyer can have.
func (l *listing) sellable(afn bool, pool int) int64 {
	switch {
	case l.gone:
		return 0
	case afn:
		return l.stock[pool].Fulfillable
	}
	return l.quantity
}

// in says whether it is offered in a marketplace.
func (l *listing) in(m marketplace) bool { return slices.Contains(l.markets, m) }

// priceIn is what one unit costs in a marketplace.
func (l *listing) priceIn(m marketplace) money {
	for _, offer := range l.attrs["purchasable_offer"] {
		if offer["marketplace_id"] != m.id {
			continue
		}
		if p, fine := offerPrice(offer, m.currency); fine {
			return p
		}
	}
	return l.price
}

// status is BUYABLE,DISCOVERABLE or less.
func (l *listing) status() string {
	switch {
	case l.gone:
		return "DELETED"
	case l.acct.srv.assumptions().BuyableNeedsStock && !l.afn() && l.quantity == 0:
		return "DISCOVERABLE"
	}
	return "BUYABLE,DISCOVERABLE"
}

// shift changes the quantity of a merchant's listing by what buyers do.
func (a *action) shift(l *listing, delta int64) { a.setQuantity(l, l.quantity+delta, "") }

// setQuantity sets the quantity, journals it and tells about it.
func (a *action) setQuantity(l *listing, n int64, submission string) {
	delta := n - l.quantity
	l.quantity = n
	a.log(Entry{Kind: "stock", SKU: l.sku, Channel: "MFN", Number: "quantity", Delta: delta, After: n,
		Doc: submission})
	if delta != 0 {
		a.tellQuantity(l)
	}
	a.tellStatus(l)
}

// tellStatus tells that the state of a listing changed, where it did.
func (a *action) tellStatus(l *listing) {
	now := l.status()
	if now == l.told {
		return
	}
	l.told = now
	a.log(Entry{Kind: "listing", Op: now, SKU: l.sku})
	for _, m := range l.markets {
		a.tellListingStatus(l, m, strings.Split(now, ","))
	}
}

// availability is one entry of fulfillment_availability in the shape in which it is written.
func (l *listing) availability() []obj {
	out := []obj{}
	if l.own {
		x := obj{"fulfillment_channel_code": defaultChannel, "quantity": l.quantity}
		if l.lead > 0 {
			x["lead_time_to_ship_max_days"] = l.lead
		}
		if l.restock != "" {
			x["restock_date"] = l.restock
		}
		out = append(out, x)
	}
	if l.fba != "" {
		out = append(out, obj{"fulfillment_channel_code": l.fba})
	}
	return out
}
