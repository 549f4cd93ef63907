package orders

import (
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkReceive takes in new orders of two lines from 64 goroutines, as webhooks bring them.
func BenchmarkReceive(b *testing.B) {
	w := newWorld(b)
	for _, sku := range []string{"A", "B"} {
		w.stock("main", sku, 1_000_000_000)
	}
	two := int64(2)
	var next atomic.Int64
	b.SetParallelism(32) // of two cores: 64 goroutines
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := strconv.FormatInt(next.Add(1), 10)
			_, err := w.book.Receive(w.ctx, Delivery{Connection: "shop", Topic: "orders/create", ID: n},
				Snapshot{Home: External{System: "shop", Kind: "order", ID: n}, Name: "#" + n,
					CreatedAt: start, UpdatedAt: start, Currency: "USD", Total: "31.50",
					ShipTo: Place{Country: "US", Region: "CA", PostalCode: "94105"},
					Lines: []SnapshotLine{
						{Ref: n + "1", VariantID: 1, Qty: 2, Ordered: 2, ToShip: &two, SKU: "A",
							Title: "A thing", Price: "10.00"},
						{Ref: n + "2", VariantID: 2, Qty: 2, Ordered: 2, ToShip: &two, SKU: "B",
							Title: "Another thing", Price: "5.75"},
					}})
			if err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
	require.Empty(b, w.open())
}
