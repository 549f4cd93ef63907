package spapitest

import (
	"math/rand/v2"
	"sync"
	"time"
)

// The notifications that are simulated.
const (
	noteOrder       = "ORDER_CHANGE"
	noteFBA         = "FBA_INVENTORY_AVAILABILITY_CHANGES"
	noteMCF         = "FULFILLMENT_ORDER_STATUS"
	noteFeed        = "FEED_PROCESSING_FINISHED"
	noteReport      = "REPORT_PROCESSING_FINISHED"
	noteQuantity    = "LISTINGS_ITEM_MFN_QUANTITY_CHANGE"
	noteStatus      = "LISTINGS_ITEM_STATUS_CHANGE"
	noteIssues      = "LISTINGS_ITEM_ISSUES_CHANGE"
	issuesVersion   = "2023-12-13"
	camelNoteFormat = "2020-09-04"
)

// noteKind is what Amazon says about a type: its payload version and where it can go.
type noteKind struct {
	version string
	bus     bool // EventBridge only
	camel   bool // the envelope is in camelCase
}

var noteKinds = map[string]noteKind{
	noteOrder: {"1.0", false, false}, noteFBA: {"1.0", false, false}, noteMCF: {"1.0", false, false},
	noteFeed: {camelNoteFormat, false, true}, noteReport: {camelNoteFormat, false, true},
	noteQuantity: {"1.0", true, false}, noteStatus: {"1.0", true, false},
	noteIssues: {issuesVersion, true, false},
}

// note is one notification before it has an envelope.
type note struct {
	kind    string
	payload obj
	market  string // of filters
	change  string // OrderChangeType, of filters
	about   string // order id or SKU, for the journal
}

// tell sends a notification to all who subscribed to it.
func (a *action) tell(n note) {
	for _, sub := range a.acct.subs {
		if sub.kind == n.kind && sub.wants(n) {
			a.acct.srv.courier.send(a, sub, n)
		}
	}
}

// courier takes notifications to queues, late, twice, out of order or not at all. Safe for
// concurrent use.
type courier struct {
	srv *Server

	mu    sync.Mutex
	n     uint64
	noise Noise
}

func (c *courier) setNoise(n Noise) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noise = n
}

// fate is what becomes of one notification.
type fate struct {
	wait             time.Duration
	lost, twice, cut bool
	faults           []string // kinds, in the order in which they were drawn
	id               string   // of the fault that is not noise
	copied           time.Duration
}

func (c *courier) fate(v victim) (fate, uint64) {
	c.mu.Lock()
	c.n++
	n, noise := c.n, c.noise
	c.mu.Unlock()
	luck := rand.New(rand.NewPCG(c.srv.cfg.Seed+uint64(len(v.account)), n))
	hit := func(percent float64) bool { return luck.Float64()*100 < percent }
	draw := func(ms int64) time.Duration {
		return time.Duration(luck.Int64N(max(1, ms))) * time.Millisecond
	}
	f := fate{wait: c.srv.period(c.srv.timing().Notify.draw(luck))}
	lost, twice := hit(noise.LostPercent), hit(noise.DuplicatePercent)
	slow, late := hit(noise.DelayPercent), hit(noise.ReorderPercent)
	switch {
	case lost:
		f.lost, f.faults = true, append(f.faults, FaultNotificationLost)
	case slow:
		f.wait, f.faults = f.wait+draw(noise.DelayMS), append(f.faults, FaultNotificationDelay)
	case late:
		f.wait, f.faults = f.wait+draw(noise.ReorderMS), append(f.faults, FaultNotificationReorder)
	}
	if twice && !lost {
		f.twice, f.faults = true, append(f.faults, FaultNotificationDuplicate)
	}
	if x := c.srv.faults.pick(notificationFaults, v); x != nil {
		f.id, f.faults = x.id, append(f.faults, x.Kind)
		switch x.Kind {
		case FaultNotificationLost:
			f.lost = true
		case FaultNotificationDuplicate:
			f.twice = true
		case FaultNotificationDelay:
			f.wait += x.delay()
		case FaultNotificationReorder:
			f.wait += draw(x.DelayMS)
		case FaultNotificationMalformed:
			f.cut = true
		}
	}
	f.copied = draw(int64(c.srv.period(10*time.Second) / time.Millisecond))
	return f, n
}

// send puts one notification onto its queue, now or later.
func (c *courier) send(a *action, sub *subscription, n note) {
	v := victim{account: a.acct.cfg.Name, region: a.acct.cfg.Region, kind: n.kind}
	f, _ := c.fate(v)
	id := c.srv.newUUID()
	body := encode(c.envelope(a, sub, n, id))
	if sub.dest.bus != "" {
		body = encode(obj{"version": "0", "id": c.srv.newUUID(), "detail-type": n.kind,
			"source":  "aws.partner/sellingpartnerapi.amazon.com/" + sub.dest.account + "/" + appID,
			"account": sub.dest.account, "time": stamp(a.at), "region": sub.dest.region,
			"resources": []string{}, "detail": c.envelope(a, sub, n, id)})
	}
	if f.cut {
		body = body[:len(body)/2]
	}
	entry := Entry{Kind: "notification", Type: n.kind, Message: id, Order: n.about, Fault: f.id}
	for _, kind := range f.faults {
		bad := entry
		bad.Kind, bad.Op = "fault", kind
		bad.Fault = orElse(f.id, "noise-"+kind+"."+id)
		entry.Fault = bad.Fault
		a.log(bad)
	}
	if f.lost {
		return
	}
	entry.Queue = orElse(sub.dest.queue, a.acct.cfg.Queue)
	q := c.srv.queues[entry.Queue]
	a.log(entry)
	if q == nil {
		return
	}
	put := func(wait time.Duration) {
		if wait <= 0 {
			q.put(string(body))
			return
		}
		c.srv.clock.After(wait, func() { q.put(string(body)) })
	}
	put(f.wait)
	if f.twice {
		put(f.wait + f.copied)
	}
}

// appID is the application that notifications name.
const appID = "amzn1.sellerapps.app.f108f511-eeac-46a6-b125-bcb752069ed0"

func (c *courier) envelope(a *action, sub *subscription, n note, id string) obj {
	kind := noteKinds[n.kind]
	if kind.camel {
		return obj{"notificationVersion": camelNoteFormat, "notificationType": n.kind,
			"payloadVersion": kind.version, "eventTime": stamp(a.at), "payload": n.payload,
			"notificationMetadata": obj{"applicationId": appID, "subscriptionId": sub.id,
				"publishTime": stamp(a.at), "notificationId": id}}
	}
	name := n.kind
	if name == noteStatus && c.srv.assumptions().StatusChangedSpelling {
		name = "LISTINGS_ITEM_STATUS_CHANGED"
	}
	return obj{"NotificationVersion": "1.0", "NotificationType": name, "PayloadVersion": kind.version,
		"EventTime": stamp(a.at), "Payload": n.payload,
		"NotificationMetadata": obj{"ApplicationId": appID, "SubscriptionId": sub.id,
			"PublishTime": stamp(a.at), "NotificationId": id}}
}

// oldStatus is a state in the words of Orders v0, which notifications and reports use.
var oldStatus = map[string]string{pendingAvailability: "PendingAvailability", pending: "Pending",
	unshipped: "Unshipped", partlyShipped: "PartiallyShipped", shipped: "Shipped",
	cancelled: "Canceled", unfulfillable: "Unfulfillable"}

// tellOrder sends ORDER_CHANGE.
func (a *action) tellOrder(o *order, change, reason string) {
	var sent, left int64
	items := []obj{}
	for _, i := range o.items {
		sent += i.shipped
		left += i.left()
		qty := i.qty
		if i.gone && a.acct.srv.assumptions().CancelledShowsZero {
			qty = 0
		}
		x := obj{"OrderItemId": i.id, "SellerSKU": i.listing.sku, "SupplySourceId": nil,
			"Quantity": qty, "QuantityShipped": i.shipped, "IsBuyerRequestedCancel": i.requested != ""}
		if o.open() || o.status == shipped {
			x["OrderItemStatus"] = map[bool]string{true: "Unshipped", false: "Shipped"}[i.left() > 0]
		}
		items = append(items, x)
	}
	summary := obj{"MarketplaceId": o.market.id, "OrderStatus": oldStatus[o.status],
		"PurchaseDate": stamp(o.created), "DestinationPostalCode": nil, "FulfillmentType": o.channel(),
		"OrderType": "StandardOrder", "NumberOfItemsShipped": sent, "NumberOfItemsUnshipped": left,
		"OrderItems": items}
	if o.opened {
		summary["DestinationPostalCode"] = o.to.PostalCode
		summary["EarliestShipDate"], summary["LatestShipDate"] = stamp(o.created), stamp(o.shipBy)
	}
	a.tell(note{kind: noteOrder, market: o.market.id, change: change, about: o.id,
		payload: obj{"OrderChangeNotification": obj{"NotificationLevel": "OrderLevel",
			"SellerId": a.acct.cfg.SellerID, "AmazonOrderId": o.id, "OrderChangeType": change,
			"OrderChangeTrigger": obj{"TimeOfOrderChange": stamp(o.updated), "ChangeReason": reason},
			"Summary":            summary}}})
}

func (a *action) tellQuantity(l *listing) {
	a.tell(note{kind: noteQuantity, about: l.sku, payload: obj{"SellerId": a.acct.cfg.SellerID,
		"FulfillmentChannelCode": defaultChannel, "Sku": l.sku, "Quantity": l.quantity}})
}

func (a *action) tellListingStatus(l *listing, m marketplace, status []string) {
	a.tell(note{kind: noteStatus, about: l.sku, market: m.id, payload: obj{
		"SellerId": a.acct.cfg.SellerID, "MarketplaceId": m.id, "Asin": l.asin, "Sku": l.sku,
		"CreatedDate": stamp(l.created), "Status": status}})
}

func (a *action) tellIssues(l *listing) {
	severities := []string{"NONE"}
	if len(l.issues) > 0 {
		severities = []string{"ERROR"}
	}
	for _, m := range l.markets {
		a.tell(note{kind: noteIssues, about: l.sku, market: m.id, payload: obj{
			"SellerId": a.acct.cfg.SellerID, "MarketplaceId": m.id, "Asin": l.asin, "Sku": l.sku,
			"Severities": severities, "EnforcementActions": []string{}}})
	}
}
