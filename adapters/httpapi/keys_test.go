package httpapi

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/apikeys"
	"holdfast/adapters/records/recordstest"
)

// guarded is a site whose keys are kept in a store of records.
type guarded struct {
	*site
	index  *apikeys.Index
	ledger *fakeLedger
	admin  string // the token of its first key
}

func guard(t *testing.T, change ...func(*Config)) *guarded {
	g := &guarded{ledger: newFake()}
	store := recordstest.New(recordstest.Options{})
	var err error
	g.index, err = apikeys.NewIndex(apikeys.Config{Store: store,
		Current: func(context.Context) (bool, error) { return false, nil }})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.index.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	require.NoError(t, g.index.Known(t.Context()))
	g.site = serve(t, g.ledger, append([]func(*Config){func(c *Config) {
		c.Guard, c.Keys = g.index, apikeys.NewDesk(store, g.index, time.Now)
	}}, change...)...)
	return g
}

// lock makes the first key.
func (g *guarded) lock() *guarded {
	g.admin = g.make("operator", "admin", "")
	return g
}

// make makes a key and returns its token; with is that of the caller.
func (g *guarded) make(name, role, with string) string {
	g.t.Helper()
	var headers []string
	if with != "" {
		headers = bearer(with)
	}
	r := g.do("POST", "/v1/keys", `{"name":"`+name+`","role":"`+role+`"}`, headers...)
	require.Equal(g.t, 201, r.status, r.text)
	require.Equal(g.t, "no-store", r.header.Get("Cache-Control"))
	require.NotEmpty(g.t, r.header.Get(headerIndex))
	return r.json(g.t)["key"].(string)
}

func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

func idOfToken(token string) string { return token[3:15] }

// pathOf fills the parameters of a pattern.
func pathOf(pattern string) string {
	var parts []string
	for _, seg := range strings.Split(pattern, "/") {
		if strings.HasPrefix(seg, "{") {
			seg = "x"
		}
		parts = append(parts, seg)
	}
	return strings.Join(parts, "/")
}

// TestEveryCallTakesItsRole asks every route without a key and with each that is too little.
func TestEveryCallTakesItsRole(t *testing.T) {
	t.Parallel()
	g := guard(t).lock()
	tokens := map[apikeys.Role]string{apikeys.Read: g.make("r", "read", g.admin),
		apikeys.Write: g.make("w", "write", g.admin)}
	for _, r := range routes() {
		path := pathOf(r.pattern)
		if r.signed || r.needs == 0 {
			require.NotEqual(t, 401, g.do(r.method, path, "", "Authorization", "Bearer x").status)
			continue
		}
		g.problem(401, "unauthenticated", r.method, path, "")
		for role, token := range tokens {
			if role < r.needs {
				g.problem(403, "forbidden", r.method, path, "", bearer(token)...)
			}
		}
	}
	require.Equal(t, 200, g.do("GET", "/v1/cluster", "", bearer(tokens[apikeys.Read])...).status)
	require.Empty(t, g.ledger.submitted())
	require.Equal(t, 201, g.do("POST", "/v1/reservations",
		`{"id":"o","channel":"c","lines":[{"sku":"A","qty":1}]}`, bearer(tokens[apikeys.Write])...).status)
}

// TestAccessNamesRoutes holds the table of roles, the routes and the document together.
func TestAccessNamesRoutes(t *testing.T) {
	t.Parallel()
	doc, err := document()
	require.NoError(t, err)
	named := map[string]bool{}
	for _, r := range routes() {
		name := r.method + " " + r.pattern
		_, special := access[name]
		named[name] = special
		security := doc.Paths.Value(r.pattern).GetOperation(r.method).Security
		switch {
		case r.signed || r.needs == 0:
			require.NotNil(t, security, name)
			require.Empty(t, *security, name)
		case special:
			require.NotNil(t, security, name)
			require.Equal(t, []string{r.needs.String()}, (*security)[0]["key"], name)
		default:
			require.Nil(t, security, name)
		}
	}
	for name := range access {
		require.True(t, named[name], "%s is no route", name)
	}
}

func TestMalformedAuthorizationIsRefused(t *testing.T) {
	t.Parallel()
	g := guard(t).lock()
	for _, value := range []string{"", "Bearer", "Bearer ", g.admin, "Basic " + g.admin,
		"Bearer " + g.admin + "x", "Bearer " + strings.ToUpper(g.admin), "Bearer hf_x",
		"Bearer " + g.admin + ", Bearer " + g.admin, "Bearer\t" + g.admin} {
		r := g.do("GET", "/v1/cluster", "", "Authorization", value)
		require.Equal(t, 401, r.status, value)
		require.NotEmpty(t, r.header.Get("WWW-Authenticate"))
		require.NotContains(t, r.text, g.admin[16:], "a secret is never said back")
	}
	twice := "GET /v1/cluster HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + g.admin + "\r\n"
	require.Equal(t, 200, g.raw(twice+"\r\n").status)
	require.Equal(t, 401, g.raw(twice+"Authorization: Bearer x\r\n\r\n").status)
	require.Equal(t, 200, g.do("GET", "/v1/cluster", "", "Authorization", "bearer "+g.admin).status)
}

func TestKeysAreMadeListedAndRevoked(t *testing.T) {
	t.Parallel()
	g := guard(t)
	require.Equal(t, 200, g.do("GET", "/v1/cluster", "").status, "loopback needs none while there is none")
	m := g.problem(400, "invalid", "POST", "/v1/keys", `{"name":"x","role":"write"}`)
	require.Equal(t, "role", m["at"])
	g.problem(400, "invalid", "POST", "/v1/keys", `{"name":"x","role":"owner"}`)
	g.problem(400, "invalid", "POST", "/v1/keys", `{"role":"admin"}`)
	g.lock()
	as := bearer(g.admin)
	reader := g.make("reader", "read", g.admin)

	page := g.do("GET", "/v1/keys", "", as...)
	require.Equal(t, 200, page.status)
	require.Len(t, page.json(t)["items"], 2)
	require.NotContains(t, page.text, reader[16:])
	one := g.do("GET", "/v1/keys/"+idOfToken(reader), "", as...).json(t)
	require.Equal(t, "live", one["state"])
	require.Equal(t, "key:"+idOfToken(g.admin), one["created_by"])

	r := g.do("DELETE", "/v1/keys/"+idOfToken(reader), "", as...)
	require.Equal(t, 200, r.status, r.text)
	require.Equal(t, "revoked", r.json(t)["state"])
	g.problem(401, "unauthenticated", "GET", "/v1/cluster", "", bearer(reader)...)
	g.problem(404, "unknown-key", "DELETE", "/v1/keys/x", "", as...)
	g.problem(409, "last-admin-key", "DELETE", "/v1/keys/"+idOfToken(g.admin), "", as...)

	body := `{"name":"again","role":"write"}`
	require.Equal(t, 201, g.do("POST", "/v1/keys", body, append(as, "Idempotency-Key", "k")...).status)
	g.problem(422, "idempotency-conflict", "POST", "/v1/keys", body, append(as, "Idempotency-Key", "k")...)
}

func TestAKeyOverItsLimitIsToldToWait(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	g := guard(t, func(c *Config) { c.Now = func() time.Time { return at } }).lock()
	r := g.do("POST", "/v1/keys", `{"name":"slow","role":"read","per_second":2}`, bearer(g.admin)...)
	slow := bearer(r.json(t)["key"].(string))
	for range 2 {
		require.Equal(t, 200, g.do("GET", "/v1/cluster", "", slow...).status)
	}
	g.problem(429, "rate-limited", "GET", "/v1/cluster", "", slow...)
	require.Equal(t, 200, g.do("GET", "/v1/cluster", "", bearer(g.admin)...).status)
}

// TestIdempotencyIsOfOneKey sends one Idempotency-Key under two API keys: each has its own effect.
func TestIdempotencyIsOfOneKey(t *testing.T) {
	t.Parallel()
	g := guard(t).lock()
	body := `{"changes":[{"sku":"A","location":"m","set":1}]}`
	for _, token := range []string{g.admin, g.make("w", "write", g.admin), g.admin} {
		g.do("POST", "/v1/stock", body, append(bearer(token), "Idempotency-Key", "same")...)
	}
	ops := g.ledger.submitted()
	require.Len(t, ops, 3)
	require.NotEqual(t, ops[0].Key, ops[1].Key)
	require.Equal(t, ops[0].Key, ops[2].Key)
}

// unsure is a Guard that has not heard of everybody yet.
type unsure struct{ *apikeys.Index }

func (unsure) State() apikeys.State { return apikeys.Unsure }

func TestANodeThatIsUnsureShowsOnlyWhatItHas(t *testing.T) {
	t.Parallel()
	g := guard(t)
	s := serve(t, newFake(), func(c *Config) { c.Guard = unsure{g.index} })
	require.Equal(t, 200, s.do("GET", "/v1/cluster", "").status)
	require.Equal(t, 200, s.do("GET", "/livez", "").status)
	require.Equal(t, 200, s.do("GET", "/v1/skus?level=stale", "").status)
	s.problem(503, "no-leader", "GET", "/v1/skus", "")
	s.problem(503, "no-leader", "GET", "/v1/keys?level=stale", "")
	s.problem(503, "no-leader", "POST", "/v1/reservations", `{}`)
	s.problem(503, "no-leader", "GET", "/v1/cluster", "", bearer("hf_x")...)
}

func TestWithoutAKeyNobodyComesThroughAProxy(t *testing.T) {
	t.Parallel()
	g := guard(t)
	g.problem(401, "unauthenticated", "GET", "/v1/cluster", "", "X-Forwarded-For", "192.0.2.1")
	g.problem(401, "unauthenticated", "GET", "/v1/cluster", "", "Forwarded", "for=192.0.2.1")
	g.lock()
	require.Equal(t, 200, g.do("GET", "/v1/cluster", "",
		append(bearer(g.admin), "X-Forwarded-For", "192.0.2.1")...).status)
}

func TestLoopbackCanBeOpenedForWhoLostAllKeys(t *testing.T) {
	t.Parallel()
	g := guard(t, func(c *Config) { c.OpenLoopback = true }).lock()
	require.Equal(t, 200, g.do("GET", "/v1/keys", "").status)
	g.problem(403, "forbidden", "GET", "/v1/keys", "", "Origin", "https://evil.example")
	g.problem(401, "unauthenticated", "GET", "/v1/keys", "", bearer("hf_wrong")...)
	require.NotEmpty(t, g.make("another", "admin", ""))
}

// TestARevokedKeyEndsItsStreams holds an event stream and an NDJSON batch open while their key goes.
func TestARevokedKeyEndsItsStreams(t *testing.T) {
	t.Parallel()
	g := guard(t, func(c *Config) { c.HeartbeatEvery = time.Millisecond }).lock()
	token := g.make("w", "write", g.admin)
	req, err := http.NewRequest("GET", "http://"+g.addr+"/v1/events", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "text/event-stream")
	events, err := g.client.Do(req)
	require.NoError(t, err)
	defer events.Body.Close()
	require.Equal(t, 200, events.StatusCode)

	conn, err := net.Dial("tcp", g.addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "+
		token+"\r\nContent-Type: application/x-ndjson\r\nIdempotency-Key: k\r\nContent-Length: 1000\r\n\r\n"+
		`{"op":"commit","id":"a"}`+"\n")
	require.NoError(t, err)
	batch, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	lines := bufio.NewScanner(batch.Body)
	require.True(t, lines.Scan())
	require.Len(t, g.ledger.submitted(), 1)

	require.Equal(t, 200, g.do("DELETE", "/v1/keys/"+idOfToken(token), "", bearer(g.admin)...).status)
	text, err := io.ReadAll(events.Body)
	require.NoError(t, err)
	require.Contains(t, string(text), "event: unauthenticated")
	_, err = io.WriteString(conn, `{"op":"commit","id":"b"}`+"\n")
	require.NoError(t, err)
	require.True(t, lines.Scan())
	require.Contains(t, lines.Text(), `"status":401`)
	require.NotContains(t, lines.Text(), `"end"`)
	require.Len(t, g.ledger.submitted(), 1, "what came after was not attempted")
}

// TestARefusedStreamIsNotReadOn sends a request inside the body of a stream that is refused: it must
// not be taken for one of its own.
func TestARefusedStreamIsNotReadOn(t *testing.T) {
	t.Parallel()
	g := guard(t).lock()
	inner := "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
	conn, err := net.Dial("tcp", g.addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\n"+
		"Content-Type: application/x-ndjson\r\nContent-Length: "+strconv.Itoa(len(inner))+"\r\n\r\n"+inner)
	require.NoError(t, err)
	all, _ := io.ReadAll(conn)
	require.Equal(t, 1, strings.Count(string(all), "HTTP/1.1 "), string(all))
	require.Contains(t, string(all), "401")
}
