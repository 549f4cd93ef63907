package spapi

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Fault is what went wrong at Amazon. Callers understand it by behaviour: whether it may be sent
// again, when, and whether the call may have taken effect.
type Fault struct {
	code      string
	detail    string
	request   string // Amazon's id of the request, for its support
	status    int    // HTTP; 0: no answer
	retryable bool
	after     time.Duration
	unknown   bool
	class     string
	cause     error
}

// The codes of faults that code decides by. Those of Amazon's own errors have "amazon-" and the
// code that Amazon gave.
const (
	CodeThrottled   = "throttled"          // the bucket of the operation is empty
	CodeUnavailable = "amazon-unavailable" // 5xx, or no answer
	CodeDenied      = "access-denied"      // token, role or authorisation
	CodeGone        = "not-found"          // the thing is not there, or no longer
	CodeRequest     = "amazon-request"     // our request is not valid: a bug of ours
	CodeAnswer      = "amazon-answer"      // the answer is not what the models say
	CodeInvalid     = "listing-invalid"    // 200 with INVALID: nothing of the listing was changed
	CodeConflict    = "conflict"           // it is there already, or in another state
	CodeExpired     = "page-expired"       // a page token that is too old: begin again
	CodeCut         = "document-cut"       // a document ended before its end
	CodeTooLarge    = "document-too-large" // a document is longer than it may be
	CodePayload     = "payload"            // what is to be sent cannot be what is needed
	CodePending     = "pending"            // accepted, and not done yet
)

// The classes, by the words of package exceptions.
const (
	classTransient = "transient"
	classLimit     = "limit"
	classAuth      = "auth"
	classData      = "data"
	classConflict  = "conflict"
	classBug       = "bug"
)

// Error says what went wrong, for people; it has no secret and nothing of a buyer.
func (f *Fault) Error() string {
	text := "amazon: " + f.code + ": " + f.detail
	if f.request != "" {
		text += " (request " + f.request + ")"
	}
	if f.cause != nil {
		return fmt.Sprintf("%s: %v", text, f.cause)
	}
	return text
}

// Unwrap returns the cause, or nil.
func (f *Fault) Unwrap() error { return f.cause }

// Code names the fault for programs.
func (f *Fault) Code() string { return f.code }

// Class is the class of the exception that it would become.
func (f *Fault) Class() string { return f.class }

// Retryable reports whether the same call may succeed later.
func (f *Fault) Retryable() bool { return f.retryable }

// RetryAfter is how long to wait; 0: nobody says.
func (f *Fault) RetryAfter() time.Duration { return f.after }

// Unknown reports whether the call may have taken effect.
func (f *Fault) Unknown() bool { return f.unknown }

// Stale is false: nothing of Amazon's is written with a comparison.
func (f *Fault) Stale() bool { return false }

// RequestID is Amazon's id of the request; empty without an answer.
func (f *Fault) RequestID() string { return f.request }

// Refused makes the Fault of something that will not change by itself.
func Refused(code, format string, args ...any) *Fault {
	return &Fault{code: code, class: classData, detail: fmt.Sprintf(format, args...)}
}

// Later makes the Fault of something that is not there yet.
func Later(after time.Duration, format string, args ...any) *Fault {
	return &Fault{code: CodePending, class: classTransient, retryable: true, after: after,
		detail: fmt.Sprintf(format, args...)}
}

// CodeOf is the code of a Fault, or empty.
func CodeOf(err error) string {
	var f *Fault
	if errors.As(err, &f) {
		return f.code
	}
	return ""
}

// unreachable is the fault of a call without an answer.
func unreachable(op *operation, cause error) *Fault {
	return &Fault{code: CodeUnavailable, class: classTransient, retryable: true,
		unknown: op.writes(), detail: op.name + ": no answer", cause: withoutURL(cause)}
}

// answerFault is the fault of an answer that cannot be read.
func answerFault(op *operation, request string, cause error) *Fault {
	return &Fault{code: CodeAnswer, class: classBug, retryable: true, unknown: op.writes(),
		after: time.Minute, detail: op.name, request: request, cause: cause}
}

// statusFault says what an HTTP status that is no success means, with the errors of its body.
func statusFault(op *operation, res *http.Response, errs []apiError) *Fault {
	f := &Fault{status: res.StatusCode, request: requestID(res.Header), after: retryAfter(res.Header),
		detail: op.name + ": HTTP " + strconv.Itoa(res.StatusCode)}
	var first apiError
	if len(errs) > 0 {
		first = errs[0]
		f.detail += ": " + op.shown(errs)
	}
	switch s := res.StatusCode; {
	case s == http.StatusTooManyRequests || is(first.Code, "QuotaExceeded"):
		f.code, f.class, f.retryable = CodeThrottled, classLimit, true
	case s == http.StatusUnauthorized || s == http.StatusForbidden:
		f.code, f.class = CodeDenied, classAuth
	case s == http.StatusNotFound || s == http.StatusGone:
		f.code, f.class = CodeGone, classData
	case s == http.StatusConflict:
		f.code, f.class = CodeConflict, classConflict
	case s >= 500 || s == http.StatusRequestTimeout:
		f.code, f.class, f.retryable, f.unknown = CodeUnavailable, classTransient, true, op.writes()
	case s == http.StatusUnsupportedMediaType || s < 400:
		f.code, f.class = CodeRequest, classBug
	default:
		f.code, f.class = "amazon-bad-request", classData
		if name := kebab(first.Code); name != "" {
			f.code = "amazon-" + name
		}
	}
	return f
}

// expired reports whether a refusal may be one of the token alone, so that a new one is worth a
// try.
func (f *Fault) expired(errs []apiError) bool {
	if f.status == http.StatusUnauthorized {
		return true
	}
	if f.status != http.StatusForbidden {
		return false
	}
	for _, e := range errs {
		text := strings.ToLower(e.Message + " " + e.Details)
		if strings.Contains(text, "expired") || strings.Contains(text, "access token") {
			return true
		}
	}
	return false
}

// is compares codes loosely: some answers write "Invalid Input" for InvalidInput.
func is(code, name string) bool {
	return strings.EqualFold(strings.ReplaceAll(strings.ReplaceAll(code, " ", ""), "_", ""), name)
}

// kebab writes InvalidInput, INVALID_INPUT and "Invalid Input" as invalid-input. What is no name is
// left out.
func kebab(code string) string {
	const most = 64
	var out strings.Builder
	small := false // the rune before was a small letter or a digit
	for _, r := range code {
		switch {
		case r >= 'A' && r <= 'Z':
			if small {
				out.WriteByte('-')
			}
			out.WriteRune(r - 'A' + 'a')
			small = false
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			out.WriteRune(r)
			small = true
		case out.Len() > 0 && (r == ' ' || r == '_' || r == '-' || r == '.'):
			out.WriteByte('-')
			small = false
		}
		if out.Len() >= most {
			break
		}
	}
	return strings.Trim(out.String(), "-")
}

// requestID is what Amazon's support asks for.
func requestID(h http.Header) string { return cut(h.Get("X-Amzn-Requestid"), 128) }

// retryAfter is what the header says, in seconds; at most an hour. The models have none, a gateway
// in front may.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.ParseInt(h.Get("Retry-After"), 10, 32)
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(n)*time.Second, time.Hour)
}

// cut bounds a text of the other side before it goes into an error.
func cut(s string, most int) string {
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

func asFault(err error, f **Fault) bool { return errors.As(err, f) }
