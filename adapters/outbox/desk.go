package outbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/records"
	"holdfast/engine"
)

// Desk is where people, and systems outside that do tasks themselves, see tasks and end them. Every
// node has one. It is safe for concurrent use.
type Desk struct {
	cfg DeskConfig
}

// DeskConfig is what a Desk is told. Store and Now are required.
type DeskConfig struct {
	Store records.Store
	Now   func() time.Time
	// Gate says why a connection's tasks wait. Default: none does.
	Gate Gate
	// Executors are those of the dispatcher: a kind without one is for somebody outside.
	Executors map[string]Executor
	// ReadKinds are those of the dispatcher.
	ReadKinds []string
	// Told adds to the Tx that ends a task which somebody outside has done, such as the id of the
	// document in t.Result. An error of it is told to the caller. Default: nothing.
	Told func(ctx context.Context, tx *records.Tx, t Task) error
}

// NewDesk returns a Desk.
func NewDesk(cfg DeskConfig) *Desk { return &Desk{cfg: cfg} }

// Error is a no to whoever asked. It is understood by its Code, and names the field At.
type Error struct{ code, at, detail string }

// Error returns the detail.
func (e *Error) Error() string { return e.detail }

// Code is the stable name: "unknown-task", "wrong-state", "invalid".
func (e *Error) Code() string { return e.code }

// At is the member of the body that is to blame, or "".
func (e *Error) At() string { return e.at }

// Filter says which tasks are meant. The zero Filter means all.
type Filter struct {
	Connection, Kind, Key string
	State                 State
}

func (f *Filter) prefix() string {
	switch {
	case f.Kind == "":
		return ""
	case f.Key == "":
		return f.Kind + ":"
	default:
		return ID(f.Kind, f.Key, "")
	}
}

func (f *Filter) takes(t *Task) bool {
	return (f.Connection == "" || f.Connection == t.Connection) && (f.Kind == "" || f.Kind == t.Kind) &&
		(f.Key == "" || f.Key == t.Key)
}

// View is a task, and why it does not run.
type View struct {
	Task
	// Waits is "" while nothing but NextAt holds it: "outside" for a task that somebody outside does,
	// "after" for one that comes after another, or the mode of its connection.
	Waits string `json:"waits,omitempty"`
}

// maxScan bounds the records that one page looks at: it then has fewer items, and a next all the same.
const maxScan = 20_000

// List returns up to limit tasks that come after an id, in the order of ids, and the id to go on
// after, "" at the end. It fails when the store cannot be read.
func (d *Desk) List(ctx context.Context, f Filter, after string, limit int) (
	list []View, next string, err error) {
	for seen := 0; seen < maxScan; {
		rows, more, err := d.cfg.Store.List(ctx, records.Tasks, f.prefix(), after, records.MaxList)
		if err != nil {
			return nil, "", err
		}
		for i, row := range rows {
			after = row.Key
			if f.State != 0 && uint8(f.State) != row.State {
				continue
			}
			t, err := records.Decode[Task](row)
			if err != nil {
				return nil, "", err
			}
			if !f.takes(&t) {
				continue
			}
			if list = append(list, d.view(t)); len(list) == limit {
				if more || i < len(rows)-1 {
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

// Get returns a task, also one that was done long ago. It fails with the Code "unknown-task", or when
// the store cannot be read.
func (d *Desk) Get(ctx context.Context, id string) (View, error) {
	row, ok, err := d.cfg.Store.Get(ctx, records.Tasks, id)
	if err != nil {
		return View{}, err
	}
	if !ok {
		return View{}, &Error{code: "unknown-task", detail: "there is no task " + id}
	}
	t, err := records.Decode[Task](row)
	return d.view(t), err
}

func (d *Desk) view(t Task) View {
	v := View{Task: t}
	if t.State != Queued {
		return v
	}
	if d.cfg.Executors[t.Kind] == nil {
		v.Waits = "outside"
	} else if d.cfg.Gate != nil {
		v.Waits = d.cfg.Gate.Blocked(t.Connection)
		if slices.Contains(d.cfg.ReadKinds, t.Kind) && !stopsReads(v.Waits) {
			v.Waits = ""
		}
	}
	if v.Waits == "" && t.After != "" {
		v.Waits = "after"
	}
	return v
}

// Told is the word of somebody outside that a task is done.
type Told struct {
	ID     string
	Result json.RawMessage // kept in the task, at most MaxResult bytes
	Key    engine.Key      // under which a call that is sent again gets its first answer; zero is none
}

// Done ends a task that somebody outside has done, or a person by hand. Told again, it changes
// nothing; told with another result, it is a second document for one order, and refused. It fails,
// with nothing done, with the Codes "unknown-task", "wrong-state" (it runs just now, is no longer
// needed, or is done with another result), "invalid", or as the store does.
func (d *Desk) Done(ctx context.Context, told Told) (View, records.Outcome, error) {
	if len(told.Result) > MaxResult {
		return View{}, records.Outcome{}, &Error{code: "invalid", at: "result",
			detail: fmt.Sprintf("may have at most %d bytes", MaxResult)}
	}
	o, known, err := records.Known(ctx, d.cfg.Store, told.Key)
	var v View
	if err == nil && !known {
		o, err = records.Retry(ctx, d.cfg.Store, func(tx *records.Tx) error {
			tx.Key = told.Key
			t, err := d.done(ctx, tx, &told)
			v = d.view(t)
			return err
		})
	}
	if err == nil && o.Refusal != engine.Accepted && !known {
		return v, o, &Error{code: o.Refusal.String(), detail: "the ledger refused what follows from it"}
	}
	if err == nil && (known || o.Replayed) {
		o.Replayed = true
		v, err = d.Get(ctx, told.ID)
	}
	return v, o, err
}

func (d *Desk) done(ctx context.Context, tx *records.Tx, told *Told) (Task, error) {
	t, version, err := read(ctx, d.cfg.Store, told.ID)
	if err != nil {
		return t, err
	}
	if version == 0 {
		old, err := d.Get(ctx, told.ID) // done long ago, or never there
		if err == nil && old.State == Done {
			err = told.again(&old.Task)
		}
		return old.Task, err
	}
	switch t.State {
	case Done:
		return t, told.again(&t)
	case Running, Dropped:
		return t, &Error{code: "wrong-state", detail: "the task is " + t.State.String()}
	}
	now, was := d.cfg.Now(), t.State
	t.State, t.DoneAt, t.Unknown, t.LastError = Done, now, false, ""
	if t.Result = told.Result; d.cfg.Told != nil {
		if err := d.cfg.Told(ctx, tx, t); err != nil {
			return t, err
		}
	}
	if t.Raised {
		t.Raised = false
		if err := exceptions.Clear(ctx, d.cfg.Store, tx, TraceOf(t.ID), now); err != nil {
			return t, err
		}
	}
	t.write(tx, version, was)
	return t, nil
}

// again fails when a task that is done has another result than it is told of; without one it is told
// of none.
func (told *Told) again(t *Task) error {
	if len(told.Result) == 0 || sameJSON(told.Result, t.Result) {
		return nil
	}
	return &Error{code: "wrong-state", at: "result", detail: "the task is done with another result"}
}

// sameJSON reports whether two documents say the same, however they are written.
func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	for _, v := range []struct {
		text json.RawMessage
		into *any
	}{{a, &x}, {b, &y}} {
		d := json.NewDecoder(bytes.NewReader(v.text))
		d.UseNumber() // an id of 64 bits is no float
		if d.Decode(v.into) != nil {
			return false
		}
	}
	return reflect.DeepEqual(x, y)
}

// Retry adds to tx that a task that failed runs again, with another payload unless payload is nil. It
// fails with the Codes "unknown-task", "wrong-state" when the task has not failed, "invalid" when
// its executor refuses the payload, or as the store does.
func (d *Desk) Retry(ctx context.Context, tx *records.Tx, id string, payload json.RawMessage) error {
	t, version, err := read(ctx, d.cfg.Store, id)
	if err != nil {
		return err
	}
	if version == 0 {
		return &Error{code: "unknown-task", detail: "there is no task " + id}
	}
	if t.State != Failed {
		return &Error{code: "wrong-state", detail: "the task is " + t.State.String()}
	}
	if payload != nil {
		t.Payload = payload
		if c, ok := d.cfg.Executors[t.Kind].(Checker); ok {
			if err := c.Check(t); err != nil {
				return &Error{code: "invalid", at: "payload", detail: err.Error()}
			}
		}
	}
	t.restart(d.cfg.Now())
	t.write(tx, version, Failed)
	return nil
}

// Abandon adds to tx that a task that failed is dropped; one that has not, or is gone, stays as it is.
// It fails as the store does.
func (d *Desk) Abandon(ctx context.Context, tx *records.Tx, id, why string) error {
	t, version, err := read(ctx, d.cfg.Store, id)
	if err != nil || version == 0 || t.State != Failed {
		return err
	}
	t.State, t.DoneAt, t.LastError, t.Raised = Dropped, d.cfg.Now(), why, false
	t.write(tx, version, Failed)
	return nil
}

var _ exceptions.Tasks = (*Desk)(nil)
