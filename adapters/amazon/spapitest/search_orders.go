package spapitest

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"time"
)

const (
	// orderTokenLife is how long a paginationToken of searchOrders lives.
	orderTokenLife = 24 * time.Hour

	// settleTime is what a ...Before must be in the past, and the cut-off of a call without one.
	settleTime = 2 * time.Minute
)

// pageToken is where a search goes on. It is opaque to clients and holds all that is needed, so that
// nothing is kept for searches that nobody ends.
type pageToken struct {
	Hash    uint32 `json:"h"` // of the other parameters, which must be the same
	Expires int64  `json:"e"`
	Before  int64  `json:"b,omitempty"` // the cut-off of the first page, in ms
	At      int64  `json:"t,omitempty"` // the last order shown: its time in ms and its id
	ID      string `json:"i"`
	Query   string `json:"q,omitempty"` // of a list whose token is the only parameter
}

func (t pageToken) text() string { return base64.RawURLEncoding.EncodeToString(encode(t)) }

// page reads a token; the answer is an error, or nil.
func (c *call) page(param string) (pageToken, *answer) {
	var t pageToken
	text := c.query.Get(param)
	if text == "" {
		return t, nil
	}
	bad := func(why string) (pageToken, *answer) {
		a := invalid("Invalid " + param + ": " + why)
		return t, &a
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(raw, &t) != nil {
		return bad("it is malformed.")
	}
	if c.srv.clock.Now().UnixMilli() >= t.Expires {
		return bad("it has expired.")
	}
	if t.Hash != c.hash(param) {
		return bad("the other parameters must be those of the first request.")
	}
	return t, nil
}

// hash sums up the parameters but one.
func (c *call) hash(without string) uint32 {
	h := fnv.New32a()
	var names []string
	for name := range c.query {
		if name != without {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprint(h, name, "=", c.query[name], "&")
	}
	fmt.Fprint(h, c.acct.cfg.Name)
	return h.Sum32()
}

// orderSearch is a search of orders, checked.
type orderSearch struct {
	byUpdate      bool
	after, before time.Time
	statuses      []string
	markets       []string
	by            []string
	limit         int
	last          pageToken
}

func searchOrders(c *call) answer {
	in, refused := c.include()
	if refused != nil {
		return *refused
	}
	q, refused := c.orderSearch()
	if refused != nil {
		return *refused
	}
	found := c.acct.find(q)
	list := []obj{}
	for _, o := range found[:min(len(found), q.limit)] {
		list = append(list, o.json(in))
	}
	out := obj{"orders": list}
	if len(found) > q.limit {
		last := found[q.limit-1]
		out["pagination"] = obj{"nextToken": pageToken{Hash: c.hash("paginationToken"),
			Expires: c.srv.clock.Now().Add(c.srv.period(orderTokenLife)).UnixMilli(),
			Before:  q.before.UnixMilli(), At: q.key(last).UnixMilli(), ID: last.id}.text()}
	}
	if q.byUpdate {
		out["lastUpdatedBefore"] = stamp(q.before)
	} else {
		out["createdBefore"] = stamp(q.before)
	}
	return ok(out)
}

// orderSearch reads and checks the parameters; the answer is an error, or nil.
func (c *call) orderSearch() (orderSearch, *answer) {
	q := orderSearch{limit: 100, statuses: c.list("fulfillmentStatuses"),
		markets: c.list("marketplaceIds"), by: c.list("fulfilledBy")}
	bad := func(format string, args ...any) (orderSearch, *answer) {
		a := invalid(fmt.Sprintf(format, args...))
		return q, &a
	}
	created, updated := c.query.Get("createdAfter"), c.query.Get("lastUpdatedAfter")
	if (created == "") == (updated == "") {
		return bad("Exactly one of createdAfter and lastUpdatedAfter must be provided.")
	}
	prefix, other, text := "created", "lastUpdated", created
	if q.byUpdate = updated != ""; q.byUpdate {
		prefix, other, text = other, prefix, updated
	}
	if c.query.Has(other + "Before") {
		return bad("%sBefore cannot be used with %sAfter.", other, prefix)
	}
	var fine bool
	if q.after, fine = parseTime(text); !fine {
		return bad("%sAfter is not a time in ISO 8601.", prefix)
	}
	latest := c.act.at.Add(-c.srv.period(settleTime)).Truncate(time.Millisecond)
	q.before = latest
	if text := c.query.Get(prefix + "Before"); text != "" {
		if q.before, fine = parseTime(text); !fine || q.before.After(latest) {
			return bad("%sBefore must be at least two minutes before the time of the request.", prefix)
		}
		if q.before.Before(q.after) {
			return bad("%sBefore must be equal to or after %sAfter.", prefix, prefix)
		}
	}
	if text := c.query.Get("maxResultsPerPage"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 100 {
			return bad("maxResultsPerPage must be between 1 and 100.")
		}
		q.limit = n
	}
	for _, s := range q.by {
		if s != "AMAZON" && s != "MERCHANT" {
			return bad("Invalid value for fulfilledBy: %s", s)
		}
	}
	known := []string{pendingAvailability, pending, unshipped, partlyShipped, shipped, cancelled,
		unfulfillable}
	for _, s := range q.statuses {
		if !slices.Contains(known, s) {
			return bad("Invalid value for fulfillmentStatuses: %s", s)
		}
	}
	if len(q.markets) > 50 {
		return bad("At most 50 marketplaceIds can be given.")
	}
	if !c.acct.sells(q.markets) {
		a := fail(403, "Unauthorized", accessDenied)
		return q, &a
	}
	last, refused := c.page("paginationToken")
	if q.last = last; refused == nil && last.ID != "" {
		q.before = time.UnixMilli(last.Before).UTC()
	}
	return q, refused
}

// key is the time by which an order is found.
func (q orderSearch) key(o *order) time.Time {
	if q.byUpdate {
		return o.seen.updated
	}
	return o.created
}

// find returns what the index has, oldest first: one more than fits a page where there is more. An
// order that was touched since the cut-off is not found by its update; the next sweep finds it.
func (x *account) find(q orderSearch) []*order {
	var out []*order
	for _, o := range x.orders {
		at := q.key(o)
		if o.seen.updated.IsZero() || at.Before(q.after) || at.After(q.before) || !q.wants(o) {
			continue
		}
		if ms := at.UnixMilli(); q.last.ID != "" && (ms < q.last.At ||
			ms == q.last.At && o.id <= q.last.ID) {
			continue
		}
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b *order) int {
		return cmp.Or(cmp.Compare(q.key(a).UnixMilli(), q.key(b).UnixMilli()), cmp.Compare(a.id, b.id))
	})
	return out[:min(len(out), q.limit+1)]
}

func (q orderSearch) wants(o *order) bool {
	in := func(list []string, s string) bool { return len(list) == 0 || slices.Contains(list, s) }
	by := "MERCHANT"
	if o.afn {
		by = "AMAZON"
	}
	if o.nonAmazon && !o.acct.srv.assumptions().MCFInOrders {
		return false
	}
	return in(q.statuses, o.seen.status) && in(q.markets, o.market.id) && in(q.by, by)
}

func getOrder(c *call) answer {
	in, refused := c.include()
	if refused != nil {
		return *refused
	}
	o := c.acct.byID[c.params["orderId"]]
	if o == nil {
		return notFound("The requested order was not found.")
	}
	c.entry.Order = o.id
	return ok(obj{"order": o.json(in)})
}
