package publish

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// start lets the slots be read and filled.
func (w *world) start() {
	w.leads()
	for range 6 {
		w.pass(10 * time.Second)
		w.sweeps()
		w.turns()
	}
	w.inStep()
}

// storm sells at every shop and to API clients for n steps of up to two seconds.
func (w *world) storm(n int, extra func(step int)) {
	var open []*sale
	for _, s := range w.shops {
		s.faulty = true
	}
	for step := range n {
		w.pass(time.Duration(w.rng.IntN(2000)) * time.Millisecond)
		for _, name := range []string{"a", "b"} {
			s := w.shops[name]
			if x := s.sell(name+"/A", 1+w.rng.Int64N(3)); x != nil {
				open = append(open, x)
			}
			if len(open) > 0 && w.rng.IntN(8) == 0 {
				i := w.rng.IntN(len(open))
				x := open[i]
				open = append(open[:i], open[i+1:]...)
				w.shops[x.slot[:1]].cancel(x)
			}
		}
		if w.rng.IntN(3) == 0 {
			w.apiSells(step)
		}
		if w.rng.IntN(20) == 0 {
			w.sweeps()
		}
		if extra != nil {
			extra(step)
		}
		if w.rng.IntN(2) == 0 {
			w.turns()
		}
	}
}

// apiSells is a strict reserve of a client of ours.
func (w *world) apiSells(step int) {
	var tx records.Tx
	tx.Do(&engine.Reserve{ID: fmt.Sprintf("api-%d", step), Channel: "api", Mode: engine.Strict,
		Commit: true, Lines: []engine.Line{{SKU: "A", Qty: 1 + w.rng.Int64N(2)}}})
	w.submit(&tx)
}

// kill lets the leader die now and then, in the middle of a push.
func (w *world) kill() {
	for _, s := range w.shops {
		s.onPush = func() {
			if s.faulty && w.rng.IntN(12) == 0 {
				w.dead = true
			}
		}
	}
}

func market(t *testing.T, seed uint64, mode engine.PublishMode, units int64) *world {
	w := newWorld(t, seed)
	w.store.Define(t, &engine.DefineChannel{Channel: "api", Kind: engine.ChannelAPI,
		Publish: engine.Pooled, Split: true, Locations: []engine.Name{"main"}})
	w.shop("a", mode, "main", "A")
	w.shop("b", mode, "main", "A")
	w.count("A", units)
	w.kill()
	w.start()
	return w
}

// TestDedicatedOversellsNothing lets two shops and an API client sell the same units, with late and
// lost pushes, orders that come late, cancellations, and leaders that die in the middle of a push.
func TestDedicatedOversellsNothing(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := market(t, seed, engine.Dedicated, 300)
			w.storm(300, w.covered)
			w.settle()
			require.Zero(t, w.short(), "units were sold that are not there")
			w.inStep()
			sold := int64(0)
			for _, s := range w.shops {
				for _, l := range s.levels {
					sold += l.committed
				}
			}
			require.Greater(t, sold, int64(200), "the shops have sold most of it")
		})
	}
}

// TestPooledConverges lets the same happen in pooled mode: it may oversell, and ends in step.
func TestPooledConverges(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := market(t, seed, engine.Pooled, 300)
			w.storm(200, func(step int) {
				if step%50 == 49 {
					w.must(&engine.Adjust{SKU: "A", Location: "main", Delta: 40, Source: "wms"})
				}
			})
			w.settle()
			w.inStep()
		})
	}
}

// TestEditsAreDriftOrCounts edits slots in the storm: on hand follows the shop where it is the master,
// and else the shop is set right.
func TestEditsAreDriftOrCounts(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed)
			w.store.Define(t,
				&engine.DefineLocation{Location: "store", Kind: engine.Merchant, Master: "shopify:a",
					Shortfall: engine.ShortfallNone},
				&engine.DefineChannel{Channel: "api", Kind: engine.ChannelAPI,
					Publish: engine.Pooled, Split: true,
					Locations: []engine.Name{"main", "store"}})
			a := w.shop("a", engine.Pooled, "store", "A")
			b := w.shop("b", engine.Pooled, "main", "A")
			a.levels["a/A"].value = 500
			w.count("A", 500)
			w.kill()
			w.start()
			require.Equal(t, int64(500), a.levels["a/A"].value, "the master's number is the count")
			edits, otherEdits := int64(0), int64(0)
			w.storm(150, func(step int) {
				if step%5 == 0 {
					by := w.rng.Int64N(21) - 10
					a.edit("a/A", by)
					edits += by
					by = w.rng.Int64N(21) - 10
					b.edit("b/A", by)
					otherEdits += by
				}
			})
			w.settle()
			w.inStep()
			var store, main int64
			_, err := w.store.Ledger(t.Context(), func(l *engine.Ledger) bool {
				rows, _ := l.Stock("A")
				main, store = rows[0].OnHand, rows[1].OnHand
				return false
			})
			require.NoError(t, err)
			require.Equal(t, 500+edits, store, "each edit counted once where the shop is the master")
			require.Equal(t, int64(500), main, "and not at all elsewhere")
			if s, _ := w.pub.book.Slot("b/A"); otherEdits != 0 { // else nothing may be left to see
				require.NotNil(t, s.Drift)
				require.False(t, s.Drift.Repaired.IsZero())
			}
		})
	}
}
