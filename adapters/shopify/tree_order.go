package shopify

import (
	"context"
	"errors"
	"strings"
	"time"

	"holdfast/adapters/orders"
	"holdfast/engine"
)

// orderTree is an order as the API gives it.
type orderTree struct {
	ID        gid       `json:"id"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	Cancelled time.Time `json:"cancelledAt"`
	Reason    string    `json:"cancelReason"`
	Test      bool      `json:"test"`
	Source    string    `json:"sourceName"`
	SourceID  string    `json:"sourceIdentifier"`
	Tags      []string  `json:"tags"`
	Currency  string    `json:"currencyCode"`
	App       *struct {
		ID gid `json:"id"`
	} `json:"app"`
	Attributes []struct{ Key, Value string } `json:"customAttributes"`
	Total      moneyTree                     `json:"currentTotalPriceSet"`
	Subtotal   moneyTree                     `json:"currentSubtotalPriceSet"`
	Tax        moneyTree                     `json:"currentTotalTaxSet"`
	Shipping   moneyTree                     `json:"currentShippingPriceSet"`
	Inside     bool                          `json:"taxesIncluded"`
	ShipTo     *struct {
		Country string `json:"countryCodeV2"`
		Region  string `json:"provinceCode"`
		Zip     string `json:"zip"`
	} `json:"shippingAddress"`
	Retail *idTree `json:"retailLocation"`
	Lines  struct {
		Page  pageInfo   `json:"pageInfo"`
		Nodes []lineTree `json:"nodes"`
	} `json:"lineItems"`
	Packages []packageTree `json:"fulfillments"`
	Refunds  []refundTree  `json:"refunds"`
}

type pageInfo struct {
	More bool   `json:"hasNextPage"`
	End  string `json:"endCursor"`
}

type idTree struct {
	ID gid `json:"id"`
}

type moneyTree struct {
	Shop struct {
		Amount decimal `json:"amount"`
	} `json:"shopMoney"`
}

type lineTree struct {
	ID          gid       `json:"id"`
	SKU         string    `json:"sku"`
	Title       string    `json:"title"`
	Quantity    int64     `json:"quantity"`
	Current     int64     `json:"currentQuantity"`
	Unfulfilled int64     `json:"unfulfilledQuantity"`
	Ships       bool      `json:"requiresShipping"`
	GiftCard    bool      `json:"isGiftCard"`
	Price       moneyTree `json:"originalUnitPriceSet"`
	Variant     *struct {
		ID     gid    `json:"id"`
		Policy string `json:"inventoryPolicy"`
		Item   struct {
			ID      gid  `json:"id"`
			Tracked bool `json:"tracked"`
		} `json:"inventoryItem"`
	} `json:"variant"`
}

type packageTree struct {
	ID        gid       `json:"id"`
	Status    string    `json:"status"`
	CreatedAt time.Time `json:"createdAt"`
	Location  *idTree   `json:"location"`
	Tracking  []struct {
		Company, Number, URL string
	} `json:"trackingInfo"`
	Lines struct {
		Page  pageInfo `json:"pageInfo"`
		Nodes []struct {
			ID       gid    `json:"id"`
			Quantity int64  `json:"quantity"`
			Line     idTree `json:"lineItem"`
		} `json:"nodes"`
	} `json:"fulfillmentLineItems"`
}

type refundTree struct {
	ID        gid       `json:"id"`
	CreatedAt time.Time `json:"createdAt"`
	Total     moneyTree `json:"totalRefundedSet"`
	Return    *idTree   `json:"return"`
	Lines     struct {
		Page  pageInfo `json:"pageInfo"`
		Nodes []struct {
			Quantity int64   `json:"quantity"`
			Restock  string  `json:"restockType"`
			Location *idTree `json:"location"`
			Line     idTree  `json:"lineItem"`
		} `json:"nodes"`
	} `json:"refundLineItems"`
}

// whole reports whether the page has all lines of the order's parts; otherwise it is read alone.
func (o *orderTree) whole() bool {
	if o.Lines.Page.More {
		return false
	}
	for i := range o.Packages {
		if o.Packages[i].Lines.Page.More {
			return false
		}
	}
	for i := range o.Refunds {
		if o.Refunds[i].Lines.Page.More {
			return false
		}
	}
	return true
}

func (i *idTree) tail() string {
	if i == nil {
		return ""
	}
	return i.ID.tail()
}

// tree makes the snapshot of an order that was read.
func (r *reading) tree(o *orderTree) {
	s := &r.snap
	s.Home = orders.External{System: r.conn.id, Kind: "order", ID: o.ID.tail()}
	s.Name, s.Currency, s.Test, s.Tags = o.Name, o.Currency, o.Test, o.Tags
	s.CreatedAt, s.UpdatedAt = o.CreatedAt.UTC(), o.UpdatedAt.UTC()
	s.Total = o.Total.Shop.Amount.Text
	s.Money = moneyOf(orders.Money{TaxIncluded: o.Inside, Subtotal: o.Subtotal.Shop.Amount.Text,
		Tax: o.Tax.Shop.Amount.Text}, o.Shipping.Shop.Amount.Text)
	if a := o.ShipTo; a != nil {
		s.ShipTo = orders.Place{Country: a.Country, Region: a.Region, PostalCode: a.Zip}
	}
	for i := range o.Packages {
		r.treePackage(&o.Packages[i])
	}
	for i := range o.Refunds {
		r.treeRefund(&o.Refunds[i])
	}
	pin := pinned{}
	if o.Source == "pos" {
		pin = pinned{r.conn.ours(o.Retail.tail()), true}
	}
	for i := range o.Lines.Nodes {
		r.treeLine(&o.Lines.Nodes[i], pin, !o.Cancelled.IsZero())
	}
	if !o.Cancelled.IsZero() {
		s.Cancelled = &orders.Cancellation{At: o.Cancelled.UTC(), By: r.conn.id,
			Reason: strings.ToLower(o.Reason), Restock: restocked(s.Restocks)}
	}
	app, mark := int64(0), ""
	if o.App != nil {
		app = o.App.ID.number()
	}
	for _, a := range o.Attributes {
		if a.Key == markAttribute {
			mark = a.Value
		}
	}
	r.recognise(app, o.SourceID, mark)
}

func (r *reading) treeLine(l *lineTree, pin pinned, cancelled bool) {
	line := orders.SnapshotLine{Ref: l.ID.tail(), Ordered: within(l.Quantity), Qty: within(l.Current),
		SKU: l.SKU, Title: l.Title, Price: l.Price.Shop.Amount.Text, Location: pin.location,
		PointOfSale: pin.counter}
	if !cancelled {
		left := within(l.Unfulfilled)
		line.ToShip = &left
	}
	untracked := false
	if v := l.Variant; v != nil {
		line.VariantID, line.ItemID = v.ID.number(), v.Item.ID.number()
		line.Backorder, untracked = v.Policy == "CONTINUE", !v.Item.Tracked
	}
	line.NotStock = notStock(line.VariantID, l.GiftCard, &l.Ships, untracked)
	r.snap.Lines = append(r.snap.Lines, line)
}

func within(n int64) int64 { return min(max(n, 0), engine.MaxQty) }

func (r *reading) treePackage(p *packageTree) {
	if offStatus[strings.ToLower(p.Status)] {
		return
	}
	s := orders.Shipment{Key: p.ID.tail(), By: r.conn.id, Location: r.conn.ours(p.Location.tail()),
		At: p.CreatedAt.UTC()}
	if len(p.Tracking) > 0 {
		t := p.Tracking[0]
		s.Carrier, s.Tracking, s.URL = t.Company, t.Number, t.URL
	}
	for _, n := range p.Lines.Nodes {
		if n.Quantity > 0 {
			s.Lines = append(s.Lines, orders.ShipmentLine{Ref: n.Line.ID.tail(), Qty: within(n.Quantity)})
		}
	}
	r.snap.Shipments = append(r.snap.Shipments, s)
}

func (r *reading) treeRefund(f *refundTree) {
	out := orders.Refund{ID: f.ID.tail(), By: r.conn.id, At: f.CreatedAt.UTC(),
		Amount: f.Total.Shop.Amount.Text}
	for _, n := range f.Lines.Nodes {
		if n.Quantity <= 0 {
			continue
		}
		ref := n.Line.ID.tail()
		out.Lines = append(out.Lines, orders.ShipmentLine{Ref: ref, Qty: within(n.Quantity)})
		r.snap.Restocks = append(r.snap.Restocks, orders.Restock{Refund: out.ID, Ref: ref,
			Qty: within(n.Quantity), Kind: r.restock(n.Restock),
			Location: r.conn.ours(n.Location.tail()), Return: f.Return.tail()})
	}
	r.snap.Refunds = append(r.snap.Refunds, out)
}

type orderVars struct {
	ID    gid     `json:"id"`
	Lines int     `json:"lines"`
	After *string `json:"after"`
}

const (
	// sweepLines is how many lines of an order a page of a sweep has; most orders have fewer.
	sweepLines = 20
	// wholeLines is a page of an order that is read alone.
	wholeLines = 100
	// wholePages bounds it: an order has at most 500 lines, and edits add some.
	wholePages = 20
)

// readTree reads an order with all of its lines. It fails with a Fault of the code not-found when
// the order is not there.
func (s *shop) readTree(ctx context.Context, id gid) (*orderTree, error) {
	var all *orderTree
	vars := orderVars{ID: id, Lines: wholeLines}
	for range wholePages {
		var out struct {
			Order *orderTree `json:"order"`
		}
		if err := s.client.do(ctx, opOrder, vars, &out); err != nil {
			return nil, err
		}
		if out.Order == nil {
			return nil, refused(codeGone, "the shop has no order %s", id.tail())
		}
		if all == nil {
			all = out.Order
		} else if !all.UpdatedAt.Equal(out.Order.UpdatedAt) {
			return nil, later(0, "order %s changed while it was read", id.tail())
		} else {
			all.Lines.Nodes = append(all.Lines.Nodes, out.Order.Lines.Nodes...)
		}
		if all.Lines.Page = out.Order.Lines.Page; !all.Lines.Page.More {
			return all, nil
		}
		vars.After = &out.Order.Lines.Page.End
	}
	return nil, answerFault(opOrder, errors.New("the order has no end of lines"))
}
