package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// fakeLedger answers what a test tells it to and remembers what it was asked.
type fakeLedger struct {
	mu      sync.Mutex
	ops     []engine.Op
	answer  func(engine.Op) (engine.Result, error)
	readErr error
	events  []engine.Event
	gone    uint64 // events up to this one are no longer kept
	changed chan struct{}
}

func newFake() *fakeLedger {
	f := &fakeLedger{changed: make(chan struct{})}
	f.answer = func(op engine.Op) (engine.Result, error) {
		return fakeResult(op, uint64(len(f.ops))), nil
	}
	return f
}

// fakeResult accepts everything.
func fakeResult(op engine.Op, index uint64) engine.Result {
	r := engine.Result{Index: index, At: -1}
	switch cmd := op.Command.(type) {
	case *engine.Reserve:
		r.Reservation = &engine.Reservation{ID: cmd.ID, Channel: string(cmd.Channel),
			State: engine.Held, Mode: cmd.Mode, Deadline: 1_000}
		for i, l := range cmd.Lines {
			r.Reservation.Lines = append(r.Reservation.Lines, engine.ReservationLine{
				Line: int64(i + 1), Ref: l.Ref, SKU: string(l.SKU), Qty: l.Qty, Wanted: l.Qty,
				Held: l.Qty})
		}
	case *engine.Set:
		r.Stock = &engine.StockResult{Status: engine.Applied,
			Balance: engine.Balance{OnHand: cmd.Value}}
	case *engine.Group:
		for _, c := range cmd.Ops {
			r.Ops = append(r.Ops, fakeResult(engine.Op{Command: c}, index))
		}
	}
	return r
}

func (f *fakeLedger) Submit(_ context.Context, op engine.Op) (engine.Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ops = append(f.ops, op)
	return f.answer(op)
}

func (f *fakeLedger) SubmitAll(ctx context.Context, ops []engine.Op,
	done func(int, engine.Result, error)) {
	for i, op := range ops {
		r, err := f.Submit(ctx, op)
		done(i, r, err)
	}
}

func (f *fakeLedger) Read(context.Context, bool, uint64, func(*engine.Ledger) bool) (uint64,
	time.Duration, error) {
	return 0, 0, f.readErr
}

func (f *fakeLedger) Retired(context.Context, string, uint64) (engine.Reservation, error) {
	return engine.Reservation{}, f.readErr
}

func (f *fakeLedger) Events(after uint64, limit int) ([]engine.Event, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if after < f.gone {
		return nil, codedError{code: "events-gone"}
	}
	var out []engine.Event
	for _, e := range f.events {
		if e.Seq > after && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

func (f *fakeLedger) EventsChanged() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

func (f *fakeLedger) submitted() []engine.Op {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ops
}

// codedError is an error as raftstore gives them.
type codedError struct {
	code, leader string
	after        time.Duration
}

func (e codedError) Error() string             { return "the store says " + e.code }
func (e codedError) Code() string              { return e.code }
func (e codedError) RetryAfter() time.Duration { return e.after }
func (e codedError) Leader() string            { return e.leader }

// fakeNode is a node that is well, unless told otherwise.
type fakeNode struct {
	mu      sync.Mutex
	cluster Cluster
	ready   []ReadyCheck
	backup  func(ctx context.Context, events bool) (Backup, error)
}

func (n *fakeNode) Cluster() Cluster {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cluster
}

func (n *fakeNode) Ready() []ReadyCheck {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ready
}

func (n *fakeNode) Backup(ctx context.Context, events bool) (Backup, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.backup(ctx, events)
}

func (n *fakeNode) Check(context.Context) (uint64, []engine.Violation, error) { return 7, nil, nil }

// site is a server on a loopback port, with its client.
type site struct {
	t      *testing.T
	server *Server
	addr   string
	node   *fakeNode
	client *http.Client
}

// serve starts a server; it is closed at the end of the test.
func serve(t *testing.T, ledger Ledger, change ...func(*Config)) *site {
	t.Helper()
	node := &fakeNode{cluster: Cluster{Node: "n1", Leader: "n1", ReplayHorizon: 24 * time.Hour},
		ready: []ReadyCheck{{Name: "leader", OK: true}}}
	cfg := Config{Ledger: ledger, Node: node, CloseTimeout: 2 * time.Second}
	for _, f := range change {
		f(&cfg)
	}
	s, err := New(cfg)
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		require.NoError(t, s.Close())
		require.NoError(t, <-served)
	})
	return &site{t: t, server: s, addr: ln.Addr().String(), node: node,
		client: &http.Client{Transport: transport}}
}

// reply is an answer with its body read.
type reply struct {
	status int
	header http.Header
	text   string
	closes bool // the server closes the connection
}

// json decodes the body into a map.
func (r reply) json(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.text), &m), r.text)
	return m
}

// do sends a request and holds the reply against the document; headers are name, value, ….
func (s *site) do(method, path, body string, headers ...string) reply {
	s.t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, "http://"+s.addr+path, in)
	require.NoError(s.t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := s.client.Do(req)
	require.NoError(s.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	got := reply{res.StatusCode, res.Header, string(text), res.Close}
	var params segments
	r, _ := s.server.router.find(method, rawPath(path), &params)
	conforms(s.t, r, got)
	return got
}

// problem sends a request that must be refused, and checks the form of the refusal.
func (s *site) problem(status int, code, method, path, body string,
	headers ...string) map[string]any {
	s.t.Helper()
	r := s.do(method, path, body, headers...)
	require.Equal(s.t, status, r.status, "%s %s: %s", method, path, r.text)
	m := r.json(s.t)
	require.Equal(s.t, code, m["code"], r.text)
	require.Equal(s.t, "/problems/"+code, m["type"])
	require.Equal(s.t, float64(status), m["status"])
	require.Equal(s.t, "application/problem+json", r.header.Get("Content-Type"))
	require.NotEmpty(s.t, m["title"])
	require.NotEmpty(s.t, m["detail"])
	require.NotEmpty(s.t, r.header.Get("X-Request-Id"))
	if status == 429 || status == 503 {
		require.NotEmpty(s.t, r.header.Get("Retry-After"))
	}
	return m
}

// raw sends bytes and returns the first response, so that a test can break the rules of HTTP.
func (s *site) raw(text string) reply {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	require.NoError(s.t, err)
	defer conn.Close()
	require.NoError(s.t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, text)
	require.NoError(s.t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(s.t, err)
	defer res.Body.Close()
	var body bytes.Buffer
	_, err = body.ReadFrom(res.Body)
	require.NoError(s.t, err)
	return reply{res.StatusCode, res.Header, body.String(), res.Close}
}
