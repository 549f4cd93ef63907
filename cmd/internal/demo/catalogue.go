package demo

import (
	"context"
	"fmt"
	"math/rand/v2"

	"holdfast/cmd/internal/client"
)

// Place is a SKU at a location.
type Place struct{ SKU, Location string }

// Item is one SKU. A kit has components and no stock of its own.
type Item struct {
	SKU   string      `json:"sku"`
	Title string      `json:"title"`
	Kit   []Component `json:"kit,omitempty"`
}

// Component is one part of a kit.
type Component struct {
	SKU string `json:"sku"`
	Qty int64  `json:"qty"`
}

// Channel is one place that sells.
type Channel struct {
	ID        string         `json:"-"`
	Kind      string         `json:"kind"`
	Region    string         `json:"region"`
	Locations []string       `json:"locations"`
	Split     bool           `json:"split"`
	Rules     map[string]any `json:"rules"`
}

// Catalogue is all that can be sold, and where.
type Catalogue struct {
	Locations []string
	Channels  []Channel
	Items     []Item // the most wanted first
	Stock     map[Place]int64
	kits      map[string][]Component
}

// The size of the catalogue.
const (
	items = 1_000
	kits  = 50
)

// The three locations and three channels.
const (
	atMain, atEast, atStore = "main", "east", "store"
	web, market, pos        = "web", "market", "pos"
)

// NewCatalogue makes a catalogue from r. The few SKUs that most shoppers want have less than is
// wanted, so that they sell out; kits share components with each other and with single sales.
func NewCatalogue(r *rand.Rand) *Catalogue {
	c := &Catalogue{
		Locations: []string{atMain, atEast, atStore},
		Channels: []Channel{
			{ID: web, Kind: "api", Region: "na", Locations: []string{atMain, atEast}, Split: true,
				Rules: map[string]any{"buffer": 2}},
			{ID: market, Kind: "api", Region: "na", Locations: []string{atMain, atEast, atStore},
				Split: true, Rules: map[string]any{"buffer_percent": 5}},
			{ID: pos, Kind: "api", Region: "na", Locations: []string{atStore, atMain}, Split: false,
				Rules: map[string]any{"buffer": 1}},
		},
		Stock: map[Place]int64{},
		kits:  map[string][]Component{},
	}
	const kitEvery = items / kits
	var single []string
	for i := range items {
		item := Item{SKU: fmt.Sprintf("SKU-%04d", i+1), Title: fmt.Sprintf("Article %d", i+1)}
		if i%kitEvery == kitEvery/2 {
			item.SKU, item.Title = fmt.Sprintf("KIT-%04d", i+1), fmt.Sprintf("Set %d", i+1)
			item.Kit = components(r, single)
			c.kits[item.SKU] = item.Kit
		} else {
			single = append(single, item.SKU)
			for _, l := range c.Locations {
				c.Stock[Place{item.SKU, l}] = 4 + r.Int64N(30)
			}
		}
		c.Items = append(c.Items, item)
	}
	return c
}

// components picks two or three different SKUs.
func components(r *rand.Rand, from []string) []Component {
	var all []Component
	for _, i := range r.Perm(len(from))[:2+r.IntN(2)] {
		all = append(all, Component{SKU: from[i], Qty: 1 + r.Int64N(2)})
	}
	return all
}

// parts says what one unit of a SKU is made of: a kit of its components, any other of itself.
func (c *Catalogue) parts(sku string) []Component {
	if kit, ok := c.kits[sku]; ok {
		return kit
	}
	return []Component{{SKU: sku, Qty: 1}}
}

// Singles lists the SKUs that have stock of their own.
func (c *Catalogue) Singles() []string {
	var all []string
	for _, i := range c.Items {
		if i.Kit == nil {
			all = append(all, i.SKU)
		}
	}
	return all
}

// send defines everything and stocks it, and writes what was accepted into the books. It fails on
// the first call that is not accepted.
func (c *Catalogue) send(ctx context.Context, s *sender, books *Books) error {
	for _, l := range c.Locations {
		body := map[string]any{"kind": "merchant", "region": "na", "country": "US",
			"master": "holdfast"}
		if err := s.put(ctx, "/v1/locations/"+l, body); err != nil {
			return err
		}
	}
	for _, ch := range c.Channels {
		if err := s.put(ctx, "/v1/channels/"+ch.ID, ch); err != nil {
			return err
		}
	}
	if _, err := s.call(ctx, 0, client.Call{Method: "POST", Path: "/v1/skus", Key: "demo-skus",
		Body: map[string]any{"skus": c.Items}}, nil); err != nil {
		return fmt.Errorf("define %d SKUs: %w", len(c.Items), err)
	}
	var changes []client.StockChange
	for _, sku := range c.Singles() {
		for _, l := range c.Locations {
			units := c.Stock[Place{sku, l}]
			changes = append(changes, client.StockChange{SKU: sku, Location: l, Set: &units,
				Source: "demo"})
		}
	}
	return s.stock(ctx, 0, "demo-stock", changes, books)
}
