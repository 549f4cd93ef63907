package publish

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// TestAmazonsStockIsShownByItself: a slot at a location that mirrors Amazon's warehouses shows what lies
// there and nothing else, and no other slot shows any of it.
func TestAmazonsStockIsShownByItself(t *testing.T) {
	w := newWorld(t, 1)
	w.store.Define(t,
		&engine.DefineLocation{Location: "fba", Kind: engine.FBA, Master: "amazon:us",
			Shortfall: engine.ShortfallNone})
	s := w.shop("web", engine.Pooled, "main", "A")
	w.store.Define(t, &engine.DefineChannel{Channel: "web", Kind: engine.ChannelShopify, Publish: engine.Pooled,
		Split: true, Locations: []engine.Name{"main"}, Rules: engine.Rules{Buffer: 5}})
	w.store.Define(t, &engine.DefineChannel{Channel: "fba", Kind: engine.ChannelAmazon, Publish: engine.Pooled,
		Split: true, Locations: []engine.Name{"fba"}})
	var tx records.Tx
	for _, slot := range []Slot{
		{ID: "web/fba", Channel: "web", Connection: "web", SKU: "A", Location: "fba"},
		{ID: "web/all", Channel: "fba", Connection: "web", SKU: "A"},
	} {
		s.levels[slot.ID] = &level{updated: w.clock, active: true}
		tx.Create(slot.Record(&tx))
	}
	w.submit(&tx)
	tx = records.Tx{}
	tx.Do(&engine.Set{SKU: "A", Location: "main", Value: 30, Source: "wms"},
		&engine.Set{SKU: "A", Location: "fba", Value: 12, Source: "amazon:us"})
	w.submit(&tx)
	plans := w.plans()
	require.Equal(t, int64(25), plans["web/A"].plan.Target)
	require.Equal(t, int64(12), plans["web/fba"].plan.Target)
	require.Equal(t, "not-listed", plans["web/all"].plan.Why, "a number for all places is never made of it")
}

// TestTheLowestOfSeveralChannels: one number for several channels is what the least of them may show, and
// nothing is sent while one of them cannot say.
func TestTheLowestOfSeveralChannels(t *testing.T) {
	w := newWorld(t, 1)
	s := w.shop("de", engine.Pooled, "main")
	define := func(name engine.Name, mode engine.PublishMode, buffer int64) {
		w.store.Define(t, &engine.DefineChannel{Channel: name, Kind: engine.ChannelAmazon, Publish: mode,
			Split: true, Locations: []engine.Name{"main"}, Rules: engine.Rules{Buffer: buffer}})
	}
	define("fr", engine.Pooled, 9)
	define("it", engine.Pooled, 4)
	define("es", engine.Dedicated, 0)
	var tx records.Tx
	for id, also := range map[string][]string{"de/1": {"fr", "it"}, "de/2": {"it", "nobody"}, "de/3": {"es"}} {
		slot := Slot{ID: id, Channel: "de", Connection: "de", SKU: "A", Also: also}
		s.levels[id] = &level{updated: w.clock, active: true}
		tx.Create(slot.Record(&tx))
	}
	tx.Do(&engine.Set{SKU: "A", Location: "main", Value: 30, Source: "wms"})
	w.submit(&tx)
	plans := w.plans()
	require.Equal(t, int64(21), plans["de/1"].plan.Target)
	require.Equal(t, "not-listed", plans["de/2"].plan.Why)
	require.Equal(t, "not-listed", plans["de/3"].plan.Why)
}

// TestADocumentThatCameLater: what became of a document decides what is believed of each of its slots.
func TestADocumentThatCameLater(t *testing.T) {
	w := newWorld(t, 1)
	in := &Bulk{Key: "k", Sequence: 7, Quantity: 60, Tally: 2}
	slot := func(id string, number int, change func(s *Slot)) Slot {
		bulk := *in
		bulk.Number = number
		s := Slot{ID: "us/" + id, Connection: "us", SKU: "A", Known: true, Acked: 60, Sequence: 7, Bulk: &bulk}
		change(&s)
		return s
	}
	var tx records.Tx
	for _, s := range []Slot{
		slot("same", 1, func(*Slot) {}),
		slot("refused", 2, func(*Slot) {}),
		slot("later", 3, func(s *Slot) { s.Sequence, s.Acked = 8, 1 }),
		slot("busy", 4, func(s *Slot) { s.Sent = &Push{Sequence: 8} }),
		slot("other", 5, func(s *Slot) { s.Bulk.Key = "other" }),
	} {
		tx.Create(s.Record(&tx))
	}
	w.submit(&tx)
	read := func(id string) Slot {
		r, ok, err := w.store.Get(t.Context(), records.Slots, "us/"+id)
		require.True(t, ok)
		require.NoError(t, err)
		s, err := records.Decode[Slot](r)
		require.NoError(t, err)
		return s
	}
	d := Worked{Connection: "us", Key: "k", Refused: map[int]bool{2: true}, At: w.clock, Look: w.clock.Add(time.Minute)}
	again, err := EndBulk(t.Context(), w.store, d)
	require.NoError(t, err)
	require.True(t, again, "a push of one of them is under way")
	for _, id := range []string{"same", "refused", "later"} {
		require.Nil(t, read(id).Bulk, id)
	}
	require.Equal(t, w.clock, read("refused").Doubt, "what is there is read before it rises")
	s := read("later")
	require.Equal(t, int64(60), s.Expected(2), "the document may have put its number over the later one")
	require.NotNil(t, read("busy").Bulk)
	require.NotNil(t, read("other").Bulk)
}
