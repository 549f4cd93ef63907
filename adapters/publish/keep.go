package publish

import (
	"context"
	"slices"
	"time"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// How slots come to be and end. Which there should be is for whoever knows what a system keeps: the start
// of a connection, and whatever follows the mapping from then on, write them with the same two calls.

// Filed is a slot as its record has it.
type Filed struct {
	Slot    Slot
	Version uint64
}

// FiledSlots lists the slots whose ids begin with a prefix, in order of id, as far as one page goes. It
// fails with the store's error, or for a record that is no slot.
func FiledSlots(ctx context.Context, r records.Reader, prefix string) (list []Filed, err error) {
	rows, _, err := r.List(ctx, records.Slots, prefix, "", records.MaxList)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		s, err := records.Decode[Slot](row)
		if err != nil {
			return nil, err
		}
		list = append(list, Filed{Slot: s, Version: row.Version})
	}
	return list, nil
}

// Is reports whether two slots are the same number of the same thing, whatever it shows.
func (s *Slot) Is(o *Slot) bool {
	return s.ID == o.ID && s.Channel == o.Channel && s.Connection == o.Connection && s.SKU == o.SKU &&
		s.Location == o.Location && s.Item == o.Item && s.Place == o.Place &&
		s.SellerSKU == o.SellerSKU && s.Row == o.Row && slices.Equal(s.Also, o.Also)
}

// Arrives is the moment up to which a push that was sent may still arrive; zero when none may. Before it
// a slot must not become another one, and must not end: what arrives is meant for what it was, and a read
// of the new one that came before would take it for somebody's edit.
func (s *Slot) Arrives() time.Time {
	if s.Sent == nil {
		return time.Time{}
	}
	return s.Sent.Until.Add(CallGrace)
}

// Make adds to a Tx that there is the slot want. old is what stands under its id; nil: nothing does. It
// begins as at the start of a connection: nothing is known of what is shown there until it was read, and
// the standing hold of what it was before is let go. Its tally goes on, because that is of the place
// outside, whatever SKU is sold there. Its sequence begins at the ledger's index, below which no push of
// that id can ever have been: no idempotency key is given twice.
//
// The Tx conflicts when the slot has changed since old was read, and is refused when a sale has taken from
// the hold meanwhile: then build it again. It fails with the store's error.
func Make(ctx context.Context, r records.Reader, tx *records.Tx, want Slot, old *Filed) error {
	tally, _, err := tallyOf(ctx, r, want.ID)
	if err != nil {
		return err
	}
	index, err := letGo(ctx, r, tx, old)
	if err != nil {
		return err
	}
	version := uint64(0)
	if old != nil {
		version, index = old.Version, max(index, old.Slot.Sequence)
	}
	want.Sequence, want.Tally, want.LeaseTally = index, tally, tally
	tx.Replace(want.Record(tx), version)
	return nil
}

// Retire adds to a Tx that a slot is no more: nothing is read or pushed there, nothing is held for it. What
// it shows stays as it is. The Tx conflicts and is refused as that of [Make]. It fails with the store's
// error.
func Retire(ctx context.Context, r records.Reader, tx *records.Tx, old Filed) error {
	if _, err := letGo(ctx, r, tx, &old); err != nil {
		return err
	}
	tx.Drop(records.Slots, old.Slot.ID, old.Version)
	if key, ok := lookKey(old.Slot.ID); ok {
		tx.Drop(records.Cursors, key, 0)
	}
	return nil
}

// letGo adds the release of a slot's standing hold, if it has one, and returns the ledger's index.
func letGo(ctx context.Context, r records.Reader, tx *records.Tx, old *Filed) (uint64, error) {
	var h hold
	index, err := r.Ledger(ctx, func(led *engine.Ledger) bool {
		if old != nil {
			h.read(led, &old.Slot)
		}
		return false
	})
	if err == nil && h.live {
		release := h.shrink(h.units+h.short, "the slot is another one")
		release.HandOver = false // whoever waits may have them
		tx.Do(release)
	}
	return index, err
}
