package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"holdfast/cmd/internal/client"
	"holdfast/cmd/internal/loopback"
	"holdfast/cmd/internal/robustness/link"
	"holdfast/cmd/internal/robustness/volume"
)

// Config says which cluster to run.
type Config struct {
	Binary string // the holdfast command
	Dir    string // work folder: volumes and logs
	Nodes  int
	Seed   uint64
	// VolumeBytes is the size of each node's file system; 0 takes plain folders.
	VolumeBytes int64
	Serve       []string // further flags of `holdfast serve`
}

// Cluster is the nodes and the mesh between them. One goroutine changes it.
type Cluster struct {
	Nodes []*Node // read it, and change it by Join and Leave
	Mesh  *link.Mesh

	cfg   Config
	peers string
	named int                     // names that were given
	known atomic.Pointer[[]*Node] // Nodes, for the mesh
}

// New makes volumes, ports and the mesh; no process runs yet. It fails with the error of the disk
// or the network, and leaves nothing mounted then.
func New(cfg Config) (c *Cluster, err error) {
	c = &Cluster{cfg: cfg}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	c.Mesh = link.New(cfg.Seed, func(remote *net.TCPAddr) (string, bool) {
		pids := map[string]int{}
		for _, n := range *c.known.Load() {
			if pid := n.Pid(); pid != 0 {
				pids[n.Name] = pid
			}
		}
		return link.Owner(remote, pids)
	})
	c.known.Store(&c.Nodes)
	var peers []string
	for range cfg.Nodes {
		n, err := c.add()
		if err != nil {
			return c, err
		}
		peers = append(peers, n.Name+"="+n.Door)
	}
	c.peers = strings.Join(peers, ",")
	for _, n := range c.Nodes {
		n.entry = []string{"--peers", c.peers}
	}
	return c, nil
}

// add makes a node with a name that was never used.
func (c *Cluster) add() (*Node, error) {
	addrs, err := loopback.Free(2)
	if err != nil {
		return nil, err
	}
	c.named++
	n := &Node{Name: fmt.Sprintf("n%d", c.named), HTTP: addrs[0], raft: addrs[1], c: c}
	c.set(append(slices.Clone(c.Nodes), n)) // at once, so that Close finds what there is of it
	return n, c.furnish(n)
}

func (c *Cluster) set(nodes []*Node) {
	c.Nodes = nodes
	c.known.Store(&nodes)
}

// Join makes a node that does not run yet and that will ask the others to be let in. It fails as
// New.
func (c *Cluster) Join() (*Node, error) {
	var doors []string
	for _, n := range c.Nodes {
		doors = append(doors, n.Door)
	}
	n, err := c.add()
	if err != nil {
		return nil, err
	}
	n.entry = []string{"--join", strings.Join(doors, ",")}
	return n, nil
}

// Leave ends a node for good and takes its volume away; its log stays. It fails as Close.
func (c *Cluster) Leave(n *Node) error {
	c.set(slices.DeleteFunc(slices.Clone(c.Nodes), func(o *Node) bool { return o == n }))
	return n.close()
}

// furnish gives a node what outlives its processes.
func (c *Cluster) furnish(n *Node) (err error) {
	if c.cfg.VolumeBytes > 0 {
		n.Volume, err = volume.New(c.cfg.Dir, n.Name, c.cfg.VolumeBytes)
	} else {
		n.Volume, err = volume.Plain(c.cfg.Dir, n.Name)
	}
	if err != nil {
		return fmt.Errorf("volume of %s: %w", n.Name, err)
	}
	if n.Door, err = c.Mesh.Open(n.Name, n.raft); err != nil {
		return err
	}
	n.Ask = client.New(client.Config{Server: "http://" + n.HTTP, Conns: 64, Timeout: 5 * time.Second})
	n.log, err = os.Create(filepath.Join(c.cfg.Dir, n.Name+".log"))
	return err
}

// Close ends every process and takes the volumes away; the logs stay. It returns all errors,
// joined.
func (c *Cluster) Close() error {
	var errs []error
	for _, n := range c.Nodes {
		errs = append(errs, n.close())
	}
	if c.Mesh != nil {
		errs = append(errs, c.Mesh.Close())
	}
	return errors.Join(errs...)
}

func (n *Node) close() error {
	var errs []error
	if n.Volume != nil {
		errs = append(errs, n.Volume.Thaw()) // a process that hangs there cannot end
	}
	errs = append(errs, n.Kill())
	if n.Ask != nil {
		n.Ask.Close()
	}
	if n.Volume != nil {
		errs = append(errs, n.Volume.Remove())
	}
	if n.log != nil {
		errs = append(errs, n.log.Close())
	}
	return errors.Join(errs...)
}

// Fallen returns what is wrong with any node, as Node.Fallen does, or nil.
func (c *Cluster) Fallen() error {
	var errs []error
	for _, n := range c.Nodes {
		errs = append(errs, n.Fallen())
	}
	return errors.Join(errs...)
}

// Leader finds the node that says of itself that it leads in the highest term; nil when there is
// none.
func (c *Cluster) Leader(ctx context.Context) *Node {
	var leader *Node
	term := uint64(0)
	for _, n := range c.Nodes {
		s, err := n.Status(ctx)
		if err == nil && s.Leader == n.Name && s.Term >= term {
			leader, term = n, s.Term
		}
	}
	return leader
}

// Status asks a node how the cluster is. It fails when the node does not answer within a second.
func (n *Node) Status(ctx context.Context) (client.Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var s client.Cluster
	if !n.Runs() {
		return s, fmt.Errorf("%s is down", n.Name)
	}
	_, err := n.Ask.Do(ctx, client.Call{Path: "/v1/cluster"}, &s)
	return s, err
}

// Whole waits until every node serves, one of them leads, all hear each other and none is far
// behind. It fails, naming what is missing, after limit.
func (c *Cluster) Whole(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var last error
	for {
		if last = c.whole(ctx); last == nil {
			return nil
		}
		if err := c.Fallen(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the cluster is not whole after %v: %w", limit, last)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (c *Cluster) whole(ctx context.Context) error {
	for _, n := range c.Nodes {
		if !n.Runs() {
			return fmt.Errorf("%s is down", n.Name)
		}
		ask, cancel := context.WithTimeout(ctx, time.Second)
		_, err := n.Ask.Do(ask, client.Call{Path: "/readyz"}, nil)
		cancel()
		if err != nil {
			return fmt.Errorf("%s: %w", n.Name, err)
		}
		s, err := n.Status(ctx)
		if err != nil {
			return err
		}
		if s.Leader == "" {
			return fmt.Errorf("%s knows no leader", n.Name)
		}
		if s.Digest.Diverged {
			return fmt.Errorf("%s says that digests differ", n.Name)
		}
		for _, m := range s.Members {
			if !m.Healthy || m.Lag > wholeLag {
				return fmt.Errorf("%s says that %s is unwell (healthy %v, %d behind)", n.Name, m.ID,
					m.Healthy, m.Lag)
			}
		}
	}
	return nil
}

// wholeLag is how far behind a member may be: reports are up to a second old.
const wholeLag = 5_000
