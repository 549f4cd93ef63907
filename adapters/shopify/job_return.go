package shopify

import (
	"context"
	"errors"
	"strings"
	"time"

	"holdfast/adapters/lenient"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
	"holdfast/engine"
)

// returnTree is a return as the API gives it.
type returnTree struct {
	ID      gid       `json:"id"`
	Status  string    `json:"status"`
	Created time.Time `json:"createdAt"`
	Lines   struct {
		Nodes []returnLine `json:"nodes"`
	} `json:"returnLineItems"`
	Reverse struct {
		Nodes []struct {
			Lines struct {
				Nodes []reverseLine `json:"nodes"`
			} `json:"lineItems"`
		} `json:"nodes"`
	} `json:"reverseFulfillmentOrders"`
}

type fulfilledLine struct {
	ID   gid    `json:"id"`
	Line idTree `json:"lineItem"`
}

type returnLine struct {
	ID     gid           `json:"id"`
	Qty    int64         `json:"quantity"`
	Open   int64         `json:"unprocessedQuantity"`
	Note   string        `json:"returnReasonNote"`
	Origin fulfilledLine `json:"fulfillmentLineItem"`
}

type reverseLine struct {
	ID           gid           `json:"id"`
	Total        int64         `json:"totalQuantity"`
	Origin       fulfilledLine `json:"fulfillmentLineItem"`
	Dispositions []struct {
		Qty      int64   `json:"quantity"`
		Type     string  `json:"type"`
		Location *idTree `json:"location"`
	} `json:"dispositions"`
}

func (s *shop) readReturns(ctx context.Context, id gid) ([]returnTree, error) {
	var out struct {
		Order *struct {
			Returns struct {
				Nodes []returnTree `json:"nodes"`
			} `json:"returns"`
		} `json:"order"`
	}
	if err := s.client.do(ctx, opReturns, idVars{id}, &out); err != nil {
		return nil, err
	}
	if out.Order == nil {
		return nil, refused(codeGone, "the shop has no order %s", id.tail())
	}
	return out.Order.Returns.Nodes, nil
}

// returns takes in the returns of an order, with the order as it is then.
func (j *job) returns(ctx context.Context) (outbox.Finish, error) {
	id, err := j.shopOrder()
	if err != nil {
		return outbox.Finish{}, err
	}
	trees, err := j.readReturns(ctx, id)
	if err != nil {
		return outbox.Finish{}, err
	}
	var all []orders.Return
	for i := range trees {
		all = append(all, j.snapshots(&trees[i])...)
	}
	return outbox.Finish{}, j.takeIn(ctx, id, all)
}

// snapshots are a return as the book knows it. Its units are back only where the shop says that it
// has put them on a shelf, or not, each in its own way; until then they are expected.
func (s *shop) snapshots(t *returnTree) []orders.Return {
	state := map[string]string{"REQUESTED": orders.ReturnRequested, "OPEN": orders.ReturnRequested,
		"CLOSED": orders.ReturnClosed, "CANCELED": orders.ReturnDeclined,
		"DECLINED": orders.ReturnDeclined}[t.Status]
	if state == "" {
		state = orders.ReturnRequested
	}
	base := orders.Return{ID: t.ID.tail(), By: s.id, At: t.Created.UTC(), State: state}
	for _, l := range t.Lines.Nodes {
		if ref := l.Origin.Line.ID.tail(); ref != "" && l.Qty > 0 {
			base.Lines = append(base.Lines, orders.ShipmentLine{Ref: ref, Qty: within(l.Qty)})
		}
	}
	all := []orders.Return{base}
	for _, group := range t.Reverse.Nodes {
		for _, l := range group.Lines.Nodes {
			for _, d := range l.Dispositions {
				if back, ok := disposed(d.Type); ok && d.Qty > 0 {
					all = join(all, orders.Return{
						ID: base.ID + "/" + back + "@" + d.Location.tail(), Of: base.ID, By: s.id,
						At:    base.At,
						State: orders.ReturnReceived, Disposition: back,
						Location: s.ours(d.Location.tail())},
						orders.ShipmentLine{Ref: l.Origin.Line.ID.tail(), Qty: within(d.Qty)})
				}
			}
		}
	}
	return all
}

// disposed is what a disposition means; ok is false while the units are still looked at.
func disposed(kind string) (disposition string, ok bool) {
	switch kind {
	case "RESTOCKED":
		return "sellable", true
	case "NOT_RESTOCKED":
		return "damaged", true
	case "MISSING":
		return "lost", true
	}
	return "", false
}

// join adds a line to the return of an id.
func join(all []orders.Return, r orders.Return, l orders.ShipmentLine) []orders.Return {
	for i := range all {
		if all[i].ID == r.ID {
			all[i].Lines = append(all[i].Lines, l)
			return all
		}
	}
	r.Lines = []orders.ShipmentLine{l}
	return append(all, r)
}

// ofTask is the return of an order that the task is about.
func (j *job) ofTask(o *orders.Order) (*orders.Return, error) {
	for i := range o.Returns {
		if o.Returns[i].ID == j.part() {
			return &o.Returns[i], nil
		}
	}
	return nil, refused(codeGone, "order %s has no return %s", o.ID, cut(j.part()))
}

// notePrefix marks the lines of a return that we made, so that it is found again.
const notePrefix = "holdfast "

// returned makes a return that was asked for elsewhere. Shopify does not deduplicate it: the note
// on its lines is looked for first.
func (j *job) returned(ctx context.Context) (outbox.Finish, error) {
	o, r, id, err := j.loadReturn(ctx)
	if err != nil {
		return outbox.Finish{}, err
	}
	t, err := j.ensureReturn(ctx, o, r, id)
	if err != nil {
		return outbox.Finish{}, err
	}
	return outbox.Finish{Result: map[string]string{"return": t.ID.tail()}}, nil
}

func (j *job) loadReturn(ctx context.Context) (o *orders.Order, r *orders.Return, id gid, err error) {
	if o, err = j.load(ctx); err != nil {
		return nil, nil, "", err
	}
	if r, err = j.ofTask(o); err != nil {
		return nil, nil, "", err
	}
	if r.By == j.id {
		return nil, nil, "", &outbox.Needless{Why: "the shop has said so itself"}
	}
	id, err = j.there(o)
	return o, r, id, err
}

// ensureReturn finds the return, or makes it.
func (j *job) ensureReturn(ctx context.Context, o *orders.Order, r *orders.Return, id gid) (
	*returnTree, error) {
	note := notePrefix + r.ID
	if t, err := j.findReturn(ctx, id, note); t != nil || err != nil {
		return t, err
	}
	lines, err := j.theirLines(ctx, o, id)
	if err != nil {
		return nil, err
	}
	in, err := j.returnable(ctx, r, id, lines)
	if err != nil {
		return nil, err
	}
	var out struct {
		Root struct {
			Errors []userError `json:"userErrors"`
		} `json:"returnCreate"`
	}
	if err := j.client.do(ctx, opCreateReturn, map[string]any{"input": in}, &out); err != nil {
		return nil, err
	}
	if err := firstError(opCreateReturn, out.Root.Errors); err != nil {
		return nil, err
	}
	t, err := j.findReturn(ctx, id, note)
	if t == nil && err == nil {
		err = answerFault(opCreateReturn, errors.New("the return that was made is not there"))
	}
	return t, err
}

func (j *job) findReturn(ctx context.Context, id gid, note string) (*returnTree, error) {
	all, err := j.readReturns(ctx, id)
	if err != nil {
		return nil, err
	}
	for i := range all {
		for _, l := range all[i].Lines.Nodes {
			if l.Note == note {
				return &all[i], nil
			}
		}
	}
	return nil, nil
}

type returnInput struct {
	Order gid               `json:"orderId"`
	Lines []returnLineInput `json:"returnLineItems"`
}

type returnLineInput struct {
	Line   gid    `json:"fulfillmentLineItemId"`
	Qty    int64  `json:"quantity"`
	Reason string `json:"returnReason"`
	Note   string `json:"returnReasonNote"`
}

// returnable finds the units that come back among those that have left.
func (j *job) returnable(ctx context.Context, r *orders.Return, id gid, lines map[string]string) (
	in returnInput, err error) {
	var out struct {
		Sent struct {
			Nodes []struct {
				Lines struct {
					Nodes []struct {
						Qty    int64         `json:"quantity"`
						Origin fulfilledLine `json:"fulfillmentLineItem"`
					} `json:"nodes"`
				} `json:"returnableFulfillmentLineItems"`
			} `json:"nodes"`
		} `json:"returnableFulfillments"`
	}
	if err := j.client.do(ctx, opReturnable, map[string]gid{"order": id}, &out); err != nil {
		return in, err
	}
	in.Order = id
	for _, l := range r.Lines {
		left := l.Qty
		for _, f := range out.Sent.Nodes {
			for _, n := range f.Lines.Nodes {
				q := min(left, n.Qty)
				if n.Origin.Line.ID.tail() == lines[l.Ref] && q > 0 {
					in.Lines = append(in.Lines, returnLineInput{n.Origin.ID, q, "OTHER", notePrefix + r.ID})
					left -= q
				}
			}
		}
		if left > 0 {
			return in, refused(codeState, "%d units of line %s have not left, or came back", left, l.Ref)
		}
	}
	return in, nil
}

type processInput struct {
	Return gid              `json:"returnId"`
	Lines  []processedInput `json:"returnLineItems"`
	Notify bool             `json:"notifyCustomer"`
}

type processedInput struct {
	ID           gid                `json:"id"`
	Qty          int64              `json:"quantity"`
	Dispositions []dispositionInput `json:"dispositions"`
}

type dispositionInput struct {
	Line     gid    `json:"reverseFulfillmentOrderLineItemId"`
	Qty      int64  `json:"quantity"`
	Type     string `json:"dispositionType"`
	Location gid    `json:"locationId,omitempty"`
}

// receipt tells the shop that units are back. They go on its shelf only where it is the master:
// else whoever is raises the number, and the publisher tells the shop.
func (j *job) receipt(ctx context.Context) (outbox.Finish, error) {
	o, r, id, err := j.loadReturn(ctx)
	if err != nil {
		return outbox.Finish{}, err
	}
	t, err := j.ensureReturn(ctx, o, r, id)
	if err != nil {
		return outbox.Finish{}, err
	}
	master, err := j.master(ctx, r.Location)
	if err != nil {
		return outbox.Finish{}, err
	}
	in := processInput{Return: t.ID}
	var effects []effect
	place := j.theirs(r.Location)
	for _, l := range t.Lines.Nodes {
		if l.Open <= 0 {
			continue // processed by an earlier try
		}
		d := dispositionInput{Line: t.reverseOf(l.Origin.ID), Qty: l.Open, Type: "NOT_RESTOCKED"}
		if master && r.Disposition == "sellable" && place != "" {
			d.Type, d.Location = "RESTOCKED", gidOfText(kindPlace, place)
			if item := j.itemOf(o, l.Origin.Line.ID.tail()); item != 0 {
				effects = append(effects, effect{item, place, l.Open})
			}
		}
		in.Lines = append(in.Lines, processedInput{l.ID, l.Open, []dispositionInput{d}})
	}
	if len(in.Lines) > 0 {
		var out struct {
			Root struct {
				Errors []userError `json:"userErrors"`
			} `json:"returnProcess"`
		}
		if err := j.client.do(ctx, opProcessReturn, map[string]any{"input": in}, &out); err != nil {
			return outbox.Finish{}, err
		}
		if err := firstError(opProcessReturn, out.Root.Errors); err != nil {
			return outbox.Finish{}, err
		}
	}
	return outbox.Finish{Result: map[string]string{"return": t.ID.tail()},
		Also: func(_ context.Context, tx *records.Tx) error {
			j.moved(tx, effects)
			return nil
		}}, nil
}

func (t *returnTree) reverseOf(origin gid) gid {
	for _, group := range t.Reverse.Nodes {
		for _, l := range group.Lines.Nodes {
			if l.Origin.ID == origin {
				return l.ID
			}
		}
	}
	return ""
}

// itemOf is the inventory item of a line of an order that was born here.
func (j *job) itemOf(o *orders.Order, ref string) int64 {
	for i := range o.Lines {
		if o.Lines[i].Ref == ref {
			row, _ := j.row(o.Lines[i].SKU)
			return row.InventoryItemID
		}
	}
	return 0
}

// master reports whether this shop may say how many units are at a location.
func (j *job) master(ctx context.Context, location string) (yes bool, err error) {
	_, err = j.all.cfg.Store.Ledger(ctx, func(l *engine.Ledger) bool {
		loc, ok := l.Location(location)
		yes = ok && loc.Master == kindName+":"+j.id
		return false
	})
	return yes, err
}

type refundInput struct {
	Order gid         `json:"orderId"`
	Note  string      `json:"note"`
	Money []backInput `json:"transactions"`
}

type backInput struct {
	Order   gid    `json:"orderId"`
	Parent  gid    `json:"parentId"`
	Amount  string `json:"amount"`
	Gateway string `json:"gateway"`
	Kind    string `json:"kind"`
}

// refund gives money back that was given back elsewhere: amounts only, no units. It has a key; that
// lives a day, so a later try also looks for its note.
func (j *job) refund(ctx context.Context) (outbox.Finish, error) {
	o, err := j.load(ctx)
	if err != nil {
		return outbox.Finish{}, err
	}
	var r *orders.Refund
	for i := range o.Refunds {
		if o.Refunds[i].ID == j.part() {
			r = &o.Refunds[i]
		}
	}
	switch {
	case r == nil:
		return outbox.Finish{}, refused(codeGone, "order %s has no refund %s", o.ID, cut(j.part()))
	case r.By == j.id:
		return outbox.Finish{}, &outbox.Needless{Why: "the shop has said so itself"}
	case r.Amount == "" || !lenient.IsDecimal(r.Amount) || strings.HasPrefix(r.Amount, "-"):
		return outbox.Finish{}, refused(codePayload, "refund %s has no amount", cut(r.ID))
	}
	id, err := j.there(o)
	if err != nil {
		return outbox.Finish{}, err
	}
	var out struct {
		Order *struct {
			Money []struct {
				ID      gid    `json:"id"`
				Kind    string `json:"kind"`
				Status  string `json:"status"`
				Gateway string `json:"gateway"`
			} `json:"transactions"`
			Refunds []struct {
				Note string `json:"note"`
			} `json:"refunds"`
		} `json:"order"`
	}
	if err := j.client.do(ctx, opMoney, idVars{id}, &out); err != nil {
		return outbox.Finish{}, err
	}
	if out.Order == nil {
		return outbox.Finish{}, refused(codeGone, "the shop has no order %s", id.tail())
	}
	in := refundInput{Order: id, Note: notePrefix + r.ID}
	for _, have := range out.Order.Refunds {
		if have.Note == in.Note {
			return outbox.Finish{}, nil // an earlier try made it
		}
	}
	for _, m := range out.Order.Money {
		if (m.Kind == "SALE" || m.Kind == "CAPTURE") && m.Status == "SUCCESS" && len(in.Money) == 0 {
			in.Money = []backInput{{id, m.ID, r.Amount, m.Gateway, "REFUND"}}
		}
	}
	if len(in.Money) == 0 {
		return outbox.Finish{}, refused(codeState, "order %s has no payment to give back", o.ID)
	}
	return outbox.Finish{}, j.giveBack(ctx, in)
}

func (j *job) giveBack(ctx context.Context, in refundInput) error {
	var out struct {
		Root struct {
			Errors []userError `json:"userErrors"`
		} `json:"refundCreate"`
	}
	vars := struct {
		Input refundInput `json:"input"`
		Key   string      `json:"key"`
	}{in, digestKey([]string{j.t.ID})}
	if err := j.client.do(ctx, opRefund, vars, &out); err != nil {
		return err
	}
	return firstError(opRefund, out.Root.Errors)
}
