package spapitest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// mcfOrder is a multi-channel order: the merchant asks Amazon's warehouses to send something that
// was sold elsewhere.
type mcfOrder struct {
	in               mcfRequest
	status           string
	market           marketplace
	pool             int
	received, change time.Time
	lines            []*mcfLine
	order            *order // as the Orders API shows it, once it is planned
	planned          bool   // stock is reserved
	shipments        []*mcfShipment
	returns          []*returned
}

type mcfLine struct {
	listing               *listing
	id                    string
	qty, dropped, missing int64 // asked for, cancelled, unfulfillable
}

func (l *mcfLine) due() int64 { return l.qty - l.dropped - l.missing }

type mcfShipment struct {
	id, status, tracking string
	pkg                  int64
	at                   time.Time
	parts                map[string]int64 // by line id
}

// mcfRequest is the body of createFulfillmentOrder.
type mcfRequest struct {
	Market  string          `json:"marketplaceId"`
	ID      string          `json:"sellerFulfillmentOrderId"`
	Shown   string          `json:"displayableOrderId"`
	Date    string          `json:"displayableOrderDate"`
	Comment string          `json:"displayableOrderComment"`
	Speed   string          `json:"shippingSpeedCategory"`
	Address json.RawMessage `json:"destinationAddress"`
	Action  string          `json:"fulfillmentAction"`
	Policy  string          `json:"fulfillmentPolicy"`
	Items   []struct {
		SKU string `json:"sellerSku"`
		ID  string `json:"sellerFulfillmentOrderItemId"`
		Qty int64  `json:"quantity"`
	} `json:"items"`
}

// The states of a multi-channel order.
const (
	mcfNew           = "New"
	mcfReceived      = "Received"
	mcfPlanning      = "Planning"
	mcfProcessing    = "Processing"
	mcfCancelled     = "Cancelled"
	mcfComplete      = "Complete"
	mcfPartial       = "CompletePartialled"
	mcfUnfulfillable = "Unfulfillable"
)

// mcfID are ids that come back as they went: Amazon's own get turns + into a space.
var mcfID = regexp.MustCompile(`^[!-~]{1,40}$`)

// check finds what is wrong with a request as such.
func (in *mcfRequest) check(c *call) string {
	_, fine := parseTime(in.Date)
	units := int64(0)
	ids := map[string]bool{}
	for _, i := range in.Items {
		units += i.Qty
		if i.Qty < 1 || i.ID == "" || ids[i.ID] {
			return "items: a quantity must be positive, ids must be there and distinct."
		}
		ids[i.ID] = true
		if l := c.acct.bySKU[i.SKU]; l == nil || l.fba == "" {
			return "items: SKU " + i.SKU + " is not in Amazon's fulfillment network."
		}
	}
	in.Action, in.Policy = orElse(in.Action, "Ship"), orElse(in.Policy, "FillOrKill")
	var to struct {
		Name    string `json:"name"`
		Line1   string `json:"addressLine1"`
		Zip     string `json:"postalCode"`
		Country string `json:"countryCode"`
	}
	switch {
	case !mcfID.MatchString(in.ID):
		return "sellerFulfillmentOrderId must be 1 to 40 characters without spaces."
	case in.Shown == "" || len(in.Shown) > 40 || in.Comment == "" || len(in.Comment) > 750 || !fine:
		return "displayableOrderId, -Date and -Comment are required."
	case !slices.Contains([]string{"Standard", "Expedited", "Priority", "ScheduledDelivery"}, in.Speed):
		return "Invalid shippingSpeedCategory."
	case !slices.Contains([]string{"Ship", "Hold"}, in.Action) ||
		!slices.Contains([]string{"FillOrKill", "FillAll", "FillAllAvailable"}, in.Policy):
		return "Invalid fulfillmentAction or fulfillmentPolicy."
	case len(in.Items) == 0 || len(in.Items) > 100 || units > 250:
		return "1 to 100 items with at most 250 units are permitted."
	case json.Unmarshal(in.Address, &to) != nil || to.Name == "" || to.Line1 == "" ||
		to.Zip == "" || len(to.Country) != 2:
		return "destinationAddress needs name, addressLine1, postalCode and countryCode."
	}
	return ""
}

func createMCF(c *call) answer {
	var in mcfRequest
	if json.Unmarshal(c.body, &in) != nil {
		return invalid("The request body is not valid.")
	}
	if why := in.check(c); why != "" {
		return invalid(why)
	}
	c.entry.Order = in.ID
	m := c.acct.markets[0]
	if in.Market != "" {
		var known bool
		if m, known = c.acct.market(in.Market); !known {
			return invalid("Invalid marketplaceId.")
		}
	}
	if c.acct.mcfOrder(in.ID) != nil {
		if c.srv.assumptions().MCFDuplicateRefused {
			return invalid("A fulfillment order with sellerFulfillmentOrderId " + in.ID +
				" already exists.")
		}
		return ok(obj{})
	}
	x := &mcfOrder{in: in, status: mcfNew, market: m, pool: c.acct.pool(m.id), received: c.act.at,
		change: c.act.at}
	for _, i := range in.Items {
		x.lines = append(x.lines, &mcfLine{listing: c.acct.bySKU[i.SKU], id: i.ID, qty: i.Qty})
	}
	if c.srv.assumptions().MCFChecksStock && in.Policy == "FillOrKill" && !x.enough() {
		return invalid("The items are not fulfillable.")
	}
	c.acct.mcf = append(c.acct.mcf, x)
	c.act.step(x, mcfNew)
	return ok(obj{})
}

func (x *account) mcfOrder(id string) *mcfOrder {
	for _, m := range x.mcf {
		if m.in.ID == id {
			return m
		}
	}
	return nil
}

// enough says whether the pool has everything.
func (x *mcfOrder) enough() bool {
	need := map[*listing]int64{}
	for _, l := range x.lines {
		need[l.listing] += l.due()
		if need[l.listing] > l.listing.stock[x.pool].Fulfillable {
			return false
		}
	}
	return true
}

// step sets the state of a multi-channel order, tells about it and sees to the next.
func (a *action) step(x *mcfOrder, status string) {
	x.status, x.change = status, a.at
	a.log(Entry{Kind: "mcf", Op: status, Order: x.in.ID})
	a.tellMCF(x, "Order", nil)
	next := map[string]func(*action, *mcfOrder){mcfNew: (*action).receiveMCF,
		mcfReceived: (*action).planMCF, mcfPlanning: (*action).pickMCF,
		mcfProcessing: (*action).shipMCF}[status]
	if next == nil || status == mcfReceived && x.in.Action == "Hold" {
		return
	}
	a.acct.after(a.acct.srv.timing().MCFStep, "warehouse", func(a *action) {
		if x.status == status {
			next(a, x)
		}
	})
}

func (a *action) receiveMCF(x *mcfOrder) { a.step(x, mcfReceived) }

// planMCF reserves the stock, or finds that there is none.
func (a *action) planMCF(x *mcfOrder) {
	if x.in.Policy == "FillOrKill" && !x.enough() {
		for _, l := range x.lines {
			l.missing = l.due()
		}
		a.step(x, mcfUnfulfillable)
		return
	}
	var any bool
	for _, l := range x.lines {
		have := min(l.due(), l.listing.stock[x.pool].Fulfillable)
		l.missing = l.due() - have
		any = any || have > 0
		if have > 0 {
			a.reserveFBA(l.listing, x.pool, have)
		}
	}
	if !any {
		a.step(x, mcfUnfulfillable)
		return
	}
	x.planned = true
	a.showMCF(x)
	a.step(x, mcfPlanning)
}

// showMCF makes the order that the Orders API shows for it.
func (a *action) showMCF(x *mcfOrder) {
	acct := a.acct
	o := &order{acct: acct, id: "S01-" + acct.srv.newID(7) + "-" + acct.srv.newID(7),
		market: x.market, created: a.at.Truncate(time.Millisecond), status: unshipped, afn: true,
		nonAmazon: true, opened: true, alias: x.in.ID, pool: x.pool,
		shipBy: a.at.Add(acct.srv.period(48 * time.Hour))}
	for _, l := range x.lines {
		if n := l.due(); n > 0 {
			o.items = append(o.items, &orderItem{id: acct.srv.newID(14), listing: l.listing, qty: n})
		}
	}
	x.order = o
	acct.orders = append(acct.orders, o)
	acct.byID[o.id] = o
	a.log(Entry{Kind: "order", Op: o.status, Order: o.id, Channel: "AFN", Result: x.in.ID})
	a.touch(o)
}

// pickMCF begins to pick: from now on it cannot be cancelled.
func (a *action) pickMCF(x *mcfOrder) { a.step(x, mcfProcessing) }

// shipMCF sends everything in one shipment of one package.
func (a *action) shipMCF(x *mcfOrder) {
	srv := a.acct.srv
	pkg, err := strconv.ParseInt(srv.newID(9), 10, 64)
	if err != nil {
		panic("simulated Amazon: a number of nine digits is none: " + err.Error())
	}
	s := &mcfShipment{id: "D" + srv.newID(8), status: "SHIPPED", tracking: "TBA" + srv.newID(12),
		pkg: pkg, at: a.at, parts: map[string]int64{}}
	for _, l := range x.lines {
		if n := l.due(); n > 0 {
			s.parts[l.id] = n
		}
	}
	x.shipments = append(x.shipments, s)
	a.shipFBA(x.order, 1<<40)
	if n := len(a.acct.shipments); n > 0 && a.acct.shipments[n-1].order == x.order {
		a.acct.shipments[n-1].id, a.acct.shipments[n-1].tracking = s.id, s.tracking
	}
	status := mcfComplete
	if slices.ContainsFunc(x.lines, func(l *mcfLine) bool { return l.due() < l.qty }) {
		status = mcfPartial
	}
	a.step(x, status)
	a.tellMCF(x, "Shipment", s)
}

// tellMCF sends FULFILLMENT_ORDER_STATUS. The schema wants all parts, though not all can be there:
// those that do not apply are empty.
func (a *action) tellMCF(x *mcfOrder, event string, s *mcfShipment) {
	ship := noShipment()
	if s != nil {
		pkg := obj{"PackageNumber": s.pkg, "CarrierCode": "AMZN_US", "TrackingNumber": s.tracking}
		ship = obj{"FulfillmentShipmentStatus": s.status, "AmazonShipmentId": s.id,
			"EstimatedArrivalDateTime": stamp(s.at.Add(48 * time.Hour)), "info": pkg,
			"FulfillmentShipmentPackages": []obj{pkg}}
	}
	back := obj{"ReceivedDateTime": "", "ReturnedQuantity": 0, "SellerSKU": ""}
	a.tell(note{kind: noteMCF, about: x.in.ID, payload: obj{"FulfillmentOrderStatusNotification": obj{
		"SellerId": a.acct.cfg.SellerID, "EventType": event, "StatusUpdatedDateTime": stamp(x.change),
		"SellerFulfillmentOrderId": x.in.ID, "FulfillmentOrderStatus": x.status,
		"FulfillmentShipment": ship, "FulfillmentReturnItem": back}}})
}

// noShipment is a shipment that says nothing. The schema requires info beside the list of packages,
// as its own example has it.
func noShipment() obj {
	return obj{"FulfillmentShipmentStatus": "", "AmazonShipmentId": "",
		"EstimatedArrivalDateTime": "", "FulfillmentShipmentPackages": []obj{},
		"info": obj{"PackageNumber": 0, "CarrierCode": "", "TrackingNumber": ""}}
}

// tellMCFReturn tells that units of a multi-channel order came back.
func (a *action) tellMCFReturn(b *returned) {
	x := a.acct.mcfOrder(b.order.alias)
	if x == nil {
		return
	}
	x.returns = append(x.returns, b)
	a.tell(note{kind: noteMCF, about: x.in.ID, payload: obj{"FulfillmentOrderStatusNotification": obj{
		"SellerId": a.acct.cfg.SellerID, "EventType": "Return", "StatusUpdatedDateTime": stamp(a.at),
		"SellerFulfillmentOrderId": x.in.ID, "FulfillmentOrderStatus": x.status,
		"FulfillmentShipment": noShipment(),
		"FulfillmentReturnItem": obj{"ReceivedDateTime": stamp(b.received),
			"ReturnedQuantity": b.qty, "SellerSKU": b.item.listing.sku}}}})
}

// named finds the order that a call names. A + in the path comes as a space.
func (c *call) named() *mcfOrder {
	id := strings.ReplaceAll(c.params["sellerFulfillmentOrderId"], "+", " ")
	c.entry.Order = id
	return c.acct.mcfOrder(id)
}

func cancelMCF(c *call) answer {
	x := c.named()
	if x == nil {
		return notFound("The fulfillment order was not found.")
	}
	switch x.status {
	case mcfNew, mcfReceived, mcfPlanning:
	case mcfCancelled:
		return ok(obj{})
	default:
		return invalid(fmt.Sprintf("The fulfillment order is %s and cannot be cancelled.", x.status))
	}
	c.act.dropMCF(x)
	return ok(obj{})
}

// dropMCF cancels, giving back what was reserved.
func (a *action) dropMCF(x *mcfOrder) {
	for _, l := range x.lines {
		n := l.due()
		l.dropped = n
		if x.planned && n > 0 {
			a.unreserveFBA(l.listing, x.pool, n)
		}
	}
	if x.order != nil {
		for _, i := range x.order.items {
			i.gone, i.cancelledBy, i.reason = true, "MERCHANT", "Cancelled by seller"
		}
		a.change(x.order, cancelled, "MCF cancelled")
	}
	a.step(x, mcfCancelled)
}

// updateMCF releases a Hold; nothing else can be changed here.
func updateMCF(c *call) answer {
	x := c.named()
	if x == nil {
		return notFound("The fulfillment order was not found.")
	}
	var in struct {
		Action string `json:"fulfillmentAction"`
	}
	if json.Unmarshal(c.body, &in) != nil || in.Action != "Ship" || x.in.Action != "Hold" ||
		x.status != mcfNew && x.status != mcfReceived {
		return invalid("The fulfillment order cannot be changed so.")
	}
	x.in.Action = "Ship"
	if x.status == mcfReceived {
		c.acct.after(c.srv.timing().MCFStep, "warehouse", func(a *action) {
			if x.status == mcfReceived {
				a.planMCF(x)
			}
		})
	}
	return ok(obj{})
}
