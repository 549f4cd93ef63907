package flows

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/mapping"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
)

// counting is a store that counts the records that are read of it.
type counting struct {
	records.Store
	read atomic.Int64
}

func (c *counting) Get(ctx context.Context, t records.Table, key string) (records.Record, bool, error) {
	c.read.Add(1)
	return c.Store.Get(ctx, t, key)
}

func (c *counting) List(ctx context.Context, t records.Table, prefix, after string, limit int) (
	[]records.Record, bool, error) {
	rows, more, err := c.Store.List(ctx, t, prefix, after, limit)
	c.read.Add(int64(len(rows)))
	return rows, more, err
}

type nobody struct{ outbox.Executor }

// TestWhatIsUnderWayIsReadAlone counts what a new leader reads to know which calls are under way, beside
// tasks that are done and orders that wait for an ERP.
func TestWhatIsUnderWayIsReadAlone(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 700} {
		store := recordstest.New(recordstest.Options{})
		desk := outbox.NewDesk(outbox.DeskConfig{Store: store, Now: time.Now})
		queue := func(kind, key string) string {
			task := outbox.Task{Kind: kind, Key: key, Connection: "shop", CreatedAt: time.Now()}
			var tx records.Tx
			outbox.Enqueue(&tx, task)
			_, err := store.Submit(t.Context(), &tx)
			require.NoError(t, err)
			return outbox.ID(kind, key, "")
		}
		for i := range n {
			queue("erp.order", fmt.Sprint(i))
			_, _, err := desk.Done(t.Context(), outbox.Told{ID: queue("shopify.order", fmt.Sprint(i))})
			require.NoError(t, err)
		}
		queue("shopify.fulfilment_orders", "order")
		c := &counting{Store: store}
		b := &busy{store: c, orders: &orders.Book{}, mapping: mapping.NewIndex(store, nil),
			connections: func() []string { return []string{"shop"} },
			executors: map[string]outbox.Executor{"shopify.order": nobody{},
				"shopify.fulfilment_orders": nobody{}}}
		for range 2 { // a watch that has lost something reads all anew
			c.read.Store(0)
			require.NoError(t, b.readAll(t.Context()))
			require.Equal(t, int64(1+2), c.read.Load(), "the watermark, and two for the one that is open")
			require.Len(t, b.mu.calls, 1)
		}
	}
}
