package raftstore

import (
	"errors"
	"fmt"
	"time"
)

// ErrNoCheckpoint says that the folder holds no checkpoint yet: the ledger starts empty.
var ErrNoCheckpoint = errors.New("no checkpoint")

// ErrEventsGone says that events which were asked for are no longer kept.
var ErrEventsGone error = goneError{}

type goneError struct{}

func (goneError) Error() string { return "events are no longer kept" }
func (goneError) Code() string  { return "events-gone" }

// NoLeaderError says that a call did not happen because no node could lead it: there is no leader,
// it was being replaced, or this node is closing. It is safe to send again.
type NoLeaderError struct {
	Known string        // the leader's name where it is known, else ""
	Why   string        // for people
	After time.Duration // when to send again
}

// Error says why.
func (e *NoLeaderError) Error() string { return "did not happen: " + e.Why }

// Code returns "no-leader".
func (e *NoLeaderError) Code() string { return "no-leader" }

// Leader returns the name of the leader, or "".
func (e *NoLeaderError) Leader() string { return e.Known }

// RetryAfter returns when the call may be sent again.
func (e *NoLeaderError) RetryAfter() time.Duration { return e.After }

// OverloadedError says that a call did not happen because a queue is at its bound. It is safe to
// send again.
type OverloadedError struct {
	Queue string        // "writes" or "reads"
	After time.Duration // when to send again
}

// Error names the queue.
func (e *OverloadedError) Error() string {
	return "did not happen: the queue of " + e.Queue + " is full"
}

// Code returns "overloaded".
func (e *OverloadedError) Code() string { return "overloaded" }

// RetryAfter returns when the call may be sent again.
func (e *OverloadedError) RetryAfter() time.Duration { return e.After }

// DiskFullError says that a reserve did not happen because a disk is below its second mark: that of
// the leader, or of so many voters that the others are no majority. Other commands are taken.
type DiskFullError struct {
	Node         string // one whose disk is full
	Free, Needed int64  // bytes
}

// Error names the node and both numbers.
func (e *DiskFullError) Error() string {
	return fmt.Sprintf("did not happen: the disk of node %s has %d bytes free, %d are needed",
		e.Node, e.Free, e.Needed)
}

// Code returns "disk-full".
func (e *DiskFullError) Code() string { return "disk-full" }

// UnknownError says that a write may or may not have happened. Only the same command under the same
// key finds out; nothing in this package sends it again.
type UnknownError struct{ Cause error }

// Error says what was lost.
func (e *UnknownError) Error() string { return fmt.Sprintf("outcome unknown: %v", e.Cause) }

// Unwrap returns the cause, an error; it is never nil.
func (e *UnknownError) Unwrap() error { return e.Cause }

// Code returns "outcome-unknown".
func (e *UnknownError) Code() string { return "outcome-unknown" }

// TooLargeError says that a command, or the commands of one call, are over a limit. They did not
// happen, and never will in this form.
type TooLargeError struct {
	Name        string // the limit's name, for people
	Bytes, Most int
}

// Error names the limit.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s: %d bytes, at most %d", e.Name, e.Bytes, e.Most)
}

// Limit returns the name of the limit.
func (e *TooLargeError) Limit() string { return e.Name }

// Max returns the limit, in bytes.
func (e *TooLargeError) Max() int64 { return int64(e.Most) }

// Code returns "too-large".
func (e *TooLargeError) Code() string { return "too-large" }

// TooFarError says that a read asked for an index that does not exist yet.
type TooFarError struct{ Wanted, Have uint64 }

// Error names both indexes.
func (e *TooFarError) Error() string {
	return fmt.Sprintf("index %d does not exist yet: the newest is %d", e.Wanted, e.Have)
}

// Code returns "too-far".
func (e *TooFarError) Code() string { return "too-far" }

// errDeadline is the cause of an outcome that was not known in time.
var errDeadline = errors.New("no answer from raft in time")

// errClosing is the cause of an outcome that was not known when the store closed.
var errClosing = errors.New("the store closed first")

// retrySoon is when to come back after a change of leader: about a third of an election.
const retrySoon = 300 * time.Millisecond

// closing is the answer to what a closing store did not begin.
func closing() error {
	return &NoLeaderError{Why: "this node is closing", After: time.Second}
}
