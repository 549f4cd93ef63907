package spapitest

import (
	"encoding/json"
	"slices"
	"time"

	"holdfast/adapters/internal/simtest"
)

// Entry is one line of the journal. Which fields are set depends on the kind:
//
//	request       a call was answered: op, query, body, status, result; SQS and tokens too
//	stock         one change of one number: sku, channel, pool, number, delta, after
//	sale          an item of an order that was placed: order, sku, qty, channel
//	refused       a buyer went away: too little stock
//	order         something happened to an order: op says what
//	listing       something happened to a listing: applied, stranded, created, deleted, issue
//	notification  one was sent: type, message
//	message       a queue did something with one: received, deleted, expired, dead
//	feed, report  one reached a state: op says which
//	mcf           a multi-channel order reached a state
//	fault         something was made to go wrong: fault, op
//	admin         tokens, roles and secrets
type Entry struct {
	N       uint64    `json:"n"`
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"`
	Account string    `json:"account,omitempty"`
	Region  string    `json:"region,omitempty"`
	Cause   string    `json:"cause,omitempty"` // api, buyer, warehouse, admin, system

	Request uint64 `json:"request,omitempty"` // number of the request that caused it or that it is
	App     string `json:"app,omitempty"`
	Fault   string `json:"fault,omitempty"`

	Op     string          `json:"op,omitempty"` // operationId of Amazon's model
	Path   string          `json:"path,omitempty"`
	Query  string          `json:"query,omitempty"`
	Body   json.RawMessage `json:"body,omitempty"` // where it is JSON of at most 8 KiB
	Status int             `json:"status,omitempty"`
	Result string          `json:"result,omitempty"` // ok, or codes of errors and issues

	Order   string `json:"order,omitempty"`
	Item    string `json:"item,omitempty"`
	SKU     string `json:"sku,omitempty"`
	Channel string `json:"channel,omitempty"` // MFN or AFN
	Pool    string `json:"pool,omitempty"`    // the first marketplace of the pool
	Number  string `json:"number,omitempty"`  // quantity, fulfillable, pending, …
	Delta   int64  `json:"delta,omitempty"`
	After   int64  `json:"after"`
	Qty     int64  `json:"qty,omitempty"`

	Type    string `json:"type,omitempty"` // of a notification, feed or report
	Message string `json:"message,omitempty"`
	Queue   string `json:"queue,omitempty"`
	Attempt int    `json:"attempt,omitempty"`
	Doc     string `json:"doc,omitempty"` // id of the feed, report or submission
}

// journalBody is the size of bodies that the journal keeps.
const journalBody = 8 << 10

// journal keeps the newest entries. Safe for concurrent use.
type journal struct{ *simtest.Journal[Entry] }

func newJournal(limit int, now func() time.Time) *journal {
	return &journal{simtest.NewJournal(limit, func(e *Entry, n uint64) { e.N, e.At = n, now() })}
}

// Filter selects entries of the journal. The zero value selects all.
type Filter struct {
	Kind, Account, Cause, Op, SKU, Order, Type, Fault, Queue, Channel string

	After uint64 // entries with a greater number only
	Limit int    // at most so many; 0 for no limit
}

func (f Filter) match(e *Entry) bool {
	same := func(want, got string) bool { return want == "" || want == got }
	fault := same(f.Fault, e.Fault) || f.Fault == "*" && e.Fault != ""
	pairs := [][2]string{{f.Kind, e.Kind}, {f.Account, e.Account}, {f.Cause, e.Cause}, {f.Op, e.Op},
		{f.SKU, e.SKU}, {f.Order, e.Order}, {f.Type, e.Type}, {f.Queue, e.Queue},
		{f.Channel, e.Channel}}
	return e.N > f.After && fault &&
		!slices.ContainsFunc(pairs, func(p [2]string) bool { return !same(p[0], p[1]) })
}
