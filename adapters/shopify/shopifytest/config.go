package shopifytest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// Config is everything that a [Server] is made from. The zero value is one shop named alpha with a
// small catalogue.
type Config struct {
	Addr  string // where to listen; default 127.0.0.1:0
	Seed  uint64 // of ids, shoppers and faults; 0 counts as 1
	Speed int    // all of Shopify's periods are divided by it; 1 to 100,000, default 1

	// Manual stops the time: it moves by [Server.Advance] or POST /_sim/clock only. Start is the
	// time that a manual clock begins with.
	Manual bool
	Start  time.Time

	Shops       []ShopConfig
	Webhooks    WebhookNoise // how unreliable webhooks are from the start
	Faults      []Fault      // rules in force from the start
	SearchLag   time.Duration
	Assumptions *Assumptions // nil: [Documented]

	WebhookWorkers int // deliveries under way at a time; default 32
	WebhookQueue   int // deliveries that may wait; a full queue loses webhooks; default 200,000
	JournalLimit   int // entries kept; the oldest go first; default 2,000,000

	// Transport carries webhooks; nil makes one of its own. Tests give one that calls a handler.
	Transport http.RoundTripper
}

// ShopConfig describes one shop.
type ShopConfig struct {
	Name     string // short, as in a path: alpha
	Domain   string // default NAME.myshopify.com
	Currency string // default USD
	Apps     []AppConfig

	// WebhookSecrets sign webhooks by turns where there are two: a secret was rotated and the old
	// one lingers. The default is the first app's client secret.
	WebhookSecrets []string

	Locations []LocationConfig
	Variants  []VariantConfig

	BucketPoints  int // maximumAvailable of the cost bucket; default 2,000
	RestorePoints int // points a second at speed 1; default 100
}

// AppConfig is an app that is installed in a shop: what an access token stands for.
type AppConfig struct {
	Name         string
	Token        string // never expires; "" for none
	ClientID     string // with ClientSecret: client credentials, whose tokens live 24 hours
	ClientSecret string
}

// LocationConfig is a place of stock. Earlier ones are preferred for orders.
type LocationConfig struct {
	Name           string
	Country        string // default US
	NotOnline      bool   // orders of the online shop are not assigned to it
	Inactive       bool
	FulfillmentBy  string // handle of a fulfilment service, "" for the merchant's own
	LegacyResource int64  // fixed number of its id, 0 for a new one
}

// VariantConfig is one variant with its inventory item, product and stock.
type VariantConfig struct {
	SKU, Barcode, Title, Product string
	Price                        string // decimal, default 10.00
	Policy                       string // DENY (default) or CONTINUE
	Untracked, NoShipping        bool
	GiftCard                     bool
	Bundle                       bool           // parent of a native bundle: its stock cannot be written
	Stock                        map[string]int // location name to available; a level for each
}

// WebhookNoise says how often, in percent of deliveries, something happens to a webhook.
type WebhookNoise struct {
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
	setDefault(&c.WebhookWorkers, 32)
	setDefault(&c.WebhookQueue, 200_000)
	setDefault(&c.JournalLimit, 2_000_000)
	if len(c.Shops) == 0 {
		c.Shops = []ShopConfig{SampleShop("alpha", c.Seed, 20)}
	}
	shops := make([]ShopConfig, len(c.Shops))
	for i, s := range c.Shops {
		shops[i] = s.withDefaults()
	}
	c.Shops = shops
	return c
}

func (s ShopConfig) withDefaults() ShopConfig {
	if s.Domain == "" {
		s.Domain = s.Name + ".myshopify.com"
	}
	if s.Currency == "" {
		s.Currency = "USD"
	}
	if len(s.Apps) == 0 {
		s.Apps = []AppConfig{{Name: "holdfast", Token: "shpat_" + s.Name,
			ClientID: "client-" + s.Name, ClientSecret: "shpss_" + s.Name}}
	}
	if len(s.WebhookSecrets) == 0 {
		s.WebhookSecrets = []string{s.Apps[0].ClientSecret}
	}
	if len(s.Locations) == 0 {
		s.Locations = []LocationConfig{{Name: "main"}}
	}
	setDefault(&s.BucketPoints, 2000)
	setDefault(&s.RestorePoints, 100)
	return s
}

func setDefault(n *int, value int) {
	if *n == 0 {
		*n = value
	}
}

// validate joins every fault of the configuration.
func (c Config) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Speed > 100_000 {
		bad("speed: %d is over 100,000", c.Speed)
	}
	names := map[string]bool{}
	for _, s := range c.Shops {
		if s.Name == "" || names[s.Name] {
			bad("shop %q: a name is needed, and no two may be equal", s.Name)
		}
		names[s.Name] = true
		places := map[string]bool{}
		for _, l := range s.Locations {
			if l.Name == "" || places[l.Name] {
				bad("shop %s, location %q: a name is needed, and no two may be equal", s.Name, l.Name)
			}
			places[l.Name] = true
		}
		for _, v := range s.Variants {
			for place := range v.Stock {
				if !places[place] {
					bad("shop %s, SKU %s: no location %q", s.Name, v.SKU, place)
				}
			}
		}
	}
	for _, f := range c.Faults {
		if err := f.validate(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// SampleShop makes a shop of two locations and n variants with SKUs SKU-0001 and on, whose stock
// follows from the seed.
func SampleShop(name string, seed uint64, n int) ShopConfig {
	r := rand.New(rand.NewPCG(seed, uint64(len(name))))
	s := ShopConfig{Name: name, Locations: []LocationConfig{{Name: "main"}, {Name: "east"}}}
	for i := range n {
		sku := fmt.Sprintf("SKU-%04d", i+1)
		s.Variants = append(s.Variants, VariantConfig{SKU: sku,
			Barcode: fmt.Sprintf("40000000%05d", i+1), Title: "Article " + sku,
			Price: fmt.Sprintf("%d.%02d", 5+r.IntN(95), r.IntN(100)),
			Stock: map[string]int{"main": 20 + r.IntN(80), "east": r.IntN(40)}})
	}
	return s.withDefaults()
}
