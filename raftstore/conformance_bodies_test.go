package raftstore

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// bodiesUnderTest is a Bodies with what a restart of it finds.
type bodiesUnderTest struct {
	Bodies
	reopen func() Bodies
}

func TestBodies(t *testing.T) {
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		conformBodies(t, func(*testing.T) *bodiesUnderTest {
			m := NewMemBodies()
			return &bodiesUnderTest{m, func() Bodies { m = m.Reopen(); return m }}
		})
	})
	t.Run("badger", func(t *testing.T) {
		t.Parallel()
		conformBodies(t, func(t *testing.T) *bodiesUnderTest {
			dir := t.TempDir()
			open := func() *BodyStore {
				s, err := OpenBodies(BodyConfig{Dir: dir})
				require.NoError(t, err)
				t.Cleanup(func() { assert.NoError(t, s.Close()) })
				return s
			}
			s := open()
			return &bodiesUnderTest{s, func() Bodies {
				require.NoError(t, s.Close())
				s = open()
				return s
			}}
		})
	})
}

func aKey(n int) []byte { return []byte(fmt.Sprintf("key-%04d", n)) }

func aRow(n int) []byte { return rowKey(engine.BodyOfReservation, aKey(n)) }

func aBody(n int, value string) engine.Body {
	return engine.Body{Table: engine.BodyOfReservation, Key: aKey(n), Value: []byte(value)}
}

func requireBody(t *testing.T, b Bodies, n int, version uint64, want string) {
	t.Helper()
	got, err := b.Get(aRow(n), version)
	if want == "" {
		require.ErrorIs(t, err, ErrNoBody, "%d at %d", n, version)
		return
	}
	require.NoError(t, err, "%d at %d", n, version)
	require.Equal(t, want, string(got))
}

func scanBodies(t *testing.T, b Bodies, after []byte, version uint64, most int) (rows []string) {
	t.Helper()
	require.NoError(t, b.Scan(after, version, func(r BodyRow) bool {
		rows = append(rows, fmt.Sprintf("%s@%d=%s", r.Key[1:], r.Version, r.Value))
		return len(rows) < most
	}))
	return rows
}

// conformBodies is the contract of Bodies.
func conformBodies(t *testing.T, open func(*testing.T) *bodiesUnderTest) {
	each := func(name string, body func(t *testing.T, b *bodiesUnderTest)) {
		t.Run(name, func(t *testing.T) { body(t, open(t)) })
	}
	each("a body is read at just its version", func(t *testing.T, b *bodiesUnderTest) {
		b.Put(5, []engine.Body{aBody(1, "five"), aBody(2, "two")})
		b.Put(9, []engine.Body{aBody(1, "nine")})
		for range 2 {
			requireBody(t, b, 1, 5, "five")
			requireBody(t, b, 1, 9, "nine")
			requireBody(t, b, 1, 7, "")
			requireBody(t, b, 1, 4, "")
			requireBody(t, b, 3, 9, "")
			require.NoError(t, b.Flush(9, 0))
		}
	})
	each("only what was flushed outlives a restart", func(t *testing.T, b *bodiesUnderTest) {
		b.Put(5, []engine.Body{aBody(1, "five")})
		b.Put(9, []engine.Body{aBody(1, "nine")})
		assert.Positive(t, b.State().DirtyBytes)
		require.NoError(t, b.Flush(8, 0))
		assert.EqualValues(t, 8, b.State().Through)
		b.Bodies = b.reopen()
		assert.Equal(t, BodyState{Through: 8}, b.State())
		requireBody(t, b, 1, 5, "five")
		requireBody(t, b, 1, 9, "")
		b.Put(5, []engine.Body{aBody(1, "five")}) // replay
		assert.Zero(t, b.State().DirtyBytes, "it is durable already")
		b.Put(9, []engine.Body{aBody(1, "nine")})
		require.NoError(t, b.Flush(9, 0))
		assert.Zero(t, b.State().DirtyBytes)
		requireBody(t, b, 1, 9, "nine")
	})
	each("what is forgotten is gone", func(t *testing.T, b *bodiesUnderTest) {
		b.Put(5, []engine.Body{aBody(1, "five")})
		require.NoError(t, b.Flush(5, 0))
		b.Put(7, []engine.Body{{Table: engine.BodyOfReservation, Key: aKey(1)}})
		for range 2 {
			requireBody(t, b, 1, 7, "")
			requireBody(t, b, 1, 5, "five")
			require.NoError(t, b.Flush(7, 0))
		}
		assert.Empty(t, scanBodies(t, b, nil, 7, 9))
		assert.Len(t, scanBodies(t, b, nil, 6, 9), 1)
	})
	each("what a state from the floor on names stays", func(t *testing.T, b *bodiesUnderTest) {
		for v := uint64(1); v <= 9; v++ {
			b.Put(v, []engine.Body{aBody(1, fmt.Sprint(v))})
			require.NoError(t, b.Flush(v, v/2))
		}
		requireBody(t, b, 1, 9, "9")
		requireBody(t, b, 1, 4, "4")
		requireBody(t, b, 1, 5, "5")
	})
	each("a scan goes on behind a key", func(t *testing.T, b *bodiesUnderTest) {
		for i := range 10 {
			b.Put(uint64(10+i), []engine.Body{aBody(i, fmt.Sprint("v", i)), aBody(0, "again")})
		}
		require.NoError(t, b.Flush(15, 0))
		assert.Equal(t, []string{"key-0000@12=again", "key-0001@11=v1", "key-0002@12=v2"},
			scanBodies(t, b, nil, 12, 9))
		assert.Equal(t, []string{"key-0003@13=v3", "key-0004@14=v4"}, scanBodies(t, b, aRow(2), 15, 2))
	})
	each("what is missing comes from elsewhere", func(t *testing.T, b *bodiesUnderTest) {
		b.Put(3, []engine.Body{aBody(3, "three")})
		require.NoError(t, b.Flush(3, 0))
		b.Put(4, []engine.Body{aBody(4, "dropped")})
		b.Expect(50)
		assert.Equal(t, BodyState{Through: 3, Missing: 50}, b.State())
		b.Put(51, []engine.Body{aBody(51, "new")})
		require.NoError(t, b.Flush(51, 0))
		assert.EqualValues(t, 3, b.State().Through, "a restart must know that some are missing")
		requireBody(t, b, 51, 51, "new")
		require.NoError(t, b.Fill(nil, []BodyRow{{Key: aRow(40), Version: 40, Value: []byte("forty")}}, false))
		assert.EqualValues(t, 50, b.State().Missing)
		require.NoError(t, b.Fill(nil, nil, true))
		assert.Equal(t, BodyState{Through: 50}, b.State())
		requireBody(t, b, 40, 40, "forty")
		require.NoError(t, b.Flush(51, 0))
		b.Bodies = b.reopen()
		assert.Equal(t, BodyState{Through: 51}, b.State())
		requireBody(t, b, 51, 51, "new")
		b.Expect(50)
		assert.Zero(t, b.State().Missing)
	})
	conformRecordBodies(each)
	each("many and large bodies", func(t *testing.T, b *bodiesUnderTest) {
		large := strings.Repeat("x", 900<<10)
		for v := uint64(1); v <= 4; v++ {
			list := []engine.Body{aBody(1, large)}
			for i := range 3000 {
				list = append(list, aBody(100+i, fmt.Sprint(v, strings.Repeat("y", 100))))
			}
			b.Put(v, list)
		}
		require.NoError(t, b.Flush(4, 0))
		b.Bodies = b.reopen()
		requireBody(t, b, 1, 3, large)
		requireBody(t, b, 3099, 2, "2"+strings.Repeat("y", 100))
	})
	each("after the end nothing is written", func(t *testing.T, b *bodiesUnderTest) {
		require.NoError(t, b.Close())
		assert.Error(t, b.Flush(1, 0))
		assert.Error(t, b.Fill(nil, nil, true))
		require.NoError(t, b.Close())
	})
}

// TestBodiesSurviveAnyEndOfAFlush copies the folder at every step of a flush, as a process that dies there
// would leave it. What the ledger of the last marker names is there; the rest comes again by replay.
func TestBodiesSurviveAnyEndOfAFlush(t *testing.T) {
	t.Parallel()
	dir, copies := t.TempDir(), map[string]string{}
	s, err := OpenBodies(BodyConfig{Dir: dir})
	require.NoError(t, err)
	defer s.Close()
	put := func(b Bodies, from, to uint64) {
		for v := from; v <= to; v++ {
			b.Put(v, []engine.Body{aBody(1, fmt.Sprint("one of ", v)), aBody(int(v), strings.Repeat("z", 400<<10))})
		}
	}
	put(s, 1, 3)
	require.NoError(t, s.Flush(3, 0))
	s.cfg.step = func(name string) error {
		at := t.TempDir()
		require.NoError(t, os.CopyFS(at, os.DirFS(dir)))
		copies[fmt.Sprint(len(copies), " ", name)] = at
		return nil
	}
	put(s, 4, 9)
	require.NoError(t, s.Flush(9, 2))
	s.cfg.step = nil
	require.GreaterOrEqual(t, len(copies), 6, "%v", copies)
	for name, at := range copies {
		again, err := OpenBodies(BodyConfig{Dir: at})
		require.NoError(t, err, name)
		through := again.State().Through
		assert.Contains(t, []uint64{3, 9}, through, name)
		for v := uint64(2); v <= through; v++ {
			requireBody(t, again, 1, v, fmt.Sprint("one of ", v))
		}
		put(again, 3, 10) // replay, and further
		for range 2 {
			for v := uint64(2); v <= 10; v++ {
				requireBody(t, again, 1, v, fmt.Sprint("one of ", v))
			}
			require.NoError(t, again.Flush(10, 2), name)
		}
		assert.EqualValues(t, 10, again.State().Through, name)
		require.NoError(t, again.Close())
	}
}

// TestBodiesSurviveAPowerCut tears pages out of what Badger's log got since the last marker, which is all
// that was not synced: whatever of it reached the disk, what the marker says is there, and replay makes
// the rest again.
func TestBodiesSurviveAPowerCut(t *testing.T) {
	t.Parallel()
	t.Run("small values, in the log of the tables", func(t *testing.T) {
		t.Parallel()
		tearBodies(t, "*.mem", func(v int) (bodies []engine.Body) {
			for i := range 150 {
				bodies = append(bodies, aBody(v*1000+i, strings.Repeat("z", bodyValueBytes-50)))
			}
			return bodies
		}, func(v int) []byte { return aRow(v*1000 + 149) })
	})
	t.Run("large values, in their own", func(t *testing.T) {
		t.Parallel()
		tearBodies(t, "*.vlog", func(v int) []engine.Body {
			return []engine.Body{aBody(v, strings.Repeat("z", 30<<10))}
		}, aRow)
	})
}

// tearBodies is TestBodiesSurviveAPowerCut for one of Badger's logs, with what each entry makes beside a small
// body, and the last key of it.
func tearBodies(t *testing.T, log string, bodies func(int) []engine.Body, last func(int) []byte) {
	dir, torn := t.TempDir(), t.TempDir()
	s, err := OpenBodies(BodyConfig{Dir: dir})
	require.NoError(t, err)
	defer s.Close()
	put := func(b Bodies, from, to uint64) {
		for v := from; v <= to; v++ {
			b.Put(v, append(bodies(int(v)), aBody(1, fmt.Sprint("one of ", v))))
		}
	}
	logs := func(dir string) []string {
		names, err := filepath.Glob(filepath.Join(dir, log))
		require.NoError(t, err)
		require.Len(t, names, 1)
		return names
	}
	used := func() int {
		content, err := os.ReadFile(logs(dir)[0])
		require.NoError(t, err)
		return len(bytes.TrimRight(content, "\x00"))
	}
	put(s, 1, 3)
	require.NoError(t, s.Flush(3, 0))
	synced, end := used(), 0
	s.cfg.step = func(name string) error {
		if name == "sync bodies" && end == 0 {
			end = used()
			require.NoError(t, os.CopyFS(torn, os.DirFS(dir)))
		}
		return nil
	}
	put(s, 4, 40)
	require.NoError(t, s.Flush(40, 2))
	s.cfg.step = nil
	whole, err := os.ReadFile(logs(torn)[0])
	require.NoError(t, err)
	const page = 4 << 10
	require.Greater(t, end, synced+20*page)
	for at := synced/page*page + page; at < end-20*page; at += (end - synced) / 12 / page * page {
		cut := bytes.Clone(whole)
		clear(cut[at:min(at+page, len(cut))])
		require.NoError(t, os.WriteFile(logs(torn)[0], cut, 0o600))
		dir := t.TempDir()
		require.NoError(t, os.CopyFS(dir, os.DirFS(torn)))
		again, err := OpenBodies(BodyConfig{Dir: dir})
		require.NoError(t, err, "torn at %d", at)
		require.EqualValues(t, 3, again.State().Through, "torn at %d", at)
		lost := 0
		for v := uint64(4); v <= 40; v++ { // in whatever order they were written
			if _, err := again.Get(last(int(v)), v); err != nil {
				require.ErrorIs(t, err, ErrNoBody)
				lost++
			}
		}
		require.Positive(t, lost, "nothing was torn at %d", at)
		for v := uint64(2); v <= 3; v++ {
			requireBody(t, again, 1, v, fmt.Sprint("one of ", v))
		}
		put(again, 3, 41)
		require.NoError(t, again.Flush(41, 2))
		require.NoError(t, again.Close())
		again, err = OpenBodies(BodyConfig{Dir: dir})
		require.NoError(t, err)
		require.EqualValues(t, 41, again.State().Through)
		for v := uint64(2); v <= 41; v++ {
			requireBody(t, again, 1, v, fmt.Sprint("one of ", v))
		}
		require.NoError(t, again.Close())
	}
}

func TestBodiesAreNotWrittenToAFullDisk(t *testing.T) {
	t.Parallel()
	left := int64(spareBytes - 1)
	s, err := OpenBodies(BodyConfig{Dir: t.TempDir(),
		free: func(string) (int64, error) { return left, nil }})
	require.NoError(t, err)
	defer s.Close()
	s.Put(1, []engine.Body{aBody(1, "one")})
	require.ErrorIs(t, s.Flush(1, 0), ErrDiskFull)
	assert.Zero(t, s.State().Through)
	requireBody(t, s, 1, 1, "one")
	left = spareBytes
	require.NoError(t, s.Flush(1, 0))
	requireBody(t, s, 1, 1, "one")
}

func TestABodyThatWasChangedIsNotRead(t *testing.T) {
	t.Parallel()
	sealed := sealBody(aRow(1), 7, []byte("value"))
	got, err := openBody(aRow(1), 7, sealed)
	require.NoError(t, err)
	assert.Equal(t, "value", string(got))
	for i := range sealed {
		sealed[i] ^= 4
		_, err := openBody(aRow(1), 7, sealed)
		assert.Error(t, err)
		sealed[i] ^= 4
	}
	_, err = openBody(aRow(2), 7, sealed)
	assert.Error(t, err, "under another key")
	_, err = openBody(aRow(1), 8, sealed)
	assert.Error(t, err, "of another version")
}

// TestBodiesOfANodeThatStartsOnAFullDisk: Badger waits until there is room, and knows then what it has.
func TestBodiesOfANodeThatStartsOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	left := int64(spareBytes)
	open := func() *BodyStore {
		s, err := OpenBodies(BodyConfig{Dir: dir, free: func(string) (int64, error) { return left, nil }})
		require.NoError(t, err)
		return s
	}
	s := open()
	s.Put(5, []engine.Body{aBody(1, "five")})
	require.NoError(t, s.Flush(5, 0))
	require.NoError(t, s.Close())
	left--
	s = open()
	s.Expect(5)
	s.Put(6, []engine.Body{aBody(1, "six")})
	requireBody(t, s, 1, 6, "six")
	_, err := s.Get(aRow(1), 5)
	require.ErrorIs(t, err, ErrDiskFull)
	require.ErrorIs(t, s.Flush(6, 0), ErrDiskFull)
	left++
	require.ErrorIs(t, s.Flush(6, 0), ErrDiskFull, "and what merging its tables may take")
	tables, err := tableBytes(dir)
	require.NoError(t, err)
	require.Positive(t, tables)
	left += tables
	requireBody(t, s, 1, 5, "five")
	assert.Zero(t, s.State().Missing, "nothing was lost")
	require.NoError(t, s.Flush(6, 0))
	assert.EqualValues(t, 6, s.State().Through)
	require.NoError(t, s.Close())
}
