package shopifytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func benchShop() ShopConfig {
	s := SampleShop("alpha", 1, 1000)
	for i := range s.Variants {
		s.Variants[i].Stock = map[string]int{"main": 1_000_000, "east": 1000}
	}
	s.BucketPoints, s.RestorePoints = 1_000_000_000, 1_000_000
	return s
}

// perCore reports how many a second one core does, client and receiver included: what a benchmark
// needs on a machine that others use too.
func perCore(b *testing.B, unit string) func() {
	b.Helper()
	begin := cpuTime(b)
	return func() { b.ReportMetric(float64(b.N)/(cpuTime(b)-begin).Seconds(), unit) }
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCalls is a stock push over HTTP, client and server in one process.
func BenchmarkCalls(b *testing.B) {
	s, err := New(Config{Shops: []ShopConfig{benchShop()}})
	if err != nil || s.Start() != nil {
		b.Fatal(err)
	}
	defer s.Close()
	st, _ := s.State("alpha")
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	var n atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	defer perCore(b, "calls/core-s")()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			l := st.Levels[int(i)%len(st.Levels)]
			text, _ := json.Marshal(map[string]any{"query": adjustOp, "variables": map[string]any{
				"key": fmt.Sprint("k", i), "input": map[string]any{"name": "available",
					"reason": "correction", "changes": []any{map[string]any{
						"inventoryItemId": gid{"InventoryItem", l.Item}.String(),
						"locationId":      gid{"Location", st.Locations[0].ID}.String(), "delta": -1,
						"changeFromQuantity": nil}}}}})
			r, _ := http.NewRequest("POST", s.Endpoint("alpha")+"/admin/api/2026-10/graphql.json",
				bytes.NewReader(text))
			r.Header.Set("X-Shopify-Access-Token", "shpat_alpha")
			res, err := client.Do(r)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
	})
}

// BenchmarkWebhooks delivers orders/create to a server that answers 200, both in one process.
func BenchmarkWebhooks(b *testing.B) {
	var got atomic.Int64
	var all sync.WaitGroup
	all.Add(b.N)
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if got.Add(1) <= int64(b.N) {
			all.Done()
		}
	}))
	defer sink.Close()
	s, err := New(Config{Shops: []ShopConfig{benchShop()}, WebhookQueue: 10_000_000})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.Subscribe("alpha", "orders/create", sink.URL); err != nil {
		b.Fatal(err)
	}
	for left := b.N; left > 0; left -= 10_000 {
		if _, err := s.Sell(Sales{Count: min(left, 10_000), MaxLines: 3}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	defer perCore(b, "webhooks/core-s")()
	s.Deliver()
	all.Wait()
}

// BenchmarkSales places orders of up to three lines.
func BenchmarkSales(b *testing.B) {
	s, err := New(Config{Shops: []ShopConfig{benchShop()}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := s.Sell(Sales{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSweep reads 10,000 orders by updated_at, 50 a page.
func BenchmarkSweep(b *testing.B) {
	s, err := New(Config{Shops: []ShopConfig{benchShop()}})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.Sell(Sales{Count: 10_000}); err != nil {
		b.Fatal(err)
	}
	x := s.shops[0]
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		x.mu.Lock()
		c := &call{srv: s, shop: x}
		for a := (args{"first": int64(50), "sortKey": "UPDATED_AT"}); ; {
			p, ok := c.orders(x, a).(*page)
			if !ok {
				b.Fatal("no page")
			}
			if !p.hasNext {
				break
			}
			a["after"] = p.cursors[len(p.cursors)-1]
		}
		x.mu.Unlock()
	}
}
