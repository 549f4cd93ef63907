package mapping

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
)

func TestRowIsOfOneSide(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		row    Row
		column string // of the fault; empty: none
	}{
		{Row{SKU: "A", Connection: "shop", VariantID: 1, InventoryItemID: 2}, ""},
		{Row{SKU: "A", Connection: "shop", VariantID: 1, Content: "owned"}, ""},
		{Row{SKU: "A", Connection: "amz", SellerSKU: "A-FBA", Marketplace: "ATVPDKIKX0DER",
			ASIN: "B000000001", Fulfilment: "amazon"}, ""},
		{Row{SKU: "A", Connection: "amz", SellerSKU: "A"}, ""},
		{Row{SKU: "A", Connection: "ns", ItemID: "4711"}, ""},
		{Row{Connection: "ns", ItemID: "4711"}, "sku"},
		{Row{SKU: "A\n", Connection: "ns", ItemID: "4711"}, "sku"},
		{Row{SKU: "A", ItemID: "4711"}, "connection"},
		{Row{SKU: "A", Connection: "a b", ItemID: "4711"}, "connection"},
		{Row{SKU: "A", Connection: "shop"}, "variant_id"},
		{Row{SKU: "A", Connection: "shop", InventoryItemID: 2}, "variant_id"},
		{Row{SKU: "A", Connection: "shop", VariantID: -1}, "variant_id"},
		{Row{SKU: "A", Connection: "shop", VariantID: 1, InventoryItemID: -2}, "inventory_item_id"},
		{Row{SKU: "A", Connection: "shop", VariantID: 1, SellerSKU: "A"}, "seller_sku"},
		{Row{SKU: "A", Connection: "shop", VariantID: 1, ItemID: "4"}, "item_id"},
		{Row{SKU: "A", Connection: "shop", VariantID: 1, ASIN: "B1"}, "asin"},
		{Row{SKU: "A", Connection: "shop", VariantID: 1, Marketplace: "US"}, "marketplace"},
		{Row{SKU: "A", Connection: "shop", VariantID: 1, Fulfilment: "amazon"}, "fulfilment"},
		{Row{SKU: "A", Connection: "ns", ItemID: "4", InventoryItemID: 2}, "inventory_item_id"},
		{Row{SKU: "A", Connection: "amz", ASIN: "B000000001"}, "seller_sku"},
		{Row{SKU: "A", Connection: "amz", SellerSKU: "A", Fulfilment: "fba"}, "fulfilment"},
		{Row{SKU: "A", Connection: "amz", SellerSKU: "A", Content: "mine"}, "content"},
		{Row{SKU: "A", Connection: "amz", SellerSKU: strings.Repeat("x", 161)}, "seller_sku"},
		{Row{SKU: "A", Connection: "amz", SellerSKU: "\xff"}, "seller_sku"},
	} {
		err := c.row.Validate()
		if c.column == "" {
			require.NoError(t, err, "%+v", c.row)
			continue
		}
		var f *Fault
		require.ErrorAs(t, err, &f, "%+v", c.row)
		require.Equal(t, c.column, f.Column, "%+v", c.row)
	}
}

func TestKeysAreShortAndTheirOwn(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 160)
	id := strings.Repeat("c", 128)
	seen := map[string]Ref{}
	for _, f := range []Ref{
		VariantRef("a", 1), VariantRef("a", 12), VariantRef("a/variant", 1), VariantRef("a%2Fvariant", 1),
		ItemRef("a", "1"), ItemRef("a", "1/2"), ItemRef("a", "1%2F2"), ItemRef("a/item/1", "2"),
		ItemRef("a", "#1"), ItemRef("a", "%231"), SellerRef("a", "", "1"), SellerRef("a", "1", ""),
		SellerRef("a", "x", "1"), SellerRef("a", "", "1/x"), SellerRef(id, long, long),
		SellerRef(id, long, long+"y"), SellerRef(id+"x", long, long), SellerRef(id, long+"z", long),
		SellerRef("ä", strings.Repeat("/", 30), strings.Repeat("ö", 60)),
	} {
		key := f.Key()
		require.Empty(t, seen[key], "%q is of both %v and %v", key, seen[key], f)
		seen[key] = f
		require.LessOrEqual(t, len(waitKey(f, "unknown/"+strings.Repeat("o", 128))), records.MaxKey)
		require.True(t, strings.HasPrefix(key, prefixOf(f.Connection)))
		require.True(t, isRow(key))
	}
}

func TestNormalForms(t *testing.T) {
	t.Parallel()
	require.Equal(t, "ab12", NormalSKU(" AB-12 "))
	require.Equal(t, "ä1", NormalSKU("Ä.1"))
	require.Empty(t, NormalSKU("-- "))
	require.Equal(t, "36000291452", NormalBarcode("036000291452"))
	require.Equal(t, "36000291452", NormalBarcode("0-036000 291452"))
	for _, none := range []string{"", "12", "00000000", "A36000291452", "123456789012345"} {
		require.Empty(t, NormalBarcode(none))
	}
}
