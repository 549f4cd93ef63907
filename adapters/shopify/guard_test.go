package shopify

import (
	"encoding/json"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/connections"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
	"holdfast/adapters/shopify/shopifytest"
)

func withFBA(orders string) func(*connections.Connection) {
	return func(c *connections.Connection) {
		var s Settings
		_ = json.Unmarshal(c.Settings, &s) // define made it
		s.FBALocations, s.FBAOrders = []string{"east"}, orders
		c.Settings, _ = json.Marshal(s)
	}
}

// open lists where the open part of the shop's only order is to leave from, and who holds it there.
func (w *world) open() (places, holds []string) {
	w.t.Helper()
	state, err := w.sim.State("alpha")
	require.NoError(w.t, err)
	require.Len(w.t, state.Orders, 1)
	s, err := w.shops.shop("shop")
	require.NoError(w.t, err)
	at, err := s.readPlaces(w.ctx, gid(state.Orders[0].ID))
	require.NoError(w.t, err)
	for i := range at.Groups.Nodes {
		g := &at.Groups.Nodes[i]
		if !g.open() {
			continue
		}
		places = append(places, s.ours(g.At.Location.tail()))
		for _, h := range g.Holds {
			holds = append(holds, h.Handle)
		}
	}
	return places, holds
}

// An order that Amazon sends is held and stands at the location of Amazon's stock before its task counts as
// done, whatever fails in between; it takes no stock, in the shop or in the ledger, and no echo of it does.
func TestAnOrderThatAmazonSendsIsHeldAndMoved(t *testing.T) {
	faults := []shopifytest.Fault{{}}
	for _, kind := range []string{shopifytest.FaultResetAfter, shopifytest.FaultResetBefore} {
		for _, op := range []string{"orderCreate", "fulfillmentOrderHold", "fulfillmentOrderMove"} {
			faults = append(faults, shopifytest.Fault{Kind: kind, Operation: op, Count: 1})
		}
	}
	for _, f := range faults {
		t.Run(f.Operation+" "+f.Kind, func(t *testing.T) {
			w := newWorld(t, withFBA(""))
			w.watch()
			if f.Kind != "" {
				require.NoError(t, w.sim.Break(f))
			}
			id := w.amazonOrder("902-1111111-7777777", "amazon")
			w.eventually()
			w.sim.Settle()
			places, holds := w.open()
			require.Equal(t, []string{"east"}, places)
			require.Equal(t, []string{fbaHandle}, holds)
			w.expected(begun)
			o := w.get(id)
			require.Empty(t, o.Reservation)
			require.True(t, slices.ContainsFunc(o.Externals, func(e orders.External) bool {
				return e.System == "shop" && e.Kind == "order"
			}))
		})
	}
}

// eventually does what is queued, and again what failed, as the dispatcher would: it says so to the next try.
func (w *world) eventually() {
	w.t.Helper()
	var failed map[string]error
	for range 6 {
		if failed = w.work(); len(failed) == 0 {
			return
		}
		w.sim.Advance(2 * time.Minute)
		for id := range failed {
			row, _, err := w.store.Get(w.ctx, records.Tasks, id)
			require.NoError(w.t, err)
			task, err := records.Decode[outbox.Task](row)
			require.NoError(w.t, err)
			task.Tries, task.Unknown = task.Tries+2, true
			var tx records.Tx
			tx.Replace(records.Record{Table: records.Tasks, Key: id, State: row.State, Body: tx.Encode(task)},
				row.Version)
			_, err = w.store.Submit(w.ctx, &tx)
			require.NoError(w.t, err)
		}
	}
	w.t.Fatalf("tasks keep failing: %v", failed)
}

// What Amazon has sent ends the hold for just that, and what is left is held again.
func TestWhatAmazonHasSentIsFulfilledAndTheRestHeld(t *testing.T) {
	w := newWorld(t, withFBA(""))
	w.watch()
	id := w.amazonOrder("902-1111111-7777777", "amazon")
	w.eventually()
	for i, qty := range []int64{1, 2} {
		key := []string{"S1", "S2"}[i]
		_, err := w.book.Ship(w.ctx, id, orders.Shipment{Key: key, By: "amz", Carrier: "AMZN", Tracking: "TBA" + key,
			Lines: []orders.ShipmentLine{{Ref: "l1", Qty: qty}}})
		require.NoError(t, err)
		w.eventually()
		w.sim.Settle()
		_, holds := w.open()
		if i == 0 {
			require.Equal(t, []string{fbaHandle}, slices.Compact(holds))
		} else {
			require.Empty(t, holds)
		}
	}
	state, err := w.sim.State("alpha")
	require.NoError(t, err)
	require.Equal(t, orders.Shipped, w.get(id).State)
	require.Len(t, w.get(id).Shipments, 2, "the shop's own news of them is ours")
	require.Len(t, state.Orders, 1)
}

func TestOrdersThatAmazonSendsMayWaitOrBeLeftOut(t *testing.T) {
	for _, how := range []string{fbaSkip, fbaAfter} {
		w := newWorld(t, withFBA(how))
		id := w.amazonOrder("902-1111111-7777777", "amazon")
		s, err := w.shops.shop("shop")
		require.NoError(t, err)
		j := &job{shop: s, all: w.shops, t: outbox.Task{Kind: taskOrder, Key: id, Connection: "shop"}}
		_, err = j.order(w.ctx)
		var later *outbox.Later
		var needless *outbox.Needless
		if how == fbaSkip {
			require.ErrorAs(t, err, &needless)
			o := w.get(id)
			_, err = j.there(&o)
			require.ErrorAs(t, err, &needless, "nothing waits for what is never made")
			continue
		}
		require.ErrorAs(t, err, &later)
		_, err = w.book.Ship(w.ctx, id, orders.Shipment{Key: "S1", By: "amz"})
		require.NoError(t, err)
		_, err = j.order(w.ctx)
		require.NoError(t, err)
	}
}

// What the total is made of comes with it: shipping, and the tax that the marketplace has collected.
func TestAnOrderOfAmazonsHasItsShippingAndTaxes(t *testing.T) {
	for _, included := range []bool{false, true} {
		w := newWorld(t)
		w.watch()
		total := "36.50"
		if included {
			total = "34.00"
		}
		_, err := w.book.Receive(w.ctx, orders.Delivery{Connection: "amz"}, orders.Snapshot{
			Home: orders.External{System: "amz", Kind: "order", ID: "902-1"}, CreatedAt: w.sim.Now(),
			UpdatedAt: w.sim.Now(), Currency: "USD", Total: total,
			Money: &orders.Money{TaxIncluded: included, Charges: []orders.Charge{{Kind: "shipping", Amount: "4.00"}},
				Lines: []orders.LineMoney{{Ref: "l1", Tax: "2.50"}}},
			Lines: []orders.SnapshotLine{{Ref: "l1", Qty: 3, Ordered: 3, SellerSKU: "AZ-A", Price: "10.00"}}})
		require.NoError(t, err)
		w.eventually()
		var out struct {
			Orders struct {
				Nodes []struct {
					Total struct {
						Shop struct{ Amount string } `json:"shopMoney"`
					} `json:"totalPriceSet"`
				} `json:"nodes"`
			} `json:"orders"`
		}
		s, err := w.shops.shop("shop")
		require.NoError(t, err)
		op := &operation{name: "Total", kind: reads, urgency: Ordinary, cost: 5, text: `query Total { orders(first: 1) { nodes {
  totalPriceSet { shopMoney { amount } } } } }`}
		require.NoError(t, s.client.do(w.ctx, op, nil, &out))
		require.Len(t, out.Orders.Nodes, 1)
		want, ok := new(big.Rat).SetString(total)
		require.True(t, ok)
		got, ok := new(big.Rat).SetString(out.Orders.Nodes[0].Total.Shop.Amount)
		require.True(t, ok)
		require.Zero(t, want.Cmp(got), "%s", got.FloatString(2))
	}
}

// TestAnOrderOfAmazonsNamesWhatIsNotMapped: Amazon sends it, so the ledger asks for no SKU; the shop needs one.
func TestAnOrderOfAmazonsNamesWhatIsNotMapped(t *testing.T) {
	w := newWorld(t)
	w.watch()
	_, err := w.book.Receive(w.ctx, orders.Delivery{Connection: "amz"}, orders.Snapshot{
		Home: orders.External{System: "amz", Kind: "order", ID: "902-2"}, CreatedAt: w.sim.Now(),
		UpdatedAt: w.sim.Now(), FulfilledBy: "amazon",
		Lines: []orders.SnapshotLine{{Ref: "l1", Qty: 1, Ordered: 1, SellerSKU: "AZ-Z"}}})
	require.NoError(t, err)
	failed := w.work()
	require.Len(t, failed, 1)
	for _, err := range failed {
		require.ErrorContains(t, err, `"AZ-Z" of amz is mapped to no SKU`)
	}
}
