package shopifytest

import "time"

// State is what a shop holds. It is read at one moment.
type State struct {
	At        time.Time    `json:"at"`
	Shop      string       `json:"shop"`
	Domain    string       `json:"domain"`
	Levels    []LevelState `json:"levels"`
	Orders    []OrderState `json:"orders,omitempty"`
	Locations []PlaceState `json:"locations"`
	Variants  []SKUState   `json:"variants"`

	Subscriptions []SubscriptionState `json:"subscriptions"`
	OrderCount    int                 `json:"order_count"`
}

// LevelState is the stock of one item at one location.
type LevelState struct {
	SKU       string `json:"sku"`
	Item      int64  `json:"inventory_item_id"`
	Location  string `json:"location"`
	Active    bool   `json:"active"`
	Available int64  `json:"available"`
	Committed int64  `json:"committed"`
	OnHand    int64  `json:"on_hand"`
	Safety    int64  `json:"safety_stock"`
	Incoming  int64  `json:"incoming"`
}

// OrderState is one order.
type OrderState struct {
	ID         string      `json:"id"`
	Name       string      `json:"name"`
	App        string      `json:"app,omitempty"`
	SourceID   string      `json:"source_identifier,omitempty"`
	Test       bool        `json:"test"`
	Cancelled  bool        `json:"cancelled"`
	Financial  string      `json:"financial_status"`
	Fulfilment string      `json:"fulfillment_status"`
	UpdatedAt  time.Time   `json:"updated_at"`
	Lines      []LineState `json:"lines"`
}

// LineState is one line of an order.
type LineState struct {
	ID          string `json:"id"`
	SKU         string `json:"sku"`
	Qty         int64  `json:"qty"`
	Current     int64  `json:"current"`
	Unfulfilled int64  `json:"unfulfilled"`
	Fulfilled   int64  `json:"fulfilled"`
	Refunded    int64  `json:"refunded"`
	Tracked     bool   `json:"tracked"`
	// Assigned is from where what is unfulfilled is to leave, by the name of the location.
	Assigned map[string]int64 `json:"assigned,omitempty"`
}

// PlaceState is one location.
type PlaceState struct {
	ID     int64  `json:"id"`
	Name   string `json:"name"`
	Active bool   `json:"active"`
	Online bool   `json:"online"`
}

// SKUState is one variant.
type SKUState struct {
	SKU     string `json:"sku"`
	Barcode string `json:"barcode"`
	Variant int64  `json:"variant_id"`
	Item    int64  `json:"inventory_item_id"`
	Policy  string `json:"policy"`
}

// SubscriptionState is one subscription.
type SubscriptionState struct {
	ID    int64  `json:"id"`
	Topic string `json:"topic"`
	URI   string `json:"uri"`
}

// State reads a shop. The error says that there is none of that name.
func (s *Server) State(shopName string) (State, error) {
	x, err := s.shop(shopName)
	if err != nil {
		return State{}, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	out := State{At: s.clock.Now(), Shop: x.cfg.Name, Domain: x.cfg.Domain, OrderCount: len(x.orders)}
	for _, l := range x.locations {
		out.Locations = append(out.Locations, PlaceState{l.id, l.name, l.active, l.online})
	}
	for _, v := range x.variants {
		out.Variants = append(out.Variants, SKUState{v.sku, v.barcode, v.id, v.item.id, v.policy})
		for _, l := range v.item.levels {
			out.Levels = append(out.Levels, LevelState{SKU: v.sku, Item: v.item.id,
				Location: l.loc.name, Active: l.active, Available: l.q[available],
				Committed: l.q[committed], OnHand: l.onHand(), Safety: l.q[safetyStock],
				Incoming: l.q[incoming]})
		}
	}
	for _, o := range x.orders {
		out.Orders = append(out.Orders, o.state())
	}
	for _, sub := range x.subscriptions {
		out.Subscriptions = append(out.Subscriptions, SubscriptionState{sub.id, sub.topic, sub.uri})
	}
	return out, nil
}

func (o *order) state() OrderState {
	out := OrderState{ID: gid{"Order", o.id}.String(), Name: o.name, SourceID: o.sourceID,
		Test: o.test, Cancelled: !o.cancelled.IsZero(), Financial: o.financialStatus(),
		Fulfilment: o.fulfillmentStatus(), UpdatedAt: o.updated}
	if o.app != nil {
		out.App = o.app.cfg.Name
	}
	for _, l := range o.lines {
		out.Lines = append(out.Lines, LineState{gid{"LineItem", l.id}.String(), l.sku, l.quantity,
			l.current, l.unfulfilled(), l.fulfilled(), l.refunded, l.tracked, o.assigned(l)})
	}
	return out
}

// assigned sums what is left of a line by the location that it is to leave from.
func (o *order) assigned(l *line) map[string]int64 {
	sum := map[string]int64{}
	for _, fo := range o.fulfillmentOrders {
		for _, f := range fo.lines {
			if f.line == l && f.remaining > 0 && fo.loc != nil {
				sum[fo.loc.name] += f.remaining
			}
		}
	}
	return sum
}

// Level returns the stock of a SKU at a location; false where there is no level.
func (s *Server) Level(shopName, sku, place string) (LevelState, bool) {
	st, err := s.State(shopName)
	if err != nil {
		return LevelState{}, false
	}
	for _, l := range st.Levels {
		if l.SKU == sku && l.Location == place {
			return l, true
		}
	}
	return LevelState{}, false
}
