package raftstore

import (
	"bytes"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTheGate sends every kind of message through a gate that is closed, and then open since term 5.
func TestTheGate(t *testing.T) {
	t.Parallel()
	in := make(chan raft.RPC)
	g := newGate(in, Identity{})
	defer g.close()
	send := func(message any) error {
		answers := make(chan raft.RPCResponse, 1)
		rest := bytes.NewBufferString("the bytes of a snapshot")
		in <- raft.RPC{Command: message, Reader: rest, RespChan: answers}
		select {
		case <-g.out:
			return nil
		case answer := <-answers:
			require.NotNil(t, answer.Response)
			if _, is := message.(*raft.InstallSnapshotRequest); is {
				assert.Zero(t, rest.Len(), "the next message stands behind it")
			}
			return answer.Error
		}
	}
	all := func(term uint64) []any {
		return []any{
			&raft.RequestVoteRequest{Term: term}, &raft.RequestPreVoteRequest{Term: term},
			&raft.AppendEntriesRequest{Term: term}, &raft.InstallSnapshotRequest{Term: term},
			&raft.TimeoutNowRequest{},
		}
	}
	for _, m := range all(9) {
		assert.ErrorIs(t, send(m), errNotLetIn, "%T", m)
	}
	g.letIn(5)
	for i, want := range []error{errOldTerm, errOldTerm, errOldTerm, errOldTerm, nil} {
		assert.Equal(t, want, send(all(4)[i]), "%T of an old term", all(4)[i])
	}
	for i, want := range []error{errOldTerm, errOldTerm, nil, nil, nil} {
		assert.Equal(t, want, send(all(5)[i]), "%T of the term in which it was let in", all(5)[i])
	}
	for _, m := range all(6) {
		assert.NoError(t, send(m), "%T", m)
	}
}

func TestWhoNeedsAGate(t *testing.T) {
	t.Parallel()
	assert.True(t, needsGate(Identity{}, 0))
	assert.True(t, needsGate(Identity{}, 9))
	assert.False(t, needsGate(Identity{LetIn: true}, 0), "it formed the cluster")
	assert.True(t, needsGate(Identity{LetIn: true, SinceTerm: 5}, 0), "it died before it heard raft")
	assert.True(t, needsGate(Identity{LetIn: true, SinceTerm: 5}, 5))
	assert.False(t, needsGate(Identity{LetIn: true, SinceTerm: 5}, 6))
}
