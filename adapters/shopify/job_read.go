package shopify

import (
	"context"
	"errors"
	"strings"
	"time"

	"holdfast/adapters/mapping"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
)

func lower(s string) string { return strings.ToLower(s) }

// shopOrder is the gid that the key of a task of an order of this shop names.
func (j *job) shopOrder() (gid, error) {
	rest, ok := strings.CutPrefix(j.t.Key, kindName+":"+j.id+":")
	if !ok {
		return "", refused(codePayload, "%s is no order of shop %s", j.t.Key, j.id)
	}
	return gidOfText(kindOrder, rest), nil
}

// read takes in an order whole, as it is now.
func (j *job) read(ctx context.Context) (outbox.Finish, error) {
	id, err := j.shopOrder()
	if err != nil {
		return outbox.Finish{}, err
	}
	return outbox.Finish{}, j.takeIn(ctx, id, nil)
}

// takeIn reads an order and hands it to the book. returns, when not nil, are those it has.
func (j *job) takeIn(ctx context.Context, id gid, returns []orders.Return) error {
	tree, err := j.readTree(ctx, id)
	if err != nil {
		return err
	}
	got, err := j.receive(ctx, j.all, tree, returns)
	if err != nil || len(j.locations) < 2 || got.Order == "" || got.Ignored != "" ||
		!tree.Cancelled.IsZero() {
		return err
	}
	return j.assign(ctx, id, got.Order)
}

// receive hands an order that was read to the book.
func (s *shop) receive(ctx context.Context, all *Shops, tree *orderTree, returns []orders.Return) (
	orders.Receipt, error) {
	r := reading{conn: s.account}
	r.tree(tree)
	r.snap.Returns = returns
	in := echoes{all.cfg.Book, all.cfg.Mapping}
	return in.receive(ctx, orders.Delivery{Connection: s.id}, r.snap)
}

// places takes in from where the shop wants an order to leave.
func (j *job) places(ctx context.Context) (outbox.Finish, error) {
	id, err := j.shopOrder()
	if err != nil {
		return outbox.Finish{}, err
	}
	return outbox.Finish{}, j.assign(ctx, id, j.t.Key)
}

// An order that is guessed to be where another one needs the room is put right by its own task, as
// soon as the shop has told of it. What has no room after all of roomPatience is for a person, and is
// tried again all the same: first after roomWait, and after longer and longer pauses up to roomPatience.
const (
	roomPatience = 10 * time.Minute
	roomWait     = 5 * time.Second
)

// assign reads the fulfilment orders and tells the book. An order that is a document of ours, or
// that is not known here, is none of the shop's.
func (j *job) assign(ctx context.Context, id gid, order string) error {
	if !strings.HasPrefix(order, kindName+":"+j.id+":") {
		return nil
	}
	at, err := j.readPlaces(ctx, id)
	if err != nil {
		return err
	}
	return j.assignTo(ctx, at, order)
}

// assignTo tells the book from where the shop wants an order of its own to leave.
func (j *job) assignTo(ctx context.Context, at *placesTree, order string) error {
	var all []orders.Assigned
	held := false
	for i := range at.Groups.Nodes {
		g := &at.Groups.Nodes[i]
		if !g.open() {
			continue
		}
		for _, h := range g.Holds {
			held = held || !h.Ours
		}
		for _, l := range g.Lines.Nodes {
			if l.Remaining > 0 {
				all = append(all, orders.Assigned{Ref: l.Line.ID.tail(), Qty: l.Remaining,
					Location: j.ours(g.At.Location.tail()), Group: g.ID.tail()})
			}
		}
	}
	if len(all) > 0 {
		waited := j.all.crowded(order)
		firm := waited >= j.every(roomPatience)
		_, err := j.all.cfg.Book.Assign(ctx, order, all, firm)
		if coded, ok := err.(interface{ Code() string }); ok && coded.Code() == "no-room" {
			// Each try costs a call of the shop's budget, so the pauses grow with the wait.
			pause := min(max(waited/2, j.every(roomWait)), j.every(roomPatience))
			return &outbox.Later{After: pause, Why: err.Error()}
		}
		j.all.uncrowded(order)
		if err != nil {
			return unknownOrder(err)
		}
	}
	_, err := j.all.cfg.Book.Hold(ctx, order, "shop", held)
	return unknownOrder(err)
}

// unknownOrder turns the book's no to an order that it does not have into nothing to do: it was
// ignored when it came in, as a test.
func unknownOrder(err error) error {
	if isUnknownOrder(err) {
		return nil
	}
	return err
}

func isUnknownOrder(err error) bool {
	var coded interface{ Code() string }
	return errors.As(err, &coded) && coded.Code() == "unknown-order"
}

// owner finds out of which order a fulfilment order or a return is, and has that looked at.
func (j *job) owner(ctx context.Context) (outbox.Finish, error) {
	var p ownerPayload
	if err := j.payload(&p); err != nil {
		return outbox.Finish{}, err
	}
	var out struct {
		Group *struct {
			Order gid `json:"orderId"`
		} `json:"fulfillmentOrder"`
		Return *struct {
			Order idTree `json:"order"`
		} `json:"return"`
		Reverse *struct {
			Order idTree `json:"order"`
		} `json:"reverseFulfillmentOrder"`
	}
	op, kind := opOwner, taskPlaces
	switch p.ID.kind() {
	case kindReturn:
		op, kind = opReturnOwner, taskReturns
	case kindReverse:
		op, kind = opReverseOwner, taskReturns
	}
	if err := j.client.do(ctx, op, idVars(p), &out); err != nil {
		return outbox.Finish{}, err
	}
	var order gid
	switch {
	case out.Group != nil:
		order = out.Group.Order
	case out.Return != nil:
		order = out.Return.Order.ID
	case out.Reverse != nil:
		order = out.Reverse.Order.ID
	}
	if order.tail() == "" {
		return outbox.Finish{}, &outbox.Needless{Why: string(p.ID) + " is no longer there"}
	}
	key := kindName + ":" + j.id + ":" + order.tail()
	return outbox.Finish{Result: map[string]string{"order": key},
		Also: func(ctx context.Context, tx *records.Tx) error {
			return outbox.Again(ctx, j.all.cfg.Store, tx, outbox.Task{Kind: kind, Connection: j.id,
				Key: key, CreatedAt: j.all.cfg.Now().UTC(), Trace: key, Flow: "F3"})
		}}, nil
}

// variantTree is a variant as the API and the bulk catalogue give it.
type variantTree struct {
	ID      gid       `json:"id"`
	SKU     string    `json:"sku"`
	Barcode string    `json:"barcode"`
	Title   string    `json:"displayName"`
	Bundle  bool      `json:"requiresComponents"`
	Updated time.Time `json:"updatedAt"`
	Product struct {
		ID gid `json:"id"`
	} `json:"product"`
	Item struct {
		ID      gid  `json:"id"`
		Tracked bool `json:"tracked"`
		Ships   bool `json:"requiresShipping"`
	} `json:"inventoryItem"`
}

func (v *variantTree) item(connection string) mapping.Item {
	i := mapping.Item{Connection: connection, VariantID: v.ID.number(),
		InventoryItemID: v.Item.ID.number(), ProductID: v.Product.ID.number(), SKU: v.SKU,
		Barcode: v.Barcode, Title: v.Title, Tracked: v.Item.Tracked, Bundle: v.Bundle,
		UpdatedAt: v.Updated.UTC(), Fulfilment: "merchant"}
	switch {
	case !v.Item.Ships:
		i.NotStock = "not-shipped"
	case !v.Item.Tracked:
		i.NotStock = "untracked"
	}
	return i
}

// productPages bounds the variants of a product, of which there are at most 2,048.
const productPages = 30

// product brings the catalogue to the variants that a product has now.
func (j *job) product(ctx context.Context) (outbox.Finish, error) {
	_, id, _ := strings.Cut(j.t.Key, "/")
	vars := struct {
		Product gid     `json:"product"`
		After   *string `json:"after"`
	}{Product: gidOfText("Product", id)}
	var items []mapping.Item
	for range productPages {
		var out struct {
			Product *struct {
				Variants struct {
					Page  pageInfo      `json:"pageInfo"`
					Nodes []variantTree `json:"nodes"`
				} `json:"variants"`
			} `json:"product"`
		}
		if err := j.client.do(ctx, opVariants, vars, &out); err != nil {
			return outbox.Finish{}, err
		}
		if out.Product == nil {
			break
		}
		for i := range out.Product.Variants.Nodes {
			items = append(items, out.Product.Variants.Nodes[i].item(j.id))
		}
		if !out.Product.Variants.Page.More {
			break
		}
		vars.After = &out.Product.Variants.Page.End
	}
	gone, err := j.orphans(ctx, vars.Product.number(), items)
	if err != nil {
		return outbox.Finish{}, err
	}
	return outbox.Finish{Result: map[string]int{"variants": len(items), "gone": len(gone)},
		Also: func(ctx context.Context, tx *records.Tx) error {
			round, err := j.round(ctx)
			if err != nil {
				return err
			}
			mapping.KeepItems(tx, round, items[:min(len(items), 1000)])
			for _, key := range gone {
				tx.Drop(records.Catalogue, key, 0)
			}
			return nil
		}}, nil
}

// orphans are the keys of variants that the catalogue has of a product, and the product no longer.
func (j *job) orphans(ctx context.Context, product int64, items []mapping.Item) (keys []string,
	err error) {
	have := make(map[int64]bool, len(items))
	for i := range items {
		have[items[i].VariantID] = true
	}
	prefix := mapping.Variants(j.id)
	for after, more := "", true; more; {
		var rows []records.Record
		rows, more, err = j.all.cfg.Store.List(ctx, records.Catalogue, prefix, after, records.MaxList)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			after = row.Key
			i, err := records.Decode[mapping.Item](row)
			if err == nil && i.ProductID == product && !have[i.VariantID] {
				keys = append(keys, row.Key)
			}
		}
	}
	return keys, nil
}

// round is the number of the last reading of the whole catalogue.
func (j *job) round(ctx context.Context) (int64, error) {
	row, _, err := j.all.cfg.Store.Get(ctx, records.Cursors, j.id+catalogueFeed)
	return row.Value, err
}

// check looks at what the shop lets us do.
func (j *job) check(ctx context.Context) (outbox.Finish, error) {
	found, err := j.shop.check(ctx)
	if err != nil {
		return outbox.Finish{}, err
	}
	return outbox.Finish{Result: found, Also: func(ctx context.Context, tx *records.Tx) error {
		return j.report(ctx, tx, j.all.cfg.Store, found, j.all.cfg.Now().UTC())
	}}, nil
}
