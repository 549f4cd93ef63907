package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"holdfast/adapters/answers"
	"holdfast/engine"
)

// Answers keeps what calls were answered under an Idempotency-Key: answers.Book. It is safe for
// concurrent use, and its errors are understood as those of Ledger.
type Answers interface {
	Claim(ctx context.Context, key engine.Key, of string) (a answers.Answer, known bool, err error)
	Keep(ctx context.Context, key engine.Key, of string, a answers.Answer) error
	Forget(ctx context.Context, key engine.Key) error
}

// once runs a call of the sync core under its Idempotency-Key: a key that was answered gives that
// answer again, and one that is another command's is refused. A process that dies between the claim
// and the answer leaves the claim, and the same call again is done again: what handlers do under a key
// has a name of its own, or expects a version.
func (c *call) once() error {
	of := c.command()
	ctx, cancel := context.WithTimeout(c.s.base, c.s.cfg.LedgerTimeout)
	defer cancel()
	a, known, err := c.s.cfg.Answers.Claim(ctx, c.key, of)
	if err != nil {
		return syncProblem(err, true)
	}
	if known {
		return c.again(&a)
	}
	if err := c.route.handle(c); err != nil {
		p := problemOf(err, true)
		if staysOpen(p.httpStatus()) {
			return p
		}
		if isRemembered(p.httpStatus()) {
			c.logCause(p)
			c.sendProblem(p)
			return c.keep(of)
		}
		return c.forget(p)
	}
	return c.keep(of)
}

// command says what the call was told, beside what its key's scope has: the same command gives the
// same text, however its JSON is written.
func (c *call) command() string {
	h := sha256.New()
	for _, part := range [][]byte{c.ctx.QueryArgs().QueryString(),
		c.ctx.Request.Header.Peek("If-Match"), canonical(c.ctx.PostBody())} {
		h.Write(part)
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// maxCanonical bounds the bodies that are compared by what they say; a larger one is a file, which is
// sent again as it is.
const maxCanonical = 256 << 10

// canonical writes JSON in one way: members in order, no space between. Nothing is {}, and what is not
// JSON stays as it is.
func canonical(body []byte) []byte {
	if len(bytes.TrimSpace(body)) == 0 {
		return []byte("{}")
	}
	if len(body) > maxCanonical {
		return body
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil || len(bytes.TrimSpace(body[d.InputOffset():])) > 0 {
		return body
	}
	text, err := json.Marshal(v)
	if err != nil {
		return body
	}
	return text
}

// again sends the first answer.
func (c *call) again(a *answers.Answer) error {
	h := &c.ctx.Response.Header
	h.Set(headerReplayed, "true")
	if a.ETag != "" {
		h.Set("ETag", a.ETag)
	}
	c.index = a.Index
	kind, body := jsonType, a.Body
	if a.Status >= 400 {
		kind = problemType
	}
	if a.Cut {
		body = appendUint(nil, `{"index":`, a.Index)
		body = appendInt(body, `,"omitted_over_bytes":`, answers.MaxBody)
		body = append(body, '}')
	}
	c.send(a.Status, kind, body)
	return nil
}

// keep remembers the answer that was sent. When it cannot, the same call again is done again.
func (c *call) keep(of string) error {
	response := &c.ctx.Response
	a := answers.Answer{Status: response.StatusCode(), Index: c.index, Body: response.Body(),
		ETag: string(response.Header.Peek("ETag"))}
	ctx, cancel := context.WithTimeout(c.s.base, c.s.cfg.LedgerTimeout)
	defer cancel()
	if err := c.s.cfg.Answers.Keep(ctx, c.key, of, a); err != nil {
		c.s.cfg.Logger.Warn("an answer is not kept", "route", c.label(), "error", err)
	}
	return nil
}

// forget lets go of the key of a call that did nothing, and returns what is wrong with the call.
func (c *call) forget(p *problem) error {
	ctx, cancel := context.WithTimeout(c.s.base, c.s.cfg.LedgerTimeout)
	defer cancel()
	if err := c.s.cfg.Answers.Forget(ctx, c.key); err != nil {
		c.s.cfg.Logger.Warn("a key is not let go", "route", c.label(), "error", err)
	}
	return p
}

// isRemembered reports whether an answer of a status is kept, as the contract has it.
func isRemembered(status int) bool {
	switch status {
	case 400, 401, 403, 413, 429:
		return false
	}
	return status < 500
}

// staysOpen reports whether nobody knows what the call did: its key stays with its command, and the
// same call again finds out.
func staysOpen(status int) bool { return status == 500 || status == 504 }
