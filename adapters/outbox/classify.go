package outbox

import (
	"context"
	"errors"
	"net"
	"time"

	"holdfast/adapters/exceptions"
)

// Verdict is what an error of an Executor means.
type Verdict struct {
	Class exceptions.Class
	Code  string
	// Unknown: the call may have taken effect all the same.
	Unknown bool
	// After is how long the vendor asks to wait; 0 is not said.
	After time.Duration
	// Most is how often a task is tried that fails for a transient reason; 0: as Config.MaxTries says.
	Most int
}

// Classify reads an error by its behaviour, never by its text: Class() names the class, Code() the
// stable name, Unknown() whether it may have happened, Retryable() whether to try again, RetryAfter()
// when, MostTries() how often. An error that says nothing of itself is a transient one of unknown
// outcome, which is the worst that a network can do.
func Classify(err error) Verdict {
	v := Verdict{Class: exceptions.Transient, Code: "unclassified"}
	var coded interface{ Code() string }
	if errors.As(err, &coded) {
		v.Code = coded.Code()
	}
	var later interface{ RetryAfter() time.Duration }
	if errors.As(err, &later) {
		v.After = later.RetryAfter()
	}
	var patient interface{ MostTries() int }
	if errors.As(err, &patient) {
		v.Most = patient.MostTries()
	}
	var retryable interface{ Retryable() bool }
	var class interface{ Class() exceptions.Class }
	var named interface{ Class() string }
	switch {
	case errors.As(err, &class):
		v.Class = class.Class()
	case errors.As(err, &named):
		v.Class = exceptions.Class(named.Class())
	case errors.As(err, &retryable) && !retryable.Retryable():
		v.Class = exceptions.Data
	case v.After > 0:
		v.Class = exceptions.Limit
	}
	var unknown interface{ Unknown() bool }
	if errors.As(err, &unknown) {
		v.Unknown = unknown.Unknown()
	} else {
		v.Unknown = v.Class == exceptions.Transient && v.Code != "no-leader" && !neverSent(err)
	}
	if v.Code == "unclassified" && (errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, context.Canceled)) {
		v.Code = "timeout"
	}
	return v
}

// neverSent reports whether the error is one of reaching the other side at all.
func neverSent(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial"
}

// Later is the error of an Executor that cannot do the task yet, through nobody's fault: it runs again
// After, and no try is counted.
type Later struct {
	After time.Duration // 0 is a minute
	Why   string
}

// Error returns why.
func (l *Later) Error() string { return "later: " + l.Why }

// Needless is the error of an Executor that finds that the task is no longer needed: it is dropped.
type Needless struct{ Why string }

// Error returns why.
func (n *Needless) Error() string { return "no longer needed: " + n.Why }

// Bug is what a panic of an Executor becomes: it fails that task, not the node.
type Bug struct{ What string }

// Error returns what was panicked with.
func (b *Bug) Error() string { return "panic: " + b.What }

// Class is exceptions.Bug.
func (b *Bug) Class() exceptions.Class { return exceptions.Bug }

// Code is "panic".
func (b *Bug) Code() string { return "panic" }

// Unknown is true: nobody knows how far it came.
func (b *Bug) Unknown() bool { return true }
