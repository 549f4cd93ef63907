package engine_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// TestMemoryOfRecords holds what is kept of a record to its figure, and shows that the memory of those
// that were purged is used again.
func TestMemoryOfRecords(t *testing.T) {
	if testing.Short() || underRace {
		t.Skip("measures the heap")
	}
	const n = 200_000
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for _, c := range []struct {
		name    string
		expires int64
		most    float64
	}{{"that never expire", 0, 60}, {"that expire", 5000, 130}} {
		s := newLeaving(t)
		fill := func() {
			for at := 0; at < n; at += 1000 {
				e := entry{now: 1000}
				for i := at; i < at+1000; i++ {
					e.ops = append(e.ops, keyedOp{command: &engine.Put{Table: 1, Body: []byte("x"),
						Key: fmt.Sprintf("shopify:main/orders/%016d", i), Expires: c.expires}})
				}
				s.apply(e)
				s.kept = bodies{}
			}
		}
		base := heap()
		fill()
		per := float64(heap()-base) / n
		t.Logf("%.1f bytes for each record of those %s", per, c.name)
		assert.Less(t, per, c.most)
		if c.expires == 0 {
			continue
		}
		for s.l.Counts().Records > 0 {
			s.apply(entry{now: 5000, ops: []keyedOp{{command: &engine.Purge{Count: engine.MaxPurge}}}})
			s.kept = bodies{}
		}
		require.Empty(t, s.l.Check())
		fill()
		assert.Less(t, float64(heap()-base)/n, 1.2*per, "what was purged gave its room back")
		runtime.KeepAlive(s)
	}
}

// TestPutAllocatesNothing: the state machine pauses for nobody's garbage.
func TestPutAllocatesNothing(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates")
	}
	l := engine.New(engine.Options{})
	var b engine.EntryBuilder
	body := make([]byte, 2048)
	group := &engine.Group{Atomic: true}
	for i := range 5 {
		group.Ops = append(group.Ops, &engine.Put{Table: uint8(i + 1), Key: "key", Body: body,
			Expires: int64(1000 * (i % 2)), Archive: i > 2})
	}
	b.Add(engine.Op{Command: group})
	b.Add(engine.Op{Command: &engine.Put{Table: 9, Key: "alone", Body: body}})
	b.Add(engine.Op{Command: &engine.Drop{Table: 8, Key: "gone"}})
	b.Add(engine.Op{Command: &engine.Expect{Table: 9, Key: "alone", If: engine.IfPresent}})
	e, err := engine.OpenEntry(b.Seal(1000, 1000))
	require.NoError(t, err)
	var out engine.Output
	index := uint64(0)
	got := testing.AllocsPerRun(1000, func() {
		index++
		l.Apply(index, e, &out)
	})
	assert.Zero(t, got)
	assert.Len(t, out.Bodies, 7)
}

// TestPurgeIsBounded: one Purge does as much as it says, in the order in which records expire, whatever
// happened to the ledger before.
func TestPurgeIsBounded(t *testing.T) {
	t.Parallel()
	s, other := newLeaving(t), newLeaving(t)
	put := func(s *leaving, i int) {
		s.apply(entry{now: 1, ops: []keyedOp{{command: &engine.Put{Table: uint8(1 + i%3),
			Key: fmt.Sprint(i), Expires: int64(10 + i%7)}}}})
	}
	for i := range 500 {
		put(s, i)
		put(other, 499-i)
	}
	for left := 500; left > 0; left -= 100 {
		next, ok := s.l.NextPurge()
		require.True(t, ok)
		got, _ := other.l.NextPurge()
		require.Equal(t, next, got)
		var gone []string
		for _, s := range []*leaving{s, other} {
			s.apply(entry{now: 100, ops: []keyedOp{{command: &engine.Purge{Count: 100}}}})
			require.Len(t, s.out.Bodies, 100)
			text := ""
			for _, b := range s.out.Bodies {
				require.Empty(t, b.Value)
				text += string(b.Key) + " "
			}
			gone = append(gone, text)
			require.EqualValues(t, left-100, s.l.Counts().Records)
			require.Empty(t, s.l.Check())
		}
		require.Equal(t, gone[0], gone[1])
	}
	_, ok := s.l.NextPurge()
	assert.False(t, ok)
}

// TestWhatMakesBodies is what admission goes by.
func TestWhatMakesBodies(t *testing.T) {
	t.Parallel()
	put, tick := &engine.Put{Table: 1, Key: "k"}, &engine.Tick{}
	assert.True(t, engine.MakesBody(put))
	assert.True(t, engine.MakesBody(&engine.Drop{Table: 1, Key: "k"}))
	assert.True(t, engine.MakesBody(&engine.Purge{Count: 1}))
	assert.True(t, engine.MakesBody(&engine.Group{Ops: []engine.Command{&engine.Commit{ID: "r"}, put}}))
	assert.False(t, engine.MakesBody(&engine.Group{Ops: []engine.Command{&engine.Commit{ID: "r"},
		&engine.Expect{Table: 1, Key: "k"}}}))
	assert.False(t, engine.MakesBody(&engine.Expect{Table: 1, Key: "k"}))
	assert.False(t, engine.MakesBody(tick))
}

// TestBodyCheckKnowsRecords: what is kept of a record is held against what the ledger knows of it.
func TestBodyCheckKnowsRecords(t *testing.T) {
	t.Parallel()
	s := newLeaving(t)
	put := func(c *engine.Put) keptBody {
		s.apply(entry{now: 1, ops: []keyedOp{{command: c}}})
		return s.kept[bodyKey(engine.BodyOfRecord, engine.RecordKey(c.Table, c.Key))]
	}
	old := put(&engine.Put{Table: 1, Key: "k", State: 1, Body: []byte("old")})
	now := put(&engine.Put{Table: 1, Key: "k", State: 2, Body: []byte("new")})
	put(&engine.Put{Table: 1, Key: "other"})
	take := func(c *engine.BodyCheck, key string, value []byte, version uint64) (bool, error) {
		return c.Take(engine.Body{Table: engine.BodyOfRecord, Key: engine.RecordKey(1, key),
			Value: value}, version)
	}
	c := s.l.CheckBodies()
	assert.EqualValues(t, 2, c.Missing(3))
	named, err := take(c, "k", old.value, old.version)
	assert.False(t, named)
	require.NoError(t, err)
	named, err = take(c, "k", now.value, now.version)
	assert.True(t, named)
	require.NoError(t, err)
	assert.EqualValues(t, 1, c.Missing(3), "the other one")
	assert.Zero(t, c.Missing(2))
	_, err = take(c, "k", old.value, now.version)
	require.ErrorContains(t, err, "not what the ledger has")
	_, err = take(c, "k", now.value, now.version+1)
	require.Error(t, err, "too new")
	_, err = take(c, "k", nil, now.version)
	require.ErrorContains(t, err, "of no record")
	named, err = take(c, "stranger", now.value, 1)
	assert.False(t, named)
	require.NoError(t, err)
}

// TestWhatIsArchivedIsSaid: an entry names what leaves memory, unless it comes back in it.
func TestWhatIsArchivedIsSaid(t *testing.T) {
	t.Parallel()
	s := newLeaving(t)
	archive := func(key string) keyedOp {
		return keyedOp{command: &engine.Put{Table: 3, Key: key, Expires: 10, Archive: true}}
	}
	purge := keyedOp{command: &engine.Purge{Count: 10}}
	s.apply(entry{now: 1, ops: []keyedOp{archive("a"), archive("b")}})
	s.apply(entry{now: 20, ops: []keyedOp{purge, {command: &engine.Put{Table: 3, Key: "b"}}, archive("c"),
		purge}})
	var gone []string
	for _, b := range s.out.Archived {
		require.Equal(t, engine.BodyOfRecord, b.Table)
		gone = append(gone, string(b.Key[1:]))
	}
	assert.Equal(t, []string{"a", "c"}, gone)
	s.apply(entry{now: 30, ops: []keyedOp{purge}})
	assert.Empty(t, s.out.Archived)
}
