package raftstore

import (
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// BenchmarkOpenRaftLog is what a start pays for reading the log: MB/s of files that are full of
// entries of some 256 KiB, as a leader under load writes them.
func BenchmarkOpenRaftLog(b *testing.B) {
	c := LogConfig{Dir: b.TempDir(), SegmentBytes: 64 << 20, Fatal: func(string, error) {}}
	l, err := OpenRaftLog(c)
	require.NoError(b, err)
	var e engine.EntryBuilder
	for range 1000 { // some 250 KiB
		e.Add(engine.Op{Command: &engine.DefineSKU{SKU: "SKU-00001", Attributes: make([]byte, 200)}})
	}
	payload := e.Seal(1, 1)
	for i := uint64(1); l.Size() < 256<<20; i++ {
		require.NoError(b, l.StoreLog(&raft.Log{Index: i, Term: 1, Type: raft.LogCommand, Data: payload}))
	}
	size := l.Size()
	require.NoError(b, l.Close())
	b.SetBytes(size)
	for b.Loop() {
		l, err := OpenRaftLog(c)
		require.NoError(b, err)
		require.Equal(b, size, l.Size())
		require.NoError(b, l.Close())
	}
}
