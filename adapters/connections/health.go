package connections

import (
	"maps"
	"sync"
	"time"
)

// Health is how a connection does, as the leader that runs it sees it.
type Health struct {
	State    string    `json:"state"` // idle, starting, running, failing, paused
	Since    time.Time `json:"since,omitzero"`
	Restarts int       `json:"restarts"` // in a row, none of which was sound for five minutes
	// Watermark is the moment before which every sale there is known here; zero: nothing is proven.
	Watermark time.Time `json:"watermark,omitzero"`
	// Lag is how far each feed is behind, by its name.
	Lag map[string]Millis `json:"lag_ms,omitempty"`
	// Limits is what is left of each budget of the other side, and how much there is, by its name.
	Limits        map[string]Limit `json:"limits,omitempty"`
	LastSuccessAt time.Time        `json:"last_success_at,omitzero"`
	Errors        []Fault          `json:"last_errors,omitempty"` // newest last
	WouldSend     int64            `json:"would_send"`            // calls that observing has kept back
	Would         []Would          `json:"would,omitempty"`       // the newest of them, newest last
	ReportedAt    time.Time        `json:"reported_at,omitzero"`
}

// Millis is a duration in whole milliseconds.
type Millis int64

// Limit is a budget of the other side's, in its own unit.
type Limit struct {
	Left int64 `json:"left"`
	Of   int64 `json:"of"`
}

// Fault is an error as it was last seen.
type Fault struct {
	At    time.Time `json:"at"`
	What  string    `json:"what"` // the loop or the flow
	Error string    `json:"error"`
	Times int       `json:"times"` // in a row
}

// Would is a call that would have been made if the connection were on.
type Would struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"` // of the task, such as "shopify.fulfilment"
	Key  string    `json:"key"`  // of the order or the slot
	What string    `json:"what"` // such as "available 7 → 5"
}

// The states of Health.
const (
	StateIdle     = "idle" // this node does not lead, or has not seen it yet
	StateStarting = "starting"
	StateRunning  = "running"
	StateFailing  = "failing" // begins again after a pause
	StatePaused   = "paused"
)

const (
	maxFaults = 10
	maxWould  = 100
	maxNamed  = 32      // feeds and budgets of one connection
	maxSaid   = 255     // bytes of what a call would have said
	maxFault  = 1 << 10 // bytes of an error's text
)

// Board is what the adapters of this node report. It is safe for concurrent use, and empty on a
// node that does not lead.
type Board struct {
	now func() time.Time
	mu  sync.Mutex
	all map[string]*Health // guarded by mu
}

// NewBoard makes an empty Board.
func NewBoard(now func() time.Time) *Board {
	return &Board{now: now, all: make(map[string]*Health)}
}

// Health returns a copy of what is known of a connection.
func (b *Board) Health(id string) Health {
	b.mu.Lock()
	defer b.mu.Unlock()
	h, ok := b.all[id]
	if !ok {
		return Health{State: StateIdle}
	}
	c := *h
	c.Lag, c.Limits = maps.Clone(h.Lag), maps.Clone(h.Limits)
	c.Errors = append([]Fault(nil), h.Errors...)
	c.Would = append([]Would(nil), h.Would...)
	return c
}

// Reporter is how one adapter says how it does.
func (b *Board) Reporter(id string) *Reporter { return &Reporter{b: b, id: id} }

// forget lets go of a connection that this node no longer runs.
func (b *Board) forget(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.all, id)
}

// Reporter is how one connection's adapter says how it does. It is safe for concurrent use, and a
// call is some 100 ns.
type Reporter struct {
	b  *Board
	id string
}

func (r *Reporter) change(f func(h *Health, now time.Time)) {
	now := r.b.now().UTC()
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	h := r.b.all[r.id]
	if h == nil {
		h = &Health{State: StateIdle, Lag: map[string]Millis{}, Limits: map[string]Limit{}}
		r.b.all[r.id] = h
	}
	f(h, now)
	h.ReportedAt = now
}

// Succeeded notes that the other side has answered what was asked of it.
func (r *Reporter) Succeeded() {
	r.change(func(h *Health, now time.Time) { h.LastSuccessAt = now })
}

// Failed notes an error of a loop or a flow. Its text must hold no secret.
func (r *Reporter) Failed(what string, err error) {
	text := err.Error()
	text = text[:min(len(text), maxFault)]
	r.change(func(h *Health, now time.Time) {
		if n := len(h.Errors); n > 0 && h.Errors[n-1].What == what && h.Errors[n-1].Error == text {
			h.Errors[n-1].At = now
			h.Errors[n-1].Times++
			return
		}
		h.Errors = append(h.Errors, Fault{At: now, What: what, Error: text, Times: 1})
		h.Errors = h.Errors[max(0, len(h.Errors)-maxFaults):]
	})
}

// Watermark notes up to which moment every sale is known. It never goes back.
func (r *Reporter) Watermark(at time.Time) {
	r.change(func(h *Health, _ time.Time) {
		if at.After(h.Watermark) {
			h.Watermark = at.UTC()
		}
	})
}

// Lag notes how far a feed is behind.
func (r *Reporter) Lag(feed string, by time.Duration) {
	r.change(func(h *Health, _ time.Time) {
		if _, known := h.Lag[feed]; known || len(h.Lag) < maxNamed {
			h.Lag[feed] = Millis(by.Milliseconds())
		}
	})
}

// Limit notes what is left of a budget.
func (r *Reporter) Limit(name string, l Limit) {
	r.change(func(h *Health, _ time.Time) {
		if _, known := h.Limits[name]; known || len(h.Limits) < maxNamed {
			h.Limits[name] = l
		}
	})
}

// Would notes a call that observing has kept back.
func (r *Reporter) Would(kind, key, what string) {
	key, what = key[:min(len(key), maxSaid)], what[:min(len(what), maxSaid)]
	r.change(func(h *Health, now time.Time) {
		h.WouldSend++
		h.Would = append(h.Would, Would{At: now, Kind: kind, Key: key, What: what})
		if len(h.Would) > maxWould {
			h.Would = append(h.Would[:0], h.Would[1:]...)
		}
	})
}

// state notes what the supervisor does with the connection, and how often in a row it has failed.
func (r *Reporter) state(state string, failures int) {
	r.change(func(h *Health, now time.Time) {
		if h.State != state {
			h.State, h.Since = state, now
		}
		h.Restarts = failures
	})
}
