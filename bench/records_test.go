package bench

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
	"holdfast/raftstore"
)

// BenchmarkOrders is how many transactions a second become durable that are shaped like an order that a
// webhook brings: a reserve of two lines that records the sale, the order's body of 2 KiB, and four small
// records (the message's id, two tasks, an external id), all at one index. An op is one transaction.
func BenchmarkOrders(b *testing.B) {
	for _, nodes := range []int{1, 3} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			submitOrders(b, formStores(b, nodes, plain), 256)
		})
	}
}

// orderBody is about what is kept of an order with two lines.
var orderBody = bytes.Repeat([]byte(`{"line":"0123456789","qty":1} `), 2048/30)

// orderTx makes the transaction of one order.
func orderTx(w *world, i int) *engine.Group {
	id := fmt.Sprintf("shopify:main:%012d", i)
	record := func(table uint8, key string, size int) *engine.Put {
		return &engine.Put{Table: table, Key: key, If: engine.IfAbsent, Body: orderBody[:size]}
	}
	seen := record(3, "main/orders/create/"+id, 0)
	seen.Expires = 1 << 50
	return &engine.Group{Atomic: true, Ops: []engine.Command{
		&engine.Reserve{ID: id, Channel: w.channel, Mode: engine.Accept, Commit: true,
			Lines: []engine.Line{{SKU: w.name(2 * i), Qty: 1}, {SKU: w.name(2*i + 1), Qty: 1}}},
		record(1, id, len(orderBody)), record(2, "main/"+id, 24), seen,
		record(4, "publish/"+id, 160), record(4, "fulfil/"+id, 160),
	}}
}

func submitOrders(b *testing.B, leader *raftstore.Store, callers int) {
	const skus = 10_000
	w := &world{}
	for i := range skus {
		w.skus = append(w.skus, engine.Name(fmt.Sprintf("SKU-%07d", i)))
	}
	w.channel = "web"
	ops := []engine.Op{
		{Command: &engine.DefineLocation{Location: "main", Kind: engine.Merchant,
			Master: engine.MasterHoldfast, Shortfall: engine.ShortfallNone}},
		{Command: &engine.DefineChannel{Channel: "web", Kind: engine.ChannelAPI,
			Publish: engine.Pooled, Split: true, Locations: []engine.Name{"main"}}},
	}
	for _, name := range w.skus {
		ops = append(ops, engine.Op{Command: &engine.DefineSKU{SKU: name}},
			engine.Op{Command: &engine.Set{SKU: name, Location: "main", Value: 1e9}})
	}
	submit(b, leader, ops)
	runtime.GC()
	cpu := cpuTime()
	b.ResetTimer()
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := c; i < b.N; i += callers {
				r, err := leader.Submit(b.Context(), engine.Op{Command: orderTx(w, i)})
				if err != nil || r.Refusal != engine.Accepted {
					b.Errorf("order %d: %v, %v", i, r.Refusal, err)
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
	b.ReportMetric(float64(cpuTime()-cpu)/float64(b.N), "cpu-ns/op")
	page, _, err := leader.Records(b.Context(), 1, "", "", 1)
	require.NoError(b, err)
	require.Len(b, page, 1)
}
