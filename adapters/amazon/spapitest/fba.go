package spapitest

import (
	"fmt"
	"slices"
	"time"
)

// Levels is the stock of one SKU in one pool of Amazon's warehouses.
type Levels struct {
	Fulfillable   int64 `json:"fulfillable"`
	Pending       int64 `json:"pending"` // promised to orders
	Transfer      int64 `json:"transfer"`
	Processing    int64 `json:"processing"`
	Working       int64 `json:"inbound_working"`
	Shipped       int64 `json:"inbound_shipped"`
	Receiving     int64 `json:"inbound_receiving"`
	Researching   int64 `json:"researching"`
	Damaged       int64 `json:"customer_damaged"`
	Warehouse     int64 `json:"warehouse_damaged"`
	Carrier       int64 `json:"carrier_damaged"`
	Defective     int64 `json:"defective"`
	Expired       int64 `json:"expired"`
	DistributorDm int64 `json:"distributor_damaged"`
}

func (l Levels) unfulfillable() int64 {
	return l.Damaged + l.Warehouse + l.Carrier + l.Defective + l.Expired + l.DistributorDm
}

func (l Levels) reserved() int64 { return l.Pending + l.Transfer + l.Processing }

func (l Levels) total() int64 {
	return l.Fulfillable + l.reserved() + l.unfulfillable() + l.Researching + l.Working + l.Shipped +
		l.Receiving
}

// number finds one of the levels by its name in JSON; nil where there is none.
func (l *Levels) number(name string) *int64 {
	return map[string]*int64{"fulfillable": &l.Fulfillable, "pending": &l.Pending,
		"transfer": &l.Transfer, "processing": &l.Processing, "inbound_working": &l.Working,
		"inbound_shipped": &l.Shipped, "inbound_receiving": &l.Receiving,
		"researching": &l.Researching, "customer_damaged": &l.Damaged,
		"warehouse_damaged": &l.Warehouse, "carrier_damaged": &l.Carrier,
		"defective": &l.Defective, "expired": &l.Expired,
		"distributor_damaged": &l.DistributorDm}[name]
}

// move changes numbers of a SKU in a pool, journals each and lets the world know.
func (a *action) move(l *listing, pool int, changes ...change) {
	for _, ch := range changes {
		if ch.delta == 0 {
			continue
		}
		n := l.stock[pool].number(ch.name)
		*n += ch.delta
		a.log(Entry{Kind: "stock", SKU: l.sku, Channel: "AFN", Pool: a.acct.pools[pool][0],
			Number: ch.name, Delta: ch.delta, After: *n})
	}
	a.tellFBA(l, pool)
	// The reader sees it later; what it then sees is what is true at that moment.
	a.acct.after(a.acct.srv.timing().FBALevel, "system", func(a *action) {
		l.shown[pool], l.changed[pool] = l.stock[pool], a.at
	})
}

type change struct {
	name  string
	delta int64
}

func (a *action) reserveFBA(l *listing, pool int, n int64) {
	a.move(l, pool, change{"fulfillable", -n}, change{"pending", n})
}

func (a *action) unreserveFBA(l *listing, pool int, n int64) {
	a.move(l, pool, change{"pending", -n}, change{"fulfillable", n})
}

// tellFBA sends FBA_INVENTORY_AVAILABILITY_CHANGES: absolute levels, by marketplace, the same in
// each of a pool.
func (a *action) tellFBA(l *listing, pool int) {
	list := []obj{}
	for _, m := range l.markets {
		if !slices.Contains(a.acct.pools[pool], m.id) {
			continue
		}
		s := l.stock[pool]
		list = append(list, obj{"MarketplaceId": m.id, "ItemName": l.title, "Stores": []string{},
			"FulfillmentInventory": obj{"Fulfillable": s.Fulfillable,
				"Unfulfillable": s.unfulfillable(), "Researching": s.Researching,
				"InboundQuantityBreakdown": obj{"Working": s.Working, "Shipped": s.Shipped,
					"Receiving": s.Receiving},
				"ReservedQuantityBreakdown": obj{"WarehouseProcessing": s.Processing,
					"WarehouseTransfer": s.Transfer, "PendingCustomerOrder": s.Pending},
				"FutureSupplyBuyable": 0, "PendingCustomerOrderInTransit": 0}})
	}
	if len(list) == 0 {
		return
	}
	a.tell(note{kind: noteFBA, about: l.sku, payload: obj{"SellerId": a.acct.cfg.SellerID,
		"FNSKU": l.fnsku, "ASIN": l.asin, "SKU": l.sku,
		"FulfillmentInventoryByMarketplace": list}})
}

// shipment is what a warehouse sent at once.
type shipment struct {
	id, tracking, carrier, centre string
	order                         *order
	at, listed                    time.Time
	parts                         []shipPart
}

type shipPart struct {
	item *orderItem
	qty  int64
	id   string
}

// planFBA decides in how many shipments a warehouse sends an order. One order in five with units to
// spare goes in two.
func (a *action) planFBA(o *order) {
	x := a.acct
	span := x.srv.timing().FBAShip
	var units int64
	for _, i := range o.items {
		units += i.left()
	}
	first := units
	if units > 1 && x.rng.IntN(5) == 0 {
		first = 1 + x.rng.Int64N(units-1)
		x.afterTime(span.draw(x.rng)+span.draw(x.rng), "warehouse", func(a *action) { a.shipFBA(o, units) })
	}
	x.after(span, "warehouse", func(a *action) { a.shipFBA(o, first) })
}

// shipFBA sends up to n units of an order that Amazon fulfils.
func (a *action) shipFBA(o *order, n int64) {
	if !o.open() {
		return
	}
	x := a.acct
	s := &shipment{id: "D" + x.srv.newID(8), tracking: "TBA" + x.srv.newID(12), carrier: "AMZN_US",
		centre: "PHX7", order: o, at: a.at}
	for _, i := range o.items {
		k := min(n, i.left())
		if k == 0 {
			continue
		}
		n -= k
		i.shipped += k
		s.parts = append(s.parts, shipPart{i, k, "D" + x.srv.newID(9)})
		a.move(i.listing, o.pool, change{"pending", -k})
	}
	if len(s.parts) == 0 {
		return
	}
	x.shipments = append(x.shipments, s)
	s.listed = a.at.Add(x.srv.period(x.srv.timing().ShipmentRows.draw(x.rng)))
	a.log(Entry{Kind: "order", Op: "fba_shipped", Order: o.id, Channel: "AFN", Doc: s.id,
		Result: s.tracking})
	a.progress(o, "Shipped by Amazon")
}

const (
	// fbaTokenLife is how long a nextToken of getInventorySummaries lives.
	fbaTokenLife = 30 * time.Second

	// fbaPage is how many summaries a page has.
	fbaPage = 50
)

// inventorySummaries answers GET /fba/inventory/v1/summaries: one marketplace a call.
func inventorySummaries(c *call) answer {
	ids, skus := c.list("marketplaceIds"), c.list("sellerSkus")
	if one := c.query.Get("sellerSku"); one != "" {
		skus = append(skus, one)
	}
	since, fine := parseTime(c.query.Get("startDateTime"))
	switch {
	case c.query.Get("granularityType") != "Marketplace" || len(ids) != 1 ||
		c.query.Get("granularityId") != ids[0]:
		return invalid("granularityType must be Marketplace, with one marketplace.")
	case !c.acct.sells(ids):
		return fail(403, "Unauthorized", accessDenied)
	case c.query.Has("startDateTime") && !fine:
		return invalid("startDateTime is not a time in ISO 8601.")
	case c.query.Has("startDateTime") && since.Before(c.act.at.AddDate(0, -18, 0)):
		return invalid("startDateTime must be within the last 18 months.")
	case c.query.Has("startDateTime") && len(skus) > 0 || len(skus) > 50:
		return invalid("At most 50 sellerSkus, and not together with startDateTime.")
	}
	last, refused := c.page("nextToken")
	if refused != nil {
		return *refused
	}
	m, _ := c.acct.market(ids[0])
	pool := c.acct.pool(m.id)
	var found []*listing
	for _, l := range c.acct.listings {
		if l.fba == "" || !l.in(m) || len(skus) > 0 && !slices.Contains(skus, l.sku) ||
			l.changed[pool].Before(since) {
			continue
		}
		found = append(found, l)
	}
	if len(found) == 0 && len(skus) == 0 && since.IsZero() {
		return invalid("The account has no FBA inventory.")
	}
	from := min(int(last.At), len(found))
	to := min(from+fbaPage, len(found))
	list := []obj{}
	for _, l := range found[from:to] {
		list = append(list, l.summary(pool, c.query.Get("details") == "true"))
	}
	out := obj{"payload": obj{"granularity": obj{"granularityType": "Marketplace",
		"granularityId": m.id}, "inventorySummaries": list}}
	if to < len(found) {
		out["pagination"] = obj{"nextToken": pageToken{Hash: c.hash("nextToken"), At: int64(to),
			ID: "p", Expires: c.srv.clock.Now().Add(c.srv.period(fbaTokenLife)).UnixMilli()}.text()}
	}
	return ok(out)
}

// summary is what the reader sees of a SKU.
func (l *listing) summary(pool int, details bool) obj {
	s := l.shown[pool]
	out := obj{"asin": l.asin, "fnSku": l.fnsku, "sellerSku": l.sku, "condition": "NewItem",
		"lastUpdatedTime": stamp(l.changed[pool]), "productName": l.title,
		"totalQuantity": s.total(), "stores": []string{}}
	if !details {
		return out
	}
	out["inventoryDetails"] = obj{"fulfillableQuantity": s.Fulfillable,
		"inboundWorkingQuantity": s.Working, "inboundShippedQuantity": s.Shipped,
		"inboundReceivingQuantity": s.Receiving,
		"reservedQuantity": obj{"totalReservedQuantity": s.reserved(),
			"pendingCustomerOrderQuantity": s.Pending, "pendingTransshipmentQuantity": s.Transfer,
			"fcProcessingQuantity": s.Processing},
		"researchingQuantity": obj{"totalResearchingQuantity": s.Researching,
			"researchingQuantityBreakdown": []obj{
				{"name": "researchingQuantityInShortTerm", "quantity": s.Researching},
				{"name": "researchingQuantityInMidTerm", "quantity": 0},
				{"name": "researchingQuantityInLongTerm", "quantity": 0}}},
		"unfulfillableQuantity": obj{"totalUnfulfillableQuantity": s.unfulfillable(),
			"customerDamagedQuantity": s.Damaged, "warehouseDamagedQuantity": s.Warehouse,
			"distributorDamagedQuantity": s.DistributorDm, "carrierDamagedQuantity": s.Carrier,
			"defectiveQuantity": s.Defective, "expiredQuantity": s.Expired}}
	return out
}

// editFBA sets or adds to numbers of a SKU in a pool, as warehouses do.
func (a *action) editFBA(l *listing, pool int, set, add map[string]int64) error {
	var changes []change
	for name, n := range set {
		now := l.stock[pool].number(name)
		if now == nil || n < 0 {
			return fmt.Errorf("stock of %s: no number %q, or %d is negative", l.sku, name, n)
		}
		changes = append(changes, change{name, n - *now})
	}
	for name, n := range add {
		now := l.stock[pool].number(name)
		if now == nil || *now+n < 0 {
			return fmt.Errorf("stock of %s: no number %q, or it would be negative", l.sku, name)
		}
		changes = append(changes, change{name, n})
	}
	slices.SortFunc(changes, func(x, y change) int { return len(x.name) - len(y.name) })
	a.move(l, pool, changes...)
	return nil
}
