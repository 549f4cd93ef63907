package driver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"holdfast/loadtest/schedule"
)

// setup is a page of the preparation: the API takes up to 10,000.
const setup = 1_000

// prepare makes the run's own location, channels, SKUs and stock. It fails on the first call that is
// not accepted.
func (d *Driver) prepare(ctx context.Context) error {
	c := NewConn(d.targets[0], d.cfg.Token, max(d.s.Timeout, 30*time.Second))
	defer c.Close()
	send := func(method, path, key string, body any) error {
		reply, err := c.Do(ctx, Request{method, path, key, encode(body)})
		if err == nil && reply.Status != http.StatusOK {
			err = fmt.Errorf("%s %s: %d %.300s", method, path, reply.Status, reply.Body)
		}
		return err
	}
	main := d.name("main")
	if err := send("PUT", "/v1/locations/"+main, "", map[string]any{"kind": "merchant",
		"region": "na", "country": "US", "master": "holdfast"}); err != nil {
		return err
	}
	for _, ch := range d.s.Channels {
		if err := send("PUT", "/v1/channels/"+d.name(ch.Name), "", map[string]any{"kind": "api",
			"region": "na", "locations": []string{main}}); err != nil {
			return err
		}
	}
	all := schedule.Stocks(d.s)
	for at := 0; at < len(all); at += setup {
		var skus, changes []map[string]any
		for _, l := range all[at:min(len(all), at+setup)] {
			skus = append(skus, map[string]any{"sku": d.name(l.SKU), "title": l.SKU})
			changes = append(changes, map[string]any{"sku": d.name(l.SKU), "location": main,
				"set": l.Qty, "source": "load"})
		}
		key := fmt.Sprintf("%s-setup-%d", d.cfg.Run, at)
		if err := send("POST", "/v1/skus", key, map[string]any{"skus": skus}); err != nil {
			return err
		}
		if err := send("POST", "/v1/stock", key+"-s", map[string]any{"changes": changes}); err != nil {
			return err
		}
	}
	return nil
}

// beside does what happens beside the calls until ctx ends: faults, the drop, the leader, progress.
func (d *Driver) beside(ctx context.Context) {
	done := make(chan struct{})
	n := 0
	start := func(f func()) {
		n++
		go func() { f(); done <- struct{}{} }()
	}
	start(func() { d.follow(ctx) })
	start(func() { d.progress(ctx) })
	if d.cfg.Part == 0 {
		start(func() { d.drop(ctx) })
		for _, f := range d.s.Faults {
			start(func() {
				if !d.wait(ctx, f.At) {
					return
				}
				undo, err := d.cfg.Fault(ctx, f)
				d.mark(f.Kind+" "+f.Target, err)
				if err != nil || undo == nil {
					return
				}
				d.wait(ctx, f.At+f.For)
				d.mark("end of "+f.Kind+" "+f.Target, undo(context.WithoutCancel(ctx)))
			})
		}
	}
	for range n {
		<-done
	}
}

func (d *Driver) mark(what string, err error) {
	m := Mark{At: time.Since(d.began), What: what}
	if err != nil {
		m.Err = err.Error()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.marks = append(d.mu.marks, m)
}

// drop gives the scenario's drop its stock at its moment; it is a record like any other call.
func (d *Driver) drop(ctx context.Context) {
	drop := d.s.SKUs.Drop
	if drop == nil || !d.wait(ctx, drop.At) {
		return
	}
	h := d.hand(0)
	defer h.close()
	phase, at := 0, time.Duration(0)
	for i, p := range d.s.Phases {
		if at <= drop.At {
			phase = i
		}
		at += p.Duration
	}
	r := Record{Op: "drop", Key: d.cfg.Run + "-drop", SKU: d.name(drop.Name), Qty: drop.Stock,
		Due: drop.At, Phase: phase}
	d.due.Add(1)
	h.send(ctx, Request{"POST", "/v1/stock", r.Key, encode(map[string]any{"changes": []any{
		map[string]any{"sku": r.SKU, "location": d.name("main"), "set": r.Qty, "source": "load",
			"as_of": time.Now().UTC().Format(time.RFC3339Nano)}}})}, &r)
	d.mark("drop of "+drop.Name, nil)
	d.keep(job{phase: phase}, r)
}

// followEvery is how often the leader is asked for: a tenth of the least time that a run shows.
const followEvery = 250 * time.Millisecond

// follow keeps the leader's target up to date while ctx lasts.
func (d *Driver) follow(ctx context.Context) {
	if !d.s.Leader {
		return
	}
	h := d.hand(0)
	defer h.close()
	for n := 0; d.wait(ctx, time.Since(d.began)+followEvery); n++ {
		var c struct {
			Leader  string `json:"leader"`
			Members []struct{ ID, HTTP string }
		}
		reply, err := h.conns[n%len(h.conns)].Do(ctx, Request{Method: "GET", Path: "/v1/cluster"})
		if err != nil || json.Unmarshal(reply.Body, &c) != nil {
			continue
		}
		for _, m := range c.Members {
			for i, t := range d.targets {
				if u, err := url.Parse(t.URL); err == nil && m.ID == c.Leader && u.Host == m.HTTP {
					d.leader.Store(int64(i))
				}
			}
		}
	}
}

// progress tells once a second where the run stands.
func (d *Driver) progress(ctx context.Context) {
	last := 0
	for d.cfg.Progress != nil && d.wait(ctx, time.Since(d.began).Truncate(time.Second)+time.Second) {
		at := time.Since(d.began)
		l := Live{At: at}
		end := time.Duration(0)
		for _, p := range d.s.Phases {
			if end <= at {
				l.Phase = p.Name
			}
			end += p.Duration
		}
		if due, ok := d.queue.oldest(); ok {
			l.OldestUnsent = at - due
		}
		t := d.tally
		t.mu.Lock()
		l.Rate, last = float64(t.mu.sent-last), t.mu.sent
		l.Errors, l.Unsent = t.mu.errors, t.mu.unsent
		l.P50 = time.Duration(t.mu.recent.ValueAtQuantile(50)) * time.Microsecond
		l.P99 = time.Duration(t.mu.recent.ValueAtQuantile(99)) * time.Microsecond
		t.mu.recent.Reset()
		t.mu.Unlock()
		d.cfg.Progress(l)
	}
}
