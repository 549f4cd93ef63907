package recordstest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// Clause is one thing that a store promises.
type Clause struct {
	Name string
	Test func(t *testing.T, s records.Store)
}

// RunConformance holds a store to the contract of package records, clause by clause. open makes an
// empty one for each clause, in whose ledger [Setting] was run, and which expires what is due by
// time.Now.
func RunConformance(t *testing.T, open func(t *testing.T) records.Store) {
	for _, c := range Clauses() {
		t.Run(c.Name, func(t *testing.T) { c.Test(t, open(t)) })
	}
}

// Clauses are the contract, for whoever wants each clause in a bubble of its own.
func Clauses() []Clause {
	return []Clause{
		{"WhatWasWrittenIsRead", testRead},
		{"ExpectationsHoldAll", testExpect},
		{"ARefusalHoldsAll", testRefusal},
		{"AConflictIsToldBeforeARefusal", testConflictFirst},
		{"OpsAndWritesShareOneIndex", testOneIndex},
		{"AKeyMakesItHappenOnce", testKey},
		{"AConflictIsNotKeptUnderTheKey", testKeyConflict},
		{"AKeyCanBeLookedUp", testKnown},
		{"TalliesAddUp", testTally},
		{"ListsAreInOrder", testList},
		{"MistakesAreErrors", testMistakes},
		{"AWatchTellsAllInOrder", testWatch},
		{"AWatchEndsWithItsContext", testWatchEnds},
		{"WhatExpiresIsGone", testExpire},
		{"WhatIsArchivedLeavesItsBody", testArchive},
		{"BodiesAreTheReaders", testCopies},
		{"RetryBeginsAgain", testRetry},
	}
}

// Setting is what the suite needs in the ledger: location "main", channel "shop", and SKU "A", of
// which there are none.
func Setting() []engine.Command {
	return []engine.Command{
		&engine.DefineLocation{Location: "main", Kind: engine.Merchant, Master: "holdfast",
			Shortfall: engine.ShortfallNone},
		&engine.DefineChannel{Channel: "shop", Kind: engine.ChannelAPI, Publish: engine.Pooled,
			Split: true, Locations: []engine.Name{"main"}},
		&engine.DefineSKU{SKU: "A"},
	}
}

func rec(key, body string) records.Record {
	return records.Record{Table: records.Cursors, Key: key, Body: []byte(body)}
}

// accepted submits a Tx that must take effect.
func accepted(t *testing.T, s records.Store, tx *records.Tx) records.Outcome {
	t.Helper()
	o, err := s.Submit(t.Context(), tx)
	require.NoError(t, err)
	require.False(t, o.Conflict, "conflict at write %d", o.At)
	require.Equal(t, engine.Accepted, o.Refusal, "at op %d", o.At)
	return o
}

func put(t *testing.T, s records.Store, rows ...records.Record) uint64 {
	t.Helper()
	var tx records.Tx
	for _, r := range rows {
		tx.Put(r)
	}
	return accepted(t, s, &tx).Index
}

// find returns the body of a record of Cursors, "-" when there is none.
func find(t *testing.T, s records.Store, key string) string {
	t.Helper()
	r, ok, err := s.Get(t.Context(), records.Cursors, key)
	require.NoError(t, err)
	if !ok {
		return "-"
	}
	return string(r.Body)
}

func onHand(t *testing.T, s records.Store) (n int64) {
	t.Helper()
	_, err := s.Ledger(t.Context(), func(l *engine.Ledger) bool {
		n = 0
		rows, _ := l.Stock("A")
		for _, r := range rows {
			n += r.OnHand
		}
		return false
	})
	require.NoError(t, err)
	return n
}

func adjust(by int64) engine.Command {
	return &engine.Adjust{SKU: "A", Location: "main", Delta: by, Source: "test"}
}

func testRead(t *testing.T, s records.Store) {
	r := rec("k/é", "one")
	r.State, r.Value = 3, -7
	first := put(t, s, r)
	got, ok, err := s.Get(t.Context(), r.Table, r.Key)
	require.NoError(t, err)
	require.True(t, ok)
	r.Version = first
	require.Equal(t, r, got)
	require.Positive(t, first)

	second := put(t, s, rec("k/é", "two"))
	require.Greater(t, second, first)
	require.Equal(t, "two", find(t, s, "k/é"))
	_, ok, err = s.Get(t.Context(), records.Rules, "k/é")
	require.NoError(t, err)
	require.False(t, ok, "tables are apart")

	var tx records.Tx
	tx.Drop(records.Cursors, "k/é", second)
	accepted(t, s, &tx)
	require.Equal(t, "-", find(t, s, "k/é"))
}

func testExpect(t *testing.T, s records.Store) {
	version := put(t, s, rec("there", "old"))
	for _, c := range []struct {
		name  string
		holds bool
		tx    func(tx *records.Tx)
	}{
		{"create what is there", false, func(tx *records.Tx) { tx.Create(rec("there", "x")) }},
		{"create what is not", true, func(tx *records.Tx) { tx.Create(rec("new", "x")) }},
		{"replace as read", true, func(tx *records.Tx) { tx.Replace(rec("there", "old"), version) }},
		{"replace another version", false, func(tx *records.Tx) {
			tx.Replace(rec("there", "x"), version-1)
		}},
		{"replace none", true, func(tx *records.Tx) { tx.Replace(rec("none", "x"), 0) }},
		{"replace what is gone", false, func(tx *records.Tx) { tx.Replace(rec("gone", "x"), version) }},
		{"drop another version", false, func(tx *records.Tx) {
			tx.Drop(records.Cursors, "there", 1<<40)
		}},
		{"drop what is not there", true, func(tx *records.Tx) {
			tx.Drop(records.Cursors, "gone", 0)
		}},
		{"look as read", true, func(tx *records.Tx) { tx.Look(records.Cursors, "there", version) }},
		{"look at none", true, func(tx *records.Tx) { tx.Look(records.Cursors, "gone", 0) }},
		{"look at another version", false, func(tx *records.Tx) {
			tx.Look(records.Cursors, "there", 1<<40)
		}},
		{"present", false, func(tx *records.Tx) {
			tx.Writes = append(tx.Writes, records.Write{Record: rec("gone", "x"), If: records.IfPresent})
		}},
	} {
		// The record is as the cases have it, whatever the one before did.
		r, ok, err := s.Get(t.Context(), records.Cursors, "there")
		require.NoError(t, err)
		require.True(t, ok)
		version = r.Version
		var tx records.Tx
		tx.Put(rec("before", c.name))
		tx.Do(adjust(1))
		c.tx(&tx)
		before, units := find(t, s, "before"), onHand(t, s)
		o, err := s.Submit(t.Context(), &tx)
		require.NoError(t, err, c.name)
		require.Equal(t, !c.holds, o.Conflict, c.name)
		if c.holds {
			require.Equal(t, c.name, find(t, s, "before"), c.name)
			require.Equal(t, units+1, onHand(t, s), c.name)
			continue
		}
		require.Equal(t, 1, o.At, "%s: the place of the write", c.name)
		require.Equal(t, before, find(t, s, "before"), "%s: nothing happened", c.name)
		require.Equal(t, units, onHand(t, s), "%s: nothing happened", c.name)
		require.Equal(t, "old", find(t, s, "there"), "%s: nothing happened", c.name)
	}
}

func testRefusal(t *testing.T, s records.Store) {
	var tx records.Tx
	tx.Do(adjust(5), &engine.Release{ID: "nobody"})
	tx.Put(rec("k", "x"))
	o, err := s.Submit(t.Context(), &tx)
	require.NoError(t, err, "a refusal is no error")
	require.Equal(t, engine.UnknownReservation, o.Refusal)
	require.Equal(t, 1, o.At)
	require.False(t, o.Conflict)
	require.Equal(t, "-", find(t, s, "k"))
	require.Zero(t, onHand(t, s), "the op before it is undone")
}

func testConflictFirst(t *testing.T, s records.Store) {
	put(t, s, rec("seen", ""))
	var tx records.Tx
	tx.Do(&engine.Release{ID: "nobody"})
	tx.Create(rec("seen", ""))
	o, err := s.Submit(t.Context(), &tx)
	require.NoError(t, err)
	require.True(t, o.Conflict, "what was read is no longer so: that the op fails too says nothing")
}

func testOneIndex(t *testing.T, s records.Store) {
	var tx records.Tx
	tx.Do(adjust(3), &engine.Reserve{ID: "r1", Channel: "shop", Mode: engine.Strict,
		Commit: true, Lines: []engine.Line{{SKU: "A", Qty: 2}}})
	tx.Put(rec("a", "x"))
	tx.Put(rec("b", "x"))
	o := accepted(t, s, &tx)
	require.Len(t, o.Results, 2)
	require.Equal(t, int64(2), o.Results[1].Reservation.Lines[0].Committed)
	require.Equal(t, o.Index, o.Results[1].Index)
	for _, key := range []string{"a", "b"} {
		r, _, err := s.Get(t.Context(), records.Cursors, key)
		require.NoError(t, err)
		require.Equal(t, o.Index, r.Version)
	}
	index, err := s.Ledger(t.Context(), func(*engine.Ledger) bool { return false })
	require.NoError(t, err)
	require.GreaterOrEqual(t, index, o.Index, "it sees what was submitted")
}

func testKey(t *testing.T, s records.Store) {
	tx := &records.Tx{Key: engine.KeyOf("test", "once")}
	tx.Do(adjust(2))
	tx.Put(rec("k", "first"))
	first := accepted(t, s, tx)
	require.False(t, first.Replayed)
	put(t, s, rec("k", "second"))
	again := accepted(t, s, tx)
	require.True(t, again.Replayed)
	require.Equal(t, first.Index, again.Index)
	require.Equal(t, "second", find(t, s, "k"))
	require.Equal(t, int64(2), onHand(t, s))
}

func testKeyConflict(t *testing.T, s records.Store) {
	at := put(t, s, rec("k", "old"))
	key := engine.KeyOf("test", "again")
	tx := &records.Tx{Key: key}
	tx.Replace(rec("k", "new"), at+1000)
	o, err := s.Submit(t.Context(), tx)
	require.NoError(t, err)
	require.True(t, o.Conflict)
	tx = &records.Tx{Key: key}
	tx.Replace(rec("k", "new"), at)
	require.False(t, accepted(t, s, tx).Replayed, "with what is read now it happens, under that key")
	require.Equal(t, "new", find(t, s, "k"))
}

func testKnown(t *testing.T, s records.Store) {
	key := engine.KeyOf("test", "known")
	for range 2 {
		_, known, err := records.Known(t.Context(), s, key)
		require.NoError(t, err)
		require.False(t, known, "asking leaves no trace")
	}
	tx := &records.Tx{Key: key}
	tx.Put(rec("k", "x"))
	accepted(t, s, tx)
	_, known, err := records.Known(t.Context(), s, key)
	require.NoError(t, err)
	require.True(t, known)
}

func testTally(t *testing.T, s records.Store) {
	for _, by := range []int64{5, -7, 1} {
		var tx records.Tx
		tx.Add("slot", by)
		tx.Add("slot", by)
		tx.Add("other", 1)
		accepted(t, s, &tx)
	}
	r, ok, err := s.Get(t.Context(), records.Tallies, "slot")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, int64(-2), r.Value)
	require.Empty(t, r.Body)
}

func testList(t *testing.T, s records.Store) {
	var tx records.Tx
	for _, k := range []string{"b/2", "a/1", "b/10", "c", "b/1", "b"} {
		tx.Put(rec(k, k))
	}
	tx.Put(records.Record{Table: records.Rules, Key: "b/3"})
	accepted(t, s, &tx)
	list := func(prefix, after string, limit int) string {
		rows, more, err := s.List(t.Context(), records.Cursors, prefix, after, limit)
		require.NoError(t, err)
		var keys []string
		for _, r := range rows {
			require.Equal(t, r.Key, string(r.Body))
			keys = append(keys, r.Key)
		}
		return fmt.Sprint(keys, more)
	}
	require.Equal(t, "[a/1 b b/1 b/10 b/2 c] false", list("", "", records.MaxList))
	require.Equal(t, "[b/1 b/10] true", list("b/", "", 2))
	require.Equal(t, "[b/2] false", list("b/", "b/10", 2))
	require.Equal(t, "[] false", list("b/", "b/2", 2))
	require.Equal(t, "[b/1 b/10 b/2] false", list("b/", "a", 3), "after may lie before the prefix")
	put(t, s, rec("b/11", "b/11"))
	require.Equal(t, "[b/11 b/2] false", list("b/", "b/10", 9))
	tx = records.Tx{}
	tx.Drop(records.Cursors, "b/11", 0)
	accepted(t, s, &tx)
	require.Equal(t, "[b/2] false", list("b/", "b/10", 9))
}

func testMistakes(t *testing.T, s records.Store) {
	for _, c := range []struct {
		name string
		tx   func(tx *records.Tx)
	}{
		{"no key", func(tx *records.Tx) { tx.Put(rec("", "x")) }},
		{"a long key", func(tx *records.Tx) { tx.Put(rec(string(make([]byte, 256)), "x")) }},
		{"a control character", func(tx *records.Tx) { tx.Put(rec("a\nb", "x")) }},
		{"a large body", func(tx *records.Tx) {
			tx.Put(rec("k", string(make([]byte, records.MaxBody+1))))
		}},
		{"no table", func(tx *records.Tx) { tx.Put(records.Record{Key: "k"}) }},
		{"a fault", func(tx *records.Tx) {
			tx.Put(records.Record{Table: records.Cursors, Key: "k", Body: tx.Encode(func() {})})
		}},
		{"an op that is none", func(tx *records.Tx) { tx.Do(&engine.Adjust{}) }},
	} {
		var tx records.Tx
		tx.Put(rec("beside", "x"))
		c.tx(&tx)
		_, err := s.Submit(t.Context(), &tx)
		require.Error(t, err, c.name)
		require.Equal(t, "-", find(t, s, "beside"), "%s: nothing happened", c.name)
	}
}

func testCopies(t *testing.T, s records.Store) {
	body := []byte("mine")
	put(t, s, records.Record{Table: records.Cursors, Key: "k", Body: body})
	copy(body, "xxxx")
	r, _, err := s.Get(t.Context(), records.Cursors, "k")
	require.NoError(t, err)
	require.Equal(t, "mine", string(r.Body))
	copy(r.Body, "xxxx")
	require.Equal(t, "mine", find(t, s, "k"))
}

func testRetry(t *testing.T, s records.Store) {
	put(t, s, rec("n", "a"))
	tries := 0
	o, err := records.Retry(t.Context(), s, func(tx *records.Tx) error {
		r, _, err := s.Get(t.Context(), records.Cursors, "n")
		if tries++; tries < 3 {
			put(t, s, rec("n", "b"))
		}
		tx.Replace(rec("n", string(r.Body)+"!"), r.Version)
		return err
	})
	require.NoError(t, err)
	require.False(t, o.Conflict)
	require.Equal(t, 3, tries)
	require.Equal(t, "b!", find(t, s, "n"))
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}
