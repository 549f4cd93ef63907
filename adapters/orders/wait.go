package orders

import (
	"context"
	"slices"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/mapping"
	"holdfast/adapters/records"
	"holdfast/engine"
)

// The waits of an order that no mapping ends.
const (
	waitsLedger = "ledger" // the ledger refuses what the order needs
)

// ref is what a line sells, as mappings name it.
func (l *Line) ref(connection string) mapping.Ref {
	switch i := &l.Item; {
	case i.VariantID != 0:
		return mapping.VariantRef(connection, i.VariantID)
	case i.SellerSKU != "":
		return mapping.SellerRef(connection, i.Marketplace, i.SellerSKU)
	}
	return mapping.ItemRef(connection, first(l.Theirs, l.Ref))
}

// wait writes for what the order waits: one exception for each thing that is not mapped, whoever
// waits for it, and a record by which mapping it finds the order. Its other lines wait for nothing.
func (d *draft) wait() error {
	var now []string
	if d.alone {
		now = append(now, waitsLedger)
	}
	var refs []mapping.Ref
	for i := range d.o.Lines {
		l := &d.o.Lines[i]
		if l.Unmapped == "" || l.ToShip == 0 && d.o.sent(l.Ref) == 0 {
			continue
		}
		f := l.ref(d.home.ID)
		if slices.Contains(now, l.Unmapped) {
			continue
		}
		now = append(now, l.Unmapped)
		if err := d.raiseUnmapped(l, f); err != nil {
			return err
		}
		if l.Unmapped == f.Key() {
			refs = append(refs, f)
		} else {
			d.tx.Put(records.Record{Table: records.Waiting, Key: l.Unmapped + "/" + d.o.ID,
				Body: d.tx.Encode(map[string]any{"ref": f, "order": d.o.ID})})
		}
	}
	mapping.Wait(&d.tx, d.o.ID, refs...)
	for _, was := range d.o.Waits {
		if !slices.Contains(now, was) && was != waitsLedger {
			d.tx.Drop(records.Waiting, was+"/"+d.o.ID, 0)
		}
	}
	d.o.Waits = now
	return nil
}

// raiseUnmapped says that a thing outside is no SKU of ours yet.
func (d *draft) raiseUnmapped(l *Line, f mapping.Ref) error {
	if slices.Contains(d.o.Waits, l.Unmapped) {
		return nil
	}
	e := exceptions.Exception{Trace: f.Trace(), Class: exceptions.Data, Code: "unmapped-sku",
		Key: first(l.Theirs, f.ID), Flow: "F10", Actions: []string{"map", exceptions.ActResolve},
		Detail: f.String() + " is mapped to no SKU; orders for it wait."}
	if l.Unmapped != f.Key() {
		e.Trace, e.Code = "sku:"+l.Unmapped, "unknown-sku"
		e.Detail = f.String() + " is mapped to a SKU that the ledger does not know; orders wait."
	}
	return d.raise(e)
}

// Released tells that something for which an order waited is mapped. The order's waiting lines get
// their stock, and only they. It fails with the store's error, or when the order must wait on.
func (b *Book) Released(ctx context.Context, id string) error {
	o, err := b.Retry(ctx, id)
	if e, ok := err.(*Error); ok && e.code == "unknown-order" {
		return nil
	}
	if err == nil && len(o.Waits) > 0 && slices.ContainsFunc(o.Lines, func(l Line) bool {
		return l.Unmapped != "" && l.Unmapped != l.ref(o.Home.System).Key()
	}) {
		return &Error{code: "wrong-state", detail: "a SKU of the order is not known to the ledger"}
	}
	return err
}

// Mapped tells that nothing waits for a thing any more: its exception is closed. It fails with the
// store's error.
func (b *Book) Mapped(ctx context.Context, f mapping.Ref) error {
	_, err := records.Retry(ctx, b.Store, func(tx *records.Tx) error {
		if err := exceptions.Clear(ctx, b.Store, tx, f.Trace(), b.now()); err != nil {
			return err
		}
		return exceptions.Clear(ctx, b.Store, tx, "sku:"+unknownKey(f), b.now())
	})
	return err
}

// Retry gives an order what it could not have before: its waiting lines are looked up again, and
// the ledger is asked again for what it refused. It fails with unknown-order, or with the store's
// error.
func (b *Book) Retry(ctx context.Context, id string) (Order, error) {
	return b.change(ctx, id, func(d *draft) error {
		for i := range d.o.Lines {
			l := &d.o.Lines[i]
			if l.Unmapped == "" {
				continue
			}
			if err := d.identify(l); err != nil {
				return err
			}
			d.moved = d.moved || l.SKU != ""
		}
		if slices.Contains(d.o.Waits, waitsLedger) {
			d.moved = true
			return exceptions.Clear(ctx, b.Store, &d.tx, "ledger:"+id, d.now)
		}
		return nil
	})
}

func unknownKey(f mapping.Ref) string { return f.Key() + "/unknown" }

// mend takes out of the order what the ledger has refused, so that the rest can go on: a SKU that
// it does not know waits like an unmapped one, and a pin to a place that cannot serve falls. What
// nobody expected leaves the stock alone, and a person looks at it.
func (d *draft) mend() error {
	for _, code := range d.shy {
		var err error
		switch code {
		case engine.UnknownSKU.String():
			err = d.unknownSKUs()
		case engine.NotListed.String(), engine.UnknownLocation.String():
			err = d.unpin(code)
		default:
			d.alone = true
			err = d.raise(exceptions.Exception{Trace: "ledger:" + d.o.ID, Class: exceptions.Data,
				Code: "ledger-refused", Flow: "F3", Actions: []string{exceptions.ActRetryOrder, exceptions.ActResolve},
				Detail: "The ledger refuses the stock of the order: " + code})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *draft) unknownSKUs() error {
	_, err := d.b.Store.Ledger(d.ctx, func(l *engine.Ledger) bool {
		for i := range d.o.Lines {
			line := &d.o.Lines[i]
			if line.SKU == "" {
				continue
			}
			if _, ok := l.SKU(line.SKU); !ok {
				line.SKU, line.Unmapped = "", unknownKey(line.ref(d.home.ID))
			}
		}
		return false
	})
	return err
}

func (d *draft) unpin(code string) error {
	for i := range d.o.Lines {
		d.o.Lines[i].Location = ""
	}
	d.o.Route.Locations = nil
	return d.raise(exceptions.Exception{Trace: "location:" + d.o.ID, Class: exceptions.Data,
		Code: code, Flow: "F3", Actions: []string{"move", "resolve"},
		Detail: "The order is pinned to a location that its channel does not list: it has other stock."})
}
