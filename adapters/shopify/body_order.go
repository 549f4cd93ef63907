package shopify

import (
	"fmt"
	"strings"
	"time"

	"holdfast/adapters/orders"
	"holdfast/engine"
)

// orderBody is the body of orders/create, updated, cancelled, fulfilled, partially_fulfilled and
// paid: what of it a flow needs, and nothing of the buyer.
type orderBody struct {
	ID        number        `json:"id"`
	GID       string        `json:"admin_graphql_api_id"`
	AppID     number        `json:"app_id"`
	Name      string        `json:"name"`
	CreatedAt moment        `json:"created_at"`
	UpdatedAt moment        `json:"updated_at"`
	Cancelled moment        `json:"cancelled_at"`
	Reason    string        `json:"cancel_reason"`
	Currency  string        `json:"currency"`
	Total     decimal       `json:"current_total_price"`
	Subtotal  decimal       `json:"current_subtotal_price"`
	Tax       decimal       `json:"current_total_tax"`
	Inside    bool          `json:"taxes_included"`
	Shipping  priceBody     `json:"current_shipping_price_set"`
	Tags      string        `json:"tags"`
	Test      bool          `json:"test"`
	Location  number        `json:"location_id"`
	Source    string        `json:"source_name"`
	SourceID  string        `json:"source_identifier"`
	Notes     []pair        `json:"note_attributes"`
	ShipTo    *addressBody  `json:"shipping_address"`
	Lines     []lineBody    `json:"line_items"`
	Refunds   []refundBody  `json:"refunds"`
	Packages  []packageBody `json:"fulfillments"`
}

type priceBody struct {
	Shop struct {
		Amount decimal `json:"amount"`
	} `json:"shop_money"`
}

type pair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type addressBody struct {
	Country string `json:"country_code"`
	Region  string `json:"province_code"`
	Zip     string `json:"zip"`
}

type lineBody struct {
	ID          number  `json:"id"`
	GID         string  `json:"admin_graphql_api_id"`
	VariantID   number  `json:"variant_id"`
	SKU         string  `json:"sku"`
	Title       string  `json:"title"`
	Price       decimal `json:"price"`
	Quantity    number  `json:"quantity"`
	Current     *number `json:"current_quantity"`
	Fulfillable *number `json:"fulfillable_quantity"`
	Ships       *bool   `json:"requires_shipping"`
	GiftCard    bool    `json:"gift_card"`
	Management  *string `json:"variant_inventory_management"`
}

type refundBody struct {
	ID        number `json:"id"`
	GID       string `json:"admin_graphql_api_id"`
	OrderID   number `json:"order_id"`
	CreatedAt moment `json:"created_at"`
	Return    *struct {
		ID number `json:"id"`
	} `json:"return"`
	Lines []refundLineBody `json:"refund_line_items"`
	Money []moneyBody      `json:"transactions"`
}

type moneyBody struct {
	Kind   string  `json:"kind"`
	Status string  `json:"status"`
	Amount decimal `json:"amount"`
}

type refundLineBody struct {
	LineID   number `json:"line_item_id"`
	Quantity number `json:"quantity"`
	Location number `json:"location_id"`
	Restock  string `json:"restock_type"`
	Line     *struct {
		ID  number `json:"id"`
		GID string `json:"admin_graphql_api_id"`
	} `json:"line_item"`
}

type packageBody struct {
	ID        number     `json:"id"`
	GID       string     `json:"admin_graphql_api_id"`
	OrderID   number     `json:"order_id"`
	Status    string     `json:"status"`
	CreatedAt moment     `json:"created_at"`
	Company   string     `json:"tracking_company"`
	Number    string     `json:"tracking_number"`
	URL       string     `json:"tracking_url"`
	Location  number     `json:"location_id"`
	Lines     []lineBody `json:"line_items"`
}

// reading is the making of one snapshot: what it is made of, and what was wrong with it.
type reading struct {
	conn       *account
	snap       orders.Snapshot
	complaints []string
	heard      time.Time // when the shop said so; stands in for a time that is missing
}

func (r *reading) complain(format string, args ...any) {
	const most = 16 // enough to see what is wrong
	if len(r.complaints) < most {
		r.complaints = append(r.complaints, fmt.Sprintf(format, args...))
	}
}

// order makes the snapshot of an order's body. ok is false when it does not say which order it is.
func (r *reading) order(b *orderBody) (ok bool) {
	id := idOf(b.ID, b.GID)
	if id == 0 {
		r.complain("the order has no id")
		return false
	}
	s := &r.snap
	s.Home = orders.External{System: r.conn.id, Kind: "order", ID: name(id)}
	s.Name, s.Currency, s.Test = b.Name, b.Currency, b.Test
	s.CreatedAt, s.UpdatedAt = r.when(b.CreatedAt, "created_at"), r.when(b.UpdatedAt, "updated_at")
	s.Total, s.Tags = r.amount(b.Total, "current_total_price"), tagsOf(b.Tags)
	s.Money = moneyOf(orders.Money{TaxIncluded: b.Inside,
		Subtotal: r.amount(b.Subtotal, "current_subtotal_price"),
		Tax:      r.amount(b.Tax, "current_total_tax")},
		r.amount(b.Shipping.Shop.Amount, "current_shipping_price_set"))
	if a := b.ShipTo; a != nil {
		s.ShipTo = orders.Place{Country: a.Country, Region: a.Region, PostalCode: a.Zip}
	}
	pin := r.pin(idOf(b.Location, ""), b.Source)
	r.lines(b, pin)
	if b.Cancelled.Bad {
		r.complain("cancelled_at is no time")
	}
	if b.Cancelled.Bad || !b.Cancelled.IsZero() {
		s.Cancelled = &orders.Cancellation{At: b.Cancelled.Time, By: r.conn.id, Reason: b.Reason,
			Restock: restocked(s.Restocks)}
	}
	r.recognise(idOf(b.AppID, ""), b.SourceID, b.ours())
	return true
}

// moneyOf is what an order is made of, as the shop has it now; nil for one that does not say. Duties and tips
// are not in it: such an order's parts do not add up to its total, which whoever books it is told.
func moneyOf(m orders.Money, shipping string) *orders.Money {
	if m.Subtotal == "" {
		return nil
	}
	if shipping != "" {
		m.Charges = []orders.Charge{{Kind: "shipping", Amount: shipping}}
	}
	return &m
}

// pinned is where a sale over the counter has taken its units from.
type pinned struct {
	location string
	counter  bool
}

func (r *reading) pin(place int64, source string) pinned {
	if source != "pos" {
		return pinned{} // location_id of an online order says where it was booked, not where it leaves
	}
	return pinned{r.conn.ours(name(place)), true}
}

func (b *orderBody) ours() string {
	for _, p := range b.Notes {
		if p.Name == markAttribute {
			return p.Value
		}
	}
	return ""
}

func (r *reading) lines(b *orderBody, pin pinned) {
	r.packages(b.Packages)
	r.refunds(b.Refunds)
	for i := range b.Lines {
		l := &b.Lines[i]
		id := idOf(l.ID, l.GID)
		if id == 0 {
			r.complain("line %d has no id", i+1)
			continue
		}
		ordered := r.units(l.Quantity, "quantity", i)
		line := orders.SnapshotLine{Ref: name(id), Ordered: ordered, Qty: ordered,
			VariantID: idOf(l.VariantID, ""), SKU: l.SKU, Title: l.Title,
			Price: r.amount(l.Price, "price"), Location: pin.location, PointOfSale: pin.counter}
		if l.Current != nil {
			line.Qty = r.units(*l.Current, "current_quantity", i)
		}
		if l.Fulfillable != nil && b.Cancelled.IsZero() {
			left := r.units(*l.Fulfillable, "fulfillable_quantity", i)
			line.ToShip = &left
		}
		line.NotStock = notStock(line.VariantID, l.GiftCard, l.Ships, l.Management == nil)
		r.snap.Lines = append(r.snap.Lines, line)
	}
	if len(b.Lines) == 0 {
		r.complain("the order has no lines")
	}
}

// notStock says why a line needs no stock. A variant whose stock the shop does not manage has no
// inventory management.
func notStock(variant int64, giftCard bool, ships *bool, unmanaged bool) string {
	switch {
	case giftCard:
		return "gift-card"
	case variant == 0:
		return "no-variant"
	case ships != nil && !*ships:
		return "not-shipped"
	case unmanaged:
		return "untracked"
	}
	return ""
}

// The status of a fulfilment that has taken nothing away.
var offStatus = map[string]bool{"cancelled": true, "error": true, "failure": true}

var onStatus = map[string]bool{"success": true, "pending": true, "open": true, "": true}

func (r *reading) packages(all []packageBody) {
	for i := range all {
		p := &all[i]
		status := strings.ToLower(p.Status)
		if offStatus[status] {
			continue
		}
		if !onStatus[status] {
			r.complain("a fulfilment has the unknown status %q", cut(p.Status))
		}
		id := idOf(p.ID, p.GID)
		if id == 0 {
			r.complain("fulfilment %d has no id", i+1)
			continue
		}
		s := orders.Shipment{Key: name(id), By: r.conn.id, Carrier: p.Company, Tracking: p.Number,
			URL: p.URL, Location: r.conn.ours(name(idOf(p.Location, ""))), At: p.CreatedAt.Time}
		for k := range p.Lines {
			l := &p.Lines[k]
			qty := r.units(l.Quantity, "fulfilled quantity", k)
			if ref := idOf(l.ID, l.GID); ref != 0 && qty > 0 {
				s.Lines = append(s.Lines, orders.ShipmentLine{Ref: name(ref), Qty: qty})
			}
		}
		r.snap.Shipments = append(r.snap.Shipments, s)
	}
}

func (r *reading) refunds(all []refundBody) {
	for i := range all {
		f := &all[i]
		id := name(idOf(f.ID, f.GID))
		if id == "" {
			r.complain("refund %d has no id", i+1)
			continue
		}
		out := orders.Refund{ID: id, By: r.conn.id, At: f.CreatedAt.Time, Amount: r.paidBack(f)}
		of := ""
		if f.Return != nil {
			of = name(idOf(f.Return.ID, ""))
		}
		for k := range f.Lines {
			l := &f.Lines[k]
			qty, ref := r.units(l.Quantity, "refunded quantity", k), l.ref()
			if ref == "" || qty == 0 {
				continue
			}
			out.Lines = append(out.Lines, orders.ShipmentLine{Ref: ref, Qty: qty})
			r.snap.Restocks = append(r.snap.Restocks, orders.Restock{Refund: id, Ref: ref, Qty: qty,
				Kind: r.restock(l.Restock), Location: r.conn.ours(name(idOf(l.Location, ""))),
				Return: of})
		}
		r.snap.Refunds = append(r.snap.Refunds, out)
	}
}

func (l *refundLineBody) ref() string {
	if l.Line != nil {
		if id := idOf(l.Line.ID, l.Line.GID); id != 0 {
			return name(id)
		}
	}
	return name(idOf(l.LineID, ""))
}

// paidBack is what a refund gave back, when it was one payment: sums of decimals are not made here.
func (r *reading) paidBack(f *refundBody) string {
	paid := ""
	for i := range f.Money {
		if m := &f.Money[i]; m.Kind == "refund" && m.Status == "success" {
			if paid != "" {
				return ""
			}
			paid = r.amount(m.Amount, "refunded amount")
		}
	}
	return paid
}

// restock reads a kind of restock. An unknown one puts nothing back: too little is for sale then,
// not too much.
func (r *reading) restock(kind string) string {
	switch strings.ToLower(kind) {
	case "no_restock", "":
		return orders.NoRestock
	case "cancel":
		return orders.CancelRestock
	case "return", "legacy_restock":
		return orders.ReturnRestock
	}
	r.complain("the restock type %q is not known", cut(kind))
	return orders.NoRestock
}

// restocked says whether a cancellation put the units back: its refunds tell. One without refunds
// had nothing to pay back, and Shopify restocks it unless the merchant says otherwise; the refetch
// tells.
func restocked(all []orders.Restock) bool {
	for i := range all {
		if all[i].Kind == orders.NoRestock {
			return false
		}
	}
	return true
}

// recognise finds out whether the order is a document that we have made for an order of another
// system: by our app, the id that the order has at its home, and our id of it.
func (r *reading) recognise(app int64, source, mark string) {
	if mark == "" || source == "" || r.conn.app != 0 && app != r.conn.app {
		return
	}
	// A buyer can write attributes of a cart, but neither the app nor the source of an order.
	if _, home, ok := homeOf(mark); ok && home == source {
		r.snap.Of = mark
	}
}

// units reads a quantity. One that cannot be is 0, and complained of: the rest of the order counts.
func (r *reading) units(n number, what string, at int) int64 {
	if n.Bad || n.Value < 0 || n.Value > engine.MaxQty {
		r.complain("%s of line %d is %d", what, at+1, n.Value)
		return 0
	}
	return n.Value
}

func (r *reading) amount(d decimal, what string) string {
	if d.Bad {
		r.complain("%s is no amount", what)
	}
	return d.Text
}

func (r *reading) when(m moment, what string) time.Time {
	if m.Bad || m.IsZero() {
		r.complain("%s is no time", what)
		return r.heard
	}
	return m.Time
}

func tagsOf(text string) []string {
	var all []string
	for tag := range strings.SplitSeq(text, ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			all = append(all, tag)
		}
	}
	return all
}
