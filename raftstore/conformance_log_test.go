package raftstore

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// logHarness makes logs for RunLogConformance. Reopen is a restart: the same contents, opened anew.
type logHarness struct {
	floor  uint64
	open   func(t *testing.T, floor func() uint64) Log
	reopen func(t *testing.T, l Log) Log
}

// RunLogConformance holds a Log to its contract; every implementation passes it.
func RunLogConformance(t *testing.T, make func() *logHarness) {
	clauses := []struct {
		name string
		run  func(t *testing.T, h *logHarness, l Log)
	}{
		{"an empty log has no index and no size", logEmpty},
		{"entries come back whole", logRoundTrip},
		{"a missing entry is exactly ErrLogNotFound", logNotFound},
		{"the first entry may have any index", logFirstIndexFree},
		{"a gap is refused", logGap},
		{"a suffix is deleted and written again", logSuffix},
		{"a conflicting suffix that is all of the log goes", logWholeSuffix},
		{"a prefix is deleted up to the floor and no further", logFloor},
		{"a middle is refused", logMiddle},
		{"all goes when nothing limits it, and the end is remembered", logEmptied},
		{"size counts what is there", logSize},
		{"numbers and values are remembered", logStable},
		{"a restart finds all again", logRestart},
	}
	for _, c := range clauses {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := make()
			h.floor = math.MaxUint64
			c.run(t, h, h.open(t, func() uint64 { return h.floor }))
		})
	}
}

func logEntry(index, term uint64) *raft.Log {
	return &raft.Log{Index: index, Term: term, Type: raft.LogCommand,
		Data: fmt.Appendf(nil, "entry %d of term %d", index, term), Extensions: []byte("x")}
}

func storeRange(t *testing.T, l Log, first, last, term uint64) {
	t.Helper()
	var batch []*raft.Log
	for i := first; i <= last; i++ {
		batch = append(batch, logEntry(i, term))
	}
	require.NoError(t, l.StoreLogs(batch))
}

func requireRange(t *testing.T, l Log, first, last uint64) {
	t.Helper()
	got, err := logRange(l)
	require.NoError(t, err)
	require.Equal(t, indexRange{first, last}, got)
}

func requireEntry(t *testing.T, l Log, index, term uint64) {
	t.Helper()
	var e raft.Log
	require.NoError(t, l.GetLog(index, &e))
	want := logEntry(index, term)
	require.Equal(t, want.Index, e.Index)
	require.Equal(t, want.Term, e.Term)
	require.Equal(t, want.Type, e.Type)
	require.Equal(t, string(want.Data), string(e.Data))
	require.Equal(t, string(want.Extensions), string(e.Extensions))
}

func requireNoEntry(t *testing.T, l Log, index uint64) {
	t.Helper()
	var e raft.Log
	if err := l.GetLog(index, &e); err != raft.ErrLogNotFound { // raft compares it like this
		t.Fatalf("entry %d: %v, want raft.ErrLogNotFound itself", index, err)
	}
}

func logEmpty(t *testing.T, _ *logHarness, l Log) {
	requireRange(t, l, 0, 0)
	require.Zero(t, l.Size())
	require.True(t, l.IsMonotonic())
	requireNoEntry(t, l, 1)
}

func logRoundTrip(t *testing.T, _ *logHarness, l Log) {
	storeRange(t, l, 1, 10, 1)
	require.NoError(t, l.StoreLog(logEntry(11, 2)))
	requireRange(t, l, 1, 11)
	requireEntry(t, l, 1, 1)
	requireEntry(t, l, 11, 2)
}

func logNotFound(t *testing.T, _ *logHarness, l Log) {
	storeRange(t, l, 5, 10, 1)
	requireNoEntry(t, l, 4)
	requireNoEntry(t, l, 11)
}

func logFirstIndexFree(t *testing.T, _ *logHarness, l Log) {
	storeRange(t, l, 1000, 1002, 3)
	requireRange(t, l, 1000, 1002)
	requireEntry(t, l, 1001, 3)
}

func logGap(t *testing.T, _ *logHarness, l Log) {
	storeRange(t, l, 1, 3, 1)
	require.Error(t, l.StoreLog(logEntry(5, 1)))
	requireRange(t, l, 1, 3)
}

func logSuffix(t *testing.T, h *logHarness, l Log) {
	h.floor = 0 // must not matter
	storeRange(t, l, 1, 20, 1)
	require.NoError(t, l.DeleteRange(11, 20))
	requireRange(t, l, 1, 10)
	requireNoEntry(t, l, 11)
	storeRange(t, l, 11, 15, 2)
	requireEntry(t, l, 11, 2)
	requireEntry(t, l, 10, 1)
	requireNoEntry(t, l, 16)
}

func logWholeSuffix(t *testing.T, _ *logHarness, l Log) {
	storeRange(t, l, 1, 5, 1)
	require.NoError(t, l.DeleteRange(1, 5))
	requireRange(t, l, 0, 0)
	storeRange(t, l, 1, 2, 2)
	requireEntry(t, l, 1, 2)
}

func logFloor(t *testing.T, h *logHarness, l Log) {
	storeRange(t, l, 1, 20, 1)
	h.floor = 0
	require.NoError(t, l.DeleteRange(1, 10))
	requireRange(t, l, 1, 20)
	h.floor = 8
	require.NoError(t, l.DeleteRange(1, 10))
	requireRange(t, l, 8, 20)
	requireEntry(t, l, 8, 1)
	requireNoEntry(t, l, 7)
	require.NoError(t, l.DeleteRange(8, 20), "all of it, but the floor stays")
	requireRange(t, l, 8, 20)
	h.floor = 30
	require.NoError(t, l.DeleteRange(8, 12))
	requireRange(t, l, 13, 20)
	requireEntry(t, l, 13, 1)
}

func logMiddle(t *testing.T, _ *logHarness, l Log) {
	storeRange(t, l, 1, 20, 1)
	require.Error(t, l.DeleteRange(5, 6))
}

func logEmptied(t *testing.T, h *logHarness, l Log) {
	storeRange(t, l, 1, 20, 1)
	require.NoError(t, l.DeleteRange(1, 25))
	requireRange(t, l, 0, 0)
	l = h.reopen(t, l)
	s, err := ReadLogState(l)
	require.NoError(t, err)
	require.Equal(t, uint64(20), s.EmptiedAt)
	storeRange(t, l, 100, 101, 4)
	requireRange(t, l, 100, 101)
}

func logSize(t *testing.T, h *logHarness, l Log) {
	var want int64
	for i := uint64(1); i <= 3000; i++ {
		if i > 1500 && i <= 2900 {
			want += entryBytes(logEntry(i, 1))
		}
	}
	storeRange(t, l, 1, 3000, 1)
	require.NoError(t, l.DeleteRange(1, 1500))
	require.NoError(t, l.DeleteRange(2901, 3000))
	require.Equal(t, want, l.Size())
	l = h.reopen(t, l)
	require.Equal(t, want, l.Size())
	require.NoError(t, l.DeleteRange(1, 3000))
	require.Zero(t, l.Size())
}

func logStable(t *testing.T, h *logHarness, l Log) {
	n, err := l.GetUint64([]byte("term"))
	require.NoError(t, err)
	require.Zero(t, n)
	v, err := l.Get([]byte("vote"))
	require.NoError(t, err)
	require.Empty(t, v)
	require.NoError(t, l.SetUint64([]byte("term"), 7))
	require.NoError(t, l.Set([]byte("vote"), []byte("n1.1")))
	l = h.reopen(t, l)
	n, err = l.GetUint64([]byte("term"))
	require.NoError(t, err)
	require.Equal(t, uint64(7), n)
	v, err = l.Get([]byte("vote"))
	require.NoError(t, err)
	require.True(t, bytes.Equal([]byte("n1.1"), v))
}

func logRestart(t *testing.T, h *logHarness, l Log) {
	storeRange(t, l, 1, 50, 1)
	require.NoError(t, l.DeleteRange(41, 50))
	require.NoError(t, l.DeleteRange(1, 9))
	storeRange(t, l, 41, 42, 2)
	l = h.reopen(t, l)
	requireRange(t, l, 10, 42)
	requireEntry(t, l, 10, 1)
	requireEntry(t, l, 42, 2)
	require.NoError(t, l.Close())
	require.NoError(t, l.Close(), "Close is idempotent")
	var e raft.Log
	err := l.GetLog(10, &e)
	require.True(t, err == nil || !errors.Is(err, raft.ErrLogNotFound))
}
