package outbox

import (
	"context"
	"strings"

	"holdfast/adapters/records"
)

// Beside each task that has not ended there is a record without a body under the same id, written and
// dropped by the Tx that writes the task. So a new leader reads what is open, and not what ever was:
// the tasks that are done stay in their table for those who ask for them.

// outsideKinds begins the kinds of task that systems outside take and end by themselves. Whether one ever
// comes, nobody here knows: they wait as long as it takes, are in no list of what is open, and no leader
// reads them.
const outsideKinds = "erp."

// IsOutside reports whether tasks of a kind are never done here.
func IsOutside(kind string) bool { return strings.HasPrefix(kind, outsideKinds) }

// open reports whether something is still to be done about the task, if only by a person.
func (s State) open() bool { return s == Queued || s == Running || s == Failed }

// write adds t to tx in the place of what was read with the version old, in the state was. 0 and 0:
// there was none, or it has left memory.
func (t *Task) write(tx *records.Tx, old uint64, was State) {
	tx.Replace(t.record(tx), old)
	t.list(tx, was)
}

// create adds t to tx as a new task.
func (t *Task) create(tx *records.Tx) {
	tx.Create(t.record(tx))
	t.list(tx, 0)
}

// list adds to tx that t is among what is open, or no longer.
func (t *Task) list(tx *records.Tx, was State) {
	switch {
	case IsOutside(t.Kind) || t.State.open() == was.open():
	case t.State.open():
		tx.Put(records.Record{Table: records.OpenTasks, Key: t.ID})
	default:
		tx.Drop(records.OpenTasks, t.ID, 0)
	}
}

// EachOpen visits the tasks of some kinds that are not done or dropped, a kind after the other and each in
// the order of ids. It reads nothing else. One that ends meanwhile may be visited as it then is, or not at
// all. It fails when the store cannot be read.
func EachOpen(ctx context.Context, r records.Reader, kinds []string,
	visit func(task *records.Record)) error {
	for _, kind := range kinds {
		for after, more := "", true; more; {
			page, next, err := r.List(ctx, records.OpenTasks, kind+":", after, records.MaxList)
			if err != nil {
				return err
			}
			for i := range page {
				after = page[i].Key
				task, ok, err := r.Get(ctx, records.Tasks, after)
				if err != nil {
					return err
				}
				if ok && !task.Archived {
					visit(&task)
				}
			}
			more = next
		}
	}
	return nil
}
