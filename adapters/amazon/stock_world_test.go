package amazon

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/amazon/spapitest"
	"holdfast/adapters/connections"
	"holdfast/adapters/exceptions"
	"holdfast/adapters/mapping"
	"holdfast/adapters/orders"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
	"holdfast/adapters/routing"
	"holdfast/engine"
)

// stock is a merchant with sellers in one or two regions: the simulator stands in for Amazon, and all of
// ours that has to do with stock runs, in the time of a bubble. Shops of the merchant are one channel,
// web, that sells from the same places.
type stock struct {
	t       testing.TB
	ctx     context.Context
	sim     *spapitest.Server
	store   *noisy
	table   *mapping.Table
	pub     *publish.Publisher
	book    *orders.Book
	sellers *Sellers

	mu       sync.Mutex
	docs     map[string]connections.Entry
	down     map[string]bool // regions that do not answer
	odd      func(r *http.Request) *http.Response
	failed   []publish.Failure
	running  sync.WaitGroup
	changing chan struct{}
}

// noisy is a store that tells of what its writes were about: of counts by their SKU, else of every SKU.
type noisy struct {
	*recordstest.Store
	mu      sync.Mutex
	changed chan struct{}
	events  []engine.Event
	begun   uint64
}

func (n *noisy) Submit(ctx context.Context, tx *records.Tx) (records.Outcome, error) {
	o, err := n.Store.Submit(ctx, tx)
	if err != nil || len(tx.Ops) == 0 {
		return o, err
	}
	var about []uint32
	_, _ = n.Ledger(context.Background(), func(l *engine.Ledger) bool {
		for _, op := range tx.Ops {
			if set, ok := op.(*engine.Set); ok {
				s, _ := l.SKU(string(set.SKU))
				about = append(about, s.Number)
				continue
			}
			for _, s := range l.SKUs(0, 100) {
				about = append(about, s.Number)
			}
		}
		return false
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, sku := range about {
		n.events = append(n.events, engine.Event{Seq: uint64(len(n.events) + 1), SKU: sku,
			Type: engine.EventStockSet})
	}
	close(n.changed)
	n.changed = make(chan struct{})
	return o, err
}

func (n *noisy) EventsChanged() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changed
}

func (n *noisy) Events(after uint64, limit int) ([]engine.Event, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	// The publisher begins behind the ledger's own last event: those of before have no numbers here.
	if n.begun == 0 || after < n.begun {
		n.begun = after
	}
	list := n.events[min(uint64(len(n.events)), after-n.begun):]
	list = list[:min(len(list), limit)]
	out := make([]engine.Event, len(list))
	for i := range list {
		out[i] = list[i]
		out[i].Seq += n.begun
	}
	return out, nil
}

// stockConfig says what a test begins with.
type stockConfig struct {
	accounts []spapitest.AccountConfig
	timing   *spapitest.Timing
	mode     engine.PublishMode
	rows     []mapping.Row // in place of one for each listing, of the SKU of ours with the same name
	have     int64         // of each SKU of ours
	speed    int
	change   func(c *connections.Connection)
	seed     uint64
}

// inBubble runs a test in a time of its own.
func inBubble(t *testing.T, cfg stockConfig, test func(t *testing.T, w *stock)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newStock(ctx, t, cfg)
		defer w.sim.Close()
		defer w.running.Wait()
		defer cancel()
		w.begin()
		test(t, w)
	})
}

func newStock(ctx context.Context, t testing.TB, cfg stockConfig) *stock {
	w := &stock{t: t, ctx: ctx, docs: map[string]connections.Entry{}, down: map[string]bool{},
		changing: make(chan struct{})}
	if cfg.mode == 0 {
		cfg.mode = engine.Pooled
	}
	var err error
	w.sim, err = spapitest.New(spapitest.Config{Accounts: cfg.accounts, Timing: cfg.timing,
		Speed: max(cfg.speed, 1), Seed: cfg.seed})
	require.NoError(t, err)
	w.sim.Tick()
	w.store = &noisy{Store: recordstest.New(recordstest.Options{}), changed: make(chan struct{})}
	w.store.Define(t,
		&engine.DefineLocation{Location: "main", Kind: engine.Merchant, Master: "holdfast",
			Shortfall: engine.ShortfallNewest},
		&engine.DefineChannel{Channel: "web", Kind: engine.ChannelShopify, Publish: engine.Pooled, Split: true,
			Locations: []engine.Name{"main"}})
	index := mapping.NewIndex(w.store, nil)
	w.table = mapping.NewTable(w.store, index)
	for _, a := range cfg.accounts {
		w.account(a, &cfg)
	}
	w.sellers, err = New(Config{Store: w.store, Registry: w, Book: bookOf(w), Now: time.Now, Mapping: index,
		HTTP:    &http.Client{Transport: w},
		Environ: func(name string) (string, bool) { return name, true }})
	require.NoError(t, err)
	w.pub, err = publish.New(publish.Config{Store: w.store, Stream: w.store, Outlets: w,
		Stands: w.sellers.Stands, WatermarkAlert: 24 * time.Hour, PassEvery: 6 * time.Hour / time.Duration(max(cfg.speed, 1)),
		Failed: func(_ context.Context, f publish.Failure) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.failed = append(w.failed, f)
		}})
	require.NoError(t, err)
	w.book, err = orders.New(orders.Ports{Store: w.store, Mapping: index, Rows: w.table, Accounts: w, Router: w,
		Numbers: &tallies{w, w.pub.Leases()}, Now: time.Now})
	require.NoError(t, err)
	w.run(index.Run)
	require.NoError(t, index.Wait(ctx, 0))
	w.map_(cfg)
	return w
}

// account makes the connection and the channels of a seller.
func (w *stock) account(a spapitest.AccountConfig, cfg *stockConfig) {
	fba := "fba-" + a.Name
	w.store.Define(w.t,
		&engine.DefineLocation{Location: engine.Name(fba), Kind: engine.FBA, Master: "amazon:" + a.Name,
			Shortfall: engine.ShortfallNewest},
		&engine.DefineChannel{Channel: engine.Name(a.Name), Kind: engine.ChannelAmazon, Publish: cfg.mode,
			Split: true, Locations: []engine.Name{"main"}},
		&engine.DefineChannel{Channel: engine.Name(fba), Kind: engine.ChannelAmazon, Publish: engine.Pooled,
			Split: true, Locations: []engine.Name{engine.Name(fba)}})
	market := map[string]string{"na": "ATVPDKIKX0DER", "eu": "A1PA6795UKMFR9"}[a.Region]
	c := connections.Connection{ID: a.Name, Kind: kindName, Mode: connections.On, Channel: a.Name,
		Account: "A" + fmt.Sprint(a.SellerID), Marketplaces: []string{market},
		Endpoint:  "http://127.0.0.1:1/" + a.Region,
		Locations: map[string]string{market: fba},
		Secrets: map[string]string{"client_id": "env:amzn1.application-oa2-client.holdfast",
			"client_secret": "env:amzn1.oa2-cs.v1.holdfast", "refresh_token": "env:Atzr|" + a.Name},
		Settings: json.RawMessage(fmt.Sprintf(`{"fba_channels":{%q:%q},"fulfilment":"both","speed":%d}`,
			market, fba, max(cfg.speed, 1)))}
	c.Account = a.SellerID
	if cfg.change != nil {
		cfg.change(&c)
	}
	require.NoError(w.t, checkSettings(c))
	w.docs[c.ID] = connections.Entry{Connection: c, Version: w.document(c)}
	for i := range a.Listings {
		sku := engine.Name(a.Listings[i].SKU)
		w.store.Define(w.t, &engine.DefineSKU{SKU: sku})
		if cfg.have > 0 && !a.Listings[i].FBA {
			w.set(string(sku), cfg.have)
		}
	}
}

// document files a connection, because slots demand that it is as it was read.
func (w *stock) document(c connections.Connection) uint64 {
	var tx records.Tx
	tx.Put(records.Record{Table: records.Connections, Key: c.ID, Body: tx.Encode(c)})
	o, err := w.store.Submit(w.ctx, &tx)
	require.NoError(w.t, err)
	return o.Index
}

// map_ maps all listings to the SKUs of ours of the same names, or as the test says.
func (w *stock) map_(cfg stockConfig) {
	rows := cfg.rows
	if rows == nil {
		for _, a := range cfg.accounts {
			for i := range a.Listings {
				rows = append(rows, mapping.Row{SKU: a.Listings[i].SKU, Connection: a.Name,
					SellerSKU: a.Listings[i].SKU})
			}
		}
	}
	report, err := w.table.Put(w.ctx, mapping.Lines(rows), mapping.PutOptions{})
	require.NoError(w.t, err)
	require.False(w.t, report.Bad(), "%+v", report)
}

// begin starts all that a leader runs.
func (w *stock) begin() {
	keeper, err := NewSlotKeeper(w.sellers, w)
	require.NoError(w.t, err)
	w.run(w.pub.Follow)
	<-w.pub.Book().Loaded()
	w.run(keeper.Run)
	w.run(func(ctx context.Context) error { return w.pub.Run(ctx, 1) })
	for id := range w.docs {
		a, err := Kind{Sellers: w.sellers}.Connect(connections.Link{Connection: w.docs[id].Connection})
		require.NoError(w.t, err)
		w.run(a.Run)
	}
}

func (w *stock) run(part func(context.Context) error) {
	w.running.Go(func() {
		if err := part(w.ctx); err != nil && w.ctx.Err() == nil {
			w.t.Errorf("a part ended: %v", err)
		}
	})
}

// RoundTrip is the way to Amazon.
func (w *stock) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	region, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	down, odd := w.down[region], w.odd
	w.mu.Unlock()
	if odd != nil {
		if res := odd(r); res != nil {
			return res, nil
		}
	}
	if down {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	r = r.Clone(r.Context())
	r.Host = r.URL.Host
	if r.Body == nil {
		r.Body = http.NoBody
	}
	out := httptest.NewRecorder()
	w.sim.ServeHTTP(out, r)
	return out.Result(), nil
}

// answer has calls answered in another way; nil: by the simulator again.
func (w *stock) answer(odd func(r *http.Request) *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.odd = odd
}

func (w *stock) switched(region string, down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down[region] = down
}

// told are the slots of which a person was told, with why.
func (w *stock) told() (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.failed {
		all = append(all, w.failed[i].Slot.ID+" "+w.failed[i].Code)
	}
	return all
}

func (w *stock) Entry(id string) (connections.Entry, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e, ok := w.docs[id]
	return e, ok
}

func (w *stock) Entries() (all []connections.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.docs {
		all = append(all, e)
	}
	return all
}

func (w *stock) Changed() <-chan struct{} { return w.changing }

func (w *stock) Outlet(connection string) (publish.Outlet, bool) {
	p, err := w.sellers.Pusher(connection)
	return publish.Outlet{Pusher: p, Style: publish.Overwrite}, err == nil
}

func (w *stock) Closed(string) string { return "" }

func (w *stock) Accounts() (all []orders.Account) {
	for _, e := range w.Entries() {
		all = append(all, orders.Account{ID: e.ID, Kind: kindName, Mode: "on", Channel: e.Channel})
	}
	return all
}

func (w *stock) Account(id string) (orders.Account, bool) {
	for _, a := range w.Accounts() {
		if a.ID == id {
			return a, true
		}
	}
	return orders.Account{}, false
}

func (w *stock) Decide(context.Context, routing.Order) (routing.Decision, error) {
	return routing.Decision{}, nil
}

// tallies counts what Amazon does itself, as the core does.
type tallies struct {
	w      *stock
	leases *publish.Leases
}

func (n *tallies) Moved(tx *records.Tx, row mapping.Row, _ string, delta int64) {
	publish.Moved(tx, SlotID(row.Connection, row.SellerSKU), delta)
}

func (n *tallies) Draw(ctx context.Context, channel, sku, location string, qty int64) (orders.Drawn, error) {
	found, err := n.leases.Draw(ctx, channel, sku, location, qty)
	d := orders.Drawn{Ops: found.Ops}
	for _, l := range found.Lines {
		d.Placed = append(d.Placed, orders.Placed{Location: l.Location, Qty: l.Qty})
	}
	return d, err
}

func (n *tallies) Restock(ctx context.Context, tx *records.Tx, row mapping.Row, _ string, qty int64) error {
	return n.leases.Restock(ctx, tx, SlotID(row.Connection, row.SellerSKU), row.SKU, qty)
}

// lateBook is the book of orders, which is made of the publisher, which is made of the sellers.
type lateBook struct{ w *stock }

func bookOf(w *stock) Book { return lateBook{w} }

func (b lateBook) Get(ctx context.Context, id string) (orders.Order, error) {
	return b.w.book.Get(ctx, id)
}

func (b lateBook) Receive(ctx context.Context, v orders.Delivery, s orders.Snapshot) (orders.Receipt, error) {
	return b.w.book.Receive(ctx, v, s)
}

func (b lateBook) Cancel(ctx context.Context, id string, r orders.CancelRequest) (orders.Order, error) {
	return b.w.book.Cancel(ctx, id, r)
}

func (b lateBook) Ship(ctx context.Context, id string, s orders.Shipment) (orders.Order, error) {
	return b.w.book.Ship(ctx, id, s)
}

func (b lateBook) Return(ctx context.Context, id string, r orders.Return) (orders.Order, error) {
	return b.w.book.Return(ctx, id, r)
}

func (b lateBook) Refund(ctx context.Context, id string, r orders.Refund) (orders.Order, error) {
	return b.w.book.Refund(ctx, id, r)
}

// do does ops in the ledger, as anybody else.
func (w *stock) do(ops ...engine.Command) records.Outcome {
	w.t.Helper()
	var tx records.Tx
	tx.Do(ops...)
	o, err := w.store.Submit(w.ctx, &tx)
	require.NoError(w.t, err)
	require.Equal(w.t, engine.Accepted, o.Refusal)
	return o
}

func (w *stock) set(sku string, n int64) {
	w.t.Helper()
	w.do(&engine.Set{SKU: engine.Name(sku), Location: "main", Value: n, Source: "wms"})
}

// setAll sets all at one moment, so that none is sent while others are still to come.
func (w *stock) setAll(all []spapitest.ListingConfig, n int64) {
	w.t.Helper()
	var ops []engine.Command
	for i := range all {
		ops = append(ops, &engine.Set{SKU: engine.Name(all[i].SKU), Location: "main", Value: n, Source: "wms"})
	}
	w.do(ops...)
}

// available is what is left of a SKU at a location.
func (w *stock) balance(sku, location string) (b engine.Balance) {
	w.t.Helper()
	_, err := w.store.Ledger(w.ctx, func(l *engine.Ledger) bool {
		rows, _ := l.Stock(sku)
		for i := range rows {
			if rows[i].Location == location {
				b = rows[i].Balance
			}
		}
		return false
	})
	require.NoError(w.t, err)
	return b
}

// listing is what Amazon shows.
func (w *stock) listing(account, sku string) spapitest.ListingState {
	w.t.Helper()
	l, err := w.sim.Listing(account, sku)
	require.NoError(w.t, err)
	return l
}

// calls counts the calls of an operation about a SKU; empty: about all.
func (w *stock) calls(op, sku string) int {
	return len(w.sim.Journal(spapitest.Filter{Kind: "request", Op: op, SKU: sku}))
}

func (w *stock) buy(account, sku string, qty int64) string {
	w.t.Helper()
	b, err := w.sim.Buy(spapitest.Purchases{Account: account,
		Lines: []spapitest.PurchaseLine{{SKU: sku, Qty: qty}}})
	require.NoError(w.t, err)
	require.Len(w.t, b.Orders, 1)
	return b.Orders[0].ID
}

// slot is the record of a slot.
func (w *stock) slot(account, sku string) (publish.Slot, bool) {
	w.t.Helper()
	row, ok, err := w.store.Get(w.ctx, records.Slots, SlotID(account, sku))
	require.NoError(w.t, err)
	if !ok {
		return publish.Slot{}, false
	}
	s, err := records.Decode[publish.Slot](row)
	require.NoError(w.t, err)
	return s, true
}

// open are the codes and keys of the exceptions that are open.
func (w *stock) open() (all []string) {
	w.t.Helper()
	rows, _, err := w.store.List(w.ctx, records.Exceptions, "", "", records.MaxList)
	require.NoError(w.t, err)
	for _, row := range rows {
		e, err := records.Decode[exceptions.Exception](row)
		require.NoError(w.t, err)
		if e.State == exceptions.Open {
			all = append(all, e.Code+" "+e.Key)
		}
	}
	return all
}

// shopSells sells a unit in a shop of ours, if there is one.
func (w *stock) shopSells(sku, id string) bool {
	w.t.Helper()
	var tx records.Tx
	tx.Do(&engine.Reserve{ID: id, Channel: "web", Mode: engine.Strict,
		Lines: []engine.Line{{SKU: engine.Name(sku), Qty: 1}}})
	o, err := w.store.Submit(w.ctx, &tx)
	require.NoError(w.t, err)
	return o.Refusal == engine.Accepted
}
