package spapitest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

var listingData = []string{"summaries", "attributes", "issues", "offers", "fulfillmentAvailability",
	"procurement", "relationships", "productTypes"}

// listingInclude reads includedData, which is summaries where nothing is said.
func (c *call) listingInclude() (map[string]bool, *answer) {
	names := c.list("includedData")
	if len(names) == 0 {
		names = []string{"summaries"}
	}
	in := map[string]bool{}
	for _, n := range names {
		if !slices.Contains(listingData, n) {
			a := invalid("Invalid 'includedData' provided.")
			return nil, &a
		}
		in[n] = true
	}
	return in, nil
}

func getListing(c *call) answer {
	m, refused := c.listingCall()
	if refused != nil {
		return *refused
	}
	in, refused := c.listingInclude()
	if refused != nil {
		return *refused
	}
	l := c.acct.bySKU[c.params["sku"]]
	if l == nil || !l.in(m) {
		return fail(404, "NOT_FOUND", "SKU '"+c.params["sku"]+"' not found in marketplace "+m.id)
	}
	return ok(l.json(in, c.list("marketplaceIds")))
}

// json is a listing as it is read, in camelCase, for some marketplaces.
func (l *listing) json(in map[string]bool, ids []string) obj {
	out := obj{"sku": l.sku}
	summaries, offers, types := []obj{}, []obj{}, []obj{}
	for _, m := range l.markets {
		if !slices.Contains(ids, m.id) {
			continue
		}
		s := obj{"marketplaceId": m.id, "asin": l.asin, "productType": l.kind,
			"conditionType": "new_new", "status": strings.Split(l.status(), ","), "itemName": l.title,
			"createdDate": stamp(l.created), "lastUpdatedDate": stamp(l.updated)}
		if l.fba != "" {
			s["fnSku"] = l.fnsku
		}
		summaries = append(summaries, s)
		offers = append(offers, obj{"marketplaceId": m.id, "offerType": "B2C",
			"price": obj{"currencyCode": m.currency, "amount": l.priceIn(m).text(m.currency)}})
		types = append(types, obj{"marketplaceId": m.id, "productType": l.kind})
	}
	parts := map[string]func() any{"summaries": func() any { return summaries },
		"offers": func() any { return offers }, "productTypes": func() any { return types },
		"attributes":              func() any { return l.attributesJSON() },
		"issues":                  func() any { return issuesJSON(l.issues) },
		"fulfillmentAvailability": func() any { return l.channels() },
		"procurement":             func() any { return []obj{} },
		"relationships":           func() any { return []obj{} }}
	for name := range in {
		out[name] = parts[name]()
	}
	return out
}

// channels is fulfillmentAvailability as it is read.
func (l *listing) channels() []obj {
	out := []obj{}
	for _, v := range l.availability() {
		x := obj{"fulfillmentChannelCode": v["fulfillment_channel_code"]}
		if q, there := v["quantity"]; there {
			x["quantity"] = q
		}
		out = append(out, x)
	}
	return out
}

// reachable is how many results a search of listings gives at most.
const reachable = 1000

func searchListings(c *call) answer {
	m, refused := c.listingCall()
	if refused != nil {
		return *refused
	}
	in, refused := c.listingInclude()
	if refused != nil {
		return *refused
	}
	found, refused := c.findListings(m)
	if refused != nil {
		return *refused
	}
	size := 10
	if text := c.query.Get("pageSize"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 20 {
			return invalid("Invalid 'pageSize' provided.")
		}
		size = n
	}
	last, refused := c.page("pageToken")
	if refused != nil {
		return *refused
	}
	from := min(int(last.At), len(found))
	to := min(from+size, len(found), reachable)
	items := []obj{}
	for _, l := range found[from:max(from, to)] {
		items = append(items, l.json(in, c.list("marketplaceIds")))
	}
	out := obj{"numberOfResults": len(found), "items": items}
	if to < min(len(found), reachable) {
		out["pagination"] = obj{"nextToken": pageToken{Hash: c.hash("pageToken"), At: int64(to),
			ID: "p", Expires: c.srv.clock.Now().Add(c.srv.period(orderTokenLife)).UnixMilli()}.text()}
	}
	return ok(out)
}

// findListings selects and sorts: by the last change, the newest first, where nothing is said.
func (c *call) findListings(m marketplace) ([]*listing, *answer) {
	ids, kind := c.list("identifiers"), c.query.Get("identifiersType")
	bad := func(name string) ([]*listing, *answer) {
		a := invalid("Invalid '" + name + "' provided.")
		return nil, &a
	}
	if len(ids) > 20 || (kind == "") != (len(ids) == 0) {
		return bad("identifiers")
	}
	since, fine := parseTime(c.query.Get("lastUpdatedAfter"))
	if !fine && c.query.Has("lastUpdatedAfter") {
		return bad("lastUpdatedAfter")
	}
	var out []*listing
	for _, l := range c.acct.listings {
		id := map[string]string{"SKU": l.sku, "ASIN": l.asin, "FNSKU": l.fnsku}[kind]
		wanted := l.in(m) && !l.updated.Before(since) && (kind == "" || slices.Contains(ids, id))
		for _, s := range c.list("withStatus") {
			wanted = wanted && strings.Contains(l.status(), s)
		}
		for _, s := range c.list("withoutStatus") {
			wanted = wanted && !strings.Contains(l.status(), s)
		}
		if sev := c.list("withIssueSeverity"); len(sev) > 0 {
			wanted = wanted && slices.ContainsFunc(l.issues, func(i issue) bool {
				return slices.Contains(sev, i.severity)
			})
		}
		if wanted {
			out = append(out, l)
		}
	}
	key := func(a, b *listing) int {
		switch c.query.Get("sortBy") {
		case "sku":
			return cmp.Compare(a.sku, b.sku)
		case "createdDate":
			return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.sku, b.sku))
		}
		return cmp.Or(a.updated.Compare(b.updated), cmp.Compare(a.sku, b.sku))
	}
	slices.SortFunc(out, key)
	if c.query.Get("sortOrder") != "ASC" {
		slices.Reverse(out)
	}
	return out, nil
}
