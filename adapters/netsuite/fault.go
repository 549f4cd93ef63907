package netsuite

import (
	"errors"
	"fmt"
	"time"
)

// Fault is what went wrong at the account. Callers understand it by behaviour: whether it may be sent
// again, when, and whether the call may have taken effect.
type Fault struct {
	code      string
	detail    string
	path      string // into the body, of what is at fault
	operation string // NetSuite's own id of the call, for its support
	retryable bool
	after     time.Duration
	unknown   bool
	class     string
	cause     error
}

// The codes of faults.
const (
	codeThrottled   = "throttled"            // too many calls are under way in the account
	codeUnavailable = "netsuite-unavailable" // 5xx, a page of a gateway, or no answer
	codeDenied      = "access-denied"        // the login
	codePermission  = "missing-permission"   // the role may not do this
	codeRequest     = "netsuite-request"     // our request is not valid: a bug of ours
	codeAnswer      = "netsuite-answer"      // the answer is not what is documented
	codeGone        = "not-found"            // the record is not there
	codeExists      = "exists"               // there is one of that external id
	codeTaken       = "external-id-taken"    // and it is not the one that we mean
	codeField       = "unknown-field"        // the account has no such field, or the role sees none
	codeReference   = "unknown-reference"    // it names a record that is not there, such as an item
	codeChanged     = "record-changed"       // somebody saved the record while we did
	codeLocked      = "record-locked"        // somebody works on the record just now
	codePeriod      = "period-closed"        // the accounting period is closed or locked
	codeState       = "wrong-state"          // the record cannot do this any more
	codeLines       = "no-valid-line"        // no line of it can be done as it stands
	codeRefused     = "netsuite-refused"     // a business rule of the account
	codePayload     = "payload"              // the task's payload cannot be what is needed
	codeTooMany     = "too-many-rows"        // a query has more rows than it may
	codeConnection  = "no-connection"        // there is no such connection
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
	text := "netsuite: " + f.code + ": " + f.detail
	if f.path != "" {
		text += " at " + f.path
	}
	if f.operation != "" {
		text += " (operation " + f.operation + ")"
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

// RetryAfter is how long the account asks to wait; 0: it does not say.
func (f *Fault) RetryAfter() time.Duration { return f.after }

// Unknown reports whether the call may have taken effect.
func (f *Fault) Unknown() bool { return f.unknown }

// At is the place in the body that is at fault, as NetSuite names it; empty: it does not say.
func (f *Fault) At() string { return f.path }

// refused makes the fault of something that will not change by itself.
func refused(code, format string, args ...any) *Fault {
	return &Fault{code: code, class: classData, detail: fmt.Sprintf(format, args...)}
}

// bug makes the fault of a request that cannot even be sent.
func bug(detail string, cause error) *Fault {
	return &Fault{code: codeRequest, class: classBug, detail: detail, cause: cause}
}

// unreachable makes the fault of a call without an answer.
func unreachable(cause error, writes bool) *Fault {
	return &Fault{code: codeUnavailable, class: classTransient, retryable: true, unknown: writes,
		detail: "no answer", cause: cause}
}

// codeOf is the code of a fault of ours, or empty.
func codeOf(err error) string {
	var f *Fault
	if errors.As(err, &f) {
		return f.code
	}
	return ""
}
