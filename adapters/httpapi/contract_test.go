package httpapi

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// reserveBody is a reserve on the channel web.
func reserveBody(id, lines string) string {
	return fmt.Sprintf(`{"id":%q,"channel":"web","lines":[%s]}`, id, lines)
}

func TestBadInputChangesNothing(t *testing.T) {
	t.Parallel()
	s, l := shop(t)
	require.Equal(t, 201, s.do("POST", "/v1/reservations", reserveBody("r0",
		`{"sku":"A","qty":1}`), "Idempotency-Key", "k0").status)
	require.Equal(t, 200, s.do("POST", "/v1/reservations/r0/release", "{}").status)
	before := l.picture()
	big := strings.Repeat(`{"sku":"A","qty":1},`, 1000) + `{"sku":"A","qty":1}`
	changes := strings.Repeat(`{"sku":"A","location":"main","set":1},`, 10_000) +
		`{"sku":"A","location":"main","set":1}`
	stock := func(change string) string { return `{"changes":[` + change + `]}` }
	for _, row := range []struct {
		status             int
		code, method, path string
		body, at           string
	}{
		{404, "unknown-sku", "POST", "/v1/reservations", reserveBody("x", `{"sku":"no","qty":1}`),
			"lines[0].sku"},
		{404, "unknown-location", "POST", "/v1/reservations",
			reserveBody("x", `{"sku":"A","qty":1},{"sku":"A","qty":1,"location":"no"}`),
			"lines[1].location"},
		{404, "unknown-channel", "POST", "/v1/reservations",
			`{"id":"x","channel":"no","lines":[{"sku":"A","qty":1}]}`, "channel"},
		{409, "not-listed", "POST", "/v1/reservations",
			reserveBody("x", `{"sku":"A","qty":1,"location":"wms"}`), "lines[0].location"},
		{409, "insufficient-stock", "POST", "/v1/reservations",
			reserveBody("x", `{"sku":"A","qty":60},{"sku":"A","qty":60}`), ""},
		{409, "insufficient-stock", "POST", "/v1/reservations",
			reserveBody("x", `{"sku":"K","qty":50},{"sku":"A","qty":50}`), ""},
		{400, "invalid", "POST", "/v1/reservations", reserveBody("x", `{"sku":"A","qty":0}`),
			"lines[0].qty"},
		{400, "invalid", "POST", "/v1/reservations", reserveBody("x", `{"sku":"A","qty":-1}`),
			"lines[0].qty"},
		{400, "invalid", "POST", "/v1/reservations", reserveBody("x", `{"sku":"A","qty":1.5}`),
			"lines[0].qty"},
		{400, "invalid", "POST", "/v1/reservations", reserveBody("x", `{"sku":"A","qty":1e10}`),
			"lines[0].qty"},
		{400, "invalid", "POST", "/v1/reservations", reserveBody("x", ``), "lines"},
		{413, "too-large", "POST", "/v1/reservations", reserveBody("x", big), "lines"},
		{400, "invalid", "POST", "/v1/reservations", reserveBody("", `{"sku":"A","qty":1}`), "id"},
		{400, "invalid", "POST", "/v1/reservations",
			reserveBody(strings.Repeat("i", 256), `{"sku":"A","qty":1}`), "id"},
		{400, "invalid", "POST", "/v1/reservations", reserveBody("a\tb", `{"sku":"A","qty":1}`),
			"id"},
		{400, "invalid", "POST", "/v1/reservations",
			reserveBody("x", `{"sku":"A","qty":1,"qty":2}`), "lines[0].qty"},
		{400, "invalid", "POST", "/v1/reservations", reserveBody("x", `{"sku":"A","qty":1}`) + "]",
			""},
		{400, "invalid", "POST", "/v1/reservations",
			reserveBody("x", "{\"sku\":\"\xc3\x28\",\"qty\":1}"), "lines[0].sku"},
		{413, "too-large", "POST", "/v1/reservations", strings.Repeat(" ", 300<<10), ""},
		{422, "id-conflict", "POST", "/v1/reservations", reserveBody("r0", `{"sku":"A","qty":2}`),
			""},
		{409, "wrong-state", "POST", "/v1/reservations/r0/commit", "{}", ""},
		{404, "unknown-reservation", "POST", "/v1/reservations/no/ship", "{}", ""},
		{400, "idempotency-key-required", "POST", "/v1/reservations/r0/ship",
			`{"lines":[{"line":1}]}`, ""},
		{400, "idempotency-key-required", "POST", "/v1/reservations/r0/transfer",
			`{"line":1,"from":"main","to":"east","qty":1}`, ""},
		{400, "idempotency-key-required", "POST", "/v1/reservations/r0/add",
			`{"lines":[{"sku":"A","qty":1}]}`, ""},
		{400, "invalid", "PUT", "/v1/skus/K2", `{"kit":[{"sku":"K2","qty":1}]}`, "kit[0].sku"},
		{422, "kit-nested", "PUT", "/v1/skus/K2", `{"kit":[{"sku":"K","qty":1}]}`, "kit[0].sku"},
		{404, "unknown-sku", "PUT", "/v1/skus/K2", `{"kit":[{"sku":"no","qty":1}]}`, "kit[0].sku"},
		{409, "in-use", "PUT", "/v1/skus/A", `{"kit":[{"sku":"C","qty":1}]}`, "kit"},
		{409, "in-use", "DELETE", "/v1/skus/A", "", ""},
		{409, "in-use", "DELETE", "/v1/locations/main", "", ""},
		{404, "unknown-channel", "DELETE", "/v1/channels/no", "", ""},
		{404, "unknown-location", "PUT", "/v1/channels/x", `{"locations":["main","no"]}`,
			"locations[1]"},
		{400, "invalid", "PUT", "/v1/channels/x", `{"locations":["main","main"]}`, "locations"},
		{400, "invalid", "PUT", "/v1/locations/f", `{"kind":"fba"}`, "pool"},
		{400, "invalid", "PUT", "/v1/locations/f",
			`{"kind":"fba","master":"me","pool":{"connection":"eu"}}`, "master"},
		{400, "invalid", "PUT", "/v1/locations/f", `{"pool":{"connection":"eu"}}`, "pool"},
		{400, "invalid", "POST", "/v1/stock", stock(``), "changes"},
		{413, "too-large", "POST", "/v1/stock", stock(changes), "changes"},
		{400, "invalid", "POST", "/v1/stock", stock(`{"sku":"A","location":"main","set":-1}`),
			"changes[0].set"},
		{400, "invalid", "POST", "/v1/stock", stock(`{"sku":"A","location":"main","set":1,` +
			`"as_of":"2030-01-01T00:00:00Z"}`), "changes[0].as_of"},
		{400, "idempotency-key-required", "POST", "/v1/stock",
			stock(`{"sku":"A","location":"main","adjust":1}`), ""},
		{404, "unknown-sku", "GET", "/v1/stock/no", "", ""},
		{404, "unknown-channel", "GET", "/v1/availability?channel=no&sku=A", "", "channel"},
		{404, "unknown-sku", "GET", "/v1/availability?channel=web&sku=A&sku=no", "", "sku[1]"},
		{400, "invalid", "GET", "/v1/availability?channel=web", "", "sku"},
		{404, "unknown-channel", "GET", "/v1/stock/A/explain?channel=no", "", ""},
		{400, "invalid", "GET", "/v1/stock/A?as_of_index=100000", "", "as_of_index"},
		{404, "unknown-reservation", "GET", "/v1/reservations/no", "", ""},
		{400, "idempotency-key-required", "POST", "/v1/batch",
			`{"ops":[{"op":"commit","id":"r0"}]}`, ""},
		{422, "too-far", "GET", "/v1/digest?index=1025", "", "index"},
	} {
		m := s.problem(row.status, row.code, row.method, row.path, row.body)
		if row.at != "" {
			require.Equal(t, row.at, m["at"], "%s %s %v", row.method, row.path, m)
		}
		require.Equal(t, before, l.picture(), "%s %s %s changed something", row.method, row.path,
			row.code)
	}
	m := s.problem(422, "idempotency-conflict", "POST", "/v1/reservations",
		reserveBody("r9", `{"sku":"A","qty":5}`), "Idempotency-Key", "k0")
	require.NotNil(t, m)
	require.Equal(t, before, l.picture())
}

func TestLifeOfAReservation(t *testing.T) {
	t.Parallel()
	s, l := shop(t)
	body := `{"id":"ord-1","channel":"web","lines":[{"sku":"A","qty":90,"ref":"x"},` +
		`{"sku":"K","qty":1}],"ttl_ms":60000}`
	r := s.do("POST", "/v1/reservations", body, "Idempotency-Key", "k1")
	require.Equal(t, 201, r.status, r.text)
	m := r.json(t)
	require.Equal(t, "held", m["state"])
	require.Equal(t, "2023-11-14T22:14:20.000Z", m["expires_at"])
	require.Equal(t, fmt.Sprint(m["index"]), r.header.Get("Holdfast-Index"))
	again := s.do("POST", "/v1/reservations", body, "Idempotency-Key", "k1")
	require.Equal(t, 201, again.status)
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
	require.Equal(t, r.text, again.text)
	same := s.do("POST", "/v1/reservations", strings.Replace(body, "60000", "70000", 1))
	require.Equal(t, 200, same.status)
	require.Empty(t, same.header.Get("Idempotency-Replayed"))
	other := s.do("POST", "/v1/reservations", body, "Idempotency-Key", "k2")
	require.Equal(t, 200, other.status, "the id decides")
	other = s.do("POST", "/v1/reservations", body, "Idempotency-Key", "k2")
	require.Equal(t, 200, other.status)
	require.Equal(t, "true", other.header.Get("Idempotency-Replayed"))
	act := func(verb, body string) map[string]any {
		r := s.do("POST", "/v1/reservations/ord-1/"+verb, body, "Idempotency-Key", verb+body)
		require.Equal(t, 200, r.status, r.text)
		return r.json(t)
	}
	act("extend", `{"ttl_ms":120000}`)
	act("commit", `{"lines":[{"line":1,"qty":5}]}`)
	act("release", `{"lines":[{"line":1,"qty":84}]}`)
	act("add", `{"lines":[{"sku":"B","qty":2}]}`)
	m = act("release", `{}`)
	require.Equal(t, "released", m["state"])
	require.NotContains(t, m, "expires_at")
	m = s.problem(409, "wrong-state", "POST", "/v1/reservations/ord-1/commit",
		`{"lines":[{"line":3}]}`, "Idempotency-Key", "late")
	require.Equal(t, 3.0, m["line"])
	require.Empty(t, l.ledger.Check())
}

func TestTransferAndVerbs(t *testing.T) {
	t.Parallel()
	s, l := shop(t)
	post := func(status int, path, body string) map[string]any {
		r := s.do("POST", path, body, "Idempotency-Key", path+body)
		require.Equal(t, status, r.status, r.text)
		return r.json(t)
	}
	post(201, "/v1/reservations", reserveBody("o", `{"sku":"A","qty":6},{"sku":"K","qty":1}`))
	post(200, "/v1/reservations/o/commit", `{"lines":[{"line":1,"qty":4}]}`)
	post(200, "/v1/reservations/o/transfer", `{"line":1,"from":"main","to":"east","qty":2}`)
	m := post(409, "/v1/reservations/o/ship", `{"lines":[{"line":1,"qty":1},{"line":2,"qty":2}]}`)
	require.Equal(t, "wrong-state", m["code"])
	require.Equal(t, 2.0, m["line"])
	m = post(200, "/v1/reservations/o/ship", `{"lines":[{"line":1,"qty":3}],"package":"p"}`)
	line := m["lines"].([]any)[0].(map[string]any)
	require.Equal(t, 3.0, line["shipped"])
	post(200, "/v1/reservations/o/return", `{"lines":[{"line":1,"qty":1}],"disposition":"sellable"}`)
	post(200, "/v1/reservations/o/release", `{"lines":[{"line":1,"qty":1}],"reason":"x"}`)
	l.pass(16 * time.Minute)
	m = s.do("GET", "/v1/reservations/o", "").json(t)
	require.Equal(t, "committed", m["state"])
	m = post(410, "/v1/reservations/o/extend", `{"ttl_ms":1000}`)
	require.Equal(t, "expired", m["code"])
	require.Equal(t, 200, s.do("POST", "/v1/reservations/o/ship", "{}").status)
	require.Equal(t, 200, s.do("POST", "/v1/reservations/o/ship", "").status)
	require.Empty(t, l.ledger.Check())
}

func TestDefinitionsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	s, _ := shop(t)
	for _, row := range []struct{ path, body, want string }{
		{"/v1/locations/l1", `{}`, `{"id":"l1","kind":"merchant","master":"holdfast",
			"shortfall":"none"}`},
		{"/v1/locations/l2", `{"kind":"fba","region":"eu","pool":{"connection":"amz-eu",
			"marketplaces":["A1","A2"],"reader":"A1"},"shortfall":"newest"}`,
			`{"id":"l2","kind":"fba","region":"eu","master":"amazon:amz-eu","shortfall":"newest",
			"pool":{"connection":"amz-eu","marketplaces":["A1","A2"],"reader":"A1"}}`},
		{"/v1/locations/l3", `{"country":"US","postal_code":"94105","master":"netsuite"}`,
			`{"id":"l3","kind":"merchant","country":"US","postal_code":"94105",
			"master":"netsuite","shortfall":"none"}`},
		{"/v1/channels/c1", ``, `{"id":"c1","kind":"api","publish":"pooled","split":true,
			"priority":0,"locations":[],"rules":{"buffer":0,"buffer_percent":0,"max":0,"min":0,
			"threshold":0}}`},
		{"/v1/channels/c2", `{"kind":"amazon","region":"na","locations":["east","main"],
			"split":false,"publish":"dedicated","priority":-3,"rules":{"buffer":2,
			"buffer_percent":7.25,"max":500,"min":1,"threshold":1}}`,
			`{"id":"c2","kind":"amazon","region":"na","publish":"dedicated","split":false,
			"priority":-3,"locations":["east","main"],"rules":{"buffer":2,"buffer_percent":7.25,
			"max":500,"min":1,"threshold":1}}`},
		{"/v1/skus/" + url.PathEscape("s/1 é?%"), `{"title":"T \"q\"","barcode":"123",
			"tags":["sale","new"]}`, `{"sku":"s/1 é?%","title":"T \"q\"","barcode":"123",
			"tags":["sale","new"]}`},
		{"/v1/skus/K9", `{"kit":[{"sku":"A","qty":2}]}`, `{"sku":"K9","kit":[{"sku":"A","qty":2}]}`},
	} {
		put := s.do("PUT", row.path, row.body)
		require.Equal(t, 200, put.status, put.text)
		index := put.header.Get("Holdfast-Index")
		want := strings.TrimSuffix(row.want, "}") + `,"index":` + index + `}`
		require.JSONEq(t, want, put.text)
		got := s.do("GET", row.path, "").text
		require.JSONEq(t, want, got)
		back := s.do("PUT", row.path, got) // what GET answers can be sent back
		require.Equal(t, 200, back.status, back.text)
		require.JSONEq(t, strings.TrimSuffix(row.want, "}")+`,"index":`+
			back.header.Get("Holdfast-Index")+`}`, back.text)
		name := "id"
		if strings.HasPrefix(row.path, "/v1/skus/") {
			name = "sku"
		}
		m := s.problem(400, "invalid", "PUT", row.path, `{"`+name+`":"another"}`)
		require.Equal(t, name, m["at"])
		require.Contains(t, m["detail"], "another")
		del := s.do("DELETE", row.path, "")
		require.Equal(t, 200, del.status, del.text)
		require.Equal(t, put.json(t)[name], del.json(t)[name])
		require.Equal(t, 404, s.do("GET", row.path, "").status)
	}
}

func TestStockAvailabilityAndExplain(t *testing.T) {
	t.Parallel()
	s, _ := shop(t)
	require.Equal(t, 200, s.do("PUT", "/v1/channels/buf",
		`{"locations":["main"],"rules":{"buffer":2,"buffer_percent":10}}`).status)
	require.Equal(t, 201, s.do("POST", "/v1/reservations", reserveBody("h",
		`{"sku":"A","qty":2}`)).status)
	require.Equal(t, 201, s.do("POST", "/v1/reservations", strings.Replace(reserveBody("c",
		`{"sku":"A","qty":1}`), `{"id"`, `{"commit":true,"id"`, 1)).status)
	m := s.do("GET", "/v1/stock/A", "").json(t)
	require.Equal(t, map[string]any{"location": "main", "on_hand": 100.0, "held": 2.0,
		"committed": 1.0, "available": 97.0}, m["locations"].([]any)[1])
	a := s.do("GET", "/v1/availability?channel=buf&sku=A&sku=K", "").json(t)
	require.Equal(t, []any{map[string]any{"sku": "A", "sellable": 87.0},
		map[string]any{"sku": "K", "sellable": 43.0}}, a["items"])
	p := s.do("POST", "/v1/availability", `{"channel":"buf","skus":["A","K"]}`).json(t)
	require.Equal(t, a["items"], p["items"])
	e := s.do("GET", "/v1/stock/A/explain?channel=buf", "").json(t)
	sum := 0.0
	for _, term := range e["terms"].([]any) {
		sum += term.(map[string]any)["value"].(float64)
	}
	require.Equal(t, 87.0, sum)
	require.Equal(t, 87.0, e["sellable"])
	require.NotEmpty(t, e["holds"])
	stale := s.do("GET", "/v1/stock/A?level=stale", "", "Holdfast-Min-Index", "3")
	require.Equal(t, "5", stale.header.Get("Holdfast-Age-Ms"))
	require.NotEmpty(t, stale.header.Get("Holdfast-Index"))
}

func TestStockAsOfAnIndex(t *testing.T) {
	t.Parallel()
	s, _ := shop(t)
	type seen struct{ index, text string }
	var history []seen
	for i := range 30 {
		r := s.do("POST", "/v1/stock", fmt.Sprintf(`{"changes":[{"sku":"A","location":"main",`+
			`"adjust":%d},{"sku":"A","from":"main","to":"east","move":1}]}`, (i%7+1)*(1-2*(i%2))),
			"Idempotency-Key", fmt.Sprint("k", i))
		require.Equal(t, 200, r.status, r.text)
		s.do("POST", "/v1/reservations", reserveBody(fmt.Sprint("r", i), `{"sku":"A","qty":2}`))
		now := s.do("GET", "/v1/stock/A", "")
		history = append(history, seen{now.header.Get("Holdfast-Index"), now.text})
	}
	for _, h := range history {
		then := s.do("GET", "/v1/stock/A?as_of_index="+h.index, "")
		require.JSONEq(t, h.text, then.text)
	}
	require.JSONEq(t, `{"sku":"A","index":1,"locations":[]}`,
		s.do("GET", "/v1/stock/A?as_of_index=1", "").text)
}

func TestStockResults(t *testing.T) {
	t.Parallel()
	s, l := shop(t)
	r := s.do("POST", "/v1/stock", `{"changes":[
		{"sku":"A","location":"main","set":100,"source":"wms"},
		{"sku":"A","location":"main","adjust":-3,"reason":"damaged"},
		{"sku":"A","from":"main","to":"east","move":5},
		{"sku":"no","location":"main","set":1},
		{"sku":"A","location":"no","set":1},
		{"sku":"A","location":"wms","set":1,"source":"me"},
		{"sku":"A","location":"wms","set":7,"source":"wms"},
		{"sku":"A","from":"east","to":"main","move":1000},
		{"sku":"K","location":"main","set":1}]}`, "Idempotency-Key", "s1")
	require.Equal(t, 200, r.status, r.text)
	var got []string
	for _, x := range r.json(t)["results"].([]any) {
		m := x.(map[string]any)
		code, _ := m["code"].(string)
		got = append(got, strings.TrimSpace(m["status"].(string)+" "+code))
	}
	require.Equal(t, []string{"unchanged", "applied", "applied", "refused unknown-sku",
		"refused unknown-location", "refused not-master", "applied",
		"refused insufficient-stock", "refused kit-without-stock"}, got)
	before := l.picture()
	body := `{"changes":[{"sku":"A","location":"main","set":1},{"sku":"A","location":"main",` +
		`"set":2},{"sku":"no","location":"main","set":3}],"atomic":true}`
	m := s.problem(409, "unknown-sku", "POST", "/v1/stock", body, "Idempotency-Key", "s2")
	require.Equal(t, "changes[2]", m["at"])
	require.Equal(t, before, l.picture())
	again := s.do("POST", "/v1/stock", body, "Idempotency-Key", "s2")
	require.Equal(t, 409, again.status)
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
	require.Equal(t, "changes[2]", again.json(t)["at"])
	s.problem(422, "idempotency-conflict", "POST", "/v1/stock",
		strings.Replace(body, `"set":2`, `"set":4`, 1), "Idempotency-Key", "s2")
}

func TestListsPageByCursor(t *testing.T) {
	t.Parallel()
	s, _ := shop(t)
	for i := range 25 {
		lines := `{"sku":"A","qty":1}`
		if i%5 == 0 {
			lines = `{"sku":"B","qty":1}`
		}
		require.Equal(t, 201, s.do("POST", "/v1/reservations",
			reserveBody(fmt.Sprint("r", i), lines)).status)
		require.Equal(t, 200, s.do("PUT", fmt.Sprint("/v1/skus/z", i), "").status)
	}
	require.Equal(t, 200, s.do("POST", "/v1/reservations/r3/commit", "").status)
	all := func(path, field string) (got []string) {
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		for next := ""; ; {
			m := s.do("GET", path+sep+"limit=7"+next, "").json(t)
			for _, it := range m["items"].([]any) {
				got = append(got, it.(map[string]any)[field].(string))
			}
			cursor, more := m["next"].(string)
			if !more {
				return got
			}
			next = "&after=" + cursor
		}
	}
	require.Len(t, all("/v1/skus", "sku"), 29)
	require.Equal(t, []string{"main", "east", "wms"}, all("/v1/locations", "id"))
	require.Equal(t, []string{"web"}, all("/v1/channels", "id"))
	require.Len(t, all("/v1/reservations", "id"), 25)
	require.Equal(t, []string{"r0", "r5", "r10", "r15", "r20"}, all("/v1/reservations?sku=B", "id"))
	require.Equal(t, []string{"r3"}, all("/v1/reservations?state=committed&channel=web", "id"))
	require.Empty(t, all("/v1/reservations?channel=no", "id"))
	exact := s.do("GET", "/v1/locations?limit=3", "").json(t)
	require.NotContains(t, exact, "next")
}

func TestBatchRunsInOrder(t *testing.T) {
	t.Parallel()
	s, l := shop(t)
	body := `{"ops":[
		{"op":"reserve","id":"b1","channel":"web","lines":[{"sku":"A","qty":2}]},
		{"op":"commit","id":"b1"},
		{"op":"reserve","id":"b2","channel":"web","lines":[{"sku":"A","qty":1000}]},
		{"op":"reserve","id":"b3","channel":"web","lines":[{"sku":"A","qty":0}]},
		{"op":"adjust","sku":"A","location":"main","adjust":-3},
		{"op":"ship","id":"b1","lines":[{"line":1,"qty":1}]},
		{"op":"set","sku":"no","location":"main","set":1}]}`
	first := s.do("POST", "/v1/batch", body, "Idempotency-Key", "b")
	require.Equal(t, 200, first.status, first.text)
	want := []float64{201, 200, 409, 400, 200, 200, 404}
	check := func(r reply, replayed bool) {
		m := r.json(t)
		for i, x := range m["results"].([]any) {
			row := x.(map[string]any)
			require.Equal(t, want[i], row["status"], "%d: %v", i, row)
			if replayed && want[i] < 300 {
				require.Equal(t, true, row["idempotency_replayed"])
			}
		}
		require.Equal(t, "applied", m["results"].([]any)[4].(map[string]any)["result"])
		require.Equal(t, 95.0, m["results"].([]any)[4].(map[string]any)["available"])
	}
	check(first, false)
	before := l.picture()
	check(s.do("POST", "/v1/batch", body, "Idempotency-Key", "b"), true)
	require.Equal(t, before, l.picture())
	atomic := func(second string) string {
		return `{"atomic":true,"ops":[{"op":"reserve","id":"a1","channel":"web","lines":` +
			`[{"sku":"A","qty":1}]},` + second + `,{"op":"commit","id":"a1"}]}`
	}
	m := s.problem(409, "insufficient-stock", "POST", "/v1/batch", atomic(
		`{"op":"reserve","id":"a2","channel":"web","lines":[{"sku":"A","qty":1000}]}`),
		"Idempotency-Key", "a")
	require.Equal(t, "ops[1]", m["at"])
	results := m["results"].([]any)
	require.Equal(t, 424.0, results[0].(map[string]any)["status"])
	require.Equal(t, "not-attempted", results[0].(map[string]any)["code"])
	require.Equal(t, 409.0, results[1].(map[string]any)["status"])
	require.Equal(t, "insufficient-stock", results[1].(map[string]any)["code"])
	require.NotEmpty(t, results[1].(map[string]any)["short"])
	m = s.problem(409, "unknown-sku", "POST", "/v1/batch", atomic(
		`{"op":"set","sku":"no","location":"main","set":1}`), "Idempotency-Key", "a5")
	require.Equal(t, 404.0, m["results"].([]any)[1].(map[string]any)["status"])
	s.problem(409, "invalid", "POST", "/v1/batch", atomic(`{"op":"commit"}`), "Idempotency-Key", "a3")
	require.Equal(t, before, l.picture())
	good := s.do("POST", "/v1/batch", atomic(`{"op":"adjust","sku":"B","location":"main",`+
		`"adjust":1}`), "Idempotency-Key", "a4")
	require.Equal(t, 200, good.status, good.text)
	require.Equal(t, 201.0, good.json(t)["results"].([]any)[0].(map[string]any)["status"])
	again := s.do("POST", "/v1/batch", atomic(`{"op":"adjust","sku":"B","location":"main",`+
		`"adjust":1}`), "Idempotency-Key", "a4")
	require.Equal(t, 201.0, again.json(t)["results"].([]any)[0].(map[string]any)["status"])
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
}

func TestEventsByPageAndStream(t *testing.T) {
	t.Parallel()
	s, l := shop(t)
	page := s.do("GET", "/v1/events?limit=3", "").json(t)
	require.Len(t, page["events"], 3)
	require.Equal(t, 3.0, page["next"])
	require.Equal(t, 201, s.do("POST", "/v1/reservations", reserveBody("e1",
		`{"sku":"A","qty":2}`)).status)
	last := len(l.events)
	m := s.do("GET", fmt.Sprintf("/v1/events?after=%d", last-1), "").json(t)
	e := m["events"].([]any)[0].(map[string]any)
	require.Equal(t, "reservation.held", e["type"])
	require.Equal(t, "A", e["sku"])
	require.Equal(t, "main", e["location"])
	require.Equal(t, "e1", e["cause"])
	require.Equal(t, 2.0, e["held"])
	require.Equal(t, 100.0, e["on_hand"])
	_, lines := openEvents(t, s, "/v1/events", "Last-Event-ID", fmt.Sprint(last-1))
	require.Equal(t, fmt.Sprint(last), nextField(t, lines, "id"))
	require.Contains(t, nextField(t, lines, "data"), `"type":"reservation.held"`)
	require.Equal(t, 200, s.do("POST", "/v1/reservations/e1/commit", "").status)
	require.Equal(t, fmt.Sprint(last+1), nextField(t, lines, "id"))
	require.Contains(t, nextField(t, lines, "data"), `"type":"reservation.committed"`)
}

func TestDigestAndPartial(t *testing.T) {
	t.Parallel()
	s, l := shop(t)
	m := s.do("GET", "/v1/digest", "").json(t)
	require.Equal(t, fmt.Sprintf("%016x", l.ledger.Digest()), m["value"])
	same := s.do("GET", fmt.Sprintf("/v1/digest?index=%v", m["index"]), "").json(t)
	require.Equal(t, m, same)
	r := s.do("POST", "/v1/reservations", `{"id":"p","channel":"web","partial":true,"lines":[`+
		`{"sku":"A","qty":500}]}`)
	require.Equal(t, 201, r.status)
	line := r.json(t)["lines"].([]any)[0].(map[string]any)
	require.Equal(t, 110.0, line["qty"])
	require.Equal(t, 500.0, line["wanted"])
	r = s.do("POST", "/v1/reservations", `{"id":"p2","channel":"web","partial":true,"lines":[`+
		`{"sku":"B","qty":2}]}`)
	require.Equal(t, 2.0, r.json(t)["lines"].([]any)[0].(map[string]any)["wanted"])
	short := s.problem(409, "insufficient-stock", "POST", "/v1/reservations", reserveBody("q",
		`{"sku":"A","qty":2}`))
	require.Equal(t, []any{map[string]any{"sku": "A", "wanted": 2.0, "sellable": 0.0}}, short["short"])
	accepted := s.do("POST", "/v1/reservations", `{"id":"acc","channel":"web","mode":"accept",`+
		`"commit":true,"lines":[{"sku":"A","qty":3}]}`)
	require.Equal(t, 201, accepted.status)
	require.Equal(t, "short", accepted.json(t)["state"])
	require.NotContains(t, accepted.json(t), "expires_at")
}
