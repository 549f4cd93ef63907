package bench

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"holdfast/engine"
)

// world is a ledger with one location, one channel and some SKUs, and a log that is written for it.
type world struct {
	ledger   *engine.Ledger
	skus     []engine.Name
	location engine.Name
	channel  engine.Name
	index    uint64
	now      int64
	out      engine.Output
}

// entryOps is how many commands an entry of the benchmarks has: what a busy leader puts into one.
const entryOps = 1000

func newWorld(skus int) *world {
	w := &world{ledger: engine.New(engine.Options{}), now: 1_700_000_000_000}
	w.apply([]engine.Op{
		{Command: &engine.DefineLocation{
			Location: "main", Kind: engine.Merchant, Master: engine.MasterHoldfast,
			Shortfall: engine.ShortfallNone,
		}},
		{Command: &engine.DefineChannel{
			Channel: "web", Kind: engine.ChannelAPI, Publish: engine.Pooled, Split: true,
			Locations: []engine.Name{"main"},
		}},
	})
	w.fill(skus, func(i int) engine.Op {
		return engine.Op{Command: &engine.DefineSKU{SKU: engine.Name(fmt.Sprintf("SKU-%07d", i))}}
	})
	w.location, w.channel = "main", "web"
	for i := range skus {
		w.skus = append(w.skus, engine.Name(fmt.Sprintf("SKU-%07d", i)))
	}
	w.fill(skus, func(i int) engine.Op {
		return engine.Op{Command: &engine.Set{SKU: w.skus[i], Location: w.location, Value: 1e9}}
	})
	return w
}

// reserve is a one-line hold with a 24-byte id. Its SKU is spread over all of them.
func (w *world) reserve(i int) engine.Op {
	return engine.Op{Command: &engine.Reserve{
		ID: orderID(i), Channel: w.channel, Mode: engine.Strict, TTL: 900_000,
		Lines: []engine.Line{{SKU: w.name(i), Qty: 1}},
	}}
}

func (w *world) name(i int) engine.Name { return w.skus[mixed(i)%uint64(len(w.skus))] }

func orderID(i int) string { return fmt.Sprintf("order-%018d", i) }

func mixed(i int) uint64 {
	v := uint64(i) * 0x9e3779b97f4a7c15
	return (v ^ v>>29) * 0xbf58476d1ce4e5b9
}

// fill applies n ops without a clock.
func (w *world) fill(n int, op func(i int) engine.Op) {
	for from := 0; from < n; from += entryOps {
		var ops []engine.Op
		for i := from; i < min(n, from+entryOps); i++ {
			ops = append(ops, op(i))
		}
		w.apply(ops)
	}
}

func (w *world) apply(ops []engine.Op) {
	w.applyEntry(open(w.seal(ops)))
}

func (w *world) seal(ops []engine.Op) []byte {
	var b engine.EntryBuilder
	b.Grow(128 * len(ops))
	for _, op := range ops {
		b.AddFor(w.ledger, op)
	}
	return b.Seal(w.now, w.now)
}

func open(p []byte) engine.Entry {
	e, err := engine.OpenEntry(p)
	if err != nil {
		panic(err)
	}
	return e
}

func (w *world) applyEntry(e engine.Entry) {
	w.index++
	w.ledger.Apply(w.index, e, &w.out)
}

// applyEach times b.N ops in entries; building the entries is not counted. It fails when a command
// allocates.
func (w *world) applyEach(b *testing.B, op func(i int) engine.Op) {
	const stretch = 200 // entries that are built before they are timed
	var before, after runtime.MemStats
	var allocs uint64
	b.StopTimer()
	b.ResetTimer()
	for from := 0; from < b.N; {
		var entries []engine.Entry
		for ; from < b.N && len(entries) < stretch; from += entryOps {
			var ops []engine.Op
			for i := from; i < min(b.N, from+entryOps); i++ {
				ops = append(ops, op(i))
			}
			entries = append(entries, open(w.seal(ops)))
		}
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		for _, e := range entries {
			w.applyEntry(e)
		}
		b.StopTimer()
		runtime.ReadMemStats(&after)
		allocs += after.Mallocs - before.Mallocs
	}
	b.ReportMetric(float64(allocs)/float64(b.N), "allocs/cmd")
}

// heap is the bytes in use after a collection.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// cpuTime is what this process has used of all cores. On a shared machine it says more of what
// something costs than the clock does.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
