package storm

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/shopify/shopifytest"
	"holdfast/cmd/internal/client"
)

// script is an ERP of some 60 lines: it hears of orders by webhooks alone, and speaks by the API alone.
type script struct {
	secret []byte
	api    *cluster
	mu     sync.Mutex
	seen   map[string]bool
	books  map[string]string // order → open, closed, shipped
	told   map[string]int    // messages by type
	fails  int               // how many messages it turns away at first
}

func (e *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	id := r.Header.Get("webhook-id")
	mac := hmac.New(sha256.New, e.secret)
	fmt.Fprintf(mac, "%s.%s.%s", id, r.Header.Get("webhook-timestamp"), body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	var m struct {
		Type string
		Data struct {
			OrderID string `json:"order_id"`
			Order   struct{ State string }
		}
	}
	if !strings.Contains(r.Header.Get("webhook-signature"), want) || json.Unmarshal(body, &m) != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fails--; e.fails >= 0 {
		w.WriteHeader(http.StatusServiceUnavailable) // a restart of the ERP
		return
	}
	if e.seen[id] {
		return
	}
	e.seen[id] = true
	e.told[m.Type]++
	switch m.Type {
	case "order.created":
		e.books[m.Data.OrderID] = "open"
	case "order.cancelled":
		e.books[m.Data.OrderID] = "closed"
	}
}

func (e *script) in(state string) (orders []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, s := range e.books {
		if s == state {
			orders = append(orders, id)
		}
	}
	return orders
}

// post says something of an order.
func (e *script) post(t *testing.T, order, what string, body dict) {
	t.Helper()
	body["by"] = "books"
	require.NoError(t, e.api.do(t.Context(), client.Call{Method: "POST", Body: body, Key: order + what,
		Path: "/v1/orders/" + client.Segment(order) + "/" + what}, nil))
}

// TestAScriptIsTheERP lives the life of orders between a simulated shop, the ledger and a script that
// has no connector: made, cancelled, shipped, come back.
func TestAScriptIsTheERP(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	dir := t.TempDir()
	shop := shopifytest.ShopConfig{Name: "alpha", Locations: []shopifytest.LocationConfig{{Name: theirs}},
		Variants: []shopifytest.VariantConfig{{SKU: "A", Title: "A", Barcode: "4000000000001", Price: "10.00",
			Stock: map[string]int{theirs: 100}}}}
	w, err := newWorld(t.Context(), dir, 1, shopifytest.Config{Seed: 1, Shops: []shopifytest.ShopConfig{shop}},
		slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.close()) })
	e := &script{secret: []byte(strings.Repeat("k", 32)), api: w.nodes, seen: map[string]bool{},
		books: map[string]string{}, told: map[string]int{}, fails: 2}
	erp := httptest.NewServer(e)
	t.Cleanup(erp.Close)
	file := filepath.Join(dir, "hook")
	require.NoError(t, os.WriteFile(file, []byte("whsec_"+base64.StdEncoding.EncodeToString(e.secret)), 0o600))
	e.setUp(t, w, erp.URL, "file:"+file)

	sold, err := w.sim.Sell(shopifytest.Sales{Shop: "alpha", Count: 20, Lines: []shopifytest.SaleLine{{SKU: "A", Qty: 1}}})
	require.NoError(t, err)
	require.Len(t, sold.Orders, 20)
	e.await(t, "open", 20)
	_, err = w.sim.Cancel(shopifytest.Cancels{Shop: "alpha", Orders: []string{sold.Orders[0].Name, sold.Orders[1].Name}})
	require.NoError(t, err)
	e.await(t, "closed", 2)
	open := e.in("open")
	require.Len(t, open, 18)
	for _, id := range open {
		e.post(t, id, "shipments", dict{"package": "pkg-" + id, "carrier": "UPS", "tracking": "1Z" + id})
	}
	require.NoError(t, until(t.Context(), time.Minute, func() error {
		state, err := w.state(t.Context(), "alpha")
		sent := 0
		for _, o := range state.Orders {
			sent += int(o.Lines[0].Fulfilled)
		}
		if err == nil && sent != 18 {
			err = fmt.Errorf("%d orders of the shop are fulfilled", sent)
		}
		return err
	}))
	e.post(t, open[0], "returns", dict{"id": "ret-1", "state": "received", "disposition": "sellable", "location": theirs,
		"lines": []dict{{"sku": "A", "qty": 1}}})
	var stock client.Stock
	require.NoError(t, w.nodes.do(t.Context(), client.Call{Path: "/v1/stock/A"}, &stock))
	require.Equal(t, int64(100-18+1), stock.Locations[0].OnHand)
	require.Zero(t, stock.Locations[0].Committed)

	time.Sleep(2 * time.Second) // what should not come has time to
	e.mu.Lock()
	defer e.mu.Unlock()
	require.Equal(t, 20, e.told["order.created"], "each once: %v", e.told)
	require.Equal(t, 2, e.told["order.cancelled"])
	require.Zero(t, e.told["order.shipped"], "it is not told what it has said itself")
	require.Zero(t, e.told["return.received"])
}

// setUp makes the ledger, the shop and the webhook.
func (e *script) setUp(t *testing.T, w *world, hook, secret string) {
	t.Helper()
	ctx := t.Context()
	require.NoError(t, w.put(ctx, "/v1/locations/"+theirs, dict{"kind": "merchant"}))
	require.NoError(t, w.put(ctx, "/v1/channels/alpha", dict{"kind": "shopify", "locations": []string{theirs}}))
	require.NoError(t, w.put(ctx, "/v1/skus/A", dict{"title": "A"}))
	units := int64(100)
	require.NoError(t, w.nodes.do(ctx, client.Call{Method: "POST", Path: "/v1/stock", Key: "set-up",
		Body: client.StockChanges{Changes: []client.StockChange{{SKU: "A", Location: theirs, Set: &units, Source: "wms"}}}}, nil))
	require.NoError(t, w.put(ctx, "/v1/connections/books", dict{"kind": "erp", "mode": "on"}))
	require.NoError(t, w.put(ctx, "/v1/webhooks/books", dict{"url": hook, "connection": "books",
		"secrets": []string{secret}}))
	require.NoError(t, w.connect(ctx, 0, map[string]string{theirs: theirs}))
}

// await waits until so many orders of the books are in a state.
func (e *script) await(t *testing.T, state string, n int) {
	t.Helper()
	err := until(t.Context(), time.Minute, func() error {
		if got := len(e.in(state)); got != n {
			return fmt.Errorf("%d orders are %s", got, state)
		}
		return nil
	})
	if err != nil {
		log, _ := pages[client.Delivery](t.Context(), e.api, "/v1/webhooks/books/deliveries", url.Values{})
		t.Log(log)
	}
	require.NoError(t, errors.Join(err))
}
