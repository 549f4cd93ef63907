package publish

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// remap makes a slot one of another SKU, as whoever follows the mapping does.
func (w *world) remap(id, sku string) {
	w.t.Helper()
	old := w.filed(id)
	want := Slot{ID: id, Channel: old.Slot.Channel, Connection: old.Slot.Connection, SKU: sku,
		Location: old.Slot.Location}
	var tx records.Tx
	require.NoError(w.t, Make(w.t.Context(), w.store, &tx, want, &old))
	require.Equal(w.t, engine.Accepted, w.submit(&tx).Refusal)
}

func (w *world) filed(id string) Filed {
	w.t.Helper()
	list, err := FiledSlots(w.t.Context(), w.store, id)
	require.NoError(w.t, err)
	require.Len(w.t, list, 1)
	return list[0]
}

// TestASlotOfAnotherSKU: what is mapped anew is left alone until its slot has followed, and then is read and
// pushed like a new one, under keys that were never given.
func TestASlotOfAnotherSKU(t *testing.T) {
	w := newWorld(t, 1)
	w.store.Define(t, &engine.DefineSKU{SKU: "B"})
	is := "A"
	w.pub.cfg.Stands = func(s *Slot) bool { return s.SKU == is }
	a := w.shop("a", engine.Pooled, "main", "A")
	w.count("A", 10)
	w.count("B", 4)
	w.start()
	w.settle()
	require.EqualValues(t, 10, a.levels["a/A"].value)
	pushed, reads := len(a.pushes), a.reads

	is = "B"
	a.sell("a/A", 3)
	w.count("A", 5)
	a.edit("a/A", 0) // it is to be read
	w.settle()
	require.Len(t, a.pushes, pushed, "nothing of the old SKU is pushed")
	require.Equal(t, reads, a.reads)
	require.Equal(t, Remapped, w.plans()["a/A"].plan.Why)
	last := w.filed("a/A").Slot

	w.remap("a/A", "B")
	w.leads() // in the middle of it
	w.settle()
	require.EqualValues(t, 4, a.levels["a/A"].value)
	require.Greater(t, a.pushes[len(a.pushes)-1].Sequence, last.Sequence)
	seen := map[string]bool{}
	for _, p := range a.pushes {
		require.False(t, seen[p.Key], "key %s is given twice", p.Key)
		seen[p.Key] = true
	}
	w.inStep()

	is = "A"
	w.turns()
	w.remap("a/A", "A")
	w.settle()
	require.EqualValues(t, 2, a.levels["a/A"].value, "3 of them are promised")

	filed := w.filed("a/A")
	var tx records.Tx
	Look(&tx, "a/A", w.clock)
	w.submit(&tx)
	tx = records.Tx{}
	require.NoError(t, Retire(t.Context(), w.store, &tx, filed))
	w.submit(&tx)
	pushed = len(a.pushes)
	w.count("A", 1)
	w.settle()
	require.Len(t, a.pushes, pushed)
	_, ok := w.pub.book.look("a/A")
	require.False(t, ok)
}

// TestAStandingHoldEndsWithItsSlot: no unit stays set aside for a number that is no more.
func TestAStandingHoldEndsWithItsSlot(t *testing.T) {
	w := newWorld(t, 1)
	w.store.Define(t, &engine.DefineSKU{SKU: "B"})
	w.shop("a", engine.Dedicated, "main", "A")
	w.count("A", 10)
	w.count("B", 6)
	w.start()
	w.settle()
	held := func(sku string) (n int64) {
		_, err := w.store.Ledger(t.Context(), func(l *engine.Ledger) bool {
			rows, _ := l.Stock(sku)
			n = 0
			for _, row := range rows {
				n += row.Held
			}
			return false
		})
		require.NoError(t, err)
		return n
	}
	require.EqualValues(t, 10, held("A"))
	w.remap("a/A", "B")
	require.Zero(t, held("A"))
	w.settle()
	require.EqualValues(t, 6, held("B"))
	var tx records.Tx
	require.NoError(t, Retire(t.Context(), w.store, &tx, w.filed("a/A")))
	require.Equal(t, engine.Accepted, w.submit(&tx).Refusal)
	require.Zero(t, held("B"))
}

// TestWhenAPushMayStillArrive is until the end of its call, and a while longer.
func TestWhenAPushMayStillArrive(t *testing.T) {
	t.Parallel()
	var s Slot
	require.True(t, s.Arrives().IsZero())
	s.Sent = &Push{Until: time.Unix(100, 0)}
	require.Equal(t, time.Unix(100, 0).Add(CallGrace), s.Arrives())
}
