package shopify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"holdfast/adapters/connections"
	"holdfast/adapters/exceptions"
	"holdfast/adapters/mapping"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
)

// topic handles a webhook of one topic. It returns what became of it; with an error nothing did, or
// nobody knows, and the delivery comes again.
type topic func(ctx context.Context, d *delivery) (outcome string, err error)

// topics is every topic that is known. Those that say nothing that a flow needs are taken and left.
var topics = map[string]topic{
	"orders/create":              takeOrder,
	"orders/updated":             takeOrder,
	"orders/cancelled":           takeOrder,
	"orders/fulfilled":           takeOrder,
	"orders/partially_fulfilled": takeOrder,
	"orders/paid":                takeOrder,
	"orders/edited":              takeEdit,
	"orders/delete":              takeDeleted,
	"refunds/create":             takePart,
	"fulfillments/create":        takePart,
	"fulfillments/update":        takePart,

	"returns/request": takeReturn, "returns/approve": takeReturn, "returns/decline": takeReturn,
	"returns/cancel": takeReturn, "returns/close": takeReturn, "returns/reopen": takeReturn,
	"returns/update": takeReturn, "returns/process": takeReturn,
	"reverse_fulfillment_orders/dispose": takeReturn,

	"fulfillment_orders/moved": takePlaced, "fulfillment_orders/split": takePlaced,
	"fulfillment_orders/merged": takePlaced, "fulfillment_orders/placed_on_hold": takePlaced,
	"fulfillment_orders/hold_released": takePlaced, "fulfillment_orders/cancelled": takePlaced,
	"fulfillment_orders/order_routing_complete": takePlaced,
	"fulfillment_holds/added":                   takePlaced, "fulfillment_holds/released": takePlaced,

	"inventory_levels/update": takeLevel, "inventory_levels/connect": takeLevel,
	"inventory_levels/disconnect": takeLevel,
	"inventory_items/create":      leave, "inventory_items/update": leave,
	"inventory_items/delete": leave,
	"products/create":        takeProduct, "products/update": takeProduct, "products/delete": takeGone,
	"variants/in_stock": leave, "variants/out_of_stock": leave,

	"locations/activate": takeCheck, "locations/update": takeCheck, "locations/delete": takeCheck,
	"locations/deactivate": takeDeactivated, "app/scopes_update": takeCheck,
	"app/uninstalled":        takeUninstalled,
	"bulk_operations/finish": leave,

	// Of every app of the App Store: nothing of a buyer is kept, so there is nothing to show or
	// erase.
	"customers/data_request": leave, "customers/redact": leave, "shop/redact": leave,
}

func leave(context.Context, *delivery) (string, error) { return outIgnored, nil }

// takeOrder is the hot path: a body is the whole order, so all that follows from it is one
// transaction and no call.
func takeOrder(ctx context.Context, d *delivery) (string, error) {
	var b orderBody
	complaints, err := readBody(d.w.Body, &b)
	if err != nil {
		return d.unreadable(ctx, err)
	}
	r := reading{conn: d.acc, complaints: complaints, heard: d.heard()}
	if !r.order(&b) {
		return d.unreadable(ctx, errors.New(strings.Join(r.complaints, "; ")))
	}
	home := r.snap.Home.ID
	if len(r.complaints) > 0 {
		// The order counts as far as it is understood; the exception says what is not, and the shop
		// is asked for the whole of it. Dying in between leaves the delivery unremembered: it comes
		// again.
		if err := d.doubt(ctx, home, r.complaints); err != nil {
			return "", err
		}
	}
	in := echoes{d.h.cfg.Book, d.h.cfg.Mapping}
	v := orders.Delivery{Connection: d.acc.id, Topic: d.w.Topic, ID: d.w.ID}
	got, err := in.receive(ctx, v, r.snap)
	switch {
	case err != nil && isNo(err):
		return outBad, d.raise(ctx, "webhook:"+d.acc.id+":order:"+home, "bad-order", err.Error())
	case err != nil:
		return "", err
	case got.Ignored != "":
		return outIgnored, nil
	}
	switch {
	case got.Seen || got.Old:
		return outSeen, nil
	case len(r.complaints) > 0:
		return outBad, nil
	}
	return outTaken, nil
}

// isNo reports whether an error is a no that another try will not change.
func isNo(err error) bool {
	var coded interface{ Code() string }
	return errors.As(err, &coded) && coded.Code() == "invalid"
}

// unreadable keeps a body that cannot be used as an exception of its own. The sale that it may have
// been comes in by the sweep.
func (d *delivery) unreadable(ctx context.Context, why error) (string, error) {
	return outBad, d.raise(ctx, "webhook:"+d.acc.id+":"+d.w.Topic+":"+d.w.ID, "bad-webhook",
		"A webhook cannot be read: "+cut(why.Error()))
}

// doubt raises one exception for an order of which some members cannot be right, and has it read
// from the shop. It does not remember the delivery: that is Receive's.
func (d *delivery) doubt(ctx context.Context, home string, complaints []string) error {
	return d.write(ctx, func(tx *records.Tx) error {
		e := d.exception("webhook:"+d.acc.id+":order:"+home, "bad-order",
			"The shop sent an order with "+strings.Join(complaints, "; ")+".")
		e.Key = d.orderKey(home)
		if err := exceptions.Raise(ctx, d.h.cfg.Store, tx, e); err != nil {
			return err
		}
		_, err := outbox.Ensure(ctx, d.h.cfg.Store, tx, d.task(taskRead, e.Key, "doubt"))
		return err
	})
}

func (d *delivery) write(ctx context.Context, build func(tx *records.Tx) error) error {
	_, err := records.Retry(ctx, d.h.cfg.Store, build)
	return err
}

// orderKey is our id of an order whose home is the shop.
func (d *delivery) orderKey(id string) string { return kindName + ":" + d.acc.id + ":" + id }

func (d *delivery) task(kind, key, part string) outbox.Task {
	return outbox.Task{Kind: kind, Connection: d.acc.id, Key: key, Part: part, CreatedAt: d.now,
		Trace: key, Flow: "F3"}
}

// due queues a task that looks at something as it is now, together with the memory of the delivery.
// Many deliveries of one thing are one look.
func (d *delivery) due(ctx context.Context, t outbox.Task) (string, error) {
	return d.once(ctx, func(tx *records.Tx) error {
		return outbox.Again(ctx, d.h.cfg.Store, tx, t)
	})
}

// takeEdit: the body is a difference without SKUs, so the order is read.
func takeEdit(ctx context.Context, d *delivery) (string, error) {
	var b struct {
		Edit struct {
			OrderID number `json:"order_id"`
		} `json:"order_edit"`
	}
	if _, err := readBody(d.w.Body, &b); err != nil {
		return d.unreadable(ctx, err)
	}
	return d.readOrder(ctx, idOf(b.Edit.OrderID, ""))
}

// takePart is for what belongs to an order and is not the whole of it: refunds and fulfilments.
func takePart(ctx context.Context, d *delivery) (string, error) {
	var b struct {
		OrderID number `json:"order_id"`
	}
	if _, err := readBody(d.w.Body, &b); err != nil {
		return d.unreadable(ctx, err)
	}
	return d.readOrder(ctx, idOf(b.OrderID, ""))
}

func (d *delivery) readOrder(ctx context.Context, id int64) (string, error) {
	if id == 0 {
		return d.unreadable(ctx, errors.New("it does not say of which order it is"))
	}
	return d.due(ctx, d.task(taskRead, d.orderKey(name(id)), ""))
}

// takeReturn: the bodies of these topics are empty or differences, so the returns are read. Some do
// not say of which order: then the return itself leads there.
func takeReturn(ctx context.Context, d *delivery) (string, error) {
	var b struct {
		GID     string `json:"admin_graphql_api_id"`
		OrderID number `json:"order_id"`
		Order   struct {
			ID  number `json:"id"`
			GID string `json:"admin_graphql_api_id"`
		} `json:"order"`
		Return struct {
			GID string `json:"admin_graphql_api_id"`
		} `json:"return"`
	}
	if _, err := readBody(d.w.Body, &b); err != nil {
		return d.unreadable(ctx, err)
	}
	id := idOf(b.Order.ID, b.Order.GID)
	if id == 0 {
		id = idOf(b.OrderID, "")
	}
	if id != 0 {
		return d.due(ctx, d.task(taskReturns, d.orderKey(name(id)), ""))
	}
	for _, g := range []string{b.GID, b.Return.GID} {
		if k := gid(g).kind(); k == kindReturn || k == kindReverse {
			return d.due(ctx, d.ofUnknownOrder(gid(g)))
		}
	}
	return d.unreadable(ctx, errors.New("it does not say of which return it is"))
}

// takePlaced: the bodies name fulfilment orders only.
func takePlaced(ctx context.Context, d *delivery) (string, error) {
	type ref struct {
		ID string `json:"id"`
	}
	var b struct {
		Moved    ref `json:"moved_fulfillment_order"`
		Original ref `json:"original_fulfillment_order"`
		One      ref `json:"fulfillment_order"`
		Into     ref `json:"merge_intent"`
		Order    struct {
			ID string `json:"id"`
		} `json:"order"`
	}
	if _, err := readBody(d.w.Body, &b); err != nil {
		return d.unreadable(ctx, err)
	}
	if id := gid(b.Order.ID).number(); id != 0 && gid(b.Order.ID).kind() == kindOrder {
		return d.due(ctx, d.task(taskPlaces, d.orderKey(name(id)), ""))
	}
	for _, r := range []ref{b.Moved, b.Original, b.One, b.Into} {
		if g := gid(r.ID); g.number() != 0 {
			return d.due(ctx, d.ofUnknownOrder(g))
		}
	}
	return d.unreadable(ctx, errors.New("it names no fulfilment order"))
}

// ofUnknownOrder is the task that finds out whose a thing is.
func (d *delivery) ofUnknownOrder(g gid) outbox.Task {
	t := d.task(taskOwner, d.acc.id+"/"+g.kind()+"/"+g.tail(), "")
	t.Payload, _ = json.Marshal(ownerPayload{g}) // a text always encodes
	return t
}

// takeLevel: the number in the body is that of the moment when it was sent, so it is not read. The
// slot is looked at when the watermark has passed the change.
func takeLevel(ctx context.Context, d *delivery) (string, error) {
	var b struct {
		Item  number `json:"inventory_item_id"`
		Place number `json:"location_id"`
		At    moment `json:"updated_at"`
		GID   string `json:"admin_graphql_api_id"`
	}
	if _, err := readBody(d.w.Body, &b); err != nil {
		return d.unreadable(ctx, err)
	}
	item, place := idOf(b.Item, itemOfLevel(b.GID)), idOf(b.Place, "")
	if item == 0 || place == 0 {
		return d.unreadable(ctx, errors.New("it does not say of which level it is"))
	}
	at := b.At.Time
	if at.IsZero() {
		at = d.heard()
	}
	return d.once(ctx, func(tx *records.Tx) error {
		publish.Look(tx, SlotID(d.acc.id, item, name(place)), at)
		return nil
	})
}

// itemOfLevel is the item that the gid of a level names in its parameter, as a gid.
func itemOfLevel(level string) string {
	_, id, ok := strings.Cut(level, "inventory_item_id=")
	if !ok {
		return ""
	}
	return string(gidOfText(kindItem, id))
}

// PlaceID is the id of a place of a shop's, out of what a connection's document calls it: the number
// alone, or the whole global id.
func PlaceID(theirs string) string { return gid(theirs).tail() }

// SlotID is the id of the slot of an inventory item at a place of the shop's.
func SlotID(connection string, item int64, place string) string {
	return slotPrefix(connection, item) + place
}

// takeProduct queues a look at a product whose variants are not as the catalogue has them. A
// product is "updated" with every sale of it, so most of these bodies say nothing new.
func takeProduct(ctx context.Context, d *delivery) (string, error) {
	var b struct {
		ID       number        `json:"id"`
		GID      string        `json:"admin_graphql_api_id"`
		Variants []variantBody `json:"variants"`
		Named    []struct {
			GID string `json:"admin_graphql_api_id"`
		} `json:"variant_gids"`
	}
	if _, err := readBody(d.w.Body, &b); err != nil {
		return d.unreadable(ctx, err)
	}
	id := idOf(b.ID, b.GID)
	if id == 0 {
		return d.unreadable(ctx, errors.New("the product has no id"))
	}
	same := len(b.Variants) > 0 && len(b.Named) <= len(b.Variants)
	for i := 0; same && i < len(b.Variants); i++ {
		known, err := d.knows(ctx, &b.Variants[i])
		if err != nil {
			return "", err
		}
		same = known
	}
	if same {
		return outIgnored, nil
	}
	return d.due(ctx, d.task(taskProduct, d.acc.id+"/"+name(id), ""))
}

type variantBody struct {
	ID      number `json:"id"`
	GID     string `json:"admin_graphql_api_id"`
	ItemID  number `json:"inventory_item_id"`
	SKU     string `json:"sku"`
	Barcode string `json:"barcode"`
}

// knows reports whether the catalogue has a variant as the body has it.
func (d *delivery) knows(ctx context.Context, v *variantBody) (bool, error) {
	key := mapping.VariantRef(d.acc.id, idOf(v.ID, v.GID)).Key()
	row, ok, err := d.h.cfg.Store.Get(ctx, records.Catalogue, key)
	if err != nil || !ok {
		return false, err
	}
	item, err := records.Decode[mapping.Item](row)
	return err == nil && item.SKU == v.SKU && item.Barcode == v.Barcode &&
		item.InventoryItemID == idOf(v.ItemID, ""), nil
}

// takeGone: a product was deleted.
func takeGone(ctx context.Context, d *delivery) (string, error) {
	var b struct {
		ID number `json:"id"`
	}
	if _, err := readBody(d.w.Body, &b); err != nil {
		return d.unreadable(ctx, err)
	}
	return d.due(ctx, d.task(taskProduct, d.acc.id+"/"+name(idOf(b.ID, "")), ""))
}

// takeDeleted: an order can be deleted only when it is cancelled or archived, so its stock is
// settled. One that we still promise units to is a person's.
func takeDeleted(ctx context.Context, d *delivery) (string, error) {
	var b struct {
		ID number `json:"id"`
	}
	if _, err := readBody(d.w.Body, &b); err != nil {
		return d.unreadable(ctx, err)
	}
	key := d.orderKey(name(idOf(b.ID, "")))
	o, err := d.h.cfg.Book.Get(ctx, key)
	switch {
	case isUnknownOrder(err), err == nil && (o.State == orders.Cancelled || o.State == orders.Shipped):
		return outIgnored, nil
	case err != nil:
		return "", err
	}
	return d.once(ctx, func(tx *records.Tx) error {
		e := d.exception("deleted:"+key, "order-deleted",
			"The shop has deleted an order whose units are still promised: release or ship them.")
		e.Key, e.Class = key, exceptions.Conflict
		return exceptions.Raise(ctx, d.h.cfg.Store, tx, e)
	})
}

// takeCheck has the settings of the shop looked at.
func takeCheck(ctx context.Context, d *delivery) (string, error) {
	return d.due(ctx, d.task(taskCheck, d.acc.id, ""))
}

// takeDeactivated: nothing can be sold from, or pushed to, a location that is off.
func takeDeactivated(ctx context.Context, d *delivery) (string, error) {
	var b struct {
		ID   number `json:"id"`
		GID  string `json:"admin_graphql_api_id"`
		Name string `json:"name"`
	}
	if _, err := readBody(d.w.Body, &b); err != nil {
		return d.unreadable(ctx, err)
	}
	id := idOf(b.ID, b.GID)
	ours := d.acc.ours(name(id))
	if ours == "" {
		return takeCheck(ctx, d)
	}
	return d.once(ctx, func(tx *records.Tx) error {
		e := d.exception("location:"+d.acc.id+":"+name(id), "location-inactive", fmt.Sprintf(
			"The shop has switched off %s, which is our location %s: move its stock and its orders.",
			strconv.Quote(cut(b.Name)), ours))
		e.Key = ours
		if err := exceptions.Raise(ctx, d.h.cfg.Store, tx, e); err != nil {
			return err
		}
		return outbox.Again(ctx, d.h.cfg.Store, tx, d.task(taskCheck, d.acc.id, ""))
	})
}

// takeUninstalled: our token is void and so are the subscriptions. Sales go on over there, so
// somebody must be woken; pausing comes first, because it can be done twice.
func takeUninstalled(ctx context.Context, d *delivery) (string, error) {
	if _, known, err := d.h.cfg.Store.Get(ctx, records.Seen, d.seenKey()); err != nil || known {
		return outSeen, err // somebody may have installed it again since
	}
	if d.acc.conn.Mode == connections.On {
		if _, err := d.h.cfg.Registry.SetMode(ctx, d.acc.id, connections.Paused); err != nil {
			return "", err
		}
	}
	return d.once(ctx, func(tx *records.Tx) error {
		e := d.exception("uninstalled:"+d.acc.id, "app-uninstalled", "The app was uninstalled in the "+
			"shop. The connection is paused: its sales are no longer known here.")
		e.Class, e.Flow = exceptions.Auth, "F0a"
		return exceptions.Raise(ctx, d.h.cfg.Store, tx, e)
	})
}
