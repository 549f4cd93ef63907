package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
)

// picky is an executor that takes only payloads with a v.
type picky struct{}

func (picky) Do(context.Context, outbox.Task) (outbox.Finish, error) { return outbox.Finish{}, nil }

func (picky) Check(t outbox.Task) error {
	if !strings.Contains(string(t.Payload), `"v"`) {
		return errors.New("v is required")
	}
	return nil
}

// syncSite serves the tasks and exceptions of a twin of the store.
func syncSite(t *testing.T) (*site, *recordstest.Store) {
	t.Helper()
	store := recordstest.New(recordstest.Options{})
	tasks := outbox.NewDesk(outbox.DeskConfig{Store: store, Now: time.Now,
		Executors: map[string]outbox.Executor{"shopify.order": picky{}}})
	s := serve(t, newLocal(t), func(c *Config) {
		c.Tasks, c.Exceptions = tasks, exceptions.NewDesk(store, tasks, time.Now)
	})
	return s, store
}

func write1(t *testing.T, store records.Store, build func(tx *records.Tx) error) {
	t.Helper()
	o, err := records.Retry(t.Context(), store, build)
	require.NoError(t, err)
	require.False(t, o.Conflict)
}

func ids(r reply) (all []string) {
	var page struct{ Items []struct{ ID string } }
	if json.Unmarshal([]byte(r.text), &page) == nil {
		for _, i := range page.Items {
			all = append(all, i.ID)
		}
	}
	return all
}

func TestTasksOverHTTP(t *testing.T) {
	t.Parallel()
	s, store := syncSite(t)
	write1(t, store, func(tx *records.Tx) error {
		for i := range 3 {
			key := fmt.Sprint("shopify:shop/é:", i)
			outbox.Enqueue(tx, outbox.Task{Kind: "erp.order", Key: key, CreatedAt: time.Now()})
			outbox.Enqueue(tx, outbox.Task{Kind: "shopify.order", Key: key, Connection: "shop",
				CreatedAt: time.Now(), Payload: json.RawMessage(`{"a":1}`)})
		}
		return nil
	})
	require.Len(t, ids(s.do("GET", "/v1/tasks", "")), 6)
	require.Len(t, ids(s.do("GET", "/v1/tasks?kind=erp.order&state=queued", "")), 3)
	require.Empty(t, ids(s.do("GET", "/v1/tasks?kind=erp", "")), "a kind is not a prefix")
	require.Len(t, ids(s.do("GET", "/v1/tasks?connection=shop", "")), 3)
	require.Equal(t, []string{"shopify.order:shopify:shop/é:1"},
		ids(s.do("GET", "/v1/tasks?connection=shop&key=shopify:shop/%C3%A9:1", "")))
	require.Equal(t, `{"items":[]}`, s.do("GET", "/v1/tasks?state=failed", "").text)

	var all []string
	for path, n := "/v1/tasks?limit=4", 0; path != "" && n < 9; n++ {
		r := s.do("GET", path, "")
		all = append(all, ids(r)...)
		path = ""
		if next, ok := r.json(t)["next"]; ok {
			path = "/v1/tasks?limit=4&after=" + next.(string)
		}
	}
	require.Len(t, all, 6)

	done := "/v1/tasks/erp.order:shopify:shop%2F%C3%A9:1/done"
	r := s.do("POST", done, `{"result":{"id":"SO1"}}`, "Idempotency-Key", "k1")
	require.Equal(t, 200, r.status, r.text)
	require.Equal(t, "done", r.json(t)["state"])
	index := r.header.Get("Holdfast-Index")
	require.NotEmpty(t, index)
	r = s.do("POST", done, `{"result":{"id":"SO1"}}`, "Idempotency-Key", "k1")
	require.Equal(t, "true", r.header.Get("Idempotency-Replayed"))
	require.Equal(t, index, r.header.Get("Holdfast-Index"))
	r = s.do("POST", done, "")
	require.Equal(t, 200, r.status, "it is done")
	require.Equal(t, map[string]any{"id": "SO1"}, r.json(t)["result"])
	require.Equal(t, r.text, s.do("GET", strings.TrimSuffix(done, "/done"), "").text)

	require.Equal(t, 200, s.do("POST", done, `{ "result" : {"id":"SO1"} }`).status, "the same again")
	s.problem(409, "wrong-state", "POST", done, `{"result":{"id":"SO2"}}`)
	require.Equal(t, map[string]any{"id": "SO1"}, s.do("POST", done, "").json(t)["result"])
	big := "/v1/tasks/erp.order:shopify:shop%2F%C3%A9:2/done"
	require.Equal(t, 200, s.do("POST", big, `{"result":9007199254740993}`).status)
	s.problem(409, "wrong-state", "POST", big, `{"result":9007199254740992}`)

	s.problem(404, "unknown-task", "POST", "/v1/tasks/nope/done", "")
	s.problem(404, "unknown-task", "GET", "/v1/tasks/nope", "")
	for _, x := range []struct{ method, path, body, at string }{
		{"GET", "/v1/tasks?state=lost", "", "state"},
		{"GET", "/v1/tasks?limit=0", "", "limit"},
		{"GET", "/v1/tasks?after=x", "", "after"},
		{"GET", "/v1/tasks?sku=A", "", "sku"},
		{"POST", done, `{"result":1,"more":2}`, "more"},
		{"POST", done, `{"result":"` + strings.Repeat("x", outbox.MaxResult) + `"}`, "result"},
	} {
		m := s.problem(400, "invalid", x.method, x.path, x.body)
		require.Equal(t, x.at, m["at"], x.path)
	}
}

func TestExceptionsOverHTTP(t *testing.T) {
	t.Parallel()
	s, store := syncSite(t)
	write1(t, store, func(tx *records.Tx) error {
		task := outbox.Task{Kind: "shopify.order", Key: "o1", CreatedAt: time.Now()}
		outbox.Enqueue(tx, task)
		w := &tx.Writes[0]
		task.ID, task.State, task.Raised = w.Key, outbox.Failed, true
		w.State, w.Body = uint8(outbox.Failed), tx.Encode(task)
		for _, trace := range []string{"task:shopify.order:o1", "mapping:a", "mapping:b"} {
			e := exceptions.Exception{Trace: trace, Class: exceptions.Data, Code: "unmapped-sku",
				Key: "k", Flow: "F3", Detail: "d", LastAt: time.Now(),
				Payload: json.RawMessage(`{"line":1}`)}
			if strings.HasPrefix(trace, "task:") {
				e.Task, e.Class = "shopify.order:o1", exceptions.Conflict
			}
			if err := exceptions.Raise(t.Context(), store, tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	require.Len(t, ids(s.do("GET", "/v1/exceptions", "")), 3)
	require.Len(t, ids(s.do("GET", "/v1/exceptions?class=data&state=open&limit=1", "")), 1)
	require.Len(t, ids(s.do("GET", "/v1/exceptions?code=unmapped-sku&flow=F3&key=k", "")), 3)
	require.Empty(t, ids(s.do("GET", "/v1/exceptions?connection=other", "")))

	id := exceptions.ID("task:shopify.order:o1")
	one := s.do("GET", "/v1/exceptions/"+id, "").json(t)
	require.Equal(t, map[string]any{"line": 1.0}, one["payload"])
	require.Equal(t, []any{"retry", "edit", "resolve"}, one["actions"])
	m := s.problem(400, "invalid", "POST", "/v1/exceptions/"+id+"/retry", `{"payload":{"x":1}}`)
	require.Equal(t, "payload", m["at"])
	r := s.do("POST", "/v1/exceptions/"+id+"/retry", `{"payload":{"v":1}}`, "Idempotency-Key", "k")
	require.Equal(t, 200, r.status, r.text)
	require.Equal(t, "retrying", r.json(t)["state"])
	again := s.do("POST", "/v1/exceptions/"+id+"/retry", `{"payload":{"v":1}}`, "Idempotency-Key", "k")
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
	require.Equal(t, []string{"shopify.order:o1"}, ids(s.do("GET", "/v1/tasks?state=queued", "")))
	s.problem(409, "wrong-state", "POST", "/v1/exceptions/"+id+"/retry", "")

	r = s.do("POST", "/v1/exceptions/"+exceptions.ID("mapping:a")+"/resolve", `{"note":"gone"}`)
	require.Equal(t, 200, r.status, r.text)
	require.Equal(t, []any{"resolved", "local", "gone"},
		[]any{r.json(t)["state"], r.json(t)["closed_by"], r.json(t)["note"]})
	s.problem(409, "wrong-state", "POST", "/v1/exceptions/"+exceptions.ID("mapping:a")+"/resolve", "")
	s.problem(404, "unknown-exception", "POST", "/v1/exceptions/nope/retry", "")
	s.problem(404, "unknown-exception", "GET", "/v1/exceptions/nope", "")

	r = s.do("POST", "/v1/exceptions/bulk", `{"action":"resolve","filter":{"class":"data"}}`)
	require.Equal(t, 200, r.status, r.text)
	require.Equal(t, []string{exceptions.ID("mapping:b")}, ids(r))
	require.Equal(t, false, r.json(t)["more"])
	r = s.do("POST", "/v1/exceptions/bulk", `{"action":"retry","ids":["nope"]}`)
	require.Contains(t, r.text, `"status":404,"code":"unknown-exception"`)
	for body, at := range map[string]string{
		`{"action":"map","ids":["a"]}`:                                              "action",
		`{"action":"retry"}`:                                                        "ids",
		`{"action":"retry","ids":["a"],"filter":{"class":"x"}}`:                     "filter.class",
		`{"action":"retry","ids":["a"],"filter":{"code":"x"}}`:                      "filter",
		`{"action":"retry","ids":"a"}`:                                              "ids",
		`{"action":"retry","filter":{"state":"lost"}}`:                              "filter.state",
		`{"action":"retry","ids":["a"],"note":"` + strings.Repeat("x", 1025) + `"}`: "note",
	} {
		m := s.problem(400, "invalid", "POST", "/v1/exceptions/bulk", body)
		require.Equal(t, at, m["at"], body)
	}
	store.Fail(func(*records.Tx) recordstest.Failure { return recordstest.NoLeader })
	s.problem(503, "no-leader", "GET", "/v1/exceptions", "")
	s.problem(503, "no-leader", "POST", "/v1/tasks/shopify.order:o1/done", "")
	store.Fail(func(tx *records.Tx) recordstest.Failure {
		if tx == nil {
			return recordstest.Works
		}
		return recordstest.UnknownAfter
	})
	s.problem(504, "outcome-unknown", "POST", "/v1/tasks/shopify.order:o1/done", "")
}

func TestWithoutASyncCore(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake())
	for _, path := range []string{"/v1/tasks", "/v1/tasks/a", "/v1/exceptions", "/v1/exceptions/a"} {
		s.problem(404, "not-found", "GET", path, "")
	}
	for _, path := range []string{"/v1/tasks/a/done", "/v1/exceptions/a/retry",
		"/v1/exceptions/a/resolve", "/v1/exceptions/bulk"} {
		s.problem(404, "not-found", "POST", path, "")
	}
}
