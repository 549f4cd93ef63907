package bench

import (
	"fmt"
	"runtime"
	"testing"

	"holdfast/engine"
)

// BenchmarkApply measures apply alone, one verb at a time, a thousand commands an entry. An op is one
// command; allocations are a command's too.
func BenchmarkApply(b *testing.B) {
	for _, skus := range []int{1, 10_000, 1_000_000} {
		b.Run(fmt.Sprintf("verb=reserve/skus=%d", skus), func(b *testing.B) {
			w := newWorld(skus)
			w.applyEach(b, func(i int) engine.Op { return w.reserve(i) })
		})
	}
	for name, verb := range map[string]func(id string) engine.Command{
		"commit":  func(id string) engine.Command { return &engine.Commit{ID: id} },
		"release": func(id string) engine.Command { return &engine.Release{ID: id} },
		"ship":    func(id string) engine.Command { return &engine.Ship{ID: id} },
		"extend":  func(id string) engine.Command { return &engine.Extend{ID: id, TTL: 60_000} },
	} {
		b.Run(fmt.Sprintf("verb=%s/skus=10000", name), func(b *testing.B) {
			w := newWorld(10_000)
			w.fill(b.N, func(i int) engine.Op { return w.reserve(i) })
			w.applyEach(b, func(i int) engine.Op { return engine.Op{Command: verb(orderID(i))} })
		})
	}
	b.Run("verb=set/skus=10000", func(b *testing.B) {
		w := newWorld(10_000)
		w.applyEach(b, func(i int) engine.Op {
			return engine.Op{Command: &engine.Set{
				SKU: w.name(i), Location: w.location, Value: int64(i%1000) + 1,
			}}
		})
	})
	b.Run("verb=reserve-keyed/skus=10000", func(b *testing.B) {
		w := newWorld(10_000)
		w.applyEach(b, func(i int) engine.Op {
			op := w.reserve(i)
			op.Key = engine.Key{Hi: mixed(i), Lo: mixed(i) * 31}
			return op
		})
	})
	b.Run("verb=reserve-results/skus=10000", func(b *testing.B) {
		w := newWorld(10_000)
		w.out.WantResults = true
		w.applyEach(b, func(i int) engine.Op { return w.reserve(i) })
	})
}

// BenchmarkApplyFull is apply among ten million live holds on a million SKUs.
func BenchmarkApplyFull(b *testing.B) {
	if testing.Short() {
		b.Skip("fills 2 GiB")
	}
	w := newWorld(1_000_000)
	w.fill(10_000_000, func(i int) engine.Op { return w.reserve(i) })
	next := 10_000_000
	b.Run("verb=reserve/skus=1000000/holds=10000000", func(b *testing.B) {
		first := next
		next += b.N
		w.applyEach(b, func(i int) engine.Op { return w.reserve(first + i) })
	})
}

// BenchmarkMemory reports the bytes of a live hold, a SKU at a location, and a remembered answer. An
// op is one of them.
func BenchmarkMemory(b *testing.B) {
	const n = 1 << 20
	b.Run("row=sku-location", func(b *testing.B) {
		for b.Loop() {
			before := heap()
			w := newWorld(n)
			w.skus = nil // the benchmark's own
			b.ReportMetric(float64(heap()-before)/n, "B/row")
			runtime.KeepAlive(w)
		}
	})
	b.Run("row=hold", func(b *testing.B) {
		for b.Loop() {
			w := newWorld(1000)
			before := heap()
			w.fill(n, func(i int) engine.Op { return w.reserve(i) })
			b.ReportMetric(float64(heap()-before)/n, "B/row")
			runtime.KeepAlive(w)
		}
	})
	b.Run("row=answer", func(b *testing.B) {
		for b.Loop() {
			w := newWorld(1000)
			w.fill(1, func(int) engine.Op { return w.reserve(0) })
			before := heap()
			w.fill(n, func(i int) engine.Op {
				return engine.Op{
					Key:     engine.Key{Hi: mixed(i), Lo: mixed(i) * 31},
					Command: &engine.Extend{ID: orderID(0), TTL: 60_000},
				}
			})
			b.ReportMetric(float64(heap()-before)/n, "B/row")
			runtime.KeepAlive(w)
		}
	})
}

// BenchmarkSweep measures a checkpoint's pass over the state, and loading it again, without a disk.
// An op is one row.
func BenchmarkSweep(b *testing.B) {
	const n = 1 << 20
	w := newWorld(10_000)
	w.fill(n, func(i int) engine.Op { return w.reserve(i) })
	var blocks []engine.Block
	b.Run("pass=save", func(b *testing.B) {
		var size int
		for b.Loop() {
			blocks, size = blocks[:0], 0
			for s := w.ledger.Cut(); ; {
				block, ok := s.Next()
				if !ok {
					break
				}
				blocks = append(blocks, block)
				size += len(block.Value)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
		b.ReportMetric(float64(size)/n, "B/row")
	})
	b.Run("pass=load", func(b *testing.B) {
		for b.Loop() {
			ld := engine.NewLoader()
			for _, block := range blocks {
				if err := ld.Load(block); err != nil {
					b.Fatal(err)
				}
			}
			if _, err := ld.Finish(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
	})
}
