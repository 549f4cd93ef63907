package raftstore

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/raft-wal/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"holdfast/engine"
)

// smallDisk is a file system of its own in memory. Only root may make one; the test is skipped else.
func smallDisk(t *testing.T, bytes int64) (dir string) {
	t.Helper()
	dir = t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes))
	if err != nil {
		t.Skip("no file system of its own: ", err)
	}
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

// fill takes all of the disk but left bytes at once; the returned function gives it back. A node that
// runs there may take some in between, so it tries again.
func fill(t *testing.T, dir string, left int64) (giveBack func()) {
	t.Helper()
	path := filepath.Join(dir, "somebody-elses")
	for try := 0; ; try++ {
		d, err := diskSpaceOf(dir)
		require.NoError(t, err)
		if err = allocate(path, d.Free-left); err == nil {
			break
		}
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.Less(t, try, 100)
	}
	return func() { require.NoError(t, os.Remove(path)) }
}

// refusesReserves waits until a node has noticed that its disk is full, and wants it to take the rest.
func refusesReserves(t *testing.T, s *Store, released string) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := s.Submit(t.Context(), engine.Op{Command: reserve(newID(), "A", 1, time.Hour)})
		return code(err) == "disk-full"
	}, 10*time.Second, 10*time.Millisecond)
	r, err := s.Submit(t.Context(), engine.Op{Command: &engine.Release{ID: released}})
	require.NoError(t, err)
	assert.Equal(t, engine.Accepted, r.Refusal)
}

func TestASmallDiskFillsUpAndEmpties(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, 64<<20)
	nodes := realNodes(t, 1, func(c *Config) {
		c.Dir, c.LogSegmentBytes, c.Ballast = filepath.Join(dir, "data"), 0, -1
	})
	n := leading(t, nodes)
	define(t, n.Store, 100_000)
	accept := func(id string) {
		t.Helper()
		r, err := n.Submit(t.Context(), engine.Op{Command: reserve(id, "A", 1, time.Hour)})
		require.NoError(t, err)
		require.Equal(t, engine.Accepted, r.Refusal)
	}
	for i := range 5 {
		accept(fmt.Sprint("r", i))
	}
	info, err := os.Stat(filepath.Join(n.conf.Dir, ballastFile))
	require.NoError(t, err)
	assert.EqualValues(t, 64<<20/100, info.Size())
	giveBack := fill(t, dir, 5<<20)
	refusesReserves(t, n.Store, "r0")
	giveBack()
	require.Eventually(t, func() bool { return n.diskCheck().OK }, 10*time.Second, 10*time.Millisecond)
	accept("r5")

	giveBack = fill(t, dir, 0)
	refusesReserves(t, n.Store, "r1")
	n.kill(t)
	require.NoError(t, os.Truncate(filepath.Join(n.conf.Dir, lockFile), 0))
	d, err := diskSpaceOf(dir)
	require.NoError(t, err)
	if d.Free > 0 { // what the kill gave back
		require.NoError(t, allocate(filepath.Join(dir, "the-rest"), d.Free))
	}
	n.start(t) // with nothing left, not even for the name of who holds the lock
	leading(t, nodes)
	refusesReserves(t, n.Store, "r2")
	giveBack()
	require.Eventually(t, func() bool { return n.diskCheck().OK }, 10*time.Second, 10*time.Millisecond)
	accept("r6")
	holds(t, n.Store, []string{"r0", "r1", "r2", "r3", "r4", "r5", "r6"})
	require.NoError(t, n.Checkpoint(t.Context()), "there is room for one on 64 MiB")
}

// TestAFullDiskThatStopsTheNodeCostsNothing writes on until the next file of the log, or of the
// events, finds no room.
func TestAFullDiskThatStopsTheNodeCostsNothing(t *testing.T) {
	t.Parallel()
	for name, conf := range map[string]struct {
		segment int
		left    int64
		says    string
	}{
		"end of a log file": {64 << 10, 0, ".wal"}, // raft-wal ends a file with an index behind its size
		"next log file":     {64 << 10, 48 << 10, "begin the log file"},
		"events":            {8 << 20, 0, "events"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := smallDisk(t, 256<<20)
			fatal := make(chan error, 1)
			nodes := realNodes(t, 1, func(c *Config) {
				c.Dir, c.LogSegmentBytes, c.Ballast = filepath.Join(dir, "data"), conf.segment, 1<<20
				c.Fatal = func(err error) { fatal <- err }
			})
			n := leading(t, nodes)
			define(t, n.Store, 100_000)
			giveBack := fill(t, dir, conf.left)
			last := int64(0)
			for i := int64(1); ; i++ {
				r, err := n.Submit(t.Context(), engine.Op{Command: &engine.Set{SKU: "A", Location: "main",
					Value: 100_000 + i, Source: "test"}})
				if err != nil {
					assert.Equal(t, "outcome-unknown", code(err))
					break
				}
				require.Equal(t, engine.Accepted, r.Refusal)
				last = i
				require.Less(t, i, int64(100_000), "it never fills up")
			}
			err := <-fatal
			require.ErrorIs(t, err, syscall.ENOSPC)
			assert.ErrorContains(t, err, conf.says)
			assert.ErrorContains(t, err, n.conf.Dir)
			t.Log(last, "sets:", err)
			require.ErrorIs(t, <-n.ran, syscall.ENOSPC)
			n.ran <- nil
			n.kill(t)

			s, err := Open(n.conf)
			if err == nil { // it starts if it can, and stops again when it has to write
				require.NoError(t, s.Close())
			} else {
				require.ErrorIs(t, err, syscall.ENOSPC)
				assert.ErrorContains(t, err, n.conf.Dir)
			}
			giveBack()
			n.start(t)
			leading(t, nodes)
			_, _, err = n.Read(t.Context(), false, 0, func(l *engine.Ledger) bool {
				rows, _ := l.Stock("A")
				assert.GreaterOrEqual(t, rows[0].OnHand, 100_000+last, "what was answered is there")
				assert.LessOrEqual(t, rows[0].OnHand, 100_000+last+1, "and nothing that was not asked")
				return false
			})
			require.NoError(t, err)
		})
	}
}

// TestFreeingTheBallastLetsANodeStart fills the disk under a node that stops for it, and then gives
// back nothing but the ballast.
func TestFreeingTheBallastLetsANodeStart(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, 64<<20)
	nodes := realNodes(t, 1, func(c *Config) {
		c.Dir, c.LogSegmentBytes, c.Ballast = filepath.Join(dir, "data"), 64<<10, 2<<20
	})
	n := leading(t, nodes)
	define(t, n.Store, 100_000)
	fill(t, dir, 48<<10) // too little for the next file of the log
	for i := int64(1); ; i++ {
		_, err := n.Submit(t.Context(), engine.Op{Command: &engine.Set{SKU: "A", Location: "main",
			Value: i, Source: "test"}})
		if err != nil {
			break
		}
	}
	<-n.ran
	n.ran <- nil
	n.kill(t)
	_, err := Open(n.conf)
	require.ErrorIs(t, err, syscall.ENOSPC)
	freed, err := FreeBallast(n.conf.Dir)
	require.NoError(t, err)
	assert.EqualValues(t, 2<<20, freed)
	n.start(t)
	leading(t, nodes)
	_, err = n.Submit(t.Context(), engine.Op{Command: &engine.Release{ID: "none"}})
	require.NoError(t, err)
}

// TestATermIsKeptThoughTheListHasGrown fills the disk right behind the change with which the list of
// the log's files takes another block: the term that follows is written to the other of two files.
func TestATermIsKeptThoughTheListHasGrown(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 4<<20)
	m, err := openMetaFile(disk, true)
	require.NoError(t, err)
	path := filepath.Join(disk, segmentsFile)
	size := func() int64 { return sizeOf(path) }
	var state types.PersistentState
	for size() <= segmentsBlock {
		state.NextSegmentID++
		state.Segments = append(state.Segments, types.SegmentInfo{ID: state.NextSegmentID})
		require.NoError(t, m.CommitState(state))
	}
	fill(t, disk, 0)
	for term := range uint64(3) {
		require.NoError(t, m.SetStable([]byte(keyTerm), uint64Bytes(term+1)))
	}
	require.ErrorIs(t, m.SetStable([]byte("large"), make([]byte, 8*segmentsBlock)), syscall.ENOSPC)

	again, err := openMetaFile(disk, false)
	require.NoError(t, err)
	state.Segments = state.Segments[:1]
	require.NoError(t, again.CommitState(state))
	require.EqualValues(t, 2*segmentsBlock, size(), "what it has it keeps")
	list, err := readSegmentList(disk)
	require.NoError(t, err)
	require.Len(t, list.Segments, 1)
	require.Equal(t, uint64Bytes(3), list.Stable[keyTerm])
}
