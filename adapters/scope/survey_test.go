package scope

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const shopifyCSV = "\xef\xbb\xbfHandle,Title,Variant SKU,Variant Inventory Tracker,Variant Price," +
	"Variant Requires Shipping,Variant Barcode,Image Src,Gift Card,Price / Canada\r\n" +
	"tee,Tee,TEE-S,shopify,10.00,true,'4006381333931,,false,14\r\n" +
	"tee,,TEE-M,shopify,10.00,true,,,,\r\n" +
	"tee,,,,,,,https://x/1.jpg,,\r\n" + // a picture
	"tee,,TEE-M,shopify,10.00,true,,,,\r\n" +
	"card,Gift card,GC-10,,10.00,false,,,true,\r\n" +
	"ebook,\"E-book, large\",BOOK,,5.00,false,,,false,\r\n" +
	"mug,Mug,,shopify,8.00,true,,,false,\r\n" +
	"set,Set,SET-1,shopify,18.00,true,,,false,\r\n" +
	"hat,Hat,HAT,shopify,8.00,true,,,false,\r\n"

const usTSV = "item-name\tseller-sku\tasin1\tproduct-id\tproduct-id-type\tfulfillment-channel\tstatus\r\n" +
	"Tee \"S\tTEE-S\tB0001\tB0001\t1\tDEFAULT\tActive\r\n" + // a quote that means nothing
	"Tee S\tTEE-S-FBA\tB0001\tB0001\t1\tAMAZON_NA\tActive\r\n" +
	"Tee S\tother\tB0009\t04006381333931\t4\tAMAZON_NA\tInactive\r\n" +
	"Set\tset 1\tB0002\tB0002\t1\tDEFAULT\tActive\r\n" +
	"Old\tOLD-9\tB0003\tB0003\t1\tDEFAULT\tActive\r\n" +
	"Hat\tHAT\tB0004\tB0004\t1\tAMAZON_NA\tActive\r\n" +
	"Hat\tHAT\tB0004\tB0004\t1\tAMAZON_NA\tActive\r\n"

const netsuiteCSV = "Internal ID,Name,UPC Code,Type,Inactive,Currency\n" +
	"1,TEE : TEE-S,4006381333931,Inventory Item,No,USD\n2,TEE-M,,Inventory Item,No,EUR\n" +
	"3,SET-1,,Kit/Package,No,USD\n4,SHIPPING,,Service,No,USD\n5,GONE,,Inventory Item,Yes,USD\n" +
	"6,RAW,,Assembly/Bill of Materials,No,USD\n"

func input() Input {
	return Input{Shopify: &File{"products.csv", []byte(shopifyCSV)},
		NetSuite: &File{"items.csv", []byte(netsuiteCSV)},
		Amazon: []Region{{"US", File{"us.txt", []byte(usTSV)}},
			{"somewhere", File{"de.txt", []byte("seller-sku\tfulfillment-channel\nTEE-S\tDEFAULT\n")}}}}
}

func TestSurvey(t *testing.T) {
	t.Parallel()
	r, err := Survey(input())
	require.NoError(t, err)
	require.Equal(t, &ShopReport{Variants: 8, WithoutSKU: 1, Duplicates: 1, GiftCards: 1, NotShipped: 1,
		NotInERP: 1, Markets: []string{"canada"}}, r.Shopify)
	require.Equal(t, &ERPReport{Items: 5, Kits: 1, NotStock: 1, NotInShop: 1,
		Currencies: []string{"EUR", "USD"}}, r.NetSuite)
	require.Equal(t, 5, r.SKUs, "TEE-S TEE-M SET-1 HAT RAW")
	require.Equal(t, RegionReport{Region: "US", Currency: "USD", FBA: 1, FBM: 1, Both: 1, Neither: 2,
		Listings: 7, FBAListings: 4, FBMListings: 3, Inactive: 1, BySKU: 2, ToConfirm: 3, Unmapped: 1,
		Duplicates: 1, KitsFBM: 1}, r.Regions[0])
	require.Equal(t, RegionReport{Region: "somewhere", FBM: 1, Neither: 4, Listings: 1, FBMListings: 1,
		BySKU: 1}, r.Regions[1])
	var codes []string
	for _, f := range r.Findings {
		require.NotEmpty(t, f.Detail)
		codes = append(codes, f.Side+" "+f.Code+" "+f.SKU+"<"+f.Theirs)
	}
	require.Equal(t, []string{"amazon confirm TEE-S<TEE-S-FBA", "amazon confirm TEE-S<other",
		"amazon confirm SET-1<set 1", "amazon duplicate-seller-sku <HAT", "amazon unmapped <OLD-9",
		"netsuite missing-item HAT<", "shopify duplicate-sku TEE-M<", "shopify no-sku <"}, codes)
	var flows []string
	for _, f := range r.Flows {
		flows = append(flows, f.ID)
		require.NotEmpty(t, append(f.Will, f.Wont...), f.Name)
	}
	require.Equal(t, []string{"F1", "F3", "F1", "F2", "F5", "F7", "F12"}, flows)
	require.Equal(t, []string{"US: FBA listings, never written: 4", "unmapped listings: 1"}, r.Flows[2].Wont)
}

func TestSurveyOfOneFile(t *testing.T) {
	t.Parallel()
	in := input()
	in.Shopify, in.NetSuite = nil, nil
	r, err := Survey(in)
	require.NoError(t, err)
	require.Equal(t, 6, r.Regions[0].Unmapped)
	in = input()
	in.Amazon, in.NetSuite = nil, nil
	r, err = Survey(in)
	require.NoError(t, err)
	require.Zero(t, r.Shopify.NotInERP)
	newer := "Title,URL handle,SKU,Barcode,Price,Inventory tracker,Requires shipping\nHat,hat,HAT,,1,shopify,TRUE\n"
	r, err = Survey(Input{Shopify: &File{"new.csv", []byte(newer)}})
	require.NoError(t, err)
	require.Equal(t, &ShopReport{Variants: 1}, r.Shopify)
}

func TestBadFilesAreAllNamed(t *testing.T) {
	t.Parallel()
	in := Input{Shopify: &File{"p.csv", []byte("Handle,Title\n")}, NetSuite: &File{"n.csv", nil},
		Amazon: []Region{{"US", File{"a.txt", []byte("seller-sku\n")}}}}
	_, err := Survey(in)
	require.EqualError(t, err, "p.csv: line 1: has no column variant sku or sku\n"+
		"n.csv: line 1: the file is empty; its first line must name the columns\n"+
		"a.txt: line 1: has no column fulfillment-channel or fulfilment-channel")
	_, err = Survey(Input{Shopify: &File{"p.csv", []byte("SKU\nA\n\"B\n")}})
	require.ErrorContains(t, err, "p.csv: line 3: ")
}

func TestReportsOfEuropeAreLatin1(t *testing.T) {
	t.Parallel()
	all, err := readListings("de.txt", []byte("item-name\tseller-sku\tfulfillment-channel\n"+
		"M\xfctze\tA\tAMAZON_EU\n"))
	require.NoError(t, err)
	require.Equal(t, []listing{{sku: "A", title: "Mütze", line: 2, fba: true, active: true}}, all)
}

func FuzzReadTable(f *testing.F) {
	f.Add([]byte(shopifyCSV), true)
	f.Add([]byte(usTSV), false)
	f.Fuzz(func(t *testing.T, text []byte, commas bool) {
		comma := '\t'
		if commas {
			comma = ','
		}
		table, err := readTable("f", text, comma)
		if err != nil {
			return
		}
		for _, row := range table.rows {
			require.Equal(t, strings.TrimSpace(table.cell(row, "sku")), table.cell(row, "sku"))
		}
	})
}
