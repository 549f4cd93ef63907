package shopify

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/connections"
	"holdfast/adapters/exceptions"
	"holdfast/adapters/mapping"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
	"holdfast/adapters/routing"
	"holdfast/adapters/shopify/shopifytest"
	"holdfast/engine"
)

// world is one shop in the simulator, the ledger with the same stock, and all that stands between
// them but the publisher and the dispatcher, whose work the test does step by step.
type world struct {
	t        *testing.T
	ctx      context.Context
	sim      *shopifytest.Server
	store    *recordstest.Store
	book     *orders.Book
	hook     *Hook
	shops    *Shops
	accounts []orders.Account

	mu       sync.Mutex
	conn     connections.Connection
	version  uint64 // of conn
	rows     []mapping.Row
	statuses []int
	broken   bool // the hook answers 503 without doing anything
}

func newWorld(t *testing.T, change ...func(*connections.Connection)) *world {
	t.Helper()
	w := &world{t: t, ctx: t.Context()}
	var err error
	w.sim, err = shopifytest.New(shopifytest.Config{Manual: true, Shops: []shopifytest.ShopConfig{{
		Name: "alpha", Locations: []shopifytest.LocationConfig{{Name: "main"}, {Name: "east"}},
		Variants: []shopifytest.VariantConfig{
			{SKU: "A", Price: "10.00", Stock: map[string]int{"main": 100, "east": 50}},
			{SKU: "B", Price: "20.00", Stock: map[string]int{"main": 100}},
			{SKU: "U", Price: "1.00", Untracked: true},
		}}}})
	require.NoError(t, err)
	require.NoError(t, w.sim.Start())
	t.Cleanup(w.sim.Close)
	w.store = recordstest.New(recordstest.Options{Now: w.sim.Now})
	receiver := httptest.NewServer(http.HandlerFunc(w.serveHook))
	t.Cleanup(receiver.Close)
	w.define(receiver.URL)
	for _, f := range change {
		f(&w.conn)
	}
	w.document()
	for _, row := range w.rows {
		w.keep(row)
	}
	w.book, err = orders.New(orders.Ports{Store: w.store, Mapping: w, Rows: w, Accounts: w, Router: w,
		Numbers: w, Now: w.sim.Now})
	require.NoError(t, err)
	environ := func(name string) (string, bool) {
		v, ok := map[string]string{"TOKEN": "shpat_alpha", "HOOK": "shpss_alpha", "OLD": "older"}[name]
		return v, ok
	}
	w.hook, err = NewHook(HookConfig{Store: w.store, Registry: w, Book: w.book, Mapping: w,
		Environ: environ, Now: w.sim.Now})
	require.NoError(t, err)
	w.shops, err = New(Config{Store: w.store, Registry: w, Book: w.book, Mapping: w, Environ: environ,
		Now: w.sim.Now, Pause: func(ctx context.Context, d time.Duration) error {
			w.sim.Advance(d)
			return ctx.Err()
		}})
	require.NoError(t, err)
	return w
}

// define makes the ledger and the mapping what the shop begins with.
func (w *world) define(url string) {
	state, err := w.sim.State("alpha")
	require.NoError(w.t, err)
	places := map[string]string{}
	for _, p := range state.Locations {
		places[strconv.FormatInt(p.ID, 10)] = p.Name
	}
	settings, err := json.Marshal(Settings{Callback: url})
	require.NoError(w.t, err)
	w.conn = connections.Connection{ID: "shop", Kind: kindName, Mode: connections.On, Channel: "web",
		Endpoint: w.sim.Endpoint("alpha"), Locations: places, Settings: settings,
		Secrets: map[string]string{"token": "env:TOKEN", "webhook": "env:HOOK",
			"webhook_old": "env:OLD"}}
	w.accounts = []orders.Account{
		{ID: "amz", Kind: "amazon", Mode: "on", Channel: "amz", Into: []string{"shop"}},
		{ID: "shop", Kind: kindName, Mode: "on", Channel: "web", Places: len(places)},
	}
	list := []engine.Name{"main", "east"}
	w.store.Define(w.t,
		&engine.DefineLocation{Location: "main", Kind: engine.Merchant, Master: "holdfast",
			Shortfall: engine.ShortfallNewest},
		&engine.DefineLocation{Location: "east", Kind: engine.Merchant, Master: "holdfast",
			Shortfall: engine.ShortfallNewest},
		&engine.DefineChannel{Channel: "web", Kind: engine.ChannelShopify, Publish: engine.Pooled,
			Split: true, Locations: list},
		&engine.DefineChannel{Channel: "amz", Kind: engine.ChannelAmazon, Publish: engine.Pooled,
			Split: true, Locations: list},
		&engine.DefineSKU{SKU: "A"}, &engine.DefineSKU{SKU: "B"})
	for _, v := range state.Variants {
		if v.SKU != "U" {
			w.rows = append(w.rows, mapping.Row{SKU: v.SKU, Connection: "shop", VariantID: v.Variant,
				InventoryItemID: v.Item})
		}
	}
	w.rows = append(w.rows, mapping.Row{SKU: "A", Connection: "amz", SellerSKU: "AZ-A"})
	for _, l := range state.Levels {
		if l.SKU == "U" {
			continue
		}
		var tx records.Tx
		tx.Do(&engine.Set{SKU: engine.Name(l.SKU), Location: engine.Name(l.Location),
			Value: l.OnHand, Source: "wms"})
		out, err := w.store.Submit(w.ctx, &tx)
		require.NoError(w.t, err)
		require.Equal(w.t, engine.Accepted, out.Refusal)
	}
}

// document writes the connection's document as it now is.
func (w *world) document() {
	w.t.Helper()
	w.version = w.submit(func(tx *records.Tx) {
		tx.Put(records.Record{Table: records.Connections, Key: w.conn.ID, Body: tx.Encode(w.conn)})
	})
}

// keep writes the record of a row.
func (w *world) keep(row mapping.Row) {
	w.t.Helper()
	w.submit(func(tx *records.Tx) {
		tx.Put(records.Record{Table: records.Mappings, Key: row.Key(), Body: tx.Encode(row)})
	})
}

// submit runs a Tx that must be done, and returns its index.
func (w *world) submit(build func(tx *records.Tx)) uint64 {
	w.t.Helper()
	var tx records.Tx
	build(&tx)
	out, err := w.store.Submit(w.ctx, &tx)
	require.NoError(w.t, err)
	require.False(w.t, out.Conflict)
	require.Equal(w.t, engine.Accepted, out.Refusal)
	return out.Index
}

// variant is that of an inventory item.
func (w *world) variant(item int64) int64 {
	w.t.Helper()
	state, err := w.sim.State("alpha")
	require.NoError(w.t, err)
	for _, v := range state.Variants {
		if v.Item == item {
			return v.Variant
		}
	}
	w.t.Fatal("no variant of item", item)
	return 0
}

func (w *world) serveHook(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	broken := w.broken
	w.mu.Unlock()
	status := 503
	if !broken {
		body := make([]byte, r.ContentLength)
		for n := 0; n < len(body); {
			k, err := r.Body.Read(body[n:])
			if n += k; err != nil {
				break
			}
		}
		status = w.hook.Take(r.Context(), Webhook{Connection: "shop", Body: body,
			Topic: r.Header.Get("X-Shopify-Topic"), ID: r.Header.Get("X-Shopify-Webhook-Id"),
			Signature: r.Header.Get("X-Shopify-Hmac-Sha256"),
			Triggered: r.Header.Get("X-Shopify-Triggered-At")})
	}
	w.mu.Lock()
	w.statuses = append(w.statuses, status)
	w.mu.Unlock()
	rw.WriteHeader(status)
}

func (w *world) Entry(id string) (connections.Entry, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return connections.Entry{Connection: w.conn, Version: w.version}, id == w.conn.ID
}

func (w *world) SetMode(_ context.Context, _, mode string) (connections.Entry, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn.Mode = mode
	return connections.Entry{Connection: w.conn}, nil
}

func (w *world) find(is func(*mapping.Row) bool) (mapping.Row, bool) {
	for i := range w.rows {
		if is(&w.rows[i]) {
			return w.rows[i], true
		}
	}
	return mapping.Row{}, false
}

func (w *world) ByVariant(c string, id int64) (mapping.Row, bool) {
	return w.find(func(r *mapping.Row) bool { return r.Connection == c && r.VariantID == id && id != 0 })
}
func (w *world) ByInventoryItem(c string, id int64) (mapping.Row, bool) {
	return w.find(func(r *mapping.Row) bool { return r.Connection == c && r.InventoryItemID == id })
}
func (w *world) BySellerSKU(c, _, sku string) (mapping.Row, bool) {
	return w.find(func(r *mapping.Row) bool { return r.Connection == c && r.SellerSKU == sku })
}
func (w *world) ByItem(string, string) (mapping.Row, bool) { return mapping.Row{}, false }
func (w *world) Of(sku string) (all []mapping.Row) {
	for _, r := range w.rows {
		if r.SKU == sku {
			all = append(all, r)
		}
	}
	return all
}
func (w *world) Find(context.Context, mapping.Ref) (mapping.Row, bool, error) {
	return mapping.Row{}, false, nil
}
func (w *world) Decide(context.Context, routing.Order) (routing.Decision, error) {
	return routing.Decision{}, nil
}
func (w *world) Accounts() []orders.Account { return w.accounts }
func (w *world) Account(id string) (orders.Account, bool) {
	for _, a := range w.accounts {
		if a.ID == id {
			return a, true
		}
	}
	return orders.Account{}, false
}
func (w *world) Moved(tx *records.Tx, row mapping.Row, location string, delta int64) {
	for theirs, ours := range w.conn.Locations {
		if ours == location && row.Connection == "shop" {
			publish.Moved(tx, SlotID("shop", row.InventoryItemID, theirs), delta)
		}
	}
}
func (w *world) Draw(context.Context, string, string, string, int64) (orders.Drawn, error) {
	return orders.Drawn{}, nil
}
func (w *world) Restock(context.Context, *records.Tx, mapping.Row, string, int64) error { return nil }

// adapter is that of the shop, as a leader has it.
func (w *world) adapter() *adapter { return &adapter{all: w.shops, id: "shop"} }

func (w *world) watch() {
	w.t.Helper()
	s, err := w.shops.shop("shop")
	require.NoError(w.t, err)
	require.NoError(w.t, w.adapter().watch(w.ctx, s))
}

func (w *world) sweep() {
	w.t.Helper()
	s, err := w.shops.shop("shop")
	require.NoError(w.t, err)
	require.NoError(w.t, s.sweep(w.ctx, w.shops))
}

// work does all of the shop's tasks that are queued, until none is; it returns what failed.
func (w *world) work() (failed map[string]error) {
	w.t.Helper()
	failed = map[string]error{}
	for range 50 {
		done := 0
		rows, _, err := w.store.List(w.ctx, records.Tasks, "shopify.", "", records.MaxList)
		require.NoError(w.t, err)
		for _, row := range rows {
			row, ok, err := w.store.Get(w.ctx, records.Tasks, row.Key) // as the tasks before have left it
			require.NoError(w.t, err)
			require.True(w.t, ok)
			task, err := records.Decode[outbox.Task](row)
			require.NoError(w.t, err)
			if task.State == outbox.Queued && failed[task.ID] == nil {
				if err := w.do(task, row.Version); err != nil {
					failed[task.ID] = err
				}
				done++
			}
		}
		w.sim.Settle()
		if done == 0 {
			return failed
		}
	}
	w.t.Fatal("the tasks have no end")
	return nil
}

// do does one task and ends it, as the dispatcher would.
func (w *world) do(task outbox.Task, version uint64) error {
	fin, err := w.shops.Do(w.ctx, task)
	var needless *outbox.Needless
	if err != nil && !errors.As(err, &needless) {
		return err
	}
	_, err = records.Retry(w.ctx, w.store, func(tx *records.Tx) error {
		task.State, task.DoneAt = outbox.Done, w.sim.Now()
		tx.Replace(records.Record{Table: records.Tasks, Key: task.ID, State: uint8(outbox.Done),
			Body: tx.Encode(task)}, version)
		if fin.Also != nil {
			return fin.Also(w.ctx, tx)
		}
		return nil
	})
	return err
}

func (w *world) order(id string) orders.Order {
	w.t.Helper()
	row, ok, err := w.store.Get(w.ctx, records.Orders, "shopify:shop:"+gid(id).tail())
	require.NoError(w.t, err)
	require.True(w.t, ok, "no order %s", id)
	o, err := records.Decode[orders.Order](row)
	require.NoError(w.t, err)
	return o
}

func (w *world) exceptions() (all []exceptions.Exception) {
	w.t.Helper()
	rows, _, err := w.store.List(w.ctx, records.Exceptions, "", "", records.MaxList)
	require.NoError(w.t, err)
	for _, row := range rows {
		e, err := records.Decode[exceptions.Exception](row)
		require.NoError(w.t, err)
		all = append(all, e)
	}
	return all
}

// equal demands that the ledger is what the shop is: at each place, promised and available units,
// and that what is expected of each slot is what it shows.
func (w *world) equal(startAvailable map[string]int64) {
	w.t.Helper()
	state, err := w.sim.State("alpha")
	require.NoError(w.t, err)
	for _, l := range state.Levels {
		if l.SKU == "U" {
			continue
		}
		at := w.stock(l.SKU, l.Location)
		require.Equal(w.t, l.Committed, at.Committed, "committed of %s at %s", l.SKU, l.Location)
		require.Equal(w.t, l.OnHand, at.OnHand, "on hand of %s at %s", l.SKU, l.Location)
		for place, name := range w.conn.Locations {
			if name == l.Location {
				row, _, err := w.store.Get(w.ctx, records.Tallies, SlotID("shop", l.Item, place))
				require.NoError(w.t, err)
				require.Equal(w.t, l.Available, startAvailable[l.SKU+"@"+l.Location]+row.Value,
					"expected of %s at %s", l.SKU, l.Location)
			}
		}
	}
}

func (w *world) stock(sku, location string) (at engine.LocationStock) {
	w.t.Helper()
	_, err := w.store.Ledger(w.ctx, func(l *engine.Ledger) bool {
		rows, _ := l.Stock(sku)
		for _, r := range rows {
			if r.Location == location {
				at = r
			}
		}
		return false
	})
	require.NoError(w.t, err)
	return at
}

var begun = map[string]int64{"A@main": 100, "A@east": 50, "B@main": 100}
