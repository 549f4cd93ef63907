package spapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/connections"
)

// clock is a time that passes only when somebody waits.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Pause(ctx context.Context, d time.Duration) error {
	c.Advance(d)
	return ctx.Err()
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// answer is one answer of the fake Amazon.
type answer struct {
	status int
	body   string
	header map[string]string
}

// world is a client, and a server that answers what the test has laid out, one after the other; the
// last answer again and again.
type world struct {
	t      *testing.T
	clock  *clock
	client *Client
	server *httptest.Server

	mu      sync.Mutex
	answers []answer
	tokens  []answer
	got     []*http.Request // without the token endpoint's
	bodies  []string
	grants  []string // forms that the token endpoint was sent
	onGrant func()   // before the token endpoint answers
}

var secrets = map[string]string{ClientID: "amzn1.client", ClientSecret: "shh-client",
	RefreshToken: "shh-refresh"}

func newWorld(t *testing.T, change ...func(*Config)) *world {
	w := &world{t: t, clock: newClock()}
	w.server = httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(w.server.Close)
	cfg := Config{Endpoint: w.server.URL, TokenEndpoint: w.server.URL + "/auth/o2/token",
		Now: w.clock.Now, Pause: w.clock.Pause, Jitter: func(n int64) int64 { return n - 1 },
		Secret: func(name string) (connections.Secret, error) {
			return connections.SecretOf(secrets[name]), nil
		}}
	for _, f := range change {
		f(&cfg)
	}
	var err error
	w.client, err = NewClient(cfg)
	require.NoError(t, err)
	return w
}

func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.mu.Lock()
	if wait := w.onGrant; wait != nil && r.URL.Path == "/auth/o2/token" {
		w.mu.Unlock()
		wait()
		w.mu.Lock()
	}
	defer w.mu.Unlock()
	var a answer
	if r.URL.Path == "/auth/o2/token" {
		w.grants = append(w.grants, string(body))
		a = answer{200, fmt.Sprintf(`{"access_token":"Atza|%d","token_type":"bearer","expires_in":3600}`,
			len(w.grants)), nil}
		if len(w.tokens) > 0 {
			a, w.tokens = w.tokens[0], w.tokens[1:]
		}
	} else {
		w.got, w.bodies = append(w.got, r), append(w.bodies, string(body))
		a = answer{200, "{}", nil}
		if len(w.answers) > 0 {
			a = w.answers[0]
		}
		if len(w.answers) > 1 {
			w.answers = w.answers[1:]
		}
	}
	rw.Header().Set("x-amzn-RequestId", "req-"+fmt.Sprint(len(w.got)))
	for k, v := range a.header {
		rw.Header().Set(k, v)
	}
	rw.WriteHeader(a.status)
	_, _ = io.WriteString(rw, strings.ReplaceAll(a.body, "SERVER", w.server.URL))
}

// says lays out what the server answers.
func (w *world) says(all ...answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers = all
}

func (w *world) calls() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.got)
}

func (w *world) last() (*http.Request, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NotEmpty(w.t, w.got)
	return w.got[len(w.got)-1], w.bodies[len(w.bodies)-1]
}

// apiErrors is a body of errors in both of Amazon's envelopes.
func apiErrors(code, message, details string) string {
	return fmt.Sprintf(`{"errors":[{"code":%q,"message":%q,"details":%q}]}`, code, message, details)
}
