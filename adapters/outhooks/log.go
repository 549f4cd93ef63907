package outhooks

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
)

// Delivery is one message to one endpoint, as the log shows it. A log is kept for outbox.Retention after
// the message was delivered, and until it is delivered before that.
type Delivery struct {
	ID        string          `json:"id"` // the webhook-id
	Type      string          `json:"type"`
	OrderID   string          `json:"order_id,omitempty"`
	State     outbox.State    `json:"state"` // queued, running, done, failed, dropped
	Tries     int             `json:"tries"`
	CreatedAt time.Time       `json:"created_at"`
	NextAt    time.Time       `json:"next_at,omitzero"` // of one that is queued
	DoneAt    time.Time       `json:"done_at,omitzero"`
	LastError string          `json:"last_error,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"` // status and took_ms of the try that arrived
	Waits     string          `json:"waits,omitempty"`  // why it is not sent: paused, disabled
}

// Tasks is the log behind it; *outbox.Desk has it.
type Tasks interface {
	List(ctx context.Context, f outbox.Filter, after string, limit int) (list []outbox.View,
		next string, err error)
	Get(ctx context.Context, id string) (outbox.View, error)
}

// Desk is where people and programs see webhooks, and have messages sent again. It is safe for
// concurrent use.
type Desk struct {
	*Book
	Tasks Tasks
}

// Deliveries lists up to limit messages to an endpoint behind an id, oldest first, and the id to go on
// after; state 0 is any. It fails with the Code unknown-webhook, or with the store's error.
func (d *Desk) Deliveries(ctx context.Context, endpoint string, state outbox.State, p Page) (
	list []Delivery, next string, err error) {
	if _, err := d.Read(ctx, endpoint); err != nil {
		return nil, "", err
	}
	views, next, err := d.page(ctx, endpoint, state, p)
	for i := range views {
		list = append(list, delivery(&views[i]))
	}
	return list, next, err
}

// Page is a part of a log: what comes after an id, at most so many.
type Page struct {
	After string
	Limit int
}

// page reads tasks of an endpoint. Their ids are in the order of time.
func (d *Desk) page(ctx context.Context, endpoint string, state outbox.State, p Page) (
	[]outbox.View, string, error) {
	start := outbox.ID(TaskKind, endpoint+"/", "")
	after := start
	if p.After != "" {
		after += p.After
	}
	// A filter by Key is one by the beginning of the id, and by the whole key: here only the first.
	views, next, err := d.Tasks.List(ctx, outbox.Filter{Kind: TaskKind, State: state,
		Connection: lanePrefix + endpoint}, after, p.Limit)
	for i := range views { // behind the last of the endpoint come those of another one
		if !strings.HasPrefix(views[i].ID, start) {
			return views[:i], "", err
		}
	}
	if !strings.HasPrefix(next, start) {
		next = ""
	}
	return views, strings.TrimPrefix(next, start), err
}

func delivery(v *outbox.View) Delivery {
	_, id := idOf(v.Key)
	x := Delivery{ID: id, State: v.State, Tries: v.Tries, CreatedAt: v.CreatedAt, DoneAt: v.DoneAt,
		LastError: v.LastError, Result: v.Result, Waits: v.Waits}
	if v.State == outbox.Queued {
		x.NextAt = v.NextAt
	}
	var m message
	if json.Unmarshal(v.Payload, &m) == nil {
		x.Type, x.OrderID = m.Type, m.Order
	}
	return x
}

// Replay says which messages are sent again: those of the IDs, or those of a window in time, of one state
// or of any.
type Replay struct {
	IDs      []string
	From, To time.Time
	State    outbox.State
}

// MaxReplay is how many messages one call of Replay sends again.
const MaxReplay = 500

// Replay has messages sent again, now and from their first try, under the webhook-id that they have:
// those that arrived, too, so a receiver that has lost its own data gets them once more. It returns how
// many, and for a window the moment from which to go on, zero at its end. It fails with the Codes
// unknown-webhook, unknown-delivery or invalid, or with the store's error; then some may have been sent
// again, and doing it once more does no harm.
func (d *Desk) Replay(ctx context.Context, endpoint string, r Replay) (n int, next string, err error) {
	if _, err := d.Read(ctx, endpoint); err != nil {
		return 0, "", err
	}
	if len(r.IDs) == 0 && r.From.IsZero() {
		return 0, "", &Error{code: "invalid", at: "ids", detail: "needs ids, or a window with from"}
	}
	if len(r.IDs) > MaxReplay {
		return 0, "", &Error{code: "invalid", at: "ids", detail: "too many ids at once"}
	}
	if len(r.IDs) > 0 {
		return d.replayIDs(ctx, endpoint, r.IDs)
	}
	views, next, err := d.page(ctx, endpoint, r.State, Page{since(r.From), MaxReplay})
	if err != nil {
		return 0, "", err
	}
	for i := range views {
		if !r.To.IsZero() && !views[i].CreatedAt.Before(r.To) {
			return n, "", nil
		}
		if err := d.again(ctx, views[i].ID); err != nil {
			return n, "", err
		}
		n++
	}
	return n, next, nil
}

func (d *Desk) replayIDs(ctx context.Context, endpoint string, ids []string) (n int, next string,
	err error) {
	for _, id := range ids {
		task := outbox.ID(TaskKind, endpoint+"/"+id, "")
		if _, err := d.Tasks.Get(ctx, task); err != nil {
			return n, "", &Error{code: "unknown-delivery", at: "ids", detail: "there is no message " + id}
		}
		if err := d.again(ctx, task); err != nil {
			return n, "", err
		}
		n++
	}
	return n, "", nil
}

func (d *Desk) again(ctx context.Context, task string) error {
	_, err := records.Retry(ctx, d.store, func(tx *records.Tx) error {
		return outbox.Rerun(ctx, d.store, tx, task, d.now())
	})
	return err
}

// Ping queues the message webhook.test for an endpoint, and returns its webhook-id. It fails with the
// Code unknown-webhook, or with the store's error.
func (d *Desk) Ping(ctx context.Context, endpoint string) (id string, err error) {
	_, err = records.Retry(ctx, d.store, func(tx *records.Tx) error {
		e, err := d.Read(ctx, endpoint)
		if err != nil {
			return err
		}
		at := d.now().UTC().Truncate(time.Millisecond)
		id = messageID(at, Test, endpoint)
		return outbox.Again(ctx, d.store, tx, taskOf(tx, e.ID, id, message{Type: Test, At: at}))
	})
	return id, err
}
