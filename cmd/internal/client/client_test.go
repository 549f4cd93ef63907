package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// serve answers every request with do and counts them.
func serve(t *testing.T, do http.HandlerFunc) (*Client, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		do(w, r)
	}))
	t.Cleanup(s.Close)
	c := New(Config{Server: s.URL, Key: "hf_k", Timeout: 5 * time.Second})
	t.Cleanup(c.Close)
	return c, &n
}

// nobody is the URL of a port that nobody listens on.
func nobody(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	return "http://" + ln.Addr().String()
}

func problem(w http.ResponseWriter, status int, code, extra string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Retry-After", "2")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"type":"/problems/%s","title":"T","status":%d,"detail":"why","code":%q%s}`,
		code, status, code, extra)
}

func TestCallCarriesKeyBodyAndRight(t *testing.T) {
	t.Parallel()
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&body))
		assert.Equal(t, map[string]any{"a": 1.0}, body)
		assert.Equal(t, "Bearer hf_k", r.Header.Get("Authorization"))
		assert.Equal(t, "k1", r.Header.Get("Idempotency-Key"))
		assert.Equal(t, "/v1/x%2Fy", r.URL.EscapedPath())
		w.Header().Set("Holdfast-Index", "7")
		w.Header().Set("Idempotency-Replayed", "true")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"b":2}`)
	})
	var out struct{ B int }
	reply, err := c.Do(context.Background(), Call{Method: "POST", Path: "/v1/" + Segment("x/y"),
		Body: map[string]int{"a": 1}, Key: "k1"}, &out)
	require.NoError(t, err)
	assert.Equal(t, 2, out.B)
	assert.Equal(t, Reply{Status: 201, Index: 7, Replayed: true, Body: []byte(`{"b":2}`)}, reply)
}

func TestProblemsReadWell(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status                  int
		code, extra, want       string
		refused, later, unknown bool
	}{
		{409, "insufficient-stock", `,"short":[{"sku":"A","wanted":2,"sellable":1}]`,
			"insufficient-stock: why\n  A: wanted 2, can be sold 1\n  what to do: " +
				"`holdfast stock explain SKU --channel C` shows why no more can be sold (again in 2s)",
			true, false, false},
		{409, "not-master", `,"at":"changes[3]"`, "not-master: why (at changes[3])\n  what to do: " +
			"another system says what is on hand there: name it as source (again in 2s)",
			true, false, false},
		{503, "no-leader", "", "no-leader: why\n  what to do: nothing happened; an election " +
			"is on, see `holdfast cluster status` (again in 2s)", false, true, false},
		{507, "disk-full", "", "disk-full: why\n  what to do: free space on the nodes' disks; " +
			"nothing happened (again in 2s)", false, true, false},
		{429, "rate-limited", "", "rate-limited: why\n  what to do: ask less often, or wait as long " +
			"as the server says (again in 2s)", false, true, false},
		{504, "outcome-unknown", "", "outcome-unknown: why\n  what to do: send the same again with " +
			"the same key; it has one effect (again in 2s)", false, false, true},
		{410, "expired", "", "expired: why", true, false, false},
	} {
		cl, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			problem(w, c.status, c.code, c.extra)
		})
		_, err := cl.Do(context.Background(), Call{Method: "POST", Path: "/v1/x"}, nil)
		var p *Problem
		require.ErrorAs(t, err, &p, c.code)
		assert.Equal(t, c.want, p.Error())
		assert.Equal(t, 2*time.Second, p.RetryAfter)
		assert.Equal(t, []bool{c.refused, c.later, c.unknown},
			[]bool{p.Refused(), p.Later(), p.Unknown()}, c.code)
		assert.Equal(t, c.unknown, IsUnknown(err))
	}
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	away := New(Config{Server: nobody(t)})
	cut, _ := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for _, c := range []struct {
		name    string
		client  *Client
		call    Call
		unknown bool
	}{
		{"read, nobody there", away, Call{Path: "/x"}, false},
		{"write, nobody there", away, Call{Method: "POST", Path: "/x"}, false},
		{"read, cut off", cut, Call{Path: "/x"}, false},
		{"write, cut off", cut, Call{Method: "POST", Path: "/x"}, true},
		{"write with key, cut off", cut, Call{Method: "POST", Path: "/x", Key: "k"}, true},
	} {
		_, err := c.client.Do(context.Background(), c.call, nil)
		var unreachable *UnreachableError
		assert.Equal(t, c.unknown, IsUnknown(err), c.name)
		assert.Equal(t, !c.unknown, errors.As(err, &unreachable), c.name)
		assert.Contains(t, err.Error(), "what to do", c.name)
		assert.Equal(t, !c.unknown || c.call.Key != "", Repeatable(err, c.call.Key != ""), c.name)
	}
}

func TestRetryRepeatsOnlyWhatIsSafe(t *testing.T) {
	t.Parallel()
	fast := Retry{First: time.Millisecond, Most: 2 * time.Millisecond}
	for _, c := range []struct {
		name   string
		status int
		key    string
		want   int64 // requests until the end
	}{
		{"no leader", 503, "", 3},
		{"unknown with key", 504, "k", 3},
		{"unknown without key", 504, "", 1},
		{"fault with key", 500, "k", 3},
		{"refusal", 409, "k", 1},
	} {
		n := new(atomic.Int64)
		cl, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if n.Add(1) < 3 {
				problem(w, c.status, "x", "")
			}
		})
		_, err := DoRetry(context.Background(), []*Client{cl}, 0, fast,
			Call{Method: "POST", Path: "/", Key: c.key}, nil)
		assert.Equal(t, c.want, n.Load(), c.name)
		assert.Equal(t, c.want == 1, err != nil, c.name)
	}
}

func TestRetryGoesRoundTheServersAndGivesUp(t *testing.T) {
	t.Parallel()
	away := New(Config{Server: nobody(t)})
	good, n := serve(t, func(http.ResponseWriter, *http.Request) {})
	tries := 0
	_, err := DoRetry(context.Background(), []*Client{away, good}, 0,
		Retry{First: time.Millisecond, Notify: func(int, error) { tries++ }}, Call{Path: "/"}, nil)
	require.NoError(t, err)
	assert.Equal(t, []int64{1, 1}, []int64{n.Load(), int64(tries)})
	_, err = DoRetry(context.Background(), []*Client{away}, 0,
		Retry{For: 5 * time.Millisecond, First: time.Millisecond}, Call{Path: "/"}, nil)
	var gone *UnreachableError
	require.ErrorAs(t, err, &gone)
}

// TestWriteOnBrokenKeptConnectionIsUnknown: the transport sends a keyed request again by itself when
// the kept connection breaks, and that second dial may find nobody. The first may have been read.
func TestWriteOnBrokenKeptConnectionIsUnknown(t *testing.T) {
	t.Parallel()
	var s *httptest.Server
	var read atomic.Int32
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if read.Add(1) == 1 {
			fmt.Fprint(w, `{}`)
			return
		}
		_ = s.Listener.Close() // nobody listens any more, and this connection breaks
		conn, _, err := http.NewResponseController(w).Hijack()
		assert.NoError(t, err)
		assert.NoError(t, conn.Close())
	}))
	t.Cleanup(s.Close)
	c := New(Config{Server: s.URL, Timeout: 5 * time.Second})
	t.Cleanup(c.Close)
	call := Call{Method: "POST", Path: "/v1/stock", Body: map[string]int{}, Key: "k"}
	_, err := c.Do(context.Background(), call, nil)
	require.NoError(t, err)
	_, err = c.Do(context.Background(), call, nil)
	assert.True(t, IsUnknown(err), "%v", err)
	assert.EqualValues(t, 2, read.Load(), "the server has read it")
}
