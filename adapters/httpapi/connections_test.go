package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/connections"
	"holdfast/adapters/fieldmap"
	"holdfast/adapters/orders"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
	"holdfast/adapters/routing"
	"holdfast/adapters/trace"
	"holdfast/engine"
)

// core is a server with the sync core behind it, over a store in memory.
type core struct {
	*site
	store    *recordstest.Store
	registry *connections.Registry
	board    *connections.Board
	inTheWay []connections.Obstacle
}

func newCore(t *testing.T) *core {
	t.Helper()
	store := recordstest.New(recordstest.Options{})
	store.Define(t, &engine.DefineSKU{SKU: "A"},
		&engine.DefineLocation{Location: "main", Kind: engine.Merchant, Master: "holdfast",
			Shortfall: engine.ShortfallNone},
		&engine.DefineChannel{Channel: "web", Kind: engine.ChannelAPI, Publish: engine.Pooled,
			Locations: []engine.Name{"main"}})
	c := &core{store: store, board: connections.NewBoard(time.Now)}
	c.registry = connections.NewRegistry(store, connections.Checks{
		Obstacles: func(context.Context, connections.Connection) ([]connections.Obstacle, error) {
			return c.inTheWay, nil
		}})
	known := func(string) []string { return []string{"publish", "sweep"} }
	c.site = serve(t, newFake(), func(cfg *Config) {
		cfg.Connections = c.registry
		cfg.Flows = connections.NewFlows(store, c.registry, known, time.Now)
		cfg.Routing = routing.NewBook(store)
		cfg.Fields = fieldmap.NewBook(store)
		cfg.Health = func(ctx context.Context, id string) (connections.Health, error) {
			return connections.HealthOf(ctx, c.board, store, id)
		}
		cfg.Tracer = &trace.Tracer{Store: store, Orders: oneOrder{}, Kinds: func() []string { return nil },
			Systems: func() []string { return nil }}
	})
	return c
}

// oneOrder is a book with one order, o1, in it.
type oneOrder struct{}

func (oneOrder) Find(context.Context, string) (string, error) {
	return "", codedError{code: "unknown-order"}
}

func (oneOrder) Get(_ context.Context, id string) (orders.Order, error) {
	if id != "o1" {
		return orders.Order{}, codedError{code: "unknown-order"}
	}
	return orders.Order{ID: id, Name: "#1001", State: "open", Timeline: []orders.Moment{{
		At: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), What: "received"}}}, nil
}

const shopDocument = `{"kind":"shopify","endpoint":"https://shop.example","account":"shop.example",
	"secrets":{"token":"env:SHOP_TOKEN"},"orders_from":"2026-11-01T00:00:00Z",
	"flows":{"publish":{"on":"schedule","cron":"*/5 * * * *","zone":"Europe/Berlin","quiet":"22:00-06:00"}},
	"locations":{"123":"main"},"settings":{"lead":true}}`

func TestAConnectionIsReadAndSentBack(t *testing.T) {
	t.Parallel()
	s := newCore(t)
	put := s.do("PUT", "/v1/connections/shop", shopDocument)
	require.Equal(t, 200, put.status, put.text)
	require.NotEmpty(t, put.header.Get("Holdfast-Index"))
	s.board.Reporter("shop").Watermark(time.Now().Add(-time.Minute))
	s.board.Reporter("shop").Limit("graphql", connections.Limit{Left: 1, Of: 2})
	got := s.do("GET", "/v1/connections/shop", "")
	m := got.json(t)
	require.Equal(t, "observe", m["mode"])
	require.Equal(t, "observe", m["effective"])
	require.Equal(t, map[string]any{"token": "env:SHOP_TOKEN"}, m["secrets"])
	require.Equal(t, map[string]any{"lead": true}, m["settings"])
	require.GreaterOrEqual(t, m["health"].(map[string]any)["watermark_age_ms"], 60_000.0)
	again := s.do("PUT", "/v1/connections/shop", got.text)
	require.Equal(t, 200, again.status, again.text)
	delete(m, "version")
	delete(m, "index")
	after := again.json(t)
	delete(after, "version")
	delete(after, "index")
	delete(m, "health")
	delete(after, "health")
	require.Equal(t, m, after)
	require.Equal(t, 200, s.do("PUT", "/v1/connections/b", `{"kind":"erp"}`).status)
	page := s.do("GET", "/v1/connections?limit=1", "").json(t)
	require.Equal(t, "b", page["items"].([]any)[0].(map[string]any)["id"])
	page = s.do("GET", "/v1/connections?limit=1&after="+page["next"].(string), "").json(t)
	require.Equal(t, "shop", page["items"].([]any)[0].(map[string]any)["id"])
	require.NotContains(t, page, "next")
	s.problem(400, "invalid", "GET", "/v1/connections?after=shop", "")
}

func TestWhatAConnectionRefuses(t *testing.T) {
	t.Parallel()
	s := newCore(t)
	for body, at := range map[string]string{
		`{}`:                                           "kind",
		`{"kind":"magento"}`:                           "kind",
		`{"kind":7}`:                                   "kind",
		`{"kind":"erp","id":"other"}`:                  "id",
		`{"kind":"erp","color":"red"}`:                 "color",
		`{"kind":"erp","kind":"shopify"}`:              "kind",
		`{"kind":"erp","orders_from":"yesterday"}`:     "orders_from",
		`{"kind":"erp","secrets":{"token":"hunter2"}}`: "secrets.token",
		`{"kind":"erp","secrets":["x"]}`:               "secrets",
		`{"kind":"erp","flows":{"publish":{"on":"schedule","cron":"@daily"}}}`:               "flows.publish.cron",
		`{"kind":"erp","flows":{"publish":{"cron":"* * * * *","on":"event","x":1}}}`:         "x",
		`{"kind":"erp","settings":"none"}`:                                                   "settings",
		`{"kind":"erp","endpoint":"http://shop.example"}`:                                    "endpoint",
		`{"kind":"erp","mode":"off"}`:                                                        "mode",
		`{"kind":"erp","flows":{"publish":{"on":"schedule","cron":"0 0 * * *","zone":"X"}}}`: "flows.publish.zone",
	} {
		m := s.problem(400, "invalid", "PUT", "/v1/connections/shop", body)
		require.Equal(t, at, m["at"], body)
		require.NotContains(t, fmt.Sprint(m), "hunter2")
	}
	m := s.problem(400, "invalid", "PUT", "/v1/connections/shop", `{"kind":"x","mode":"y"}`)
	require.Contains(t, m["detail"], "kind must")
	require.Contains(t, m["detail"], "mode must", "all faults are told")
	s.problem(400, "invalid", "PUT", "/v1/connections/shop", "")
	s.problem(400, "invalid", "PUT", "/v1/connections/a%2Fb", `{"kind":"erp"}`)
	s.problem(404, "unknown-connection", "GET", "/v1/connections/shop", "")
	s.problem(404, "unknown-connection", "DELETE", "/v1/connections/shop", "")
	s.problem(404, "unknown-connection", "POST", "/v1/connections/shop/mode", `{"mode":"on"}`)
	require.Equal(t, 200, s.do("PUT", "/v1/connections/shop", shopDocument).status)
	s.problem(409, "in-use", "PUT", "/v1/connections/shop", `{"kind":"erp"}`)
	s.problem(409, "in-use", "DELETE", "/v1/connections/shop", "")
	s.problem(400, "invalid", "POST", "/v1/connections/shop/mode", `{"mode":"off"}`)
	require.Equal(t, 200, s.do("POST", "/v1/connections/shop/mode", `{"mode":"paused"}`).status)
	require.Equal(t, 200, s.do("DELETE", "/v1/connections/shop", "").status)
	s.problem(404, "unknown-connection", "GET", "/v1/connections/shop", "")
	s.store.Fail(func(tx *records.Tx) recordstest.Failure {
		if tx == nil {
			return recordstest.Works
		}
		return recordstest.UnknownAfter
	})
	s.problem(504, "outcome-unknown", "PUT", "/v1/connections/shop", shopDocument)
}

// TestOnIsRefusedWithReasons: what stands in the way is listed with what to do.
func TestOnIsRefusedWithReasons(t *testing.T) {
	t.Parallel()
	s := newCore(t)
	require.Equal(t, 200, s.do("PUT", "/v1/connections/shop", shopDocument).status)
	e, err := s.registry.Read(t.Context(), "shop")
	require.NoError(t, err)
	identity, err := json.Marshal([]any{e.Kind, e.Endpoint, e.Account, e.Marketplaces})
	require.NoError(t, err)
	var tx records.Tx
	tx.Put(records.Record{Table: records.Cursors, Key: "shop/start", Body: tx.Encode(
		connections.Progress{Identity: string(identity), Step: connections.StepDone,
			Rows: map[connections.Step]int{"catalogue": 7}, StartedAt: time.Now()})})
	_, err = s.store.Submit(t.Context(), &tx)
	require.NoError(t, err)
	s.inTheWay = []connections.Obstacle{{Code: connections.AuditConflicts, Detail: "two SKUs for one variant",
		Names: []string{"A", "B"}}}
	for _, call := range [][3]string{{"POST", "/v1/connections/shop/mode", `{"mode":"on"}`},
		{"PUT", "/v1/connections/shop", strings.Replace(shopDocument, "{", `{"mode":"on",`, 1)}} {
		m := s.problem(409, "blocked", call[0], call[1], call[2])
		o := m["obstacles"].([]any)[0].(map[string]any)
		require.Equal(t, "audit-conflicts", o["code"])
		require.Equal(t, []any{"A", "B"}, o["names"])
		require.Contains(t, o["do"], "mapping audit")
		require.Contains(t, m["detail"], "A, B")
	}
	s.inTheWay = nil
	m := s.do("POST", "/v1/connections/shop/mode", `{"mode":"on"}`).json(t)
	require.Equal(t, "on", m["effective"])
	begun := m["start"].(map[string]any)
	require.Equal(t, "done", begun["step"])
	require.Equal(t, map[string]any{"catalogue": 7.0}, begun["rows"])
	for _, inner := range []string{"identity", "term", "cursor"} {
		require.NotContains(t, begun, inner, "it is the start's own")
	}
}

func TestFlowsAreRunNow(t *testing.T) {
	t.Parallel()
	s := newCore(t)
	require.Equal(t, 200, s.do("PUT", "/v1/connections/shop", shopDocument).status)
	r := s.do("POST", "/v1/flows/sweep/run", `{"connection":"shop","ids":["#1001","7"],`+
		`"from":"2026-11-01T00:00:00Z"}`, "Idempotency-Key", "k")
	require.Equal(t, 202, r.status, r.text)
	run := r.json(t)["runs"].([]any)[0].(map[string]any)
	require.Equal(t, []any{"#1001", "7"}, run["ids"])
	require.Equal(t, "queued", run["state"])
	require.Equal(t, "local", run["by"])
	again := s.do("POST", "/v1/flows/sweep/run", `{"connection":"shop"}`, "Idempotency-Key", "k")
	require.Equal(t, r.json(t), again.json(t), "one key is one run")
	require.Equal(t, 202, s.do("POST", "/v1/flows/sweep/run", "").status)
	require.Len(t, s.do("GET", "/v1/connections/shop/runs", "").json(t)["items"], 2)
	s.problem(404, "unknown-flow", "POST", "/v1/flows/fly/run", `{"connection":"shop"}`)
	s.problem(404, "unknown-connection", "POST", "/v1/flows/sweep/run", `{"connection":"none"}`)
	for body, at := range map[string]string{`{"ids":[""]}`: "ids[0]", `{"window":1}`: "window",
		`{"from":"2026-11-02T00:00:00Z","to":"2026-11-01T00:00:00Z"}`: "to", `{"from":"now"}`: "from"} {
		require.Equal(t, at, s.problem(400, "invalid", "POST", "/v1/flows/sweep/run", body)["at"])
	}
	table := s.do("GET", "/v1/flows", "").json(t)["items"].([]any)[0].(map[string]any)
	require.Equal(t, "publish", table["flow"])
	require.Equal(t, "*/5 * * * *", table["cron"])
	require.NotEmpty(t, table["next_at"])
}

func TestRoutingUnderIfMatch(t *testing.T) {
	t.Parallel()
	s := newCore(t)
	got := s.do("GET", "/v1/routing", "")
	require.Equal(t, `"0"`, got.header.Get("ETag"))
	require.Equal(t, []any{}, got.json(t)["rules"])
	rules := `{"rules":[{"id":"dear","when":{"channel":"web","value":{"min":"100.00"}},"then":{"hold":"look"}},
		{"id":"all","then":{"locations":["main"],"split":false}}]}`
	first := s.do("PUT", "/v1/routing", rules, "If-Match", `"0"`)
	require.Equal(t, 200, first.status, first.text)
	s.problem(412, "version-conflict", "PUT", "/v1/routing", `{"rules":[]}`, "If-Match", `"0"`)
	s.problem(400, "invalid", "PUT", "/v1/routing", `{"rules":[]}`, "If-Match", `"x"`)
	got = s.do("GET", "/v1/routing", "")
	require.Equal(t, first.header.Get("ETag"), got.header.Get("ETag"))
	second := s.do("PUT", "/v1/routing", got.text, "If-Match", got.header.Get("ETag"))
	require.Equal(t, 200, second.status, "what was read can be sent back: %s", second.text)
	require.Equal(t, got.json(t)["rules"], second.json(t)["rules"])
	require.Equal(t, 200, s.do("PUT", "/v1/routing", rules).status, "without If-Match the last one stands")
	for body, at := range map[string]string{
		`{"rules":[{"id":"a","when":{"channel":"none"}}]}`: "rules[0].when.channel",
		`{"rules":[{"id":"a","when":{"chanel":"web"}}]}`:   "rules[0].when.chanel",
		`{"rules":[{"id":"a","than":{}}]}`:                 "rules[0].than",
		`{"rules":[{"id":"a","then":{"location":"x"}}]}`:   "rules[0].then.location",
		`{"rules":[{"id":"a"},{"id":"a"}]}`:                "rules[1].id",
		`{"rule":[]}`:                                      "rule",
		`{}`:                                               "rules",
	} {
		require.Equal(t, at, s.problem(400, "invalid", "PUT", "/v1/routing", body)["at"], body)
	}
	d := s.do("POST", "/v1/routing/try", `{"channel":"web","total":"100","lines":[{"sku":"A","qty":1}]}`)
	require.Equal(t, 200, d.status, d.text)
	require.Equal(t, "dear", d.json(t)["rule"])
	require.Equal(t, "look", d.json(t)["hold"])
	require.Contains(t, d.json(t)["why"], "value 100")
	d = s.do("POST", "/v1/routing/try", `{"channel":"web","value":99.99,"ship_to":{"country":"US"}}`)
	require.Equal(t, "all", d.json(t)["rule"])
	require.Equal(t, []any{"main"}, d.json(t)["locations"])
	require.Equal(t, false, d.json(t)["split"])
	m := s.problem(404, "unknown-channel", "POST", "/v1/routing/try", `{"channel":"none","value":"1"}`)
	require.Equal(t, "channel", m["at"])
	for body, at := range map[string]string{`{"value":"much"}`: "value", `{"fulfilled_by":"me"}`: "fulfilled_by",
		`{"lines":[{"sku":"A","qty":0}]}`: "lines[0].qty", `{"lines":[{"qty":1}]}`: "lines[0].sku"} {
		require.Equal(t, at, s.problem(400, "invalid", "POST", "/v1/routing/try", body)["at"])
	}
}

func TestTracing(t *testing.T) {
	t.Parallel()
	s := newCore(t)
	s.problem(404, "unknown-trace", "GET", "/v1/trace/%231001", "")
	var tx records.Tx
	tx.Put(records.Record{Table: records.Orders, Key: "o1", Body: []byte(`{"id":"o1","name":"#1001",
		"state":"open","timeline":[{"at":"2026-11-23T08:00:00Z","what":"received"}]}`)})
	_, err := s.store.Submit(t.Context(), &tx)
	require.NoError(t, err)
	m := s.do("GET", "/v1/trace/o1", "").json(t)
	require.Equal(t, "#1001", m["name"])
	require.Len(t, m["items"], 1)
}

func TestASmallServerHasNoSyncCore(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake())
	for _, call := range [][3]string{{"GET", "/v1/connections", ""}, {"GET", "/v1/connections/a", ""},
		{"PUT", "/v1/connections/a", `{"kind":"erp"}`}, {"DELETE", "/v1/connections/a", ""},
		{"POST", "/v1/connections/a/mode", `{"mode":"on"}`}, {"GET", "/v1/flows", ""},
		{"POST", "/v1/flows/a/run", ""}, {"GET", "/v1/connections/a/runs", ""}, {"GET", "/v1/routing", ""},
		{"PUT", "/v1/routing", `{"rules":[]}`}, {"POST", "/v1/routing/try", `{}`},
		{"GET", "/v1/trace/a", ""}} {
		s.problem(404, "not-found", call[0], call[1], call[2])
	}
}

func TestFaultsOfADocumentAreNotUnknown(t *testing.T) {
	t.Parallel()
	one := &engine.FieldError{Field: "a", Reason: "is bad"}
	for _, err := range []error{one, errors.Join(one), fmt.Errorf("save: %w", errors.Join(one, one))} {
		p := &problem{}
		require.ErrorAs(t, faulty(err, true), &p)
		require.Equal(t, codeInvalid, p.code)
		require.Equal(t, "a", p.at)
	}
}
