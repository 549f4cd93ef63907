package spapi

import (
	"encoding/json"
	"time"

	"holdfast/adapters/lenient"
)

// parcels are packages, which the schema writes as one object and its example as a list.
type parcels []parcel

type parcel struct {
	Number   lenient.Number `json:"PackageNumber"`
	Carrier  string         `json:"CarrierCode"`
	Tracking string         `json:"TrackingNumber"`
}

// UnmarshalJSON always returns nil.
func (p *parcels) UnmarshalJSON(b []byte) error {
	var list []parcel
	if into(b, &list) == nil {
		*p = list
		return nil
	}
	var one struct {
		parcel
		Item *parcel `json:"FulfillmentShipmentPackageItem"`
	}
	switch {
	case into(b, &one) != nil:
	case one.Item != nil:
		*p = parcels{*one.Item}
	case one.Number.Value != 0 || one.Tracking != "":
		*p = parcels{one.parcel}
	}
	return nil
}

func decodeOutbound(n *Notification, payload json.RawMessage) error {
	var p struct {
		N struct {
			Seller   string         `json:"SellerId"`
			Event    string         `json:"EventType"`
			At       lenient.Moment `json:"StatusUpdatedDateTime"`
			Order    string         `json:"SellerFulfillmentOrderId"`
			Status   string         `json:"FulfillmentOrderStatus"`
			Shipment struct {
				State    string  `json:"FulfillmentShipmentStatus"`
				ID       string  `json:"AmazonShipmentId"`
				Packages parcels `json:"FulfillmentShipmentPackages"`
			} `json:"FulfillmentShipment"`
			Return struct {
				At       lenient.Moment `json:"ReceivedDateTime"`
				Quantity lenient.Number `json:"ReturnedQuantity"`
				SKU      string         `json:"SellerSKU"`
			} `json:"FulfillmentReturnItem"`
		} `json:"FulfillmentOrderStatusNotification"`
	}
	if err := into(payload, &p); err != nil || p.N.Order == "" || p.N.Seller == "" {
		return malformed("%s without an order and a seller", n.Type)
	}
	n.SellerID = p.N.Seller
	o := &OutboundChange{OrderID: p.N.Order, Event: p.N.Event, Status: p.N.Status,
		Changed: p.N.At.Time, Shipment: p.N.Shipment.ID, State: p.N.Shipment.State}
	for _, one := range p.N.Shipment.Packages {
		o.Packages = append(o.Packages, OutboundPackage{Shipment: o.Shipment, Status: o.State,
			Number: one.Number.Value, Carrier: one.Carrier, Tracking: one.Tracking})
	}
	if r := &p.N.Return; r.SKU != "" && r.Quantity.Value > 0 {
		o.Returned = &struct {
			At        time.Time
			Quantity  int64
			SellerSKU string
		}{r.At.Time, r.Quantity.Value, r.SKU}
	}
	n.Outbound = o
	return nil
}

func decodeQuantity(n *Notification, payload json.RawMessage) error {
	var p struct {
		Seller   string         `json:"SellerId"`
		Channel  string         `json:"FulfillmentChannelCode"`
		SKU      string         `json:"Sku"`
		Quantity lenient.Number `json:"Quantity"`
	}
	if err := into(payload, &p); err != nil || p.Seller == "" || p.SKU == "" || p.Quantity.Bad {
		return malformed("%s without a seller, a SKU and a quantity", n.Type)
	}
	n.SellerID = p.Seller
	n.Quantity = &QuantityChange{SellerSKU: p.SKU, Channel: p.Channel, Quantity: p.Quantity}
	return nil
}

func decodeListing(n *Notification, payload json.RawMessage) error {
	var p struct {
		Seller      string   `json:"SellerId"`
		Marketplace string   `json:"MarketplaceId"`
		ASIN        string   `json:"Asin"`
		SKU         string   `json:"Sku"`
		Status      []string `json:"Status"`
		Severities  []string `json:"Severities"`
		Actions     []string `json:"EnforcementActions"`
	}
	if err := into(payload, &p); err != nil || p.Seller == "" || p.SKU == "" {
		return malformed("%s without a seller and a SKU", n.Type)
	}
	n.SellerID = p.Seller
	n.Listing = &ListingChange{SellerSKU: p.SKU, ASIN: p.ASIN, MarketplaceID: p.Marketplace,
		Status: p.Status, Severities: p.Severities, Actions: p.Actions}
	return nil
}

func decodeFinished(n *Notification, payload json.RawMessage) error {
	type finished struct {
		Seller         string `json:"sellerId"`
		Account        string `json:"accountId"`
		FeedID         string `json:"feedId"`
		FeedType       string `json:"feedType"`
		ReportID       string `json:"reportId"`
		ReportType     string `json:"reportType"`
		Status         string `json:"processingStatus"`
		ResultDocument string `json:"resultFeedDocumentId"`
		ReportDocument string `json:"reportDocumentId"`
	}
	var p struct {
		Feed   finished `json:"feedProcessingFinishedNotification"`
		Report finished `json:"reportProcessingFinishedNotification"`
	}
	err := into(payload, &p)
	f, done := &p.Feed, &Finished{ID: p.Feed.FeedID, Type: p.Feed.FeedType, Document: p.Feed.ResultDocument}
	if n.Type == ReportFinished {
		f, done = &p.Report, &Finished{ID: p.Report.ReportID, Type: p.Report.ReportType,
			Document: p.Report.ReportDocument}
	}
	if err != nil || done.ID == "" {
		return malformed("%s without an id", n.Type)
	}
	done.Status = f.Status
	n.SellerID, n.Finished = f.Seller, done // the seller may be missing where the account is there
	return nil
}
