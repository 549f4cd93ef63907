package spapi

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/adapters/connections"
)

const specs = "../../../../shared/specs/spapi"

// models are the operations of Amazon's own models, by name; the test is skipped without them.
type models map[string]modelled

type modelled struct {
	method, path string
	match        *regexp.Regexp
	route        *routers.Route
}

func readModels(t *testing.T) models {
	t.Helper()
	files, err := filepath.Glob(specs + "/models/*.json")
	require.NoError(t, err)
	if len(files) == 0 {
		t.Skip("Amazon's models are not there")
	}
	// Two models have operations of the same names; these are the ones that are not used.
	unused := map[string]bool{"fulfillmentOutbound_2026-07-04.json": true}
	found := models{}
	for _, file := range files {
		if unused[filepath.Base(file)] {
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var two openapi2.T
		require.NoError(t, json.Unmarshal(text, &two), file)
		three, err := openapi2conv.ToV3(&two)
		require.NoError(t, err, file)
		for path, item := range three.Paths.Map() {
			for method, op := range item.Operations() {
				if old, twice := found[op.OperationID]; twice && strings.Contains(old.path, "2026-01-01") {
					continue // orders v0 has a getOrder, too
				}
				asCSV(item.Parameters)
				asCSV(op.Parameters)
				found[op.OperationID] = modelled{method: method, path: path, match: matcher(path),
					route: &routers.Route{Spec: three, PathItem: item, Operation: op, Path: path,
						Method: method, Server: &openapi3.Server{URL: "/"}}}
			}
		}
	}
	return found
}

// asCSV makes lists what Swagger 2 means where it says nothing, which the conversion does not.
func asCSV(all openapi3.Parameters) {
	no := false
	for _, p := range all {
		if p.Value.In == openapi3.ParameterInQuery && p.Value.Schema.Value.Type.Is("array") {
			p.Value.Style, p.Value.Explode = openapi3.SerializationForm, &no
		}
	}
}

func matcher(path string) *regexp.Regexp {
	parts := regexp.MustCompile(`\{[^}]+\}`).Split(path, -1)
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("^" + strings.Join(parts, "([^/]+)") + "$")
}

func TestOperationsAreThoseOfTheModels(t *testing.T) {
	found := readModels(t)
	for _, op := range all {
		m, ok := found[op.name]
		require.True(t, ok, op.name)
		assert.Equal(t, m.method, op.method, op.name)
		assert.Equal(t, m.path, op.path, op.name)
		assert.Equal(t, op.method == http.MethodGet || op == opPreviewOutbound, op.kind == reads, op.name)
	}
	assert.Greater(t, len(all), 25)
}

func TestLimitsAreThosePublished(t *testing.T) {
	text, err := os.ReadFile(specs + "/rates.json")
	if os.IsNotExist(err) {
		t.Skip("the published limits are not there")
	}
	require.NoError(t, err)
	var rows []struct {
		Operation, Path string
		Rate            float64 `json:"rate_per_s"`
		Burst           float64
	}
	require.NoError(t, json.Unmarshal(text, &rows))
	for _, op := range all {
		seen := false
		for _, r := range rows {
			if r.Operation == op.name && r.Path == op.path {
				seen = true
				assert.InDelta(t, r.Rate, op.rate, 1e-9, op.name)
				assert.EqualValues(t, r.Burst, op.burst, op.name)
			}
		}
		assert.True(t, seen, op.name)
	}
}

// checked answers every request by the models, once it has held the request against them.
type checked struct {
	t      *testing.T
	models models
	seen   map[string]int
}

func (c *checked) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	rec.Header().Set("Content-Type", "application/json")
	if r.URL.Host == "storage.example" {
		return rec.Result(), nil
	}
	if strings.HasSuffix(r.URL.Path, "/auth/o2/token") {
		_, _ = rec.WriteString(`{"access_token":"Atza|1","expires_in":3600}`)
		return rec.Result(), nil
	}
	for _, op := range all {
		m := c.models[op.name]
		values := m.match.FindStringSubmatch(r.URL.EscapedPath())
		if values == nil || m.method != r.Method {
			continue
		}
		c.seen[op.name]++
		c.validate(op, m, values[1:], r)
		_, _ = rec.WriteString(answers[op.name])
		return rec.Result(), nil
	}
	c.t.Errorf("%s %s is in no model", r.Method, r.URL.EscapedPath())
	rec.WriteHeader(http.StatusNotFound)
	return rec.Result(), nil
}

func (c *checked) validate(op *operation, m modelled, values []string, r *http.Request) {
	in := &openapi3filter.RequestValidationInput{Request: r, Route: m.route,
		PathParams: map[string]string{}, QueryParams: r.URL.Query(),
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}}
	names := regexp.MustCompile(`\{([^}]+)\}`).FindAllStringSubmatch(m.path, -1)
	for i, v := range values {
		plain, err := url.PathUnescape(v)
		assert.NoError(c.t, err)
		in.PathParams[names[i][1]] = plain
	}
	assert.NoError(c.t, openapi3filter.ValidateRequest(r.Context(), in), op.name)
	// What is not in the model is not noticed by that.
	for name := range r.URL.Query() {
		assert.True(c.t, m.route.Operation.Parameters.GetByInAndName("query", name) != nil ||
			m.route.PathItem.Parameters.GetByInAndName("query", name) != nil, "%s: %s", op.name, name)
	}
	assert.NotEmpty(c.t, r.Header.Get("X-Amz-Access-Token"), op.name)
	assert.Empty(c.t, r.Header.Get("Authorization"), op.name)
	if r.Body == nil || m.route.Operation.RequestBody == nil {
		return
	}
	body, err := io.ReadAll(r.Body)
	assert.NoError(c.t, err)
	r.Body = io.NopCloser(bytes.NewReader(body))
	var v any
	assert.NoError(c.t, json.Unmarshal(body, &v), op.name)
	schema := m.route.Operation.RequestBody.Value.Content.Get("application/json").Schema
	assertKnown(c.t, op.name, v, schema)
}

// assertKnown demands that every member is in the model: Amazon ignores or refuses others.
func assertKnown(t *testing.T, at string, v any, schema *openapi3.SchemaRef) {
	switch v := v.(type) {
	case map[string]any:
		if len(schema.Value.Properties) == 0 {
			return // a map, or attributes of a product type
		}
		for name, inner := range v {
			if p := schema.Value.Properties[name]; assert.NotNil(t, p, "%s.%s", at, name) {
				assertKnown(t, at+"."+name, inner, p)
			}
		}
	case []any:
		for _, inner := range v {
			assertKnown(t, at+"[]", inner, schema.Value.Items)
		}
	}
}

var answers = map[string]string{
	"searchOrders":                 `{"orders":[],"createdBefore":"2026-11-23T11:58:00Z"}`,
	"getOrder":                     `{"order":{"orderId":"1"}}`,
	"getListingsItem":              `{"sku":"SKU"}`,
	"putListingsItem":              `{"sku":"SKU","status":"ACCEPTED","submissionId":"1"}`,
	"patchListingsItem":            `{"sku":"SKU","status":"ACCEPTED","submissionId":"1"}`,
	"deleteListingsItem":           `{"sku":"SKU","status":"ACCEPTED","submissionId":"1"}`,
	"createFeedDocument":           `{"feedDocumentId":"1","url":"https://storage.example/1?sig=2"}`,
	"createFeed":                   `{"feedId":"1"}`,
	"getFeed":                      `{"feedId":"1","processingStatus":"DONE"}`,
	"getFeeds":                     `{"feeds":[]}`,
	"getFeedDocument":              `{"feedDocumentId":"1","url":"https://storage.example/1?sig=2"}`,
	"createReport":                 `{"reportId":"1"}`,
	"getReport":                    `{"reportId":"1","processingStatus":"DONE"}`,
	"getReports":                   `{"reports":[]}`,
	"getReportDocument":            `{"reportDocumentId":"1","url":"https://storage.example/1?sig=2"}`,
	"getDestinations":              `{"payload":[]}`,
	"createDestination":            `{"payload":{"destinationId":"1"}}`,
	"getSubscription":              `{"payload":{"subscriptionId":"1"}}`,
	"createSubscription":           `{"payload":{"subscriptionId":"1"}}`,
	"listTransactions":             `{"payload":{"transactions":[]}}`,
	"getFulfillmentOrder":          `{"payload":{"fulfillmentOrder":{"sellerFulfillmentOrderId":"1"}}}`,
	"getFulfillmentPreview":        `{"payload":{"fulfillmentPreviews":[{"shippingSpeedCategory":"Standard","isFulfillable":true}]}}`,
	"getPackageTrackingDetails":    `{"payload":{"packageNumber":1}}`,
	"getInventorySummaries":        `{"payload":{"inventorySummaries":[]}}`,
	"getMarketplaceParticipations": `{"payload":[]}`,
}

// TestEveryRequestIsAsTheModelsSay makes every call that the client can make, with all that it can say.
func TestEveryRequestIsAsTheModelsSay(t *testing.T) {
	check := &checked{t, readModels(t), map[string]int{}}
	client, err := NewClient(Config{Endpoint: "https://sellingpartnerapi-na.amazon.com",
		HTTP: &http.Client{Transport: check}, Secret: func(string) (connections.Secret, error) {
			return connections.SecretOf("x"), nil
		}})
	require.NoError(t, err)
	for name, call := range everyCall(t, client) {
		assert.NoError(t, call(), name)
	}
	for _, op := range all {
		assert.Positive(t, check.seen[op.name], "%s is not called by this test", op.name)
	}
}

func everyCall(t *testing.T, c *Client) map[string]func() error {
	ctx, at := t.Context(), time.Date(2026, 11, 20, 8, 30, 0, 123456789, time.UTC)
	market := []string{"ATVPDKIKX0DER", "A2EUQ1WTGCTBG2"}
	key, one := ListingKey{"SELLER", "A/1 +ü", market}, ListingKey{"SELLER", "A/1", market[:1]}
	address := Address{Name: "N", Line1: "1", Line2: "2", Line3: "3", City: "C", County: "D", Region: "MI",
		Postal: "48110", Country: "US", Phone: "5"}
	order := OutboundOrder{ID: "hf-1", Name: "#1001", Comment: "Thank you", PlacedAt: at,
		Speed: "Standard", MarketplaceID: market[0], Address: address,
		Items: []OutboundItem{{"1", "A", 2}}}
	outbound := c.Outbound2020()
	drop := func(_ any, err error) error { return err }
	return map[string]func() error{
		"created": func() error {
			return drop(c.SearchOrders(ctx, Search{CreatedAfter: at, CreatedBefore: at, Marketplaces: market,
				Statuses: []string{StatusPending, StatusUnshipped}, FulfilledBy: []string{ByMerchant},
				Include: []string{WithFulfillment, WithPackages, WithBuyer}, Token: "T"}))
		},
		"updated": func() error {
			return drop(c.SearchOrders(ctx, Search{UpdatedAfter: at, UpdatedBefore: at, PageSize: 10}))
		},
		"order": func() error {
			return drop(c.Order(ctx, "1-2", WithFulfillment, WithCancellation, WithProceeds, WithRecipient))
		},
		"confirm": func() error {
			return c.ConfirmShipment(ctx, "1-2", Confirmation{MarketplaceID: market[0], Package: 2,
				CarrierCode: "Other", CarrierName: "Bike", Method: "Ground", Tracking: "T", Shipped: at,
				CashMethod: "DirectPayment", Items: []ShippedItem{{"1", 2}}})
		},
		"listing": func() error {
			return drop(c.Listing(ctx, key, WithSummaries, WithAttributes, WithIssues, WithOffers,
				WithAvailability, WithProductTypes))
		},
		"patch": func() error { return drop(c.PatchListing(ctx, key, QuantityPatch(20), false)) },
		"preview": func() error {
			p := Patch{AnyProductType, []PatchOp{{Op: "replace", Path: "/attributes/item_name",
				Value: []any{map[string]any{"value": "A & B"}}}, {Op: "delete", Path: "/attributes/x"}}}
			return drop(c.PatchListing(ctx, key, p, true))
		},
		"put": func() error {
			return drop(c.PutListing(ctx, one, NewListing{AnyProductType, OfferOnly, map[string]any{
				"merchant_suggested_asin": []any{map[string]any{"value": "B0"}}}}, false))
		},
		"delete": func() error { return drop(c.DeleteListing(ctx, one)) },
		"levels": func() error { return drop(c.Levels(ctx, LevelsQuery{MarketplaceID: market[0], Since: at, Token: "T"})) },
		"level":  func() error { return drop(c.Levels(ctx, LevelsQuery{MarketplaceID: market[0], SKUs: []string{"a,b"}})) },
		"some": func() error {
			return drop(c.Levels(ctx, LevelsQuery{MarketplaceID: market[0], SKUs: []string{"a", "b"}}))
		},
		"send": func() error {
			return drop(c.SendFeed(ctx, NewFeed{ListingsFeed, market, JSONFeed, []byte("{}")}))
		},
		"feed":   func() error { return drop(c.Feed(ctx, "1")) },
		"feeds":  func() error { return drop(c.Feeds(ctx, ListingsFeed, at)) },
		"result": func() error { return drop(c.FeedResult(ctx, "1")) },
		"ask": func() error {
			return drop(c.AskReport(ctx, NewReport{Type: OrdersReport, Marketplaces: market, From: at, To: at,
				Options: map[string]string{"a": "b"}}))
		},
		"report":      func() error { return drop(c.Report(ctx, "1")) },
		"reports":     func() error { return drop(c.Reports(ctx, OrdersReport, at)) },
		"document":    func() error { return drop(c.ReportDocument(ctx, "1")) },
		"destination": func() error { return drop(c.QueueDestination(ctx, "holdfast", "arn:aws:sqs:us-east-1:1:q")) },
		"subscribed":  func() error { return drop(c.Subscription(ctx, OrderChanges, "1.0")) },
		"subscribe":   func() error { return drop(c.Subscribe(ctx, OrderChanges, "1.0", "1")) },
		"unsubscribe": func() error { return c.Unsubscribe(ctx, OrderChanges, "1") },
		"money":       func() error { return drop(c.Transactions(ctx, Transactions{After: at, Before: at, Token: "T"})) },
		"of order":    func() error { return drop(c.Transactions(ctx, Transactions{OrderID: "1"})) },
		"sells":       func() error { return drop(c.Participations(ctx)) },
		"out preview": func() error { return drop(outbound.Preview(ctx, order)) },
		"out create":  func() error { return outbound.Create(ctx, order) },
		"out read":    func() error { return drop(outbound.Order(ctx, "hf-1")) },
		"out cancel":  func() error { return outbound.Cancel(ctx, "hf-1") },
		"out track":   func() error { return drop(outbound.Tracking(ctx, 1)) },
	}
}
