package node

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
	"holdfast/engine"
	"holdfast/raftstore"
)

// bareStore is a store of one node on which nothing else works.
func bareStore(t *testing.T) *raftstore.Store {
	t.Helper()
	s, err := raftstore.Open(raftstore.Config{Node: "n1", Dir: t.TempDir(), Raft: "127.0.0.1:0"})
	require.NoError(t, err)
	ran := make(chan error, 1)
	run, end := context.WithCancel(context.Background())
	go func() { ran <- s.Run(run) }()
	t.Cleanup(func() {
		end()
		<-ran
		require.NoError(t, s.Close())
	})
	require.Eventually(t, func() bool {
		_, _, err := s.Read(t.Context(), false, 0, func(*engine.Ledger) bool { return false })
		return err == nil
	}, 20*time.Second, 5*time.Millisecond)
	return s
}

// TestSyncStoreConforms holds the port of a real store to the contract that its twin in memory keeps.
func TestSyncStoreConforms(t *testing.T) {
	t.Parallel()
	recordstest.RunConformance(t, func(t *testing.T) records.Store {
		store := bareStore(t)
		for _, c := range recordstest.Setting() {
			r, err := store.Submit(t.Context(), engine.Op{Command: c})
			require.NoError(t, err)
			require.Equal(t, engine.Accepted, r.Refusal)
		}
		return newSyncStore(store)
	})
}
