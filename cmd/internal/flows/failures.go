package flows

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
)

// failures makes exceptions of what the publisher tells, and closes them again.
type failures struct {
	store records.Store
	now   func() time.Time
	log   *slog.Logger
}

func pushTrace(slot string) string { return "push:" + slot }

func markTrace(connection string) string { return "watermark:" + connection }

func (f failures) pushFailed(ctx context.Context, p publish.Failure) {
	f.raise(ctx, exceptions.Exception{
		Trace: pushTrace(p.Slot.ID), Class: exceptions.Data, Code: p.Code, Key: p.Slot.ID, Flow: "F1",
		Connection: p.Slot.Connection, Detail: p.Detail, Actions: []string{"resolve"},
	})
}

// pushCleared closes what is open about the pushes of a slot with the Tx by which it is what it should be,
// ends, or becomes another number. It fails with the store's error.
func (f failures) pushCleared(ctx context.Context, tx *records.Tx, slot string) error {
	return exceptions.Clear(ctx, f.store, tx, pushTrace(slot), f.now())
}

func (f failures) markOld(ctx context.Context, connection string, age time.Duration) {
	f.raise(ctx, exceptions.Exception{
		Trace: markTrace(connection), Class: exceptions.Transient, Code: "watermark-old", Key: connection,
		Flow: "F1", Connection: connection, Actions: []string{"resolve"},
		Detail: fmt.Sprintf("for %v nothing has proven that every sale of %s is in: quantities do not rise",
			age.Round(time.Second), connection),
	})
}

func (f failures) markFresh(ctx context.Context, connection string) {
	f.clear(ctx, markTrace(connection))
}

func (f failures) raise(ctx context.Context, e exceptions.Exception) {
	e.FirstAt, e.LastAt = f.now(), f.now()
	o, err := records.Retry(ctx, f.store, func(tx *records.Tx) error {
		return exceptions.Raise(ctx, f.store, tx, e)
	})
	if err != nil || o.Refusal != 0 {
		f.log.Warn("an exception was not stored", "trace", e.Trace, "refusal", o.Refusal, "error", err)
	}
}

func (f failures) clear(ctx context.Context, trace string) {
	_, err := records.Retry(ctx, f.store, func(tx *records.Tx) error {
		return exceptions.Clear(ctx, f.store, tx, trace, f.now())
	})
	if err != nil {
		f.log.Warn("an exception was not closed", "trace", trace, "error", err)
	}
}
