package spapi

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"holdfast/adapters/lenient"
)

// Order is an order of the Orders API 2026-01-01.
type Order struct {
	ID          string            `json:"orderId"`
	Aliases     []Alias           `json:"orderAliases"`
	Created     lenient.Moment    `json:"createdTime"`
	Updated     lenient.Moment    `json:"lastUpdatedTime"`
	Programs    []string          `json:"programs"`
	Associated  []AssociatedOrder `json:"associatedOrders"`
	Channel     SalesChannel      `json:"salesChannel"`
	Buyer       *Buyer            `json:"buyer"`
	Recipient   *Recipient        `json:"recipient"`
	Proceeds    *Proceeds         `json:"proceeds"`
	Fulfillment *OrderFulfillment `json:"fulfillment"`
	Items       []OrderItem       `json:"orderItems"`
	Packages    []Package         `json:"packages"`

	// Complaint says what of the order could not be read; the rest of it is there.
	Complaint string `json:"-"`
}

// UnmarshalJSON always returns nil.
func (o *Order) UnmarshalJSON(b []byte) error {
	type plain Order
	o.Complaint = readLeniently(b, (*plain)(o))
	return nil
}

// Alias is another id of an order: of the type SELLER_ORDER_ID it is the seller's.
type Alias struct {
	ID   string `json:"aliasId"`
	Type string `json:"aliasType"`
}

// AssociatedOrder is an order that this one replaces, or is exchanged for.
type AssociatedOrder struct {
	ID   string `json:"orderId"`
	Type string `json:"associationType"` // REPLACEMENT_ORIGINAL_ID, EXCHANGE_ORIGINAL_ID
}

// SalesChannel is where an order was placed.
type SalesChannel struct {
	Name          string `json:"channelName"` // ChannelAmazon, ChannelOther
	MarketplaceID string `json:"marketplaceId"`
	Marketplace   string `json:"marketplaceName"`
}

// The channels of an order.
const (
	ChannelAmazon = "AMAZON"
	ChannelOther  = "NON_AMAZON" // placed elsewhere, and fulfilled by Amazon for us
)

// Money is an amount as Amazon wrote it.
type Money struct {
	Amount   lenient.Decimal `json:"amount"`
	Currency string          `json:"currencyCode"`
}

// Proceeds are what an order is worth to the seller.
type Proceeds struct {
	Total      *Money          `json:"grandTotal"`
	Breakdowns []ProceedsShare `json:"breakdowns"`
}

// ProceedsShare is a part of proceeds: ITEM, SHIPPING, GIFT_WRAP, COD_FEE, TAX, DISCOUNT, OTHER.
type ProceedsShare struct {
	Type     string          `json:"type"`
	Subtotal Money           `json:"subtotal"`
	Detailed []ProceedsShare `json:"detailedBreakdowns"`
}

// OrderFulfillment is how far an order has come, and who sends it.
type OrderFulfillment struct {
	Status       string `json:"fulfillmentStatus"` // StatusPending and others; another one is kept
	FulfilledBy  string `json:"fulfilledBy"`       // ByMerchant, ByAmazon
	ServiceLevel string `json:"fulfillmentServiceLevel"`
	ShipBy       Window `json:"shipByWindow"`
	DeliverBy    Window `json:"deliverByWindow"`
}

// Window is from when to when.
type Window struct {
	From lenient.Moment `json:"earliestDateTime"`
	To   lenient.Moment `json:"latestDateTime"`
}

// The states of an order. Amazon may have others.
const (
	StatusPendingAvailability = "PENDING_AVAILABILITY" // a pre-order
	StatusPending             = "PENDING"              // not paid yet
	StatusUnshipped           = "UNSHIPPED"
	StatusPartlyShipped       = "PARTIALLY_SHIPPED"
	StatusShipped             = "SHIPPED"
	StatusCancelled           = "CANCELLED"
	StatusUnfulfillable       = "UNFULFILLABLE"
)

// Who sends an order.
const (
	ByMerchant = "MERCHANT"
	ByAmazon   = "AMAZON"
)

// OrderItem is a line of an order.
type OrderItem struct {
	ID       string         `json:"orderItemId"`
	Ordered  lenient.Number `json:"quantityOrdered"`
	Programs []string       `json:"programs"`
	Product  struct {
		ASIN      string `json:"asin"`
		Title     string `json:"title"`
		SellerSKU string `json:"sellerSku"` // may be missing
		Price     struct {
			Unit *Money `json:"unitPrice"`
		} `json:"price"`
	} `json:"product"`
	Proceeds *struct {
		Total      *Money          `json:"proceedsTotal"`
		Breakdowns []ProceedsShare `json:"breakdowns"`
	} `json:"proceeds"`
	Cancellation struct {
		Request *struct {
			Requester string `json:"requester"` // BUYER
			Reason    string `json:"cancelReason"`
		} `json:"cancellationRequest"`
		Execution *struct {
			By     string `json:"cancelledBy"` // BUYER, MERCHANT, AMAZON
			Reason string `json:"cancelReason"`
		} `json:"cancellationExecution"`
	} `json:"cancellation"`
	Fulfillment *struct {
		Done lenient.Number  `json:"quantityFulfilled"`
		Left *lenient.Number `json:"quantityUnfulfilled"`
	} `json:"fulfillment"`
}

// Package is a parcel of an order that the seller sends himself.
type Package struct {
	Reference string `json:"packageReferenceId"`
	Status    struct {
		Status string `json:"status"` // PENDING, IN_TRANSIT, SHIPPED, DELIVERED, CANCELLED, UNDELIVERABLE
	} `json:"packageStatus"`
	Carrier  string         `json:"carrier"`
	Service  string         `json:"shippingService"`
	Tracking string         `json:"trackingNumber"`
	Shipped  lenient.Moment `json:"shipTime"`
	Created  lenient.Moment `json:"createdTime"`
	Items    []struct {
		ID       string         `json:"orderItemId"`
		Quantity lenient.Number `json:"quantity"`
	} `json:"packageItems"`
}

// Buyer is who has bought, as far as the roles of the application let us know. However it is
// printed, it is hidden.
type Buyer struct {
	Name    string `json:"buyerName"`
	Email   string `json:"buyerEmail"`
	Company string `json:"buyerCompanyName"`
	PO      string `json:"buyerPurchaseOrderNumber"`
}

// Recipient is who gets it.
type Recipient struct {
	Address *Address `json:"deliveryAddress"`
}

// Address is where an order goes. However it is printed, it is hidden.
type Address struct {
	Name    string `json:"name"`
	Company string `json:"companyName"`
	Line1   string `json:"addressLine1"`
	Line2   string `json:"addressLine2"`
	Line3   string `json:"addressLine3"`
	City    string `json:"city"`
	County  string `json:"districtOrCounty"`
	Region  string `json:"stateOrRegion"`
	Postal  string `json:"postalCode"`
	Country string `json:"countryCode"`
	Phone   string `json:"phone"`
}

const hidden = "***"

// Format hides the buyer, whatever the verb.
func (Buyer) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// LogValue hides the buyer.
func (Buyer) LogValue() slog.Value { return slog.StringValue(hidden) }

// Format hides the address, whatever the verb.
func (Address) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// LogValue hides the address.
func (Address) LogValue() slog.Value { return slog.StringValue(hidden) }

// The data that an order comes with when it is asked for.
const (
	WithBuyer        = "BUYER"
	WithRecipient    = "RECIPIENT"
	WithProceeds     = "PROCEEDS"
	WithCancellation = "CANCELLATION"
	WithFulfillment  = "FULFILLMENT"
	WithPackages     = "PACKAGES"
)

// Search asks for orders: exactly one of CreatedAfter and UpdatedAfter. With a Token, all else must
// be as it was for the page before; a token lives 24 hours.
type Search struct {
	CreatedAfter, CreatedBefore time.Time
	UpdatedAfter, UpdatedBefore time.Time
	Marketplaces                []string
	Statuses                    []string
	FulfilledBy                 []string
	Include                     []string
	PageSize                    int // default 100, which is the most
	Token                       string
}

// OrdersPage is a page of orders.
type OrdersPage struct {
	Orders []Order
	Next   string // the token of the page behind it; empty: this is the last
	// Before is up to when Amazon has looked, by the time that was asked for. What is older is on
	// these pages: only this, and never our clock, says from when to ask next.
	Before time.Time
}

// timeForm is how times are sent.
const timeForm = "2006-01-02T15:04:05.000Z"

func (q query) time(name string, at time.Time) {
	if !at.IsZero() {
		q[name] = at.UTC().Format(timeForm)
	}
}

func (s *Search) query() query {
	q := query{}
	q.time("createdAfter", s.CreatedAfter)
	q.time("createdBefore", s.CreatedBefore)
	q.time("lastUpdatedAfter", s.UpdatedAfter)
	q.time("lastUpdatedBefore", s.UpdatedBefore)
	q.list("marketplaceIds", s.Marketplaces)
	q.list("fulfillmentStatuses", s.Statuses)
	q.list("fulfilledBy", s.FulfilledBy)
	q.list("includedData", s.Include)
	size := s.PageSize
	if size == 0 {
		size = 100
	}
	q.set("maxResultsPerPage", strconv.Itoa(size))
	q.set("paginationToken", s.Token)
	return q
}

// SearchOrders reads a page of orders. It fails with a Fault; its code is [CodeExpired] when the
// token of a page is too old.
func (c *Client) SearchOrders(ctx context.Context, s Search) (*OrdersPage, error) {
	var out struct {
		Orders     []Order `json:"orders"`
		Pagination struct {
			Next string `json:"nextToken"`
		} `json:"pagination"`
		Updated lenient.Moment `json:"lastUpdatedBefore"`
		Created lenient.Moment `json:"createdBefore"`
	}
	err := c.do(ctx, opSearchOrders, call{query: s.query(), out: &out})
	if err != nil {
		return nil, pageFault(err, s.Token)
	}
	page := &OrdersPage{Orders: out.Orders, Next: out.Pagination.Next, Before: out.Created.Time}
	if !s.UpdatedAfter.IsZero() {
		page.Before = out.Updated.Time
	}
	return page, nil
}

// Order reads one order. It fails with a Fault.
func (c *Client) Order(ctx context.Context, id string, include ...string) (*Order, error) {
	var out struct {
		Order *Order `json:"order"`
	}
	q := query{}
	q.list("includedData", include)
	if err := c.do(ctx, opGetOrder, call{args: []string{id}, query: q, out: &out}); err != nil {
		return nil, err
	}
	if out.Order == nil {
		return nil, Refused(CodeGone, "getOrder: an answer without the order %s", cut(id, 64))
	}
	return out.Order, nil
}

// Confirmation says that a package of an order has left.
type Confirmation struct {
	MarketplaceID string
	// Package is the seller's number of the package in its order, from 1. The same number again
	// changes that package.
	Package     int
	CarrierCode string
	CarrierName string // with the code Other
	Method      string
	Tracking    string
	Shipped     time.Time
	CashMethod  string // Japan: DirectPayment
	Items       []ShippedItem
}

// ShippedItem is units of a line.
type ShippedItem struct {
	OrderItemID string
	Quantity    int64
}

type shippedItem struct {
	ID       string `json:"orderItemId"`
	Quantity int64  `json:"quantity"`
}

type packageDetail struct {
	Reference string        `json:"packageReferenceId"` // a text: a number is refused
	Carrier   string        `json:"carrierCode"`
	Name      string        `json:"carrierName,omitempty"`
	Method    string        `json:"shippingMethod,omitempty"`
	Tracking  string        `json:"trackingNumber"`
	Shipped   string        `json:"shipDate"`
	Items     []shippedItem `json:"orderItems"`
}

// ConfirmShipment tells Amazon of a package. Once more with the same number it changes that
// package, so it may be sent again. It fails with a Fault.
func (c *Client) ConfirmShipment(ctx context.Context, orderID string, s Confirmation) error {
	if s.Package < 1 || len(s.Items) == 0 {
		return Refused(CodePayload, "confirmShipment: a package needs a number from 1, and lines")
	}
	body := struct {
		Marketplace string        `json:"marketplaceId"`
		Cash        string        `json:"codCollectionMethod,omitempty"`
		Package     packageDetail `json:"packageDetail"`
	}{s.MarketplaceID, s.CashMethod, packageDetail{Reference: strconv.Itoa(s.Package),
		Carrier: s.CarrierCode, Name: s.CarrierName, Method: s.Method, Tracking: s.Tracking,
		Shipped: s.Shipped.UTC().Format(timeForm)}}
	for _, item := range s.Items {
		body.Package.Items = append(body.Package.Items, shippedItem{item.OrderItemID, item.Quantity})
	}
	return c.do(ctx, opConfirmShipment, call{args: []string{orderID}, body: body})
}

// pageFault tells that a page token is the reason of a refusal.
func pageFault(err error, token string) error {
	var f *Fault
	if token == "" || !asFault(err, &f) || f.status != 400 {
		return err
	}
	expired := *f
	expired.code = CodeExpired
	return &expired
}
