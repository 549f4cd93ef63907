package demo

import (
	"fmt"
	"math/rand/v2"
	"time"

	"holdfast/cmd/internal/client"
)

// Fate is what becomes of an order after it was reserved.
type Fate uint8

// The fates. Each is a list of steps; see steps.
const (
	Shipped         Fate = iota // hold, commit, ship all
	PartlyShipped               // hold, commit, ship one unit, the rest stays committed
	ShippedInTwo                // hold, commit, ship one unit, ship the rest
	SoldElsewhere               // committed at once, shipped: a marketplace's sale
	CancelledHeld               // hold, release
	CancelledLate               // hold, commit, release
	Abandoned                   // a short hold that nobody comes back for
	ReturnedGood                // hold, commit, ship, one unit back on the shelf
	ReturnedDamaged             // hold, commit, ship, one unit back but not for sale
	Open                        // hold, commit, waits for its picker
	Basket                      // a long hold, the shopper still looks round
	fates
)

var fateNames = [fates]string{"shipped", "partly shipped", "shipped in two", "sold elsewhere",
	"cancelled before payment", "cancelled after payment", "abandoned", "returned for sale",
	"returned damaged", "waiting to ship", "still in the basket"}

func (f Fate) String() string { return fateNames[f] }

// fateWeights are percents, in the order of the fates.
var fateWeights = [fates]int{32, 8, 6, 12, 8, 6, 12, 6, 4, 4, 2}

// steps are the calls of a fate, in order.
var steps = [fates][]string{
	Shipped:         {"reserve", "commit", "ship"},
	PartlyShipped:   {"reserve", "commit", "ship-one"},
	ShippedInTwo:    {"reserve", "commit", "ship-one", "ship"},
	SoldElsewhere:   {"reserve", "ship"},
	CancelledHeld:   {"reserve", "release"},
	CancelledLate:   {"reserve", "commit", "release"},
	Abandoned:       {"reserve"},
	ReturnedGood:    {"reserve", "commit", "ship", "return-one"},
	ReturnedDamaged: {"reserve", "commit", "ship", "return-one"},
	Open:            {"reserve", "commit"},
	Basket:          {"reserve"},
}

// Again says how an order's reserve is sent a second time.
type Again uint8

// The kinds of duplicate.
const (
	Once       Again = iota
	SameKey          // the same request again after its answer
	AtOnce           // two equal requests at the same time
	AnotherKey       // the same id and content under another key, after its answer
)

// Order is one order of a plan.
type Order struct {
	client.Reserve
	Fate  Fate
	Again Again
}

// short reports whether the order may be recorded beyond what is there.
func (o *Order) short() bool { return o.Mode == "accept" }

// Work is what one shopper does in one go: an order by itself, a batch of orders, or a delivery.
type Work struct {
	Name     string // unique; the keys of its calls begin with it
	Orders   []*Order
	Again    bool // of a batch: every call of it is sent twice
	Delivery []client.StockChange
}

// Plan is the whole event, in order.
type Plan struct {
	Work   []Work
	Orders int
}

const batchOrders = 25 // orders of a batch: an order feed's page

// NewPlan makes the orders from r: a third arrive in batches, the rest one by one, and between them
// deliveries arrive. Orders below 1 make an empty plan.
func NewPlan(r *rand.Rand, c *Catalogue, orders int) *Plan {
	p := &planner{r: r, c: c, wanted: rand.NewZipf(r, 1.1, 30, items-1)}
	plan := &Plan{Orders: orders}
	for sent := 0; sent < orders; {
		name := fmt.Sprintf("w%d", len(plan.Work)+1)
		switch n := r.IntN(100); {
		case n < 2:
			plan.Work = append(plan.Work, Work{Name: name, Delivery: p.delivery()})
		case n < 4 && orders-sent >= batchOrders:
			w := Work{Name: name, Again: r.IntN(3) == 0}
			for range batchOrders {
				o := p.order(sent)
				o.Again = Once // the batch is sent again as a whole
				w.Orders = append(w.Orders, o)
				sent++
			}
			plan.Work = append(plan.Work, w)
		default:
			plan.Work = append(plan.Work, Work{Name: name, Orders: []*Order{p.order(sent)}})
			sent++
		}
	}
	return plan
}

type planner struct {
	r      *rand.Rand
	c      *Catalogue
	wanted *rand.Zipf
}

func (p *planner) order(n int) *Order {
	o := &Order{Fate: p.fate()}
	o.ID = fmt.Sprintf("ord-%06d", n+1)
	o.Channel = []string{web, market, pos}[n%3]
	o.Mode = "strict"
	for i := range 1 + p.r.IntN(3) {
		item := p.c.Items[p.wanted.Uint64()]
		o.Lines = append(o.Lines, client.AskLine{SKU: item.SKU, Qty: 1 + p.r.Int64N(3),
			Ref: fmt.Sprintf("line-%d", i+1)})
	}
	switch {
	case o.Fate == SoldElsewhere:
		o.Channel, o.Commit = market, true
		o.Mode = []string{"dip", "accept"}[p.r.IntN(2)]
	case o.Fate == Abandoned:
		o.TTL = 1_000 + p.r.Int64N(2_000)
	default:
		o.TTL = (15 * time.Minute).Milliseconds()
		o.Partial = p.r.IntN(10) == 0
	}
	switch n := p.r.IntN(100); {
	case n < 4:
		o.Again = SameKey
	case n < 8:
		o.Again = AtOnce
	case n < 10:
		o.Again = AnotherKey
	}
	return o
}

func (p *planner) fate() Fate {
	n := p.r.IntN(100)
	for f, weight := range fateWeights {
		if n -= weight; n < 0 {
			return Fate(f)
		}
	}
	return Shipped
}

// delivery brings a few SKUs to one location.
func (p *planner) delivery() []client.StockChange {
	var all []client.StockChange
	single := p.c.Singles()
	at := p.c.Locations[p.r.IntN(len(p.c.Locations))]
	for range 1 + p.r.IntN(5) {
		units := 1 + p.r.Int64N(10)
		all = append(all, client.StockChange{SKU: single[p.r.IntN(min(len(single), 100))], Location: at,
			Adjust: &units, Source: "demo", Reason: "delivery"})
	}
	return all
}
