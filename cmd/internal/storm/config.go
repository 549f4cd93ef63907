package storm

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"holdfast/adapters/shopify/shopifytest"
)

// Config says how big a storm is.
type Config struct {
	Dir    string        // for the data of the nodes
	Orders int           // of shoppers; default 1,500
	Seed   uint64        // default 1
	Rate   int           // orders a second, default 100
	Settle time.Duration // how long both sides may take to be equal afterwards; default 2 min
	Out    io.Writer     // takes the report; required
	Logger *slog.Logger  // of the nodes; default discards
}

func (c Config) withDefaults() Config {
	if c.Orders == 0 {
		c.Orders = 1_500
	}
	if c.Seed == 0 {
		c.Seed = 1
	}
	if c.Rate == 0 {
		c.Rate = 100
	}
	if c.Settle == 0 {
		c.Settle = 2 * time.Minute
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	if c.Orders < 100 || c.Orders > 1_000_000 || c.Rate < 1 || c.Dir == "" || c.Out == nil {
		return errors.New("storm: needs a folder, a writer, 100 to 1,000,000 orders and a rate")
	}
	return nil
}

// The locations: the shop is master of the first, whoever calls the stock API of the second.
const (
	theirs = "main"
	ours   = "east"
)

// The parts of what goes wrong, one in so many orders.
const (
	editEach   = 20  // somebody changes stock in the admin
	sellEach   = 25  // a client of the API sells
	ghostEach  = 150 // an order has a SKU that nobody has mapped
	brokenEach = 200 // a webhook has a body that is none
	ghosts     = 4   // SKUs that nobody has mapped
)

// skuOf names the SKUs of the shop.
func skuOf(i int) string { return fmt.Sprintf("SKU-%04d", i+1) }

// shop is the simulated shop: enough of everything that no shopper goes away.
func (c *Config) shop() shopifytest.ShopConfig {
	s := shopifytest.ShopConfig{Name: "alpha", Locations: []shopifytest.LocationConfig{
		{Name: theirs}, {Name: ours}}}
	for i := range c.skus() {
		n := inOurs
		if scarce(i) {
			n = inTheirs
		}
		s.Variants = append(s.Variants, shopifytest.VariantConfig{SKU: skuOf(i),
			Barcode: fmt.Sprintf("40000000%05d", i+1), Title: skuOf(i), Price: "10.00",
			Stock: map[string]int{theirs: n, ours: inOurs}})
	}
	return s
}

func (c *Config) skus() int { return max(20, c.Orders/25) }

// What is there of each SKU at the beginning. The first location is preferred for orders. It has little
// of each second SKU, so that both locations are sold from and orders are split; of those nobody takes
// units away by hand, because a count below what is promised is a shortfall, which moves promises.
const (
	inTheirs = 45
	inOurs   = 300
)

func scarce(i int) bool { return i%2 == 0 }

// noise is how unreliable webhooks are.
func noise() *shopifytest.WebhookNoise {
	return &shopifytest.WebhookNoise{LostPercent: 5, DuplicatePercent: 20, DelayPercent: 5,
		DelayMS: 3000, ReorderPercent: 30, ReorderMS: 800}
}

// faults are what goes wrong with our calls.
func faults() []shopifytest.Fault {
	return []shopifytest.Fault{
		{ID: "throttled", Kind: shopifytest.FaultThrottled, Percent: 10},
		{ID: "busy", Kind: shopifytest.FaultError, Percent: 3},
		{ID: "after", Kind: shopifytest.FaultErrorAfter, Operation: "inventoryAdjustQuantities",
			Percent: 10},
		{ID: "cut", Kind: shopifytest.FaultResetAfter, Operation: "inventorySetQuantities",
			Percent: 10},
		{ID: "cut-adjust", Kind: shopifytest.FaultResetAfter, Operation: "inventoryAdjustQuantities",
			Percent: 5},
	}
}
