package netsuitetest

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCreateAndRead makes an order and reads it in every form.
func TestCreateAndRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	out := r.post("salesOrder", m{"externalId": "so-1", "entity": m{"id": "1"}, "tranDate": "2026-11-22",
		"otherRefNum": "#1001", "orderStatus": "B", "LOCATION": 1, "custbody_holdfast_id": "h-1",
		"shippingCost": 4.99, "item": list(m{"item": m{"externalId": "A"}, "quantity": 2, "rate": 19.99,
			"price": m{"id": "-1"}, "custcol_holdfast_line": "l-1"}, item("FEE", 1))})
	require.Equal(t, http.StatusNoContent, out.status, out.text)
	assert.Empty(t, out.text)
	assert.NotEmpty(t, out.header.Get("X-N-Operationid"))
	id := out.id()
	assert.Equal(t, "http://sim.test/services/rest/record/v1/salesOrder/"+id, out.header.Get("Location"))

	got := r.get("salesorder/eid:so-1?expandSubResources=true").body
	assert.Equal(t, id, got["id"])
	assert.Equal(t, "so-1", got["externalId"])
	assert.Equal(t, "2026-11-22", got["tranDate"])
	assert.Equal(t, "h-1", got["custbody_holdfast_id"])
	assert.Equal(t, m{"id": "B", "refName": "Pending Fulfillment"}, got["status"])
	assert.Equal(t, "54.97", text(got["total"]))
	assert.Equal(t, "Shopify", got["entity"].(m)["refName"])
	assert.Equal(t, "2026-11-23T17:00:00Z", got["lastModifiedDate"])
	lines := got["item"].(m)["items"].([]any)
	require.Len(t, lines, 2)
	first := lines[0].(m)
	assert.Equal(t, []string{"1", "2", "19.99", "39.98", "2", "l-1"}, []string{text(first["line"]),
		text(first["quantity"]), text(first["rate"]), text(first["amount"]),
		text(first["quantityCommitted"]), text(first["custcol_holdfast_line"])})
	assert.Equal(t, "4", text(lines[1].(m)["line"]), "numbers of lines have gaps")

	plain := r.get("salesOrder/" + id).body["item"].(m)
	assert.Nil(t, plain["items"])
	sub := r.get("salesOrder/" + id + "/item")
	assert.Equal(t, "2", text(sub.body["totalResults"]))
	assert.Equal(t, "19.99", text(r.get("salesOrder/" + id + "/item/1").body["rate"]))
	assert.Equal(t, 404, r.get("salesOrder/"+id+"/item/2").status)
	assert.Equal(t, m{"id": "B", "refName": "Pending Fulfillment"},
		r.get("salesOrder/" + id + "?fields=status").body["status"])
	assert.Equal(t, "INVALID_PARAMETER",
		r.get("salesOrder/"+id+"?fields=status&expandSubResources=true").code())
	page := r.get("salesOrder?limit=1000").body
	assert.Equal(t, "1", text(page["totalResults"]))
	assert.NotContains(t, page["items"].([]any)[0], "tranDate", "a collection has ids only")
}

func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// TestExternalIDs holds one external id to one transaction, whatever its type.
func TestExternalIDs(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	id := r.post("salesOrder", order("x-1", item("A", 1))).id()
	again := r.post("salesOrder", order("x-1", item("A", 1)))
	assert.Equal(t, 400, again.status)
	assert.Equal(t, "USER_ERROR", again.code())
	assert.Equal(t, "Error while accessing a resource. This record already exists.",
		again.detail("detail"))
	assert.Equal(t, "10 1 9 0", r.stock("A", "main"), "the second order did nothing")
	other := r.post("returnAuthorization", order("x-1", item("A", 1)))
	assert.Equal(t, "USER_ERROR", other.code(), "transactions share their external ids")
	assert.Equal(t, "Error while accessing a resource. Transaction type specified is incorrect.",
		r.get("returnAuthorization/eid:x-1").detail("detail"))
	a := Documented()
	a.TransactionsShareExternalIDs = false
	split := newRig(t, Config{Assumptions: &a})
	split.post("salesOrder", order("x-1", item("A", 1))).id()
	split.post("returnAuthorization", order("x-1", item("A", 1))).id()

	assert.Equal(t, "NONEXISTENT_ID", r.get("salesOrder/eid:x-2").code())
	assert.Equal(t, "INVALID_PARAMETER", r.get("salesOrder/eid:gid://x").code())
	assert.Equal(t, "INVALID_PARAMETER", r.get("salesOrder/eid:x.1").code())
	assert.Equal(t, "INVALID_CONTENT", r.patch("salesOrder/"+id, m{"externalId": "a|b"}).code())
	r.patch("salesOrder/"+id, m{"externalId": "x-9"}).id()
	assert.Equal(t, 404, r.get("salesOrder/eid:x-1").status)
	r.post("salesOrder", order("x-1", item("A", 1))).id()
	assert.Equal(t, "USER_ERROR", r.patch("salesOrder/eid:x-9", m{"externalId": "x-1"}).code())

	entity := m{"companyName": "New", "externalId": "c-1", "subsidiary": m{"id": "1"}}
	r.post("customer", entity).id()
	assert.Equal(t, "Error while accessing a resource. This entity already exists.",
		r.post("customer", entity).detail("detail"))
	assert.Equal(t, 204, r.send("DELETE", records+"salesOrder/eid:x-9", nil).status)
	assert.Equal(t, 404, r.get("salesOrder/eid:x-9").status)
}

// TestSublists holds lines to the rules of keyed sublists, replacement and upserts.
func TestSublists(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	qty := func(name string) []string {
		x, err := r.Find(name)
		require.NoError(t, err)
		var out []string
		for _, l := range x.Lines {
			out = append(out, l.SKU+" "+l.Qty)
		}
		return out
	}
	r.post("salesOrder", order("so", item("A", 1), item("B", 1))).id()
	r.patch("salesOrder/eid:so", m{"item": list(m{"line": 1, "quantity": 3})}).id()
	assert.Equal(t, []string{"A 3", "B 1"}, qty("so"))
	r.patch("salesOrder/eid:so", m{"item": list(item("FEE", 1))}).id()
	assert.Equal(t, []string{"A 3", "B 1", "FEE 1"}, qty("so"), "without a key: appended")
	assert.Equal(t, 204, r.send("PUT", records+"salesOrder/eid:so", order("so", item("A", 3))).status)
	assert.Equal(t, []string{"A 3", "B 1", "FEE 1", "A 3"}, qty("so"), "a blind PUT doubles lines")
	r.patch("salesOrder/eid:so?replace=item", m{"item": list(m{"line": 1}, m{"line": 4})}).id()
	assert.Equal(t, []string{"A 3", "B 1"}, qty("so"))
	assert.Equal(t, "USER_ERROR", r.patch("salesOrder/eid:so?replace=item", m{"item": nil}).code(),
		"an order needs a line")
	x, err := r.Find("so")
	require.NoError(t, err)
	assert.Equal(t, "30", x.Lines[0].Amount, "the amount follows the quantity")
	r.patch("salesOrder/eid:so", m{"item": list(m{"line": 1, "amount": 25.5})}).id()
	x, _ = r.Find("so")
	assert.Equal(t, "35.5", x.Total)

	r.send("PUT", records+"salesOrder/eid:new", order("ignored", item("A", 1))).id()
	assert.Equal(t, 200, r.get("salesOrder/eid:new").status, "an upsert takes the id of the address")

	a := Documented()
	a.ItemSublistKeyed = false
	loose := newRig(t, Config{Assumptions: &a})
	loose.post("salesOrder", order("so", item("A", 1))).id()
	loose.patch("salesOrder/eid:so", m{"item": list(m{"line": 1, "item": m{"externalId": "A"},
		"quantity": 5})}).id()
	y, _ := loose.Find("so")
	assert.Len(t, y.Lines, 2)
}

// TestBadBodies refuses what is misspelt, of the wrong kind, or not there.
func TestBadBodies(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	with := func(change m) m {
		out := order("", item("A", 1))
		for name, v := range change {
			out[name] = v
		}
		return out
	}
	for name, c := range map[string]struct {
		body       any
		code, path string
	}{
		"no JSON":            {"{", "INVALID_CONTENT", ""},
		"two values":         {"{} {}", "INVALID_CONTENT", ""},
		"unknown field":      {with(m{"othrRefNum": "1"}), "INVALID_CONTENT", "$.othrRefNum"},
		"unknown custom":     {with(m{"custbody_other": "1"}), "INVALID_CONTENT", "$.custbody_other"},
		"unknown in a line":  {order("", m{"itm": 1}), "INVALID_CONTENT", "$.item.items[0].itm"},
		"no date":            {with(m{"tranDate": "11/22/2026"}), "INVALID_CONTENT", "$.tranDate"},
		"no number":          {with(m{"shippingCost": "four"}), "INVALID_CONTENT", "$.shippingCost"},
		"no such customer":   {with(m{"entity": m{"id": "99"}}), "USER_ERROR", ""},
		"no such item":       {order("", item("Z", 1)), "INVALID_CONTENT", "$.item.items[0].item"},
		"no customer":        {with(m{"entity": nil}), "USER_ERROR", ""},
		"other subsidiary":   {with(m{"location": m{"id": "3"}}), "USER_ERROR", ""},
		"no lines":           {with(m{"item": list()}), "USER_ERROR", ""},
		"no quantity":        {order("", m{"item": m{"externalId": "A"}}), "USER_ERROR", ""},
		"negative quantity":  {order("", item("A", -1)), "USER_ERROR", ""},
		"items not an array": {with(m{"item": m{"items": m{}}}), "INVALID_CONTENT", "$.item"},
	} {
		out := r.post("salesOrder", c.body)
		assert.Equal(t, 400, out.status, name)
		assert.Equal(t, c.code, out.code(), name)
		assert.Equal(t, c.path, out.detail("o:errorPath"), name)
	}
	assert.Empty(t, r.State().Transactions)
	out := r.post("salesOrder", with(m{"othrRefNum": "1"}), "X-NetSuite-PropertyNameValidation", "Warning")
	out.id()
	assert.Contains(t, out.header.Get("X-Netsuite-Propertyvalidation"), "othrRefNum")
	r.post("salesOrder", with(m{"othrRefNum": "1"}), "X-NetSuite-PropertyNameValidation", "Ignore").id()

	assert.Equal(t, "INVALID_PARAMETER", r.post("salesOrder?replac=item", order("")).code())
	assert.Equal(t, 403, r.post("location", m{"name": "x"}).status)
	assert.Equal(t, 404, r.post("nonsense", m{}).status)
	assert.Equal(t, 405, r.send("POST", records+"salesOrder/1", m{}).status)
	assert.Equal(t, "USER_ERROR", r.post("itemFulfillment", m{}).code(), "only by a transform")
	assert.Equal(t, 403, r.send("GET", "/services/rest/system/v1/governanceLimits", nil).status)
}

// TestTotals adds up to the cent what orders are made of.
func TestTotals(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	line := func(sku string, v m) m {
		out := m{"item": m{"externalId": sku}}
		for name, x := range v {
			out[name] = x
		}
		return out
	}
	total := func(body m) string {
		id := r.post("salesOrder", body).id()
		x, err := r.Find(id)
		require.NoError(t, err)
		return x.Total
	}
	with := func(body m, change m) m {
		for name, v := range change {
			body[name] = v
		}
		return body
	}
	three := line("A", m{"quantity": 3, "rate": 3.335})
	assert.Equal(t, "10.01", total(order("", three)), "each amount is rounded half up")
	assert.Equal(t, "30", total(order("", line("A", m{"quantity": 3, "rate": 3.335, "price": m{"id": "1"}}))),
		"a price level overrules the rate")
	assert.Equal(t, "9.99", total(order("", line("A", m{"quantity": 3, "amount": 9.99, "price": "-1"}))))
	assert.Equal(t, "10", total(order("", line("A", m{"quantity": 1}))), "the item's price")
	assert.Equal(t, "9.5", total(order("", item("A", 1), line("OFF", m{"amount": -0.5}))))
	off := m{"discountItem": m{"externalId": "OFF"}}
	assert.Equal(t, "8.75", total(with(order("", item("A", 1)), with(m{"discountRate": "-12.5%"}, off))))
	assert.Equal(t, "8.77", total(with(order("", item("A", 1)), with(m{"discountRate": "-1.23"}, off))))
	assert.Equal(t, "17.49", total(with(order("", item("A", 1)),
		m{"shippingCost": 4.99, "handlingCost": 2.5})))
	taxed := m{"taxDetailsOverride": true, "taxDetails": list(m{"taxDetailsReference": "t1",
		"taxCode": "S-CA", "taxBasis": 10, "taxRate": 8.25, "taxAmount": 0.83})}
	assert.Equal(t, "10.83", total(with(order("", with(item("A", 1), m{"taxDetailsReference": "t1"})), taxed)))
	assert.Equal(t, "USER_ERROR", r.post("salesOrder", with(order("", item("A", 1)), taxed)).code(),
		"a tax of no line")
	assert.Equal(t, "USER_ERROR",
		r.post("salesOrder", with(order("", item("A", 1)), m{"discountRate": "-1"})).code())

	old := newRig(t, Config{LegacyTax: true})
	out := old.post("salesOrder", with(order("", item("A", 1)), taxed))
	assert.Equal(t, "INVALID_CONTENT", out.code(), "no tax fields without SuiteTax")
}

// TestPeriodsAndLocks refuses what closed periods and workflows refuse.
func TestPeriodsAndLocks(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{ClosedThrough: "2026-10-31"})
	adjust := func(date string) reply {
		return r.post("inventoryAdjustment", m{"account": m{"id": "1"}, "tranDate": date,
			"inventory": list(m{"item": m{"externalId": "A"}, "location": m{"id": "1"}, "adjustQtyBy": 1})})
	}
	out := adjust("2026-10-31")
	assert.Equal(t, "USER_ERROR", out.code())
	assert.Contains(t, out.detail("detail"), "Oct 2026 is closed")
	id := adjust("2026-11-01").id()
	assert.Contains(t, adjust("2019-01-01").detail("detail"), "not within the date range")
	require.NoError(t, r.Work(Staff{Periods: []Period{{Month: "2026-11", Closed: true}}}))
	assert.Equal(t, "USER_ERROR", r.patch("inventoryAdjustment/"+id, m{"memo": "x"}).code())
	assert.Equal(t, "USER_ERROR", r.send("DELETE", records+"inventoryAdjustment/"+id, nil).code())
	body := order("so", item("A", 1))
	body["tranDate"] = "2026-10-01"
	r.post("salesOrder", body).id() // an order posts nothing
	require.NoError(t, r.Work(Staff{Locks: []Lock{{"so", true}}}))
	assert.Contains(t, r.patch("salesOrder/eid:so", m{"memo": "x"}).detail("detail"), "locked")
	require.NoError(t, r.Work(Staff{Locks: []Lock{{"so", false}}, Periods: []Period{{"2026-11", false}}}))
	r.patch("salesOrder/eid:so", m{"memo": "x"}).id()
	assert.Equal(t, 204, r.send("DELETE", records+"inventoryAdjustment/"+id, nil).status)
	assert.Equal(t, "10", level(r, "A", "main").OnHand, "a deleted adjustment is undone")
}

func level(r *rig, sku, place string) LevelState {
	l, _ := r.Level(sku, place)
	return l
}
