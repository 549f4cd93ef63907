package shopify

import (
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/connections"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
	"holdfast/adapters/shopify/shopifytest"
)

func (w *world) queued(kind, key string) bool {
	w.t.Helper()
	_, ok, err := w.store.Get(w.ctx, records.Tasks, outbox.ID(kind, key, ""))
	require.NoError(w.t, err)
	return ok
}

// An order is queued for its placement in the transaction that has it: there is no half of a webhook,
// and one whose outcome is unknown is sent again.
func TestAnOrderIsPlacedAfterAWebhookOfUnknownOutcome(t *testing.T) {
	w := newWorld(t)
	body := w.orderText(nil)
	w.store.Fail(func(tx *records.Tx) recordstest.Failure {
		if tx == nil {
			return recordstest.Works
		}
		return recordstest.UnknownAfter
	})
	require.Equal(t, TryLater, w.send("orders/create", "w1", body))
	w.store.Fail(nil)
	require.Equal(t, Taken, w.send("orders/create", "w1", body))
	require.True(t, w.queued(taskPlaces, "shopify:shop:820982911946154508"))
}

// splitSale sells more than main has left, so that the shop assigns the second order to east; no
// webhook says so.
func (w *world) splitSale() (last string) {
	w.t.Helper()
	for _, n := range []int64{90, 20} {
		sold, err := w.sim.Sell(shopifytest.Sales{Shop: "alpha",
			Lines: []shopifytest.SaleLine{{SKU: "A", Qty: n}}})
		require.NoError(w.t, err)
		w.sim.Settle()
		last = gid(sold.Orders[0].ID).tail()
	}
	return last
}

func TestTheSweepPlacesWhatItFinds(t *testing.T) {
	w := newWorld(t)
	key := "shopify:shop:" + w.splitSale()
	w.sweep()
	require.True(t, w.queued(taskPlaces, key))
	require.Empty(t, w.work())
	w.equal(begun)
	require.EqualValues(t, 20, w.stock("A", "east").Committed)
}

// During a start tasks wait: the orders are placed as they are read.
func TestTheStartPlacesOpenOrders(t *testing.T) {
	w := newWorld(t)
	w.splitSale()
	w.steps("orders", func(cursor string) (connections.Page, error) {
		return w.adapter().OpenOrders(w.ctx, cursor)
	})
	w.equal(begun)
	require.EqualValues(t, 20, w.stock("A", "east").Committed)
}

// calls is how often the field of an operation was asked for.
func (w *world) calls(name string) int {
	return len(w.sim.Journal(shopifytest.Filter{Kind: "request", Op: name}))
}

// The open orders of a page are placed by one call, not by one each.
func TestTheStartPlacesAPageAtOnce(t *testing.T) {
	w := newWorld(t)
	w.splitSale()
	for range 9 {
		_, err := w.sim.Sell(shopifytest.Sales{Shop: "alpha",
			Lines: []shopifytest.SaleLine{{SKU: "A", Qty: 1}}})
		require.NoError(t, err)
	}
	w.sim.Settle()
	orders, nodes := w.calls("order"), w.calls("nodes")
	w.steps("orders", func(cursor string) (connections.Page, error) {
		return w.adapter().OpenOrders(w.ctx, cursor)
	})
	w.equal(begun)
	require.Equal(t, orders, w.calls("order"))
	require.Equal(t, nodes+1, w.calls("nodes"))
}

// A fulfilment order that was moved changes no order: without its webhook only a look at fulfilment
// orders finds it. What stands where it should costs nothing more.
func TestALostMoveIsFound(t *testing.T) {
	w := newWorld(t)
	w.watch()
	sold, err := w.sim.Sell(shopifytest.Sales{Shop: "alpha",
		Lines: []shopifytest.SaleLine{{SKU: "A", Qty: 3}}})
	require.NoError(t, err)
	w.sim.Settle()
	require.Empty(t, w.work())
	s, err := w.shops.shop("shop")
	require.NoError(t, err)
	sweep := func() { require.NoError(t, s.sweepPlaces(w.ctx, w.shops)) }
	reads := w.calls("order")
	sweep()
	require.Empty(t, w.work())
	require.Equal(t, reads, w.calls("order"), "it is where the book has it")

	w.mu.Lock()
	w.broken = true
	w.mu.Unlock()
	w.sim.Advance(sweepOverlap + placesEvery)
	require.NoError(t, w.sim.Edit(shopifytest.Edits{Shop: "alpha",
		Moves: []shopifytest.MoveEdit{{Order: sold.Orders[0].ID, To: "east"}}}))
	w.sim.Settle()
	w.sweep()
	require.Empty(t, w.work())
	require.Zero(t, w.stock("A", "east").Committed, "no order has changed")
	sweep()
	require.Empty(t, w.work())
	require.EqualValues(t, 3, w.stock("A", "east").Committed)
	w.equal(begun)
	reads = w.calls("order")
	sweep()
	require.Empty(t, w.work())
	require.Equal(t, reads, w.calls("order"), "it is done once")
}
