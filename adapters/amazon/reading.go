package amazon

import (
	"fmt"
	"strings"
	"time"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/lenient"
	"holdfast/adapters/orders"
	"holdfast/engine"
)

// Who fulfils an order, in the words of package orders.
const (
	byAmazon   = "amazon"
	byMerchant = "merchant"
)

// reading is the making of one snapshot: what it is made of, and what was wrong with it.
type reading struct {
	acc        *account
	snap       orders.Snapshot
	complaints []string
	heard      time.Time // stands in for a time that is missing
	// unpriced: the order came without what it is worth, because that was not asked for. Nobody else
	// is told of it, and a later reading of the same state counts as newer.
	unpriced bool
	// asks: the buyer wants it cancelled, and nobody has done so yet.
	asks string
	// ignored says why the order is none of ours; empty when it is.
	ignored string
}

func (r *reading) complain(format string, args ...any) {
	const most = 16 // enough to see what is wrong
	if len(r.complaints) < most {
		r.complaints = append(r.complaints, fmt.Sprintf(format, args...))
	}
}

// order makes the snapshot of an order. ok is false when it does not say which order it is.
func (r *reading) order(o *spapi.Order) (ok bool) {
	if o.Complaint != "" {
		r.complain("%s", o.Complaint)
	}
	if o.ID == "" {
		r.complain("the order has no id")
		return false
	}
	if strings.EqualFold(o.Channel.Name, spapi.ChannelOther) {
		r.ignored = "placed elsewhere, and fulfilled by Amazon for us"
		return true
	}
	s := &r.snap
	s.Home = orders.External{System: r.acc.id, Kind: "order", ID: o.ID}
	s.Name = o.ID
	s.CreatedAt = r.when(o.Created, "createdTime", r.heard)
	// Without its time it is the oldest that there can be: whatever has one counts before it.
	s.UpdatedAt = r.when(o.Updated, "lastUpdatedTime", s.CreatedAt)
	s.Tags = tags(o)
	r.fulfilment(o)
	s.Channel = r.acc.channel(o.Channel.MarketplaceID, s.FulfilledBy)
	if p := o.Proceeds; p != nil && p.Total != nil && !s.Pending {
		s.Total, s.Currency = r.amount(p.Total.Amount, "grandTotal"), p.Total.Currency
	}
	if o.Recipient != nil && o.Recipient.Address != nil {
		a := o.Recipient.Address
		s.ShipTo = orders.Place{Country: a.Country, Region: a.Region, PostalCode: a.Postal}
	}
	r.packages(o)
	r.lines(o)
	r.proceeds(o)
	if r.unpriced && !s.Pending && s.Cancelled == nil {
		s.Pending, s.UpdatedAt = true, s.UpdatedAt.Add(-time.Millisecond)
	}
	return true
}

// fulfilment reads how far the order is and who sends it. What is not known promises its units and
// tells nobody: too little is for sale then, and nothing is shipped by mistake.
func (r *reading) fulfilment(o *spapi.Order) {
	s := &r.snap
	status := ""
	if f := o.Fulfillment; f != nil {
		status = f.Status
		s.ShipBy = f.ShipBy.To.Time
		switch strings.ToUpper(f.FulfilledBy) {
		case spapi.ByAmazon:
			s.FulfilledBy = byAmazon
		case spapi.ByMerchant:
			s.FulfilledBy = byMerchant
		default:
			r.complain("fulfilledBy is %q", f.FulfilledBy)
			s.Pending = true
		}
	}
	switch status {
	case spapi.StatusUnshipped, spapi.StatusPartlyShipped, spapi.StatusShipped:
	case spapi.StatusPending:
		s.Pending = true
	case spapi.StatusPendingAvailability:
		s.RecordOnly = true
	case spapi.StatusCancelled:
		s.Cancelled = &orders.Cancellation{At: s.UpdatedAt, By: r.acc.id, Reason: cancelReason(o),
			Restock: true}
	default:
		r.complain("fulfillmentStatus is %q", status)
		s.Pending = true
	}
}

// cancelReason is the first reason that a line gives.
func cancelReason(o *spapi.Order) string {
	for i := range o.Items {
		if e := o.Items[i].Cancellation.Execution; e != nil {
			return strings.Trim(e.By+" "+e.Reason, " ")
		}
	}
	return ""
}

// tags are what rules of routing may ask for: the programs, and that an order replaces another.
func tags(o *spapi.Order) (all []string) {
	all = append(all, o.Programs...)
	for _, a := range o.Associated {
		kind, _, _ := strings.Cut(strings.ToLower(a.Type), "_") // REPLACEMENT_ORIGINAL_ID
		if kind != "" && a.ID != "" {
			all = append(all, kind, kind+"-of:"+a.ID)
		}
	}
	return all
}

// packages are what the seller has told Amazon that left. Units that Amazon counts as sent without
// a package of ours having them stand in one of their own, so that none is promised again.
func (r *reading) packages(o *spapi.Order) {
	sent := map[string]int64{}
	for i := range o.Packages {
		p := &o.Packages[i]
		if strings.EqualFold(p.Status.Status, "CANCELLED") {
			continue
		}
		s := orders.Shipment{Key: p.Reference, By: r.acc.id, Carrier: p.Carrier, Service: p.Service,
			Tracking: p.Tracking, At: first(p.Shipped.Time, p.Created.Time, r.snap.UpdatedAt)}
		for k := range p.Items {
			qty := r.units(p.Items[k].Quantity, "a package's quantity")
			if ref := p.Items[k].ID; ref != "" && qty > 0 {
				s.Lines = append(s.Lines, orders.ShipmentLine{Ref: ref, Qty: qty})
				sent[ref] += qty
			}
		}
		if s.Key == "" || len(s.Lines) == 0 {
			r.complain("package %d has no number or no lines", i+1)
			continue
		}
		r.snap.Shipments = append(r.snap.Shipments, s)
	}
	rest := orders.Shipment{Key: restKey, By: r.acc.id, At: r.snap.UpdatedAt}
	for i := range o.Items {
		it := &o.Items[i]
		if it.Fulfillment == nil || it.ID == "" {
			continue
		}
		if qty := r.units(it.Fulfillment.Done, "quantityFulfilled") - sent[it.ID]; qty > 0 {
			rest.Lines = append(rest.Lines, orders.ShipmentLine{Ref: it.ID, Qty: qty})
		}
	}
	if len(rest.Lines) > 0 {
		r.snap.Shipments = append(r.snap.Shipments, rest)
	}
}

func (r *reading) lines(o *spapi.Order) {
	for i := range o.Items {
		it := &o.Items[i]
		if it.ID == "" {
			r.complain("line %d has no id", i+1)
			continue
		}
		ordered := r.units(it.Ordered, "quantityOrdered")
		line := orders.SnapshotLine{Ref: it.ID, Ordered: ordered, Qty: ordered,
			SellerSKU: it.Product.SellerSKU, SKU: it.Product.SellerSKU, Title: it.Product.Title,
			Marketplace: o.Channel.MarketplaceID}
		if line.SellerSKU == "" {
			// A mapping can be made for it: what was sold is not lost with its name.
			line.SellerSKU = noSKU + it.Product.ASIN
			line.SKU = line.SellerSKU
			r.complain("line %s has no seller SKU", it.ID)
		}
		if u := it.Product.Price.Unit; u != nil && !r.snap.Pending {
			line.Price = r.amount(u.Amount, "unitPrice")
		}
		r.open(it, &line)
		if c := it.Cancellation; c.Request != nil && c.Execution == nil && r.snap.Cancelled == nil {
			r.asks = first(c.Request.Reason, "the buyer does not say why")
		}
		r.snap.Lines = append(r.snap.Lines, line)
	}
	if len(o.Items) == 0 {
		r.complain("the order has no lines")
	}
}

// noSKU is before the ASIN of what is sold without a seller SKU.
const noSKU = "asin:"

// open says how many units of a line are still to leave. While an order is not confirmed Amazon
// counts none as unshipped, and all of them are promised.
func (r *reading) open(it *spapi.OrderItem, line *orders.SnapshotLine) {
	f := it.Fulfillment
	if f == nil || r.snap.Pending || r.snap.RecordOnly || r.snap.Cancelled != nil {
		return
	}
	if f.Left != nil && !f.Left.Bad {
		left := r.units(*f.Left, "quantityUnfulfilled")
		line.ToShip = &left
	}
	if it.Cancellation.Execution != nil && line.ToShip != nil {
		line.Qty = min(line.Qty, *line.ToShip+r.units(f.Done, "quantityFulfilled"))
	}
}

// units reads a quantity. One that cannot be is 0, and complained of: the rest of the order counts.
func (r *reading) units(n lenient.Number, what string) int64 {
	if n.Bad || n.Value < 0 || n.Value > engine.MaxQty {
		r.complain("%s is %d", what, n.Value)
		return 0
	}
	return n.Value
}

func (r *reading) amount(d lenient.Decimal, what string) string {
	if d.Bad {
		r.complain("%s is no amount", what)
	}
	return d.Text
}

func (r *reading) when(m lenient.Moment, what string, otherwise time.Time) time.Time {
	if m.Bad || m.IsZero() {
		r.complain("%s is no time", what)
		return otherwise
	}
	return m.Time
}

// first is the first of its arguments that is not zero.
func first[T comparable](all ...T) (v T) {
	for _, v = range all {
		var zero T
		if v != zero {
			return v
		}
	}
	return v
}
