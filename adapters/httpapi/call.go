package httpapi

import (
	"context"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"github.com/valyala/fasthttp"

	"holdfast/adapters/apikeys"
	"holdfast/engine"
)

// call is one request under way: what a handler works with. It lives until its handler returns;
// nothing of it may be kept.
type call struct {
	s         *Server
	ctx       *fasthttp.RequestCtx
	route     *route
	raw       segments // path parameters as they were sent
	principal string
	caller    *apikeys.Caller // nil in a call that needs no API key
	key       engine.Key      // zero without an Idempotency-Key
	index     uint64          // for the Holdfast-Index header; 0 is none
	didRead   bool            // index is that of a read, and counts also when it is 0
	buf       []byte          // the reply that is being built
}

var calls = sync.Pool{New: func() any { return new(call) }}

// The headers of the contract.
const (
	headerIndex     = "Holdfast-Index"
	headerAge       = "Holdfast-Age-Ms"
	headerMinIndex  = "Holdfast-Min-Index"
	headerHorizon   = "Holdfast-Replay-Horizon-Ms"
	headerKey       = "Idempotency-Key"
	headerReplayed  = "Idempotency-Replayed"
	headerRequestID = "X-Request-Id"
	jsonType        = "application/json"
	problemType     = "application/problem+json"
)

// The names of headers that go with every reply, as bytes in their canonical form.
var (
	canonicalIndex     = []byte(headerIndex)
	canonicalRequestID = []byte(headerRequestID)
)

// text views bytes as a string, for as long as nobody changes them.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// param returns path parameter i as a string of its own, under a rule.
func (c *call) param(i int, name string, rule func(string) string) (string, error) {
	v, ok := unescape(c.raw[i])
	if !ok {
		return "", invalid(name, "must be percent-encoded UTF-8")
	}
	if must := rule(v); must != "" {
		return "", invalid(name, must)
	}
	return v, nil
}

// id and sku are path parameter 0 under its rule.
func (c *call) id() (string, error)  { return c.param(0, "id", idRule) }
func (c *call) sku() (string, error) { return c.param(0, "sku", skuRule) }

// query returns a query parameter as a string of its own; it is empty when it is not given.
func (c *call) query(name string, rule func(string) string) (string, error) {
	v := string(c.ctx.QueryArgs().Peek(name))
	if v == "" {
		return "", nil
	}
	if must := rule(v); must != "" {
		return "", invalid(name, must)
	}
	return v, nil
}

// queryInt returns a query parameter as a whole number, or fallback when it is not given.
func (c *call) queryInt(name string, fallback, from, to uint64) (uint64, error) {
	v := c.ctx.QueryArgs().Peek(name)
	if len(v) == 0 {
		return fallback, nil
	}
	n, err := strconv.ParseUint(text(v), 10, 64)
	if err != nil || n < from || n > to {
		return 0, invalid(name, "must be a whole number from "+strconv.FormatUint(from, 10)+
			" to "+strconv.FormatUint(to, 10))
	}
	return n, nil
}

// checkQuery refuses parameters that the route does not know, and those given twice that it takes
// once.
func (c *call) checkQuery() error {
	args := c.ctx.QueryArgs()
	if args.Len() == 0 {
		return nil
	}
	var seen []string
	for k := range args.All() {
		name := string(k)
		known := name == "level" && c.route.read
		for _, q := range c.route.query {
			known = known || q == name
		}
		if !known {
			return invalid(printable(name), "is not a parameter of this call")
		}
		for _, s := range seen {
			if s == name && name != c.route.many {
				return invalid(name, "is given twice")
			}
		}
		seen = append(seen, name)
	}
	return nil
}

// body returns the body as a string of its own, from which a decoder may cut. Empty is {} where the
// call has nothing that it must be told.
func (c *call) body(emptyAllowed bool) (string, error) {
	if e := c.ctx.Request.Header.ContentEncoding(); len(e) > 0 && text(e) != "identity" {
		return "", invalid("Content-Encoding", "must not be given: bodies are read as they are")
	}
	b := c.ctx.PostBody()
	if len(b) > 0 {
		return string(b), nil
	}
	if emptyAllowed {
		return "{}", nil
	}
	return "", invalid("", "The body is empty; this call takes a JSON object.")
}

// takeKey reads the Idempotency-Key of a write.
func (c *call) takeKey() error {
	keys := c.ctx.Request.Header.PeekAll(headerKey)
	if len(keys) == 0 {
		return nil
	}
	if len(keys) > 1 {
		return invalid(headerKey, "must be given once")
	}
	if must := keyRule(text(keys[0])); must != "" {
		return invalid(headerKey, must)
	}
	// The scope is the caller, the method and the path, so that one key on two calls is two keys.
	b := append(c.buf[:0], c.principal...)
	b = append(b, ' ')
	b = append(b, c.ctx.Method()...)
	b = append(b, ' ')
	b = append(b, rawPath(text(c.ctx.Request.Header.RequestURI()))...)
	c.key = engine.KeyOf(text(b), text(keys[0]))
	c.buf = b[:0]
	return nil
}

// needKey is the error of a call that must have an Idempotency-Key, when it has none.
func (c *call) needKey(needed bool, why string) error {
	if needed && c.key.IsZero() {
		return newProblem(codeKeyRequired, why)
	}
	return nil
}

// submit runs one command and waits. A refusal comes back as a *problem.
func (c *call) submit(cmd engine.Command) (engine.Result, error) {
	r, err := c.s.cfg.Ledger.Submit(c.s.base, engine.Op{Key: c.key, Command: cmd})
	if err != nil {
		return r, problemOf(err, true)
	}
	c.took(&r)
	if r.Refusal != engine.Accepted {
		return r, refused(&r, cmd)
	}
	return r, nil
}

// took notes what the reply's headers say of a result.
func (c *call) took(r *engine.Result) {
	c.index = max(c.index, r.Index)
	if r.Replayed {
		c.ctx.Response.Header.Set(headerReplayed, "true")
	}
}

// read runs step under the ledger's lock, at the level that the caller asked for. The reply's index
// is the one of the first step: everything that is shown is at least that fresh.
func (c *call) read(step func(*engine.Ledger) (more bool)) error {
	stale, err := c.stale()
	if err != nil {
		return err
	}
	least, err := c.minIndex()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.s.base, c.s.cfg.LedgerTimeout)
	defer cancel()
	c.index = 0
	index, age, err := c.s.cfg.Ledger.Read(ctx, stale, least, func(l *engine.Ledger) bool {
		if c.index == 0 {
			c.index = l.Index()
		}
		return step(l)
	})
	if err != nil {
		return problemOf(err, false)
	}
	if c.index == 0 {
		c.index = index
	}
	c.didRead = true
	if stale {
		c.ctx.Response.Header.Set(headerAge, strconv.FormatInt(age.Milliseconds(), 10))
	}
	return nil
}

func (c *call) stale() (bool, error) {
	switch level := c.ctx.QueryArgs().Peek("level"); text(level) {
	case "", "linearizable":
		return false, nil
	case "stale":
		return true, nil
	}
	return false, invalid("level", "must be one of linearizable, stale")
}

func (c *call) minIndex() (uint64, error) {
	h := c.ctx.Request.Header.Peek(headerMinIndex)
	if len(h) == 0 {
		return 0, nil
	}
	n, err := strconv.ParseUint(text(h), 10, 64)
	if err != nil {
		return 0, invalid(headerMinIndex, "must be a whole number from 0")
	}
	return n, nil
}

// reply sends c.buf as JSON.
func (c *call) reply(status int) error {
	c.send(status, jsonType, c.buf)
	return nil
}

// send writes status, type and body, and the headers that go with every reply.
func (c *call) send(status int, contentType string, body []byte) {
	h := &c.ctx.Response.Header
	c.ctx.Response.SetStatusCode(status)
	h.SetContentType(contentType)
	c.ctx.Response.SetBody(body)
	if c.index != 0 || c.didRead {
		var n [20]byte
		h.SetCanonical(canonicalIndex, strconv.AppendUint(n[:0], c.index, 10))
	}
	if c.route != nil && c.route.write {
		if ms := c.s.horizon.Load(); ms > 0 && ms < (24*time.Hour).Milliseconds() {
			h.Set(headerHorizon, strconv.FormatInt(ms, 10))
		}
	}
}

// sendProblem writes a problem.
func (c *call) sendProblem(p *problem) {
	h := &c.ctx.Response.Header
	if p.index != 0 {
		c.index = p.index
	}
	if p.replayed {
		h.Set(headerReplayed, "true")
	}
	if s := p.retryAfterSeconds(); s != 0 {
		h.Set("Retry-After", strconv.FormatInt(s, 10))
	}
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	if p.httpStatus() == 401 {
		h.Set("WWW-Authenticate", `Bearer realm="holdfast"`)
	}
	c.buf = appendProblem(c.buf[:0], p)
	c.send(p.httpStatus(), problemType, c.buf)
}
