package scope

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/mapping"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
)

// TestLiveSaysOfConnectionsWhatSurveySaysOfFiles lists the things of the files in catalogues, one of
// them under a row of the mapping.
func TestLiveSaysOfConnectionsWhatSurveySaysOfFiles(t *testing.T) {
	store := recordstest.New(recordstest.Options{})
	submit := func(f func(tx *records.Tx)) {
		var tx records.Tx
		f(&tx)
		_, err := store.Submit(t.Context(), &tx)
		require.NoError(t, err)
	}
	connection := func(id, kind string, markets ...string) {
		submit(func(tx *records.Tx) {
			tx.Put(records.Record{Table: records.Connections, Key: id,
				Body: tx.Encode(map[string]any{"id": id, "kind": kind, "marketplaces": markets})})
		})
	}
	list := func(items ...mapping.Item) {
		submit(func(tx *records.Tx) { require.Zero(t, mapping.KeepItems(tx, 1, items)) })
	}
	index := mapping.NewIndex(store, nil)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- index.Run(ctx) }()
	defer func() {
		stop()
		require.ErrorIs(t, <-ended, context.Canceled)
	}()
	table := mapping.NewTable(store, index)

	r, err := Live(t.Context(), store, table)
	require.NoError(t, err)
	require.Equal(t, &Report{Regions: []RegionReport{}, Flows: []Flow{}, Findings: []Finding{}}, r)

	connection("shop", "shopify")
	connection("books", "netsuite")
	connection("amz", "amazon", "US1", "DE1")
	item := func(id int64, sku, barcode, not string) mapping.Item {
		return mapping.Item{Connection: "shop", VariantID: id, SKU: sku, Barcode: barcode, Title: sku,
			NotStock: not, Tracked: not == ""}
	}
	list(item(1, "TEE-S", "4006381333931", ""), item(2, "TEE-M", "", ""), item(3, "TEE-M", "", ""),
		item(4, "BOOK", "", "not-shipped"), item(5, "", "", ""), item(6, "SET-1", "", ""))
	list(mapping.Item{Connection: "books", ItemID: "1", SKU: "TEE-S"},
		mapping.Item{Connection: "books", ItemID: "3", SKU: "SET-1", Kit: true})
	offer := func(market, sku, asin, by string) mapping.Item {
		return mapping.Item{Connection: "amz", Marketplace: market, SellerSKU: sku, SKU: sku, ASIN: asin, Fulfilment: by}
	}
	list(offer("US1", "TEE-S", "B1", mapping.Merchant), offer("US1", "TEE-S-FBA", "B1", mapping.Amazon),
		offer("US1", "XYZ", "B9", mapping.Amazon), offer("US1", "OLD", "B3", mapping.Merchant),
		offer("DE1", "SET-1", "B2", mapping.Merchant), offer("GONE", "SET-1", "B2", mapping.Merchant))
	row := mapping.Row{SKU: "TEE-M", Connection: "amz", Marketplace: "US1", SellerSKU: "XYZ"}
	_, err = table.Put(t.Context(), []mapping.Line{{Row: row}}, mapping.PutOptions{})
	require.NoError(t, err)

	r, err = Live(t.Context(), store, table)
	require.NoError(t, err)
	require.Equal(t, &ShopReport{Variants: 6, WithoutSKU: 1, Duplicates: 1, NotShipped: 1, NotInERP: 1}, r.Shopify)
	require.Equal(t, &ERPReport{Items: 2, Kits: 1}, r.NetSuite)
	require.Equal(t, 3, r.SKUs)
	require.Equal(t, []RegionReport{
		{Region: "amz/US1", FBA: 1, Both: 1, Neither: 1, Listings: 4, FBAListings: 2, FBMListings: 2, Mapped: 1,
			BySKU: 1, ToConfirm: 1, Unmapped: 1},
		{Region: "amz/DE1", FBM: 1, Neither: 2, Listings: 1, FBMListings: 1, BySKU: 1, KitsFBM: 1}}, r.Regions)
	require.NotEmpty(t, r.Flows)
}
