package amazon

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// specs is where Amazon's models are, beside the project. They are not part of it.
const specs = "../../../shared/specs/spapi"

// wire carries calls to a simulator under /na and holds each of them, and what it is answered with,
// to Amazon's models. It carries them unseen where there are no models.
type wire struct {
	t      *testing.T
	models []modelled

	mu   sync.Mutex
	seen map[string]int // by operation and status
}

type modelled struct {
	method string
	path   *regexp.Regexp
	names  []string // of the parameters in the path
	route  *routers.Route
}

var parameter = regexp.MustCompile(`\{([^}]+)\}`)

func newWire(t *testing.T) *wire {
	w := &wire{t: t, seen: map[string]int{}}
	files, err := filepath.Glob(specs + "/models/*.json")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var two openapi2.T
		require.NoError(t, json.Unmarshal(text, &two), file)
		three, err := openapi2conv.ToV3(&two)
		require.NoError(t, err, file)
		for path, item := range three.Paths.Map() {
			for method, op := range item.Operations() {
				w.add(three, path, item, method, op)
			}
		}
	}
	return w
}

func (w *wire) add(spec *openapi3.T, path string, item *openapi3.PathItem, method string,
	op *openapi3.Operation) {
	no := false
	for _, p := range append(item.Parameters, op.Parameters...) {
		// Swagger's lists are csv unless they say otherwise; the conversion forgets it.
		if p.Value.In == openapi3.ParameterInQuery && p.Value.Schema.Value.Type.Is("array") {
			p.Value.Style, p.Value.Explode = openapi3.SerializationForm, &no
		}
	}
	m := modelled{method: method, route: &routers.Route{Spec: spec, PathItem: item, Operation: op,
		Path: path, Method: method, Server: &openapi3.Server{URL: "/"}}}
	for _, found := range parameter.FindAllStringSubmatch(path, -1) {
		m.names = append(m.names, found[1])
	}
	parts := parameter.Split(path, -1)
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	m.path = regexp.MustCompile("^/na" + strings.Join(parts, "([^/]+)") + "$")
	w.models = append(w.models, m)
}

// RoundTrip carries a call. A call that no model has fails the test.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		sent, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || len(w.models) == 0 || !strings.HasPrefix(r.URL.Path, "/na/") {
		return res, err // a token, or a presigned document
	}
	got, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(got))
	w.hold(r, sent, res, got)
	return res, nil
}

func (w *wire) hold(r *http.Request, sent []byte, res *http.Response, got []byte) {
	for _, m := range w.models {
		found := m.path.FindStringSubmatch(r.URL.EscapedPath())
		if found == nil || m.method != r.Method {
			continue
		}
		params := map[string]string{}
		for i, name := range m.names {
			params[name], _ = url.PathUnescape(found[i+1])
		}
		in := &openapi3filter.RequestValidationInput{Request: r.Clone(w.t.Context()), PathParams: params,
			QueryParams: r.URL.Query(), Route: m.route, Options: &openapi3filter.Options{
				AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
				IncludeResponseStatus: true}}
		in.Request.Body = io.NopCloser(bytes.NewReader(sent))
		assert.NoError(w.t, openapi3filter.ValidateRequest(w.t.Context(), in), r.URL)
		out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Options: in.Options,
			Status: res.StatusCode, Header: res.Header, Body: io.NopCloser(bytes.NewReader(got))}
		assert.NoError(w.t, openapi3filter.ValidateResponse(w.t.Context(), out), "%s: %s", r.URL, got)
		w.mu.Lock()
		w.seen[m.route.Operation.OperationID]++
		w.mu.Unlock()
		return
	}
	assert.Fail(w.t, "no model has the call", "%s %s", r.Method, r.URL)
}

// needs fails where one of the operations was never called.
func (w *wire) needs(operations ...string) {
	if len(w.models) == 0 {
		w.t.Log("Amazon's models are not there: nothing was held to them")
		return
	}
	for _, name := range operations {
		assert.Positive(w.t, w.seen[name], "%s was not called", name)
	}
}
