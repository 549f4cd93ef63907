package orders

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
)

// Event is something that others are told about an order. The names are stable: they are those of
// the webhooks, too.
type Event string

// The events.
const (
	Created   Event = "order.created"
	Changed   Event = "order.changed"
	Sent      Event = "order.shipped"
	Called    Event = "order.cancelled"
	CallOff   Event = "order.cancel-requested" // somebody else than the home wants it cancelled
	Requested Event = "return.requested"
	Received  Event = "return.received"
	Refunded  Event = "refund.created"
	Short     Event = "stock.short"
	Allocated Event = "stock.allocated"
	BuyerAsks Event = "order.cancel-asked" // the buyer asks; nothing may leave
	// BuyerDeclined: the order goes on although the buyer asked to cancel it.
	BuyerDeclined Event = "order.cancel-declined"
	Recall        Event = "order.recall" // what Amazon is to fulfil for us is wanted back
	Moved         Event = "order.moved"  // the allocation is elsewhere than the home thinks
)

// rule says which task an event makes for one destination. home "" is any kind of home. A rule
// whose atHome is set is for the connection of the order's home, the others are for every other
// connection of the kind to.
type rule struct {
	event  Event
	home   string
	to     string
	atHome bool
	task   string
}

// rules are who is told what. Whoever caused the event is never told.
var rules = []rule{
	{Created, "", "netsuite", false, "netsuite.order"},
	{Created, "amazon", "shopify", false, "shopify.order"},
	{Changed, "", "erp", false, "erp.change"},
	{Changed, "", "netsuite", false, "netsuite.change"},
	{Sent, "", "erp", false, "erp.shipment"},
	{Sent, "", "netsuite", false, "netsuite.fulfilment"},
	{Sent, "", "shopify", false, "shopify.fulfilment"},
	{Sent, "shopify", "shopify", true, "shopify.fulfilment"},
	{Sent, "amazon", "amazon", true, "amazon.shipment"},
	{Called, "", "erp", false, "erp.cancel"},
	{Called, "", "netsuite", false, "netsuite.close"},
	{Called, "amazon", "shopify", false, "shopify.cancel"},
	{CallOff, "shopify", "shopify", true, "shopify.cancel"},
	{CallOff, "amazon", "amazon", true, "amazon.acknowledgement"},
	{BuyerAsks, "", "shopify", false, "shopify.hold"},
	{BuyerDeclined, "", "shopify", false, "shopify.release_hold"},
	{BuyerDeclined, "amazon", "amazon", true, "amazon.decline_cancel"},
	{Recall, "", "amazon", false, "amazon.recall"},
	{Requested, "", "erp", false, "erp.return"},
	{Requested, "", "netsuite", false, "netsuite.return"},
	{Requested, "", "shopify", false, "shopify.return"},
	{Requested, "shopify", "shopify", true, "shopify.return"},
	{Received, "", "erp", false, "erp.receipt"},
	{Received, "", "netsuite", false, "netsuite.receipt"},
	{Received, "", "shopify", false, "shopify.receipt"},
	{Received, "shopify", "shopify", true, "shopify.receipt"},
	{Refunded, "", "erp", false, "erp.refund"},
	{Refunded, "", "netsuite", false, "netsuite.refund"},
	{Refunded, "amazon", "shopify", false, "shopify.refund"},
	{Refunded, "shopify", "shopify", true, "shopify.refund"},
	{Short, "shopify", "shopify", true, "shopify.hold"},
	{Allocated, "shopify", "shopify", true, "shopify.release_hold"},
	{Moved, "shopify", "shopify", true, "shopify.move"},
}

// erpOrder is the task that every order has, once for ever: the way out for whoever keeps the
// books, with a connection or by reading the tasks.
const erpOrder = "erp.order"

// TaskKinds lists the kinds of task that orders queue, each once.
func TaskKinds() []string {
	kinds := []string{erpOrder}
	for _, r := range rules {
		if !slices.Contains(kinds, r.task) {
			kinds = append(kinds, r.task)
		}
	}
	return kinds
}

// queued is a task that this draft has queued.
type queued struct{ kind, connection, part string }

// announce tells the others of an order that they may know of: its connection is on, it is
// confirmed, and it is not older than the connection's beginning.
func (d *draft) announce() {
	if d.o.Announced || d.o.Pending || d.historic() || !d.home.on() {
		return
	}
	off := !d.o.CancelledAt.IsZero() || d.where != nil && d.where.Cancelled != nil
	d.o.Announced, d.o.Quiet, d.moved = true, off, true
	erp := ""
	for _, a := range d.b.Accounts.Accounts() {
		if a.Kind == "erp" && a.on() {
			erp = a.ID
			break
		}
	}
	d.enqueue(erpOrder, erp, "", nil)
	d.say(Created, "", nil)
}

// onlyWhileOff lets an order of which nobody is told, because its connection is not on, be written
// only while that is so. The leader announces all that is there once when the connection goes on; a
// node whose memory still says that it is off would write behind that walk, and nobody would ever be
// told. It is refused instead, and thought anew; if its memory stays behind, the delivery comes
// again.
func (d *draft) onlyWhileOff() {
	if d.o.Announced || d.o.Pending || d.historic() || d.home.on() || d.home.Version == 0 {
		return
	}
	d.tx.Look(records.Connections, d.home.ID, d.home.Version)
}

// Announce tells the others of the orders of a connection that were taken in while it was only
// observed. Each is told of once, for ever, so that it can be done again. One that cannot be told of
// holds up no other: it fails, behind the last one, with what went wrong with the first few. With
// the store's error in reading, or when ctx ends, those before it are announced.
//
// It walks over all orders of the connection once for each version of its document, and not for each
// leader: under a document that says that it is on, no order is written that is not told of (see
// onlyWhileOff), so that a walk that came to its end need never be made again.
func (b *Book) Announce(ctx context.Context, connection string) error {
	a, ok := b.Accounts.Account(connection)
	if !ok {
		return &Error{code: "invalid", at: "connection", detail: "no connection " + connection}
	}
	done, err := b.announced(ctx, &a)
	if done || err != nil {
		return err
	}
	var failed []error
	prefix := a.Kind + ":" + a.ID + ":"
	for after, more := "", true; more; {
		var rows []records.Record
		var err error
		rows, more, err = b.Store.List(ctx, records.Orders, prefix, after, announcePage)
		if err != nil {
			return err
		}
		for i := range rows {
			after = rows[i].Key
			if o, err := decode(rows[i]); err != nil || o.Announced {
				continue // what cannot be read is told by whoever reads that order
			}
			if _, err := b.change(ctx, after, func(d *draft) error {
				d.by = d.home.ID
				d.announce()
				return nil
			}); ctx.Err() != nil {
				return ctx.Err()
			} else if err != nil && len(failed) < maxFailed {
				failed = append(failed, fmt.Errorf("announce order %s: %w", after, err))
			}
		}
	}
	if len(failed) > 0 {
		return errors.Join(failed...)
	}
	return b.keepAnnounced(ctx, &a)
}

// announcedFeed is the cursor whose value is the version of the document under which all orders of a
// connection have been told of.
const announcedFeed = "/announced"

func (b *Book) announced(ctx context.Context, a *Account) (bool, error) {
	row, ok, err := b.Store.Get(ctx, records.Cursors, a.ID+announcedFeed)
	return ok && a.Version != 0 && row.Value == int64(a.Version), err
}

// keepAnnounced notes that the walk has come to its end, unless the document has changed meanwhile: then
// an order may have been passed by as of another one. When the process dies before it, or it cannot be
// written, the walk is made again.
func (b *Book) keepAnnounced(ctx context.Context, a *Account) error {
	if a.Version == 0 || !a.on() {
		return nil
	}
	var tx records.Tx
	tx.Look(records.Connections, a.ID, a.Version)
	tx.Put(records.Record{Table: records.Cursors, Key: a.ID + announcedFeed, Value: int64(a.Version)})
	_, err := b.Store.Submit(ctx, &tx)
	return err
}

// maxFailed bounds how many orders an error of Announce names.
const maxFailed = 10

// announcePage is how many orders are read at once.
const announcePage = 200

// say notes an event and queues what the rules make of it. Nobody is told of what happens to an
// order of which nobody was told.
func (d *draft) say(e Event, part string, more map[string]any) {
	if e != Created {
		d.o.note(Moment{At: d.now, What: string(e), By: d.by, More: part})
	}
	if !d.o.Announced {
		return
	}
	d.heard = append(d.heard, Happening{Event: e, Order: d.o.ID, Channel: d.o.Channel, By: d.by,
		Part: part, More: more, At: d.now, Version: d.old, Nth: len(d.heard)})
	for i := range rules {
		r := &rules[i]
		if r.event != e || r.home != "" && r.home != d.home.Kind {
			continue
		}
		if r.atHome {
			if d.home.Kind == r.to && d.home.on() && d.by != d.home.ID {
				d.enqueue(r.task, d.home.ID, part, more)
			}
			continue
		}
		for _, a := range d.b.Accounts.Accounts() {
			knows := a.ID == d.home.ID || a.ID == d.by || a.ID == d.asker
			if a.Kind == r.to && !knows && a.on() && d.tells(&a) {
				d.enqueue(r.task, a.ID, part, more)
			}
		}
	}
}

// tells reports whether an account has, or is to have, the order: shops get those of the
// connections that name them, books get all.
func (d *draft) tells(a *Account) bool {
	if a.Kind != "shopify" && a.Kind != "amazon" {
		return true
	}
	if d.o.knows(a.ID) {
		return true
	}
	if d.o.Quiet {
		return false
	}
	for _, into := range d.home.Into {
		if into == a.ID {
			return true
		}
	}
	return false
}

// enqueue queues a task of the order. It is about the order's key, of which one task runs at a
// time, and it is one for each part: a package, a refund, a return.
func (d *draft) enqueue(kind, connection, part string, more map[string]any) {
	for _, q := range d.said {
		if q == (queued{kind, connection, part}) {
			return
		}
	}
	d.said = append(d.said, queued{kind, connection, part})
	t := outbox.Task{Kind: kind, Connection: connection, Key: d.o.ID, CreatedAt: d.now,
		Trace: d.o.ID}
	if kind != erpOrder {
		t.Part = joined(connection, part)
		t.After = d.after(kind, connection)
	}
	if len(more) > 0 {
		t.Payload = json.RawMessage(d.tx.Encode(more))
	}
	d.tasks = append(d.tasks, t)
}

// queue writes the tasks. Those of an order that is new here cannot be there already; of the others
// one may be, because the same was said before, and then it is as it is, or brought up to date.
func (d *draft) queue() error {
	if kind := assigns[d.home.Kind]; (d.unsure || d.look) && kind != "" {
		d.o.Guessed = d.o.Guessed || d.unsure
		d.tasks = append(d.tasks, outbox.Task{Kind: kind, Connection: d.home.ID, Key: d.o.ID,
			CreatedAt: d.now, Trace: d.o.ID, Flow: "F3"})
	}
	for _, t := range d.tasks {
		var err error
		switch {
		case d.fresh && !anew[t.Kind]:
			outbox.Enqueue(&d.tx, t)
		case anew[t.Kind]:
			err = outbox.Again(d.ctx, d.b.Store, &d.tx, t)
		default:
			_, err = outbox.Ensure(d.ctx, d.b.Store, &d.tx, t)
		}
		if err != nil {
			return err
		}
	}
	for _, h := range d.heard {
		if d.b.Listeners == nil {
			break
		}
		if err := d.b.Listeners.Tell(d.ctx, &d.tx, h); err != nil {
			return err
		}
	}
	return nil
}

// anew are the kinds of task that say how it is now, and so are due again when that has changed.
var anew = map[string]bool{"erp.change": true, "netsuite.change": true, "shopify.hold": true,
	"shopify.release_hold": true, "shopify.move": true, "shopify.fulfilment_orders": true}

// assigns are the kinds of home that say from where an order leaves, and the task that asks. It is
// queued in the transaction that counts units where they are only guessed to be: until it is done, what
// the home shows of their SKU proves nothing.
var assigns = map[string]string{"shopify": "shopify.fulfilment_orders"}

// after is the task that must be done first: an order is made where it is to be changed.
func (d *draft) after(kind, connection string) string {
	a, ok := d.b.Accounts.Account(connection)
	if !ok || connection == d.home.ID {
		return ""
	}
	switch {
	case a.Kind == "erp":
		return outbox.ID(erpOrder, d.o.ID, "")
	case kind == a.Kind+".order":
		return ""
	default:
		return outbox.ID(a.Kind+".order", d.o.ID, connection)
	}
}

func joined(connection, part string) string {
	if part == "" {
		return connection
	}
	return connection + "/" + part
}
