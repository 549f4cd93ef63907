package raftstore

import (
	"fmt"
	"slices"
	"strings"
)

// DivergedError says that the ledger of this node is not what the cluster agreed on: two others that
// agree with each other differ from it. What it would answer is wrong, so it stops.
type DivergedError struct {
	Index       uint64 // at which the digests were taken
	Own, Theirs uint64
	Members     []string // the others
}

func (e *DivergedError) Error() string {
	return fmt.Sprintf("the ledger of this node has digest %016x at index %d, but %s have %016x: "+
		"it is not what the cluster agreed on", e.Own, e.Index, strings.Join(e.Members, " and "), e.Theirs)
}

// outlier holds a node's own digests against those of members that were heard just now. It returns
// an error when two of them agree at an index that all three have, and differ from the node there.
// With one other who differs nobody can say which of the two is right: that is an alarm, no more.
func outlier(own report, heard map[string]report) *DivergedError {
	names := make([]string, 0, len(heard))
	for name := range heard {
		names = append(names, name)
	}
	slices.Sort(names)
	var worst *DivergedError // the first index at which they differ
	for index, value := range own.Digests {
		votes := map[hexUint64][]string{}
		for _, name := range names {
			if other, ok := heard[name].Digests[index]; ok && other != value {
				votes[other] = append(votes[other], name)
			}
		}
		for other, members := range votes {
			if len(members) >= 2 && (worst == nil || index < worst.Index) {
				worst = &DivergedError{Index: index, Own: uint64(value), Theirs: uint64(other),
					Members: members}
			}
		}
	}
	return worst
}

// checkDigests stops this node when it is the one that differs. A leader hands its place over first,
// which takes a heartbeat timeout at most: whoever follows holds the same log, and applied it right.
func (s *Store) checkDigests() {
	own, heard := s.report(), map[string]report{}
	for _, server := range s.servers() {
		if r, ok := s.heardOf(server.ID); ok && server.ID != s.parts.id {
			heard[nodeName(server.ID)] = r
		}
	}
	if err := outlier(own, heard); err != nil && s.fault() == nil {
		s.handOver()
		s.fail(err)
	}
}
