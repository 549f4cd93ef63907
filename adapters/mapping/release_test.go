package mapping

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
)

// waiters remembers who was told what, and fails when asked to.
type waiters struct {
	mu     sync.Mutex
	orders []string
	mapped []Ref
	fail   func(order string) error
}

func (w *waiters) Released(_ context.Context, order string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		if err := w.fail(order); err != nil {
			return err
		}
	}
	w.orders = append(w.orders, order)
	return nil
}

func (w *waiters) Mapped(_ context.Context, f Ref) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mapped = append(w.mapped, f)
	return nil
}

func (w *waiters) told() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.orders)
	return slices.Clone(w.orders)
}

// wait stores an order that waits, as the orders' core does.
func (w *world) wait(order string, refs ...Ref) records.Outcome {
	w.t.Helper()
	var tx records.Tx
	Wait(&tx, order, refs...)
	o, err := w.store.Submit(w.t.Context(), &tx)
	require.NoError(w.t, err)
	return o
}

func (w *world) waiting() (keys []string) {
	rows, more, err := w.store.List(w.t.Context(), records.Waiting, "", "", records.MaxList)
	require.NoError(w.t, err)
	require.False(w.t, more)
	for _, r := range rows {
		keys = append(keys, r.Key)
	}
	return keys
}

func TestNothingWaitsForWhatIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(PutOptions{}, variant("A", 1), seller("A", "a", ""))
	require.True(t, w.wait("o1", VariantRef("shop", 1)).Conflict)
	require.True(t, w.wait("o1", SellerRef("amz", "US", "a")).Conflict, "a row of all marketplaces")
	row, ok, err := w.table.Find(t.Context(), SellerRef("amz", "US", "a"))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "A", row.SKU)
	behind := NewTable(w.store, NewIndex(w.store, nil)) // whose index has read nothing yet
	_, ok, err = behind.Find(t.Context(), VariantRef("shop", 1))
	require.NoError(t, err)
	require.True(t, ok)
	require.False(t, w.wait("o1", VariantRef("shop", 2), VariantRef("shop", 2)).Conflict)
	require.Len(t, w.waiting(), 1)
	var tx records.Tx
	Unwait(&tx, "o1", VariantRef("shop", 2), VariantRef("shop", 2))
	_, err = w.store.Submit(t.Context(), &tx)
	require.NoError(t, err)
	require.Empty(t, w.waiting())
}

func TestAMappingReleasesWhatWaitsForIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		told := &waiters{}
		r := NewReleaser(ReleaserConfig{Store: w.store, Table: w.table, Waiters: told})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		var want []string
		for i := range 3 * releasePage {
			order := fmt.Sprintf("shopify:shop:%04d", i)
			w.wait(order, VariantRef("shop", 1), VariantRef("shop", 10))
			want = append(want, order)
		}
		w.wait("amazon:amz:1", SellerRef("amz", "US", "a"))
		w.wait("amazon:amz:2", SellerRef("amz", "CA", "a"), SellerRef("amz", "CA", "ab"))
		synctest.Wait()
		require.Empty(t, told.told())
		w.put(PutOptions{}, variant("A", 1))
		synctest.Wait()
		require.Equal(t, want, told.told(), "each once, and nobody else")
		require.Equal(t, []Ref{VariantRef("shop", 1)}, told.mapped)
		require.Len(t, w.waiting(), len(want)+3)
		w.put(PutOptions{}, seller("B", "a", ""))
		synctest.Wait()
		require.Equal(t, append([]string{"amazon:amz:1", "amazon:amz:2"}, want...), told.told())
		require.ElementsMatch(t, []Ref{VariantRef("shop", 1), SellerRef("amz", "US", "a"),
			SellerRef("amz", "CA", "a")}, told.mapped)
		require.Len(t, w.waiting(), len(want)+1, "seller SKU ab waits on")
		stop()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

// TestAReleaseIsTriedAgain: an order that cannot be released now is told again after a while, and the
// exception stays open until then.
func TestAReleaseIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		busy := true
		told := &waiters{fail: func(order string) error {
			if busy && order == "o2" {
				return errors.New("no leader")
			}
			return nil
		}}
		r := NewReleaser(ReleaserConfig{Store: w.store, Table: w.table, Waiters: told})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		for _, order := range []string{"o1", "o2", "o3"} {
			w.wait(order, VariantRef("shop", 1))
		}
		w.put(PutOptions{}, variant("A", 1))
		synctest.Wait()
		require.Equal(t, []string{"o1", "o3"}, told.told())
		require.Empty(t, told.mapped)
		told.mu.Lock()
		busy = false
		told.mu.Unlock()
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		require.Equal(t, []string{"o1", "o2", "o3"}, told.told())
		require.Equal(t, []Ref{VariantRef("shop", 1)}, told.mapped)
		require.Empty(t, w.waiting())
		stop()
		<-ended
	})
}

// TestAReleaseSurvivesItsProcess kills the releaser between the call and the note that it was made: the
// next one calls again, and none is forgotten.
func TestAReleaseSurvivesItsProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	told := &waiters{}
	r := NewReleaser(ReleaserConfig{Store: w.store, Table: w.table, Waiters: told})
	for i := range 5 {
		w.wait(fmt.Sprint("o", i), VariantRef("shop", 1))
	}
	w.wait("other", VariantRef("shop", 2))
	w.put(PutOptions{}, variant("A", 1))
	ctx, die := context.WithCancel(t.Context())
	w.store.Fail(func(tx *records.Tx) recordstest.Failure {
		if tx != nil && len(told.told()) == 3 {
			die()
			return recordstest.UnknownBefore
		}
		return recordstest.Works
	})
	require.Error(t, r.Pass(ctx))
	w.store.Fail(nil)
	require.Len(t, w.waiting(), 4, "two are noted, the third was told and not noted")
	require.NoError(t, r.Pass(t.Context()))
	require.Equal(t, []string{"o0", "o1", "o2", "o2", "o3", "o4"}, told.told())
	require.Len(t, w.waiting(), 1)
	require.Equal(t, []Ref{VariantRef("shop", 1)}, told.mapped)
}
