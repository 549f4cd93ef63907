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
