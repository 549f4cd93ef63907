package shopify

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

const officialSchema = "../../../shared/specs/shopify/admin_2026-10.nodesc.graphql"

// needKey are the mutations of version 2026-10 whose reference page has an @idempotent directive.
var needKey = []string{
	"inventoryActivate", "inventoryAdjustQuantities", "inventoryMoveQuantities",
	"inventorySetOnHandQuantities", "inventorySetQuantities", "inventoryShipmentAddItems",
	"inventoryShipmentCreate", "inventoryShipmentCreateInTransit", "inventoryShipmentReceive",
	"inventoryTransferCreate", "inventoryTransferCreateAsReadyToShip", "inventoryTransferDuplicate",
	"inventoryTransferSetItems", "locationActivate", "locationDeactivate", "refundCreate",
}

func TestEveryOperationIsValidOnTheOfficialSchema(t *testing.T) {
	text, err := os.ReadFile(officialSchema)
	if os.IsNotExist(err) {
		t.Skip("the official schema is not there")
	}
	require.NoError(t, err)
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "admin", Input: string(text)})
	require.NoError(t, err)
	require.Greater(t, len(all), 30)
	for _, op := range all {
		_, errs := gqlparser.LoadQueryWithRules(schema, op.text, rules.NewDefaultRules())
		require.Empty(t, errs, op.name)
	}
	_, errs := gqlparser.LoadQueryWithRules(schema, bulkCatalogue,
		rules.NewDefaultRules())
	require.Empty(t, errs, "the bulk catalogue")
}

// parsed is the operation and its only root field.
func parsed(t *testing.T, op *operation) (*ast.OperationDefinition, []*ast.Field) {
	t.Helper()
	doc, err := parser.ParseQuery(&ast.Source{Input: op.text})
	require.NoError(t, err, op.name)
	require.Len(t, doc.Operations, 1, op.name)
	def := doc.Operations[0]
	var roots []*ast.Field
	for _, s := range def.SelectionSet {
		roots = append(roots, s.(*ast.Field))
	}
	return def, roots
}

func TestOperationsAreWhatTheySayTheyAre(t *testing.T) {
	names := map[string]bool{}
	for _, op := range all {
		def, roots := parsed(t, op)
		require.Equal(t, op.name, def.Name)
		require.False(t, names[op.name], "%s is there twice", op.name)
		names[op.name] = true
		require.Equal(t, op.writes(), def.Operation == ast.Mutation, op.name)
		require.Positive(t, op.cost, op.name)
		if op.writes() {
			require.Len(t, roots, 1, "%s: one mutation a call, or one may happen without the other",
				op.name)
		}
	}
}

func TestEveryMutationThatNeedsAKeyHasOne(t *testing.T) {
	for _, op := range all {
		if !op.writes() {
			continue
		}
		def, roots := parsed(t, op)
		d := roots[0].Directives.ForName("idempotent")
		if slices.Contains(needKey, roots[0].Name) {
			require.NotNil(t, d, "%s has no @idempotent", op.name)
			key := d.Arguments.ForName("key")
			require.NotNil(t, key, op.name)
			require.Equal(t, ast.Variable, key.Value.Kind, op.name)
			v := def.VariableDefinitions.ForName(key.Value.Raw)
			require.NotNil(t, v, op.name)
			require.True(t, v.Type.NonNull, "%s: a key that may be left out", op.name)
			require.Equal(t, keyed, op.kind, op.name)
			continue
		}
		require.Nil(t, d, "%s has @idempotent where Shopify does not know it", op.name)
		require.True(t, op.kind == sentOnce || repeatable[op.name],
			"%s would be sent again without a key", op.name)
	}
}

// repeatable are the mutations whose second effect equals their first, and why.
var repeatable = map[string]bool{
	"CloseOrder":  true, // an order that is closed stays closed
	"Tracking":    true, // writes the same text again
	"Hold":        true, // the handle is unique: a second one is refused
	"Unsubscribe": true, // what is gone is gone
}

// TestEveryStockRowSaysWhatItIsChangedFrom walks the Go types of the inputs: a row without the
// member, with a pointer, or with omitempty could be sent without it, and Shopify would overwrite
// blindly.
func TestEveryStockRowSaysWhatItIsChangedFrom(t *testing.T) {
	rows := map[string]reflect.Type{
		"changes":    reflect.TypeFor[adjustRow](),
		"quantities": reflect.TypeFor[setRow](),
	}
	for _, input := range []reflect.Type{reflect.TypeFor[adjustInput](), reflect.TypeFor[setInput]()} {
		found := false
		for i := range input.NumField() {
			name, _, _ := strings.Cut(input.Field(i).Tag.Get("json"), ",")
			if row, ok := rows[name]; ok {
				require.Equal(t, row, input.Field(i).Type.Elem())
				found = true
			}
		}
		require.True(t, found, "%s has rows of another type", input)
	}
	for _, row := range rows {
		f, ok := row.FieldByName("From")
		require.True(t, ok, row)
		require.Equal(t, reflect.TypeFor[changeFrom](), f.Type)
		require.Equal(t, "changeFromQuantity", f.Tag.Get("json"), "it must always be written")
	}
	// Nothing else in the package may be a row of stock.
	members := regexp.MustCompile("`json:\"changeFromQuantity").FindAllString(sources(t), -1)
	require.Len(t, members, len(rows))
}

func sources(t *testing.T) string {
	t.Helper()
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	var b strings.Builder
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".go") && !strings.HasSuffix(e.Name(), "_test.go") {
			text, err := os.ReadFile(e.Name())
			require.NoError(t, err)
			b.Write(text)
		}
	}
	return b.String()
}

func TestChangeFromCannotBeLeftUnset(t *testing.T) {
	_, err := changeFrom{}.MarshalJSON()
	require.ErrorIs(t, err, errChangeFromUnset)
	for want, c := range map[string]changeFrom{"null": blind(), "-3": comparing(-3), "0": comparing(0)} {
		got, err := c.MarshalJSON()
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
}
