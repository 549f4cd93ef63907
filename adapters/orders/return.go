package orders

import (
	"context"
	"slices"
	"strings"

	"holdfast/engine"
)

// Return records units that come back, or have. They raise on hand when they are received as
// sellable by the system that is master of the location; a location of ours takes the word of
// whoever calls. The same id again brings it up to date.
//
// It fails with unknown-order, invalid, with wrong-state when more comes back than has left,
// with not-master, or with the store's error.
func (b *Book) Return(ctx context.Context, id string, r Return) (Order, error) {
	return b.change(ctx, id, func(d *draft) error {
		d.by = r.By
		if r.At.IsZero() {
			r.At = d.now
		}
		if err := d.checkLines(r.Lines); err != nil {
			return err
		}
		have := d.knownReturn(&r)
		if have != nil && have.By == r.By && have.State == ReturnReceived {
			return nil
		}
		if len(r.Lines) == 0 && have != nil {
			r.Lines = have.Lines
		}
		if err := d.checkReturn(&r); err != nil {
			return err
		}
		d.returnsOf([]Return{r})
		return nil
	})
}

// checkReturn refuses a return of more than has left, and one that is not its reporter's to
// receive.
func (d *draft) checkReturn(r *Return) error {
	if len(r.Lines) == 0 {
		return &Error{code: "invalid", at: "lines", detail: "lines must name what comes back"}
	}
	for _, line := range r.Lines {
		back := d.o.backBy(line.Ref, func(have *Return) bool {
			return have.By == r.By && have.ID != r.ID && have.State != ReturnDeclined
		})
		if back+line.Qty > d.o.sent(line.Ref) {
			return &Error{code: "wrong-state", at: "lines",
				detail: "fewer units of line " + line.Ref + " have left than would come back"}
		}
	}
	if r.State != ReturnReceived || r.Disposition != engine.Sellable.String() {
		return nil
	}
	if r.Location == "" {
		for i := range d.o.Shipments {
			r.Location = first(r.Location, d.o.Shipments[i].Location)
		}
		var err error
		if r.Location, err = d.orGuess(r.Location, d.o.line(r.Lines[0].Ref), 0); err != nil {
			return err
		}
	}
	may, err := d.mayCount(r.By, r.Location)
	if err == nil && !may {
		err = &Error{code: "not-master", at: "location",
			detail: "another system receives what comes back to " + r.Location}
	}
	return err
}

// Refund records money that went back. It moves no stock: that is in a return, or in what the home
// says of its lines. A refund made elsewhere on an order of Amazon's cannot be sent there.
//
// It fails with unknown-order, invalid, or with the store's error.
func (b *Book) Refund(ctx context.Context, id string, r Refund) (Order, error) {
	return b.change(ctx, id, func(d *draft) error {
		d.by = r.By
		if r.At.IsZero() {
			r.At = d.now
		}
		if err := d.checkLines(r.Lines); err != nil {
			return err
		}
		known := d.knownRefund(&r) != nil
		d.refunds([]Refund{r})
		if !known && d.home.Kind == "amazon" && r.By != d.home.ID {
			return d.raise(refundElsewhere(d.o.ID, r.ID))
		}
		return nil
	})
}

// refunds notes money that went back, once: what a system was told of comes back from it under a
// name of its own.
func (d *draft) refunds(all []Refund) {
	for _, r := range all {
		r.By = first(r.By, d.by)
		have := d.knownRefund(&r)
		if have == nil {
			d.o.Refunds = append(d.o.Refunds, r)
			d.say(Refunded, r.ID, nil)
			d.moved = true
			continue
		}
		d.alias(have.By, &have.IDs, External{r.By, "refund", r.ID})
	}
}

// alias notes what another system than the first calls a thing.
func (d *draft) alias(by string, ids *[]External, id External) {
	if by != id.System && !slices.Contains(*ids, id) {
		*ids = append(*ids, id)
		d.moved = true
	}
}

// knownRefund finds the refund that a report is about: by its reporter's name of it, else one of
// the same amount, or of the same lines, that only others have reported.
func (d *draft) knownRefund(r *Refund) *Refund {
	for i := range d.o.Refunds {
		have := &d.o.Refunds[i]
		if have.By == r.By && have.ID == r.ID ||
			slices.Contains(have.IDs, External{r.By, "refund", r.ID}) {
			return have
		}
	}
	for i := range d.o.Refunds {
		have := &d.o.Refunds[i]
		own := have.By == r.By || slices.ContainsFunc(have.IDs, func(e External) bool {
			return e.System == r.By
		})
		same := plain(have.Amount) == plain(r.Amount)
		if have.Amount == "" || r.Amount == "" {
			same = sameLines(have.Lines, r.Lines)
		}
		if !own && same {
			return have
		}
	}
	return nil
}

// plain is a decimal without the zeros behind its point.
func plain(amount string) string {
	if !strings.Contains(amount, ".") {
		return amount
	}
	return strings.TrimRight(strings.TrimRight(amount, "0"), ".")
}

// returnsOf notes what comes back, or has. What was received stays so.
func (d *draft) returnsOf(all []Return) {
	for _, r := range all {
		r.By = first(r.By, d.by)
		r.Lines = slices.Clone(r.Lines)
		have := d.echoed(&r)
		if have != nil && (have.Counted || r.Disposition != engine.Sellable.String()) {
			d.alias(have.By, &have.IDs, External{r.By, "return", r.ID})
			continue
		}
		if have == nil {
			have = d.knownReturn(&r)
		}
		if have == nil {
			d.o.Returns = append(d.o.Returns, r)
			d.sayReturn(&r)
			continue
		}
		d.alias(have.By, &have.IDs, External{r.By, "return", r.ID})
		switch {
		case have.State == ReturnReceived &&
			(have.Counted || have.By == r.By || r.State != ReturnReceived):
			have.grow(r.Lines, have.By == r.By)
		case have.State != r.State || have.By != r.By && r.State == ReturnReceived:
			asker := d.asker
			if have.State == ReturnReceived {
				d.asker = have.By // it has said so itself
			}
			have.become(&r)
			d.sayReturn(have)
			d.asker = asker
		}
	}
}

// echoed finds the receipt that a part of a return is the echo of: another system has reported it,
// the reporter was told of it, and says now what it did with those units. What it did with more of
// them is news.
func (d *draft) echoed(r *Return) *Return {
	if r.Of == "" || r.State != ReturnReceived {
		return nil
	}
	for i := range d.o.Returns {
		have := &d.o.Returns[i]
		if have.By != r.By && have.State == ReturnReceived && covers(have.Lines, r.Lines) &&
			slices.Contains(have.IDs, External{r.By, "return", r.Of}) {
			return have
		}
	}
	return nil
}

// covers reports whether all that part has is in whole.
func covers(whole, part []ShipmentLine) bool {
	for _, p := range part {
		if !slices.ContainsFunc(whole, func(l ShipmentLine) bool {
			return l.Ref == p.Ref && l.Qty >= p.Qty
		}) {
			return false
		}
	}
	return true
}

// sayReturn tells the others of a return that is asked for, or has come.
func (d *draft) sayReturn(r *Return) {
	d.moved = true
	switch r.State {
	case ReturnRequested:
		d.say(Requested, r.ID, nil)
	case ReturnReceived:
		d.say(Received, r.ID, nil)
	}
}

// knownReturn finds the return that a report is about: by its reporter's name of it, else one of
// the same units that only others have reported.
func (d *draft) knownReturn(r *Return) *Return {
	own := func(have *Return) bool {
		return have.By == r.By || slices.ContainsFunc(have.IDs, func(e External) bool {
			return e.System == r.By
		})
	}
	for i := range d.o.Returns {
		have := &d.o.Returns[i]
		if have.By == r.By && have.ID == r.ID ||
			slices.Contains(have.IDs, External{r.By, "return", r.ID}) {
			return have
		}
	}
	for i := range d.o.Returns {
		if have := &d.o.Returns[i]; !own(have) && sameLines(have.Lines, r.Lines) {
			return have
		}
	}
	return nil
}

// become takes over what a later word, or that of the location's master, says of a return. Its name
// stays: tasks know it by that.
func (have *Return) become(r *Return) {
	id, ids := have.ID, have.IDs
	if first := (External{have.By, "return", id}); have.By != r.By && !slices.Contains(ids, first) {
		ids = append(ids, first)
	}
	*have = *r
	have.ID, have.IDs = id, ids
}

// grow raises the lines of a return to what its own reporter says now.
func (r *Return) grow(lines []ShipmentLine, own bool) {
	if !own {
		return
	}
	for _, l := range lines {
		at := slices.IndexFunc(r.Lines, func(have ShipmentLine) bool { return have.Ref == l.Ref })
		if at < 0 {
			r.Lines = append(r.Lines, l)
		} else {
			r.Lines[at].Qty = max(r.Lines[at].Qty, l.Qty)
		}
	}
}
