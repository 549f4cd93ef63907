package mapping

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast/adapters/records"
)

// Auditor holds what the channels list, the mapping and the ledger's SKUs against each other. It is
// safe for concurrent use; one run at a time works, because each holds what it has read.
type Auditor struct {
	store records.Store
	table *Table
	turn  chan struct{} // whoever has put something in is working
	last  chan *Audit   // the newest run, taken out while it is looked at
}

// NewAuditor returns an Auditor of a table.
func NewAuditor(store records.Store, table *Table) *Auditor {
	a := &Auditor{store: store, table: table, turn: make(chan struct{}, 1),
		last: make(chan *Audit, 1)}
	a.last <- nil
	return a
}

// Page shows one page of an audit. Without After it runs anew; with it, it goes on in the newest run
// of this node, or makes one if there is none. It fails as Run does.
func (a *Auditor) Page(ctx context.Context, q Filter) (run *Audit, found []Finding, next string,
	err error) {
	if q.After != "" {
		run = <-a.last
		a.last <- run
	}
	if run == nil {
		if run, err = a.Run(ctx); err != nil {
			return nil, nil, "", err
		}
	}
	found, next = run.Page(q)
	return run, found, next, nil
}

// Run makes an audit: some 5 µs an item. It fails with ctx's error and those of the store.
func (a *Auditor) Run(ctx context.Context) (*Audit, error) {
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r := &auditing{table: a.table, store: a.store, seen: map[string]bool{},
		listed: map[string]bool{}, theirs: map[theirSKU][]Ref{}, offers: map[offer]string{},
		audit: &Audit{Counts: map[Kind]int{}, Blocking: map[string]int{}}}
	for _, step := range []func(context.Context) error{
		r.readSKUs, r.readConnections, r.readCatalogue, r.readRows,
	} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("audit the mapping: %w", err)
		}
	}
	r.duplicates()
	r.unlisted()
	r.audit.sort()
	<-a.last
	a.last <- r.audit
	return r.audit, nil
}

// auditing is one run.
type auditing struct {
	table       *Table
	store       records.Store
	ours        *ourSKUs
	connections map[string]bool    // that exist
	seen        map[string]bool    // keys of the items that they list
	listed      map[string]bool    // connections whose catalogue is known
	theirs      map[theirSKU][]Ref // items by their SKU
	offers      map[offer]string   // the first seller SKU of each
	audit       *Audit
}

type theirSKU struct{ connection, marketplace, sku string }

type offer struct{ connection, marketplace, sku, fulfilment string }

func (r *auditing) add(f Finding) {
	r.audit.Counts[f.Kind]++
	if f.Blocks {
		r.audit.Blocking[f.Connection]++
	}
	if len(r.audit.findings) == MaxFindings {
		r.audit.Cut = true
		return
	}
	r.audit.findings = append(r.audit.findings, f)
}

func (r *auditing) readConnections(ctx context.Context) error {
	r.connections = map[string]bool{}
	return eachRecord(ctx, r.store, records.Connections, func(rec records.Record) error {
		r.connections[rec.Key] = true
		return nil
	})
}

// eachRecord visits a table in the order of its keys.
func eachRecord(ctx context.Context, s records.Store, t records.Table,
	visit func(records.Record) error) error {
	for after, more := "", true; more; {
		var page []records.Record
		var err error
		page, more, err = s.List(ctx, t, "", after, records.MaxList)
		if err != nil {
			return err
		}
		for _, rec := range page {
			after = rec.Key
			if err := visit(rec); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *auditing) readCatalogue(ctx context.Context) error {
	version, err := r.table.Version(ctx)
	if err == nil {
		err = r.table.index.Wait(ctx, version)
	}
	if err != nil {
		return err
	}
	return eachRecord(ctx, r.store, records.Catalogue, func(rec records.Record) error {
		item, err := records.Decode[Item](rec)
		if err == nil {
			r.item(&item)
		}
		return err
	})
}

func (r *auditing) item(i *Item) {
	ref := i.Ref()
	r.seen[ref.Key()] = true
	if ref.Marketplace != "" { // a row for all marketplaces has an item if any of them has
		r.seen[SellerRef(i.Connection, "", i.SellerSKU).Key()] = true
	}
	r.listed[i.Connection] = true
	row, mapped := r.table.index.Find(ref)
	if mapped {
		r.compare(i, &row)
	}
	if i.Bundle || i.NotStock != "" {
		return
	}
	if i.SKU != "" && ref.Side != Seller {
		k := theirSKU{i.Connection, i.Marketplace, i.SKU}
		r.theirs[k] = append(r.theirs[k], ref)
	}
	if !mapped {
		f := ofItem(Unmapped, noRow, i)
		f.Detail = "no SKU of ours is " + ref.String() + ": nothing of it flows"
		f.Suggestions = r.suggest(i)
		r.add(f)
	}
}

// compare holds what they say of an item against its row. What blocks would move the wrong stock.
func (r *auditing) compare(i *Item, row *Row) {
	say := func(code string, blocks bool, format string, args ...any) {
		f := ofItem(Conflicting, code, i)
		f.SKU, f.Blocks, f.Detail = row.SKU, blocks, fmt.Sprintf(format, args...)
		r.add(f)
	}
	if differ(row.InventoryItemID, i.InventoryItemID) {
		say(wrongStockItem, true, "the row says inventory item %d, the shop %d", row.InventoryItemID,
			i.InventoryItemID)
	}
	if differ(row.ASIN, i.ASIN) {
		say(wrongASIN, true, "the row says ASIN %s, Amazon %s", row.ASIN, i.ASIN)
	}
	if differ(row.Fulfilment, i.Fulfilment) {
		say(wrongFulfil, true, "the row says %s, the listing is fulfilled by %s", row.Fulfilment,
			i.Fulfilment)
	}
	if i.Bundle {
		say(bundleParent, true, "the parent of a bundle has no stock of its own; map its components")
	} else if i.NotStock != "" || i.VariantID != 0 && !i.Tracked {
		say(notStock, false, "no stock is kept of it there (%s), so nothing is published to it",
			cmpOr(i.NotStock, "untracked"))
	}
	us, known := r.ours.bySKU[row.SKU]
	if known && row.ItemID != "" && us.kit != i.Kit {
		say(kitDiffers, true, "it is a kit on one side only: %t here, %t there", us.kit, i.Kit)
	}
	if _, other := r.ours.bySKU[i.SKU]; other && i.SKU != row.SKU {
		say(otherSKU, false, "its own SKU %q is another one of ours", i.SKU)
	}
}

// differ reports whether both sides say something, and not the same.
func differ[T comparable](ours, theirs T) bool {
	var nothing T
	return ours != nothing && theirs != nothing && ours != theirs
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (r *auditing) readRows(ctx context.Context) error {
	return r.table.Each(ctx, func(row Row) error {
		r.row(&row)
		return nil
	})
}

func (r *auditing) row(row *Row) {
	say := func(code, detail string) {
		f := ofRow(Orphaned, code, row)
		f.Detail = detail
		r.add(f)
	}
	if !r.connections[row.Connection] {
		say(noConnection, "there is no connection "+row.Connection)
	} else if r.listed[row.Connection] && !r.seen[row.Key()] {
		say(noItem, row.Ref().String()+" is not listed there")
	}
	if us, known := r.ours.bySKU[row.SKU]; !known {
		say(noSKU, "the ledger has no SKU "+row.SKU)
	} else {
		us.mapped(row.Connection)
	}
	if row.SellerSKU == "" {
		return
	}
	at := offer{row.Connection, row.Marketplace, row.SKU, row.Fulfilment}
	first, twice := r.offers[at]
	if !twice {
		r.offers[at] = row.SellerSKU
		return
	}
	f := ofRow(Duplicate, severalOffers, row)
	f.Detail = "seller SKU " + first + " offers the same SKU in the same way"
	r.add(f)
}

// duplicates reports what stands twice on their side and on ours.
func (r *auditing) duplicates() {
	order := func(a, b theirSKU) int {
		return slices.Compare([]string{a.connection, a.marketplace, a.sku},
			[]string{b.connection, b.marketplace, b.sku})
	}
	for _, k := range slices.SortedFunc(maps.Keys(r.theirs), order) {
		if refs := r.theirs[k]; len(refs) > 1 {
			r.add(Finding{Kind: Duplicate, Code: theirSKUTwice, Connection: k.connection,
				Marketplace: k.marketplace, Theirs: k.sku,
				Detail: fmt.Sprintf("%d of their items carry SKU %q: %s", len(refs), k.sku, some(refs))})
		}
	}
	for _, code := range slices.Sorted(maps.Keys(r.ours.byBarcode)) {
		if skus := r.ours.byBarcode[code]; len(skus) > 1 {
			r.add(Finding{Kind: Duplicate, Code: barcodeTwice, SKU: skus[0],
				Detail: fmt.Sprintf("%d of our SKUs have barcode %s: %s", len(skus), code, some(skus))})
		}
	}
}

// some names the first few of a list.
func some[T any](list []T) string {
	const most = 5
	words := make([]string, 0, most)
	for _, v := range list[:min(most, len(list))] {
		words = append(words, fmt.Sprint(v))
	}
	if len(list) > most {
		words = append(words, "…")
	}
	return strings.Join(words, ", ")
}

// unlisted reports our SKUs that are nowhere on a connection whose catalogue is known.
func (r *auditing) unlisted() {
	all := slices.Sorted(maps.Keys(r.listed))
	for _, sku := range r.ours.order {
		for _, connection := range all {
			if !slices.Contains(r.ours.bySKU[sku].at, connection) {
				r.add(Finding{Kind: Unmapped, Code: noListing, SKU: sku, Connection: connection,
					Detail: "it is nothing there, so it is not sold there"})
			}
		}
	}
}
