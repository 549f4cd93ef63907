package raftstore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"

	"holdfast/engine"
)

// loadFake stands in for the ledger: its digest is a chain over keys and values.
func loadFake(next blockSource) (*engine.Ledger, uint64, error) {
	var digest uint64
	for {
		b, ok, err := next()
		if err != nil {
			return nil, 0, err
		}
		if !ok {
			return &engine.Ledger{}, digest, nil
		}
		digest = fakeDigest(digest, b)
	}
}

func fakeDigest(digest uint64, b engine.Block) uint64 {
	return xxh3.HashSeed(b.Value, xxh3.HashSeed(b.Key, digest))
}

// fakeBlocks are n blocks of some KiB each, the same for the same seed.
func fakeBlocks(n int, seed string) ([]engine.Block, uint64) {
	var blocks []engine.Block
	var digest uint64
	for i := range n {
		text := fmt.Sprintf("%s %d ", seed, i)
		b := engine.Block{
			Key:   fmt.Appendf(nil, "block-%06d", i),
			Value: bytes.Repeat([]byte(text), 1+(i*37)%300),
		}
		digest = fakeDigest(digest, b)
		blocks = append(blocks, b)
	}
	return blocks, digest
}

var testConfiguration = raft.Configuration{Servers: []raft.Server{
	{ID: "n1.1", Address: "127.0.0.1:1", Suffrage: raft.Voter},
	{ID: "n2.3", Address: "127.0.0.1:2", Suffrage: raft.Nonvoter},
}}

type checkpointHarness struct {
	open   func(t *testing.T) Checkpoints
	reopen func(t *testing.T, c Checkpoints) Checkpoints
}

// RunCheckpointsConformance holds a Checkpoints to its contract; every implementation passes it.
func RunCheckpointsConformance(t *testing.T, make func() *checkpointHarness) {
	clauses := []struct {
		name string
		run  func(t *testing.T, h *checkpointHarness, c Checkpoints)
	}{
		{"an empty store says so", checkpointsEmpty},
		{"one checkpoint comes back", checkpointRoundTrip},
		{"an empty ledger has a checkpoint", checkpointEmptyLedger},
		{"the two newest are kept, and the older is the floor", checkpointsKeepTwo},
		{"the same index takes the place of the newest", checkpointSameIndex},
		{"an older index is refused", checkpointOlder},
		{"one at a time", checkpointOneAtATime},
		{"cancel leaves nothing", checkpointCancel},
		{"keys must ascend", checkpointOrder},
		{"a digest is needed", checkpointNeedsDigest},
		{"a wrong digest is not loaded", checkpointWrongDigest},
		{"a stream is installed", checkpointInstall},
		{"a bad stream is refused", checkpointBadStream},
		{"a stream outlives its checkpoint", checkpointPinned},
		{"a failed checkpoint moves no floor", checkpointFloors},
		{"after close", checkpointsClosed},
	}
	for _, c := range clauses {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := make()
			c.run(t, h, h.open(t))
		})
	}
}

func markOf(index uint64) EventMark {
	return EventMark{First: 1, Seq: index * 2, Segment: 4, Offset: 99, Checksum: 1 << 63,
		Begin: 1, PrevBytes: 4711, PrevSum: 1 << 62}
}

func createSink(t *testing.T, c Checkpoints, index, term uint64) BlockSink {
	t.Helper()
	sink, err := c.Create(raft.SnapshotVersionMax, index, term, testConfiguration, index-1, nil)
	require.NoError(t, err)
	return sink.(BlockSink)
}

func writeCheckpoint(
	t *testing.T, c Checkpoints, index uint64, blocks []engine.Block, digest uint64,
) string {
	t.Helper()
	sink := createSink(t, c, index, 3)
	for _, b := range blocks {
		require.NoError(t, sink.WriteBlock(b))
	}
	sink.SetLedger(digest, markOf(index))
	require.NoError(t, sink.Close())
	return sink.ID()
}

func requireLoads(t *testing.T, c Checkpoints, index, digest uint64) CheckpointMeta {
	t.Helper()
	l, m, err := c.Load()
	require.NoError(t, err)
	require.NotNil(t, l)
	require.Equal(t, index, m.Index)
	require.Equal(t, digest, m.Digest)
	return m
}

func checkpointsEmpty(t *testing.T, h *checkpointHarness, c Checkpoints) {
	_, _, err := c.Load()
	require.ErrorIs(t, err, ErrNoCheckpoint)
	list, err := c.List()
	require.NoError(t, err)
	require.Empty(t, list)
	require.Equal(t, uint64(math.MaxUint64), c.Floor())
	_, _, err = c.Open("nothing")
	require.ErrorIs(t, err, fs.ErrNotExist)
	c = h.reopen(t, c)
	_, _, err = c.Load()
	require.ErrorIs(t, err, ErrNoCheckpoint)
}

func checkpointRoundTrip(t *testing.T, h *checkpointHarness, c Checkpoints) {
	blocks, digest := fakeBlocks(1500, "a")
	id := writeCheckpoint(t, c, 100, blocks, digest)
	for range 2 {
		m := requireLoads(t, c, 100, digest)
		require.Equal(t, uint64(3), m.Term)
		require.False(t, m.Installed)
		require.Equal(t, markOf(100), m.Events)
		require.Zero(t, c.Floor())

		list, err := c.List()
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, raft.SnapshotMeta{
			Version: raft.SnapshotVersionMax, ID: id, Index: 100, Term: 3, Size: m.SizeBytes,
			Configuration: testConfiguration, ConfigurationIndex: 99,
		}, *list[0])
		meta, stream, err := c.Open(id)
		require.NoError(t, err)
		require.Equal(t, list[0], meta)
		text, err := io.ReadAll(stream)
		require.NoError(t, err)
		require.NoError(t, stream.Close())
		require.NoError(t, stream.Close(), "Close is idempotent")
		require.Len(t, text, int(m.SizeBytes))
		l, sm, err := loadStream(bytes.NewReader(text), loadFake)
		require.NoError(t, err)
		require.NotNil(t, l)
		require.Equal(t, digest, sm.Digest)
		require.Equal(t, m.SizeBytes, sm.SizeBytes)
		require.Equal(t, uint64(200), sm.Events.Seq)
		c = h.reopen(t, c)
	}
}

func checkpointEmptyLedger(t *testing.T, h *checkpointHarness, c Checkpoints) {
	writeCheckpoint(t, c, 1, nil, 0)
	m := requireLoads(t, h.reopen(t, c), 1, 0)
	require.Equal(t, int64(streamHeaderBytes), m.SizeBytes)
}

func checkpointsKeepTwo(t *testing.T, h *checkpointHarness, c Checkpoints) {
	for i := uint64(1); i <= 4; i++ {
		blocks, digest := fakeBlocks(10, fmt.Sprint(i))
		writeCheckpoint(t, c, i*10, blocks, digest)
		requireLoads(t, c, i*10, digest)
	}
	for range 2 {
		list, err := c.List()
		require.NoError(t, err)
		require.Len(t, list, 2)
		require.Equal(t, uint64(40), list[0].Index)
		require.Equal(t, uint64(30), list[1].Index)
		require.Equal(t, uint64(30), c.Floor())
		require.Equal(t, uint64(4), c.EventFloor())
		c = h.reopen(t, c)
	}
}

func checkpointFloors(t *testing.T, _ *checkpointHarness, c Checkpoints) {
	require.Zero(t, c.EventFloor())
	write := func(index, segment uint64) BlockSink {
		sink := createSink(t, c, index, 1)
		sink.SetLedger(0, EventMark{Seq: index, Segment: segment, Offset: 99})
		return sink
	}
	require.NoError(t, write(10, 5).Close())
	require.Equal(t, uint64(5), c.EventFloor())
	for index := uint64(20); index < 24; index++ {
		require.NoError(t, write(index, index).Cancel())
	}
	require.Equal(t, uint64(5), c.EventFloor())
	require.NoError(t, write(30, 7).Close())
	require.Equal(t, uint64(5), c.EventFloor(), "a restart may fall back")
	require.NoError(t, write(40, 9).Close())
	require.Equal(t, uint64(7), c.EventFloor())
}

func checkpointSameIndex(t *testing.T, _ *checkpointHarness, c Checkpoints) {
	blocks, digest := fakeBlocks(10, "x")
	writeCheckpoint(t, c, 10, blocks, digest)
	writeCheckpoint(t, c, 20, blocks, digest)
	writeCheckpoint(t, c, 20, blocks, digest)
	require.Equal(t, uint64(10), c.Floor())
	requireLoads(t, c, 20, digest)
}

func checkpointOlder(t *testing.T, _ *checkpointHarness, c Checkpoints) {
	writeCheckpoint(t, c, 10, nil, 0)
	_, err := c.Create(raft.SnapshotVersionMax, 9, 1, testConfiguration, 1, nil)
	require.ErrorIs(t, err, ErrOldCheckpoint)
}

func checkpointOneAtATime(t *testing.T, _ *checkpointHarness, c Checkpoints) {
	sink := createSink(t, c, 10, 1)
	_, err := c.Create(raft.SnapshotVersionMax, 11, 1, testConfiguration, 1, nil)
	require.ErrorIs(t, err, ErrCheckpointRunning)
	require.NoError(t, sink.Cancel())
	writeCheckpoint(t, c, 11, nil, 0)
}

func checkpointCancel(t *testing.T, h *checkpointHarness, c Checkpoints) {
	blocks, digest := fakeBlocks(10, "kept")
	writeCheckpoint(t, c, 10, blocks, digest)
	sink := createSink(t, c, 20, 1)
	require.NoError(t, sink.WriteBlock(blocks[0]))
	require.NoError(t, sink.Cancel())
	require.NoError(t, sink.Cancel(), "Cancel is idempotent")
	require.Error(t, sink.Close(), "nobody may compact after this")
	require.Error(t, sink.WriteBlock(blocks[1]))
	_, _, err := c.Open(sink.ID())
	require.ErrorIs(t, err, fs.ErrNotExist)
	requireLoads(t, h.reopen(t, c), 10, digest)
}

func checkpointOrder(t *testing.T, _ *checkpointHarness, c Checkpoints) {
	sink := createSink(t, c, 20, 1)
	require.NoError(t, sink.WriteBlock(engine.Block{Key: []byte("b")}))
	require.Error(t, sink.WriteBlock(engine.Block{Key: []byte("b")}))
	require.Error(t, sink.WriteBlock(engine.Block{Key: []byte("a")}))
	require.Error(t, sink.WriteBlock(engine.Block{}))
	require.NoError(t, sink.Cancel())
}

func checkpointNeedsDigest(t *testing.T, _ *checkpointHarness, c Checkpoints) {
	sink := createSink(t, c, 20, 1)
	require.NoError(t, sink.WriteBlock(engine.Block{Key: []byte("b")}))
	require.ErrorContains(t, sink.Close(), "SetLedger")
	_, _, err := c.Load()
	require.ErrorIs(t, err, ErrNoCheckpoint)
	writeCheckpoint(t, c, 20, nil, 0)
}

func checkpointWrongDigest(t *testing.T, _ *checkpointHarness, c Checkpoints) {
	blocks, digest := fakeBlocks(10, "good")
	writeCheckpoint(t, c, 10, blocks, digest)
	writeCheckpoint(t, c, 20, blocks, digest+1)
	requireLoads(t, c, 10, digest)
	list, err := c.List()
	require.NoError(t, err)
	require.Len(t, list, 1, "raft must start from the one that was loaded")
	require.Zero(t, c.Floor())
	writeCheckpoint(t, c, 30, blocks, digest)
	require.Equal(t, uint64(10), c.Floor())
}

func streamOf(t *testing.T, c Checkpoints, id string) []byte {
	t.Helper()
	_, stream, err := c.Open(id)
	require.NoError(t, err)
	text, err := io.ReadAll(stream)
	require.NoError(t, err)
	require.NoError(t, stream.Close())
	return text
}

// pieces hides every other method of a reader and reads n bytes at most.
type pieces struct {
	r io.Reader
	n int
}

func (p pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.n)]) }

func checkpointInstall(t *testing.T, h *checkpointHarness, c Checkpoints) {
	blocks, digest := fakeBlocks(200, "leader")
	text := streamOf(t, c, writeCheckpoint(t, c, 50, blocks, digest))
	follower := h.open(t)
	mine, old := fakeBlocks(3, "mine")
	writeCheckpoint(t, follower, 10, mine, old)
	sink := createSink(t, follower, 50, 7)
	n, err := io.Copy(struct{ io.Writer }{sink}, pieces{bytes.NewReader(text), 1000})
	require.NoError(t, err)
	require.Equal(t, int64(len(text)), n)
	require.Error(t, sink.WriteBlock(blocks[0]), "not both ways at once")
	require.NoError(t, sink.Close())
	require.Equal(t, uint64(math.MaxUint64), follower.Floor())
	for range 2 {
		m := requireLoads(t, follower, 50, digest)
		require.True(t, m.Installed)
		require.Equal(t, uint64(7), m.Term)
		require.Equal(t, int64(len(text)), m.SizeBytes)
		require.Equal(t, markOf(50), m.Events, "where the sender's event files were")
		follower = h.reopen(t, follower)
	}
	require.Equal(t, text, streamOf(t, follower, sink.ID()))
	writeCheckpoint(t, follower, 60, blocks, digest)
	require.Equal(t, uint64(50), follower.Floor())
}

func checkpointBadStream(t *testing.T, h *checkpointHarness, c Checkpoints) {
	blocks, digest := fakeBlocks(20, "leader")
	text := streamOf(t, c, writeCheckpoint(t, c, 50, blocks, digest))
	follower := h.open(t)
	send := func(text []byte) error {
		sink := createSink(t, follower, 50, 7)
		_, err := io.Copy(struct{ io.Writer }{sink}, pieces{bytes.NewReader(text), 777})
		if err != nil {
			return errors.Join(err, sink.Cancel())
		}
		return sink.Close()
	}
	for at := 0; at < len(text); at += 997 {
		bad := bytes.Clone(text)
		bad[at] ^= 0x10
		require.Error(t, send(bad), "byte %d", at)
		_, _, err := loadStream(bytes.NewReader(bad), loadFake)
		require.Error(t, err, "byte %d", at)
	}
	for _, end := range []int{0, 10, streamHeaderBytes, len(text) - 1} {
		require.Error(t, send(text[:end]), "cut at %d", end)
		_, _, err := loadStream(bytes.NewReader(text[:end]), loadFake)
		require.Error(t, err, "cut at %d", end)
	}
	require.Error(t, send(append(bytes.Clone(text), text[streamHeaderBytes:]...)))
	_, _, err := follower.Load()
	require.ErrorIs(t, err, ErrNoCheckpoint)
	require.NoError(t, send(text))
	requireLoads(t, follower, 50, digest)
}

func checkpointPinned(t *testing.T, _ *checkpointHarness, c Checkpoints) {
	blocks, digest := fakeBlocks(300, "pinned")
	id := writeCheckpoint(t, c, 10, blocks, digest)
	_, stream, err := c.Open(id)
	require.NoError(t, err)
	_, again, err := c.Open(id)
	require.NoError(t, err)
	for i := uint64(2); i <= 4; i++ {
		writeCheckpoint(t, c, i*10, nil, 0)
	}
	require.Equal(t, uint64(10), c.Floor(), "the log behind it is kept")
	require.NoError(t, again.Close())
	require.NoError(t, again.Close())
	require.Equal(t, uint64(10), c.Floor(), "another one is being read")
	_, m, err := loadStream(stream, loadFake)
	require.NoError(t, err)
	require.Equal(t, digest, m.Digest)
	require.NoError(t, stream.Close())
	require.Equal(t, uint64(30), c.Floor())
	_, _, err = c.Open(id)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func checkpointsClosed(t *testing.T, h *checkpointHarness, c Checkpoints) {
	sink := createSink(t, c, 10, 1)
	require.NoError(t, c.Close())
	require.NoError(t, c.Close(), "Close is idempotent")
	require.Error(t, sink.Close(), "nobody may compact after this")
	_, err := c.Create(raft.SnapshotVersionMax, 11, 1, testConfiguration, 1, nil)
	assert.Error(t, err)
	c = h.reopen(t, c)
	_, _, err = c.Load()
	require.ErrorIs(t, err, ErrNoCheckpoint)
}
