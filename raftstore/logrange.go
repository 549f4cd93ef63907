package raftstore

import (
	"math"

	"github.com/hashicorp/raft"
)

// indexRange is first to last, both included; 0, 0 is empty.
type indexRange struct{ first, last uint64 }

func (r indexRange) empty() bool { return r.first == 0 }

// logRange is what a log holds.
func logRange(l raft.LogStore) (indexRange, error) {
	first, err := l.FirstIndex()
	if err != nil {
		return indexRange{}, err
	}
	last, err := l.LastIndex()
	if err != nil || first == 0 {
		return indexRange{}, err
	}
	return indexRange{first, last}, nil
}

// cut is what of first to last may be deleted from r: a suffix as it is; a prefix, or all, so that
// the entry at floor and those behind it stay. math.MaxUint64 as floor keeps nothing.
func (r indexRange) cut(first, last, floor uint64) indexRange {
	if r.empty() || first > last || last < r.first || first > r.last {
		return indexRange{}
	}
	first, last = max(first, r.first), min(last, r.last)
	if first == r.first && floor != math.MaxUint64 {
		if floor <= first {
			return indexRange{}
		}
		last = min(last, floor-1)
	}
	return indexRange{first, last}
}
