package raftstore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestAForgottenFutureEndsWithRaft holds letEnd to the raft that is in use: one without the field
// would leave a goroutine behind for every entry that it forgets. A barrier's future is of the same
// type as an entry's.
func TestAForgottenFutureEndsWithRaft(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		f := c.leader().Store.raft().Barrier(time.Second)
		gone := make(chan struct{})
		close(gone)
		require.True(t, letEnd(f, gone), "raft's futures have changed")
		_ = f.Error() // ends, whatever it says
	})
}
