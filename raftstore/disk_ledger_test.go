package raftstore

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// ledgerLog is a log of real entries, the same for the same seed: a catalogue of skus, then entries
// of 50 commands each, of which some are refused and some holds expire.
func ledgerLog(t *testing.T, skus, entries int) [][]byte {
	t.Helper()
	const seed = 7
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	now := int64(1_700_000_000_000)
	var log [][]byte
	var b engine.EntryBuilder
	seal := func() {
		now += 1000
		log = append(log, b.Seal(now, now))
		b.Reset()
	}
	b.Add(engine.Op{Command: &engine.DefineLocation{
		Location: "main", Kind: engine.Merchant, Master: "holdfast",
		Shortfall: engine.ShortfallNewest}})
	b.Add(engine.Op{Command: &engine.DefineChannel{Channel: "web", Kind: engine.ChannelAPI,
		Publish: engine.Pooled, Split: true, Locations: []engine.Name{"main"}}})
	for i := range skus {
		sku := engine.Name(fmt.Sprintf("SKU-%05d", i))
		b.Add(engine.Op{Command: &engine.DefineSKU{SKU: sku, Attributes: []byte("a title")}})
		b.Add(engine.Op{Command: &engine.Set{
			SKU: sku, Location: "main", Value: int64(1 + r.IntN(50)), Source: "wms"}})
	}
	seal()
	for e := range entries {
		for i := range 50 {
			id := fmt.Sprintf("ord-%d-%d", e, i)
			if i%5 == 4 {
				b.Add(engine.Op{Command: &engine.Release{ID: fmt.Sprintf("ord-%d-%d", e, i-1)}})
				continue
			}
			b.Add(engine.Op{
				Key: engine.Key{Hi: uint64(e) + 1, Lo: uint64(i) + 1},
				Command: &engine.Reserve{ID: id, Channel: "web", Mode: engine.Strict,
					TTL: int64(1000 + r.IntN(30_000)), Lines: []engine.Line{{
						SKU: engine.Name(fmt.Sprintf("SKU-%05d", r.IntN(skus))),
						Qty: int64(1 + r.IntN(3)), Ref: "line-1"}}}})
		}
		seal()
	}
	return log
}

// applyLog applies the entries from (counted from 0) on to l, and gives their events to events.
func applyLog(t *testing.T, l *engine.Ledger, log [][]byte, from int, events EventLog) {
	t.Helper()
	var out engine.Output
	for i := from; i < len(log); i++ {
		e, err := engine.OpenEntry(log[i])
		require.NoError(t, err)
		l.Apply(uint64(i+1), e, &out)
		require.NoError(t, events.Append(out.Events))
	}
}

// sweepInto writes the state of l as a checkpoint.
func sweepInto(t *testing.T, c Checkpoints, l *engine.Ledger, mark EventMark) {
	t.Helper()
	sweep := l.Cut()
	sink := createSink(t, c, sweep.Index, 3)
	for {
		b, ok := sweep.Next()
		if !ok {
			break
		}
		require.NoError(t, sink.WriteBlock(b))
	}
	sink.SetLedger(sweep.Digest, mark)
	require.NoError(t, sink.Close())
}

// TestLedgerSurvivesARestart runs a ledger over the real parts: a checkpoint in the middle, a crash
// at the end, load, cut, replay; then everything is as if nothing had happened.
func TestLedgerSurvivesARestart(t *testing.T) {
	t.Parallel()
	log := ledgerLog(t, 2000, 200)
	half := len(log) / 2
	checkpoints := CheckpointConfig{Dir: t.TempDir(), Owner: testOwner}
	files := EventLogConfig{Dir: t.TempDir(), SegmentBytes: 64 << 10, MemoryBytes: 1}

	store, events := openTestCheckpoints(t, checkpoints), openTestEvents(t, files)
	require.NoError(t, events.CutTo(EventMark{}))
	ledger := engine.New(engine.Options{})
	applyLog(t, ledger, log[:half], 0, events)
	mark, err := events.Sync()
	require.NoError(t, err)
	require.Equal(t, ledger.LastEvent(), mark.Seq)
	require.Greater(t, ledger.Counts().LiveHolds, int64(100))
	sweepInto(t, store, ledger, mark)
	applyLog(t, ledger, log, half, events)
	end, err := events.Sync()
	require.NoError(t, err)
	want := readFolder(t, files.Dir)
	require.Greater(t, len(want), 3)
	require.NoError(t, store.Close())
	require.NoError(t, events.Close())
	tail := segmentPath(files.Dir, end.Segment)
	require.NoError(t, os.Truncate(tail, end.Offset-10)) // the crash tore the last write

	store, events = openTestCheckpoints(t, checkpoints), openTestEvents(t, files)
	loaded, meta, err := store.Load()
	require.NoError(t, err)
	require.Equal(t, uint64(half), loaded.Index())
	require.Equal(t, meta.Digest, loaded.Digest())
	require.Empty(t, loaded.Check())
	require.NoError(t, events.CutTo(meta.Events))
	applyLog(t, loaded, log, half, events)
	require.Equal(t, ledger.Digest(), loaded.Digest())
	require.Equal(t, ledger.LastEvent(), loaded.LastEvent())
	again, err := events.Sync()
	require.NoError(t, err)
	require.Equal(t, end, again)
	require.Equal(t, want, readFolder(t, files.Dir))
	next := uint64(1)
	require.NoError(t, events.Read(0, func(e *engine.Event) bool {
		require.Equal(t, next, e.Seq)
		next++
		return true
	}))
	require.Equal(t, ledger.LastEvent()+1, next)
	require.Empty(t, loaded.Check())
}

// TestLedgerIsInstalled sends a checkpoint from a node with files to one in memory and back.
func TestLedgerIsInstalled(t *testing.T) {
	t.Parallel()
	log := ledgerLog(t, 300, 40)
	ledger, events := engine.New(engine.Options{}), NewMemEventLog()
	applyLog(t, ledger, log, 0, events)
	mark, err := events.Sync()
	require.NoError(t, err)
	leader := openTestCheckpoints(t, CheckpointConfig{Dir: t.TempDir(), Owner: testOwner})
	sweepInto(t, leader, ledger, mark)

	var from Checkpoints = leader
	for _, to := range []Checkpoints{
		NewMemCheckpoints(),
		openTestCheckpoints(t, CheckpointConfig{Dir: t.TempDir(), Owner: testOwner}),
	} {
		list, err := from.List()
		require.NoError(t, err)
		meta, stream, err := from.Open(list[0].ID)
		require.NoError(t, err)
		sink, err := to.Create(meta.Version, meta.Index, meta.Term, meta.Configuration,
			meta.ConfigurationIndex, nil)
		require.NoError(t, err)
		n, err := io.Copy(sink, stream)
		require.NoError(t, err)
		require.Equal(t, meta.Size, n, "raft refuses an install of another length")
		require.NoError(t, stream.Close())
		require.NoError(t, sink.Close())

		_, again, err := to.Open(sink.ID())
		require.NoError(t, err)
		restored, m, err := LoadStream(again)
		require.NoError(t, err)
		require.NoError(t, again.Close())
		loaded, lm, err := to.Load()
		require.NoError(t, err)
		for _, l := range []*engine.Ledger{restored, loaded} {
			assert.Equal(t, ledger.Digest(), l.Digest())
			assert.Equal(t, ledger.Index(), l.Index())
			assert.Empty(t, l.Check())
		}
		assert.True(t, lm.Installed)
		assert.Equal(t, mark.Seq, m.Events.Seq)
		from = to
	}
}

// TestLogChecksEntries stores real entries and flips a bit of one that is behind the cache.
func TestLogChecksEntries(t *testing.T) {
	t.Parallel()
	log := ledgerLog(t, 20, 100)
	var fatal []error
	c := LogConfig{Dir: t.TempDir(), CacheEntries: 8, SegmentBytes: 1 << 20,
		Fatal: func(_ string, err error) { fatal = append(fatal, err) }}
	l := openTestLog(t, c)
	for i, p := range log {
		e := &raft.Log{Index: uint64(i + 1), Term: 1, Type: raft.LogCommand, Data: p}
		require.NoError(t, l.StoreLog(e))
	}
	noop := &raft.Log{Index: uint64(len(log) + 1), Term: 2, Type: raft.LogNoop}
	require.NoError(t, l.StoreLog(noop))
	require.NoError(t, l.Close())
	l = openTestLog(t, c)
	var e raft.Log
	require.NoError(t, l.GetLog(50, &e))
	require.Equal(t, log[49], e.Data)

	files, err := filepath.Glob(filepath.Join(c.Dir, "*.wal"))
	require.NoError(t, err)
	text, err := os.ReadFile(files[0])
	require.NoError(t, err)
	at := bytes.Index(text, log[49])
	require.Positive(t, at)
	flipByte(t, files[0], int64(at+len(log[49])/2))
	err = l.GetLog(50, &e)
	var bad *CorruptError
	require.ErrorAs(t, err, &bad)
	require.ErrorContains(t, err, "entry 50")
	require.Len(t, fatal, 1)
	require.NoError(t, l.Close())
	_, err = OpenRaftLog(c)
	require.ErrorAs(t, err, &bad, "and a restart finds it before it serves")
}
