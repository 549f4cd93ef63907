package spapitest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// specs is where Amazon's models are, beside the project. They are not part of it.
const specs = "../../../../shared/specs/spapi"

// models are the files by the beginning of the paths that they describe.
var models = map[string]string{
	"/orders/2026-01-01/":       "orders_2026-01-01.json",
	"/orders/v0/":               "ordersV0.json",
	"/listings/2021-08-01/":     "listingsItems_2021-08-01.json",
	"/fba/inventory/v1/":        "fbaInventory.json",
	"/fba/outbound/2020-07-01/": "fulfillmentOutbound_2020-07-01.json",
	"/feeds/2021-06-30/":        "feeds_2021-06-30.json",
	"/reports/2021-06-30/":      "reports_2021-06-30.json",
	"/finances/2024-06-19/":     "finances_2024-06-19.json",
	"/notifications/v1/":        "notifications.json",
	"/sellers/v1/":              "sellers.json",
}

// modelOf reads and converts each model once. It is nil where there are none.
var modelOf = func() func(path string) (*openapi3.T, error) {
	var mu sync.Mutex
	read := map[string]*openapi3.T{}
	return func(path string) (*openapi3.T, error) {
		mu.Lock()
		defer mu.Unlock()
		for prefix, file := range models {
			if !strings.HasPrefix(path, prefix) {
				continue
			}
			if read[file] == nil {
				doc, err := readModel(filepath.Join(specs, "models", file))
				if err != nil {
					return nil, err
				}
				read[file] = doc
			}
			return read[file], nil
		}
		return nil, fmt.Errorf("no model has %s", path)
	}
}()

func readModel(file string) (*openapi3.T, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var old openapi2.T
	if err := json.Unmarshal(text, &old); err != nil {
		return nil, err
	}
	doc, err := openapi2conv.ToV3(&old)
	if err != nil {
		return nil, err
	}
	no := false
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for _, p := range op.Parameters {
				// Swagger's arrays are csv unless they say otherwise; the conversion forgets it.
				if p.Value.In == "query" && p.Value.Schema != nil &&
					p.Value.Schema.Value.Type.Is("array") {
					p.Value.Explode, p.Value.Style = &no, "form"
				}
			}
		}
	}
	return doc, nil
}

func haveSpecs() bool {
	_, err := os.Stat(specs)
	return err == nil
}

// conform holds a request that succeeded and every answer to Amazon's model.
func conform(t *testing.T, method, target string, body []byte, out reply) {
	t.Helper()
	if !haveSpecs() || out.status == 0 {
		return
	}
	u, err := url.Parse(target)
	require.NoError(t, err)
	op, params := match(method, u.EscapedPath())
	if op == nil {
		require.Equal(t, 404, out.status)
		return
	}
	doc, err := modelOf(u.Path)
	require.NoError(t, err)
	item := doc.Paths.Value(op.path)
	require.NotNil(t, item, op.path)
	req := httptest.NewRequest(method, target, bytes.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	in := &openapi3filter.RequestValidationInput{Request: req, PathParams: params,
		QueryParams: u.Query(), Route: &routers.Route{Spec: doc, Path: op.path, PathItem: item,
			Method: method, Operation: item.GetOperation(method)},
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
			IncludeResponseStatus: true}}
	require.Equal(t, op.name, in.Route.Operation.OperationID)
	if out.status < 300 {
		require.NoError(t, openapi3filter.ValidateRequest(context.Background(), in), "%s %s", method,
			target)
	}
	res := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: out.status,
		Header: out.header, Options: in.Options, Body: io.NopCloser(bytes.NewReader(out.raw))}
	require.NoError(t, openapi3filter.ValidateResponse(context.Background(), res), "%s %s: %s",
		method, target, out.raw)
	if out.status == http.StatusTooManyRequests {
		require.Empty(t, out.header.Get("Retry-After"))
	}
}

// noteFiles are the schemas of notifications.
var noteFiles = map[string]string{
	noteOrder: "OrderChangeNotification.json", noteFBA: "FBAInventoryAvailabilityChangeNotification.json",
	noteMCF: "FulfillmentOrderStatusNotification.json", noteFeed: "FeedProcessingFinishedNotification.json",
	noteReport: "ReportProcessingFinishedNotification.json", noteQuantity: "ListingsItemMfnQuantityChange.json",
	noteStatus: "ListingsItemStatusChangeNotification.json",
	noteIssues: "ListingsItemIssuesChangeNotification_2023-12-13.json",
}

func schema(t *testing.T, file string) *jsonschema.Schema {
	t.Helper()
	if !haveSpecs() {
		t.Skip("Amazon's schemas are not there")
	}
	out, err := jsonschema.NewCompiler().Compile(filepath.Join(specs, file))
	require.NoError(t, err)
	return out
}

// TestRatesAreAmazons holds rates and bursts to the models' table.
func TestRatesAreAmazons(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(specs, "rates.json"))
	if err != nil {
		t.Skip("Amazon's table is not there")
	}
	var table []struct {
		Operation, Method, Path string
		Rate                    *float64 `json:"rate_per_s"`
		Burst                   *float64
	}
	require.NoError(t, json.Unmarshal(text, &table))
	for _, op := range operations {
		found := false
		for _, row := range table {
			if row.Method == op.method && row.Path == op.path {
				found = true
				require.Equal(t, []any{op.name, op.rate, op.burst},
					[]any{row.Operation, *row.Rate, *row.Burst})
			}
		}
		require.True(t, found, op.name)
	}
}
