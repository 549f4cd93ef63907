package raftstore

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// TestCallsToALostLeaderDoNotHoldUpTheNext fills the places in flight of the followers with batches
// that a leader never answers.
func TestCallsToALostLeaderDoNotHoldUpTheNext(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		old := c.leader()
		c.stock(old, 1000, "A")
		var others []*node
		for _, n := range c.nodes {
			if n != old {
				others = append(others, n)
				c.follower(old)
				c.net.LoseAnswers(n.addr, true)
			}
		}
		var waiting sync.WaitGroup
		for i := range maxInFlight {
			for _, n := range others {
				waiting.Go(func() {
					op := engine.Op{Command: reserve(fmt.Sprint("x", i, n.name), "A", 1, time.Hour)}
					_, err := n.Submit(t.Context(), op)
					assert.Equal(t, "outcome-unknown", code(err))
				})
				time.Sleep(20 * time.Millisecond)
			}
		}
		c.net.Cut(old.addr)
		for _, n := range others {
			c.net.LoseAnswers(n.addr, false)
		}
		began := time.Now()
		next := c.leader(old)
		c.accept(next, &engine.DefineSKU{SKU: "B"})
		assert.Less(t, time.Since(began), splitVote, "two heartbeat timeouts, or four")
		c.accept(c.follower(next), &engine.DefineSKU{SKU: "C"})
		assert.Less(t, time.Since(began), splitVote+100*time.Millisecond)
		waiting.Wait()
	})
}

func TestCallsEndWhenAnotherLeads(t *testing.T) {
	t.Parallel()
	var f following
	node := "n1"
	leader := func() (string, string) { return "at " + node, node }
	first, addr, name := f.look(t.Context(), leader)
	require.Equal(t, []string{"at n1", "n1"}, []string{addr, name})
	again, _, _ := f.look(t.Context(), leader)
	assert.Equal(t, first, again)
	node = ""
	none, addr, name := f.look(t.Context(), leader)
	assert.Nil(t, none)
	assert.Equal(t, []string{"", ""}, []string{addr, name})
	require.NoError(t, first.Err(), "it may be found again")
	node = "n2"
	second, _, _ := f.look(t.Context(), leader)
	assert.Error(t, first.Err())
	assert.NoError(t, second.Err())
}
