package shopify

import (
	"errors"
	"fmt"
	"time"
)

// Fault is what went wrong at the shop. Callers understand it by behaviour: whether it may be sent
// again, when, and whether the call may have taken effect.
type Fault struct {
	code      string
	detail    string
	retryable bool
	after     time.Duration
	unknown   bool
	unsent    bool // this call never left us, and none before it is in doubt
	class     string
	cause     error
}

// The codes of faults that code of ours decides by; userErrors have "shopify-" and their own code.
const (
	codeThrottled   = "throttled"           // the cost bucket is empty
	codeUnavailable = "shopify-unavailable" // 5xx, 423, or no answer
	codeDenied      = "access-denied"       // token or scope
	codeInactive    = "shop-inactive"       // frozen, closed, or not there
	codeVersion     = "api-version"         // another version of the API has answered
	codeRequest     = "shopify-request"     // our request is not valid: a bug of ours
	codeAnswer      = "shopify-answer"      // the answer is not what the API documents
	codeStale       = "stale"               // the quantity was not what we compared with
	codeGone        = "not-found"           // the object is not there, or no longer
	codeRefused     = "shopify-refused"     // a userError without a code
	codeInFlight    = "shopify-in-flight"   // the same call is still running over there
	codePending     = "pending"             // accepted, and not done yet
	codePayload     = "payload"             // the task's payload cannot be what is needed
	codeCost        = "too-expensive"       // one query asks for more than a query may
	codeState       = "wrong-state"         // the order over there cannot do this now
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
	if f.cause != nil {
		return fmt.Sprintf("shopify: %s: %s: %v", f.code, f.detail, f.cause)
	}
	return fmt.Sprintf("shopify: %s: %s", f.code, f.detail)
}

// Unwrap returns the cause, or nil.
func (f *Fault) Unwrap() error { return f.cause }

// Code names the fault for programs.
func (f *Fault) Code() string { return f.code }

// Class is the class of the exception that it would become.
func (f *Fault) Class() string { return f.class }

// Retryable reports whether the same call may succeed later.
func (f *Fault) Retryable() bool { return f.retryable }

// RetryAfter is how long the shop asks to wait; 0: it does not say.
func (f *Fault) RetryAfter() time.Duration { return f.after }

// Unknown reports whether the call may have taken effect.
func (f *Fault) Unknown() bool { return f.unknown }

// Unsent reports whether the call never left us, because there was no turn for it.
func (f *Fault) Unsent() bool { return f.unsent }

// Stale reports whether a compared quantity was not there.
func (f *Fault) Stale() bool { return f.code == codeStale }

// refused makes the fault of something that will not change by itself.
func refused(code, format string, args ...any) *Fault {
	return &Fault{code: code, class: classData, detail: fmt.Sprintf(format, args...)}
}

// later makes the fault of something that is not there yet.
func later(after time.Duration, format string, args ...any) *Fault {
	return &Fault{code: codePending, class: classTransient, retryable: true, after: after,
		detail: fmt.Sprintf(format, args...)}
}

// codeOf is the code of a fault of ours, or empty.
func codeOf(err error) string {
	var f *Fault
	if errors.As(err, &f) {
		return f.code
	}
	return ""
}
