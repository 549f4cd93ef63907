package amazon

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/exceptions"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
)

// shipPlus is the program whose packages Amazon confirms by itself, and refuses from anybody else.
const shipPlus = "FBM_SHIP_PLUS"

const (
	// trackingWait is how long a package may be without a tracking number before a person hears of it:
	// those who report packages often have the number some hours later.
	trackingWait = 6 * time.Hour
	trackingLook = 15 * time.Minute
)

// load reads the order that a task is about.
func (j *job) load(ctx context.Context) (*orders.Order, error) {
	o, err := j.all.cfg.Book.Get(ctx, j.t.Key)
	if isUnknownOrder(err) {
		return nil, spapi.Refused(spapi.CodeGone, "there is no order %s", j.t.Key)
	}
	return &o, err
}

// shipment confirms a package of the merchant's to Amazon. The number of a package is its place in the order,
// which never changes: the same call again changes that package and makes no second one.
//
// Dying before the call leaves nothing. After a call of unknown outcome the order is read first; what it shows
// of the package is then the end of the task. Dying behind that, the next try reads the same.
func (j *job) shipment(ctx context.Context) (outbox.Finish, error) {
	o, err := j.load(ctx)
	if err != nil {
		return outbox.Finish{}, err
	}
	_, key, _ := strings.Cut(j.t.Part, "/")
	at := slices.IndexFunc(o.Shipments, func(s orders.Shipment) bool { return s.Key == key && s.By != j.id })
	if at < 0 {
		return outbox.Finish{}, spapi.Refused(spapi.CodePayload, "the order has no package %s", key)
	}
	pack := &o.Shipments[at]
	c, err := j.confirmation(ctx, o, at)
	if err != nil {
		return outbox.Finish{}, err
	}
	done := outbox.Finish{Result: map[string]any{"package": c.Package}}
	if j.t.Unknown || j.t.Tries > 1 {
		if there, err := j.confirmed(ctx, o, pack, c); there || err != nil {
			return done, err
		}
	}
	err = j.client.ConfirmShipment(ctx, o.Home.ID, *c)
	if err == nil || !refusal(err) {
		return done, err
	}
	// Amazon says no, also to what it has already: by a label bought there, or by hand.
	there, lookErr := j.confirmed(ctx, o, pack, c)
	if there {
		return done, nil
	}
	if lookErr != nil {
		return outbox.Finish{}, lookErr
	}
	return outbox.Finish{}, err
}

// refusal reports whether Amazon has refused what was asked for, and nothing happened.
func refusal(err error) bool {
	code := spapi.CodeOf(err)
	return strings.HasPrefix(code, "amazon-") && code != spapi.CodeUnavailable && code != spapi.CodeAnswer ||
		code == spapi.CodeConflict
}

// confirmation is what is told of a package. It fails with *outbox.Needless or *outbox.Later, or with a
// Fault when something is missing that only a person can add.
func (j *job) confirmation(ctx context.Context, o *orders.Order, at int) (*spapi.Confirmation, error) {
	s := &o.Shipments[at]
	known := slices.ContainsFunc(s.IDs, func(e orders.External) bool { return e.System == j.id })
	switch {
	case s.Off:
		return nil, &outbox.Needless{Why: "the package was taken back"}
	case known:
		return nil, &outbox.Needless{Why: "Amazon has the package"}
	case o.FulfilledBy == byAmazon:
		return nil, &outbox.Needless{Why: "Amazon fulfils the order itself"}
	case slices.Contains(o.Tags, shipPlus):
		return nil, &outbox.Needless{Why: "packages of " + shipPlus + " are confirmed by Amazon"}
	case o.Pending:
		return nil, &outbox.Later{After: j.every(sweepEvery), Why: "Amazon has not confirmed the order yet"}
	case s.Tracking == "" && j.all.cfg.Now().Before(s.At.Add(j.every(trackingWait))):
		return nil, &outbox.Later{After: j.every(trackingLook), Why: "the package has no tracking number yet"}
	case s.Tracking == "":
		return nil, spapi.Refused("no-tracking", "package %s has no tracking number, which Amazon wants", s.Key)
	case s.Carrier == "":
		return nil, spapi.Refused("no-carrier", "package %s has no carrier, which Amazon wants", s.Key)
	}
	c := &spapi.Confirmation{Package: j.number(o, at), Method: s.Service, Tracking: s.Tracking,
		Shipped: s.At.UTC()}
	if now := j.all.cfg.Now().UTC(); c.Shipped.IsZero() || c.Shipped.After(now) {
		c.Shipped = now
	}
	if c.Shipped.Before(o.CreatedAt) {
		c.Shipped = o.CreatedAt.UTC() // a day without its time is before a purchase of that day
	}
	for _, l := range s.Lines {
		if l.Qty > 0 {
			c.Items = append(c.Items, spapi.ShippedItem{OrderItemID: l.Ref, Quantity: l.Qty})
		}
	}
	for i := range o.Lines {
		c.MarketplaceID = first(c.MarketplaceID, o.Lines[i].Item.Marketplace)
	}
	c.CarrierCode = j.carrier(s.Carrier)
	if c.CarrierCode == carrierOther {
		c.CarrierName = s.Carrier
		return c, j.strangeCarrier(ctx, s.Carrier)
	}
	return c, nil
}

// number is that of a package in its order: its place, which is for ever, or one far behind it when Amazon
// knows another package by that number already. One that Amazon is told of later by hand can not be known
// here; it is then changed by ours, and the sweep shows it.
func (j *job) number(o *orders.Order, at int) int {
	const behind = 1000
	n := at + 1
	for taken := true; taken; {
		taken = false
		name := strconv.Itoa(n)
		for i := range o.Shipments {
			s := &o.Shipments[i]
			taken = taken || i != at && (s.By == j.id && s.Key == name ||
				slices.Contains(s.IDs, orders.External{System: j.id, Kind: "shipment", ID: name}))
		}
		if taken {
			n += behind
		}
	}
	return n
}

// confirmed reports whether Amazon has a package: by its number, by its tracking, or because nothing of its
// lines is left to be sent there.
func (j *job) confirmed(ctx context.Context, o *orders.Order, s *orders.Shipment, c *spapi.Confirmation,
) (bool, error) {
	at, err := j.client.Order(ctx, o.Home.ID, spapi.WithFulfillment, spapi.WithPackages)
	if err != nil {
		return false, err
	}
	for i := range at.Packages {
		p := &at.Packages[i]
		if p.Tracking == s.Tracking && !strings.EqualFold(p.Status.Status, "CANCELLED") {
			return true, nil
		}
	}
	if at.Fulfillment != nil && at.Fulfillment.Status == spapi.StatusCancelled {
		return false, spapi.Refused("cancelled-at-amazon",
			"package %s has left, and Amazon has cancelled the order", s.Key)
	}
	if len(at.Packages) > 0 || at.Fulfillment == nil || at.Fulfillment.Status != spapi.StatusShipped {
		return false, nil
	}
	for _, item := range c.Items { // packages are not shown to everybody
		for i := range at.Items {
			f := at.Items[i].Fulfillment
			if at.Items[i].ID == item.OrderItemID && (f == nil || f.Done.Value < item.Quantity) {
				return false, nil
			}
		}
	}
	return true, nil
}

// carrierOther is the code of a carrier that Amazon has no code for: its name is told beside it.
const carrierOther = "Other"

// carriers are Amazon's codes by what others write, in small letters without spaces and signs.
var carriers = map[string]string{"ups": "UPS", "usps": "USPS", "unitedstatespostalservice": "USPS",
	"fedex": "FedEx", "federalexpress": "FedEx", "dhl": "DHL", "dhlexpress": "DHL", "dhlparcel": "DHL",
	"dpd": "DPD", "gls": "GLS", "hermes": "Hermes", "royalmail": "Royal Mail", "deutschepost": "Deutsche Post",
	"canadapost": "Canada Post", "australiapost": "Australia Post", "laposte": "La Poste",
	"colissimo": "Colissimo", "chronopost": "Chronopost", "correos": "Correos", "seur": "SEUR",
	"posteitaliane": "Poste Italiane", "brt": "BRT", "postnl": "PostNL", "postnord": "PostNord",
	"tnt": "TNT", "ontrac": "OnTrac", "yodel": "Yodel", "yamatotransport": "YAMATO", "yamato": "YAMATO",
	"sagawa": "SAGAWA", "japanpost": "JP_EXPRESS"}

// plainName is a name as it is looked up.
func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r > 0x7f {
			return r
		}
		return -1
	}, strings.ToLower(name))
}

// carrier is Amazon's code of a carrier: what the connection's document says, else what is known here.
func (a *account) carrier(name string) string {
	for theirs, code := range a.settings.Carriers {
		if plainName(theirs) == plainName(name) {
			return code
		}
	}
	return first(carriers[plainName(name)], carrierOther)
}

// strangeCarrier raises, once for its name, that a carrier has no code. Its packages are confirmed by its
// name meanwhile: late is worse than that.
func (j *job) strangeCarrier(ctx context.Context, name string) error {
	trace := "carrier:" + j.id + ":" + plainName(name)
	_, known, err := j.all.cfg.Store.Get(ctx, records.Exceptions, exceptions.ID(trace))
	if err != nil || known {
		return err
	}
	_, err = records.Retry(ctx, j.all.cfg.Store, func(tx *records.Tx) error {
		return exceptions.Raise(ctx, j.all.cfg.Store, tx, exceptions.Exception{Trace: trace,
			Class: exceptions.Data, Code: "unknown-carrier", Flow: "F13", Connection: j.id, Key: j.t.Key,
			LastAt: j.all.cfg.Now().UTC(), Actions: []string{"resolve"},
			Detail: "Amazon has no code for the carrier " + strconv.Quote(name) +
				": its packages are confirmed by that name. settings.carriers can give it a code."})
	})
	return err
}
