package bench

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
	"holdfast/raftstore"
)

// The bare pipe is what carries every write: raft and raft-wal with nothing behind them. Its entries
// are as long as 1,024 commands of 96 bytes, and three are on their way at a time.
const (
	pipeCommandBytes = 96
	pipeCommands     = 1024
	pipeInFlight     = 3
)

// BenchmarkDurable is how many commands a second become durable, on one node and on three in this
// process over loopback: the bare pipe, and Holdfast with results, events and digest. An op is one
// command. Compare the two in one run: benchstat -col /of.
func BenchmarkDurable(b *testing.B) {
	for _, nodes := range []int{1, 3} {
		b.Run(fmt.Sprintf("nodes=%d/of=pipe", nodes), func(b *testing.B) { barePipe(b, nodes) })
		b.Run(fmt.Sprintf("nodes=%d/of=holdfast", nodes), func(b *testing.B) {
			holdfast(b, formStores(b, nodes, plain))
		})
	}
	b.Run("nodes=3/of=holdfast-tls", func(b *testing.B) { holdfast(b, formStores(b, 3, secured)) })
}

func barePipe(b *testing.B, nodes int) {
	leader := formPipe(b, nodes)
	payload := make([]byte, pipeCommands*pipeCommandBytes)
	var onTheirWay []raft.ApplyFuture // answered in order
	b.ResetTimer()
	for sent := 0; sent < b.N; sent += pipeCommands {
		if len(onTheirWay) == pipeInFlight {
			require.NoError(b, onTheirWay[0].Error())
			onTheirWay = onTheirWay[1:]
		}
		onTheirWay = append(onTheirWay, leader.Apply(payload, 10*time.Second))
	}
	for _, f := range onTheirWay {
		require.NoError(b, f.Error())
	}
	perSecond(b)
}

// formPipe starts nodes that do nothing but agree, and returns the leader.
func formPipe(b *testing.B, nodes int) *raft.Raft {
	var servers []raft.Server
	var all []*raft.Raft
	var starts []func() *raft.Raft
	for i := range nodes {
		transport, err := raft.NewTCPTransportWithConfig("127.0.0.1:0", nil,
			&raft.NetworkTransportConfig{
				MaxPool: 3, MaxRPCsInFlight: 1, Timeout: 10 * time.Second,
				Logger: nil,
			})
		require.NoError(b, err)
		id := raft.ServerID(fmt.Sprintf("n%d", i+1))
		servers = append(servers, raft.Server{ID: id, Address: transport.LocalAddr()})
		starts = append(starts, func() *raft.Raft { return startPipe(b, id, transport) })
	}
	for _, start := range starts {
		all = append(all, start())
	}
	require.NoError(b, all[0].BootstrapCluster(raft.Configuration{Servers: servers}).Error())
	b.Cleanup(func() {
		for _, r := range all {
			_ = r.Shutdown().Error()
		}
	})
	var leader *raft.Raft
	require.Eventually(b, func() bool {
		for _, r := range all {
			if r.State() == raft.Leader && r.VerifyLeader().Error() == nil {
				leader = r
			}
		}
		return leader != nil
	}, 20*time.Second, 10*time.Millisecond)
	return leader
}

func startPipe(b *testing.B, id raft.ServerID, transport *raft.NetworkTransport) *raft.Raft {
	store, err := wal.Open(b.TempDir(), wal.WithSegmentSize(256<<20))
	require.NoError(b, err)
	cache, err := raft.NewLogCache(64, store)
	require.NoError(b, err)
	c := raft.DefaultConfig()
	c.LocalID = id
	c.HeartbeatTimeout, c.ElectionTimeout = time.Second, time.Second
	c.LeaderLeaseTimeout = time.Second
	c.CommitTimeout = 10 * time.Millisecond
	c.MaxAppendEntries, c.BatchApplyCh = 16, true
	c.NoLegacyTelemetry, c.LogLevel, c.LogOutput = true, "ERROR", io.Discard
	c.SnapshotThreshold = 1 << 40
	r, err := raft.NewRaft(c, emptyMachine{}, cache, store, raft.NewInmemSnapshotStore(), transport)
	require.NoError(b, err)
	b.Cleanup(func() { _ = store.Close() })
	return r
}

// emptyMachine is the state machine of the bare pipe.
type emptyMachine struct{}

func (emptyMachine) Apply(*raft.Log) any                 { return nil }
func (emptyMachine) Snapshot() (raft.FSMSnapshot, error) { return nil, raft.ErrNothingNewToSnapshot }
func (emptyMachine) Restore(r io.ReadCloser) error       { return r.Close() }

// holdfast times reserves over 100,000 SKUs, by callers who each have a thousand on their way.
func holdfast(b *testing.B, leader *raftstore.Store) {
	const callers, batch, skus = 32, 1000, 100_000
	w := &world{}
	for i := range skus {
		w.skus = append(w.skus, engine.Name(fmt.Sprintf("SKU-%07d", i)))
	}
	w.channel = "web"
	submit(b, leader, []engine.Op{
		{Command: &engine.DefineLocation{
			Location: "main", Kind: engine.Merchant, Master: engine.MasterHoldfast,
			Shortfall: engine.ShortfallNone,
		}},
		{Command: &engine.DefineChannel{
			Channel: "web", Kind: engine.ChannelAPI, Publish: engine.Pooled, Split: true,
			Locations: []engine.Name{"main"},
		}},
	})
	for from := 0; from < skus; from += batch {
		var ops []engine.Op
		for i := from; i < from+batch; i++ {
			ops = append(ops,
				engine.Op{Command: &engine.DefineSKU{SKU: w.skus[i]}},
				engine.Op{Command: &engine.Set{SKU: w.skus[i], Location: "main", Value: 1e9}})
		}
		submit(b, leader, ops)
	}
	var each [callers]orders // made before, as the payload of the bare pipe is
	for c := range each {
		each[c].fill(w, batch)
	}
	runtime.GC()
	cpu := cpuTime()
	b.ResetTimer()
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for from := c * batch; from < b.N; from += callers * batch {
				submit(b, leader, each[c].from(w, from, min(b.N, from+batch)))
			}
		})
	}
	wg.Wait()
	perSecond(b)
	b.ReportMetric(float64(cpuTime()-cpu)/float64(b.N), "cpu-ns/op")
}

// orders are one caller's reserves, with the same room for every batch, so that the load costs little
// beside what is measured.
type orders struct {
	ops []engine.Op
	ids []byte
}

func (o *orders) fill(w *world, n int) {
	for i := range n {
		o.ops = append(o.ops, w.reserve(i))
		o.ids = append(o.ids, orderID(i)...)
	}
}

// from makes the orders between two numbers.
func (o *orders) from(w *world, from, to int) []engine.Op {
	const size = len("order-") + 18
	for i := range to - from {
		id := o.ids[i*size : (i+1)*size]
		for at, v := size-1, from+i; v > 0; at, v = at-1, v/10 {
			id[at] = byte('0' + v%10)
		}
	}
	ids := string(o.ids)
	for i := range to - from {
		c := o.ops[i].Command.(*engine.Reserve)
		c.ID, c.Lines[0].SKU = ids[i*size:(i+1)*size], w.name(from+i)
	}
	return o.ops[:to-from]
}

// plain and secured make the TLS files of nodes, or none.
func plain(_ *testing.B, nodes int) []raftstore.PeerTLS { return make([]raftstore.PeerTLS, nodes) }

func secured(b *testing.B, nodes int) []raftstore.PeerTLS {
	dir := b.TempDir()
	pins := filepath.Join(dir, "pins")
	var files []raftstore.PeerTLS
	var lines strings.Builder
	for i := range nodes {
		made, err := raftstore.MakePeerCertificate(fmt.Sprintf("n%d", i+1), dir)
		require.NoError(b, err)
		files = append(files, raftstore.PeerTLS{Cert: made.Cert, Key: made.Key, Pins: pins})
		fmt.Fprintln(&lines, made.Pin)
	}
	require.NoError(b, os.WriteFile(pins, []byte(lines.String()), 0o600))
	return files
}

// formStores starts nodes of Holdfast and returns the leader.
func formStores(b *testing.B, nodes int,
	tls func(b *testing.B, nodes int) []raftstore.PeerTLS) *raftstore.Store {
	files := tls(b, nodes)
	var peers []raftstore.Peer
	var listeners []net.Listener
	for i := range nodes {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(b, err)
		listeners = append(listeners, ln)
		peers = append(peers, raftstore.Peer{
			Node: fmt.Sprintf("n%d", i+1), Addr: ln.Addr().String(),
		})
	}
	if nodes == 1 {
		peers = nil
	}
	var stores []*raftstore.Store
	for i, ln := range listeners {
		s, err := raftstore.Open(raftstore.Config{
			Node: fmt.Sprintf("n%d", i+1), Dir: b.TempDir(), Listener: ln, Peers: peers,
			TLS: files[i],
		})
		require.NoError(b, err)
		stores = append(stores, s)
		go func() { _ = s.Run(b.Context()) }()
		b.Cleanup(func() { _ = s.Close() })
	}
	var leader *raftstore.Store
	require.Eventually(b, func() bool {
		for i, s := range stores {
			if serves(s, fmt.Sprintf("n%d", i+1)) {
				leader = s
			}
		}
		return leader != nil
	}, 20*time.Second, 10*time.Millisecond)
	return leader
}

// serves reports whether the node leads and its term is open: raft says that it leads before that.
func serves(s *raftstore.Store, node string) bool {
	notYet := func(c raftstore.ReadyCheck) bool { return !c.OK }
	return s.Status().Leader == node && !slices.ContainsFunc(s.Ready(), notYet)
}

// submit sends ops and fails the benchmark unless all are accepted.
func submit(b *testing.B, s *raftstore.Store, ops []engine.Op) {
	s.SubmitAll(b.Context(), ops, func(i int, r engine.Result, err error) {
		if err != nil || r.Refusal != engine.Accepted {
			b.Errorf("op %d: %v, %v", i, r.Refusal, err)
		}
	})
}

func perSecond(b *testing.B) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cmd/s")
}
