package httpapi

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/outhooks"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
)

// outhookSite serves the webhooks of a twin of the store, with their book in memory.
func outhookSite(t *testing.T) (*site, *recordstest.Store, *outhooks.Book) {
	t.Helper()
	store := recordstest.New(recordstest.Options{})
	book := outhooks.NewBook(store, time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = book.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	<-book.Loaded()
	tasks := outbox.NewDesk(outbox.DeskConfig{Store: store, Now: time.Now,
		Executors: map[string]outbox.Executor{outhooks.TaskKind: picky{}},
		Gate:      outhooks.Gate{Book: book, Next: nil}})
	return serve(t, newLocal(t), func(c *Config) {
		c.Outhooks, c.Tasks = &outhooks.Desk{Book: book, Tasks: tasks}, tasks
	}), store, book
}

// must makes a call that must be answered with a status.
func must(s *site, status int, method, path, body string, headers ...string) reply {
	s.t.Helper()
	r := s.do(method, path, body, headers...)
	require.Equal(s.t, status, r.status, r.text)
	return r
}

const outhookDocument = `{"url":"https://erp.example/hooks","events":["order.*"],"connection":"3pl",
	"secrets":["env:HOOK","file:/run/old"],"note":"the books"}`

func TestWebhooksAreKeptAndShown(t *testing.T) {
	t.Parallel()
	s, _, _ := outhookSite(t)
	put := must(s, 200, "PUT", "/v1/webhooks/erp", outhookDocument)
	require.Contains(t, put.text, `"mode":"on"`)
	got := must(s, 200, "GET", "/v1/webhooks/erp", "")
	must(s, 200, "PUT", "/v1/webhooks/erp", got.text) // what GET shows can be edited and sent back
	require.Equal(t, []string{"erp"}, ids(must(s, 200, "GET", "/v1/webhooks", "")))

	p := s.problem(400, "invalid", "PUT", "/v1/webhooks/erp", `{"url":"http://erp.example","secrets":["whsec_x"]}`)
	require.Contains(t, p["detail"], "url must be https")
	require.Contains(t, p["detail"], "secrets[0] must be env:NAME")
	require.NotContains(t, p["detail"], "whsec_x")
	s.problem(400, "invalid", "PUT", "/v1/webhooks/erp", `{"id":"other"}`)
	s.problem(400, "invalid", "PUT", "/v1/webhooks/erp", `{"urll":"x"}`)
	s.problem(404, "unknown-webhook", "GET", "/v1/webhooks/none", "")
	s.problem(404, "unknown-webhook", "GET", "/v1/webhooks/none/deliveries", "")
	s.problem(404, "unknown-webhook", "POST", "/v1/webhooks/none/test", "")
	s.problem(404, "unknown-webhook", "DELETE", "/v1/webhooks/none", "")
	must(s, 200, "DELETE", "/v1/webhooks/erp", "")
	require.Empty(t, ids(must(s, 200, "GET", "/v1/webhooks", "")))
}

func TestDeliveriesAreShownAndSentAgain(t *testing.T) {
	t.Parallel()
	s, store, book := outhookSite(t)
	must(s, 200, "PUT", "/v1/webhooks/erp", outhookDocument)
	require.Eventually(t, func() bool { // until the book follows
		write1(t, store, func(tx *records.Tx) error {
			tx.Put(records.Record{Table: records.Cursors, Key: "o"})
			return book.Tell(t.Context(), tx, orders.Happening{Event: orders.Created, Order: "o1", At: time.Now()})
		})
		return len(ids(must(s, 200, "GET", "/v1/webhooks/erp/deliveries?state=queued", ""))) > 0
	}, 10*time.Second, time.Millisecond)
	list := must(s, 200, "GET", "/v1/webhooks/erp/deliveries?limit=1", "")
	require.Contains(t, list.text, `"type":"order.created"`)
	id := ids(list)[0]
	again := must(s, 200, "POST", "/v1/webhooks/erp/replay", `{"ids":["`+id+`"]}`)
	require.JSONEq(t, `{"replayed":1}`, again.text)
	again = must(s, 200, "POST", "/v1/webhooks/erp/replay", `{"from":"2026-01-01T00:00:00Z","state":"failed"}`)
	require.JSONEq(t, `{"replayed":0}`, again.text)
	s.problem(404, "unknown-delivery", "POST", "/v1/webhooks/erp/replay", `{"ids":["msg_x"]}`)
	s.problem(400, "invalid", "POST", "/v1/webhooks/erp/replay", `{}`)
	s.problem(400, "invalid", "POST", "/v1/webhooks/erp/replay", `{"ids":["a"],"state":"odd"}`)
	s.problem(400, "invalid", "GET", "/v1/webhooks/erp/deliveries?state=odd", "")
	ping := must(s, 202, "POST", "/v1/webhooks/erp/test", "")
	var made struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(ping.text), &made))
	require.Contains(t, ids(must(s, 200, "GET", "/v1/webhooks/erp/deliveries", "")), made.ID)
}

func TestAServerWithoutWebhooks(t *testing.T) {
	t.Parallel()
	s := serve(t, newLocal(t), func(*Config) {})
	s.problem(404, "not-found", "GET", "/v1/webhooks", "")
	s.problem(404, "not-found", "GET", "/v1/webhooks/erp", "")
}
