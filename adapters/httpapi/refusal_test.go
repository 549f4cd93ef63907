package httpapi

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// TestRefusalsNameTheThing checks that a refusal says which thing it is about, and what a verb
// could have done, and says the same to the same call again.
func TestRefusalsNameTheThing(t *testing.T) {
	t.Parallel()
	s, _ := shop(t)
	post := func(status int, path, body string) {
		require.Equal(t, status, s.do("POST", path, body, "Idempotency-Key", path+body).status)
	}
	post(201, "/v1/reservations", reserveBody("v", `{"sku":"A","qty":6}`))
	post(200, "/v1/reservations/v/commit", `{"lines":[{"line":1,"qty":2}]}`)
	const verb = "/v1/reservations/v/"
	for _, row := range []struct{ method, path, body, want string }{
		{"POST", "/v1/reservations", reserveBody("w", `{"sku":"A","qty":1},{"sku":"no","qty":1}`),
			"The SKU is not known: lines[1].sku no."},
		{"POST", "/v1/reservations", `{"id":"w","channel":"c9","lines":[{"sku":"A","qty":1}]}`,
			"The channel is not known: channel c9."},
		{"POST", "/v1/reservations", reserveBody("w", `{"sku":"A","qty":1,"location":"wms"}`),
			"The location is not one of the channel's: lines[0].location wms."},
		{"POST", "/v1/reservations", reserveBody("v", `{"sku":"A","qty":1}`),
			"The reservation id is taken by other content: reservation v."},
		{"POST", "/v1/reservations/none/ship", "", "The reservation is not known: reservation none."},
		{"DELETE", "/v1/skus/A", "", "It is still in use: SKU A. It has stock or units of " +
			"reservations, or is part of a kit."},
		{"DELETE", "/v1/locations/main", "", "It is still in use: location main. It has stock or " +
			"units of reservations, or a channel lists it."},
		{"DELETE", "/v1/channels/web", "", "It is still in use: channel web. It has reservations " +
			"with units."},
		{"DELETE", "/v1/channels/none", "", "The channel is not known: channel none."},
		{"PUT", "/v1/skus/A", `{"kit":[{"sku":"B","qty":1}]}`, "It is still in use: SKU A. It has " +
			"stock or units of reservations, or is part of a kit, and cannot become a kit."},
		{"PUT", "/v1/skus/N", `{"kit":[{"sku":"none","qty":1}]}`,
			"The SKU is not known: kit[0].sku none."},
		{"PUT", "/v1/channels/n", `{"locations":["main","none"]}`,
			"The location is not known: locations[1] none."},
		{"POST", verb + "commit", `{"lines":[{"line":1,"qty":7}]}`, "The verb commit cannot act on " +
			"that many units of reservation v: 7 of line 1 asked. It is held now; of line 1 it can " +
			"take 4 units."},
		{"POST", verb + "ship", `{"lines":[{"line":1,"qty":7,"location":"east"}]}`, "The verb ship " +
			"cannot act on that many units of reservation v: 7 of line 1 asked at east. It is held " +
			"now; of line 1 it can take 6 units, 6 of them at east."},
		{"POST", verb + "return", `{}`, "The verb return cannot act on that many units of " +
			"reservation v. It is held now; of all its lines it can take 0 units."},
		{"POST", verb + "release", `{"lines":[{"line":3}]}`, "The verb release cannot act on that " +
			"many units of reservation v: all of line 3 asked. It is held now and has 1 line."},
		{"POST", verb + "transfer", `{"line":1,"from":"main","to":"east","qty":50}`, "The verb " +
			"transfer cannot act on that many units of reservation v: 50 of line 1 asked at main. It " +
			"is held now; of line 1 it can take 6 units, 0 of them at main."},
		{"POST", "/v1/stock", `{"changes":[{"sku":"B","location":"wms","adjust":1}],"atomic":true}`,
			"All is refused because of changes[0].location: another system says how many units are " +
				"there: location wms."},
	} {
		first := s.do(row.method, row.path, row.body, "Idempotency-Key", row.want)
		require.GreaterOrEqual(t, first.status, 400, row.want)
		m := first.json(t)
		if strings.Contains(row.want, "at east") { // where units stand is the ledger's choice
			require.Contains(t, m["detail"], "of line 1 it can take 6 units, ")
		} else if !strings.Contains(row.want, "at main") {
			require.Equal(t, row.want, m["detail"])
		}
		again := s.do(row.method, row.path, row.body, "Idempotency-Key", row.want)
		if row.path != "/v1/stock" { // of an atomic list the ledger keeps the place alone
			require.Equal(t, first.text, again.text)
		}
		require.Equal(t, "true", again.header.Get("Idempotency-Replayed"), row.want)
	}
}

func TestReadsPromiseNothingAboutKeys(t *testing.T) {
	t.Parallel()
	s, _ := shop(t)
	for path, name := range map[string]string{"/v1/skus/none": "none", "/v1/stock/none": "none",
		"/v1/locations/none": "none", "/v1/channels/none": "none", "/v1/reservations/none": "none",
		"/v1/availability?channel=none&sku=A": "channel none",
		"/v1/availability?channel=web&sku=no": "sku[0] no", "/v1/stock/A/explain?channel=x": "channel x"} {
		r := s.do("GET", path, "")
		require.Equal(t, 404, r.status)
		m := r.json(t)
		require.Equal(t, onlyRead, m["promise"], path)
		require.Contains(t, m["detail"], ": "+name+".", path)
	}
	write := s.do("POST", "/v1/reservations/none/ship", "").json(t)
	require.Equal(t, remembered, write["promise"])
}

// TestOverloadedVerdictsMaySendAgain: a verdict that the entry was too full is a 503 like any other.
func TestOverloadedVerdictsMaySendAgain(t *testing.T) {
	t.Parallel()
	f := newFake()
	s := serve(t, f)
	full := 0 // how many ops from the first are left out
	f.answer = func(op engine.Op) (engine.Result, error) {
		if len(f.ops) <= full {
			return engine.Result{Refusal: engine.Overloaded, Index: 5, At: -1}, nil
		}
		return fakeResult(op, 6), nil
	}
	again := func(code int) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.ops, full = nil, code
	}
	again(1)
	m := s.problem(503, "overloaded", "POST", "/v1/reservations", goodReserve)
	require.Equal(t, 1000.0, m["retry_after_ms"])
	const two = `{"ops":[{"op":"commit","id":"a"},{"op":"commit","id":"b"}]}`
	again(1)
	r := s.do("POST", "/v1/batch", two, "Idempotency-Key", "k")
	require.Equal(t, 200, r.status)
	results := r.json(t)["results"].([]any)
	require.Equal(t, 503.0, results[0].(map[string]any)["status"])
	require.Equal(t, 1000.0, results[0].(map[string]any)["retry_after_ms"])
	require.Equal(t, 200.0, results[1].(map[string]any)["status"])
	again(2)
	s.problem(503, "overloaded", "POST", "/v1/batch", two, "Idempotency-Key", "k")
	again(2)
	s.problem(503, "overloaded", "POST", "/v1/skus", `{"skus":[{"sku":"a"},{"sku":"b"}]}`)
	again(1)
	p := openPipe(t, s, "")
	p.write(commitLine(1) + commitLine(2))
	line := p.read()
	require.Equal(t, 503.0, line["status"])
	require.Equal(t, 1000.0, line["retry_after_ms"])
	require.Equal(t, 200.0, p.read()["status"])
	p.end(2)
	f.answer = func(engine.Op) (engine.Result, error) { // an atomic group that grew too large
		return engine.Result{Refusal: engine.Overloaded, Index: 5, At: 1,
			Ops: []engine.Result{{Refusal: engine.NotAttempted}, {Refusal: engine.Overloaded}}}, nil
	}
	atomic := strings.Replace(two, `{"ops"`, `{"atomic":true,"ops"`, 1)
	s.problem(503, "overloaded", "POST", "/v1/batch", atomic, "Idempotency-Key", "k")
	s.problem(503, "overloaded", "POST", "/v1/stock", `{"atomic":true,"changes":[{"sku":"A",`+
		`"location":"m","set":1},{"sku":"B","location":"m","set":1}]}`)
}

// TestEveryResultHasAnIndex covers the results that never reached the ledger.
func TestEveryResultHasAnIndex(t *testing.T) {
	t.Parallel()
	f := newFake()
	s := serve(t, f)
	f.answer = func(op engine.Op) (engine.Result, error) {
		if len(f.ops) == 1 {
			return engine.Result{}, codedError{code: "no-leader"}
		}
		return fakeResult(op, 9), nil
	}
	const ops = `{"ops":[{"op":"commit","id":"a"},{"op":"commit","id":"b"},{"op":"bad"}]}`
	r := s.do("POST", "/v1/batch", ops, "Idempotency-Key", "k")
	require.Equal(t, 200, r.status, r.text)
	for i, want := range []float64{0, 9, 0} {
		require.Equal(t, want, r.json(t)["results"].([]any)[i].(map[string]any)["index"])
	}
	m := s.problem(409, "invalid", "POST", "/v1/batch",
		strings.Replace(ops, `{"ops"`, `{"atomic":true,"ops"`, 1), "Idempotency-Key", "k2")
	for _, row := range m["results"].([]any) {
		require.Equal(t, 0.0, row.(map[string]any)["index"])
	}
	f.mu.Lock()
	f.ops = nil
	f.mu.Unlock()
	r = s.do("POST", "/v1/skus", `{"skus":[{"sku":"a"},{"sku":"b"}]}`)
	require.Equal(t, 200, r.status, r.text)
	require.Contains(t, r.json(t)["results"].([]any)[0], "index")
}

// TestCausesGoToTheLog checks that a client is told one plain sentence and the log the rest.
func TestCausesGoToTheLog(t *testing.T) {
	t.Parallel()
	for code := range plainDetails {
		f := newFake()
		f.answer = func(engine.Op) (engine.Result, error) {
			return engine.Result{}, fmt.Errorf("raft at 10.0.0.9: %w", codedError{code: code})
		}
		f.readErr = codedError{code: code}
		var log bytes.Buffer
		s := serve(t, f, func(c *Config) {
			c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		r := s.do("POST", "/v1/reservations", goodReserve)
		require.Equal(t, plainDetails[code], r.json(t)["detail"])
		require.Equal(t, plainDetails[code], s.do("GET", "/v1/skus/A", "").json(t)["detail"])
		require.NoError(t, s.server.Close())
		require.Contains(t, log.String(), "level=DEBUG")
		require.Contains(t, log.String(), "raft at 10.0.0.9: the store says "+code)
		require.NotContains(t, log.String(), "level=ERROR")
	}
}
