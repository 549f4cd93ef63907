package httpapi

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// openEvents starts an event stream.
func openEvents(t *testing.T, s *site, path string, headers ...string) (*http.Response,
	*bufio.Reader) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.addr+path, nil)
	require.NoError(t, err)
	req.Header.Set("Accept", "text/event-stream")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := s.client.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { res.Body.Close() })
	return res, bufio.NewReader(res.Body)
}

// nextField returns the next line that begins with a field's name, without it.
func nextField(t *testing.T, r *bufio.Reader, field string) string {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		require.NoError(t, err)
		if v, ok := strings.CutPrefix(line, field+": "); ok {
			return strings.TrimSpace(v)
		}
	}
}

func TestSilentEventStreamsBeatAndEnd(t *testing.T) {
	t.Parallel()
	s := serve(t, newFake(), func(c *Config) { c.HeartbeatEvery = 20 * time.Millisecond })
	res, lines := openEvents(t, s, "/v1/events")
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	require.Equal(t, "events", nextField(t, lines, ""))
	require.Equal(t, "alive", nextField(t, lines, ""))
	require.Equal(t, "alive", nextField(t, lines, ""))
	require.NoError(t, s.server.Close())
	for nextField(t, lines, "") != "closing" {
	}
}

func TestEventStreamsThatCannotResumeAreRefused(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.gone = 10
	s := serve(t, f)
	s.problem(410, "events-gone", "GET", "/v1/events?after=3", "", "Accept", "text/event-stream")
	s.problem(410, "events-gone", "GET", "/v1/events?after=3", "")
	s.problem(410, "events-gone", "GET", "/v1/events?after=30", "", "Accept", "text/event-stream",
		"Last-Event-ID", "9")
	s.problem(400, "invalid", "GET", "/v1/events", "", "Accept", "text/event-stream",
		"Last-Event-ID", "x")
	require.JSONEq(t, `{"events":[],"next":30}`, s.do("GET", "/v1/events?after=30", "").text)
}

func TestEventsFallBehindWhileStreaming(t *testing.T) {
	t.Parallel()
	f := newFake()
	s := serve(t, f)
	_, lines := openEvents(t, s, "/v1/events")
	require.Equal(t, "events", nextField(t, lines, ""))
	f.mu.Lock()
	f.gone = 5
	close(f.changed)
	f.changed = make(chan struct{})
	f.mu.Unlock()
	require.Equal(t, "events-gone", nextField(t, lines, "event"))
	require.Contains(t, nextField(t, lines, "data"), `"code":"events-gone"`)
}

func TestEventIsWritten(t *testing.T) {
	t.Parallel()
	e := &engine.Event{Seq: 8, Index: 9, At: 1, Type: engine.EventReserved, SKU: 1, Location: 2,
		Qty: 2, Balance: engine.Balance{OnHand: 100, Held: 2}, Cause: "ord-1"}
	require.JSONEq(t, `{"seq":8,"index":9,"at":"1970-01-01T00:00:00.001Z",
		"type":"reservation.held","sku":"A","location":"main","cause":"ord-1","qty":2,
		"on_hand":100,"held":2,"committed":0}`,
		string(appendEvent(nil, e, eventNames{sku: "A", location: "main"})))
}
