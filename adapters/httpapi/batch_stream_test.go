package httpapi

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// pipe is a client of an NDJSON batch that reads while it writes.
type pipe struct {
	t     *testing.T
	conn  net.Conn
	in    *bufio.Reader
	out   io.WriteCloser
	lines *bufio.Reader
	head  *http.Response
}

// openPipe starts a chunked NDJSON request.
func openPipe(t *testing.T, s *site, headers string) *pipe {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	_, err = io.WriteString(conn, "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: "+
		"application/x-ndjson\r\nTransfer-Encoding: chunked\r\n"+headers+"\r\n")
	require.NoError(t, err)
	return &pipe{t: t, conn: conn, in: bufio.NewReader(conn), out: httputil.NewChunkedWriter(conn)}
}

func (p *pipe) write(text string) {
	p.t.Helper()
	_, err := io.WriteString(p.out, text)
	require.NoError(p.t, err)
}

// read returns the next result.
func (p *pipe) read() map[string]any {
	p.t.Helper()
	if p.head == nil {
		res, err := http.ReadResponse(p.in, nil)
		require.NoError(p.t, err)
		p.head, p.lines = res, bufio.NewReader(res.Body)
	}
	line, err := p.lines.ReadBytes('\n')
	require.NoError(p.t, err)
	var m map[string]any
	require.NoError(p.t, json.Unmarshal(line, &m), "%s", line)
	return m
}

// end closes the request's body and checks the last line.
func (p *pipe) end(ops int) {
	p.t.Helper()
	require.NoError(p.t, p.out.Close())
	_, err := io.WriteString(p.conn, "\r\n")
	require.NoError(p.t, err)
	require.Equal(p.t, map[string]any{"end": true, "ops": float64(ops)}, p.read())
	_, err = p.lines.ReadByte()
	require.ErrorIs(p.t, err, io.EOF)
}

func commitLine(id int) string { return fmt.Sprintf(`{"op":"commit","id":"r%d"}`+"\n", id) }

func TestStreamAnswersWhileItReads(t *testing.T) {
	t.Parallel()
	f := newFake()
	s := serve(t, f)
	p := openPipe(t, s, "Idempotency-Key: k\r\n")
	for i := 1; i <= 50; i++ { // each result is read before the next line is written
		p.write(commitLine(i))
		m := p.read()
		require.Equal(t, float64(i), m["n"])
		require.Equal(t, 200.0, m["status"])
		require.Equal(t, float64(i), m["index"])
	}
	require.Equal(t, 200, p.head.StatusCode)
	require.Equal(t, ndjsonType, p.head.Header.Get("Content-Type"))
	p.end(50)
	key := engine.KeyOf("local POST /v1/batch", "k")
	for i, op := range f.submitted() {
		require.Equal(t, key.At(i+1), op.Key)
		require.Equal(t, fmt.Sprintf("r%d", i+1), op.Command.(*engine.Commit).ID)
	}
}

func TestBadLinesAnswerAndTheStreamGoesOn(t *testing.T) {
	t.Parallel()
	f := newFake()
	s := serve(t, f)
	p := openPipe(t, s, "")
	p.write("not json\n" + commitLine(2) +
		`{"op":"adjust","sku":"A","location":"m","adjust":1}` + "\n" + "\n \r\n" +
		`{"op":"set","sku":"A","location":"m","set":5}` + "\r\n" +
		`{"op":"commit","id":"` + strings.Repeat("x", maxLineBytes) + `"}` + "\n" +
		`{"op":"reserve","id":"r6","channel":"c","lines":[{"sku":"A","qty":0}]}` + "\n" +
		`{"op":"commit","id":"r7"} {}` + "\n" + `{"op":"commit","id":"r8"}`)
	require.NoError(t, p.out.Close()) // the last line has no end
	_, err := io.WriteString(p.conn, "\r\n")
	require.NoError(t, err)
	for n, want := range []struct {
		status int
		code   any
	}{{400, "invalid"}, {200, nil}, {400, "idempotency-key-required"}, {400, "invalid"},
		{400, "invalid"}, {200, nil}, {413, "too-large"}, {400, "invalid"}, {400, "invalid"}, {200, nil}} {
		m := p.read()
		require.Equal(t, float64(n+1), m["n"])
		require.Equal(t, float64(want.status), m["status"], m)
		require.Equal(t, want.code, m["code"])
		require.Contains(t, m, "index")
		if want.status == 400 {
			require.False(t, strings.HasPrefix(fmt.Sprint(m["at"]), "."), m)
		}
	}
	require.Equal(t, map[string]any{"end": true, "ops": 10.0}, p.read())
	require.Len(t, f.submitted(), 3)
}

func TestStreamWithALength(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake())
	body := strings.Repeat(commitLine(1), 2500)
	r := s.do("POST", "/v1/batch", body, "Content-Type", "application/x-ndjson; charset=utf-8")
	require.Equal(t, 200, r.status)
	lines := strings.Split(strings.TrimSpace(r.text), "\n")
	require.Len(t, lines, 2501)
	require.JSONEq(t, `{"end":true,"ops":2500}`, lines[2500])
	empty := s.raw("POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: " +
		"application/x-ndjson\r\nHoldfast-Body-Length: 99\r\n\r\n")
	require.JSONEq(t, `{"end":true,"ops":0}`, empty.text)
}

func TestStreamStopsReadingWhenNobodyReads(t *testing.T) {
	t.Parallel()
	f := newFake()
	var taken atomic.Int64
	hold := make(chan struct{})
	f.answer = func(op engine.Op) (engine.Result, error) {
		taken.Add(1)
		<-hold
		return fakeResult(op, 1), nil
	}
	s := serve(t, f)
	p := openPipe(t, s, "")
	wrote := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < 40_000 && err == nil; i++ {
			_, err = io.WriteString(p.out, commitLine(i))
		}
		wrote <- err
	}()
	var unsent int
	require.Eventually(t, func() bool { // the server has taken what it may, and no more
		unsent = int(testLines(s))
		return unsent >= maxUnsent
	}, 10*time.Second, time.Millisecond)
	require.LessOrEqual(t, unsent, maxUnsent+1)
	close(hold)
	for range 40_000 {
		p.read()
	}
	require.NoError(t, <-wrote)
	p.end(40_000)
}

// testLines is how many lines of streams the server has read.
func testLines(s *site) float64 {
	families, err := s.server.cfg.Registry.Gather()
	if err != nil {
		return -1
	}
	for _, f := range families {
		if f.GetName() == "holdfast_http_stream_lines_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return 0
}

func TestLostLeadershipIsUnknownOnItsLines(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.answer = func(engine.Op) (engine.Result, error) {
		return engine.Result{}, codedError{code: "outcome-unknown"}
	}
	p := openPipe(t, serve(t, f), "")
	p.write(commitLine(1) + commitLine(2))
	require.Equal(t, 504.0, p.read()["status"])
	require.Equal(t, "outcome-unknown", p.read()["code"])
	p.end(2)
}

func TestSilentAndBrokenStreamsEnd(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake(), func(c *Config) { c.StreamIdle = 50 * time.Millisecond })
	p := openPipe(t, s, "")
	p.write(commitLine(1))
	p.read()
	require.Equal(t, "request-timeout", p.read()["code"])
	_, err := p.lines.ReadByte()
	require.ErrorIs(t, err, io.EOF)
	broken := openPipe(t, s, "")
	_, err = io.WriteString(broken.conn, "zz\r\n")
	require.NoError(t, err)
	require.Equal(t, "request-timeout", broken.read()["code"])
}

func TestCloseEndsStreams(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake())
	p := openPipe(t, s, "")
	p.write(commitLine(1))
	p.read()
	require.NoError(t, s.server.Close())
	require.Equal(t, "closing", p.read()["code"])
	_, err := p.lines.ReadByte()
	require.ErrorIs(t, err, io.EOF)
}

func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake(), func(c *Config) { c.MaxStreams = 1 })
	p := openPipe(t, s, "")
	p.write(commitLine(1))
	p.read()
	second := openPipe(t, s, "")
	res, err := http.ReadResponse(second.in, nil)
	require.NoError(t, err)
	require.Equal(t, 503, res.StatusCode)
	p.end(1)
	require.Eventually(t, func() bool {
		return s.do("POST", "/v1/batch", commitLine(1), "Content-Type", ndjsonType).status == 200
	}, 5*time.Second, time.Millisecond)
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake())
	p := openPipe(t, s, "Expect: 100-continue\r\n")
	res, err := http.ReadResponse(p.in, nil)
	require.NoError(t, err)
	require.Equal(t, 100, res.StatusCode)
	p.write(commitLine(1))
	require.Equal(t, 200.0, p.read()["status"])
	p.end(1)
}
