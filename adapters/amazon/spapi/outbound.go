package spapi

import (
	"context"
	"strconv"
	"strings"
	"time"

	"holdfast/adapters/lenient"
)

// Outbound is what Amazon does with orders of other channels out of its own warehouses. Its version
// 2026-07-04 can stand behind it as 2020-07-01 does now: [Client.Outbound2020].
type Outbound interface {
	// Preview says whether an order could be fulfilled. It fails with a Fault.
	Preview(ctx context.Context, o OutboundOrder) (OutboundPreview, error)
	// Create places an order, once for its ID. It fails with a Fault; of unknown outcome, read it
	// before it is placed again. That it was accepted is seen by reading it, not by this.
	Create(ctx context.Context, o OutboundOrder) error
	// Order reads an order. It fails with a Fault; its code is [CodeGone] where there is none.
	Order(ctx context.Context, id string) (*OutboundState, error)
	// Cancel asks to cancel an order; whether it did is seen by reading it. It fails with a Fault.
	Cancel(ctx context.Context, id string) error
	// Tracking reads where a package is. It fails with a Fault.
	Tracking(ctx context.Context, packageNumber int64) (*OutboundTracking, error)
}

// OutboundOrder is an order that Amazon is to fulfil.
type OutboundOrder struct {
	ID            string // ours: A-Z a-z 0-9 and hyphens, at most 40, once for ever
	Name          string // that the buyer sees, at most 40
	Comment       string
	PlacedAt      time.Time
	Speed         string // Standard, Expedited, Priority
	MarketplaceID string
	Address       Address
	Items         []OutboundItem
	FillAll       bool // send what there is later, too; else all at once or nothing
}

// OutboundItem is units of one SKU of Amazon's.
type OutboundItem struct {
	ID        string // of the line, at most 50
	SellerSKU string
	Quantity  int64
}

// OutboundPreview says whether an order can be fulfilled at its speed.
type OutboundPreview struct {
	Fulfillable bool
	Reasons     []string
}

// OutboundState is an order at Amazon.
type OutboundState struct {
	ID       string
	Status   string // OutboundNew and others; another one is kept
	Updated  time.Time
	Items    []OutboundItemState
	Packages []OutboundPackage
	Returns  []OutboundReturn
}

// The states of an outbound order.
const (
	OutboundNew           = "New"
	OutboundReceived      = "Received"
	OutboundPlanning      = "Planning"
	OutboundProcessing    = "Processing" // from here it cannot be cancelled
	OutboundCancelled     = "Cancelled"
	OutboundComplete      = "Complete"
	OutboundPartly        = "CompletePartialled"
	OutboundUnfulfillable = "Unfulfillable"
	OutboundInvalid       = "Invalid"
)

// OutboundItemState is what became of a line.
type OutboundItemState struct {
	ID, SellerSKU                      string
	Quantity, Cancelled, Unfulfillable int64
}

// OutboundPackage is a package of an order, or of one shipment that has no number of a package yet.
type OutboundPackage struct {
	Shipment string // Amazon's id
	Status   string // PENDING, SHIPPED, CANCELLED_BY_FULFILLER, CANCELLED_BY_SELLER
	Number   int64  // 0: none yet
	Carrier  string
	Tracking string
	Shipped  time.Time
	Items    []OutboundItem
}

// OutboundReturn is units that came back to Amazon.
type OutboundReturn struct {
	ID, ItemID, Shipment, Status, Condition string
	At                                      time.Time
}

// OutboundTracking is where a package is.
type OutboundTracking struct {
	Number   lenient.Number `json:"packageNumber"`
	Carrier  string         `json:"carrierCode"`
	Tracking string         `json:"trackingNumber"`
	Link     string         `json:"customerTrackingLink"`
	Shipped  lenient.Moment `json:"shipDate"`
	Status   string         `json:"currentStatus"`
}

// Outbound2020 is the version 2020-07-01.
func (c *Client) Outbound2020() Outbound { return outbound{c} }

type outbound struct{ c *Client }

type outboundAddress struct {
	Name    string `json:"name"`
	Line1   string `json:"addressLine1"`
	Line2   string `json:"addressLine2,omitempty"`
	Line3   string `json:"addressLine3,omitempty"`
	City    string `json:"city,omitempty"`
	County  string `json:"districtOrCounty,omitempty"`
	Region  string `json:"stateOrRegion,omitempty"`
	Postal  string `json:"postalCode"`
	Country string `json:"countryCode"`
	Phone   string `json:"phone,omitempty"`
}

type outboundItem struct {
	SKU      string `json:"sellerSku"`
	ID       string `json:"sellerFulfillmentOrderItemId"`
	Quantity int64  `json:"quantity"`
}

func (o *OutboundOrder) items() []outboundItem {
	items := make([]outboundItem, 0, len(o.Items))
	for _, i := range o.Items {
		items = append(items, outboundItem{i.SellerSKU, i.ID, i.Quantity})
	}
	return items
}

func (o *OutboundOrder) address() outboundAddress {
	a := &o.Address
	return outboundAddress{a.Name, a.Line1, a.Line2, a.Line3, a.City, a.County, a.Region, a.Postal,
		a.Country, a.Phone}
}

// check refuses what Amazon would not keep: a plus in an id becomes a space, a space a refusal.
func (o *OutboundOrder) check() error {
	for i := range len(o.ID) {
		if c := o.ID[i]; c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return Refused(CodePayload, "an outbound id has letters, digits and hyphens only")
		}
	}
	if o.ID == "" || len(o.ID) > 40 || len(o.Items) == 0 {
		return Refused(CodePayload, "an outbound order needs an id of at most 40 characters, and lines")
	}
	return nil
}

// Preview fails with a Fault.
func (b outbound) Preview(ctx context.Context, o OutboundOrder) (p OutboundPreview, err error) {
	body := struct {
		Marketplace string          `json:"marketplaceId,omitempty"`
		Address     outboundAddress `json:"address"`
		Items       []outboundItem  `json:"items"`
		Speeds      []string        `json:"shippingSpeedCategories,omitempty"`
	}{o.MarketplaceID, o.address(), o.items(), []string{o.Speed}}
	var out struct {
		Previews []struct {
			Speed       string   `json:"shippingSpeedCategory"`
			Fulfillable bool     `json:"isFulfillable"`
			Reasons     []string `json:"orderUnfulfillableReasons"`
			Items       []struct {
				SKU     string   `json:"sellerSku"`
				Reasons []string `json:"itemUnfulfillableReasons"`
			} `json:"unfulfillablePreviewItems"`
		} `json:"fulfillmentPreviews"`
	}
	if err := b.c.do(ctx, opPreviewOutbound, call{body: body, out: &out, payload: true}); err != nil {
		return p, err
	}
	for _, found := range out.Previews {
		if found.Speed != o.Speed {
			continue
		}
		p.Fulfillable, p.Reasons = found.Fulfillable, found.Reasons
		for _, i := range found.Items {
			p.Reasons = append(p.Reasons, i.SKU+": "+strings.Join(i.Reasons, ", "))
		}
	}
	return p, nil
}

// Create fails with a Fault.
func (b outbound) Create(ctx context.Context, o OutboundOrder) error {
	if err := o.check(); err != nil {
		return err
	}
	policy := "FillOrKill"
	if o.FillAll {
		policy = "FillAll"
	}
	body := struct {
		Marketplace string          `json:"marketplaceId,omitempty"`
		ID          string          `json:"sellerFulfillmentOrderId"`
		Name        string          `json:"displayableOrderId"`
		Placed      string          `json:"displayableOrderDate"`
		Comment     string          `json:"displayableOrderComment"`
		Speed       string          `json:"shippingSpeedCategory"`
		Action      string          `json:"fulfillmentAction"`
		Policy      string          `json:"fulfillmentPolicy"`
		Address     outboundAddress `json:"destinationAddress"`
		Items       []outboundItem  `json:"items"`
	}{o.MarketplaceID, o.ID, o.Name, o.PlacedAt.UTC().Format(timeForm), o.Comment, o.Speed, "Ship",
		policy, o.address(), o.items()}
	return b.c.do(ctx, opCreateOutbound, call{body: body, payload: true})
}

// Cancel fails with a Fault.
func (b outbound) Cancel(ctx context.Context, id string) error {
	return b.c.do(ctx, opCancelOutbound, call{args: []string{id}, payload: true})
}

// Tracking fails with a Fault.
func (b outbound) Tracking(ctx context.Context, number int64) (*OutboundTracking, error) {
	out := new(OutboundTracking)
	q := query{"packageNumber": strconv.FormatInt(number, 10)}
	if err := b.c.do(ctx, opTracking, call{query: q, out: out, payload: true}); err != nil {
		return nil, err
	}
	return out, nil
}
