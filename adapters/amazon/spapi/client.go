package spapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"time"
)

// Client speaks with one seller account in one region, within its limits. It is safe for concurrent
// use.
type Client struct {
	*wire
	urgency Urgency
}

// wire is what all views of a Client share.
type wire struct {
	cfg     Config
	seller  *grant
	app     *grant // of the calls without a seller
	budgets *Budgets
}

// userAgent is demanded by Amazon, in this form.
var userAgent = "Holdfast/1.0 (Language=Go/" + runtime.Version()[2:] + "; Platform=" + runtime.GOOS + ")"

// NewClient checks the configuration; it opens nothing. It fails with every fault of it at once.
func NewClient(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	w := &wire{cfg: cfg.withDefaults()}
	w.seller, w.app = &grant{cfg: &w.cfg}, &grant{cfg: &w.cfg, scope: forNotifications}
	w.budgets = newBudgets(w.cfg)
	return &Client{wire: w, urgency: Ordinary}, nil
}

// As is the same client for calls of another urgency.
func (c *Client) As(u Urgency) *Client { return &Client{wire: c.wire, urgency: u} }

// Budgets are the account's, which outlive a client: Amazon does not forget what was used.
func (c *Client) Budgets() *Budgets { return c.budgets }

// Use takes over the buckets of another client of the same account.
func (c *Client) Use(b *Budgets) { c.budgets = b }

const (
	// maxTries of one call: with the pauses between them it still fits into a claim.
	maxTries = 4
	// maxReply is over the largest page that is asked for, 100 orders with all their data.
	maxReply = 16 << 20
	// firstPause is before the second try of a call without an answer.
	firstPause = 500 * time.Millisecond
)

// call is what an operation is called with.
type call struct {
	args  []string // of its path, in their order
	query query
	body  any
	out   any // nil: the answer has nothing of use
	// payload: the answer is wrapped in {"payload", "errors"}.
	payload bool
}

// do runs an operation, and decodes its answer.
//
// What Amazon has let nobody in for is sent again after a pause, whatever it is: nothing happened.
// A call without an answer is sent again if it reads, or if its second effect is that of the first;
// else its Fault says by Unknown that it may have happened, and only a look can tell.
func (c *Client) do(ctx context.Context, op *operation, in call) error {
	body, err := in.encode(op)
	if err != nil {
		return err
	}
	address, err := op.address(in.args)
	if err != nil {
		return err
	}
	if text := in.query.encode(); text != "" {
		address += "?" + text
	}
	tokens, spoilt := c.tokens(op), false
	for try := 1; ; try++ {
		err = c.once(ctx, op, c.cfg.Endpoint+address, body, in)
		var f *Fault
		if err == nil || !errors.As(err, &f) || ctx.Err() != nil {
			return err
		}
		var r *refusal
		if errors.As(err, &r) && !spoilt {
			spoilt = true
			tokens.spoil(r.token)
			continue
		}
		if !f.retryable || try >= maxTries || f.unknown && op.kind == sentOnce ||
			f.code == CodeAnswer && op.kind == sentOnce {
			return f
		}
		wait := f.after
		if f.code == CodeUnavailable {
			half := firstPause << (try - 1) / 2
			wait = max(wait, half+time.Duration(c.cfg.Jitter(int64(half)+1)))
		}
		if !patient(ctx, c.cfg.Now(), wait) || wait > 0 && c.cfg.Pause(ctx, wait) != nil {
			return f
		}
	}
}

func (in *call) encode(op *operation) ([]byte, error) {
	if in.body == nil {
		return nil, nil
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false) // a title with an ampersand stays one
	if err := enc.Encode(in.body); err != nil {
		return nil, &Fault{code: CodeRequest, class: classBug, detail: op.name, cause: err}
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

func (c *Client) tokens(op *operation) *grant {
	if op.scope != "" {
		return c.app
	}
	return c.seller
}

// once sends a request once, within the budget.
func (c *Client) once(ctx context.Context, op *operation, address string, body []byte, in call) error {
	bucket := c.budgets.of(op)
	if err := bucket.take(ctx, c.urgency); err != nil {
		return err
	}
	token, err := c.tokens(op).token(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, op.method, address, bytes.NewReader(body))
	if err != nil {
		return &Fault{code: CodeRequest, class: classBug, detail: op.name, cause: withoutURL(err)}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("X-Amz-Access-Token", token.Reveal())
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	began := c.cfg.Now()
	res, err := c.cfg.HTTP.Do(req)
	if err != nil {
		return unreachable(op, err)
	}
	defer res.Body.Close()
	c.cfg.Logger.DebugContext(ctx, "amazon was called", "operation", op.name, "status", res.StatusCode,
		"request", requestID(res.Header), "took", c.cfg.Now().Sub(began))
	text, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	if err != nil {
		return unreachable(op, err)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return c.failed(op, bucket, res, text, refusal{token: token})
	}
	bucket.settle(res.Header)
	if len(text) > maxReply {
		return answerFault(op, requestID(res.Header), fmt.Errorf("more than %d bytes", maxReply))
	}
	return finish(op, res, text, in)
}

// failed makes the fault of a status that is no success.
func (c *Client) failed(op *operation, b *bucket, res *http.Response, body []byte, r refusal) error {
	errs := errorsOf(body)
	f := statusFault(op, res, errs)
	switch {
	case f.code == CodeThrottled:
		f.after = b.refused(f.after)
	case f.expired(errs):
		r.Fault = f
		return &r
	case f.status < 500:
		b.settle(res.Header)
	}
	return f
}
