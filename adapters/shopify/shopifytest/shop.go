package shopifytest

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// shop is one shop with all that is in it. Its fields below the lock are guarded by it; a call
// holds it from its first field to its last, which makes each mutation one step.
type shop struct {
	srv      *Server
	cfg      ShopConfig
	id       int64
	created  time.Time
	apps     []*app
	payloads payloads

	mu            sync.Mutex
	objects       map[int64]any
	locations     []*location
	byTitle       map[string]*product
	variants      []*variant
	bySKU         map[string][]*variant
	orders        []*order
	byUpdate      updates
	bySource      map[string][]*order
	byMetafield   map[string]*order
	definitions   []*metafieldDefinition
	jobs          map[string]bool // by id: done
	bulk          []*bulkOperation
	subscriptions []*subscription
	keys          map[string]*attempt
	sales         uint64 // orders ever placed: numbers their seeds
	deliveries    uint64
	uninstalled   bool
}

// app is an installed app with its tokens and its bucket of points.
type app struct {
	id  int64
	cfg AppConfig

	mu      sync.Mutex
	tokens  map[string]time.Time // access token to its end; zero for never
	level   float64
	filled  time.Time
	revoked map[string]bool
}

func newShop(srv *Server, cfg ShopConfig) *shop {
	now := srv.clock.Now()
	s := &shop{srv: srv, cfg: cfg, id: srv.newID(), created: now, objects: map[int64]any{},
		byTitle: map[string]*product{},
		bySKU:   map[string][]*variant{}, bySource: map[string][]*order{},
		byMetafield: map[string]*order{}, jobs: map[string]bool{}, keys: map[string]*attempt{}}
	s.payloads.shop = s
	for _, c := range cfg.Apps {
		a := &app{id: srv.newID(), cfg: c, tokens: map[string]time.Time{},
			revoked: map[string]bool{}, level: float64(cfg.BucketPoints), filled: now}
		if c.Token != "" {
			a.tokens[c.Token] = time.Time{}
		}
		s.apps = append(s.apps, a)
	}
	for i, c := range cfg.Locations {
		s.addLocation(c, i)
	}
	for _, c := range cfg.Variants {
		s.addVariant(c, now)
	}
	return s
}

func (s *shop) addLocation(c LocationConfig, rank int) {
	l := &location{id: c.LegacyResource, name: c.Name, country: c.Country, active: !c.Inactive,
		online: !c.NotOnline, service: c.FulfillmentBy, isPrimary: rank == 0, preference: rank}
	if l.id == 0 {
		l.id = s.srv.newID()
	}
	if l.country == "" {
		l.country = "US"
	}
	if l.service != "" {
		l.serviceID = s.srv.newID()
	}
	s.objects[l.id] = l
	s.locations = append(s.locations, l)
}

// addVariant makes a variant with its item and levels. Variants of one product title share it.
func (s *shop) addVariant(c VariantConfig, now time.Time) *variant {
	if c.Product == "" {
		c.Product = "Product " + c.SKU
	}
	p := s.byTitle[c.Product]
	if p == nil {
		p = &product{id: s.srv.newID(), title: c.Product, status: "ACTIVE", created: now, updated: now}
		s.byTitle[c.Product] = p
		s.objects[p.id] = p
	}
	price, ok := parseMoney(c.Price)
	if !ok {
		price = 1000
	}
	v := &variant{id: s.srv.newID(), product: p, sku: c.SKU, barcode: c.Barcode, title: c.Title,
		price: price, policy: strings.ToUpper(c.Policy), giftCard: c.GiftCard, bundle: c.Bundle,
		created: now, updated: now}
	if v.policy == "" {
		v.policy = "DENY"
	}
	if v.title == "" {
		v.title = "Default Title"
	}
	v.item = &item{id: s.srv.newID(), variant: v, tracked: !c.Untracked && !c.GiftCard,
		ships: !c.NoShipping && !c.GiftCard, created: now, updated: now}
	for _, l := range s.locations {
		if n, ok := c.Stock[l.name]; ok {
			x := s.newLevel(v.item, l, now)
			x.q[available], x.at[available] = int64(n), now
		}
	}
	p.variants = append(p.variants, v)
	s.variants = append(s.variants, v)
	s.objects[v.id], s.objects[v.item.id] = v, v.item
	s.bySKU[v.sku] = append(s.bySKU[v.sku], v)
	return v
}

func (s *shop) newLevel(i *item, l *location, now time.Time) *level {
	x := &level{id: s.srv.newID(), item: i, loc: l, active: true, created: now, updated: now}
	i.levels = append(i.levels, x)
	s.objects[x.id] = x
	return x
}

func (i *item) level(l *location) *level {
	for _, x := range i.levels {
		if x.loc == l {
			return x
		}
	}
	return nil
}

func (s *shop) location(name string) *location {
	for _, l := range s.locations {
		if l.name == name || fmt.Sprint(l.id) == name || (gid{"Location", l.id}).String() == name {
			return l
		}
	}
	return nil
}

// primary is where orders go that no location can serve.
func (s *shop) primary() *location {
	for _, l := range s.locations {
		if l.active && l.online {
			return l
		}
	}
	return s.locations[0]
}

func (s *shop) order(ref string) *order {
	for _, id := range []string{ref, strings.TrimPrefix(ref, "#")} {
		if o, ok := s.lookup(id).(*order); ok {
			return o
		}
	}
	for _, o := range s.orders {
		if o.name == ref {
			return o
		}
	}
	return nil
}

// lookup finds an object by its global id or plain number; nil where there is none of that kind.
func (s *shop) lookup(id string) any {
	kind, n, ok := parseGID(id)
	if !ok {
		return nil
	}
	v := s.objects[n]
	if v == nil || kind != "" && kind != typeName("Node", v) {
		return nil
	}
	return v
}

// find looks an object up as a T.
func find[T any](s *shop, id string) (T, bool) {
	v, ok := s.lookup(id).(T)
	return v, ok
}

// parseGID reads gid://shopify/Kind/123 with or without a query, or a plain number.
func parseGID(s string) (kind string, n int64, ok bool) {
	s, _, _ = strings.Cut(s, "?")
	if rest, is := strings.CutPrefix(s, "gid://shopify/"); is {
		kind, s, is = strings.Cut(rest, "/")
		if !is {
			return "", 0, false
		}
	}
	if len(s) == 0 || len(s) > 18 {
		return "", 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return "", 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return kind, n, true
}
