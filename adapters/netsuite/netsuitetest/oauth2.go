package netsuitetest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const tokenPath = "/services/rest/auth/oauth2/v1/token"

// assertionType is what a client assertion says of itself.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// maxAssertion is the longest time between issue and expiry of an assertion.
const maxAssertion = time.Hour

// algorithms are those of Oracle's page on the client credentials flow; RS256 is not one of them.
var algorithms = []string{"PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}

// oauthError is how a token endpoint refuses (RFC 6749).
type oauthError struct {
	status      int
	code        string
	description string
}

// grantFor answers a request for a token by client credentials with a certificate.
func (a *access) grantFor(r *http.Request, form url.Values) (string, time.Duration, *oauthError) {
	bad := func(code, why string) (string, time.Duration, *oauthError) {
		return "", 0, &oauthError{http.StatusBadRequest, code, why}
	}
	if form.Get("grant_type") != "client_credentials" {
		return bad("unsupported_grant_type", "grant_type must be client_credentials")
	}
	if form.Get("client_assertion_type") != assertionType {
		return bad("invalid_request", "client_assertion_type must be "+assertionType)
	}
	by, err := a.assertion(r, form.Get("client_assertion"))
	if err != nil {
		return "", 0, &oauthError{http.StatusUnauthorized, "invalid_client", err.Error()}
	}
	text, life := a.grant(by)
	return text, life, nil
}

// assertion verifies the JWT of a client and finds its integration.
func (a *access) assertion(r *http.Request, text string) (*integration, error) {
	var by *integration
	claims := jwt.MapClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods(algorithms), jwt.WithTimeFunc(a.now),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	_, err := parser.ParseWithClaims(text, claims, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		if typ, _ := t.Header["typ"].(string); typ != "JWT" {
			return nil, errors.New("typ is not JWT")
		}
		if by = a.mapped(kid); by == nil {
			return nil, fmt.Errorf("no certificate %q is mapped", kid)
		}
		return by.key, nil
	})
	if err != nil {
		return nil, err
	}
	if issuer, _ := claims.GetIssuer(); issuer != by.cfg.ClientID {
		return nil, errors.New("iss is not the client id of the integration")
	}
	if err := a.checkAudience(r, claims); err != nil {
		return nil, err
	}
	issued, err := claims.GetIssuedAt()
	if err != nil || issued == nil {
		return nil, errors.New("iat is missing")
	}
	expires, err := claims.GetExpirationTime()
	if err != nil || expires.Sub(issued.Time) > maxAssertion {
		return nil, errors.New("exp is more than 60 minutes after iat")
	}
	if !slices.Contains(scopes(claims["scope"]), "rest_webservices") {
		return nil, errors.New("scope does not name rest_webservices")
	}
	return by, nil
}

// mapped finds the integration of a certificate whose mapping is in force.
func (a *access) mapped(kid string) *integration {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, x := range a.integrations {
		if kid != "" && x.cfg.CertificateID == kid && x.key != nil && !x.unmapped {
			return x
		}
	}
	return nil
}

// checkAudience wants the address of the token endpoint: the account's, or the simulator's.
func (a *access) checkAudience(r *http.Request, claims jwt.MapClaims) error {
	host := strings.ReplaceAll(lower(a.cfg.Account), "_", "-")
	own := []string{"https://" + host + ".suitetalk.api.netsuite.com" + tokenPath,
		origin(r) + tokenPath}
	given, err := claims.GetAudience()
	if err != nil {
		return fmt.Errorf("aud: %w", err)
	}
	for _, x := range given {
		if slices.Contains(own, x) {
			return nil
		}
	}
	return errors.New("aud is not the address of the token endpoint")
}

// scopes reads a list that is an array, or a text with commas or blanks.
func scopes(claim any) []string {
	switch x := claim.(type) {
	case string:
		return strings.FieldsFunc(x, func(r rune) bool { return r == ',' || r == ' ' })
	case []any:
		var out []string
		for _, s := range x {
			out = append(out, fmt.Sprint(s))
		}
		return out
	}
	return nil
}

// origin is the scheme and host that the client called.
func origin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// token answers the token endpoint. How long the token lives is a text, as NetSuite sends it.
func (c *call) token() {
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, 64<<10)
	if c.r.Method != http.MethodPost || c.r.ParseForm() != nil {
		c.oauth(&oauthError{http.StatusBadRequest, "invalid_request", "a form must be posted"})
		return
	}
	text, life, refusal := c.srv.access.grantFor(c.r, c.r.PostForm)
	if refusal != nil {
		c.oauth(refusal)
		return
	}
	seconds := max(1, int64(life/time.Second))
	c.log(http.StatusOK, "ok")
	c.write(http.StatusOK, "application/json", encode(object{"access_token": text,
		"expires_in": strconv.FormatInt(seconds, 10), "token_type": "bearer"}))
}

func (c *call) oauth(e *oauthError) {
	c.log(e.status, e.code)
	c.write(e.status, "application/json",
		encode(object{"error": e.code, "error_description": e.description}))
}
