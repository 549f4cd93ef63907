package netsuite

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Auth is how an account lets us in.
type Auth string

// The ways.
const (
	// Certificate is OAuth 2.0 client credentials with a certificate, the way for every new account.
	Certificate Auth = "certificate"
	// Tokens is token-based authentication, OAuth 1.0a, for accounts that have it already.
	Tokens Auth = "tokens"
)

// The names of the secrets of either way.
const (
	secretClientID       = "client_id"
	secretCertificateID  = "certificate_id"
	secretPrivateKey     = "private_key"
	secretConsumerKey    = "consumer_key"
	secretConsumerSecret = "consumer_secret"
	secretTokenID        = "token_id"
	secretTokenSecret    = "token_secret"
)

// secretNames are those of each way.
var secretNames = map[Auth][]string{
	Certificate: {secretClientID, secretCertificateID, secretPrivateKey},
	Tokens:      {secretConsumerKey, secretConsumerSecret, secretTokenID, secretTokenSecret},
}

const userAgent = "holdfast"

// ClientConfig says how to reach one account.
type ClientConfig struct {
	Account  AccountID
	Endpoint string // default: the account's own host; another one only near, for a simulator
	Auth     Auth   // default Certificate
	// Secret reads a secret at each use, so that one that was rotated counts at once. Its names are
	// those of the connection's document. Required.
	Secret  func(name string) (Secret, error)
	HTTP    *http.Client  // default: its own, with bounds on connections and time
	Timeout time.Duration // of one try, default 15 s: a claim of a task leaves 17 s
	Now     func() time.Time
	// Pause waits for d, or fails with ctx's error. Default: a timer.
	Pause  func(ctx context.Context, d time.Duration) error
	Jitter func() float64 // 0 to 1; default: half
	Logger *slog.Logger   // default: discards
	// limit is shared by all clients of an account; nil: one of its own, of DefaultConcurrency.
	limit *limit
}

// WithDefaults fills what is not given.
func (c ClientConfig) WithDefaults() ClientConfig {
	c.Endpoint = strings.TrimRight(c.Endpoint, "/")
	if c.Endpoint == "" {
		c.Endpoint = "https://" + c.Account.Host()
	}
	if c.Auth == "" {
		c.Auth = Certificate
	}
	if c.Timeout == 0 {
		c.Timeout = 15 * time.Second
	}
	if c.HTTP == nil {
		c.HTTP = newHTTP()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Pause == nil {
		c.Pause = pause
	}
	if c.Jitter == nil {
		c.Jitter = func() float64 { return 0.5 }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.limit == nil {
		c.limit = newLimit(DefaultConcurrency, c.Now)
	}
	return c
}

// Validate joins every fault of the configuration; nil means that there is none.
func (c ClientConfig) Validate() error {
	var all []error
	fault := func(format string, args ...any) { all = append(all, fmt.Errorf(format, args...)) }
	if err := c.Account.Validate(); err != nil {
		all = append(all, err)
	}
	if err := checkEndpoint(c.Endpoint, c.Account); err != nil {
		all = append(all, err)
	}
	if secretNames[c.Auth] == nil {
		fault("auth must be %s or %s", Certificate, Tokens)
	}
	if c.Secret == nil {
		fault("a reader of secrets is required")
	}
	if c.Timeout < 0 || c.Timeout > time.Minute {
		fault("a timeout must be up to a minute, is %s", c.Timeout)
	}
	return errors.Join(all...)
}

// checkEndpoint lets tokens go to the account's own host, or to a simulator that is near. The host
// follows from the account id, so that a typing error cannot send them elsewhere.
func checkEndpoint(endpoint string, account AccountID) error {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "":
		return errors.New("endpoint must be a URL without user and query")
	case near(u.Hostname()) && (u.Scheme == "http" || u.Scheme == "https"):
		return nil
	case u.Scheme != "https" || u.Host != account.Host() || u.Path != "":
		return fmt.Errorf("endpoint must be https://%s, or left out", account.Host())
	}
	return nil
}

// near reports whether a host is this machine or in a private network.
func near(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.IsLoopback() || addr.IsPrivate()
	}
	return host == "localhost" || !strings.Contains(host, ".")
}

// secret reads a secret. It fails with a Fault: the credentials are at fault, and may be there a moment
// later.
func (c *ClientConfig) secret(name string) (Secret, error) {
	s, err := c.Secret(name)
	if err != nil {
		return "", &Fault{code: codeDenied, class: classAuth, retryable: true, detail: "secret " + name,
			cause: err}
	}
	return s, nil
}

// newHTTP never follows a redirect: a token must not travel to another host.
func newHTTP() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			ForceAttemptHTTP2:     true,
			MaxConnsPerHost:       MaxConcurrency,
			MaxIdleConnsPerHost:   16,
			IdleConnTimeout:       90 * time.Second,
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: time.Minute,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Client calls one account, within its limit. It is safe for concurrent use.
type Client struct {
	cfg    ClientConfig
	signer signer
}

// NewClient checks the configuration; it opens nothing. It fails with every fault of it at once.
func NewClient(cfg ClientConfig) (*Client, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, signer: tba{cfg}}
	if cfg.Auth == Certificate {
		c.signer = newGrant(cfg)
	}
	return c, nil
}

// Concurrency is the limit of the account as it is seen from here.
func (c *Client) Concurrency() Concurrency { return c.cfg.limit.view() }

// opKind says whether a call may be sent again when nobody knows what became of it.
type opKind uint8

const (
	reads   opKind = iota
	repeats        // a write whose second effect equals its first
	once           // a write that makes something: look before it is sent again
)

// call is one request.
type call struct {
	flow    string // whose turn it takes
	name    string // for logs and faults: salesOrder.create
	kind    opKind
	method  string
	path    string
	query   url.Values
	body    any
	headers map[string]string
}

// answer is what came back of a call that succeeded.
type answer struct {
	status   int
	location string
	body     []byte
}

const (
	// maxTries of one call: with the pauses between them it still fits into a claim.
	maxTries = 4
	// maxPause is what a call waits for by itself; whoever queued it can wait longer.
	maxPause = 5 * time.Second
	// firstPause doubles from try to try, as NetSuite's own client libraries do.
	firstPause = 500 * time.Millisecond
	// maxReply is over a page of 1,000 rows of a query with wide columns.
	maxReply = 32 << 20
	// maxRequest is far over an order of 1,000 lines; NetSuite takes 104 MB.
	maxRequest = 4 << 20
)

// do sends a call, and again with pauses while that may help: one that was turned down because too many
// were under way was not begun, so it is sent again whatever it is; one whose outcome is unknown only
// when it repeats. A refused token is renewed once. It fails with a Fault, or with ctx's error.
func (c *Client) do(ctx context.Context, k call) (answer, error) {
	var body []byte
	if k.body != nil {
		var err error
		if body, err = json.Marshal(k.body); err != nil {
			return answer{}, bug(k.name, err)
		}
		if len(body) > maxRequest {
			return answer{}, refused(codePayload, "%s has %d bytes, more than %d", k.name, len(body),
				maxRequest)
		}
	}
	var spoilt bool
	for try := 1; ; try++ {
		a, used, err := c.once(ctx, &k, body)
		var f *Fault
		if err == nil || !errors.As(err, &f) || ctx.Err() != nil {
			return a, err
		}
		if f.code == codeDenied && used != "" && !spoilt {
			if spoilt = true; c.signer.spoil(used) {
				continue // nothing was begun: the token was looked at first
			}
		}
		if !f.retryable || try >= maxTries || f.unknown && k.kind == once || f.class == classConflict ||
			f.class == classAuth {
			return a, err
		}
		wait := f.after
		if wait == 0 {
			wait = firstPause << (try - 1)
			wait += time.Duration(c.cfg.Jitter() * float64(wait) / 2)
		}
		if wait > maxPause || !fits(ctx, c.cfg.Now(), wait) || c.cfg.Pause(ctx, wait) != nil {
			return a, err
		}
	}
}

// fits reports whether there is time for a pause before ctx ends.
func fits(ctx context.Context, now time.Time, wait time.Duration) bool {
	ends, ok := ctx.Deadline()
	return !ok || now.Add(wait).Before(ends)
}

// once sends a call once, in its turn. used is what let it in, for one that was refused.
func (c *Client) once(ctx context.Context, k *call, body []byte) (a answer, used Secret, err error) {
	address := c.cfg.Endpoint + k.path
	if len(k.query) > 0 {
		address += "?" + k.query.Encode()
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, k.method, address, bytes.NewReader(body))
	if err != nil {
		return a, "", bug(k.name, err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if k.kind != reads {
		req.Header.Set("X-NetSuite-PropertyNameValidation", "Error")
		req.Header.Set("X-NetSuite-PropertyValueValidation", "Error")
	}
	for name, value := range k.headers {
		req.Header.Set(name, value)
	}
	// A token that must be got is waited for without a place. After the wait for the place it is looked at
	// again: it may have been renewed, and the legacy signature has a time in it.
	if _, err = c.signer.sign(ctx, req); err != nil {
		return a, "", err
	}
	mine, err := c.cfg.limit.take(ctx, k.flow)
	if err != nil {
		return a, "", err
	}
	begun := c.cfg.Now()
	if used, err = c.signer.sign(ctx, req); err == nil {
		a, err = c.send(req, k)
	}
	var f *Fault
	mine.give(errors.As(err, &f) && f.code == codeThrottled)
	c.log(ctx, k, a.status, c.cfg.Now().Sub(begun), f)
	return a, used, err
}

// send makes the call and reads its answer.
func (c *Client) send(req *http.Request, k *call) (answer, error) {
	writes := k.kind != reads
	res, err := c.cfg.HTTP.Do(req)
	if err != nil {
		return answer{}, unreachable(withoutURL(err), writes)
	}
	defer res.Body.Close()
	if w := res.Header.Get("X-Netsuite-Propertyvalidation"); w != "" {
		c.cfg.Logger.Warn("netsuite looked over a field", "call", k.name, "warning", cut(plain(w)))
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	switch {
	case err != nil:
		return answer{status: res.StatusCode}, unreachable(err, writes)
	case len(body) > maxReply:
		return answer{status: res.StatusCode}, &Fault{code: codeAnswer, class: classBug, unknown: writes,
			detail: fmt.Sprintf("%s: more than %d bytes", k.name, maxReply)}
	case res.StatusCode < 200 || res.StatusCode > 299:
		f := statusFault(res, body, writes)
		f.detail = k.name + ": " + f.detail
		return answer{status: res.StatusCode}, f
	case len(bytes.TrimSpace(body)) > 0 && !isJSON(res.Header):
		// A page of a gateway with the status of success: nobody knows whether NetSuite was asked.
		return answer{status: res.StatusCode}, &Fault{code: codeUnavailable, class: classTransient,
			retryable: true, unknown: writes, operation: operationOf(res.Header),
			detail: fmt.Sprintf("%s: HTTP %d with a body that is not JSON", k.name, res.StatusCode)}
	}
	return answer{status: res.StatusCode, location: res.Header.Get("Location"), body: body}, nil
}

// log writes one line for a call that failed, and one at the level debug for one that did not. It has
// what NetSuite's support asks for, and nothing of a body.
func (c *Client) log(ctx context.Context, k *call, status int, took time.Duration, f *Fault) {
	level, attrs := slog.LevelDebug, []slog.Attr{slog.String("call", k.name),
		slog.String("flow", k.flow), slog.Int("status", status), slog.Duration("took", took)}
	if f != nil {
		level = slog.LevelWarn
		attrs = append(attrs, slog.String("code", f.code), slog.String("operation", f.operation),
			slog.Bool("unknown", f.unknown))
	}
	c.cfg.Logger.LogAttrs(ctx, level, "netsuite call", attrs...)
}
