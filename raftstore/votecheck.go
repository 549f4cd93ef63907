package raftstore

import (
	"fmt"
	"path/filepath"
)

// The keys under which raft keeps what VOTE keeps too.
const (
	keyTerm      = "CurrentTerm"
	keyVotedIn   = "LastVoteTerm"
	keyCandidate = "LastVoteCand"
)

// LogLostError says that a raft log is older than what VOTE knows of it: entries or a vote that were
// acknowledged are gone, as after a disk that was put back from a copy. The node must not take part
// again under its old id.
type LogLostError struct {
	Folder string // of the log
	File   string // VOTE
	Reason string
}

func (e *LogLostError) Error() string {
	return fmt.Sprintf("the raft log in %s is older than %s says: %s: acknowledged entries or a vote "+
		"are gone", e.Folder, e.File, e.Reason)
}

// take sets what one of raft's keys stands for; other keys are nothing to it.
func (s *voteState) take(key string, value []byte) {
	number := uint64(0)
	if len(value) == 8 {
		number = uint64Of(value)
	}
	switch key {
	case keyTerm:
		s.term = number
	case keyVotedIn:
		s.votedIn = number
	case keyCandidate:
		s.candidate = string(value)
	}
}

// votes is what the list of a log says of term and vote.
func (l *segmentList) votes() (s voteState) {
	for key, value := range l.Stable {
		s.take(key, value)
	}
	return s
}

// checkVotes holds the log in dir, of which everything was read, against VOTE. Both took each change
// before it was acknowledged, SEGMENTS first, so that a crash leaves it at most one key ahead. It
// returns term and vote as they are to go on with; *LogLostError when the log is behind, and
// *CorruptError when VOTE or SEGMENTS is older than it can be.
func checkVotes(dir string, list *segmentList, path string, vote voteState, found *foundLog) (
	voteState, error,
) {
	have := list.votes()
	lost := func(format string, args ...any) (voteState, error) {
		return vote, &LogLostError{Folder: dir, File: path, Reason: fmt.Sprintf(format, args...)}
	}
	ahead := 0
	for _, differs := range []bool{
		have.term != vote.term, have.votedIn != vote.votedIn, have.candidate != vote.candidate,
	} {
		if differs {
			ahead++
		}
	}
	switch term := found.lastTerm(); {
	case have.term < vote.term:
		return lost("it was in term %d, and the log knows term %d", vote.term, have.term)
	case have.votedIn < vote.votedIn:
		return lost("it voted in term %d, and the log knows of a vote in term %d",
			vote.votedIn, have.votedIn)
	case found.have.last < vote.mark:
		return lost("entry %d was durable, and the log ends at %d", vote.mark, found.have.last)
	case ahead > 1:
		return vote, damaged(path, "it says term %d and vote %d for %q, the log %d and %d for %q",
			vote.term, vote.votedIn, vote.candidate, have.term, have.votedIn, have.candidate)
	case have.term == 0: // raft has never run on this log
	case term > have.term:
		return vote, damaged(filepath.Join(dir, segmentsFile),
			"it says term %d, and there is an entry of term %d", have.term, term)
	case term > vote.term:
		return vote, damaged(path, "it says term %d, and there is an entry of term %d", vote.term, term)
	}
	return have, nil
}
