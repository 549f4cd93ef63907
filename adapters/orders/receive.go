package orders

import (
	"context"
	"errors"
	"path"
	"slices"
	"time"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/records"
	"holdfast/adapters/routing"
)

// Delivery is how a snapshot came in: the webhook that brought it, so that it is not taken twice.
// One of a sweep has no ID: the order's own time tells whether it is news.
type Delivery struct {
	Connection string
	Topic      string
	ID         string
}

// key is the Seen record of the delivery; "" when it has none.
func (v Delivery) key() string {
	if v.ID == "" {
		return ""
	}
	return v.Connection + "/" + v.Topic + "/" + v.ID
}

// Receipt says what became of a snapshot.
type Receipt struct {
	Order string
	New   bool // the order was not known before
	Seen  bool // the delivery was here before, and nothing happened
	Old   bool // something as late is applied already, and nothing happened
	// Ignored says why nothing of it is kept; "" when it is.
	Ignored string
}

// Receive takes what an order's home says of it. All that follows happens in one transaction: the
// order, its stock, the memory of the delivery, tasks and tallies. When it returns nil all of that
// is durable; a process that dies before has done nothing, and the delivery comes again.
//
// It fails with the store's error, with "outcome-unknown" perhaps after all: then the same delivery
// again is answered as Seen or Old. It fails with an *Error when the snapshot names no order or no
// connection.
func (b *Book) Receive(ctx context.Context, v Delivery, s Snapshot) (Receipt, error) {
	home, ok := b.Accounts.Account(s.Home.System)
	if !ok || s.Home.ID == "" {
		return Receipt{}, &Error{code: "invalid", at: "home",
			detail: "no connection " + s.Home.System + " has an order " + s.Home.ID}
	}
	if s.Test && !home.TestOrders {
		return Receipt{Ignored: "test"}, nil
	}
	if s.Of != "" {
		return Receipt{Order: s.Of}, b.made(ctx, &s)
	}
	s.Home.Kind = first(s.Home.Kind, "order")
	var refused []string
	for try := range tries {
		if now, ok := b.Accounts.Account(home.ID); ok {
			home = now
		}
		d := &draft{b: b, ctx: ctx, now: b.now(), home: home, by: home.ID, where: &s, shy: refused}
		id := home.Kind + ":" + home.ID + ":" + s.Home.ID
		r, known, err := b.Store.Get(ctx, records.Orders, id)
		if err != nil {
			return Receipt{}, err
		}
		if known {
			if err := d.load(r); err != nil {
				return Receipt{}, err
			}
			if !s.after(&d.o) {
				return Receipt{Order: id, Old: true}, nil
			}
		} else {
			d.begin(id, &s)
		}
		if key := v.key(); key != "" {
			d.tx.Remember(key, d.now.Add(SeenFor))
			d.seen = len(d.tx.Writes)
		}
		if err := d.apply(&s); err != nil {
			return Receipt{}, err
		}
		d.onlyWhileOff()
		done, err := d.submit()
		if errors.Is(err, errSeen) {
			return Receipt{Order: id, Seen: true}, nil
		}
		if err != nil {
			return Receipt{}, err
		}
		if done {
			b.align(ctx, d)
			return Receipt{Order: id, New: d.fresh}, b.afterShort(ctx, d)
		}
		refused = d.refusal(try)
	}
	return Receipt{}, records.ErrBusy
}

// begin makes the order of a first snapshot.
func (d *draft) begin(id string, s *Snapshot) {
	d.fresh = true
	d.stock.id = id
	d.o = Order{ID: id, Home: s.Home, Channel: first(s.Channel, d.home.Channel),
		CreatedAt: s.CreatedAt, Externals: []External{}, Shipments: []Shipment{},
		Refunds: []Refund{}, Returns: []Return{}}
	d.o.note(Moment{At: d.now, What: string(Created), By: d.home.ID})
}

// apply writes what the home says into the order.
func (d *draft) apply(s *Snapshot) error {
	o := &d.o
	d.moved = true
	o.Name, o.UpdatedAt, o.Progress = first(s.Name, o.Name), s.UpdatedAt, s.progress()
	if s.Money != nil || s.Total != o.Total {
		o.Money = s.Money // a home that does not tell it this time has not changed it
	}
	o.ShipBy, o.Currency, o.Total, o.Tags = s.ShipBy, s.Currency, s.Total, s.Tags
	o.FulfilledBy = first(s.FulfilledBy, o.FulfilledBy)
	moved := s.ShipTo != o.ShipTo
	o.ShipTo = s.ShipTo
	d.attach(append([]External{s.Home}, s.Externals...))
	if s.Name != "" {
		d.attach([]External{{System: d.home.ID, Kind: "name", ID: s.Name}})
	}
	edited, err := d.lines(s)
	if err != nil {
		return err
	}
	if d.fresh || moved && !o.Announced {
		if err := d.route(); err != nil {
			return err
		}
	}
	if err := d.hold(); err != nil {
		return err
	}
	o.Pending = s.Pending || s.RecordOnly
	d.announce()
	if edited && !d.fresh && s.Cancelled == nil {
		d.say(Changed, "", nil)
	}
	d.shipments(s)
	d.refunds(s.Refunds)
	d.returnsOf(s.returns())
	if d.fresh {
		d.past()
	}
	if s.Cancelled != nil && o.CancelledAt.IsZero() {
		return d.cancelledAtHome(s.Cancelled)
	}
	return nil
}

// route asks from where the order is served. What is promised already stays where it is.
func (d *draft) route() (err error) {
	o := &d.o
	ask := routing.Order{Channel: o.Channel, FulfilledBy: o.FulfilledBy, Tags: o.Tags,
		Country: o.ShipTo.Country, Region: o.ShipTo.Region, PostalCode: o.ShipTo.PostalCode,
		Value: routing.Decimal(o.Total), Currency: o.Currency, Lines: make([]routing.Line, 0, len(o.Lines))}
	for i := range o.Lines {
		if l := &o.Lines[i]; l.SKU != "" && l.ToShip > 0 {
			ask.Lines = append(ask.Lines, routing.Line{SKU: l.SKU, Qty: l.ToShip, Location: l.Location})
		}
	}
	o.Route, err = d.b.Router.Decide(d.ctx, ask)
	if err == nil && o.Route.Rule != "" {
		o.note(Moment{At: d.now, What: "routed", More: o.Route.Why})
	}
	return err
}

// historic reports whether nobody else is told of the order, because others have dealt with it. Such
// is one that was made before the connection takes orders; or, where nobody has said from when it
// does, one that was made before the connection began and has nothing left to leave: the start takes
// in what is open, and that some old order is touched today makes it no sale of today.
func (d *draft) historic() bool {
	if from := d.home.OrdersFrom; !from.IsZero() {
		return d.o.CreatedAt.Before(from)
	}
	return d.o.CreatedAt.Before(d.countsFrom()) && !slices.ContainsFunc(d.o.Lines, func(l Line) bool {
		return l.ToShip > 0
	})
}

// countsFrom is the moment from which the home's own numbers tell us something new: the beginning of
// its start, or, where that is not known, the moment from which its orders are taken. Zero: never.
//
// An order that was made before is in the numbers already. The start reads the slots after it has
// begun; where the home is master, the first count of a slot is what it has available and what it
// has committed, so that the open units of such an order are on hand here, to be promised, and what
// it had shipped is not. The available number of that first read is already without all units that
// the order ever took: a tally of them would be subtracted a second time. So the order is promised
// and noted as counted, and no tally moves; what the home puts back of it later does move one.
//
// An order that is made between the beginning and the first read of its slot does move the tally:
// that read is only believed when the sales that it shows are booked, and takes the tally of that
// moment as its own zero. So an order of which nobody can tell, because homes write whole seconds and
// their clocks are not ours, is one that was made afterwards.
func (d *draft) countsFrom() time.Time {
	if d.home.Began.IsZero() {
		return d.home.OrdersFrom
	}
	return d.home.Began.Add(-clockSkew).Truncate(time.Second)
}

// clockSkew is how far the clock of a home may be behind ours.
const clockSkew = 2 * time.Second

// past leaves alone, of an order that is older than the counts, what had left or come back before
// they began, however late anybody looks at it: the first counts have that in them. What happened
// since is done as ever, and so is what such an order has open. Where a home does not say when, it
// was before.
func (d *draft) past() {
	from := d.countsFrom()
	if !d.o.CreatedAt.Before(from) {
		return
	}
	for i := range d.o.Shipments {
		if s := &d.o.Shipments[i]; s.At.Before(from) {
			allDone(s.Lines)
		}
	}
	for i := range d.o.Returns {
		if r := &d.o.Returns[i]; r.At.Before(from) {
			allDone(r.Lines)
		}
	}
	for i := range d.o.Lines {
		l := &d.o.Lines[i]
		l.Lost, l.Shown = l.Gone, l.Untracked == ""
	}
}

func allDone(lines []ShipmentLine) {
	for i := range lines {
		lines[i].Done = lines[i].Qty
	}
}

// lines brings the order's lines to those of the snapshot. Lines are never forgotten: one that the
// home no longer names has nothing to ship.
func (d *draft) lines(s *Snapshot) (edited bool, err error) {
	seen := make([]bool, len(d.o.Lines), len(d.o.Lines)+len(s.Lines))
	for i := range s.Lines {
		sl := &s.Lines[i]
		at := slices.IndexFunc(d.o.Lines, func(l Line) bool { return l.Ref == sl.Ref })
		if at < 0 {
			d.o.Lines = append(d.o.Lines, Line{Ref: sl.Ref})
			seen = append(seen, true)
			at = len(d.o.Lines) - 1
		}
		seen[at] = true
		l := &d.o.Lines[at]
		l.Theirs, l.Title, l.Price = first(sl.SKU, l.Theirs), first(sl.Title, l.Title),
			first(sl.Price, l.Price)
		l.Location, l.Backorder = first(sl.Location, l.Location), l.Backorder || sl.Backorder
		l.Item.fill(sl)
		if err := d.tracked(l, sl, s); err != nil {
			return false, err
		}
		ordered, cancelled := l.Ordered, l.Cancelled
		l.facts(s, sl)
		edited = edited || l.Ordered != ordered || l.Cancelled != cancelled
	}
	for i := range seen {
		if l := &d.o.Lines[i]; !seen[i] {
			cancelled := l.Cancelled
			l.facts(s, &SnapshotLine{Ref: l.Ref})
			edited = edited || l.Cancelled != cancelled
		}
	}
	return edited, nil
}

// Why a line needs no stock, beside what adapters say.
const (
	byAmazon   = "fulfilled-by-amazon"
	recordOnly = "record-only"
	bySetting  = "not-stock"
)

// fill adds what a snapshot says of an item: some know less of it than others.
func (i *Item) fill(sl *SnapshotLine) {
	if sl.VariantID != 0 {
		i.VariantID = sl.VariantID
	}
	if sl.ItemID != 0 {
		i.ItemID = sl.ItemID
	}
	i.SellerSKU = first(sl.SellerSKU, i.SellerSKU)
	i.Marketplace = first(sl.Marketplace, i.Marketplace)
}

// tracked says whether a line is stock, and of which SKU. A line keeps its SKU for ever: what was
// promised is not another thing because somebody maps it anew.
func (d *draft) tracked(l *Line, sl *SnapshotLine, s *Snapshot) error {
	if l.SKU != "" {
		return nil
	}
	l.Untracked, l.Unmapped = "", ""
	switch {
	case s.RecordOnly:
		l.Untracked = recordOnly
	case s.FulfilledBy == "amazon":
		l.Untracked = byAmazon
	case sl.NotStock != "":
		l.Untracked = sl.NotStock
	case slices.ContainsFunc(d.home.NotStock, func(pattern string) bool {
		ok, err := path.Match(pattern, sl.SKU)
		return ok && err == nil
	}):
		l.Untracked = bySetting
	default:
		return d.identify(l)
	}
	return nil
}

// identify finds the SKU of a line. One that memory does not know is looked up in the store: there
// it may be since a moment.
func (d *draft) identify(l *Line) error {
	row, ok, err := d.row(l)
	if l.SKU, l.Unmapped = row.SKU, ""; !ok {
		l.SKU, l.Unmapped = "", l.ref(d.home.ID).Key()
	}
	return err
}

// hold lets a person look first, where the route demands it.
func (d *draft) hold() error {
	if !d.fresh || d.o.Route.Hold == "" {
		return nil
	}
	d.o.Holds = append(d.o.Holds, "route")
	return d.raise(exceptions.Exception{Trace: "hold:" + d.o.ID, Class: exceptions.Data,
		Code: "held-by-route", Flow: "F9", Detail: d.o.Route.Hold,
		Actions: []string{"resolve", "cancel"}})
}
