package connections

import (
	"encoding/json"
	"time"
)

// Connection is one account at one outside system.
type Connection struct {
	ID           string            `json:"id"`
	Kind         string            `json:"kind"` // shopify, amazon, netsuite, erp
	Mode         string            `json:"mode"` // observe, on, paused
	Channel      string            `json:"channel,omitempty"`
	Endpoint     string            `json:"endpoint,omitempty"`
	Account      string            `json:"account,omitempty"`
	Marketplaces []string          `json:"marketplaces,omitempty"`
	Secrets      map[string]string `json:"secrets,omitempty"` // references (env:, file:), never values
	OrdersFrom   time.Time         `json:"orders_from,omitzero"`
	Flows        map[string]Flow   `json:"flows,omitempty"`
	Locations    map[string]string `json:"locations,omitempty"` // theirs → ours
	Settings     json.RawMessage   `json:"settings,omitempty"`  // of the kind, checked by its adapter
}

// Flow says when one flow of a connection runs.
type Flow struct {
	On    string `json:"on,omitempty"`    // event, schedule, off
	Cron  string `json:"cron,omitempty"`  // five fields
	Zone  string `json:"zone,omitempty"`  // IANA; empty is UTC
	Quiet string `json:"quiet,omitempty"` // such as 22:00-06:00, in the zone: nothing begins then
}

// The modes of a connection.
const (
	// Observe reads all that flows in, queues nothing, and shows what it would send.
	Observe = "observe"
	// On sends, once the start is done and nothing stands in the way.
	On = "on"
	// Paused sends nothing and reads nothing by itself. Sales that are told to us are still taken
	// in, because they have happened, and what they cause waits in the queue.
	Paused = "paused"
)

// When a flow runs.
const (
	OnEvent    = "event"
	OnSchedule = "schedule"
	OnOff      = "off"
)

// scheduled reports whether a flow runs by the clock: alone, or beside what happens.
func (f Flow) scheduled() bool { return f.Cron != "" && f.On != OnOff }

// Forwards reports whether an order of this age may be created at other systems: one from before
// orders_from was handled by whoever was there before us.
func (c *Connection) Forwards(createdAt time.Time) bool {
	return c.OrdersFrom.IsZero() || !createdAt.Before(c.OrdersFrom)
}

// identity says which account the connection is. A start that was made of another one proves
// nothing.
func (c *Connection) identity() string {
	b, _ := json.Marshal([]any{c.Kind, c.Endpoint, c.Account, c.Marketplaces}) // texts always encode
	return string(b)
}

// withDefaults fills what a document may leave out.
func (c Connection) withDefaults() Connection {
	if c.Mode == "" {
		c.Mode = Observe
	}
	if c.Channel == "" && c.Kind == "shopify" {
		c.Channel = c.ID // a shop is one channel; most merchants name both alike
	}
	return c
}
