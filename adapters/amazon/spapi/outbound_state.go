package spapi

import (
	"context"

	"holdfast/adapters/lenient"
)

// outboundBody is an order as 2020-07-01 writes it.
type outboundBody struct {
	Order struct {
		ID      string         `json:"sellerFulfillmentOrderId"`
		Status  string         `json:"fulfillmentOrderStatus"`
		Updated lenient.Moment `json:"statusUpdatedDate"`
	} `json:"fulfillmentOrder"`
	Items []struct {
		SKU           string         `json:"sellerSku"`
		ID            string         `json:"sellerFulfillmentOrderItemId"`
		Quantity      lenient.Number `json:"quantity"`
		Cancelled     lenient.Number `json:"cancelledQuantity"`
		Unfulfillable lenient.Number `json:"unfulfillableQuantity"`
	} `json:"fulfillmentOrderItems"`
	Shipments []outboundShipment `json:"fulfillmentShipments"`
	Returns   []struct {
		ID        string         `json:"sellerReturnItemId"`
		Item      string         `json:"sellerFulfillmentOrderItemId"`
		Shipment  string         `json:"amazonShipmentId"`
		Status    string         `json:"status"`
		Condition string         `json:"returnReceivedCondition"`
		At        lenient.Moment `json:"statusChangedDate"`
	} `json:"returnItems"`
}

type outboundShipment struct {
	ID      string         `json:"amazonShipmentId"`
	Status  string         `json:"fulfillmentShipmentStatus"`
	Shipped lenient.Moment `json:"shippingDate"`
	Items   []struct {
		SKU      string         `json:"sellerSku"`
		ID       string         `json:"sellerFulfillmentOrderItemId"`
		Quantity lenient.Number `json:"quantity"`
		Package  lenient.Number `json:"packageNumber"`
	} `json:"fulfillmentShipmentItem"`
	Packages []struct {
		Number   lenient.Number `json:"packageNumber"`
		Carrier  string         `json:"carrierCode"`
		Tracking string         `json:"trackingNumber"`
	} `json:"fulfillmentShipmentPackage"`
}

// Order fails with a Fault.
func (b outbound) Order(ctx context.Context, id string) (*OutboundState, error) {
	var body outboundBody
	err := b.c.do(ctx, opGetOutbound, call{args: []string{id}, out: &body, payload: true})
	if err != nil {
		return nil, err
	}
	return body.state(), nil
}

func (b *outboundBody) state() *OutboundState {
	s := &OutboundState{ID: b.Order.ID, Status: b.Order.Status, Updated: b.Order.Updated.Time}
	for _, i := range b.Items {
		s.Items = append(s.Items, OutboundItemState{ID: i.ID, SellerSKU: i.SKU, Quantity: i.Quantity.Value,
			Cancelled: i.Cancelled.Value, Unfulfillable: i.Unfulfillable.Value})
	}
	for i := range b.Shipments {
		s.Packages = append(s.Packages, b.Shipments[i].packages()...)
	}
	for _, r := range b.Returns {
		s.Returns = append(s.Returns, OutboundReturn{ID: r.ID, ItemID: r.Item, Shipment: r.Shipment,
			Status: r.Status, Condition: r.Condition, At: r.At.Time})
	}
	return s
}

// packages parts a shipment by its packages. Units that are in none of them stand in one without a
// number, so that no unit is lost, and none is in two.
func (s *outboundShipment) packages() (all []OutboundPackage) {
	at := map[int64]int{}
	add := func(number int64, carrier, tracking string) int {
		i, ok := at[number]
		if !ok {
			i = len(all)
			at[number] = i
			all = append(all, OutboundPackage{Shipment: s.ID, Status: s.Status, Number: number,
				Carrier: carrier, Tracking: tracking, Shipped: s.Shipped.Time})
		}
		return i
	}
	for _, p := range s.Packages {
		add(p.Number.Value, p.Carrier, p.Tracking)
	}
	for _, item := range s.Items {
		number := item.Package.Value
		if number == 0 && len(s.Packages) == 1 {
			number = s.Packages[0].Number.Value
		}
		i := add(number, "", "")
		all[i].Items = append(all[i].Items, OutboundItem{ID: item.ID, SellerSKU: item.SKU,
			Quantity: item.Quantity.Value})
	}
	return all
}
