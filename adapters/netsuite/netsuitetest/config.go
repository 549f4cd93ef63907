package netsuitetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Config is everything that a [Server] is made from. The zero value is a small account.
type Config struct {
	Addr  string // where to listen; default 127.0.0.1:0
	Seed  uint64 // of ids, faults and the order of rows without ORDER BY; 0 counts as 1
	Speed int    // all of NetSuite's periods are divided by it; 1 to 100,000, default 1

	// Manual stops the time: it moves by [Server.Advance] or POST /_sim/clock only. Start is the
	// time that a manual clock begins with, and the middle of the accounting periods.
	Manual bool
	Start  time.Time

	Account     string        // default 1234567_SB1
	Concurrency int           // requests under way at a time, all integrations together; default 5
	Latency     time.Duration // real time that each call takes; default 0
	LegacyTax   bool          // no SuiteTax: REST has no tax fields then

	Integrations []IntegrationConfig
	CustomFields []string // such as custbody_x, custcol_y; others are refused

	Subsidiaries []string // names; default one
	Currencies   []string // symbols; the first is everybody's default; default USD
	Locations    []LocationConfig
	Customers    []CustomerConfig
	Items        []ItemConfig

	// ClosedThrough closes every accounting period that ends on or before this day, such as
	// 2026-09-30. "" closes none.
	ClosedThrough string

	Faults       []Fault      // rules in force from the start
	Assumptions  *Assumptions // nil: [Documented]
	JournalLimit int          // entries kept; the oldest go first; default 2,000,000
}

// IntegrationConfig is an integration record with what its role may use. Either way of access may be
// left out. Where all is left out, keys and tokens are made.
type IntegrationConfig struct {
	Name string

	ClientID      string // of OAuth 2.0 client credentials
	CertificateID string // kid of the assertions
	PublicKeyPEM  string // a certificate or public key: RSA of 3072 bits and more, or EC

	ConsumerKey, ConsumerSecret string // token-based authentication (OAuth 1.0a)
	TokenID, TokenSecret        string

	Admin bool // may read the account's governance limits
}

// LocationConfig is a place of stock.
type LocationConfig struct {
	Name       string
	ExternalID string
	Subsidiary string // name; default the first
	Inactive   bool
}

// CustomerConfig is a customer.
type CustomerConfig struct {
	Name       string
	ExternalID string
	Subsidiary string // name; default the first
}

// The types of items, as SuiteQL says them.
const (
	ItemInventory    = "InvtPart"
	ItemAssembly     = "Assembly"
	ItemKit          = "Kit"
	ItemNonInventory = "NonInvtPart"
	ItemCharge       = "OthCharge"
	ItemDiscount     = "Discount"
)

// ItemConfig is one item with its stock.
type ItemConfig struct {
	SKU        string // itemId
	ExternalID string
	Type       string // one of the Item constants; default InvtPart
	Name, UPC  string
	Price      string // base price, decimal; default 10.00
	Inactive   bool
	Members    []MemberConfig    // of a kit or assembly
	Stock      map[string]string // location name to on hand, decimal
}

// MemberConfig is a part of a kit or assembly.
type MemberConfig struct {
	SKU string
	Qty int64
}

func (c Config) withDefaults() Config {
	if c.Addr == "" {
		c.Addr = "127.0.0.1:0"
	}
	c.Seed = max(c.Seed, 1)
	c.Speed = max(c.Speed, 1)
	if c.Start.IsZero() {
		c.Start = time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)
	}
	if c.Account == "" {
		c.Account = "1234567_SB1"
	}
	if c.Concurrency == 0 {
		c.Concurrency = 5 // the Standard tier
	}
	if c.Assumptions == nil {
		a := Documented()
		c.Assumptions = &a
	}
	if c.JournalLimit == 0 {
		c.JournalLimit = 2_000_000
	}
	if len(c.CustomFields) == 0 {
		c.CustomFields = []string{"custbody_holdfast_id", "custcol_holdfast_line"}
	}
	if len(c.Subsidiaries) == 0 {
		c.Subsidiaries = []string{"Parent Company"}
	}
	if len(c.Currencies) == 0 {
		c.Currencies = []string{"USD"}
	}
	if len(c.Locations) == 0 {
		c.Locations = []LocationConfig{{Name: "main"}, {Name: "east"}}
	}
	if len(c.Customers) == 0 {
		c.Customers = []CustomerConfig{{Name: "Shopify", ExternalID: "cust-shopify"},
			{Name: "Amazon", ExternalID: "cust-amazon"}, {Name: "Wholesale Ltd"}}
	}
	if len(c.Integrations) == 0 {
		c.Integrations = []IntegrationConfig{{Name: "holdfast"}}
	}
	return c
}

// validate joins every fault of the configuration.
func (c Config) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Speed > 100_000 {
		bad("speed: %d is over 100,000", c.Speed)
	}
	if c.Concurrency < 1 {
		bad("concurrency: %d is under 1", c.Concurrency)
	}
	if _, err := time.LoadLocation(c.Assumptions.TimeZone); err != nil {
		bad("time zone: %w", err)
	}
	if _, err := time.Parse(time.DateOnly, c.ClosedThrough); c.ClosedThrough != "" && err != nil {
		bad("closed through: %w", err)
	}
	subsidiaries := unique(c.Subsidiaries, func(s string) string { return s }, "subsidiary", bad)
	places := unique(c.Locations, func(l LocationConfig) string { return l.Name }, "location", bad)
	unique(c.Customers, func(x CustomerConfig) string { return x.Name }, "customer", bad)
	for _, l := range c.Locations {
		if l.Subsidiary != "" && !subsidiaries[l.Subsidiary] {
			bad("location %s: no subsidiary %q", l.Name, l.Subsidiary)
		}
	}
	for _, x := range c.Customers {
		if x.Subsidiary != "" && !subsidiaries[x.Subsidiary] {
			bad("customer %s: no subsidiary %q", x.Name, x.Subsidiary)
		}
	}
	c.validateItems(places, bad)
	for _, f := range c.Faults {
		if err := f.validate(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (c Config) validateItems(places map[string]bool, bad func(string, ...any)) {
	skus := unique(c.Items, func(i ItemConfig) string { return i.SKU }, "item", bad)
	for _, i := range c.Items {
		if i.Type != "" && itemTypes[i.Type] == "" {
			bad("item %s: no type %q", i.SKU, i.Type)
		}
		if _, ok := parseDec(i.Price); i.Price != "" && !ok {
			bad("item %s: price %q is no decimal", i.SKU, i.Price)
		}
		for _, m := range i.Members {
			if !skus[m.SKU] || m.Qty < 1 || m.SKU == i.SKU {
				bad("item %s: %d of member %q", i.SKU, m.Qty, m.SKU)
			}
		}
		for place, n := range i.Stock {
			if _, ok := parseDec(n); !ok || !places[place] {
				bad("item %s: stock of %q at location %q", i.SKU, n, place)
			}
		}
	}
}

// unique collects names, and says of those that are empty or come twice.
func unique[T any](list []T, name func(T) string, what string,
	bad func(string, ...any)) map[string]bool {
	seen := map[string]bool{}
	for _, x := range list {
		if name(x) == "" || seen[name(x)] {
			bad("%s %q: a name is needed, and no two may be equal", what, name(x))
		}
		seen[name(x)] = true
	}
	return seen
}

// SampleItems makes n inventory items with SKUs SKU-0001 and on, whose prices and stock at the
// locations main and east follow from the seed, and a charge and a discount for orders.
func SampleItems(seed uint64, n int) []ItemConfig {
	r := rand.New(rand.NewPCG(seed, 7))
	var out []ItemConfig
	for i := range n {
		sku := fmt.Sprintf("SKU-%04d", i+1)
		out = append(out, ItemConfig{SKU: sku, ExternalID: sku, Name: "Article " + sku,
			UPC: fmt.Sprintf("40000000%05d", i+1), Price: fmt.Sprintf("%d.%02d", 5+r.IntN(95), r.IntN(100)),
			Stock: map[string]string{"main": fmt.Sprint(20 + r.IntN(80)), "east": fmt.Sprint(r.IntN(40))}})
	}
	return append(out,
		ItemConfig{SKU: "ROUNDING", ExternalID: "ROUNDING", Type: ItemCharge, Name: "Rounding", Price: "0"},
		ItemConfig{SKU: "TAX", ExternalID: "TAX", Type: ItemCharge, Name: "Tax as a line", Price: "0"},
		ItemConfig{SKU: "SHIPPING", ExternalID: "SHIPPING", Type: ItemCharge, Name: "Shipping", Price: "0"},
		ItemConfig{SKU: "DISCOUNT", ExternalID: "DISCOUNT", Type: ItemDiscount, Name: "Discount",
			Price: "0"})
}
