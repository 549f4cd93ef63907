package spapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"holdfast/adapters/connections"
)

// grant gives access tokens of one kind: the seller's, or those of one scope of the application. It
// is safe for concurrent use.
//
// One flight at a time gets a new one, early, while everybody else goes on with the old one; only
// when there is none do they wait for it.
type grant struct {
	cfg   *Config
	scope string // of a grant without a seller

	mu     sync.Mutex
	value  connections.Secret
	ends   time.Time
	early  time.Time // from when on a new one is got
	flight *flight   // nil: nobody is on the way
}

// flight is one renewal; err counts once done is closed.
type flight struct {
	done chan struct{}
	err  error
}

const (
	// renewEarly is how long before its end a token is renewed, as Amazon's sample does.
	renewEarly = 5 * time.Minute
	// maxTokenReply bounds the body of a reply of the token endpoint: a token has 2,048 bytes.
	maxTokenReply = 64 << 10
)

var opToken = &operation{name: "token", method: http.MethodPost, kind: reads}

// token returns a token that is good as far as is known. It fails with a Fault, or with ctx's
// error.
func (g *grant) token(ctx context.Context) (connections.Secret, error) {
	for {
		g.mu.Lock()
		now := g.cfg.Now()
		usable := g.value != connections.Secret{} && now.Before(g.ends)
		if usable && (now.Before(g.early) || g.flight != nil) {
			defer g.mu.Unlock()
			return g.value, nil
		}
		if g.flight == nil {
			mine := &flight{done: make(chan struct{})}
			g.flight = mine
			g.mu.Unlock()
			return g.fly(ctx, mine, usable)
		}
		theirs := g.flight
		g.mu.Unlock()
		select {
		case <-theirs.done:
			// One that ended with its caller says nothing of the endpoint.
			if theirs.err != nil && !errors.Is(theirs.err, context.Canceled) &&
				!errors.Is(theirs.err, context.DeadlineExceeded) {
				return connections.Secret{}, theirs.err
			}
		case <-ctx.Done():
			return connections.Secret{}, ctx.Err()
		}
	}
}

// fly renews the token. Where the old one is still good, a failure costs nothing yet.
func (g *grant) fly(ctx context.Context, mine *flight, usable bool) (connections.Secret, error) {
	began := g.cfg.Now()
	value, life, err := g.renew(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	mine.err, g.flight = err, nil
	close(mine.done)
	if err != nil {
		if usable && g.value != (connections.Secret{}) {
			g.early = began.Add(renewEarly / 5) // not at every call
			return g.value, nil
		}
		return connections.Secret{}, err
	}
	g.value, g.ends = value, began.Add(life)
	g.early = g.ends.Add(-min(renewEarly, life/4))
	return g.value, nil
}

// spoil says that Amazon has refused a token.
func (g *grant) spoil(bad connections.Secret) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.value == bad {
		g.value = connections.Secret{}
	}
}

func (g *grant) form() (url.Values, error) {
	names := map[string]string{"client_id": ClientID, "client_secret": ClientSecret}
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {g.scope}}
	if g.scope == "" {
		form = url.Values{"grant_type": {"refresh_token"}}
		names["refresh_token"] = RefreshToken
	}
	for field, name := range names {
		secret, err := g.cfg.Secret(name)
		if err != nil {
			return nil, &Fault{code: CodeDenied, class: classAuth, retryable: true,
				detail: "secret " + name, cause: err}
		}
		form.Set(field, secret.Reveal())
	}
	return form, nil
}

// renew asks for a token and how long it lives. It fails with a Fault, or with ctx's error.
func (g *grant) renew(ctx context.Context) (value connections.Secret, life time.Duration, err error) {
	form, err := g.form()
	if err != nil {
		return value, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.cfg.TokenEndpoint,
		strings.NewReader(form.Encode()))
	if err != nil {
		return value, 0, &Fault{code: CodeRequest, class: classBug, detail: "token", cause: err}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	res, err := g.cfg.HTTP.Do(req)
	if err != nil {
		return value, 0, unreachable(opToken, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxTokenReply))
	if err != nil {
		return value, 0, unreachable(opToken, err)
	}
	if res.StatusCode != http.StatusOK {
		return value, 0, tokenFault(res, body)
	}
	var reply struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"` // seconds
	}
	if err := json.Unmarshal(body, &reply); err != nil || reply.AccessToken == "" ||
		reply.ExpiresIn <= 0 {
		return value, 0, &Fault{code: CodeDenied, class: classAuth, retryable: true,
			detail: "token: an answer without a token and its life", request: requestID(res.Header)}
	}
	return connections.SecretOf(reply.AccessToken),
		time.Duration(min(reply.ExpiresIn, 1<<31)) * time.Second, nil
}

// tokenFault says what a refusal of the token endpoint means. It never repeats what was sent.
func tokenFault(res *http.Response, body []byte) *Fault {
	f := statusFault(opToken, res, nil)
	var reply struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &reply) == nil && reply.Error != "" {
		f.detail += ": " + cut(reply.Error, 64)
	}
	if res.StatusCode == http.StatusBadRequest {
		// invalid_grant, invalid_client, unauthorized_client: somebody must authorise anew, or put
		// the secret right that has to be renewed every 180 days.
		f.code, f.class = CodeDenied, classAuth
	}
	return f
}

// withoutURL cuts the address out of an error of net/http: it is long, says nothing new, a proxy's
// may have a password, and a presigned one is a credential itself.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return fmt.Errorf("%s: %w", strings.ToLower(u.Op), u.Err)
	}
	return err
}
