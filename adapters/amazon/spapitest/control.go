package spapitest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// control answers /_sim: what tests and people do with the simulator. Unknown fields are refused,
// so that a misspelt one does not pass for a default.
func (s *Server) control(w http.ResponseWriter, r *http.Request) {
	var out any
	var err error
	switch r.Method + " " + r.URL.Path {
	case "POST /_sim/sales":
		out, err = controlled(w, r, s.Buy)
	case "POST /_sim/move":
		out, err = controlled(w, r, func(in Moves) (any, error) { return acknowledged(s.Move(in)) })
	case "POST /_sim/cancel":
		out, err = controlled(w, r, func(in Cancels) (any, error) {
			ids, err := s.Cancel(in)
			return map[string]any{"cancelled": ids}, err
		})
	case "POST /_sim/returns":
		out, err = controlled(w, r, s.Return)
	case "POST /_sim/stock", "POST /_sim/edits":
		out, err = controlled(w, r, s.Edit)
	case "POST /_sim/faults":
		out, err = controlled(w, r, func(in Script) (any, error) { return acknowledged(s.Run(in)) })
	case "POST /_sim/clock":
		out, err = controlled(w, r, s.setClock)
	case "GET /_sim/clock":
		out = map[string]any{"now": s.Now(), "manual": s.cfg.Manual, "speed": s.cfg.Speed}
	case "GET /_sim/state":
		out, err = s.State(r.URL.Query().Get("account"))
	case "GET /_sim/journal":
		out = map[string]any{"entries": s.Journal(filterOf(r.URL.Query())),
			"dropped": s.journal.Dropped()}
	default:
		writeJSON(w, http.StatusNotFound, map[string]any{"error": "no such control"})
		return
	}
	if err != nil {
		status := http.StatusBadRequest
		if errors.Is(err, errNoAccount) {
			status = http.StatusNotFound
		}
		writeJSON(w, status, map[string]any{"error": err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, out)
}

func acknowledged(err error) (any, error) { return map[string]any{"ok": err == nil}, err }

func controlled[In, Out any](w http.ResponseWriter, r *http.Request,
	do func(In) (Out, error)) (any, error) {
	var in In
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyLimit))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	return do(in)
}

// clockMove moves a manual clock.
type clockMove struct {
	AdvanceMS int64 `json:"advance_ms"`
}

func (s *Server) setClock(in clockMove) (any, error) {
	if !s.cfg.Manual {
		return nil, errors.New("the clock runs by itself")
	}
	if in.AdvanceMS < 0 {
		return nil, errors.New("advance_ms: time does not go back")
	}
	s.Advance(time.Duration(in.AdvanceMS) * time.Millisecond)
	return map[string]any{"now": s.Now()}, nil
}

func filterOf(q url.Values) Filter {
	f := Filter{Kind: q.Get("kind"), Account: q.Get("account"), Cause: q.Get("cause"),
		Op: q.Get("op"), SKU: q.Get("sku"), Order: q.Get("order"), Type: q.Get("type"),
		Fault: q.Get("fault"), Queue: q.Get("queue"), Channel: q.Get("channel")}
	if n, err := strconv.ParseUint(q.Get("after"), 10, 64); err == nil {
		f.After = n
	}
	if n, err := strconv.Atoi(q.Get("limit")); err == nil {
		f.Limit = n
	}
	return f
}
