package spapitest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Config is everything that a [Server] is made from. The zero value is one seller in North America
// and one in Europe who list the same SKUs.
type Config struct {
	Addr  string // where to listen; default 127.0.0.1:0
	Seed  uint64 // of ids, buyers and faults; 0 counts as 1
	Speed int    // all of Amazon's periods are divided by it; 1 to 100,000, default 1

	// Manual stops the time: it moves by [Server.Advance] or POST /_sim/clock only. Start is the
	// time that a manual clock begins with.
	Manual bool
	Start  time.Time

	Apps     []AppConfig
	Accounts []AccountConfig
	Queues   []QueueConfig // default one for each account: holdfast-ACCOUNT

	Notifications Noise   // how unreliable notifications are from the start
	Faults        []Fault // rules in force from the start
	Assumptions   *Assumptions
	Timing        *Timing // nil: [Usual]

	JournalLimit int // entries kept; the oldest go first; default 2,000,000
	QueueLimit   int // messages that a queue keeps; more are lost; default 120,000, as SQS in flight
}

// AppConfig is an application: a client of Login with Amazon.
type AppConfig struct {
	Name         string
	ClientID     string // default amzn1.application-oa2-client.NAME
	ClientSecret string // default amzn1.oa2-cs.v1.NAME
	Roles        []string
}

// The roles that decide what an application may read. The default is all of them.
const (
	RoleOrders    = "Inventory and Order Tracking"
	RoleListings  = "Product Listing"
	RoleMCF       = "Amazon Fulfillment"
	RoleRecipient = "Direct-to-Consumer Delivery (Restricted)"
	RoleFinance   = "Finance and Accounting"
)

var allRoles = []string{RoleOrders, RoleListings, RoleMCF, RoleRecipient, RoleFinance}

// AccountConfig is a seller in a region.
type AccountConfig struct {
	Name         string   // short: us
	Region       string   // na, eu or fe
	SellerID     string   // default A and the name
	Marketplaces []string // ids or countries; the first is where buyers are by default

	// RefreshTokens are by the name of an application. The default is Atzr|ACCOUNT for the first
	// one and Atzr|ACCOUNT|APP for the others.
	RefreshTokens map[string]string

	// Pools are marketplaces that share the stock of Amazon's warehouses. Those in none are a pool
	// each; the default is one pool for the countries of Pan-European FBA.
	Pools [][]string

	// Queue is the account's own: its rule on the partner bus of EventBridge sends there what comes
	// to it. Default holdfast-ACCOUNT, or the first of all where there is none of that name.
	Queue string

	Listings []ListingConfig
}

// ListingConfig is one SKU of a seller.
type ListingConfig struct {
	SKU, ASIN, Title string
	ProductType      string   // default PRODUCT
	Marketplaces     []string // default all of the account
	Price            string   // decimal, in the currency of the first marketplace; default 10.00

	Quantity int64 // of a listing that the merchant fulfils
	LeadTime int   // lead_time_to_ship_max_days; 0 for none

	// FBA makes a listing that Amazon fulfils. Stock is by pool, named by one of its marketplaces;
	// "" is the pool of the first marketplace.
	FBA   bool
	Stock map[string]int64
}

// QueueConfig is a standard queue of SQS.
type QueueConfig struct {
	Name string
	// VisibilitySeconds is the timeout of what is received without one of its own; default 30.
	VisibilitySeconds int
	MaxReceives       int    // after so many receives a message moves to DeadLetter; 0 for never
	DeadLetter        string // name of another queue
	DuplicatePercent  float64
	DisorderPercent   float64 // of receives that take any message in place of the oldest
}

// Noise says how often, in percent of notifications, something happens to one.
type Noise struct {
	LostPercent      float64 `json:"lost_percent"`
	DuplicatePercent float64 `json:"duplicate_percent"`
	DelayPercent     float64 `json:"delay_percent"`
	DelayMS          int64   `json:"delay_ms"` // the longest delay; each is drawn from 0 to it
	ReorderPercent   float64 `json:"reorder_percent"`
	ReorderMS        int64   `json:"reorder_ms"`
}

func (c Config) withDefaults() Config {
	if c.Addr == "" {
		c.Addr = "127.0.0.1:0"
	}
	c.Seed = max(c.Seed, 1)
	c.Speed = max(c.Speed, 1)
	if c.Start.IsZero() {
		c.Start = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	}
	if c.Assumptions == nil {
		a := Documented()
		c.Assumptions = &a
	}
	if c.Timing == nil {
		t := Usual()
		c.Timing = &t
	}
	c.JournalLimit = orElse(c.JournalLimit, 2_000_000)
	c.QueueLimit = orElse(c.QueueLimit, 120_000)
	if len(c.Apps) == 0 {
		c.Apps = []AppConfig{{Name: "holdfast"}}
	}
	if len(c.Accounts) == 0 {
		c.Accounts = []AccountConfig{SampleAccount("us", "na", c.Seed, 20),
			SampleAccount("de", "eu", c.Seed, 20)}
	}
	apps := slices.Clone(c.Apps)
	for i := range apps {
		a := &apps[i]
		a.ClientID = orElse(a.ClientID, "amzn1.application-oa2-client."+a.Name)
		a.ClientSecret = orElse(a.ClientSecret, "amzn1.oa2-cs.v1."+a.Name)
		if a.Roles == nil {
			a.Roles = allRoles
		}
	}
	c.Apps = apps
	accounts := slices.Clone(c.Accounts)
	for i := range accounts {
		accounts[i] = accounts[i].withDefaults(apps)
	}
	c.Accounts = accounts
	if len(c.Queues) == 0 {
		for _, a := range accounts {
			c.Queues = append(c.Queues, QueueConfig{Name: "holdfast-" + a.Name})
		}
	}
	queues := slices.Clone(c.Queues)
	for i := range queues {
		queues[i].VisibilitySeconds = orElse(queues[i].VisibilitySeconds, 30)
	}
	c.Queues = queues
	for i := range accounts {
		own := "holdfast-" + accounts[i].Name
		if !slices.ContainsFunc(queues, func(q QueueConfig) bool { return q.Name == own }) {
			own = queues[0].Name
		}
		accounts[i].Queue = orElse(accounts[i].Queue, own)
	}
	return c
}

func (a AccountConfig) withDefaults(apps []AppConfig) AccountConfig {
	a.SellerID = orElse(a.SellerID, "A"+strings.ToUpper(a.Name)+"SELLER")
	tokens := map[string]string{}
	for i, app := range apps {
		tokens[app.Name] = "Atzr|" + a.Name
		if i > 0 {
			tokens[app.Name] += "|" + app.Name
		}
		if t, ok := a.RefreshTokens[app.Name]; ok {
			tokens[app.Name] = t
		}
	}
	a.RefreshTokens = tokens
	if len(a.Marketplaces) == 0 {
		a.Marketplaces = []string{map[string]string{"na": "US", "eu": "DE", "fe": "JP"}[a.Region]}
	}
	if len(a.Pools) == 0 {
		a.Pools = [][]string{panEU}
	}
	return a
}

func orElse[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}

// validate joins every fault of the configuration.
func (c Config) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Speed > 100_000 {
		bad("speed: %d is over 100,000", c.Speed)
	}
	apps, names, queues := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, a := range c.Apps {
		if a.Name == "" || apps[a.Name] {
			bad("application %q: a name is needed, and no two may be equal", a.Name)
		}
		apps[a.Name] = true
	}
	for _, a := range c.Accounts {
		if a.Name == "" || names[a.Name] {
			bad("account %q: a name is needed, and no two may be equal", a.Name)
		}
		names[a.Name] = true
		errs = append(errs, a.validate())
	}
	for _, q := range c.Queues {
		if q.Name == "" || queues[q.Name] || strings.HasSuffix(q.Name, ".fifo") {
			bad("queue %q: a name is needed, no two may be equal, none is FIFO", q.Name)
		}
		queues[q.Name] = true
	}
	for _, a := range c.Accounts {
		if !queues[a.Queue] {
			bad("account %s: no queue %q", a.Name, a.Queue)
		}
	}
	for _, f := range c.Faults {
		errs = append(errs, f.validate())
	}
	return errors.Join(append(errs, c.Timing.validate())...)
}

func (a AccountConfig) validate() error {
	var errs []error
	if _, ok := regions[a.Region]; !ok {
		errs = append(errs, fmt.Errorf("account %s: no region %q", a.Name, a.Region))
	}
	for _, id := range a.Marketplaces {
		if m, ok := marketplaceOf(id); !ok || m.region != a.Region {
			errs = append(errs, fmt.Errorf("account %s: no marketplace %q in region %s", a.Name, id,
				a.Region))
		}
	}
	seen := map[string]bool{}
	for _, l := range a.Listings {
		if l.SKU == "" || len(l.SKU) > 40 || seen[l.SKU] {
			errs = append(errs, fmt.Errorf("account %s: SKU %q: 1 to 40 letters, and no two equal",
				a.Name, l.SKU))
		}
		seen[l.SKU] = true
		if l.Quantity < 0 {
			errs = append(errs, fmt.Errorf("account %s: SKU %s: quantity %d", a.Name, l.SKU,
				l.Quantity))
		}
	}
	return errors.Join(errs...)
}

// SampleAccount makes a seller with n SKUs, SKU-0001 and on, of which every second one is fulfilled
// by Amazon. Their stock follows from the seed. A seller in Europe sells in DE, FR and GB.
func SampleAccount(name, region string, seed uint64, n int) AccountConfig {
	r := rand.New(rand.NewPCG(seed, uint64(len(name))))
	a := AccountConfig{Name: name, Region: region}
	if region == "eu" {
		a.Marketplaces = []string{"DE", "FR", "GB"}
	}
	for i := range n {
		sku := fmt.Sprintf("SKU-%04d", i+1)
		l := ListingConfig{SKU: sku, ASIN: fmt.Sprintf("B0%08d", i+1), Title: "Article " + sku,
			Price: fmt.Sprintf("%d.%02d", 5+r.IntN(95), r.IntN(100)), LeadTime: 2}
		if region == "fe" {
			l.Price = fmt.Sprint(500 + r.IntN(9500))
		}
		if stock := 20 + r.Int64N(80); i%2 == 0 {
			l.Quantity = stock
		} else {
			l.FBA, l.Stock = true, map[string]int64{"": stock}
		}
		a.Listings = append(a.Listings, l)
	}
	return a
}
