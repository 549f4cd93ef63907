package spapi

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/adapters/lenient"
)

// examples are those of Amazon's own schemas.
func examples(t testing.TB) (all [][]byte) {
	files, err := filepath.Glob(specs + "/notifications/*.json")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var schema struct {
			Examples []json.RawMessage `json:"examples"`
		}
		require.NoError(t, json.Unmarshal(text, &schema), file)
		for _, e := range schema.Examples {
			all = append(all, e)
		}
	}
	return all
}

func TestTheExamplesOfTheSchemasAreDecoded(t *testing.T) {
	all := examples(t)
	if len(all) == 0 {
		t.Skip("Amazon's schemas are not there")
	}
	seen := map[string]*Notification{}
	for _, body := range all {
		n, err := Decode(body)
		require.NoError(t, err)
		seen[n.Type] = n
		wrapped, err := Decode([]byte(`{"version":"0","detail-type":"x","source":"aws.partner/a","detail":` +
			string(body) + `}`))
		require.NoError(t, err)
		assert.Equal(t, n, wrapped, "a bus puts it into an envelope of its own")
	}
	o := seen[OrderChanges].Order
	require.NotNil(t, o)
	assert.Equal(t, "903-8868176-2219830", o.OrderID)
	assert.Equal(t, []string{StatusUnshipped, ByMerchant}, []string{o.Status, o.FulfilledBy})
	assert.Equal(t, []ChangedItem{{ID: "OIID34853450", SellerSKU: "SellerSKUID1", Quantity: number(10),
		CancelAsked: true}}, o.Items)
	assert.Equal(t, "A3TH9S8BH6GOGM", seen[OrderChanges].SellerID)
	assert.Equal(t, "d0e9e693-c3ad-4373-979f-ed4ec98dd746", seen[OrderChanges].ID)
	out := seen[OutboundChanges].Outbound
	require.NotNil(t, out)
	assert.Len(t, out.Packages, 3)
	assert.EqualValues(t, 12, out.Returned.Quantity)
	assert.Equal(t, number(99), seen[ListingQuantity].Quantity.Quantity)
	assert.Equal(t, []string{"BUYABLE", "DISCOVERABLE"}, seen[ListingChanges].Listing.Status)
	assert.Equal(t, []string{"ERROR", "WARNING"}, seen[ListingIssues].Listing.Severities)
	assert.Equal(t, "53347018456", seen[FeedFinished].Finished.ID)
	assert.Equal(t, Cancelled, seen[ReportFinished].Finished.Status)
}

func TestLevelsOfANotification(t *testing.T) {
	n, err := Decode([]byte(`{"NotificationType":"FBA_INVENTORY_AVAILABILITY_CHANGES","PayloadVersion":"1.0",
		"EventTime":"2026-11-23T12:00:00Z","Payload":{"SellerId":"S","FNSKU":"X1","ASIN":"B1","SKU":"A",
		"FulfillmentInventoryByMarketplace":[{"MarketplaceId":"M1","FulfillmentInventory":{"Fulfillable":7,
		"Unfulfillable":"2","ReservedQuantityBreakdown":{"PendingCustomerOrder":3}}},
		{"MarketplaceId":"M2","FulfillmentInventory":{"Fulfillable":"many"}}]}}`))
	require.NoError(t, err)
	require.NotNil(t, n.Level)
	assert.Equal(t, number(7), n.Level.Levels[0].Fulfillable)
	assert.Equal(t, number(3), n.Level.Levels[0].Ordered)
	assert.Equal(t, number(2), n.Level.Levels[0].Unfulfillable)
	assert.True(t, n.Level.Levels[1].Fulfillable.Bad, "a figure that is none is not zero")
}

func TestWhatIsUnknownIsKept(t *testing.T) {
	n, err := Decode([]byte(`{"NotificationType":"SOMETHING_NEW","EventTime":"2026-11-23T12:00:00Z"}`))
	require.NoError(t, err)
	assert.Equal(t, "SOMETHING_NEW", n.Type)
	n, err = Decode([]byte(`{"notificationType":"ORDER_CHANGE","eventTime":"2026-11-23T12:00:00Z","payload":
		{"orderChangeNotification":{"sellerId":"S","amazonOrderId":"1","orderChangeType":7,"summary":{
		"orderStatus":"InvoiceUnconfirmed","fulfillmentType":"DRONE","purchaseDate":null,
		"orderItems":[{"orderItemId":"i","quantity":"x"},{"orderItemId":"k","quantity":2,
		"isBuyerRequestedCancel":"true"}]}}}}`))
	require.NoError(t, err)
	assert.Equal(t, "InvoiceUnconfirmed", n.Order.Status)
	assert.Equal(t, "DRONE", n.Order.FulfilledBy)
	assert.True(t, n.Order.Items[0].Quantity.Bad)
	assert.True(t, n.Order.Items[1].CancelAsked)
	for _, body := range []string{"", "null", "{", "[]", `"x"`, `{}`, `{"NotificationType":""}`,
		`{"NotificationType":"ORDER_CHANGE"}`, `{"NotificationType":"ORDER_CHANGE","EventTime":"now"}`,
		`{"NotificationType":"ORDER_CHANGE","EventTime":"2026-11-23T12:00:00Z","Payload":null}`,
		`{"NotificationType":"FEED_PROCESSING_FINISHED","EventTime":"2026-11-23T12:00:00Z","Payload":[]}`} {
		_, err := Decode([]byte(body))
		var bad *MalformedError
		assert.True(t, errors.As(err, &bad) && bad.Malformed(), body)
	}
}

func number(n int64) lenient.Number { return lenient.Number{Value: n} }

// FuzzDecode: whatever comes over a queue, a notification or a MalformedError is made of it.
func FuzzDecode(f *testing.F) {
	for _, body := range examples(f) {
		f.Add([]byte(body))
	}
	f.Add([]byte(`{"detail":{"NotificationType":"ORDER_CHANGE"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		n, err := Decode(body)
		var bad *MalformedError
		if err != nil && !errors.As(err, &bad) {
			t.Fatalf("%v is no MalformedError", err)
		}
		if err == nil && n.Type == "" {
			t.Fatal("a notification without a type")
		}
		if err == nil && decoders[n.Type] != nil && n.Order == nil && n.Level == nil &&
			n.Outbound == nil && n.Quantity == nil && n.Listing == nil && n.Finished == nil {
			t.Fatalf("%s says nothing", n.Type)
		}
	})
}

const ordersReport = "amazon-order-id\tmerchant-order-id\tpurchase-date\tlast-updated-date\torder-status\t" +
	"fulfillment-channel\tsales-channel\tproduct-name\tsku\tasin\titem-status\tquantity\tcurrency\titem-price\r\n" +
	"111-1\t\t2026-11-23T12:00:00+00:00\t2026-11-23T12:05:00+00:00\tPending\tMerchant\tAmazon.de\t" +
	"Gr\xf6\xdfe \x80\tA-1\tB1\tUnshipped\t2\tEUR\t19.98\r\n" +
	"\r\n" +
	"111-2\t\t2026-11-23T12:00:00+00:00\tgestern\tShipped - Delivered to Buyer\tAmazon\tNon-Amazon\tx\tA-2\tB2\t\tzwei\n" +
	"111-3\t\t\t\tCancelled\tDrone\t\t\tA-3\t\t\t"

func TestRowsOfAReport(t *testing.T) {
	table, err := ReadTable(strings.NewReader("\ufeff"+ordersReport), "")
	require.NoError(t, err)
	require.NoError(t, table.Need(OrderColumns...))
	assert.ErrorContains(t, table.Need("ship-city", "sku"), "ship-city")
	var rows []OrderRow
	for {
		more, err := table.Next()
		require.NoError(t, err)
		if !more {
			break
		}
		rows = append(rows, table.Order())
		if len(rows) == 1 {
			assert.Equal(t, "Größe €", table.Text("product-name"))
		}
	}
	require.Len(t, rows, 3)
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	assert.Equal(t, OrderRow{OrderID: "111-1", Purchased: at, Updated: at.Add(5 * time.Minute),
		Status: StatusPending, FulfilledBy: ByMerchant, SalesChannel: "Amazon.de", ItemStatus: "Unshipped",
		SellerSKU: "A-1", ASIN: "B1", Quantity: 2, Currency: "EUR", Price: "19.98"}, rows[0])
	assert.Equal(t, []string{StatusShipped, ByAmazon}, []string{rows[1].Status, rows[1].FulfilledBy})
	assert.Contains(t, rows[1].Complaint, "quantity")
	assert.Contains(t, rows[1].Complaint, "last-updated-date")
	assert.Equal(t, []string{StatusCancelled, "Drone", ""},
		[]string{rows[2].Status, rows[2].FulfilledBy, rows[2].Complaint})
}

func TestAJapaneseReportIsRead(t *testing.T) {
	text := "Order ID\tMerchant SKU\tReturn quantity\n1\t\x8f\xa4\x95i-\x5c\t1\n"
	table, err := ReadTable(strings.NewReader(text), "Shift_JIS")
	require.NoError(t, err)
	require.NoError(t, table.Need(SellerReturnColumns...), "names are written in several ways")
	more, err := table.Next()
	require.NoError(t, err)
	require.True(t, more)
	row := table.SellerReturn()
	assert.Equal(t, "商品-\\", row.SellerSKU)
	assert.EqualValues(t, 1, row.Quantity)
}

// FuzzRows: whatever a report has, its rows end, and none is read as a negative number of units.
func FuzzRows(f *testing.F) {
	f.Add([]byte(ordersReport), "")
	f.Add([]byte("a\tb\n\x8f\xa4\t\n"), "windows-31j")
	f.Add([]byte("quantity\n-1\n9223372036854775808\n"), "cp1252")
	f.Fuzz(func(t *testing.T, text []byte, charset string) {
		table, err := ReadTable(bytes.NewReader(text), charset)
		if err != nil {
			return
		}
		for n := 0; ; n++ {
			more, err := table.Next()
			if err != nil || !more {
				return
			}
			if n > len(text) {
				t.Fatal("more rows than bytes")
			}
			o, s, a, m, l := table.Order(), table.Shipment(), table.AmazonReturn(), table.SellerReturn(),
				table.Listing()
			if o.Quantity < 0 || s.Quantity < 0 || a.Quantity < 0 || m.Quantity < 0 {
				t.Fatal("a negative quantity")
			}
			if l.SellerSKU == "" && l.Complaint == "" {
				t.Fatal("a listing without a SKU")
			}
		}
	})
}

func zipped(t *testing.T, text string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.String()
}

const documentAt = `{"reportDocumentId":"1","url":"SERVER/doc?sig=x","compressionAlgorithm":"GZIP"}`

func TestADocumentIsReadWithoutTheToken(t *testing.T) {
	w := newWorld(t)
	w.says(answer{200, documentAt, nil}, answer{200, zipped(t, ordersReport),
		map[string]string{"Content-Type": "text/plain; charset=Cp1252"}})
	doc, err := w.client.ReportDocument(t.Context(), "1")
	require.NoError(t, err)
	text, err := io.ReadAll(doc)
	require.NoError(t, err)
	require.NoError(t, doc.Close())
	assert.Equal(t, ordersReport, string(text))
	assert.Equal(t, "cp1252", doc.Charset)
	r, _ := w.last()
	assert.Empty(t, r.Header.Get("X-Amz-Access-Token"))
	assert.Equal(t, "sig=x", r.URL.RawQuery)
}

func TestATruncatedDocumentIsNeverAShortOne(t *testing.T) {
	whole := zipped(t, strings.Repeat(ordersReport, 50))
	for _, cutAt := range []int{0, 5, len(whole) / 2, len(whole) - 4, len(whole) - 1} {
		w := newWorld(t)
		w.says(answer{200, documentAt, nil}, answer{200, whole[:cutAt], nil})
		doc, err := w.client.ReportDocument(t.Context(), "1")
		if err == nil {
			_, err = io.ReadAll(doc)
			require.NoError(t, doc.Close())
		}
		var f *Fault
		require.True(t, asFault(err, &f), "%d: %v", cutAt, err)
		assert.Equal(t, CodeCut, f.Code())
		assert.True(t, f.Retryable())
		assert.False(t, f.Unknown())
	}
}

func TestABombIsFoundBeforeItIsUnpacked(t *testing.T) {
	w := newWorld(t)
	w.says(answer{200, documentAt, nil}, answer{200, zipped(t, strings.Repeat("x", 1<<20)), nil})
	doc, err := w.client.ReportDocument(t.Context(), "1")
	require.NoError(t, err)
	doc.left = 1000
	n, err := io.Copy(io.Discard, doc)
	assert.Equal(t, CodeTooLarge, CodeOf(err))
	assert.LessOrEqual(t, n, int64(1000))
	require.NoError(t, doc.Close())
}

func TestAnAddressThatIsOverIsAskedForAnew(t *testing.T) {
	for _, status := range []int{400, 403, 404, 500} {
		w := newWorld(t)
		w.says(answer{200, documentAt, nil}, answer{status, "<Error>Request has expired</Error>", nil})
		_, err := w.client.ReportDocument(t.Context(), "1")
		var f *Fault
		require.True(t, asFault(err, &f))
		assert.Equal(t, CodeUnavailable, f.Code())
		assert.True(t, f.Retryable())
	}
}

func TestAFeedOfListingsFitsItsSchema(t *testing.T) {
	doc, err := ListingsFeedDocument("SELLER", []FeedMessage{
		{0, "A & B", AnyProductType, []PatchOp{QuantityOp(7)}}, {0, "C", AnyProductType, []PatchOp{QuantityOp(0)}}})
	require.NoError(t, err)
	assert.Contains(t, string(doc), `{"messageId":1,"sku":"A & B","operationType":"PATCH","productType":"PRODUCT",`+
		`"patches":[{"op":"merge","path":"/attributes/fulfillment_availability","value":[{"fulfillment_channel_code":"DEFAULT","quantity":7}]}]}`)
	c := jsonschema.NewCompiler()
	schema, err := c.Compile(specs + "/feeds/listings-feed-schema-v2.json")
	if err != nil && strings.Contains(err.Error(), "no such file") {
		t.Skip("Amazon's schemas are not there")
	}
	require.NoError(t, err)
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	require.NoError(t, err)
	require.NoError(t, schema.Validate(v))
}
