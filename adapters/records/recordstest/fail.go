package recordstest

import (
	"context"
	"fmt"
	"time"

	"holdfast/adapters/records"
)

// Failure is how a call fails.
type Failure uint8

// The failures.
const (
	Works         Failure = iota
	NoLeader              // nothing happened
	UnknownBefore         // the outcome is unknown, and nothing happened
	UnknownAfter          // the outcome is unknown, and it happened
)

// Error is a failure of the store. It is understood by its Code.
type Error struct {
	code, detail string
	after        time.Duration
}

// Error returns the code and what is behind it.
func (e *Error) Error() string { return e.code + ": " + e.detail }

// Code names the outcome.
func (e *Error) Code() string { return e.code }

// RetryAfter says when it is safe to send again.
func (e *Error) RetryAfter() time.Duration { return e.after }

var errClosed = &Error{code: "closing", detail: "the store is closed"}

func invalid(format string, args ...any) error {
	return &Error{code: "invalid", detail: fmt.Sprintf(format, args...)}
}

func (f Failure) err() error {
	switch f {
	case Works:
		return nil
	case NoLeader:
		return &Error{code: "no-leader", detail: "told so by a test", after: time.Second}
	default:
		return &Error{code: "outcome-unknown", detail: "told so by a test"}
	}
}

// Fail has f asked before every call, outside the lock: with the Tx of a Submit, with nil for a read,
// which only NoLeader makes fail. f may use the store, and is then asked again. nil: all work.
func (s *Store) Fail(f func(tx *records.Tx) Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

func (s *Store) failure(tx *records.Tx) Failure {
	s.mu.Lock()
	f := s.fail
	s.mu.Unlock()
	if f == nil {
		return Works
	}
	return f(tx)
}

// mayRead is the error of a read that cannot be.
func (s *Store) mayRead(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.failure(nil) == NoLeader {
		return NoLeader.err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	return nil
}
