package orders

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/records"
	"holdfast/engine"
)

// afterShort looks at once at an order that came out short. What happens to short units by others,
// and whatever a crash leaves undone here, [Book.FollowShort] finds in the ledger's events.
func (b *Book) afterShort(ctx context.Context, d *draft) error {
	for i := range d.stock.results {
		r := d.stock.results[i].Reservation
		if r == nil || r.ID != d.stock.id {
			continue
		}
		short := int64(0)
		for k := range r.Lines {
			short += r.Lines[k].Short
		}
		if short > 0 != d.o.Short {
			// The order is stored; FollowShort comes again when this fails.
			_, _ = b.Reassess(ctx, d.o.ID)
			return nil
		}
	}
	return nil
}

// Reassess compares an order with its short units: one exception says that some have no stock, and
// is closed when all have. Units that the home sells without stock are no exception. When the ledger has
// moved units to where the home does not have them, the home is asked again from where they are to leave.
//
// It fails with unknown-order, or with the store's error.
func (b *Book) Reassess(ctx context.Context, id string) (Order, error) {
	return b.change(ctx, id, func(d *draft) error {
		d.by = ""
		if d.home.counts() && d.home.Places > 1 && !d.agrees() {
			d.look, d.moved = true, true
		}
		short, detail := d.shortUnits()
		switch {
		case short > 0 && !d.o.Short:
			d.o.Short, d.moved = true, true
			d.say(Short, "short", map[string]any{"reason": "INVENTORY_OUT_OF_STOCK"})
			return d.raise(exceptions.Exception{Trace: "short:" + id, Class: exceptions.Stock,
				Code: "short", Flow: "F3", Detail: detail,
				Actions: []string{"wait", "move", "cancel", "substitute"}})
		case short == 0 && d.o.Short:
			d.o.Short, d.moved = false, true
			d.say(Allocated, "short", map[string]any{"reason": "INVENTORY_OUT_OF_STOCK"})
			return exceptions.Clear(ctx, b.Store, &d.tx, "short:"+id, d.now)
		}
		return nil
	})
}

func (d *draft) shortUnits() (n int64, detail string) {
	for i := range d.o.Lines {
		l := &d.o.Lines[i]
		short := int64(0)
		for _, h := range d.linesOf(l) {
			short += h.short
		}
		if short > 0 && !l.Backorder {
			n += short
			detail += " " + strconv.FormatInt(short, 10) + " of " + l.SKU
		}
	}
	return n, "There is no stock for" + detail + "."
}

// shortCursor is how far the events were followed.
const shortCursor = "orders/short"

// followPage is how many events are read at once.
const followPage = 1000

// FollowShort watches the ledger for units of orders that lose their stock, get it, or get it elsewhere:
// each order is reassessed once. One runs in the cluster, on the leader; two do no harm. It returns when ctx
// ends, or with the first error of the store: run it again then.
func (b *Book) FollowShort(ctx context.Context, feed Feed) error {
	at, err := b.shortAt(ctx)
	if err != nil {
		return err
	}
	for {
		changed := feed.EventsChanged()
		events, err := feed.Events(at, followPage)
		var coded interface{ Code() string }
		if errors.As(err, &coded) && coded.Code() == "events-gone" {
			at, err = b.allShort(ctx)
		} else if err == nil && len(events) > 0 {
			at, err = events[len(events)-1].Seq, b.reassessAll(ctx, events)
		}
		if err == nil && len(events) > 0 {
			err = b.keepShort(ctx, at)
		}
		if err != nil {
			return err
		}
		if len(events) == followPage {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (b *Book) reassessAll(ctx context.Context, events []engine.Event) error {
	done := map[string]bool{}
	for i := range events {
		e := &events[i]
		switch e.Type {
		case engine.EventShort, engine.EventAllocated, engine.EventTransferred:
		default:
			continue
		}
		if done[e.Cause] {
			continue
		}
		done[e.Cause] = true
		if err := b.reassess(ctx, e.Cause); err != nil {
			return err
		}
	}
	return nil
}

// reassess is Reassess of whatever order a reservation is of; those of nobody's order are left
// alone.
func (b *Book) reassess(ctx context.Context, reservation string) error {
	id := orderOf(reservation)
	_, err := b.Reassess(ctx, id)
	var no *Error
	if errors.As(err, &no) {
		return nil
	}
	return err
}

// allShort reassesses every reservation that is short, and returns the sequence that was newest
// before it looked: for when the events in between are no longer kept.
func (b *Book) allShort(ctx context.Context) (at uint64, err error) {
	var scan *engine.ReservationScan
	for after := uint64(0); ; {
		scan = nil
		if _, err = b.Store.Ledger(ctx, func(l *engine.Ledger) bool {
			if scan == nil {
				scan = l.ScanReservations(engine.ReservationFilter{State: engine.Short}, after,
					followPage)
				if after == 0 {
					at = l.LastEvent()
				}
			}
			return scan.Step(256)
		}); err != nil {
			return 0, err
		}
		page := scan.Page()
		for i := range page {
			after = page[i].Seq
			if err := b.reassess(ctx, page[i].ID); err != nil {
				return 0, err
			}
		}
		if len(page) < followPage {
			return at, b.keepShort(ctx, at)
		}
	}
}

func (b *Book) shortAt(ctx context.Context) (at uint64, err error) {
	r, ok, err := b.Store.Get(ctx, records.Cursors, shortCursor)
	if err != nil || !ok {
		return 0, err
	}
	return at, json.Unmarshal(r.Body, &at)
}

func (b *Book) keepShort(ctx context.Context, at uint64) error {
	var tx records.Tx
	tx.Put(records.Record{Table: records.Cursors, Key: shortCursor,
		Body: strconv.AppendUint(nil, at, 10)})
	_, err := b.Store.Submit(ctx, &tx)
	return err
}
