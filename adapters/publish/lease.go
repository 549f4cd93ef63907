package publish

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"strconv"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// The standing hold of a dedicated slot is a reservation without deadline, of one SKU, at the slot's
// location. It grows by a line at a time; after holdLines lines it is made anew.

const holdLines = 64

// Leases turns standing holds into promises to orders, and back, for whoever books a channel's sales.
// It is safe for concurrent use.
type Leases struct {
	store records.Reader
	book  *Book
}

// NewLeases returns the Leases over the slots that a book knows.
func NewLeases(store records.Reader, book *Book) *Leases {
	return &Leases{store: store, book: book}
}

// Drawn is what a sale takes out of standing holds. The Tx of the sale does Ops first, then reserves
// Lines, pinned where they say, and what is left of the sale wherever there is stock. If an op is
// refused, a hold was not as it was read: draw again.
type Drawn struct {
	Ops   []engine.Command
	Lines []DrawnLine
	Qty   int64 // of all lines
}

// DrawnLine is units that were held at one location.
type DrawnLine struct {
	Location string
	Qty      int64
}

// Draw finds up to qty units of a SKU in the standing holds of a channel, at one location or, when
// location is empty, at any. A channel that is not dedicated, or was not read yet, has none: Drawn is
// then empty. It fails with the store's error.
func (l *Leases) Draw(ctx context.Context, channel, sku, location string, qty int64) (Drawn, error) {
	slots := l.slotsOf(channel, sku, location)
	var d Drawn
	if len(slots) == 0 {
		return d, nil
	}
	_, err := l.store.Ledger(ctx, func(led *engine.Ledger) bool {
		d = Drawn{}
		for _, s := range slots {
			if left := qty - d.Qty; left > 0 {
				d.take(led, s, left)
			}
		}
		return false
	})
	return d, err
}

func (l *Leases) slotsOf(channel, sku, location string) (list []*Slot) {
	for _, s := range l.book.Of(sku) {
		if s.Channel == channel && (location == "" || s.Location == "" || s.Location == location) {
			list = append(list, s)
		}
	}
	return list
}

// take adds what a slot's hold has of up to qty units.
func (d *Drawn) take(led *engine.Ledger, s *Slot, qty int64) {
	r, ok := led.Reservation(s.Hold)
	if s.Hold == "" || !ok {
		return
	}
	picks, taken := pickHeld(&r, qty, func(location string, n int64) {
		d.Lines = append(d.Lines, DrawnLine{Location: location, Qty: n})
	})
	if taken > 0 {
		d.Ops = append(d.Ops, &engine.Release{ID: s.Hold, Picks: picks, Reason: "sold",
			HandOver: true})
		d.Qty += taken
	}
}

// pickHeld picks up to qty held units, line by line; each tells where they are.
func pickHeld(r *engine.Reservation, qty int64, each func(location string, n int64)) (
	picks []engine.Pick, taken int64) {
	for i := range r.Lines {
		line := &r.Lines[i]
		for at := 0; at < len(line.Allocations) && line.Held > 0 && taken < qty; at++ {
			a := &line.Allocations[at]
			if at > 0 && a.Location == line.Allocations[at-1].Location {
				continue // another component of the same kits
			}
			n := min(qty-taken, heldAt(line, a), line.Held)
			if n == 0 {
				continue
			}
			picks = append(picks, engine.Pick{
				Line: line.Line, Qty: n, Location: engine.Name(a.Location),
			})
			each(a.Location, n)
			taken += n
		}
	}
	return picks, taken
}

// heldAt is the held units of a line at the place of an allocation: of a kit an allocation counts
// components, and a hold of several places has the same kits at each.
func heldAt(line *engine.ReservationLine, a *engine.Allocation) int64 {
	if a.SKU == line.SKU {
		return a.Held
	}
	var all int64 // of this component at all places
	for i := range line.Allocations {
		if line.Allocations[i].SKU == a.SKU {
			all += line.Allocations[i].Held
		}
	}
	if all == 0 {
		return 0
	}
	return a.Held / (all / line.Held)
}

// Restock adds to a Tx that a channel has counted units of its slot up again, such as after a
// cancellation: they go from the order, whose release the Tx did just before, with HandOver, to the
// standing hold, so that nobody else gets what the channel already offers. The Tx counts the tally itself ([Moved]). For a
// slot that is not of a dedicated channel, or is of another SKU by now, it adds nothing. It fails with the
// store's error.
func (l *Leases) Restock(ctx context.Context, tx *records.Tx, slotID, sku string, qty int64) error {
	s, version := l.book.slot(slotID)
	if s == nil || s.SKU != sku || qty <= 0 {
		return nil
	}
	var dedicated bool
	var h hold
	index, err := l.store.Ledger(ctx, func(led *engine.Ledger) bool {
		ch, ok := led.Channel(s.Channel)
		dedicated = ok && ch.Publish == engine.Dedicated
		h.read(led, s)
		return false
	})
	if err != nil || !dedicated {
		return err
	}
	ops, id := h.grow(s, qty, engine.Accept, index)
	tx.Do(ops...)
	if id != s.Hold {
		fresh := *s
		fresh.Hold = id
		tx.Replace(fresh.Record(tx), version)
	}
	return nil
}

// hold is a slot's standing hold as it was read.
type hold struct {
	id    string
	live  bool // it can be added to
	lines int
	units int64 // held
	short int64 // wait for stock
	resv  engine.Reservation
}

func (h *hold) read(led *engine.Ledger, s *Slot) {
	*h = hold{}
	if s.Hold == "" {
		return
	}
	r, ok := led.Reservation(s.Hold)
	if !ok {
		return
	}
	h.id, h.resv, h.lines = s.Hold, r, len(r.Lines)
	for i := range r.Lines {
		h.units += r.Lines[i].Held
		h.short += r.Lines[i].Short
		h.live = h.live || r.Lines[i].Held+r.Lines[i].Short > 0
	}
}

// grow makes the ops that add units to the hold, and the id that it then has. index makes a new id
// one that was never given.
func (h *hold) grow(s *Slot, qty int64, mode engine.Mode, index uint64) (ops []engine.Command,
	id string) {
	line := engine.Line{SKU: engine.Name(s.SKU), Location: engine.Name(s.Location), Qty: qty}
	if h.live && h.lines < holdLines {
		return []engine.Command{&engine.Add{ID: h.id, Mode: mode, Lines: []engine.Line{line}}}, h.id
	}
	if h.live { // refused, all of it, if a sale came between: then it is read again
		ops = append(ops, h.shrink(h.units+h.short, "made anew"))
		line.Qty += h.units + h.short
	}
	id = holdID(s.ID, index)
	return append(ops, &engine.Reserve{
		ID: id, Channel: engine.Name(s.Channel), Mode: mode, Lines: []engine.Line{line},
	}), id
}

// shrink makes the op that gives units of the hold back, first those that it only waits for.
func (h *hold) shrink(qty int64, reason string) *engine.Release {
	var picks []engine.Pick
	for i := range h.resv.Lines {
		if n := min(qty, h.resv.Lines[i].Short); n > 0 {
			picks = append(picks, engine.Pick{Line: h.resv.Lines[i].Line, Qty: n})
			qty -= n
		}
	}
	held, _ := pickHeld(&h.resv, qty, func(string, int64) {})
	picks = append(picks, held...)
	return &engine.Release{ID: h.id, Picks: picks, Reason: reason, HandOver: true}
}

// holdID names a standing hold: by its slot, whose id may have characters that a reservation's may
// not, and by an index, at which at most one was made.
func holdID(slotID string, index uint64) string {
	sum := sha256.Sum256([]byte(slotID))
	return "lease:" + base32.HexEncoding.EncodeToString(sum[:15]) + ":" +
		strconv.FormatUint(index, 36)
}

// UnknownSlot says that there is no slot of that id.
type UnknownSlot struct{ ID string }

// Code names the outcome.
func (u *UnknownSlot) Code() string { return "unknown-slot" }

// Error names the slot.
func (u *UnknownSlot) Error() string { return "there is no slot " + u.ID }
