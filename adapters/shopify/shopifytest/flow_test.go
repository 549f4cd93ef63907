package shopifytest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const createOp = `mutation C($order: OrderCreateOrderInput!, $o: OrderCreateOptionsInput) {
  orderCreate(order: $order, options: $o) {
    order { id name confirmed lineItems(first: 5) { nodes { id } }
      fulfillmentOrders(first: 5) { nodes { id status assignedLocation { location { id name } }
        lineItems(first: 5) { nodes { id remainingQuantity } } } } }
    userErrors { code field message }
  }
}`

func (r *rig) create(sku string, qty int, behaviour string) m {
	r.t.Helper()
	return r.ok(createOp, m{"order": m{"lineItems": []any{m{"variantId": r.variant(sku),
		"quantity": qty, "requiresShipping": true}}}, "o": m{"inventoryBehaviour": behaviour}})
}

func fulfillmentOrderOf(v m) string {
	return str(v, "order", "fulfillmentOrders", "nodes", 0, "id")
}

func (r *rig) fulfil(fo string) m {
	r.t.Helper()
	return r.ok(`mutation F($f: FulfillmentInput!) { fulfillmentCreate(fulfillment: $f) {
  fulfillment { id status } userErrors { field message } } }`, m{"f": m{
		"lineItemsByFulfillmentOrder": []any{m{"fulfillmentOrderId": fo}}}})
}

func (r *rig) cancelOrder(id string, restock bool) m {
	r.t.Helper()
	out := r.ok(`mutation X($id: ID!, $r: Boolean!) { orderCancel(orderId: $id, restock: $r,
  reason: OTHER) { job { id done } orderCancelUserErrors { code field message } } }`,
		m{"id": id, "r": restock})
	r.Advance(3 * second)
	return out
}

// TestStockSideEffects is the arithmetic of our own calls: what each does to available, committed
// and on hand where A has 10 at main and 5 at east.
func TestStockSideEffects(t *testing.T) {
	t.Parallel()
	type step func(r *rig, order m)
	fulfil := func(r *rig, o m) { r.fulfil(fulfillmentOrderOf(o)) }
	cancel := func(restock bool) step {
		return func(r *rig, o m) {
			got := r.cancelOrder(str(o, "order", "id"), restock)
			assert.Empty(r.t, got["orderCancelUserErrors"])
		}
	}
	refund := func(kind string, after ...step) step {
		return func(r *rig, o m) {
			for _, f := range after {
				f(r, o)
			}
			got := r.ok(`mutation R($in: RefundInput!) { refundCreate(input: $in)
  @idempotent(key: "r") { refund { id } userErrors { field message } } }`, m{"in": m{
				"orderId": str(o, "order", "id"), "refundLineItems": []any{m{
					"lineItemId": str(o, "order", "lineItems", "nodes", 0, "id"), "quantity": 1,
					"restockType": kind}}}})
			assert.Empty(r.t, got["userErrors"])
		}
	}
	move := func(r *rig, o m) {
		_, east := r.ids("A", "east")
		got := r.ok(`mutation V($id: ID!, $l: ID!) { fulfillmentOrderMove(id: $id, newLocationId: $l) {
  movedFulfillmentOrder { id status } originalFulfillmentOrder { status } userErrors { message } } }`,
			m{"id": fulfillmentOrderOf(o), "l": east})
		assert.Empty(r.t, got["userErrors"])
		assert.Equal(r.t, "CLOSED", str(got, "originalFulfillmentOrder", "status"))
	}
	none := func(*rig, m) {}
	tests := []struct {
		name, behaviour string
		do              step
		main, east      [3]int64
	}{
		{"claimed", "DECREMENT_IGNORING_POLICY", none, [3]int64{8, 2, 10}, [3]int64{5, 0, 5}},
		{"bypass", "BYPASS", none, [3]int64{10, 0, 10}, [3]int64{5, 0, 5}},
		{"claimed, fulfilled", "DECREMENT_IGNORING_POLICY", fulfil, [3]int64{8, 0, 8},
			[3]int64{5, 0, 5}},
		{"bypass, fulfilled", "BYPASS", fulfil, [3]int64{8, 0, 8}, [3]int64{5, 0, 5}},
		{"claimed, cancelled, restock", "DECREMENT_IGNORING_POLICY", cancel(true),
			[3]int64{10, 0, 10}, [3]int64{5, 0, 5}},
		{"claimed, cancelled, no restock", "DECREMENT_IGNORING_POLICY", cancel(false),
			[3]int64{8, 0, 8}, [3]int64{5, 0, 5}},
		{"bypass, cancelled, restock", "BYPASS", cancel(true), [3]int64{12, 0, 12},
			[3]int64{5, 0, 5}},
		{"bypass, cancelled, no restock", "BYPASS", cancel(false), [3]int64{10, 0, 10},
			[3]int64{5, 0, 5}},
		{"claimed, moved", "DECREMENT_IGNORING_POLICY", move, [3]int64{10, 0, 10},
			[3]int64{3, 2, 5}},
		{"bypass, moved", "BYPASS", move, [3]int64{10, 0, 10}, [3]int64{5, 0, 5}},
		{"refund NO_RESTOCK", "DECREMENT_IGNORING_POLICY", refund("NO_RESTOCK"),
			[3]int64{8, 1, 9}, [3]int64{5, 0, 5}},
		{"refund CANCEL", "DECREMENT_IGNORING_POLICY", refund("CANCEL"), [3]int64{9, 1, 10},
			[3]int64{5, 0, 5}},
		{"refund RETURN after shipping", "DECREMENT_IGNORING_POLICY", refund("RETURN", fulfil),
			[3]int64{9, 0, 9}, [3]int64{5, 0, 5}},
		{"refund NO_RESTOCK after shipping", "DECREMENT_IGNORING_POLICY",
			refund("NO_RESTOCK", fulfil), [3]int64{8, 0, 8}, [3]int64{5, 0, 5}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, Config{})
			o := r.create("A", 2, tt.behaviour)
			require.Empty(t, o["userErrors"])
			tt.do(r, o)
			assert.Equal(t, tt.main, r.stock("A", "main"), "main")
			assert.Equal(t, tt.east, r.stock("A", "east"), "east")
			sums(t, r)
		})
	}
}

// sums holds the journal against the levels: every change is in it, with the number afterwards.
func sums(t *testing.T, r *rig) {
	t.Helper()
	last := map[[3]string]int64{}
	total := map[[3]string]int64{}
	for _, e := range r.Journal(Filter{Kind: "stock"}) {
		k := [3]string{e.SKU, e.Location, e.State}
		last[k] = e.After
		total[k] += e.Delta
		assert.NotEmpty(t, e.Cause)
	}
	for _, l := range r.state().Levels {
		if after, ok := last[[3]string{l.SKU, l.Location, "available"}]; ok {
			assert.Equal(t, l.Available, after)
		}
		assert.Equal(t, l.Committed, total[[3]string{l.SKU, l.Location, "committed"}])
	}
}

// TestCancelIsAsynchronous: the job is not done and nothing has moved when the call is answered.
func TestCancelIsAsynchronous(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	o := r.create("A", 2, "DECREMENT_IGNORING_POLICY")
	id := str(o, "order", "id")
	out := r.ok(`mutation X($id: ID!) { orderCancel(orderId: $id, restock: true, reason: OTHER) {
  job { id done } orderCancelUserErrors { message } } }`, m{"id": id})
	assert.Equal(t, false, dig(out, "job", "done"))
	assert.Equal(t, [3]int64{8, 2, 10}, r.stock("A", "main"))
	r.Advance(3 * second)
	job := r.ok(`query J($id: ID!) { job(id: $id) { done } }`, m{"id": str(out, "job", "id")})
	assert.Equal(t, true, job["done"])
	assert.Equal(t, [3]int64{10, 0, 10}, r.stock("A", "main"))
	again := r.cancelOrder(id, true)
	assert.Equal(t, "Cannot cancel an order that has already been canceled",
		str(again, "orderCancelUserErrors", 0, "message"))
	assert.Equal(t, "INVALID", str(again, "orderCancelUserErrors", 0, "code"))

	shipped := r.create("A", 1, "DECREMENT_IGNORING_POLICY")
	r.fulfil(fulfillmentOrderOf(shipped))
	no := r.cancelOrder(str(shipped, "order", "id"), true)
	assert.Equal(t, "Cannot cancel an order that has outstanding fulfillments",
		str(no, "orderCancelUserErrors", 0, "message"))
}

func TestOrderCreateRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	got := r.create("B", 9, "DECREMENT_OBEYING_POLICY")
	assert.Equal(t, "INVENTORY_CLAIM_FAILED", str(got, "userErrors", 0, "code"))
	assert.Equal(t, [3]int64{3, 0, 3}, r.stock("B", "main"))
	assert.Zero(t, r.state().OrderCount)
	got = r.create("B", 9, "DECREMENT_IGNORING_POLICY")
	assert.Empty(t, got["userErrors"])
	assert.Equal(t, [3]int64{-6, 9, 3}, r.stock("B", "main"))
	got = r.ok(createOp, m{"order": m{"lineItems": []any{m{
		"variantId": "gid://shopify/ProductVariant/42", "quantity": 1}}}})
	assert.Equal(t, "INVALID", str(got, "userErrors", 0, "code"))
	assert.Equal(t, 1, r.state().OrderCount, "an unknown variant refuses the whole order")
}

// TestStockedOriginIsChosen: with levels 0, 5 the stocked location is taken, as recorded.
func TestStockedOriginIsChosen(t *testing.T) {
	t.Parallel()
	shop := testShop("alpha")
	shop.Variants = []VariantConfig{{SKU: "A", Stock: map[string]int{"main": 0, "east": 5}}}
	r := newRig(t, Config{Shops: []ShopConfig{shop}})
	o := r.create("A", 2, "DECREMENT_IGNORING_POLICY")
	assert.Equal(t, "east", str(o, "order", "fulfillmentOrders", "nodes", 0, "assignedLocation",
		"location", "name"))
	assert.Equal(t, [3]int64{3, 2, 5}, r.stock("A", "east"))
}

// TestSplit: an order that no location has whole becomes two fulfilment orders.
func TestSplit(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	o := r.create("A", 12, "DECREMENT_OBEYING_POLICY")
	nodes, _ := dig(o, "order", "fulfillmentOrders", "nodes").([]any)
	assert.Len(t, nodes, 2)
	assert.Equal(t, [3]int64{0, 10, 10}, r.stock("A", "main"))
	assert.Equal(t, [3]int64{3, 2, 5}, r.stock("A", "east"))
}

func TestFulfilRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	o := r.create("A", 2, "DECREMENT_IGNORING_POLICY")
	fo := fulfillmentOrderOf(o)
	part := func(n int) m {
		return r.ok(`mutation F($f: FulfillmentInput!) { fulfillmentCreate(fulfillment: $f) {
  fulfillment { id } userErrors { field message } } }`, m{"f": m{"lineItemsByFulfillmentOrder": []any{
			m{"fulfillmentOrderId": fo, "fulfillmentOrderLineItems": []any{m{"id": str(o, "order",
				"fulfillmentOrders", "nodes", 0, "lineItems", "nodes", 0, "id"), "quantity": n}}}}}})
	}
	assert.Equal(t, "Quantity must be greater than 0", str(part(0), "userErrors", 0, "message"))
	assert.Equal(t, "Invalid fulfillment order line item quantity requested.",
		str(part(3), "userErrors", 0, "message"))
	assert.Empty(t, part(1)["userErrors"])
	assert.Empty(t, part(1)["userErrors"])
	_, n, _ := parseGID(fo)
	assert.Equal(t, fmt.Sprintf("Fulfillment order %d has an unfulfillable status= closed.", n),
		str(r.fulfil(fo), "userErrors", 0, "message"))
	assert.Equal(t, "Fulfillment order does not exist.",
		str(r.fulfil("gid://shopify/FulfillmentOrder/42"), "userErrors", 0, "message"))
}

func TestHolds(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	fo := fulfillmentOrderOf(r.create("A", 2, "DECREMENT_IGNORING_POLICY"))
	hold := func(handle string) m {
		return r.ok(`mutation H($id: ID!, $h: FulfillmentOrderHoldInput!) {
  fulfillmentOrderHold(id: $id, fulfillmentHold: $h) { fulfillmentHold { id handle }
    fulfillmentOrder { status } userErrors { code } } }`, m{"id": fo,
			"h": m{"reason": "INVENTORY_OUT_OF_STOCK", "handle": handle}})
	}
	for i := range 10 {
		got := hold(fmt.Sprint("h", i))
		assert.Equal(t, "ON_HOLD", str(got, "fulfillmentOrder", "status"))
	}
	assert.Equal(t, "DUPLICATE_FULFILLMENT_HOLD_HANDLE", str(hold("h3"), "userErrors", 0, "code"))
	assert.Equal(t, "FULFILLMENT_ORDER_HOLD_LIMIT_REACHED", str(hold("h10"), "userErrors", 0, "code"))
	assert.Contains(t, str(r.fulfil(fo), "userErrors", 0, "message"), "status= on_hold.")
	got := r.ok(`mutation R($id: ID!) { fulfillmentOrderReleaseHold(id: $id) {
  fulfillmentOrder { status } userErrors { code } } }`, m{"id": fo})
	assert.Equal(t, "OPEN", str(got, "fulfillmentOrder", "status"))
	assert.Empty(t, r.fulfil(fo)["userErrors"])
}

func TestReturnsOfShoppers(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	o := r.sold(SaleLine{SKU: "A", Qty: 3})
	require.NoError(t, r.Edit(Edits{Fulfil: []FulfilEdit{{Order: o.Name, Number: "1Z"}}}))
	assert.Equal(t, [3]int64{7, 0, 7}, r.stock("A", "main"))
	out, err := r.Return(Returns{Order: o.Name, Lines: []Units{{SKU: "A", Qty: 1}}, Requested: true})
	require.NoError(t, err)
	assert.Equal(t, "REQUESTED", out.Status)
	out, err = r.Return(Returns{Order: o.Name, Return: out.Return, Approve: true,
		Disposition: "RESTOCKED"})
	require.NoError(t, err)
	assert.Equal(t, "CLOSED", out.Status)
	assert.Equal(t, [3]int64{8, 0, 8}, r.stock("A", "main"))
	out, err = r.Return(Returns{Order: o.Name, Lines: []Units{{SKU: "A", Qty: 1}},
		Exchange: []SaleLine{{SKU: "B"}}, Disposition: "NOT_RESTOCKED"})
	require.NoError(t, err)
	assert.Equal(t, [3]int64{8, 0, 8}, r.stock("A", "main"), "not restocked moves nothing")
	assert.Equal(t, [3]int64{2, 1, 3}, r.stock("B", "main"), "the exchange is sold")
	_, err = r.Return(Returns{Order: o.Name, Lines: []Units{{SKU: "A", Qty: 2}}})
	require.Error(t, err, "only one unit is left that can come back")
	out, err = r.Return(Returns{Order: o.Name, Refund: &RefundEdit{Amount: "1.00"}})
	require.NoError(t, err)
	assert.NotEmpty(t, out.Refund)
	sums(t, r)
}

func TestEditsOfStaff(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	o := r.sold(SaleLine{SKU: "A", Qty: 3})
	require.NoError(t, r.Edit(Edits{Orders: []OrderEdit{{Order: o.Name,
		Remove: []Units{{SKU: "A", Qty: 2, Restock: true}}, Add: []SaleLine{{SKU: "B", Qty: 1}}}}}))
	assert.Equal(t, [3]int64{9, 1, 10}, r.stock("A", "main"))
	assert.Equal(t, [3]int64{2, 1, 3}, r.stock("B", "main"))
	got := r.ok(`query O($id: ID!) { order(id: $id) { edited lineItems(first: 5) {
  nodes { sku quantity currentQuantity } } } }`, m{"id": o.ID})
	assert.Equal(t, true, got["edited"])
	assert.Equal(t, "1", fmt.Sprint(dig(got, "lineItems", "nodes", 0, "currentQuantity")))
	five := int64(5)
	require.NoError(t, r.Edit(Edits{Stock: []StockEdit{{SKU: "B", Location: "main", Set: &five},
		{SKU: "B", Location: "east", Adjust: 2}}}))
	assert.Equal(t, [3]int64{5, 1, 6}, r.stock("B", "main"))
	assert.Equal(t, [3]int64{2, 0, 2}, r.stock("B", "east"))
	for _, e := range r.Journal(Filter{Kind: "stock", SKU: "B"})[2:] {
		assert.Equal(t, "admin", e.Cause)
	}
	require.Error(t, r.Edit(Edits{Stock: []StockEdit{{SKU: "none", Adjust: 1}}}))
	sums(t, r)
}

// TestStorefrontSellsWhatIsAvailable: DENY stops at 0, CONTINUE goes on, a till always sells.
func TestStorefrontSellsWhatIsAvailable(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	out, err := r.Sell(Sales{Count: 5, Lines: []SaleLine{{SKU: "B"}}})
	require.NoError(t, err)
	assert.Len(t, out.Orders, 3)
	assert.Equal(t, 2, out.Refused)
	assert.Equal(t, [3]int64{0, 3, 3}, r.stock("B", "main"))
	out, err = r.Sell(Sales{Count: 3, Lines: []SaleLine{{SKU: "C"}}})
	require.NoError(t, err)
	assert.Zero(t, out.Refused)
	assert.Equal(t, [3]int64{-2, 3, 1}, r.stock("C", "main"))
	_, err = r.Sell(Sales{POS: "east", Fulfilled: true, Lines: []SaleLine{{SKU: "A", Qty: 7}}})
	require.NoError(t, err)
	assert.Equal(t, [3]int64{-2, 0, -2}, r.stock("A", "east"))
	_, err = r.Sell(Sales{Lines: []SaleLine{{SKU: "none"}}})
	require.Error(t, err)
}

// TestLinesThatAreNotStock: they take none, and each is what it says it is.
func TestLinesThatAreNotStock(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	o := r.sold(SaleLine{SKU: "U"}, SaleLine{SKU: "GIFT", Kind: "gift_card", Price: "25.00"},
		SaleLine{SKU: "SERVICE", Kind: "service"}, SaleLine{SKU: "FREE", Kind: "untracked"},
		SaleLine{SKU: "custom", Kind: "no_variant", Price: "3.00", Title: "Engraving"},
		SaleLine{SKU: "NEW", Kind: "plain"})
	got := r.ok(`query O($id: ID!) { order(id: $id) { lineItems(first: 9) { nodes { sku isGiftCard
  requiresShipping variant { inventoryItem { tracked } } } } } }`, m{"id": o.ID})
	want := map[string][3]any{"U": {false, true, false}, "GIFT": {true, false, false},
		"SERVICE": {false, false, true}, "FREE": {false, true, false}, "custom": {false, true, nil},
		"NEW": {false, true, true}}
	for i := range 6 {
		l := dig(got, "lineItems", "nodes", i)
		assert.Equal(t, want[str(l, "sku")], [3]any{dig(l, "isGiftCard"), dig(l, "requiresShipping"),
			dig(l, "variant", "inventoryItem", "tracked")}, str(l, "sku"))
	}
	assert.Equal(t, [3]int64{99, 1, 100}, r.stock("NEW", "main"))
}
