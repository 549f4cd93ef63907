package raftstore

import (
	"slices"
	"sync"

	"github.com/hashicorp/raft"
)

// entryOverhead is about what raft-wal adds to the payload of an entry: index, term, type, time,
// frame header and its place in the segment's index.
const entryOverhead = 48

// entryBytes is the size that an entry counts with.
func entryBytes(e *raft.Log) int64 {
	return int64(len(e.Data)) + int64(len(e.Extensions)) + entryOverhead
}

// entrySizes adds up the entries of a log in groups of neighbours, so that millions of entries cost
// little memory, and a delete reads back one group at each end at most. Safe for concurrent use.
type entrySizes struct {
	mu struct {
		sync.Mutex
		groups []sizeGroup // by index, without gaps
		sum    int64
	}
}

type sizeGroup struct {
	indexRange
	bytes int64
}

// A group ends at groupBytes or groupEntries, whichever comes first: deletes run while StoreLogs
// waits, so reading one back must take a millisecond, not a tenth of a second.
const (
	groupBytes   = 1 << 20
	groupEntries = 1024
)

func (s *entrySizes) add(e *raft.Log) { s.addBytes(e.Index, entryBytes(e)) }

func (s *entrySizes) addBytes(index uint64, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.sum += n
	if last := len(s.mu.groups) - 1; last >= 0 {
		g := &s.mu.groups[last]
		if g.bytes < groupBytes && index-g.first < groupEntries {
			g.last, g.bytes = index, g.bytes+n
			return
		}
	}
	s.mu.groups = append(s.mu.groups, sizeGroup{indexRange{index, index}, n})
}

func (s *entrySizes) total() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.sum
}

// drop takes out the entries of cut, which are gone from the log and were at one of its ends. size
// reads an entry that is still there; its error is returned, and then the sum is of no use.
func (s *entrySizes) drop(cut indexRange, size func(index uint64) (int64, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var fault error
	s.mu.groups = slices.DeleteFunc(s.mu.groups, func(g sizeGroup) bool {
		return cut.first <= g.first && g.last <= cut.last
	})
	s.mu.sum = 0
	for i := range s.mu.groups {
		g := &s.mu.groups[i]
		if cut.last >= g.first && cut.first <= g.last {
			if cut.first <= g.first {
				g.first = cut.last + 1
			} else {
				g.last = cut.first - 1
			}
			g.bytes = 0
			for index := g.first; index <= g.last && fault == nil; index++ {
				var n int64
				n, fault = size(index)
				g.bytes += n
			}
		}
		s.mu.sum += g.bytes
	}
	return fault
}
