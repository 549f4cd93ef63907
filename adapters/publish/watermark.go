package publish

import (
	"context"
	"strings"
	"time"

	"holdfast/adapters/records"
)

// Advance adds to a Tx that every sale of a connection up to a moment is in the ledger. It never goes
// back: a moment that is not later adds nothing. The Tx should be the one that books the last of those
// sales, or come after it. It fails with the store's error.
func Advance(ctx context.Context, r records.Reader, tx *records.Tx, connection string,
	to time.Time) error {
	key := WatermarkKey(connection)
	old, _, err := r.Get(ctx, records.Cursors, key)
	if err != nil || to.UnixMilli() <= old.Value {
		return err
	}
	tx.Replace(records.Record{Table: records.Cursors, Key: key, Value: to.UnixMilli()}, old.Version)
	return nil
}

// Proven returns up to which moment every sale of a connection is known; zero when nothing is proven.
// It fails with the store's error.
func Proven(ctx context.Context, r records.Reader, connection string) (time.Time, error) {
	row, ok, err := r.Get(ctx, records.Cursors, connection+watermarkFeed)
	if err != nil || !ok {
		return time.Time{}, err
	}
	return time.UnixMilli(row.Value).UTC(), nil
}

// Look adds to a Tx that a slot is to be read: something there may have changed at a moment of that
// system, and the number that came with the news is not to be trusted. News of the same slot is one
// read, made when the watermark has passed the moment.
func Look(tx *records.Tx, slotID string, changed time.Time) {
	key, ok := lookKey(slotID)
	if !ok {
		return
	}
	tx.Put(records.Record{Table: records.Cursors, Key: key, Value: changed.UnixMilli()})
}

func lookKey(slotID string) (key string, ok bool) {
	connection, rest, ok := strings.Cut(slotID, "/")
	return connection + lookFeed + rest, ok
}

// WatermarkKey is that of the record of a connection's watermark, among the cursors.
func WatermarkKey(connection string) string { return connection + watermarkFeed }
