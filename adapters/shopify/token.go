package shopify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// tokens gives the access token of a shop. It is safe for concurrent use.
type tokens interface {
	// token may call the shop, and fails with a Fault or ctx's error.
	token(ctx context.Context) (Secret, error)
	// spoil says that the shop has refused a token.
	spoil(Secret)
}

// staticToken is a token that an operator has given; it never expires, and nobody can renew it.
type staticToken struct{ cfg ClientConfig }

func (t staticToken) token(context.Context) (Secret, error) {
	return t.cfg.secret("token", t.cfg.Token)
}

func (staticToken) spoil(Secret) {}

// pending stands for a secret that Fresh reads.
const pending Secret = "pending"

// secret reads a secret, or takes the one that was given. It fails with a Fault: the credentials
// are at fault, and may be there a moment later.
func (c *ClientConfig) secret(name string, given Secret) (Secret, error) {
	if c.Fresh == nil {
		return given, nil
	}
	s, err := c.Fresh(name)
	if err != nil {
		return "", &Fault{code: codeDenied, class: classAuth, retryable: true, detail: "secret " + name,
			cause: err}
	}
	return s, nil
}

// grant is the client credentials grant: tokens that live a day, got with the app's own secret.
type grant struct {
	cfg ClientConfig
	url string
	now func() time.Time

	// lock is held by who looks at or renews the token: a channel, because a waiter's ctx may end.
	lock  chan struct{}
	value Secret
	got   time.Time
	ends  time.Time
}

// earlyShare of a token's life is left when it is renewed: a day's token has 2.4 hours for tries,
// in which the old one still works.
const earlyShare = 10

// maxTokenReply bounds the body of a reply of the token endpoint.
const maxTokenReply = 64 << 10

func newGrant(cfg ClientConfig) *grant {
	g := &grant{
		cfg:  cfg,
		url:  cfg.Endpoint + "/admin/oauth/access_token",
		now:  cfg.Now,
		lock: make(chan struct{}, 1),
	}
	return g
}

func (g *grant) token(ctx context.Context) (Secret, error) {
	select {
	case g.lock <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { <-g.lock }()
	now := g.now()
	life := g.ends.Sub(g.got)
	if g.value != "" && now.Before(g.ends.Add(-life/earlyShare)) {
		return g.value, nil
	}
	if err := g.renew(ctx, now); err != nil {
		if g.value != "" && now.Before(g.ends) {
			return g.value, nil // the next call tries again
		}
		return "", err
	}
	return g.value, nil
}

func (g *grant) spoil(bad Secret) {
	g.lock <- struct{}{}
	if g.value == bad {
		g.value = ""
	}
	<-g.lock
}

func (g *grant) renew(ctx context.Context, now time.Time) error {
	id, err := g.cfg.secret("client_id", Secret(g.cfg.ClientID))
	if err != nil {
		return err
	}
	secret, err := g.cfg.secret("client_secret", g.cfg.ClientSecret)
	if err != nil {
		return err
	}
	form := url.Values{
		"grant_type":    {"client_credentials"},
		"client_id":     {id.reveal()},
		"client_secret": {secret.reveal()},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url,
		strings.NewReader(form.Encode()))
	if err != nil {
		return &Fault{code: codeRequest, class: classBug, detail: "the token request", cause: err}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	res, err := g.cfg.HTTP.Do(req)
	if err != nil {
		return unreachable(withoutURL(err), false)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxTokenReply))
	if err != nil {
		return unreachable(err, false)
	}
	if res.StatusCode != http.StatusOK {
		return statusFault(res, false)
	}
	var reply struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"` // seconds
	}
	if err := json.Unmarshal(body, &reply); err != nil || reply.AccessToken == "" ||
		reply.ExpiresIn <= 0 {
		return &Fault{code: codeDenied, class: classAuth, cause: err,
			detail: "the token endpoint answered without a token and its life"}
	}
	g.value, g.got = Secret(reply.AccessToken), now
	g.ends = now.Add(time.Duration(min(reply.ExpiresIn, 1<<31)) * time.Second)
	return nil
}

// withoutURL cuts the address out of an error of net/http: it is long, says nothing new, and a
// proxy's may carry a password.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return fmt.Errorf("%s: %w", strings.ToLower(u.Op), u.Err)
	}
	return err
}
