package raftstore

import "fmt"

// CorruptError says that a file is not what was written. The node does not start, or stops: it
// never goes on from a file that it cannot trust.
type CorruptError struct {
	File   string // its path
	Reason string // what was expected and what was found
}

func (e *CorruptError) Error() string { return e.File + " is damaged: " + e.Reason }

// damaged builds a CorruptError.
func damaged(file, format string, args ...any) error {
	return &CorruptError{File: file, Reason: fmt.Sprintf(format, args...)}
}
