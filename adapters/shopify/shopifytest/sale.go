package shopifytest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Sales asks shoppers to buy. What is left zero is drawn from the seed.
type Sales struct {
	Shop  string     `json:"shop"`
	Count int        `json:"count"` // default 1, at most 100,000
	Seed  uint64     `json:"seed"`  // 0 takes the shop's next
	SKUs  []string   `json:"skus"`  // what random lines are drawn from; default all that are stocked
	Lines []SaleLine `json:"lines"` // the same lines in every order, in place of random ones

	MaxLines int   `json:"max_lines"` // of random orders; default 3
	MaxQty   int64 `json:"max_qty"`   // of a random line; default 2

	ShipTo    *ShipTo  `json:"ship_to"`
	POS       string   `json:"pos"`       // name of the location of the till: it pins the order
	Fulfilled bool     `json:"fulfilled"` // handed over at once, as at a till
	Test      bool     `json:"test"`
	Discount  string   `json:"discount"` // off every order
	Shipping  string   `json:"shipping"` // price of shipping, default 5.00
	Tax       string   `json:"tax"`      // on every order
	Unpaid    bool     `json:"unpaid"`
	Tags      []string `json:"tags"`
	Note      string   `json:"note"`
	Email     string   `json:"email"`
	App       string   `json:"app"`         // placed by an app of the shop in place of a shopper
	Source    string   `json:"source_name"` // default web, pos at a till
	SourceID  string   `json:"source_identifier"`
	PerSecond float64  `json:"per_second"` // spread over time; 0 is at once
}

// ShipTo is the address of an order.
type ShipTo = address

// SaleLine is one line of an order.
type SaleLine struct {
	SKU   string `json:"sku"`
	Qty   int64  `json:"qty"` // default 1
	Price string `json:"price"`

	// Kind makes a line that is not plain stock: gift_card, untracked, service (tracked, but not
	// shipped) or no_variant. A variant of the SKU is made where there is none, and the kind plain
	// makes a tracked one: a SKU that nobody has mapped.
	Kind       string            `json:"kind"`
	Title      string            `json:"title"`
	Properties map[string]string `json:"properties"`
}

// Sold is what came of sales.
type Sold struct {
	Orders    []SoldOrder `json:"orders"`
	Refused   int         `json:"refused"`   // not enough available: the shopper went away
	Scheduled int         `json:"scheduled"` // with per_second: they are yet to come
}

// SoldOrder is one order that was placed.
type SoldOrder struct {
	ID    string     `json:"id"`
	Name  string     `json:"name"`
	At    time.Time  `json:"at"`
	Lines []SoldLine `json:"lines"`
}

// SoldLine is one line of it.
type SoldLine struct {
	ID  string `json:"id"`
	SKU string `json:"sku"`
	Qty int64  `json:"qty"`
}

var errSale = errors.New("sale")

// Sell lets shoppers buy. The storefront sells only while enough is available, unless a variant's
// policy is CONTINUE; a till and staff sell whatever there is. The error names what was asked for
// that is not there; then nothing was sold.
func (s *Server) Sell(in Sales) (Sold, error) {
	x, err := s.shop(in.Shop)
	if err != nil {
		return Sold{}, err
	}
	if in.Count == 0 {
		in.Count = 1
	}
	if in.Count < 0 || in.Count > 100_000 {
		return Sold{}, fmt.Errorf("%w: count is 1 to 100,000", errSale)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.checkSale(&in); err != nil {
		return Sold{}, err
	}
	out := Sold{Orders: []SoldOrder{}}
	for i := range in.Count {
		r := rand.New(rand.NewPCG(in.Seed, uint64(i)))
		if in.PerSecond > 0 {
			out.Scheduled++
			wait := time.Duration(float64(i) / in.PerSecond * float64(time.Second))
			s.clock.After(wait, func() {
				x.mu.Lock()
				defer x.mu.Unlock()
				x.sell(in, r)
			})
			continue
		}
		o := x.sell(in, r)
		if o == nil {
			out.Refused++
			continue
		}
		out.Orders = append(out.Orders, soldOrder(o, x))
	}
	return out, nil
}

func soldOrder(o *order, s *shop) SoldOrder {
	out := SoldOrder{ID: gid{"Order", o.id}.String(), Name: o.name, At: s.srv.clock.Now()}
	for _, l := range o.lines {
		out.Lines = append(out.Lines, SoldLine{gid{"LineItem", l.id}.String(), l.sku, l.quantity})
	}
	return out
}

// checkSale fills defaults and makes variants for lines of special kinds.
func (s *shop) checkSale(in *Sales) error {
	if in.Seed == 0 {
		in.Seed = s.srv.cfg.Seed*1_000_003 + s.sales
	}
	if in.MaxLines == 0 {
		in.MaxLines = 3
	}
	if in.MaxQty == 0 {
		in.MaxQty = 2
	}
	if in.POS != "" && s.location(in.POS) == nil {
		return fmt.Errorf("%w: no location %q", errSale, in.POS)
	}
	if in.App != "" && s.appNamed(in.App) == nil {
		return fmt.Errorf("%w: no app %q", errSale, in.App)
	}
	for _, sku := range in.SKUs {
		if len(s.bySKU[sku]) == 0 {
			return fmt.Errorf("%w: no SKU %q", errSale, sku)
		}
	}
	if len(in.SKUs) == 0 {
		for _, v := range s.variants {
			if v.item.tracked && !v.bundle {
				in.SKUs = append(in.SKUs, v.sku)
			}
		}
	}
	if len(in.SKUs) == 0 && len(in.Lines) == 0 {
		return fmt.Errorf("%w: the shop has nothing to sell", errSale)
	}
	for i := range in.Lines {
		l := &in.Lines[i]
		if l.Qty == 0 {
			l.Qty = 1
		}
		if l.Qty < 0 || l.Kind == "" && len(s.bySKU[l.SKU]) == 0 {
			return fmt.Errorf("%w: line %d: no SKU %q, or a negative quantity", errSale, i, l.SKU)
		}
		if l.Kind != "" && l.Kind != "no_variant" && len(s.bySKU[l.SKU]) == 0 {
			s.addVariant(VariantConfig{SKU: l.SKU, Title: l.Title, Price: l.Price,
				Policy: "CONTINUE", GiftCard: l.Kind == "gift_card", Untracked: l.Kind == "untracked",
				NoShipping: l.Kind == "service", Stock: map[string]int{s.primary().name: 100}},
				s.srv.clock.Now())
		}
	}
	return nil
}

func (s *shop) appNamed(name string) *app {
	for _, a := range s.apps {
		if a.cfg.Name == name {
			return a
		}
	}
	return nil
}

// sell places one order; nil where too little is available.
func (s *shop) sell(in Sales, r *rand.Rand) *order {
	a := s.begin("shopper")
	o := &order{sourceName: in.Source, sourceID: in.SourceID, currency: s.cfg.Currency, test: in.Test,
		email: in.Email, note: in.Note, tags: append([]string{}, in.Tags...), ship: in.ShipTo,
		app: s.appNamed(in.App)}
	d := draft{order: o, cause: "storefront", how: obey}
	if in.POS != "" {
		o.pos, d.how, d.cause = s.location(in.POS), ignore, "pos"
	}
	if o.sourceName == "" {
		o.sourceName = "web"
		if o.pos != nil {
			o.sourceName = "pos"
		}
	}
	if o.email == "" {
		o.email = fmt.Sprintf("shopper-%d@example.com", r.IntN(1_000_000))
	}
	if o.ship == nil && o.pos == nil {
		o.ship = randomAddress(r)
	}
	if o.ship != nil {
		o.shipID = s.srv.newID()
	}
	for _, l := range s.saleLines(in, r) {
		l.order = o
		o.lines = append(o.lines, l)
	}
	s.pay(a, o, in)
	if !s.place(a, d) {
		a.log(Entry{Kind: "refused", Op: d.cause, SKU: o.lines[0].sku, Qty: o.lines[0].quantity})
		return nil
	}
	if in.Fulfilled {
		for _, fo := range append([]*fulfillmentOrder{}, o.fulfillmentOrders...) {
			if lines, _ := fo.pick(nil); len(lines) > 0 {
				s.fulfil(a, shipment{lines: lines})
			}
		}
	}
	s.finish(a)
	return o
}

func (s *shop) pay(a *action, o *order, in Sales) {
	o.discount, _ = parseMoney(in.Discount)
	shipping, ok := parseMoney(in.Shipping)
	if !ok {
		shipping = 500
	}
	if o.pos == nil {
		o.shipping = []shippingLine{{s.srv.newID(), "Standard", "standard", "shopify", shipping}}
	}
	if tax, ok := parseMoney(in.Tax); ok && tax > 0 {
		o.taxes = []taxLine{{"Tax", "0.08", tax}}
	}
	if in.Unpaid {
		o.financial = "PENDING"
		return
	}
	t := &transaction{id: s.srv.newID(), kind: "SALE", status: "SUCCESS", gateway: "bogus",
		amount: o.total(), at: a.at, processed: a.at, test: in.Test}
	s.objects[t.id] = t
	o.transactions = []*transaction{t}
}

func (s *shop) saleLines(in Sales, r *rand.Rand) []*line {
	wanted := in.Lines
	if len(wanted) == 0 {
		seen := map[string]bool{}
		for range 1 + r.IntN(in.MaxLines) {
			sku := in.SKUs[r.IntN(len(in.SKUs))]
			if !seen[sku] {
				seen[sku] = true
				wanted = append(wanted, SaleLine{SKU: sku, Qty: 1 + r.Int64N(in.MaxQty)})
			}
		}
	}
	var out []*line
	for _, w := range wanted {
		l := &line{sku: w.SKU, title: w.Title, quantity: w.Qty, ships: true, taxable: true}
		if w.Kind != "no_variant" {
			v := s.bySKU[w.SKU][0]
			l.variant, l.price, l.ships, l.giftCard = v, v.price, v.item.ships, v.giftCard
			l.tracked = v.item.tracked
			if l.title == "" {
				l.title = v.product.title
			}
		}
		if l.title == "" {
			l.title = "Custom item"
		}
		if m, ok := parseMoney(w.Price); ok {
			l.price = m
		}
		for k, v := range w.Properties {
			l.properties = append(l.properties, pair{k, v})
		}
		out = append(out, l)
	}
	return out
}

func randomAddress(r *rand.Rand) *address {
	places := []address{
		{City: "San Francisco", ProvinceCode: "CA", CountryCode: "US", Zip: "94105"},
		{City: "New York", ProvinceCode: "NY", CountryCode: "US", Zip: "10001"},
		{City: "Toronto", ProvinceCode: "ON", CountryCode: "CA", Zip: "M5H 2M9"},
		{City: "Berlin", CountryCode: "DE", Zip: "10115"},
	}
	a := places[r.IntN(len(places))]
	a.FirstName, a.LastName = "Sam", fmt.Sprintf("Shopper%d", r.IntN(10_000))
	a.Address1 = fmt.Sprintf("%d Main Street", 1+r.IntN(900))
	return &a
}
