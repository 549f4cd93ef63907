package spapitest

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fetch reads a presigned URL and unpacks it.
func (r *rig) fetch(address string) string {
	r.t.Helper()
	u, err := url.Parse(address)
	require.NoError(r.t, err)
	out := r.do("GET", u.RequestURI(), nil, nil)
	require.Equal(r.t, 200, out.status, string(out.raw))
	z, err := gzip.NewReader(bytes.NewReader(out.raw))
	require.NoError(r.t, err)
	text, err := io.ReadAll(z)
	require.NoError(r.t, err)
	return string(text)
}

// feed uploads a document and submits it; the result comes back.
func (r *rig) feed(kind, contentType, body string) string {
	r.t.Helper()
	r.calm()
	doc := r.ok("POST", "/feeds/2021-06-30/documents", m{"contentType": contentType})
	u, err := url.Parse(str(doc, "url"))
	require.NoError(r.t, err)
	put := r.do("PUT", u.RequestURI(), map[string]string{"Content-Type": contentType}, []byte(body))
	require.Equal(r.t, 200, put.status, string(put.raw))
	id := str(r.ok("POST", "/feeds/2021-06-30/feeds", m{"feedType": kind,
		"marketplaceIds": []string{r.market()}, "inputFeedDocumentId": doc["feedDocumentId"]}), "feedId")
	f := r.ok("GET", "/feeds/2021-06-30/feeds/"+id, nil)
	require.Equal(r.t, done, f["processingStatus"])
	res := r.ok("GET", "/feeds/2021-06-30/documents/"+str(f, "resultFeedDocumentId"), nil)
	return r.fetch(str(res, "url"))
}

// report asks for a report; its text comes back.
func (r *rig) report(kind string) string {
	r.t.Helper()
	r.calm()
	id := str(r.ok("POST", "/reports/2021-06-30/reports", m{"reportType": kind,
		"marketplaceIds": []string{r.market()}}), "reportId")
	f := r.ok("GET", "/reports/2021-06-30/reports/"+id, nil)
	require.Equal(r.t, done, f["processingStatus"], kind)
	return r.fetch(str(r.ok("GET", "/reports/2021-06-30/documents/"+str(f, "reportDocumentId"), nil),
		"url"))
}

func (r *rig) patch(sku, op string, value m) map[string]any {
	r.t.Helper()
	r.calm()
	return r.ok("PATCH", r.item(sku)+"?marketplaceIds="+r.market(), m{"productType": "PRODUCT",
		"patches": []m{{"op": op, "path": "/attributes/fulfillment_availability",
			"value": []m{value}}}})
}

// TestPatches holds merge, replace, INVALID and the danger of a quantity for Amazon's stock.
func TestPatches(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{Timing: atOnce(func(t *Timing) { t.Patch = Span{5 * minute, 0} })})
	for _, sku := range []string{"A", "B/1 +%"} {
		out := r.patch(sku, "merge", m{"fulfillment_channel_code": "DEFAULT", "quantity": 3})
		assert.Equal(t, "ACCEPTED", out["status"])
	}
	assert.Equal(t, int64(10), r.listing("A").Quantity, "not yet in effect")
	r.bought(PurchaseLine{SKU: "A", Qty: 2})
	r.Advance(5 * time.Minute)
	assert.Equal(t, int64(3), r.listing("A").Quantity, "absolute: the sale in between is lost")
	assert.Equal(t, int64(3), r.listing("B/1 +%").Quantity, "the SKU came through the path")
	assert.Equal(t, int64(2), r.listing("A").LeadTime, "merge keeps the handling time")
	r.patch("A", "replace", m{"fulfillment_channel_code": "DEFAULT", "quantity": 4})
	r.Advance(5 * time.Minute)
	assert.Zero(t, r.listing("A").LeadTime, "replace wipes it")
	for _, bad := range []m{{"quantity": 1}, {"fulfillmentChannelCode": "DEFAULT", "quantity": 1},
		{"fulfillment_channel_code": "DEFAULT", "quantity": -1}} {
		assert.Equal(t, "INVALID", r.patch("A", "merge", bad)["status"])
	}
	r.patch("F", "merge", m{"fulfillment_channel_code": "DEFAULT", "quantity": 9})
	r.Advance(5 * time.Minute)
	assert.True(t, r.listing("F").Stranded)
	assert.Len(t, r.Journal(Filter{Kind: "listing", Op: "stranded"}), 1)
	got := r.ok("GET", r.item("A")+"?marketplaceIds="+r.market()+
		"&includedData=summaries,attributes,issues,offers,fulfillmentAvailability,productTypes", nil)
	assert.Equal(t, int64(4), num(got, "fulfillmentAvailability", 0, "quantity"))
	r.ok("GET", "/listings/2021-08-01/items/"+r.seller+"?pageSize=2&marketplaceIds="+r.market(), nil)
}

// TestEverySurface goes through the other operations once, each answer held to its model.
func TestEverySurface(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	r.subscribe(noteOrder, noteFBA, noteMCF, noteFeed, noteReport, noteQuantity, noteStatus, noteIssues)
	r.ok("GET", "/sellers/v1/marketplaceParticipations", nil)
	own, fba := r.bought(PurchaseLine{SKU: "A", Qty: 2}), r.bought(PurchaseLine{SKU: "F", Qty: 2})
	assert.Equal(t, Levels{Fulfillable: 8}, r.stock("F"), "shipped at once")

	summaries := r.ok("GET", "/fba/inventory/v1/summaries?details=true&granularityType=Marketplace"+
		"&granularityId="+r.market()+"&marketplaceIds="+r.market(), nil)
	assert.Equal(t, 2, count(summaries, "payload", "inventorySummaries"))

	result := r.feed(feedAcknowledge, "text/xml; charset=UTF-8", `<AmazonEnvelope><MessageType>`+
		`OrderAcknowledgement</MessageType><Message><MessageID>1</MessageID><OrderAcknowledgement>`+
		`<AmazonOrderID>`+own.ID+`</AmazonOrderID><StatusCode>Failure</StatusCode><Item>`+
		`<AmazonOrderItemCode>`+own.Lines[0].ID+`</AmazonOrderItemCode><CancelReason>BuyerCanceled`+
		`</CancelReason></Item></OrderAcknowledgement></Message></AmazonEnvelope>`)
	assert.Contains(t, result, "<MessagesSuccessful>1<")
	assert.Equal(t, cancelled, r.order(own.ID).Status)
	assert.Equal(t, int64(10), r.listing("A").Quantity)
	result = r.feed(feedListings, "application/json; charset=UTF-8", `{"header":{"sellerId":"`+r.seller+
		`","version":"2.0"},"messages":[{"messageId":1,"sku":"A","operationType":"PATCH","productType":`+
		`"PRODUCT","patches":[{"op":"merge","path":"/attributes/fulfillment_availability","value":[{`+
		`"fulfillment_channel_code":"DEFAULT","quantity":6}]}]},{"messageId":2,"sku":"NO",`+
		`"operationType":"DELETE"}]}`)
	assert.Contains(t, result, `"messagesAccepted":1`)
	if haveSpecs() {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(result))
		require.NoError(t, err)
		require.NoError(t, schema(t, "feeds/listings-feed-processing-report-schema-v2.json").Validate(v))
	}
	assert.Equal(t, int64(6), r.listing("A").Quantity)

	body := m{"sellerFulfillmentOrderId": "HF-1", "displayableOrderId": "1001",
		"displayableOrderDate": stamp(r.Now()), "displayableOrderComment": "Thanks",
		"shippingSpeedCategory": "Standard", "destinationAddress": m{"name": "Sam",
			"addressLine1": "1 Main Street", "postalCode": "10001", "countryCode": "US"},
		"items": []m{{"sellerSku": "G", "sellerFulfillmentOrderItemId": "1", "quantity": 3}}}
	r.ok("POST", mcfOrders, body)
	assert.Equal(t, 400, r.api("POST", mcfOrders, body).status, "an id is used once")
	mcf := r.ok("GET", mcfOrders+"/HF-1", nil)
	assert.Equal(t, mcfComplete, str(mcf, "payload", "fulfillmentOrder", "fulfillmentOrderStatus"))
	assert.Equal(t, 400, r.api("PUT", mcfOrders+"/HF-1/cancel", nil).status)
	r.ok("GET", mcfOrders, nil)

	_, err := r.Return(Returns{Order: fba.ID, Lines: []PurchaseLine{{SKU: "F"}}, Received: true,
		Disposition: "CUSTOMER_DAMAGED", Refund: "5.00"})
	require.NoError(t, err)
	assert.Equal(t, Levels{Fulfillable: 8, Damaged: 1}, r.stock("F"))
	money := r.ok("GET", "/finances/2024-06-19/transactions?postedAfter=2026-11-01T00:00:00Z", nil)
	assert.Equal(t, "Refund Order", str(money, "payload", "transactions", 0, "description"))

	assert.Contains(t, r.report(reportOrders), own.ID)
	assert.Contains(t, r.report(reportShipments), fba.ID)
	assert.Contains(t, r.report(reportFBAReturns), "CUSTOMER_DAMAGED")
	assert.Contains(t, r.report(reportListings), "AMAZON_NA")
	assert.Contains(t, r.report(reportStock), "X00")
	r.Advance(time.Minute)
	validNotes(t, r.drain())
}

// validNotes holds notifications to their schemas and wants one of each type but the two that
// nothing caused here.
func validNotes(t *testing.T, bodies []string) {
	t.Helper()
	if !haveSpecs() {
		return
	}
	for kind, file := range noteFiles {
		list := notes(t, bodies, kind)
		if kind != noteStatus && kind != noteIssues {
			assert.NotEmpty(t, list, kind)
		}
		s := schema(t, "notifications/"+file)
		for _, n := range list {
			v, err := jsonschema.UnmarshalJSON(bytes.NewReader(encode(n)))
			require.NoError(t, err)
			assert.NoError(t, s.Validate(v), kind)
		}
	}
}

// TestLimitsAndTokens drains a bucket, lets a token die and keeps regions apart.
func TestLimitsAndTokens(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	q := "/orders/2026-01-01/orders?createdAfter=2026-11-01T00:00:00Z"
	for range 20 {
		require.Equal(t, 200, r.api("GET", q, nil).status)
	}
	out := r.api("GET", q, nil)
	assert.Equal(t, 429, out.status)
	assert.Equal(t, "QuotaExceeded", out.code())
	assert.Empty(t, out.header.Get("X-Amzn-Ratelimit-Limit"))
	assert.Equal(t, 200, r.as("de").api("GET", q, nil).status, "another account has its own bucket")
	r.Advance(3 * time.Minute)
	out = r.api("GET", q, nil)
	assert.Equal(t, 200, out.status)
	assert.Equal(t, "0.0056", out.header.Get("X-Amzn-Ratelimit-Limit"))
	stray := *r
	stray.region = "eu"
	assert.Equal(t, 403, stray.api("GET", q, nil).status, "a token is good in its region")
	r.Advance(time.Hour)
	assert.Equal(t, 403, r.api("GET", q, nil).status, "a token lives an hour")
}
