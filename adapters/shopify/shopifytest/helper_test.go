package shopifytest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// rig is a server with a manual clock, whose webhooks go to a function.
type rig struct {
	*Server
	t *testing.T
}

func newRig(t *testing.T, cfg Config) *rig {
	t.Helper()
	cfg.Manual = true
	if cfg.Transport == nil {
		cfg.Transport = receiver(func(*http.Request) int { return 200 })
	}
	if len(cfg.Shops) == 0 {
		cfg.Shops = []ShopConfig{testShop("alpha")}
	}
	s, err := New(cfg)
	require.NoError(t, err)
	s.Deliver()
	t.Cleanup(s.Close)
	return &rig{Server: s, t: t}
}

func testShop(name string) ShopConfig {
	return ShopConfig{Name: name, Locations: []LocationConfig{{Name: "main"}, {Name: "east"},
		{Name: "fba", NotOnline: true}},
		Variants: []VariantConfig{
			{SKU: "A", Barcode: "4001", Price: "10.00", Stock: map[string]int{"main": 10, "east": 5}},
			{SKU: "B", Barcode: "4002", Price: "20.00", Stock: map[string]int{"main": 3, "fba": 0}},
			{SKU: "C", Price: "5.00", Policy: "CONTINUE", Stock: map[string]int{"main": 1}},
			{SKU: "U", Price: "1.00", Untracked: true},
			{SKU: "KIT", Price: "1.00", Bundle: true, Stock: map[string]int{"main": 0}},
		}}
}

type receiver func(*http.Request) int

func (r receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	status := r(req)
	return &http.Response{StatusCode: status, Body: http.NoBody, Request: req,
		Header: http.Header{}}, nil
}

// reply is a decoded answer.
type reply struct {
	status int
	header http.Header
	Data   map[string]any
	Errors []struct {
		Message    string
		Path       []any
		Extensions map[string]any
	}
	Extensions struct {
		Cost struct {
			RequestedQueryCost int
			ActualQueryCost    *int
			ThrottleStatus     struct {
				MaximumAvailable, CurrentlyAvailable, RestoreRate float64
			}
		}
	}
}

func (r *rig) send(version, token string, body any) reply {
	r.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(r.t, err)
	req := httptest.NewRequest("POST", "/alpha/admin/api/"+version+"/graphql.json",
		bytes.NewReader(text))
	req.Header.Set("X-Shopify-Access-Token", token)
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	out := reply{status: w.Code, header: w.Result().Header}
	if w.Code == http.StatusOK {
		dec := json.NewDecoder(w.Body)
		dec.UseNumber()
		require.NoError(r.t, dec.Decode(&out))
	}
	return out
}

func (r *rig) call(query string, vars map[string]any) reply {
	r.t.Helper()
	return r.send("2026-10", "shpat_alpha", map[string]any{"query": query, "variables": vars})
}

// ok calls and wants no error of the call as such; it returns the first field of the answer.
func (r *rig) ok(query string, vars map[string]any) map[string]any {
	r.t.Helper()
	out := r.call(query, vars)
	require.Empty(r.t, out.Errors)
	for _, v := range out.Data {
		m, _ := v.(map[string]any)
		return m
	}
	return nil
}

func (r *rig) state() State {
	r.t.Helper()
	st, err := r.State("alpha")
	require.NoError(r.t, err)
	return st
}

// stock returns available, committed and on hand.
func (r *rig) stock(sku, place string) [3]int64 {
	r.t.Helper()
	l, _ := r.Level("alpha", sku, place)
	return [3]int64{l.Available, l.Committed, l.OnHand}
}

func (r *rig) ids(sku, place string) (item, loc string) {
	r.t.Helper()
	x, err := r.shop("alpha")
	require.NoError(r.t, err)
	return gid{"InventoryItem", x.bySKU[sku][0].item.id}.String(),
		gid{"Location", x.location(place).id}.String()
}

func (r *rig) variant(sku string) string {
	x, err := r.shop("alpha")
	require.NoError(r.t, err)
	return gid{"ProductVariant", x.bySKU[sku][0].id}.String()
}

// sold sells the lines in one order and returns it.
func (r *rig) sold(lines ...SaleLine) SoldOrder {
	r.t.Helper()
	out, err := r.Sell(Sales{Lines: lines})
	require.NoError(r.t, err)
	require.Len(r.t, out.Orders, 1)
	return out.Orders[0]
}

// dig follows a path of keys and indexes.
func dig(v any, path ...any) any {
	for _, step := range path {
		switch s := step.(type) {
		case string:
			m, ok := v.(map[string]any)
			if !ok {
				return nil
			}
			v = m[s]
		case int:
			l, ok := v.([]any)
			if !ok || s >= len(l) {
				return nil
			}
			v = l[s]
		}
	}
	return v
}

func str(v any, path ...any) string {
	s, _ := dig(v, path...).(string)
	return s
}

const second = time.Second
