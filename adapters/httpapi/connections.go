package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"holdfast/adapters/connections"
)

// Connections are the accounts at outside systems. It is safe for concurrent use. Its errors are as
// those of Ledger, and *engine.FieldError, joined, names what is wrong in a document.
type Connections interface {
	Save(ctx context.Context, c connections.Connection) (connections.Entry, error)
	SetMode(ctx context.Context, id, mode string) (connections.Entry, error)
	Delete(ctx context.Context, id string) (index uint64, err error)
	Read(ctx context.Context, id string) (connections.Entry, error)
	List(ctx context.Context, after string, limit int) (page []connections.Entry, more bool, err error)
}

// connectionBody is a document as it is sent. The members that GET adds are taken and not looked
// at, so that its answer can be edited and sent back.
type connectionBody struct {
	ID           string                      `json:"id"`
	Kind         string                      `json:"kind"`
	Mode         string                      `json:"mode"`
	Channel      string                      `json:"channel"`
	Endpoint     string                      `json:"endpoint"`
	Account      string                      `json:"account"`
	Marketplaces []string                    `json:"marketplaces"`
	Secrets      map[string]string           `json:"secrets"`
	OrdersFrom   string                      `json:"orders_from"`
	Flows        map[string]connections.Flow `json:"flows"`
	Locations    map[string]string           `json:"locations"`
	Settings     json.RawMessage             `json:"settings"`
	Effective    json.RawMessage             `json:"effective"`
	Why          json.RawMessage             `json:"why"`
	Start        json.RawMessage             `json:"start"`
	Health       json.RawMessage             `json:"health"`
	Version      json.RawMessage             `json:"version"`
	Index        json.RawMessage             `json:"index"`
}

// connectionView is a connection as it is shown. Secrets are references, which are no secrets.
type connectionView struct {
	connections.Connection
	Effective string      `json:"effective"` // the mode that holds now
	Why       string      `json:"why,omitempty"`
	Start     *startView  `json:"start,omitempty"`
	Health    *healthView `json:"health,omitempty"`
	Version   uint64      `json:"version"`
	Index     uint64      `json:"index,omitempty"`
}

// startView is as much of a start as people need: not of which account it was made, nor by which
// leader, nor the place of its next page over there.
type startView struct {
	Step      connections.Step         `json:"step"`
	Rows      map[connections.Step]int `json:"rows"`
	Pages     int                      `json:"pages"`
	Found     []connections.Obstacle   `json:"found,omitempty"`
	StartedAt time.Time                `json:"started_at"`
	EndedAt   time.Time                `json:"ended_at,omitzero"`
}

func viewStart(p *connections.Progress) *startView {
	if p == nil {
		return nil
	}
	return &startView{Step: p.Step, Rows: p.Rows, Pages: p.Pages, Found: p.Found,
		StartedAt: p.StartedAt, EndedAt: p.EndedAt}
}

type healthView struct {
	connections.Health
	WatermarkAge *int64 `json:"watermark_age_ms,omitempty"`
}

type modeBody struct {
	Mode string `json:"mode" is:"words observe on paused" required:"yes"`
}

var modeBodies = newBody[modeBody]()

func connectionRoutes() []*route {
	return []*route{
		write("PUT", "/v1/connections/{id}", putConnection, recordBytes, "record-bytes"),
		get("/v1/connections/{id}", getConnection),
		write("DELETE", "/v1/connections/{id}", deleteConnection, 0, ""),
		get("/v1/connections", listConnections, "after", "limit"),
		write("POST", "/v1/connections/{id}/mode", postMode, smallBody, "body-bytes"),
	}
}

// connections returns the port, or the error of a server that has none.
func (c *call) connections() (Connections, error) {
	if c.s.cfg.Connections == nil {
		return nil, newProblem(codeNotFound, "This server keeps no connections.")
	}
	return c.s.cfg.Connections, nil
}

func putConnection(c *call) error {
	port, err := c.connections()
	if err != nil {
		return err
	}
	id, err := c.id()
	if err != nil {
		return err
	}
	text, err := c.body(false)
	if err != nil {
		return err
	}
	var in connectionBody
	if err := decodeDocument(text, &in); err != nil {
		return err
	}
	if err := pathSays("id", in.ID, id); err != nil {
		return err
	}
	in.ID = id
	doc, err := in.document()
	if err != nil {
		return err
	}
	e, err := port.Save(c.s.base, doc)
	if err != nil {
		return blocked(err)
	}
	return c.sendConnection(e, e.Version)
}

// document makes the document; settings that are null are none.
func (in *connectionBody) document() (connections.Connection, error) {
	c := connections.Connection{ID: in.ID, Kind: in.Kind, Mode: in.Mode, Channel: in.Channel,
		Endpoint: in.Endpoint, Account: in.Account, Marketplaces: in.Marketplaces, Secrets: in.Secrets,
		Flows: in.Flows, Locations: in.Locations}
	if string(in.Settings) != "null" {
		c.Settings = in.Settings
	}
	if in.OrdersFrom != "" {
		if must := timeRule(in.OrdersFrom); must != "" {
			return c, invalid("orders_from", must)
		}
		at, err := time.Parse(time.RFC3339Nano, in.OrdersFrom)
		if err != nil {
			return c, err
		}
		c.OrdersFrom = at.UTC()
	}
	return c, nil
}

// blocked turns the error of a save into a problem; what stands in the way of mode on is listed.
func blocked(err error) error {
	var b *connections.BlockedError
	if !errors.As(err, &b) {
		return faulty(err, true)
	}
	p := newProblem(b.Code(), b.Error())
	p.at = "mode"
	if list, err := json.Marshal(b.Obstacles); err == nil {
		p.obstacles = list
	}
	return p
}

func postMode(c *call) error {
	port, err := c.connections()
	if err != nil {
		return err
	}
	id, err := c.id()
	if err != nil {
		return err
	}
	text, err := c.body(false)
	if err != nil {
		return err
	}
	var in modeBody
	if err := modeBodies.decode(text, &in); err != nil {
		return err
	}
	e, err := port.SetMode(c.s.base, id, in.Mode)
	if err != nil {
		return blocked(err)
	}
	return c.sendConnection(e, e.Version)
}

func getConnection(c *call) error {
	port, err := c.connections()
	if err != nil {
		return err
	}
	id, err := c.id()
	if err != nil {
		return err
	}
	if err := c.fresh(); err != nil {
		return err
	}
	e, err := port.Read(c.s.base, id)
	if err != nil {
		return faulty(err, false)
	}
	return c.sendConnection(e, c.index)
}

func (c *call) sendConnection(e connections.Entry, index uint64) error {
	c.index = index
	view, err := c.viewConnection(e)
	if err != nil {
		return err
	}
	view.Index = index
	return c.replyJSON(200, view)
}

// viewConnection adds what is known of a connection to its document.
func (c *call) viewConnection(e connections.Entry) (connectionView, error) {
	v := connectionView{Connection: e.Connection, Start: viewStart(e.Progress), Version: e.Version}
	v.Effective, v.Why = e.Standing()
	if c.s.cfg.Health == nil {
		return v, nil
	}
	h, err := c.s.cfg.Health(c.s.base, e.ID)
	if err != nil {
		return v, faulty(err, false)
	}
	v.Health = &healthView{Health: h}
	if !h.Watermark.IsZero() {
		age := c.s.cfg.Now().Sub(h.Watermark).Milliseconds()
		v.Health.WatermarkAge = &age
	}
	return v, nil
}

func listConnections(c *call) error {
	port, err := c.connections()
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
	page, more, err := port.List(c.s.base, after, limit)
	if err != nil {
		return faulty(err, false)
	}
	views := make([]connectionView, 0, len(page))
	for _, e := range page {
		v, err := c.viewConnection(e)
		if err != nil {
			return err
		}
		views = append(views, v)
	}
	next := ""
	if more && len(page) > 0 {
		next = textCursor(page[len(page)-1].ID)
	}
	return c.replyJSON(200, list[connectionView]{views, next, c.index})
}

// list is a page of rows.
type list[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
	Index uint64 `json:"index"`
}

func deleteConnection(c *call) error {
	port, err := c.connections()
	if err != nil {
		return err
	}
	id, err := c.id()
	if err != nil {
		return err
	}
	if c.index, err = port.Delete(c.s.base, id); err != nil {
		return faulty(err, true)
	}
	return c.replyJSON(200, deleted{id, true, c.index})
}

type deleted struct {
	ID      string `json:"id"`
	Deleted bool   `json:"deleted"`
	Index   uint64 `json:"index"`
}
