package raftstore

import (
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// TestAForgottenFutureEndsWithRaft holds letEnd to the raft that is in use: one without the field
// would leave a goroutine behind for every entry that it forgets. A barrier's future is of the same
// type as an entry's; this one is answered by nobody, since the node is cut off.
func TestAForgottenFutureEndsWithRaft(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.everyoneIn()
		c.net.Cut(leader.addr)
		f := leader.Store.raft().Barrier(time.Second)
		gone := make(chan struct{})
		close(gone)
		require.True(t, letEnd(f, gone), "raft's futures have changed")
		require.ErrorIs(t, f.Error(), raft.ErrRaftShutdown, "it waited until the lead was lost")
	})
}
