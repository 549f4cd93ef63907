package raftstore

import (
	"testing"
	"testing/synctest"
	"time"

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

// deafTransport never hears that it shall lead.
type deafTransport struct {
	*raft.InmemTransport
	until chan struct{}
}

func (d deafTransport) TimeoutNow(raft.ServerID, raft.ServerAddress, *raft.TimeoutNowRequest,
	*raft.TimeoutNowResponse) error {
	<-d.until
	return nil
}

// TestAHandOverToANodeThatHangsEndsSoon: the leader would refuse writes for as long as the network waits.
func TestAHandOverToANodeThatHangsEndsSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, inner := raft.NewInmemTransport("n1")
		deaf := deafTransport{InmemTransport: inner, until: make(chan struct{})}
		defer close(deaf.until)
		began := time.Now()
		err := serialTransport{inner: deaf}.TimeoutNow("n2.1", "n2", &raft.TimeoutNowRequest{},
			&raft.TimeoutNowResponse{})
		assert.ErrorIs(t, err, errNoTurn)
		assert.Equal(t, turnPatience, time.Since(began))
	})
}
