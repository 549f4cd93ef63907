package node

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// recordStore is the port of a node of its own, with stock of one SKU.
func recordStore(t *testing.T) *syncStore {
	t.Helper()
	n, err := Start(t.Context(), single(t.TempDir()))
	require.NoError(t, err)
	t.Cleanup(n.Kill)
	s := newSyncStore(n.store)
	tx := func(ops ...engine.Command) {
		for _, c := range ops {
			r, err := n.store.Submit(t.Context(), engine.Op{Command: c})
			require.NoError(t, err)
			require.Equal(t, engine.Accepted, r.Refusal)
		}
	}
	tx(&engine.DefineSKU{SKU: "A"},
		&engine.DefineLocation{Location: "main", Kind: engine.Merchant, Master: "holdfast",
			Shortfall: engine.ShortfallNone},
		&engine.DefineChannel{Channel: "web", Kind: engine.ChannelAPI, Publish: engine.Pooled,
			Locations: []engine.Name{"main"}},
		&engine.Set{SKU: "A", Location: "main", Value: 5})
	return s
}

func order(id string, qty int64) *engine.Reserve {
	return &engine.Reserve{ID: id, Channel: "web", Mode: engine.Strict, Commit: true,
		Lines: []engine.Line{{SKU: "A", Qty: qty}}}
}

func TestATxHappensWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	s := recordStore(t)
	submit := func(tx *records.Tx) records.Outcome {
		t.Helper()
		o, err := s.Submit(t.Context(), tx)
		require.NoError(t, err)
		return o
	}
	has := func(table records.Table, key string) (records.Record, bool) {
		t.Helper()
		r, ok, err := s.Get(t.Context(), table, key)
		require.NoError(t, err)
		return r, ok
	}
	expires := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	bring := func(id string, qty int64) *records.Tx {
		tx := &records.Tx{}
		tx.Do(order(id, qty))
		tx.Remember("main/"+id, expires)
		tx.Create(records.Record{Table: records.Orders, Key: id, State: 2, Value: 7,
			Expires: expires, Archived: true, Body: []byte(`{"a":1}`)})
		tx.Add("slot", qty)
		return tx
	}
	o := submit(bring("o1", 2))
	require.Equal(t, engine.Accepted, o.Refusal)
	require.Len(t, o.Results, 1)
	assert.Equal(t, engine.Committed, o.Results[0].Reservation.State)
	r, ok := has(records.Orders, "o1")
	require.True(t, ok)
	assert.Equal(t, records.Record{Table: records.Orders, Key: "o1", Version: o.Index, State: 2,
		Value: 7, Expires: expires, Body: []byte(`{"a":1}`)}, r)

	again := submit(bring("o1", 2))
	assert.True(t, again.Conflict)
	assert.Equal(t, 0, again.At, "the id was seen")
	short := submit(bring("o2", 9))
	assert.False(t, short.Conflict)
	assert.Equal(t, engine.InsufficientStock, short.Refusal)
	assert.Equal(t, 0, short.At)
	_, ok = has(records.Seen, "main/o2")
	assert.False(t, ok, "nothing happened")

	keyed := bring("o3", 1)
	keyed.Key = engine.KeyOf("test", "o3")
	first := submit(keyed)
	replay := submit(keyed)
	assert.True(t, replay.Replayed)
	assert.Equal(t, first.Index, replay.Index)
	require.Len(t, replay.Results, 1)
	assert.Equal(t, "o3", replay.Results[0].Reservation.ID)
	tally, _ := has(records.Tallies, "slot")
	assert.EqualValues(t, 3, tally.Value)

	change := &records.Tx{}
	change.Replace(records.Record{Table: records.Orders, Key: "o1", Body: []byte("new")}, r.Version)
	change.Look(records.Orders, "o9", 0)
	require.Equal(t, engine.Accepted, submit(change).Refusal)
	late := submit(change)
	assert.True(t, late.Conflict)
	rows, more, err := s.List(t.Context(), records.Orders, "o", "", 1)
	require.NoError(t, err)
	require.Len(t, rows, 1)
	assert.True(t, more)
	assert.Equal(t, "new", string(rows[0].Body))
	drop := &records.Tx{}
	drop.Drop(records.Orders, "o1", rows[0].Version)
	drop.Drop(records.Orders, "never", 0)
	require.Equal(t, engine.Accepted, submit(drop).Refusal)
	_, ok = has(records.Orders, "o1")
	assert.False(t, ok)
	require.Equal(t, engine.Accepted, submit(&records.Tx{}).Refusal)
}

func TestATxThatCannotBe(t *testing.T) {
	t.Parallel()
	s := recordStore(t)
	var tx records.Tx
	tx.Put(records.Record{Table: records.Orders, Key: "k", Body: tx.Encode(func() {})})
	_, err := s.Submit(t.Context(), &tx)
	require.Error(t, err, "a mistake in building it")
	var big records.Tx
	for range 20 {
		big.Put(records.Record{Table: records.Orders, Key: "k",
			Body: []byte(strings.Repeat("x", records.MaxBody))})
	}
	_, err = s.Submit(t.Context(), &big)
	var coded interface{ Code() string }
	require.ErrorAs(t, err, &coded)
	assert.Equal(t, "too-large", coded.Code())
	var bad records.Tx
	bad.Put(records.Record{Table: records.Orders, Key: ""})
	_, err = s.Submit(t.Context(), &bad)
	require.ErrorAs(t, err, &coded)
	assert.Equal(t, "invalid", coded.Code())
}

func TestAWatchFollowsTables(t *testing.T) {
	t.Parallel()
	s := recordStore(t)
	w := s.Watch(records.Tasks)
	defer w.Close()
	_, lost, err := w.Next(t.Context())
	require.NoError(t, err)
	require.True(t, lost)
	var tx records.Tx
	tx.Put(records.Record{Table: records.Orders, Key: "o"})
	tx.Put(records.Record{Table: records.Tasks, Key: "t", Body: []byte("x")})
	o, err := s.Submit(t.Context(), &tx)
	require.NoError(t, err)
	changes, lost, err := w.Next(t.Context())
	require.NoError(t, err)
	assert.False(t, lost)
	assert.Equal(t, []records.Change{{Record: records.Record{Table: records.Tasks, Key: "t",
		Version: o.Index, Body: []byte("x")}}}, changes)
	var drop records.Tx
	drop.Drop(records.Tasks, "t", o.Index)
	_, err = s.Submit(t.Context(), &drop)
	require.NoError(t, err)
	changes, _, err = w.Next(t.Context())
	require.NoError(t, err)
	require.Len(t, changes, 1)
	assert.True(t, changes[0].Gone)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = w.Next(ctx)
	require.ErrorIs(t, err, context.Canceled)
}
