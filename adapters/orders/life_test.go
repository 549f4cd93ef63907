package orders

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// take receives a snapshot in the words of the scripts.
func (w *world) take(words string) string {
	return w.receive(&arguments{words: strings.Fields(words)})
}

func TestClosedOrdersLeaveMemoryAndAreKnownForEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock("main", "A", 10)
	require.Equal(t, "new", w.take("1 at=1 line=L1/v:1/qty:2 ship=F1/from:main/L1:2"))
	w.pass(DefaultArchiveAfter + time.Minute)
	w.store.Tick()
	r, ok, err := w.store.Get(w.ctx, records.Orders, "shopify:shop:1")
	require.NoError(t, err)
	require.True(t, ok && r.Archived, "it has left memory, and is there")

	require.Equal(t, "old", w.take("1 at=1 line=L1/v:1/qty:2 ship=F1/from:main/L1:2"))
	require.Len(t, w.tasks(), 4, "announced once: %v", w.tasks())
	_, err = w.book.Return(w.ctx, "shopify:shop:1", Return{ID: "R", By: "erp", State: ReturnReceived,
		Disposition: "sellable", Location: "main", Lines: []ShipmentLine{{Ref: "L1", Qty: 1}}})
	require.NoError(t, err)
	require.Contains(t, w.balances(), "A@main on hand 9 committed 0")

	require.Empty(t, w.take("1 at=9 line=L1/v:1/qty:3 ship=F1/from:main/L1:2"), "an edit opens it again")
	require.Equal(t, Partial, w.order("shopify:shop:1").State)
	require.Contains(t, w.balances(), "A@main on hand 9 committed 1")
	w.sound()
}

// TestForgottenReservations lets the ledger forget what an order had, long after it closed.
func TestForgottenReservations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock("main", "A", 10)
	w.take("1 at=1 line=L1/v:1/qty:2 ship=F1/from:main/L1:2")
	w.take("2 at=1 line=L1/v:1/qty:1")
	w.take("2 at=2 line=L1/v:1/qty:0/ordered:1 cancelled=restock")
	w.pass(48 * time.Hour)
	w.store.Define(t, &engine.Retire{Count: 100})
	gone := func(id string) (retired bool) {
		_, err := w.store.Ledger(w.ctx, func(l *engine.Ledger) bool {
			_, here := l.Reservation(id)
			_, retired = l.Retired(id)
			require.False(t, here)
			return false
		})
		require.NoError(t, err)
		return retired
	}
	require.True(t, gone("shopify:shop:1"))
	w.pass(100 * 24 * time.Hour)
	w.store.Define(t, &engine.Retire{Count: 100})
	require.False(t, gone("shopify:shop:1"), "even its id")

	_, err := w.book.Return(w.ctx, "shopify:shop:1", Return{ID: "R", By: "erp", State: ReturnReceived,
		Disposition: "sellable", Location: "main", Lines: []ShipmentLine{{Ref: "L1", Qty: 2}}})
	require.NoError(t, err)
	require.Contains(t, w.balances(), "A@main on hand 10 committed 0")
	require.Empty(t, w.take("2 at=3 line=L1/v:1/qty:0/ordered:1 line=L2/v:1/qty:4"))
	require.Contains(t, w.balances(), "A@main on hand 10 committed 4")
	require.Equal(t, "shopify:shop:2~2", w.order("shopify:shop:2").Reservation)
	w.sound()
}

// events is a feed that a test fills.
type events struct {
	all     []engine.Event
	gone    uint64
	changed chan struct{}
}

type goneError struct{}

func (goneError) Error() string { return "gone" }
func (goneError) Code() string  { return "events-gone" }

func (f *events) Events(after uint64, limit int) ([]engine.Event, error) {
	if after < f.gone {
		return nil, goneError{}
	}
	var page []engine.Event
	for _, e := range f.all {
		if e.Seq > after && len(page) < limit {
			page = append(page, e)
		}
	}
	return page, nil
}

func (f *events) EventsChanged() <-chan struct{} { return f.changed }

// TestShortIsFollowed finds what nobody told the book: units that a count took, and those that
// came.
func TestShortIsFollowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		feed := &events{changed: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.book.FollowShort(ctx, feed) }()
		tell := func(kind engine.EventType, cause string) {
			synctest.Wait()
			feed.all = append(feed.all, engine.Event{Seq: uint64(len(feed.all) + 1), Type: kind, Cause: cause})
			old := feed.changed
			feed.changed = make(chan struct{})
			close(old)
			synctest.Wait()
		}
		w.stock("main", "A", 5)
		w.take("1 at=1 line=L1/v:1/qty:3")
		w.stock("main", "A", 1)
		require.Empty(t, w.open())
		tell(engine.EventShort, "shopify:shop:1")
		require.Equal(t, []string{"short shopify:shop:1"}, w.open())
		tell(engine.EventShort, "shopify:shop:1")
		require.Equal(t, []string{"short shopify:shop:1"}, w.open())
		tell(engine.EventShort, "somebody-elses")
		w.stock("main", "A", 9)
		tell(engine.EventAllocated, "shopify:shop:1")
		require.Empty(t, w.open())
		w.stock("main", "A", 0)
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)

		// Behind what is kept: all that is short is looked at.
		feed.gone = 100
		ctx, cancel = context.WithCancel(t.Context())
		go func() { done <- w.book.FollowShort(ctx, feed) }()
		synctest.Wait()
		require.Equal(t, []string{"short shopify:shop:1"}, w.open())
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

// TestStandingHoldsAreDrawn sells out of what the channel had set aside, in the same entry.
func TestStandingHoldsAreDrawn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock("east", "A", 5)
	var tx records.Tx
	tx.Do(&engine.Reserve{ID: "lease:web:A", Channel: "web", Mode: engine.Strict,
		Lines: []engine.Line{{SKU: "A", Qty: 5}}})
	o, err := w.store.Submit(w.ctx, &tx)
	require.NoError(t, err)
	require.Equal(t, engine.Accepted, o.Refusal)
	require.Equal(t, "new", w.take("1 at=1 line=L1/v:1/qty:2"))
	require.Equal(t, "new", w.take("2 at=1 line=L1/v:1/qty:1 ship=F1/from:east/L1:1"))
	require.Empty(t, w.open(), "nothing is short")
	require.Contains(t, w.balances(), "A@east on hand 4 committed 4")
	_, err = w.store.Ledger(w.ctx, func(l *engine.Ledger) bool {
		hold, _ := l.Reservation("lease:web:A")
		require.EqualValues(t, 2, hold.Lines[0].Held)
		return false
	})
	require.NoError(t, err)
	w.sound()
}

// TestLargeOrders stores what would not fit a record as it is.
func TestLargeOrders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock("main", "A", 10_000)
	words := []string{"1", "at=1"}
	for i := range 900 {
		words = append(words, fmt.Sprintf("line=gid-%020d/v:1/qty:2/sku:A", i))
	}
	require.Equal(t, "new", w.receive(&arguments{words: words}))
	o := w.order("shopify:shop:1")
	require.Len(t, o.Lines, 900)
	require.Contains(t, w.balances(), "A@main on hand 10000 committed 1800")
	require.Empty(t, w.open())
	r, _, err := w.store.Get(w.ctx, records.Orders, o.ID)
	require.NoError(t, err)
	require.Less(t, len(r.Body), records.MaxBody)
	page, _, err := w.book.List(w.ctx, Query{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page[0].Lines, 900)

	// More lines than a reservation has: stored, and a person is told.
	for i := range 200 {
		words = append(words, fmt.Sprintf("line=more-%d/v:1/qty:2/sku:A", i))
	}
	words[1] = "at=2"
	require.Empty(t, w.receive(&arguments{words: words}))
	require.Equal(t, []string{"ledger-refused shopify:shop:1"}, w.open())
	require.Equal(t, Waiting, w.order("shopify:shop:1").State)
	require.Contains(t, w.balances(), "A@main on hand 10000 committed 1800")
}

func TestHoldsAreNoted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock("main", "A", 10)
	w.take("1 at=1 line=L1/v:1/qty:2")
	for range 2 {
		o, err := w.book.Hold(w.ctx, "shopify:shop:1", "fraud", true)
		require.NoError(t, err)
		require.Equal(t, []string{"fraud"}, o.Holds)
	}
	o, err := w.book.Hold(w.ctx, "shopify:shop:1", "fraud", false)
	require.NoError(t, err)
	require.Empty(t, o.Holds)
	_, err = w.book.Hold(w.ctx, "nobody", "fraud", true)
	var no *Error
	require.ErrorAs(t, err, &no)
	require.Equal(t, "unknown-order", no.Code())
}

// TestPinsThatCannotServe falls back to the channel's order, and a person is told.
func TestPinsThatCannotServe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock("main", "A", 10)
	require.Equal(t, "new", w.take("1 at=1 line=L1/v:1/qty:2/at:nowhere"))
	require.Contains(t, w.balances(), "A@main on hand 10 committed 2")
	require.Equal(t, []string{"unknown-location shopify:shop:1"}, w.open())
	w.sound()
}

// TestNoOrderIsLost stores an order whose channel the ledger does not know, and gives it its stock
// once it does.
func TestNoOrderIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("shop").Channel = "later"
	w.stock("main", "A", 10)
	require.Equal(t, "new", w.take("1 at=1 line=L1/v:1/qty:2 webhook=w1"))
	require.Equal(t, []string{"ledger-refused shopify:shop:1"}, w.open())
	require.Contains(t, w.tasks(), "erp.order:shopify:shop:1")
	w.store.Define(t, &engine.DefineChannel{Channel: "later", Kind: engine.ChannelShopify,
		Publish: engine.Pooled, Split: true, Locations: []engine.Name{"main"}})
	w.pass(2 * servedFor)
	_, err := w.book.Retry(w.ctx, "shopify:shop:1")
	require.NoError(t, err)
	require.Empty(t, w.open())
	require.Contains(t, w.balances(), "A@main on hand 10 committed 2")
	w.sound()
}

func TestTimelineIsBounded(t *testing.T) {
	t.Parallel()
	var o Order
	for i := range 3 * MaxTimeline {
		o.note(Moment{What: fmt.Sprint(i)})
	}
	require.Len(t, o.Timeline, MaxTimeline)
	require.Equal(t, "0", o.Timeline[0].What)
	require.Equal(t, fmt.Sprint(3*MaxTimeline-1), o.Timeline[MaxTimeline-1].What)
}
