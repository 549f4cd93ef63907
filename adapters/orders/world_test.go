package orders

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/mapping"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
	"holdfast/adapters/routing"
	"holdfast/engine"
)

// world is a merchant: two warehouses of ours, one that the shop counts, a shop, a marketplace,
// books.
type world struct {
	t     testing.TB
	ctx   context.Context
	store *recordstest.Store
	book  *Book
	mu    sync.Mutex
	clock time.Time
	rows  map[string]mapping.Row // by side and id
	route routing.Decision
	all   []Account
}

var start = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)

func newWorld(t testing.TB) *world {
	w := &world{t: t, ctx: context.Background(), clock: start, rows: map[string]mapping.Row{}}
	w.store = recordstest.New(recordstest.Options{Now: w.now})
	w.store.Define(t,
		&engine.DefineLocation{Location: "main", Kind: engine.Merchant, Master: "holdfast",
			Shortfall: engine.ShortfallNewest},
		&engine.DefineLocation{Location: "east", Kind: engine.Merchant, Master: "holdfast",
			Shortfall: engine.ShortfallNewest},
		&engine.DefineLocation{Location: "store", Kind: engine.Merchant, Master: "shopify:shop",
			Shortfall: engine.ShortfallNewest},
		&engine.DefineChannel{Channel: "web", Kind: engine.ChannelShopify, Publish: engine.Pooled,
			Split: true, Locations: []engine.Name{"main", "east", "store"}},
		&engine.DefineChannel{Channel: "amz-us", Kind: engine.ChannelAmazon, Publish: engine.Pooled,
			Split: true, Locations: []engine.Name{"main"}},
		&engine.DefineSKU{SKU: "A"}, &engine.DefineSKU{SKU: "B"}, &engine.DefineSKU{SKU: "C"},
		&engine.DefineSKU{SKU: "KIT", Kit: []engine.Component{{SKU: "B", Qty: 2}, {SKU: "C", Qty: 1}}},
	)
	for i, sku := range []string{"A", "B", "C", "KIT"} {
		w.mapVariant(int64(i+1), sku)
	}
	w.rows["seller/AZ-A"] = mapping.Row{SKU: "A", Connection: "amz", SellerSKU: "AZ-A"}
	w.all = []Account{
		{ID: "amz", Kind: "amazon", Mode: "on", Channel: "amz-us", Into: []string{"shop"}},
		{ID: "books", Kind: "netsuite", Mode: "on"},
		{ID: "erp", Kind: "erp", Mode: "on"},
		{ID: "shop", Kind: "shopify", Mode: "on", Channel: "web", NotStock: []string{"SERVICE-*"}},
	}
	var err error
	w.book, err = New(Ports{Store: w.store, Mapping: w, Rows: w, Accounts: w, Router: w, Numbers: w,
		Now: w.now})
	require.NoError(t, err)
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

func (w *world) mapVariant(id int64, sku string) {
	w.rows[fmt.Sprintf("variant/%d", id)] = mapping.Row{SKU: sku, Connection: "shop", VariantID: id,
		InventoryItemID: 100 + id}
}

func (w *world) ByVariant(_ string, variant int64) (mapping.Row, bool) {
	r, ok := w.rows[fmt.Sprintf("variant/%d", variant)]
	return r, ok
}
func (w *world) ByInventoryItem(string, int64) (mapping.Row, bool) { return mapping.Row{}, false }
func (w *world) BySellerSKU(_, _, sku string) (mapping.Row, bool) {
	r, ok := w.rows["seller/"+sku]
	return r, ok
}
func (w *world) ByItem(string, string) (mapping.Row, bool) { return mapping.Row{}, false }
func (w *world) Of(string) []mapping.Row                   { return nil }
func (w *world) Find(context.Context, mapping.Ref) (mapping.Row, bool, error) {
	return mapping.Row{}, false, nil
}
func (w *world) Decide(context.Context, routing.Order) (routing.Decision, error) {
	return w.route, nil
}
func (w *world) Accounts() []Account { return w.all }
func (w *world) Account(id string) (Account, bool) {
	for _, a := range w.all {
		if a.ID == id {
			return a, true
		}
	}
	return Account{}, false
}
func (w *world) account(id string) *Account {
	for i := range w.all {
		if w.all[i].ID == id {
			return &w.all[i]
		}
	}
	return nil
}

func (w *world) Moved(tx *records.Tx, row mapping.Row, location string, delta int64) {
	tx.Add(row.Connection+"/"+row.SKU+"@"+location, delta)
}

func (w *world) Draw(_ context.Context, channel, sku, location string, qty int64) (Drawn, error) {
	var d Drawn
	_, err := w.store.Ledger(w.ctx, func(l *engine.Ledger) bool {
		r, ok := l.Reservation("lease:" + channel + ":" + sku)
		if !ok {
			return false
		}
		for _, line := range r.Lines {
			for _, a := range line.Allocations {
				if n := min(qty, a.Held); n > 0 && (location == "" || location == a.Location) {
					d.Placed = append(d.Placed, Placed{a.Location, n})
					d.Ops = append(d.Ops, &engine.Release{ID: r.ID, Picks: []engine.Pick{
						{Line: line.Line, Qty: n, Location: engine.Name(a.Location)}}})
					qty -= n
				}
			}
		}
		return false
	})
	return d, err
}

func (w *world) Restock(context.Context, *records.Tx, mapping.Row, string, int64) error { return nil }

// stock sets what is on hand.
func (w *world) stock(location, sku string, n int64) {
	source := "count"
	if location == "store" {
		source = "shopify:shop"
	}
	var tx records.Tx
	tx.Do(&engine.Set{SKU: engine.Name(sku), Location: engine.Name(location), Value: n, Source: source})
	o, err := w.store.Submit(w.ctx, &tx)
	require.NoError(w.t, err)
	require.Equal(w.t, engine.Accepted, o.Refusal)
}

// balances are the rows of all SKUs, on hand less committed.
func (w *world) balances() []string {
	var all []string
	_, err := w.store.Ledger(w.ctx, func(l *engine.Ledger) bool {
		for _, sku := range l.SKUs(0, 100) {
			rows, _ := l.Stock(sku.Name)
			for _, r := range rows {
				all = append(all, fmt.Sprintf("%s@%s on hand %d committed %d", sku.Name, r.Location,
					r.OnHand, r.Held+r.Committed))
			}
		}
		return false
	})
	require.NoError(w.t, err)
	slices.Sort(all)
	return all
}

// list reads a whole table.
func (w *world) list(table records.Table) []records.Record {
	var all []records.Record
	for after := ""; ; {
		rows, more, err := w.store.List(w.ctx, table, "", after, records.MaxList)
		require.NoError(w.t, err)
		all = append(all, rows...)
		if !more {
			return all
		}
		after = rows[len(rows)-1].Key
	}
}

func (w *world) tallies() []string {
	var all []string
	for _, r := range w.list(records.Tallies) {
		if !strings.HasPrefix(r.Key, "!") {
			all = append(all, fmt.Sprintf("%s %+d", r.Key, r.Value))
		}
	}
	return all
}

func (w *world) tasks() []string {
	var all []string
	for _, r := range w.list(records.Tasks) {
		t, err := records.Decode[outbox.Task](r)
		require.NoError(w.t, err)
		all = append(all, t.ID)
	}
	return all
}

func (w *world) open() []string {
	var all []string
	for _, r := range w.list(records.Exceptions) {
		e, err := records.Decode[exceptions.Exception](r)
		require.NoError(w.t, err)
		if e.State == exceptions.Open {
			all = append(all, e.Code+" "+e.Key)
		}
	}
	slices.Sort(all)
	return all
}

func (w *world) order(id string) Order {
	o, err := w.book.Get(w.ctx, id)
	require.NoError(w.t, err)
	return o
}

// sound fails the test when the ledger breaks an invariant, or an order and its reservation
// disagree.
func (w *world) sound() {
	w.t.Helper()
	_, err := w.store.Ledger(w.ctx, func(l *engine.Ledger) bool {
		require.Empty(w.t, l.Check())
		return false
	})
	require.NoError(w.t, err)
	for _, r := range w.list(records.Orders) {
		o, err := decode(r)
		require.NoError(w.t, err)
		if o.Keep != "" || slices.Contains(o.Waits, waitsLedger) {
			continue
		}
		live := map[string]int64{}
		_, err = w.store.Ledger(w.ctx, func(l *engine.Ledger) bool {
			res, _ := l.Reservation(o.Reservation)
			for _, line := range res.Lines {
				live[line.Ref] += line.Held + line.Committed + line.Short
			}
			return false
		})
		require.NoError(w.t, err)
		for i := range o.Lines {
			if l := &o.Lines[i]; l.SKU != "" {
				require.Equal(w.t, o.toShip(l), live[l.Ref], "order %s line %s", o.ID, l.Ref)
			}
		}
	}
}
