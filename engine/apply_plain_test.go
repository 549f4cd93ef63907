package engine_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// TestPlainReservesGoBothWays gives one log to two ledgers, with numbers for names and without: only
// with numbers is a reserve a plain one. Everything that shows must be the same.
func TestPlainReservesGoBothWays(t *testing.T) {
	t.Parallel()
	plain := 0
	for _, seed := range seeds(2) {
		w := newWorld(seed + 1<<41)
		short := engine.New(engine.Options{ShardBits: 2})
		long := engine.New(engine.Options{ShardBits: 2})
		var b engine.EntryBuilder
		outShort := engine.Output{WantResults: true}
		outLong := engine.Output{WantResults: true}
		for i, e := range w.log(150) {
			index := uint64(i + 1)
			e.resolve = true
			got := applyPayload(short, index, encode(&b, short, e), &outShort)
			e.resolve = false
			want := applyPayload(long, index, encode(&b, long, e), &outLong)
			where := "-seed %d, entry %d\n%s"
			log := spellLog([]entry{e})
			for j := range e.ops {
				if outShort.Result(j)[1] == 0x80 { // as asked
					plain++
				}
			}
			require.Equal(t, want, got, where, seed, i, log)
			require.True(t, bytes.Equal(outLong.Events, outShort.Events), where, seed, i, log)
			require.Equal(t, long.Digest(), short.Digest(), where, seed, i, log)
			require.Equal(t, long.Load(), short.Load(), where, seed, i, log)
		}
	}
	require.True(t, plain > 0 || *seedFlag != 0, "no plain reserve got what it asked for")
}

// TestANumberSaysItsName encodes ops by number, and deletes and defines their names again before they
// are applied: they mean what is defined now.
func TestANumberSaysItsName(t *testing.T) {
	t.Parallel()
	l := engine.New(engine.Options{})
	var b engine.EntryBuilder
	apply := func(commands ...engine.Command) []engine.Result {
		e := entry{now: 1000, due: 1000}
		for _, c := range commands {
			e.ops = append(e.ops, keyedOp{command: c})
		}
		return applyPayload(l, l.Index()+1, encode(&b, l, e), &engine.Output{WantResults: true})
	}
	define := []engine.Command{
		&engine.DefineSKU{SKU: "A"},
		&engine.DefineLocation{
			Location: "main", Kind: engine.Merchant, Master: "wms", Shortfall: engine.ShortfallNone,
		},
		&engine.DefineChannel{
			Channel: "web", Kind: engine.ChannelAPI, Publish: engine.Pooled,
			Locations: []engine.Name{"main"},
		},
	}
	apply(define...)
	early, ends := l.AppendOps(nil, nil, []engine.Op{
		{Command: &engine.Set{SKU: "A", Location: "main", Value: 5, Source: "wms"}},
		{Command: &engine.Reserve{
			ID: "r1", Channel: "web", Mode: engine.Strict, Lines: []engine.Line{{SKU: "A", Qty: 5}},
		}},
	})
	var again []byte
	for i := range define { // a definition of what is known names it by number too
		again, _ = l.AppendOps(again, nil, []engine.Op{{Command: define[i]}})
	}
	for _, r := range apply(
		&engine.Delete{Kind: engine.ChannelName, Name: "web"},
		&engine.Delete{Kind: engine.SKUName, Name: "A"},
		&engine.Delete{Kind: engine.LocationName, Name: "main"},
	) {
		require.Equal(t, engine.Accepted, r.Refusal)
	}
	b.Reset()
	b.Append(again, len(define), true)
	b.Append(early, len(ends), false)
	for i, r := range applyPayload(l, l.Index()+1, b.Seal(1000, 1000),
		&engine.Output{WantResults: true}) {
		require.Equal(t, engine.Accepted, r.Refusal, "op %d", i)
	}
	require.Equal(t, "A", l.NameOf(engine.SKUName, 2))
	require.Equal(t, "main", l.NameOf(engine.LocationName, 2))
	require.Equal(t, "web", l.NameOf(engine.ChannelName, 2))
	require.Empty(t, l.Check())
}
