package raftstore

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// realNode is a node on a folder and on the loopback.
type realNode struct {
	conf Config
	*Store
	stop context.CancelFunc
	ran  chan error
}

func (n *realNode) start(t *testing.T) {
	t.Helper()
	s, err := Open(n.conf)
	require.NoError(t, err)
	n.conf.Listener = nil // from the second time on it listens by itself
	ctx, cancel := context.WithCancel(context.Background())
	n.Store, n.stop, n.ran = s, cancel, make(chan error, 1)
	go func() { n.ran <- s.Run(ctx) }()
}

// kill ends the node as abruptly as a process can end parts of itself: nothing is flushed.
func (n *realNode) kill(t *testing.T) {
	t.Helper()
	if n.Store == nil {
		return
	}
	require.NoError(t, n.Close())
	<-n.ran
	n.stop()
	n.Store = nil
}

// realNodes starts n nodes on temporary folders and free ports.
func realNodes(t *testing.T, n int, tune func(*Config)) []*realNode {
	t.Helper()
	var nodes []*realNode
	var peers []Peer
	for i := range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		addr := ln.Addr().String()
		peers = append(peers, Peer{Node: fmt.Sprintf("n%d", i+1), Addr: addr})
		nodes = append(nodes, &realNode{conf: Config{
			Node: peers[i].Node, Dir: t.TempDir(), Raft: addr, Listener: ln,
			LogSegmentBytes: 16 << 20,
		}})
	}
	for _, node := range nodes {
		if n > 1 {
			node.conf.Peers = peers
		}
		if tune != nil {
			tune(&node.conf)
		}
		node.start(t)
		t.Cleanup(func() { node.kill(t) })
	}
	return nodes
}

// leading waits for a node that leads.
func leading(t *testing.T, nodes []*realNode) *realNode {
	t.Helper()
	var leader *realNode
	require.Eventually(t, func() bool {
		for _, n := range nodes {
			if n.Store != nil {
				if l := n.lead.Load(); l != nil && l.opened.Load() {
					leader = n
				}
			}
		}
		return leader != nil
	}, 30*time.Second, 10*time.Millisecond)
	return leader
}

func define(t *testing.T, s *Store, units int64) {
	t.Helper()
	for _, cmd := range []engine.Command{
		&engine.DefineLocation{Location: "main", Kind: engine.Merchant, Master: "holdfast",
			Shortfall: engine.ShortfallNone},
		&engine.DefineChannel{Channel: "web", Kind: engine.ChannelAPI, Publish: engine.Pooled,
			Split: true, Locations: []engine.Name{"main"}},
		&engine.DefineSKU{SKU: "A"},
		&engine.Set{SKU: "A", Location: "main", Value: units, Source: "test"},
	} {
		r, err := s.Submit(t.Context(), engine.Op{Command: cmd})
		require.NoError(t, err)
		require.Equal(t, engine.Accepted, r.Refusal, r.Refusal.String())
	}
}

// reserving reserves one unit after the other from several callers until stop is closed, and
// returns the ids that were answered with yes.
func reserving(nodes []*realNode, callers int, stop chan struct{}) func() []string {
	var all sync.WaitGroup
	var mu sync.Mutex
	var accepted []string
	for k := range callers {
		s := nodes[k%len(nodes)].Store
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("r-%p-%d-%d", s, k, i)
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				r, err := s.Submit(ctx, engine.Op{Key: engine.KeyOf("test", id),
					Command: reserve(id, "A", 1, time.Hour)})
				cancel()
				if err == nil && r.Refusal == engine.Accepted {
					mu.Lock()
					accepted = append(accepted, id)
					mu.Unlock()
				}
			}
		})
	}
	return func() []string {
		all.Wait()
		return accepted
	}
}

// holds checks that every reservation of ids is in s, and no unit is lost.
func holds(t *testing.T, s *Store, ids []string) {
	t.Helper()
	missing := 0
	_, _, err := s.Read(t.Context(), false, 0, func(l *engine.Ledger) bool {
		for _, id := range ids {
			if _, ok := l.Reservation(id); !ok {
				missing++
			}
		}
		return false
	})
	require.NoError(t, err)
	assert.Zero(t, missing, "of %d that were answered", len(ids))
	_, violations, err := s.Check(t.Context())
	require.NoError(t, err)
	assert.Empty(t, violations)
}

func TestOneNodeOnDiskLosesNothing(t *testing.T) {
	t.Parallel()
	nodes := realNodes(t, 1, func(c *Config) { c.CheckpointBytes = 256 << 10 })
	n := nodes[0]
	leading(t, nodes)
	define(t, n.Store, 1_000_000)
	var ids []string
	for round := range 3 {
		stop := make(chan struct{})
		wait := reserving(nodes, 16, stop)
		require.Eventually(t, func() bool {
			return n.machine.applied.Load() > uint64(200*(round+1))
		}, 30*time.Second, time.Millisecond)
		s := n.Store
		n.kill(t)
		close(stop)
		ids = append(ids, wait()...)
		_, err := s.Submit(t.Context(), engine.Op{Command: reserve("late", "A", 1, time.Hour)})
		assert.Equal(t, "no-leader", code(err))
		n.start(t)
		leading(t, nodes)
		holds(t, n.Store, ids)
	}
	require.NotEmpty(t, ids)
	require.NoError(t, n.Checkpoint(t.Context()))
	require.NoError(t, n.Checkpoint(t.Context()))
	n.kill(t)
	n.start(t)
	leading(t, nodes)
	holds(t, n.Store, ids)
	events, err := n.Events(0, 10_000)
	require.NoError(t, err)
	for i, e := range events {
		require.EqualValues(t, i+1, e.Seq)
	}
}

func TestThreeNodesOnDiskLoseNothingWithTheirLeader(t *testing.T) {
	t.Parallel()
	nodes := realNodes(t, 3, nil)
	leader := leading(t, nodes)
	define(t, leader.Store, 1_000_000)
	var ids []string
	for range 2 {
		leader = leading(t, nodes)
		before := leader.machine.applied.Load()
		stop := make(chan struct{})
		wait := reserving(nodes, 16, stop)
		require.Eventually(t, func() bool { return leader.machine.applied.Load() > before+100 },
			30*time.Second, time.Millisecond)
		leader.kill(t)
		leading(t, nodes)
		close(stop)
		ids = append(ids, wait()...)
		leader.start(t)
		holds(t, leading(t, nodes).Store, ids)
	}
	for _, n := range nodes {
		require.Eventually(t, func() bool {
			_, _, err := n.Read(t.Context(), false, 0, func(*engine.Ledger) bool { return false })
			return err == nil
		}, 30*time.Second, 10*time.Millisecond)
		holds(t, n.Store, ids)
	}
	require.Eventually(t, func() bool {
		digests := map[uint64]map[uint64]bool{}
		for _, n := range nodes {
			n.machine.view(func(l *engine.Ledger) bool {
				if digests[l.Index()] == nil {
					digests[l.Index()] = map[uint64]bool{}
				}
				digests[l.Index()][l.Digest()] = true
				return false
			})
		}
		for _, d := range digests {
			return len(digests) == 1 && len(d) == 1
		}
		return false
	}, 30*time.Second, 10*time.Millisecond)
	for _, n := range nodes {
		assert.Equal(t, leading(t, nodes).clusterText(), n.clusterText())
	}
}

func (n *realNode) clusterText() string {
	id := n.machine.clusterID()
	return fmt.Sprintf("%x", id)
}

func TestAFolderOfAnotherNodeOrInUseIsRefused(t *testing.T) {
	t.Parallel()
	nodes := realNodes(t, 1, nil)
	leading(t, nodes)
	c := nodes[0].conf
	c.Raft = "127.0.0.1:0"
	_, err := Open(c)
	var locked *LockedError
	require.ErrorAs(t, err, &locked)
	nodes[0].kill(t)
	c.Node = "other"
	_, err = Open(c)
	var foreign *ForeignFolderError
	require.ErrorAs(t, err, &foreign)
}
