package amazon

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/amazon/spapitest"
	"holdfast/adapters/orders"
)

// sentByHand is a simulator whose warehouses send when they are told to.
func sentByHand(rows time.Duration) spapitest.Timing {
	late := rows.Milliseconds()
	return spapitest.Timing{FBAShip: spapitest.Span{Min: 1 << 40, Max: 1 << 40},
		ShipmentRows: spapitest.Span{Min: late, Max: late}}
}

// hours lets time pass with the chores of the reports.
func (r *rig) hours(n int) {
	r.t.Helper()
	a := &adapter{all: r.sellers, id: "amz"}
	for range n * 12 {
		r.pass(reportsEvery)
		require.NoError(r.t, a.reports(r.ctx, r.seller()))
	}
}

func (r *rig) send(id string, qty int64) {
	r.t.Helper()
	require.NoError(r.t, r.sim.Move(spapitest.Moves{Account: "amz", Orders: []string{id}, Qty: qty}))
	r.pass(5 * time.Minute)
	r.sweep(byChange)
}

// What Amazon sends is told with its tracking, one package for each of its shipments, and takes no stock.
func TestWhatAmazonSendsIsKnownByTheReport(t *testing.T) {
	r := newRig(t, sentByHand(0))
	id := r.buy(spapitest.PurchaseLine{SKU: "AZ-F", Qty: 3})
	r.send(id, 1)
	require.Empty(t, r.order(id).Shipments, "not without its tracking")
	require.Equal(t, orders.OpenState, r.order(id).State)
	r.hours(1)
	require.Len(t, r.order(id).Shipments, 1)
	require.NotEmpty(t, r.order(id).Shipments[0].Tracking)
	r.send(id, 2)
	r.hours(1)
	r.sweep(byChange)
	o := r.order(id)
	require.Len(t, o.Shipments, 2)
	for i := range o.Shipments {
		require.False(t, o.Shipments[i].Off)
	}
	require.Equal(t, orders.Shipped, o.State)
	require.Nil(t, r.task(taskShipment), "nothing goes back to Amazon")
	require.Len(t, r.tasks("shopify.fulfilment"), 2)
	r.hours(30)
	require.Len(t, r.order(id).Shipments, 2)
}

// A report that never names a shipment does not keep its order open.
func TestWhatNoReportNamesIsFulfilledWithoutTracking(t *testing.T) {
	r := newRig(t, sentByHand(9*time.Hour))
	id := r.buy(spapitest.PurchaseLine{SKU: "AZ-F", Qty: 3})
	r.send(id, 3)
	r.hours(5)
	require.Empty(t, r.order(id).Shipments)
	r.hours(2)
	o := r.order(id)
	require.Len(t, o.Shipments, 1)
	require.Empty(t, o.Shipments[0].Tracking)
	require.Equal(t, orders.Shipped, o.State)
	r.hours(4)
	require.Len(t, r.order(id).Shipments, 1, "a late report makes no second package")
}

// Matrix of returns: what comes back to Amazon moves no stock of ours, in any state.
func TestWhatComesBackToAmazonIsToldAndMovesNothing(t *testing.T) {
	for theirs, ours := range map[string]string{"SELLABLE": atAmazon, "CUSTOMER_DAMAGED": "damaged",
		"DEFECTIVE": "damaged", "EXPIRED": "damaged"} {
		r := newRig(t, sentByHand(0))
		id := r.buy(spapitest.PurchaseLine{SKU: "AZ-F", Qty: 2})
		r.send(id, 2)
		r.hours(1)
		_, err := r.sim.Return(spapitest.Returns{Account: "amz", Order: id, Received: true, Disposition: theirs,
			Lines: []spapitest.PurchaseLine{{SKU: "AZ-F", Qty: 2}}})
		require.NoError(t, err)
		r.hours(10)
		o := r.order(id)
		units := int64(0)
		for i := range o.Returns {
			require.Equal(t, ours, o.Returns[i].Disposition)
			require.Equal(t, orders.ReturnReceived, o.Returns[i].State)
			require.False(t, o.Returns[i].Counted)
			units += o.Returns[i].Lines[0].Qty
		}
		require.EqualValues(t, 2, units)
		require.Empty(t, o.Reservation)
		require.NotNil(t, r.task("shopify.receipt"))
	}
}

// Matrix of returns: a buyer's wish is told; on hand rises only when the location's master has the units.
func TestAReturnToTheSellerIsAskedForAndReceivedElsewhere(t *testing.T) {
	r := newRig(t, spapitest.Timing{})
	id := r.buy(spapitest.PurchaseLine{SKU: "AZ-A", Qty: 2})
	r.ship(id, "f1", orders.Shipment{Carrier: "UPS", Tracking: "1Z"})
	require.NoError(t, r.do(taskShipment))
	_, err := r.sim.Return(spapitest.Returns{Account: "amz", Order: id, Received: true,
		Lines: []spapitest.PurchaseLine{{SKU: "AZ-A", Qty: 1}}})
	require.NoError(t, err)
	r.hours(10)
	o := r.order(id)
	require.Len(t, o.Returns, 1)
	require.Equal(t, orders.ReturnRequested, o.Returns[0].State)
	require.NotNil(t, r.task("shopify.return"))
	require.EqualValues(t, 98, r.available("A"))
	_, err = r.book.Return(r.ctx, o.ID, orders.Return{ID: o.Returns[0].ID, By: "wms", Location: "main",
		State: orders.ReturnReceived, Disposition: "sellable", Lines: o.Returns[0].Lines})
	require.NoError(t, err)
	require.EqualValues(t, 99, r.available("A"))
	r.hours(10)
	require.EqualValues(t, 99, r.available("A"))
	require.Len(t, r.order(id).Returns, 1)
}

// Matrix of refunds: money of Amazon's goes to the shop once, and moves no stock.
func TestARefundOfAmazonsIsToldOnce(t *testing.T) {
	r := newRig(t, spapitest.Timing{})
	id := r.buy(spapitest.PurchaseLine{SKU: "AZ-A", Qty: 2})
	r.ship(id, "f1", orders.Shipment{Carrier: "UPS", Tracking: "1Z"})
	require.NoError(t, r.do(taskShipment))
	_, err := r.sim.Return(spapitest.Returns{Account: "amz", Order: id, Refund: "5.00"})
	require.NoError(t, err)
	r.hours(3)
	o := r.order(id)
	require.Len(t, o.Refunds, 1)
	require.Contains(t, []string{"5", "5.0", "5.00"}, o.Refunds[0].Amount)
	require.Len(t, r.tasks("shopify.refund"), 1)
	require.EqualValues(t, 98, r.available("A"))
	require.Empty(t, r.open())
}

// Matrix of refunds: one that was made in the shop is a person's to make at Amazon.
func TestARefundMadeElsewhereIsAnException(t *testing.T) {
	r := newRig(t, spapitest.Timing{})
	id := r.buy(spapitest.PurchaseLine{SKU: "AZ-A", Qty: 2})
	_, err := r.book.Refund(r.ctx, "amazon:amz:"+id, orders.Refund{ID: "1", By: "shop", Amount: "1.00"})
	require.NoError(t, err)
	require.Equal(t, []string{"refund-not-sent"}, r.open())
	require.Zero(t, r.calls("createFeed"))
}
