package shopify

import (
	"context"

	"holdfast/adapters/mapping"
	"holdfast/adapters/orders"
)

// echoes takes in snapshots of which some are documents that we have made: those only tell what
// their order is called here, and which packages it has here.
type echoes struct {
	book    Book
	mapping mapping.Lookup // may be nil: then lines are told apart by their SKU
}

// receive hands a snapshot to the book. One that claims to be of an order which is not known here,
// or was not born where it says, is an order of the shop's own: a claim is not enough to lose a
// sale. It fails as [Book] does.
func (e echoes) receive(ctx context.Context, v orders.Delivery, s orders.Snapshot) (orders.Receipt,
	error) {
	if s.Of == "" {
		return e.book.Receive(ctx, v, s)
	}
	o, err := e.book.Get(ctx, s.Of)
	if isUnknownOrder(err) {
		s.Of = ""
		return e.book.Receive(ctx, v, s)
	}
	if err != nil {
		return orders.Receipt{}, err
	}
	e.translate(&o, &s)
	got, err := e.book.Receive(ctx, v, s)
	if isUnknownOrder(err) {
		s.Of = ""
		return e.book.Receive(ctx, v, s)
	}
	return got, err
}

// translate gives the packages of a document the lines of the order that it stands for. Each line
// of the document is the first line of the order that sells the same and has no other; units of a
// line that is none of the order's, because somebody has added it over there, are left out.
func (e echoes) translate(o *orders.Order, s *orders.Snapshot) {
	refs := make(map[string]string, len(s.Lines))
	used := make([]bool, len(o.Lines))
	for i := range s.Lines {
		theirs := &s.Lines[i]
		sku := theirs.SKU
		if e.mapping != nil {
			if row, ok := e.mapping.ByVariant(s.Home.System, theirs.VariantID); ok {
				sku = row.SKU
			}
		}
		for k := range o.Lines {
			if !used[k] && e.sku(o, &o.Lines[k]) == sku {
				refs[theirs.Ref], used[k] = o.Lines[k].Ref, true
				break
			}
		}
	}
	var packs []orders.Shipment
	for _, p := range s.Shipments {
		var lines []orders.ShipmentLine
		for _, l := range p.Lines {
			if ref, ok := refs[l.Ref]; ok {
				lines = append(lines, orders.ShipmentLine{Ref: ref, Qty: l.Qty})
			}
		}
		if p.Lines = lines; len(lines) > 0 {
			packs = append(packs, p)
		}
	}
	s.Shipments = packs
}

// sku is what a line of an order sells: a line that needs no stock of ours has no SKU of ours, but
// what its home calls it is mapped.
func (e echoes) sku(o *orders.Order, l *orders.Line) string {
	if l.SKU != "" || e.mapping == nil {
		return l.SKU
	}
	row, _ := e.mapping.BySellerSKU(o.Home.System, l.Item.Marketplace, l.Item.SellerSKU)
	return row.SKU
}
