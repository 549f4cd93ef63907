package raftstore

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func testEventConfig(dir string) EventLogConfig {
	return EventLogConfig{Dir: dir, SegmentBytes: 32 << 10, codec: fakeEvents}
}

func openTestEvents(t *testing.T, c EventLogConfig) *EventFiles {
	t.Helper()
	l, err := OpenEventLog(c)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, l.Close()) })
	return l
}

func eventFilesHarness(change func(*EventLogConfig)) func() *eventHarness {
	return func() *eventHarness {
		return &eventHarness{
			open: func(t *testing.T) EventLog {
				c := testEventConfig(t.TempDir())
				change(&c)
				return openTestEvents(t, c)
			},
			reopen: func(t *testing.T, l EventLog) EventLog {
				require.NoError(t, l.Close())
				return openTestEvents(t, l.(*EventFiles).cfg)
			},
		}
	}
}

func TestEventFilesConformance(t *testing.T) {
	t.Parallel()
	RunEventLogConformance(t, eventFilesHarness(func(*EventLogConfig) {}))
}

// TestEventFilesConformanceFromDisk keeps next to nothing in memory.
func TestEventFilesConformanceFromDisk(t *testing.T) {
	t.Parallel()
	RunEventLogConformance(t, eventFilesHarness(func(c *EventLogConfig) { c.MemoryBytes = 1 }))
}

func TestMemEventLogConformance(t *testing.T) {
	t.Parallel()
	RunEventLogConformance(t, func() *eventHarness {
		return &eventHarness{
			open: func(t *testing.T) EventLog {
				l := NewMemEventLog()
				l.codec, l.segmentBytes = fakeEvents, 32<<10
				return l
			},
			reopen: func(t *testing.T, l EventLog) EventLog { return l.(*MemEventLog).Reopen() },
		}
	})
}

func readFolder(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		files[e.Name()] = string(text)
	}
	return files
}

// TestReplayWritesTheSameFiles crashes at many places behind a checkpoint and replays.
func TestReplayWritesTheSameFiles(t *testing.T) {
	t.Parallel()
	c := testEventConfig(t.TempDir())
	l := openTestEvents(t, c)
	require.NoError(t, l.CutTo(EventMark{}))
	appendEvents(t, l, 0, 1234)
	mark, err := l.Sync()
	require.NoError(t, err)
	appendEvents(t, l, 1234, 4000)
	_, err = l.Sync()
	require.NoError(t, err)
	want := readFolder(t, c.Dir)
	require.Greater(t, len(want), 4)

	tail := segmentPath("", mark.Segment+1)
	for _, cut := range []int64{0, 1, segmentHeaderBytes, segmentHeaderBytes + 5, 20 << 10} {
		c.Dir = copyTree(t, c.Dir)
		require.NoError(t, os.Truncate(filepath.Join(c.Dir, tail), cut))
		l := openTestEvents(t, c)
		require.NoError(t, l.CutTo(mark))
		requireBounds(t, l, 1, 1234)
		appendEvents(t, l, 1234, 4000)
		_, err = l.Sync()
		require.NoError(t, err)
		require.NoError(t, l.Close())
		require.Equal(t, want, readFolder(t, c.Dir))
	}
}

func TestBadEventSegmentIsNamed(t *testing.T) {
	t.Parallel()
	c := testEventConfig(t.TempDir())
	l := openTestEvents(t, c)
	require.NoError(t, l.CutTo(EventMark{}))
	appendEvents(t, l, 0, 3000)
	mark, err := l.Sync()
	require.NoError(t, err)
	require.Greater(t, mark.Segment, uint64(2))
	require.NoError(t, l.Close())

	tail := segmentPath(c.Dir, mark.Segment)
	for at := int64(0); at < mark.Offset; at += 331 {
		flipByte(t, tail, at)
		requireDamaged(t, openTestEvents(t, c).CutTo(mark), tail, at)
		flipByte(t, tail, at)
	}
	// Of the files before it, the header is looked at at once, the rest when it is read.
	older := segmentPath(c.Dir, 2)
	for at := int64(0); at < segmentHeaderBytes; at += 3 {
		flipByte(t, older, at)
		requireDamaged(t, openTestEvents(t, c).CutTo(mark), older, at)
		flipByte(t, older, at)
	}
	info, err := os.Stat(older)
	require.NoError(t, err)
	for at := int64(segmentHeaderBytes); at < info.Size(); at += 997 {
		flipByte(t, older, at)
		l := openTestEvents(t, c)
		require.NoError(t, l.CutTo(mark))
		requireDamaged(t, l.Read(0, readNothing), older, at)
		require.NoError(t, l.Close())
		flipByte(t, older, at)
	}
	require.NoError(t, os.Truncate(older, info.Size()-1))
	requireDamaged(t, openTestEvents(t, c).CutTo(mark), older, info.Size())
	require.NoError(t, os.Remove(older))
	requireDamaged(t, openTestEvents(t, c).CutTo(mark), older, 0)
	require.NoError(t, os.Remove(tail))
	requireDamaged(t, openTestEvents(t, c).CutTo(mark), tail, 0)
}

func requireDamaged(t *testing.T, err error, file string, at int64) {
	t.Helper()
	var bad *CorruptError
	require.ErrorAs(t, err, &bad, "byte %d", at)
	require.Equal(t, file, bad.File, "byte %d: %v", at, err)
}

// TestAppendDoesNotNeedTheDisk checks that a frame is readable before it is in a file, and that
// memory holds no more than it may.
func TestAppendDoesNotNeedTheDisk(t *testing.T) {
	t.Parallel()
	c := testEventConfig(t.TempDir())
	c.SegmentBytes, c.MemoryEvents = 1<<20, 5000
	l := openTestEvents(t, c)
	require.NoError(t, l.CutTo(EventMark{}))
	appendEvents(t, l, 0, 100)
	info, err := os.Stat(segmentPath(c.Dir, 1))
	require.NoError(t, err)
	assert.Equal(t, int64(segmentHeaderBytes), info.Size())
	requireEvents(t, l, 0, 100)
	last := appendEvents(t, l, 100, 50_000)
	l.mu.RLock()
	assert.LessOrEqual(t, l.mu.events, c.MemoryEvents+chunkBytes/20)
	sum := 0
	for _, ch := range l.mu.chunks {
		sum += int(ch.last - ch.first + 1)
	}
	assert.Equal(t, sum, l.mu.events)
	l.mu.RUnlock()
	requireEvents(t, l, 0, last)
	requireEvents(t, l, 40_000, last)
}

func TestBigFrameIsNotSplit(t *testing.T) {
	t.Parallel()
	c := testEventConfig(t.TempDir())
	c.SegmentBytes = 4 << 10
	l := openTestEvents(t, c)
	require.NoError(t, l.CutTo(EventMark{}))
	require.NoError(t, l.Append(fakeFrame(1, 20_000)))
	require.NoError(t, l.Append(fakeFrame(20_001, 1)))
	mark, err := l.Sync()
	require.NoError(t, err)
	assert.Equal(t, uint64(2), mark.Segment)
	requireEvents(t, l, 0, 20_001)
	require.NoError(t, l.Close())
	c.MemoryBytes = 1
	l = openTestEvents(t, c)
	require.NoError(t, l.CutTo(mark))
	requireEvents(t, l, 0, 20_001)
}

func TestFailedWriteIsFinal(t *testing.T) {
	t.Parallel()
	c := testEventConfig(t.TempDir())
	l := openTestEvents(t, c)
	require.NoError(t, l.CutTo(EventMark{}))
	appendEvents(t, l, 0, 10)
	require.NoError(t, l.mu.segments[0].file.Close()) // the disk goes away
	_, err := l.Sync()
	require.Error(t, err)
	require.ErrorIs(t, l.Append(fakeFrame(11, 1)), os.ErrClosed)
	_, err = l.Sync()
	require.ErrorIs(t, err, os.ErrClosed)
	requireEvents(t, l, 0, 10)
	l.mu.segments[0].file = nil
}

func TestEventConfigNamesEveryFault(t *testing.T) {
	t.Parallel()
	_, err := OpenEventLog(EventLogConfig{SegmentBytes: 1, MemoryEvents: -1, MemoryBytes: -1})
	for _, word := range []string{"Dir", "SegmentBytes", "MemoryEvents", "MemoryBytes"} {
		assert.ErrorContains(t, err, word)
	}
}

// TestAFileThatFillsUpDuringASyncIsSyncedAgain rotates between the two halves of a Sync.
func TestAFileThatFillsUpDuringASyncIsSyncedAgain(t *testing.T) {
	t.Parallel()
	l := openTestEvents(t, testEventConfig(t.TempDir()))
	require.NoError(t, l.CutTo(EventMark{}))
	last := appendEvents(t, l, 0, 100)
	mark, open, _, err := l.beginSync()
	require.NoError(t, err)
	last = appendEvents(t, l, last, 3000)
	require.Greater(t, l.tailLocked().number, mark.Segment)
	_, err = l.endSync(mark, open, nil)
	require.NoError(t, err)
	require.NotNil(t, l.mu.segments[0].file, "what came during the sync is not durable yet")
	_, err = l.Sync()
	require.NoError(t, err)
	assert.Nil(t, l.mu.segments[0].file)
	requireEvents(t, l, 0, last)
}
