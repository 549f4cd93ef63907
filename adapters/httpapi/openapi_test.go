package httpapi

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"holdfast/adapters/connections"
	"holdfast/adapters/publish"
)

// document is /openapi.json, loaded and checked once.
var document = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData([]byte(openAPI))
	if err != nil {
		return nil, err
	}
	return doc, doc.Validate(openapi3.NewLoader().Context)
})

func TestDocumentAndRouterAreOne(t *testing.T) {
	t.Parallel()
	doc, err := document()
	require.NoError(t, err)
	require.True(t, doc.IsOpenAPI31OrLater())
	known := map[string]bool{}
	for _, r := range routes() {
		known[r.method+" "+r.pattern] = true
		item := doc.Paths.Value(r.pattern)
		require.NotNil(t, item, r.pattern)
		op := item.GetOperation(r.method)
		require.NotNil(t, op, "%s %s", r.method, r.pattern)
		checkParameters(t, r, op)
	}
	for pattern, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			require.True(t, known[method+" "+pattern], "%s %s is not a route", method, pattern)
		}
	}
}

// checkParameters holds the parameters of an operation against those of its route.
func checkParameters(t *testing.T, r *route, op *openapi3.Operation) {
	t.Helper()
	var query, headers, path []string
	for _, p := range op.Parameters {
		switch p.Value.In {
		case "query":
			query = append(query, p.Value.Name)
		case "header":
			headers = append(headers, p.Value.Name)
		case "path":
			path = append(path, "{"+p.Value.Name+"}")
		}
	}
	want := slices.Clone(r.query)
	if r.read {
		want = append(want, "level")
		require.Contains(t, headers, headerMinIndex, r.pattern)
	}
	slices.Sort(want)
	slices.Sort(query)
	require.Equal(t, len(want), len(query), "%s %s: %v, %v", r.method, r.pattern, want, query)
	for i := range want {
		require.Equal(t, want[i], query[i], r.pattern)
	}
	require.Equal(t, r.write, slices.Contains(headers, headerKey), r.pattern)
	for _, seg := range strings.Split(r.pattern, "/") {
		if strings.HasPrefix(seg, "{") {
			require.Contains(t, path, seg)
		}
	}
	require.Equal(t, r.body > 0, op.RequestBody != nil, "%s %s", r.method, r.pattern)
}

// TestDocumentedBodiesAreTheDecoded holds the members of each documented body against the decoder.
func TestDocumentedBodiesAreTheDecoded(t *testing.T) {
	t.Parallel()
	doc, err := document()
	require.NoError(t, err)
	check := func(name string, members []string) {
		var documented []string
		for member := range doc.Components.Schemas[name].Value.Properties {
			documented = append(documented, member)
		}
		require.ElementsMatch(t, members, documented, name)
	}
	check("LocationInput", locationBodies.shape.names)
	check("Pool", shapeOf(reflect.TypeFor[poolBody]()).names)
	check("ChannelInput", channelBodies.shape.names)
	check("Rules", shapeOf(reflect.TypeFor[rulesBody]()).names)
	check("SKUInput", skuBodies.shape.names)
	check("SKUsInput", skusBodies.shape.names)
	check("StockInput", stockBodies.shape.names)
	check("StockChange", shapeOf(reflect.TypeFor[changeBody]()).names)
	check("AvailabilityInput", availabilityBodies.shape.names)
	check("ReserveInput", verbs[verbReserve].single)
	for v := verbCommit; v <= verbAdd; v++ {
		name := verbs[v].name
		check(strings.ToUpper(name[:1])+name[1:]+"Input", verbs[v].single)
	}
	check("MappingsInput", mappingsBodies.shape.names)
	check("Mapping", shapeOf(reflect.TypeFor[mappingBody]()).names)
	check("APIKeyInput", keyInputs.shape.names)
	check("MemberInput", memberBodies.shape.names)
	check("LeadershipInput", leadershipBodies.shape.names)
	check("ConnectionInput", shapeless[connectionBody]())
	check("ModeInput", modeBodies.shape.names)
	check("RunInput", runBodies.shape.names)
	check("TryInput", shapeless[tryBody]())
	check("Flow", shapeless[connections.Flow]())
	check("ShipmentInput", shipmentBodies.shape.names)
	check("CancelInput", cancelBodies.shape.names)
	check("OrderReturnInput", returnBodies.shape.names)
	check("RefundInput", refundBodies.shape.names)
	check("OrderLineInput", shapeOf(reflect.TypeFor[orderLineBody]()).names)
	check("TaskDoneInput", shapeless[doneBody]())
	check("ExceptionRetryInput", shapeless[retryBody]())
	check("ExceptionResolveInput", shapeless[resolveBody]())
	check("ExceptionBulkInput", shapeless[bulkBody]())
	check("ExceptionFilter", shapeless[filterBody]())
	check("WebhookInput", shapeless[outhookBody]())
	check("WebhookReplayInput", shapeless[replayBody]())
	check("RepairInput", shapeless[repairBody]())
	check("CordInput", shapeless[cordBody]())
	check("PublishRulesInput", shapeless[publishRulesBody]())
	check("PublishRule", shapeless[publish.Rule]())
	check("PublishWhen", shapeless[publish.When]())
	check("PublishThen", shapeless[publish.Then]())
	check("Line", lineMembers)
	check("Pick", pickMembers)
	check("BatchInput", batchMembers)
}

// shapeless are the members of a body that encoding/json reads.
func shapeless[T any]() (names []string) {
	for t, i := reflect.TypeFor[T](), 0; i < t.NumField(); i++ {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

func TestTheDocumentCanBeBroken(t *testing.T) {
	t.Parallel()
	doc, err := document()
	require.NoError(t, err)
	reservation := doc.Components.Schemas["Reservation"].Value
	for text, good := range map[string]bool{
		`{"id":"a","index":4}`:                               true,
		`{"index":4}`:                                        false,
		`{"id":"a","lines":[{"line":1}]}`:                    false,
		`{"id":"a","state":"lost"}`:                          false,
		`{"id":"a","surprise":1}`:                            false,
		`{"id":"a","index":"4"}`:                             false,
		`{"id":"a","expires_at":"2023-11-14T22:14:20.000Z"}`: true,
	} {
		var v any
		require.NoError(t, json.Unmarshal([]byte(text), &v))
		err := reservation.VisitJSON(v, openapi3.EnableJSONSchema2020())
		require.Equal(t, good, err == nil, "%s: %v", text, err)
	}
}

// conforms checks a reply against what the document says of its call.
func conforms(t *testing.T, r *route, got reply) {
	t.Helper()
	if r == nil || got.text == "" {
		return
	}
	doc, err := document()
	require.NoError(t, err)
	op := doc.Paths.Value(r.pattern).GetOperation(r.method)
	require.NotNil(t, op)
	response := op.Responses.Status(got.status)
	if response == nil {
		require.GreaterOrEqual(t, got.status, 400, "%s %s: %d is not documented", r.method,
			r.pattern, got.status)
		response = op.Responses.Default()
	}
	media, _, _ := strings.Cut(got.header.Get("Content-Type"), ";")
	content := response.Value.Content.Get(media)
	require.NotNil(t, content, "%s %s: %d %s is not documented", r.method, r.pattern, got.status,
		media)
	if media != jsonType && media != problemType {
		return
	}
	var v any
	require.NoError(t, json.Unmarshal([]byte(got.text), &v), got.text)
	require.NoError(t, content.Schema.Value.VisitJSON(v, openapi3.EnableJSONSchema2020()),
		"%s %s: %s", r.method, r.pattern, got.text)
}
