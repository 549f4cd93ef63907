package demo

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/cmd/internal/client"
	"holdfast/cmd/internal/loopback"
)

// Spec says how one node is started. HTTP and Raft are addresses with ports that stay the same over
// a restart.
type Spec struct {
	Name  string
	Data  string
	HTTP  string
	Raft  string
	Peers []Peer
}

// Peer is one entry of the cluster's list.
type Peer struct{ Name, Raft string }

// Node is a running node.
type Node interface {
	// Kill ends it as a crash would: nobody is told, nothing is flushed, connections break.
	Kill()
	// Close ends it in order.
	Close() error
	// Died is closed when it stops by itself; Err then says why.
	Died() <-chan struct{}
	Err() error
}

// Launch starts a node and returns when it accepts requests, or an error.
type Launch func(context.Context, Spec) (Node, error)

// trio is the three nodes.
type trio struct {
	launch Launch
	specs  []Spec

	mu      sync.Mutex
	running []Node // nil while it is down
}

func newTrio(launch Launch, dir string) (*trio, error) {
	const n = 3
	addrs, err := loopback.Free(2 * n)
	if err != nil {
		return nil, err
	}
	t := &trio{launch: launch, running: make([]Node, n)}
	var peers []Peer
	for i := range n {
		peers = append(peers, Peer{Name: fmt.Sprintf("n%d", i+1), Raft: addrs[n+i]})
	}
	for i, p := range peers {
		t.specs = append(t.specs, Spec{Name: p.Name, Data: filepath.Join(dir, p.Name),
			HTTP: addrs[i], Raft: p.Raft, Peers: peers})
	}
	return t, nil
}

// start starts all nodes at once: none is ready before a majority runs.
func (t *trio) start(ctx context.Context) error {
	var g errgroup.Group
	for i := range t.specs {
		g.Go(func() error { return t.startOne(ctx, i) })
	}
	return g.Wait()
}

func (t *trio) startOne(ctx context.Context, i int) error {
	n, err := t.launch(ctx, t.specs[i])
	if err != nil {
		return fmt.Errorf("start %s: %w", t.specs[i].Name, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running[i] = n
	return nil
}

// kill ends node i as a crash would.
func (t *trio) kill(i int) {
	t.mu.Lock()
	n := t.running[i]
	t.running[i] = nil
	t.mu.Unlock()
	if n != nil {
		n.Kill()
	}
}

// close ends all nodes in order, at the same time; the error joins theirs.
func (t *trio) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	faults := make([]error, len(t.running))
	var wg sync.WaitGroup
	for i, n := range t.running {
		if n != nil {
			wg.Go(func() { faults[i] = n.Close() })
		}
		t.running[i] = nil
	}
	wg.Wait()
	return errors.Join(faults...)
}

// deaths names the nodes that stopped by themselves.
func (t *trio) deaths() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var faults []error
	for i, n := range t.running {
		if n == nil {
			continue
		}
		select {
		case <-n.Died():
			faults = append(faults, fmt.Errorf("%s stopped by itself: %w", t.specs[i].Name, n.Err()))
		default:
		}
	}
	return errors.Join(faults...)
}

// clients makes one client for each node.
func (t *trio) clients(conns int) []*client.Client {
	var all []*client.Client
	for _, s := range t.specs {
		all = append(all, client.New(client.Config{Server: "http://" + s.HTTP, Conns: conns}))
	}
	return all
}

// leader waits until a node other than but names a leader other than but (-1 is nobody), and
// returns that leader's place. It fails after patience.
func (t *trio) leader(ctx context.Context, nodes []*client.Client, but int) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		for i, c := range nodes {
			if i == but {
				continue
			}
			var state client.Cluster
			if _, err := c.Do(ctx, client.Call{Path: "/v1/cluster"}, &state); err != nil {
				continue // a node that is not there yet
			}
			for j, s := range t.specs {
				if j != but && s.Name == state.Leader {
					return j, nil
				}
			}
		}
		select {
		case <-ctx.Done():
			return -1, fmt.Errorf("no leader: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}
