package raftstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// takeBackup takes a backup of s into memory.
func takeBackup(t *testing.T, s *Store, o BackupOptions) []byte {
	t.Helper()
	b, err := s.OpenBackup(t.Context(), o)
	require.NoError(t, err)
	var file bytes.Buffer
	n, err := b.WriteTo(&file)
	require.NoError(t, err)
	require.EqualValues(t, file.Len(), n)
	require.NoError(t, b.Close())
	return file.Bytes()
}

// dump is everything that can be read of the stock and the reservations of a ledger.
func dump(t *testing.T, l *engine.Ledger) []string {
	t.Helper()
	var all []string
	add := func(v any) {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		all = append(all, string(text))
	}
	for after := uint32(0); ; {
		page := l.SKUs(after, 1000)
		for _, sku := range page {
			rows, refusal := l.Stock(sku.Name)
			require.Equal(t, engine.Accepted, refusal)
			add(sku)
			add(rows)
			after = sku.Number
		}
		if len(page) == 0 {
			break
		}
	}
	scan := l.ScanReservations(engine.ReservationFilter{}, 0, 1<<30)
	for scan.Step(1 << 20) {
	}
	for _, r := range scan.Page() {
		add(r)
	}
	return all
}

// replayLog applies the entries of a node's log up to an index to a new ledger: what that index means
// without any checkpoint.
func replayLog(t *testing.T, dir string, index uint64) *engine.Ledger {
	t.Helper()
	log, err := OpenRaftLog(LogConfig{Dir: dir, Votes: filepath.Join(filepath.Dir(dir), voteFileName),
		SegmentBytes: 16 << 20,
		Fatal:        func(what string, err error) { t.Error(what, err) }})
	require.NoError(t, err)
	defer log.Close()
	l := engine.New(engine.Options{})
	applyBehind(t, l, log, index)
	return l
}

// restoredFolder restores a backup and returns the folder and what was found.
func restoredFolder(t *testing.T, file []byte) (string, BackupReport) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	report, err := Restore("the backup", bytes.NewReader(file),
		RestoreConfig{Dir: dir, Node: "r1", Raft: "127.0.0.1:1"})
	require.NoError(t, err)
	return dir, report
}

// restoredLedger loads what a restore wrote, without starting a node.
func restoredLedger(t *testing.T, dir string) (*engine.Ledger, CheckpointMeta) {
	t.Helper()
	folder, err := OpenFolder(dir, "r1")
	require.NoError(t, err)
	defer folder.Close()
	require.Empty(t, folder.Identity().ClusterID)
	c, err := OpenCheckpoints(CheckpointConfig{Dir: folder.CheckpointDir(),
		Owner: func() Owner { return Owner{Incarnation: 1} }})
	require.NoError(t, err)
	defer c.Close()
	l, meta, err := c.Load()
	require.NoError(t, err)
	return l, meta
}

func TestABackupTakenUnderLoadIsRestoredAndEqual(t *testing.T) {
	t.Parallel()
	nodes := realNodes(t, 3, nil)
	leader := leading(t, nodes)
	define(t, leader.Store, 1_000_000)
	stop := make(chan struct{})
	load := reserving(nodes, 8, stop)
	follower := nodes[0]
	if follower == leader {
		follower = nodes[1]
	}
	require.Eventually(t, func() bool { return follower.machine.applied.Load() > 100 },
		30*time.Second, time.Millisecond)
	file := takeBackup(t, follower.Store, BackupOptions{Events: true, Version: "v-test"})
	taken := follower.machine.applied.Load()
	require.Eventually(t, func() bool { return follower.machine.applied.Load() > taken+100 },
		30*time.Second, time.Millisecond, "it goes on")
	close(stop)
	load()
	cluster := follower.clusterText()
	for _, n := range nodes {
		n.kill(t)
	}

	report, err := VerifyBackup("the backup", bytes.NewReader(file))
	require.NoError(t, err)
	assert.Empty(t, report.Violations)
	head := report.Head
	assert.Equal(t, cluster, head.ClusterID)
	assert.Equal(t, "v-test", head.Holdfast)
	assert.Equal(t, follower.conf.Node, head.Node)
	assert.Greater(t, taken+1, head.Index)
	assert.Positive(t, report.Events)

	// The log says what that index means.
	source := replayLog(t, filepath.Join(leader.conf.Dir, logFolder), head.Index)
	assert.Equal(t, source.Digest(), uint64(head.Digest))
	want := dump(t, source)
	require.Greater(t, len(want), 100)

	dir, again := restoredFolder(t, file)
	source.ForgetCluster()
	assert.Equal(t, source.Digest(), again.Restored, "nothing but the cluster is left out")
	again.Restored = 0
	assert.Equal(t, report, again)
	folder, err := VerifyFolder(t.Context(), dir)
	require.NoError(t, err)
	assert.True(t, folder.Good, "%+v", folder)
	restored, meta := restoredLedger(t, dir)
	assert.Equal(t, head.Index, restored.Index())
	assert.Equal(t, source.Digest(), restored.Digest())
	assert.Equal(t, source.Digest(), meta.Digest)
	assert.Equal(t, want, dump(t, restored))

	n := &realNode{conf: Config{Node: "r1", Dir: dir, Raft: "127.0.0.1:0", LogSegmentBytes: 16 << 20}}
	n.start(t)
	t.Cleanup(func() { n.kill(t) })
	leading(t, []*realNode{n})
	n.machine.view(func(l *engine.Ledger) bool {
		assert.Equal(t, want, dump(t, l))
		return false
	})
	assert.NotEqual(t, cluster, n.clusterText(), "it is another cluster")
	first, last := n.parts.events.Bounds()
	assert.EqualValues(t, report.Events, last-first+1)
	assert.Greater(t, n.raft().CurrentTerm(), head.Term)

	// What the source answered is still known, and the restored node goes on.
	var kept engine.Reservation
	n.machine.view(func(l *engine.Ledger) bool {
		scan := l.ScanReservations(engine.ReservationFilter{}, 0, 1)
		for scan.Step(1000) {
		}
		kept = scan.Page()[0]
		return false
	})
	r, err := n.Submit(t.Context(), engine.Op{Key: engine.KeyOf("test", kept.ID),
		Command: reserve(kept.ID, "A", 1, time.Hour)})
	require.NoError(t, err)
	assert.True(t, r.Replayed)
	r, err = n.Submit(t.Context(), engine.Op{Command: reserve("new", "A", 1, time.Hour)})
	require.NoError(t, err)
	assert.Equal(t, engine.Accepted, r.Refusal)
	require.NoError(t, n.Checkpoint(t.Context()))
	all := func() (d []string) {
		n.machine.view(func(l *engine.Ledger) bool { d = dump(t, l); return false })
		return d
	}
	before, id := all(), n.clusterText()
	n.kill(t)
	n.start(t)
	leading(t, []*realNode{n})
	assert.Equal(t, before, all())
	assert.Equal(t, id, n.clusterText())
}

// smallBackup is a backup of one node with a few reservations, one of which has left memory, and its ledger's digest.
func smallBackup(t *testing.T, events bool) []byte {
	t.Helper()
	nodes := realNodes(t, 1, nil)
	n := leading(t, nodes)
	define(t, n.Store, 10)
	for i := range 5 {
		_, err := n.Submit(t.Context(), engine.Op{Command: reserve(fmt.Sprint("r", i), "A", 3, time.Hour)})
		require.NoError(t, err)
	}
	submit(t, n.Store, &engine.Configure{Limits: engine.Limits{ClosedAfter: 1}})
	submit(t, n.Store, &engine.Ship{ID: "r1"})
	leaves(t, n.Store, "r1")
	file := takeBackup(t, n.Store, BackupOptions{Events: events})
	n.kill(t)
	return file
}

func TestABackupThatIsNotWholeIsNeverGood(t *testing.T) {
	t.Parallel()
	file := smallBackup(t, true)
	_, err := VerifyBackup("b", bytes.NewReader(file))
	require.NoError(t, err)
	bad := func(what string, file []byte) {
		t.Helper()
		var corrupt *CorruptError
		_, _, err := CheckBackup("b", bytes.NewReader(file))
		require.ErrorAs(t, err, &corrupt, what)
		require.Equal(t, "b", corrupt.File)
	}
	for cut := range file {
		bad(fmt.Sprint("cut at ", cut), file[:cut])
	}
	for i := range file {
		changed := slices.Clone(file)
		changed[i] ^= 0x10
		bad(fmt.Sprint("changed at ", i), changed)
	}
	bad("more behind it", append(slices.Clone(file), 0))
	bad("twice", append(slices.Clone(file), file...))
}

func TestABackupWithoutEventsBeginsItsHistoryThere(t *testing.T) {
	t.Parallel()
	file := smallBackup(t, false)
	dir, report := restoredFolder(t, file)
	assert.Zero(t, report.Events)
	n := &realNode{conf: Config{Node: "r1", Dir: dir, Raft: "127.0.0.1:0", LogSegmentBytes: 16 << 20}}
	n.start(t)
	defer n.kill(t)
	leading(t, []*realNode{n})
	_, err := n.Events(0, 10)
	assert.ErrorIs(t, err, ErrEventsGone)
	before := report.LastEvent
	r, err := n.Submit(t.Context(), engine.Op{Command: reserve("next", "A", 1, time.Hour)})
	require.NoError(t, err)
	require.Equal(t, engine.Accepted, r.Refusal, r.Refusal.String())
	events, err := n.Events(before, 10)
	require.NoError(t, err)
	assert.Equal(t, before+1, events[0].Seq)
}

func TestARestoreNeedsAnEmptyFolder(t *testing.T) {
	t.Parallel()
	file := smallBackup(t, true)
	into := func(dir string) error {
		_, err := Restore("b", bytes.NewReader(file), RestoreConfig{Dir: dir, Node: "r1", Raft: "h:1"})
		return err
	}
	var used *FolderInUseError
	dir, _ := restoredFolder(t, file)
	require.ErrorAs(t, into(dir), &used)
	assert.Contains(t, used.Error(), "node r1")

	dir = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes"), nil, 0o600))
	require.ErrorAs(t, into(dir), &used)
	assert.NoFileExists(t, filepath.Join(dir, lockFile), "not even a lock is left")

	dir = t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "lost+found"), 0o700))
	require.NoError(t, into(dir))

	// A restore whose process died leaves a folder that neither starts nor is restored into.
	dir = filepath.Join(t.TempDir(), "data")
	to, err := beginRestore(RestoreConfig{Dir: dir, Node: "r1", Raft: "h:1"})
	require.NoError(t, err)
	require.NoError(t, to.folder.Close())
	_, err = OpenFolder(dir, "r1")
	require.ErrorContains(t, err, "a restore into this folder did not end")
	require.ErrorAs(t, into(dir), &used)
}

func TestAFailedRestoreLeavesNothing(t *testing.T) {
	t.Parallel()
	file := smallBackup(t, true)
	for _, cut := range []int{20, len(file) / 2, len(file) - 1} {
		dir := filepath.Join(t.TempDir(), "data")
		c := RestoreConfig{Dir: dir, Node: "r1", Raft: "h:1"}
		_, err := Restore("b", bytes.NewReader(file[:cut]), c)
		var corrupt *CorruptError
		require.ErrorAs(t, err, &corrupt)
		require.NoError(t, checkEmpty(dir))
		_, err = Restore("b", bytes.NewReader(file), c)
		require.NoError(t, err, "it can be tried again")
	}
}

func TestOneBackupAtATimeAndItEndsWithTheNode(t *testing.T) {
	t.Parallel()
	nodes := realNodes(t, 1, nil)
	n := leading(t, nodes)
	define(t, n.Store, 10)
	b, err := n.OpenBackup(t.Context(), BackupOptions{})
	require.NoError(t, err)
	checkpoints := n.parts.checkpoints.(*CheckpointStore)
	assert.Equal(t, 1, pinned(checkpoints))
	_, err = n.OpenBackup(t.Context(), BackupOptions{})
	assert.Equal(t, "overloaded", code(err))
	require.NoError(t, b.Close())
	assert.Zero(t, pinned(checkpoints), "the log behind it may go")

	b, err = n.OpenBackup(t.Context(), BackupOptions{})
	require.NoError(t, err)
	hung := errors.New("the client hung up")
	_, err = b.WriteTo(writerFunc(func([]byte) (int, error) { return 0, hung }))
	require.ErrorIs(t, err, hung)
	require.NoError(t, b.Close())
	assert.Zero(t, pinned(checkpoints))

	b, err = n.OpenBackup(t.Context(), BackupOptions{})
	require.NoError(t, err)
	p := pacer{log: func() int64 { return 0 }, began: time.Now()}
	assert.True(t, p.wait(1, n.closing))
	n.cancel()
	_, err = b.WriteTo(writerFunc(func(p []byte) (int, error) { return len(p), nil }))
	assert.NoError(t, err, "what is small needs no pacing")
	require.NoError(t, b.Close())
	_, err = n.OpenBackup(context.Background(), BackupOptions{})
	assert.Equal(t, "no-leader", code(err))
}

func pinned(s *CheckpointStore) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.pins)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestEventFilesTravelWhole copies several event files as a backup does, and proves them.
func TestEventFilesTravelWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	events, err := OpenEventLog(EventLogConfig{Dir: dir, SegmentBytes: 4 << 10})
	require.NoError(t, err)
	defer events.Close()
	require.NoError(t, events.CutTo(EventMark{}))
	l := engine.New(engine.Options{})
	log := ledgerLog(t, 50, 60)
	applyLog(t, l, log[:40], 0, events)
	mark, err := events.Sync()
	require.NoError(t, err)
	applyLog(t, l, log, 40, events)
	seq := mark.Seq
	mark.Segment += 100 // that of a checkpoint may be behind what it holds
	files, mark, err := events.openSegments(mark, seq)
	require.NoError(t, err)
	require.Equal(t, seq, mark.Seq)
	require.Greater(t, len(files), 2)
	prove := func(skip int, change func([]byte)) error {
		var last *segmentProof
		for i, f := range files {
			if i == skip {
				continue
			}
			text, err := io.ReadAll(io.NewSectionReader(f.file, 0, f.bytes))
			require.NoError(t, err)
			change(text)
			p := &segmentProof{path: f.file.Name(), codec: engineEvents}
			for len(text) > 0 { // in pieces of odd sizes
				n := min(len(text), 777)
				if _, err := p.Write(text[:n]); err != nil {
					return err
				}
				text = text[n:]
			}
			if err := p.finish(f.number, last); err != nil {
				return err
			}
			last = p
		}
		require.Equal(t, mark, EventMark{First: mark.First, Seq: last.last, Segment: last.header.number,
			Offset: last.bytes, Checksum: last.sum, Begin: last.header.first,
			PrevBytes: last.header.prevBytes, PrevSum: last.header.prevSum})
		return nil
	}
	require.NoError(t, prove(-1, func([]byte) {}))
	var corrupt *CorruptError
	require.ErrorAs(t, prove(1, func([]byte) {}), &corrupt, "one is missing")
	require.ErrorAs(t, prove(-1, func(p []byte) { p[len(p)/2] ^= 1 }), &corrupt)
	for _, f := range files {
		require.NoError(t, f.file.Close())
	}
	_, _, err = events.openSegments(mark, mark.First+1)
	require.ErrorAs(t, err, &corrupt, "an entry of several events is not cut")
	none, at, err := events.openSegments(mark, 0)
	require.NoError(t, err)
	require.Empty(t, none)
	require.Equal(t, EventMark{}, at)
}
