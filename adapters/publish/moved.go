package publish

import (
	"context"

	"holdfast/adapters/records"
)

// Moved adds to a Tx that a channel changed one of its slots itself by delta units: an order −, a
// cancellation with restock +, a fulfilment order moved between locations − and +, a side effect of a
// call of ours. It goes into the Tx that books the same units in the ledger, so that the publisher sees
// both or none. It commutes: hot slots never conflict.
func Moved(tx *records.Tx, slotID string, delta int64) {
	if delta != 0 {
		tx.Add(slotID, delta)
	}
}

// tallyOf reads a slot's tally; one that was never moved is 0 of version 0.
func tallyOf(ctx context.Context, r records.Reader, slotID string) (value int64, version uint64,
	err error) {
	t, _, err := r.Get(ctx, records.Tallies, slotID)
	return t.Value, t.Version, err
}

// Record makes the record of a slot.
func (s *Slot) Record(tx *records.Tx) records.Record {
	return records.Record{Table: records.Slots, Key: s.ID, Body: tx.Encode(s)}
}
