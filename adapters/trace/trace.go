package trace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
	"holdfast/engine"
)

// Timeline is all that is known of one order, oldest first.
type Timeline struct {
	Asked string `json:"asked"` // the id that was asked for
	As    string `json:"as"`    // what it turned out to be: order, external, task, exception
	Order string `json:"order"` // id
	Name  string `json:"name,omitempty"`
	State string `json:"state,omitempty"`
	Route string `json:"route,omitempty"` // the rule that decided and why
	Items []Item `json:"items"`
	// Missing says what could not be looked at to its end.
	Missing []string `json:"missing,omitempty"`
}

// Item is one thing that happened.
type Item struct {
	At   time.Time `json:"at"`
	From string    `json:"from"` // order, shipment, refund, return, ledger, task, exception
	What string    `json:"what"`
	By   string    `json:"by,omitempty"`
	More string    `json:"more,omitempty"`
	Ref  string    `json:"ref,omitempty"` // id of the task, the exception, the package
}

// Orders finds an order; the book of orders does.
type Orders interface {
	// Find returns the id of the order that is called ref: its own id, or "external:SYSTEM:ID". It
	// fails with an error whose Code() is "unknown-order", or with the store's.
	Find(ctx context.Context, ref string) (string, error)
	// Get returns an order whole. It fails as Find does.
	Get(ctx context.Context, id string) (orders.Order, error)
}

// Events is what happened in the ledger.
type Events interface {
	// Events returns at most limit events after a sequence, oldest first. Its error's Code() is
	// "events-gone" behind what is kept.
	Events(after uint64, limit int) ([]engine.Event, error)
}

// Tracer makes timelines. It is safe for concurrent use. All fields but Events are required.
type Tracer struct {
	Store  records.Reader
	Orders Orders
	// Systems lists the connections, whose ids an id without a system may be of.
	Systems func() []string
	// Kinds lists the kinds of tasks that there are.
	Kinds  func() []string
	Events Events // nil: the ledger's part is missing
}

// UnknownError says that nothing is known by an id.
type UnknownError struct{ ID string }

// Error names the id.
func (e *UnknownError) Error() string { return "nothing is known by " + e.ID }

// Code returns the wire name.
func (e *UnknownError) Code() string { return "unknown-trace" }

// The bounds of one look.
const (
	maxExceptions = 5_000
	maxEvents     = 20_000
	maxTasks      = 100 // of one kind
)

// Trace tells what is known by an id: an order's, one of an outside system with or without
// "external:SYSTEM:", a name such as #1001, a tracking number, a task's, an exception's. It fails
// with *UnknownError, or with the store's error.
func (t *Tracer) Trace(ctx context.Context, id string) (Timeline, error) {
	line := Timeline{Asked: id, Items: []Item{}}
	key, as, err := t.resolve(ctx, id)
	if err != nil {
		return Timeline{}, err
	}
	line.As, line.Order = as, key
	for _, part := range []func(context.Context, *Timeline) error{t.order, t.tasks, t.exceptions,
		t.events} {
		if err := part(ctx, &line); err != nil {
			return Timeline{}, fmt.Errorf("trace %s: %w", id, err)
		}
	}
	slices.SortStableFunc(line.Items, func(a, b Item) int { return a.At.Compare(b.At) })
	return line, nil
}

// resolve finds the key that all of a timeline is about.
func (t *Tracer) resolve(ctx context.Context, id string) (key, as string, err error) {
	if _, ok, err := t.Store.Get(ctx, records.Orders, id); err != nil || ok {
		return id, "order", err
	}
	if row, ok, err := t.Store.Get(ctx, records.Tasks, id); err != nil {
		return "", "", err
	} else if ok {
		task, err := records.Decode[outbox.Task](row)
		return task.Key, "task", err
	}
	if row, ok, err := t.Store.Get(ctx, records.Exceptions, id); err != nil {
		return "", "", err
	} else if ok {
		e, err := records.Decode[exceptions.Exception](row)
		return cmp.Or(e.Key, e.Trace), "exception", err
	}
	for _, ref := range t.references(id) {
		key, err := t.Orders.Find(ctx, ref)
		var coded interface{ Code() string }
		if errors.As(err, &coded) && coded.Code() == "unknown-order" {
			continue
		}
		return key, "external", err
	}
	return "", "", &UnknownError{id}
}

// references are the ways in which an id may stand for one of an outside system's. People leave out
// the # of a shop's order names.
func (t *Tracer) references(id string) []string {
	if strings.HasPrefix(id, "external:") {
		return []string{id}
	}
	var all []string
	for _, name := range []string{id, "#" + strings.TrimPrefix(id, "#")} {
		for _, system := range t.Systems() {
			ref := "external:" + system + ":" + name
			if !slices.Contains(all, ref) {
				all = append(all, ref)
			}
		}
	}
	return all
}

// order adds what the order itself has kept.
func (t *Tracer) order(ctx context.Context, line *Timeline) error {
	o, err := t.Orders.Get(ctx, line.Order)
	var coded interface{ Code() string }
	if errors.As(err, &coded) && coded.Code() == "unknown-order" {
		line.Missing = append(line.Missing, "there is no order "+line.Order)
		return nil
	}
	if err != nil {
		return err
	}
	line.Name, line.State, line.Route = o.Name, string(o.State), o.Route.Why
	for _, m := range o.Timeline {
		line.Items = append(line.Items, Item{At: m.At, From: "order", What: m.What, By: m.By,
			More: m.More})
	}
	if len(o.Timeline) >= orders.MaxTimeline {
		line.Missing = append(line.Missing, "older moments of the order than those kept")
	}
	for _, s := range o.Shipments {
		line.Items = append(line.Items, Item{At: s.At, From: "shipment", What: "shipped", By: s.By,
			More: strings.TrimSpace(s.Carrier + " " + s.Tracking), Ref: s.Key})
	}
	for _, r := range o.Refunds {
		line.Items = append(line.Items, Item{At: r.At, From: "refund", What: "refunded", By: r.By,
			More: strings.TrimSpace(r.Amount + " " + o.Currency), Ref: r.ID})
	}
	for _, r := range o.Returns {
		line.Items = append(line.Items, Item{At: r.At, From: "return", What: r.State, By: r.By,
			More: r.Disposition, Ref: r.ID})
	}
	return nil
}

// tasks adds what outside systems were, or are to be, told.
func (t *Tracer) tasks(ctx context.Context, line *Timeline) error {
	for _, kind := range t.Kinds() {
		rows, more, err := t.Store.List(ctx, records.Tasks, kind+":"+line.Order, "", maxTasks)
		if err != nil {
			return err
		}
		if more {
			line.Missing = append(line.Missing,
				fmt.Sprintf("tasks of %s behind the first %d", kind, maxTasks))
		}
		for _, row := range rows {
			task, err := records.Decode[outbox.Task](row)
			if err != nil {
				return err
			}
			if task.Key == line.Order { // and not one that only begins alike
				line.Items = append(line.Items, taskItems(task)...)
			}
		}
	}
	return nil
}

var taskStates = map[outbox.State]string{outbox.Queued: "queued", outbox.Running: "running",
	outbox.Done: "done", outbox.Failed: "failed", outbox.Dropped: "dropped"}

func taskItems(t outbox.Task) []Item {
	items := []Item{{At: t.CreatedAt, From: "task", What: "queued " + t.Kind, By: t.Connection,
		Ref: t.ID}}
	end := Item{At: t.DoneAt, From: "task", What: taskStates[t.State] + " " + t.Kind, By: t.Connection,
		More: t.LastError, Ref: t.ID}
	if end.At.IsZero() { // it is not over: what it is now stands at the end
		end.At = t.NextAt
	}
	if t.Tries > 1 {
		end.More = strings.TrimSpace(fmt.Sprintf("%s (%d tries)", end.More, t.Tries))
	}
	if t.State == outbox.Queued && t.Tries == 0 {
		return items
	}
	return append(items, end)
}

// exceptions adds what a person had, or has, to look at.
func (t *Tracer) exceptions(ctx context.Context, line *Timeline) error {
	for after, seen := "", 0; ; {
		rows, more, err := t.Store.List(ctx, records.Exceptions, "", after, records.MaxList)
		if err != nil {
			return err
		}
		for _, row := range rows {
			after = row.Key
			e, err := records.Decode[exceptions.Exception](row)
			if err != nil {
				return err
			}
			if e.Key == line.Order {
				line.Items = append(line.Items, exceptionItems(e)...)
			}
		}
		if seen += len(rows); !more {
			return nil
		}
		if seen >= maxExceptions {
			line.Missing = append(line.Missing,
				fmt.Sprintf("exceptions behind the first %d", maxExceptions))
			return nil
		}
	}
}

func exceptionItems(e exceptions.Exception) []Item {
	items := []Item{{At: e.FirstAt, From: "exception", What: e.Code, By: e.Connection, More: e.Detail,
		Ref: e.ID}}
	if !e.ClosedAt.IsZero() {
		items = append(items, Item{At: e.ClosedAt, From: "exception", What: e.Code + " closed",
			By: e.ClosedBy, More: e.Note, Ref: e.ID})
	}
	return items
}
