package httpapi

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/mapping"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
	"holdfast/engine"
)

// mapped is a server with mappings in memory.
func mapped(t *testing.T) (*site, *recordstest.Store) {
	t.Helper()
	store := recordstest.New(recordstest.Options{})
	index := mapping.NewIndex(store, nil)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- index.Run(ctx) }()
	table := mapping.NewTable(store, index)
	s := serve(t, newFake(), func(c *Config) {
		c.Mappings, c.MappingAudit = table, mapping.NewAuditor(store, table)
	})
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return s, store
}

const (
	rowA = `{"sku":"A","connection":"shop","variant_id":44111222333444,"inventory_item_id":9007199254740993}`
	rowB = `{"sku":"B","connection":"amz","seller_sku":"b 1/ä","marketplace":"ATVPDKIKX0DER",` +
		`"asin":"B000000001","fulfilment":"merchant","content":"owned"}`
)

func TestMappingsAreWrittenAndRead(t *testing.T) {
	t.Parallel()
	s, _ := mapped(t)
	r := s.do("PUT", "/v1/mappings", `{"rows":[`+rowA+`,`+rowB+`]}`)
	require.Equal(t, 200, r.status, r.text)
	m := r.json(t)
	require.Equal(t, []any{2.0, 2.0, 0.0, 0.0, 0.0}, []any{m["rows"], m["created"], m["changed"],
		m["unchanged"], m["conflicts"]})
	index := r.header.Get("Holdfast-Index")
	require.Equal(t, fmt.Sprint(m["index"]), index)
	require.Equal(t, `"`+index+`"`, r.header.Get("ETag"))
	r = s.do("GET", "/v1/mappings", "")
	require.Equal(t, `{"items":[`+rowBOrder()+`,`+rowA+`],"index":0,"version":`+index+`}`, r.text,
		"ids are not rounded")
	again := s.do("PUT", "/v1/mappings", `{"items":[`+rowA+`]}`)
	require.Equal(t, 1.0, again.json(t)["unchanged"])
	require.Equal(t, index, again.header.Get("Holdfast-Index"))
	require.Equal(t, 1.0, s.do("PUT", "/v1/mappings", ` [`+rowA+`]`).json(t)["unchanged"])
	for query, want := range map[string]int{"sku=A": 1, "connection=amz": 1, "connection=am": 0,
		"marketplace=ATVPDKIKX0DER": 1, "sku=A&connection=amz": 0, "level=stale": 2} {
		require.Len(t, s.do("GET", "/v1/mappings?"+query, "").json(t)["items"], want, query)
	}
	first := s.do("GET", "/v1/mappings?limit=1", "").json(t)
	require.Len(t, first["items"], 1)
	rest := s.do("GET", "/v1/mappings?limit=1&after="+first["next"].(string), "").json(t)
	require.Len(t, rest["items"], 1)
	require.NotContains(t, rest, "next")
	s.problem(400, "invalid", "GET", "/v1/mappings?after=x", "")
	s.problem(400, "invalid", "GET", "/v1/mappings?color=red", "")

	gone := s.do("DELETE", "/v1/mappings?connection=shop&variant_id=44111222333444", "")
	require.Equal(t, 200, gone.status, gone.text)
	s.problem(404, "unknown-mapping", "DELETE", "/v1/mappings?connection=shop&variant_id=44111222333444", "")
	m = s.problem(400, "invalid", "DELETE", "/v1/mappings?connection=shop", "")
	require.Equal(t, "variant_id", m["at"])
	require.Len(t, s.do("GET", "/v1/mappings", "").json(t)["items"], 1)
}

// rowBOrder is rowB in the order in which rows are written.
func rowBOrder() string {
	return `{"sku":"B","connection":"amz","marketplace":"ATVPDKIKX0DER","asin":"B000000001",` +
		`"seller_sku":"b 1/ä","fulfilment":"merchant","content":"owned"}`
}

func TestBadMappingsChangeNothing(t *testing.T) {
	t.Parallel()
	s, _ := mapped(t)
	etag := s.do("PUT", "/v1/mappings", `{"rows":[`+rowA+`]}`).header.Get("ETag")
	good := `{"sku":"C","connection":"shop","variant_id":3}`
	for _, x := range []struct {
		status         int
		code, body, at string
		headers        []string
	}{
		{400, "invalid", ``, "", nil}, {400, "invalid", `{}`, "rows", nil},
		{400, "invalid", `{"rows":[],"items":[]}`, "rows", nil},
		{400, "invalid", `{"rows":[{"sku":"C"}]}`, "rows[0].connection", nil},
		{400, "invalid", `{"rows":[{"sku":"C","connection":"shop","variant":3}]}`, "rows[0].variant", nil},
		{400, "invalid", `{"rows":[{"sku":"C","connection":"shop","variant_id":"3"}]}`, "rows[0].variant_id", nil},
		{400, "invalid", `{"rows":[{"sku":"C","connection":"shop","variant_id":3.5}]}`, "rows[0].variant_id", nil},
		{400, "invalid", `{"rows":[` + good + `,{"sku":"D","connection":"shop"}]}`, "rows[1].variant_id", nil},
		{409, "mapping-conflict", `{"rows":[` + good + `,{"sku":"D","connection":"shop","variant_id":3}]}`,
			"rows[1].sku", nil},
		{409, "mapping-conflict", `{"rows":[{"sku":"Z","connection":"shop","variant_id":44111222333444}]}`,
			"rows[0].sku", nil},
		{412, "version-conflict", `{"rows":[` + good + `]}`, "", []string{"If-Match", `"1000"`}},
		{400, "invalid", `{"rows":[` + good + `]}`, "If-Match", []string{"If-Match", `"x"`}},
		{400, "invalid", "sku,connection,qty\nA,shop,1\n", "line 1", []string{"Content-Type", "text/csv"}},
		{400, "invalid", "sku,connection,variant_id\nC,shop,3\nD,shop,x\n", "line 3, column variant_id",
			[]string{"Content-Type", "text/csv; charset=utf-8"}},
	} {
		m := s.problem(x.status, x.code, "PUT", "/v1/mappings", x.body, x.headers...)
		if x.at != "" {
			require.Equal(t, x.at, m["at"], "%s: %v", x.body, m)
		}
		require.Equal(t, etag, s.do("GET", "/v1/mappings", "").header.Get("ETag"), x.body)
	}
	m := s.problem(409, "mapping-conflict", "PUT", "/v1/mappings", `{"rows":[{"sku":"Z",`+
		`"connection":"shop","variant_id":44111222333444},`+good+`]}`)
	require.Len(t, m["results"], 1)
	ok := s.do("PUT", "/v1/mappings?replace=true", `{"rows":[{"sku":"Z","connection":"shop",`+
		`"variant_id":44111222333444}]}`, "If-Match", etag)
	require.Equal(t, 1.0, ok.json(t)["changed"], ok.text)
	tooMany := `{"rows":[` + strings.Repeat(good+",", mapping.MaxRows) + good + `]}`
	s.problem(413, "too-large", "PUT", "/v1/mappings", tooMany)
}

func TestMappingsAsCSV(t *testing.T) {
	t.Parallel()
	s, _ := mapped(t)
	var file strings.Builder
	file.WriteString("\xef\xbb\xbfsku,connection,variant_id,inventory_item_id,content\r\n")
	for i := range 5000 {
		fmt.Fprintf(&file, "\"S,%04d\",shop,%d,%d,\r\n", i, 40_000_000_000_000+i, 50_000_000_000_000+i)
	}
	dry := s.do("PUT", "/v1/mappings?dry_run=true", file.String()+"X,shop,0x1,,\r\nS,shop,40000000000001,,\r\n",
		"Content-Type", "text/csv")
	require.Equal(t, 200, dry.status, dry.text)
	m := dry.json(t)
	require.Equal(t, []any{5000.0, 1.0, 1.0}, []any{m["created"], m["errors"], m["conflicts"]})
	lines := m["lines"].([]any)
	require.Equal(t, map[string]any{"line": 5002.0, "status": "error", "sku": "X", "column": "variant_id",
		"detail": "must be a whole number above 0"}, lines[5000])
	require.Empty(t, s.do("GET", "/v1/mappings", "").json(t)["items"], "a dry run wrote")
	r := s.do("PUT", "/v1/mappings", file.String(), "Content-Type", "text/csv")
	require.Equal(t, 5000.0, r.json(t)["created"])
	out := s.do("GET", "/v1/mappings", "", "Accept", "text/csv")
	require.Equal(t, 200, out.status)
	require.Equal(t, "text/csv; charset=utf-8", out.header.Get("Content-Type"))
	require.Equal(t, 5001, strings.Count(out.text, "\n"))
	require.True(t, strings.HasPrefix(out.text, strings.Join(mapping.Columns, ",")+"\n"))
	r = s.do("PUT", "/v1/mappings", out.text, "Content-Type", "text/csv")
	require.Equal(t, 5000.0, r.json(t)["unchanged"], "what was exported comes back as it is")
	one := s.do("GET", "/v1/mappings?sku=S,0007", "", "Accept", "text/csv")
	require.Equal(t, 2, strings.Count(one.text, "\n"))
}

func TestMappingAuditIsPaged(t *testing.T) {
	t.Parallel()
	s, store := mapped(t)
	store.Define(t, &engine.DefineSKU{SKU: "A", Attributes: []byte(`{"barcode":"4006381333931"}`)})
	var tx records.Tx
	tx.Put(records.Record{Table: records.Connections, Key: "shop", Body: []byte("{}")})
	var items []mapping.Item
	for i := range int64(12) {
		items = append(items, mapping.Item{Connection: "shop", VariantID: i + 1, Tracked: true,
			SKU: "S" + strconv.FormatInt(i, 10)})
	}
	items[3].Barcode = "4006381333931"
	items[4].InventoryItemID = 77
	mapping.KeepItems(&tx, 1, items)
	_, err := store.Submit(t.Context(), &tx)
	require.NoError(t, err)
	s.do("PUT", "/v1/mappings", `{"rows":[{"sku":"B","connection":"shop","variant_id":5,"inventory_item_id":78}]}`)
	seen, next := 0, ""
	for {
		path := "/v1/mappings/audit?connection=shop&finding=unmapped&limit=5"
		if next != "" {
			path += "&after=" + next
		}
		m := s.do("GET", path, "").json(t)
		require.Equal(t, map[string]any{"conflicting": 1.0, "duplicate": 0.0, "orphaned": 1.0,
			"unmapped": 12.0}, m["counts"])
		require.Equal(t, map[string]any{"shop": 1.0}, m["blocking"])
		seen += len(m["items"].([]any))
		if m["next"] == nil {
			break
		}
		next = m["next"].(string)
	}
	require.Equal(t, 12, seen)
	m := s.do("POST", "/v1/mappings/audit?finding=conflicting", "").json(t)
	require.Equal(t, "inventory-item", m["items"].([]any)[0].(map[string]any)["code"])
	all := s.do("GET", "/v1/mappings/audit", "")
	require.Contains(t, all.text, `"suggestions":[{"sku":"A","by":"barcode"}]`)
	s.problem(400, "invalid", "GET", "/v1/mappings/audit?finding=lost", "")
}

func TestAServerWithoutMappings(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake())
	for _, method := range []string{"GET", "DELETE"} {
		s.problem(404, "not-found", method, "/v1/mappings", "")
	}
	s.problem(404, "not-found", "PUT", "/v1/mappings", `{"rows":[]}`)
	s.problem(404, "not-found", "GET", "/v1/mappings/audit", "")
}
