package shopifytest

import (
	"encoding/json"
	"sync"
	"time"
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
type journal struct {
	limit int
	now   func() time.Time

	mu      sync.Mutex
	n       uint64
	entries []Entry
	dropped uint64
}

// add stamps and keeps an entry. The time is taken under the lock, so that times never fall.
func (j *journal) add(e Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.n++
	e.N, e.At = j.n, j.now()
	if len(j.entries) >= j.limit {
		old := (j.limit + 1) / 2
		j.dropped += uint64(old)
		j.entries = append(j.entries[:0:0], j.entries[old:]...)
	}
	j.entries = append(j.entries, e)
}

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

// lost is the number of entries that were dropped to make room.
func (j *journal) lost() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.dropped
}

func (j *journal) find(f Filter) []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := []Entry{}
	for i := range j.entries {
		if f.Limit > 0 && len(out) == f.Limit {
			break
		}
		if f.match(&j.entries[i]) {
			out = append(out, j.entries[i])
		}
	}
	return out
}
