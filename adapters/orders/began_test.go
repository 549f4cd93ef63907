package orders

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// old is an order of a month before the connection began, of which a part has left and come back.
func old(left int64) Snapshot {
	created := start.Add(-30 * 24 * time.Hour)
	return Snapshot{Home: External{System: "shop", ID: "1"}, CreatedAt: created, UpdatedAt: start,
		Lines: []SnapshotLine{{Ref: "L1", Qty: 3 + left, Ordered: 3 + left, ToShip: &left, VariantID: 1}},
		Shipments: []Shipment{{Key: "F1", Location: "store", At: created.Add(time.Hour),
			Lines: []ShipmentLine{{Ref: "L1", Qty: 3}}}},
		Returns: []Return{{ID: "R1", State: ReturnReceived, Disposition: "sellable",
			Location: "store", At: created.Add(time.Hour), Lines: []ShipmentLine{{Ref: "L1", Qty: 1}}}}}
}

// TestOlderThanTheCounts touches an order that was made before the connection began: what it had
// sold is in the home's numbers already, and nothing of it is booked again.
func TestOlderThanTheCounts(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(a *Account){
		"began":                func(a *Account) { a.Began = start.Add(-time.Hour) },
		"takes from":           func(a *Account) { a.OrdersFrom = start.Add(-time.Hour) },
		"takes all, but began": func(a *Account) { a.Began, a.OrdersFrom = start.Add(-time.Hour), start.AddDate(-1, 0, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			set(w.account("shop"))
			w.stock("store", "A", 10)
			w.stock("main", "A", 10)
			s := old(0)
			w.deliver("w1", s)
			require.Empty(t, w.tallies())
			require.Equal(t, []string{"A@main on hand 10 committed 0", "A@store on hand 10 committed 0"},
				w.balances())
			require.Equal(t, name == "takes all, but began", len(w.tasks()) > 0, "nobody is told of it")

			// A unit comes back now: that is news.
			s.UpdatedAt = start.Add(time.Second)
			s.Returns = append(s.Returns, Return{ID: "R2", State: ReturnReceived, At: s.UpdatedAt,
				Disposition: "sellable", Location: "store", Lines: []ShipmentLine{{Ref: "L1", Qty: 2}}})
			w.deliver("w2", s)
			require.Equal(t, []string{"shop/A@store +2"}, w.tallies())
			require.Contains(t, w.balances(), "A@store on hand 12 committed 0")
			w.sound()
		})
	}
}

// TestAsOldAsTheCounts is made in the second in which the connection began: nobody can tell which was
// first, so it moves the tally, which the first read takes for its zero.
func TestAsOldAsTheCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("shop").Began = start.Add(900 * time.Millisecond)
	w.stock("main", "A", 10)
	w.deliver("w1", Snapshot{Home: External{System: "shop", Kind: "order", ID: "1"}, CreatedAt: start,
		UpdatedAt: start, Lines: []SnapshotLine{{Ref: "L1", Qty: 2, Ordered: 2, VariantID: 1}}})
	require.Equal(t, []string{"shop/A@main -2"}, w.tallies())
}

// TestNewsOfAnOlderOrder is first seen with its news in it: only they are booked.
func TestNewsOfAnOlderOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("shop").Began = start.Add(-time.Hour)
	w.stock("store", "A", 10)
	s := old(0)
	s.Returns = append(s.Returns, Return{ID: "R2", State: ReturnReceived, At: start,
		Disposition: "sellable", Location: "store", Lines: []ShipmentLine{{Ref: "L1", Qty: 2}}})
	w.deliver("w1", s)
	require.Equal(t, []string{"shop/A@store +2"}, w.tallies())
	require.Equal(t, []string{"A@store on hand 12 committed 0"}, w.balances())
	w.sound()
}

// TestOpenAtTheStart is received by the start: the first read of its slot is without its units, and
// the first count has those in it that are open.
func TestOpenAtTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("shop").Began = start.Add(-time.Hour)
	w.stock("store", "A", 10)
	s := old(2)
	s.Lines[0].Location = "store"
	w.deliver("w1", s)
	require.Empty(t, w.tallies())
	require.Equal(t, []string{"A@store on hand 10 committed 2"}, w.balances())
	require.Equal(t, []Placed{{"store", 5}}, w.order("shopify:shop:1").Lines[0].Counted)

	// What is edited in later is a sale like any other, and so is what is put back.
	s.UpdatedAt = start.Add(time.Second)
	three := int64(3)
	s.Lines[0].Qty, s.Lines[0].Ordered, s.Lines[0].ToShip = 6, 6, &three
	w.deliver("w2", s)
	require.Equal(t, []string{"shop/A@store -1"}, w.tallies())
	s.UpdatedAt = start.Add(2 * time.Second)
	none := int64(0)
	s.Lines[0].Qty, s.Lines[0].ToShip = 3, &none
	s.Cancelled = &Cancellation{At: s.UpdatedAt, Restock: true}
	w.deliver("w3", s)
	require.Equal(t, []string{"shop/A@store +2"}, w.tallies())
	require.Equal(t, []string{"A@store on hand 10 committed 0"}, w.balances())
	w.sound()
}

// TestMappedLater: what an older order waited for is no news either once it is mapped.
func TestMappedLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("shop").Began = start.Add(-time.Hour)
	w.stock("store", "A", 10)
	s := old(2)
	s.Lines[0].Location, s.Lines[0].VariantID = "store", 9
	w.deliver("w1", s)
	w.mapVariant(9, "A")
	require.NoError(t, w.book.Released(w.ctx, "shopify:shop:1"))
	require.Empty(t, w.tallies())
	require.Equal(t, []string{"A@store on hand 10 committed 2"}, w.balances())
	w.sound()
}

// TestOpenWhenItBegan: what is open when the connection begins is told of, and also what is added to an
// order that was done with; what was shipped meanwhile, while others saw to it, is not.
func TestOpenWhenItBegan(t *testing.T) {
	t.Parallel()
	told := func(w *world) bool { return slices.Contains(w.tasks(), "erp.order:shopify:shop:1") }
	w := newWorld(t)
	w.account("shop").Began = start.Add(-time.Hour)
	w.stock("main", "A", 10)
	w.deliver("w1", old(2))
	require.True(t, told(w))

	w = newWorld(t)
	w.account("shop").Began = start.Add(-time.Hour)
	w.account("shop").Mode = "observe"
	w.stock("main", "A", 10)
	s := old(2)
	w.deliver("w1", s)
	s.UpdatedAt = start.Add(time.Second)
	none := int64(0)
	s.Lines[0].ToShip = &none
	s.Shipments = append(s.Shipments, Shipment{Key: "F2", Location: "main", At: s.UpdatedAt,
		Lines: []ShipmentLine{{Ref: "L1", Qty: 2}}})
	w.deliver("w2", s)
	w.account("shop").Mode = "on"
	require.NoError(t, w.book.Announce(w.ctx, "shop"))
	require.False(t, told(w), "it was done with before we were asked")

	three := int64(3)
	s.UpdatedAt = start.Add(2 * time.Second)
	s.Lines[0].Qty, s.Lines[0].Ordered, s.Lines[0].ToShip = 8, 8, &three
	w.deliver("w3", s)
	require.True(t, told(w), "units are to leave again")
}
