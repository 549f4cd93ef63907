package raftstore

import (
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestASilentLeaderIsNoReasonToRefuse asks a follower whether it would vote: while it hears its leader,
// when it has not for a while, and for nodes whose logs end before its own.
func TestASilentLeaderIsNoReasonToRefuse(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 100, "A")
		asked := c.follower(leader)
		time.Sleep(time.Second)
		term := asked.raft().CurrentTerm()
		index, last, err := asked.lastEntry()
		require.NoError(t, err)
		ask := func(id raft.ServerID, index, last uint64) (granted, answered bool) {
			answer := make(chan raft.RPCResponse, 1)
			call := raft.RPC{RespChan: answer, Command: &raft.RequestPreVoteRequest{
				RPCHeader: raft.RPCHeader{ID: []byte(id)}, Term: term + 1,
				LastLogIndex: index, LastLogTerm: last,
			}}
			if !asked.intake.election(&call) {
				return false, false
			}
			return (<-answer).Response.(*raft.RequestPreVoteResponse).Granted, true
		}
		voted := func() bool {
			call := raft.RPC{Command: &raft.RequestVoteRequest{Term: term + 1}}
			require.False(t, asked.intake.election(&call), "votes are raft's")
			return call.Command.(*raft.RequestVoteRequest).LeadershipTransfer
		}
		var other *node
		for _, n := range c.nodes {
			if n != leader && n != asked {
				other = n
			}
		}
		id := other.parts.id
		_, answered := ask(id, index, last)
		assert.False(t, answered, "raft is asked while the leader is heard")
		assert.False(t, voted())

		c.net.Cut(leader.addr)
		time.Sleep(950 * time.Millisecond)
		require.Equal(t, raft.Follower, asked.raft().State())
		granted, _ := ask(id, index, last)
		assert.True(t, granted)
		assert.True(t, voted())
		granted, answered = ask(id, index-1, last)
		assert.True(t, answered)
		assert.False(t, granted, "its log ends earlier")
		granted, _ = ask(id, index+10, last-1)
		assert.False(t, granted, "its log is of an older term")
		granted, _ = ask("n9.1", index, last)
		assert.False(t, granted, "it is no voter")
		term -= 2
		granted, _ = ask(id, index, last)
		assert.False(t, granted, "its term is over")
		time.Sleep(3 * time.Second)
		require.NotNil(t, c.leader(leader))
	})
}
