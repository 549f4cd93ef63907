package raftstore

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func testLogConfig(t *testing.T, dir string) LogConfig {
	return LogConfig{
		Dir: dir, SegmentBytes: 64 << 10,
		Verify: func([]byte) error { return nil },
		Fatal:  func(what string, err error) {},
	}
}

func openTestLog(t *testing.T, c LogConfig) *RaftLog {
	t.Helper()
	l, err := OpenRaftLog(c)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, l.Close()) })
	return l
}

func TestRaftLogConformance(t *testing.T) {
	t.Parallel()
	RunLogConformance(t, func() *logHarness {
		var c LogConfig
		return &logHarness{
			open: func(t *testing.T, floor func() uint64) Log {
				c = testLogConfig(t, t.TempDir())
				c.Floor = floor
				return openTestLog(t, c)
			},
			reopen: func(t *testing.T, l Log) Log {
				require.NoError(t, l.Close())
				return openTestLog(t, c)
			},
		}
	})
}

func TestMemLogConformance(t *testing.T) {
	t.Parallel()
	RunLogConformance(t, func() *logHarness {
		return &logHarness{
			open:   func(t *testing.T, floor func() uint64) Log { return NewMemLog(floor) },
			reopen: func(t *testing.T, l Log) Log { return l.(*MemLog).Reopen() },
		}
	})
}

func TestLogConfigNamesEveryFault(t *testing.T) {
	t.Parallel()
	err := LogConfig{SegmentBytes: 1, CacheEntries: -1, StallAfter: time.Hour}.Validate()
	for _, word := range []string{"Dir", "Fatal", "SegmentBytes", "CacheEntries", "StallAfter"} {
		assert.ErrorContains(t, err, word)
	}
	_, err = OpenRaftLog(LogConfig{})
	assert.ErrorContains(t, err, "Dir")
}

// brokenLog is a log whose disk fails or hangs on demand.
type brokenLog struct {
	*MemLog
	err     error         // of everything that writes or reads
	entered chan struct{} // StoreLogs says that it is inside
	release chan struct{} // and waits for this, when set
}

func (b *brokenLog) StoreLogs(e []*raft.Log) error {
	if b.release != nil {
		b.entered <- struct{}{}
		<-b.release
	}
	if b.err != nil {
		return b.err
	}
	return b.MemLog.StoreLogs(e)
}

func (b *brokenLog) DeleteRange(first, last uint64) error {
	if b.err != nil {
		return b.err
	}
	return b.MemLog.DeleteRange(first, last)
}

func (b *brokenLog) Set(k, v []byte) error {
	if b.err != nil {
		return b.err
	}
	return b.MemLog.Set(k, v)
}

func (b *brokenLog) SetUint64(k []byte, v uint64) error {
	if b.err != nil {
		return b.err
	}
	return b.MemLog.SetUint64(k, v)
}

func (b *brokenLog) GetLog(i uint64, e *raft.Log) error {
	if b.err != nil {
		return b.err
	}
	return b.MemLog.GetLog(i, e)
}

func TestFailStopIsCalledOnce(t *testing.T) {
	t.Parallel()
	disk := errors.New("input/output error")
	var e raft.Log
	cases := map[string]func(l *RaftLog) error{
		"StoreLogs":   func(l *RaftLog) error { return l.StoreLogs([]*raft.Log{logEntry(4, 1)}) },
		"StoreLog":    func(l *RaftLog) error { return l.StoreLog(logEntry(4, 1)) },
		"DeleteRange": func(l *RaftLog) error { return l.DeleteRange(1, 2) },
		"Set":         func(l *RaftLog) error { return l.Set([]byte("k"), nil) },
		"SetUint64":   func(l *RaftLog) error { return l.SetUint64([]byte("k"), 1) },
		"GetLog":      func(l *RaftLog) error { return l.GetLog(1, &e) },
	}
	for name, call := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inner := &brokenLog{MemLog: NewMemLog(nil)}
			c := testLogConfig(t, t.TempDir())
			c.CacheEntries = 1
			c.open = func(LogConfig) (closableLog, error) { return inner, nil }
			var calls []error
			c.Fatal = func(_ string, err error) { calls = append(calls, err) }
			l := openTestLog(t, c)
			storeRange(t, l, 1, 3, 1)
			require.NoError(t, l.GetLog(1, &e))

			inner.err = disk
			require.ErrorIs(t, call(l), disk)
			require.Len(t, calls, 1)
			assert.ErrorContains(t, calls[0], c.Dir)

			inner.err = nil // the disk comes back; the log does not
			assert.ErrorIs(t, l.StoreLog(logEntry(4, 1)), disk)
			assert.ErrorIs(t, l.SetUint64([]byte("k"), 1), disk)
			assert.ErrorIs(t, l.DeleteRange(1, 2), disk)
			assert.Len(t, calls, 1)
			requireRange(t, l, 1, 3)
		})
	}
}

func TestNotFoundIsNotFatal(t *testing.T) {
	t.Parallel()
	c := testLogConfig(t, t.TempDir())
	c.Fatal = func(what string, err error) { t.Errorf("fatal: %s: %v", what, err) }
	l := openTestLog(t, c)
	requireNoEntry(t, l, 1)
	storeRange(t, l, 1, 3, 1)
	requireNoEntry(t, l, 4)
	require.NoError(t, l.Close())
	var e raft.Log
	assert.Error(t, l.GetLog(100, &e), "a read after Close fails, and ends nothing")
}

// handTimer fires when the test says so.
type handTimer struct{ fire func() }

func (*handTimer) Reset(time.Duration) bool { return true }
func (*handTimer) Stop() bool               { return true }

// pass lets time go by, and the timer fire as often as it would.
func (h *handTimer) pass(now *atomic.Int64, d time.Duration) {
	const look = 100 * time.Millisecond // shorter than any that is due
	for ; d > 0; d -= look {
		now.Add(int64(min(d, look)))
		h.fire()
	}
}

func TestStallStopsTheNode(t *testing.T) {
	t.Parallel()
	inner := &brokenLog{MemLog: NewMemLog(nil)}
	inner.entered, inner.release = make(chan struct{}), make(chan struct{})
	timer := &handTimer{}
	var now atomic.Int64
	now.Store(1)
	c := testLogConfig(t, t.TempDir())
	c.open = func(LogConfig) (closableLog, error) { return inner, nil }
	c.now = func() time.Time { return time.Unix(0, now.Load()) }
	c.afterFunc = func(_ time.Duration, f func()) stallTimer { timer.fire = f; return timer }
	var fatal []error
	c.Fatal = func(_ string, err error) { fatal = append(fatal, err) }
	l := openTestLog(t, c)

	timer.fire() // nothing runs: no harm
	done := make(chan error)
	go func() { done <- l.StoreLog(logEntry(1, 1)) }()
	<-inner.entered
	timer.pass(&now, time.Second)
	require.Empty(t, fatal)
	now.Add(int64(time.Minute)) // this process stood still, not the disk
	timer.fire()
	require.Empty(t, fatal)
	timer.pass(&now, 300*time.Millisecond)
	require.Empty(t, fatal)
	timer.pass(&now, 300*time.Millisecond)
	require.Len(t, fatal, 1)
	assert.ErrorContains(t, fatal[0], "not answered for 1m1.5s")
	timer.fire()
	require.Len(t, fatal, 1)
	close(inner.release)
	assert.Error(t, <-done, "the late success must not be acknowledged")
}

func TestCacheFollowsDeletes(t *testing.T) {
	t.Parallel()
	c := testLogConfig(t, t.TempDir())
	c.CacheEntries = 8
	l := openTestLog(t, c)
	storeRange(t, l, 1, 20, 1)
	require.NoError(t, l.DeleteRange(1, 14))
	var e raft.Log
	for i := uint64(13); i <= 20; i++ {
		assert.Equal(t, i > 14, l.cache.read(i, &e), "entry %d", i)
	}
	requireNoEntry(t, l, 14)
	require.NoError(t, l.DeleteRange(18, 20))
	requireNoEntry(t, l, 18)
	storeRange(t, l, 18, 19, 2)
	requireEntry(t, l, 18, 2)
	requireEntry(t, l, 17, 1)
	requireNoEntry(t, l, 20)
}

// TestBadEntryIsFound flips a byte of a payload in the segment file.
func TestBadEntryIsFound(t *testing.T) {
	t.Parallel()
	c := testLogConfig(t, t.TempDir())
	c.Verify = func(p []byte) error {
		if !bytes.HasPrefix(p, []byte("entry ")) {
			return errors.New("checksum")
		}
		return nil
	}
	l := openTestLog(t, c)
	storeRange(t, l, 1, 100, 1)
	storeRange(t, l, 101, 200, 1)
	require.NoError(t, l.Close())
	files, err := filepath.Glob(filepath.Join(c.Dir, "*.wal"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	text, err := os.ReadFile(files[0])
	require.NoError(t, err)
	at := bytes.Index(text, []byte("entry 50 of"))
	require.Positive(t, at)
	text[at] ^= 1
	require.NoError(t, os.WriteFile(files[0], text, 0o600))

	_, err = OpenRaftLog(c)
	var bad *CorruptError
	require.ErrorAs(t, err, &bad)
	assert.Equal(t, files[0], bad.File)
	assert.ErrorContains(t, err, "another one follows it", "the second batch was acknowledged")
}

func TestFitLog(t *testing.T) {
	t.Parallel()
	own := CheckpointMeta{Index: 100, Term: 5}
	installed := CheckpointMeta{Index: 100, Term: 5, Installed: true}
	cases := []struct {
		name        string
		first, last uint64
		emptiedAt   uint64
		term        uint64 // of entry 100
		ownFits     bool
		install     Fit // under an installed checkpoint; -1 refuses
	}{
		{"contains it", 50, 150, 0, 5, true, FitKeep},
		{"ends with it", 50, 100, 0, 5, true, FitKeep},
		{"begins with it", 100, 100, 0, 5, true, FitKeep},
		{"begins behind it", 101, 150, 0, 0, true, FitKeep},
		{"emptied at it", 0, 0, 100, 0, true, FitKeep},
		{"emptied before it", 0, 0, 99, 0, false, FitKeep},
		{"lost", 0, 0, 0, 0, false, FitKeep},
		{"another term", 50, 150, 0, 4, false, FitDeleteLog},
		{"ends before it", 1, 99, 0, 0, false, FitDeleteLog},
		{"gap behind it", 102, 150, 0, 0, false, -1},
	}
	for _, c := range cases {
		s := LogState{First: c.first, Last: c.last, EmptiedAt: c.emptiedAt,
			Term: func(i uint64) (uint64, error) {
				require.Equal(t, uint64(100), i)
				return c.term, nil
			}}
		fit, err := FitLog(s, own, true, "/data/log")
		if c.ownFits {
			assert.NoError(t, err, c.name)
			assert.Equal(t, FitKeep, fit, c.name)
		} else {
			requireGap(t, err, c.name)
		}
		fit, err = FitLog(s, installed, true, "/data/log")
		if c.install < 0 {
			requireGap(t, err, c.name)
			continue
		}
		assert.NoError(t, err, c.name)
		assert.Equal(t, c.install, fit, c.name)
	}
	none := []struct {
		first, emptiedAt uint64
		fits             bool
	}{{0, 0, true}, {1, 0, true}, {2, 0, false}, {0, 7, false}}
	for _, c := range none {
		_, err := FitLog(LogState{First: c.first, EmptiedAt: c.emptiedAt}, own, false, "/data/log")
		if c.fits {
			assert.NoError(t, err, "%+v", c)
		} else {
			requireGap(t, err, "no checkpoint")
		}
	}
	sick := errors.New("sick")
	s := LogState{First: 1, Last: 200, Term: func(uint64) (uint64, error) { return 0, sick }}
	_, err := FitLog(s, own, true, "/data/log")
	assert.ErrorIs(t, err, sick)
}

func requireGap(t *testing.T, err error, name string) {
	t.Helper()
	var gap *LogGapError
	require.ErrorAs(t, err, &gap, name)
	assert.Equal(t, "/data/log", gap.Folder, name)
}

func TestAlignLogDeletesUnderAnInstalledCheckpoint(t *testing.T) {
	t.Parallel()
	floor := uint64(math.MaxUint64)
	l := NewMemLog(func() uint64 { return floor })
	storeRange(t, l, 1, 30, 1)
	m := CheckpointMeta{Index: 20, Term: 2, Installed: true}
	require.NoError(t, AlignLog(l, m, true, "log"))
	requireRange(t, l, 0, 0)
	storeRange(t, l, 21, 30, 2)
	require.NoError(t, AlignLog(l, m, true, "log"))
	requireRange(t, l, 21, 30)

	m.Index, m.Term, floor = 25, 3, 0
	assert.ErrorContains(t, AlignLog(l, m, true, "log"), "still there")
}

// closedFileLog reads from a file that was closed, as raft-wal does when a delete ends meanwhile.
type closedFileLog struct {
	*MemLog
	times int
}

func (l *closedFileLog) GetLog(i uint64, e *raft.Log) error {
	if l.times--; l.times >= 0 {
		return &os.PathError{Op: "read", Path: "1.wal", Err: os.ErrClosed}
	}
	return l.MemLog.GetLog(i, e)
}

func TestAReadBesideADeleteIsNotFatal(t *testing.T) {
	t.Parallel()
	inner := &closedFileLog{MemLog: NewMemLog(nil)}
	c := testLogConfig(t, t.TempDir())
	c.CacheEntries = 1
	c.open = func(LogConfig) (closableLog, error) { return inner, nil }
	fatal := 0
	c.Fatal = func(string, error) { fatal++ }
	l := openTestLog(t, c)
	storeRange(t, l, 1, 3, 1)
	inner.times = 1
	requireEntry(t, l, 1, 1)
	require.Zero(t, fatal)
	inner.times = readTries
	var e raft.Log
	require.ErrorIs(t, l.GetLog(1, &e), os.ErrClosed, "it is closed for good")
	require.Equal(t, 1, fatal)
}

// panickingLog is a log that is read while it is closed: raft-wal has no state then.
type panickingLog struct{ *MemLog }

func (l *panickingLog) GetLog(uint64, *raft.Log) error { panic("nil") }

func TestAReadBesideCloseIsNotFatal(t *testing.T) {
	t.Parallel()
	c := testLogConfig(t, t.TempDir())
	c.CacheEntries = 1
	inner := &panickingLog{MemLog: NewMemLog(nil)}
	c.open = func(LogConfig) (closableLog, error) { return inner, nil }
	c.Fatal = func(_ string, err error) { t.Errorf("fatal: %v", err) }
	l := openTestLog(t, c)
	storeRange(t, l, 1, 3, 1)
	l.closed.Store(true)
	var e raft.Log
	require.ErrorIs(t, l.GetLog(1, &e), wal.ErrClosed)
	l.closed.Store(false)
}
