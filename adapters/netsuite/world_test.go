package netsuite

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
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
	return &clock{now: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)}
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

// answers of the fake account.
type answerOf struct {
	status   int
	kind     string // of the content; default the one that NetSuite sends
	headers  map[string]string
	location string
	body     string
	cut      bool // the connection ends before the answer
}

// seen is one request as it came.
type seen struct {
	method, path, query, body string
	header                    http.Header
}

// fake serves answers in turn, the last one again and again, and keeps the requests. The token endpoint is
// served by itself.
type fake struct {
	*httptest.Server
	mu       sync.Mutex
	answers  []answerOf
	requests []seen
	tokens   int
	token    answerOf
}

func newFake(t *testing.T, answers ...answerOf) *fake {
	f := &fake{answers: answers}
	f.token = answerOf{status: 200, body: `{"access_token":"tok-#","expires_in":"3600","token_type":"bearer"}`}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	var a answerOf
	if strings.HasSuffix(r.URL.Path, "/oauth2/v1/token") {
		f.tokens++
		a = f.token
		a.body = strings.Replace(a.body, "#", string(rune('0'+f.tokens)), 1)
	} else {
		f.requests = append(f.requests, seen{r.Method, r.URL.Path, r.URL.RawQuery, string(body), r.Header})
		a = f.answers[min(len(f.requests), len(f.answers))-1]
	}
	f.mu.Unlock()
	if a.cut {
		panic(http.ErrAbortHandler)
	}
	if a.kind == "" {
		a.kind = "application/vnd.oracle.resource+json; type=singular"
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("X-N-OperationId", "op-17")
	for k, v := range a.headers {
		w.Header().Set(k, v)
	}
	if a.location != "" {
		w.Header().Set("Location", "https://1.suitetalk.api.netsuite.com"+a.location)
	}
	if a.status == 0 {
		a.status = 200
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

func (f *fake) all() []seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]seen(nil), f.requests...)
}

func (f *fake) minted() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tokens
}

var testKey = sync.OnceValue(func() Secret {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
})

func secretsOf(name string) (Secret, error) {
	if name == secretPrivateKey {
		return testKey(), nil
	}
	return Secret(name + "-value"), nil
}

func clientOf(t *testing.T, f *fake, c *clock) *Client {
	t.Helper()
	client, err := NewClient(ClientConfig{Account: "123456_SB1", Endpoint: f.URL, Secret: secretsOf,
		Now: c.Now, Pause: c.Pause})
	require.NoError(t, err)
	return client
}

// errorBody is a refusal as NetSuite writes it.
func errorBody(code, detail string) string {
	return `{"type":"https://www.rfc-editor.org/rfc/rfc9110.html#section-15.5.1","title":"Bad Request",` +
		`"status":400,"o:errorDetails":[{"detail":"` + detail + `","o:errorCode":"` + code +
		`","o:errorPath":"item.items[0].item"}]}`
}

const htmlPage = "<!DOCTYPE html><html><body><h1>Service Temporarily Unavailable</h1></body></html>"
