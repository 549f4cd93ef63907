package orders

import (
	"context"
	"slices"
	"strings"

	"holdfast/adapters/exceptions"
)

// CancelRequest is what somebody other than the order's home wants.
type CancelRequest struct {
	By     string `json:"by"`     // system
	Reason string `json:"reason"` // CUSTOMER, INVENTORY, DECLINED, FRAUD, STAFF, OTHER
	// Restock says that the units are where they were; it is passed on to the home.
	Restock bool `json:"restock"`
	// Buyer: it is the buyer who asks at the marketplace, and somebody must still accept or
	// decline.
	Buyer bool `json:"buyer"`
}

// callOff is what becomes of a request to cancel an order.
type callOff uint8

const (
	askHome  callOff = iota // the home is asked; units stay promised until it says that it is cancelled
	askBuyer                // only the buyer can, where he bought: a person must tell him
	askUs                   // nothing leaves until a person has accepted or declined
	tooLate                 // some of it has left: a person must decide
)

// callOffs is the cancellation matrix for what does not come from the home, first match first.
var callOffs = []struct {
	home, fulfilledBy string // "" is any
	buyer, sent       bool   // true: only then
	do                callOff
}{
	{home: "amazon", fulfilledBy: "amazon", do: askBuyer},
	{buyer: true, sent: true, do: tooLate},
	{buyer: true, do: askUs},
	{home: "amazon", sent: true, do: tooLate},
	{do: askHome},
}

// amazonReasons are the words of the acknowledgement feed; the last is for all others.
var amazonReasons = map[string]string{"CUSTOMER": "BuyerCanceled", "INVENTORY": "NoInventory",
	"DECLINED": "RiskAssessmentInformationNotValid", "": "GeneralAdjustment"}

// Cancel passes on that somebody wants an order cancelled. Only its home can do that: units stay
// promised until the home says so. What the home cannot do becomes an exception. An order that is
// cancelled already is answered as it is.
//
// It fails with unknown-order, with wrong-state when nothing is left to cancel, or with the store's
// error.
func (b *Book) Cancel(ctx context.Context, id string, r CancelRequest) (Order, error) {
	return b.change(ctx, id, func(d *draft) error {
		d.by = r.By
		if !d.o.CancelledAt.IsZero() || d.o.State == Cancelled || d.asked(&r) {
			return nil
		}
		if d.o.State == Shipped {
			return &Error{code: "wrong-state", detail: "all of the order has shipped"}
		}
		sent := d.anySent()
		for _, row := range callOffs {
			if (row.home == "" || row.home == d.home.Kind) &&
				(row.fulfilledBy == "" || row.fulfilledBy == d.o.FulfilledBy) &&
				(!row.buyer || r.Buyer) && (!row.sent || sent) {
				d.moved = true
				return d.callOff(row.do, &r)
			}
		}
		return nil
	})
}

// asked reports whether the same was asked before.
func (d *draft) asked(r *CancelRequest) bool {
	if r.Buyer {
		return slices.Contains(d.o.Holds, holdBuyer)
	}
	return d.o.Cancel != nil
}

// HoldBuyer is why an order is held whose buyer asks to cancel it, and the handle of that hold.
const HoldBuyer = "buyer-asks"

const holdBuyer = HoldBuyer

func (d *draft) callOff(do callOff, r *CancelRequest) error {
	e := exceptions.Exception{Trace: "cancel:" + d.o.ID, Class: exceptions.Conflict, Flow: "F4",
		Actions: []string{"resolve"}}
	switch do {
	case askBuyer:
		e.Code = "ask-buyer"
		e.Detail = "The order is fulfilled by Amazon: ask the buyer to cancel at Amazon."
		return d.raise(e)
	case tooLate:
		e.Code = "partly-shipped"
		e.Detail = "Some units have left: the order can no longer be cancelled whole."
		return d.raise(e)
	case askUs:
		d.o.Holds = append(d.o.Holds, holdBuyer)
		d.say(BuyerAsks, holdBuyer, map[string]any{"reason": "OTHER", "handle": holdBuyer})
		e.Code = "buyer-asks-to-cancel"
		e.Detail = "The buyer asks to cancel; nothing leaves meanwhile."
		e.Actions = []string{"accept", "decline"}
		return d.raise(e)
	}
	d.o.Cancel = &Cancellation{At: d.now, By: r.By, Reason: r.Reason, Restock: r.Restock}
	more := map[string]any{"reason": r.Reason, "restock": r.Restock}
	if d.home.Kind == "amazon" {
		reason, ok := amazonReasons[strings.ToUpper(r.Reason)]
		if !ok {
			reason = amazonReasons[""]
		}
		more["reason"] = reason
	}
	d.say(CallOff, "", more)
	return nil
}

// Decide answers a buyer who asks to cancel: accepted goes to the home as the buyer's, declined
// lets the order go on. It fails with unknown-order, with wrong-state when nobody asks, or with the
// store's error.
func (b *Book) Decide(ctx context.Context, id, by string, accept bool) (Order, error) {
	return b.change(ctx, id, func(d *draft) error {
		d.by = by
		at := slices.Index(d.o.Holds, holdBuyer)
		if at < 0 {
			return &Error{code: "wrong-state", detail: "no buyer asks to cancel the order"}
		}
		d.moved = true
		d.o.Holds = slices.Delete(d.o.Holds, at, at+1)
		if err := exceptions.Clear(ctx, b.Store, &d.tx, "cancel:"+id, d.now); err != nil {
			return err
		}
		if accept {
			return d.callOff(askHome, &CancelRequest{By: by, Reason: "CUSTOMER", Restock: true})
		}
		d.say(BuyerDeclined, holdBuyer, map[string]any{"handle": holdBuyer})
		return nil
	})
}

// cancelledAtHome follows the home, by our own record of what is promised. What Amazon has in hand
// for us is asked back first, and stays promised until it has said yes.
func (d *draft) cancelledAtHome(c *Cancellation) error {
	d.o.CancelledAt = c.At
	if c.At.IsZero() {
		d.o.CancelledAt = d.now
	}
	kept := *c
	if d.o.Cancel != nil {
		kept.By = d.o.Cancel.By
		if a, ok := d.b.Accounts.Account(kept.By); ok && a.counts() {
			d.asker = kept.By // its own document is cancelled already: that is how it asked
		}
	}
	d.o.Cancel = &kept
	if d.o.Route.MCF && d.stock.found {
		d.o.Keep = keepMCF
		d.say(Recall, "", nil)
		return nil
	}
	d.say(Called, "", map[string]any{"restock": c.Restock, "reason": c.Reason})
	if d.anySent() && slices.ContainsFunc(d.b.Accounts.Accounts(), func(a Account) bool {
		return a.Kind == "netsuite" && a.on()
	}) {
		return d.raise(exceptions.Exception{Trace: "fulfilled:" + d.o.ID, Class: exceptions.Conflict,
			Code: "already-fulfilled", Flow: "F12", Actions: []string{"resolve"},
			Detail: "The order is cancelled, and units of it are fulfilled in NetSuite."})
	}
	return nil
}

// keepMCF is why units of an order stay promised although its home has cancelled it.
const keepMCF = "mcf"

// Recalled says what became of asking Amazon to give back what it was to fulfil: off lets the units
// go, else they are on their way and come back as a return.
//
// It fails with unknown-order, or with the store's error.
func (b *Book) Recalled(ctx context.Context, id, by string, off bool) (Order, error) {
	return b.change(ctx, id, func(d *draft) error {
		d.by = by
		if d.o.Keep != keepMCF {
			return nil
		}
		d.moved = true
		if off {
			d.o.Keep = ""
			d.say(Called, "", map[string]any{"restock": true})
			return nil
		}
		return d.raise(exceptions.Exception{Trace: "cancel:" + d.o.ID, Class: exceptions.Conflict,
			Code: "already-being-packed", Flow: "F4", Actions: []string{"resolve"},
			Detail: "The order is cancelled and already being packed: a return on arrival."})
	})
}

func (d *draft) anySent() bool {
	for i := range d.o.Shipments {
		if !d.o.Shipments[i].Off {
			return true
		}
	}
	return false
}
