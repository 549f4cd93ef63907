package amazon

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/amazon/spapitest"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
)

// feedTime is a simulator whose feeds take their time.
var feedTime = spapitest.Timing{FeedWait: spapitest.Span{Min: 90_000, Max: 90_000}}

func (r *rig) cancelInShop(id, reason string) {
	r.t.Helper()
	_, err := r.book.Cancel(r.ctx, "amazon:amz:"+id, orders.CancelRequest{By: "shop", Reason: reason, Restock: true})
	require.NoError(r.t, err)
}

// Matrix: an order that the merchant fulfils, cancelled in Shopify.
func TestCancelledInTheShopIsAskedOfAmazonAndReleasedByIt(t *testing.T) {
	r := newRig(t, feedTime)
	id := r.buy(spapitest.PurchaseLine{SKU: "AZ-A", Qty: 3}, spapitest.PurchaseLine{SKU: "AZ-B", Qty: 1})
	require.EqualValues(t, 97, r.available("A"))
	r.cancelInShop(id, "CUSTOMER")
	var later *outbox.Later
	require.ErrorAs(t, r.do(taskCancel), &later)
	require.EqualValues(t, 97, r.available("A"), "it stays promised until Amazon says so")
	require.NoError(t, r.until(taskCancel))
	require.Equal(t, "CANCELLED", r.at(id).Status)
	require.EqualValues(t, 97, r.available("A"))
	require.NoError(t, r.do(taskRead))
	require.EqualValues(t, 100, r.available("A"))
	require.EqualValues(t, 100, r.available("B"))
	require.Equal(t, 1, r.calls("createFeed"))
	require.Equal(t, orders.Cancelled, r.order(id).State)
}

func TestACancellationIsOneFeedWhateverFails(t *testing.T) {
	for _, f := range []spapitest.Fault{{Kind: spapitest.FaultErrorAfter, Operation: "createFeed"},
		{Kind: spapitest.FaultResetAfter, Operation: "createFeed"},
		{Kind: spapitest.FaultError, Operation: "createFeed"},
		{Kind: spapitest.FaultError, Operation: "createFeedDocument"},
		{Kind: spapitest.FaultError, Operation: "getFeed"},
		{Kind: spapitest.FaultThrottled, Operation: "createFeed"}} {
		t.Run(f.Operation+" "+f.Kind, func(t *testing.T) {
			r := newRig(t, feedTime)
			id := r.buy(spapitest.PurchaseLine{SKU: "AZ-A", Qty: 3})
			r.cancelInShop(id, "INVENTORY")
			f.Count = 1
			require.NoError(t, r.sim.Break(f))
			for n := 0; r.until(taskCancel) != nil; n++ {
				require.Less(t, n, 4)
				r.pass(time.Minute)
			}
			require.Equal(t, "CANCELLED", r.at(id).Status)
			feeds := 0
			for _, e := range r.sim.Journal(spapitest.Filter{Kind: "feed"}) {
				if e.Op == "IN_QUEUE" {
					feeds++
				}
			}
			require.Equal(t, 1, feeds)
		})
	}
}

func TestACancellationThatAmazonRefusesIsAnExceptionAndStaysPromised(t *testing.T) {
	r := newRig(t, feedTime)
	id := r.buy(spapitest.PurchaseLine{SKU: "AZ-A", Qty: 3})
	r.cancelInShop(id, "CUSTOMER")
	require.NoError(t, r.sim.Break(spapitest.Fault{Kind: spapitest.FaultFeedFatal,
		Type: spapi.AcknowledgementFeed, Count: 1}))
	require.Equal(t, "cancellation-refused", spapi.CodeOf(r.until(taskCancel)))
	require.EqualValues(t, 97, r.available("A"))
	require.NoError(t, r.until(taskCancel), "a retry sends another feed")
	require.Equal(t, "CANCELLED", r.at(id).Status)
}

// Matrix: Amazon fulfils it, cancelled in Shopify.
func TestCancelledInTheShopButFulfilledByAmazonIsForTheBuyer(t *testing.T) {
	r := newRig(t, spapitest.Timing{FBAShip: spapitest.Span{Min: 3_600_000, Max: 3_600_000}})
	id := r.buy(spapitest.PurchaseLine{SKU: "AZ-F", Qty: 1})
	r.cancelInShop(id, "CUSTOMER")
	require.Contains(t, r.open(), "ask-buyer")
	require.Nil(t, r.task(taskCancel))
	require.Equal(t, "UNSHIPPED", r.at(id).Status)
}

// Matrix: some units have left.
func TestCancelledInTheShopWhenSomeHaveLeftIsAnException(t *testing.T) {
	r := newRig(t, spapitest.Timing{})
	id := r.buy(spapitest.PurchaseLine{SKU: "AZ-A", Qty: 3})
	r.ship(id, "f1", orders.Shipment{Carrier: "UPS", Tracking: "1Z",
		Lines: []orders.ShipmentLine{{Ref: r.at(id).Items[0].ID, Qty: 1}}})
	r.cancelInShop(id, "CUSTOMER")
	require.Contains(t, r.open(), "partly-shipped")
	require.Nil(t, r.task(taskCancel))
}

// Matrix: cancelled at Amazon.
func TestCancelledAtAmazonIsReleasedAndToldToTheShopAlone(t *testing.T) {
	r := newRig(t, spapitest.Timing{})
	id := r.buy(spapitest.PurchaseLine{SKU: "AZ-A", Qty: 3})
	_, err := r.sim.Cancel(spapitest.Cancels{Account: "amz", Orders: []string{id}})
	require.NoError(t, err)
	r.pass(5 * time.Minute)
	r.sweep(byChange)
	require.EqualValues(t, 100, r.available("A"), "by our own record, whatever quantities Amazon shows")
	require.NotNil(t, r.task("shopify.cancel"))
	require.Nil(t, r.task(taskCancel))
	require.Zero(t, r.calls("createFeed"))
}

// Matrix: the buyer asks, and somebody accepts or declines.
func TestTheBuyerAsksToCancel(t *testing.T) {
	for _, accept := range []bool{true, false} {
		r := newRig(t, feedTime)
		id := r.buy(spapitest.PurchaseLine{SKU: "AZ-A", Qty: 3})
		_, err := r.sim.Cancel(spapitest.Cancels{Account: "amz", Orders: []string{id}, Request: true})
		require.NoError(t, err)
		r.pass(5 * time.Minute)
		r.sweep(byChange)
		require.NotNil(t, r.task("shopify.hold"))
		require.Contains(t, r.open(), "buyer-asks-to-cancel")
		_, err = r.book.Decide(r.ctx, "amazon:amz:"+id, "api", accept)
		require.NoError(t, err)
		require.NotContains(t, r.open(), "buyer-asks-to-cancel")
		if !accept {
			var needless *outbox.Needless
			require.ErrorAs(t, r.do(taskDecline), &needless)
			require.Equal(t, "UNSHIPPED", r.at(id).Status)
			require.EqualValues(t, 97, r.available("A"))
			continue
		}
		require.NoError(t, r.until(taskCancel))
		require.NoError(t, r.do(taskRead))
		require.EqualValues(t, 100, r.available("A"))
	}
}
