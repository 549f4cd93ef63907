package amazon

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/connections"
	"holdfast/adapters/records"
)

func TestAPendingOrderIsPromisedAndNobodyElseIsTold(t *testing.T) {
	w := newWorld(t)
	o := w.place("111-1", "PENDING", line("i1", "AZ-A", 3, `,"fulfillment":{"quantityFulfilled":0,"quantityUnfulfilled":0}`))
	w.advance(6 * time.Minute)
	w.sweep(byCreation)
	assert.EqualValues(t, 97, w.available("A"))
	got := w.order("111-1")
	assert.True(t, got.Pending)
	assert.Empty(t, got.Total)
	assert.Empty(t, w.tasks("shopify.order"))
	assert.Empty(t, w.open())

	w.touch(o, func(o *fakeOrder) {
		o.status, o.more = "UNSHIPPED", `,"proceeds":{"grandTotal":{"amount":"29.97","currencyCode":"USD"}},"programs":["PRIME"]`
		o.items = line("i1", "AZ-A", 3, `,"fulfillment":{"quantityFulfilled":0,"quantityUnfulfilled":3}`)
	})
	w.advance(5 * time.Minute)
	w.sweep(byCreation)
	assert.True(t, w.order("111-1").Pending, "it is older than what is searched for")
	w.sweep(byChange)
	got = w.order("111-1")
	assert.Equal(t, []any{false, "29.97", "USD", "9.99", []string{"PRIME"}},
		[]any{got.Pending, got.Total, got.Currency, got.Lines[0].Price, got.Tags})
	assert.Equal(t, []string{"amazon:amz:111-1"}, w.tasks("shopify.order"))
	assert.EqualValues(t, 97, w.available("A"))
}

func TestACancelledOrderGivesBackWhatWasPromised(t *testing.T) {
	w := newWorld(t)
	o := w.place("111-1", "PENDING", line("i1", "AZ-A", 3), line("i2", "AZ-B", 2))
	w.advance(5 * time.Minute)
	w.sweep(byCreation)
	assert.EqualValues(t, 97, w.available("A"))
	assert.EqualValues(t, 98, w.available("B"))
	w.touch(o, func(o *fakeOrder) { // its quantities are gone, and one line with them
		o.status, o.items = "CANCELLED", line("i1", "AZ-A", 0, `,"cancellation":{"cancellationExecution":{"cancelledBy":"BUYER","cancelReason":"CHANGED_MIND"}}`)
	})
	w.advance(5 * time.Minute)
	w.sweep(byChange)
	assert.EqualValues(t, 100, w.available("A"))
	assert.EqualValues(t, 100, w.available("B"))
	got := w.order("111-1")
	assert.False(t, got.CancelledAt.IsZero())
	assert.Equal(t, "BUYER CHANGED_MIND", got.Cancel.Reason)
}

func TestWhatAmazonFulfilsTakesNothing(t *testing.T) {
	w := newWorld(t)
	w.place("111-1", "UNSHIPPED", line("i1", "AZ-A", 3)).by = "AMAZON"
	w.place("S01-1", "UNSHIPPED", line("i1", "AZ-A", 3)).channel = "NON_AMAZON"
	w.place("111-2", "PENDING_AVAILABILITY", line("i1", "AZ-A", 3))
	w.advance(5 * time.Minute)
	w.sweep(byCreation)
	assert.EqualValues(t, 100, w.available("A"))
	got := w.order("111-1")
	assert.Equal(t, []string{"amazon", "amz-fba"}, []string{got.FulfilledBy, got.Channel})
	assert.Equal(t, "fulfilled-by-amazon", got.Lines[0].Untracked)
	_, err := w.book.Get(w.ctx, "amazon:amz:S01-1")
	assert.Error(t, err, "what Amazon sends for another channel is no order of ours")
	assert.True(t, w.order("111-2").Pending)
}

func TestAReplacementShipsStockAgain(t *testing.T) {
	w := newWorld(t)
	w.place("111-2", "UNSHIPPED", line("i1", "AZ-A", 1)).more =
		`,"associatedOrders":[{"orderId":"111-1","associationType":"REPLACEMENT_ORIGINAL_ID"}]`
	w.advance(5 * time.Minute)
	w.sweep(byCreation)
	assert.EqualValues(t, 99, w.available("A"))
	assert.Equal(t, []string{"replacement", "replacement-of:111-1"}, w.order("111-2").Tags)
}

func TestPackagesShipWhatTheyHave(t *testing.T) {
	w := newWorld(t)
	items := func(done, left int) string {
		return line("i1", "AZ-A", 5, fmt.Sprintf(`,"fulfillment":{"quantityFulfilled":%d,"quantityUnfulfilled":%d}`, done, left))
	}
	o := w.place("111-1", "PARTIALLY_SHIPPED", items(2, 3))
	o.more = `,"packages":[{"packageReferenceId":"1","packageStatus":{"status":"SHIPPED"},"carrier":"UPS","trackingNumber":"T1",
		"packageItems":[{"orderItemId":"i1","quantity":2}]},{"packageReferenceId":"9","packageStatus":{"status":"CANCELLED"},
		"packageItems":[{"orderItemId":"i1","quantity":1}]}]`
	w.advance(5 * time.Minute)
	w.sweep(byCreation)
	got := w.order("111-1")
	require.Len(t, got.Shipments, 1)
	assert.Equal(t, "T1", got.Shipments[0].Tracking)
	assert.EqualValues(t, []int64{2, 3}, []int64{got.Lines[0].Shipped, got.Lines[0].ToShip})
	assert.EqualValues(t, 95, w.available("A"))
	w.touch(o, func(o *fakeOrder) { o.status, o.items = "SHIPPED", items(5, 0) }) // a package is not shown
	w.advance(5 * time.Minute)
	w.sweep(byChange)
	got = w.order("111-1")
	assert.EqualValues(t, []int64{5, 0}, []int64{got.Lines[0].Shipped, got.Lines[0].ToShip})
	assert.EqualValues(t, 95, w.available("A"), "what has left is not promised again")
}

func TestOddOrdersAreKeptAndShown(t *testing.T) {
	w := newWorld(t)
	w.place("111-1", "TELEPORTED", line("i1", "AZ-A", 3))
	w.place("111-2", "UNSHIPPED", strings.Replace(line("i1", "", 2), `"sellerSku":"",`, "", 1), line("i2", "AZ-B", 4))
	w.place("111-3", "UNSHIPPED", line("i1", "AZ-A", 1)).by = "DRONE"
	w.place("", "UNSHIPPED", line("i1", "AZ-A", 1))
	w.place("111-4", "UNSHIPPED", line("i1", "AZ-A", 5))
	w.advance(5 * time.Minute)
	w.sweep(byCreation)
	assert.EqualValues(t, 100-3-1-5, w.available("A"), "units of what is not understood are promised")
	assert.EqualValues(t, 96, w.available("B"))
	assert.True(t, w.order("111-1").Pending, "and nobody is told of it")
	assert.True(t, w.order("111-3").Pending)
	assert.Equal(t, []string{"amazon:amz:111-2", "amazon:amz:111-4"}, w.tasks("shopify.order"))
	assert.Contains(t, w.order("111-2").Lines[0].Unmapped, "asin:B0")
	assert.Equal(t, []string{"odd-order", "odd-order", "odd-order", "odd-order", "unmapped-sku"}, w.open())
	assert.Equal(t, w.now.Add(-2*time.Minute-watermarkLag), w.watermark(), "none of them holds up the others")
}

func TestOnlyTheSweepByCreationProves(t *testing.T) {
	w := newWorld(t)
	w.advance(5 * time.Minute)
	w.sweep(byChange)
	assert.True(t, w.watermark().IsZero())
	w.sweep(byCreation)
	assert.Equal(t, w.now.Add(-2*time.Minute-watermarkLag), w.watermark(), "Amazon's clock, less the lag")
	last := w.asked[len(w.asked)-1]
	assert.Contains(t, last, "createdAfter=2026-11-23T11%3A00%3A00.000Z", "from orders_from on")
	assert.Contains(t, last, "marketplaceIds="+market+"%2C"+other, "one call for all marketplaces")
	before := w.watermark()
	w.advance(3 * time.Minute)
	w.sweep(byCreation)
	assert.Contains(t, w.asked[len(w.asked)-1], "createdAfter="+
		strings.ReplaceAll(before.Format("2006-01-02T15:04:05.000Z"), ":", "%3A"))
	assert.Equal(t, before.Add(3*time.Minute), w.watermark())
}

func TestAClockThatIsWrongMovesNoWatermark(t *testing.T) {
	for _, skew := range []time.Duration{-5 * time.Minute, 5 * time.Minute} {
		w := newWorld(t)
		amazons := w.now
		w.now = w.now.Add(skew) // ours
		w.fail = func(r *http.Request) *http.Response {
			return reply(200, fmt.Sprintf(`{"orders":[],"createdBefore":%q}`, amazons.Add(-2*time.Minute).Format(time.RFC3339)))
		}
		w.sweep(byCreation)
		assert.Equal(t, amazons.Add(-5*time.Minute), w.watermark())
		w.fail = func(*http.Request) *http.Response { return reply(200, `{"orders":[]}`) }
		err := w.seller().sweep(w.ctx, w.sellers, byCreation)
		assert.Equal(t, spapi.CodeAnswer, spapi.CodeOf(err), "a page that does not say up to when it is proves nothing")
		assert.Equal(t, amazons.Add(-5*time.Minute), w.watermark())
	}
}

// TestASweepGoesOnWhereItBroke breaks a sweep of seven pages at every page, by an error and by a new
// process, and counts what is taken in.
func TestASweepGoesOnWhereItBroke(t *testing.T) {
	for broken := range 7 {
		w := newWorld(t)
		w.pageSize = 10
		w.report = "" // it never comes
		for i := range 61 {
			w.place(fmt.Sprintf("111-%02d", i), "UNSHIPPED", line("i1", "AZ-A", 1))
		}
		w.advance(10 * time.Minute)
		pages := 0
		w.fail = func(r *http.Request) *http.Response {
			if !strings.HasSuffix(r.URL.Path, "/orders") {
				return nil
			}
			if pages++; pages == broken+1 {
				return reply(500, "")
			}
			return nil
		}
		// Four tries of a page end it.
		real := w.fail
		w.fail = func(r *http.Request) *http.Response {
			if pages == broken && strings.HasSuffix(r.URL.Path, "/orders") {
				return reply(503, "")
			}
			return real(r)
		}
		require.Error(t, w.seller().sweep(w.ctx, w.sellers, byCreation))
		assert.EqualValues(t, 100-min(10*broken, 61), w.available("A"), "page by page")
		assert.True(t, w.watermark().IsZero())
		w.fail = nil
		fresh, err := New(w.sellers.cfg)
		require.NoError(t, err)
		w.sellers = fresh
		before := len(w.asked)
		w.sweep(byCreation)
		searches := 0
		for _, a := range w.asked[before:] {
			if strings.HasPrefix(a, "GET /orders/2026-01-01/orders?") {
				searches++
			}
		}
		assert.Equal(t, 7-broken, searches, "no page twice")
		assert.EqualValues(t, 39, w.available("A"))
		assert.False(t, w.watermark().IsZero())
	}
}

func TestAPageTokenThatIsTooOldBeginsAnew(t *testing.T) {
	w := newWorld(t)
	w.pageSize = 1
	w.place("111-1", "UNSHIPPED", line("i1", "AZ-A", 1))
	w.place("111-2", "UNSHIPPED", line("i1", "AZ-A", 1))
	w.advance(10 * time.Minute)
	old := ""
	w.fail = func(r *http.Request) *http.Response {
		token := r.URL.Query().Get("paginationToken")
		if old == "" && token != "" {
			old = token
			w.now = w.now.Add(time.Second) // so that a new one is another
		}
		if token != "" && token == old {
			return reply(400, `{"errors":[{"code":"InvalidInput","message":"token"}]}`)
		}
		return nil
	}
	w.sweep(byCreation)
	assert.EqualValues(t, 98, w.available("A"))
	assert.False(t, w.watermark().IsZero())
}

func TestAPageThatLooksFurtherProvesNoMore(t *testing.T) {
	w := newWorld(t)
	w.fail = func(r *http.Request) *http.Response {
		if r.URL.Query().Has("paginationToken") {
			return reply(200, `{"orders":[],"createdBefore":"2026-11-23T13:00:00Z"}`)
		}
		return reply(200, `{"orders":[],"pagination":{"nextToken":"T"},"createdBefore":"2026-11-23T12:00:00Z"}`)
	}
	w.sweep(byCreation)
	assert.Equal(t, time.Date(2026, 11, 23, 11, 57, 0, 0, time.UTC), w.watermark(), "what its first page had looked to")
}

// row is a line of the report of orders.
func row(id, channel, sales string) string {
	return strings.Join([]string{id, "2026-11-23T12:00:00+00:00", "Pending", channel, sales, "AZ-A", "1"}, "\t") + "\n"
}

const head = "amazon-order-id\tpurchase-date\torder-status\tfulfillment-channel\tsales-channel\tsku\tquantity\n"

func TestAReportCatchesUp(t *testing.T) {
	w := newWorld(t)
	w.pageSize = 2
	text := head
	for i := range 60 {
		id := fmt.Sprintf("111-%02d", i)
		w.place(id, "UNSHIPPED", line("i1", "AZ-A", 1))
		text += row(id, "Merchant", "Amazon.com")
	}
	text += row("222-1", "Amazon", "Amazon.com") + row("S01", "Merchant", "Non-Amazon")
	w.advance(10 * time.Minute)
	err := w.seller().sweep(w.ctx, w.sellers, byCreation)
	assert.Equal(t, spapi.CodeThrottled, spapi.CodeOf(err), "the burst of 20 calls is used")
	assert.EqualValues(t, 60, w.available("A"))
	assert.Equal(t, 1, w.reports)
	assert.True(t, w.watermark().IsZero())

	w.report = text + "broken\n"
	w.mu.Lock()
	w.report = text + row("", "Merchant", "")
	w.mu.Unlock()
	assert.Error(t, w.seller().sweep(w.ctx, w.sellers, byCreation), "a row without an order proves nothing")
	assert.True(t, w.watermark().IsZero())

	w.report = text
	w.sweep(byCreation)
	assert.EqualValues(t, 40, w.available("A"), "what the pages had not reached is read one by one")
	assert.Equal(t, time.Date(2026, 11, 23, 12, 5, 0, 0, time.UTC), w.watermark().Truncate(time.Second),
		"up to where the first page had looked")
	reads := slices.DeleteFunc(slices.Clone(w.asked), func(a string) bool {
		return !strings.HasPrefix(a, "GET /orders/2026-01-01/orders/")
	})
	assert.Len(t, reads, 20)
	assert.Equal(t, 1, w.reports)
	row, _, err := w.store.Get(w.ctx, records.Cursors, "amz"+byCreation.name)
	require.NoError(t, err)
	assert.Empty(t, row.Body)
}

func TestARoleThatIsMissingIsDoneWithout(t *testing.T) {
	w := newWorld(t, func(c *connections.Connection) { c.Settings = []byte(`{"recipient":true}`) })
	w.place("111-1", "UNSHIPPED", line("i1", "AZ-A", 1))
	w.advance(10 * time.Minute)
	w.fail = func(r *http.Request) *http.Response {
		if strings.Contains(r.URL.RawQuery, "RECIPIENT") {
			return reply(403, `{"errors":[{"code":"Unauthorized","message":"Access to requested resource is denied."}]}`)
		}
		return nil
	}
	w.sweep(byCreation)
	assert.EqualValues(t, 99, w.available("A"))
	assert.Equal(t, []string{"role-missing"}, w.open())
	before := len(w.asked)
	w.sweep(byChange)
	assert.Len(t, w.asked, before+1, "not asked again for an hour")
	w.advance(2 * time.Hour)
	w.fail = nil
	w.sweep(byChange)
	assert.Contains(t, w.asked[len(w.asked)-1], "RECIPIENT")
}

func TestAnOrderWithoutItsPriceIsToldToNobody(t *testing.T) {
	w := newWorld(t)
	w.place("111-1", "UNSHIPPED", line("i1", "AZ-A", 1, `,"fulfillment":{"quantityFulfilled":0,"quantityUnfulfilled":1}`))
	w.advance(10 * time.Minute)
	w.fail = func(r *http.Request) *http.Response {
		if strings.Contains(r.URL.RawQuery, "PROCEEDS") {
			return reply(403, `{"errors":[{"code":"Unauthorized","message":"denied"}]}`)
		}
		return nil
	}
	w.sweep(byCreation)
	assert.EqualValues(t, 99, w.available("A"))
	assert.Empty(t, w.tasks("shopify.order"))
	w.fail = nil
	w.advance(2 * time.Hour)
	require.NoError(t, w.seller().fetch(w.ctx, w.sellers, "111-1"))
	assert.Equal(t, []string{"amazon:amz:111-1"}, w.tasks("shopify.order"), "once the role is there")
	assert.EqualValues(t, 99, w.available("A"))
}

func TestAStartPromisesWhatIsOpen(t *testing.T) {
	w := newWorld(t)
	w.pageSize = 1
	w.place("111-1", "UNSHIPPED", line("i1", "AZ-A", 1))
	w.place("111-2", "SHIPPED", line("i1", "AZ-A", 1))
	w.place("111-3", "PENDING", line("i1", "AZ-A", 1))
	w.advance(10 * time.Minute)
	a := &adapter{all: w.sellers, id: "amz"}
	cursor := ""
	for {
		page, err := a.OpenOrders(w.ctx, cursor)
		require.NoError(t, err)
		if page.Write != nil {
			_, err := records.Retry(w.ctx, w.store, func(tx *records.Tx) error { return page.Write(w.ctx, tx) })
			require.NoError(t, err)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
		w.advance(time.Minute)
	}
	assert.EqualValues(t, 98, w.available("A"))
	p, err := w.seller().at(w.ctx, w.sellers, byCreation)
	require.NoError(t, err)
	assert.Equal(t, time.Date(2026, 11, 23, 12, 5, 0, 0, time.UTC), p.After, "from where its first page had looked to")
}

func TestTheTwoSweepsTakeTurns(t *testing.T) {
	w := newWorld(t)
	w.advance(5 * time.Minute)
	a := &adapter{all: w.sellers, id: "amz"}
	for range 4 {
		require.NoError(t, a.sweep(w.ctx, w.seller()))
		w.advance(sweepEvery)
	}
	var kinds []bool
	for _, q := range w.asked {
		kinds = append(kinds, strings.Contains(q, "createdAfter"))
	}
	assert.Equal(t, []bool{true, false, true, false}, kinds)
}

func TestTheChoresOfOrdersRunUntilTheEnd(t *testing.T) {
	w := newWorld(t)
	w.place("111-1", "UNSHIPPED", line("i1", "AZ-A", 1))
	ctx, cancel := context.WithCancel(t.Context())
	w.sellers.cfg.Pause = func(ctx context.Context, d time.Duration) error {
		w.advance(d)
		if w.Now().After(time.Date(2026, 11, 23, 13, 0, 0, 0, time.UTC)) {
			cancel()
		}
		return ctx.Err()
	}
	a, err := Kind{w.sellers}.Connect(connections.Link{Connection: w.conn})
	require.NoError(t, err)
	orders := a.(*adapter)
	assert.ErrorIs(t, orders.work(ctx, orders.orderChores()), context.Canceled)
	assert.EqualValues(t, 99, w.available("A"))
	assert.Equal(t, []string{"not-participating"}, w.open(), "the check has looked at the marketplaces")
	searches := 0
	for _, q := range w.asked {
		if strings.HasPrefix(q, "GET /orders/2026-01-01/orders?") {
			searches++
		}
	}
	assert.InDelta(t, 20, searches, 2, "one in three minutes")
}

func TestOrdersAreTakenInByTheirIDsNow(t *testing.T) {
	w := newWorld(t)
	w.place("111-1", "UNSHIPPED", line("i1", "AZ-A", 1))
	a := &adapter{all: w.sellers, id: "amz"}
	require.NoError(t, a.RunFlow(w.ctx, connections.Run{Flow: FlowOrders, IDs: []string{"111-1"}}))
	assert.EqualValues(t, 99, w.available("A"))
	assert.ErrorContains(t, a.RunFlow(w.ctx, connections.Run{Flow: FlowOrders, IDs: []string{"999"}}), "999")
	w.place("111-2", "UNSHIPPED", line("i1", "AZ-A", 1))
	w.advance(10 * time.Minute)
	require.NoError(t, a.RunFlow(w.ctx, connections.Run{Flow: FlowOrders, From: w.now.Add(-time.Hour)}))
	assert.EqualValues(t, 98, w.available("A"))
	assert.True(t, w.watermark().IsZero(), "a window proves nothing")
	assert.Error(t, a.RunFlow(w.ctx, connections.Run{Flow: "other"}))
}
