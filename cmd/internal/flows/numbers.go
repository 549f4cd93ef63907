package flows

import (
	"context"

	"holdfast/adapters/amazon"
	"holdfast/adapters/connections"
	"holdfast/adapters/mapping"
	"holdfast/adapters/orders"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
	"holdfast/adapters/shopify"
)

// numbers tells the slots what the orders do to them.
type numbers struct {
	registry *connections.Registry
	leases   *publish.Leases
}

// slot is the id of the slot that shows a row's SKU at a location of ours; empty when none does. It
// comes from the connection's document and not from the slots that are known: a sale that is booked
// before its slot was ever read must count there all the same.
func (n numbers) slot(row *mapping.Row, location string) string {
	entry, ok := n.registry.Entry(row.Connection)
	switch {
	case !ok:
		return ""
	case entry.Kind == "amazon" && row.SellerSKU != "":
		return amazon.SlotID(entry.ID, row.SellerSKU) // one for all locations
	case entry.Kind != "shopify" || row.InventoryItemID == 0:
		return ""
	}
	for theirs, ours := range entry.Locations {
		if ours == location {
			return shopify.SlotID(entry.ID, row.InventoryItemID, shopify.PlaceID(theirs))
		}
	}
	return ""
}

// Moved adds what the system moved by itself to the tally of its slot.
func (n numbers) Moved(tx *records.Tx, row mapping.Row, location string, delta int64) {
	if slot := n.slot(&row, location); slot != "" {
		publish.Moved(tx, slot, delta)
	}
}

// Draw takes from standing holds. It fails with the store's error.
func (n numbers) Draw(ctx context.Context, channel, sku, location string, qty int64) (orders.Drawn, error) {
	found, err := n.leases.Draw(ctx, channel, sku, location, qty)
	d := orders.Drawn{Ops: found.Ops}
	for _, l := range found.Lines {
		d.Placed = append(d.Placed, orders.Placed{Location: l.Location, Qty: l.Qty})
	}
	return d, err
}

// Restock gives units back to a standing hold. It fails with the store's error.
func (n numbers) Restock(ctx context.Context, tx *records.Tx, row mapping.Row, location string,
	qty int64) error {
	slot := n.slot(&row, location)
	if slot == "" {
		return nil
	}
	return n.leases.Restock(ctx, tx, slot, row.SKU, qty)
}
