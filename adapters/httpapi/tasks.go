package httpapi

import (
	"context"
	"encoding/json"
	"errors"

	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
)

func taskRoutes() []*route {
	return []*route{
		get("/v1/tasks", listTasks, "connection", "kind", "key", "state", "after", "limit"),
		get("/v1/tasks/{id}", getTask),
		write("POST", "/v1/tasks/{id}/done", postTaskDone, recordBytes, "record-bytes"),
	}
}

// doneBody is what somebody outside says of a task that it has done.
type doneBody struct {
	Result json.RawMessage `json:"result"`
}

// namedPage is a page of a list whose cursor is a name.
type namedPage[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

func pageOf[T any](items []T, next string) namedPage[T] {
	if items == nil {
		items = []T{}
	}
	return namedPage[T]{Items: items, Next: textCursor(next)}
}

// given is a member that may be any JSON; null is as if it were not there.
func given(v json.RawMessage) json.RawMessage {
	if string(v) == "null" {
		return nil
	}
	return v
}

// tasks is the port, or the answer that there is none.
func (c *call) tasks() (Tasks, error) {
	if c.s.cfg.Tasks == nil {
		return nil, newProblem(codeNotFound, "This server has no tasks.")
	}
	return c.s.cfg.Tasks, nil
}

// waits is a context for calls of the sync core, with their bound.
func (c *call) waits() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.s.base, checkWait*c.s.cfg.LedgerTimeout)
}

// syncProblem is faulty, for an error that also may say that a record kept changing.
func syncProblem(err error, write bool) error {
	if errors.Is(err, records.ErrBusy) {
		return newProblem(codeOverloaded, "Too many change it at the same time.")
	}
	return faulty(err, write)
}

// agreed notes what the reply's headers say of a Tx.
func (c *call) agreed(o records.Outcome) {
	c.index = max(c.index, o.Index)
	if o.Replayed {
		c.ctx.Response.Header.Set(headerReplayed, "true")
	}
}

func listTasks(c *call) error {
	port, err := c.tasks()
	if err != nil {
		return err
	}
	var f outbox.Filter
	for _, q := range []struct {
		name string
		to   *string
	}{{"connection", &f.Connection}, {"kind", &f.Kind}, {"key", &f.Key}} {
		if *q.to, err = c.query(q.name, skuRule); err != nil {
			return err
		}
	}
	state, err := c.query("state", func(v string) string {
		if outbox.StateOf(v) == 0 {
			return "must be one of queued, running, done, failed, dropped"
		}
		return ""
	})
	if err != nil {
		return err
	}
	f.State = outbox.StateOf(state)
	after, limit, err := c.textPage()
	if err != nil {
		return err
	}
	if err := c.fresh(); err != nil {
		return err
	}
	ctx, cancel := c.waits()
	defer cancel()
	list, next, err := port.List(ctx, f, after, limit)
	if err != nil {
		return syncProblem(err, false)
	}
	return c.replyJSON(200, pageOf(list, next))
}

func getTask(c *call) error {
	port, err := c.tasks()
	if err != nil {
		return err
	}
	id, err := c.param(0, "id", skuRule)
	if err != nil {
		return err
	}
	if err := c.fresh(); err != nil {
		return err
	}
	ctx, cancel := c.waits()
	defer cancel()
	t, err := port.Get(ctx, id)
	if err != nil {
		return syncProblem(err, false)
	}
	return c.replyJSON(200, t)
}

func postTaskDone(c *call) error {
	port, err := c.tasks()
	if err != nil {
		return err
	}
	id, err := c.param(0, "id", skuRule)
	if err != nil {
		return err
	}
	text, err := c.body(true)
	if err != nil {
		return err
	}
	var in doneBody
	if err := decodeDocument(text, &in); err != nil {
		return err
	}
	ctx, cancel := c.waits()
	defer cancel()
	t, o, err := port.Done(ctx, outbox.Told{ID: id, Result: given(in.Result), Key: c.key})
	if err != nil {
		return syncProblem(err, true)
	}
	c.agreed(o)
	return c.replyJSON(200, t)
}
