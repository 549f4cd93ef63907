package node

import (
	"errors"
	"strings"
	"syscall"

	"holdfast/engine"
	"holdfast/raftstore"
)

// StopError says why a node could not start or had to stop, and what to do, in one line.
type StopError struct {
	Err error  // names the file where one is to blame
	Do  string // what a person should do; may be empty
	// Final says that starting again changes nothing: a supervisor should not.
	Final bool
}

func (e *StopError) Error() string {
	text := strings.ReplaceAll(e.Err.Error(), "\n", "; ")
	if e.Do != "" {
		text += "; what to do: " + e.Do
	}
	return text
}

// Unwrap returns the error without the advice.
func (e *StopError) Unwrap() error { return e.Err }

// explain adds to an error of the store what to do about it. nil stays nil.
func explain(err error) error {
	if err == nil {
		return nil
	}
	var (
		locked  *raftstore.LockedError
		foreign *raftstore.ForeignFolderError
		cluster *raftstore.ForeignClusterError
		corrupt *raftstore.CorruptError
		gap     *raftstore.LogGapError
		lost    *raftstore.LogLostError
		other   *raftstore.DivergedError
		broken  *raftstore.ApplyPanicError
		skip    *raftstore.SkipMismatchError
		version *engine.VersionError
		used    *raftstore.UsedNameError
	)
	switch {
	case errors.As(err, &locked):
		return &StopError{Err: err, Do: "stop the other holdfast, or give this one another --data"}
	case errors.As(err, &foreign):
		return &StopError{Err: err, Final: true,
			Do: "give --data this node's own folder, or --node the name that the folder has"}
	case errors.As(err, &cluster):
		return &StopError{Err: err, Final: true, Do: "give --data the folder of a node of this cluster"}
	case errors.As(err, &used):
		return &StopError{Err: err, Final: true, Do: "if the disk that it had is lost, run `holdfast " +
			"cluster recover` with this node's settings and start it again; else give --data the folder " +
			"that it had, or the node a name of its own"}
	case errors.As(err, &corrupt), errors.As(err, &gap), errors.As(err, &lost):
		return &StopError{Err: err, Final: true, Do: "keep the folder for examination and bring the " +
			"node back from the other nodes with `holdfast cluster recover`, or from a backup; never " +
			"delete single files"}
	case errors.As(err, &other):
		return &StopError{Err: err, Final: true, Do: "keep the folder and its log for examination, and " +
			"bring the node back from the other nodes with `holdfast cluster recover`; what they hold is " +
			"what was agreed"}
	case errors.As(err, &version):
		return &StopError{Err: err, Final: true, Do: "start this node with a build at least as new as " +
			"the other nodes'"}
	case errors.As(err, &broken):
		return &StopError{Err: err, Final: true, Do: "keep the log of this node and report it; a node " +
			"that stops alone is brought back from the others, and only when all of them stop at this " +
			"entry is it skipped, on every node"}
	case errors.As(err, &skip):
		return &StopError{Err: err, Final: true, Do: "give --skip-entry as the nodes' own logs have it, " +
			"or leave it out"}
	case errors.Is(err, syscall.ENOSPC):
		return &StopError{Err: err, Do: "free space on that disk (`holdfast cluster free-ballast` gives " +
			"some) and start again; nothing that was acknowledged is lost"}
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EROFS):
		return &StopError{Err: err, Do: "give the user that runs holdfast the right to write there"}
	}
	return &StopError{Err: err}
}
