package storm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/cmd/internal/client"
	"holdfast/cmd/internal/loopback"
	"holdfast/cmd/internal/node"
)

// cluster is nodes in this process, and one door in front of them for webhooks.
type cluster struct {
	specs []node.Config
	ask   []*client.Client
	door  *http.Server
	at    string // of the door
	turn  atomic.Uint64

	mu      sync.Mutex
	running []*node.Node // nil while it is down
}

// segmentBytes is the size of a file of the raft log: nodes that live for minutes write little.
const segmentBytes = 16 << 20

// startCluster starts n nodes and a door. It fails when one of them does not start; then none runs.
func startCluster(ctx context.Context, n int, dir string, speed int, log *slog.Logger) (
	*cluster, error) {
	addrs, err := loopback.Free(2 * n)
	if err != nil {
		return nil, err
	}
	c := &cluster{running: make([]*node.Node, n)}
	var peers []node.Peer
	for i := range n {
		peers = append(peers, node.Peer{Name: fmt.Sprintf("n%d", i+1), Raft: addrs[n+i]})
	}
	for i, p := range peers {
		c.specs = append(c.specs, node.Config{Name: p.Name, Data: filepath.Join(dir, p.Name),
			HTTP: addrs[i], Raft: p.Raft, Peers: peers, LogSegmentBytes: segmentBytes, Speed: speed,
			Private:     []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, // who is told is here too
			StopTimeout: time.Second, Logger: log.With("node", p.Name)})
		c.ask = append(c.ask, client.New(client.Config{Server: "http://" + addrs[i], Conns: 16}))
	}
	var g errgroup.Group
	for i := range c.specs {
		g.Go(func() error { return c.start(ctx, i) })
	}
	if err = g.Wait(); err == nil {
		err = c.openDoor()
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *cluster) start(ctx context.Context, i int) error {
	n, err := node.Start(ctx, c.specs[i])
	if err != nil {
		return fmt.Errorf("start %s: %w", c.specs[i].Name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running[i] = n
	return nil
}

// kill ends a node as a crash would.
func (c *cluster) kill(i int) {
	c.mu.Lock()
	n := c.running[i]
	c.running[i] = nil
	c.mu.Unlock()
	if n != nil {
		n.Kill()
	}
}

// openDoor listens for webhooks: like a load balancer that checks health, it gives each to the next
// node that runs, and answers 502 when that one dies under it.
func (c *cluster) openDoor() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	proxy := &httputil.ReverseProxy{
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 10 * time.Second},
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(c.next()) },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	c.at = "http://" + l.Addr().String()
	c.door = &http.Server{Handler: proxy, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = c.door.Serve(l) }() // ends by close only
	return nil
}

// next is the node that the next webhook goes to.
func (c *cluster) next() *url.URL {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range c.running {
		i := int(c.turn.Add(1) % uint64(len(c.running)))
		if c.running[i] != nil {
			return &url.URL{Scheme: "http", Host: c.specs[i].HTTP}
		}
	}
	return &url.URL{Scheme: "http", Host: c.specs[0].HTTP}
}

// leader waits until a node other than but names a leader other than but; -1 is nobody.
func (c *cluster) leader(ctx context.Context, but int) (leader int, err error) {
	err = until(ctx, 30*time.Second, func() error {
		for i, ask := range c.ask {
			var state client.Cluster
			if i == but {
				continue
			}
			if _, err := ask.Do(ctx, client.Call{Path: "/v1/cluster"}, &state); err != nil {
				continue // it is not there yet
			}
			for j, s := range c.specs {
				if j != but && s.Name == state.Leader {
					leader = j
					return nil
				}
			}
		}
		return errors.New("there is no leader")
	})
	return leader, err
}

// do asks the nodes in turn until one answers, for at most 40 s.
func (c *cluster) do(ctx context.Context, call client.Call, out any) error {
	_, err := client.DoRetry(ctx, c.ask, int(c.turn.Add(1)%uint64(len(c.ask))),
		client.Retry{For: 40 * time.Second, Most: 400 * time.Millisecond}, call, out)
	if err != nil {
		return fmt.Errorf("%s %s: %w", call.Method, call.Path, err)
	}
	return nil
}

// close ends all nodes in order; the error joins theirs, and names those that had died before.
func (c *cluster) close() error {
	if c.door != nil {
		_ = c.door.Close() // nobody is left to be told
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	faults := make([]error, len(c.running))
	var wg sync.WaitGroup
	for i, n := range c.running {
		if n != nil {
			wg.Go(func() { faults[i] = errors.Join(n.Err(), n.Close()) })
		}
		c.running[i] = nil
	}
	wg.Wait()
	return errors.Join(faults...)
}

// until asks again and again until is returns nil, for at most so long; then it fails with what is
// said last.
func until(ctx context.Context, most time.Duration, is func() error) error {
	deadline := time.Now().Add(most)
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		err := is()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %v: %w", most, err)
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-poll.C:
		}
	}
}
