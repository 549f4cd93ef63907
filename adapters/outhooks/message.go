package outhooks

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/zeebo/xxh3"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
)

// TaskKind is the kind of task that delivers a message.
const TaskKind = "webhook.send"

// lanePrefix begins the connection of such a task: each endpoint has a lane, a budget and a breaker of
// its own. No id of a connection has a colon.
const lanePrefix = "webhook:"

// message is the payload of a task: what happened, and to which order. What the order is like is read
// when it is sent.
type message struct {
	Type  string          `json:"type"`
	At    time.Time       `json:"at"`
	Order string          `json:"order,omitempty"`
	Part  string          `json:"part,omitempty"` // the package, the return, the refund
	By    string          `json:"by,omitempty"`   // the system that caused it
	More  json.RawMessage `json:"more,omitempty"`
}

// messageID makes the webhook-id. It begins with the time, so that a list of them is in order, and ends in
// a digest of what makes it one of a kind.
func messageID(at time.Time, parts ...string) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(at.UnixMilli()))
	binary.BigEndian.PutUint64(b[8:], xxh3.HashString(strings.Join(parts, "\x00")))
	return "msg_" + hex.EncodeToString(b[2:]) // the time of the next 8,000 years has 6 bytes
}

// since is the least id of a message of a moment.
func since(at time.Time) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(max(at.UnixMilli(), 0)))
	return "msg_" + hex.EncodeToString(b[2:])
}

// Tell adds to tx the messages about what happened to an order, one for each endpoint that wants to know.
// An endpoint whose queue is full gets none, which is an exception. It fails as the store does.
func (b *Book) Tell(ctx context.Context, tx *records.Tx, h orders.Happening) error {
	for _, e := range b.entries() {
		if !e.wants(&h) {
			continue
		}
		if e.Standing.Full {
			if err := b.overflow(ctx, tx, e, h.At); err != nil {
				return err
			}
			continue
		}
		id := messageID(h.At, h.Order, string(h.Event), h.Part, strconv.FormatUint(h.Version, 10),
			strconv.Itoa(h.Nth))
		m := message{Type: string(h.Event), At: h.At, Order: h.Order, Part: h.Part, By: h.By}
		if len(h.More) > 0 {
			m.More = tx.Encode(h.More)
		}
		outbox.Enqueue(tx, taskOf(tx, e.ID, id, m))
	}
	return nil
}

func taskOf(tx *records.Tx, endpoint, id string, m message) outbox.Task {
	return outbox.Task{Kind: TaskKind, Connection: lanePrefix + endpoint, Key: endpoint + "/" + id,
		Payload: tx.Encode(m), CreatedAt: m.At, Trace: m.Order, Flow: "F15"}
}

// idOf is the endpoint and the webhook-id of a task.
func idOf(key string) (endpoint, id string) {
	endpoint, id, _ = strings.Cut(key, "/")
	return endpoint, id
}

func (b *Book) overflow(ctx context.Context, tx *records.Tx, e *Entry, at time.Time) error {
	return exceptions.Raise(ctx, b.store, tx, exceptions.Exception{Trace: fullTrace(e.ID),
		Class: exceptions.Limit, Code: "webhook-full", Key: e.ID, Flow: "F15",
		Connection: lanePrefix + e.ID, LastAt: at,
		Detail: "Its queue is full: it is not told of what happens. Mend the receiver; what it has " +
			"missed it reads by GET /v1/orders and GET /v1/tasks."})
}

// body is what a receiver gets.
type body struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      data      `json:"data"`
}

// data is the content of a body. Index is that of the order's last change: of two messages about one
// order the one with the higher index is newer.
type data struct {
	OrderID string          `json:"order_id,omitempty"`
	Index   uint64          `json:"index,omitempty"`
	Part    string          `json:"part,omitempty"`
	By      string          `json:"by,omitempty"`
	More    json.RawMessage `json:"more,omitempty"`
	// Order is the order as GET /v1/orders/{id} shows it; null for one that is too large: read it there.
	Order *orders.Order `json:"order,omitempty"`
}

// maxBody bounds what is sent: receivers often take a megabyte and no more.
const maxBody = 512 << 10

// render makes the body of a message. It fails when it cannot be JSON, which is a bug of ours.
func (m *message) render(o *orders.Order) ([]byte, error) {
	b := body{Type: m.Type, Timestamp: m.At, Data: data{OrderID: m.Order, Part: m.Part, By: m.By,
		More: m.More, Order: o}}
	if o != nil {
		b.Data.Index = o.Index
	}
	text, err := json.Marshal(b)
	if err == nil && len(text) > maxBody {
		b.Data.Order = nil
		text, err = json.Marshal(b)
	}
	return text, err
}
