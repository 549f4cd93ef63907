package shopify

import (
	"bytes"
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
)

// The versions of the Admin API. Before OldestVersion a quantity can be written without saying what
// was there before; see https://shopify.dev/docs/api/admin-graphql.
const (
	Version       = "2026-10"
	OldestVersion = "2026-04"
)

// ClientConfig says how to reach one shop. Either Token, or ClientID and ClientSecret.
type ClientConfig struct {
	Endpoint     string // https://SHOP.myshopify.com; plain http only on loopback
	Version      string // default Version
	Token        Secret
	ClientID     string
	ClientSecret Secret
	// Fresh reads a secret anew at each use, so that one that was rotated counts at once; nil:
	// those above. Its names are token, client_id and client_secret.
	Fresh   func(name string) (Secret, error)
	HTTP    *http.Client  // default: its own, with bounds on connections and time
	Timeout time.Duration // of one try, default 10 s: a claim of a task lives 20 s
	Now     func() time.Time
	// Pause waits for d, or fails with ctx's error. Default: a timer.
	Pause func(ctx context.Context, d time.Duration) error
}

// WithDefaults fills what is not given.
func (c ClientConfig) WithDefaults() ClientConfig {
	c.Endpoint = strings.TrimRight(c.Endpoint, "/")
	if c.Version == "" {
		c.Version = Version
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
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
	return c
}

// Validate joins every fault of the configuration; nil means that there is none.
func (c ClientConfig) Validate() error {
	var all []error
	fault := func(format string, args ...any) { all = append(all, fmt.Errorf(format, args...)) }
	u, err := url.Parse(c.Endpoint)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Path != "" && !loopback(u.Hostname()):
		fault("endpoint must be https://SHOP.myshopify.com, without a path but for a simulator")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		fault("endpoint must be https: a token would travel in the clear")
	}
	if len(c.Version) != len(Version) || c.Version < OldestVersion || c.Version[4] != '-' {
		fault("api_version %q: it must be %s or later", c.Version, OldestVersion)
	}
	if (c.Token == "") == (c.ClientID == "" && c.ClientSecret == "") {
		fault("give either a token, or client_id and client_secret")
	}
	if (c.ClientID == "") != (c.ClientSecret == "") {
		fault("client_id and client_secret go together")
	}
	return errors.Join(all...)
}

func loopback(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}

// newHTTP never follows a redirect: a token must not travel to another host.
func newHTTP() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			ForceAttemptHTTP2:     true,
			MaxConnsPerHost:       32,
			MaxIdleConnsPerHost:   16,
			IdleConnTimeout:       90 * time.Second,
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: 15 * time.Second,
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

// Client speaks GraphQL with one shop, within its budget. It is safe for concurrent use.
type Client struct {
	cfg    ClientConfig
	url    string
	tokens tokens
	budget *budget

	// learned is what each operation was asked for last: the price of the next one.
	learned struct {
		sync.Mutex
		cost map[string]int64
	}
}

// NewClient checks the configuration; it opens nothing. It fails with every fault of it at once.
func NewClient(cfg ClientConfig) (*Client, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Client{
		cfg:    cfg,
		url:    cfg.Endpoint + "/admin/api/" + cfg.Version + "/graphql.json",
		budget: newBudget(cfg.Now, cfg.Pause),
		tokens: staticToken{cfg},
	}
	if cfg.Token == "" {
		c.tokens = newGrant(cfg)
	}
	c.learned.cost = make(map[string]int64)
	return c, nil
}

// Budget is what is left of the shop's cost bucket.
func (c *Client) Budget() Budget { return c.budget.view() }

const (
	// maxTries of one call: with the pauses between them it still fits into a claim.
	maxTries = 4
	// maxPause is what a call waits for by itself; whoever queued it can wait longer.
	maxPause = 5 * time.Second
	// maxReply is over the largest page that an operation asks for, 50 orders of 100 lines.
	maxReply = 32 << 20
	// firstPause is what Shopify's documents advise after THROTTLED without figures.
	firstPause = time.Second
)

// do runs an operation and decodes its data into out.
//
// A read, and a mutation with an idempotency key, is sent again with the same key when it was
// throttled or its outcome is not known, a few times. A mutation without one is sent once: its
// Fault says by Unknown that it may have taken effect, and only a look can tell.
func (c *Client) do(ctx context.Context, op *operation, vars any, out any) error {
	return c.doAs(ctx, op, op.urgency, vars, out)
}

func (c *Client) doAs(ctx context.Context, op *operation, u Urgency, vars any, out any) error {
	body, err := json.Marshal(envelope{Query: op.text, Variables: vars, OperationName: op.name})
	if err != nil {
		return &Fault{code: codeRequest, class: classBug, detail: op.name, cause: err}
	}
	var spoilt bool
	var doubt *Fault // of a try whose outcome is not known
	for try := 1; ; try++ {
		err = c.once(ctx, op, u, body, out)
		var f *Fault
		if errors.As(err, &f) {
			if f.unknown {
				doubt = f
			} else if f.unsent && doubt != nil {
				return doubt // this one did not leave, but one before it did
			}
		}
		if err == nil || !errors.As(err, &f) || ctx.Err() != nil {
			return err
		}
		if f.code == codeDenied && !spoilt && c.cfg.Token == "" {
			spoilt = true // the token was spoilt; a new one may be let in
			continue
		}
		if !f.retryable || try >= maxTries || (f.unknown && op.kind == sentOnce) {
			return err
		}
		wait := f.after
		if wait == 0 {
			wait = firstPause / 4 << try
		}
		if wait > maxPause || !fits(ctx, c.cfg.Now(), wait) {
			return err
		}
		if c.cfg.Pause(ctx, wait) != nil {
			return err
		}
	}
}

// fits reports whether there is time for a pause before ctx ends.
func fits(ctx context.Context, now time.Time, wait time.Duration) bool {
	ends, ok := ctx.Deadline()
	return !ok || now.Add(wait).Before(ends)
}

type envelope struct {
	Query         string `json:"query"`
	OperationName string `json:"operationName,omitempty"`
	Variables     any    `json:"variables,omitempty"`
}

// once sends a request once, within the budget.
func (c *Client) once(ctx context.Context, op *operation, u Urgency, body []byte, out any) error {
	cost := c.price(op)
	if err := c.budget.take(ctx, cost, u); err != nil {
		return err
	}
	var status *throttleStatus
	defer func() { c.budget.settle(cost, status) }()
	token, err := c.tokens.token(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return &Fault{code: codeRequest, class: classBug, detail: op.name, cause: err}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "holdfast")
	req.Header.Set("X-Shopify-Access-Token", token.reveal())
	res, err := c.cfg.HTTP.Do(req)
	if err != nil {
		return unreachable(withoutURL(err), op.writes())
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusUnauthorized {
		c.tokens.spoil(token)
	}
	if res.StatusCode != http.StatusOK {
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 4<<10))
		return statusFault(res, op.writes())
	}
	reply, err := c.read(res, op)
	if err != nil {
		return err
	}
	if reply.Extensions.Cost.ThrottleStatus.MaximumAvailable > 0 {
		status = &reply.Extensions.Cost.ThrottleStatus
	}
	c.learn(op, int64(reply.Extensions.Cost.RequestedQueryCost))
	return c.finish(op, reply, out)
}

// price is what an operation will be asked for, as far as is known.
func (c *Client) price(op *operation) int64 {
	c.learned.Lock()
	defer c.learned.Unlock()
	if cost := c.learned.cost[op.name]; cost > 0 {
		return cost
	}
	return op.cost
}

// learn keeps the highest price of late: pages of one operation cost the same, batches do not.
func (c *Client) learn(op *operation, cost int64) {
	if cost <= 0 {
		return
	}
	c.learned.Lock()
	defer c.learned.Unlock()
	c.learned.cost[op.name] = max(cost, c.learned.cost[op.name]*7/8)
}
