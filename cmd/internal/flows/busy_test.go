package flows

import (
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/mapping"
	"holdfast/adapters/orders"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
)

// TestASlotIsBusyWhileAnOrderWaits: an order whose lines are not mapped has taken units over there that
// no tally has.
func TestASlotIsBusyWhileAnOrderWaits(t *testing.T) {
	t.Parallel()
	store := recordstest.New(recordstest.Options{})
	b := &busy{store: store, orders: &orders.Book{}, mapping: mapping.NewIndex(store, nil)}
	b.mu.ready = true
	slot := &publish.Slot{Connection: "shop", SKU: "A"}
	is := func() bool {
		is, err := b.Busy(t.Context(), slot)
		require.NoError(t, err)
		return is
	}
	require.False(t, is())
	for _, connection := range []string{"other", "shop"} {
		var tx records.Tx
		mapping.Wait(&tx, "o", mapping.VariantRef(connection, 7))
		_, err := store.Submit(t.Context(), &tx)
		require.NoError(t, err)
		require.Equal(t, connection == "shop", is())
	}
}
