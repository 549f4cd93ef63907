package raftstore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// TestAStaleReadSaysHowOldItsLedgerIs starts a node an hour after it stopped, without the others: it
// has heard of nobody, and knows that its ledger is an hour old and not that it began just now.
func TestAStaleReadSaysHowOldItsLedgerIs(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		define(t, c.leader().Store, 5)
		age := func(n *node) time.Duration {
			t.Helper()
			_, age, err := n.Read(t.Context(), true, 0, func(*engine.Ledger) bool { return false })
			require.NoError(t, err)
			return age
		}
		time.Sleep(10 * time.Minute) // idle, and up to date all the same
		for _, n := range c.nodes {
			assert.Less(t, age(n), time.Second)
		}
		require.NoError(t, c.nodes[0].Checkpoint(t.Context()))
		for _, n := range c.nodes {
			c.kill(n)
		}
		time.Sleep(time.Hour)
		c.start(c.nodes[0]) // on its checkpoint
		assert.GreaterOrEqual(t, age(c.nodes[0]), time.Hour)
		c.start(c.nodes[1]) // on nothing, with a log that nobody has told it to apply
		assert.GreaterOrEqual(t, age(c.nodes[1]), time.Hour)
		c.leader()
		for _, n := range c.nodes[:2] {
			require.Eventually(t, func() bool { return age(n) < time.Second }, 10*time.Second,
				10*time.Millisecond, "they found each other and are up to date")
		}
	})
}
