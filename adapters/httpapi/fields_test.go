package httpapi

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// fieldSite serves maps of fields over a twin of the store, for a connection "books".
func fieldSite(t *testing.T) *site {
	t.Helper()
	s := newCore(t).site
	must(s, 200, "PUT", "/v1/connections/books", `{"kind":"erp","mode":"on"}`)
	return s
}

const (
	booksFields = "/v1/connections/books/fields/erp.order"
	twoFields   = `{"fields":[{"to":"origin","constant":"holdfast"},
		{"to":"ref","per":"line","from":"line.sku"}]}`
)

func TestMapsOfFieldsAreKept(t *testing.T) {
	t.Parallel()
	s := fieldSite(t)
	empty := must(s, 200, "GET", booksFields, "")
	require.Contains(t, empty.text, `"revision":0,"fields":[]`)
	put := must(s, 200, "PUT", booksFields, twoFields)
	got := must(s, 200, "GET", booksFields, "")
	require.Contains(t, got.text, `"revision":1`)
	require.Equal(t, put.header.Get("ETag"), got.header.Get("ETag"))
	must(s, 200, "PUT", booksFields, got.text, "If-Match", got.header.Get("ETag")) // as it was shown
	s.problem(412, "version-conflict", "PUT", booksFields, twoFields, "If-Match", got.header.Get("ETag"))
	require.Contains(t, must(s, 200, "GET", booksFields+"?revision=1", "").text, `"revision":1`)
	s.problem(404, "not-found", "GET", booksFields+"?revision=3", "")
	s.problem(404, "unknown-connection", "GET", "/v1/connections/none/fields/erp.order", "")
}

func TestAMapThatWouldNotWorkIsRefusedWithAllFaults(t *testing.T) {
	t.Parallel()
	s := fieldSite(t)
	p := s.problem(400, "invalid", "PUT", booksFields, `{"fields":[{"to":"a b","constant":1},{"to":"x"},
		{"to":"y","cel":"order."}]}`)
	for _, at := range []string{"fields[0].to", "fields[1]", "fields[2].cel"} {
		require.Contains(t, p["detail"], at)
	}
	require.Equal(t, "fields", s.problem(400, "invalid", "PUT", booksFields, `{}`)["at"])
	s.problem(400, "invalid", "PUT", booksFields, `{"fieldz":[]}`)
	s.problem(400, "invalid", "PUT", "/v1/connections/books/fields/Erp", twoFields)
	require.Contains(t, must(s, 200, "GET", booksFields, "").text, `"revision":0`)
}

func TestAMapIsTriedOnAnOrder(t *testing.T) {
	t.Parallel()
	s := fieldSite(t)
	must(s, 200, "PUT", "/v1/tables", `{"tenders":[{"name":"paypal","to":"PP"}]}`)
	must(s, 200, "PUT", booksFields, twoFields)
	const order = `"order":{"name":"#1","tender":"cash","lines":[{"sku":"A"},{"sku":"B"}]}`
	got := must(s, 200, "POST", booksFields+"/try", "{"+order+"}")
	require.Contains(t, got.text, `"order":{"origin":"holdfast"},"lines":[{"ref":"A"},{"ref":"B"}],"faults":[]`)
	got = must(s, 200, "POST", booksFields+"/try", `{"fields":[{"to":"t",
		"lookup":{"table":"tender","from":"order.tender"}}],`+order+`}`)
	require.Contains(t, got.text, `"code":"unknown-name"`)
	require.Contains(t, got.text, `table tender has no \"cash\"`)
	require.Equal(t, "order", s.problem(400, "invalid", "POST", booksFields+"/try", `{}`)["at"])
	s.problem(400, "invalid", "POST", booksFields+"/try", `{"fields":[{"to":"x"}],`+order+`}`)
	require.Contains(t, must(s, 200, "GET", booksFields, "").text, `"revision":1`, "nothing was written")
}

func TestTablesAreCheckedAndKept(t *testing.T) {
	t.Parallel()
	s := fieldSite(t)
	got := must(s, 200, "GET", "/v1/tables", "")
	require.Contains(t, got.text, `"ship_services":[],"carriers":[],"tenders":[]`)
	must(s, 200, "PUT", "/v1/tables", `{"carriers":[{"names":["UPS"],"amazon_code":"UPS","shopify":"UPS"}]}`)
	s.problem(412, "version-conflict", "PUT", "/v1/tables", `{}`, "If-Match", `"0"`)
	p := s.problem(400, "invalid", "PUT", "/v1/tables", `{"carriers":[{"names":[]}]}`)
	require.Contains(t, p["detail"], "carriers[0]")
	require.Contains(t, must(s, 200, "GET", "/v1/tables", "").text, `"names":["UPS"]`)
}
