package orders

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
)

// document writes the shop's document and returns its version.
func (w *world) document() uint64 {
	var tx records.Tx
	tx.Put(records.Record{Table: records.Connections, Key: "shop", Body: []byte("{}")})
	out, err := w.store.Submit(w.ctx, &tx)
	require.NoError(w.t, err)
	require.False(w.t, out.Conflict)
	r, _, err := w.store.Get(w.ctx, records.Connections, "shop")
	require.NoError(w.t, err)
	return r.Version
}

// late is a node that sees the shop as it was before it went on, for a while.
type late struct {
	*world
	was  Account
	asks int // how often it is still behind
}

func (l *late) Account(id string) (Account, bool) {
	if id == "shop" && l.asks > 0 {
		l.asks--
		return l.was, true
	}
	return l.world.Account(id)
}

// TestOrderBehindTheAnnouncement takes an order on a node that does not know yet that the connection
// is on, behind the walk of the node that does.
func TestOrderBehindTheAnnouncement(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock("main", "A", 10)
	shop := w.account("shop")
	shop.Mode, shop.Version = "observe", w.document()
	require.Equal(t, "new", w.take("1 at=1 line=L1/v:1/qty:1"), "while it is off all is taken")
	require.Empty(t, w.tasks())

	far := &late{world: w, was: *shop}
	shop.Mode, shop.Version = "on", w.document()
	require.NoError(t, w.book.Announce(w.ctx, "shop"))
	behind, err := New(Ports{Store: w.store, Mapping: w, Rows: w, Accounts: far, Router: w,
		Numbers: w, Now: w.now})
	require.NoError(t, err)
	ahead := w.book
	w.book = behind
	far.asks = 1000
	require.Equal(t, "error: "+records.ErrBusy.Error(), w.take("2 at=1 line=L1/v:1/qty:1 webhook=w2"))
	require.Contains(t, w.balances(), "A@main on hand 10 committed 1", "nothing happened")
	far.asks = 3
	require.Equal(t, "new", w.take("2 at=1 line=L1/v:1/qty:1 webhook=w2"), "it learns of it meanwhile")
	w.book = ahead
	require.Contains(t, w.tasks(), "erp.order:shopify:shop:1")
	require.Contains(t, w.tasks(), "erp.order:shopify:shop:2")
	w.sound()
}

// stumbling fails to write one order.
type stumbling struct {
	records.Store
	key  string
	fail error
}

func (s *stumbling) Submit(ctx context.Context, tx *records.Tx) (records.Outcome, error) {
	if slices.ContainsFunc(tx.Writes, func(w records.Write) bool { return w.Key == s.key }) && s.fail != nil {
		return records.Outcome{}, s.fail
	}
	return s.Store.Submit(ctx, tx)
}

// TestOneOrderHoldsUpNoOther announces all but the one that cannot be.
func TestOneOrderHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock("main", "A", 10)
	w.account("shop").Mode = "observe"
	for _, id := range []string{"1", "2", "3"} {
		w.take(id + " at=1 line=L1/v:1/qty:1")
	}
	w.account("shop").Mode = "on"
	stumbles := &stumbling{w.store, "shopify:shop:2", errors.New("too large")}
	book, err := New(Ports{Store: stumbles, Mapping: w, Rows: w, Accounts: w, Router: w,
		Numbers: w, Now: w.now})
	require.NoError(t, err)
	err = book.Announce(w.ctx, "shop")
	require.ErrorIs(t, err, stumbles.fail)
	require.ErrorContains(t, err, "shopify:shop:2")
	require.Contains(t, w.tasks(), "erp.order:shopify:shop:1")
	require.NotContains(t, w.tasks(), "erp.order:shopify:shop:2")
	require.Contains(t, w.tasks(), "erp.order:shopify:shop:3")
	stumbles.fail = nil
	require.NoError(t, book.Announce(w.ctx, "shop"))
	require.Contains(t, w.tasks(), "erp.order:shopify:shop:2")
}

// walks counts the walks over orders.
type walks struct {
	records.Store
	n int
}

func (c *walks) List(ctx context.Context, t records.Table, prefix, after string, limit int) (
	[]records.Record, bool, error) {
	if t == records.Orders {
		c.n++
	}
	return c.Store.List(ctx, t, prefix, after, limit)
}

// TestOrdersAreWalkedOverOnceForADocument: the next leaders do not walk over what was told of already.
func TestOrdersAreWalkedOverOnceForADocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock("main", "A", 10)
	shop := w.account("shop")
	shop.Mode, shop.Version = "observe", w.document()
	w.take("1 at=1 line=L1/v:1/qty:1")
	counted := &walks{Store: w.store}
	stumbles := &stumbling{counted, "shopify:shop:1", errors.New("too large")}
	book, err := New(Ports{Store: stumbles, Mapping: w, Rows: w, Accounts: w, Router: w,
		Numbers: w, Now: w.now})
	require.NoError(t, err)
	announce := func(walked int) error {
		t.Helper()
		counted.n = 0
		err := book.Announce(w.ctx, "shop")
		require.Equal(t, walked, counted.n)
		return err
	}
	shop.Mode, shop.Version = "on", w.document()
	require.Error(t, announce(1))
	stumbles.fail = nil
	require.NoError(t, announce(1), "the one that failed is tried again")
	require.Contains(t, w.tasks(), "erp.order:shopify:shop:1")
	require.NoError(t, announce(0))
	w.document() // that this node does not know yet
	require.NoError(t, announce(0))
	shop.Mode, shop.Version = "observe", w.document()
	require.Equal(t, "new", w.take("2 at=1 line=L1/v:1/qty:1 webhook=w2"))
	old := w.document()
	shop.Mode, shop.Version = "on", old
	w.document() // while it walks
	require.NoError(t, announce(1))
	require.NoError(t, announce(1), "what it walked over was of another document")
	shop.Version = w.document()
	require.NoError(t, announce(1))
	require.NoError(t, announce(0))
	require.Contains(t, w.tasks(), "erp.order:shopify:shop:2")
}
