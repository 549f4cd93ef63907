package netsuite

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// signer lets requests in. It is safe for concurrent use.
type signer interface {
	// sign sets the header Authorization and returns what can be spoilt. It may call the account, and
	// fails with a Fault or ctx's error.
	sign(ctx context.Context, r *http.Request) (Secret, error)
	// spoil says that the account has refused what sign returned; renewable reports whether another
	// one may be let in.
	spoil(Secret) (renewable bool)
}

// tba signs each request by itself.
type tba struct {
	cfg ClientConfig
}

// sign reads the keys anew: one that was rotated counts at once.
func (t tba) sign(_ context.Context, r *http.Request) (Secret, error) {
	var k tbaKeys
	for _, s := range []struct {
		name string
		to   *Secret
	}{{secretConsumerKey, &k.consumerKey}, {secretConsumerSecret, &k.consumerSecret},
		{secretTokenID, &k.tokenID}, {secretTokenSecret, &k.tokenSecret}} {
		v, err := t.cfg.secret(s.name)
		if err != nil {
			return "", err
		}
		*s.to = v
	}
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // it never fails
	r.Header.Set("Authorization", k.authorize(tbaRequest{method: r.Method, url: r.URL,
		realm: t.cfg.Account.Realm(), nonce: hex.EncodeToString(nonce), at: t.cfg.Now()}))
	return "", nil
}

// spoil has nothing to renew.
func (tba) spoil(Secret) bool { return false }

// grant is the client credentials grant with a certificate: tokens that live an hour, got with a
// signed assertion. There is no refresh token; another one is asked for.
type grant struct {
	cfg ClientConfig
	url string

	mu struct {
		sync.Mutex
		value  Secret
		got    time.Time
		ends   time.Time
		flight chan struct{} // closed when the one renewal that is under way ends; nil: none is
	}
}

// earlyShare of a token's life is left when it is renewed: an hour's token has 6 minutes for tries,
// in which the old one still works.
const earlyShare = 10

// maxTokenReply bounds the body of a reply of the token endpoint.
const maxTokenReply = 64 << 10

func newGrant(cfg ClientConfig) *grant {
	return &grant{cfg: cfg, url: cfg.Endpoint + "/services/rest/auth/oauth2/v1/token"}
}

func (g *grant) sign(ctx context.Context, r *http.Request) (Secret, error) {
	token, err := g.token(ctx)
	if err == nil {
		r.Header.Set("Authorization", "Bearer "+token.reveal())
	}
	return token, err
}

// token returns one that is good. Whoever finds that the old one ends soon renews it; the others use
// the old one meanwhile, and wait only when it has ended.
func (g *grant) token(ctx context.Context) (Secret, error) {
	for {
		g.mu.Lock()
		now := g.cfg.Now()
		good := g.mu.value != "" && now.Before(g.mu.ends)
		early := good && now.Before(g.mu.ends.Add(-g.mu.ends.Sub(g.mu.got)/earlyShare))
		old, flight := g.mu.value, g.mu.flight
		if early || good && flight != nil {
			g.mu.Unlock()
			return old, nil
		}
		if flight == nil {
			flight = make(chan struct{})
			g.mu.flight = flight
			g.mu.Unlock()
			return g.fly(ctx, flight, old, good)
		}
		g.mu.Unlock()
		select {
		case <-flight:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// fly renews the token. When that fails, an old one that is still good serves: the next call tries
// again.
func (g *grant) fly(ctx context.Context, flight chan struct{}, old Secret, good bool) (Secret, error) {
	now := g.cfg.Now()
	value, life, err := g.renew(ctx, now)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.flight = nil
	close(flight)
	switch {
	case err == nil:
		g.mu.value, g.mu.got, g.mu.ends = value, now, now.Add(life)
		return value, nil
	case good:
		return old, nil
	}
	return "", err
}

func (g *grant) spoil(bad Secret) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.value == bad {
		g.mu.value = ""
	}
	return true
}

// renew asks for a token. It fails with a Fault or ctx's error; asking twice does no harm.
func (g *grant) renew(ctx context.Context, now time.Time) (Secret, time.Duration, error) {
	signed, err := g.assert(now)
	if err != nil {
		return "", 0, err
	}
	form := url.Values{
		"grant_type":            {"client_credentials"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {signed.reveal()},
	}
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url,
		strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, bug("the token request", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	res, err := g.cfg.HTTP.Do(req)
	if err != nil {
		return "", 0, unreachable(withoutURL(err), false)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxTokenReply))
	if err != nil {
		return "", 0, unreachable(err, false)
	}
	return tokenOf(res, body, g.cfg.Account)
}

// tokenOf reads the answer of the token endpoint. It fails with a Fault.
func tokenOf(res *http.Response, body []byte, account AccountID) (Secret, time.Duration, error) {
	var reply struct {
		AccessToken string      `json:"access_token"`
		ExpiresIn   json.Number `json:"expires_in"` // seconds, as a number or a text
		Error       string      `json:"error"`
	}
	err := json.Unmarshal(body, &reply)
	if res.StatusCode != http.StatusOK {
		if err != nil || res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests {
			return "", 0, statusFault(res, body, false)
		}
		hint := "is the certificate mapped to the integration, the role and the user, and in date?"
		if account.Sandbox() {
			hint += " A refresh of a sandbox wipes that mapping: upload the certificate again"
		}
		return "", 0, &Fault{code: codeDenied, class: classAuth, detail: fmt.Sprintf(
			"no token (HTTP %d, %s): %s", res.StatusCode, cut(plain(reply.Error)), hint)}
	}
	seconds, wrong := reply.ExpiresIn.Int64()
	if err = errors.Join(err, wrong); err != nil || reply.AccessToken == "" || seconds <= 0 {
		return "", 0, &Fault{code: codeAnswer, class: classTransient, retryable: true,
			detail: "the token endpoint answered without a token and its life", cause: err}
	}
	return Secret(reply.AccessToken), time.Duration(min(seconds, 1<<31)) * time.Second, nil
}

// assert signs an assertion with the key as it is now. It fails with a Fault: the credentials are at
// fault, and may be right a moment later.
func (g *grant) assert(now time.Time) (Secret, error) {
	client, err := g.cfg.secret(secretClientID)
	if err != nil {
		return "", err
	}
	certificate, err := g.cfg.secret(secretCertificateID)
	if err != nil {
		return "", err
	}
	pem, err := g.cfg.secret(secretPrivateKey)
	if err != nil {
		return "", err
	}
	key, err := newSigningKey(pem)
	if err == nil {
		var signed Secret
		if signed, err = key.sign(assertion{client: client.reveal(), certificate: certificate.reveal(),
			audience: g.url, at: now}); err == nil {
			return signed, nil
		}
	}
	return "", &Fault{code: codeDenied, class: classAuth, retryable: true, detail: "the private key",
		cause: err}
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
