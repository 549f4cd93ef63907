package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"holdfast/adapters/outbox"
	"holdfast/adapters/outhooks"
)

// Outhooks are the webhooks that are sent: outhooks.Desk. It is safe for concurrent use. Its errors are as
// those of Connections.
type Outhooks interface {
	Save(ctx context.Context, doc outhooks.Endpoint) (outhooks.Entry, error)
	Delete(ctx context.Context, id string) (index uint64, err error)
	Read(ctx context.Context, id string) (outhooks.Entry, error)
	List(ctx context.Context) ([]outhooks.Entry, error)
	Deliveries(ctx context.Context, endpoint string, state outbox.State, p outhooks.Page) (
		list []outhooks.Delivery, next string, err error)
	Replay(ctx context.Context, endpoint string, r outhooks.Replay) (n int, next string, err error)
	Ping(ctx context.Context, endpoint string) (id string, err error)
}

// outhookBody is a document as it is sent. The members that GET adds are taken and not looked at.
type outhookBody struct {
	ID         string          `json:"id"`
	URL        string          `json:"url"`
	Events     []string        `json:"events"`
	Connection string          `json:"connection"`
	Channels   []string        `json:"channels"`
	Secrets    []string        `json:"secrets"`
	Mode       string          `json:"mode"`
	Note       string          `json:"note"`
	Standing   json.RawMessage `json:"standing"`
	Version    json.RawMessage `json:"version"`
	Index      json.RawMessage `json:"index"`
}

// outhookView is an endpoint as it is shown. Secrets are references, which are no secrets.
type outhookView struct {
	outhooks.Endpoint
	Standing outhooks.Standing `json:"standing"`
	Version  uint64            `json:"version"`
	Index    uint64            `json:"index,omitempty"`
}

// replayBody says which messages are sent again.
type replayBody struct {
	IDs   []string  `json:"ids"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	State string    `json:"state"`
}

func outhookRoutes() []*route {
	return []*route{
		write("PUT", "/v1/webhooks/{id}", putOuthook, recordBytes, "record-bytes"),
		get("/v1/webhooks/{id}", getOuthook),
		write("DELETE", "/v1/webhooks/{id}", deleteOuthook, 0, ""),
		get("/v1/webhooks", listOuthooks),
		write("POST", "/v1/webhooks/{id}/test", postPing, smallBody, "body-bytes"),
		get("/v1/webhooks/{id}/deliveries", listDeliveries, "state", "after", "limit"),
		write("POST", "/v1/webhooks/{id}/replay", postReplay, recordBytes, "record-bytes"),
	}
}

// outhooks returns the port and the id of the path, or the error of a server that has none.
func (c *call) outhooks() (Outhooks, string, error) {
	if c.s.cfg.Outhooks == nil {
		return nil, "", newProblem(codeNotFound, "This server sends no webhooks.")
	}
	id, err := c.id()
	return c.s.cfg.Outhooks, id, err
}

func (c *call) sendOuthook(e outhooks.Entry) error {
	return c.replyJSON(200, outhookView{e.Endpoint, e.Standing, e.Version, c.index})
}

func putOuthook(c *call) error {
	port, id, err := c.outhooks()
	if err != nil {
		return err
	}
	text, err := c.body(false)
	if err != nil {
		return err
	}
	var in outhookBody
	if err := decodeDocument(text, &in); err != nil {
		return err
	}
	if err := pathSays("id", in.ID, id); err != nil {
		return err
	}
	ctx, cancel := c.waits()
	defer cancel()
	e, err := port.Save(ctx, outhooks.Endpoint{ID: id, URL: in.URL, Events: in.Events,
		Connection: in.Connection, Channels: in.Channels, Secrets: in.Secrets, Mode: in.Mode,
		Note: in.Note})
	if err != nil {
		return outhookProblem(err, true)
	}
	c.index = max(c.index, e.Version)
	return c.sendOuthook(e)
}

// outhookProblem is syncProblem, with every fault of a document told.
func outhookProblem(err error, write bool) error {
	for joined := err; joined != nil; joined = errors.Unwrap(joined) {
		if _, ok := joined.(interface{ Unwrap() []error }); ok {
			return faulty(joined, write)
		}
	}
	return syncProblem(err, write)
}

func getOuthook(c *call) error {
	port, id, err := c.outhooks()
	if err != nil {
		return err
	}
	if err := c.fresh(); err != nil {
		return err
	}
	ctx, cancel := c.waits()
	defer cancel()
	e, err := port.Read(ctx, id)
	if err != nil {
		return syncProblem(err, false)
	}
	return c.sendOuthook(e)
}

func deleteOuthook(c *call) error {
	port, id, err := c.outhooks()
	if err != nil {
		return err
	}
	ctx, cancel := c.waits()
	defer cancel()
	index, err := port.Delete(ctx, id)
	if err != nil {
		return syncProblem(err, true)
	}
	c.index = max(c.index, index)
	return c.replyJSON(200, deleted{id, true, c.index})
}

func listOuthooks(c *call) error {
	if c.s.cfg.Outhooks == nil {
		return newProblem(codeNotFound, "This server sends no webhooks.")
	}
	if err := c.fresh(); err != nil {
		return err
	}
	ctx, cancel := c.waits()
	defer cancel()
	all, err := c.s.cfg.Outhooks.List(ctx)
	if err != nil {
		return syncProblem(err, false)
	}
	items := make([]outhookView, len(all)) // there are few: one page has them all
	for i, e := range all {
		items[i] = outhookView{Endpoint: e.Endpoint, Standing: e.Standing, Version: e.Version}
	}
	return c.replyJSON(200, pageOf(items, ""))
}

func postPing(c *call) error {
	port, id, err := c.outhooks()
	if err != nil {
		return err
	}
	if err := c.nothing(); err != nil {
		return err
	}
	ctx, cancel := c.waits()
	defer cancel()
	message, err := port.Ping(ctx, id)
	if err != nil {
		return syncProblem(err, true)
	}
	return c.replyJSON(202, struct {
		ID string `json:"id"`
	}{message})
}

// nothing reads a body that has no members, or none at all.
func (c *call) nothing() error {
	text, err := c.body(true)
	if err != nil {
		return err
	}
	return decodeDocument(text, &struct{}{})
}

func listDeliveries(c *call) error {
	port, id, err := c.outhooks()
	if err != nil {
		return err
	}
	state, err := c.query("state", deliveryState)
	if err != nil {
		return err
	}
	after, limit, err := c.textPage()
	if err != nil {
		return err
	}
	if err := c.fresh(); err != nil {
		return err
	}
	ctx, cancel := c.waits()
	defer cancel()
	items, next, err := port.Deliveries(ctx, id, outbox.StateOf(state), outhooks.Page{After: after,
		Limit: limit})
	if err != nil {
		return syncProblem(err, false)
	}
	return c.replyJSON(200, pageOf(items, next))
}

func deliveryState(v string) string {
	if outbox.StateOf(v) == 0 {
		return "must be one of queued, running, done, failed, dropped"
	}
	return ""
}

func postReplay(c *call) error {
	port, id, err := c.outhooks()
	if err != nil {
		return err
	}
	text, err := c.body(false)
	if err != nil {
		return err
	}
	var in replayBody
	if err := decodeDocument(text, &in); err != nil {
		return err
	}
	if in.State != "" && deliveryState(in.State) != "" {
		return invalid("state", deliveryState(in.State))
	}
	ctx, cancel := c.waits()
	defer cancel()
	n, next, err := port.Replay(ctx, id, outhooks.Replay{IDs: in.IDs, From: in.From, To: in.To,
		State: outbox.StateOf(in.State)})
	if err != nil {
		return syncProblem(err, true)
	}
	return c.replyJSON(200, struct {
		Replayed int    `json:"replayed"`
		Next     string `json:"next,omitempty"`
	}{n, next})
}
