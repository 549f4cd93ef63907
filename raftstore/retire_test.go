package raftstore

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// soon is when what is closed leaves in these tests: a day of a cluster takes too long in a bubble.
const soon = 30 * time.Second

// closed makes reservations of one unit and ships them.
func (c *cluster) closed(n *node, ids ...string) {
	c.t.Helper()
	c.accept(n, &engine.Configure{Limits: engine.Limits{ClosedAfter: soon.Milliseconds(),
		IDMemory: 10 * soon.Milliseconds()}})
	for _, id := range ids {
		c.accept(n, reserve(id, "A", 1, time.Hour))
		c.accept(n, &engine.Ship{ID: id})
	}
}

// counts are those of a node's ledger.
func (n *node) counts() (all engine.Counts) {
	n.machine.view(func(l *engine.Ledger) bool {
		all = l.Counts()
		return false
	})
	return all
}

// stored is how many bodies a node has of a table, in memory or not.
func (n *node) stored(table engine.BodyTable) (count int) {
	index := n.machine.applied.Load()
	_ = n.machine.bodies.Flush(index, 0)
	_ = n.machine.bodies.Scan([]byte{byte(table)}, index, func(r BodyRow) bool {
		if r.Key[0] == byte(table) {
			count++
		}
		return true
	})
	return count
}

func TestWhatIsClosedLeavesMemoryAndComesBack(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		follower := c.follower(leader)
		c.stock(leader, 100, "A")
		c.closed(leader, "r1", "r2", "r3", "r4", "r5", "r6")
		c.accept(leader, reserve("held", "A", 1, time.Hour))
		time.Sleep(soon - time.Second)
		assert.Zero(t, leader.counts().Retired)
		time.Sleep(2 * time.Second)
		for _, n := range c.nodes {
			require.EqualValues(t, 6, n.counts().Retired, n.name)
			require.EqualValues(t, 1, n.counts().Reservations, n.name)
			require.Equal(t, 6, n.stored(engine.BodyOfReservation), n.name)
		}

		for i, n := range []*node{leader, follower} {
			id := fmt.Sprint("r", i+1)
			r := c.accept(n, reserve(id, "A", 1, time.Hour))
			assert.True(t, r.Existed)
			require.NotNil(t, r.Reservation)
			assert.Equal(t, engine.Shipped, r.Reservation.State)
			other, err := n.Submit(t.Context(), engine.Op{Command: reserve(id, "A", 2, time.Hour)})
			require.NoError(t, err)
			assert.Equal(t, engine.IDConflict, other.Refusal)

			r = c.accept(n, &engine.Return{ID: id, Disposition: engine.Sellable})
			require.NotNil(t, r.Reservation)
			assert.EqualValues(t, 1, r.Reservation.Lines[0].Returned)
			_, away := leader.retired(id)
			assert.False(t, away, "it came back")
		}
		group := &engine.Group{Atomic: true, Ops: []engine.Command{
			&engine.Return{ID: "r3", Disposition: engine.Lost},
			&engine.Return{ID: "r4", Disposition: engine.Sellable},
		}}
		key := engine.KeyOf("test", "group")
		r, err := follower.Submit(t.Context(), engine.Op{Key: key, Command: group})
		require.NoError(t, err)
		require.Equal(t, engine.Accepted, r.Refusal)
		require.Len(t, r.Ops, 2)
		again, err := follower.Submit(t.Context(), engine.Op{Key: key, Command: group})
		require.NoError(t, err)
		assert.True(t, again.Replayed)
		assert.Equal(t, r.Ops[1].Reservation, again.Ops[1].Reservation)
		assert.EqualValues(t, 100-6+3-1, c.available(leader, false, "A"), "six shipped, three came back, one held")
		c.sameDigests()
	})
}

func TestTheCommandsOfOneCallKeepTheirOrderWhateverHasLeft(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 2, "A")
		c.closed(leader, "r1", "r2")
		time.Sleep(soon + time.Second)
		require.EqualValues(t, 2, leader.counts().Retired)
		ops := []engine.Op{
			{Command: &engine.Return{ID: "r1", Disposition: engine.Sellable}},
			{Command: reserve("new-1", "A", 1, time.Hour)}, // takes what r1 gave back
			{Command: &engine.Return{ID: "r2", Disposition: engine.Sellable}},
			{Command: reserve("new-2", "A", 1, time.Hour)},
			{Command: reserve("new-3", "A", 1, time.Hour)},
		}
		var got []engine.Refusal
		c.follower(leader).SubmitAll(t.Context(), ops, func(_ int, r engine.Result, err error) {
			require.NoError(t, err)
			got = append(got, r.Refusal)
		})
		assert.Equal(t, []engine.Refusal{0, 0, 0, 0, engine.InsufficientStock}, got)
		c.sameDigests()
	})
}

func TestBodiesAreThereAfterARestart(t *testing.T) {
	t.Parallel()
	for _, checkpoint := range []bool{false, true} {
		inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
			n := c.leader()
			c.stock(n, 100, "A")
			c.closed(n, "r1", "r2")
			time.Sleep(soon + time.Second)
			if checkpoint {
				require.NoError(t, n.Checkpoint(t.Context()))
				assert.Equal(t, n.machine.applied.Load(), n.bodies.State().Through)
			}
			c.kill(n)
			assert.Equal(t, checkpoint, n.bodies.State().Through > 0)
			c.start(n)
			c.leader()
			time.Sleep(5 * time.Second)
			require.EqualValues(t, 2, n.counts().Retired)
			version, away := n.retired("r1")
			require.True(t, away)
			r, err := n.Retired(t.Context(), "r1", version)
			require.NoError(t, err)
			assert.Equal(t, engine.Shipped, r.State)
			c.accept(n, &engine.Return{ID: "r2", Disposition: engine.Sellable})
			assert.Equal(t, 5, n.stored(engine.BodyOfAudit), "the cluster's id, location, channel, SKU and kin")
			c.sameDigests()
		})
	}
}

func TestAnIDIsForgottenInTheEnd(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		c.stock(n, 100, "A")
		c.closed(n, "r1")
		time.Sleep(9 * soon)
		require.EqualValues(t, 1, n.counts().Retired)
		index := n.machine.applied.Load()
		time.Sleep(soon + 2*time.Second)
		require.Zero(t, n.counts().Retired)
		assert.LessOrEqual(t, n.machine.applied.Load(), index+2, "nothing is proposed but what is due")
		assert.Zero(t, n.stored(engine.BodyOfReservation))
		r := c.accept(n, reserve("r1", "A", 3, time.Hour))
		assert.False(t, r.Existed)
	})
}

// fullBodies says that the buffer is full from a moment on.
type fullBodies struct {
	Bodies
	full *atomic.Bool
}

func (b fullBodies) State() BodyState {
	if b.full.Load() {
		return BodyState{DirtyBytes: maxDirty}
	}
	return b.Bodies.State()
}

func TestWhatMakesBodiesWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		var full atomic.Bool
		c.kill(n)
		c.adapt = func(_ *node, _ *Store, p *parts) { p.bodies = fullBodies{p.bodies, &full} }
		c.start(n)
		c.leader()
		c.stock(n, 100, "A")
		c.closed(n, "r1")
		full.Store(true)
		time.Sleep(soon + time.Second)
		assert.Zero(t, n.counts().Retired, "leaving waits")
		_, err := n.Submit(t.Context(), engine.Op{Command: &engine.DefineSKU{SKU: "B"}})
		assert.Equal(t, "overloaded", code(err))
		c.accept(n, reserve("r2", "A", 1, time.Hour))
	})
}

func TestLeavingWaitsWhileADiskIsLow(t *testing.T) {
	t.Parallel()
	disks := &smallDisks{free: map[string]int64{}}
	inBubble(t, 3, disks.tune, func(t *testing.T, c *cluster) {
		leader := c.leader()
		follower := c.follower(leader)
		c.stock(leader, 100, "A")
		for i, low := range []*node{leader, follower} {
			c.closed(leader, fmt.Sprint("r", i))
			disks.set(150, low)
			time.Sleep(soon + time.Second)
			require.Same(t, leader, c.leader(), "it is not full")
			assert.EqualValues(t, i, leader.counts().Retired, "leaving waits")
			disks.set(900, low)
			time.Sleep(2 * time.Second)
			assert.EqualValues(t, i+1, leader.counts().Retired)
		}
		c.closed(leader, "r2")
		disks.set(150, follower)
		c.kill(follower)
		time.Sleep(soon + silentAfter)
		assert.EqualValues(t, 3, c.leader().counts().Retired, "nobody waits for one that is silent")
	})
}

// noBodies has none.
type noBodies struct{ Bodies }

func (noBodies) Get([]byte, uint64) ([]byte, error) { return nil, ErrNoBody }

func TestABodyThatIsNotHereRefusesTheVerbAndNothingElse(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		c.stock(n, 100, "A")
		c.closed(n, "r1")
		time.Sleep(soon + time.Second)
		n.machine.mu.Lock()
		has := n.machine.bodies
		n.machine.bodies = noBodies{has}
		n.machine.mu.Unlock()
		key := engine.KeyOf("test", "return")
		op := engine.Op{Key: key, Command: &engine.Return{ID: "r1", Disposition: engine.Sellable}}
		_, err := n.Submit(t.Context(), op)
		assert.Equal(t, "overloaded", code(err))
		n.SubmitAll(t.Context(), []engine.Op{op}, func(_ int, _ engine.Result, err error) {
			assert.Equal(t, "overloaded", code(err))
		})
		r := c.accept(n, reserve("r1", "A", 1, time.Hour))
		assert.True(t, r.Existed, "the id is known without its body")
		_, err = n.Retired(context.Background(), "r1", r.Body)
		assert.Equal(t, "overloaded", code(err))
		n.machine.mu.Lock()
		n.machine.bodies = has
		n.machine.mu.Unlock()
		r, err = n.Submit(t.Context(), op)
		require.NoError(t, err)
		assert.Equal(t, engine.Accepted, r.Refusal, "the refusal was not remembered under the key")
		assert.False(t, r.Replayed)
	})
}

func TestManyLeaveInPaces(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		c.stock(n, 100_000, "A")
		c.closed(n) // nothing but the limits
		var ops []engine.Op
		for i := range 3000 {
			id := fmt.Sprint("r", i)
			ops = append(ops, engine.Op{Command: reserve(id, "A", 1, time.Hour)},
				engine.Op{Command: &engine.Ship{ID: id}})
		}
		n.SubmitAll(t.Context(), ops, func(_ int, r engine.Result, err error) {
			require.NoError(t, err)
		})
		time.Sleep(soon + 300*time.Millisecond)
		assert.Less(t, n.counts().Retired, int64(3000))
		assert.Positive(t, n.counts().Retired)
		time.Sleep(2 * time.Second)
		assert.EqualValues(t, 3000, n.counts().Retired)
	})
}
