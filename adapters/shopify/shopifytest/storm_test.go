package shopifytest

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEverybodyAtOnce lets shoppers, staff and an API client work at the same time, and holds the
// sum of the journal against the levels.
func TestEverybodyAtOnce(t *testing.T) {
	t.Parallel()
	shop := testShop("alpha")
	shop.BucketPoints = 1_000_000
	s := live(t, Config{Shops: []ShopConfig{shop}, Speed: 1000,
		Transport: receiver(func(*http.Request) int { return 200 }),
		Webhooks:  WebhookNoise{LostPercent: 5, DuplicatePercent: 20, ReorderPercent: 20, ReorderMS: 50}})
	for _, topic := range []string{"orders/create", "orders/updated", "inventory_levels/update"} {
		require.NoError(t, s.Subscribe("alpha", topic, "https://app.example/h"))
	}
	r := &rig{Server: s, t: t}
	item, loc := r.ids("A", "main")
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 50 {
				_, err := s.Sell(Sales{SKUs: []string{"A", "B", "C"}})
				assert.NoError(t, err)
			}
		})
		all.Go(func() {
			for n := range 50 {
				out := r.call(adjustOp, m{"key": fmt.Sprint(i, "-", n), "input": m{"name": "available",
					"reason": "correction", "changes": []any{m{"inventoryItemId": item,
						"locationId": loc, "delta": 1, "changeFromQuantity": nil}}}})
				assert.Empty(t, out.Errors)
			}
		})
		all.Go(func() {
			for range 20 {
				assert.NoError(t, s.Edit(Edits{Stock: []StockEdit{{SKU: "B", Adjust: 2}}}))
				_, err := s.Cancel(Cancels{Percent: 10, Seed: uint64(i)})
				assert.NoError(t, err)
			}
		})
	}
	all.Wait()
	s.Settle()
	sums(t, r)
	total := map[string]int64{"A": 15 + 200, "B": 3 + 160, "C": 1}
	for _, l := range r.state().Levels {
		total[l.SKU] -= l.OnHand
	}
	for _, sku := range []string{"A", "B", "C"} {
		assert.Zero(t, total[sku], "%s: nothing was shipped, so all that came is on hand", sku)
	}
}
