package driver

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// Target is one node of what is tested.
type Target struct {
	URL  string
	host string
	addr string
	tls  bool
}

// NewTarget reads the URL of a node. It fails with what is wrong with it.
func NewTarget(raw string) (Target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return Target{}, fmt.Errorf("target %q: %w", raw, err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || len(u.Path) > 1 {
		return Target{}, fmt.Errorf("target %q: must be http://HOST:PORT or https://HOST:PORT", raw)
	}
	t := Target{URL: raw, host: u.Host, addr: u.Host, tls: u.Scheme == "https"}
	if u.Port() == "" {
		t.addr = net.JoinHostPort(u.Hostname(), map[bool]string{false: "80", true: "443"}[t.tls])
	}
	return t, nil
}

// Request is one call on the wire.
type Request struct {
	Method, Path string
	Key          string // Idempotency-Key, if any
	Body         []byte
}

// Reply is an answer. Body is valid until the connection's next call.
type Reply struct {
	Status   int
	Index    uint64
	Replayed bool
	Body     []byte
}

// errUnsent says that not one byte of the call left.
var errUnsent = errors.New("could not be sent")

// idleLimit is how long a connection may lie idle before it is opened anew: less than the servers'
// own limits, so that a call does not meet a connection that is just being closed.
const idleLimit = 3 * time.Second

// maxAnswerBytes bounds an answer: a page of 1,000 reservations is some hundred KiB.
const maxAnswerBytes = 256 << 20

// Conn is one connection to one target, opened when it is needed. Not safe for concurrent use.
type Conn struct {
	target  Target
	token   string
	timeout time.Duration

	conn net.Conn
	in   *bufio.Reader
	out  []byte
	resp fasthttp.Response
	used time.Time
}

// NewConn prepares a connection; nothing is opened yet.
func NewConn(t Target, token string, timeout time.Duration) *Conn {
	return &Conn{target: t, token: token, timeout: timeout}
}

// Do sends one call, once. It fails with errUnsent when nothing left this process; with any other
// error it is not known whether the call had its effect.
func (c *Conn) Do(ctx context.Context, r Request) (Reply, error) {
	if c.conn != nil && time.Since(c.used) > idleLimit {
		c.Close()
	}
	if c.conn == nil {
		if err := c.open(ctx); err != nil {
			return Reply{}, errors.Join(errUnsent, err)
		}
	}
	reply, err := c.exchange(r)
	c.used = time.Now()
	if err != nil {
		c.Close()
		return Reply{}, fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
	}
	if c.resp.ConnectionClose() {
		c.Close()
	}
	return reply, nil
}

func (c *Conn) open(ctx context.Context) error {
	d := &net.Dialer{Timeout: c.timeout}
	conn, err := d.DialContext(ctx, "tcp", c.target.addr)
	if err != nil {
		return err
	}
	if c.target.tls {
		conn = tls.Client(conn, &tls.Config{ServerName: hostOnly(c.target.addr),
			MinVersion: tls.VersionTLS12})
	}
	c.conn, c.in = conn, bufio.NewReaderSize(conn, 16<<10)
	return nil
}

func hostOnly(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}

func (c *Conn) exchange(r Request) (Reply, error) {
	b := append(c.out[:0], r.Method...)
	b = append(append(b, ' '), r.Path...)
	b = append(append(b, " HTTP/1.1\r\nHost: "...), c.target.host...)
	if c.token != "" {
		b = append(append(b, "\r\nAuthorization: Bearer "...), c.token...)
	}
	if r.Key != "" {
		b = append(append(b, "\r\nIdempotency-Key: "...), r.Key...)
	}
	if r.Body != nil {
		b = append(b, "\r\nContent-Type: application/json\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(r.Body)), 10)
	}
	c.out = append(append(b, "\r\n\r\n"...), r.Body...)
	if err := c.conn.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return Reply{}, err
	}
	if _, err := c.conn.Write(c.out); err != nil {
		return Reply{}, err
	}
	c.resp.Reset()
	if err := c.resp.ReadLimitBody(c.in, maxAnswerBytes); err != nil {
		return Reply{}, err
	}
	reply := Reply{Status: c.resp.StatusCode(), Body: c.resp.Body(),
		Replayed: string(c.resp.Header.Peek("Idempotency-Replayed")) == "true"}
	if i := c.resp.Header.Peek("Holdfast-Index"); len(i) > 0 {
		index, err := strconv.ParseUint(string(i), 10, 64)
		if err != nil {
			return Reply{}, fmt.Errorf("Holdfast-Index %q is no number", i)
		}
		reply.Index = index
	}
	return reply, nil
}

// Close closes the connection; the next call opens it again.
func (c *Conn) Close() {
	if c.conn != nil {
		_ = c.conn.Close() // nothing that was answered depends on it
		c.conn = nil
	}
}
