package records

import (
	"context"

	"holdfast/engine"
)

// Known looks whether a Tx was done, or refused, under a key, so that a call that is sent again gets
// its first answer although the records have moved on since. Nothing is written.
//
// It fails as Submit does.
func Known(ctx context.Context, s Submitter, key engine.Key) (Outcome, bool, error) {
	if key.IsZero() {
		return Outcome{}, false, nil
	}
	tx := Tx{Key: key}
	tx.Look(Cursors, "!never", never) // a Conflict is not kept under the key
	o, err := s.Submit(ctx, &tx)
	return o, err == nil && (o.Replayed || o.Refusal == engine.IdempotencyConflict), err
}

// never is a version that no record has.
const never = 1<<64 - 1
