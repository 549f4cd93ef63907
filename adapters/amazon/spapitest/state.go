package spapitest

import (
	"fmt"
	"time"
)

// State is what an account holds. It is read at one moment.
type State struct {
	At       time.Time      `json:"at"`
	Account  string         `json:"account"`
	Region   string         `json:"region"`
	SellerID string         `json:"seller_id"`
	Markets  []string       `json:"marketplaces"`
	Pools    [][]string     `json:"pools"`
	Listings []ListingState `json:"listings"`
	Orders   []OrderState   `json:"orders"`
	MCF      []MCFState     `json:"mcf"`

	Subscriptions map[string]string     `json:"subscriptions"` // type to destination
	Queues        map[string]QueueState `json:"queues"`
}

// ListingState is one SKU.
type ListingState struct {
	SKU      string            `json:"sku"`
	ASIN     string            `json:"asin"`
	FNSKU    string            `json:"fnsku"`
	Channel  string            `json:"channel"` // DEFAULT or AMAZON_*
	Stranded bool              `json:"stranded"`
	Quantity int64             `json:"quantity"`
	LeadTime int64             `json:"lead_time"`
	Stock    map[string]Levels `json:"stock,omitempty"` // by the first marketplace of the pool
	Prices   map[string]string `json:"prices"`          // by marketplace
	Status   string            `json:"status"`
	Settled  bool              `json:"settled"` // no accepted change waits to take effect
}

// OrderState is one order.
type OrderState struct {
	ID          string      `json:"id"`
	Status      string      `json:"status"`
	FulfilledBy string      `json:"fulfilled_by"`
	NonAmazon   bool        `json:"non_amazon"`
	Alias       string      `json:"alias,omitempty"`
	Marketplace string      `json:"marketplace"`
	CreatedAt   time.Time   `json:"created_at"`
	UpdatedAt   time.Time   `json:"updated_at"`
	Items       []ItemState `json:"items"`
	Packages    int         `json:"packages"`
	Refunded    string      `json:"refunded"`
}

// ItemState is one line of an order.
type ItemState struct {
	ID        string `json:"id"`
	SKU       string `json:"sku"`
	Qty       int64  `json:"qty"`
	Shipped   int64  `json:"shipped"`
	Returned  int64  `json:"returned"`
	Cancelled bool   `json:"cancelled"`
	Requested bool   `json:"cancel_requested"`
}

// MCFState is one multi-channel order.
type MCFState struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Order  string `json:"order,omitempty"` // its id in the Orders API
}

// QueueState is one queue.
type QueueState struct {
	Ready    int `json:"ready"`
	InFlight int `json:"in_flight"`
}

// State reads an account. The error says that there is none of that name.
func (s *Server) State(account string) (State, error) {
	x, err := s.account(account)
	if err != nil {
		return State{}, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	out := State{At: s.clock.Now(), Account: x.cfg.Name, Region: x.cfg.Region,
		SellerID: x.cfg.SellerID, Pools: x.pools, Subscriptions: map[string]string{},
		Queues: map[string]QueueState{}, Listings: []ListingState{}, Orders: []OrderState{},
		MCF: []MCFState{}}
	for _, m := range x.markets {
		out.Markets = append(out.Markets, m.id)
	}
	for _, l := range x.listings {
		out.Listings = append(out.Listings, l.state(out.At))
	}
	for _, o := range x.orders {
		out.Orders = append(out.Orders, o.state())
	}
	for _, m := range x.mcf {
		st := MCFState{ID: m.in.ID, Status: m.status}
		if m.order != nil {
			st.Order = m.order.id
		}
		out.MCF = append(out.MCF, st)
	}
	for _, sub := range x.subs {
		out.Subscriptions[sub.kind] = sub.dest.id
	}
	for name, q := range s.queues {
		ready, flying := q.counts()
		out.Queues[name] = QueueState{ready, flying}
	}
	return out, nil
}

func (l *listing) state(now time.Time) ListingState {
	out := ListingState{SKU: l.sku, ASIN: l.asin, FNSKU: l.fnsku, Channel: defaultChannel,
		Stranded: l.stranded, Quantity: l.quantity, LeadTime: l.lead, Status: l.status(),
		Prices: map[string]string{}, Settled: l.inEffect(now)}
	if l.fba != "" {
		out.Channel, out.Stock = l.fba, map[string]Levels{}
		for i, pool := range l.acct.pools {
			out.Stock[pool[0]] = l.stock[i]
		}
	}
	for _, m := range l.markets {
		out.Prices[m.id] = l.priceIn(m).text(m.currency)
	}
	return out
}

func (o *order) state() OrderState {
	out := OrderState{ID: o.id, Status: o.status, FulfilledBy: "MERCHANT", NonAmazon: o.nonAmazon,
		Alias: o.alias, Marketplace: o.market.id, CreatedAt: o.created, UpdatedAt: o.updated,
		Packages: len(o.parcels), Refunded: o.refunded.text(o.market.currency)}
	if o.afn {
		out.FulfilledBy = "AMAZON"
	}
	for _, i := range o.items {
		out.Items = append(out.Items, ItemState{i.id, i.listing.sku, i.qty, i.shipped, i.returned,
			i.gone, i.requested != ""})
	}
	return out
}

// Listing returns one SKU of an account. The error says that there is none.
func (s *Server) Listing(account, sku string) (ListingState, error) {
	x, err := s.account(account)
	if err != nil {
		return ListingState{}, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	l := x.bySKU[sku]
	if l == nil {
		return ListingState{}, fmt.Errorf("%w: no SKU %q", errEdit, sku)
	}
	return l.state(s.clock.Now()), nil
}

// Order returns one order of an account. The error says that there is none.
func (s *Server) Order(account, id string) (OrderState, error) {
	x, err := s.account(account)
	if err != nil {
		return OrderState{}, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	o := x.byID[id]
	if o == nil {
		return OrderState{}, fmt.Errorf("%w: no order %q", errOrder, id)
	}
	return o.state(), nil
}
