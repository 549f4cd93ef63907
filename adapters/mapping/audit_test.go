package mapping

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/engine"
)

func sku(name, barcode string, kit ...engine.Component) engine.Command {
	attributes, _ := json.Marshal(map[string]string{"barcode": barcode})
	return &engine.DefineSKU{SKU: engine.Name(name), Attributes: attributes, Kit: kit}
}

func (w *world) list(round int64, items ...Item) {
	w.t.Helper()
	var tx records.Tx
	require.Zero(w.t, KeepItems(&tx, round, items))
	_, err := w.store.Submit(w.t.Context(), &tx)
	require.NoError(w.t, err)
}

func (w *world) connect(ids ...string) {
	w.t.Helper()
	var tx records.Tx
	for _, id := range ids {
		tx.Put(records.Record{Table: records.Connections, Key: id, Body: []byte(`{}`)})
	}
	_, err := w.store.Submit(w.t.Context(), &tx)
	require.NoError(w.t, err)
}

func listed(id int64, sku string) Item {
	return Item{Connection: "shop", VariantID: id, InventoryItemID: id + 1000, SKU: sku, Tracked: true}
}

// said is a finding in short: kind code connection sku or their sku, suggestions.
func said(f Finding) string {
	s := fmt.Sprintf("%s %s %s %s", f.Kind, f.Code, f.Connection, f.SKU)
	if f.SKU == "" {
		s += "~" + f.Theirs
	}
	if f.Blocks {
		s += " blocks"
	}
	for _, g := range f.Suggestions {
		s += fmt.Sprintf(" [%s by %s]", g.SKU, g.By)
	}
	return s
}

func TestAuditSeesEverySide(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.connect("shop", "amz", "ns")
	w.store.Define(t, sku("A", "036000291452"), sku("B", ""), sku("C-1", "4006381333931"),
		sku("D", "4006381333931"), sku("E", ""), sku("F", ""),
		sku("KIT", "", engine.Component{SKU: "A", Qty: 2}))
	w.put(PutOptions{}, variant("A", 1), variant("B", 2), variant("E", 5), variant("gone", 9),
		variant("F", 8), Row{SKU: "KIT", Connection: "ns", ItemID: "70"},
		Row{SKU: "A", Connection: "amz", SellerSKU: "a1", Fulfilment: "merchant", ASIN: "B000000001"},
		Row{SKU: "A", Connection: "amz", SellerSKU: "a2", Fulfilment: "merchant"},
		Row{SKU: "A", Connection: "amz", SellerSKU: "a3", Fulfilment: "amazon"},
		Row{SKU: "B", Connection: "old", ItemID: "1"})
	item := func(i Item, change func(*Item)) Item {
		change(&i)
		return i
	}
	w.list(1, listed(1, "A"),
		item(listed(2, "A"), func(i *Item) { i.InventoryItemID = 77 }),
		item(listed(3, "c 1"), func(i *Item) { i.Title = "Similar" }),
		item(listed(4, "X"), func(i *Item) { i.Barcode = "4006381333931" }),
		item(listed(5, "E"), func(i *Item) { i.Bundle = true }),
		item(listed(6, "gift"), func(i *Item) { i.NotStock = "gift-card" }),
		item(listed(7, "parent"), func(i *Item) { i.Bundle = true }),
		item(listed(8, "F"), func(i *Item) { i.Tracked = false }),
		item(listed(10, "D"), func(i *Item) {}),
		Item{Connection: "ns", ItemID: "70", SKU: "KIT", Kit: false},
		Item{Connection: "ns", ItemID: "71", SKU: "B", Kit: false},
		Item{Connection: "amz", SellerSKU: "a1", Marketplace: "US", ASIN: "B000000002",
			Fulfilment: "amazon", SKU: "a1"},
		Item{Connection: "amz", SellerSKU: "a2", Marketplace: "US", SKU: "a2", Fulfilment: "merchant"},
		Item{Connection: "amz", SellerSKU: "A", Marketplace: "US", SKU: "A", Barcode: "36000291452"})
	audit := NewAuditor(w.store, w.table)
	run, all, next, err := audit.Page(deadline(t), Filter{Limit: 1000})
	require.NoError(t, err)
	require.Empty(t, next)
	var got []string
	for _, f := range all {
		require.NotEmpty(t, f.Detail)
		if f.Code != noListing {
			got = append(got, said(f))
		}
	}
	require.Equal(t, []string{
		"duplicate barcode-twice  C-1",
		"conflicting asin amz A blocks",
		"conflicting fulfilment amz A blocks",
		"duplicate several-offers amz A",
		"orphaned no-item amz A",
		"unmapped no-row amz ~A [A by barcode]",
		"conflicting kit ns KIT blocks",
		"unmapped no-row ns ~B [B by sku]",
		"orphaned unknown-connection old B",
		"conflicting bundle-parent shop E blocks",
		"conflicting inventory-item shop B blocks",
		"conflicting not-stock shop F",
		"conflicting other-sku shop B",
		"duplicate their-sku-twice shop ~A",
		"orphaned no-item shop gone",
		"orphaned unknown-sku shop gone",
		"unmapped no-row shop ~D [D by sku]",
		"unmapped no-row shop ~c 1 [C-1 by similar-sku]",
		"unmapped no-row shop ~X [C-1 by barcode] [D by barcode]",
	}, got)
	require.Equal(t, map[string]int{"amz": 2, "ns": 1, "shop": 2}, run.Blocking)
	require.Equal(t, 3, countOf(all, "shop", noListing), "C-1, D, KIT")
	require.Equal(t, 6, countOf(all, "ns", noListing))
	require.Equal(t, 6, countOf(all, "amz", noListing))
	require.Equal(t, 15+5, run.Counts[Unmapped])
	var proposed []Row
	for _, f := range all {
		if r, ok := f.Proposal(); ok {
			proposed = append(proposed, r)
		}
	}
	require.Equal(t, []Row{
		{SKU: "A", Connection: "amz", Marketplace: "US", SellerSKU: "A"},
		{SKU: "B", Connection: "ns", ItemID: "71"},
		{SKU: "D", Connection: "shop", VariantID: 10, InventoryItemID: 1010},
	}, proposed)
	require.False(t, w.put(PutOptions{}, proposed...).Counts[Conflict] > 0)
}

func countOf(all []Finding, connection, code string) (n int) {
	for _, f := range all {
		if f.Connection == connection && f.Code == code {
			n++
		}
	}
	return n
}

func TestAuditPagesAreStable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.connect("shop")
	var items []Item
	for i := range int64(100) {
		items = append(items, listed(i+1, fmt.Sprintf("T%03d", i)))
	}
	w.list(1, items...)
	audit := NewAuditor(w.store, w.table)
	seen := map[int64]bool{}
	for q := (Filter{Kind: Unmapped, Connection: "shop", Limit: 9}); ; {
		_, page, next, err := audit.Page(deadline(t), q)
		require.NoError(t, err)
		for _, f := range page {
			require.False(t, seen[f.VariantID], "twice")
			seen[f.VariantID] = true
		}
		if len(seen) == 27 { // somebody else runs it anew meanwhile, and less is left
			w.store.Define(t, sku("T000", ""), sku("T050", ""))
			w.put(PutOptions{}, variant("T000", 1), variant("T050", 51))
			run, err := audit.Run(deadline(t))
			require.NoError(t, err)
			require.Equal(t, 98, run.Counts[Unmapped])
		}
		if next == "" {
			break
		}
		q.After = next
	}
	require.Len(t, seen, 99, "51 was mapped before its page")
}

func TestSweepForgetsWhatIsNoLongerListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.list(1, listed(1, "A"), listed(2, "B"), Item{Connection: "shop2", VariantID: 9})
	w.list(2, listed(2, "B"), listed(3, "C"))
	n, err := SweepCatalogue(t.Context(), w.store, "shop", 2)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	rows, _, err := w.store.List(t.Context(), records.Catalogue, "", "", 10)
	require.NoError(t, err)
	require.Len(t, rows, 3)
	var tx records.Tx
	require.Equal(t, 2, KeepItems(&tx, 1, []Item{{Connection: "shop"}, {VariantID: 4}}))
	require.True(t, tx.Empty())
}

func TestRowsLearnFromTheCatalogue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var rows []Row
	var items []Item
	for i := range int64(completePage + 20) {
		rows = append(rows, Row{SKU: fmt.Sprint("S", i), Connection: "shop", VariantID: i + 1})
		items = append(items, listed(i+1, fmt.Sprint("S", i)))
	}
	rows[3].InventoryItemID = items[7].InventoryItemID // so that 8 cannot have it
	rows = append(rows, seller("A", "a", "US"), seller("B", "b", ""))
	w.put(PutOptions{}, rows...)
	w.list(1, items...)
	w.list(1, Item{Connection: "amz", SellerSKU: "a", Marketplace: "US", ASIN: "B1", Fulfilment: "amazon"},
		Item{Connection: "amz", SellerSKU: "b", Marketplace: "US", ASIN: "B2"},
		Item{Connection: "amz", SellerSKU: "c", Marketplace: "US", ASIN: "B3"})
	total := 0
	for _, connection := range []string{"shop", "amz"} {
		for cursor, first := "", true; first || cursor != ""; first = false {
			next, n, err := w.table.Complete(deadline(t), connection, cursor)
			require.NoError(t, err)
			cursor, total = next, total+n
		}
	}
	require.Equal(t, len(items)-2+1, total, "all but rows 4 and 8, and listing a")
	row, _ := w.index.ByVariant("shop", 9)
	require.Equal(t, int64(1009), row.InventoryItemID)
	row, _ = w.index.ByVariant("shop", 8)
	require.Zero(t, row.InventoryItemID)
	row, _ = w.index.BySellerSKU("amz", "US", "a")
	require.Equal(t, Row{SKU: "A", Connection: "amz", SellerSKU: "a", Marketplace: "US", ASIN: "B1",
		Fulfilment: "amazon"}, row)
	_, ok := w.index.BySellerSKU("amz", "US", "c")
	require.False(t, ok)
	e := VariantRef("shop", 7).Exception("X", "Hat", time.Unix(9, 0))
	require.Equal(t, e.Trace, VariantRef("shop", 7).Exception("Y", "", time.Unix(10, 0)).Trace)
	require.Equal(t, "no SKU of ours is variant \"7\" of shop (their SKU X), Hat: its orders wait until "+
		"it is mapped", e.Detail)
}
