package raftstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// allEvents reads what n has, from after on.
func allEvents(t *testing.T, n *node, after uint64) []engine.Event {
	t.Helper()
	var all []engine.Event
	require.NoError(t, n.machine.events.Read(after, func(e *engine.Event) bool {
		all = append(all, *e)
		return true
	}))
	return all
}

func healthy(n *node, name string) bool {
	for _, m := range n.Status().Members {
		if m.ID == name {
			return m.Healthy
		}
	}
	return false
}

// TestHistoryIsFetchedAfterAnInstall kills a node while it fetches what it missed, has the member that
// it fetches from go, and gives it damaged bytes: in the end it has what the others have.
func TestHistoryIsFetchedAfterAnInstall(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 100_000, "A")
		behind := c.follower(leader)
		c.kill(behind)
		for k := range 3 {
			for i := range 700 {
				c.accept(leader, reserve(fmt.Sprint("r", k, "-", i), "A", 1, time.Hour))
			}
			checkpointNow(t, leader)
		}
		var other *node
		for _, n := range c.nodes {
			if n != leader && n != behind {
				other = n
			}
		}
		// Nobody gives anything good: the node serves, and knows that it is not complete.
		damage := func(n *node) {
			n.events.mu.Lock()
			defer n.events.mu.Unlock()
			for _, s := range n.events.mu.segments {
				s.text[segmentHeaderBytes+50] ^= 1 // what is read here was parsed already
			}
		}
		damage(leader)
		damage(other)
		c.start(behind)
		time.Sleep(5 * time.Second)
		assert.EqualValues(t, 100_000-2100, c.available(behind, false, "A"))
		assert.False(t, behind.complete())
		assert.False(t, healthy(behind, behind.name))
		assert.False(t, healthy(leader, behind.name))
		assert.True(t, healthy(leader, other.name))
		_, err := behind.Events(0, 10)
		require.ErrorIs(t, err, ErrEventsGone)
		c.accept(behind, reserve("meanwhile", "A", 1, time.Hour))
		require.EqualValues(t, 100_000-2101, c.available(behind, false, "A"))
		assert.Len(t, allEvents(t, behind, leader.machine.lastEvent()-1), 1)

		c.kill(behind)
		c.start(behind)
		time.Sleep(3 * time.Second)
		assert.False(t, behind.complete(), "a restart knows it too")
		damage(other) // back to what it was: one member is enough
		time.Sleep(10 * time.Second)
		assert.True(t, behind.complete())
		assert.True(t, healthy(behind, behind.name))
		assert.True(t, healthy(leader, behind.name))
		assert.Equal(t, allEvents(t, leader, 0), allEvents(t, behind, 0))
		c.sameDigests()
	})
}
