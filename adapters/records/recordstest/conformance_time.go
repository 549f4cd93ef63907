package recordstest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
)

// follow reads n changes, and what Next said of lost ones in front of them.
func follow(t *testing.T, w records.Watch, n int) (all []records.Change, lost bool) {
	t.Helper()
	ctx := deadline(t)
	for len(all) < n {
		changes, some, err := w.Next(ctx)
		require.NoError(t, err, "after %d changes", len(all))
		all, lost = append(all, changes...), lost || some
	}
	return all, lost
}

func testWatch(t *testing.T, s records.Store) {
	put(t, s, rec("before", "x"))
	w := s.Watch(records.Cursors, records.Tallies)
	defer w.Close()
	_, lost, err := w.Next(deadline(t))
	require.NoError(t, err)
	require.True(t, lost, "the first Next says at once that all must be read")

	var tx records.Tx
	tx.Put(rec("a", "1"))
	tx.Put(rec("b", "2"))
	tx.Put(records.Record{Table: records.Rules, Key: "not watched"})
	tx.Add("t", 4)
	first := accepted(t, s, &tx).Index
	second := put(t, s, rec("a", "3"))
	tx = records.Tx{}
	tx.Drop(records.Cursors, "b", 0)
	third := accepted(t, s, &tx).Index

	all, lost := follow(t, w, 5)
	require.False(t, lost)
	var text []string
	for _, c := range all {
		text = append(text, fmt.Sprint(c.Table, " ", c.Key, " ", string(c.Body), " ", c.Value, " ",
			c.Version, " ", c.Gone))
	}
	require.Equal(t, []string{
		fmt.Sprint("cursors a 1 0 ", first, " false"),
		fmt.Sprint("cursors b 2 0 ", first, " false"),
		fmt.Sprint("tallies t  4 ", first, " false"),
		fmt.Sprint("cursors a 3 0 ", second, " false"),
		fmt.Sprint("cursors b  0 ", third, " true"),
	}, text)
}

func testWatchEnds(t *testing.T, s records.Store) {
	w := s.Watch(records.Cursors)
	defer w.Close()
	_, _, err := w.Next(deadline(t))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, _, err = w.Next(ctx)
	require.True(t, errors.Is(err, context.DeadlineExceeded), "%v", err)
}

func testExpire(t *testing.T, s records.Store) {
	w := s.Watch(records.Cursors)
	defer w.Close()
	_, _, err := w.Next(deadline(t))
	require.NoError(t, err)
	short, long := rec("short", "x"), rec("long", "x")
	again := rec("again", "x")
	short.Expires, again.Expires = time.Now().Add(time.Second), time.Now().Add(time.Second)
	long.Expires = time.Now().Add(time.Hour)
	put(t, s, short, long, again)
	require.Equal(t, "x", find(t, s, "short"))
	again.Expires = time.Time{}
	put(t, s, again)
	follow(t, w, 4)

	time.Sleep(1500 * time.Millisecond) // of the store's clock: nothing happens that could be waited on
	all := waitGone(t, s, w)
	require.Equal(t, "short", all[0].Key)
	require.True(t, all[0].Gone)
	require.Equal(t, "-", find(t, s, "short"))
	require.Equal(t, "x", find(t, s, "long"))
	require.Equal(t, "x", find(t, s, "again"), "the newest write says when")
	var tx records.Tx
	tx.Create(rec("short", "new"))
	accepted(t, s, &tx)
}

// waitGone writes beside, because an expiry may wait for the next entry, and returns the first change
// that is not such a write.
func waitGone(t *testing.T, s records.Store, w records.Watch) []records.Change {
	t.Helper()
	for range 100 {
		put(t, s, rec("beside", "x"))
		all, _ := follow(t, w, 1)
		for i, c := range all {
			if c.Key != "beside" {
				return all[i:]
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("nothing expired")
	return nil
}

func testArchive(t *testing.T, s records.Store) {
	w := s.Watch(records.Cursors)
	defer w.Close()
	_, _, err := w.Next(deadline(t))
	require.NoError(t, err)
	old := rec("old", "kept")
	old.Expires, old.Archived, old.State = time.Now().Add(time.Second), true, 5
	put(t, s, old)
	r, ok, err := s.Get(t.Context(), records.Cursors, "old")
	require.NoError(t, err)
	require.True(t, ok)
	require.False(t, r.Archived, "not before it expires")
	follow(t, w, 1)

	time.Sleep(1500 * time.Millisecond)
	require.True(t, waitGone(t, s, w)[0].Gone)
	r, ok, err = s.Get(t.Context(), records.Cursors, "old")
	require.NoError(t, err)
	require.True(t, ok)
	require.True(t, r.Archived)
	require.Equal(t, "kept", string(r.Body))
	rows, _, err := s.List(t.Context(), records.Cursors, "old", "", 10)
	require.NoError(t, err)
	require.Empty(t, rows, "a list shows what is in memory")
	var tx records.Tx
	tx.Create(rec("old", "new"))
	accepted(t, s, &tx)
	require.Equal(t, "new", find(t, s, "old"))
}
