package amazon

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/amazon/spapitest"
	"holdfast/adapters/connections"
	"holdfast/adapters/exceptions"
	"holdfast/adapters/mapping"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
	"holdfast/adapters/routing"
	"holdfast/engine"
)

const (
	market = "ATVPDKIKX0DER"
	other  = "A2EUQ1WTGCTBG2"
)

// world is one seller: Amazon as far as it is needed here, the ledger, and the book between them.
type world struct {
	t       *testing.T
	ctx     context.Context
	store   *recordstest.Store
	book    *orders.Book
	sellers *Sellers

	mu       sync.Mutex
	now      time.Time
	conn     connections.Connection
	version  uint64
	orders   []*fakeOrder
	pageSize int
	delay    time.Duration // until an order shows
	fail     func(r *http.Request) *http.Response
	asked    []string // METHOD PATH?QUERY
	report   string   // text of the report; empty: there is none yet
	reports  int
	sim      *spapitest.Server // answers in place of the above; nil: nobody
}

// fakeOrder is an order at Amazon.
type fakeOrder struct {
	id, status, by, channel string
	created, updated        time.Time
	items                   string // JSON of orderItems
	more                    string // JSON members
}

func newWorld(t *testing.T, change ...func(*connections.Connection)) *world {
	w := &world{t: t, ctx: t.Context(), now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), version: 1,
		pageSize: 100}
	w.store = recordstest.New(recordstest.Options{Now: w.Now})
	w.conn = connections.Connection{ID: "amz", Kind: kindName, Mode: connections.On, Channel: "amz",
		Account: "SELLER", Marketplaces: []string{market, other},
		Endpoint: "http://127.0.0.1:1", OrdersFrom: w.now.Add(-time.Hour),
		Secrets: map[string]string{"client_id": "env:ID", "client_secret": "env:SECRET",
			"refresh_token": "env:TOKEN"},
		Settings: json.RawMessage(`{"fba_channels":{"` + market + `":"amz-fba"}}`)}
	for _, f := range change {
		f(&w.conn)
	}
	require.NoError(t, checkSettings(w.conn))
	list := []engine.Name{"main"}
	w.store.Define(t,
		&engine.DefineLocation{Location: "main", Kind: engine.Merchant, Master: "holdfast",
			Shortfall: engine.ShortfallNewest},
		&engine.DefineLocation{Location: "fba", Kind: engine.FBA, Master: "amazon:amz",
			Shortfall: engine.ShortfallNewest},
		&engine.DefineChannel{Channel: "amz", Kind: engine.ChannelAmazon, Publish: engine.Pooled,
			Split: true, Locations: list},
		&engine.DefineChannel{Channel: "amz-fba", Kind: engine.ChannelAmazon, Publish: engine.Pooled,
			Split: true, Locations: []engine.Name{"fba"}},
		&engine.DefineSKU{SKU: "A"}, &engine.DefineSKU{SKU: "B"}, &engine.DefineSKU{SKU: "F"})
	for _, sku := range []engine.Name{"A", "B"} {
		var tx records.Tx
		tx.Do(&engine.Set{SKU: sku, Location: "main", Value: 100, Source: "wms"})
		_, err := w.store.Submit(w.ctx, &tx)
		require.NoError(t, err)
	}
	var err error
	w.book, err = orders.New(orders.Ports{Store: w.store, Mapping: w, Rows: w, Accounts: w, Router: w,
		Numbers: w, Now: w.Now})
	require.NoError(t, err)
	w.sellers, err = New(Config{Store: w.store, Registry: w, Book: w.book, Now: w.Now,
		HTTP:    &http.Client{Transport: w},
		Environ: func(string) (string, bool) { return "x", true },
		Pause: func(ctx context.Context, d time.Duration) error {
			w.advance(d)
			return ctx.Err()
		}})
	require.NoError(t, err)
	return w
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
	if w.sim != nil {
		w.sim.Advance(d)
	}
}

// line is the JSON of an order's line.
func line(id, sku string, qty int, more ...string) string {
	return fmt.Sprintf(`{"orderItemId":%q,"quantityOrdered":%d,"product":{"sellerSku":%q,"asin":"B0%s",`+
		`"price":{"unitPrice":{"amount":"9.99","currencyCode":"USD"}}}%s}`, id, qty, sku, sku,
		strings.Join(more, ""))
}

// place places an order at Amazon now.
func (w *world) place(id, status string, items ...string) *fakeOrder {
	w.mu.Lock()
	defer w.mu.Unlock()
	o := &fakeOrder{id: id, status: status, by: "MERCHANT", channel: "AMAZON", created: w.now,
		updated: w.now, items: strings.Join(items, ",")}
	w.orders = append(w.orders, o)
	return o
}

// touch changes an order at Amazon now.
func (w *world) touch(o *fakeOrder, change func(o *fakeOrder)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(o)
	o.updated = w.now
}

func (o *fakeOrder) json() string {
	const form = "2006-01-02T15:04:05.000Z"
	return fmt.Sprintf(`{"orderId":%q,"createdTime":%q,"lastUpdatedTime":%q,"salesChannel":{"channelName":%q,`+
		`"marketplaceId":%q},"fulfillment":{"fulfillmentStatus":%q,"fulfilledBy":%q},"orderItems":[%s]%s}`,
		o.id, o.created.Format(form), o.updated.Format(form), o.channel, market, o.status, o.by, o.items, o.more)
}

// RoundTrip answers as Amazon would.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.sim != nil {
		return serve(w.sim, r)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	if r.URL.Host == "api.amazon.com" {
		return reply(200, `{"access_token":"Atza|1","expires_in":3600}`), nil
	}
	w.asked = append(w.asked, r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery)
	if w.fail != nil {
		if res := w.fail(r); res != nil {
			return res, nil
		}
	}
	switch path := r.URL.Path; {
	case path == "/orders/2026-01-01/orders":
		return w.search(r), nil
	case strings.HasPrefix(path, "/orders/2026-01-01/orders/"):
		for _, o := range w.orders {
			if strings.HasSuffix(path, "/"+o.id) {
				return reply(200, `{"order":`+o.json()+`}`), nil
			}
		}
	case path == "/reports/2021-06-30/reports":
		w.reports++
		return reply(202, `{"reportId":"R"}`), nil
	case path == "/reports/2021-06-30/reports/R" && w.report == "":
		return reply(200, `{"reportId":"R","processingStatus":"IN_PROGRESS"}`), nil
	case path == "/reports/2021-06-30/reports/R":
		return reply(200, `{"reportId":"R","processingStatus":"DONE","reportDocumentId":"D"}`), nil
	case path == "/reports/2021-06-30/documents/D":
		return reply(200, `{"reportDocumentId":"D","url":"https://storage.example/D"}`), nil
	case r.URL.Host == "storage.example":
		return reply(200, w.report), nil
	case path == "/sellers/v1/marketplaceParticipations":
		return reply(200, `{"payload":[{"marketplace":{"id":"`+market+`"},"participation":{"isParticipating":true}}]}`), nil
	}
	return reply(404, `{"errors":[{"code":"NotFound","message":"no"}]}`), nil
}

func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{},
		Body: io.NopCloser(bytes.NewReader([]byte(body)))}
}

// search answers a page. Its token is the number of the first order, and the time of the first page.
func (w *world) search(r *http.Request) *http.Response {
	q := r.URL.Query()
	before, from := w.now.Add(-2*time.Minute), 0
	if token := q.Get("paginationToken"); token != "" {
		at, n, _ := strings.Cut(token, "/")
		ms, _ := strconv.ParseInt(at, 10, 64)
		before = time.UnixMilli(ms).UTC()
		from, _ = strconv.Atoi(n)
	}
	field, name := func(o *fakeOrder) time.Time { return o.created }, "created"
	if q.Has("lastUpdatedAfter") {
		field, name = func(o *fakeOrder) time.Time { return o.updated }, "lastUpdated"
	}
	after, err := time.Parse(time.RFC3339, q.Get(name+"After"))
	require.NoError(w.t, err)
	var found []string
	for _, o := range w.orders {
		if at := field(o); !at.Before(after) && !at.After(before) && w.now.Sub(o.updated) >= w.delay &&
			(!q.Has("fulfillmentStatuses") || slices.Contains(strings.Split(q.Get("fulfillmentStatuses"), ","), o.status)) {
			found = append(found, o.json())
		}
	}
	next := ""
	from = min(from, len(found))
	end := min(from+w.pageSize, len(found))
	if end < len(found) {
		next = fmt.Sprintf(`"pagination":{"nextToken":"%d/%d"},`, before.UnixMilli(), end)
	}
	return reply(200, fmt.Sprintf(`{"orders":[%s],%s"%sBefore":%q}`, strings.Join(found[from:end], ","), next,
		name, before.Format(time.RFC3339Nano)))
}

func (w *world) Entry(id string) (connections.Entry, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return connections.Entry{Connection: w.conn, Version: w.version}, id == w.conn.ID
}

func (w *world) BySellerSKU(c, _, sku string) (mapping.Row, bool) {
	our, ok := map[string]string{"AZ-A": "A", "AZ-B": "B", "AZ-F": "F"}[sku]
	return mapping.Row{SKU: our, Connection: c, SellerSKU: sku}, ok && c == "amz"
}
func (w *world) ByVariant(string, int64) (mapping.Row, bool)       { return mapping.Row{}, false }
func (w *world) ByInventoryItem(string, int64) (mapping.Row, bool) { return mapping.Row{}, false }
func (w *world) ByItem(string, string) (mapping.Row, bool)         { return mapping.Row{}, false }
func (w *world) Of(string) []mapping.Row                           { return nil }
func (w *world) Find(context.Context, mapping.Ref) (mapping.Row, bool, error) {
	return mapping.Row{}, false, nil
}
func (w *world) Decide(context.Context, routing.Order) (routing.Decision, error) {
	return routing.Decision{}, nil
}
func (w *world) Accounts() []orders.Account {
	return []orders.Account{{ID: "amz", Kind: kindName, Mode: "on", Channel: "amz", Into: []string{"shop"}},
		{ID: "shop", Kind: "shopify", Mode: "on", Channel: "web"}}
}
func (w *world) Account(id string) (orders.Account, bool) {
	for _, a := range w.Accounts() {
		if a.ID == id {
			return a, true
		}
	}
	return orders.Account{}, false
}
func (w *world) Moved(*records.Tx, mapping.Row, string, int64) {}
func (w *world) Draw(context.Context, string, string, string, int64) (orders.Drawn, error) {
	return orders.Drawn{}, nil
}
func (w *world) Restock(context.Context, *records.Tx, mapping.Row, string, int64) error { return nil }

// seller is the one of the connection.
func (w *world) seller() *seller {
	s, err := w.sellers.seller("amz")
	require.NoError(w.t, err)
	return s
}

func (w *world) sweep(f feed) {
	w.t.Helper()
	require.NoError(w.t, w.seller().sweep(w.ctx, w.sellers, f))
}

// available is what is left of a SKU at our own place.
func (w *world) available(sku string) (n int64) {
	_, err := w.store.Ledger(w.ctx, func(l *engine.Ledger) bool {
		rows, _ := l.Stock(sku)
		for i := range rows {
			if rows[i].Location == "main" {
				n = rows[i].Available()
			}
		}
		return false
	})
	require.NoError(w.t, err)
	return n
}

func (w *world) order(id string) orders.Order {
	w.t.Helper()
	o, err := w.book.Get(w.ctx, "amazon:amz:"+id)
	require.NoError(w.t, err)
	return o
}

// tasks are those of a kind that are queued, by their keys.
func (w *world) tasks(kind string) (keys []string) {
	rows, _, err := w.store.List(w.ctx, records.Tasks, kind+":", "", records.MaxList)
	require.NoError(w.t, err)
	for _, row := range rows {
		task, err := records.Decode[outbox.Task](row)
		require.NoError(w.t, err)
		if task.State == outbox.Queued {
			keys = append(keys, task.Key)
		}
	}
	return keys
}

// open are the codes of the exceptions that are open.
func (w *world) open() (codes []string) {
	rows, _, err := w.store.List(w.ctx, records.Exceptions, "", "", records.MaxList)
	require.NoError(w.t, err)
	for _, row := range rows {
		e, err := records.Decode[exceptions.Exception](row)
		require.NoError(w.t, err)
		if e.State == exceptions.Open {
			codes = append(codes, e.Code)
		}
	}
	slices.Sort(codes)
	return codes
}

func (w *world) watermark() time.Time {
	at, err := publish.Proven(w.ctx, w.store, "amz")
	require.NoError(w.t, err)
	return at
}
