package raftstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// splitVote bounds how long a cluster has no leader: two heartbeat timeouts, and as long again when
// two nodes stand for election in the same moment, which raft's own chance lets happen now and then.
const splitVote = 4 * time.Second

// cluster is nodes over the twins in memory, in a synctest bubble: its clock is fake and every wait
// is as long as it says without taking that long.
type cluster struct {
	t     *testing.T
	net   *MemNet
	tune  func(*Config)
	adapt func(n *node, s *Store, p *parts) // nil: nodes stand on what they have
	nodes []*node
}

// node is one node and what a restart of it finds again.
type node struct {
	name, addr  string
	log         *MemLog
	checkpoints *MemCheckpoints
	events      *MemEventLog
	identity    *MemIdentity
	listed      []Peer   // its --peers; nil: every node that the cluster began with
	join        []string // its --join
	bodies      *MemBodies
	*Store
	stop  context.CancelFunc
	ran   chan error
	fatal chan error
}

// inBubble runs body on a cluster of n nodes and stops it afterwards.
func inBubble(t *testing.T, n int, tune func(*Config), body func(t *testing.T, c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{t: t, net: NewMemNet(), tune: tune}
		for i := range n {
			checkpoints := NewMemCheckpoints()
			c.nodes = append(c.nodes, &node{
				name: fmt.Sprintf("n%d", i+1), addr: fmt.Sprintf("127.0.0.%d:1", i+1),
				log: NewMemLog(checkpoints.Floor), checkpoints: checkpoints,
				events: NewMemEventLog(), bodies: NewMemBodies(),
				identity: NewMemIdentity(fmt.Sprintf("n%d", i+1), firstIncarnation),
			})
		}
		for _, n := range c.nodes {
			c.start(n)
		}
		defer func() {
			for _, n := range c.nodes {
				c.kill(n)
			}
		}()
		body(t, c)
	})
}

// start opens and runs n on what it has kept.
func (c *cluster) start(n *node) {
	c.t.Helper()
	conf := Config{Node: n.name, Dir: "none", HTTP: "http-" + n.name}
	conf.Peers, conf.Join = n.listed, n.join
	if conf.Peers == nil && conf.Join == nil && len(c.nodes) > 1 {
		for _, p := range c.nodes {
			conf.Peers = append(conf.Peers, Peer{Node: p.name, Addr: p.addr})
		}
	}
	n.fatal = make(chan error, 1)
	conf.Fatal = func(err error) { n.fatal <- err }
	if c.tune != nil {
		c.tune(&conf)
	}
	conf = conf.WithDefaults()
	require.NoError(c.t, conf.Validate())
	s := newStore(conf)
	p := parts{
		id:  n.identity.Identity().RaftID(),
		log: n.log, checkpoints: n.checkpoints, events: n.events, bodies: n.bodies,
		identity: n.identity,
	}
	has, err := p.load()
	require.NoError(c.t, err)
	require.NoError(c.t, AlignLog(n.log, p.meta, has, n.name))
	p.transport, p.peers = joined(c.net, n.addr)
	p.closers = []func() error{n.log.Close, n.checkpoints.Close, n.events.Close, n.bodies.Close,
		p.transport.Close, p.peers.Close}
	if c.adapt != nil {
		c.adapt(n, s, &p)
	}
	require.NoError(c.t, s.start(p))
	ctx, cancel := context.WithCancel(c.t.Context())
	n.Store, n.stop, n.ran = s, cancel, make(chan error, 1)
	go func() { n.ran <- s.Run(ctx) }()
}

func joined(net *MemNet, addr string) (serialTransport, peerNet) {
	t, p := net.join(addr)
	return t, p
}

// kill ends n; what it has kept stays. A second kill does nothing.
func (c *cluster) kill(n *node) {
	if n.Store == nil {
		return
	}
	require.NoError(c.t, n.Close())
	<-n.ran
	n.stop()
	n.Store = nil
	n.log, n.checkpoints, n.events = n.log.Reopen(), n.checkpoints.Reopen(), n.events.Reopen()
	n.bodies = n.bodies.Reopen()
}

// leader waits for a node that serves as leader, other than those given.
func (c *cluster) leader(except ...*node) *node {
	c.t.Helper()
	for range 1000 {
	next:
		for _, n := range c.nodes {
			for _, e := range except {
				if n == e {
					continue next
				}
			}
			if n.Store == nil {
				continue
			}
			if l := n.lead.Load(); l != nil && l.opened.Load() {
				return n
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, n := range c.nodes {
		if n.Store != nil {
			c.t.Logf("%s: let in %v, %s", n.name, n.identity.Identity().LetIn, n.raft())
		}
	}
	c.t.Fatal("no leader in 20 s")
	return nil
}

// follower waits for a node that knows the leader and is not it.
func (c *cluster) follower(leader *node) *node {
	c.t.Helper()
	for range 1000 {
		for _, n := range c.nodes {
			if n != leader && n.Store != nil && n.leaderName() == leader.name {
				return n
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	c.t.Fatal("no follower in 20 s")
	return nil
}

// everyoneIn waits a little until the leader has let every running node in: before that a node has no
// vote, and two of three cannot do without it.
func (c *cluster) everyoneIn() {
	out := func(n *node) bool { return n.Store != nil && !n.identity.Identity().LetIn }
	for range 250 {
		if !slices.ContainsFunc(c.nodes, out) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// stock defines a location, a channel and skus, with units of each on hand.
func (c *cluster) stock(n *node, units int64, skus ...engine.Name) {
	c.t.Helper()
	c.everyoneIn()
	c.accept(n, &engine.DefineLocation{
		Location: "main", Kind: engine.Merchant, Master: "holdfast", Shortfall: engine.ShortfallNone,
	})
	c.accept(n, &engine.DefineChannel{
		Channel: "web", Kind: engine.ChannelAPI, Publish: engine.Pooled, Split: true,
		Locations: []engine.Name{"main"},
	})
	for _, sku := range skus {
		c.accept(n, &engine.DefineSKU{SKU: sku})
		c.accept(n, &engine.Set{SKU: sku, Location: "main", Value: units, Source: "test"})
	}
}

// accept submits a command that must be accepted.
func (c *cluster) accept(n *node, cmd engine.Command) engine.Result {
	c.t.Helper()
	r, err := n.Submit(c.t.Context(), engine.Op{Command: cmd})
	require.NoError(c.t, err)
	require.Equal(c.t, engine.Accepted, r.Refusal, "%T: %s %s", cmd, r.Refusal, r.Field)
	return r
}

// reserve is a strict reserve of qty units, held for ttl.
func reserve(id string, sku engine.Name, qty int64, ttl time.Duration) *engine.Reserve {
	return &engine.Reserve{
		ID: id, Channel: "web", Mode: engine.Strict, TTL: ttl.Milliseconds(),
		Lines: []engine.Line{{SKU: sku, Qty: qty}},
	}
}

// available reads what is available of sku at main.
func (c *cluster) available(n *node, stale bool, sku string) int64 {
	c.t.Helper()
	var left int64
	_, _, err := n.Read(c.t.Context(), stale, 0, func(l *engine.Ledger) bool {
		rows, _ := l.Stock(sku)
		for _, row := range rows {
			left += row.Available()
		}
		return false
	})
	require.NoError(c.t, err)
	return left
}

// sameDigests waits until all running nodes are at one index and compares their ledgers.
func (c *cluster) sameDigests() {
	c.t.Helper()
	for range 500 {
		index, digest, same := uint64(0), uint64(0), true
		for _, n := range c.nodes {
			if n.Store == nil {
				continue
			}
			n.machine.view(func(l *engine.Ledger) bool {
				if index == 0 {
					index, digest = l.Index(), l.Digest()
				}
				same = same && l.Index() == index
				if same {
					require.Equal(c.t, digest, l.Digest(), "digest of %s at %d", n.name, index)
				}
				return false
			})
		}
		if same {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	c.t.Fatal("the nodes never came to one index")
}

// code is what an error says of itself across the package's boundary, "" for nil.
func code(err error) string {
	var c interface{ Code() string }
	if errors.As(err, &c) {
		return c.Code()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// lastEvent is the sequence of the newest event in the ledger.
func (m *machine) lastEvent() (seq uint64) {
	m.view(func(l *engine.Ledger) bool {
		seq = l.LastEvent()
		return false
	})
	return seq
}
