package engine_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// TestAnEntryHasAnEnd gives one entry more work than an entry may have: what is over is refused, and
// not remembered, so that it can be sent again.
func TestAnEntryHasAnEnd(t *testing.T) {
	t.Parallel()
	l := engine.New(engine.Options{ShardBits: 1})
	index := uint64(0)
	apply := func(ops ...engine.Op) []engine.Result {
		var b engine.EntryBuilder
		for _, op := range ops {
			require.NoError(t, engine.Validate(op.Command))
			b.Add(op)
		}
		index++
		out := engine.Output{WantResults: true}
		return applyPayload(l, index, b.Seal(1000, 1000), &out)
	}
	lines := make([]engine.Line, engine.MaxLines)
	for i := range lines {
		lines[i] = engine.Line{SKU: "A", Qty: 1}
	}
	for _, r := range apply(
		engine.Op{Command: &engine.DefineLocation{Location: "main", Kind: engine.Merchant,
			Master: engine.MasterHoldfast, Shortfall: engine.ShortfallNone}},
		engine.Op{Command: &engine.DefineChannel{Channel: "web", Kind: engine.ChannelAPI,
			Publish: engine.Pooled, Split: true, Locations: []engine.Name{"main"}}},
		engine.Op{Command: &engine.DefineSKU{SKU: "A"}},
		engine.Op{Command: &engine.Set{SKU: "A", Location: "main", Value: 5000}},
		engine.Op{Command: &engine.Reserve{ID: "big", Channel: "web", Mode: engine.Strict,
			Commit: true, Lines: lines}},
	) {
		require.Equal(t, engine.Accepted, r.Refusal)
	}

	// A repeated commit of a thousand lines looks at two thousand rows and changes nothing.
	var ops []engine.Op
	for i := range 600 {
		ops = append(ops, engine.Op{
			Key:     engine.KeyOf("test", fmt.Sprint(i)),
			Command: &engine.Commit{ID: "big"},
		})
	}
	results := apply(ops...)
	require.Equal(t, engine.Accepted, results[0].Refusal)
	first := 0
	for i, r := range results {
		if r.Refusal == engine.Overloaded {
			first = i
			break
		}
	}
	require.InDelta(t, 500, first, 2, "the op at which the entry was full")
	for _, r := range results[first:] {
		require.Equal(t, engine.Overloaded, r.Refusal)
	}
	again := apply(ops[first])[0]
	require.Equal(t, engine.Accepted, again.Refusal)
	require.False(t, again.Replayed, "it was not remembered")
	require.Empty(t, l.Check())
}

// TestAReserveHasABoundOfRows asks for more components than one reserve may take from.
func TestAReserveHasABoundOfRows(t *testing.T) {
	t.Parallel()
	l := engine.New(engine.Options{ShardBits: 1})
	var b engine.EntryBuilder
	add := func(c engine.Command) { b.Add(engine.Op{Command: c}) }
	add(&engine.DefineLocation{Location: "main", Kind: engine.Merchant,
		Master: engine.MasterHoldfast, Shortfall: engine.ShortfallNone})
	add(&engine.DefineChannel{Channel: "web", Kind: engine.ChannelAPI, Publish: engine.Pooled,
		Split: true, Locations: []engine.Name{"main"}})
	kit := make([]engine.Component, engine.MaxComponents)
	for i := range kit {
		kit[i] = engine.Component{SKU: engine.Name(fmt.Sprintf("part-%d", i)), Qty: 1}
		add(&engine.DefineSKU{SKU: kit[i].SKU})
		add(&engine.Set{SKU: kit[i].SKU, Location: "main", Value: 1000})
	}
	add(&engine.DefineSKU{SKU: "kit", Kit: kit})
	fits := engine.MaxRows / (2 * engine.MaxComponents)
	for i, n := range []int{fits, fits + 1} {
		lines := make([]engine.Line, n)
		for j := range lines {
			lines[j] = engine.Line{SKU: "kit", Qty: 1}
		}
		add(&engine.Reserve{ID: fmt.Sprintf("r%d", i), Channel: "web", Mode: engine.Strict,
			Lines: lines})
	}
	out := engine.Output{WantResults: true}
	results := applyPayload(l, 1, b.Seal(1000, 1000), &out)
	require.Equal(t, engine.Accepted, results[len(results)-2].Refusal)
	require.Equal(t, engine.LimitReached, results[len(results)-1].Refusal)
	require.Empty(t, l.Check())
}
