package shopify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/connections"
	"holdfast/adapters/mapping"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
	"holdfast/engine"
)

// shelf is a world with a catalogue and the keeper of its slots, which the test turns by hand.
type shelf struct {
	*world
	items   map[string]mapping.Item // by the shop's own SKU
	keeping *keeping
	removed bool
	starts  bool // its start is under way
	ended   []string
}

func newShelf(t *testing.T) *shelf {
	w := &shelf{world: newWorld(t), items: map[string]mapping.Item{}}
	state, err := w.sim.State("alpha")
	require.NoError(t, err)
	for _, v := range state.Variants {
		item := mapping.Item{Connection: "shop", VariantID: v.Variant, InventoryItemID: v.Item,
			SKU: v.SKU, Tracked: true}
		if v.SKU == "U" {
			item.NotStock = "untracked"
		}
		w.items[v.SKU] = item
		w.list(item)
	}
	w.store.Define(t, &engine.DefineSKU{SKU: "C"}, &engine.DefineSKU{SKU: "D"})
	w.shops.cfg.Ended = func(_ context.Context, _ *records.Tx, slot string) error {
		w.ended = append(w.ended, slot)
		return nil
	}
	w.lead()
	return w
}

// list writes an item of the catalogue.
func (w *shelf) list(item mapping.Item) {
	w.submit(func(tx *records.Tx) { mapping.KeepItems(tx, 1, []mapping.Item{item}) })
}

// lead is a new leader's keeper.
func (w *shelf) lead() {
	k, err := NewSlotKeeper(KeeperConfig{Shops: w.shops, Documents: w, Learn: w.learn})
	require.NoError(w.t, err)
	w.keeping, err = k.begin(w.ctx)
	require.NoError(w.t, err)
}

func (w *shelf) Entries() []connections.Entry {
	if w.removed {
		return nil
	}
	p := &connections.Progress{Step: connections.StepDone, StartedAt: time.Unix(1, 0)}
	if w.starts {
		p.Step = connections.StepLevels
	}
	return []connections.Entry{{Connection: w.conn, Version: w.version, Progress: p}}
}

func (w *shelf) Changed() <-chan struct{} { return nil }

// learn is what the table of mappings does.
func (w *shelf) learn(_ context.Context, items []mapping.Item) (int, error) {
	for i := range items {
		row, ok := w.ByVariant("shop", items[i].VariantID)
		require.True(w.t, ok)
		row.InventoryItemID = items[i].InventoryItemID
		w.maps(row)
	}
	return len(items), nil
}

// maps writes a row, and has the keeper hear of it.
func (w *shelf) maps(row mapping.Row) {
	w.unmaps(row)
	w.rows = append(w.rows, row)
	w.keep(row)
	w.heard(row.Key())
}

// unmaps drops a row, and has the keeper hear of it.
func (w *shelf) unmaps(row mapping.Row) {
	w.rows = slices.DeleteFunc(w.rows, func(r mapping.Row) bool { return r.Key() == row.Key() })
	w.submit(func(tx *records.Tx) { tx.Drop(records.Mappings, row.Key(), 0) })
	w.heard(row.Key())
}

func (w *shelf) heard(key string) {
	change := records.Change{Record: records.Record{Table: records.Mappings, Key: key}}
	w.keeping.hear(heard{changes: []records.Change{change}})
}

func (w *shelf) row(sku, theirs string) mapping.Row {
	item := w.items[theirs]
	return mapping.Row{SKU: sku, Connection: "shop", VariantID: item.VariantID,
		InventoryItemID: item.InventoryItemID}
}

// key is that of a variant's row.
func (w *shelf) key(theirs string) string {
	item := w.items[theirs]
	return item.Ref().Key()
}

// turn lets the keeper work until nothing is left that it has heard of.
func (w *shelf) turn() {
	w.t.Helper()
	for range 5 {
		w.keeping.turn(w.ctx)
		if c := w.keeping.of["shop"]; c == nil || !c.all && len(c.changed) == 0 {
			break
		}
	}
}

// has demands exactly these slots, each as SKU@location.
func (w *shelf) has(want ...string) {
	w.t.Helper()
	got := []string{}
	for _, s := range w.filed() {
		got = append(got, s.Slot.SKU+"@"+s.Slot.Location)
	}
	require.ElementsMatch(w.t, want, got)
}

func (w *shelf) filed() map[string]publish.Filed {
	w.t.Helper()
	all := map[string]publish.Filed{}
	list, err := publish.FiledSlots(w.ctx, w.store, "shop/")
	require.NoError(w.t, err)
	for _, s := range list {
		all[s.Slot.ID] = s
	}
	return all
}

// at is the slot of an item at a location.
func (w *shelf) at(theirs, location string) publish.Filed {
	w.t.Helper()
	for place, ours := range w.conn.Locations {
		if ours == location {
			s, ok := w.filed()[SlotID("shop", w.items[theirs].InventoryItemID, place)]
			require.True(w.t, ok)
			return s
		}
	}
	w.t.Fatal("no such location:", location)
	return publish.Filed{}
}

// file writes a slot as the publisher would.
func (w *shelf) file(s publish.Slot) {
	w.t.Helper()
	w.submit(func(tx *records.Tx) { tx.Put(s.Record(tx)) })
}

// TestSlotsFollowTheMapping maps, maps anew and unmaps variants behind the start.
func TestSlotsFollowTheMapping(t *testing.T) {
	w := newShelf(t)
	w.turn()
	w.has("A@main", "A@east", "B@main", "B@east")
	before := w.filed()
	w.lead()
	w.turn()
	require.Equal(t, before, w.filed(), "the next leader has nothing to do")

	known := w.at("B", "main").Slot
	known.Known, known.Acked, known.Sequence, known.Drift = true, 7, known.Sequence+3, &publish.Drift{}
	w.file(known)
	w.unmaps(w.row("B", "B"))
	w.turn()
	w.has("A@main", "A@east")
	require.Contains(t, w.ended, known.ID)

	row := w.row("C", "B")
	row.InventoryItemID = 0 // a person does not know it
	w.maps(row)
	w.turn()
	w.has("A@main", "A@east", "C@main", "C@east")
	again := w.at("B", "main").Slot
	require.False(t, again.Known)
	require.Nil(t, again.Drift)
	require.Greater(t, again.Sequence, known.Sequence, "no key is given twice")

	known = w.at("A", "east").Slot
	known.Known, known.Acked, known.Sequence = true, 50, known.Sequence+1
	w.file(known)
	w.submit(func(tx *records.Tx) { publish.Moved(tx, known.ID, -4) })
	w.maps(w.row("D", "A"))
	w.turn()
	w.has("D@main", "D@east", "C@main", "C@east")
	again = w.at("A", "east").Slot
	require.False(t, again.Known, "it begins anew")
	require.EqualValues(t, -4, again.Tally, "the tally is of the place outside")
	require.Greater(t, again.Sequence, known.Sequence)
}

// TestSlotsFollowTheCatalogue: what is a bundle, needs no stock or is gone has no slots.
func TestSlotsFollowTheCatalogue(t *testing.T) {
	w := newShelf(t)
	w.turn()
	bundle := w.items["A"]
	bundle.Bundle = true
	w.list(bundle)
	w.heard(w.key("A"))
	w.turn()
	w.has("B@main", "B@east")
	w.list(w.items["A"])
	w.heard(w.key("A"))
	w.turn()
	w.has("A@main", "A@east", "B@main", "B@east")
	key := w.key("B")
	w.submit(func(tx *records.Tx) { tx.Drop(records.Catalogue, key, 0) })
	w.unmaps(w.row("B", "B"))
	w.turn()
	w.has("A@main", "A@east") // although nothing says any more which item it was
}

// TestSlotsFollowTheDocument adds, moves and takes locations, changes the channel and removes the shop.
func TestSlotsFollowTheDocument(t *testing.T) {
	w := newShelf(t)
	w.starts = true
	w.turn()
	w.has() // the start makes them
	w.starts = false
	all := maps.Clone(w.conn.Locations)
	maps.DeleteFunc(w.conn.Locations, func(_, ours string) bool { return ours == "east" })
	w.document()
	w.turn()
	w.has("A@main", "B@main")
	old := w.at("A", "main")
	w.conn.Locations = all
	w.document()
	w.turn()
	w.has("A@main", "A@east", "B@main", "B@east")
	require.Equal(t, old, w.at("A", "main"), "what is as it was stays")
	for theirs, ours := range w.conn.Locations {
		w.conn.Locations[theirs] = strings.Replace(ours, "east", "west", 1)
	}
	w.document()
	w.turn()
	w.has("A@main", "A@west", "B@main", "B@west")
	w.conn.Channel = "outlet"
	w.document()
	w.turn()
	for _, s := range w.filed() {
		require.Equal(t, "outlet", s.Slot.Channel)
	}
	w.removed = true
	w.submit(func(tx *records.Tx) { tx.Drop(records.Connections, "shop", 0) })
	w.turn()
	w.has()
	w.lead()
	w.turn()
	require.Empty(t, w.keeping.of)
}

// TestASlotWaitsForItsPush: what is under way is meant for the old SKU; until it has ended, or can no
// longer arrive, the slot stays what it is, and stands for nothing.
func TestASlotWaitsForItsPush(t *testing.T) {
	for name, end := range map[string]func(w *shelf, s publish.Slot){
		"it is answered": func(w *shelf, s publish.Slot) {
			s.Sent = nil
			w.file(s)
			w.sim.Advance(keepAgain)
		},
		"nobody answers": func(w *shelf, s publish.Slot) {
			w.sim.Advance(s.Arrives().Sub(w.sim.Now()) + time.Second)
		},
	} {
		for _, remapped := range []bool{true, false} {
			t.Run(fmt.Sprint(name, remapped), func(t *testing.T) {
				w := newShelf(t)
				w.turn()
				s := w.at("B", "main").Slot
				now := w.sim.Now()
				s.Known, s.Sequence = true, s.Sequence+1
				s.Sent = &publish.Push{Sequence: s.Sequence, Delta: -2, At: now,
					Until: now.Add(publish.CallTime), Term: 1}
				w.file(s)
				require.True(t, w.shops.Stands(&s))
				want := []string{"A@main", "A@east"}
				w.unmaps(w.row("B", "B"))
				if remapped {
					w.maps(w.row("C", "B"))
					want = append(want, "C@main", "C@east")
				}
				require.False(t, w.shops.Stands(&s), "nothing new is pushed")
				w.turn()
				w.sim.Advance(keepAgain)
				w.turn()
				require.Equal(t, s.Sequence, w.at("B", "main").Slot.Sequence)
				require.Equal(t, "B", w.at("B", "main").Slot.SKU)
				w.lead() // the next leader waits, too
				w.turn()
				require.Equal(t, "B", w.at("B", "main").Slot.SKU)
				end(w, s)
				w.turn()
				w.has(want...)
			})
		}
	}
}

// TestWhoeverIsBehindWritesNoSlots: a leader that was deposed has decided by what was.
func TestWhoeverIsBehindWritesNoSlots(t *testing.T) {
	w := newShelf(t)
	w.turn()
	shop, err := w.shops.shop("shop")
	require.NoError(t, err)
	b := &slotting{all: w.shops, id: "shop", shop: shop}
	behind := func(change func()) {
		t.Helper()
		w.keep(w.row("C", "B"))
		before := w.filed()
		var tx records.Tx
		require.NoError(t, b.write(w.ctx, &tx, []thing{{key: w.key("B")}}))
		require.False(t, tx.Empty())
		change()
		out, err := w.store.Submit(w.ctx, &tx)
		require.NoError(t, err)
		require.True(t, out.Conflict)
		require.Equal(t, before, w.filed())
	}
	behind(func() { w.keep(w.row("D", "B")) })
	behind(func() { w.list(w.items["B"]) })
	behind(w.document)
	slot := w.at("B", "main").Slot
	slot.Acked = 3
	b.shop.version = w.version
	w.keep(w.row("C", "B"))
	var tx records.Tx
	require.NoError(t, b.write(w.ctx, &tx, []thing{{key: w.key("B")}}))
	w.file(slot)
	out, err := w.store.Submit(w.ctx, &tx)
	require.NoError(t, err)
	require.True(t, out.Conflict, "the publisher has written it")
}

// TestTheKeeperRuns is the loop itself: it hears of what is written, and of what it missed.
func TestTheKeeperRuns(t *testing.T) {
	w := newShelf(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	watch := w.store.Watch(records.Slots)
	_, lost, err := watch.Next(ctx)
	require.NoError(t, err)
	require.True(t, lost)
	until := func(want ...string) {
		for {
			list, err := publish.FiledSlots(ctx, w.store, "shop/")
			require.NoError(t, err)
			var got []string
			for _, s := range list {
				got = append(got, s.Slot.SKU+"@"+s.Slot.Location)
			}
			slices.Sort(got)
			if slices.Equal(want, got) {
				return
			}
			_, _, err = watch.Next(ctx)
			require.NoError(t, err)
		}
	}
	go func() { ended <- w.keeping.Run(ctx) }()
	until("A@east", "A@main", "B@east", "B@main")
	key := w.key("B")
	w.submit(func(tx *records.Tx) { tx.Drop(records.Mappings, key, 0) })
	until("A@east", "A@main")
	w.keep(w.row("C", "B"))
	until("A@east", "A@main", "C@east", "C@main")
	stop()
	require.ErrorIs(t, <-ended, context.Canceled)
}
