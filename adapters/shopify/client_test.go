package shopify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// clock is a time that moves only when somebody waits.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	waited time.Duration
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Pause(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.waited += d
	return ctx.Err()
}

func (c *clock) Waited() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waited
}

// answering serves GraphQL with answers in turn, the last one again and again; it keeps the
// requests.
type answering struct {
	*httptest.Server
	mu       sync.Mutex
	requests []string
	answers  []answer
}

type answer struct {
	status  int
	headers map[string]string
	body    string
	cut     bool // the connection ends before the answer
}

func newAnswering(t *testing.T, answers ...answer) *answering {
	a := &answering{answers: answers}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *answering) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	a.requests = append(a.requests, string(body))
	n := min(len(a.requests), len(a.answers)) - 1
	now := a.answers[n]
	a.mu.Unlock()
	if now.cut {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("X-Shopify-API-Version", Version)
	for k, v := range now.headers {
		w.Header().Set(k, v)
	}
	if now.status != 0 {
		w.WriteHeader(now.status)
	}
	_, _ = io.WriteString(w, now.body)
}

func (a *answering) seen() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.requests...)
}

func clientOf(t *testing.T, url string, c *clock) *Client {
	t.Helper()
	client, err := NewClient(ClientConfig{Endpoint: url, Token: "shpat_secret", Now: c.Now,
		Pause: c.Pause})
	require.NoError(t, err)
	return client
}

const (
	okBody    = `{"data":{"job":{"id":"gid://shopify/Job/1","done":true}}}`
	throttled = `{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}],
		"extensions":{"cost":{"requestedQueryCost":152,"actualQueryCost":null,"throttleStatus":
		{"maximumAvailable":1000.0,"currentlyAvailable":52,"restoreRate":50.0}}}}`
)

func TestReadsAndKeyedMutationsAreSentAgain(t *testing.T) {
	for name, first := range map[string]answer{
		"throttled":        {body: throttled},
		"throttled, blank": {body: `{"errors":[{"message":"T","extensions":{"code":"THROTTLED"}}]}`},
		"500":              {status: 500},
		"503":              {status: 503, headers: map[string]string{"Retry-After": "2.5"}},
		"429":              {status: 429, headers: map[string]string{"Retry-After": "1"}},
		"423":              {status: 423},
		"cut":              {cut: true},
		"internal": {body: `{"errors":[{"message":"x",
			"extensions":{"code":"INTERNAL_SERVER_ERROR"}}],"data":null}`},
	} {
		for _, op := range []*operation{opJob, opAdjust} {
			t.Run(name+" "+op.name, func(t *testing.T) {
				c := newClock()
				s := newAnswering(t, first, answer{body: okBody})
				vars := map[string]string{"key": "slot-7"}
				require.NoError(t, clientOf(t, s.URL, c).do(t.Context(), op, vars, nil))
				sent := s.seen()
				require.Len(t, sent, 2)
				require.Equal(t, sent[0], sent[1], "the same key, the same contents")
				require.Positive(t, c.Waited())
			})
		}
	}
}

func TestThrottledWaitsForTheMissingPoints(t *testing.T) {
	c := newClock()
	s := newAnswering(t, answer{body: throttled}, answer{body: okBody})
	require.NoError(t, clientOf(t, s.URL, c).do(t.Context(), opJob, nil, nil))
	require.Equal(t, 2*time.Second, c.Waited(), "(152 − 52) / 50")
}

func TestMutationsWithoutKeyAreSentOnce(t *testing.T) {
	for name, a := range map[string]answer{
		"throttled": {body: throttled}, "500": {status: 500}, "cut": {cut: true},
		"garbage": {body: `{"data":`}, "nothing": {body: `{}`},
		"half":    {body: `{"data":{"orderCreate":{"order":null}},"errors":[{"message":"x"}]}`},
		"version": {body: okBody, headers: map[string]string{"X-Shopify-API-Version": "2027-01"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newAnswering(t, a)
			err := clientOf(t, s.URL, newClock()).do(t.Context(), opCreateOrder, nil, nil)
			var f *Fault
			require.ErrorAs(t, err, &f)
			require.True(t, f.Unknown(), f)
			require.Len(t, s.seen(), 1)
		})
	}
	for name, a := range map[string]answer{
		"403": {status: 403}, "404": {status: 404}, "423": {status: 423}, "429": {status: 429},
		"denied": {body: `{"errors":[{"message":"no","extensions":{"code":"ACCESS_DENIED"}}]}`},
		"ours":   {body: `{"errors":[{"message":"no","extensions":{"code":"INVALID_VARIABLE"}}]}`},
		"text":   {body: `{"errors":"Not Found"}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newAnswering(t, a)
			err := clientOf(t, s.URL, newClock()).do(t.Context(), opCreateOrder, nil, nil)
			var f *Fault
			require.ErrorAs(t, err, &f)
			require.False(t, f.Unknown(), f)
		})
	}
}

func TestTriesAreBounded(t *testing.T) {
	s := newAnswering(t, answer{status: 502})
	err := clientOf(t, s.URL, newClock()).do(t.Context(), opJob, nil, nil)
	require.Equal(t, codeUnavailable, codeOf(err))
	require.Len(t, s.seen(), maxTries)

	s = newAnswering(t, answer{status: 429, headers: map[string]string{"Retry-After": "90"}})
	err = clientOf(t, s.URL, newClock()).do(t.Context(), opJob, nil, nil)
	var f *Fault
	require.ErrorAs(t, err, &f)
	require.Equal(t, 90*time.Second, f.RetryAfter(), "whoever queued the call waits")
	require.Len(t, s.seen(), 1)
}

func TestAnotherVersionIsRefused(t *testing.T) {
	for _, served := range []string{"2026-04", "2027-01", ""} {
		s := newAnswering(t, answer{body: okBody,
			headers: map[string]string{"X-Shopify-API-Version": served}})
		err := clientOf(t, s.URL, newClock()).do(t.Context(), opJob, nil, nil)
		require.Equal(t, codeVersion, codeOf(err))
		require.Contains(t, err.Error(), "api_version")
	}
}

func TestConfigFaults(t *testing.T) {
	good := ClientConfig{Endpoint: "https://a.myshopify.com", Token: "x"}
	require.NoError(t, good.WithDefaults().Validate())
	for name, change := range map[string]func(*ClientConfig){
		"plain http": func(c *ClientConfig) { c.Endpoint = "http://a.myshopify.com" },
		"no host":    func(c *ClientConfig) { c.Endpoint = "a.myshopify.com" },
		"a path":     func(c *ClientConfig) { c.Endpoint = "https://a.myshopify.com/admin" },
		"a password": func(c *ClientConfig) { c.Endpoint = "https://u:p@a.myshopify.com" },
		"old":        func(c *ClientConfig) { c.Version = "2026-01" },
		"no version": func(c *ClientConfig) { c.Version = "unstable" },
		"no token":   func(c *ClientConfig) { c.Token = "" },
		"both":       func(c *ClientConfig) { c.ClientID, c.ClientSecret = "i", "s" },
		"half":       func(c *ClientConfig) { c.Token, c.ClientID = "", "i" },
	} {
		c := good
		change(&c)
		require.Error(t, c.WithDefaults().Validate(), name)
	}
	c := good
	c.Endpoint = "http://127.0.0.1:8080"
	require.NoError(t, c.WithDefaults().Validate(), "a simulator")
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	s := Secret("shpat_123")
	j, err := json.Marshal(map[string]any{"a": s, "b": &s})
	require.NoError(t, err)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", s, "config",
		ClientConfig{Token: s, ClientSecret: s})
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q %x", s, s, s, s, s, s),
		fmt.Sprintf("%+v %#v", ClientConfig{Token: s}, ClientConfig{Token: s}), string(j),
		log.String()} {
		require.NotContains(t, text, "shpat_123")
		require.NotContains(t, text, fmt.Sprintf("%x", "shpat_123"))
	}
}

func TestTheGrantIsRenewedEarlyAndOnce(t *testing.T) {
	var grants atomic.Int64
	var broken atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Shopify-API-Version", Version)
		if r.URL.Path != "/admin/oauth/access_token" {
			want := fmt.Sprintf("shpat_%d", grants.Load())
			if r.Header.Get("X-Shopify-Access-Token") != want {
				w.WriteHeader(401)
			}
			_, _ = io.WriteString(w, okBody)
			return
		}
		if broken.Load() {
			w.WriteHeader(503)
			return
		}
		if r.FormValue("grant_type") != "client_credentials" || r.FormValue("client_id") != "id" ||
			r.FormValue("client_secret") != "sec" {
			w.WriteHeader(400)
			return
		}
		fmt.Fprintf(w, `{"access_token":"shpat_%d","scope":"x","expires_in":86399}`, grants.Add(1))
	}))
	t.Cleanup(s.Close)
	c := newClock()
	client, err := NewClient(ClientConfig{Endpoint: s.URL, ClientID: "id", ClientSecret: "sec",
		Now: c.Now, Pause: c.Pause})
	require.NoError(t, err)
	call := func() error { return client.do(t.Context(), opJob, nil, nil) }

	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() { require.NoError(t, call()) })
	}
	calls.Wait()
	require.EqualValues(t, 1, grants.Load())

	_ = c.Pause(t.Context(), 21*time.Hour)
	require.NoError(t, call())
	require.EqualValues(t, 1, grants.Load())
	_ = c.Pause(t.Context(), time.Hour) // 2 hours are left: early
	broken.Store(true)
	require.NoError(t, call(), "the old token still works")
	broken.Store(false)
	require.NoError(t, call())
	require.EqualValues(t, 2, grants.Load())

	// Somebody took the token away: the next call gets a new one by itself.
	grants.Add(1)
	require.NoError(t, call())
	require.EqualValues(t, 4, grants.Load())
}

func TestTheBudgetPacesAndPutsFallsFirst(t *testing.T) {
	c := newClock()
	b := newBudget(c.Now, c.Pause)
	require.NoError(t, b.take(t.Context(), 900, Ordinary))
	b.settle(900, &throttleStatus{MaximumAvailable: 1000, CurrentlyAvailable: 100, RestoreRate: 50})
	require.NoError(t, b.take(t.Context(), 200, Falls))
	require.Equal(t, 2*time.Second, c.Waited())
	b.settle(200, nil)

	// A background call leaves a quarter for the falls that may come.
	before := c.Waited()
	require.NoError(t, b.take(t.Context(), 100, Background))
	require.Equal(t, 7*time.Second, c.Waited()-before, "(100 + 250) / 50")

	// More than the bucket can ever hold is sent when it is full: the shop says why not.
	b.settle(100, nil)
	require.NoError(t, b.take(t.Context(), 5000, Ordinary))
}

func TestTheBudgetQueueKeepsOrder(t *testing.T) {
	release := make(chan struct{})
	c := newClock()
	b := newBudget(c.Now, func(ctx context.Context, d time.Duration) error {
		select {
		case <-release:
			return c.Pause(ctx, d)
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	require.NoError(t, b.take(t.Context(), 1000, Ordinary))
	order := make(chan string, 3)
	var all sync.WaitGroup
	start := func(name string, u Urgency) {
		was := b.view().Waiting
		all.Go(func() {
			if b.take(t.Context(), 50, u) == nil {
				order <- name
			}
		})
		for b.view().Waiting == was { // until it stands in the queue
			time.Sleep(time.Microsecond)
		}
	}
	start("sweep", Background)
	start("task", Ordinary)
	start("fall", Falls)
	gone, cancel := context.WithCancel(t.Context())
	was := b.view().Waiting
	all.Go(func() {
		if !errors.Is(b.take(gone, 50, Falls), context.Canceled) {
			order <- "the one that left"
		}
	})
	for b.view().Waiting == was {
		time.Sleep(time.Microsecond)
	}
	cancel()
	close(release)
	all.Wait()
	require.Equal(t, []string{"fall", "task", "sweep"}, []string{<-order, <-order, <-order})
	require.Zero(t, b.view().Waiting)
}

func FuzzReply(f *testing.F) {
	f.Add([]byte(okBody))
	f.Add([]byte(throttled))
	f.Add([]byte(`{"errors":[{"extensions":{"cost":1e999}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := &Client{budget: newBudget(time.Now, pause)}
		var r reply
		if json.Unmarshal(body, &r) == nil {
			var out map[string]any
			_ = s.finish(opJob, &r, &out)
		}
	})
}
