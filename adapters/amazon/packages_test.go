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

func TestAPackageIsConfirmedOnceEach(t *testing.T) {
	r := newRig(t, spapitest.Timing{})
	id := r.buy(spapitest.PurchaseLine{SKU: "AZ-A", Qty: 3})
	ref := r.at(id).Items[0].ID
	for i, key := range []string{"f1", "f2"} {
		r.ship(id, key, orders.Shipment{Carrier: "ups", Tracking: "1Z" + key,
			Lines: []orders.ShipmentLine{{Ref: ref, Qty: int64(i + 1)}}})
		require.NoError(t, r.do(taskShipment))
	}
	require.Equal(t, "SHIPPED", r.at(id).Status)
	require.Equal(t, 2, r.at(id).Packages)
	require.Equal(t, 2, r.calls("confirmShipment"))

	// What Amazon tells of them is ours, and is told to nobody.
	r.pass(5 * time.Minute)
	r.sweep(byChange)
	o := r.order(id)
	require.Len(t, o.Shipments, 2)
	require.Equal(t, orders.Shipped, o.State)
	require.Nil(t, r.task(taskShipment))
	require.EqualValues(t, 97, r.available("A"))
}

func TestAPackageIsReadBackAfterDoubt(t *testing.T) {
	for _, kind := range []string{spapitest.FaultErrorAfter, spapitest.FaultError, spapitest.FaultResetAfter,
		spapitest.FaultResetBefore, spapitest.FaultThrottled, spapitest.FaultTokenExpired} {
		t.Run(kind, func(t *testing.T) {
			r := newRig(t, spapitest.Timing{})
			id := r.buy(spapitest.PurchaseLine{SKU: "AZ-A", Qty: 2})
			r.ship(id, "f1", orders.Shipment{Carrier: "UPS", Tracking: "1Z"})
			require.NoError(t, r.sim.Break(spapitest.Fault{Kind: kind, Operation: "confirmShipment", Count: 1}))
			for n := 0; r.do(taskShipment) != nil; n++ {
				require.Less(t, n, 3)
				r.pass(time.Minute)
			}
			require.Equal(t, "SHIPPED", r.at(id).Status)
			require.Equal(t, 1, r.at(id).Packages)
			require.Nil(t, r.task(taskShipment))
		})
	}
}

func TestAPackageThatCannotBeConfirmedSaysWhy(t *testing.T) {
	r := newRig(t, spapitest.Timing{})
	id := r.buy(spapitest.PurchaseLine{SKU: "AZ-A", Qty: 1})
	r.ship(id, "f1", orders.Shipment{Carrier: "Pony Express"})
	var later *outbox.Later
	require.ErrorAs(t, r.do(taskShipment), &later, "the number may come")
	r.pass(trackingWait)
	require.Equal(t, "no-tracking", spapi.CodeOf(r.do(taskShipment)))
	_, err := r.book.Attach(r.ctx, "amazon:amz:"+id, orders.Attachment{System: "shop", Shipments: []orders.Shipment{
		{Key: "f1", Tracking: "7", Lines: []orders.ShipmentLine{{Ref: r.at(id).Items[0].ID, Qty: 1}}}}})
	require.NoError(t, err)
	require.NoError(t, r.do(taskShipment))
	require.Contains(t, r.open(), "unknown-carrier", "one for the name, and the package left all the same")
	require.Equal(t, "SHIPPED", r.at(id).Status)
}

func TestAPackageOfAnOrderThatAmazonHasCancelledIsAnException(t *testing.T) {
	r := newRig(t, spapitest.Timing{})
	id := r.buy(spapitest.PurchaseLine{SKU: "AZ-A", Qty: 1})
	r.ship(id, "f1", orders.Shipment{Carrier: "UPS", Tracking: "1Z"})
	_, err := r.sim.Cancel(spapitest.Cancels{Account: "amz", Orders: []string{id}})
	require.NoError(t, err)
	require.Equal(t, "cancelled-at-amazon", spapi.CodeOf(r.do(taskShipment)))
}

func TestShipPlusIsNeverConfirmedByHand(t *testing.T) {
	r := newRig(t, spapitest.Timing{})
	no := int64(0)
	got, err := r.sim.Buy(spapitest.Purchases{Account: "amz", PendingMS: &no, Programs: []string{shipPlus},
		Lines: []spapitest.PurchaseLine{{SKU: "AZ-A", Qty: 1}}})
	require.NoError(t, err)
	r.pass(3 * time.Minute)
	r.sweep(byChange)
	r.ship(got.Orders[0].ID, "f1", orders.Shipment{Carrier: "UPS", Tracking: "1Z"})
	var needless *outbox.Needless
	require.ErrorAs(t, r.do(taskShipment), &needless)
	require.Zero(t, len(r.sim.Journal(spapitest.Filter{Kind: "request", Op: "confirmShipment"})))
}

// A package that was confirmed by hand keeps its number: ours takes another one and changes nothing of it.
func TestAPackageOfOursNeverTakesTheNumberOfAnother(t *testing.T) {
	r := newRig(t, spapitest.Timing{})
	id := r.buy(spapitest.PurchaseLine{SKU: "AZ-A", Qty: 2})
	ref := r.at(id).Items[0].ID
	require.NoError(t, r.seller().client.ConfirmShipment(r.ctx, id, spapi.Confirmation{MarketplaceID: market,
		Package: 2, CarrierCode: "UPS", Tracking: "by hand", Shipped: r.Now(),
		Items: []spapi.ShippedItem{{OrderItemID: ref, Quantity: 1}}}))
	r.pass(5 * time.Minute)
	r.sweep(byChange)
	require.Len(t, r.order(id).Shipments, 1)
	r.ship(id, "f1", orders.Shipment{Carrier: "UPS", Tracking: "1Z"})
	require.NoError(t, r.do(taskShipment))
	require.Equal(t, 2, r.at(id).Packages)
	require.Equal(t, "SHIPPED", r.at(id).Status)
}
