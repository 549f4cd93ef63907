package orders

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/mapping"
)

// lagging is a node whose memory of the mappings is behind the store.
type lagging struct {
	*world
	asked int
	fail  error
}

func (l *lagging) ByVariant(string, int64) (mapping.Row, bool) { return mapping.Row{}, false }
func (l *lagging) Find(context.Context, mapping.Ref) (mapping.Row, bool, error) {
	l.asked++
	if l.fail != nil {
		return mapping.Row{}, false, l.fail
	}
	row, ok := l.world.ByVariant("shop", 1)
	return row, ok, nil
}

// TestMemoryBehindTheStore books, moves and puts back on a node that learns of a mapping only from
// the store.
func TestMemoryBehindTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock("main", "A", 10)
	w.stock("east", "A", 10)
	far := &lagging{world: w}
	var err error
	w.book, err = New(Ports{Store: w.store, Mapping: far, Rows: far, Accounts: w, Router: w,
		Numbers: w, Now: w.now})
	require.NoError(t, err)
	require.Equal(t, "new", w.take("1 at=1 line=L1/v:1/qty:2"))
	require.Equal(t, []string{"shop/A@main -2"}, w.tallies())
	require.Equal(t, 1, far.asked, "once a draft")
	_, err = w.book.Assign(w.ctx, "shopify:shop:1", []Assigned{{Ref: "L1", Qty: 2, Location: "east"}}, true)
	require.NoError(t, err)
	require.Equal(t, []string{"shop/A@east -2", "shop/A@main +0"}, w.tallies())

	// When the store cannot be asked nothing happens, and the delivery comes again.
	far.fail = errors.New("no quorum")
	s := Snapshot{Home: External{System: "shop", Kind: "order", ID: "1"}, CreatedAt: start,
		UpdatedAt: start.Add(2e9), Lines: []SnapshotLine{{Ref: "L1", Ordered: 2, VariantID: 1}}}
	_, err = w.book.Receive(w.ctx, Delivery{Connection: "shop"}, s)
	require.ErrorIs(t, err, far.fail)
	require.Equal(t, []string{"shop/A@east -2", "shop/A@main +0"}, w.tallies())
	far.fail = nil
	_, err = w.book.Receive(w.ctx, Delivery{Connection: "shop"}, s)
	require.NoError(t, err)
	require.Equal(t, []string{"shop/A@east +0", "shop/A@main +0"}, w.tallies())
	w.sound()
}
