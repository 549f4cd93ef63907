package loadtesttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/loadtest/driver"
	"holdfast/loadtest/schedule"
)

// Lies says in which way a stub is broken. The zero value is an honest server.
type Lies struct {
	DropWrite   int  // acknowledges this reserve (from 1) and forgets it
	Oversell    bool // grants one unit of a SKU that is sold out, once
	ForgetKeys  bool // answers a key anew, with a new index
	LeakHold    bool // never ends one hold whose time is over
	LeakInStock bool // releases one reservation, but not its units
	Stall       time.Duration
	StallAt     int // at this reserve
}

// Stub is a ledger of one node. Safe for concurrent use.
type Stub struct {
	lies Lies
	now  func() time.Time

	mu struct {
		sync.Mutex
		index    uint64
		reserves int
		lied     bool
		stock    map[string]*driver.StockSeen
		placed   map[string]*reservation
		keys     map[string]reply
	}
}

type reservation struct {
	ID        string            `json:"id"`
	State     string            `json:"state"`
	Channel   string            `json:"channel"`
	Mode      string            `json:"mode"`
	ExpiresAt time.Time         `json:"expires_at"`
	Lines     []driver.LineSeen `json:"lines"`
	leaked    bool
}

type reply struct {
	status int
	index  uint64
	body   any
}

// New makes a stub with this clock.
func New(lies Lies, now func() time.Time) *Stub {
	s := &Stub{lies: lies, now: now}
	s.mu.stock = map[string]*driver.StockSeen{}
	s.mu.placed = map[string]*reservation{}
	s.mu.keys = map[string]reply{}
	return s
}

// ServeHTTP answers one call of the API.
func (s *Stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireLocked()
	key := r.Header.Get("Idempotency-Key")
	a, known := s.mu.keys[key]
	if key != "" && known && !s.lies.ForgetKeys {
		w.Header().Set("Idempotency-Replayed", "true")
	} else {
		a = s.answerLocked(r)
		s.mu.keys[key] = a
	}
	w.Header().Set("Holdfast-Index", fmt.Sprint(a.index))
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(a.body) // a client that went away needs no answer
}

func (s *Stub) answerLocked(r *http.Request) reply {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if r.Method != http.MethodGet {
		s.mu.index++
	}
	ok := reply{200, s.mu.index, map[string]any{}}
	switch {
	case r.URL.Path == "/v1/stock" && r.Method == http.MethodPost:
		var b struct {
			Changes []struct {
				SKU string `json:"sku"`
				Set int64  `json:"set"`
			} `json:"changes"`
		}
		_ = json.NewDecoder(r.Body).Decode(&b) // what is not there is refused as an unknown SKU later
		for _, c := range b.Changes {
			s.mu.stock[c.SKU] = &driver.StockSeen{OnHand: c.Set, Available: c.Set}
		}
		return ok
	case r.Method == http.MethodGet && parts[1] == "stock":
		return reply{200, s.mu.index, map[string]any{"locations": []any{*s.mu.stock[parts[2]]}}}
	case r.Method == http.MethodGet && parts[1] == "reservations":
		var items []*reservation
		for _, p := range s.mu.placed {
			if p.Channel == r.URL.Query().Get("channel") {
				items = append(items, p)
			}
		}
		return reply{200, s.mu.index, map[string]any{"items": items}}
	case parts[1] == "reservations" && len(parts) == 2:
		return s.reserveLocked(r)
	case parts[1] == "reservations":
		return s.verbLocked(parts[2], parts[3])
	}
	return ok
}

func (s *Stub) reserveLocked(r *http.Request) reply {
	var b struct {
		ID, Channel, Mode string
		TTL               int64 `json:"ttl_ms"`
		Lines             []schedule.Line
	}
	_ = json.NewDecoder(r.Body).Decode(&b)
	s.mu.reserves++
	if s.lies.StallAt == s.mu.reserves {
		time.Sleep(s.lies.Stall) // with the lock: everyone waits
	}
	p := &reservation{ID: b.ID, State: "held", Channel: b.Channel, Mode: b.Mode,
		ExpiresAt: s.now().Add(time.Duration(b.TTL) * time.Millisecond)}
	for _, l := range b.Lines {
		lie := s.lies.Oversell && !s.mu.lied && s.mu.stock[l.SKU].Available < l.Qty
		s.mu.lied = s.mu.lied || lie
		if s.mu.stock[l.SKU].Available < l.Qty && !lie {
			return reply{409, s.mu.index, map[string]any{"code": "insufficient-stock"}}
		}
	}
	for i, l := range b.Lines {
		p.Lines = append(p.Lines, driver.LineSeen{Line: i + 1, SKU: l.SKU, Qty: l.Qty, Held: l.Qty})
		st := s.mu.stock[l.SKU]
		st.Held, st.Available = st.Held+l.Qty, st.Available-l.Qty
	}
	body := *p
	body.Lines = slices.Clone(p.Lines)
	if s.lies.DropWrite == s.mu.reserves {
		s.endLocked(p, false)
	} else {
		s.mu.placed[p.ID] = p
	}
	return reply{201, s.mu.index, body}
}

func (s *Stub) verbLocked(id, verb string) reply {
	p := s.mu.placed[id]
	if p == nil {
		return reply{404, s.mu.index, map[string]any{"code": "unknown-reservation"}}
	}
	switch verb {
	case "release":
		if s.lies.LeakInStock && !s.mu.lied {
			s.mu.lied = true
			for i := range p.Lines {
				p.Lines[i].Held, p.Lines[i].Released = 0, p.Lines[i].Held
			}
			break
		}
		s.endLocked(p, false)
	case "commit":
		for i := range p.Lines {
			l := &p.Lines[i]
			st := s.mu.stock[l.SKU]
			st.Held, st.Committed = st.Held-l.Held, st.Committed+l.Held
			l.Held, l.Committed = 0, l.Committed+l.Held
		}
	}
	body := *p
	body.Lines = slices.Clone(p.Lines)
	return reply{200, s.mu.index, body}
}

func (s *Stub) endLocked(p *reservation, expired bool) {
	for i := range p.Lines {
		l := &p.Lines[i]
		st := s.mu.stock[l.SKU]
		st.Held, st.Available = st.Held-l.Held, st.Available+l.Held
		if expired {
			l.Expired += l.Held
		} else {
			l.Released += l.Held
		}
		l.Held = 0
	}
}

func (s *Stub) expireLocked() {
	for _, p := range s.mu.placed {
		if p.leaked || s.now().Before(p.ExpiresAt) {
			continue
		}
		if s.lies.LeakHold && !s.mu.lied {
			s.mu.lied, p.leaked = true, true
			continue
		}
		s.endLocked(p, true)
	}
}
