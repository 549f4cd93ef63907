package orders

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
)

// ears keep what they are told in the Tx that tells it.
type ears struct {
	world *world
	fault error
	heard []Happening
}

func (e *ears) Tell(_ context.Context, tx *records.Tx, h Happening) error {
	e.heard = append(e.heard, h)
	tx.Put(records.Record{Table: records.Cursors, Key: "heard/" + string(h.Event)})
	return e.fault
}

// TestListenersHearInTheSameTransaction tells of an order and its package, and of nothing that was not
// written.
func TestListenersHearInTheSameTransaction(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock("main", "A", 10)
	e := &ears{world: w}
	w.book.Listeners = e
	e.fault = errors.New("no room")
	_, err := w.book.Receive(w.ctx, Delivery{}, Snapshot{Home: External{System: "shop", ID: "9"},
		CreatedAt: w.now(), UpdatedAt: w.now()})
	require.ErrorIs(t, err, e.fault, "an order that cannot be told of is not taken in half")
	require.Empty(t, w.list(records.Cursors))

	e.fault, e.heard = nil, nil
	require.Equal(t, "new", w.take("1 at=1 line=L1/v:1/qty:2"))
	require.Len(t, e.heard, 1)
	h := e.heard[0]
	require.Equal(t, Created, h.Event)
	require.Equal(t, "shopify:shop:1", h.Order)
	require.Equal(t, "shop", h.By)
	require.Zero(t, h.Version, "there was none before")
	require.Len(t, w.list(records.Cursors), 1)

	_, err = w.book.Ship(w.ctx, h.Order, Shipment{Key: "pkg", By: "wms", At: w.now()})
	require.NoError(t, err)
	require.Len(t, e.heard, 2)
	require.Equal(t, Sent, e.heard[1].Event)
	require.Equal(t, "wms", e.heard[1].By)
	require.Equal(t, "pkg", e.heard[1].Part)
	require.NotZero(t, e.heard[1].Version)

	w.account("shop").Mode = "observe"
	require.Equal(t, "new", w.take("2 at=1 line=L1/v:1/qty:1"))
	require.Len(t, e.heard, 2, "nobody hears of what is only observed")
}
