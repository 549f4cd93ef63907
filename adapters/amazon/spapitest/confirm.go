package spapitest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// confirmation is the body of confirmShipment. Those that a client gets wrong are read loosely.
type confirmation struct {
	MarketplaceID string `json:"marketplaceId"`
	Detail        *struct {
		Ref      json.RawMessage `json:"packageReferenceId"`
		Carrier  string          `json:"carrierCode"`
		Name     string          `json:"carrierName"`
		Method   string          `json:"shippingMethod"`
		Tracking string          `json:"trackingNumber"`
		Date     string          `json:"shipDate"`
		Items    []struct {
			ID    string   `json:"orderItemId"`
			Qty   int64    `json:"quantity"`
			Codes []string `json:"transparencyCodes"`
		} `json:"orderItems"`
	} `json:"packageDetail"`
}

// alreadyFulfilled is what sellers see for a new package of an order that has nothing left
// (selling-partner-api-models 5037).
const alreadyFulfilled = "PackageToUpdateNotFound: the package to update was not found or the order " +
	"is already fulfilled."

// confirmShipment answers POST /orders/v0/orders/{orderId}/shipmentConfirmation: one call for each
// package; the same packageReferenceId again changes that package.
func confirmShipment(c *call) answer {
	o := c.acct.byID[c.params["orderId"]]
	if o == nil {
		return notFound("The requested order was not found.")
	}
	c.entry.Order = o.id
	var in confirmation
	if err := json.Unmarshal(c.body, &in); err != nil || in.Detail == nil {
		return invalid("The request body is not valid.")
	}
	p, why := c.readParcel(o, in)
	if why != "" {
		return invalid(why)
	}
	old := slices.IndexFunc(o.parcels, func(x *parcel) bool { return x.ref == p.ref })
	if why := c.checkParcel(o, p, old); why != "" {
		return invalid(why)
	}
	c.act.packed(o, p, old)
	return answer{204, nil, "ok"}
}

// readParcel checks what does not depend on the order's state.
func (c *call) readParcel(o *order, in confirmation) (*parcel, string) {
	d := in.Detail
	var ref string
	if json.Unmarshal(d.Ref, &ref) != nil {
		return nil, "packageReferenceId must be a string."
	}
	n, err := strconv.ParseInt(ref, 10, 64)
	sent, fine := parseTime(d.Date)
	switch {
	case err != nil || n < 1:
		return nil, "packageReferenceId must be a positive number."
	case in.MarketplaceID != o.market.id:
		return nil, "marketplaceId is not that of the order."
	case d.Carrier == "" || d.Tracking == "":
		return nil, "carrierCode and trackingNumber are required."
	case d.Carrier == "Other" && d.Name == "":
		return nil, "carrierName is required where carrierCode is Other."
	case !fine || sent.Before(o.created) || sent.After(c.act.at.Add(c.srv.period(24*time.Hour))):
		return nil, "shipDate is not a time between the purchase and now."
	case len(d.Items) == 0:
		return nil, "orderItems must not be empty."
	}
	p := &parcel{ref: ref, carrier: d.Carrier, service: d.Method, tracking: d.Tracking,
		created: c.act.at, sent: sent, qty: map[string]int64{}, codes: map[string][]string{}}
	if d.Carrier == "Other" {
		p.carrier = d.Name
	}
	for _, i := range d.Items {
		if o.item(i.ID) == nil || i.Qty < 1 {
			return nil, fmt.Sprintf("Order item %q is not of the order, or its quantity is not positive.",
				i.ID)
		}
		p.qty[i.ID] += i.Qty
		p.codes[i.ID] = append(p.codes[i.ID], i.Codes...)
	}
	return p, ""
}

// checkParcel says why a package cannot be confirmed now; old is the one that it changes, or -1.
func (c *call) checkParcel(o *order, p *parcel, old int) string {
	switch {
	case o.afn:
		return "The order is fulfilled by Amazon."
	case slices.Contains(o.programs, "FBM_SHIP_PLUS"):
		return "Shipments of Ship+ orders cannot be confirmed."
	case o.status == cancelled:
		return "The order is cancelled."
	case o.status == pending || o.status == pendingAvailability:
		return "The order is pending and cannot be shipped."
	case o.status == shipped && old < 0:
		return alreadyFulfilled
	}
	for id, n := range p.qty {
		i := o.item(id)
		free := i.left()
		if old >= 0 {
			free += o.parcels[old].qty[id]
		}
		if n > free {
			return fmt.Sprintf("Quantity %d of order item %s is more than the %d that are left.", n, id,
				free)
		}
	}
	return ""
}

// packed books a package. The edit of one gives its units back first.
func (a *action) packed(o *order, p *parcel, old int) {
	if old >= 0 {
		for id, n := range o.parcels[old].qty {
			o.item(id).shipped -= n
		}
		p.created = o.parcels[old].created
		o.parcels[old] = p
	} else {
		o.parcels = append(o.parcels, p)
	}
	var units int64
	for id, n := range p.qty {
		o.item(id).shipped += n
		units += n
	}
	op := "shipment_confirmed"
	if old >= 0 {
		op = "shipment_edited"
	}
	a.log(Entry{Kind: "order", Op: op, Order: o.id, Qty: units, Doc: p.ref, Result: p.tracking})
	a.progress(o, "Shipment confirmed")
}

// updateShipmentStatus is for orders that are picked up in a store.
func updateShipmentStatus(c *call) answer {
	o := c.acct.byID[c.params["orderId"]]
	if o == nil {
		return notFound("The requested order was not found.")
	}
	var in struct {
		MarketplaceID string `json:"marketplaceId"`
		Status        string `json:"shipmentStatus"`
	}
	known := []string{"ReadyForPickup", "PickedUp", "RefusedPickup"}
	if json.Unmarshal(c.body, &in) != nil || !slices.Contains(known, in.Status) ||
		in.MarketplaceID != o.market.id {
		return invalid("The request body is not valid.")
	}
	if !slices.Contains(o.programs, "IN_STORE_PICK_UP") || !o.open() {
		return invalid("The order is not picked up in a store.")
	}
	c.act.log(Entry{Kind: "order", Op: in.Status, Order: o.id})
	c.act.touch(o)
	return answer{204, nil, "ok"}
}
