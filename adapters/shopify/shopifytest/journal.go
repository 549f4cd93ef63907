package shopifytest

import (
	"encoding/json"
	"time"

	"holdfast/adapters/internal/simtest"
)

// Entry is one line of the journal. Which fields are set depends on the kind:
//
//	request  a call of the API, when it was answered: op, roots, variables, status, result
//	stock    one change of one number: item, sku, location, state, delta, after
//	sale     a line of an order that was placed: order, sku, qty, and the location(s) in stock entries
//	order    something happened to an order: op says what
//	webhook  a delivery was tried: topic, webhook, attempt, status
//	fault    something was made to go wrong: fault, op
//	admin    staff changed something that is not stock or an order
type Entry struct {
	N     uint64    `json:"n"`
	At    time.Time `json:"at"`
	Kind  string    `json:"kind"`
	Shop  string    `json:"shop,omitempty"`
	Cause string    `json:"cause,omitempty"` // api, shopper, admin, system

	Request uint64 `json:"request,omitempty"` // number of the request that caused it or that it is
	App     string `json:"app,omitempty"`
	Fault   string `json:"fault,omitempty"`

	Op        string          `json:"op,omitempty"`
	Roots     []string        `json:"roots,omitempty"` // the fields asked for at the top
	Variables json.RawMessage `json:"variables,omitempty"`
	Status    int             `json:"status,omitempty"`
	Result    string          `json:"result,omitempty"` // ok, or codes of errors and user errors

	Order     string `json:"order,omitempty"`
	OrderName string `json:"order_name,omitempty"`
	Line      string `json:"line,omitempty"`
	Item      string `json:"item,omitempty"`
	SKU       string `json:"sku,omitempty"`
	Location  string `json:"location,omitempty"`
	State     string `json:"state,omitempty"`
	Delta     int64  `json:"delta,omitempty"`
	After     int64  `json:"after"`
	Qty       int64  `json:"qty,omitempty"`

	Topic   string `json:"topic,omitempty"`
	Webhook string `json:"webhook,omitempty"`
	Event   string `json:"event,omitempty"`
	Attempt int    `json:"attempt,omitempty"`
}

// journal keeps the newest entries. Safe for concurrent use.
type journal struct{ *simtest.Journal[Entry] }

func newJournal(limit int, now func() time.Time) *journal {
	return &journal{simtest.NewJournal(limit, func(e *Entry, n uint64) { e.N, e.At = n, now() })}
}

func (j *journal) add(e Entry) { j.Add(e) }

// Filter selects entries of the journal. The zero value selects all.
type Filter struct {
	Kind, Shop, Cause, Op, SKU, Order, Topic, Fault string
	After                                           uint64 // entries with a greater number only
	Limit                                           int    // at most so many; 0 for no limit
}

func (f Filter) match(e *Entry) bool {
	same := func(want, got string) bool { return want == "" || want == got }
	op := f.Op == "" || f.Op == e.Op
	for _, r := range e.Roots {
		op = op || r == f.Op
	}
	fault := same(f.Fault, e.Fault) || f.Fault == "*" && e.Fault != ""
	return e.N > f.After && same(f.Kind, e.Kind) && same(f.Shop, e.Shop) && op && fault &&
		same(f.Cause, e.Cause) && same(f.SKU, e.SKU) && same(f.Topic, e.Topic) &&
		(same(f.Order, e.Order) || f.Order == e.OrderName)
}

func (j *journal) find(f Filter) []Entry { return j.Find(f.match, f.Limit) }
