package netsuitetest

import (
	"sync"
	"time"
)

// Entry is one line of the journal. Which fields are set depends on the kind:
//
//	request  a call, when it was answered: op, type, record or query, status, result
//	record   a record was created, updated or deleted: op, type, record, external id
//	stock    one number of an item at a location changed: sku, location, state, delta, after
//	fault    something was made to go wrong: fault, op
//	staff    people did something that is neither a record nor stock
type Entry struct {
	N     uint64    `json:"n"`
	At    time.Time `json:"at"`
	Kind  string    `json:"kind"`
	Cause string    `json:"cause,omitempty"` // api or staff

	Request uint64 `json:"request,omitempty"` // number of the request that caused it or that it is
	Client  string `json:"client,omitempty"`  // the integration that called
	Fault   string `json:"fault,omitempty"`

	Op       string `json:"op,omitempty"`
	Type     string `json:"type,omitempty"`
	Record   int64  `json:"record,omitempty"`
	External string `json:"external_id,omitempty"`
	Source   int64  `json:"source,omitempty"` // what a transform began with
	Query    string `json:"query,omitempty"`
	Status   int    `json:"status,omitempty"`
	Result   string `json:"result,omitempty"` // ok, or the code of the error

	SKU      string `json:"sku,omitempty"`
	Location string `json:"location,omitempty"`
	State    string `json:"state,omitempty"` // on_hand, committed, backordered, in_transit
	Delta    string `json:"delta,omitempty"`
	After    string `json:"after,omitempty"`
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
	Kind, Cause, Op, Type, External, SKU, Location, Fault, Client string

	Record int64
	After  uint64 // entries with a greater number only
	Limit  int    // at most so many; 0 for no limit
}

func (f Filter) match(e *Entry) bool {
	same := func(want, got string) bool { return want == "" || want == got }
	return e.N > f.After && same(f.Kind, e.Kind) && same(f.Cause, e.Cause) && same(f.Op, e.Op) &&
		same(f.Type, e.Type) && same(f.External, e.External) && same(f.SKU, e.SKU) &&
		same(f.Location, e.Location) && same(f.Client, e.Client) &&
		(same(f.Fault, e.Fault) || f.Fault == "*" && e.Fault != "") &&
		(f.Record == 0 || f.Record == e.Record)
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
