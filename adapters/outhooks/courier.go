package outhooks

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
	"strconv"
	"strings"
	"time"

	"holdfast/adapters/connections"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
)

// Orders is where the order of a message is read; *orders.Book has it.
type Orders interface {
	// Get returns an order whole; it fails with an error whose Code() is "unknown-order", or with the
	// store's.
	Get(ctx context.Context, id string) (orders.Order, error)
}

// CourierConfig is what a Courier works with. Book, Orders, Keeper and Now are required.
type CourierConfig struct {
	Book   *Book
	Orders Orders
	Keeper *Keeper
	// Private are the blocks of addresses that are called although they are not public. None, unless
	// the operator of the node says so: who may save a webhook must not reach what only the node can.
	Private []netip.Prefix
	Vault   *connections.Vault          // where the secrets may be; nil is anywhere
	Environ func(string) (string, bool) // of the secrets; nil is the process's
	// HTTP replaces the guarded client, for tests of what is not about addresses.
	HTTP   *http.Client
	Now    func() time.Time
	Speed  int // divides the pauses between tries, beside simulators; 1 or 0 is none
	Logger *slog.Logger
}

// Courier delivers messages. It is an outbox.Executor, and safe for concurrent use.
type Courier struct{ cfg CourierConfig }

// NewCourier returns a Courier. It fails when something that is required is missing.
func NewCourier(cfg CourierConfig) (*Courier, error) {
	if cfg.Book == nil || cfg.Orders == nil || cfg.Keeper == nil || cfg.Now == nil {
		return nil, errors.New("outhooks: a port is missing")
	}
	if cfg.HTTP == nil {
		cfg.HTTP = newHTTP(cfg.Private)
	}
	if cfg.Speed < 1 {
		cfg.Speed = 1
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Courier{cfg}, nil
}

const (
	// sendTimeout is what a receiver has to answer: long enough for a write, short within a claim.
	sendTimeout = 12 * time.Second
	// maxAnswer is read of an answer so that its connection can be used again; nothing of it is kept.
	maxAnswer = 64 << 10
)

// pauses are those between the tries of a message, as Standard Webhooks advises: in all some three days.
var pauses = []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour,
	5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}

// MaxTries is how often a message is sent before it is a person's matter.
const MaxTries = 10 // one more than there are pauses

// delivered is the result of a task: what the log shows of the last try.
type delivered struct {
	Status int   `json:"status"`
	TookMS int64 `json:"took_ms"`
}

// Do sends the message of a task. Dying before the answer is written, it is sent again under the same
// webhook-id. It fails with a Fault, with *outbox.Needless when nobody wants it any more, or with the
// store's error.
func (c *Courier) Do(ctx context.Context, t outbox.Task) (outbox.Finish, error) {
	endpoint, id := idOf(t.Key)
	e, err := c.endpoint(ctx, endpoint)
	if err != nil {
		return outbox.Finish{}, err
	}
	var m message
	if err := json.Unmarshal(t.Payload, &m); err != nil {
		return outbox.Finish{}, &Fault{code: "payload", class: classData, detail: "the payload", cause: err}
	}
	text, err := c.render(ctx, &m)
	if err != nil {
		return outbox.Finish{}, err
	}
	keys, err := c.keys(e)
	if err != nil {
		return outbox.Finish{}, err
	}
	begun := c.cfg.Now()
	status, err := c.send(ctx, e, letter{id: id, at: begun, keys: keys, body: text})
	took := c.cfg.Now().Sub(begun)
	var f *Fault
	if errors.As(err, &f) {
		f.after = max(f.after, c.pause(t.Tries))
		c.cfg.Logger.Warn("a webhook was not delivered", "webhook", e.ID, "message", id, "try", t.Tries,
			"status", status, "code", f.code, "took", took)
	}
	c.cfg.Keeper.note(e.ID, err)
	if err != nil {
		return outbox.Finish{}, err
	}
	return outbox.Finish{Result: delivered{status, took.Milliseconds()}}, nil
}

// pause is how long after the try of a number the next one comes.
func (c *Courier) pause(try int) time.Duration {
	return pauses[min(max(try, 1), len(pauses))-1] / time.Duration(c.cfg.Speed)
}

// endpoint is the endpoint of a message. What memory does not know yet is asked of the records.
func (c *Courier) endpoint(ctx context.Context, id string) (*Entry, error) {
	if e := c.cfg.Book.entry(id); e != nil {
		return e, nil
	}
	e, err := c.cfg.Book.Read(ctx, id)
	var none *Error
	if errors.As(err, &none) {
		return nil, &outbox.Needless{Why: "the webhook was removed"}
	}
	return &e, err
}

func (c *Courier) render(ctx context.Context, m *message) ([]byte, error) {
	var o *orders.Order
	if m.Order != "" {
		got, err := c.cfg.Orders.Get(ctx, m.Order)
		var coded interface{ Code() string }
		switch {
		case err == nil:
			o = &got
		case !errors.As(err, &coded) || coded.Code() != "unknown-order":
			return nil, err
		}
	}
	text, err := m.render(o)
	if err != nil {
		return nil, &Fault{code: "webhook-body", class: classBug, detail: "the body", cause: err}
	}
	return text, nil
}

// keys reads the secrets as they are now. It fails with a Fault: they may be there a moment later.
func (c *Courier) keys(e *Entry) ([][]byte, error) {
	refs := make(map[string]string, len(e.Secrets))
	for i, ref := range e.Secrets {
		refs[strconv.Itoa(i)] = ref
	}
	secrets := c.cfg.Vault.Of(connections.Connection{ID: lanePrefix + e.ID, Secrets: refs},
		c.cfg.Environ)
	keys := make([][]byte, len(e.Secrets))
	for i := range e.Secrets {
		s, err := secrets.Read(strconv.Itoa(i))
		if err == nil {
			keys[i], err = signingKey(s.Reveal())
		}
		if err != nil {
			return nil, &Fault{code: "secret-missing", class: classAuth, after: time.Minute,
				detail: fmt.Sprintf("secrets[%d] of webhook %s", i, e.ID), cause: err}
		}
	}
	return keys, nil
}

// letter is what is sent.
type letter struct {
	id   string
	at   time.Time
	keys [][]byte
	body []byte
}

// send makes the call. Any status of 2xx says that the receiver has it; everything else is a failure. It
// fails with a Fault.
func (c *Courier) send(ctx context.Context, e *Entry, l letter) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, bytes.NewReader(l.body))
	if err != nil {
		return 0, &Fault{code: "webhook-url", class: classData, detail: "its address", cause: err}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "holdfast")
	req.Header.Set("webhook-id", l.id)
	req.Header.Set("webhook-timestamp", strconv.FormatInt(l.at.Unix(), 10))
	req.Header.Set("webhook-signature", signature(l.keys, l.id, l.at, l.body))
	res, err := c.cfg.HTTP.Do(req)
	if err != nil {
		return 0, unreachable(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	if res.StatusCode >= 200 && res.StatusCode <= 299 {
		return res.StatusCode, nil
	}
	return res.StatusCode, answered(res)
}

// Fault is why a message was not delivered. Callers understand it by behaviour.
type Fault struct {
	code, class, detail string
	after               time.Duration
	gone                bool // the receiver wants no more
	cause               error
}

// The classes, by the words of package exceptions.
const (
	classTransient = "transient"
	classAuth      = "auth"
	classData      = "data"
	classBug       = "bug"
)

// Error says what went wrong, for people, without address and body.
func (f *Fault) Error() string {
	if f.cause != nil {
		return "webhook: " + f.detail + ": " + f.cause.Error()
	}
	return "webhook: " + f.detail
}

// Unwrap returns the cause, or nil.
func (f *Fault) Unwrap() error { return f.cause }

// Code names the fault for programs.
func (f *Fault) Code() string { return f.code }

// Class is the class of the exception that it would become.
func (f *Fault) Class() string { return f.class }

// Retryable reports whether the same message may be sent again.
func (f *Fault) Retryable() bool { return f.class != classData && f.class != classBug }

// RetryAfter is the pause before the next try.
func (f *Fault) RetryAfter() time.Duration { return f.after }

// Unknown is false: a message may be delivered twice, so that nothing needs to be looked at first.
func (f *Fault) Unknown() bool { return false }

// MostTries is how often a message is sent before it is a person's matter.
func (f *Fault) MostTries() int { return MaxTries }

// unreachable is the fault of a call without an answer. An address that is not allowed is refused for
// as long as it is not: that is mended here, or in the document.
func unreachable(err error) *Fault {
	var u *url.Error
	if errors.As(err, &u) {
		err = fmt.Errorf("%s: %w", strings.ToLower(u.Op), u.Err) // the address may have a token in it
	}
	var private *AddressError
	if errors.As(err, &private) {
		return &Fault{code: "address-refused", class: classTransient, detail: "not called", cause: err}
	}
	return &Fault{code: "webhook-unreachable", class: classTransient, detail: "no answer", cause: err}
}

// answered is the fault of an answer. A receiver that asks to wait is believed, up to an hour.
func answered(res *http.Response) *Fault {
	f := &Fault{code: "webhook-refused", class: classTransient,
		detail: "the receiver answered " + strconv.Itoa(res.StatusCode)}
	if res.StatusCode == http.StatusGone {
		f.gone = true
	}
	seconds, err := strconv.Atoi(res.Header.Get("Retry-After"))
	if err == nil && seconds > 0 {
		f.after = min(time.Duration(seconds)*time.Second, time.Hour)
	}
	return f
}

var _ outbox.Executor = (*Courier)(nil)
