package shopifytest

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

const specs = "../../../../shared/specs/shopify/"

// official is the schema that Shopify publishes; the test is skipped where it is not at hand.
func official(t *testing.T) *ast.Schema {
	t.Helper()
	text, err := os.ReadFile(specs + "admin_2026-10.nodesc.graphql")
	if err != nil {
		t.Skip("the official schema is not here: ", err)
	}
	s, err := gqlparser.LoadSchema(&ast.Source{Input: string(text)})
	require.NoError(t, err)
	return s
}

func TestEveryFieldHasAResolver(t *testing.T) {
	t.Parallel()
	for name, def := range schema().Types {
		if def.Kind != ast.Object || def.BuiltIn {
			continue
		}
		for _, f := range def.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			switch {
			case name == "Mutation":
				assert.NotNil(t, mutations()[f.Name], f.Name)
			case isConnection(name):
				assert.NotNil(t, pageFields[f.Name], name+"."+f.Name)
			case strings.HasSuffix(name, "Edge"):
				assert.NotNil(t, edgeFields[f.Name], name+"."+f.Name)
			case strings.HasSuffix(name, "UserError"):
				assert.NotNil(t, errorFields[f.Name], name+"."+f.Name)
			case strings.HasSuffix(name, "Payload"):
			default:
				assert.NotNil(t, resolvers()[name][f.Name], name+"."+f.Name)
			}
		}
	}
	for name, all := range resolvers() {
		for f := range all {
			def := schema().Types[name]
			if assert.NotNil(t, def, name) {
				assert.NotNil(t, def.Fields.ForName(f), "%s.%s is not in the schema", name, f)
			}
		}
	}
}

func TestSchemaIsPartOfTheOfficialOne(t *testing.T) {
	t.Parallel()
	full := official(t)
	for name, def := range schema().Types {
		if def.BuiltIn {
			continue
		}
		want := full.Types[name]
		if !assert.NotNil(t, want, name) {
			continue
		}
		for _, f := range def.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			w := want.Fields.ForName(f.Name)
			if !assert.NotNil(t, w, name+"."+f.Name) {
				continue
			}
			assert.Equal(t, w.Type.String(), f.Type.String(), name+"."+f.Name)
			assert.Len(t, f.Arguments, len(w.Arguments), name+"."+f.Name)
			for _, a := range f.Arguments {
				if assert.NotNil(t, w.Arguments.ForName(a.Name), name+"."+f.Name+"."+a.Name) {
					assert.Equal(t, w.Arguments.ForName(a.Name).Type.String(), a.Type.String())
				}
			}
		}
		if def.Kind == ast.InputObject {
			assert.Len(t, def.Fields, len(want.Fields), "%s lacks fields", name)
		}
		for _, e := range def.EnumValues {
			assert.NotNil(t, want.EnumValues.ForName(e.Name), name+"."+e.Name)
		}
	}
}

// operations are the texts of the operations that the adapter may send, by name.
func operations(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(specs + "ops.graphql")
	if err != nil {
		t.Skip("the operations are not here: ", err)
	}
	out := map[string]string{}
	for _, line := range strings.Split(string(text), "\n") {
		words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" ({", r) })
		if len(words) > 1 {
			out[words[1]] = line
		}
	}
	return out
}

// TestOperationsAnswerInShape runs every operation of the file through a life of one order, and
// holds each answer against the official schema.
func TestOperationsAnswerInShape(t *testing.T) {
	t.Parallel()
	full := official(t)
	ops := operations(t)
	r := newRig(t, Config{})
	used := map[string]bool{}
	run := func(name string, vars map[string]any) map[string]any {
		t.Helper()
		doc, errs := gqlparser.LoadQueryWithRules(full, ops[name], nil)
		require.Empty(t, errs, name)
		used[name] = true
		out := r.call(ops[name], vars)
		require.Empty(t, out.Errors, name)
		shape(t, name, doc.Operations[0].SelectionSet, out.Data)
		for _, v := range out.Data {
			if m, ok := v.(map[string]any); ok {
				for _, k := range []string{"userErrors", "orderCancelUserErrors"} {
					assert.Empty(t, m[k], "%s: %v", name, m[k])
				}
				return m
			}
		}
		return nil
	}
	life(t, r, run)
	for name := range ops {
		assert.True(t, used[name], "operation %s was not run", name)
	}
}

// life runs all operations once, in an order in which each has something to work on.
func life(t *testing.T, r *rig, run func(string, map[string]any) map[string]any) {
	item, main := r.ids("A", "main")
	itemB, fba := r.ids("B", "fba")
	_, east := r.ids("A", "east")
	for _, name := range []string{"Shop", "Locations", "Versions"} {
		run(name, nil)
	}
	run("VariantsBySKU", map[string]any{"q": "sku:'A'"})
	got := run("InventoryItemsBySKU", map[string]any{"q": "sku:'A'"})
	level := str(got, "nodes", 0, "inventoryLevels", "nodes", 0, "id")
	run("LevelAt", map[string]any{"item": item, "loc": main})
	run("LevelsByNode", map[string]any{"ids": []string{level, item}})
	row := map[string]any{"inventoryItemId": item, "locationId": main, "quantity": 12,
		"changeFromQuantity": 10}
	run("SetAvailable", map[string]any{"key": "k1", "input": map[string]any{"name": "available",
		"reason": "correction", "quantities": []any{row}}})
	delta := map[string]any{"inventoryItemId": item, "locationId": main, "delta": -2,
		"changeFromQuantity": nil}
	run("AdjustAvailable", map[string]any{"key": "k2", "input": map[string]any{"name": "available",
		"reason": "correction", "changes": []any{delta}}})
	run("Activate", map[string]any{"item": itemB, "loc": east, "available": 4, "key": "k3"})
	run("EnsureOrderIDDef", map[string]any{"d": map[string]any{"name": "id", "namespace": "hf",
		"key": "ext", "type": "id", "ownerType": "ORDER"}})
	lines := []any{map[string]any{"variantId": r.variant("A"), "quantity": 2, "requiresShipping": true,
		"priceSet": map[string]any{"shopMoney": map[string]any{"amount": "10.00",
			"currencyCode": "USD"}}},
		map[string]any{"variantId": r.variant("B"), "quantity": 1, "requiresShipping": true}}
	in := map[string]any{"lineItems": lines, "sourceIdentifier": "111-222", "currency": "USD",
		"transactions": []any{map[string]any{"kind": "SALE", "gateway": "Amazon",
			"amountSet": map[string]any{"shopMoney": map[string]any{"amount": "40.00",
				"currencyCode": "USD"}}}},
		"metafields": []any{map[string]any{"namespace": "hf", "key": "ext", "value": "111-222",
			"type": "id"}}}
	dec := map[string]any{"inventoryBehaviour": "DECREMENT_IGNORING_POLICY"}
	created := run("CreateOrder", map[string]any{"order": in, "options": dec})
	id := str(created, "order", "id")
	fo := str(created, "order", "fulfillmentOrders", "nodes", 0, "id")
	run("OrderBySource", map[string]any{"q": "source_identifier:'111-222'"})
	byID := run("OrderByCustomID", map[string]any{"ns": "hf", "key": "ext", "val": "111-222"})
	assert.Equal(t, id, byID["id"])
	run("OrdersUpdated", map[string]any{"q": "updated_at:>='2026-11-23T00:00:00Z'"})
	held := run("Hold", map[string]any{"id": fo, "h": map[string]any{"reason": "OTHER",
		"handle": "hf"}})
	run("Release", map[string]any{"id": fo, "holds": []any{str(held, "fulfillmentHold", "id")}})
	moved := run("Move", map[string]any{"id": fo, "loc": east})
	fo = str(moved, "movedFulfillmentOrder", "id")
	ship := map[string]any{"f": map[string]any{"lineItemsByFulfillmentOrder": []any{
		map[string]any{"fulfillmentOrderId": fo}}, "trackingInfo": map[string]any{"company": "UPS",
		"number": "1Z"}}}
	f := run("Fulfil", ship)
	run("UpdateTracking", map[string]any{"id": str(f, "fulfillment", "id"),
		"t": map[string]any{"number": "1Z2"}, "notify": false})
	run("CancelFulfillment", map[string]any{"id": str(f, "fulfillment", "id")})
	detail := run("OrderDetail", map[string]any{"id": id})
	nodes, _ := dig(detail, "fulfillmentOrders", "nodes").([]any)
	for _, n := range nodes {
		if str(n, "status") == "OPEN" {
			dig(ship, "f", "lineItemsByFulfillmentOrder", 0).(map[string]any)["fulfillmentOrderId"] =
				str(n, "id")
		}
	}
	run("Fulfil", ship)
	lifeAfterShipping(t, r, run, id, main)
	_ = fba
}

func lifeAfterShipping(t *testing.T, r *rig, run func(string, map[string]any) map[string]any,
	id, place string) {
	back := run("Returnable", map[string]any{"order": id})
	unit := str(back, "nodes", 0, "returnableFulfillmentLineItems", "nodes", 0,
		"fulfillmentLineItem", "id")
	ret := run("CreateReturn", map[string]any{"in": map[string]any{"orderId": id,
		"returnLineItems": []any{map[string]any{"fulfillmentLineItemId": unit, "quantity": 1,
			"returnReason": "UNWANTED"}}}})
	run("OrderDetail", map[string]any{"id": id})
	reverse := str(ret, "return", "reverseFulfillmentOrders", "nodes", 0, "lineItems", "nodes", 0, "id")
	run("ProcessReturn", map[string]any{"in": map[string]any{"returnId": str(ret, "return", "id"),
		"returnLineItems": []any{map[string]any{
			"id": str(ret, "return", "returnLineItems", "nodes", 0, "id"), "quantity": 1,
			"dispositions": []any{map[string]any{"reverseFulfillmentOrderLineItemId": reverse,
				"quantity": 1, "dispositionType": "RESTOCKED", "locationId": place}}}}}})
	run("Refund", map[string]any{"key": "r1", "in": map[string]any{"orderId": id, "note": "sorry"}})
	other := r.sold(SaleLine{SKU: "A"})
	cancelled := run("CancelOrder", map[string]any{"id": other.ID, "reason": "CUSTOMER",
		"restock": true, "refund": map[string]any{"originalPaymentMethodsRefund": true}})
	job := run("JobState", map[string]any{"id": str(cancelled, "job", "id")})
	assert.Equal(t, false, job["done"])
	r.Advance(5 * second)
	job = run("JobState", map[string]any{"id": str(cancelled, "job", "id")})
	assert.Equal(t, true, job["done"])
	sub := run("Subscribe", map[string]any{"topic": "ORDERS_CREATE",
		"sub": map[string]any{"uri": "https://example.com/h", "format": "JSON"}})
	run("Subscriptions", nil)
	run("Unsubscribe", map[string]any{"id": str(sub, "webhookSubscription", "id")})
	text, err := os.ReadFile(specs + "bulk_catalogue.graphql")
	require.NoError(t, err)
	b := run("BulkExport", map[string]any{"q": string(text)})
	r.Advance(10 * second)
	state := run("BulkStatus", map[string]any{"id": str(b, "bulkOperation", "id")})
	assert.Equal(t, "COMPLETED", state["status"])
}

// shape checks that an answer has exactly the fields that were asked for, each of its type.
func shape(t *testing.T, path string, set ast.SelectionSet, v map[string]any) {
	t.Helper()
	for _, s := range set {
		f, ok := s.(*ast.Field)
		if !ok {
			continue // fragments are checked by what they contain in other answers
		}
		got, there := v[f.Alias]
		if !assert.True(t, there, "%s.%s is missing", path, f.Alias) || f.Name == "__typename" {
			continue
		}
		shapeOf(t, path+"."+f.Alias, f.Definition.Type, f.SelectionSet, got)
	}
}

func shapeOf(t *testing.T, path string, typ *ast.Type, set ast.SelectionSet, v any) {
	t.Helper()
	if v == nil {
		assert.False(t, typ.NonNull, "%s is null", path)
		return
	}
	if typ.Elem != nil {
		list, ok := v.([]any)
		if assert.True(t, ok, "%s is no list", path) {
			for i, x := range list {
				shapeOf(t, fmt.Sprintf("%s[%d]", path, i), typ.Elem, set, x)
			}
		}
		return
	}
	switch name := typ.NamedType; {
	case len(set) > 0:
		m, ok := v.(map[string]any)
		if assert.True(t, ok, "%s is no object", path) {
			shape(t, path, set, m)
		}
	case name == "Int" || name == "Float":
		_, ok := v.(json.Number)
		assert.True(t, ok, "%s: %T is no number", path, v)
	case name == "Boolean":
		_, ok := v.(bool)
		assert.True(t, ok, "%s: %T is no boolean", path, v)
	default:
		_, ok := v.(string)
		assert.True(t, ok, "%s: %T is no string", path, v)
	}
}
