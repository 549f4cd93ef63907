package raftstore

import (
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
)

func TestWhereNodesAreReached(t *testing.T) {
	t.Parallel()
	d := newDirectory([]Peer{{"n1", "a:1"}})
	at := func(id raft.ServerID) raft.ServerAddress { return d.resolve(id, "configured:1") }
	assert.Equal(t, raft.ServerAddress("a:1"), at("n1.1"))
	assert.Equal(t, raft.ServerAddress("configured:1"), at("n2.1"))
	for _, said := range []string{"", "0.0.0.0:7481", "[::]:7481", ":7481", "nonsense"} {
		d.hear("n2", said)
		assert.Equal(t, raft.ServerAddress("configured:1"), at("n2.1"), said)
	}
	d.hear("n1", "b:2")
	d.hear("n2", "b:2")
	assert.Equal(t, raft.ServerAddress("a:1"), at("n1.1"), "the list of this start comes first")
	assert.Equal(t, raft.ServerAddress("b:2"), at("n2.7"), "whatever its incarnation")
	d.hear("n2", "b:3")
	assert.Equal(t, raft.ServerAddress("b:3"), at("n2.1"))
	for i := range 2 * maxSaid {
		d.hear(string(rune('a'+i)), "c:4")
	}
	assert.Len(t, d.said, maxSaid)
}
