package exceptions

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// Tasks queues the task of an exception again. It is what package outbox has.
type Tasks interface {
	// Retry adds to tx that a task runs again, with another payload unless payload is nil. It fails with
	// an error of the Code "wrong-state" when the task is not one that failed, "unknown-task", or "invalid"
	// when whoever does the task refuses the payload.
	Retry(ctx context.Context, tx *records.Tx, id string, payload json.RawMessage) error
	// Abandon adds to tx that a task that failed will not be tried again, if it is such a one. It fails
	// as the store does.
	Abandon(ctx context.Context, tx *records.Tx, id, why string) error
}

// Orders does to an order what a person has chosen; orders.Book does.
type Orders interface {
	// Remedy does what r says to the order of an id. Done again it does nothing more. Its errors are
	// understood by their Code.
	Remedy(ctx context.Context, id string, r Remedy) error
}

// Remedy is what a person has chosen among the actions of an exception, for its order.
type Remedy struct {
	Do       string // one of [Remedies]; "" is none
	By       string // principal
	Location string // of a move, and of a substitute when it matters
	SKU      string // that a substitute stands in for; "" is the one that is short
	With     string // SKU that stands in
}

// Desk is where a person deals with exceptions. It is safe for concurrent use.
type Desk struct {
	store records.Store
	tasks Tasks
	of    Orders
	now   func() time.Time
}

// NewDesk returns a Desk. Without tasks, what belongs to one cannot be retried.
func NewDesk(store records.Store, tasks Tasks, now func() time.Time) *Desk {
	return &Desk{store: store, tasks: tasks, now: now}
}

// With has the desk deal with orders, and returns it. Call it before the desk is used.
func (d *Desk) With(of Orders) *Desk {
	d.of = of
	return d
}

// Error is a no to a person. It is understood by its Code.
type Error struct{ code, detail string }

// Error returns the detail.
func (e *Error) Error() string { return e.detail }

// Code is the stable name of what is wrong: "unknown-exception", "wrong-state".
func (e *Error) Code() string { return e.code }

// Filter says which exceptions are meant. The zero Filter means all.
type Filter struct {
	State      State
	Class      Class
	Code       string
	Connection string
	Flow       string
	Key        string
}

func (f *Filter) takes(e *Exception) bool {
	return (f.State == 0 || f.State == e.State) && (f.Class == "" || f.Class == e.Class) &&
		(f.Code == "" || f.Code == e.Code) && (f.Flow == "" || f.Flow == e.Flow) &&
		(f.Connection == "" || f.Connection == e.Connection) && (f.Key == "" || f.Key == e.Key)
}

// maxScan bounds the records that one page looks at: it then has fewer items, and a next all the same.
const maxScan = 20_000

// List returns up to limit exceptions that come after an id, and the id to go on after, "" at the
// end. It fails when the store cannot be read.
func (d *Desk) List(ctx context.Context, f Filter, after string, limit int) (
	list []Exception, next string, err error) {
	for seen := 0; seen < maxScan; {
		rows, more, err := d.store.List(ctx, records.Exceptions, "", after, records.MaxList)
		if err != nil {
			return nil, "", err
		}
		for _, row := range rows {
			after = row.Key
			if f.State != 0 && uint8(f.State) != row.State {
				continue
			}
			e, err := records.Decode[Exception](row)
			if err != nil {
				return nil, "", err
			}
			if !f.takes(&e) {
				continue
			}
			if err := d.count(ctx, &e); err != nil {
				return nil, "", err
			}
			if list = append(list, e); len(list) == limit {
				if more || row.Key != rows[len(rows)-1].Key {
					return list, after, nil
				}
				return list, "", nil
			}
		}
		if seen += len(rows); !more {
			return list, "", nil
		}
	}
	return list, after, nil
}

// Get returns an exception, also one that was closed long ago. It fails with the Code
// "unknown-exception", or when the store cannot be read.
func (d *Desk) Get(ctx context.Context, id string) (Exception, error) {
	row, ok, err := d.store.Get(ctx, records.Exceptions, id)
	if err != nil {
		return Exception{}, err
	}
	if !ok {
		return Exception{}, &Error{"unknown-exception", "there is no exception " + id}
	}
	e, err := records.Decode[Exception](row)
	if err != nil {
		return e, err
	}
	return e, d.count(ctx, &e)
}

// count adds the tries that were only counted.
func (d *Desk) count(ctx context.Context, e *Exception) error {
	if e.State == Resolved {
		return nil // it was added when it was closed, or nobody asked
	}
	row, ok, err := d.store.Get(ctx, records.Tallies, tally(e.ID))
	if ok {
		e.Tries += int(row.Value)
	}
	return err
}

// Act is what a person does to an exception.
type Act struct {
	ID      string
	Do      string          // ActRetry or ActResolve
	Payload json.RawMessage // of a retry; nil keeps the task's own
	Note    string
	Remedy  Remedy     // of a resolve: done before the exception is closed
	By      string     // principal
	Key     engine.Key // under which a call that is sent again gets its first answer; zero is none
}

// Do acts on one exception, and returns it as it then is. Nothing of it happened when it fails: with
// the Codes "unknown-exception", "wrong-state" (it is closed, or has nothing to retry, or does not know
// the remedy), those of [Tasks] and [Orders], or as the store does. A process that dies between the
// remedy and the closing leaves the exception open; done again, it is closed.
func (d *Desk) Do(ctx context.Context, a Act) (e Exception, o records.Outcome, err error) {
	o, known, err := records.Known(ctx, d.store, a.Key)
	if err == nil && !known && a.Remedy.Do != "" {
		err = d.remedy(ctx, &a)
	}
	if err == nil && !known {
		o, err = records.Retry(ctx, d.store, func(tx *records.Tx) error {
			tx.Key = a.Key
			e, err = d.act(ctx, tx, &a)
			return err
		})
	}
	if err == nil && (known || o.Replayed) {
		o.Replayed = true
		e, err = d.Get(ctx, a.ID)
	}
	return e, o, err
}

// remedy does what the person has chosen, if the exception has that among its actions.
func (d *Desk) remedy(ctx context.Context, a *Act) error {
	e, version, err := read(ctx, d.store, a.ID)
	switch {
	case err != nil:
		return err
	case version == 0:
		return &Error{"unknown-exception", "there is no exception " + a.ID + " that is open"}
	case e.State == Resolved:
		return &Error{"wrong-state", "the exception is resolved by " + e.ClosedBy}
	case !slices.Contains(e.Actions, a.Remedy.Do) || a.Remedy.Do != ActWait && d.of == nil:
		return &Error{"wrong-state", fmt.Sprintf("the exception does not know %s; it knows %q",
			a.Remedy.Do, e.Actions)}
	}
	if a.Note == "" {
		a.Note = a.Remedy.String()
	}
	if a.Remedy.Do == ActWait {
		return nil
	}
	a.Remedy.By = a.By
	return d.of.Remedy(ctx, e.Key, a.Remedy)
}

// String is the remedy as a note has it.
func (r Remedy) String() string {
	text := r.Do
	for _, part := range []struct{ word, value string }{{"", r.SKU}, {"with ", r.With}, {"at ", r.Location}} {
		if part.value != "" {
			text += " " + part.word + part.value
		}
	}
	return text
}

func (d *Desk) act(ctx context.Context, tx *records.Tx, a *Act) (Exception, error) {
	e, version, err := read(ctx, d.store, a.ID)
	if err != nil {
		return e, err
	}
	if version == 0 {
		return e, &Error{"unknown-exception", "there is no exception " + a.ID + " that is open"}
	}
	if err := d.count(ctx, &e); err != nil {
		return e, err
	}
	if e.State == Resolved {
		if a.Remedy.Do != "" {
			return e, nil // the remedy has closed it
		}
		return e, &Error{"wrong-state", "the exception is resolved by " + e.ClosedBy}
	}
	tx.Drop(records.Tallies, tally(e.ID), 0)
	if a.Do == ActResolve {
		if e.Task != "" && d.tasks != nil {
			if err := d.tasks.Abandon(ctx, tx, e.Task, "resolved by "+a.By); err != nil {
				return e, err
			}
		}
		was := e.State
		e = e.closed(a.By, a.Note, d.now())
		e.write(tx, version, was)
		return e, nil
	}
	if e.Task == "" || d.tasks == nil {
		return e, &Error{"wrong-state", fmt.Sprintf("the exception has nothing to retry; it knows %q",
			e.Actions)}
	}
	if err := d.tasks.Retry(ctx, tx, e.Task, a.Payload); err != nil {
		return e, err
	}
	was := e.State
	e.State = Retrying
	if a.Note != "" {
		e.Note = Cut(a.Note, MaxNote)
	}
	if a.Payload != nil {
		e.Payload = a.Payload
		e = e.bounded()
	}
	e.write(tx, version, was)
	return e, nil
}

// MaxBulk is the most exceptions that one call of Bulk acts on.
const MaxBulk = 1000

// Bulk acts on each exception of ids, or on those of the filter, at most [MaxBulk]; each stands on its
// own. done is called once for each. more says that the filter meant others too. It fails, after what
// it has done, when the store cannot be read.
func (d *Desk) Bulk(ctx context.Context, a Act, on Selection,
	done func(id string, e Exception, err error)) (more bool, err error) {
	ids := on.IDs
	if len(ids) == 0 {
		list, next, err := d.List(ctx, on.Filter, "", MaxBulk)
		if err != nil {
			return false, err
		}
		for _, e := range list {
			if e.State != Resolved {
				ids = append(ids, e.ID)
			}
		}
		more = next != ""
	}
	for i, id := range ids {
		one := a
		one.ID = id
		one.Key = a.Key.At(i + 1)
		e, _, err := d.Do(ctx, one)
		done(id, e, err)
	}
	return more, nil
}

// Selection is what a call of Bulk acts on: IDs, or what the Filter takes when there are none.
type Selection struct {
	IDs    []string
	Filter Filter
}
