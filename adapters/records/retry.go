package records

import (
	"context"
	"errors"
)

// ErrBusy says that a record changed under every try of Retry; nothing happened.
var ErrBusy = errors.New("the record kept changing")

// retryTries is plenty for records that a handful of flows write: each try lost means that another
// one succeeded.
const retryTries = 16

// Retry builds a Tx from what is read now, submits it, and begins again when a record was no longer
// as it was read. A build that leaves the Tx empty ends it: there is nothing to do.
//
// It fails with build's error, with Submit's, or with [ErrBusy]. Any other refusal is in the Outcome.
func Retry(ctx context.Context, s Submitter, build func(tx *Tx) error) (Outcome, error) {
	for range retryTries {
		var tx Tx
		if err := build(&tx); err != nil {
			return Outcome{}, err
		}
		if tx.Empty() {
			return Outcome{}, nil
		}
		o, err := s.Submit(ctx, &tx)
		if err != nil || !o.Conflict {
			return o, err
		}
	}
	return Outcome{}, ErrBusy
}
