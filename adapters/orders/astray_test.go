package orders

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhatAnOrderHasAstray: units that the shop has taken out at one location and the ledger has promised
// at another are astray at both, in opposite ways; what has left from where the shop had it is not.
func TestWhatAnOrderHasAstray(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock("main", "A", 10)
	w.stock("east", "A", 0)
	const id = "shopify:shop:1"
	astray := func(connection, sku, location string) int64 {
		t.Helper()
		n, err := w.book.Astray(w.ctx, id, connection, sku, location)
		require.NoError(t, err)
		return n
	}
	require.Zero(t, astray("shop", "A", "main"), "nobody knows the order")
	require.Equal(t, "new", w.take("1 at=1 line=L1/v:1/qty:3 line=L2/v:2/qty:1"))
	require.Zero(t, astray("shop", "A", "main"))

	_, err := w.book.Assign(w.ctx, id, []Assigned{{Ref: "L1", Qty: 2, Location: "east", Group: "FO1"},
		{Ref: "L1", Qty: 1, Location: "main", Group: "FO2"}}, false)
	require.Error(t, err, "there is no room")
	require.EqualValues(t, 2, astray("shop", "A", "east"))
	require.EqualValues(t, -2, astray("shop", "A", "main"))
	require.Zero(t, astray("shop", "A", "store"))
	require.Zero(t, astray("amz", "A", "east"), "it is the shop's order")

	_, err = w.book.Ship(w.ctx, id, Shipment{By: "3pl", Key: "P1", Location: "main",
		Lines: []ShipmentLine{{Ref: "L1", Qty: 1}}})
	require.NoError(t, err)
	require.EqualValues(t, -2, astray("shop", "A", "main"))
	w.stock("east", "A", 2)
	_, err = w.book.Assign(w.ctx, id, []Assigned{{Ref: "L1", Qty: 2, Location: "east", Group: "FO1"}}, false)
	require.NoError(t, err)
	require.Zero(t, astray("shop", "A", "east"))
	require.Zero(t, astray("shop", "A", "main"))
}
