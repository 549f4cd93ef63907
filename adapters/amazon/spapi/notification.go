package spapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"holdfast/adapters/lenient"
)

// The types of notifications that are decoded, and the version of each that is subscribed to.
const (
	OrderChanges     = "ORDER_CHANGE"
	AmazonLevels     = "FBA_INVENTORY_AVAILABILITY_CHANGES"
	OutboundChanges  = "FULFILLMENT_ORDER_STATUS"
	ListingQuantity  = "LISTINGS_ITEM_MFN_QUANTITY_CHANGE"
	ListingChanges   = "LISTINGS_ITEM_STATUS_CHANGE"
	listingChangesD  = "LISTINGS_ITEM_STATUS_CHANGED" // as its schema has it
	ListingIssues    = "LISTINGS_ITEM_ISSUES_CHANGE"
	FeedFinished     = "FEED_PROCESSING_FINISHED"
	ReportFinished   = "REPORT_PROCESSING_FINISHED"
	MaxNotification  = 1 << 20 // bytes of a message of SQS
	maxNotifications = 64      // of FBA levels: marketplaces of one SKU
)

// QueueTypes are the types that Amazon sends to a queue by itself, with their versions. Those of
// listings it sends to a bus of EventBridge, and whoever owns that bus to the queue.
var QueueTypes = map[string]string{OrderChanges: "1.0", AmazonLevels: "1.0", OutboundChanges: "1.0",
	FeedFinished: "2020-09-04", ReportFinished: "2020-09-04"}

// BusTypes are the types that come over a bus only.
var BusTypes = map[string]string{ListingQuantity: "1.0", ListingChanges: "1.0",
	ListingIssues: "2023-12-13"}

// Notification is a decoded notification. Exactly one of the pointers is set for a type that is
// known; none for another, which is no fault.
type Notification struct {
	Type     string
	Version  string
	At       time.Time // EventTime: orders notifications of one thing
	ID       string    // the same for each delivery; not every type has one
	SellerID string

	Order    *OrderChange
	Level    *LevelChange
	Outbound *OutboundChange
	Quantity *QuantityChange
	Listing  *ListingChange
	Finished *Finished
}

// OrderChange says how an order is now: enough to promise and to release units without a call.
type OrderChange struct {
	Level   string // OrderLevel, OrderItemLevel
	OrderID string
	Kind    string    // BuyerRequestedChange, OrderStatusChange, DeliveryTipChange
	Changed time.Time // zero: not said
	Reason  string

	MarketplaceID string
	Status        string    // in the words of Orders 2026-01-01; another one is kept
	Purchased     time.Time // zero: not said
	FulfilledBy   string    // ByMerchant, ByAmazon; another one is kept
	ShipBy        time.Time
	Programs      []string
	Items         []ChangedItem
}

// ChangedItem is a line of a changed order.
type ChangedItem struct {
	ID, SellerSKU     string
	Quantity, Shipped lenient.Number
	CancelAsked       bool // by the buyer
}

// LevelChange is what Amazon has of one SKU, by marketplace. Several marketplaces may see the same
// units: figures are never added.
type LevelChange struct {
	SellerSKU, FNSKU, ASIN string
	Levels                 []MarketplaceLevel
}

// MarketplaceLevel is a level as one marketplace sees it.
type MarketplaceLevel struct {
	MarketplaceID                  string
	Fulfillable, Ordered           lenient.Number
	Transfer, Processing           lenient.Number
	Unfulfillable, Researching     lenient.Number
	InWorking, InShipped, InArrive lenient.Number
}

// OutboundChange is news of an outbound order: of its state, of a shipment, or of a return.
type OutboundChange struct {
	OrderID  string
	Event    string
	Status   string
	Changed  time.Time
	Shipment string
	State    string // of the shipment
	Packages []OutboundPackage
	Returned *struct {
		At        time.Time
		Quantity  int64
		SellerSKU string
	}
}

// QuantityChange says what Amazon offers of a SKU of the seller's own stock now.
type QuantityChange struct {
	SellerSKU, Channel string
	Quantity           lenient.Number
}

// ListingChange says that a listing has changed: its state, or its issues.
type ListingChange struct {
	SellerSKU, ASIN, MarketplaceID string
	Status                         []string // BUYABLE, DISCOVERABLE, DELETED
	Severities                     []string // of issues: NONE, WARNING, ERROR
	Actions                        []string // what Amazon does about them
}

// Finished says that a feed or a report is done.
type Finished struct {
	ID, Type, Status, Document string
}

// envelope is around every notification. Some types write its names with a capital and some
// without, which encoding/json takes alike.
type envelope struct {
	Type     string          `json:"NotificationType"`
	Version  string          `json:"PayloadVersion"`
	At       lenient.Moment  `json:"EventTime"`
	Payload  json.RawMessage `json:"Payload"`
	Metadata struct {
		ID string `json:"NotificationId"`
	} `json:"NotificationMetadata"`
	// Detail is where EventBridge puts a notification.
	Detail json.RawMessage `json:"detail"`
}

// MalformedError says that a message is no notification, or lacks what makes one of use. It will
// never be one: reading it again is of no use.
type MalformedError struct{ Reason string }

// Error says what is wrong; it has nothing of the message.
func (e *MalformedError) Error() string { return "amazon: malformed notification: " + e.Reason }

// Code is "malformed-notification".
func (*MalformedError) Code() string { return "malformed-notification" }

// Malformed is true.
func (*MalformedError) Malformed() bool { return true }

func malformed(format string, args ...any) error {
	return &MalformedError{fmt.Sprintf(format, args...)}
}

// Decode reads a message of a queue. It fails with a [MalformedError].
func Decode(body []byte) (*Notification, error) {
	e, err := open(body)
	if err != nil {
		return nil, err
	}
	if len(e.Detail) > 0 && e.Type == "" {
		if e, err = open(e.Detail); err != nil {
			return nil, err
		}
	}
	if e.Type == "" {
		return nil, malformed("it has no type")
	}
	n := &Notification{Type: e.Type, Version: e.Version, At: e.At.Time, ID: e.Metadata.ID}
	if n.Type == listingChangesD {
		n.Type = ListingChanges
	}
	decode := decoders[n.Type]
	if decode == nil {
		return n, nil
	}
	if e.At.IsZero() {
		return nil, malformed("%s without the time of the event", n.Type)
	}
	if err := decode(n, e.Payload); err != nil {
		return nil, err
	}
	return n, nil
}

func open(body []byte) (e envelope, err error) {
	body = bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\xef\xbb\xbf"))
	if len(body) > MaxNotification {
		return e, malformed("%d bytes", len(body))
	}
	if err := into(body, &e); err != nil {
		return e, malformed("it is no JSON object")
	}
	return e, nil
}

// into decodes JSON; a member of the wrong shape is left as it was.
func into(body []byte, v any) error {
	err := json.Unmarshal(body, v)
	var shape *json.UnmarshalTypeError
	if errors.As(err, &shape) && shape.Field != "" {
		return nil
	}
	return err
}

var decoders = map[string]func(*Notification, json.RawMessage) error{
	OrderChanges: decodeOrderChange, AmazonLevels: decodeLevels, OutboundChanges: decodeOutbound,
	ListingQuantity: decodeQuantity, ListingChanges: decodeListing, ListingIssues: decodeListing,
	FeedFinished: decodeFinished, ReportFinished: decodeFinished,
}

// statuses are the words of notifications for those of Orders 2026-01-01.
var statuses = map[string]string{"Pending": StatusPending, "Unshipped": StatusUnshipped,
	"PartiallyShipped": StatusPartlyShipped, "Shipped": StatusShipped, "Canceled": StatusCancelled,
	"Cancelled": StatusCancelled, "Unfulfillable": StatusUnfulfillable,
	"PendingAvailability": StatusPendingAvailability}

var fulfilments = map[string]string{"AFN": ByAmazon, "MFN": ByMerchant}

func translated(words map[string]string, word string) string {
	if w, ok := words[word]; ok {
		return w
	}
	return cut(word, 64)
}

func decodeOrderChange(n *Notification, payload json.RawMessage) error {
	var p struct {
		N struct {
			Level   string `json:"NotificationLevel"`
			Seller  string `json:"SellerId"`
			Order   string `json:"AmazonOrderId"`
			Kind    string `json:"OrderChangeType"`
			Trigger struct {
				At     lenient.Moment `json:"TimeOfOrderChange"`
				Reason string         `json:"ChangeReason"`
			} `json:"OrderChangeTrigger"`
			Summary struct {
				Marketplace string         `json:"MarketplaceId"`
				Status      string         `json:"OrderStatus"`
				Purchased   lenient.Moment `json:"PurchaseDate"`
				By          string         `json:"FulfillmentType"`
				ShipBy      lenient.Moment `json:"LatestShipDate"`
				Programs    []string       `json:"OrderPrograms"`
				Items       []struct {
					ID       string         `json:"OrderItemId"`
					SKU      string         `json:"SellerSKU"`
					Quantity lenient.Number `json:"Quantity"`
					Shipped  lenient.Number `json:"QuantityShipped"`
					Asked    any            `json:"IsBuyerRequestedCancel"`
				} `json:"OrderItems"`
			} `json:"Summary"`
		} `json:"OrderChangeNotification"`
	}
	if err := into(payload, &p); err != nil || p.N.Order == "" || p.N.Seller == "" {
		return malformed("%s without an order and a seller", n.Type)
	}
	s := &p.N.Summary
	n.SellerID = p.N.Seller
	n.Order = &OrderChange{Level: p.N.Level, OrderID: p.N.Order, Kind: p.N.Kind,
		Changed: p.N.Trigger.At.Time, Reason: cut(p.N.Trigger.Reason, 200),
		MarketplaceID: s.Marketplace, Status: translated(statuses, s.Status),
		Purchased: s.Purchased.Time, FulfilledBy: translated(fulfilments, s.By),
		ShipBy: s.ShipBy.Time, Programs: s.Programs}
	for i := range s.Items {
		it := &s.Items[i]
		n.Order.Items = append(n.Order.Items, ChangedItem{ID: it.ID, SellerSKU: it.SKU,
			Quantity: it.Quantity, Shipped: it.Shipped, CancelAsked: it.Asked == true || it.Asked == "true"})
	}
	return nil
}

func decodeLevels(n *Notification, payload json.RawMessage) error {
	var p struct {
		Seller string `json:"SellerId"`
		FNSKU  string `json:"FNSKU"`
		ASIN   string `json:"ASIN"`
		SKU    string `json:"SKU"`
		Levels []struct {
			Marketplace string `json:"MarketplaceId"`
			Level       struct {
				Fulfillable   lenient.Number `json:"Fulfillable"`
				Unfulfillable lenient.Number `json:"Unfulfillable"`
				Researching   lenient.Number `json:"Researching"`
				In            struct {
					Working   lenient.Number `json:"Working"`
					Shipped   lenient.Number `json:"Shipped"`
					Receiving lenient.Number `json:"Receiving"`
				} `json:"InboundQuantityBreakdown"`
				Reserved struct {
					Processing lenient.Number `json:"WarehouseProcessing"`
					Transfer   lenient.Number `json:"WarehouseTransfer"`
					Ordered    lenient.Number `json:"PendingCustomerOrder"`
				} `json:"ReservedQuantityBreakdown"`
			} `json:"FulfillmentInventory"`
		} `json:"FulfillmentInventoryByMarketplace"`
	}
	if err := into(payload, &p); err != nil || p.Seller == "" || p.SKU == "" {
		return malformed("%s without a seller and a SKU", n.Type)
	}
	n.SellerID = p.Seller
	n.Level = &LevelChange{SellerSKU: p.SKU, FNSKU: p.FNSKU, ASIN: p.ASIN}
	for i := range p.Levels {
		if i == maxNotifications {
			break
		}
		l := &p.Levels[i].Level
		n.Level.Levels = append(n.Level.Levels, MarketplaceLevel{MarketplaceID: p.Levels[i].Marketplace,
			Fulfillable: l.Fulfillable, Ordered: l.Reserved.Ordered, Transfer: l.Reserved.Transfer,
			Processing: l.Reserved.Processing, Unfulfillable: l.Unfulfillable,
			Researching: l.Researching, InWorking: l.In.Working, InShipped: l.In.Shipped,
			InArrive: l.In.Receiving})
	}
	return nil
}
