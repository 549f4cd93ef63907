package netsuitetest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFulfilments ships an order from two locations, in parts.
func TestFulfilments(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	east := item("A", 4)
	east["location"] = m{"id": "2"}
	id := r.post("salesOrder", order("so", item("A", 3), item("B", 2), east)).id()
	at := "salesOrder/" + id + "/!transform/itemFulfillment"
	out := r.post(at, m{})
	assert.Equal(t, "USER_ERROR", out.code())
	assert.Contains(t, out.detail("detail"), "only one location")

	part := m{"externalId": "if-1", "shipStatus": m{"id": "C"}, "item": list(
		m{"orderLine": 1, "quantity": 2, "location": 1}, m{"orderLine": 4, "itemreceive": false},
		m{"orderLine": 7, "itemreceive": false}), "package": list(m{"packageTrackingNumber": "1Z"})}
	ship := r.post(at, part).id()
	assert.Equal(t, "8 1 7 0", r.stock("A", "main"))
	assert.Equal(t, "E", r.status("so"), "shipped goods wait to be billed")
	assert.Equal(t, "USER_ERROR", r.post(at, part).code(), "the external id of a fulfilment holds too")
	over := m{"item": list(m{"orderLine": 1, "quantity": 2}, m{"orderLine": 4, "itemReceive": false},
		m{"orderLine": 7, "itemReceive": false})}
	assert.Equal(t, "USER_ERROR", r.post(at, over).code(), "more than remains")
	assert.Equal(t, "USER_ERROR", r.post(at, m{"item": list(m{"orderLine": 2})}).code(), "no such line")
	none := m{"item": list(m{"orderLine": 1, "itemReceive": false}, m{"orderLine": 4, "itemReceive": false},
		m{"orderLine": 7, "itemReceive": false})}
	assert.Equal(t, "VALID_LINE_ITEM_REQD", r.post(at, none).code())

	got := r.get("itemFulfillment/" + ship + "?expandSubResources=true").body
	assert.Equal(t, id, got["createdFrom"].(m)["id"])
	lines := got["item"].(m)["items"].([]any)
	require.Len(t, lines, 1, "a fulfilment has the lines that it took")
	assert.Equal(t, "1", text(lines[0].(m)["orderLine"]))
	assert.Equal(t, "1", text(lines[0].(m)["quantityRemaining"]))
	r.patch("itemFulfillment/"+ship, m{"package": list(m{"packageTrackingNumber": "2Z"})}).id()
	assert.Equal(t, "USER_ERROR", r.patch("itemFulfillment/"+ship,
		m{"item": list(m{"orderLine": 1, "quantity": 1})}).code(), "what left, left")

	r.post(at, m{"item": list(m{"orderLine": 1, "itemReceive": false},
		m{"orderLine": 4, "itemReceive": false}, m{"orderLine": 7, "quantity": 4})}).id()
	assert.Equal(t, "1 0 1 0", r.stock("A", "east"))
	r.patch("salesOrder/eid:so", m{"item": list(m{"line": 4, "isClosed": true})}).id()
	r.post(at, m{}).id() // the last unit of A
	assert.Equal(t, "F", r.status("so"))
	out = r.post(at, m{})
	assert.Contains(t, out.detail("detail"), "You have an invalid sales order")
	assert.Equal(t, 204, r.send("DELETE", records+"itemFulfillment/"+ship, nil).status)
	assert.Equal(t, "9 2 7 0", r.stock("A", "main"), "a deleted fulfilment gives back and asks again")
	assert.Equal(t, "USER_ERROR", r.send("DELETE", records+"salesOrder/"+id, nil).code(), "it is linked to")
	assert.Equal(t, "INVALID_PARAMETER", r.post("salesOrder/eid:so/!transform/itemFulfillment", m{}).code())
	assert.Equal(t, "INVALID_PARAMETER", r.post("salesOrder/"+id+"/!transform/itemReceipt", m{}).code())
}

// TestPickPackShip lowers what is on hand only when goods are shipped.
func TestPickPackShip(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	id := r.post("salesOrder", order("so", item("A", 3))).id()
	at := "salesOrder/" + id + "/!transform/itemFulfillment"
	ship := r.post(at, m{"shipStatus": m{"id": "A"}}).id()
	assert.Equal(t, "10 3 7 0", r.stock("A", "main"), "picked goods are still on the shelf")
	assert.Equal(t, "VALID_LINE_ITEM_REQD", r.post(at, m{}).code(), "all is picked")
	r.patch("itemFulfillment/"+ship, m{"shipStatus": m{"id": "B"}}).id()
	x := r.get("salesOrder/" + id + "/item/1").body
	assert.Equal(t, []string{"3", "3", "0"}, []string{text(x["quantityPicked"]),
		text(x["quantityPacked"]), text(x["quantityFulfilled"])})
	r.patch("itemFulfillment/"+ship, m{"shipStatus": m{"id": "C"}}).id()
	assert.Equal(t, "7 0 7 0", r.stock("A", "main"))
	assert.Equal(t, "USER_ERROR", r.patch("itemFulfillment/"+ship, m{"shipStatus": m{"id": "A"}}).code())
}

// TestCommittedOnly ships no more than is committed, unless the account allows it.
func TestCommittedOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	id := r.post("salesOrder", order("so", item("B", 5))).id()
	at := "salesOrder/" + id + "/!transform/itemFulfillment"
	assert.Equal(t, "VALID_LINE_ITEM_REQD", r.post(at, m{"item": list(m{"orderLine": 1,
		"quantity": 5})}).code())
	assert.Equal(t, "VALID_LINE_ITEM_REQD", r.post(at, m{"item": list(m{"orderLine": 1, "quantity": 1,
		"location": 2})}).code(), "east has none")
	r.post(at, m{}).id()
	assert.Equal(t, "0 0 0 2", r.stock("B", "main"), "without lines, what is committed")
	a := Documented()
	a.LimitToCommitted = false
	require.NoError(t, r.Assume(a))
	r.post(at, m{}).id()
	assert.Equal(t, "-2 0 -2 0", r.stock("B", "main"))
}

// TestOtherLocation ships from a location that the order did not name.
func TestOtherLocation(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	id := r.post("salesOrder", order("so", item("A", 3))).id()
	r.post("salesOrder/"+id+"/!transform/itemFulfillment", m{"item": list(m{"orderLine": 1, "quantity": 3,
		"location": m{"id": "2"}})}).id()
	assert.Equal(t, "10 0 10 0", r.stock("A", "main"), "what was committed here is free")
	assert.Equal(t, "2 0 2 0", r.stock("A", "east"))
}

// TestReturnOfInvoice takes an order from its bill to a credit memo, with a receipt that restocks a part.
func TestReturnOfInvoice(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	body := order("so", item("A", 3), item("B", 1), item("FEE", 1))
	body["shippingCost"] = 5
	id := r.post("salesOrder", body).id()
	assert.Equal(t, "USER_ERROR", r.post("salesOrder/"+id+"/!transform/invoice", m{}).code(),
		"nothing was shipped")
	r.post("salesOrder/"+id+"/!transform/itemFulfillment", m{}).id()
	inv := r.post("salesOrder/"+id+"/!transform/invoice", m{"externalId": "inv-1"}).id()
	x, err := r.Find(inv)
	require.NoError(t, err)
	assert.Equal(t, "55", x.Total)
	assert.Equal(t, "7 0 7 0", r.stock("A", "main"), "a bill of an order moves nothing")
	assert.Equal(t, "G", r.status("so"))

	back := r.post("salesOrder/"+id+"/!transform/returnAuthorization", m{"externalId": "ra-1",
		"item": list(m{"orderLine": 1, "quantity": 2}, m{"orderLine": 4}, m{"orderLine": 7})}).id()
	receipt := "returnAuthorization/" + back + "/!transform/itemReceipt"
	assert.Equal(t, "USER_ERROR", r.post(receipt, m{}).code(), "it waits for approval")
	r.patch("returnAuthorization/"+back, m{"orderStatus": m{"id": "B"}}).id()
	credit := "returnAuthorization/" + back + "/!transform/creditMemo"
	assert.Equal(t, "USER_ERROR", r.post(credit, m{}).code(), "nothing came back")
	r.post(receipt, m{"item": list(m{"orderLine": 1, "quantity": 1}, m{"orderLine": 4, "restock": false})}).id()
	assert.Equal(t, "8 0 8 0", r.stock("A", "main"))
	assert.Equal(t, "2 0 2 0", r.stock("B", "main"), "not restocked")
	assert.Equal(t, "E", r.status("ra-1"))
	memo := r.post(credit, m{"externalId": "cm-1"}).id()
	y, _ := r.Find(memo)
	assert.Equal(t, "30", y.Total, "one A, one B, the fee")
	assert.Equal(t, "8 0 8 0", r.stock("A", "main"), "the receipt did it, the memo does nothing")
	r.post(receipt, m{}).id()
	r.post(credit, m{}).id()
	assert.Equal(t, "G", r.status("ra-1"))
	assert.Equal(t, "9 0 9 0", r.stock("A", "main"))
}

// TestCashSale bills by cash sale and refunds in cash, with and without a return.
func TestCashSale(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	id := r.post("salesOrder", order("so", item("A", 2))).id()
	r.post("salesOrder/"+id+"/!transform/itemFulfillment", m{}).id()
	cs := r.post("salesOrder/"+id+"/!transform/cashSale", m{}).id()
	assert.Equal(t, "USER_ERROR", r.post("salesOrder/"+id+"/!transform/cashSale", m{}).code(), "billed")
	r.post("cashSale/"+cs+"/!transform/cashRefund", m{"item": list(m{"orderLine": 1, "quantity": 1})}).id()
	assert.Equal(t, "9 0 9 0", r.stock("A", "main"), "a refund without a return restocks")

	direct := order("cs", item("A", 2))
	delete(direct, "orderStatus")
	r.post("cashSale", direct).id()
	assert.Equal(t, "7 0 7 0", r.stock("A", "main"), "a cash sale without an order moves stock itself")
	a := Documented()
	a.InvoiceInAdvance = true
	require.NoError(t, r.Assume(a))
	early := r.post("salesOrder", order("early", item("A", 1))).id()
	r.post("salesOrder/"+early+"/!transform/cashSale", m{}).id()
	assert.Equal(t, "7 1 6 0", r.stock("A", "main"), "billed in advance, not shipped")
}

// TestEdits refuses to take away what was shipped.
func TestEdits(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	id := r.post("salesOrder", order("so", item("A", 3), item("B", 1))).id()
	r.post("salesOrder/"+id+"/!transform/itemFulfillment", m{"item": list(m{"orderLine": 1, "quantity": 2},
		m{"orderLine": 4, "itemReceive": false})}).id()
	for name, body := range map[string]m{
		"less than shipped": {"item": list(m{"line": 1, "quantity": 1})},
		"another item":      {"item": list(m{"line": 1, "item": m{"externalId": "B"}})},
	} {
		assert.Equal(t, "USER_ERROR", r.patch("salesOrder/"+id, body).code(), name)
	}
	assert.Equal(t, "USER_ERROR", r.patch("salesOrder/"+id+"?replace=item",
		m{"item": list(m{"line": 4})}).code(), "the line is gone")
	r.patch("salesOrder/"+id+"?replace=item", m{"item": list(m{"line": 1, "quantity": 2})}).id()
	assert.Equal(t, "F", r.status("so"))
	assert.Equal(t, "8 0 8 0", r.stock("A", "main"))
	r.patch("salesOrder/"+id, m{"item": list(m{"line": 1, "isClosed": true})}).id()
	assert.Equal(t, "H", r.status("so"))
}
