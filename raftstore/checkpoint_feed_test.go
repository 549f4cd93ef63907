package raftstore

import (
	"bytes"
	"io"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// installOn streams a checkpoint of index to c, as raft does, and returns its name.
func installOn(t *testing.T, c Checkpoints, index uint64, seed string) string {
	t.Helper()
	from := NewMemCheckpoints()
	from.load = loadFake
	blocks, digest := fakeBlocks(50, seed)
	text := streamOf(t, from, writeCheckpoint(t, from, index, blocks, digest))
	sink := createSink(t, c, index, 7)
	_, err := io.Copy(struct{ io.Writer }{sink}, pieces{bytes.NewReader(text), 1000})
	require.NoError(t, err)
	require.NoError(t, sink.Close())
	return sink.ID()
}

// TestAnInstalledCheckpointIsInMemoryAlready holds both stores to what Restore relies on: the first
// stream of an installed checkpoint has its ledger, and reads the same bytes as any other.
func TestAnInstalledCheckpointIsInMemoryAlready(t *testing.T) {
	t.Parallel()
	mem := NewMemCheckpoints()
	mem.load = loadFake
	for _, c := range []Checkpoints{mem, openTestCheckpoints(t, testCheckpointConfig(t.TempDir()))} {
		id := installOn(t, c, 50, "leader")
		_, first, err := c.Open(id)
		require.NoError(t, err)
		carried, ok := first.(*ledgerStream)
		require.True(t, ok, "%T", c)
		ledger, meta := carried.take()
		assert.NotNil(t, ledger)
		assert.True(t, meta.Installed)
		assert.Equal(t, uint64(50), meta.Index)
		again, _ := carried.take()
		assert.Nil(t, again, "it is given away once")
		text, err := io.ReadAll(first)
		require.NoError(t, err)
		require.NoError(t, first.Close())
		require.NoError(t, first.Close())
		require.Equal(t, text, streamOf(t, c, id))

		_, second, err := c.Open(id)
		require.NoError(t, err)
		_, ok = second.(*ledgerStream)
		assert.False(t, ok)
		require.NoError(t, second.Close())
	}
}

// TestALedgerThatNobodyFetchesIsDropped makes sure that a Restore that never came keeps no second
// ledger in memory.
func TestALedgerThatNobodyFetchesIsDropped(t *testing.T) {
	t.Parallel()
	s := openTestCheckpoints(t, testCheckpointConfig(t.TempDir()))
	id := installOn(t, s, 50, "leader")
	require.NotNil(t, s.mu.loaded.ledger)
	_, stream, err := s.Open(id)
	require.NoError(t, err)
	require.Nil(t, s.mu.loaded.ledger)
	require.NoError(t, stream.Close())
	assert.Empty(t, s.mu.pins)

	installOn(t, s, 60, "leader")
	sink := createSink(t, s, 70, 7)
	assert.Nil(t, s.mu.loaded.ledger, "by the next checkpoint")
	require.NoError(t, sink.Cancel())
	installOn(t, s, 80, "leader")
	require.NoError(t, s.Close())
	assert.Nil(t, s.mu.loaded.ledger, "by closing")
}

// TestAStreamWithAWrongDigestMovesNothing installs what does not add up: the blocks are whole, the
// ledger that they make is another.
func TestAStreamWithAWrongDigestMovesNothing(t *testing.T) {
	t.Parallel()
	from := NewMemCheckpoints()
	from.load = loadFake
	blocks, digest := fakeBlocks(50, "leader")
	text := streamOf(t, from, writeCheckpoint(t, from, 50, blocks, digest+1))
	s := openTestCheckpoints(t, testCheckpointConfig(t.TempDir()))
	mine, own := fakeBlocks(3, "mine")
	writeCheckpoint(t, s, 10, mine, own)
	sink, err := s.Create(raft.SnapshotVersionMax, 50, 7, testConfiguration, 49, nil)
	require.NoError(t, err)
	_, err = sink.Write(text)
	require.NoError(t, err)
	require.ErrorContains(t, sink.Close(), "digest")
	requireLoads(t, s, 10, own)
	names, err := s.folders()
	require.NoError(t, err)
	assert.Len(t, names, 1, "nothing is left of it")
}
