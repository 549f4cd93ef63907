package netsuitetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPublishedSignature holds the signature to Oracle's published example (and one computed from its
// credentials), and to the example of RFC 5849 3.4.1.1 for what the base string sorts and encodes.
func TestPublishedSignature(t *testing.T) {
	t.Parallel()
	const consumer = "d26ad321a4b2f23b0741c8d38392ce01c3e23e109df6c96eac6d099e9ab9e8b5"
	const secret = "c29a677df7d5439a458c063654187e3d678d73aca8e3c9d8bea1478a3eb0d295"
	p := map[string]string{"realm": "123456", "oauth_nonce": "fjaLirsIcCGVZWzBX0pg",
		"oauth_consumer_key":     "ef40afdd8abaac111b13825dd5e5e2ddddb44f86d5a0dd6dcf38c20aae6b67e4",
		"oauth_token":            "2b0ce516420110bcbd36b69e99196d1b7f6de3c6234c5afb799b73d87569f5cc",
		"oauth_signature_method": "HMAC-SHA256", "oauth_timestamp": "1508242306", "oauth_version": "1.0"}
	for _, c := range []struct{ method, address, query, want string }{
		{"POST", "https://123456.restlets.api.netsuite.com/app/site/hosting/restlet.nl",
			"script=6&deploy=1&customParam=someValue&testParam=someOtherValue",
			"+KK4SKNgz4ZiILGLwOMtfYlgcXSy1eis8ldE9X90azQ="},
		{"GET", "https://123456.suitetalk.api.netsuite.com/services/rest/record/v1/employee/40", "",
			"B5OIWznZ2YP0OB7VrJrGkYsTh+8H+5T9Hag+o92q0zY="},
	} {
		q, err := url.ParseQuery(c.query)
		require.NoError(t, err)
		assert.Equal(t, c.want, signature(c.method, c.address, q, p, consumer, secret))
	}

	q, err := url.ParseQuery("b5=%3D%253D&a3=a&c%40=&a2=r%20b&c2&a3=2+q")
	require.NoError(t, err)
	rfc := map[string]string{"realm": "Example", "oauth_consumer_key": "9djdj82h48djs9d2",
		"oauth_token": "kkk9d7dh3k39sjv7", "oauth_signature_method": "HMAC-SHA1",
		"oauth_timestamp": "137131201", "oauth_nonce": "7d8f3e4a", "oauth_signature": "ignored"}
	base := "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q" +
		"%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26c2%3D%26oauth_consumer_" +
		"key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_m" +
		"ethod%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk" +
		"9d7dh3k39sjv7"
	mac := hmac.New(sha256.New, []byte("a&b"))
	mac.Write([]byte(base))
	assert.Equal(t, base64.StdEncoding.EncodeToString(mac.Sum(nil)),
		signature("POST", "http://example.com/request", q, rfc, "a", "b"))
}

// sign makes the header of a request of token-based authentication.
func sign(s *Server, method, address string, change map[string]string) string {
	c := s.Credentials()[0]
	at, _ := url.Parse(address)
	p := map[string]string{"realm": c.Account, "oauth_nonce": "n1", "oauth_version": "1.0",
		"oauth_consumer_key": c.ConsumerKey, "oauth_token": c.TokenID,
		"oauth_signature_method": "HMAC-SHA256", "oauth_timestamp": fmt.Sprint(s.Now().Unix())}
	for name, v := range change {
		p[name] = v
	}
	query := at.Query()
	at.RawQuery = ""
	p["oauth_signature"] = signature(method, at.String(), query, p, c.ConsumerSecret, c.TokenSecret)
	if v, ok := change["oauth_signature"]; ok {
		p["oauth_signature"] = v
	}
	var parts []string
	for name, v := range p {
		parts = append(parts, name+`="`+percent(v)+`"`)
	}
	return "OAuth " + strings.Join(parts, ", ")
}

// TestTokenBased walks through what makes a signed request good or bad.
func TestTokenBased(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	const at = "http://sim.test/services/rest/record/v1/salesOrder?limit=10&offset=0"
	call := func(header string) reply {
		return r.send("GET", strings.TrimPrefix(at, "http://sim.test"), nil, "Authorization", header)
	}
	assert.Equal(t, 200, call(sign(r.Server, "GET", at, nil)).status)
	for name, c := range map[string]map[string]string{
		"a nonce twice":          nil,
		"no nonce":               {"oauth_nonce": ""},
		"an old timestamp":       {"oauth_nonce": "n2", "oauth_timestamp": fmt.Sprint(r.Now().Unix() - 301)},
		"HMAC-SHA1":              {"oauth_nonce": "n3", "oauth_signature_method": "HMAC-SHA1"},
		"a realm in lower case":  {"oauth_nonce": "n4", "realm": "1234567_sb1"},
		"another token":          {"oauth_nonce": "n5", "oauth_token": "other"},
		"another version":        {"oauth_nonce": "n6", "oauth_version": "2.0"},
		"a signature of nothing": {"oauth_nonce": "n7", "oauth_signature": "AAAA"},
	} {
		out := call(sign(r.Server, "GET", at, c))
		assert.Equal(t, 401, out.status, name)
		assert.Equal(t, "INVALID_LOGIN_ATTEMPT", out.code(), name)
	}
	assert.Equal(t, 401, call(sign(r.Server, "POST", at, map[string]string{"oauth_nonce": "n8"})).status)
	assert.Equal(t, 200, call(sign(r.Server, "GET", at, map[string]string{"oauth_nonce": "n9"})).status)
	r.Access(Access{Refresh: true})
	assert.Equal(t, 401, call(sign(r.Server, "GET", at, map[string]string{"oauth_nonce": "na"})).status)
	r.Access(Access{Restore: true})
	assert.Equal(t, 200, call(sign(r.Server, "GET", at, map[string]string{"oauth_nonce": "nb"})).status)
}

// assertion is what a client says of itself; change replaces claims and, with kid, the header.
func assertion(t *testing.T, s *Server, method jwt.SigningMethod, key crypto.Signer,
	change jwt.MapClaims) string {
	t.Helper()
	c := s.Credentials()[0]
	claims := jwt.MapClaims{"iss": c.ClientID, "scope": []string{"restlets", "rest_webservices"},
		"aud": "http://sim.test" + tokenPath, "iat": s.Now().Unix(),
		"exp": s.Now().Add(30 * time.Minute).Unix()}
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = c.CertificateID
	for name, v := range change {
		switch {
		case name == "kid":
			token.Header[name] = v
		case v == nil:
			delete(claims, name)
		default:
			claims[name] = v
		}
	}
	text, err := token.SignedString(key)
	require.NoError(t, err)
	return text
}

func grant(s *Server, change url.Values) (int, m) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_assertion_type": {assertionType}}
	for name, v := range change {
		form[name] = v
	}
	req := httptest.NewRequest("POST", "http://sim.test"+tokenPath, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, req)
	var body m
	_ = json.Unmarshal(w.Body.Bytes(), &body)
	return w.Code, body
}

func publicPEM(t *testing.T, key crypto.PublicKey) string {
	t.Helper()
	text, err := x509.MarshalPKIXPublicKey(key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: text}))
}

// TestClientCredentials grants tokens to assertions of both kinds of keys, and refuses all that
// NetSuite refuses.
func TestClientCredentials(t *testing.T) {
	t.Parallel()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	big, err := rsa.GenerateKey(rand.Reader, 3072)
	require.NoError(t, err)
	config := func(key crypto.PublicKey) Config {
		return Config{Integrations: []IntegrationConfig{{Name: "x", ClientID: "client",
			CertificateID: "cert", PublicKeyPEM: publicPEM(t, key)}}}
	}
	r := newRig(t, config(ec.Public()))
	code, body := grant(r.Server, url.Values{"client_assertion": {assertion(t, r.Server,
		jwt.SigningMethodES256, ec, nil)}})
	require.Equal(t, 200, code, body)
	assert.Equal(t, "3600", body["expires_in"])
	for name, c := range map[string]jwt.MapClaims{
		"another client":          {"iss": "other"},
		"another audience":        {"aud": "https://elsewhere.example" + tokenPath},
		"no scope of records":     {"scope": "restlets"},
		"no issue":                {"iat": nil},
		"no expiry":               {"exp": nil},
		"expired":                 {"exp": r.Now().Unix() - 1, "iat": r.Now().Unix() - 100},
		"longer than an hour":     {"exp": r.Now().Unix() + 3601},
		"an unknown certificate":  {"kid": "other"},
		"issued in times to come": {"iat": r.Now().Unix() + 600},
	} {
		code, body := grant(r.Server, url.Values{"client_assertion": {assertion(t, r.Server,
			jwt.SigningMethodES256, ec, c)}})
		assert.Equal(t, 401, code, name)
		assert.Equal(t, "invalid_client", body["error"], name)
	}
	code, _ = grant(r.Server, url.Values{"grant_type": {"password"}})
	assert.Equal(t, 400, code)

	p := newRig(t, config(big.Public()))
	good := assertion(t, p.Server, jwt.SigningMethodPS256, big, nil)
	code, _ = grant(p.Server, url.Values{"client_assertion": {good}})
	assert.Equal(t, 200, code)
	code, _ = grant(p.Server, url.Values{"client_assertion": {assertion(t, p.Server,
		jwt.SigningMethodRS256, big, nil)}})
	assert.Equal(t, 401, code, "RS256 is not accepted")

	small, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	_, err = New(config(small.Public()))
	assert.ErrorContains(t, err, "2048 bits")
}

// TestTokenLife lets a token expire, be revoked, and the mapping of a certificate vanish.
func TestTokenLife(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{Speed: 60})
	get := func() reply { return r.get("salesOrder") }
	assert.Equal(t, 200, get().status)
	r.Advance(59 * time.Second)
	assert.Equal(t, 200, get().status)
	r.Advance(time.Second)
	out := get()
	assert.Equal(t, 401, out.status, "an hour at speed 60 is a minute")
	assert.Equal(t, "INVALID_LOGIN", out.code())
	assert.Contains(t, out.header.Get("Www-Authenticate"), "invalid_token")

	c := r.Credentials()[0]
	block, _ := pem.Decode([]byte(c.PrivateKeyPEM))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	signer, ok := key.(*ecdsa.PrivateKey)
	require.True(t, ok)
	login := func() int {
		code, body := grant(r.Server, url.Values{"client_assertion": {assertion(t, r.Server,
			jwt.SigningMethodES256, signer, nil)}})
		r.token, _ = body["access_token"].(string)
		return code
	}
	require.Equal(t, http.StatusOK, login())
	assert.Equal(t, 200, get().status)
	r.Access(Access{Revoke: true})
	assert.Equal(t, 401, get().status)
	require.Equal(t, 200, login())
	r.Access(Access{Refresh: true})
	assert.Equal(t, 401, login(), "the refresh of a sandbox takes the mapping with it")
}
