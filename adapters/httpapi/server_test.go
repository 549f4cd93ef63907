package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

const goodReserve = `{"id":"r1","channel":"web","lines":[{"sku":"A","qty":2}]}`

func TestReserveIsSubmittedAndAnswered(t *testing.T) {
	t.Parallel()
	f := newFake()
	s := serve(t, f)
	r := s.do("POST", "/v1/reservations", `{"id":"r1","channel":"web","lines":[`+
		`{"sku":"A\u00e9","qty":2,"location":"main","ref":"l\n1"}],"ttl_ms":5000,"mode":"dip"}`,
		"X-Request-Id", "abc")
	require.Equal(t, 400, r.status, "a ref must have no control characters")
	r = s.do("POST", "/v1/reservations", `{"id":"r1","channel":"web","lines":[`+
		`{"sku":"A\u00e9","qty":2,"location":"main","ref":"l1"}],"ttl_ms":5000,"mode":"dip"}`,
		"X-Request-Id", "abc")
	require.Equal(t, 201, r.status, r.text)
	require.Equal(t, "1", r.header.Get("Holdfast-Index"))
	require.Equal(t, "abc", r.header.Get("X-Request-Id"))
	require.Equal(t, []engine.Op{{Command: &engine.Reserve{ID: "r1", Channel: "web",
		Mode: engine.Dip, TTL: 5000, Lines: []engine.Line{
			{SKU: "Aé", Qty: 2, Location: "main", Ref: "l1"}}}}}, f.submitted())
	require.JSONEq(t, `{"id":"r1","state":"held","channel":"web","mode":"dip","index":1,
		"expires_at":"1970-01-01T00:00:01.000Z","lines":[{"line":1,"ref":"l1","sku":"Aé","qty":2,
		"wanted":2,"held":2,"committed":0,"short":0,"shipped":0,"released":0,"expired":0,"returned":0,
		"allocations":[]}]}`, r.text)
}

func TestKeysAreScopedAndReplaysAreMarked(t *testing.T) {
	t.Parallel()
	f := newFake()
	s := serve(t, f)
	f.answer = func(op engine.Op) (engine.Result, error) {
		r := fakeResult(op, 9)
		r.Replayed = true
		return r, nil
	}
	r := s.do("POST", "/v1/reservations", goodReserve, "Idempotency-Key", "k1")
	require.Equal(t, 201, r.status)
	require.Equal(t, "true", r.header.Get("Idempotency-Replayed"))
	require.Equal(t, engine.KeyOf("local POST /v1/reservations", "k1"), f.submitted()[0].Key)
	for _, bad := range []string{strings.Repeat("k", 256), "k\tk"} {
		s.problem(400, "invalid", "POST", "/v1/reservations", goodReserve, "Idempotency-Key", bad)
	}
	twice := s.raw("POST /v1/reservations HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: a\r\n" +
		"Idempotency-Key: b\r\nContent-Length: 2\r\n\r\n{}")
	require.Equal(t, 400, twice.status)
}

func TestHorizonBelowADayIsTold(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake())
	require.Empty(t, s.do("POST", "/v1/reservations", goodReserve).header.Get(headerHorizon))
	s.server.horizon.Store(5000)
	require.Equal(t, "5000", s.do("POST", "/v1/reservations", goodReserve).header.Get(headerHorizon))
}

func TestErrorsOfTheLedgerBecomeProblems(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		err    error
		status int
		code   string
	}{
		{codedError{code: "no-leader", after: 3 * time.Second}, 503, "no-leader"},
		{codedError{code: "overloaded"}, 503, "overloaded"},
		{codedError{code: "disk-full"}, 507, "disk-full"},
		{codedError{code: "outcome-unknown"}, 504, "outcome-unknown"},
		{codedError{code: "too-large"}, 413, "too-large"},
		{codedError{code: "no such code"}, 500, "internal"},
		{errors.New("secret"), 500, "internal"},
		{context.DeadlineExceeded, 504, "outcome-unknown"},
		{&engine.FieldError{Field: "lines[0].qty", Reason: "must be less"}, 400, "invalid"},
	} {
		f := newFake()
		f.answer = func(engine.Op) (engine.Result, error) { return engine.Result{}, row.err }
		s := serve(t, f)
		m := s.problem(row.status, row.code, "POST", "/v1/reservations", goodReserve)
		require.NotContains(t, m["detail"], "secret")
	}
	f := newFake()
	f.answer = func(engine.Op) (engine.Result, error) {
		return engine.Result{}, codedError{code: "no-leader", after: 2500 * time.Millisecond}
	}
	require.Equal(t, "3", serve(t, f).do("POST", "/v1/reservations", goodReserve).header.Get(
		"Retry-After"))
}

func TestABatchThatNobodyAnsweredFailsWhole(t *testing.T) {
	t.Parallel()
	f := newFake()
	s := serve(t, f)
	codes := []string{"disk-full", "outcome-unknown", "no-leader"}
	f.answer = func(engine.Op) (engine.Result, error) {
		return engine.Result{}, codedError{code: codes[(len(f.ops)-1)%3]}
	}
	const two = `{"ops":[{"op":"commit","id":"a"},{"op":"commit","id":"b"},{"op":"commit",` +
		`"id":"c"},{"op":"bad"}]}`
	s.problem(504, "outcome-unknown", "POST", "/v1/batch", two, "Idempotency-Key", "k")
	codes = []string{"no-leader", "no-leader", "no-leader"}
	s.problem(503, "no-leader", "POST", "/v1/batch", two, "Idempotency-Key", "k")
	s.problem(503, "no-leader", "POST", "/v1/skus", `{"skus":[{"sku":"a"}]}`)
	f.answer = func(op engine.Op) (engine.Result, error) {
		if len(f.ops)%3 == 0 {
			return engine.Result{}, codedError{code: "no-leader"}
		}
		return fakeResult(op, 1), nil
	}
	r := s.do("POST", "/v1/batch", two, "Idempotency-Key", "k")
	require.Equal(t, 200, r.status)
	require.Contains(t, r.text, `"status":503`)
	require.Contains(t, r.text, `"status":200`)
}

func TestRefusalsBecomeProblems(t *testing.T) {
	t.Parallel()
	f := newFake()
	s := serve(t, f)
	f.answer = func(op engine.Op) (engine.Result, error) {
		return engine.Result{Refusal: engine.InsufficientStock, Index: 4, At: -1,
			Short: []engine.ShortLine{{SKU: "A", Wanted: 2, Sellable: 1}}}, nil
	}
	m := s.problem(409, "insufficient-stock", "POST", "/v1/reservations", goodReserve)
	require.Equal(t, []any{map[string]any{"sku": "A", "wanted": 2.0, "sellable": 1.0}}, m["short"])
	require.Equal(t, 4.0, m["index"])
	f.answer = func(op engine.Op) (engine.Result, error) {
		return engine.Result{Refusal: engine.WrongState, Index: 4, At: -1, Field: "lines[1]"}, nil
	}
	m = s.problem(409, "wrong-state", "POST", "/v1/reservations/r1/ship",
		`{"lines":[{"line":4},{"line":7,"qty":2}]}`, "Idempotency-Key", "k")
	require.Equal(t, 7.0, m["line"])
	require.Equal(t, "lines[1]", m["at"])
}

func TestUnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake())
	for _, path := range []string{"/", "/v1", "/v1/orders", "/v1/connections/x", "/v1/mappings",
		"/v1/reservations/", "/v1/reservations/a/b", "/v1/skus/a/b/c", "/console/", "/v1/routing",
		"/hooks/shopify", "/v1/exceptions", "/v1/drift"} {
		s.problem(404, "not-found", "GET", path, "")
	}
	r := s.do("PATCH", "/v1/skus/a", "{}")
	require.Equal(t, 405, r.status)
	require.Equal(t, "DELETE, GET, HEAD, PUT", r.header.Get("Allow"))
	s.problem(405, "method-not-allowed", "DELETE", "/v1/stock", "")
	s.problem(400, "invalid", "GET", "/v1/availability?chanel=a", "")
	s.problem(400, "invalid", "GET", "/v1/reservations?limit=0", "")
	s.problem(400, "invalid", "GET", "/v1/reservations?limit=1001", "")
	s.problem(400, "invalid", "GET", "/v1/reservations?limit=5&limit=6", "")
	s.problem(400, "invalid", "GET", "/v1/reservations?sku=a&sku=b", "")
	s.problem(400, "invalid", "GET", "/v1/reservations/a?level=stale&level=stale", "")
	s.problem(400, "invalid", "GET", "/v1/reservations?state=weird", "")
	s.problem(400, "invalid", "GET", "/v1/reservations?after=%21", "")
	s.problem(400, "invalid", "GET", "/v1/reservations/a?level=fresh", "")
	require.Equal(t, 400, s.raw("GET /v1/skus/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n").status)
	s.problem(400, "invalid", "GET", "/v1/skus/%ff", "")
	s.problem(400, "invalid", "GET", "/v1/skus/a%0a", "")
	s.problem(400, "invalid", "GET", "/v1/reservations/"+strings.Repeat("a", 129), "")
	s.problem(400, "invalid", "GET", "/v1/reservations/a", "", "Holdfast-Min-Index", "x")
}

func TestOnlyThisMachineIsServed(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake())
	for _, row := range [][]string{{"Authorization", "Bearer hf_x"}, {"Authorization", "Basic x"}} {
		r := s.do("GET", "/v1/cluster", "", row...)
		require.Equal(t, 401, r.status)
		require.NotEmpty(t, r.header.Get("WWW-Authenticate"))
	}
	s.problem(403, "forbidden", "GET", "/v1/cluster", "", "Origin", "https://evil.example")
	require.Equal(t, 200, s.do("GET", "/v1/cluster", "", "Origin", "http://localhost:3000").status)
	require.Equal(t, 403, s.raw("GET /v1/cluster HTTP/1.1\r\nHost: evil.example:7480\r\n\r\n").status)
	s.problem(403, "forbidden", "GET", "/v1/cluster", "", "Origin", "http://192.0.2.7")
	s.problem(403, "forbidden", "GET", "/v1/cluster", "", "Origin", "http://intranet")
	s.problem(403, "forbidden", "GET", "/v1/cluster", "", "Origin", "null")
	require.Equal(t, 200, s.do("GET", "/v1/cluster", "", "Origin", "http://"+s.addr).status)
	for host, status := range map[string]int{"[::1]:7480": 200, "localhost": 200, "x": 200,
		"node-1:7480": 200, "127.0.0.1": 200, "127.9.9.9:1": 200, "evil.example": 403,
		"localhost.evil.example:7480": 403, "127.0.0.1.evil.example": 403, "x.": 403} {
		r := s.raw("GET /v1/cluster HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
		require.Equal(t, status, r.status, host)
	}
	require.False(t, isLoopback(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}))
}

func TestFramingIsStrict(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake())
	both := "POST /v1/reservations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n" +
		"Transfer-Encoding: %s\r\n\r\n0\r\n\r\n"
	for _, encoding := range []string{"chunked", "identity"} {
		r := s.raw(strings.Replace(both, "%s", encoding, 1))
		require.Equal(t, 400, r.status, r.text)
		require.Contains(t, r.text, "Transfer-Encoding")
		require.True(t, r.closes)
	}
	ndjson := "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n" +
		"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
	require.Equal(t, 400, s.raw(ndjson).status)
	require.Equal(t, 400, s.raw("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").status)
	require.Equal(t, 400, s.raw("nonsense\r\n\r\n").status)
	long := s.raw("GET /livez HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("a", 9<<10) +
		"\r\n\r\n")
	require.Equal(t, 431, long.status)
	require.Contains(t, long.text, "headers-too-large")
	chunked := s.raw("POST /v1/reservations HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: " +
		"chunked\r\n\r\n" + strconv.FormatInt(int64(len(goodReserve)), 16) + "\r\n" + goodReserve +
		"\r\n0\r\n\r\n")
	require.Equal(t, 201, chunked.status)
	require.Equal(t, 400, s.do("POST", "/v1/reservations", goodReserve, "Content-Encoding",
		"gzip").status)
}

func TestBodiesOverTheLimit(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake())
	for _, row := range []struct {
		path, limit string
		size        int
	}{
		{"/v1/reservations", "reservation-bytes", 300 << 10},
		{"/v1/reservations/a/commit", "reservation-bytes", 300 << 10},
		{"/v1/stock", "stock-bytes", 2<<20 + 1},
		{"/v1/batch", "batch-bytes", 4<<20 + 1},
		{"/v1/check", "body-bytes", 5 << 10},
	} {
		r := s.raw("POST " + row.path + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
			strconv.Itoa(row.size) + "\r\n\r\n")
		require.Equal(t, 413, r.status, row.path)
		m := r.json(t)
		require.Equal(t, "too-large", m["code"])
		require.Equal(t, row.limit, m["limit"].(map[string]any)["name"])
		require.Equal(t, "application/problem+json", r.header.Get("Content-Type"))
	}
}

func TestChunkedBodiesOverTheLimit(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake())
	chunk := "10000\r\n" + strings.Repeat(" ", 1<<16) + "\r\n"
	conn, err := net.Dial("tcp", s.addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	go io.WriteString(conn, "POST /v1/reservations HTTP/1.1\r\nHost: localhost\r\n"+
		"Transfer-Encoding: chunked\r\n\r\n"+strings.Repeat(chunk, 4)+"1\r\n")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, 413, res.StatusCode)
	var m map[string]any
	require.NoError(t, json.NewDecoder(res.Body).Decode(&m))
	require.Equal(t, map[string]any{"name": "reservation-bytes", "max": 256.0 * 1024}, m["limit"])
	require.Empty(t, s.server.chunked.rows)
}

func TestSlowSendersAreDropped(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake(), func(c *Config) { c.ReadTimeout = 50 * time.Millisecond })
	r := s.raw("POST /v1/reservations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
	require.Equal(t, 408, r.status)
	require.Contains(t, r.text, "request-timeout")
}

func TestAPanicIsA500AndTheServerLives(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.answer = func(engine.Op) (engine.Result, error) { panic("a fault of ours") }
	s := serve(t, f)
	for range 2 {
		m := s.problem(500, "internal", "POST", "/v1/reservations", goodReserve)
		require.NotContains(t, m["detail"], "ours")
	}
	require.Contains(t, s.do("GET", "/metrics", "").text, "holdfast_http_panics_total 2")
}

func TestHealthAndOperations(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake())
	require.Equal(t, "ok\n", s.do("GET", "/livez", "").text)
	require.Equal(t, "[+]leader ok\n", s.do("GET", "/readyz", "").text)
	s.node.mu.Lock()
	s.node.ready = append(s.node.ready, ReadyCheck{Name: "storage", Detail: "disk full"})
	s.node.cluster = Cluster{Node: "n1", Leader: "n2", Term: 3, Index: 99, Members: []Member{{
		ID: "n1", Raft: "127.0.0.1:1", HTTP: "127.0.0.1:2", Voter: true, Healthy: true, Lag: 4,
		ClockOffset: -7 * time.Millisecond, DiskFree: 9}},
		Digest: Digest{Index: 1024, Value: 0xabc}, ReplayHorizon: time.Hour}
	s.node.mu.Unlock()
	r := s.do("GET", "/readyz", "")
	require.Equal(t, 503, r.status)
	require.Equal(t, "[+]leader ok\n[-]storage failed: disk full\n", r.text)
	require.NotEmpty(t, r.header.Get("Retry-After"))
	require.JSONEq(t, `{"cluster_id":"","node":"n1","leader":"n2","term":3,"index":99,"members":[{"id":"n1",
		"raft":"127.0.0.1:1","http":"127.0.0.1:2","voter":true,"healthy":true,"lag":4,"clock_offset_ms":-7,
		"disk_free_bytes":9}],
		"digest":{"index":1024,"value":"0000000000000abc","diverged":false},
		"replay_horizon_ms":3600000}`, s.do("GET", "/v1/cluster", "").text)
	s.node.mu.Lock()
	s.node.cluster = Cluster{Node: "n1", Waiting: "2 of 3 must run"}
	s.node.mu.Unlock()
	require.Equal(t, "2 of 3 must run", s.do("GET", "/v1/cluster", "").json(t)["waiting"])
	require.JSONEq(t, `{"index":7,"violations":[]}`, s.do("POST", "/v1/check", "").text)
	require.Equal(t, 200, s.do("POST", "/v1/check", "{}").status)
	s.problem(400, "invalid", "POST", "/v1/check", `{"a":1}`)
	require.Equal(t, 200, s.do("HEAD", "/livez", "").status)
	metrics := s.do("GET", "/metrics", "").text
	require.Contains(t, metrics, `holdfast_http_requests_total{route="GET /livez",status="2xx"} 2`)
	require.Contains(t, metrics, "holdfast_http_request_duration_seconds_bucket")
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	s, err := New(Config{Ledger: newFake(), Node: &fakeNode{}})
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx, ln) }()
	res, err := http.Get("http://" + ln.Addr().String() + "/livez")
	require.NoError(t, err)
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	cancel()
	require.NoError(t, <-ran)
	require.NoError(t, s.Close(), "closing twice is closing once")
	ln, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, s.Serve(ln), "a closed server serves nothing")
	_, err = net.Dial("tcp", ln.Addr().String())
	require.Error(t, err)
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake())
	conn, err := net.Dial("tcp", s.addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	for i := range 20 {
		_, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: r"+
			strconv.Itoa(i)+"\r\n\r\n")
		require.NoError(t, err)
	}
	in := bufio.NewReader(conn)
	for i := range 20 {
		res, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		io.Copy(io.Discard, res.Body)
		require.Equal(t, "r"+strconv.Itoa(i), res.Header.Get("X-Request-Id"))
	}
}

func TestConfigNamesEveryFault(t *testing.T) {
	t.Parallel()
	_, err := New(Config{ReadTimeout: -1, MaxStreams: -1})
	require.Error(t, err)
	for _, name := range []string{"Ledger", "Node", "ReadTimeout", "MaxStreams"} {
		require.ErrorContains(t, err, name)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	for status, change := range map[int]func(*Config){
		503: func(c *Config) { c.MaxConns = 2 },
		429: func(c *Config) { c.MaxConnsPerIP = 2 },
	} {
		s := serve(t, newFake(), change)
		first, second := openPipe(t, s, ""), openPipe(t, s, "")
		first.write(commitLine(1))
		first.read()
		second.write(commitLine(1))
		second.read()
		r := s.raw("") // refused before it has said anything
		require.Equal(t, status, r.status)
		require.NotEmpty(t, r.header.Get("Retry-After"))
		checkProblem(t, newProblem(r.json(t)["code"].(string), "x"))
		first.end(1)
		require.Eventually(t, func() bool { return s.tryLive() }, 5*time.Second, time.Millisecond)
	}
}

// tryLive reports whether a new connection is served.
func (s *site) tryLive() bool {
	res, err := s.client.Get("http://" + s.addr + "/livez")
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == 200
}

// TestSlowDripsHoldNobodyUp opens many connections that send a byte now and then, and asks others
// meanwhile.
func TestSlowDripsHoldNobodyUp(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake(), func(c *Config) { c.ReadTimeout = 300 * time.Millisecond })
	var dripping []net.Conn
	for range 500 {
		conn, err := net.Dial("tcp", s.addr)
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		_, err = io.WriteString(conn, "POST /v1/reservations HTTP/1.1\r\nHost: localhost\r\n")
		require.NoError(t, err)
		dripping = append(dripping, conn)
	}
	for range 50 {
		require.Equal(t, 201, s.do("POST", "/v1/reservations", goodReserve).status)
	}
	for _, conn := range dripping { // each is answered and dropped, whatever it goes on to send
		io.WriteString(conn, "X")
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		require.Equal(t, 408, res.StatusCode)
	}
}
