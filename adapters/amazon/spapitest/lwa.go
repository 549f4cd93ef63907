package spapitest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// tokenLife is how long an access token lives.
const tokenLife = time.Hour

// oldSecretLife is how long a client secret works after it was rotated.
const oldSecretLife = 7 * 24 * time.Hour

// tokenLimit bounds the access tokens that are remembered; the oldest go first.
const tokenLimit = 10_000

// app is an application that calls the API. Its mutable part is guarded by tokens.mu.
type app struct {
	cfg       AppConfig
	secret    string
	old       string // the secret before, until
	until     time.Time
	roles     map[string]bool
	rotations int
}

func newApp(cfg AppConfig) *app {
	a := &app{cfg: cfg, secret: cfg.ClientSecret, roles: map[string]bool{}}
	for _, r := range cfg.Roles {
		a.roles[r] = true
	}
	return a
}

// grant is what an access token stands for: a seller, or a scope of an application alone.
type grant struct {
	token   string
	app     *app
	acct    *account // nil where it is grantless
	scope   string
	expires time.Time
}

// tokens is Login with Amazon. Safe for concurrent use.
type tokens struct {
	srv *Server

	mu      sync.Mutex
	n       int
	grants  map[string]*grant
	queue   []string // in the order in which they were made
	revoked map[string]bool
}

func newTokens(s *Server) *tokens {
	return &tokens{srv: s, grants: map[string]*grant{}, revoked: map[string]bool{}}
}

// oauthError is an error of RFC 6749.
type oauthError struct {
	status            int
	code, description string
}

func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	e := s.newExchange(w, r)
	e.entry.Op = "token"
	e.refuse = func(status int, code, message string) {
		writeJSON(w, status, map[string]any{"error": code, "error_description": message})
	}
	if !e.read() {
		e.refused(http.StatusBadRequest, "invalid_request", "The body is too large")
		return
	}
	form, err := url.ParseQuery(string(e.body))
	e.body = nil // it holds secrets
	if r.Method != http.MethodPost || err != nil ||
		!strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		e.refused(http.StatusBadRequest, "invalid_request", "The request is malformed")
		return
	}
	e.entry.Type = form.Get("grant_type")
	e.entry.Account = s.tokens.accountOf(form.Get("refresh_token"))
	if e.strike() {
		return
	}
	answer, fault := s.tokens.grant(form)
	if fault != nil {
		e.refused(fault.status, fault.code, fault.description)
		return
	}
	e.log(http.StatusOK, "ok")
	w.Header()["Cache-Control"] = []string{"no-store"}
	e.send(http.StatusOK, "application/json", encode(answer))
}

// accountOf names the account of a refresh token, for the journal.
func (t *tokens) accountOf(refresh string) string {
	for _, x := range t.srv.accounts {
		for _, r := range x.cfg.RefreshTokens {
			if r == refresh {
				return x.cfg.Name
			}
		}
	}
	return ""
}

// grant makes an access token.
func (t *tokens) grant(form url.Values) (map[string]any, *oauthError) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.srv.clock.Now()
	var a *app
	for _, x := range t.srv.apps {
		secret := form.Get("client_secret")
		if x.cfg.ClientID == form.Get("client_id") &&
			(secret == x.secret || x.old != "" && secret == x.old && now.Before(x.until)) {
			a = x
		}
	}
	if a == nil {
		return nil, &oauthError{401, "invalid_client", "Client authentication failed"}
	}
	g := &grant{app: a, expires: now.Add(t.srv.period(tokenLife))}
	switch form.Get("grant_type") {
	case "refresh_token":
		refresh := form.Get("refresh_token")
		for _, x := range t.srv.accounts {
			if x.cfg.RefreshTokens[a.cfg.Name] == refresh && refresh != "" && !t.revoked[refresh] {
				g.acct = x
			}
		}
		if g.acct == nil {
			return nil, &oauthError{400, "invalid_grant",
				"The request has an invalid grant parameter : refresh_token"}
		}
	case "client_credentials":
		g.scope = form.Get("scope")
		if g.scope != scopeNotifications && g.scope != scopeRotation {
			return nil, &oauthError{400, "invalid_scope",
				"The request has an invalid scope parameter"}
		}
	default:
		return nil, &oauthError{400, "unsupported_grant_type",
			"The authorization grant type is not supported by the authorization server"}
	}
	t.remember(g)
	out := map[string]any{"access_token": g.token, "token_type": "bearer",
		"expires_in": max(1, int(t.srv.period(tokenLife)/time.Second))}
	if g.acct != nil {
		out["refresh_token"] = form.Get("refresh_token")
	}
	return out, nil
}

const (
	scopeNotifications = "sellingpartnerapi::notifications"
	scopeRotation      = "sellingpartnerapi::client_credential:rotation"
)

func (t *tokens) remember(g *grant) {
	t.n++
	g.token = fmt.Sprintf("Atza|%s-%d", t.srv.newID(24), t.n)
	t.grants[g.token] = g
	t.queue = append(t.queue, g.token)
	if len(t.queue) > tokenLimit {
		delete(t.grants, t.queue[0])
		t.queue = t.queue[1:]
	}
}

// find returns what a token stands for, and why it is of no use where it is not; the first is there
// too where the token has expired.
func (t *tokens) find(token string) (*grant, string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.grants[token]
	switch {
	case token == "":
		return nil, "Access token is missing in the request header."
	case g == nil || g.acct != nil && t.revoked[g.acct.cfg.RefreshTokens[g.app.cfg.Name]]:
		return nil, "The access token you provided is revoked, malformed or invalid."
	case !t.srv.clock.Now().Before(g.expires):
		return g, expiredToken
	}
	return g, ""
}

const expiredToken = "The access token you provided has expired."

// expire ends a token before its time.
func (t *tokens) expire(g *grant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g.expires = t.srv.clock.Now()
}

// revoke withdraws or gives back the authorisation of an application by a seller.
func (t *tokens) revoke(x *account, a *app, revoked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.revoked[x.cfg.RefreshTokens[a.cfg.Name]] = revoked
}

// rotate gives an application a new secret. The old one works for a while.
func (t *tokens) rotate(a *app) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	a.rotations++
	a.old, a.until = a.secret, t.srv.clock.Now().Add(t.srv.period(oldSecretLife))
	a.secret = fmt.Sprintf("%s.%d", a.cfg.ClientSecret, a.rotations)
	return a.secret
}

// role says whether an application has one of the roles.
func (t *tokens) role(a *app, any ...string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range any {
		if a.roles[r] {
			return true
		}
	}
	return len(any) == 0
}

// setRoles replaces the roles of an application.
func (t *tokens) setRoles(a *app, roles []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a.roles = map[string]bool{}
	for _, r := range roles {
		a.roles[r] = true
	}
}

// expireAll ends every access token of an application.
func (t *tokens) expireAll(a *app) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, g := range t.grants {
		if g.app == a {
			g.expires = t.srv.clock.Now()
		}
	}
}
