package netsuitetest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type m = map[string]any

// rig is a server with a manual clock, and a token for it.
type rig struct {
	*Server
	t     *testing.T
	token string
}

func newRig(t *testing.T, cfg Config) *rig {
	t.Helper()
	cfg.Manual = true
	if len(cfg.Items) == 0 {
		cfg.Items = testItems()
	}
	if cfg.Subsidiaries == nil {
		cfg.Subsidiaries = []string{"US", "EU"}
	}
	if cfg.Locations == nil {
		cfg.Locations = []LocationConfig{{Name: "main"}, {Name: "east"},
			{Name: "berlin", Subsidiary: "EU"}}
	}
	s, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	token, _ := s.access.grant(s.access.integrations[0])
	return &rig{Server: s, t: t, token: token}
}

func testItems() []ItemConfig {
	return []ItemConfig{
		{SKU: "A", ExternalID: "A", UPC: "4001", Stock: map[string]string{"main": "10", "east": "5"}},
		{SKU: "B", ExternalID: "B", Price: "20.00", Stock: map[string]string{"main": "3"}},
		{SKU: "KIT", ExternalID: "KIT", Type: ItemKit, Price: "35.00",
			Members: []MemberConfig{{SKU: "A", Qty: 2}, {SKU: "B", Qty: 1}}},
		{SKU: "FEE", ExternalID: "FEE", Type: ItemCharge, Price: "0"},
		{SKU: "OFF", ExternalID: "OFF", Type: ItemDiscount, Price: "0"},
	}
}

// reply is a decoded answer.
type reply struct {
	t      *testing.T
	status int
	header http.Header
	text   string
	body   m
}

// code is the code of the first error.
func (r reply) code() string { return r.detail("o:errorCode") }

func (r reply) detail(name string) string {
	list, _ := r.body["o:errorDetails"].([]any)
	if len(list) == 0 {
		return ""
	}
	first, _ := list[0].(m)
	s, _ := first[name].(string)
	return s
}

// id is the internal id in the Location of a write that must have succeeded.
func (r reply) id() string {
	r.t.Helper()
	require.Contains(r.t, []int{200, 201, 204}, r.status, r.text)
	return path.Base(r.header.Get("Location"))
}

func (r *rig) send(method, at string, body any, headers ...string) reply {
	r.t.Helper()
	var text []byte
	if s, ok := body.(string); ok {
		text = []byte(s)
	} else if body != nil {
		var err error
		text, err = json.Marshal(body)
		require.NoError(r.t, err)
	}
	req := httptest.NewRequest(method, "http://sim.test"+at, bytes.NewReader(text))
	req.Header.Set("Authorization", "Bearer "+r.token)
	req.Header.Set("X-NetSuite-PropertyNameValidation", "Error")
	req.Header.Set("Prefer", "transient")
	if !strings.Contains(at, "suiteql") {
		req.Header.Del("Prefer")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	out := reply{t: r.t, status: w.Code, header: w.Result().Header, text: w.Body.String()}
	if strings.Contains(w.Header().Get("Content-Type"), "json") {
		dec := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
		dec.UseNumber()
		require.NoError(r.t, dec.Decode(&out.body))
	}
	return out
}

const records = "/services/rest/record/v1/"

func (r *rig) post(at string, body any, headers ...string) reply {
	r.t.Helper()
	return r.send("POST", records+at, body, headers...)
}

func (r *rig) patch(at string, body any, headers ...string) reply {
	r.t.Helper()
	return r.send("PATCH", records+at, body, headers...)
}

func (r *rig) get(at string) reply {
	r.t.Helper()
	return r.send("GET", records+at, nil)
}

// order is the body of an approved order of the customer Shopify from main.
func order(external string, lines ...m) m {
	items := []any{}
	for _, l := range lines {
		items = append(items, l)
	}
	return m{"externalId": external, "entity": m{"externalId": "cust-shopify"},
		"orderStatus": m{"id": "B"}, "location": m{"id": "1"}, "item": m{"items": items}}
}

func item(sku string, qty any) m {
	return m{"item": m{"externalId": sku}, "quantity": qty, "rate": 10, "price": m{"id": "-1"}}
}

// list makes a sublist of lines.
func list(lines ...m) m { return m{"items": append([]m{}, lines...)} }

// stock is on hand, committed, available and back-ordered.
func (r *rig) stock(sku, place string) string {
	r.t.Helper()
	l, ok := r.Level(sku, place)
	require.True(r.t, ok)
	return strings.Join([]string{l.OnHand, l.Committed, l.Available, l.BackOrdered}, " ")
}

func (r *rig) status(name string) string {
	r.t.Helper()
	x, err := r.Find(name)
	require.NoError(r.t, err)
	return x.Status
}

// sql runs a query and returns the rows of its first page.
func (r *rig) sql(q string) []m {
	r.t.Helper()
	out := r.sqlPage(q, "")
	require.Equal(r.t, http.StatusOK, out.status, out.text)
	rows := []m{}
	items, _ := out.body["items"].([]any)
	for _, x := range items {
		row, _ := x.(m)
		delete(row, "links")
		rows = append(rows, row)
	}
	return rows
}

func (r *rig) sqlPage(q, params string) reply {
	r.t.Helper()
	return r.send("POST", "/services/rest/query/v1/suiteql"+params, m{"q": q})
}

func number(id string) int64 {
	n, _ := strconv.ParseInt(id, 10, 64)
	return n
}
