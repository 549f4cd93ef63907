package publish

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
)

// heldList is a store that holds a list of slots back once it was read, while hold says so.
type heldList struct {
	records.Store
	hold atomic.Bool
	pass chan struct{}
}

func (s *heldList) List(ctx context.Context, t records.Table, prefix, after string, limit int) (
	[]records.Record, bool, error) {
	rows, more, err := s.Store.List(ctx, t, prefix, after, limit)
	if t == records.Slots && s.hold.Load() {
		<-s.pass
	}
	return rows, more, err
}

// TestALoadUndoesNoChange: whoever begins to lead reads all anew beside the goroutine that follows, and
// a slot that is made meanwhile is known afterwards.
func TestALoadUndoesNoChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &heldList{Store: recordstest.New(recordstest.Options{}), pass: make(chan struct{})}
		b := NewBook(store, nil)
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = b.Run(ctx) }()
		<-b.Loaded()
		store.hold.Store(true)
		loaded := make(chan error)
		go func() { loaded <- b.Load(ctx) }()
		synctest.Wait()
		var tx records.Tx
		tx.Put((&Slot{ID: "shop/1/2", Connection: "shop", SKU: "A"}).Record(&tx))
		_, err := store.Submit(ctx, &tx)
		require.NoError(t, err)
		synctest.Wait()
		store.hold.Store(false)
		close(store.pass)
		require.NoError(t, <-loaded)
		synctest.Wait()
		_, ok := b.Slot("shop/1/2")
		require.True(t, ok)
		stop()
		synctest.Wait()
	})
}
