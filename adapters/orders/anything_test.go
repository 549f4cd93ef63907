package orders

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// TestAnythingMayHappen mixes the home's words with reports of others, counts that take stock away,
// assignments and failures: after each step the ledger holds its invariants, every order has exactly
// what is left to ship promised, and nobody is told what it said itself.
func TestAnythingMayHappen(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 4))
		w := newWorld(t)
		for _, sku := range []string{"A", "B", "C"} {
			w.stock("main", sku, r.Int64N(6))
			w.stock("east", sku, r.Int64N(6))
			w.stock("store", sku, r.Int64N(6))
		}
		if r.IntN(3) == 0 {
			w.account("shop").Placement = Lead
		}
		all := disordered(r, histories(r))
		for i, d := range all {
			w.deliver(d.id, d.s)
			w.sound()
			for range r.IntN(3) {
				w.meddle(r, i)
				w.sound()
			}
		}
		for _, task := range w.tasks() {
			if strings.HasPrefix(task, "erp.shipment:") || strings.HasPrefix(task, "erp.receipt:") {
				require.NotContains(t, task, "/by-erp", "seed %d: it said so itself", seed)
			}
			if strings.HasPrefix(task, "shopify.fulfilment:") {
				require.Contains(t, task, "/by-erp", "seed %d: the shop said so itself", seed)
			}
		}
	}
}

// meddle does one thing that is not the home's.
func (w *world) meddle(r *rand.Rand, i int) {
	id := fmt.Sprintf("shopify:shop:%d", r.IntN(3))
	o, err := w.book.Get(w.ctx, id)
	if err != nil || len(o.Lines) == 0 {
		return
	}
	ref := o.Lines[r.IntN(len(o.Lines))].Ref
	places := []string{"main", "east", "store", ""}
	place := places[r.IntN(len(places))]
	units := []ShipmentLine{{Ref: ref, Qty: 1 + r.Int64N(3)}}
	switch r.IntN(8) {
	case 0, 1:
		_, err = w.book.Ship(w.ctx, id, Shipment{Key: fmt.Sprintf("by-erp-%d", i), By: "erp", Location: place,
			Lines: units})
	case 2:
		_, err = w.book.Return(w.ctx, id, Return{ID: fmt.Sprintf("by-erp-%d", r.IntN(3)), By: "erp",
			State: ReturnReceived, Disposition: []string{"sellable", "damaged"}[r.IntN(2)], Location: place,
			Lines: units})
	case 3:
		_, err = w.book.Cancel(w.ctx, id, CancelRequest{By: "erp", Reason: "OTHER"})
	case 4:
		_, err = w.book.Assign(w.ctx, id, []Assigned{{Ref: ref, Qty: units[0].Qty, Location: place}}, true)
	case 5:
		sku, at := []string{"A", "B", "C"}[r.IntN(3)], places[r.IntN(3)]
		w.stock(at, sku, r.Int64N(8))
		_, err = w.book.Reassess(w.ctx, id)
	case 6:
		_, err = w.book.Retry(w.ctx, id)
	case 7: // somebody acts on the reservation itself
		_, err = w.store.Submit(w.ctx, func() *records.Tx {
			var tx records.Tx
			tx.Do(&engine.Extend{ID: id, TTL: 10_000})
			return &tx
		}())
	}
	if no, ok := err.(*Error); !ok {
		require.NoError(w.t, err)
	} else {
		require.NotEqual(w.t, "busy", no.Code())
	}
}
