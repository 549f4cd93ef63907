package shopifytest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// live is a server that listens, in real time.
func live(t *testing.T, cfg Config) *Server {
	t.Helper()
	if len(cfg.Shops) == 0 {
		cfg.Shops = []ShopConfig{testShop("alpha"), testShop("beta")}
	}
	s, err := New(cfg)
	require.NoError(t, err)
	require.NoError(t, s.Start())
	t.Cleanup(s.Close)
	return s
}

func post(t *testing.T, s *Server, shop, token, query string) (*http.Response, error) {
	t.Helper()
	text, err := json.Marshal(m{"query": query})
	require.NoError(t, err)
	r, err := http.NewRequest("POST", s.Endpoint(shop)+"/admin/api/2026-10/graphql.json",
		bytes.NewReader(text))
	require.NoError(t, err)
	r.Header.Set("X-Shopify-Access-Token", token)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res, nil
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(b)
}

func TestShopsAreApart(t *testing.T) {
	t.Parallel()
	s := live(t, Config{})
	res, err := post(t, s, "beta", "shpat_beta", "{ shop { name } }")
	require.NoError(t, err)
	assert.Equal(t, "2026-10", res.Header.Get("X-Shopify-API-Version"))
	assert.Equal(t, "1", res.Header.Get("X-Simulate-Speed"))
	assert.Contains(t, body(t, res), `"name":"beta"`)
	res, err = post(t, s, "beta", "shpat_alpha", "{ shop { name } }")
	require.NoError(t, err)
	assert.Equal(t, 401, res.StatusCode)
	assert.Contains(t, body(t, res), "Invalid API key or access token")
	res, err = post(t, s, "gamma", "shpat_alpha", "{ shop { name } }")
	require.NoError(t, err)
	assert.Equal(t, 404, res.StatusCode)
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for _, tt := range [][3]string{{"2026-10", "2026-10", "true"}, {"2024-01", "2026-01", "true"},
		{"unstable", "unstable", "true"}, {"2030-01", "", "false"}, {"latest", "", "false"}} {
		got, ok := apiVersion("/admin/api/" + tt[0] + "/graphql.json")
		assert.Equal(t, tt[1:], []string{got, fmt.Sprint(ok)}, tt[0])
	}
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	s := live(t, Config{Manual: true})
	grant := func(secret string) (int, m) {
		res, err := http.PostForm(s.Endpoint("alpha")+"/admin/oauth/access_token", url.Values{
			"grant_type": {"client_credentials"}, "client_id": {"client-alpha"},
			"client_secret": {secret}})
		require.NoError(t, err)
		defer res.Body.Close()
		var out m
		require.NoError(t, json.NewDecoder(res.Body).Decode(&out))
		return res.StatusCode, out
	}
	status, _ := grant("wrong")
	assert.Equal(t, 400, status)
	status, out := grant("shpss_alpha")
	require.Equal(t, 200, status)
	assert.InDelta(t, 86399, out["expires_in"], 0)
	token, _ := out["access_token"].(string)
	res, err := post(t, s, "alpha", token, "{ shop { name } }")
	require.NoError(t, err)
	assert.Equal(t, 200, res.StatusCode)
	s.Advance(24 * time.Hour)
	res, err = post(t, s, "alpha", token, "{ shop { name } }")
	require.NoError(t, err)
	assert.Equal(t, 401, res.StatusCode, "a token lives 24 hours")
	_ = r
}

func TestThrottling(t *testing.T) {
	t.Parallel()
	shop := testShop("alpha")
	shop.BucketPoints, shop.RestorePoints = 30, 10
	r := newRig(t, Config{Shops: []ShopConfig{shop}, Speed: 2})
	query := `{ orders(first: 10) { nodes { id lineItems(first: 5) { nodes { id } } } } }`
	first := r.call(query, nil)
	require.Empty(t, first.Errors)
	c := first.Extensions.Cost
	assert.Equal(t, 2+4*(1+2+3), c.RequestedQueryCost)
	assert.Equal(t, 2, *c.ActualQueryCost, "an empty page")
	assert.InDelta(t, 28, c.ThrottleStatus.CurrentlyAvailable, 0)
	assert.InDelta(t, 20, c.ThrottleStatus.RestoreRate, 0, "times the speed")
	r.call(query, nil)
	r.call(query, nil)
	last := r.call(query, nil)
	require.Len(t, last.Errors, 1)
	assert.Equal(t, "Throttled", last.Errors[0].Message)
	assert.Equal(t, "THROTTLED", last.Errors[0].Extensions["code"])
	assert.Equal(t, 200, last.status)
	assert.Nil(t, last.Extensions.Cost.ActualQueryCost)
	assert.Nil(t, last.Data)
	r.Advance(second)
	assert.Empty(t, r.call(query, nil).Errors)
	dear := `{ orders(first: 250) { nodes { refunds { refundLineItems(first: 250) { nodes {
  lineItem { id } location { id } } } } returns(first: 250) { nodes { returnLineItems(first: 250) {
  nodes { id } } } } } } }`
	out := r.call(dear, nil)
	require.Len(t, out.Errors, 1)
	assert.Equal(t, "MAX_COST_EXCEEDED", out.Errors[0].Extensions["code"])
	assert.Regexp(t, `^Query cost is \d+, which exceeds the single query max cost limit \(1000\)\.$`,
		out.Errors[0].Message)
}

// TestRecordedCosts: costs that were recorded from real shops.
func TestRecordedCosts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		query string
		cost  int
	}{
		{`query($id: ID!) { product(id: $id) { variants(first: 250) { nodes { inventoryItem { id
  tracked } } } } }`, 25},
		{`mutation($o: OrderCreateOrderInput!) { orderCreate(order: $o) { order { id }
  userErrors { field message code } } }`, 10},
		{`mutation($f: FulfillmentInput!) { fulfillmentCreate(fulfillment: $f) { fulfillment { id status
  fulfillmentLineItems(first: 5) { nodes { id quantity lineItem { id title } } } }
  userErrors { field message } } }`, 18},
		{`query($id: ID!) { order(id: $id) { id lineItems(first: 5) { nodes { id } }
  fulfillments(first: 5) { id fulfillmentLineItems(first: 5) { nodes { id lineItem { id } } } }
  fulfillmentOrders(first: 5) { nodes { id lineItems(first: 5) { nodes { id lineItem { id } } } } }
  returns(first: 5) { nodes { id returnLineItems(first: 5) { nodes { ... on ReturnLineItem { id
  fulfillmentLineItem { id } } } } } } } }`, 73},
		{`query($id: ID!) { order(id: $id) { id closed } }`, 1},
		{`query($id: ID!) { inventoryItem(id: $id) { id inventoryLevels(first: 1) { nodes { id
  location { id name } quantities(names: ["available"]) { name quantity } } } } }`, 6},
	}
	for _, tt := range tests {
		doc := parseDocument(tt.query)
		op, errs := doc.pick("")
		require.Empty(t, errs)
		assert.Equal(t, tt.cost, op.root.cost(nil), tt.query)
	}
}

func TestUnknownFields(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	out := r.call(`{ shop { colour } }`, nil)
	require.Len(t, out.Errors, 1)
	assert.Equal(t, "Field 'colour' doesn't exist on type 'Shop'", out.Errors[0].Message)
	assert.Equal(t, "undefinedField", out.Errors[0].Extensions["code"])
	out = r.call(`{ order(id: "gid://shopify/Order/1", colour: 2) { id } }`, nil)
	require.NotEmpty(t, out.Errors)
	assert.Equal(t, "Field 'order' doesn't accept argument 'colour'", out.Errors[0].Message)
	out = r.call(`{ orders { nodes { id } }`, nil)
	require.NotEmpty(t, out.Errors)
	out = r.call(`{ orders { nodes { id } } }`, nil)
	require.Len(t, out.Errors, 1)
	assert.Equal(t, "you must provide one of first or last", out.Errors[0].Message)
}

func TestSelectionSets(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	o := r.sold(SaleLine{SKU: "A"}, SaleLine{SKU: "B"})
	out := r.call(`query Q($id: ID!, $no: Boolean = false) {
  __typename
  a: order(id: $id) { ...Short lines: lineItems(first: 1) { pageInfo { hasNextPage endCursor }
    edges { cursor node { sku } } } lines: lineItems(first: 1) { edges { node { quantity } } } }
  nodes(ids: [$id, "gid://shopify/Order/1"]) { __typename ... on Order { name } id }
  skipped: shop @include(if: $no) { name }
}
fragment Short on Order { id name ... on Node { __typename } }`, m{"id": o.ID})
	require.Empty(t, out.Errors)
	assert.Equal(t, "QueryRoot", out.Data["__typename"])
	assert.Equal(t, o.Name, str(out.Data, "a", "name"))
	assert.Equal(t, "Order", str(out.Data, "a", "__typename"))
	assert.Equal(t, true, dig(out.Data, "a", "lines", "pageInfo", "hasNextPage"))
	assert.Equal(t, "A", str(out.Data, "a", "lines", "edges", 0, "node", "sku"))
	assert.Equal(t, json.Number("1"), dig(out.Data, "a", "lines", "edges", 0, "node", "quantity"))
	assert.Equal(t, "Order", str(out.Data, "nodes", 0, "__typename"))
	assert.Nil(t, dig(out.Data, "nodes", 1))
	assert.NotContains(t, out.Data, "skipped")
}

// TestSweep pages through orders by updated_at while one of them changes: it moves to the end, and
// no other is missed.
func TestSweep(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	var names []string
	for range 5 {
		names = append(names, r.sold(SaleLine{SKU: "C"}).Name)
		r.Advance(2 * second)
	}
	page := func(q string, after any) ([]string, string, bool) {
		out := r.ok(`query O($q: String, $a: String) { orders(first: 2, after: $a, query: $q,
  sortKey: UPDATED_AT) { nodes { name } pageInfo { hasNextPage endCursor } } }`, m{"q": q, "a": after})
		var got []string
		list, _ := out["nodes"].([]any)
		for _, n := range list {
			got = append(got, str(n, "name"))
		}
		more, _ := dig(out, "pageInfo", "hasNextPage").(bool)
		return got, str(out, "pageInfo", "endCursor"), more
	}
	got, cursor, more := page("", nil)
	assert.Equal(t, names[:2], got)
	assert.True(t, more)
	_, err := r.Cancel(Cancels{Orders: names[:1]})
	require.NoError(t, err)
	got, cursor, _ = page("", cursor)
	assert.Equal(t, names[2:4], got)
	got, _, more = page("", cursor)
	assert.Equal(t, []string{names[4], names[0]}, got, "the changed one comes again")
	assert.False(t, more)
	since := r.Config0().Format(time.RFC3339)
	got, _, _ = page("updated_at:>='"+since+"'", nil)
	assert.Equal(t, names[1:3], got)
	got, _, _ = page("name:'"+names[3]+"'", nil)
	assert.Equal(t, names[3:4], got)
}

// Config0 is the time at which the clock started.
func (r *rig) Config0() time.Time { return r.cfg.Start }

func TestSearchLag(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{SearchLag: 10 * second})
	find := func(q string) int {
		out := r.ok(`query O($q: String!) { orders(first: 5, query: $q, sortKey: UPDATED_AT) {
  nodes { id } } }`, m{"q": q})
		list, _ := out["nodes"].([]any)
		return len(list)
	}
	found := func() int {
		n := find("source_identifier:'X-1'")
		assert.Equal(t, n, find("updated_at:>='2026-11-23'"), "the sweep lags as well")
		return n
	}
	_, err := r.Sell(Sales{Lines: []SaleLine{{SKU: "A"}}, SourceID: "X-1"})
	require.NoError(t, err)
	assert.Zero(t, found())
	r.Advance(11 * second)
	assert.Equal(t, 1, found())
}

func TestBulkOperation(t *testing.T) {
	t.Parallel()
	s := live(t, Config{Speed: 1000})
	q := `{ productVariants { edges { node { id sku inventoryItem { id inventoryLevels { edges { node {
  id quantities(names: [\"available\"]) { quantity } } } } } } } } }`
	res, err := post(t, s, "alpha", "shpat_alpha", `mutation { bulkOperationRunQuery(query: "`+
		strings.ReplaceAll(q, "\n", " ")+`") { bulkOperation { id status } userErrors { message } } }`)
	require.NoError(t, err)
	text := body(t, res)
	require.Contains(t, text, `"status":"CREATED"`)
	_, rest, _ := strings.Cut(text, `"id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	var link string
	require.Eventually(t, func() bool {
		res, err := post(t, s, "alpha", "shpat_alpha",
			`{ bulkOperation(id: "`+id+`") { status url objectCount rootObjectCount } }`)
		require.NoError(t, err)
		_, rest, ok := strings.Cut(body(t, res), `"url":"`)
		link, _, _ = strings.Cut(rest, `"`)
		return ok
	}, 10*time.Second, 5*time.Millisecond)
	got, err := http.Get(link)
	require.NoError(t, err)
	defer got.Body.Close()
	whole := body(t, got)
	lines := strings.Split(strings.TrimSpace(whole), "\n")
	part, err := http.NewRequest("GET", link, nil)
	require.NoError(t, err)
	part.Header.Set("Range", "bytes=10-")
	got, err = http.DefaultClient.Do(part)
	require.NoError(t, err)
	defer got.Body.Close()
	assert.Equal(t, http.StatusPartialContent, got.StatusCode)
	assert.Equal(t, whole[10:], body(t, got))
	assert.Len(t, lines, 5+6, "five variants and six levels")
	parents := 0
	var last string
	for _, l := range lines {
		var v m
		require.NoError(t, json.Unmarshal([]byte(l), &v))
		if p, ok := v["__parentId"]; ok {
			parents++
			assert.Equal(t, last, p)
		} else {
			last, _ = v["id"].(string)
			assert.NotContains(t, v["inventoryItem"], "inventoryLevels")
		}
	}
	assert.Equal(t, 6, parents)
}

// TestFaultsOfCalls: what the client sees, whether the effect took place, and that the journal
// joins the two.
func TestFaultsOfCalls(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fault  Fault
		effect bool
		sees   string
	}{
		{Fault{Kind: FaultError, Status: 502}, false, "502"},
		{Fault{Kind: FaultErrorAfter}, true, "503"},
		{Fault{Kind: FaultLocked}, false, "423"},
		{Fault{Kind: FaultTokenRevoked}, false, "401"},
		{Fault{Kind: FaultThrottled}, false, "THROTTLED"},
		{Fault{Kind: FaultInternal}, false, "INTERNAL_SERVER_ERROR"},
		{Fault{Kind: FaultResetBefore}, false, "reset"},
		{Fault{Kind: FaultResetAfter}, true, "reset"},
		{Fault{Kind: FaultTimeoutBefore, DelayMS: 20}, false, "EOF"},
		{Fault{Kind: FaultTimeoutAfter, DelayMS: 20}, true, "EOF"},
		{Fault{Kind: FaultSlow, DelayMS: 20}, true, "#1001"},
		{Fault{Kind: FaultWrongVersion}, true, "2026-01"},
	}
	for _, tt := range tests {
		t.Run(tt.fault.Kind, func(t *testing.T) {
			t.Parallel()
			s := live(t, Config{})
			tt.fault.ID, tt.fault.Operation, tt.fault.Count = "script", "orderCreate", 1
			require.NoError(t, s.Break(tt.fault))
			res, err := post(t, s, "alpha", "shpat_alpha", `mutation { orderCreate(order: { lineItems: [
  { title: "T", quantity: 1 } ] }) { order { name } userErrors { message } } }`)
			sees := fmt.Sprint(err)
			if err == nil {
				sees = fmt.Sprint(res.StatusCode, res.Header["X-Shopify-Api-Version"], body(t, res))
			} else if errors.Is(err, syscall.ECONNRESET) {
				sees = "reset"
			}
			assert.Contains(t, sees, tt.sees)
			st, err := s.State("alpha")
			require.NoError(t, err)
			assert.Equal(t, tt.effect, st.OrderCount == 1)
			faults := s.Journal(Filter{Kind: "fault"})
			require.Len(t, faults, 1)
			assert.Equal(t, "script.1", faults[0].Fault)
			calls := s.Journal(Filter{Kind: "request", Fault: "script.1"})
			require.Len(t, calls, 1)
			assert.Equal(t, faults[0].Request, calls[0].Request)
		})
	}
}

// TestConcurrentRequest: a key whose first answer is still held back is refused.
func TestConcurrentRequest(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{Faults: []Fault{{Kind: FaultSlow, DelayMS: 1, Count: 1}}})
	item, loc := r.ids("A", "main")
	vars := m{"key": "k", "input": setInput("available", row1(item, loc, 7, nil))}
	assert.Empty(t, r.ok(setOp, vars)["userErrors"])
	got := r.ok(setOp, vars)
	assert.Equal(t, "IDEMPOTENCY_CONCURRENT_REQUEST", str(got, "userErrors", 0, "code"))
	r.Advance(second)
	assert.Empty(t, r.ok(setOp, vars)["userErrors"])
}

func TestControls(t *testing.T) {
	t.Parallel()
	s := live(t, Config{Manual: true})
	send := func(path, in string) (int, string) {
		res, err := http.Post(s.URL()+path, "application/json", strings.NewReader(in))
		require.NoError(t, err)
		defer res.Body.Close()
		return res.StatusCode, body(t, res)
	}
	read := func(path string) string {
		res, err := http.Get(s.URL() + path)
		require.NoError(t, err)
		defer res.Body.Close()
		return body(t, res)
	}
	tests := []struct {
		path, in string
		status   int
		has      string
	}{
		{"/_sim/sales", `{"shop":"alpha","count":2,"lines":[{"sku":"A"}]}`, 200, `"#1002"`},
		{"/_sim/sales", `{"shop":"alpha","cuont":2}`, 400, "cuont"},
		{"/_sim/sales", `{"shop":"gamma"}`, 404, "gamma"},
		{"/_sim/stock", `{"shop":"alpha","stock":[{"sku":"A","location":"main","set":50}]}`, 200, "ok"},
		{"/_sim/edits", `{"shop":"alpha","fulfil":[{"order":"#1001","number":"1Z"}]}`, 200, "ok"},
		{"/_sim/cancel", `{"shop":"alpha","orders":["#1002"]}`, 200, "#1002"},
		{"/_sim/cancel", `{"shop":"alpha","orders":["#1001"]}`, 400, "outstanding fulfillments"},
		{"/_sim/returns", `{"shop":"alpha","order":"#1001","lines":[{"sku":"A"}]}`, 200, "OPEN"},
		{"/_sim/faults", `{"faults":[{"kind":"nonsense"}]}`, 400, "nonsense"},
		{"/_sim/faults", `{"faults":[{"kind":"locked"}],"assumptions":{"cancel_sends_refund":false}}`,
			200, "ok"},
		{"/_sim/faults", `{"assumptions":{"nonsense":false}}`, 400, "nonsense"},
		{"/_sim/clock", `{"advance_ms":60000}`, 200, "2026-11-23T09:01:00Z"},
		{"/_sim/nonsense", `{}`, 404, ""},
	}
	for _, tt := range tests {
		status, out := send(tt.path, tt.in)
		assert.Equal(t, tt.status, status, "%s %s: %s", tt.path, tt.in, out)
		assert.Contains(t, out, tt.has)
	}
	assert.Contains(t, read("/_sim/state?shop=alpha"), `"available":51`)
	var journal struct{ Entries []Entry }
	require.NoError(t, json.Unmarshal([]byte(read("/_sim/journal?kind=sale&sku=A")), &journal))
	assert.Len(t, journal.Entries, 2)
	assert.Equal(t, "shopper", journal.Entries[0].Cause)
}
