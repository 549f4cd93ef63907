package raftstore

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

func TestWaitersGoWhenTheirIndexIsApplied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w appliedWaiters
		var applied atomic.Uint64
		closing := make(chan struct{})
		gone := make(chan uint64, 10)
		for _, index := range []uint64{3, 1, 2} {
			go func() {
				if w.wait(t.Context(), index, &applied, closing) == nil {
					gone <- index
				}
			}()
		}
		synctest.Wait()
		assert.Empty(t, gone)
		applied.Store(2)
		w.advance(2)
		synctest.Wait()
		assert.Len(t, gone, 2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.ErrorIs(t, w.wait(ctx, 9, &applied, closing), context.DeadlineExceeded)
		close(closing)
		synctest.Wait()
		assert.Zero(t, w.count.Load())
		assert.ErrorIs(t, w.wait(t.Context(), 9, &applied, closing), errClosing)
		require.NoError(t, w.wait(t.Context(), 2, &applied, closing))
	})
}

// eventChain is an EventLog of one SKU at one location.
type eventChain struct {
	EventLog
	first  uint64
	events []engine.Event
}

func (c eventChain) At(seq uint64) (engine.Event, error) {
	if seq < c.first {
		return engine.Event{}, ErrEventsGone
	}
	return c.events[seq-c.first], nil
}

func TestTheBasisIsTheMovementsUpToThatMoment(t *testing.T) {
	t.Parallel()
	var c eventChain
	c.first = 1
	add := func(at int64, kind engine.EventType, onHand int64) {
		n := uint64(len(c.events))
		c.events = append(c.events, engine.Event{Seq: n + 1, At: at, Type: kind, Prev: n,
			Balance: engine.Balance{OnHand: onHand}})
	}
	add(100, engine.EventStockSet, 50)      // no movement
	add(200, engine.EventStockAdjusted, 45) // moved -5
	add(300, engine.EventReserved, 45)      // changes nothing on hand
	add(400, engine.EventShipped, 40)       // moved -10
	add(500, engine.EventStockSet, 100)     // no movement
	add(600, engine.EventReturned, 103)     // moved -7
	for asOf, want := range map[int64]int64{
		99: 0, 100: 0, 199: 0, 200: -5, 399: -5, 400: -10, 500: -10, 599: -10, 600: -7, 900: -7,
	} {
		got, err := basisAt(t.Context(), c, -7, 6, asOf)
		require.NoError(t, err)
		assert.Equal(t, want, got, "as of %d", asOf)
	}
	got, err := basisAt(t.Context(), c, 0, 0, 100)
	require.NoError(t, err)
	assert.Zero(t, got, "nothing ever happened there")

	c.first, c.events = 4, c.events[3:]
	got, err = basisAt(t.Context(), c, -7, 6, 400)
	require.NoError(t, err)
	assert.EqualValues(t, -10, got)
	_, err = basisAt(t.Context(), c, -7, 6, 399)
	assert.ErrorIs(t, err, ErrEventsGone)
}

func TestTheWalkBackIsBounded(t *testing.T) {
	t.Parallel()
	c := eventChain{first: 1}
	for i := range uint64(maxBasisSteps + 10) {
		c.events = append(c.events, engine.Event{Seq: i + 1, At: int64(i + 1), Prev: i,
			Type: engine.EventReserved})
	}
	last := uint64(len(c.events))
	_, err := basisAt(t.Context(), c, 0, last, 1)
	assert.ErrorIs(t, err, ErrEventsGone)
	_, err = basisAt(t.Context(), c, 0, last, 20)
	assert.NoError(t, err)
}

// refused is a follower whose batch of one write and one read the leader refuses as a whole, while
// the follower hears nothing of raft: what the leader was told is not there yet.
func refused(t *testing.T, c *cluster, whole bool) (leader, follower *node) {
	leader = c.leader()
	follower = c.follower(leader)
	c.stock(follower, 10, "A")
	c.net.mu.Lock()
	own := c.net.mu.rafts[follower.addr]
	for _, other := range c.net.mu.rafts {
		other.Disconnect(own.LocalAddr())
	}
	c.net.mu.Unlock()
	c.accept(leader, &engine.Adjust{SKU: "A", Location: "main", Delta: -10, Source: "x", Reason: "y"})
	leader.batcher.mu.Lock()
	leader.batcher.mu.load.bytes = leader.cfg.QueueBytes
	leader.batcher.mu.Unlock()
	op := engine.Op{Command: reserve("r", "A", 1, time.Hour)}
	follower.batcher.mu.Lock()
	b, _, _ := follower.batcher.putLocked(follower.machine.encode(op), 0)
	b.whole = whole
	follower.batcher.mu.Unlock()
	return leader, follower
}

func TestAReadIsLinearizableThoughItsBatchWasRefused(t *testing.T) {
	t.Parallel()
	for _, whole := range []bool{false, true} {
		inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
			leader, n := refused(t, c, whole)
			time.AfterFunc(300*time.Millisecond, c.net.wire)
			assert.Zero(t, c.available(n, false, "A"), "all were gone before the read began")
			leader.batcher.mu.Lock()
			leader.batcher.mu.load.bytes = 0
			leader.batcher.mu.Unlock()
		})
	}
}

func TestABatchOfWhichNothingWasAppliedAnswersNoRead(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		n.batcher.mu.Lock()
		b := n.batcher.openLocked(0)
		n.batcher.mu.idle = false // nobody is woken to take it
		n.batcher.mu.Unlock()
		read := make(chan error)
		go func() {
			_, _, err := n.Read(t.Context(), false, 0, func(*engine.Ledger) bool { return false })
			read <- err
		}()
		synctest.Wait()
		n.batcher.mu.Lock()
		n.batcher.mu.open = nil
		n.batcher.mu.Unlock()
		n.batcher.settle(b, outcome{kinds: []opKind{opOverloaded}, ends: []int{0}})
		assert.Equal(t, "no-leader", code(<-read))
	})
}
