package shopify

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
	"holdfast/adapters/shopify/shopifytest"
	"holdfast/engine"
)

// count sets what a location has of a SKU.
func (w *world) count(sku, location string, n int64) {
	w.t.Helper()
	var tx records.Tx
	tx.Do(&engine.Set{SKU: engine.Name(sku), Location: engine.Name(location), Value: n, Source: "wms"})
	out, err := w.store.Submit(w.ctx, &tx)
	require.NoError(w.t, err)
	require.Equal(w.t, engine.Accepted, out.Refusal)
}

// Each hold is ended by its own event and by no other, and a task that comes late does not undo what
// is true by then.
func TestHoldsEndByTheirOwnEvent(t *testing.T) {
	w := newWorld(t)
	w.watch()
	sold, err := w.sim.Sell(shopifytest.Sales{Shop: "alpha",
		Lines: []shopifytest.SaleLine{{SKU: "A"}}})
	require.NoError(t, err)
	w.sim.Settle()
	require.Empty(t, w.work())
	number := gid(sold.Orders[0].ID).tail()
	id := "shopify:shop:" + number
	s, err := w.shops.shop("shop")
	require.NoError(t, err)
	holds := func() (all []string) {
		at, err := s.readPlaces(w.ctx, gidOfText(kindOrder, number))
		require.NoError(t, err)
		for _, g := range at.Groups.Nodes {
			for _, h := range g.Holds {
				all = append(all, h.Handle)
			}
		}
		slices.Sort(all)
		return all
	}
	do := func(kind string, payload map[string]string) error {
		body, err := json.Marshal(payload)
		require.NoError(t, err)
		_, err = w.shops.Do(w.ctx, outbox.Task{Kind: kind, Key: id, Connection: "shop", Payload: body})
		return err
	}
	short := map[string]string{"reason": stockReason}
	buyer := map[string]string{"reason": "OTHER", "handle": "buyer-asks"}
	const buyers = ourHandle + "buyer-asks"
	var needless *outbox.Needless

	require.ErrorAs(t, do(taskHold, buyer), &needless, "no buyer asks")
	_, err = w.book.Cancel(w.ctx, id, orders.CancelRequest{By: "amz", Buyer: true})
	require.NoError(t, err)
	require.NoError(t, do(taskHold, buyer))
	require.NoError(t, do(taskHold, buyer))
	require.Equal(t, []string{buyers}, holds(), "twice is once")
	require.ErrorAs(t, do(taskHold, short), &needless, "it is not short")
	require.NoError(t, do(taskRelease, short))
	require.Equal(t, []string{buyers}, holds(), "the buyer still asks")

	w.count("A", "main", 0)
	w.count("A", "east", 0)
	_, err = w.book.Reassess(w.ctx, id)
	require.NoError(t, err)
	require.True(t, w.get(id).Short)
	require.NoError(t, do(taskHold, short))
	require.Equal(t, []string{buyers, stockHandle}, holds())
	require.ErrorAs(t, do(taskRelease, short), &needless, "it is short")
	release := map[string]string{"handle": "buyer-asks"}
	require.ErrorAs(t, do(taskRelease, release), &needless, "the buyer still asks")
	_, err = w.book.Decide(w.ctx, id, "clerk", false)
	require.NoError(t, err)
	require.NoError(t, do(taskRelease, release))
	require.Equal(t, []string{stockHandle}, holds())
	require.ErrorAs(t, do(taskHold, buyer), &needless, "a hold that comes after the answer is for ever")
	require.Equal(t, []string{stockHandle}, holds())

	w.count("A", "main", 100)
	_, err = w.book.Reassess(w.ctx, id)
	require.NoError(t, err)
	require.False(t, w.get(id).Short)
	for range 2 {
		require.NoError(t, do(taskRelease, short))
		require.Empty(t, holds())
	}
}
