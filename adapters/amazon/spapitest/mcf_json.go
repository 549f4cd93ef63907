package spapitest

import (
	"encoding/json"
	"strconv"
	"time"
)

func (x *mcfOrder) json() obj {
	return obj{"sellerFulfillmentOrderId": x.in.ID, "marketplaceId": x.market.id,
		"displayableOrderId": x.in.Shown, "displayableOrderDate": x.in.Date,
		"displayableOrderComment": x.in.Comment, "shippingSpeedCategory": x.in.Speed,
		"destinationAddress": x.in.Address, "fulfillmentAction": x.in.Action,
		"fulfillmentPolicy": x.in.Policy, "receivedDate": stamp(x.received),
		"fulfillmentOrderStatus": x.status, "statusUpdatedDate": stamp(x.change)}
}

func getMCF(c *call) answer {
	x := c.named()
	if x == nil {
		return notFound("The fulfillment order was not found.")
	}
	items, shipments, returns := []obj{}, []obj{}, []obj{}
	for _, l := range x.lines {
		items = append(items, obj{"sellerSku": l.listing.sku, "sellerFulfillmentOrderItemId": l.id,
			"quantity": l.qty, "cancelledQuantity": l.dropped, "unfulfillableQuantity": l.missing})
	}
	for _, s := range x.shipments {
		parts := []obj{}
		for _, l := range x.lines {
			if n := s.parts[l.id]; n > 0 {
				parts = append(parts, obj{"sellerSku": l.listing.sku, "quantity": n,
					"sellerFulfillmentOrderItemId": l.id, "packageNumber": s.pkg})
			}
		}
		shipments = append(shipments, obj{"amazonShipmentId": s.id, "fulfillmentCenterId": "PHX7",
			"fulfillmentShipmentStatus": s.status, "shippingDate": stamp(s.at),
			"estimatedArrivalDate":    stamp(s.at.Add(48 * time.Hour)),
			"fulfillmentShipmentItem": parts,
			"fulfillmentShipmentPackage": []obj{{"packageNumber": s.pkg, "carrierCode": "AMZN_US",
				"trackingNumber": s.tracking}}})
	}
	for _, b := range x.returns {
		for _, l := range x.lines {
			if l.listing != b.item.listing {
				continue
			}
			shipment := ""
			if len(x.shipments) > 0 {
				shipment = x.shipments[0].id
			}
			returns = append(returns, obj{"sellerReturnItemId": b.id,
				"sellerFulfillmentOrderItemId": l.id, "amazonShipmentId": shipment,
				"sellerReturnReasonCode": b.reason, "status": "Processed",
				"statusChangedDate": stamp(b.received)})
			break
		}
	}
	return payload(obj{"fulfillmentOrder": x.json(), "fulfillmentOrderItems": items,
		"fulfillmentShipments": shipments, "returnItems": returns, "returnAuthorizations": []obj{}})
}

// mcfPage is how many multi-channel orders a page has.
const mcfPage = 50

func listMCF(c *call) answer {
	since, fine := parseTime(c.query.Get("queryStartDate"))
	if c.query.Has("queryStartDate") && !fine {
		return invalid("queryStartDate is not a time in ISO 8601.")
	}
	if !fine { // as documented: the last 36 hours
		since = c.act.at.Add(-c.srv.period(36 * time.Hour))
	}
	last, refused := c.page("nextToken")
	if refused != nil {
		return *refused
	}
	found := []obj{}
	for _, x := range c.acct.mcf {
		if !x.change.Before(since) {
			found = append(found, x.json())
		}
	}
	return payload(c.cut(found, "fulfillmentOrders", int(last.At), mcfPage))
}

// mcfPreview says how an order would be fulfilled, for each speed that is asked for.
func mcfPreview(c *call) answer {
	var in struct {
		mcfRequest
		Speeds []string        `json:"shippingSpeedCategories"`
		To     json.RawMessage `json:"address"`
	}
	if json.Unmarshal(c.body, &in) != nil || len(in.Items) == 0 {
		return invalid("The request body is not valid.")
	}
	m := c.acct.markets[0]
	if in.Market != "" {
		var known bool
		if m, known = c.acct.market(in.Market); !known {
			return invalid("Invalid marketplaceId.")
		}
	}
	if len(in.Speeds) == 0 {
		in.Speeds = []string{"Standard", "Expedited", "Priority"}
	}
	good, bad := []obj{}, []obj{}
	need := map[*listing]int64{}
	for _, i := range in.Items {
		item := obj{"sellerSku": i.SKU, "quantity": i.Qty, "sellerFulfillmentOrderItemId": i.ID}
		l := c.acct.bySKU[i.SKU]
		if l != nil {
			need[l] += i.Qty
		}
		if l == nil || l.fba == "" || need[l] > l.stock[c.acct.pool(m.id)].Fulfillable {
			item["itemUnfulfillableReasons"] = []string{"NoInventory"}
			bad = append(bad, item)
			continue
		}
		good = append(good, item)
	}
	previews := []obj{}
	for _, speed := range in.Speeds {
		p := obj{"shippingSpeedCategory": speed, "isFulfillable": len(bad) == 0,
			"isCODCapable": false, "marketplaceId": m.id, "unfulfillablePreviewItems": bad}
		if len(good) > 0 {
			p["fulfillmentPreviewShipments"] = []obj{{"fulfillmentPreviewItems": good,
				"earliestShipDate": stamp(c.act.at), "latestShipDate": stamp(c.act.at.Add(24 * time.Hour))}}
		}
		if len(bad) > 0 {
			p["orderUnfulfillableReasons"] = []string{"NoInventory"}
		}
		previews = append(previews, p)
	}
	return payload(obj{"fulfillmentPreviews": previews})
}

func trackMCF(c *call) answer {
	n, err := strconv.ParseInt(c.query.Get("packageNumber"), 10, 32)
	if err != nil {
		return invalid("packageNumber must be a number.")
	}
	for _, x := range c.acct.mcf {
		for _, s := range x.shipments {
			if s.pkg != n {
				continue
			}
			status := "IN_TRANSIT"
			if c.act.at.Sub(s.at) > c.srv.period(48*time.Hour) {
				status = "DELIVERED"
			}
			return payload(obj{"packageNumber": n, "trackingNumber": s.tracking,
				"carrierCode": "AMZN_US", "shipDate": stamp(s.at), "currentStatus": status,
				"estimatedArrivalDate": stamp(s.at.Add(48 * time.Hour)), "trackingEvents": []obj{}})
		}
	}
	return notFound("The package was not found.")
}
