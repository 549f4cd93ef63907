package spapitest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const all = "&includedData=BUYER,RECIPIENT,PROCEEDS,CANCELLATION,FULFILLMENT,PACKAGES"

func (r *rig) get(id string) map[string]any {
	r.t.Helper()
	r.calm()
	return r.ok("GET", "/orders/2026-01-01/orders/"+id+"?"+all[1:], nil)
}

func (r *rig) confirm(o BoughtOrder, ref any, lines map[int]int64) reply {
	r.t.Helper()
	r.calm()
	items := []m{}
	for i, n := range lines {
		items = append(items, m{"orderItemId": o.Lines[i].ID, "quantity": n})
	}
	return r.api("POST", "/orders/v0/orders/"+o.ID+"/shipmentConfirmation", m{
		"marketplaceId": o.Marketplace, "packageDetail": m{"packageReferenceId": ref,
			"carrierCode": "UPS", "trackingNumber": fmt.Sprint("1Z", ref),
			"shipDate": stamp(r.Now()), "orderItems": items}})
}

// TestLifeOfAMerchantOrder takes an order from PENDING to SHIPPED in two packages.
func TestLifeOfAMerchantOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{Timing: atOnce(func(t *Timing) { t.Pending = Span{10 * minute, 0} })})
	o := r.bought(PurchaseLine{SKU: "A", Qty: 3}, PurchaseLine{SKU: "B/1 +%", Qty: 2})
	assert.Equal(t, int64(7), r.listing("A").Quantity, "Amazon decrements at order time")

	got := r.get(o.ID)
	assert.Equal(t, pending, str(got, "order", "fulfillment", "fulfillmentStatus"))
	assert.Nil(t, dig(got, "order", "proceeds"), "no price while it is pending")
	assert.Nil(t, dig(got, "order", "recipient"), "no address either")
	assert.Nil(t, dig(got, "order", "orderItems", 0, "product", "price"))
	assert.Equal(t, 400, r.confirm(o, "1", map[int]int64{0: 1}).status)

	r.Advance(10 * time.Minute)
	got = r.get(o.ID)
	assert.Equal(t, unshipped, str(got, "order", "fulfillment", "fulfillmentStatus"))
	assert.Equal(t, "10.00", str(got, "order", "orderItems", 0, "product", "price", "unitPrice", "amount"))
	assert.NotEmpty(t, str(got, "order", "recipient", "deliveryAddress", "addressLine1"))

	r.check = false // a number where the model has a string is what is tested
	assert.Equal(t, "InvalidInput", r.confirm(o, 1, map[int]int64{0: 1}).code())
	r.check = true
	require.Equal(t, 204, r.confirm(o, "1", map[int]int64{0: 3}).status)
	assert.Equal(t, partlyShipped, r.order(o.ID).Status)
	require.Equal(t, 204, r.confirm(o, "1", map[int]int64{0: 2}).status, "the same reference edits")
	assert.Equal(t, int64(2), r.order(o.ID).Items[0].Shipped)
	assert.Equal(t, 400, r.confirm(o, "2", map[int]int64{0: 2}).status, "one is left, not two")
	require.Equal(t, 204, r.confirm(o, "2", map[int]int64{0: 1, 1: 2}).status)
	assert.Equal(t, shipped, r.order(o.ID).Status)
	again := r.confirm(o, "3", map[int]int64{0: 1})
	assert.Contains(t, string(again.raw), "PackageToUpdateNotFound")

	got = r.get(o.ID)
	assert.Equal(t, 2, count(got, "order", "packages"))
	assert.Equal(t, int64(3), num(got, "order", "orderItems", 0, "fulfillment", "quantityFulfilled"))
	assert.Equal(t, int64(7), r.listing("A").Quantity, "shipping takes nothing more")
}

// TestCancellations cancels at each stage and holds the stock.
func TestCancellations(t *testing.T) {
	t.Parallel()
	later := int64(-1)
	for _, tt := range []struct {
		name, sku, by, reason string
		opened                bool
		back                  bool
	}{
		{"buyer while pending", "A", "BUYER", "", false, true},
		{"buyer while unshipped", "A", "BUYER", "", true, true},
		{"merchant without stock", "A", "MERCHANT", "NoInventory", true, false},
		{"merchant for the buyer", "A", "MERCHANT", "BuyerCanceled", true, true},
		{"amazon while pending", "F", "AMAZON", "", false, true},
		{"buyer of a warehouse's", "F", "BUYER", "", true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, Config{Timing: atOnce(func(t *Timing) { t.FBAShip = Span{hour, 0} })})
			out, err := r.Buy(Purchases{Account: "us", PendingMS: &later,
				Lines: []PurchaseLine{{SKU: tt.sku, Qty: 3}}})
			require.NoError(t, err)
			id := out.Orders[0].ID
			if tt.opened {
				require.NoError(t, r.Move(Moves{Orders: []string{id}}))
			}
			_, err = r.Cancel(Cancels{Orders: []string{id}, By: tt.by, Reason: tt.reason})
			require.NoError(t, err)
			assert.Equal(t, cancelled, r.order(id).Status)
			left := r.listing("A").Quantity
			if tt.sku == "F" {
				left = r.stock("F").Fulfillable
				assert.Zero(t, r.stock("F").Pending)
			}
			assert.Equal(t, map[bool]int64{true: 10, false: 7}[tt.back], left)
			got := r.get(id)
			assert.Equal(t, tt.by, str(got, "order", "orderItems", 0, "cancellation",
				"cancellationExecution", "cancelledBy"))
			r.Advance(2 * time.Hour)
			assert.Equal(t, cancelled, r.order(id).Status, "no warehouse ships it")
			_, err = r.Cancel(Cancels{Orders: []string{id}})
			assert.Error(t, err)
		})
	}
}

// TestSearchPages reads orders in pages, lets one be touched between two of them, and finds it in
// the next sweep.
func TestSearchPages(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	var ids []string
	for range 5 {
		ids = append(ids, r.bought(PurchaseLine{SKU: "A"}).ID)
		r.Advance(time.Second)
	}
	start := r.Now().Add(-time.Hour)
	q := "/orders/2026-01-01/orders?maxResultsPerPage=2&includedData=FULFILLMENT&lastUpdatedAfter="
	none := r.ok("GET", q+at(start), nil)
	assert.Equal(t, 0, count(none, "orders"), "the cut-off is two minutes ago")
	r.Advance(3 * time.Minute)

	page := r.ok("GET", q+at(start), nil)
	cut := str(page, "lastUpdatedBefore")
	assert.Equal(t, stamp(r.Now().Add(-2*time.Minute)), cut)
	assert.Equal(t, 2, count(page, "orders"))
	token := "&paginationToken=" + str(page, "pagination", "nextToken")
	_, err := r.Cancel(Cancels{Orders: []string{ids[4]}, By: "BUYER"})
	require.NoError(t, err)
	r.Advance(time.Minute)
	page = r.ok("GET", q+at(start)+token, nil)
	assert.Equal(t, []string{ids[2], ids[3]}, []string{str(page, "orders", 0, "orderId"),
		str(page, "orders", 1, "orderId")})
	assert.Equal(t, cut, str(page, "lastUpdatedBefore"), "a search has one cut-off")
	assert.Nil(t, page["pagination"], "the touched one has left the sweep")

	other := r.api("GET", strings.Replace(q, "Page=2", "Page=3", 1)+at(start)+token, nil)
	assert.Equal(t, 400, other.status, "the other parameters must be the same")
	r.Advance(3 * time.Minute)
	before, fine := parseTime(cut)
	require.True(t, fine)
	page = r.ok("GET", q+at(before), nil)
	assert.Equal(t, ids[4], str(page, "orders", 0, "orderId"), "the next sweep has it")
	r.Advance(24 * time.Hour)
	r = r.as("us")
	r.calm()
	assert.Equal(t, 400, r.api("GET", q+at(start)+token, nil).status, "a token lives 24 hours")
}

// TestSearchRefuses walks the parameters that the model forbids.
func TestSearchRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	r.check = false
	now := r.Now()
	for query, status := range map[string]int{
		"": 400,
		"createdAfter=" + at(now) + "&lastUpdatedAfter=" + at(now):                                400,
		"createdAfter=" + at(now.Add(-time.Hour)) + "&lastUpdatedBefore=" + at(now):               400,
		"createdAfter=" + at(now.Add(-time.Hour)) + "&createdBefore=" + at(now):                   400,
		"createdAfter=" + at(now.Add(-time.Hour)) + "&createdBefore=" + at(now.Add(-5*time.Hour)): 400,
		"createdAfter=TEST_CASE_400":                                    400,
		"createdAfter=2026-11-01&maxResultsPerPage=101":                 400,
		"createdAfter=2026-11-01&fulfillmentStatuses=Unshipped":         400,
		"createdAfter=2026-11-01&fulfilledBy=MFN":                       400,
		"createdAfter=2026-11-01&includedData=EVERYTHING":               400,
		"createdAfter=2026-11-01&paginationToken=xyz":                   400,
		"createdAfter=2026-11-01&marketplaceIds=A1PA6795UKMFR9":         403,
		"createdAfter=2026-11-01&marketplaceIds=A2ZV50J4W1RKNI":         403,
		"createdAfter=2026-11-01&marketplaceIds=" + r.market():          200,
		"createdAfter=2026-11-01T00:00:00%2B00:00":                      200,
		"createdAfter=2026-11-01&fulfillmentStatuses=PENDING,UNSHIPPED": 200,
	} {
		r.calm()
		out := r.api("GET", "/orders/2026-01-01/orders?"+query, nil)
		assert.Equal(t, status, out.status, query)
	}
	assert.Equal(t, 404, r.api("GET", "/orders/2026-01-01/orders/1-2-3", nil).status)
}

// TestIndexLags shows that an order is not found at once, and never too late for a watermark of the
// cut-off less three minutes.
func TestIndexLags(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{Timing: atOnce(func(t *Timing) { t.Index = Span{0, 3 * minute} })})
	since := r.Now().Add(-time.Minute)
	mark := since
	seen := map[string]bool{}
	late := 0
	for range 120 {
		r.calm()
		if len(r.accounts[0].orders) < 10 {
			r.bought(PurchaseLine{SKU: "A"})
		}
		r.Advance(20 * time.Second)
		page := r.ok("GET", "/orders/2026-01-01/orders?createdAfter="+at(mark), nil)
		list, _ := page["orders"].([]any)
		for _, o := range list {
			created, _ := parseTime(str(o, "createdTime"))
			if !seen[str(o, "orderId")] && r.Now().Sub(created) > 130*time.Second {
				late++
			}
			seen[str(o, "orderId")] = true
		}
		before, _ := parseTime(str(page, "createdBefore"))
		mark = before.Add(-3 * time.Minute)
	}
	assert.Len(t, seen, 10, "the watermark never passed an order that was not in the index")
	assert.Positive(t, late, "some were late")
}

// TestFBAOrder is sent by a warehouse, in one shipment or two, and nobody else can confirm it.
func TestFBAOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{Timing: atOnce(func(t *Timing) { t.FBAShip = Span{hour, 2 * hour} })})
	o := r.bought(PurchaseLine{SKU: "F", Qty: 2}, PurchaseLine{SKU: "G", Qty: 1})
	assert.Equal(t, Levels{Fulfillable: 8, Pending: 2}, r.stock("F"))
	assert.Zero(t, r.listing("F").Quantity)
	assert.Equal(t, 400, r.confirm(o, "1", map[int]int64{0: 1}).status)
	r.Advance(5 * time.Hour)
	r = r.as("us")
	assert.Equal(t, shipped, r.order(o.ID).Status)
	assert.Equal(t, Levels{Fulfillable: 8}, r.stock("F"))
	assert.Nil(t, dig(r.get(o.ID), "order", "packages"), "packages are the merchant's only")
	out, err := r.Buy(Purchases{Lines: []PurchaseLine{{SKU: "G", Qty: 4}}})
	require.NoError(t, err)
	assert.Equal(t, 1, out.Refused)
	_, err = r.Buy(Purchases{Lines: []PurchaseLine{{SKU: "G"}, {SKU: "A"}}})
	assert.Error(t, err, "an order is fulfilled by one of the two")
}

// TestRolesHide leaves out what the role does not allow, or denies the call.
func TestRolesHide(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	o := r.bought(PurchaseLine{SKU: "A"})
	_, err := r.Edit(Edits{Access: []AccessEdit{{Roles: []string{RoleOrders}}}})
	require.NoError(t, err)
	assert.Nil(t, dig(r.get(o.ID), "order", "recipient"))
	a := Documented()
	a.MissingRoleDenies = true
	r.Assume(a)
	assert.Equal(t, 403, r.api("GET", "/orders/2026-01-01/orders/"+o.ID+"?"+all[1:], nil).status)
	assert.Equal(t, 403, r.api("GET", r.item("A")+"?marketplaceIds="+r.market(), nil).status)
}

// TestBuyerAsksToCancel is a wish, not a cancellation.
func TestBuyerAsksToCancel(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	r.subscribe(noteOrder)
	o := r.bought(PurchaseLine{SKU: "A"})
	_, err := r.Cancel(Cancels{Orders: []string{o.ID}, Request: true})
	require.NoError(t, err)
	got := r.get(o.ID)
	assert.Equal(t, "BUYER", str(got, "order", "orderItems", 0, "cancellation", "cancellationRequest",
		"requester"))
	assert.Equal(t, unshipped, r.order(o.ID).Status)
	list := notes(t, r.drain(), noteOrder)
	require.Len(t, list, 3)
	last := list[2]
	assert.Equal(t, "BuyerRequestedChange", str(last, "Payload", "OrderChangeNotification",
		"OrderChangeType"))
}

// TestReplacementsAndPrograms are orders of their own.
func TestReplacementsAndPrograms(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	o := r.bought(PurchaseLine{SKU: "A"})
	out, err := r.Buy(Purchases{Replaces: o.ID, Lines: []PurchaseLine{{SKU: "A"}},
		Programs: []string{"FBM_SHIP_PLUS"}})
	require.NoError(t, err)
	got := r.get(out.Orders[0].ID)
	assert.Equal(t, o.ID, str(got, "order", "associatedOrders", 0, "orderId"))
	assert.Equal(t, "0.00", str(got, "order", "orderItems", 0, "product", "price", "unitPrice", "amount"))
	assert.Equal(t, 400, r.confirm(out.Orders[0], "1", map[int]int64{0: 1}).status, "Ship+")
	assert.Equal(t, int64(8), r.listing("A").Quantity)
	out, err = r.Buy(Purchases{Preorder: true, Lines: []PurchaseLine{{SKU: "A", Qty: 2}}})
	require.NoError(t, err)
	assert.Equal(t, unshipped, r.order(out.Orders[0].ID).Status)
	assert.Equal(t, int64(6), r.listing("A").Quantity)
}
