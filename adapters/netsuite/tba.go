package netsuite

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Token-based authentication is OAuth 1.0a (RFC 5849) with HMAC-SHA256. New integrations of this
// kind cannot be made from NetSuite 2027.1 on, and those that are there end later: it is for accounts
// that have one already.

// tbaKeys are the four secrets of an integration.
type tbaKeys struct {
	consumerKey, consumerSecret, tokenID, tokenSecret Secret
}

// tbaRequest is what is signed of a request. Its body is not: it is no form.
type tbaRequest struct {
	method string
	url    *url.URL
	realm  string
	nonce  string // of letters and digits, new for each request
	at     time.Time
}

// authorize makes the header Authorization. It is a pure function, so that the vectors that Oracle
// has published prove it.
func (k tbaKeys) authorize(r tbaRequest) string {
	own := [][2]string{
		{"oauth_consumer_key", k.consumerKey.reveal()},
		{"oauth_nonce", r.nonce},
		{"oauth_signature_method", "HMAC-SHA256"},
		{"oauth_timestamp", strconv.FormatInt(r.at.Unix(), 10)},
		{"oauth_token", k.tokenID.reveal()},
		{"oauth_version", "1.0"},
	}
	mac := hmac.New(sha256.New,
		[]byte(escape(k.consumerSecret.reveal())+"&"+escape(k.tokenSecret.reveal())))
	mac.Write([]byte(baseString(r, own)))
	var b strings.Builder
	fmt.Fprintf(&b, `OAuth realm="%s"`, escape(r.realm))
	for _, p := range own {
		fmt.Fprintf(&b, `,%s="%s"`, p[0], escape(p[1]))
	}
	fmt.Fprintf(&b, `,oauth_signature="%s"`,
		escape(base64.StdEncoding.EncodeToString(mac.Sum(nil))))
	return b.String()
}

// baseString is RFC 5849, section 3.4.1. The realm is not in it.
func baseString(r tbaRequest, own [][2]string) string {
	var params [][2]string
	for name, values := range r.url.Query() {
		for _, v := range values {
			params = append(params, [2]string{escape(name), escape(v)})
		}
	}
	for _, p := range own {
		params = append(params, [2]string{escape(p[0]), escape(p[1])})
	}
	slices.SortFunc(params, func(a, b [2]string) int {
		if c := strings.Compare(a[0], b[0]); c != 0 {
			return c
		}
		return strings.Compare(a[1], b[1])
	})
	pairs := make([]string, len(params))
	for i, p := range params {
		pairs[i] = p[0] + "=" + p[1]
	}
	at := strings.ToLower(r.url.Scheme) + "://" + signedHost(r.url) + r.url.EscapedPath()
	return strings.ToUpper(r.method) + "&" + escape(at) + "&" + escape(strings.Join(pairs, "&"))
}

// signedHost is the host with its port, unless that is the scheme's own.
func signedHost(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if u.Scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

// escape is the encoding of RFC 5849, section 3.6: that of net/url has + for a space and leaves
// other bytes alone, and such a signature is refused.
func escape(s string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			c == '-' || c == '.' || c == '_' || c == '~' {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	return b.String()
}
