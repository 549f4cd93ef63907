package amazon

import (
	"context"
	"slices"
	"strings"
	"time"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/orders"
	"holdfast/adapters/records"
)

// restKey is the package of units that Amazon counts as sent and that no package has.
const restKey = "fulfilled"

// sentUnits is a package of an order as rows of the report of shipments have it.
type sentUnits struct {
	order string
	pack  orders.Shipment
	skus  []string // of its lines, where a row does not name one
}

// takeShipments takes in what Amazon has sent out of its own warehouses: one package for each of its
// shipments. A row that cannot be read is left out: the sweep counts its units all the same.
func (s *seller) takeShipments(ctx context.Context, all *Sellers, t *spapi.Table) error {
	packs, at := []*sentUnits{}, map[string]int{}
	for {
		more, err := t.Next()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		row := t.Shipment()
		if row.Complaint != "" || row.Quantity <= 0 || strings.EqualFold(row.SalesChannel, "Non-Amazon") {
			continue
		}
		key := row.OrderID + "/" + row.ShipmentID
		i, ok := at[key]
		if !ok {
			i, at[key] = len(packs), len(packs)
			packs = append(packs, &sentUnits{order: row.OrderID, pack: orders.Shipment{Key: row.ShipmentID,
				By: s.id, Carrier: row.Carrier, Tracking: row.Tracking, At: row.Shipped}})
		}
		p := packs[i]
		p.pack.Lines = append(p.pack.Lines, orders.ShipmentLine{Ref: row.OrderItemID, Qty: row.Quantity})
		p.skus = append(p.skus, row.SellerSKU)
	}
	for _, p := range packs {
		if err := s.sentByAmazon(ctx, all, p); err != nil {
			return err
		}
	}
	return nil
}

// sentByAmazon hands one package to the book. An order that is not known is found by a sweep before the rows
// of its shipments are too old to be asked for again.
func (s *seller) sentByAmazon(ctx context.Context, all *Sellers, p *sentUnits) error {
	all.sent.Lock()
	defer all.sent.Unlock()
	o, err := all.cfg.Book.Get(ctx, s.orderKey(p.order))
	if isUnknownOrder(err) {
		return nil
	}
	if err != nil || o.FulfilledBy != byAmazon {
		return err
	}
	for i := range o.Shipments {
		k := &o.Shipments[i]
		if k.By == s.id && !k.Off && (k.Key == p.pack.Key || k.Key == restKey) {
			return nil // known, or told without its tracking because that came too late
		}
	}
	for i := range p.pack.Lines {
		l := &p.pack.Lines[i]
		for k := range o.Lines {
			if l.Ref == "" && o.Lines[k].Item.SellerSKU == p.skus[i] {
				l.Ref = o.Lines[k].Ref
			}
		}
	}
	_, err = all.cfg.Book.Ship(ctx, o.ID, p.pack)
	if isNo(err) {
		return nil // more than the order says: the next reading of it knows better
	}
	return err
}

func (s *seller) unpackedKey(id string) string { return s.id + "/unpacked/" + id }

// unpackedUnits is when it was first seen that Amazon has sent units of an order without a package being
// known: the record CONNECTION/unpacked/ORDER of the table Documents.
type unpackedUnits struct {
	Since time.Time `json:"since"`
}

// packed makes the packages of an order that Amazon fulfils those of the report of shipments, which alone has
// their tracking. Units without one are left as still to leave, until that report has had its time; then they
// are in a package of their own. The caller holds all.sent until the book has the snapshot.
func (s *seller) packed(ctx context.Context, all *Sellers, r *reading) error {
	rest := slices.IndexFunc(r.snap.Shipments, func(p orders.Shipment) bool { return p.Key == restKey })
	id := r.snap.Home.ID
	known, err := all.cfg.Book.Get(ctx, s.orderKey(id))
	if err != nil && !isUnknownOrder(err) {
		return err
	}
	count := map[string]int64{}
	box := orders.Shipment{Key: restKey, By: s.id, At: r.snap.UpdatedAt}
	if rest >= 0 {
		for _, l := range r.snap.Shipments[rest].Lines {
			count[l.Ref] = l.Qty
		}
	}
	var packs []orders.Shipment
	late := false
	for i := range known.Shipments {
		k := known.Shipments[i]
		if k.By != s.id || k.Off {
			continue
		}
		if k.Key == restKey {
			late = true // it was told that way: whatever comes belongs to it
			continue
		}
		packs = append(packs, k)
		for _, l := range k.Lines {
			count[l.Ref] -= l.Qty
		}
	}
	doc, version, err := readDocument[unpackedUnits](ctx, all, s.unpackedKey(id))
	if err != nil {
		return err
	}
	now := all.cfg.Now().UTC()
	late = late || version != 0 && !now.Before(doc.Since.Add(s.every(trackingWait)))
	for i := range r.snap.Lines {
		l := &r.snap.Lines[i]
		switch n := count[l.Ref]; {
		case n <= 0:
		case late:
			box.Lines = append(box.Lines, orders.ShipmentLine{Ref: l.Ref, Qty: n})
		default:
			box.Lines = append(box.Lines, orders.ShipmentLine{Ref: l.Ref, Qty: n})
			if l.ToShip != nil {
				left := *l.ToShip + n
				l.ToShip = &left
			}
		}
	}
	r.snap.Shipments = packs
	switch {
	case len(box.Lines) > 0 && late:
		r.snap.Shipments = append(r.snap.Shipments, box)
	case len(box.Lines) > 0 && version == 0:
		return putDocument(ctx, all, s.unpackedKey(id), unpackedUnits{now}, 0)
	}
	return nil
}

// unpackedPage is how many orders are looked at in one go.
const unpackedPage = 200

// unpacked reads the orders again whose tracking has had its time. An order that has all its packages by
// then is read once more, and changes nothing.
func (s *seller) unpacked(ctx context.Context, all *Sellers) error {
	prefix := s.unpackedKey("")
	for after, more := "", true; more; {
		var rows []records.Record
		var err error
		rows, more, err = all.cfg.Store.List(ctx, records.Documents, prefix, after, unpackedPage)
		if err != nil {
			return err
		}
		for _, row := range rows {
			after = row.Key
			doc, err := records.Decode[unpackedUnits](row)
			if err != nil {
				return err
			}
			if all.cfg.Now().Before(doc.Since.Add(s.every(trackingWait))) {
				continue
			}
			if err := s.repack(ctx, all, strings.TrimPrefix(row.Key, prefix)); err != nil {
				return err
			}
			var tx records.Tx
			tx.Drop(records.Documents, row.Key, row.Version)
			if _, err := all.cfg.Store.Submit(ctx, &tx); err != nil {
				return err
			}
		}
	}
	return nil
}

// repack tells the book of the units of an order that Amazon has sent and that no report has named.
func (s *seller) repack(ctx context.Context, all *Sellers, id string) error {
	at, err := s.client.As(spapi.Background).Order(ctx, id, spapi.WithFulfillment)
	if err != nil {
		return err
	}
	all.sent.Lock()
	defer all.sent.Unlock()
	o, err := all.cfg.Book.Get(ctx, s.orderKey(id))
	if err != nil {
		return err
	}
	box := orders.Shipment{Key: restKey, By: s.id, At: at.Updated.Time}
	for i := range at.Items {
		f := at.Items[i].Fulfillment
		if f == nil {
			continue
		}
		n := f.Done.Value
		for k := range o.Shipments {
			if p := &o.Shipments[k]; !p.Off {
				for _, l := range p.Lines {
					if l.Ref == at.Items[i].ID {
						n -= l.Qty
					}
				}
			}
		}
		if n > 0 {
			box.Lines = append(box.Lines, orders.ShipmentLine{Ref: at.Items[i].ID, Qty: n})
		}
	}
	if len(box.Lines) == 0 {
		return nil
	}
	_, err = all.cfg.Book.Ship(ctx, o.ID, box)
	if isNo(err) {
		return nil // the order knows of more than is left: a sweep brings it to what Amazon says
	}
	return err
}
