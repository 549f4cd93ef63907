package node

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/httpapi"
	"holdfast/adapters/records"
	"holdfast/engine"
)

// BenchmarkWebhook takes in signed orders/create webhooks on one node with its files on the disk: each
// is answered when its order, its stock, its tallies and its task are in the log. An op is one order.
//
// via=http sends from another process over kept connections, at full speed and, rate=8000, so many a
// second, whether or not answers come. via=take calls what the handler of HTTP calls, for a profile
// without the network. locations=2 is a shop that stocks two: each order has the shop asked from
// where it leaves. body=docs is the body that Shopify documents, of five lines.
func BenchmarkWebhook(b *testing.B) {
	docs, err := documentedOrder()
	for _, c := range []struct {
		via, body       string
		locations, rate int
	}{
		{"take", "small", 1, 0}, {"take", "small", 2, 0}, {"take", "docs", 1, 0},
		{"http", "small", 1, 0}, {"http", "small", 2, 0}, {"http", "docs", 1, 0},
		{"http", "small", 1, 8000}, {"http", "small", 2, 8000}, {"http", "docs", 1, 8000},
	} {
		name := fmt.Sprintf("via=%s/body=%s/locations=%d", c.via, c.body, c.locations)
		if c.rate > 0 {
			name += fmt.Sprintf("/rate=%d", c.rate)
		}
		b.Run(name, func(b *testing.B) {
			template := smallOrder
			if c.body == "docs" {
				if template = docs; err != nil {
					b.Skip(err)
				}
			}
			n := benchNode(b, c.locations)
			if c.via == "take" {
				n.take(b, template)
			} else {
				n.send(b, sending{Template: template, Rate: c.rate})
			}
			n.check(b)
		})
	}
}

// hookNode is a node of a merchant with one shop and one system that keeps the books.
type hookNode struct{ *Node }

// benchNode starts one. Nobody answers for the shop: nothing of it is called when an order comes in.
func benchNode(b *testing.B, locations int) hookNode {
	dir := b.TempDir()
	n, err := Start(b.Context(), Config{Name: "n1", Data: filepath.Join(dir, "data"),
		HTTP: "127.0.0.1:0", Raft: "127.0.0.1:0", LeaderWait: time.Minute, Logger: slog.New(
			slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, n.Close()) })
	h := hookNode{n}
	secret := filepath.Join(dir, "webhook")
	require.NoError(b, os.WriteFile(secret, []byte(hookSecret+"\n"), 0o600))
	places := map[string]string{}
	var names []engine.Name
	var define []engine.Op
	for i := range locations {
		name := engine.Name(fmt.Sprintf("place-%d", i+1))
		names = append(names, name)
		places[fmt.Sprintf("gid://shopify/Location/%d", 9_000_000_001+i)] = string(name)
		define = append(define, engine.Op{Command: &engine.DefineLocation{Location: name,
			Kind: engine.Merchant, Master: engine.MasterHoldfast, Shortfall: engine.ShortfallNewest}})
	}
	h.submit(b, define)
	h.submit(b, []engine.Op{{Command: &engine.DefineChannel{Channel: "web",
		Kind: engine.ChannelShopify, Publish: engine.Pooled, Split: true, Locations: names}}})
	rows := h.stock(b, names)
	h.put(b, "/v1/connections/books", map[string]any{"kind": "erp", "mode": "on"})
	h.put(b, "/v1/connections/shop", map[string]any{"kind": "shopify", "mode": "on", "channel": "web",
		"endpoint": "http://127.0.0.1:1", "locations": places,
		"secrets":  map[string]string{"token": "file:" + secret, "webhook": "file:" + secret},
		"settings": map[string]any{"callback": "https://hooks.example.com"}})
	h.put(b, "/v1/mappings", map[string]any{"rows": rows})
	return h
}

// stock makes the SKUs, with more than is ever sold, and returns their mappings.
func (h hookNode) stock(b *testing.B, locations []engine.Name) []map[string]any {
	var skus, sets []engine.Op
	rows := make([]map[string]any, benchSKUs)
	for i := range rows {
		sku := fmt.Sprintf("SKU-%06d", i)
		skus = append(skus, engine.Op{Command: &engine.DefineSKU{SKU: engine.Name(sku)}})
		for _, at := range locations {
			sets = append(sets, engine.Op{Command: &engine.Set{SKU: engine.Name(sku), Location: at,
				Value: 1e9}})
		}
		rows[i] = map[string]any{"sku": sku, "connection": "shop", "variant_id": firstVariant + i,
			"inventory_item_id": firstItem + i}
	}
	h.submit(b, skus)
	h.submit(b, sets)
	return rows
}

// submit runs ops of which none needs another, together.
func (h hookNode) submit(b *testing.B, ops []engine.Op) {
	var all sync.WaitGroup
	for part := range slices.Chunk(ops, max(1, len(ops)/64)) {
		all.Go(func() {
			for _, op := range part {
				r, err := h.store.Submit(b.Context(), op)
				if err != nil || r.Refusal != engine.Accepted {
					b.Errorf("%T: %v, %v", op.Command, r.Refusal, err)
				}
			}
		})
	}
	all.Wait()
}

func (h hookNode) put(b *testing.B, path string, document any) {
	body, err := json.Marshal(document)
	require.NoError(b, err)
	req, err := http.NewRequestWithContext(b.Context(), "PUT", "http://"+h.Addr()+path,
		strings.NewReader(string(body)))
	require.NoError(b, err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(b, err)
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	require.NoError(b, err)
	require.Less(b, resp.StatusCode, 300, "%s: %.300s", path, said)
}

// take calls what the handler calls, from 128 goroutines.
func (h hookNode) take(b *testing.B, template string) {
	var served httpapi.Config
	h.flows.Serve(&served)
	hooks := make([]httpapi.Webhook, b.N)
	for i := range hooks {
		body, signature := hookOrder(template, i)
		hooks[i] = httpapi.Webhook{Connection: "shop", Topic: "orders/create",
			ID: fmt.Sprintf("b54557e4-bdd9-4b37-8a5f-%012d", i), Shop: "shop.myshopify.com",
			Signature: signature, Triggered: "2026-11-23T14:00:00.5Z", Body: body}
	}
	var next, again atomic.Int64
	var all sync.WaitGroup
	h.measure(b, func() {
		for range 128 {
			all.Go(func() {
				for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
					status := served.Webhooks.Take(b.Context(), hooks[i-1])
					for ; status == http.StatusServiceUnavailable && h.Err() == nil; again.Add(1) {
						status = served.Webhooks.Take(b.Context(), hooks[i-1])
					}
					if status != http.StatusOK {
						b.Errorf("order %d: %d", i, status)
					}
				}
			})
		}
		all.Wait()
	})
	b.ReportMetric(float64(again.Load()), "again")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
}

// send has another process send.
func (h hookNode) send(b *testing.B, s sending) {
	s.Addr, s.Count, s.Senders = h.Addr(), b.N, 128
	if s.Rate > 0 {
		s.Senders = 512 // as many as may wait at a time
	}
	spec, err := json.Marshal(s)
	require.NoError(b, err)
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), senderVariable+"="+string(spec),
		"GOMAXPROCS=1") // one core is more than it needs, and two would spin beside the node
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(b, err)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	said := bufio.NewReader(out)
	_, err = said.ReadString('\n')
	require.NoError(b, err)
	var r sent
	h.measure(b, func() {
		_, err := io.WriteString(in, "go\n")
		require.NoError(b, err)
		require.NoError(b, json.NewDecoder(said).Decode(&r))
	})
	require.NoError(b, cmd.Wait())
	require.Empty(b, r.Fault)
	b.ReportMetric(float64(b.N)/r.Seconds, "orders/s")
	b.ReportMetric(float64(r.Again), "again")
	b.ReportMetric(float64(r.P50.Microseconds())/1e3, "p50-ms")
	b.ReportMetric(float64(r.P99.Microseconds())/1e3, "p99-ms")
	b.ReportMetric(float64(r.Slowest.Microseconds())/1e3, "max-ms")
}

// measure times what one load costs this process.
func (h hookNode) measure(b *testing.B, load func()) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	cpu, log := cpuTime(b), h.logBytes(b)
	b.ResetTimer()
	load()
	b.StopTimer()
	cpu = cpuTime(b) - cpu
	runtime.ReadMemStats(&after)
	n := float64(b.N)
	b.ReportMetric(float64(cpu.Microseconds())/n, "cpu-µs/order")
	b.ReportMetric((h.logBytes(b)-log)/n, "log-B/order")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/n, "allocs/order")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/n, "alloc-B/order")
}

// cpuTime is what this process has used of all cores.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// logBytes is the metric of the log's size.
func (h hookNode) logBytes(b *testing.B) float64 {
	resp, err := http.Get("http://" + h.Addr() + "/metrics")
	require.NoError(b, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(b, err)
	_, rest, ok := strings.Cut(string(text), "\nholdfast_ledger_log_bytes ")
	require.True(b, ok)
	number, _, _ := strings.Cut(rest, "\n")
	bytes, err := strconv.ParseFloat(number, 64)
	require.NoError(b, err)
	return bytes
}

// check counts what must be there: each order once, with its task.
func (h hookNode) check(b *testing.B) {
	store := newSyncStore(h.store)
	for _, t := range []records.Table{records.Orders, records.Tasks} {
		count := 0
		for after, more := "", true; more; {
			var page []records.Record
			var err error
			page, more, err = store.List(b.Context(), t, "", after, records.MaxList)
			require.NoError(b, err)
			for i := range page {
				if after = page[i].Key; t == records.Orders || strings.HasPrefix(after, "erp.order:") {
					count++
				}
			}
		}
		require.Equal(b, b.N, count, "%v", t)
	}
}
