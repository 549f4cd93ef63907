package exceptions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
	"holdfast/engine"
)

func code(err error) string {
	var coded interface{ Code() string }
	if errors.As(err, &coded) {
		return coded.Code()
	}
	return ""
}

func cause(trace string) Exception {
	return Exception{Trace: trace, Class: Data, Code: "unmapped-sku", Key: "SKU-1", Flow: "F3",
		Connection: "shop", Detail: "nothing is mapped", LastAt: time.Now()}
}

func raise(t *testing.T, s records.Store, e Exception) {
	t.Helper()
	_, err := records.Retry(context.Background(), s, func(tx *records.Tx) error {
		return Raise(context.Background(), s, tx, e)
	})
	require.NoError(t, err)
}

func clearIt(t *testing.T, s records.Store, trace string) {
	t.Helper()
	_, err := records.Retry(context.Background(), s, func(tx *records.Tx) error {
		return Clear(context.Background(), s, tx, trace, time.Now())
	})
	require.NoError(t, err)
}

// inBubble runs a test on a store whose clock passes by itself.
func inBubble(t *testing.T, test func(t *testing.T, s *recordstest.Store)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, recordstest.New(recordstest.Options{})) })
}

func TestOneExceptionForOneCause(t *testing.T) {
	inBubble(t, func(t *testing.T, s *recordstest.Store) {
		d := NewDesk(s, nil, time.Now)
		first := time.Now()
		for i := range 30 {
			e := cause("mapping:shop:SKU-1")
			e.Detail = fmt.Sprint("order ", i)
			raise(t, s, e)
			time.Sleep(time.Second)
		}
		raise(t, s, cause("mapping:shop:SKU-2"))
		list, next, err := d.List(t.Context(), Filter{State: Open}, "", 10)
		require.NoError(t, err)
		require.Empty(t, next)
		require.Len(t, list, 2)
		e, err := d.Get(t.Context(), ID("mapping:shop:SKU-1"))
		require.NoError(t, err)
		require.Equal(t, 30, e.Tries, "those that were only counted too")
		require.True(t, first.Equal(e.FirstAt))
		require.Equal(t, "order 25", e.Detail, "the newest that was written")
		require.Equal(t, []string{ActResolve}, e.Actions)

		clearIt(t, s, e.Trace)
		clearIt(t, s, "never raised")
		e, err = d.Get(t.Context(), e.ID)
		require.NoError(t, err)
		require.Equal(t, Resolved, e.State)
		require.Equal(t, BySuccess, e.ClosedBy)
		raise(t, s, cause(e.Trace))
		e, err = d.Get(t.Context(), e.ID)
		require.NoError(t, err)
		require.Equal(t, Open, e.State)
		require.Equal(t, 1, e.Tries, "it begins anew")
		require.Empty(t, e.ClosedBy)

		clearIt(t, s, e.Trace)
		time.Sleep(Retention + time.Second)
		list, _, err = d.List(t.Context(), Filter{}, "", 10)
		require.NoError(t, err)
		require.Len(t, list, 1, "what is closed leaves the lists")
		_, err = d.Get(t.Context(), e.ID)
		require.NoError(t, err, "and is found by its id")
	})
}

// TestAStormOfOneCauseDoesNotConflict: transactions that read before any of them was written all
// succeed, once the exception is open.
func TestAStormOfOneCauseDoesNotConflict(t *testing.T) {
	inBubble(t, func(t *testing.T, s *recordstest.Store) {
		raise(t, s, cause("x"))
		txs := make([]records.Tx, 100)
		for i := range txs {
			require.NoError(t, Raise(t.Context(), s, &txs[i], cause("x")))
			require.NoError(t, Raise(t.Context(), s, &txs[i], cause("x")), "twice in one Tx is once")
		}
		for i := range txs {
			o, err := s.Submit(t.Context(), &txs[i])
			require.NoError(t, err)
			require.False(t, o.Conflict)
		}
		e, err := NewDesk(s, nil, time.Now).Get(t.Context(), ID("x"))
		require.NoError(t, err)
		require.Equal(t, 101, e.Tries)

		var late records.Tx
		require.NoError(t, Raise(t.Context(), s, &late, cause("x")))
		clearIt(t, s, "x")
		o, err := s.Submit(t.Context(), &late)
		require.NoError(t, err)
		require.True(t, o.Conflict, "what was closed in between must be opened again, not counted")
	})
}

func TestWhatIsTooLargeIsCut(t *testing.T) {
	inBubble(t, func(t *testing.T, s *recordstest.Store) {
		e := cause("x")
		e.Detail = strings.Repeat("é", MaxDetail)
		e.Payload = json.RawMessage(`"` + strings.Repeat("x", MaxPayload) + `"`)
		raise(t, s, e)
		e, err := NewDesk(s, nil, time.Now).Get(t.Context(), ID("x"))
		require.NoError(t, err)
		require.LessOrEqual(t, len(e.Detail), MaxDetail)
		require.NotContains(t, e.Detail, "\uFFFD")
		require.JSONEq(t, fmt.Sprintf(`{"too_large_bytes":%d}`, MaxPayload+2), string(e.Payload))
		e = cause("y")
		e.Payload = json.RawMessage("not \xff JSON")
		raise(t, s, e)
	})
}

// fakeTasks remembers what is asked of it.
type fakeTasks struct{ asked []string }

func (f *fakeTasks) Retry(_ context.Context, _ *records.Tx, id string, payload json.RawMessage) error {
	f.asked = append(f.asked, "retry "+id+" "+string(payload))
	return nil
}

func (f *fakeTasks) Abandon(_ context.Context, _ *records.Tx, id, why string) error {
	f.asked = append(f.asked, "abandon "+id+" "+why)
	return nil
}

func TestTheDesk(t *testing.T) {
	inBubble(t, func(t *testing.T, s *recordstest.Store) {
		tasks := &fakeTasks{}
		d := NewDesk(s, tasks, time.Now)
		e := cause("task:a")
		e.Task = "a"
		raise(t, s, e)
		raise(t, s, cause("no task"))
		do := func(a Act) (Exception, records.Outcome, error) { return d.Do(t.Context(), a) }

		_, _, err := do(Act{ID: "exc-none", Do: ActResolve})
		require.Equal(t, "unknown-exception", code(err))
		_, _, err = do(Act{ID: ID("no task"), Do: ActRetry})
		require.Equal(t, "wrong-state", code(err))

		key := engine.KeyOf("test", "1")
		got, o, err := do(Act{ID: ID("task:a"), Do: ActRetry, Payload: []byte(`{"v":2}`), Key: key})
		require.NoError(t, err)
		require.Equal(t, Retrying, got.State)
		require.JSONEq(t, `{"v":2}`, string(got.Payload))
		again, same, err := do(Act{ID: ID("task:a"), Do: ActRetry, Payload: []byte(`{"v":2}`), Key: key})
		require.NoError(t, err)
		require.True(t, same.Replayed)
		require.Equal(t, o.Index, same.Index)
		require.Equal(t, got.ID, again.ID)
		require.Equal(t, []string{`retry a {"v":2}`}, tasks.asked)

		got, _, err = do(Act{ID: ID("task:a"), Do: ActResolve, By: "ann", Note: "by hand"})
		require.NoError(t, err)
		require.Equal(t, []any{Resolved, "ann", "by hand"}, []any{got.State, got.ClosedBy, got.Note})
		require.Equal(t, "abandon a resolved by ann", tasks.asked[1])
		_, _, err = do(Act{ID: ID("task:a"), Do: ActResolve})
		require.Equal(t, "wrong-state", code(err))
	})
}

func TestFiltersAndBulk(t *testing.T) {
	inBubble(t, func(t *testing.T, s *recordstest.Store) {
		d := NewDesk(s, &fakeTasks{}, time.Now)
		for i := range 2500 {
			e := cause(fmt.Sprint("c", i))
			if i%2 == 0 {
				e.Class, e.Code, e.Connection, e.Flow, e.Key = Stock, "short", "other", "F1", "k"
			}
			raise(t, s, e)
		}
		for _, f := range []Filter{{Class: Stock}, {Code: "short"}, {Connection: "other"}, {Flow: "F1"},
			{Key: "k"}, {State: Open, Class: Stock, Code: "short"}} {
			n, after := 0, ""
			for {
				list, next, err := d.List(t.Context(), f, after, 100)
				require.NoError(t, err)
				n += len(list)
				if after = next; next == "" {
					break
				}
			}
			require.Equal(t, 1250, n, "%+v", f)
		}
		n := 0
		count := func(_ string, _ Exception, err error) {
			require.NoError(t, err)
			n++
		}
		act := Act{Do: ActResolve, By: "ann"}
		more, err := d.Bulk(t.Context(), act, Selection{Filter: Filter{State: Open, Class: Stock}}, count)
		require.NoError(t, err)
		require.True(t, more)
		require.Equal(t, MaxBulk, n)
		more, err = d.Bulk(t.Context(), act, Selection{Filter: Filter{State: Open, Class: Stock}}, count)
		require.NoError(t, err)
		require.False(t, more)
		require.Equal(t, 1250, n)
		list, _, err := d.List(t.Context(), Filter{State: Open, Class: Stock}, "", 1)
		require.NoError(t, err)
		require.Empty(t, list)
	})
}
