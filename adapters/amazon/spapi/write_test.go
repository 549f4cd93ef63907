package spapi

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/outbox"
)

var listing = ListingKey{"SELLER", "A", []string{"M"}}

func TestAQuantityIsOnlyEverMerged(t *testing.T) {
	w := newWorld(t)
	w.says(answer{200, `{"sku":"A","status":"ACCEPTED","submissionId":"1"}`, nil})
	_, err := w.client.PatchListing(t.Context(), listing, QuantityPatch(20), false)
	require.NoError(t, err)
	_, body := w.last()
	assert.JSONEq(t, `{"productType":"PRODUCT","patches":[{"op":"merge","path":
		"/attributes/fulfillment_availability","value":[{"fulfillment_channel_code":"DEFAULT","quantity":20}]}]}`, body)
	calls := w.calls()
	for _, op := range []PatchOp{QuantityOp(-1),
		{Op: "replace", Path: availabilityPath, Value: []any{writtenAvailability{DefaultChannel, 1}}},
		{Op: "merge", Path: availabilityPath, Value: []any{writtenAvailability{"AMAZON_NA", 1}}},
		{Op: "merge", Path: availabilityPath, Value: []any{map[string]any{"quantity": 1}}},
		{Op: "delete", Path: availabilityPath}, {Op: "merge", Path: availabilityPath + "/0"}} {
		_, err := w.client.PatchListing(t.Context(), listing, Patch{AnyProductType, []PatchOp{op}}, false)
		assert.Equal(t, CodePayload, CodeOf(err), op)
		_, err = ListingsFeedDocument("S", []FeedMessage{{0, "A", AnyProductType, []PatchOp{op}}})
		assert.Equal(t, CodePayload, CodeOf(err), op)
	}
	assert.Equal(t, calls, w.calls())
}

func TestTwoHundredIsNotSuccess(t *testing.T) {
	w := newWorld(t)
	w.says(answer{200, `{"sku":"A","status":"INVALID","submissionId":"1","issues":[{"code":"90000900",
		"message":"attributes are invalid","severity":"ERROR"},{"code":"1","message":"so so","severity":"WARNING"}]}`, nil})
	s, err := w.client.PatchListing(t.Context(), listing, QuantityPatch(1), false)
	assert.Equal(t, CodeInvalid, CodeOf(err))
	assert.Equal(t, exceptions.Data, outbox.Classify(err).Class)
	assert.ErrorContains(t, err, "90000900 attributes are invalid")
	assert.NotContains(t, err.Error(), "so so")
	assert.Len(t, s.Issues, 2)
	w.says(answer{200, `{"sku":"A","status":"PONDERED","submissionId":"1"}`, nil})
	_, err = w.client.PatchListing(t.Context(), listing, QuantityPatch(1), false)
	assert.True(t, outbox.Classify(err).Unknown, "an answer that nobody knows may be a yes")
	w.says(answer{200, `{"errors":[{"code":"InvalidInput","message":"m"}]}`, nil})
	err = w.client.Outbound2020().Create(t.Context(), OutboundOrder{ID: "1", Items: []OutboundItem{{}}})
	assert.Equal(t, "amazon-invalid-input", CodeOf(err), "a success of nothing but errors")
}

func TestAListingOfAmazonsStockIsKnown(t *testing.T) {
	for channels, want := range map[string]string{"": "", "DEFAULT": ByMerchant, "AMAZON_NA": ByAmazon,
		"DEFAULT,AMAZON_EU": ByAmazon, "amazon_jp": ByAmazon, "OTHER": ByMerchant} {
		var l Listing
		for c := range strings.SplitSeq(channels, ",") {
			l.Availability = append(l.Availability, Availability{Channel: c})
		}
		assert.Equal(t, want, l.FulfilledBy(), channels)
	}
}

func TestAFeedIsSentInThreeSteps(t *testing.T) {
	w := newWorld(t)
	w.says(answer{201, `{"feedDocumentId":"D","url":"SERVER/put?sig=1"}`, nil}, answer{200, "", nil},
		answer{202, `{"feedId":"F"}`, nil})
	id, err := w.client.SendFeed(t.Context(), NewFeed{AcknowledgementFeed, []string{"M"}, XMLFeed, []byte("<x/>")})
	require.NoError(t, err)
	assert.Equal(t, "F", id)
	put := w.got[1]
	assert.Equal(t, "PUT /put?sig=1", put.Method+" "+put.URL.RequestURI())
	assert.Equal(t, XMLFeed, put.Header.Get("Content-Type"))
	assert.Empty(t, put.Header.Get("X-Amz-Access-Token"))
	assert.Equal(t, "<x/>", w.bodies[1])
	assert.JSONEq(t, `{"feedType":"POST_ORDER_ACKNOWLEDGEMENT_DATA","marketplaceIds":["M"],"inputFeedDocumentId":"D"}`,
		w.bodies[2])
	w.says(answer{201, `{"feedDocumentId":"D","url":"SERVER/put?sig=1"}`, nil}, answer{200, "", nil},
		answer{500, "", nil})
	_, err = w.client.SendFeed(t.Context(), NewFeed{AcknowledgementFeed, []string{"M"}, XMLFeed, nil})
	assert.True(t, outbox.Classify(err).Unknown, "there may be a feed")
	w.says(answer{201, `{"feedDocumentId":"D","url":"SERVER/put?sig=1"}`, nil}, answer{503, "", nil})
	_, err = w.client.SendFeed(t.Context(), NewFeed{AcknowledgementFeed, []string{"M"}, XMLFeed, nil})
	assert.False(t, outbox.Classify(err).Unknown, "there can be none")
}

func TestACancellationIsWrittenAsAmazonReadsIt(t *testing.T) {
	doc, err := AcknowledgementDocument("SELLER", []Acknowledgement{{"111-1", []string{"i1", "i2"}, ReasonBuyer}})
	require.NoError(t, err)
	assert.Equal(t, `<?xml version="1.0" encoding="UTF-8"?>
<AmazonEnvelope xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="amzn-envelope.xsd">`+
		`<Header><DocumentVersion>1.01</DocumentVersion><MerchantIdentifier>SELLER</MerchantIdentifier></Header>`+
		`<MessageType>OrderAcknowledgement</MessageType><Message><MessageID>1</MessageID><OrderAcknowledgement>`+
		`<AmazonOrderID>111-1</AmazonOrderID><StatusCode>Failure</StatusCode>`+
		`<Item><AmazonOrderItemCode>i1</AmazonOrderItemCode><CancelReason>BuyerCanceled</CancelReason></Item>`+
		`<Item><AmazonOrderItemCode>i2</AmazonOrderItemCode><CancelReason>BuyerCanceled</CancelReason></Item>`+
		`</OrderAcknowledgement></Message></AmazonEnvelope>`, string(doc))
	for _, a := range [][]Acknowledgement{nil, {{"1", nil, "x"}}, {{"", []string{"i"}, "x"}}, {{"1", []string{"i"}, ""}}} {
		_, err := AcknowledgementDocument("SELLER", a)
		assert.Equal(t, CodePayload, CodeOf(err))
	}
	report, err := ReadXMLReport(strings.NewReader(`<?xml version="1.0" encoding="iso-8859-1"?><AmazonEnvelope>
		<Message><ProcessingReport><ProcessingSummary><MessagesProcessed>2</MessagesProcessed>
		<MessagesWithError>1</MessagesWithError></ProcessingSummary><Result><MessageID>2</MessageID>
		<ResultCode>Error</ResultCode><ResultMessageCode>18028</ResultMessageCode>
		<ResultDescription>already shipped</ResultDescription></Result></ProcessingReport></Message></AmazonEnvelope>`))
	require.NoError(t, err)
	reasons, whole := report.Refused()
	assert.Equal(t, map[int64]string{2: "18028 already shipped"}, reasons)
	assert.False(t, whole)
	_, err = ReadXMLReport(strings.NewReader("not xml"))
	assert.Equal(t, CodeAnswer, CodeOf(err))
}

func TestTheReportOfAFeedIsRead(t *testing.T) {
	report, err := ReadFeedReport(strings.NewReader(`{"header":{},"issues":[{"messageId":4,"code":"90220",
		"severity":"ERROR","message":"required"},{"messageId":4,"severity":"ERROR","code":"2"},
		{"messageId":5,"severity":"WARNING"}],"summary":{"errors":2,"messagesProcessed":5}}`))
	require.NoError(t, err)
	reasons, whole := report.Refused()
	assert.Equal(t, map[int64]string{4: "90220 required"}, reasons)
	assert.False(t, whole)
	report, err = ReadFeedReport(strings.NewReader(`{"issues":[{"severity":"ERROR","code":"1"}]}`))
	require.NoError(t, err)
	_, whole = report.Refused()
	assert.True(t, whole)
}

func TestAnOrderThatIsStrangeDoesNotHideAPage(t *testing.T) {
	w := newWorld(t)
	w.says(answer{200, `{"orders":[{"orderId":"1","programs":"PRIME","orderItems":[{"orderItemId":"i",
		"quantityOrdered":"3","product":{"sellerSku":"A"}}]},7,{"orderId":"2","fulfillment":{
		"fulfillmentStatus":"TELEPORTED"}}],"createdBefore":"2026-11-23T11:58:00Z"}`, nil})
	page, err := w.client.SearchOrders(t.Context(), Search{CreatedAfter: time.Unix(0, 0)})
	require.NoError(t, err)
	require.Len(t, page.Orders, 3)
	assert.Contains(t, page.Orders[0].Complaint, "programs")
	assert.Equal(t, number(3), page.Orders[0].Items[0].Ordered)
	assert.NotEmpty(t, page.Orders[1].Complaint)
	assert.Equal(t, "TELEPORTED", page.Orders[2].Fulfillment.Status)
	w.says(answer{200, `{"orders":{},"createdBefore":"2026-11-23T11:58:00Z"}`, nil})
	_, err = w.client.SearchOrders(t.Context(), Search{CreatedAfter: time.Unix(0, 0)})
	assert.Equal(t, CodeAnswer, CodeOf(err), "no list is not an empty one")
}

func TestAPageTokenThatIsTooOldIsToldApart(t *testing.T) {
	w := newWorld(t)
	w.says(answer{400, apiErrors("InvalidInput", "token", ""), nil})
	_, err := w.client.SearchOrders(t.Context(), Search{CreatedAfter: time.Unix(0, 0), Token: "T"})
	assert.Equal(t, CodeExpired, CodeOf(err))
	_, err = w.client.SearchOrders(t.Context(), Search{CreatedAfter: time.Unix(0, 0)})
	assert.Equal(t, "amazon-invalid-input", CodeOf(err))
	_, err = w.client.Levels(t.Context(), LevelsQuery{MarketplaceID: "M", Token: "T"})
	assert.Equal(t, CodeExpired, CodeOf(err))
}

func TestAnOutboundOrderIsPartedByItsPackages(t *testing.T) {
	w := newWorld(t)
	w.says(answer{200, `{"payload":{"fulfillmentOrder":{"sellerFulfillmentOrderId":"hf-1","fulfillmentOrderStatus":"Odd"},
		"fulfillmentOrderItems":[{"sellerSku":"A","sellerFulfillmentOrderItemId":"1","quantity":5,"cancelledQuantity":1}],
		"fulfillmentShipments":[{"amazonShipmentId":"S","fulfillmentShipmentStatus":"SHIPPED","fulfillmentShipmentItem":[
		{"sellerSku":"A","sellerFulfillmentOrderItemId":"1","quantity":2,"packageNumber":7},
		{"sellerSku":"A","sellerFulfillmentOrderItemId":"1","quantity":1,"packageNumber":8},
		{"sellerSku":"A","sellerFulfillmentOrderItemId":"1","quantity":1}],"fulfillmentShipmentPackage":[
		{"packageNumber":7,"carrierCode":"UPS","trackingNumber":"T7"},{"packageNumber":8,"carrierCode":"UPS"}]}]}}`, nil})
	s, err := w.client.Outbound2020().Order(t.Context(), "hf-1")
	require.NoError(t, err)
	assert.Equal(t, "Odd", s.Status)
	require.Len(t, s.Packages, 3)
	var units int64
	for _, p := range s.Packages {
		for _, i := range p.Items {
			units += i.Quantity
		}
	}
	assert.EqualValues(t, 4, units, "each unit in one package")
	assert.Equal(t, []string{"T7", "", ""}, []string{s.Packages[0].Tracking, s.Packages[1].Tracking, s.Packages[2].Tracking})
	for _, id := range []string{"", "a+b", "a b", "a/b", strings.Repeat("x", 41)} {
		err := w.client.Outbound2020().Create(t.Context(), OutboundOrder{ID: id, Items: []OutboundItem{{}}})
		assert.Equal(t, CodePayload, CodeOf(err), id)
	}
}

func TestADestinationIsMadeOnce(t *testing.T) {
	const arn = "arn:aws:sqs:us-east-1:1:q"
	w := newWorld(t)
	there := answer{200, `{"payload":[{"destinationId":"D","resource":{"sqs":{"arn":"` + arn + `"}}}]}`, nil}
	w.says(there)
	d, err := w.client.QueueDestination(t.Context(), "n", arn)
	require.NoError(t, err)
	assert.Equal(t, "D", d.ID)
	assert.Equal(t, 1, w.calls())
	for _, failed := range []int{409, 500} {
		w = newWorld(t)
		w.says(answer{200, `{"payload":[]}`, nil}, answer{failed, "", nil}, there)
		d, err = w.client.QueueDestination(t.Context(), "n", arn)
		require.NoError(t, err)
		assert.Equal(t, "D", d.ID, "another node was faster, or it had been made")
	}
	w.says(answer{404, "", nil})
	assert.NoError(t, w.client.Unsubscribe(t.Context(), OrderChanges, "1"))
}

func TestARefundIsToldByWhatAmazonSays(t *testing.T) {
	w := newWorld(t)
	w.says(answer{200, `{"payload":{"transactions":[{"description":"Refund Order","totalAmount":{"currencyAmount":-1.25E+1,
		"currencyCode":"USD"},"relatedIdentifiers":[{"relatedIdentifierName":"REFUND_ID","relatedIdentifierValue":"R"},
		{"relatedIdentifierName":"ORDER_ID","relatedIdentifierValue":"O"}]},{"totalAmount":{"currencyAmount":"x"}}],
		"nextToken":"N"}}`, nil})
	page, err := w.client.Transactions(t.Context(), Transactions{After: time.Unix(0, 0)})
	require.NoError(t, err)
	first := &page.Transactions[0]
	assert.True(t, first.Refund())
	assert.Equal(t, []string{"R", "O", "-12.5", "N"},
		[]string{first.About(RelatedRefund), first.About(RelatedOrder), first.Total.Amount.Text, page.Next})
	assert.NotEmpty(t, page.Transactions[1].Complaint)
}
