package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"holdfast/cmd/internal/client"
)

// Seen is what was found on a cluster. What could not be had is in the errors beside it.
type Seen struct {
	At         time.Time
	Cluster    client.Cluster // as the asked node sees it
	ClusterErr error
	Nodes      []Node // one for each member, in their order

	Exceptions     []client.Exception // the open ones, up to a page
	MoreExceptions bool
	ExceptionsErr  error
	Connections    []client.Connection
	ConnectionsErr error
}

// Node is what one member says of itself.
type Node struct {
	Member  client.Member
	URL     string // "" when its address is not known
	Err     error  // it could not be asked, and nothing below is known
	Leader  string
	Ready   []Ready
	Metrics Metrics
	// MetricsErr: it answers, and not with its metrics.
	MetricsErr error
}

// Ready is one line of /readyz.
type Ready struct {
	Name, Detail string
	OK           bool
}

// Look asks the node that ask is of, and through what it says every member. ask makes a client of a URL;
// Look closes those that it asked for. It never fails: what it could not have is in Seen.
func Look(ctx context.Context, server string, ask func(url string) *client.Client,
	now func() time.Time) *Seen {
	s := &Seen{At: now()}
	first := ask(server)
	defer first.Close()
	if _, s.ClusterErr = first.Do(ctx, client.Call{Path: "/v1/cluster"}, &s.Cluster); s.ClusterErr != nil {
		return s
	}
	s.Nodes = make([]Node, len(s.Cluster.Members))
	var asked sync.WaitGroup
	for i, m := range s.Cluster.Members {
		n := &s.Nodes[i]
		n.Member, n.URL = m, urlOf(server, m, m.ID == s.Cluster.Node)
		if n.URL == "" {
			continue
		}
		asked.Go(func() {
			c := ask(n.URL)
			defer c.Close()
			n.look(ctx, c)
		})
	}
	asked.Go(func() { s.lookAtExceptions(ctx, first) })
	asked.Go(func() { s.lookAtConnections(ctx, first) })
	asked.Wait()
	return s
}

// urlOf is where a member serves HTTP: by what it says of itself, or, when it listens on every address,
// on that of its port for the others. The one that was asked is reached as it was.
func urlOf(server string, m client.Member, asked bool) string {
	if asked {
		return server
	}
	host, port, err := net.SplitHostPort(m.HTTP)
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		if host, _, err = net.SplitHostPort(m.Raft); err != nil {
			return ""
		}
	}
	u, err := url.Parse(server)
	if err != nil {
		return ""
	}
	u.Host, u.Path = net.JoinHostPort(host, port), ""
	return u.String()
}

// look fills in what the node says.
func (n *Node) look(ctx context.Context, c *client.Client) {
	var view client.Cluster
	if _, n.Err = c.Do(ctx, client.Call{Path: "/v1/cluster"}, &view); n.Err != nil {
		return
	}
	n.Leader = view.Leader
	n.Ready, n.Err = readyOf(ctx, c)
	if n.Err != nil {
		return
	}
	reply, err := c.Do(ctx, client.Call{Path: "/metrics"}, nil)
	if err == nil {
		n.Metrics, err = ReadMetrics(bytes.NewReader(reply.Body))
	}
	n.MetricsErr = err
}

// readyOf reads /readyz, whose lines are the same whatever its status is.
func readyOf(ctx context.Context, c *client.Client) ([]Ready, error) {
	reply, err := c.Do(ctx, client.Call{Path: "/readyz"}, nil)
	text := string(reply.Body)
	if p, ok := err.(*client.Problem); ok && p.Later() {
		text, err = string(p.Raw), nil
	}
	if err != nil {
		return nil, err
	}
	var all []Ready
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		var r Ready
		rest, ok := strings.CutPrefix(line, "[+]")
		if r.OK = ok; !ok {
			rest = strings.TrimPrefix(line, "[-]")
		}
		r.Name, r.Detail, _ = strings.Cut(rest, ": ")
		r.Name = strings.TrimSuffix(strings.TrimSuffix(r.Name, " ok"), " failed")
		all = append(all, r)
	}
	return all, nil
}

const page = "1000"

func (s *Seen) lookAtExceptions(ctx context.Context, c *client.Client) {
	var found client.Page
	_, s.ExceptionsErr = c.Do(ctx, client.Call{Path: "/v1/exceptions",
		Query: url.Values{"state": {"open"}, "limit": {page}}}, &found)
	s.MoreExceptions = found.Next != ""
	for _, item := range found.Items {
		var e client.Exception
		if err := json.Unmarshal(item, &e); err == nil {
			s.Exceptions = append(s.Exceptions, e)
		}
	}
}

func (s *Seen) lookAtConnections(ctx context.Context, c *client.Client) {
	var found client.Page
	_, s.ConnectionsErr = c.Do(ctx, client.Call{Path: "/v1/connections",
		Query: url.Values{"limit": {page}}}, &found)
	for _, item := range found.Items {
		var one client.Connection
		if err := json.Unmarshal(item, &one); err == nil {
			s.Connections = append(s.Connections, one)
		}
	}
}
