package main

import (
	"errors"
	"fmt"
	"strings"

	"holdfast/cmd/internal/client"
)

// The exit statuses. They are stable: scripts test for them.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitRefused     = 3
	exitUnreachable = 4
	exitUnknown     = 5
	exitData        = 6
	exitBreached    = 99
	exitInterrupted = 130
)

// exitStatuses explains the statuses, for `holdfast help exit-codes`.
var exitStatuses = []struct {
	code int
	what string
}{
	{exitOK, "done; of serve: stopped in order after a signal"},
	{exitFailure, "failed: a file could not be read or holds faults, a check did not hold, the " +
		"server had a fault of its own; of serve: could not start or had to stop"},
	{exitUsage, "wrong use: unknown command, flag or argument, or a wrong setting"},
	{exitRefused, "refused: the server understood and said no (unknown SKU, wrong state, no " +
		"right); of stock import: at least one row was refused"},
	{exitUnreachable, "not now: no server there, no leader, overloaded or no disk space; nothing " +
		"happened, try again"},
	{exitUnknown, "outcome unknown: the write may or may not have happened; the same command again " +
		"finds out and has one effect"},
	{exitData, "of serve: the data folder is damaged or is another node's; starting again changes " +
		"nothing, so a supervisor should not; of verify: something in the folder is damaged"},
	{exitBreached, "of load run: a threshold was breached, a promise broken, or a call not sent"},
	{exitInterrupted, "interrupted by a signal before it was done; serve ends with 0 then"},
}

// statusError is an error that knows its exit status. A silent one has been told already.
type statusError struct {
	code   int
	err    error
	silent bool
}

func (e *statusError) Error() string { return e.err.Error() }

// Unwrap returns the error that has this status.
func (e *statusError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &statusError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// statusOf gives the exit status of what a command returned.
func statusOf(err error) int {
	var own *statusError
	var problem *client.Problem
	var away *client.UnreachableError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &own):
		return own.code
	case client.IsUnknown(err):
		return exitUnknown
	case errors.As(err, &problem):
		switch {
		case problem.Refused():
			return exitRefused
		case problem.Later():
			return exitUnreachable
		}
		return exitFailure
	case errors.As(err, &away):
		return exitUnreachable
	}
	return exitFailure
}

// tell writes err for a person, in one go.
func (a *app) tell(err error) {
	var own *statusError
	if errors.As(err, &own) && own.silent {
		return
	}
	fmt.Fprintf(a.stderr, "holdfast: %s\n", strings.TrimRight(err.Error(), "\n"))
}
