package robustness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"holdfast/cmd/internal/client"
	"holdfast/cmd/internal/robustness/cluster"
	"holdfast/cmd/internal/robustness/history"
	"holdfast/cmd/internal/robustness/judge"
)

// settleFor bounds the wait for all nodes to be at one index when nothing is sent any more.
const settleFor = 30 * time.Second

// collect reads everything back from every node, when all are at one index. It fails when they do
// not come to one within limit, or a node cannot be read; it returns what the others show all the
// same.
func collect(ctx context.Context, c *cluster.Cluster,
	limit time.Duration) ([]judge.NodeView, error) {
	var errs []error
	reports := map[string]client.CheckReport{}
	for _, n := range c.Nodes { // checks go through the log, so they come first
		var err error
		if reports[n.Name], err = check(ctx, n); err != nil {
			errs = append(errs, fmt.Errorf("check of %s: %w", n.Name, err))
		}
	}
	for deadline := time.Now().Add(limit); !level(ctx, c); {
		if len(errs) > 0 || time.Now().After(deadline) || ctx.Err() != nil {
			errs = append(errs, fmt.Errorf("the nodes are not at one index %v after the load", limit))
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	var views []judge.NodeView
	for _, n := range c.Nodes {
		v, err := view(ctx, n)
		if err != nil {
			errs = append(errs, fmt.Errorf("read back from %s: %w", n.Name, err))
			continue
		}
		v.Check = reports[n.Name]
		views = append(views, v)
	}
	return views, errors.Join(errs...)
}

// level reports whether all nodes are at one index.
func level(ctx context.Context, c *cluster.Cluster) bool {
	index := uint64(0)
	for _, n := range c.Nodes {
		s, err := n.Status(ctx)
		if err != nil || (index != 0 && s.Index != index) {
			return false
		}
		index = s.Index
	}
	return true
}

func check(ctx context.Context, n *cluster.Node) (client.CheckReport, error) {
	var r client.CheckReport
	_, err := n.Ask.Do(ctx, client.Call{Method: "POST", Path: "/v1/check"}, &r)
	return r, err
}

// stale asks a node for what it has, without the others.
func stale(ctx context.Context, n *cluster.Node, path string, q url.Values, out any) error {
	if q == nil {
		q = url.Values{}
	}
	q.Set("level", "stale")
	_, err := n.Ask.Do(ctx, client.Call{Path: path, Query: q}, out)
	return err
}

// view reads all that one node shows.
func view(ctx context.Context, n *cluster.Node) (judge.NodeView, error) {
	v := judge.NodeView{Name: n.Name, Reservations: map[string][]history.Line{},
		Stock: map[string]history.Balance{}}
	if err := stale(ctx, n, "/v1/digest", nil, &v.Digest); err != nil {
		return v, err
	}
	skus := map[string]bool{}
	for after := uint64(0); ; {
		var page client.EventPage
		q := url.Values{"after": {strconv.FormatUint(after, 10)}, "limit": {"1000"}}
		if err := stale(ctx, n, "/v1/events", q, &page); err != nil {
			return v, err
		}
		for _, raw := range page.Events {
			var e client.Event
			if err := json.Unmarshal(raw, &e); err != nil {
				return v, err
			}
			v.Events = append(v.Events, e)
			if e.Location != "" && e.SKU != "" {
				skus[e.SKU] = true
			}
		}
		if len(page.Events) == 0 {
			break
		}
		after = page.Next
	}
	for sku := range skus {
		var s client.Stock
		if err := stale(ctx, n, "/v1/stock/"+client.Segment(sku), nil, &s); err != nil {
			return v, err
		}
		for _, l := range s.Locations {
			v.Stock[sku] = history.Balance{OnHand: l.OnHand, Held: l.Held, Committed: l.Committed}
		}
	}
	return v, reservations(ctx, n, v.Reservations)
}

func reservations(ctx context.Context, n *cluster.Node, into map[string][]history.Line) error {
	for after := ""; ; {
		q := url.Values{"limit": {"1000"}}
		if after != "" {
			q.Set("after", after)
		}
		var page client.Page
		if err := stale(ctx, n, "/v1/reservations", q, &page); err != nil {
			return err
		}
		for _, raw := range page.Items {
			var r client.Reservation
			if err := json.Unmarshal(raw, &r); err != nil {
				return err
			}
			var lines []history.Line
			for _, l := range r.Lines {
				lines = append(lines, history.Line{SKU: l.SKU, Held: l.Held, Committed: l.Committed,
					Shipped: l.Shipped, Released: l.Released, Expired: l.Expired, Returned: l.Returned})
			}
			into[r.ID] = lines
		}
		if after = page.Next; after == "" {
			return nil
		}
	}
}
