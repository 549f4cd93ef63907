package mapping

import (
	"context"
	"errors"

	"holdfast/adapters/records"
)

// completePage is how many items one call of Complete looks at.
const completePage = 500

// Complete adds to rows of a connection what only its catalogue knows: the inventory item of a variant,
// the ASIN and the fulfilment of a listing. What a row says already stays as it is, and nothing gets a
// row that has none. It looks at one page of the catalogue behind cursor and returns the next one, empty
// at the end; the same page again changes nothing.
//
// It fails as Put and the store do. A row that would become a conflict is left for the audit.
func (t *Table) Complete(ctx context.Context, connection, cursor string) (next string, changed int,
	err error) {
	page, more, err := t.store.List(ctx, records.Catalogue, prefixOf(connection), cursor, completePage)
	if err != nil {
		return "", 0, err
	}
	var items []Item
	for _, r := range page {
		cursor = r.Key
		item, err := records.Decode[Item](r)
		if err != nil {
			return "", 0, err
		}
		items = append(items, item)
	}
	if more {
		next = cursor
	}
	changed, err = t.Learn(ctx, items)
	return next, changed, err
}

// Learn adds to the rows of some items what only the catalogue knows, as [Table.Complete] does for all. It
// sees every row that was written before. It fails as Put and the store do.
func (t *Table) Learn(ctx context.Context, items []Item) (changed int, err error) {
	if _, err := t.at(ctx, nil); err != nil {
		return 0, err
	}
	var rows []Row
	for i := range items {
		if row, ok := t.index.Find(items[i].Ref()); ok && row.learn(&items[i]) {
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return 0, nil
	}
	rep, err := t.Put(ctx, Lines(rows), PutOptions{})
	if err == nil && rep.Bad() {
		rep, err = t.putEach(ctx, rows)
	}
	return rep.Written(), err
}

// putEach writes rows one by one, and leaves out those that are conflicts.
func (t *Table) putEach(ctx context.Context, rows []Row) (all Report, err error) {
	for _, r := range rows {
		rep, err := t.Put(ctx, Lines([]Row{r}), PutOptions{})
		if err != nil && !errors.Is(err, records.ErrBusy) {
			return all, err
		}
		all.done = append(all.done, rep.done...)
	}
	return all, nil
}

// learn takes over from an item what the row does not say; it reports whether that was anything. A row
// for all marketplaces learns nothing that may differ between them.
func (r *Row) learn(i *Item) bool {
	before := *r
	if r.InventoryItemID == 0 {
		r.InventoryItemID = i.InventoryItemID
	}
	if r.SellerSKU != "" && r.Marketplace == i.Marketplace {
		r.ASIN, r.Fulfilment = cmpOr(r.ASIN, i.ASIN), cmpOr(r.Fulfilment, i.Fulfilment)
	}
	return *r != before
}
