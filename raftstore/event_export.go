package raftstore

import (
	"fmt"
	"os"
	"time"
)

// segmentFile is an event file that is open for reading, and how much of it is meant. It stays
// readable when retention deletes it.
type segmentFile struct {
	segmentHeader
	head  uint64 // checksum of its header
	bytes int64
	file  *os.File
}

// openSegments opens the kept files as far as they are durable up to mark and hold events up to seq,
// the oldest first, and returns the mark of seq: a checkpoint's own mark may be behind its last event,
// since events go on while it is written. There are none when no event up to seq is kept.
//
// The caller closes the files. It fails with *CorruptError when they do not have an entry that ends
// with seq, or with an error of the file system; then none is open.
func (e *EventFiles) openSegments(mark EventMark, seq uint64) (
	open []segmentFile, at EventMark, err error,
) {
	defer func() {
		if err != nil {
			for _, f := range open {
				_ = f.file.Close() // it was only read
			}
			open = nil
		}
	}()
	at = EventMark{Seq: seq}
	if open, err = e.openUpTo(mark, seq); err != nil || len(open) == 0 {
		return open, at, err
	}
	last := &open[len(open)-1]
	r := &records{path: last.file.Name(), file: last.file, offset: segmentHeaderBytes, end: last.bytes,
		seed: last.head}
	for end := last.first - 1; end != seq; {
		frame, _, err := r.next()
		if err != nil {
			return open, at, err
		}
		if frame == nil || end > seq {
			return open, at, damaged(r.path, "no entry in it ends with event %d", seq)
		}
		first, count, err := e.cfg.codec.span(frame)
		if err != nil {
			return open, at, damaged(r.path, "%v", err)
		}
		end = first + uint64(count) - 1
	}
	last.bytes = r.offset
	return open, EventMark{First: open[0].first, Seq: seq, Segment: last.number, Offset: r.offset,
		Checksum: r.seed, Begin: last.first, PrevBytes: last.prevBytes, PrevSum: last.prevSum}, nil
}

// openUpTo opens the files up to mark that begin with an event up to seq. It fails with *NoLeaderError
// while the front of one of them is still being fetched after an install, or with an error of the file
// system.
func (e *EventFiles) openUpTo(mark EventMark, seq uint64) ([]segmentFile, error) {
	e.mu.RLock() // so that Retain, which forgets files before it deletes them, waits
	defer e.mu.RUnlock()
	var open []segmentFile
	for _, s := range e.mu.segments {
		if s.number > mark.Segment || s.first > seq {
			break
		}
		if s.hole() {
			return open, &NoLeaderError{After: time.Second,
				Why: "this node still fetches its events: ask another one, or leave the events out"}
		}
		f, err := os.Open(s.path)
		if err != nil {
			return open, fmt.Errorf("open events: %w", err)
		}
		size := s.size
		if s.number == mark.Segment {
			size = min(size, mark.Offset)
		}
		open = append(open, segmentFile{segmentHeader: s.segmentHeader, head: s.head, bytes: size, file: f})
	}
	return open, nil
}
