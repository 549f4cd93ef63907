package httpapi

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/mapping"
	"holdfast/adapters/orders"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
	"holdfast/adapters/routing"
	"holdfast/engine"
)

// orderPorts is the least that a book of orders works with: one shop, whose variant 1 is SKU A.
type orderPorts struct{ mapping.Lookup }

func (orderPorts) ByVariant(_ string, variant int64) (mapping.Row, bool) {
	return mapping.Row{SKU: "A", Connection: "shop", VariantID: 1}, variant == 1
}
func (orderPorts) Find(context.Context, mapping.Ref) (mapping.Row, bool, error) {
	return mapping.Row{}, false, nil
}
func (orderPorts) Decide(context.Context, routing.Order) (routing.Decision, error) {
	return routing.Decision{}, nil
}
func (orderPorts) Accounts() []orders.Account {
	return []orders.Account{{ID: "shop", Kind: "shopify", Mode: "on", Channel: "web"}}
}
func (p orderPorts) Account(id string) (orders.Account, bool) {
	return p.Accounts()[0], id == "shop"
}
func (orderPorts) Moved(*records.Tx, mapping.Row, string, int64) {}
func (orderPorts) Draw(context.Context, string, string, string, int64) (orders.Drawn, error) {
	return orders.Drawn{}, nil
}
func (orderPorts) Restock(context.Context, *records.Tx, mapping.Row, string, int64) error { return nil }

// orderSite serves a real book with order shop 1001: three units of A, and a gift card.
func orderSite(t *testing.T, change ...func(*Config)) *site {
	store := recordstest.New(recordstest.Options{})
	store.Define(t,
		&engine.DefineLocation{Location: "main", Kind: engine.Merchant, Master: "holdfast",
			Shortfall: engine.ShortfallNone},
		&engine.DefineChannel{Channel: "web", Kind: engine.ChannelShopify, Publish: engine.Pooled,
			Split: true, Locations: []engine.Name{"main"}},
		&engine.DefineSKU{SKU: "A"})
	var tx records.Tx
	tx.Do(&engine.Set{SKU: "A", Location: "main", Value: 10, Source: "count"})
	_, err := store.Submit(t.Context(), &tx)
	require.NoError(t, err)
	p := orderPorts{}
	book, err := orders.New(orders.Ports{Store: store, Mapping: p, Rows: p, Accounts: p, Router: p,
		Numbers: p, Now: time.Now})
	require.NoError(t, err)
	at := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	for _, id := range []string{"1001", "1002"} {
		_, err = book.Receive(t.Context(), orders.Delivery{}, orders.Snapshot{
			Home: orders.External{System: "shop", Kind: "order", ID: id}, Name: "#" + id,
			CreatedAt: at, UpdatedAt: at, Lines: []orders.SnapshotLine{
				{Ref: "L1", VariantID: 1, Qty: 3, SKU: "A", Price: "9.50"},
				{Ref: "L2", Qty: 1, NotStock: "gift-card"}}})
		require.NoError(t, err)
	}
	return serve(t, newFake(), append([]func(*Config){func(c *Config) { c.Orders = book }}, change...)...)
}

func TestOrdersAreFound(t *testing.T) {
	t.Parallel()
	s := orderSite(t)
	for _, ref := range []string{"shopify:shop:1001", "external:shop:1001", "external:shopify:1001",
		"external:shop:%231001"} {
		got := s.do("GET", "/v1/orders/"+ref, "")
		require.Equal(t, 200, got.status, ref)
		o := got.json(t)
		require.Equal(t, "shopify:shop:1001", o["id"], ref)
		require.Equal(t, "open", o["state"])
		require.Equal(t, "shopify:shop:1001", o["reservation"])
		require.Equal(t, []any{}, o["shipments"])
		line, _ := o["lines"].([]any)[0].(map[string]any)
		for _, name := range []string{"progress", "announced", "quiet"} {
			require.NotContains(t, o, name, "it is the book's own")
		}
		for _, name := range []string{"to_ship", "home_sent", "gone", "lost", "counted", "item"} {
			require.NotContains(t, line, name, "it is the book's own")
		}
		require.EqualValues(t, 3, line["ordered"])
		require.NotEmpty(t, got.header.Get(headerIndex))
	}
	for _, ref := range []string{"shopify:shop:9", "external:shop:9", "external:none:1001", "external:x"} {
		s.problem(404, "unknown-order", "GET", "/v1/orders/"+ref, "")
	}
	first := s.do("GET", "/v1/orders?limit=1", "").json(t)
	require.Len(t, first["items"], 1)
	second := s.do("GET", "/v1/orders?limit=1&after="+first["next"].(string), "").json(t)
	require.Len(t, second["items"], 1)
	require.Nil(t, second["next"])
	require.Len(t, s.do("GET", "/v1/orders?external=shop:1002", "").json(t)["items"], 1)
	require.Len(t, s.do("GET", "/v1/orders?external=%231002", "").json(t)["items"], 1)
	require.Len(t, s.do("GET", "/v1/orders?external=7", "").json(t)["items"], 0)
	require.Len(t, s.do("GET", "/v1/orders?state=open", "").json(t)["items"], 2)
	require.Len(t, s.do("GET", "/v1/orders?state=shipped", "").json(t)["items"], 0)
	s.problem(400, "invalid", "GET", "/v1/orders?state=lost", "")
	s.problem(400, "invalid", "GET", "/v1/orders?after=c.*", "")
}

func TestOthersReportWhatHappened(t *testing.T) {
	t.Parallel()
	s := orderSite(t)
	const order = "/v1/orders/external:shop:1001"
	sent := func(got reply) any {
		require.Equal(t, 200, got.status, got.text)
		return got.json(t)["lines"].([]any)[0].(map[string]any)["shipped"]
	}
	one := `{"package":"P1","tracking":"T1","by":"3pl","location":"main","lines":[{"sku":"A","qty":1}]}`
	require.Equal(t, 1.0, sent(s.do("POST", order+"/shipments", one)))
	require.Equal(t, 1.0, sent(s.do("POST", order+"/shipments", one)), "the same package again")
	s.problem(400, "idempotency-key-required", "POST", order+"/shipments",
		`{"lines":[{"ref":"L1","qty":1}]}`)
	for range 2 {
		require.Equal(t, 2.0, sent(s.do("POST", order+"/shipments", `{"by":"3pl","lines":[{"ref":"L1","qty":1}]}`,
			headerKey, "k1")), "the key names the package")
	}
	s.problem(409, "wrong-state", "POST", order+"/shipments",
		`{"package":"P9","lines":[{"ref":"L1","qty":5}]}`)
	s.problem(400, "invalid", "POST", order+"/shipments", `{"package":"P9","lines":[{"ref":"L9","qty":1}]}`)
	s.problem(400, "invalid", "POST", order+"/shipments", `{"package":"P9","lines":[{"qty":1}]}`)
	s.problem(400, "invalid", "POST", order+"/shipments", `{"package":"P9","lines":[{"ref":"L1","qty":-1}]}`)

	asked := s.do("POST", order+"/cancel", `{"by":"erp","reason":"INVENTORY"}`).json(t)
	require.Equal(t, "partial", asked["state"], "only the home cancels")
	require.NotNil(t, asked["cancel"])

	back := `{"id":"R1","location":"main","lines":[{"ref":"L1","qty":1}]}`
	for range 2 {
		got := s.do("POST", order+"/returns", back).json(t)
		require.Len(t, got["returns"], 1)
		require.Equal(t, 1.0, got["lines"].([]any)[0].(map[string]any)["returned"])
	}
	s.problem(409, "wrong-state", "POST", order+"/returns", `{"id":"R2","lines":[{"ref":"L1","qty":9}]}`)
	s.problem(409, "not-master", "POST", order+"/returns",
		`{"id":"R3","by":"shop","location":"main","lines":[{"ref":"L1","qty":1}]}`)
	require.Len(t, s.do("POST", order+"/refunds", `{"id":"F1","amount":"9.50"}`).json(t)["refunds"], 1)
	require.Equal(t, 200, s.do("POST", order+"/retry", "").status)

	rest := s.do("POST", order+"/shipments", `{"package":"P3"}`).json(t)
	require.Equal(t, "shipped", rest["state"])
	s.problem(409, "wrong-state", "POST", order+"/shipments", `{"package":"P4"}`)
	s.problem(409, "wrong-state", "POST", "/v1/orders/shopify:shop:1001/cancel", `{"answer":"accept"}`)
	s.problem(404, "unknown-order", "POST", "/v1/orders/nobody/cancel", `{}`)
}

func TestWithoutOrdersTheCallsAreNotFound(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake())
	s.problem(404, "not-found", "GET", "/v1/orders", "")
	s.problem(404, "not-found", "GET", "/v1/orders/a", "")
	s.problem(404, "not-found", "POST", "/v1/orders/a/cancel", "{}")
}

// TestAShortOrderGetsAnotherSKU resolves an exception of an order by one of its actions.
func TestAShortOrderGetsAnotherSKU(t *testing.T) {
	t.Parallel()
	s := orderSite(t, func(c *Config) {
		book := c.Orders.(*orders.Book)
		store := book.Store.(*recordstest.Store)
		c.Exceptions = exceptions.NewDesk(store, nil, time.Now).With(book)
		store.Define(t, &engine.DefineSKU{SKU: "B"})
		var tx records.Tx
		tx.Do(&engine.Set{SKU: "B", Location: "main", Value: 2, Source: "count"})
		_, err := store.Submit(t.Context(), &tx)
		require.NoError(t, err)
		_, err = book.Receive(t.Context(), orders.Delivery{}, orders.Snapshot{
			Home:  orders.External{System: "shop", Kind: "order", ID: "1003"},
			Lines: []orders.SnapshotLine{{Ref: "L1", VariantID: 1, Qty: 6, SKU: "A"}}})
		require.NoError(t, err)
	})
	list := s.do("GET", "/v1/exceptions?code=short", "").json(t)["items"].([]any)
	require.Len(t, list, 1)
	short := list[0].(map[string]any)
	require.Equal(t, []any{"wait", "move", "cancel", "substitute"}, short["actions"])
	path := "/v1/exceptions/" + short["id"].(string) + "/resolve"
	for body, at := range map[string]string{
		`{"action":"burn"}`:                              "action",
		`{"action":"move"}`:                              "location",
		`{"action":"substitute"}`:                        "with",
		`{"action":"move","location":"a b"}`:             "location",
		`{"location":"main"}`:                            "location",
		`{"action":"substitute","with":"A","sku":"A"}`:   "with",
		`{"action":"substitute","with":"B","extra":"x"}`: "extra",
	} {
		require.Equal(t, at, s.problem(400, "invalid", "POST", path, body)["at"], body)
	}
	s.problem(404, "unknown-location", "POST", path, `{"action":"move","location":"moon"}`)
	s.problem(409, "insufficient-stock", "POST", path, `{"action":"move","location":"main"}`)
	s.problem(409, "wrong-state", "POST", path, `{"action":"accept"}`)
	got := s.do("POST", path, `{"action":"substitute","with":"B"}`)
	require.Equal(t, 200, got.status, got.text)
	require.Equal(t, "resolved", got.json(t)["state"])
	o := s.do("GET", "/v1/orders/shopify:shop:1003", "").json(t)
	line, _ := o["lines"].([]any)[0].(map[string]any)
	require.Equal(t, []any{map[string]any{"sku": "B", "qty": 2.0}}, line["substitutes"])
	require.Nil(t, o["short"])
}
