package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Config says which server to ask and how.
type Config struct {
	Server  string        // http://host:port, without a slash at the end
	Key     string        // API key; empty sends none
	Timeout time.Duration // of one call, default 15 s; a stream has none
	Conns   int           // connections kept open to the server, default 4
}

// WithDefaults fills in what is not set.
func (c Config) WithDefaults() Config {
	if c.Timeout <= 0 {
		c.Timeout = 15 * time.Second // above the server's own deadline of 10 s for a write
	}
	if c.Conns <= 0 {
		c.Conns = 4
	}
	return c
}

// Client asks one server. It is safe for concurrent use.
type Client struct {
	cfg  Config
	http *http.Client
}

// New returns a client; no connection is made yet.
func New(cfg Config) *Client {
	cfg = cfg.WithDefaults()
	return &Client{cfg: cfg, http: &http.Client{Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
		MaxIdleConnsPerHost: cfg.Conns,
		IdleConnTimeout:     30 * time.Second, // below the server's 60 s, so that we close first
		TLSHandshakeTimeout: 5 * time.Second,
	}}}
}

// Server is the URL that the client asks.
func (c *Client) Server() string { return c.cfg.Server }

// Close drops the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Call is one request.
type Call struct {
	Method string // default GET
	Path   string // escaped, from /v1
	Query  url.Values
	Body   any    // sent as JSON; []byte is sent as it is
	Type   string // Content-Type of a body; default application/json
	Key    string // Idempotency-Key; empty sends none
	Match  string // If-Match; empty sends none
	Accept string
	Last   string // Last-Event-ID of a stream
}

// Reply is a good answer.
type Reply struct {
	Status   int
	Index    uint64 // Holdfast-Index; 0 when there was none
	Replayed bool   // the server remembered the answer
	Body     []byte
}

// maxReply bounds what is read of one answer: 10,000 results of some hundred bytes, twice over.
const maxReply = 64 << 20

// Do sends the call and decodes a good answer into out, which may be nil. It returns a *Problem, an
// *UnreachableError, an *UnknownError, or an error of an answer that is not JSON.
func (c *Client) Do(ctx context.Context, call Call, out any) (Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	resp, err := c.send(ctx, call)
	if err != nil {
		return Reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return Reply{}, c.lost(call, err)
	}
	if resp.StatusCode >= 400 {
		return Reply{}, problemOf(resp, body)
	}
	r := Reply{Status: resp.StatusCode, Body: body,
		Replayed: resp.Header.Get("Idempotency-Replayed") == "true"}
	r.Index, _ = strconv.ParseUint(resp.Header.Get("Holdfast-Index"), 10, 64)
	if out != nil {
		if err := json.Unmarshal(body, out); err != nil {
			return r, fmt.Errorf("answer of %s is not what was expected: %w", call.Path, err)
		}
	}
	return r, nil
}

// Stream sends the call and gives out the body of a good answer as it comes; the caller closes it.
// The errors are those of Do.
func (c *Client) Stream(ctx context.Context, call Call) (io.ReadCloser, error) {
	resp, err := c.send(ctx, call)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 400 {
		defer resp.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		return nil, problemOf(resp, body)
	}
	return resp.Body, nil
}

func (c *Client) send(ctx context.Context, call Call) (*http.Response, error) {
	req, err := c.request(ctx, call)
	if err != nil {
		return nil, err
	}
	// A request with a key is sent again by the transport itself when a kept connection breaks under it,
	// so an error of the last dial does not say that no earlier connection carried it.
	var carried atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { carried.Store(true) }}
	resp, err := c.http.Do(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil && !carried.Load() {
		return nil, c.unreachable(err)
	}
	if err != nil {
		return nil, c.lost(call, err)
	}
	return resp, nil
}

func (c *Client) request(ctx context.Context, call Call) (*http.Request, error) {
	var body io.Reader
	switch b := call.Body.(type) {
	case nil:
	case []byte:
		body = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return nil, fmt.Errorf("encode the body of %s: %w", call.Path, err)
		}
		body = bytes.NewReader(text)
	}
	target := c.cfg.Server + call.Path
	if len(call.Query) > 0 {
		target += "?" + call.Query.Encode()
	}
	method := call.Method
	if method == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("build the request: %w", err)
	}
	for name, text := range map[string]string{
		"Idempotency-Key": call.Key, "If-Match": call.Match, "Accept": call.Accept, "Last-Event-ID": call.Last,
	} {
		if text != "" {
			req.Header.Set(name, text)
		}
	}
	if body != nil {
		req.Header.Set("Content-Type", cmp.Or(call.Type, "application/json"))
	}
	if c.cfg.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.cfg.Key)
	}
	return req, nil
}

// lost says what it means that a call was sent, or may have been, and no answer came.
func (c *Client) lost(call Call, err error) error {
	if call.Method == "" || call.Method == http.MethodGet {
		return c.unreachable(err)
	}
	return &UnknownError{Server: c.cfg.Server, Keyed: call.Key != "", Err: cause(err)}
}

func (c *Client) unreachable(err error) error {
	return &UnreachableError{Server: c.cfg.Server, Err: cause(err)}
}

// cause is an error of the transport without the URL, which our own errors say.
func cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// Segment escapes one part of a path, such as a SKU with a slash in it.
func Segment(text string) string {
	if text == "." || text == ".." { // would be cleaned away on their way
		return strings.ReplaceAll(text, ".", "%2E")
	}
	return url.PathEscape(text)
}
