package spapitest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// account is a seller in a region. All that is below mu is guarded by it.
type account struct {
	srv     *Server
	cfg     AccountConfig
	markets []marketplace
	pools   [][]string // marketplace ids; the first of each names the pool

	mu           sync.Mutex
	rng          *rand.Rand
	sales        uint64
	listings     []*listing
	bySKU        map[string]*listing
	orders       []*order
	byID         map[string]*order
	shipments    []*shipment // of Amazon's warehouses
	returns      []*returned
	transactions []*transaction
	feeds        []*feed
	reports      []*report
	mcf          []*mcfOrder
	subs         []*subscription
}

func newAccount(s *Server, cfg AccountConfig, n uint64) (*account, error) {
	x := &account{srv: s, cfg: cfg, rng: rand.New(rand.NewPCG(s.cfg.Seed, 1000+n)),
		bySKU: map[string]*listing{}, byID: map[string]*order{}}
	for _, id := range cfg.Marketplaces {
		m, _ := marketplaceOf(id)
		x.markets = append(x.markets, m)
	}
	x.pools = makePools(x.markets, cfg.Pools)
	a := x.begin("system")
	for _, l := range cfg.Listings {
		if err := x.addListing(a, l); err != nil {
			return nil, fmt.Errorf("account %s: %w", cfg.Name, err)
		}
	}
	return x, nil
}

// makePools sorts the marketplaces of an account into the pools that are configured; each of the
// rest is one of its own.
func makePools(markets []marketplace, configured [][]string) [][]string {
	var out [][]string
	placed := map[string]bool{}
	for _, group := range configured {
		var pool []string
		for _, m := range markets {
			in := slices.ContainsFunc(group, func(s string) bool { return s == m.id || s == m.country })
			if in && !placed[m.id] {
				placed[m.id] = true
				pool = append(pool, m.id)
			}
		}
		if len(pool) > 0 {
			out = append(out, pool)
		}
	}
	for _, m := range markets {
		if !placed[m.id] {
			out = append(out, []string{m.id})
		}
	}
	return out
}

// pool finds the pool of a marketplace, by id or country; "" is that of the first marketplace. It is
// the number of the pool, -1 where the account does not sell there.
func (x *account) pool(market string) int {
	m := x.markets[0]
	if market != "" {
		var known bool
		if m, known = x.market(market); !known {
			return -1
		}
	}
	return slices.IndexFunc(x.pools, func(p []string) bool { return slices.Contains(p, m.id) })
}

// market finds a marketplace of the account by id or country.
func (x *account) market(s string) (marketplace, bool) {
	m, known := marketplaceOf(s)
	return m, known && slices.Contains(x.markets, m)
}

// sells says whether all of these marketplaces are the account's.
func (x *account) sells(ids []string) bool {
	for _, id := range ids {
		if m, known := x.market(id); !known || m.id != id {
			return false
		}
	}
	return true
}

// action is one step that changes an account, with its time and its cause. It lives under the lock.
type action struct {
	acct    *account
	at      time.Time
	cause   string
	request uint64
	fault   string
}

// begin starts a step. The account's lock is held.
func (x *account) begin(cause string) *action {
	return &action{acct: x, at: x.srv.clock.Now(), cause: cause}
}

// do runs a step of its own, taking the lock.
func (x *account) do(cause string, f func(a *action)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f(x.begin(cause))
}

// after runs a step after a span of Amazon's; at once, as part of what is under way, where there is
// none. The lock is held.
func (x *account) after(span Span, cause string, f func(a *action)) {
	x.afterTime(span.draw(x.rng), cause, f)
}

func (x *account) afterTime(d time.Duration, cause string, f func(a *action)) {
	if d == 0 {
		f(x.begin(cause))
		return
	}
	x.srv.later(d, func() { x.do(cause, f) })
}

// log writes an entry of the journal as part of the step.
func (a *action) log(e Entry) {
	e.Account, e.Region = a.acct.cfg.Name, a.acct.cfg.Region
	e.Cause, e.Request = a.cause, a.request
	if e.Fault == "" {
		e.Fault = a.fault
	}
	a.acct.srv.journal.Add(e)
}

// participations answers GET /sellers/v1/marketplaceParticipations.
func participations(c *call) answer {
	list := []any{}
	for _, m := range c.acct.markets {
		list = append(list, map[string]any{
			"marketplace": map[string]any{"id": m.id, "name": m.name, "countryCode": m.country,
				"defaultCurrencyCode": m.currency, "defaultLanguageCode": m.language,
				"domainName": m.domain},
			"participation": map[string]any{"isParticipating": true, "hasSuspendedListings": false},
			"storeName":     "Store of " + c.acct.cfg.Name})
	}
	return payload(list)
}
