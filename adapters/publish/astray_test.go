package publish

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/engine"
)

func TestTowardsNeverTurnsRound(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ n, most, want int64 }{
		{0, -4, 0}, {-3, -4, -3}, {-4, -4, -4}, {-9, -4, -4}, {5, -4, 0},
		{3, 4, 3}, {9, 4, 4}, {-1, 4, 0}, {7, 0, 0}, {-7, 0, 0},
	} {
		require.Equal(t, x.want, towards(x.n, x.most), "%d of %d", x.n, x.most)
	}
}

// TestAPushLeavesOutWhatIsAstray: units that an order has at one location here and at another one there
// are left out of a push; while orders are being placed, no more is pushed of a SKU than its slots
// differ by together; and while nobody can tell, nothing is.
func TestAPushLeavesOutWhatIsAstray(t *testing.T) {
	for name, x := range map[string]struct {
		main, east int64 // what moves in the ledger
		away       Astray
		want       map[string]int64 // what each slot shows in the end, of 10
	}{
		"nobody can tell":           {-4, 0, Astray{}, map[string]int64{"a/A": 10, "a/A@east": 10}},
		"nothing is astray":         {-4, 0, Astray{Known: true}, map[string]int64{"a/A": 6, "a/A@east": 10}},
		"all of it is":              {-4, 0, Astray{Known: true, Units: -4}, map[string]int64{"a/A": 10, "a/A@east": 10}},
		"a part is":                 {-4, 0, Astray{Known: true, Units: -1}, map[string]int64{"a/A": 7, "a/A@east": 10}},
		"more than the difference":  {-4, 0, Astray{Known: true, Units: -9}, map[string]int64{"a/A": 10, "a/A@east": 10}},
		"the other way round":       {-4, 0, Astray{Known: true, Units: 9}, map[string]int64{"a/A": 6, "a/A@east": 10}},
		"both sides while it moves": {-4, 4, Astray{Known: true, Moving: true}, map[string]int64{"a/A": 10, "a/A@east": 10}},
		"one side while it moves":   {-4, 1, Astray{Known: true, Moving: true}, map[string]int64{"a/A": 7, "a/A@east": 10}},
	} {
		t.Run(name, func(t *testing.T) {
			w, a := twoPlaces(t)
			asked := 0
			w.pub.cfg.Astray = func(_ context.Context, s *Slot, _ uint64) (Astray, error) {
				asked++
				if s.ID != "a/A" { // of the other slot nothing is known, so that it stays as it is
					return Astray{}, nil
				}
				return x.away, nil
			}
			w.must(&engine.Adjust{SKU: "A", Location: "main", Delta: x.main, Source: "wms"})
			if x.east != 0 {
				w.must(&engine.Adjust{SKU: "A", Location: "east", Delta: x.east, Source: "wms"})
			}
			for range 5 { // one that waits is asked about again and again: it never rests
				require.NoError(t, w.pub.book.Load(t.Context()))
				require.NoError(t, w.lead.followEvents(t.Context()))
				_, err := w.lead.worker("a").turn(t.Context())
				require.NoError(t, err)
				w.pass(astrayWait)
			}
			require.NotZero(t, asked)
			for id, want := range x.want {
				require.Equal(t, want, a.levels[id].value, id)
			}
			if x.away.Units == 0 && !x.away.Moving {
				return
			}
			// What was left out is done once nothing is astray any more.
			w.pub.cfg.Astray = func(context.Context, *Slot, uint64) (Astray, error) {
				return Astray{Known: true}, nil
			}
			w.settle()
			require.Equal(t, 10+x.main, a.levels["a/A"].value)
			require.Equal(t, 10+x.east, a.levels["a/A@east"].value)
		})
	}
}

// twoPlaces is a channel whose SKU has ten units, and a slot, at each of two locations.
func twoPlaces(t *testing.T) (*world, *shop) {
	w := newWorld(t, 1)
	w.store.Define(t, &engine.DefineLocation{Location: "east", Kind: engine.Merchant,
		Master: "holdfast", Shortfall: engine.ShortfallNone})
	a := w.shop("a", engine.Pooled, "main", "A")
	w.store.Define(t, &engine.DefineChannel{Channel: "a", Kind: engine.ChannelShopify,
		Publish: engine.Pooled, Split: true, Locations: []engine.Name{"main", "east"}})
	slot := Slot{ID: "a/A@east", Channel: "a", Connection: "a", SKU: "A", Location: "east"}
	a.levels[slot.ID] = &level{updated: w.clock, active: true}
	var tx records.Tx
	tx.Create(slot.Record(&tx))
	w.submit(&tx)
	w.count("A", 10)
	w.must(&engine.Set{SKU: "A", Location: "east", Value: 10, Source: "wms"})
	w.start()
	require.EqualValues(t, 10, a.levels["a/A"].value)
	require.EqualValues(t, 10, a.levels[slot.ID].value)
	a.pushes = nil
	return w, a
}
