package netsuitetest

import (
	"bytes"
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
		out, err = controlled(w, r, func(in Orders) (any, error) {
			list, err := s.Enter(in)
			return map[string]any{"orders": list}, err
		})
	case "POST /_sim/stock", "POST /_sim/edits":
		out, err = controlled(w, r, func(in Staff) (any, error) { return acknowledged(s.Work(in)) })
	case "POST /_sim/cancel":
		out, err = controlled(w, r, func(in Cancels) (any, error) {
			list, err := s.Cancel(in)
			return map[string]any{"cancelled": list}, err
		})
	case "POST /_sim/returns":
		out, err = controlled(w, r, s.Return)
	case "POST /_sim/access":
		out, err = controlled(w, r, func(in Access) (any, error) { s.Access(in); return acknowledged(nil) })
	case "POST /_sim/faults":
		out, err = controlled(w, r, func(in Script) (any, error) { return acknowledged(s.Run(in)) })
	case "POST /_sim/clock":
		out, err = controlled(w, r, s.setClock)
	case "GET /_sim/clock":
		out = map[string]any{"now": s.Now(), "manual": s.cfg.Manual, "speed": s.cfg.Speed}
	case "GET /_sim/state":
		out = s.State()
	case "GET /_sim/journal":
		out = map[string]any{"entries": s.Journal(filterOf(r.URL.Query())),
			"dropped": s.journal.lost()}
	default:
		writeControl(w, http.StatusNotFound, map[string]any{"error": "no such control"})
		return
	}
	if err != nil {
		writeControl(w, http.StatusBadRequest, map[string]any{"error": err.Error()})
		return
	}
	writeControl(w, http.StatusOK, out)
}

func writeControl(w http.ResponseWriter, status int, body any) {
	text := encode(body)
	w.Header()["Content-Type"] = []string{"application/json; charset=utf-8"}
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

func acknowledged(err error) (any, error) { return map[string]any{"ok": err == nil}, err }

func controlled[In, Out any](w http.ResponseWriter, r *http.Request,
	do func(In) (Out, error)) (any, error) {
	var in In
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<20))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	return do(in)
}

// Access is what an administrator does to those who log in.
type Access struct {
	Revoke  bool `json:"revoke"`  // all access tokens end now
	Refresh bool `json:"refresh"` // as the refresh of a sandbox: mappings and tokens are gone as well
	Restore bool `json:"restore"` // certificates and tokens are mapped again
}

// Access changes who may log in.
func (s *Server) Access(in Access) {
	if in.Revoke || in.Refresh {
		s.access.revokeAll(in.Refresh)
	}
	if in.Restore {
		s.access.restore()
	}
	s.journal.add(Entry{Kind: "staff", Cause: "staff", Op: "access",
		Result: fmt.Sprintf("revoke=%v refresh=%v restore=%v", in.Revoke, in.Refresh, in.Restore)})
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
	f := Filter{Kind: q.Get("kind"), Cause: q.Get("cause"), Op: q.Get("op"), Type: q.Get("type"),
		External: q.Get("external_id"), SKU: q.Get("sku"), Location: q.Get("location"),
		Fault: q.Get("fault"), Client: q.Get("client")}
	if n, err := strconv.ParseInt(q.Get("record"), 10, 64); err == nil {
		f.Record = n
	}
	if n, err := strconv.ParseUint(q.Get("after"), 10, 64); err == nil {
		f.After = n
	}
	if n, err := strconv.Atoi(q.Get("limit")); err == nil {
		f.Limit = n
	}
	return f
}

// ParseScript reads a script of faults from JSON. The error names what is wrong in it: an unknown
// field, or a rule or an assumption that is not valid.
func ParseScript(text []byte) (Script, error) {
	var out Script
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&out); err != nil {
		return out, fmt.Errorf("script of faults: %w", err)
	}
	if _, err := out.assume(Documented()); err != nil {
		return out, fmt.Errorf("script of faults: %w", err)
	}
	return out, out.validate()
}

func (in Script) validate() error {
	for _, f := range in.Faults {
		if err := f.validate(); err != nil {
			return err
		}
	}
	if in.Concurrency != nil && *in.Concurrency < 1 || in.Occupied != nil && *in.Occupied < 0 ||
		in.LatencyMS != nil && *in.LatencyMS < 0 {
		return errors.New("concurrency is 1 or more, occupied and latency_ms 0 or more")
	}
	return nil
}

// assume applies those assumptions that the script names.
func (in Script) assume(a Assumptions) (Assumptions, error) {
	if len(in.Assumptions) > 0 {
		dec := json.NewDecoder(bytes.NewReader(in.Assumptions))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&a); err != nil {
			return a, fmt.Errorf("assumptions: %w", err)
		}
	}
	if _, err := time.LoadLocation(a.TimeZone); err != nil {
		return a, fmt.Errorf("assumptions: %w", err)
	}
	return a, nil
}

// Run puts a script into force. The error names a rule or an assumption that is not valid; then
// nothing changed.
func (s *Server) Run(in Script) error {
	a, err := in.assume(s.assumptions())
	if err != nil {
		return err
	}
	if err := in.validate(); err != nil {
		return err
	}
	if in.Clear {
		s.Mend()
	}
	s.limit.set(in.Concurrency, in.Occupied)
	if in.LatencyMS != nil {
		s.latency.Store(int64(time.Duration(*in.LatencyMS) * time.Millisecond))
	}
	if err := s.Assume(a); err != nil {
		return err
	}
	return s.Break(in.Faults...)
}
