package shopify

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/connections"
	"holdfast/adapters/publish"
	"holdfast/adapters/shopify/shopifytest"
)

// A batch of which every level is to be activated is done in a few calls; what a call leaves out is
// said to come again, and is not touched.
func TestABatchOfActivationsEnds(t *testing.T) {
	const many = 100
	cfg := shopifytest.ShopConfig{Name: "alpha",
		Locations: []shopifytest.LocationConfig{{Name: "main"}, {Name: "east"}}}
	for i := range many {
		cfg.Variants = append(cfg.Variants, shopifytest.VariantConfig{SKU: fmt.Sprint("S", i),
			Price: "1.00", Stock: map[string]int{"main": 1}})
	}
	sim, err := shopifytest.New(shopifytest.Config{Manual: true, Shops: []shopifytest.ShopConfig{cfg}})
	require.NoError(t, err)
	require.NoError(t, sim.Start())
	t.Cleanup(sim.Close)
	w := newWorld(t, func(c *connections.Connection) { c.Endpoint = sim.Endpoint("alpha") })
	shops, err := New(Config{Store: w.store, Registry: w, Book: w.book, Mapping: w,
		Environ: func(string) (string, bool) { return "shpat_alpha", true }, Now: sim.Now,
		Pause: func(ctx context.Context, d time.Duration) error {
			sim.Advance(d)
			return ctx.Err()
		}})
	require.NoError(t, err)
	state, err := sim.State("alpha")
	require.NoError(t, err)
	east := ""
	for _, l := range state.Locations {
		if l.Name == "east" {
			east = name(l.ID)
		}
	}
	var slots []publish.Slot
	var pushes []publish.Push
	for _, v := range state.Variants {
		s := publish.Slot{ID: SlotID("shop", v.Item, east), SKU: v.SKU, Location: "east", Item: v.Item,
			Place: east}
		slots = append(slots, s)
		pushes = append(pushes, publish.Push{Sequence: 1, Activate: true, Set: true, Quantity: 7,
			At: sim.Now(), Until: sim.Now().Add(publish.CallTime), Key: s.ID + "#1"})
	}
	p, err := shops.Pusher("shop")
	require.NoError(t, err)
	calls := 0
	for ; len(slots) > 0; calls++ {
		require.Less(t, calls, many/maxActivations+1, "it does not end")
		answers, err := p.Push(t.Context(), slots, pushes)
		require.NoError(t, err)
		var again []publish.Slot
		var rest []publish.Push
		for i, a := range answers {
			l, ok := sim.Level("alpha", slots[i].SKU, "east")
			if a == nil {
				require.True(t, ok)
				require.EqualValues(t, 7, l.Available)
				continue
			}
			require.Equal(t, codePending, codeOf(a), "%v", a)
			require.False(t, ok && l.Available != 0, "it was touched")
			again, rest = append(again, slots[i]), append(rest, pushes[i])
		}
		require.Equal(t, max(0, len(slots)-maxActivations), len(again))
		slots, pushes = again, rest
	}
	require.Equal(t, 3, calls)
}

// An item that the shop does not count has no level where nobody gave it one: it is seen as such, and
// not as one that is still to be stocked there.
func TestAnUntrackedItemHasNoLevel(t *testing.T) {
	w := newWorld(t)
	state, err := w.sim.State("alpha")
	require.NoError(t, err)
	var slots []publish.Slot
	for _, v := range state.Variants {
		slots = append(slots, publish.Slot{ID: v.SKU, SKU: v.SKU, Item: v.Item,
			Place: name(state.Locations[1].ID)}) // only A is stocked there
	}
	p, err := w.shops.Pusher("shop")
	require.NoError(t, err)
	seen, err := p.Read(t.Context(), slots)
	require.NoError(t, err)
	for i, v := range state.Variants {
		switch v.SKU {
		case "A":
			require.True(t, seen[i].Tracked && seen[i].Active)
		case "B":
			require.Nil(t, seen[i], "it may be stocked there")
		case "U":
			require.NotNil(t, seen[i])
			require.False(t, seen[i].Tracked || seen[i].Active)
		}
	}
}
