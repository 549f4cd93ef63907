package raftstore

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// TestABatchGoesOnlyInTheTermOfWhatItFollows lets the lead be lost and won again between the moment
// at which a batch may go and the moment at which it goes.
func TestABatchGoesOnlyInTheTermOfWhatItFollows(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		c.stock(n, 10, "A")
		then := n.lead.Load()
		before := newBatch(time.Now())
		require.True(t, n.batcher.proposed(before, []byte("lost"), then.term, time.Hour))
		b := newBatch(time.Now())
		later := n.machine.encode(engine.Op{Command: reserve("later", "A", 1, time.Hour)})
		b.entry.Append(later.buf, 1, false)
		b.count = 1
		b.after = before
		l, err := n.inOrder(b)
		require.NoError(t, err)
		require.Same(t, then, l, "both may be on their way in this term")

		c.net.Cut(n.addr)
		c.leader(n)
		c.net.Heal(n.addr)
		for n.lead.Load() == nil || n.lead.Load() == then || !n.lead.Load().opened.Load() {
			other := c.leader()
			if other != n {
				_ = other.raft().LeadershipTransferToServer(n.parts.id, n.parts.transport.LocalAddr()).Error()
			}
			time.Sleep(time.Second)
		}
		n.send(b, l)
		assert.Equal(t, "no-leader", code(b.wait(t.Context())), "what it follows is lost")
		assert.EqualValues(t, 10, c.available(n, false, "A"))
		n.batcher.settle(before, outcome{})
	})
}

// silentFuture is a future that raft forgot, until end is closed.
type silentFuture struct {
	raft.ApplyFuture
	end chan struct{}
}

func (f silentFuture) Error() error {
	<-f.end
	return raft.ErrNotLeader
}

func TestFuturesThatNeverEndKeepFewGoroutines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(Config{Node: "n1", Dir: "none"}.WithDefaults())
		f := silentFuture{end: make(chan struct{})}
		var batches []*batch
		for range 3 * maxWatched {
			b := newBatch(time.Now())
			require.True(t, s.batcher.proposed(b, []byte("p"), 1, s.cfg.ProposeTimeout))
			s.watch(b, f, make(chan struct{}))
			batches = append(batches, b)
		}
		assert.EqualValues(t, maxWatched, s.watched.Load())
		for _, b := range batches {
			assert.ErrorIs(t, b.wait(t.Context()), errDeadline, "its own deadline answers")
		}
		close(f.end)
		synctest.Wait()
		assert.Zero(t, s.watched.Load())
	})
}

func TestASubmittedCommandStaysAsItIs(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		c.stock(n, 100, "A")
		time.Sleep(time.Second)
		counted := time.Now().UnixMilli()
		time.Sleep(time.Second)
		c.accept(n, &engine.Adjust{SKU: "A", Location: "main", Delta: -5, Source: "test", Reason: "x"})
		set := func() *engine.Set {
			return &engine.Set{SKU: "A", Location: "main", Value: 50, Source: "wms", AsOf: counted,
				Basis: 99, BasisGone: true} // not theirs to say
		}
		one, two, three := set(), set(), set()
		group := &engine.Group{Atomic: true, Ops: []engine.Command{two}}
		assert.EqualValues(t, 45, c.accept(n, one).Stock.OnHand)
		c.accept(n, group)
		ops := []engine.Op{{Command: three}}
		n.SubmitAll(t.Context(), ops, func(_ int, r engine.Result, err error) {
			require.NoError(t, err)
			assert.EqualValues(t, 45, r.Stock.OnHand)
		})
		assert.Equal(t, set(), one)
		assert.Equal(t, set(), two)
		assert.Equal(t, set(), three)
		assert.Same(t, two, group.Ops[0])
		assert.Same(t, three, ops[0].Command)
	})
}

// TestABasisThatWasReadStands: by the clock, what moved in the millisecond of a count was before it; who
// has read the ledger knows that it was not.
func TestABasisThatWasReadStands(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		c.stock(n, 100, "A")
		time.Sleep(time.Second)
		c.accept(n, &engine.Adjust{SKU: "A", Location: "main", Delta: -5, Source: "test", Reason: "x"})
		var at, moved int64
		_, _, err := n.Read(t.Context(), false, 0, func(l *engine.Ledger) bool {
			rows, _ := l.Stock("A")
			at, moved = l.Now(), rows[0].Moved
			return false
		})
		require.NoError(t, err)
		set := &engine.Set{SKU: "A", Location: "main", Value: 50, Source: "wms", AsOf: at}
		assert.EqualValues(t, 50, c.accept(n, set).Stock.OnHand, "the same millisecond is before it")
		read := *set
		read.Basis, read.BasisRead = moved+5, true // as it was before the adjust
		assert.EqualValues(t, 45, c.accept(n, &read).Stock.OnHand)
		assert.EqualValues(t, 45, c.accept(n, &engine.Group{Ops: []engine.Command{&read}}).Ops[0].Stock.OnHand)
	})
}

// TestADeathUnderLoadAnswersEveryoneOnce lets the node die while a batch is being encoded, most
// likely, and closes it.
func TestADeathUnderLoadAnswersEveryoneOnce(t *testing.T) {
	t.Parallel()
	for range 20 {
		inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
			n := c.leader()
			s := n.Store
			var callers sync.WaitGroup
			var answered atomic.Int64
			for range 32 {
				callers.Go(func() {
					for err := error(nil); err == nil; {
						_, err = s.Submit(context.Background(), tick())
						if answered.Add(1) == 500 {
							s.fail(errDead)
						}
					}
				})
			}
			require.ErrorIs(t, <-n.ran, errDead)
			n.ran <- nil
			callers.Wait()
			require.NoError(t, s.Close())
		})
	}
}
