package raftstore

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// recordBody is the body of a record; without a value it is that of one that was dropped.
func recordBody(key, value string) engine.Body {
	return engine.Body{Table: engine.BodyOfRecord, Key: engine.RecordKey(7, key), Value: []byte(value)}
}

func recordRow(key string) []byte { return rowKey(engine.BodyOfRecord, engine.RecordKey(7, key)) }

// listBodies lists page by page.
func listBodies(t *testing.T, b Bodies, prefix, after string, version uint64, limit int) string {
	t.Helper()
	var all []string
	from := recordRow(after)
	for range 1000 {
		rows, next, err := b.List(recordRow(prefix), from, version, limit)
		require.NoError(t, err)
		require.LessOrEqual(t, len(rows), limit)
		for _, r := range rows {
			require.Greater(t, string(r.Key), string(from), "keys ascend")
			all, from = append(all, fmt.Sprintf("%s@%d=%s", r.Key[2:], r.Version, r.Value)), r.Key
		}
		if next == nil {
			return strings.Join(all, " ")
		}
		require.GreaterOrEqual(t, string(next), string(from))
		from = next
	}
	t.Fatal("the list does not end")
	return ""
}

// conformRecordBodies is what Bodies promise about reading by key.
func conformRecordBodies(each func(string, func(*testing.T, *bodiesUnderTest))) {
	each("the newest body up to a version", func(t *testing.T, b *bodiesUnderTest) {
		b.Put(5, []engine.Body{recordBody("k", "five"), recordBody("kk", "other")})
		b.Put(8, []engine.Body{recordBody("k", "eight")})
		b.Put(9, []engine.Body{recordBody("k", "")})
		b.Put(12, []engine.Body{recordBody("k", "twelve")})
		for _, through := range []uint64{0, 6, 8, 9, 12} { // in memory, and more and more on the disk
			require.NoError(t, b.Flush(through, 0))
			for version, want := range map[uint64]string{4: "", 5: "5 five", 7: "5 five", 8: "8 eight",
				9: "", 11: "", 12: "12 twelve", 99: "12 twelve"} {
				value, at, err := b.Newest(recordRow("k"), version)
				if want == "" {
					require.ErrorIs(t, err, ErrNoBody, "at %d, flushed to %d", version, through)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, want, fmt.Sprint(at, " ", string(value)), "at %d", version)
			}
			_, _, err := b.Newest(recordRow("kkk"), 99)
			require.ErrorIs(t, err, ErrNoBody)
		}
	})
	each("a list in the order of keys", func(t *testing.T, b *bodiesUnderTest) {
		b.Put(1, []engine.Body{aBody(1, "not a record"), recordBody("a", "a1"), recordBody("b", "b1"),
			recordBody("c", "c1"), recordBody("ca", "ca1"), recordBody("d", "d1")})
		b.Put(2, []engine.Body{recordBody("b", ""), recordBody("ca", "ca2"), recordBody("cb", "cb2")})
		b.Put(3, []engine.Body{recordBody("a", "a3"), recordBody("b", "b3"), recordBody("ca", "")})
		b.Put(4, []engine.Body{recordBody("e", "later"), recordBody("cb", "later")})
		for _, through := range []uint64{0, 1, 2, 3, 4} {
			require.NoError(t, b.Flush(through, 0))
			for limit := 1; limit < 8; limit++ {
				assert.Equal(t, "a@3=a3 b@3=b3 c@1=c1 cb@2=cb2 d@1=d1",
					listBodies(t, b, "", "", 3, limit), "flushed to %d, %d at a time", through, limit)
				assert.Equal(t, "a@1=a1 c@1=c1 ca@2=ca2 cb@2=cb2 d@1=d1",
					listBodies(t, b, "", "", 2, limit))
				assert.Equal(t, "c@1=c1 cb@2=cb2", listBodies(t, b, "c", "", 3, limit))
				assert.Equal(t, "cb@4=later", listBodies(t, b, "c", "ca", 4, limit))
				assert.Empty(t, listBodies(t, b, "c", "d", 4, limit))
				assert.Empty(t, listBodies(t, b, "", "", 0, limit))
			}
		}
	})
	each("much that was written over or dropped", func(t *testing.T, b *bodiesUnderTest) {
		version := uint64(0)
		for range 3 {
			for range 10 {
				version++
				var list []engine.Body
				for k := range 700 {
					list = append(list, recordBody(fmt.Sprintf("k%03d", k), fmt.Sprint(version)))
				}
				b.Put(version, list)
			}
			version++
			var gone []engine.Body
			for k := range 699 {
				gone = append(gone, recordBody(fmt.Sprintf("k%03d", k), ""))
			}
			b.Put(version, gone)
			assert.Equal(t, fmt.Sprintf("k699@%d=%d", version-1, version-1),
				listBodies(t, b, "", "", version, 5))
			require.NoError(t, b.Flush(version-5, 0))
		}
	})
	each("much that was dropped elsewhere goes too", func(t *testing.T, b *bodiesUnderTest) {
		var list []engine.Body
		var rows []BodyRow
		for k := range 3500 {
			key := fmt.Sprintf("k%04d", k)
			list = append(list, recordBody(key, "old"))
			if k%3 == 0 {
				rows = append(rows, BodyRow{Key: recordRow(key), Version: 40, Value: []byte("new")})
			}
		}
		b.Put(3, list)
		require.NoError(t, b.Flush(3, 0))
		b.Expect(50)
		after := []byte(nil)
		for at := 0; at < len(rows); at += 500 {
			piece := rows[at:min(at+500, len(rows))]
			require.NoError(t, b.Fill(after, piece, at+500 >= len(rows)))
			after = piece[len(piece)-1].Key
		}
		got := listBodies(t, b, "", "", 50, 700)
		assert.Equal(t, len(rows), strings.Count(got, "@40=new"))
		assert.Zero(t, strings.Count(got, "old"))
	})
	each("what was dropped elsewhere goes with what comes", func(t *testing.T, b *bodiesUnderTest) {
		b.Put(3, []engine.Body{aBody(3, "stays"), recordBody("a", "dropped at 20"),
			recordBody("b", "old"), recordBody("c", "stays"), recordBody("d", "dropped at 30")})
		require.NoError(t, b.Flush(3, 0))
		b.Expect(50)
		b.Put(51, []engine.Body{recordBody("a", "again")})
		require.NoError(t, b.Flush(51, 0))
		first := []BodyRow{{Key: recordRow("b"), Version: 40, Value: []byte("new")}}
		require.NoError(t, b.Fill(nil, first, false))
		assert.Equal(t, "b@40=new c@3=stays d@3=dropped at 30", listBodies(t, b, "", "", 50, 9))
		rest := []BodyRow{{Key: recordRow("c"), Version: 3, Value: []byte("stays")}}
		require.NoError(t, b.Fill(recordRow("b"), rest, true))
		assert.Equal(t, "b@40=new c@3=stays", listBodies(t, b, "", "", 50, 9))
		assert.Equal(t, "a@51=again b@40=new c@3=stays", listBodies(t, b, "", "", 51, 9))
		requireBody(t, b, 3, 3, "stays")
		b.Bodies = b.reopen()
		assert.Equal(t, "b@40=new c@3=stays", listBodies(t, b, "", "", 50, 9))
	})
}
