package check

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"

	"holdfast/loadtest/driver"
	"holdfast/loadtest/scenario"
	"holdfast/loadtest/schedule"
)

// Violation is one broken promise.
type Violation struct {
	Promise string `json:"promise"` // such as no-oversell
	What    string `json:"what"`
}

// Verdict is what the checker found.
type Verdict struct {
	Promises     []Promise `json:"promises"`
	Reservations int       `json:"reservations"`
	SKUs         int       `json:"skus"`
	Sampled      int       `json:"sampled"` // operations of the histories that porcupine judged
	// Undecided are histories that porcupine did not finish in time: no violation, and no proof.
	Undecided int `json:"undecided"`
}

// Promise is one thing that was looked at.
type Promise struct {
	Name       string      `json:"name"`
	Looked     int         `json:"looked"` // things that were compared
	Broken     int         `json:"broken"`
	Violations []Violation `json:"violations,omitempty"` // the first few
}

// Broken reports whether any promise was.
func (v *Verdict) Broken() bool {
	return slices.ContainsFunc(v.Promises, func(p Promise) bool { return p.Broken > 0 })
}

// shown is how many violations of a promise are told one by one.
const shown = 20

// The promises, in the order of the report.
const (
	noOversell   = "no-oversell"
	writesKept   = "acknowledged-writes"
	oneEffect    = "one-effect-per-key"
	noLeakedHold = "no-hold-past-deadline"
	balances     = "balances"
	agreement    = "nodes-agree"
	linear       = "linearizable"
)

// Config is what Run needs.
type Config struct {
	Scenario *scenario.Scenario
	Result   *driver.Result
	Targets  []string
	Token    string
}

type checker struct {
	cfg     Config
	v       *Verdict
	placed  map[string]seen                      // all reservations of the run, as the API lists them
	stock   []map[string]driver.StockSeen        // by target, by SKU
	stocked map[string]int64                     // what each SKU was given
	keys    map[string][]*driver.Record          // by key, in order of the end
	asked   map[string]map[string]*driver.Record // by reservation, by verb: the first that was done
	doubts  map[string]bool                      // reservations with a call of unknown outcome
}

// seen is a reservation as the API shows it.
type seen struct {
	ID        string            `json:"id"`
	Mode      string            `json:"mode"`
	State     string            `json:"state"`
	ExpiresAt time.Time         `json:"expires_at"`
	Lines     []driver.LineSeen `json:"lines"`
}

// Run checks a run. It waits until the last short hold must have ended. It fails when the API cannot
// be read to the end: then nothing is proven, and the run must not pass either.
func Run(ctx context.Context, cfg Config) (*Verdict, error) {
	c := &checker{cfg: cfg, v: &Verdict{}, placed: map[string]seen{}, stocked: map[string]int64{},
		keys: map[string][]*driver.Record{}, asked: map[string]map[string]*driver.Record{},
		doubts: map[string]bool{}}
	for _, name := range []string{noOversell, writesKept, oneEffect, noLeakedHold, balances,
		agreement, linear} {
		c.v.Promises = append(c.v.Promises, Promise{Name: name})
	}
	c.index()
	if err := c.settle(ctx); err != nil {
		return nil, err
	}
	if err := c.read(ctx); err != nil {
		return nil, fmt.Errorf("read what the run left: %w", err)
	}
	c.oversell()
	c.writes()
	c.oneEffect()
	c.leaked()
	c.balances()
	c.agree()
	c.linear()
	return c.v, nil
}

func (c *checker) looked(promise string, n int) {
	for i := range c.v.Promises {
		if c.v.Promises[i].Name == promise {
			c.v.Promises[i].Looked += n
		}
	}
}

func (c *checker) broken(promise, format string, args ...any) {
	for i := range c.v.Promises {
		if p := &c.v.Promises[i]; p.Name == promise {
			p.Broken++
			if len(p.Violations) < shown {
				p.Violations = append(p.Violations, Violation{promise, fmt.Sprintf(format, args...)})
			}
		}
	}
}

// index sorts the records by what they are about.
func (c *checker) index() {
	for _, l := range schedule.Stocks(c.cfg.Scenario) {
		c.stocked[c.cfg.Result.Run+"-"+l.SKU] = l.Qty
	}
	for i := range c.cfg.Result.Records {
		r := &c.cfg.Result.Records[i]
		if r.Op == "drop" && r.Outcome != driver.Never {
			c.stocked[r.SKU] = r.Qty
		}
		if r.Key != "" {
			c.keys[r.Key] = append(c.keys[r.Key], r)
		}
		switch {
		case r.Reservation == "":
		case r.Outcome == driver.Unknown:
			c.doubts[r.Reservation] = true
		case r.Outcome == driver.Done:
			if c.asked[r.Reservation] == nil {
				c.asked[r.Reservation] = map[string]*driver.Record{}
			}
			if c.asked[r.Reservation][r.Op] == nil {
				c.asked[r.Reservation][r.Op] = r
			}
		}
	}
}

// settle waits until the grace of the last abandoned hold is over.
func (c *checker) settle(ctx context.Context) error {
	var last time.Time
	for i := range c.cfg.Result.Records {
		r := &c.cfg.Result.Records[i]
		if r.Abandoned && r.ExpiresAt.After(last) {
			last = r.ExpiresAt
		}
	}
	t := time.NewTimer(time.Until(last.Add(c.cfg.Scenario.Hold.Grace)))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// read asks the API for every reservation of the run, and every node for every SKU.
func (c *checker) read(ctx context.Context) error {
	var conns []*driver.Conn
	for _, raw := range c.cfg.Targets {
		t, err := driver.NewTarget(raw)
		if err != nil {
			return err
		}
		conn := driver.NewConn(t, c.cfg.Token, time.Minute)
		defer conn.Close()
		conns = append(conns, conn)
		c.stock = append(c.stock, map[string]driver.StockSeen{})
	}
	for _, ch := range c.cfg.Scenario.Channels {
		if err := c.list(ctx, conns[0], c.cfg.Result.Run+"-"+ch.Name); err != nil {
			return err
		}
	}
	for sku := range c.stocked {
		for i, conn := range conns {
			var s struct {
				Locations []driver.StockSeen `json:"locations"`
			}
			if err := get(ctx, conn, "/v1/stock/"+url.PathEscape(sku), &s); err != nil {
				return err
			}
			var sum driver.StockSeen
			for _, l := range s.Locations {
				sum.OnHand, sum.Held = sum.OnHand+l.OnHand, sum.Held+l.Held
				sum.Committed += l.Committed
			}
			c.stock[i][sku] = sum
		}
	}
	c.v.Reservations, c.v.SKUs = len(c.placed), len(c.stocked)
	return nil
}

func (c *checker) list(ctx context.Context, conn *driver.Conn, channel string) error {
	for after := ""; ; {
		var page struct {
			Items []seen `json:"items"`
			Next  string `json:"next"`
		}
		path := "/v1/reservations?limit=1000&channel=" + url.QueryEscape(channel)
		if after != "" {
			path += "&after=" + url.QueryEscape(after)
		}
		if err := get(ctx, conn, path, &page); err != nil {
			return err
		}
		for _, r := range page.Items {
			c.placed[r.ID] = r
		}
		if after = page.Next; after == "" {
			return nil
		}
	}
}

// get reads one page. A server that is busy or has no leader is asked again for a minute: reading
// changes nothing, and the check must end with a proof.
func get(ctx context.Context, conn *driver.Conn, path string, into any) error {
	for began := time.Now(); ; {
		reply, err := conn.Do(ctx, driver.Request{Method: "GET", Path: path})
		if err == nil && reply.Status == 200 {
			return json.Unmarshal(reply.Body, into)
		}
		if err == nil {
			err = fmt.Errorf("GET %s: %d %.200s", path, reply.Status, reply.Body)
		}
		if time.Since(began) > time.Minute {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
