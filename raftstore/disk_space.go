package raftstore

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// DiskSpace is what the file system of a folder has, in bytes; Total 0 is not known.
type DiskSpace struct{ Free, Total int64 }

// diskSpaceOf asks the file system that dir is on. Free is what a user who is not root may take. It
// returns the file system's error.
func diskSpaceOf(dir string) (DiskSpace, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return DiskSpace{}, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return DiskSpace{
		Free: int64(st.Bavail) * st.Bsize, Total: int64(st.Blocks) * st.Bsize,
	}, nil
}

// smallPart is the part of its disk that a file of the log or of events may have, and that must stay
// free beside a checkpoint that is written: on a disk of 4 GiB and more it changes nothing, and one of
// 64 MiB still holds some files of each kind.
const smallPart = 16

// fileBytes is the size of files that are usual bytes long on a large disk: a power of two below a
// sixteenth of a small one, and never below least. Nothing depends on it being the same at each start.
func (d DiskSpace) fileBytes(usual, least int64) int64 {
	if d.Total == 0 || usual <= d.Total/smallPart {
		return usual
	}
	size := least
	for size*2 <= min(usual, d.Total/smallPart) {
		size *= 2
	}
	return size
}

// spare is what must stay free beside a checkpoint.
func (d DiskSpace) spare() int64 {
	if d.Total == 0 {
		return spareBytes
	}
	return min(spareBytes, d.Total/smallPart)
}

// diskLevel says how short of space a disk is. The numbers are in members' reports.
type diskLevel uint8

const (
	diskFine diskLevel = iota
	diskLow            // below the first mark: an alarm, and everything is trimmed that can be
	diskFull           // below the second mark: the leader refuses reserves
)

// diskState is one look at a node's disk, as it stands in its report.
type diskState struct {
	Free   int64     `json:"free"`
	Total  int64     `json:"total"`
	Needed int64     `json:"needed"` // the second mark
	Level  diskLevel `json:"level"`
}

// diskMarks are the marks: below warn is low, below needed is full.
type diskMarks struct{ warn, needed int64 }

// marks returns the configured marks. By itself the second is what a node still has to write after it
// took its last reserve: two files of the log, each of which raft-wal allocates whole, one checkpoint,
// after which the log can be cut, what merging the bodies takes meanwhile, and what must be free beside
// that. The first is twice that, so that there is time to trim and for people to come.
func (c Config) marks(d DiskSpace, checkpoint, bodies int64) diskMarks {
	m := diskMarks{warn: c.DiskWarn, needed: c.DiskMin}
	if m.needed == 0 {
		m.needed = 2*c.segmentOn(d) + checkpoint + mergeRoom(bodies) + d.spare()
	}
	if m.warn == 0 {
		m.warn = 2 * m.needed
	}
	m.warn = max(m.warn, m.needed)
	return m
}

// segmentOn is the size of a file of the raft log on a disk.
func (c Config) segmentOn(d DiskSpace) int64 {
	return d.fileBytes(int64(c.LogSegmentBytes), minSegmentBytes)
}

// level says how short of space a disk with free bytes is that was at level before. It takes an eighth
// more than a mark to get above it again, so that one file more or less is not an alarm each.
func (m diskMarks) level(free int64, before diskLevel) diskLevel {
	above := func(mark int64, held bool) bool {
		if held {
			mark += mark / 8
		}
		return free >= mark
	}
	switch {
	case !above(m.needed, before == diskFull):
		return diskFull
	case !above(m.warn, before >= diskLow):
		return diskLow
	}
	return diskFine
}

// size is a number of bytes for people.
func size(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, at := float64(n), -1
	for value >= unit {
		value, at = value/unit, at+1
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTPE"[at])
}
