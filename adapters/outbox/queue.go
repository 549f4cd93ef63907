package outbox

import (
	"context"
	"encoding/json"
	"time"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/records"
)

// Enqueue adds to tx the creation of a task; its CreatedAt is now, its NextAt, when not zero, the
// moment from which it is due. The Tx conflicts when there is one of that id already, which is what
// the Tx that creates an order wants; where there may be one, use [Ensure] or [Again].
func Enqueue(tx *records.Tx, t Task) {
	t.born()
	t.create(tx)
}

// Ensure is Enqueue unless the task is known, in whatever state, also from long ago; then it adds
// nothing. created says which. It fails when the task cannot be read.
func Ensure(ctx context.Context, r records.Reader, tx *records.Tx, t Task) (created bool, err error) {
	t.born()
	_, ok, err := r.Get(ctx, records.Tasks, t.ID)
	if err != nil || ok {
		return false, err
	}
	t.create(tx)
	return true, nil
}

// Again is for what is wanted as it is now, not once for each change, such as a document that is
// brought up to date: it creates the task, or makes the one that is there due with the new payload. If
// it runs just now, it runs once more. A task whose exception is open is queued again: there is
// something new to say. It fails when the task cannot be read.
func Again(ctx context.Context, r records.Reader, tx *records.Tx, t Task) error {
	t.born()
	old, version, err := read(ctx, r, t.ID)
	if err != nil {
		return err
	}
	if version == 0 {
		t.create(tx)
		return nil
	}
	now, was := t.CreatedAt, old.State
	switch old.State {
	case Running:
		old.Again = true
	case Queued:
		if t.NextAt.Before(old.NextAt) && old.Tries == 0 {
			old.NextAt = t.NextAt
		}
	default:
		old.restart(now)
		old.NextAt = t.NextAt
	}
	old.Payload, old.After, old.Trace = t.Payload, t.After, t.Trace
	old.write(tx, version, was)
	return nil
}

// Cancel adds to tx that a task is no longer needed. gone is false when it runs just now, or its
// last try may have taken effect: then tx demands nothing, and the caller waits for its end. A task that is done, or was never queued, is
// gone. An open exception of it is resolved. It fails when the task cannot be read.
func Cancel(ctx context.Context, r records.Reader, tx *records.Tx, c Cancellation) (gone bool,
	err error) {
	t, version, err := read(ctx, r, c.ID)
	if err != nil {
		return false, err
	}
	if version == 0 || t.State == Done || t.State == Dropped {
		tx.Look(records.Tasks, c.ID, version)
		return true, nil
	}
	if t.State == Running || t.Unknown {
		return false, nil
	}
	was := t.State
	t.State, t.DoneAt, t.LastError = Dropped, c.At, c.Why
	if t.Raised {
		t.Raised = false
		if err := exceptions.Clear(ctx, r, tx, TraceOf(t.ID), c.At); err != nil {
			return false, err
		}
	}
	t.write(tx, version, was)
	return true, nil
}

// Cancellation says which task is no longer needed, why, and when that was found.
type Cancellation struct {
	ID  string
	Why string
	At  time.Time
}

// born fills in what a new task has.
func (t *Task) born() {
	t.ID, t.State = ID(t.Kind, t.Key, t.Part), Queued
	if t.NextAt.IsZero() {
		t.NextAt = t.CreatedAt
	}
}

// restart makes an ended task a queued one. The claims go on counting, so that a late finish of an old
// one is not taken for a new one's, and whether to look first stays as it was.
func (t *Task) restart(now time.Time) {
	t.State, t.Tries, t.Again = Queued, 0, false
	t.NextAt, t.DoneAt, t.Result = now, time.Time{}, nil
}

// read returns a task with its version; 0: there is none in memory.
func read(ctx context.Context, r records.Reader, id string) (t Task, version uint64, err error) {
	row, ok, err := r.Get(ctx, records.Tasks, id)
	if err != nil || !ok || row.Archived {
		return t, 0, err
	}
	t, err = records.Decode[Task](row)
	return t, row.Version, err
}

func raw(v any) (json.RawMessage, error) {
	if v == nil {
		return nil, nil
	}
	if b, ok := v.(json.RawMessage); ok {
		return b, nil
	}
	return json.Marshal(v)
}
