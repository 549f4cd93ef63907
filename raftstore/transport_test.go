package raftstore

import (
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestHeartbeatsTakeTheOrdinaryWay sends one over the real transport of a running node, past raft: it
// must come out where entries and votes do, so that raft's main loop handles it alone (raft#695). It
// looks at what raft has been given, not at the wrapper by itself.
func TestHeartbeatsTakeTheOrdinaryWay(t *testing.T) {
	t.Parallel()
	conf := Config{Node: "n1"}.WithDefaults()
	from := newTCPTransport(testPort(t, "n1", [16]byte{}), conf)
	t.Cleanup(func() { assert.NoError(t, from.Close()) })
	port := testPort(t, "n2", [16]byte{})
	to := newTCPTransport(port, conf)
	t.Cleanup(func() { assert.NoError(t, to.Close()) })

	s := newStore(conf)
	s.parts.transport = to
	s.takeIn()
	t.Cleanup(func() { assert.NoError(t, s.parts.close()) })
	s.intake.SetHeartbeatHandler(func(raft.RPC) { t.Error("a heartbeat beside the main loop") })

	go func() { // raft's main loop
		select {
		case call := <-s.intake.Consumer():
			call.Respond(&raft.AppendEntriesResponse{Success: true}, nil)
		case <-time.After(10 * time.Second):
		}
	}()
	beat := &raft.AppendEntriesRequest{ // what raft takes for a heartbeat
		RPCHeader: raft.RPCHeader{ProtocolVersion: 3, Addr: []byte("n1")}, Term: 7,
	}
	var answer raft.AppendEntriesResponse
	require.NoError(t, from.AppendEntries("n2.1", raft.ServerAddress(port.advertise), beat, &answer))
	assert.True(t, answer.Success)
}

// TestRaftIsGivenNoPipeline: after a follower's refusal raft's pipeline can wait for ever, so it must
// not get one. Nor may it close the network, which another raft goes on with.
func TestRaftIsGivenNoPipeline(t *testing.T) {
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
