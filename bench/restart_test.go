package bench

import (
	"flag"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
	"holdfast/raftstore"
)

// What a node has to take up again when it starts. The defaults show that it works; the figures of
// bench/README.md are of the size that is named there.
var (
	restartHolds = flag.Int("restart.holds", 20_000, "live holds in the checkpoint")
	restartTail  = flag.Int("restart.tail", 1, "MiB of log behind the checkpoint")
)

// restartFolder is the folder of a node that was stopped behind a checkpoint.
type restartFolder struct {
	dir      string
	skus     int
	rows     int     // SKUs, stock and holds of the checkpoint
	commands int     // of the log behind it
	tail     float64 // bytes of that
	index    uint64  // of its last entry
}

func (f *restartFolder) config() raftstore.Config {
	return raftstore.Config{Node: "n1", Dir: f.dir, Raft: "127.0.0.1:0", CheckpointBytes: 1 << 50}
}

// makeRestartFolder fills a node: a hold on each of its many SKUs in turn, a checkpoint, and then
// holds that are made and released again, so that as many live as before.
func makeRestartFolder(b *testing.B) *restartFolder {
	f := &restartFolder{dir: b.TempDir(), skus: max(1000, *restartHolds/10)}
	registry := prometheus.NewRegistry()
	conf := f.config()
	conf.Registerer = registry
	s, err := raftstore.Open(conf)
	require.NoError(b, err)
	ran := make(chan error, 1)
	go func() { ran <- s.Run(b.Context()) }()
	defer func() {
		require.NoError(b, s.Close())
		<-ran
	}()
	require.Eventually(b, func() bool { return serves(s, "n1") }, 20*time.Second, time.Millisecond)
	w := &world{channel: "web"}
	for i := range f.skus {
		w.skus = append(w.skus, engine.Name(fmt.Sprintf("SKU-%07d", i)))
	}
	define(b, s, w.skus)
	send := func(n int, op func(i int) engine.Op) {
		for from := 0; from < n; from += entryOps {
			var ops []engine.Op
			for i := from; i < min(n, from+entryOps); i++ {
				ops = append(ops, op(i))
			}
			submit(b, s, ops)
		}
	}
	hold := func(i int) engine.Op {
		op := w.reserve(i)
		op.Command.(*engine.Reserve).TTL = 24 * 3600 * 1000
		return op
	}
	send(*restartHolds, hold)
	require.NoError(b, s.Checkpoint(b.Context()))
	f.rows = 2*f.skus + *restartHolds

	for next := *restartHolds; f.tail < float64(*restartTail)*(1<<20); next += 20_000 {
		send(20_000, func(i int) engine.Op { return hold(next + i) })
		send(20_000, func(i int) engine.Op {
			return engine.Op{Command: &engine.Release{ID: orderID(next + i)}}
		})
		f.commands += 40_000
		f.tail = gauge(b, registry, "holdfast_ledger_log_since_checkpoint_bytes")
	}
	f.index = s.Status().Index
	return f
}

// define makes a location, a channel and SKUs with stock.
func define(b *testing.B, s *raftstore.Store, skus []engine.Name) {
	submit(b, s, []engine.Op{
		{Command: &engine.DefineLocation{
			Location: "main", Kind: engine.Merchant, Master: engine.MasterHoldfast,
			Shortfall: engine.ShortfallNone,
		}},
		{Command: &engine.DefineChannel{
			Channel: "web", Kind: engine.ChannelAPI, Publish: engine.Pooled, Split: true,
			Locations: []engine.Name{"main"},
		}},
	})
	for from := 0; from < len(skus); from += entryOps {
		var ops []engine.Op
		for _, sku := range skus[from:min(len(skus), from+entryOps)] {
			ops = append(ops, engine.Op{Command: &engine.DefineSKU{SKU: sku}},
				engine.Op{Command: &engine.Set{SKU: sku, Location: "main", Value: 1e9}})
		}
		submit(b, s, ops)
	}
}

func gauge(b *testing.B, from prometheus.Gatherer, name string) float64 {
	all, err := from.Gather()
	require.NoError(b, err)
	for _, family := range all {
		if family.GetName() == name {
			m := family.GetMetric()[0]
			return m.GetGauge().GetValue() + m.GetCounter().GetValue() // one of the two
		}
	}
	b.Fatalf("no metric %s", name)
	return 0
}

// BenchmarkRestart takes the stages of a start one by one, and then the whole: how long until a stale
// read is answered, and how the log is replayed while such reads go on. An op is one start.
func BenchmarkRestart(b *testing.B) {
	f := makeRestartFolder(b)
	runtime.GC()
	b.Run("stage=checkpoint", f.loadCheckpoint)
	b.Run("stage=log", f.openLog)
	b.Run("stage=all", f.restart)
}

// loadCheckpoint verifies and loads the checkpoint.
func (f *restartFolder) loadCheckpoint(b *testing.B) {
	var size int64
	cpu := cpuTime()
	for b.Loop() {
		folder, err := raftstore.OpenFolder(f.dir, "n1")
		require.NoError(b, err)
		store, err := raftstore.OpenCheckpoints(raftstore.CheckpointConfig{
			Dir: folder.CheckpointDir(),
			Owner: func() raftstore.Owner {
				i := folder.Identity()
				return raftstore.Owner{ClusterID: i.ClusterID, Incarnation: i.Incarnation}
			},
		})
		require.NoError(b, err)
		_, meta, err := store.Load()
		require.NoError(b, err)
		size = meta.SizeBytes
		require.NoError(b, store.Close())
		require.NoError(b, folder.Close())
	}
	each := b.Elapsed().Seconds() / float64(b.N)
	b.ReportMetric(each*1e9/float64(f.rows), "ns/row")
	b.ReportMetric(float64(cpuTime()-cpu)/float64(b.N)/float64(f.rows), "cpu-ns/row")
	b.ReportMetric(float64(size)/each/1e6, "MB/s")
}

// openLog opens the log, which verifies every entry.
func (f *restartFolder) openLog(b *testing.B) {
	for b.Loop() {
		log, err := raftstore.OpenRaftLog(raftstore.LogConfig{
			Dir: filepath.Join(f.dir, "log"), Votes: filepath.Join(f.dir, "VOTE"),
			Fatal: func(string, error) {},
		})
		require.NoError(b, err)
		require.NoError(b, log.Close())
	}
	b.ReportMetric(f.tail/(b.Elapsed().Seconds()/float64(b.N))/1e6, "MB/s")
}

// restart starts the node and reads, stale, until the log is replayed.
func (f *restartFolder) restart(b *testing.B) {
	var first, replay, replayCPU, slowest, oldest time.Duration
	reads := 0
	for b.Loop() {
		began := time.Now()
		s, err := raftstore.Open(f.config())
		require.NoError(b, err)
		ran := make(chan error, 1)
		go func() { ran <- s.Run(b.Context()) }()
		var opened time.Time
		var cpu time.Duration
		start := uint64(0)
		for index := uint64(0); index < f.index; {
			asked := time.Now()
			var age time.Duration
			index, age, err = s.Read(b.Context(), true, 0, func(*engine.Ledger) bool { return false })
			require.NoError(b, err)
			if opened.IsZero() {
				opened, start, cpu = time.Now(), index, cpuTime()
				first += opened.Sub(began)
			}
			slowest = max(slowest, time.Since(asked))
			if index < f.index {
				oldest = max(oldest, age)
				require.Positive(b, age, "a ledger at %d of %d says that it is not old", index, f.index)
				reads++
			}
			time.Sleep(time.Millisecond) // a reader, and not a load
		}
		require.Less(b, start, f.index, "nothing was left to replay")
		replay += time.Since(opened)
		replayCPU += cpuTime() - cpu
		b.StopTimer()
		require.NoError(b, s.Close())
		<-ran
		b.StartTimer()
	}
	n := float64(b.N)
	b.ReportMetric(first.Seconds()/n*1e3, "ms-to-first-stale-read")
	b.ReportMetric(float64(replay.Nanoseconds())/n/float64(f.commands), "ns/command")
	b.ReportMetric(float64(replayCPU.Nanoseconds())/n/float64(f.commands), "cpu-ns/command")
	b.ReportMetric(f.tail/(replay.Seconds()/n)/1e6, "replay-MB/s")
	b.ReportMetric(float64(reads)/n, "stale-reads")
	b.ReportMetric(slowest.Seconds()*1e3, "ms-slowest-stale-read")
	b.ReportMetric(oldest.Seconds(), "s-oldest-age")
}
