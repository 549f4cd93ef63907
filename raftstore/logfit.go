package raftstore

import (
	"fmt"

	"github.com/hashicorp/raft"
)

// Fit is what to do with the log before raft starts on it.
type Fit int

const (
	// FitKeep says that log and checkpoint belong together.
	FitKeep Fit = iota
	// FitDeleteLog says that the checkpoint was installed over this log, which is of no use: the
	// node stopped before raft had deleted it, or the log went another way.
	FitDeleteLog
)

// LogState is what FitLog needs to know of a log.
type LogState struct {
	First, Last uint64 // 0, 0 is empty
	// EmptiedAt is the last index that the log had when it was last deleted whole; 0 is never.
	EmptiedAt uint64
	// Term is the term of an entry between First and Last.
	Term func(index uint64) (uint64, error)
}

// LogGapError says that acknowledged entries are missing between checkpoint and log.
type LogGapError struct {
	Folder string // of the log
	Reason string
}

func (e *LogGapError) Error() string {
	return fmt.Sprintf("the raft log in %s does not fit the checkpoint: %s: "+
		"acknowledged entries are gone", e.Folder, e.Reason)
}

// ReadLogState reads what FitLog needs. It returns the errors of l.
func ReadLogState(l Log) (LogState, error) {
	have, err := logRange(l)
	if err != nil {
		return LogState{}, err
	}
	emptied, err := l.GetUint64(emptiedAtKey)
	if err != nil {
		return LogState{}, fmt.Errorf("read %q: %w", emptiedAtKey, err)
	}
	term := func(index uint64) (uint64, error) {
		var e raft.Log
		err := l.GetLog(index, &e)
		return e.Term, err
	}
	return LogState{First: have.first, Last: have.last, EmptiedAt: emptied, Term: term}, nil
}

// FitLog decides whether a log continues the checkpoint m (has says whether there is one). It does
// when it contains (m.Index, m.Term), begins right behind it, or was emptied at it. Where it does
// not, a log under an installed checkpoint is deleted, since all that the cluster acknowledged is
// in the checkpoint or with its leader; under one of our own the node must not start.
//
// It returns *LogGapError with folder, or an error of s.Term; then nothing may be started.
func FitLog(s LogState, m CheckpointMeta, has bool, folder string) (Fit, error) {
	gap := func(format string, args ...any) (Fit, error) {
		return FitKeep, &LogGapError{Folder: folder, Reason: fmt.Sprintf(format, args...)}
	}
	empty := s.First == 0
	switch {
	case !has && empty && s.EmptiedAt > 0:
		return gap("the log was deleted up to %d, and there is no checkpoint", s.EmptiedAt)
	case !has && s.First > 1:
		return gap("the log begins at %d, and there is no checkpoint", s.First)
	case !has:
		return FitKeep, nil
	case empty && (m.Installed || s.EmptiedAt == m.Index):
		return FitKeep, nil
	case empty:
		return gap("the log is empty, the checkpoint is at %d", m.Index)
	case s.First == m.Index+1:
		return FitKeep, nil
	case s.First > m.Index:
		// Not even an installed checkpoint explains this: the log only ever loses what is in front
		// of a checkpoint, so a newer one is missing. Deleting the log would lose it for good.
		return gap("the log begins at %d, the checkpoint is at %d", s.First, m.Index)
	case m.Installed && s.Last < m.Index:
		return FitDeleteLog, nil
	case s.Last < m.Index:
		return gap("the log ends at %d, the checkpoint is at %d", s.Last, m.Index)
	}
	term, err := s.Term(m.Index)
	switch {
	case err != nil:
		return FitKeep, fmt.Errorf("read the term of entry %d: %w", m.Index, err)
	case term == m.Term:
		return FitKeep, nil
	case m.Installed:
		return FitDeleteLog, nil
	}
	return gap("entry %d is of term %d, the checkpoint of term %d", m.Index, term, m.Term)
}

// AlignLog puts the log in step with the checkpoint that was loaded, before raft starts: it asks
// FitLog and deletes the log if that is the answer. folder is the log's, for the message. It
// returns the errors of FitLog and of l.
func AlignLog(l Log, m CheckpointMeta, has bool, folder string) error {
	s, err := ReadLogState(l)
	if err != nil {
		return err
	}
	fit, err := FitLog(s, m, has, folder)
	if err != nil || fit == FitKeep {
		return err
	}
	if err := l.DeleteRange(s.First, s.Last); err != nil {
		return err
	}
	left, err := logRange(l)
	if err == nil && !left.empty() {
		err = fmt.Errorf("delete the log in %s: entries %d to %d are still there",
			folder, left.first, left.last)
	}
	return err
}
