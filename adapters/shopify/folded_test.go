package shopify

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
)

// An order of many lines is folded in its record; tasks, webhooks and documents of ours read it
// like any other.
func TestAFoldedOrderIsReadWhole(t *testing.T) {
	w := newWorld(t)
	lines := make([]orders.SnapshotLine, 400)
	for i := range lines {
		lines[i] = orders.SnapshotLine{Ref: fmt.Sprintf("9000000000%04d", i), Qty: 1, Ordered: 1,
			NotStock: "no-variant", SKU: fmt.Sprintf("SKU-LONG-NAME-%d", i),
			Title: "An article of some longer name, size L, red", Price: "10.00"}
	}
	const key = "shopify:shop:77"
	_, err := w.book.Receive(w.ctx, orders.Delivery{Connection: "shop"}, orders.Snapshot{
		Home:      orders.External{System: "shop", Kind: "order", ID: "77"},
		CreatedAt: w.sim.Now(), UpdatedAt: w.sim.Now(), Lines: lines})
	require.NoError(t, err)
	row, _, err := w.store.Get(w.ctx, records.Orders, key)
	require.NoError(t, err)
	require.Contains(t, string(row.Body[:12]), "folded", "the order is not large enough")
	s, err := w.shops.shop("shop")
	require.NoError(t, err)
	j := &job{shop: s, all: w.shops, t: outbox.Task{Kind: taskCancel, Connection: "shop", Key: key}}
	o, err := j.load(w.ctx)
	require.NoError(t, err)
	id, err := j.there(o)
	require.NoError(t, err)
	require.Equal(t, "77", id.tail())
	require.Len(t, o.Lines, len(lines))

	// A document of it attaches its packages to its lines.
	got, err := echoes{w.book, w}.receive(w.ctx, orders.Delivery{Connection: "shop"}, orders.Snapshot{
		Home: orders.External{System: "shop", Kind: "order", ID: "78"}, Of: key,
		CreatedAt: w.sim.Now(), UpdatedAt: w.sim.Now(),
		Lines:     []orders.SnapshotLine{{Ref: "1", Qty: 1, Ordered: 1, SKU: "SKU-LONG-NAME-399"}},
		Shipments: []orders.Shipment{{Key: "p", By: "shop", Lines: []orders.ShipmentLine{{Ref: "1", Qty: 1}}}}})
	require.NoError(t, err)
	require.Equal(t, key, got.Order)

	j.t.Key = "shopify:shop:78"
	_, err = j.load(w.ctx)
	require.Equal(t, codeGone, codeOf(err), "what is not there is a fault of the task")
}
