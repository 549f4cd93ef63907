package shopifytest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const setOp = `mutation S($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup {
      id createdAt reason referenceDocumentUri
      changes { name delta quantityAfterChange item { id } location { id name } }
    }
    userErrors { field message code }
  }
}`

const adjustOp = `mutation A($input: InventoryAdjustQuantitiesInput!, $key: String!) {
  inventoryAdjustQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id changes { name delta } }
    userErrors { field message code }
  }
}`

type m = map[string]any

func setInput(name string, rows ...m) m {
	list := []any{}
	for _, r := range rows {
		list = append(list, r)
	}
	return m{"name": name, "reason": "correction", "quantities": list}
}

func row1(item, loc string, quantity int, from any) m {
	return m{"inventoryItemId": item, "locationId": loc, "quantity": quantity,
		"changeFromQuantity": from}
}

// TestSetAnswersAsRecorded holds the shapes, words and costs that were recorded from a real shop.
func TestSetAnswersAsRecorded(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	item, loc := r.ids("A", "main")
	out := r.call(setOp, m{"key": "1", "input": setInput("available", row1(item, loc, 15, 10))})
	require.Empty(t, out.Errors)
	changes, _ := dig(out.Data, "inventorySetQuantities", "inventoryAdjustmentGroup",
		"changes").([]any)
	require.Len(t, changes, 2, "one row for available and one for on_hand")
	for i, name := range []string{"available", "on_hand"} {
		assert.Equal(t, name, str(changes[i], "name"))
		assert.Equal(t, "5", fmt.Sprint(dig(changes[i], "delta")))
		assert.Nil(t, dig(changes[i], "quantityAfterChange"))
		assert.Equal(t, item, str(changes[i], "item", "id"))
	}
	assert.Equal(t, 13, out.Extensions.Cost.RequestedQueryCost)
	assert.Equal(t, 13, *out.Extensions.Cost.ActualQueryCost)

	same := r.call(setOp, m{"key": "2", "input": setInput("available", row1(item, loc, 15, nil))})
	assert.Nil(t, dig(same.Data, "inventorySetQuantities", "inventoryAdjustmentGroup"))
	assert.Empty(t, dig(same.Data, "inventorySetQuantities", "userErrors"))
	assert.Equal(t, 10, *same.Extensions.Cost.ActualQueryCost, "nothing changed")

	r.ok(setOp, m{"key": "3", "input": setInput("available", row1(item, loc, -5, nil))})
	assert.Equal(t, [3]int64{-5, 0, -5}, r.stock("A", "main"), "negative available is accepted")
}

func TestSetRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	item, loc := r.ids("A", "main")
	kit, _ := r.ids("KIT", "main")
	none, nowhere := "gid://shopify/InventoryItem/42", "gid://shopify/Location/999999999999"
	tests := []struct {
		name, code, message string
		input               m
		field               []any
	}{
		{"unknown item", "INVALID_INVENTORY_ITEM", "The specified inventory item could not be found.",
			setInput("available", row1(none, loc, 1, 0)),
			[]any{"input", "quantities", "0", "inventoryItemId"}},
		{"unknown location", "INVALID_LOCATION", "The specified location could not be found.",
			setInput("available", row1(item, nowhere, 1, 0)),
			[]any{"input", "quantities", "0", "locationId"}},
		{"name", "INVALID_NAME", "The quantity name must be either 'available' or 'on_hand'.",
			setInput("damaged", row1(item, loc, 1, 0)), []any{"input", "name"}},
		{"negative on hand", "INVALID_QUANTITY_NEGATIVE", "The quantity can't be negative.",
			setInput("on_hand", row1(item, loc, -1, nil)),
			[]any{"input", "quantities", "0", "quantity"}},
		{"too high", "INVALID_QUANTITY_TOO_HIGH",
			"The quantity must be lower than or equal to 1000000000.",
			setInput("available", row1(item, loc, 1_000_000_001, nil)),
			[]any{"input", "quantities", "0", "quantity"}},
		{"bundle", "NON_MUTABLE_INVENTORY_ITEM", "The inventory item of a bundle cannot be changed.",
			setInput("available", row1(kit, loc, 1, nil)),
			[]any{"input", "quantities", "0", "inventoryItemId"}},
		{"twice", "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR",
			"The combination of inventoryItemId and locationId must be unique.",
			setInput("available", row1(item, loc, 1, nil), row1(item, loc, 2, nil)),
			[]any{"input", "quantities", "1", "inventoryItemId"}},
		{"stale", "CHANGE_FROM_QUANTITY_STALE",
			"The changeFromQuantity argument does not match the persisted quantity.",
			setInput("available", row1(item, loc, 1, 9)),
			[]any{"input", "quantities", "0", "changeFromQuantity"}},
	}
	for i, tt := range tests {
		got := r.ok(setOp, m{"key": fmt.Sprint("r", i), "input": tt.input})
		assert.Nil(t, got["inventoryAdjustmentGroup"], tt.name)
		assert.Equal(t, tt.code, str(got, "userErrors", 0, "code"), tt.name)
		assert.Equal(t, tt.message, str(got, "userErrors", 0, "message"), tt.name)
		assert.Equal(t, tt.field, dig(got, "userErrors", 0, "field"), tt.name)
	}
	assert.Equal(t, [3]int64{10, 0, 10}, r.stock("A", "main"), "a refusal changes nothing")
}

// TestStaleRejectsTheWholeCall: one stale row among good ones changes nothing, unless assumed so.
func TestStaleRejectsTheWholeCall(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	a, loc := r.ids("A", "main")
	b, _ := r.ids("B", "main")
	input := setInput("available", row1(a, loc, 7, 10), row1(b, loc, 1, 99))
	r.ok(setOp, m{"key": "1", "input": input})
	assert.Equal(t, [3]int64{10, 0, 10}, r.stock("A", "main"))
	guess := Documented()
	guess.StaleRowRejectsCall = false
	r.Assume(guess)
	r.ok(setOp, m{"key": "2", "input": input})
	assert.Equal(t, [3]int64{7, 0, 7}, r.stock("A", "main"))
	assert.Equal(t, [3]int64{3, 0, 3}, r.stock("B", "main"))
}

func TestFailuresOfTheCallAsSuch(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	item, loc := r.ids("A", "main")
	bare := `mutation S($input: InventorySetQuantitiesInput!) {
  inventorySetQuantities(input: $input) { userErrors { code } } }`
	out := r.call(bare, m{"input": setInput("available", row1(item, loc, 1, 10))})
	require.Len(t, out.Errors, 1)
	assert.Equal(t, "BAD_REQUEST", out.Errors[0].Extensions["code"])
	assert.Equal(t, "The @idempotent directive is required for this mutation but was not provided.",
		out.Errors[0].Message)
	assert.Nil(t, out.Data["inventorySetQuantities"])
	assert.Equal(t, 10, *out.Extensions.Cost.ActualQueryCost)

	left := row1(item, loc, 1, nil)
	delete(left, "changeFromQuantity")
	out = r.call(setOp, m{"key": "1", "input": setInput("available", left)})
	require.Len(t, out.Errors, 1)
	assert.Equal(t, "INVALID_FIELD_ARGUMENTS", out.Errors[0].Extensions["code"])
	assert.Equal(t, "InventoryQuantityInput must include the following argument: "+
		"changeFromQuantity.", out.Errors[0].Message)

	old := setInput("available", row1(item, loc, 1, nil))
	old["ignoreCompareQuantity"] = true
	out = r.call(setOp, m{"key": "1", "input": old})
	require.Len(t, out.Errors, 1)
	assert.Equal(t, "INVALID_VARIABLE", out.Errors[0].Extensions["code"])
	assert.Equal(t, "Variable $input of type InventorySetQuantitiesInput! was provided invalid value "+
		"for ignoreCompareQuantity (Field is not defined on InventorySetQuantitiesInput)",
		out.Errors[0].Message)

	var many []m
	for range 251 {
		many = append(many, row1(item, loc, 1, nil))
	}
	out = r.call(setOp, m{"key": "1", "input": setInput("available", many...)})
	require.Len(t, out.Errors, 1)
	assert.Equal(t, "MAX_INPUT_SIZE_EXCEEDED", out.Errors[0].Extensions["code"])
	assert.Equal(t, [3]int64{10, 0, 10}, r.stock("A", "main"))
}

func TestAdjustCommutesAndChecksStates(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	item, loc := r.ids("A", "main")
	change := func(name string, delta int, ledger any, key string) m {
		return r.ok(adjustOp, m{"key": key, "input": m{"name": name, "reason": "correction",
			"changes": []any{m{"inventoryItemId": item, "locationId": loc, "delta": delta,
				"changeFromQuantity": nil, "ledgerDocumentUri": ledger}}}})
	}
	got := change("available", -4, nil, "1")
	assert.Empty(t, got["userErrors"])
	assert.Equal(t, [3]int64{6, 0, 6}, r.stock("A", "main"))
	got = change("available", -4, "app://doc/1", "2")
	assert.Equal(t, "INVALID_AVAILABLE_DOCUMENT", str(got, "userErrors", 0, "code"))
	got = change("safety_stock", 2, nil, "3")
	assert.Equal(t, "INVALID_QUANTITY_DOCUMENT", str(got, "userErrors", 0, "code"))
	got = change("safety_stock", 2, "app://doc/1", "4")
	assert.Empty(t, got["userErrors"])
	assert.Equal(t, [3]int64{6, 0, 8}, r.stock("A", "main"), "safety stock is on hand, not available")
	got = change("incoming", 3, "app://doc/1", "5")
	assert.Empty(t, got["userErrors"])
	assert.Equal(t, [3]int64{6, 0, 8}, r.stock("A", "main"), "incoming is outside on hand")
	got = change("committed", 1, "app://doc/1", "6")
	assert.Equal(t, "INVALID_QUANTITY_NAME", str(got, "userErrors", 0, "code"))
}

func TestMoveBetweenStates(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	item, loc := r.ids("A", "main")
	end := func(name string, from any, ledger any) m {
		return m{"locationId": loc, "name": name, "changeFromQuantity": from,
			"ledgerDocumentUri": ledger}
	}
	op := `mutation M($input: InventoryMoveQuantitiesInput!) {
  inventoryMoveQuantities(input: $input) @idempotent(key: "m") { userErrors { code } } }`
	got := r.ok(op, m{"input": m{"reason": "safety_stock", "referenceDocumentUri": "app://x/1",
		"changes": []any{m{"inventoryItemId": item, "quantity": 4, "from": end("available", 10, nil),
			"to": end("safety_stock", nil, "app://x/2")}}}})
	assert.Empty(t, got["userErrors"])
	l, _ := r.Level("alpha", "A", "main")
	assert.Equal(t, []int64{6, 4, 10}, []int64{l.Available, l.Safety, l.OnHand})
}

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	item, loc := r.ids("A", "main")
	adjust := func(key string, delta int) m {
		return r.ok(adjustOp, m{"key": key, "input": m{"name": "available", "reason": "correction",
			"changes": []any{m{"inventoryItemId": item, "locationId": loc, "delta": delta,
				"changeFromQuantity": nil}}}})
	}
	one := adjust("k", -1)
	again := adjust("k", -1)
	assert.Equal(t, one, again, "the first answer is given again")
	assert.Equal(t, [3]int64{9, 0, 9}, r.stock("A", "main"))
	other := adjust("k", -2)
	assert.Equal(t, "IDEMPOTENCY_KEY_PARAMETER_MISMATCH", str(other, "userErrors", 0, "code"))
	r.Advance(23 * 60 * 60 * second)
	adjust("k", -1)
	assert.Equal(t, [3]int64{9, 0, 9}, r.stock("A", "main"))
	r.Advance(2 * 60 * 60 * second)
	adjust("k", -1)
	assert.Equal(t, [3]int64{8, 0, 8}, r.stock("A", "main"), "after 24 hours the key is new")
}

func TestActivate(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	item, east := r.ids("B", "east")
	op := `mutation A($i: ID!, $l: ID!, $n: Int) {
  inventoryActivate(inventoryItemId: $i, locationId: $l, available: $n) @idempotent(key: "` + "%s" +
		`") { inventoryLevel { id isActive } userErrors { field message } } }`
	got := r.ok(fmt.Sprintf(op, "1"), m{"i": item, "l": east, "n": 4})
	assert.Equal(t, true, dig(got, "inventoryLevel", "isActive"))
	assert.Equal(t, [3]int64{4, 0, 4}, r.stock("B", "east"))
	got = r.ok(fmt.Sprintf(op, "2"), m{"i": item, "l": east, "n": 5})
	assert.Equal(t, "Not allowed to set available quantity when the item is already active at the "+
		"location.", str(got, "userErrors", 0, "message"))
	assert.Equal(t, [3]int64{4, 0, 4}, r.stock("B", "east"))
}

func TestNotStockedUntilVersion(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	item, east := r.ids("B", "east")
	vars := m{"key": "1", "input": setInput("available", row1(item, east, 4, nil))}
	old := r.send("2026-07", "shpat_alpha", m{"query": setOp, "variables": vars})
	assert.Equal(t, "ITEM_NOT_STOCKED_AT_LOCATION",
		str(old.Data, "inventorySetQuantities", "userErrors", 0, "code"))
	assert.Equal(t, "2026-07", old.header.Get("X-Shopify-API-Version"))
	vars["key"] = "2"
	assert.Empty(t, r.ok(setOp, vars)["userErrors"])
	assert.Equal(t, [3]int64{4, 0, 4}, r.stock("B", "east"))
}
