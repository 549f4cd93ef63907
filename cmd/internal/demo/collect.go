package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/cmd/internal/client"
)

// Seen is what the nodes say after the event.
type Seen struct {
	At     time.Time // before anything was read
	Nodes  []NodeSeen
	Events []client.Event // all, from the first node
	Late   map[string]answer
}

// NodeSeen is what one node says of its own state.
type NodeSeen struct {
	Name         string
	Check        client.CheckReport
	Digest       client.Digest
	Stock        map[Place]client.LocationStock
	Reservations map[string]client.Reservation
}

// collector reads the nodes.
type collector struct {
	nodes []*client.Client
	names []string
	send  *sender
	books *Books
}

// idleExpiry is how long after its deadline a hold may live while the cluster is idle.
const idleExpiry = time.Second

// collect waits until the last short hold must be over, tries to commit some of those, and reads
// all that each node has. It fails when a node does not answer or does not catch up.
func (c *collector) collect(ctx context.Context) (*Seen, error) {
	if at := c.books.lastDeadline(); !at.IsZero() {
		timer := time.NewTimer(time.Until(at.Add(idleExpiry)))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	s := &Seen{At: time.Now()}
	var err error
	if s.Late, err = c.lateCommits(ctx); err != nil {
		return nil, err
	}
	if err := c.settle(ctx, s); err != nil {
		return nil, err
	}
	for i := range c.nodes {
		if err := c.node(ctx, i, &s.Nodes[i]); err != nil {
			return nil, fmt.Errorf("read %s: %w", c.names[i], err)
		}
	}
	if s.Events, err = c.events(ctx); err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return s, nil
}

// lateCommits comes back for holds that are over: each must be refused.
func (c *collector) lateCommits(ctx context.Context) (map[string]answer, error) {
	const most = 20
	all := map[string]answer{}
	for id, acc := range c.books.accounts {
		if len(all) == most {
			break
		}
		if acc.Order.Fate != Abandoned || acc.Refused != "" {
			continue
		}
		a, err := c.send.one(ctx, len(all), client.Call{Method: "POST", Key: id + "-late",
			Path: "/v1/reservations/" + id + "/commit", Body: client.Verb{}})
		if err != nil {
			return nil, err
		}
		all[id] = a
	}
	return all, nil
}

// settle waits until every node stands at the same index, so that their digests can be compared.
func (c *collector) settle(ctx context.Context, s *Seen) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		s.Nodes = s.Nodes[:0]
		equal := true
		var last error
		for i, n := range c.nodes {
			seen := NodeSeen{Name: c.names[i]}
			_, last = n.Do(ctx, client.Call{Path: "/v1/digest", Query: url.Values{"level": {"stale"}}},
				&seen.Digest)
			s.Nodes = append(s.Nodes, seen)
			equal = equal && last == nil && seen.Digest.Index == s.Nodes[0].Digest.Index
		}
		if equal {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the nodes do not come to one index: %w",
				errors.Join(ctx.Err(), last))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// node reads one node. Stale reads ask this node and no other; settle made sure that it has all.
func (c *collector) node(ctx context.Context, i int, n *NodeSeen) error {
	ask := c.nodes[i]
	if _, err := ask.Do(ctx, client.Call{Method: "POST", Path: "/v1/check"}, &n.Check); err != nil {
		return err
	}
	n.Stock = map[Place]client.LocationStock{}
	singles := c.books.cat.Singles()
	rows := make([]client.Stock, len(singles))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for j, sku := range singles {
		g.Go(func() error {
			_, err := ask.Do(gctx, client.Call{Path: "/v1/stock/" + client.Segment(sku),
				Query: url.Values{"level": {"stale"}}}, &rows[j])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, r := range rows {
		for _, l := range r.Locations {
			n.Stock[Place{r.SKU, l.Location}] = l
		}
	}
	n.Reservations = map[string]client.Reservation{}
	return pages(ctx, ask, "/v1/reservations", func(raw json.RawMessage) error {
		var r client.Reservation
		if err := json.Unmarshal(raw, &r); err != nil {
			return err
		}
		n.Reservations[r.ID] = r
		return nil
	})
}

// pages visits every item of a list, read stale.
func pages(ctx context.Context, ask *client.Client, path string,
	visit func(json.RawMessage) error) error {
	q := url.Values{"limit": {"1000"}, "level": {"stale"}}
	for {
		var page client.Page
		if _, err := ask.Do(ctx, client.Call{Path: path, Query: q}, &page); err != nil {
			return err
		}
		for _, raw := range page.Items {
			if err := visit(raw); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		q.Set("after", page.Next)
	}
}

func (c *collector) events(ctx context.Context) ([]client.Event, error) {
	var all []client.Event
	for after := uint64(0); ; {
		const limit = 1_000
		var page client.EventPage
		_, err := c.nodes[0].Do(ctx, client.Call{Path: "/v1/events", Query: url.Values{
			"after": {strconv.FormatUint(after, 10)}, "limit": {strconv.Itoa(limit)}}}, &page)
		if err != nil {
			return nil, err
		}
		for _, raw := range page.Events {
			var e client.Event
			if err := json.Unmarshal(raw, &e); err != nil {
				return nil, err
			}
			all = append(all, e)
			after = e.Seq
		}
		if len(page.Events) < limit {
			return all, nil
		}
	}
}
