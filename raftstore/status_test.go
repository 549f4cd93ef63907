package raftstore

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestALeaderIsReadyOnceItsTermIsOpen looks while raft has won already and nobody has heard of it.
func TestALeaderIsReadyOnceItsTermIsOpen(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		require.Equal(t, ReadyCheck{Name: "leader", OK: true, Detail: "n1"}, n.Ready()[0])
		l := n.lead.Swap(nil)
		require.Equal(t, raft.Leader, n.raft().State())
		closed := ReadyCheck{Name: "leader", Detail: "the term is not open yet"}
		assert.Equal(t, closed, n.Ready()[0], "won, and not known here")
		older := &leadership{term: l.term - 1}
		older.opened.Store(true)
		n.lead.Store(older)
		assert.Equal(t, closed, n.Ready()[0], "won again")
		n.lead.Store(l)
		assert.True(t, n.Ready()[0].OK)
		synctest.Wait()
		time.Sleep(time.Second)
	})
}
