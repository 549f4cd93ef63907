package shopify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// reply is the envelope of every answer of GraphQL.
type reply struct {
	Data   json.RawMessage `json:"data"`
	Errors problems        `json:"errors"`

	Extensions struct {
		Cost struct {
			RequestedQueryCost points         `json:"requestedQueryCost"`
			ThrottleStatus     throttleStatus `json:"throttleStatus"`
		} `json:"cost"`
	} `json:"extensions"`
}

type throttleStatus struct {
	MaximumAvailable   points `json:"maximumAvailable"`
	CurrentlyAvailable points `json:"currentlyAvailable"`
	RestoreRate        points `json:"restoreRate"`
}

// points are a cost; the API writes some of them with a fraction, which is cut off.
type points int64

// UnmarshalJSON fails for what is not a number.
func (p *points) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	if n, err := strconv.ParseInt(string(b), 10, 64); err == nil {
		*p = points(n)
		return nil
	}
	r, ok := new(big.Rat).SetString(string(b))
	if !ok || len(b) > 32 {
		return fmt.Errorf("a cost of %.32q is no number", b)
	}
	*p = points(new(big.Int).Quo(r.Num(), r.Denom()).Int64())
	return nil
}

// problems are the errors of an answer. A refused login writes them as one text.
type problems []problem

type problem struct {
	Message    string `json:"message"`
	Path       []any  `json:"path"`
	Extensions struct {
		Code string `json:"code"`
	} `json:"extensions"`
}

// UnmarshalJSON fails for what is neither a list of errors nor anything that can be shown as one.
func (p *problems) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	if len(b) == 0 || string(b) == "null" {
		return nil
	}
	if b[0] != '[' {
		*p = problems{{Message: cut(string(b))}}
		return nil
	}
	var list []problem
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	*p = list
	return nil
}

// userError is a no to the contents of a mutation.
type userError struct {
	Code    string     `json:"code"`
	Field   fieldNames `json:"field"`
	Message string     `json:"message"`
}

// fieldNames are a path into the input. Places in lists are text; numbers are taken too.
type fieldNames []string

// UnmarshalJSON fails for what is no list of names.
func (f *fieldNames) UnmarshalJSON(b []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	for _, p := range parts {
		*f = append(*f, strings.Trim(string(p), `"`))
	}
	return nil
}

// row is the place in the list of that name that a path names; false when it names none.
func (f fieldNames) row(list string) (int, bool) {
	for i := range f {
		if f[i] == list && i+1 < len(f) {
			n, err := strconv.Atoi(f[i+1])
			return n, err == nil
		}
	}
	return 0, false
}

// read reads an answer of status 200 within maxReply.
func (c *Client) read(res *http.Response, op *operation) (*reply, error) {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	if err != nil {
		return nil, unreachable(err, op.writes())
	}
	if len(body) > maxReply {
		return nil, answerFault(op, fmt.Errorf("more than %d bytes", maxReply))
	}
	if served := res.Header.Get("X-Shopify-API-Version"); served != c.cfg.Version {
		return nil, &Fault{code: codeVersion, class: classBug, unknown: op.writes(),
			detail: fmt.Sprintf("the shop answered as version %q, not as %s; the setting api_version "+
				"of the connection chooses another", cut(served), c.cfg.Version)}
	}
	r := new(reply)
	if err := json.Unmarshal(body, r); err != nil {
		return nil, answerFault(op, err)
	}
	return r, nil
}

// finish makes an error of an answer's errors, or decodes its data.
func (c *Client) finish(op *operation, r *reply, out any) error {
	if len(r.Errors) > 0 {
		return c.problemFault(op, r)
	}
	if len(r.Data) == 0 || string(r.Data) == "null" {
		return answerFault(op, errors.New("neither data nor errors"))
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(r.Data, out); err != nil {
		return answerFault(op, err)
	}
	return nil
}

// problemFault says what the errors of an answer mean. A mutation whose data is there beside them
// has run: only a part of the answer is missing.
func (c *Client) problemFault(op *operation, r *reply) *Fault {
	p := r.Errors[0]
	f := &Fault{detail: op.name + ": " + cut(p.Message), unknown: op.writes() && hasRoot(r.Data)}
	switch p.Extensions.Code {
	case "THROTTLED":
		f.code, f.class, f.retryable = codeThrottled, classLimit, true
		// The documents do not say that a throttled mutation cannot have run.
		f.unknown = op.writes()
		if r.Extensions.Cost.ThrottleStatus.MaximumAvailable == 0 {
			c.budget.empty()
			f.after = firstPause
			break
		}
		missing := int64(r.Extensions.Cost.RequestedQueryCost -
			r.Extensions.Cost.ThrottleStatus.CurrentlyAvailable)
		rate := max(int64(r.Extensions.Cost.ThrottleStatus.RestoreRate), 1)
		f.after = max(time.Duration(max(missing, 0))*time.Second/time.Duration(rate), minPause)
	case "ACCESS_DENIED", "UNAUTHORIZED":
		f.code, f.class = codeDenied, classAuth
	case "SHOP_INACTIVE":
		f.code, f.class = codeInactive, classAuth
	case "INTERNAL_SERVER_ERROR", "TIMEOUT", "SERVICE_UNAVAILABLE":
		f.code, f.class, f.retryable, f.unknown = codeUnavailable, classTransient, true, op.writes()
	case "MAX_COST_EXCEEDED":
		f.code, f.class = codeCost, classBug
	case "RESOURCE_NOT_FOUND":
		f.code, f.class = codeGone, classData
	default:
		f.code, f.class = codeRequest, classBug
		if p.Extensions.Code != "" {
			f.detail += " (" + cut(p.Extensions.Code) + ")"
		}
	}
	return f
}

// hasRoot reports whether any root field of the data is there.
func hasRoot(data json.RawMessage) bool {
	var roots map[string]json.RawMessage
	if json.Unmarshal(data, &roots) != nil {
		return false
	}
	for _, v := range roots {
		if string(v) != "null" {
			return true
		}
	}
	return false
}

func answerFault(op *operation, cause error) *Fault {
	return &Fault{code: codeAnswer, class: classBug, retryable: true, unknown: op.writes(),
		after: time.Minute, detail: op.name, cause: cause}
}

func unreachable(cause error, writes bool) *Fault {
	return &Fault{code: codeUnavailable, class: classTransient, retryable: true, unknown: writes,
		detail: "no answer", cause: cause}
}

// statusFault says what an HTTP status other than 200 means.
func statusFault(res *http.Response, writes bool) *Fault {
	f := &Fault{detail: "HTTP " + strconv.Itoa(res.StatusCode), after: retryAfter(res)}
	switch s := res.StatusCode; {
	case s == http.StatusTooManyRequests || s == 430:
		f.code, f.class, f.retryable = codeThrottled, classLimit, true
	case s == http.StatusLocked:
		f.code, f.class, f.retryable = codeUnavailable, classTransient, true
	case s == http.StatusUnauthorized || s == http.StatusForbidden:
		f.code, f.class = codeDenied, classAuth
	case s == http.StatusPaymentRequired || s == http.StatusNotFound:
		f.code, f.class = codeInactive, classAuth
	case s >= 500 || s == http.StatusRequestTimeout:
		f.code, f.class, f.retryable, f.unknown = codeUnavailable, classTransient, true, writes
	default:
		f.code, f.class = codeRequest, classBug
	}
	return f
}

// retryAfter is what the header says, in seconds with or without a fraction; at most an hour.
func retryAfter(res *http.Response) time.Duration {
	text := res.Header.Get("Retry-After")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text + "s")
	if err != nil || d < 0 {
		return 0
	}
	return min(d, time.Hour)
}

// firstError makes a Fault of the errors of a mutation, or nil when there are none. A no is never
// unknown: nothing has happened.
func firstError(op *operation, errs []userError) error {
	if len(errs) == 0 {
		return nil
	}
	return userFault(op, errs[0])
}

// userFault says what one userError means.
func userFault(op *operation, e userError) *Fault {
	f := &Fault{class: classData, code: codeRefused, detail: op.name + ": " + cut(e.Message)}
	if e.Code != "" {
		f.code = "shopify-" + strings.ToLower(strings.ReplaceAll(cut(e.Code), "_", "-"))
	}
	switch e.Code {
	case "CHANGE_FROM_QUANTITY_STALE", "COMPARE_QUANTITY_STALE":
		f.code, f.class = codeStale, classConflict
	case "IDEMPOTENCY_CONCURRENT_REQUEST":
		f.code, f.class, f.retryable, f.unknown = codeInFlight, classTransient, true, true
		f.after = firstPause
	case "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED", "SERVICE_UNAVAILABLE", "INTERNAL_ERROR",
		"ADJUST_QUANTITIES_FAILED":
		f.class, f.retryable = classTransient, true
	case "NOT_FOUND":
		f.code = codeGone
	}
	return f
}

// cut bounds a text of the other side before it goes into an error.
func cut(s string) string {
	const most = 300
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
