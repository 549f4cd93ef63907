package raftstore

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// stuckMeta stops changing the list of files, as a crash before the change would.
type stuckMeta struct {
	*metaFile
	stuck bool
}

func (m *stuckMeta) CommitState(s types.PersistentState) error {
	if m.stuck {
		return errors.New("crash")
	}
	return m.metaFile.CommitState(s)
}

// walkedTail is what a walk through the log in dir finds of its newest file.
func walkedTail(t *testing.T, dir string) foundLog {
	t.Helper()
	list, err := readSegmentList(dir)
	require.NoError(t, err)
	w := logWalk{dir: dir, verify: func([]byte) error { return nil }}
	found, err := w.walkLog(t.Context(), &list)
	require.NoError(t, err)
	return found
}

// sealedLog makes a log whose newest file was just sealed when the process died. Entries come in
// batches of 50; it returns the folder, the file, and the last index.
func sealedLog(t *testing.T) (dir, file string, last uint64) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, CreateVotes(filepath.Join(dir, voteFileName)))
	list, err := openMetaFile(dir, true)
	require.NoError(t, err)
	require.NoError(t, list.SetStable([]byte(keyTerm), uint64Bytes(1)))
	meta := &stuckMeta{metaFile: list}
	w, err := wal.Open(dir, wal.WithSegmentSize(64<<10), wal.WithMetaStore(meta))
	require.NoError(t, err)
	meta.stuck = true
	for found := (foundLog{}); !found.tailEnd.sealed; last += 50 {
		var batch []*raft.Log
		for i := last + 1; i <= last+50; i++ {
			batch = append(batch, logEntry(i, 1))
		}
		require.NoError(t, w.StoreLogs(batch))
		files, err := filepath.Glob(filepath.Join(dir, "*.wal"))
		require.NoError(t, err)
		require.Len(t, files, 1)
		file = files[0]
		found = walkedTail(t, dir)
	}
	require.NoError(t, w.Close())
	votes, _, err := openVotes(filepath.Join(dir, voteFileName))
	require.NoError(t, err)
	require.NoError(t, votes.update(func(s *voteState) { s.term = 1 }))
	require.NoError(t, votes.close())
	return dir, file, last
}

func TestCrashBetweenSealAndNextFile(t *testing.T) {
	t.Parallel()
	dir, _, last := sealedLog(t)
	require.Greater(t, last, uint64(500))
	for range 2 {
		l := openTestLog(t, testLogConfig(t, dir))
		requireRange(t, l, 1, last)
		requireEntry(t, l, 1, 1)
		requireEntry(t, l, last, 1)
		storeRange(t, l, last+1, last+100, 1)
		last += 100
		require.NoError(t, l.Close())
	}
}

// TestTornSeal tears the batch that seals a file at many places: a sector of it is missing, or all
// from one on.
func TestTornSeal(t *testing.T) {
	t.Parallel()
	origin, file, all := sealedLog(t)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	whole := walkedTail(t, origin).tailEnd
	require.True(t, whole.sealed)
	name := filepath.Base(file)
	first := (whole.index + sectorBytes - 1) / sectorBytes * sectorBytes
	for at := first; at < whole.end; at += sectorBytes {
		for _, zeros := range []int64{sectorBytes, int64(len(text)) - at} {
			dir := copyTree(t, origin)
			torn := append([]byte(nil), text...)
			clear(torn[at:min(at+zeros, int64(len(torn)))])
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), torn, 0o600))
			l := openTestLog(t, testLogConfig(t, dir))
			have, err := logRange(l)
			require.NoError(t, err)
			last := have.last
			// The batches before the one that sealed were acknowledged.
			require.GreaterOrEqual(t, last, all-50, "torn at %d", at)
			for i := uint64(1); i <= last; i += 17 {
				requireEntry(t, l, i, 1)
			}
			require.NoError(t, l.SetUint64([]byte(keyTerm), 2))
			storeRange(t, l, last+1, last+60, 2)
			require.NoError(t, l.Close())
			l = openTestLog(t, testLogConfig(t, dir))
			requireRange(t, l, 1, last+60)
			requireEntry(t, l, last, 1)
			requireEntry(t, l, last+1, 2)
			requireEntry(t, l, last+60, 2)
			assert.NoError(t, l.Close())
		}
	}
}

// TestAFileThatWasFoundEmptyIsMarked loses the file of a log whose first process died before it had
// stored anything: VOTE must know of the entries that the second one stored in it.
func TestAFileThatWasFoundEmptyIsMarked(t *testing.T) {
	t.Parallel()
	c := testLogConfig(t, t.TempDir())
	l, err := OpenRaftLog(c)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	l = openTestLog(t, c)
	require.NoError(t, l.SetUint64([]byte(keyTerm), 1))
	storeRange(t, l, 1, 20, 1)

	image := testLogConfig(t, copyTree(t, c.Dir))
	files, err := filepath.Glob(filepath.Join(image.Dir, "*.wal"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.NoError(t, os.Remove(files[0]))
	var lost *LogLostError
	_, err = OpenRaftLog(image)
	require.ErrorAs(t, err, &lost)
	assert.Equal(t, "entry 20 was durable, and the log ends at 0", lost.Reason)
}

// TestAMendedFileHasAllItsSpace looks at the blocks of the newest file after a start that found it
// short, as a process leaves it that dies while it makes it, or with a torn batch.
func TestAMendedFileHasAllItsSpace(t *testing.T) {
	t.Parallel()
	c := testLogConfig(t, t.TempDir())
	l := openTestLog(t, c)
	files, err := filepath.Glob(filepath.Join(c.Dir, "*.wal"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	name := filepath.Base(files[0])
	short := testLogConfig(t, copyTree(t, c.Dir))
	require.NoError(t, os.Truncate(filepath.Join(short.Dir, name), 0))

	require.NoError(t, l.SetUint64([]byte(keyTerm), 1))
	storeRange(t, l, 1, 20, 1)
	torn := testLogConfig(t, copyTree(t, c.Dir))
	f, err := os.OpenFile(filepath.Join(torn.Dir, name), os.O_RDWR, 0)
	require.NoError(t, err)
	entry := []byte{walEntry, 0, 0, 0, 0, 0x20, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1}
	_, err = f.WriteAt(entry, walkedTail(t, c.Dir).tailEnd.end)
	require.NoError(t, err)
	require.NoError(t, f.Close())

	for want, conf := range map[uint64]LogConfig{0: short, 20: torn} {
		l := openTestLog(t, conf)
		last, err := l.LastIndex()
		require.NoError(t, err)
		require.Equal(t, want, last)
		var st unix.Stat_t
		require.NoError(t, unix.Stat(filepath.Join(conf.Dir, name), &st))
		assert.EqualValues(t, conf.SegmentBytes, st.Size)
		assert.GreaterOrEqual(t, st.Blocks*512, int64(conf.SegmentBytes), "log to %d", want)
	}
}
