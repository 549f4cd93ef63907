package httpapi

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/answers"
	"holdfast/adapters/exceptions"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
	"holdfast/adapters/routing"
	"holdfast/engine"
)

// TestEveryWriteKnowsItsKey: whatever takes an Idempotency-Key has somebody who remembers the answer.
func TestEveryWriteKnowsItsKey(t *testing.T) {
	t.Parallel()
	for _, r := range routes() {
		ledgers := false // the ledger remembers what it was told as one command
		for _, prefix := range []string{"/v1/locations", "/v1/channels", "/v1/skus", "/v1/stock",
			"/v1/reservations", batchPattern} {
			ledgers = ledgers || r.pattern == prefix || strings.HasPrefix(r.pattern, prefix+"/")
		}
		if r.pattern == "/v1/keys" || r.pattern == "/v1/keys/{id}" {
			continue // the desk knows its keys, as the secret in the answer is kept nowhere; to revoke is once
		}
		if r.write {
			require.NotEqual(t, ledgers, r.kept, "%s %s", r.method, r.pattern)
		}
		if r.method == "PUT" || r.method == "DELETE" {
			require.True(t, r.write || r.pattern == "/v1/cluster/members/{id}", r.pattern)
		}
	}
}

// onceSite serves an exception, two tasks and the routing, with their answers kept.
func onceSite(t *testing.T, change ...func(*Config)) (*site, *recordstest.Store) {
	t.Helper()
	store := recordstest.New(recordstest.Options{})
	tasks := outbox.NewDesk(outbox.DeskConfig{Store: store, Now: time.Now})
	var tx records.Tx
	for _, key := range []string{"one", "two"} {
		outbox.Enqueue(&tx, outbox.Task{Kind: "erp.order", Key: key, CreatedAt: time.Now()})
	}
	require.NoError(t, exceptions.Raise(t.Context(), store, &tx, exceptions.Exception{Trace: "x",
		Class: exceptions.Data, Code: "c", Detail: "d", LastAt: time.Now()}))
	_, err := store.Submit(t.Context(), &tx)
	require.NoError(t, err)
	all := append([]func(*Config){func(c *Config) {
		c.Tasks, c.Exceptions = tasks, exceptions.NewDesk(store, tasks, time.Now)
		c.Routing = routing.NewBook(store)
		c.Answers = answers.New(store, time.Now)
	}}, change...)
	return serve(t, newLocal(t), all...), store
}

func TestAKeyIsOneCommandOfTheSyncCore(t *testing.T) {
	t.Parallel()
	s, _ := onceSite(t)
	exception := "/v1/exceptions/" + exceptions.ID("x") + "/resolve"
	for _, row := range []struct{ method, path, body, same, other string }{
		{"POST", exception, `{"note":"seen"}`, ` { "note" : "seen" }`, `{"note":"other"}`},
		{"POST", "/v1/tasks/erp.order:one/done", `{"result":{"a":1,"b":2}}`,
			`{"result":{"b":2,"a":1}}`, `{"result":{"a":3}}`},
		{"POST", "/v1/tasks/erp.order:two/done", ``, `{}`, `{"result":1}`},
		{"POST", "/v1/exceptions/bulk", `{"action":"resolve","ids":["a"]}`,
			`{"ids":["a"],"action":"resolve"}`, `{"action":"resolve","ids":["b"]}`},
		{"PUT", "/v1/routing", `{"rules":[]}`, `{"rules": []}`,
			`{"rules":[{"id":"r","then":{"hold":"why"}}]}`},
	} {
		first := s.do(row.method, row.path, row.body, headerKey, "k")
		require.Equal(t, 200, first.status, first.text)
		require.Empty(t, first.header.Get(headerReplayed))
		again := s.do(row.method, row.path, row.same, headerKey, "k")
		require.Equal(t, 200, again.status, again.text)
		require.Equal(t, "true", again.header.Get(headerReplayed), row.path)
		require.Equal(t, first.header.Get(headerIndex), again.header.Get(headerIndex), row.path)
		require.Equal(t, first.header.Get("ETag"), again.header.Get("ETag"))
		require.JSONEq(t, first.text, again.text)
		s.problem(422, "idempotency-conflict", row.method, row.path, row.other, headerKey, "k")
	}
	require.Equal(t, "0", func() string { // what the other command said was not done
		rules, _ := s.do("GET", "/v1/routing", "").json(t)["rules"].([]any)
		return string(rune('0' + len(rules)))
	}())
}

func TestARefusalIsKeptAndAFaultOfTheCallIsNot(t *testing.T) {
	t.Parallel()
	s, _ := onceSite(t)
	path := "/v1/tasks/erp.order:gone/done"
	s.problem(404, "unknown-task", "POST", path, "{}", headerKey, "k")
	again := s.do("POST", path, "{}", headerKey, "k")
	require.Equal(t, 404, again.status)
	require.Equal(t, "true", again.header.Get(headerReplayed))
	require.Equal(t, problemType, again.header.Get("Content-Type"))
	s.problem(422, "idempotency-conflict", "POST", path, `{"result":1}`, headerKey, "k")

	path = "/v1/tasks/erp.order:one/done"
	s.problem(400, "invalid", "POST", path, `{"no":1}`, headerKey, "k")
	require.Equal(t, 200, s.do("POST", path, "{}", headerKey, "k").status, "the key was let go")
}

// brokenTasks do a task, and say that it is not known whether they did.
type brokenTasks struct {
	Tasks
	broken bool
}

func (b *brokenTasks) Done(ctx context.Context, told outbox.Told) (outbox.View, records.Outcome, error) {
	v, o, err := b.Tasks.Done(ctx, told)
	if b.broken {
		err = context.DeadlineExceeded
	}
	return v, o, err
}

// TestAnUnknownOutcomeKeepsItsCommand: the key stays with what was asked, and the same call again
// finds out.
func TestAnUnknownOutcomeKeepsItsCommand(t *testing.T) {
	t.Parallel()
	tasks := &brokenTasks{broken: true}
	s, _ := onceSite(t, func(c *Config) { tasks.Tasks = c.Tasks; c.Tasks = tasks })
	const path = "/v1/tasks/erp.order:one/done"
	s.problem(504, "outcome-unknown", "POST", path, `{"result":1}`, headerKey, "k")
	tasks.broken = false
	s.problem(422, "idempotency-conflict", "POST", path, `{"result":2}`, headerKey, "k")
	require.Equal(t, 200, s.do("POST", path, `{"result":1}`, headerKey, "k").status)
}

// noAnswers is a store of answers that cannot be reached.
type noAnswers struct{ Answers }

func (noAnswers) Claim(context.Context, engine.Key, string) (answers.Answer, bool, error) {
	return answers.Answer{}, false, errors.New("no disk")
}

// TestNothingIsDoneWithoutItsClaim: a key that cannot be claimed keeps its call from being done.
func TestNothingIsDoneWithoutItsClaim(t *testing.T) {
	t.Parallel()
	s, _ := onceSite(t, func(c *Config) { c.Answers = noAnswers{} })
	s.problem(500, "internal", "POST", "/v1/tasks/erp.order:one/done", "{}", headerKey, "k")
	require.Equal(t, "queued", s.do("GET", "/v1/tasks/erp.order:one", "").json(t)["state"])
}
