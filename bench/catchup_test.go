package bench

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
	"holdfast/raftstore"
)

// What the others go on doing while one node catches up: reserves at a fixed rate, far below what
// the nodes can do, so that waiting is what they do to each other and not what the load does.
const (
	catchUpRate    = 2000 // reserves a second, one a command
	catchUpSenders = 64
	catchUpHolds   = 300_000          // what an install carries
	catchUpQuiet   = 10 * time.Second // of each phase before and after
)

// BenchmarkCatchUp keeps one of three nodes away for longer than the log reaches and lets it back
// under load. It reports how long a reserve took the others from the moment at which it was due:
// with all three, with two, and while the third is sent a checkpoint. An op is one such return.
func BenchmarkCatchUp(b *testing.B) {
	for b.Loop() {
		catchUp(b)
	}
}

func catchUp(b *testing.B) {
	nodes := startAll(b, 3)
	leader := leaderOf(b, nodes)
	w := &world{channel: "web"}
	for i := range 10_000 {
		w.skus = append(w.skus, engine.Name(fmt.Sprintf("SKU-%07d", i)))
	}
	define(b, leader.store, w.skus)
	for from := 0; from < catchUpHolds; from += entryOps {
		var ops []engine.Op
		for i := from; i < from+entryOps; i++ {
			ops = append(ops, w.reserve(i))
		}
		submit(b, leader.store, ops)
	}
	require.NoError(b, leader.store.Checkpoint(b.Context()))
	p := &pacedLoad{world: w, store: leader.store, next: catchUpHolds}

	all := p.during(b, catchUpQuiet, nil)
	away := nodes[0]
	if away == leader {
		away = nodes[1]
	}
	left := away.store.Status().Index
	away.stop(b)
	two := p.during(b, catchUpQuiet, nil)
	for range 3 { // the log is cut behind the older of two checkpoints
		for from := 0; from < 40*entryOps; from += entryOps {
			var ops []engine.Op
			for i := from; i < from+entryOps; i++ {
				ops = append(ops, w.reserve(p.next+i))
			}
			submit(b, leader.store, ops)
		}
		p.next += 40 * entryOps
		require.NoError(b, leader.store.Checkpoint(b.Context()))
	}
	began := time.Now()
	var took time.Duration
	back := p.during(b, 0, func() bool {
		if away.store == nil {
			away.start(b)
		}
		if took == 0 && away.store.Status().Index >= leader.store.Status().Index && healthy(away) {
			took = time.Since(began)
		}
		return took != 0
	})
	require.Greater(b, gauge(b, away.registry, "holdfast_ledger_raft_reopened_total"), 0.0,
		"it was sent the log from %d on, and no checkpoint", left)
	p99 := quantile(two, 0.99)
	b.ReportMetric(ms(quantile(all, 0.99)), "ms-p99-three")
	b.ReportMetric(ms(p99), "ms-p99-two")
	b.ReportMetric(ms(quantile(back, 0.99)), "ms-p99-back")
	b.ReportMetric(float64(quantile(back, 0.99))/float64(p99), "back/two")
	b.ReportMetric(took.Seconds(), "s-to-healthy")
	for _, n := range nodes {
		n.stop(b)
	}
}

// benchNode is a node that can be stopped and started again.
type benchNode struct {
	conf     raftstore.Config
	store    *raftstore.Store
	registry *prometheus.Registry
	ran      chan error
}

func startAll(b *testing.B, count int) (nodes []*benchNode) {
	var peers []raftstore.Peer
	for i := range count {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(b, err)
		n := &benchNode{conf: raftstore.Config{
			Node: fmt.Sprintf("n%d", i+1), Dir: b.TempDir(), Raft: ln.Addr().String(),
			CheckpointBytes: 4 << 20, // so that the log is short
		}}
		require.NoError(b, ln.Close())
		peers = append(peers, raftstore.Peer{Node: n.conf.Node, Addr: n.conf.Raft})
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		n.conf.Peers = peers
		n.start(b)
	}
	return nodes
}

func (n *benchNode) start(b *testing.B) {
	n.registry = prometheus.NewRegistry()
	n.conf.Registerer = n.registry
	var err error
	n.store, err = raftstore.Open(n.conf)
	require.NoError(b, err)
	n.ran = make(chan error, 1)
	s, ran := n.store, n.ran
	go func() { ran <- s.Run(b.Context()) }()
}

func (n *benchNode) stop(b *testing.B) {
	require.NoError(b, n.store.Close())
	<-n.ran
	n.store = nil
}

func leaderOf(b *testing.B, nodes []*benchNode) (leader *benchNode) {
	require.Eventually(b, func() bool {
		ready := 0
		for _, n := range nodes {
			if serves(n.store, n.conf.Node) {
				leader = n
			}
			if healthy(n) {
				ready++
			}
		}
		return leader != nil && ready == len(nodes)
	}, 20*time.Second, 10*time.Millisecond)
	return leader
}

// healthy reports whether a node has all that it must have, and its vote.
func healthy(n *benchNode) bool {
	return slices.ContainsFunc(n.store.Status().Members, func(m raftstore.Member) bool {
		return m.ID == n.conf.Node && m.Healthy && m.Voter
	})
}

// pacedLoad sends reserves at a fixed rate.
type pacedLoad struct {
	world *world
	store *raftstore.Store
	next  int // number of the next order
}

// during sends for d, or until done, and returns how long each took since it was due.
func (p *pacedLoad) during(b *testing.B, d time.Duration, done func() bool) []time.Duration {
	stop := make(chan struct{})
	took := make([][]time.Duration, catchUpSenders)
	began := time.Now()
	var wg sync.WaitGroup
	for c := range catchUpSenders {
		wg.Go(func() {
			for i := c; ; i += catchUpSenders {
				due := began.Add(time.Duration(i) * time.Second / catchUpRate)
				select {
				case <-stop:
					return
				case <-time.After(time.Until(due)):
				}
				r, err := p.store.Submit(b.Context(), p.world.reserve(p.next+i))
				if err != nil || r.Refusal != engine.Accepted {
					b.Errorf("reserve: %v, %v", r.Refusal, err)
				}
				took[c] = append(took[c], time.Since(due))
			}
		})
	}
	if done == nil {
		time.Sleep(d)
	} else {
		require.Eventually(b, done, time.Minute, 5*time.Millisecond)
	}
	close(stop)
	wg.Wait()
	all := slices.Concat(took...)
	p.next += 2*len(all) + catchUpSenders*catchUpSenders
	slices.Sort(all)
	return all
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
