package httpapi

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// seamCodes are the codes that errors of the store carry.
var seamCodes = []string{"no-leader", "overloaded", "disk-full", "outcome-unknown", "events-gone",
	"too-far", "too-large", "invalid", "unknown-member", "member-exists", "last-voter",
	"majority-at-risk", "member-behind", "member-healthy", "unknown-mapping", "unknown-order",
	"version-conflict", "unknown-task", "unknown-exception", "unknown-slot", "unknown-webhook",
	"unknown-delivery"}

// contractCodes are the statuses that the contract lists for clients to tell apart.
var contractCodes = map[string]int{
	"insufficient-stock": 409, "id-conflict": 422, "idempotency-conflict": 422, "unknown-sku": 404,
	"unknown-location": 404, "unknown-channel": 404, "unknown-reservation": 404,
	"wrong-state": 409, "not-master": 409, "in-use": 409, "expired": 410, "events-gone": 410,
	"not-attempted": 424, "invalid": 400, "too-large": 413, "unauthenticated": 401,
	"forbidden": 403, "rate-limited": 429, "overloaded": 503, "no-leader": 503, "disk-full": 507,
	"too-far": 422, "outcome-unknown": 504, "idempotency-key-required": 400,
}

func TestEveryRefusalAndErrorIsInTheTable(t *testing.T) {
	t.Parallel()
	for _, r := range engine.Refusals() {
		p := refused(&engine.Result{Refusal: r, Index: 3}, nil)
		require.Equal(t, r.String(), p.code)
		checkProblem(t, p)
	}
	for _, code := range seamCodes {
		p := problemOf(codedError{code: code, leader: "n2"}, true)
		require.Equal(t, code, p.code)
		require.Equal(t, "n2", p.leader)
		checkProblem(t, p)
	}
	for code, status := range contractCodes {
		require.Equal(t, status, outcomeOf(code).status, code)
		require.Equal(t, code, outcomeOf(code).code)
	}
	seen := map[string]bool{}
	for _, o := range outcomeRows {
		require.False(t, seen[o.code], "%s stands twice", o.code)
		seen[o.code] = true
		checkProblem(t, newProblem(o.code, "detail"))
	}
}

// checkProblem checks what RFC 9457 and the contract ask of every problem.
func checkProblem(t *testing.T, p *problem) {
	t.Helper()
	require.NotEmpty(t, p.title)
	require.NotEmpty(t, p.promise)
	require.GreaterOrEqual(t, p.httpStatus(), 400)
	var m map[string]any
	require.NoError(t, json.Unmarshal(appendProblem(nil, p), &m))
	require.Equal(t, "/problems/"+p.code, m["type"])
	require.Equal(t, float64(p.httpStatus()), m["status"])
	require.NotEmpty(t, m["detail"])
	retry := p.httpStatus() == 429 || p.httpStatus() == 503
	require.Equal(t, retry, p.retryAfterSeconds() > 0)
}

func TestProblemPages(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake())
	for _, o := range outcomeRows {
		m := s.do("GET", "/problems/"+o.code, "").json(t)
		require.Equal(t, o.title, m["title"])
		require.Equal(t, float64(o.status), m["status"])
		page := s.do("GET", "/problems/"+o.code, "", "Accept", "text/html")
		require.Contains(t, page.text, o.promise)
	}
	s.problem(404, "not-found", "GET", "/problems/no-such", "")
	require.Len(t, s.do("GET", "/problems", "").json(t)["items"], len(outcomeRows))
}

func TestRetryAfterIsRoundedUp(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]int64{0: 1, time.Millisecond: 1, time.Second: 1,
		1001 * time.Millisecond: 2} {
		p := newProblem(codeNoLeader, "x")
		p.retryAfter = after
		require.Equal(t, want, p.retryAfterSeconds())
	}
}
