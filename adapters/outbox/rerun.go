package outbox

import (
	"context"
	"time"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/records"
)

// Rerun adds to tx that a task runs again from its first try, now, whatever became of it, also long ago.
// One that runs just now runs once more after that. It is for what may be done twice. An open exception
// of it is resolved. It adds nothing when there is no such task, and fails when it cannot be read.
func Rerun(ctx context.Context, r records.Reader, tx *records.Tx, id string, now time.Time) error {
	row, ok, err := r.Get(ctx, records.Tasks, id)
	if err != nil || !ok {
		return err
	}
	t, err := records.Decode[Task](row)
	if err != nil {
		return err
	}
	version := row.Version
	if row.Archived { // has left memory: to a precondition there is none
		version = 0
	}
	if t.State == Running {
		t.Again = true
	} else {
		t.restart(now)
	}
	if t.Raised {
		t.Raised = false
		if err := exceptions.Clear(ctx, r, tx, TraceOf(t.ID), now); err != nil {
			return err
		}
	}
	tx.Replace(t.record(tx), version)
	return nil
}
