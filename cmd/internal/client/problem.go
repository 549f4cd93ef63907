package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Problem is an answer of the server that is not good: problem+json as it came, and when to ask
// again.
type Problem struct {
	Type   string          `json:"type"`
	Title  string          `json:"title"`
	Status int             `json:"status"`
	Detail string          `json:"detail"`
	Code   string          `json:"code"`
	At     string          `json:"at,omitempty"`
	Short  []Short         `json:"short,omitempty"`
	Raw    json.RawMessage `json:"-"`

	RetryAfter time.Duration `json:"-"` // 0 when the server named none
	Replayed   bool          `json:"-"` // the server remembered this answer
	Index      uint64        `json:"-"` // 0 when there was none
}

// Short says that more was wanted of a SKU than could be sold.
type Short struct {
	SKU      string `json:"sku"`
	Wanted   int64  `json:"wanted"`
	Sellable int64  `json:"sellable"`
}

// problemOf reads an answer with a status of 400 or more. What is not problem+json, a proxy's page
// for example, becomes a Problem without a code that repeats its first line.
func problemOf(resp *http.Response, body []byte) *Problem {
	p := &Problem{Raw: body}
	if json.Unmarshal(body, p) != nil || p.Code == "" {
		const shown = 200 // enough to recognise a proxy's page
		first, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
		p.Detail = first[:min(len(first), shown)]
	}
	p.Status = resp.StatusCode
	if p.Title == "" {
		p.Title = http.StatusText(resp.StatusCode)
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s >= 0 {
		p.RetryAfter = time.Duration(s) * time.Second
	}
	p.Replayed = resp.Header.Get("Idempotency-Replayed") == "true"
	p.Index, _ = strconv.ParseUint(resp.Header.Get("Holdfast-Index"), 10, 64)
	return p
}

// Error tells a person what happened, why, and on a second line what to do about it.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Code)
	if p.Code == "" {
		fmt.Fprintf(&b, "HTTP %d %s", p.Status, p.Title)
	}
	switch {
	case p.Detail != "":
		b.WriteString(": " + p.Detail)
	case p.Code != "" && p.Title != "":
		b.WriteString(": " + p.Title)
	}
	if p.At != "" && !strings.Contains(p.Detail, p.At) {
		b.WriteString(" (at " + p.At + ")")
	}
	for _, s := range p.Short {
		fmt.Fprintf(&b, "\n  %s: wanted %d, can be sold %d", s.SKU, s.Wanted, s.Sellable)
	}
	if hint := p.hint(); hint != "" {
		b.WriteString("\n  what to do: " + hint)
	}
	return b.String()
}

// Refused reports whether the server understood and said no: asking again changes nothing.
func (p *Problem) Refused() bool {
	return p.Status < 500 && p.Status != http.StatusTooManyRequests
}

// Unknown reports whether a write may or may not have happened.
func (p *Problem) Unknown() bool { return p.Status == http.StatusGatewayTimeout }

// Later reports whether nothing happened and the same call may be sent again.
func (p *Problem) Later() bool {
	switch p.Status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusInsufficientStorage:
		return true
	}
	return false
}

// hints say what to do about a code. A code without a hint says all there is to say by itself.
var hints = map[string]string{
	"unknown-sku":          "define it (PUT /v1/skus/SKU), or look for a slip in its name",
	"unknown-location":     "define it (PUT /v1/locations/ID), or look for a slip in its name",
	"unknown-channel":      "define it (PUT /v1/channels/ID), or look for a slip in its name",
	"unknown-reservation":  "look for a slip in the id; an ended one is forgotten after 90 days",
	"insufficient-stock":   "`holdfast stock explain SKU --channel C` shows why no more can be sold",
	"idempotency-conflict": "the key was used for another command; take a new key for a new command",
	"id-conflict":          "the id belongs to a reservation with other content; take a new id",
	"not-master":           "another system says what is on hand there: name it as source",
	"events-gone":          "those events are no longer kept; start from the first kept one",
	"unauthenticated":      "give a key with --key or HOLDFAST_KEY",
	"last-admin-key":       "`holdfast key create NAME --role admin` makes another; then revoke this one",
	"forbidden":            "this key may not do that; take another",
	"rate-limited":         "ask less often, or wait as long as the server says",
	"overloaded":           "wait and send the same again; nothing happened",
	"no-leader":            "nothing happened; an election is on, see `holdfast cluster status`",
	"disk-full":            "free space on the nodes' disks; nothing happened",
	"outcome-unknown":      "send the same again with the same key; it has one effect",
}

func (p *Problem) hint() string {
	hint := hints[p.Code]
	if hint != "" && p.RetryAfter > 0 {
		hint += fmt.Sprintf(" (again in %s)", p.RetryAfter)
	}
	if p.Code == "" && p.Status == http.StatusNotFound {
		hint = "is --server the URL of a Holdfast node?"
	}
	return hint
}

// UnreachableError says that no answer came and that nothing can have happened.
type UnreachableError struct {
	Server string
	Err    error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("cannot reach %s: %v\n  what to do: check --server, and that the node runs",
		e.Server, e.Err)
}

// Unwrap returns the error of the connection.
func (e *UnreachableError) Unwrap() error { return e.Err }

// UnknownError says that a write was sent and no answer came: it may or may not have happened.
type UnknownError struct {
	Server string
	Keyed  bool // it was sent under an idempotency key
	Err    error
}

func (e *UnknownError) Error() string {
	what := "look whether it happened before you send it again"
	if e.Keyed {
		what = "send the same again with the same key; it has one effect"
	}
	return fmt.Sprintf("no answer from %s, the write may or may not have happened: %v\n"+
		"  what to do: %s", e.Server, e.Err, what)
}

// Unwrap returns the error of the connection.
func (e *UnknownError) Unwrap() error { return e.Err }
