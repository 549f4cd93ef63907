package netsuitetest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// live is a server on loopback in real time.
func live(t *testing.T, cfg Config) *rig {
	t.Helper()
	if len(cfg.Items) == 0 {
		cfg.Items = testItems()
	}
	s, err := New(cfg)
	require.NoError(t, err)
	require.NoError(t, s.Start())
	t.Cleanup(s.Close)
	token, _ := s.access.grant(s.access.integrations[0])
	return &rig{Server: s, t: t, token: token}
}

// over sends a call over the network.
func (r *rig) over(method, at string, body any) (*http.Response, string, error) {
	text, err := json.Marshal(body)
	require.NoError(r.t, err)
	req, err := http.NewRequest(method, r.URL()+at, bytes.NewReader(text))
	require.NoError(r.t, err)
	req.Header.Set("Authorization", "Bearer "+r.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	return res, string(got), err
}

// TestFaultsOfCalls strikes a create with each fault and looks at what is true afterwards.
func TestFaultsOfCalls(t *testing.T) {
	t.Parallel()
	for kind, c := range map[string]struct {
		status int // 0: no answer at all
		code   string
		there  bool
	}{
		FaultConcurrency:  {429, "CONCURRENCY_LIMIT_EXCEEDED", false},
		FaultRequestLimit: {400, "SSS_REQUEST_LIMIT_EXCEEDED", false},
		FaultError:        {503, "UNEXPECTED_ERROR", false}, FaultErrorAfter: {503, "UNEXPECTED_ERROR", true},
		FaultHTML: {502, "<!DOCTYPE html>", false}, FaultHTMLAfter: {502, "<!DOCTYPE html>", true},
		FaultRecordChanged: {400, "RCRD_HAS_BEEN_CHANGED", false},
		FaultScriptRefuses: {400, "USER_ERROR", false}, FaultTimeoutBefore: {0, "", false},
		FaultTimeoutAfter: {0, "", true}, FaultResetBefore: {0, "", false},
		FaultResetAfter: {0, "", true}, FaultSlow: {204, "", true},
		FaultTokenRevoked: {401, "INVALID_LOGIN", false},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := live(t, Config{Faults: []Fault{{ID: "x", Kind: kind, Count: 1, DelayMS: 20}}})
			res, body, err := r.over("POST", records+"salesOrder", order("so", item("A", 1)))
			if c.status == 0 {
				require.Error(t, err)
			} else {
				require.NoError(t, err)
				assert.Equal(t, c.status, res.StatusCode)
				assert.Contains(t, body, c.code)
			}
			_, err = r.Find("so")
			assert.Equal(t, c.there, err == nil)
			assert.Len(t, r.Journal(Filter{Kind: "fault", Fault: "x.1"}), 1)
			assert.Len(t, r.Journal(Filter{Kind: "request", Fault: "x.1"}), 1)
			res, body, err = r.over("POST", records+"salesOrder", order("so", item("A", 1)))
			require.NoError(t, err)
			want := map[bool]int{true: 400, false: 204}[c.there]
			if kind == FaultTokenRevoked {
				want = 401 // it stays revoked
			}
			assert.Equal(t, want, res.StatusCode, body)
		})
	}
}

// TestFaultRules holds rules to their scope, their numbers and their seed.
func TestFaultRules(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	require.NoError(t, r.Break(Fault{ID: "so", Kind: FaultError, Operation: opCreate, Record: "salesOrder",
		Skip: 1, Count: 2, Status: 500, FromMS: 1000, ForMS: 60_000}))
	create := func() int { return r.post("salesOrder", order("", item("A", 1))).status }
	assert.Equal(t, 204, create(), "not yet in force")
	r.Advance(time.Second)
	assert.Equal(t, []int{204, 500, 500, 204}, []int{create(), create(), create(), create()})
	assert.Equal(t, 200, r.get("salesOrder").status)
	require.Error(t, r.Break(Fault{Kind: "nonsense"}))
	require.Error(t, r.Break(Fault{Kind: FaultError, Operation: "nonsense"}))
	require.Error(t, r.Break(Fault{Kind: FaultError, Record: "nonsense"}))
	require.Error(t, r.Break(Fault{Kind: FaultError, Status: 200}))

	run := func() string {
		x := newRig(t, Config{Faults: []Fault{{Kind: FaultError, Percent: 30}}})
		var out []string
		for range 40 {
			out = append(out, string(rune('0'+x.get("salesOrder").status/100)))
		}
		return strings.Join(out, "")
	}
	assert.Equal(t, run(), run(), "the same seed, the same faults")
	assert.Contains(t, run(), "5")
}

// TestConcurrency refuses what is over the limit while calls take their time, and counts what other
// integrations hold.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{Concurrency: 2, Latency: 300 * time.Millisecond})
		begin := time.Now()
		var mu sync.Mutex
		got := map[int]int{}
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				status := r.get("salesOrder").status
				mu.Lock()
				defer mu.Unlock()
				got[status]++
			})
		}
		all.Wait()
		assert.Equal(t, map[int]int{200: 2, 429: 4}, got)
		assert.Equal(t, 300*time.Millisecond, time.Since(begin))
		assert.Equal(t, 2, r.State().Highest)
		two := 2
		require.NoError(t, r.Run(Script{Occupied: &two}))
		out := r.get("salesOrder")
		assert.Equal(t, 429, out.status)
		assert.Empty(t, out.header.Get("Retry-After"), "nobody promises it")
	})
}

// TestRecordChanged lets somebody save a record between the load and the save of a call.
func TestRecordChanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{Latency: 300 * time.Millisecond})
		_, err := r.Enter(Orders{Lines: []OrderLine{{SKU: "A", Qty: 1}}, ExternalID: "so"})
		require.NoError(t, err)
		var got reply
		var all sync.WaitGroup
		all.Go(func() { got = r.patch("salesOrder/eid:so", m{"memo": "mine"}) })
		synctest.Wait() // the call has loaded the record, and takes its time
		require.NoError(t, r.Work(Staff{Touch: []string{"so"}}))
		all.Wait()
		assert.Equal(t, "RCRD_HAS_BEEN_CHANGED", got.code())
		assert.Nil(t, r.get("salesOrder/eid:so").body["memo"])
		r.patch("salesOrder/eid:so", m{"memo": "mine"}).id()
	})
}

// TestJobs writes asynchronously: idempotency keys, batches, and results that alone tell the truth.
func TestJobs(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	async := []string{"Prefer", "respond-async", "X-NetSuite-Idempotency-Key", "k1"}
	out := r.post("salesOrder", order("so", item("A", 1)), async...)
	require.Equal(t, 202, out.status, out.text)
	assert.Equal(t, "respond-async", out.header.Get("Preference-Applied"))
	job := strings.TrimPrefix(out.header.Get("Location"), "http://sim.test")
	again := r.post("salesOrder", order("so2", item("A", 1)), async...)
	assert.Equal(t, "IDEMPOTENCY_ERROR", again.code())
	assert.Equal(t, 400, again.status)
	assert.Equal(t, out.header.Get("Location"), again.header.Get("Location"))
	assert.Equal(t, "processing", r.send("GET", job, nil).body["progress"])
	assert.Equal(t, 404, r.send("GET", job+"/task/1/result", nil).status)
	r.Advance(jobDelay)
	assert.Equal(t, "succeeded", r.send("GET", job, nil).body["progress"])
	done := r.send("GET", job+"/task/1/result", nil)
	assert.Equal(t, 204, done.status)
	assert.Contains(t, done.header.Get("Location"), "/salesOrder/")
	sync := r.post("salesOrder", order("so", item("A", 1)), "X-NetSuite-Idempotency-Key", "k1")
	assert.Equal(t, "USER_ERROR", sync.code(), "a key does nothing to a synchronous call")

	require.NoError(t, r.Break(Fault{Kind: FaultItemFails, Skip: 1, Count: 1}))
	collection := []string{"Prefer", "respond-async", "Content-Type",
		"application/vnd.oracle.resource+json; type=collection"}
	out = r.post("salesOrder", list(order("b1", item("A", 1)), order("b2", item("A", 1)),
		order("so", item("A", 1))), collection...)
	require.Equal(t, 202, out.status, out.text)
	job = strings.TrimPrefix(out.header.Get("Location"), "http://sim.test")
	r.Advance(jobDelay)
	assert.Equal(t, "succeeded", r.send("GET", job, nil).body["progress"], "also where members failed")
	assert.Equal(t, 204, r.send("GET", job+"/task/1/result", nil).status)
	assert.Equal(t, 500, r.send("GET", job+"/task/2/result", nil).status)
	assert.Equal(t, "USER_ERROR", r.send("GET", job+"/task/3/result", nil).code())
	assert.Equal(t, 404, r.send("GET", job+"/task/4/result", nil).status)
	tasks := r.send("GET", job+"/task", nil).body["items"].([]any)
	assert.Len(t, tasks, 3)
	assert.Equal(t, "INVALID_HEADER", r.post("salesOrder", list(order("b3")), "Content-Type",
		collection[3]).code(), "a batch is asynchronous or not at all")
}

// TestControls drives the simulator as another process would.
func TestControls(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	call := func(method, at, body string) (int, m) {
		req := httptest.NewRequest(method, at, strings.NewReader(body))
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		var out m
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &out))
		return w.Code, out
	}
	code, out := call("POST", "/_sim/sales", `{"count":2,"customer":"Wholesale Ltd","location":"main",
		"lines":[{"sku":"A","qty":4,"rate":"9.5"}]}`)
	require.Equal(t, 200, code, out)
	placed := out
	number := out["orders"].([]any)[0].(m)["number"].(string)
	assert.Equal(t, "10 8 2 0", r.stock("A", "main"))
	code, out = call("POST", "/_sim/edits", `{"pack":[{"order":"`+number+`","tracking":"1Z"}],
		"bill":[{"order":"`+number+`"}],"adjust":[{"sku":"A","location":"main","to":"20"}]}`)
	require.Equal(t, 200, code, out)
	assert.Equal(t, "20 4 16 0", r.stock("A", "main"))
	assert.Equal(t, "G", r.status(number))
	assert.Equal(t, []m{{"trackingnumber": "1Z-main"}}, r.sql("SELECT trackingnumber FROM trackingnumber"))
	second := placed["orders"].([]any)[1].(m)["number"].(string)
	code, out = call("POST", "/_sim/returns", `{"order":"`+number+`","lines":[{"sku":"A","qty":5}]}`)
	assert.Equal(t, 400, code, "more than was shipped: %v", out)
	code, out = call("POST", "/_sim/returns", `{"order":"`+number+`","lines":[{"sku":"A","qty":3}],
		"received":true}`)
	require.Equal(t, 200, code, out)
	assert.Equal(t, "23 4 19 0", r.stock("A", "main"))
	code, out = call("POST", "/_sim/cancel", `{"orders":["`+second+`"]}`)
	require.Equal(t, 200, code, out)
	assert.Equal(t, "23 0 23 0", r.stock("A", "main"))
	code, _ = call("POST", "/_sim/cancel", `{"orders":["none"]}`)
	assert.Equal(t, 400, code)
	code, _ = call("POST", "/_sim/edits", `{"packs":[]}`)
	assert.Equal(t, 400, code, "a misspelt field is refused")
	code, out = call("POST", "/_sim/edits", `{"pack":[{"order":"none"}]}`)
	assert.Equal(t, 400, code, out)
	code, _ = call("POST", "/_sim/faults", `{"faults":[{"kind":"concurrency","operation":"suiteql"}],
		"assumptions":{"time_zone":"UTC"}}`)
	assert.Equal(t, 200, code)
	assert.Equal(t, 429, r.sqlPage("SELECT 1 FROM dual", "").status)
	code, _ = call("POST", "/_sim/faults", `{"clear":true,"assumptions":{"time_zone":"Nowhere"}}`)
	assert.Equal(t, 400, code)
	code, _ = call("POST", "/_sim/faults", `{"clear":true}`)
	assert.Equal(t, 200, code)
	assert.Equal(t, []m{{"zone": "+00:00"}}, r.sql("SELECT TO_CHAR(SYSTIMESTAMP,'TZH:TZM') zone FROM dual"))
	_, out = call("POST", "/_sim/clock", `{"advance_ms":60000}`)
	assert.Equal(t, "2026-11-23T17:01:00Z", out["now"])
	_, out = call("GET", "/_sim/state", "")
	assert.Len(t, out["transactions"], 7)
	_, out = call("GET", "/_sim/journal?kind=record&cause=staff&type=salesOrder", "")
	assert.Len(t, out["entries"], 3)
	code, _ = call("POST", "/_sim/access", `{"revoke":true}`)
	assert.Equal(t, 200, code)
	assert.Equal(t, 401, r.get("salesOrder").status)
	code, _ = call("GET", "/_sim/nothing", "")
	assert.Equal(t, 404, code)
	_, err := ParseScript([]byte(`{"falts":[]}`))
	assert.ErrorContains(t, err, "falts")
	_, err = New(Config{Items: []ItemConfig{{SKU: "X", Price: "1e3", Stock: map[string]string{"mars": "1"},
		Members: []MemberConfig{{SKU: "Y", Qty: 1}}}}, ClosedThrough: "yesterday", Speed: -1})
	for _, what := range []string{"price", "mars", "member", "closed through"} {
		assert.ErrorContains(t, err, what)
	}
}
