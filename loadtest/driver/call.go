package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"holdfast/loadtest/schedule"
)

// hand is what sends calls one after another: one connection a target, opened when needed.
type hand struct {
	d     *Driver
	home  int
	conns []*Conn
}

func (d *Driver) hand(n int) *hand {
	h := &hand{d: d, home: n % len(d.targets)}
	for _, t := range d.targets {
		h.conns = append(h.conns, NewConn(t, d.cfg.Token, d.s.Timeout))
	}
	return h
}

func (h *hand) close() {
	for _, c := range h.conns {
		c.Close()
	}
}

// to chooses the target of a call: reads go home, writes to the leader where the scenario follows it.
func (h *hand) to(op string, try int) int {
	if lead := int(h.d.leader.Load()); h.d.s.Leader && lead >= 0 && op != "read" && try == 0 {
		return lead
	}
	return (h.home + try) % len(h.conns)
}

// call sends one call, and again as often as the scenario allows. Each sending is a record.
func (h *hand) call(ctx context.Context, j job) {
	rec, req, taken := h.d.build(j)
	for try := 0; ; try++ {
		r := rec
		r.Try = try
		if try > 0 {
			r.Due = time.Since(h.d.began) // a retry is due when the backoff ends
		}
		again := h.send(ctx, req, &r)
		h.d.keep(j, r)
		if r.Outcome == Done && !j.again && !r.Abandoned {
			h.d.book.done(r.Op, taken, j.call.Cancel)
		}
		if !again || try >= h.d.s.Retry.Times || ctx.Err() != nil {
			return
		}
		if !h.d.wait(ctx, time.Since(h.d.began)+h.d.s.Retry.Backoff) {
			return
		}
	}
}

// build makes the request of a call. A verb for which no order waits becomes a read, and is counted.
func (d *Driver) build(j job) (Record, Request, order) {
	c := j.call
	key := fmt.Sprintf("%s-%d", d.cfg.Run, c.N)
	r := Record{Key: key, Op: c.Op, Phase: j.phase, Due: j.due, Duplicate: j.again}
	req := Request{Method: "POST", Key: key}
	var o order
	switch c.Op {
	case "reserve":
		o = order{key, d.own(c.Lines)}
		r.Reservation, r.Lines, r.Abandoned = key, o.lines, c.Abandoned
		r.Mode = d.s.Order.Mode
		req.Path = "/v1/reservations"
		req.Body = encode(d.reserve(o, c))
		return r, req, o
	case "batch":
		var ops []map[string]any
		for i, lines := range c.Parts {
			p := order{fmt.Sprintf("%s.%d", key, i), d.own(lines)}
			op := d.reserve(p, c)
			op["op"] = "reserve"
			ops = append(ops, op)
			r.Parts = append(r.Parts, Part{Reservation: p.id, Lines: p.lines})
		}
		r.Mode = d.s.Order.Mode
		req.Path, req.Body = "/v1/batch", encode(map[string]any{"ops": ops})
		return r, req, o
	case "commit", "release", "ship", "return":
		if taken, ok := d.book.take(c.Op); ok {
			r.Reservation, r.Lines = taken.id, taken.lines
			req.Path, req.Body = "/v1/reservations/"+taken.id+"/"+c.Op, []byte("{}")
			return r, req, taken
		}
		d.instead.Add(1)
	}
	r.Op, r.Key, r.SKU = "read", "", d.name(c.SKU)
	return r, Request{Method: "GET", Path: "/v1/stock/" + r.SKU}, o
}

func (d *Driver) reserve(o order, c schedule.Call) map[string]any {
	ttl := d.s.Hold.TTL
	if c.Abandoned {
		ttl = d.s.Hold.Abandoned
	}
	return map[string]any{"id": o.id, "channel": d.name(c.Channel), "lines": o.lines,
		"ttl_ms": ttl.Milliseconds(), "mode": d.s.Order.Mode}
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("a request cannot be encoded: %v", err)) // maps of texts and numbers can
	}
	return b
}

// name puts the run's prefix before a name of the scenario.
func (d *Driver) name(n string) string { return d.cfg.Run + "-" + n }

func (d *Driver) own(lines []schedule.Line) []schedule.Line {
	var all []schedule.Line
	for _, l := range lines {
		all = append(all, schedule.Line{SKU: d.name(l.SKU), Qty: l.Qty})
	}
	return all
}

// send sends a call once and fills in the record. It reports whether a retry has a meaning: the call
// did not happen, or nobody knows.
func (h *hand) send(ctx context.Context, req Request, r *Record) bool {
	conn := h.conns[h.to(r.Op, r.Try)]
	r.Target, r.Sent = conn.target.URL, time.Since(h.d.began)
	reply, err := conn.Do(ctx, req)
	r.End = time.Since(h.d.began)
	switch {
	case errors.Is(err, errUnsent):
		r.Outcome, r.Code = Never, "unreachable"
		return true
	case err != nil:
		r.Outcome, r.Code = Unknown, "no-answer"
		return true
	}
	r.Status, r.Index, r.Replayed = reply.Status, reply.Index, reply.Replayed
	switch {
	case reply.Status < 300:
		r.Outcome = Done
	case reply.Status == 409 || reply.Status == 410:
		r.Outcome = Refused
	case reply.Status == 504:
		r.Outcome = Unknown
	case reply.Status >= 500 && reply.Status != 503 && reply.Status != 507:
		r.Outcome = Unknown // 500 promises nothing
	default:
		r.Outcome = Never
	}
	if err := readAnswer(reply.Body, r); err != nil && r.Outcome == Done {
		r.Outcome, r.Code = Unknown, "bad-answer"
	}
	return r.Outcome == Unknown || reply.Status == 429 || reply.Status == 503
}

// readAnswer takes from an answer what the checker needs.
func readAnswer(body []byte, r *Record) error {
	var a struct {
		Code      string      `json:"code"`
		ID        string      `json:"id"`
		Index     uint64      `json:"index"`
		Lines     []LineSeen  `json:"lines"`
		ExpiresAt time.Time   `json:"expires_at"`
		Locations []StockSeen `json:"locations"`
		Results   []struct {
			Status int    `json:"status"`
			Code   string `json:"code"`
		} `json:"results"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return err
	}
	r.Code, r.AnswerID, r.Answer, r.ExpiresAt = a.Code, a.ID, a.Lines, a.ExpiresAt
	if len(a.Locations) == 1 {
		r.Stock = &a.Locations[0]
	}
	if len(r.Parts) > 0 && r.Outcome == Done && len(a.Results) != len(r.Parts) {
		return fmt.Errorf("%d results for %d operations", len(a.Results), len(r.Parts))
	}
	for i := range min(len(a.Results), len(r.Parts)) {
		r.Parts[i].Status, r.Parts[i].Code = a.Results[i].Status, a.Results[i].Code
	}
	return nil
}

func (d *Driver) keep(j job, r Record) {
	d.tally.add(d.phase(j.phase), &r)
	d.mu.Lock()
	defer d.mu.Unlock()
	r.Parts = append([]Part(nil), r.Parts...)
	d.mu.records = append(d.mu.records, r)
}
