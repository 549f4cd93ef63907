package outbox

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
)

// counting is an executor that does nothing, and says when it did n tasks.
type counting struct {
	mu   sync.Mutex
	left int
	done chan struct{}
}

func (c *counting) Do(context.Context, Task) (Finish, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left--; c.left == 0 {
		close(c.done)
	}
	return Finish{}, nil
}

// BenchmarkDispatcher runs b.N tasks of 10 connections that are queued already: claim, call, finish.
func BenchmarkDispatcher(b *testing.B) {
	store := queued(b, b.N)
	c := &counting{left: b.N, done: make(chan struct{})}
	d, err := New(Config{Store: store, Gate: &fakeGate{}, Executors: map[string]Executor{"push": c}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error)
	b.ResetTimer()
	b.ReportAllocs()
	begun := time.Now()
	go func() { ended <- d.Run(ctx, 1) }()
	<-c.done
	b.ReportMetric(float64(b.N)/time.Since(begun).Seconds(), "tasks/s")
	cancel()
	<-ended
}

// BenchmarkQueued is what 100,000 queued tasks cost a new leader: the time of reading them, and what
// the board keeps of each.
func BenchmarkQueued(b *testing.B) {
	const n = 100_000
	store := queued(b, n)
	for b.Loop() {
		before := heapBytes()
		l := &loop{Dispatcher: &Dispatcher{cfg: Config{Store: store,
			Executors: map[string]Executor{"push": &counting{}}}.WithDefaults()}, kinds: []string{"push"}}
		l.stats, _ = newStats(l.cfg.Registry)
		l.board = newBoard()
		if err := l.reread(b.Context()); err != nil {
			b.Fatal(err)
		}
		if len(l.board.items) != n {
			b.Fatal(len(l.board.items))
		}
		b.ReportMetric(float64(heapBytes()-before)/n, "B/task")
		runtime.KeepAlive(l)
	}
}

func heapBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// queued is a store with n due tasks, each of a key of its own.
func queued(b *testing.B, n int) *recordstest.Store {
	store := recordstest.New(recordstest.Options{})
	for i := 0; i < n; {
		var tx records.Tx
		for ; i < n && len(tx.Writes) < 500; i++ {
			Enqueue(&tx, on(fmt.Sprint("shop", i%10), task(fmt.Sprint("shopify:shop:", 5_000_000_000+i))))
		}
		if _, err := store.Submit(b.Context(), &tx); err != nil {
			b.Fatal(err)
		}
	}
	return store
}
