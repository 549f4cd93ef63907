package raftstore

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAHoleThatIsDroppedIsNeverTakenForWhole stops Retain where it cannot delete the file with the
// hole, as a crash there would: a restart still finds the file, and must know of its hole.
func TestAHoleThatIsDroppedIsNeverTakenForWhole(t *testing.T) {
	t.Parallel()
	sender := openTestEvents(t, testEventConfig(t.TempDir()))
	require.NoError(t, sender.CutTo(EventMark{}))
	appendEvents(t, sender, 0, 6000)
	mark, err := sender.Sync()
	require.NoError(t, err)

	l := openTestEvents(t, testEventConfig(t.TempDir()))
	require.NoError(t, l.Install(mark))
	appendEvents(t, l, 6000, 6000)
	end, err := l.Sync()
	require.NoError(t, err)
	path := segmentPath(l.cfg.Dir, mark.Segment)
	require.NoError(t, os.Rename(path, path+".aside"))
	require.NoError(t, os.MkdirAll(filepath.Join(path, "not empty"), 0o750))
	require.Error(t, l.Retain(0, end.Segment))
	require.NoError(t, os.RemoveAll(path))
	require.NoError(t, os.Rename(path+".aside", path))
	require.NoError(t, l.Close())

	l = openTestEvents(t, l.cfg)
	require.NoError(t, l.CutTo(end))
	requireBounds(t, l, 6001, 12000)
	requireEvents(t, l, 6000, 12000)
	require.NoError(t, l.Retain(0, end.Segment))
	require.True(t, l.Complete())
	require.NoFileExists(t, path)
	require.NoFileExists(t, filepath.Join(l.cfg.Dir, missingFile))
}

// TestAnInstallOverFilesOfOtherSizes dies behind MISSING on a node that ended its files later than the
// sender: the file with the number of the mark is long enough, and is another one.
func TestAnInstallOverFilesOfOtherSizes(t *testing.T) {
	t.Parallel()
	sender := openTestEvents(t, testEventConfig(t.TempDir()))
	require.NoError(t, sender.CutTo(EventMark{}))
	end := appendEvents(t, sender, 0, 4000)
	mark, err := sender.Sync()
	require.NoError(t, err)
	for mark.Offset > 8<<10 || mark.Segment < 2 { // early in a file
		end = appendEvents(t, sender, end, 7)
		mark, err = sender.Sync()
		require.NoError(t, err)
	}

	c := testEventConfig(t.TempDir())
	c.SegmentBytes = 16 << 10
	own := openTestEvents(t, c)
	require.NoError(t, own.CutTo(EventMark{}))
	for last := uint64(0); ; {
		last = appendEvents(t, own, last, 7)
		at, err := own.Sync()
		require.NoError(t, err)
		if at.Segment > mark.Segment {
			require.Less(t, last, end, "it is behind")
			break
		}
	}
	crash := errors.New("crash")
	own.cfg.step = func(name string) error {
		if name == "events: set aside" {
			return crash
		}
		return nil
	}
	require.ErrorIs(t, own.Install(mark), crash)
	require.NoError(t, own.Close())

	own = openTestEvents(t, c)
	require.NoError(t, own.Install(mark))
	for !own.Complete() {
		g, ok, err := own.Gap(1 << 40)
		require.NoError(t, err)
		if !ok {
			break
		}
		var p []byte
		if g.Have < g.Bytes {
			p, err = sender.Piece(g.Segment, g.Have, 1<<20)
			require.NoError(t, err)
		}
		if err := own.Fill(g, p); err != nil { // what it had itself is of no use
			var bad *CorruptError
			require.ErrorAs(t, err, &bad)
			require.NoFileExists(t, partPath(c.Dir, g.Segment))
		}
	}
	require.True(t, own.Complete())
	requireEvents(t, own, 0, end)
	again, err := own.Sync()
	require.NoError(t, err)
	require.Equal(t, mark, again)
}
