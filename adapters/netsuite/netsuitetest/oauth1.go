package netsuitetest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// clockSkew is how far the timestamp of a signed request may lie from the server's clock. Oracle help
// asks for clocks that agree and names no number; five minutes is what its login audit enforces.
const clockSkew = 5 * time.Minute

// signed verifies a request of token-based authentication: OAuth 1.0a with HMAC-SHA256.
func (a *access) signed(r *http.Request, header string) (*integration, *apiError) {
	p := parseOAuth(header)
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.integrations, func(x *integration) bool {
		return x.cfg.ConsumerKey != "" && x.cfg.ConsumerKey == p["oauth_consumer_key"] &&
			x.cfg.TokenID == p["oauth_token"] && !x.tbaRevoked
	})
	version := p["oauth_version"]
	if i < 0 || p["oauth_signature_method"] != "HMAC-SHA256" || p["realm"] != a.cfg.Account ||
		version != "" && version != "1.0" {
		return nil, badLogin(codeLoginAttempt)
	}
	by := a.integrations[i]
	at, err := strconv.ParseInt(p["oauth_timestamp"], 10, 64)
	if err != nil || a.now().Sub(time.Unix(at, 0)).Abs() > clockSkew {
		return nil, badLogin(codeLoginAttempt)
	}
	want := signature(r.Method, origin(r)+r.URL.EscapedPath(), r.URL.Query(), p,
		by.cfg.ConsumerSecret, by.cfg.TokenSecret)
	if !hmac.Equal([]byte(want), []byte(p["oauth_signature"])) {
		return nil, badLogin(codeLoginAttempt)
	}
	if !a.fresh(p["oauth_token"] + "\x00" + p["oauth_nonce"]) {
		return nil, badLogin(codeLoginAttempt)
	}
	return by, nil
}

// fresh says whether a nonce comes for the first time within the time that a timestamp is valid.
func (a *access) fresh(nonce string) bool {
	now := a.now()
	if len(a.nonces) > 100_000 {
		for n, at := range a.nonces {
			if now.Sub(at) > 2*clockSkew {
				delete(a.nonces, n)
			}
		}
	}
	if at, seen := a.nonces[nonce]; seen && now.Sub(at) <= 2*clockSkew ||
		strings.HasSuffix(nonce, "\x00") {
		return false
	}
	a.nonces[nonce] = now
	return true
}

// parseOAuth reads the parameters of an Authorization header, decoded.
func parseOAuth(header string) map[string]string {
	out := map[string]string{}
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		plain, err := url.PathUnescape(strings.Trim(value, `"`))
		if err == nil {
			out[name] = plain
		}
	}
	return out
}

// signature computes oauth_signature by RFC 5849 with HMAC-SHA256 from the address without its query,
// the query and the parameters of the header. Realm, signature and body are not signed.
func signature(method, address string, query url.Values, params map[string]string,
	secrets ...string) string {
	var pairs [][]string
	for name, values := range query {
		for _, v := range values {
			pairs = append(pairs, []string{percent(name), percent(v)})
		}
	}
	for name, v := range params {
		if name != "realm" && name != "oauth_signature" {
			pairs = append(pairs, []string{percent(name), percent(v)})
		}
	}
	slices.SortFunc(pairs, slices.Compare[[]string]) // by name, then value: not as one text
	var joined []string
	for _, p := range pairs {
		joined = append(joined, p[0]+"="+p[1])
	}
	base := method + "&" + percent(address) + "&" + percent(strings.Join(joined, "&"))
	var keys []string
	for _, s := range secrets {
		keys = append(keys, percent(s))
	}
	mac := hmac.New(sha256.New, []byte(strings.Join(keys, "&")))
	mac.Write([]byte(base))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// percent encodes as RFC 5849 asks for: all but letters, digits and - . _ ~.
func percent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte("0123456789ABCDEF"[c>>4])
		b.WriteByte("0123456789ABCDEF"[c&15])
	}
	return b.String()
}
