package spapitest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Purchases asks buyers to buy. What is left zero is drawn from the seed.
type Purchases struct {
	Account     string         `json:"account"`
	Marketplace string         `json:"marketplace"` // id or country; default the first
	Count       int            `json:"count"`       // default 1, at most 100,000
	Seed        uint64         `json:"seed"`        // 0 takes the account's next
	SKUs        []string       `json:"skus"`        // what random lines are drawn from; default all
	Lines       []PurchaseLine `json:"lines"`       // the same in every order, in place of random ones

	FulfilledBy string `json:"fulfilled_by"` // AMAZON or MERCHANT; "" takes what was drawn
	MaxLines    int    `json:"max_lines"`    // of random orders; default 3
	MaxQty      int64  `json:"max_qty"`      // of a random line; default 2

	// PendingMS is how long the orders stay PENDING, at speed 1; -1 until [Server.Move].
	PendingMS *int64   `json:"pending_ms"`
	Preorder  bool     `json:"preorder"` // PENDING_AVAILABILITY first
	Programs  []string `json:"programs"` // PRIME, FBM_SHIP_PLUS, IN_STORE_PICK_UP, …
	ShipTo    *ShipTo  `json:"ship_to"`
	Replaces  string   `json:"replaces"`  // id of an order: this one is its free replacement
	Exchanges string   `json:"exchanges"` // id of an order: this one is its exchange
	PerSecond float64  `json:"per_second"`
}

// PurchaseLine is one line of an order.
type PurchaseLine struct {
	SKU   string `json:"sku"`
	Qty   int64  `json:"qty"` // default 1
	Price string `json:"price"`
}

// Bought is what came of purchases.
type Bought struct {
	Orders    []BoughtOrder `json:"orders"`
	Refused   int           `json:"refused"`   // too little stock: the buyer went away
	Scheduled int           `json:"scheduled"` // with per_second: they are yet to come
}

// BoughtOrder is one order that was placed.
type BoughtOrder struct {
	ID          string       `json:"id"`
	At          time.Time    `json:"at"`
	Marketplace string       `json:"marketplace"`
	FulfilledBy string       `json:"fulfilled_by"`
	Lines       []BoughtLine `json:"lines"`
}

// BoughtLine is one line of it.
type BoughtLine struct {
	ID  string `json:"id"`
	SKU string `json:"sku"`
	Qty int64  `json:"qty"`
}

var errBuy = errors.New("purchase")

// Buy lets buyers buy. A buyer buys only while there is enough where the order is fulfilled from;
// an order is fulfilled by one of the two, so its lines are of listings of one kind. The error names
// what was asked for that is not there; then nothing was bought.
func (s *Server) Buy(in Purchases) (Bought, error) {
	x, err := s.account(in.Account)
	if err != nil {
		return Bought{}, err
	}
	in.Count = orElse(in.Count, 1)
	if in.Count < 0 || in.Count > 100_000 {
		return Bought{}, fmt.Errorf("%w: count is 1 to 100,000", errBuy)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.checkPurchase(&in); err != nil {
		return Bought{}, err
	}
	out := Bought{Orders: []BoughtOrder{}}
	for i := range in.Count {
		r := rand.New(rand.NewPCG(in.Seed, uint64(i)))
		if in.PerSecond > 0 {
			out.Scheduled++
			wait := time.Duration(float64(i) / in.PerSecond * float64(time.Second))
			s.clock.After(wait, func() { x.do("buyer", func(a *action) { a.buy(in, r) }) })
			continue
		}
		o := x.begin("buyer").buy(in, r)
		if o == nil {
			out.Refused++
			continue
		}
		out.Orders = append(out.Orders, boughtOrder(o))
	}
	return out, nil
}

func boughtOrder(o *order) BoughtOrder {
	out := BoughtOrder{ID: o.id, At: o.created, Marketplace: o.market.id, FulfilledBy: "MERCHANT"}
	if o.afn {
		out.FulfilledBy = "AMAZON"
	}
	for _, i := range o.items {
		out.Lines = append(out.Lines, BoughtLine{i.id, i.listing.sku, i.qty})
	}
	return out
}

// checkPurchase fills what is left zero.
func (x *account) checkPurchase(in *Purchases) error {
	in.Seed = orElse(in.Seed, x.srv.cfg.Seed*1_000_003+x.sales+uint64(len(x.orders)))
	in.MaxLines, in.MaxQty = orElse(in.MaxLines, 3), orElse(in.MaxQty, 2)
	in.Marketplace = orElse(in.Marketplace, x.markets[0].id)
	m, known := x.market(in.Marketplace)
	if !known {
		return fmt.Errorf("%w: no marketplace %q", errBuy, in.Marketplace)
	}
	if in.FulfilledBy != "" && in.FulfilledBy != "AMAZON" && in.FulfilledBy != "MERCHANT" {
		return fmt.Errorf("%w: fulfilled_by is AMAZON or MERCHANT", errBuy)
	}
	for _, id := range []string{in.Replaces, in.Exchanges} {
		if id != "" && x.byID[id] == nil {
			return fmt.Errorf("%w: no order %q", errBuy, id)
		}
	}
	for _, sku := range in.SKUs {
		if l := x.bySKU[sku]; l == nil || !l.in(m) {
			return fmt.Errorf("%w: no SKU %q in %s", errBuy, sku, m.country)
		}
	}
	for i := range in.Lines {
		l := &in.Lines[i]
		l.Qty = orElse(l.Qty, 1)
		listed := x.bySKU[l.SKU]
		if listed == nil || !listed.in(m) || l.Qty < 0 {
			return fmt.Errorf("%w: line %d: no SKU %q in %s, or a negative quantity", errBuy, i, l.SKU,
				m.country)
		}
		if listed.afn() != x.bySKU[in.Lines[0].SKU].afn() {
			return fmt.Errorf("%w: line %d: an order is fulfilled by one of the two", errBuy, i)
		}
	}
	if len(in.Lines) == 0 && len(x.buyable(in, m)) == 0 {
		return fmt.Errorf("%w: there is nothing to buy", errBuy)
	}
	return nil
}

// buyable are the listings that random lines are drawn from.
func (x *account) buyable(in *Purchases, m marketplace) []*listing {
	var out []*listing
	for _, l := range x.listings {
		if l.in(m) && (len(in.SKUs) == 0 || slices.Contains(in.SKUs, l.sku)) &&
			(in.FulfilledBy == "" || l.afn() == (in.FulfilledBy == "AMAZON")) {
			out = append(out, l)
		}
	}
	return out
}

// buy places one order; nil where there is too little stock.
func (a *action) buy(in Purchases, r *rand.Rand) *order {
	x := a.acct
	m, _ := x.market(in.Marketplace)
	o := &order{acct: x, market: m, status: pending, programs: in.Programs, pool: x.pool(m.id),
		buyer: fmt.Sprintf("%x@marketplace.%s", r.Uint64(), m.domain[len("www."):])}
	if in.Preorder {
		o.status = pendingAvailability
	}
	if o.original, o.kind = in.Replaces, "REPLACEMENT_ORIGINAL_ID"; in.Exchanges != "" {
		o.original, o.kind = in.Exchanges, "EXCHANGE_ORIGINAL_ID"
	}
	o.to = randomShipTo(m, r)
	if in.ShipTo != nil {
		o.to = *in.ShipTo
	}
	lines := in.Lines
	if len(lines) == 0 {
		lines = x.randomLines(in, m, r)
	}
	if len(lines) == 0 {
		return nil
	}
	for _, w := range lines {
		l := x.bySKU[w.SKU]
		if l == nil {
			return nil // it was deleted since the purchase was planned
		}
		o.afn = l.afn()
		i := &orderItem{listing: l, qty: w.Qty, price: l.priceIn(m)}
		if p, fine := parseMoney(w.Price, m.currency); fine && w.Price != "" {
			i.price = p
		}
		if in.Replaces != "" {
			i.price = 0
		}
		i.tax = i.price * money(i.qty) * 8 / 100
		i.delivery = money(r.IntN(5) * 100)
		o.items = append(o.items, i)
	}
	if !a.place(o, in.PendingMS) {
		return nil
	}
	return o
}

func (x *account) randomLines(in Purchases, m marketplace, r *rand.Rand) []PurchaseLine {
	from := x.buyable(&in, m)
	if len(from) == 0 {
		return nil
	}
	first := from[r.IntN(len(from))]
	out := []PurchaseLine{{SKU: first.sku, Qty: 1 + r.Int64N(in.MaxQty)}}
	seen := map[string]bool{first.sku: true}
	for range r.IntN(in.MaxLines) {
		l := from[r.IntN(len(from))]
		if !seen[l.sku] && l.afn() == first.afn() {
			seen[l.sku] = true
			out = append(out, PurchaseLine{SKU: l.sku, Qty: 1 + r.Int64N(in.MaxQty)})
		}
	}
	return out
}

func randomShipTo(m marketplace, r *rand.Rand) ShipTo {
	to := ShipTo{Name: fmt.Sprintf("Sam Buyer%d", r.IntN(10_000)), Country: m.country,
		Line1: fmt.Sprintf("%d Main Street", 1+r.IntN(900)), City: "Springfield",
		PostalCode: fmt.Sprintf("%05d", 10_000+r.IntN(80_000)), Phone: "+1 555 0100"}
	if m.country == "US" {
		to.State = []string{"CA", "NY", "TX", "WA"}[r.IntN(4)]
	}
	return to
}

// Cancels is who cancels which orders.
type Cancels struct {
	Account string   `json:"account"`
	Orders  []string `json:"orders"`  // ids
	Percent float64  `json:"percent"` // in place of them: of those that can be cancelled
	Seed    uint64   `json:"seed"`
	By      string   `json:"by"`      // BUYER (default), AMAZON or MERCHANT (in Seller Central)
	Reason  string   `json:"reason"`  // of a merchant: one of the acknowledgement feed
	Request bool     `json:"request"` // the buyer only asks the merchant to cancel
}

// Cancel cancels orders, or lets their buyers ask for it, and returns their ids. The error names one
// that cannot be cancelled; those before it are.
func (s *Server) Cancel(in Cancels) ([]string, error) {
	x, err := s.account(in.Account)
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	a := x.begin("buyer")
	in.By = orElse(in.By, "BUYER")
	if in.By != "BUYER" {
		a.cause = "admin"
	}
	var list []*order
	for _, id := range in.Orders {
		o := x.byID[id]
		if o == nil {
			return nil, fmt.Errorf("%w: no order %q", errOrder, id)
		}
		list = append(list, o)
	}
	luck := rand.New(rand.NewPCG(orElse(in.Seed, s.cfg.Seed), 99))
	for _, o := range x.orders {
		possible := o.status == pending || o.status == unshipped
		if in.Request {
			possible = o.open() && !o.afn
		}
		if in.Percent > 0 && possible && !o.nonAmazon && luck.Float64()*100 < in.Percent {
			list = append(list, o)
		}
	}
	out := []string{}
	for _, o := range list {
		if in.Request {
			err = a.ask(o, orElse(in.Reason, "Order created by mistake"))
		} else {
			err = a.cancel(o, cancelling{by: in.By, reason: orElse(in.Reason, "Customer request")})
		}
		if err != nil {
			return out, err
		}
		out = append(out, o.id)
	}
	return out, nil
}

// Moves lets orders go on without waiting for the time: a payment goes through, a warehouse ships.
type Moves struct {
	Account string   `json:"account"`
	Orders  []string `json:"orders"` // ids of orders, or of multi-channel orders
	Qty     int64    `json:"qty"`    // units that a warehouse ships; 0 for all
}

// Move lets orders take their next step. The error names one that has none; those before it moved.
func (s *Server) Move(in Moves) error {
	x, err := s.account(in.Account)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	a := x.begin("warehouse")
	for _, id := range in.Orders {
		o, m := x.byID[id], x.mcfOrder(id)
		switch {
		case m != nil:
			next := map[string]func(*action, *mcfOrder){mcfNew: (*action).receiveMCF,
				mcfReceived: (*action).planMCF, mcfPlanning: (*action).pickMCF,
				mcfProcessing: (*action).shipMCF}[m.status]
			if next == nil {
				return fmt.Errorf("%w %s is %s", errOrder, id, m.status)
			}
			next(a, m)
		case o != nil && (o.status == pending || o.status == pendingAvailability):
			a.proceed(o)
		case o != nil && o.afn && o.open() && !o.nonAmazon:
			a.shipFBA(o, orElse(in.Qty, 1<<40))
		default:
			return fmt.Errorf("%w %q is not there or has no next step", errOrder, id)
		}
	}
	return nil
}
