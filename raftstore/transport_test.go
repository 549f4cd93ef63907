package raftstore

import (
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
)

// TestWhatRaftIsGivenOfTheNetwork looks at intake, which stands in front of the mended transport: raft
// gets no pipeline, and cannot close the network, which another raft goes on with.
func TestWhatRaftIsGivenOfTheNetwork(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		_, err := n.intake.AppendEntriesPipeline("n2.1", "127.0.0.2:1")
		assert.ErrorIs(t, err, raft.ErrPipelineReplicationNotSupported)
		_, closes := any(n.intake).(raft.WithClose)
		assert.False(t, closes)
		_, votes := any(n.intake).(raft.WithPreVote)
		assert.True(t, votes)
	})
}
