package raftstore

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// CutTo drops what is behind mark. It reads the file that mark ends in and compares it with mark,
// byte by byte in effect; of the files before it, it checks that they are there, in order and of
// the right length, and their contents when they are first read.
//
// A mark with Offset 0 keeps nothing: the next event is mark.Seq + 1. A fresh log has the zero
// mark.
//
// It returns *CorruptError with the file that is not what was synced, and then nothing has been
// dropped; or an error of the file system. It is called after a restart, before anything else.
func (e *EventFiles) CutTo(mark EventMark) error {
	e.sync.Lock()
	defer e.sync.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.closed {
		return errEventsClosed
	}
	return e.cutLocked(mark)
}

func (e *EventFiles) cutLocked(mark EventMark) error {
	if err := e.flushLocked(); err != nil { // nothing, after a restart
		return err
	}
	kept := 0
	if mark.Offset > 0 {
		kept = slices.IndexFunc(e.mu.segments, func(s *segment) bool {
			return s.number == mark.Segment
		}) + 1
		if err := e.verifyLocked(kept, mark); err != nil {
			return err
		}
	}
	if err := e.dropLocked(kept); err != nil {
		return err
	}
	if kept > 0 {
		if err := e.mu.segments[kept-1].reopen(mark.Offset); err != nil {
			return err
		}
	}
	e.mu.chunks, e.mu.events, e.mu.bytes = nil, 0, 0
	e.mu.last = mark.Seq
	e.mu.mark = mark
	return nil
}

// verifyLocked checks the first n segments, the last of which mark ends in.
func (e *EventFiles) verifyLocked(n int, mark EventMark) error {
	if n == 0 {
		return damaged(segmentPath(e.cfg.Dir, mark.Segment), "it is missing")
	}
	for i, s := range e.mu.segments[:n] {
		if s.fault != nil {
			return s.fault
		}
		if i == 0 {
			continue
		}
		before := e.mu.segments[i-1]
		switch {
		case s.number != before.number+1:
			return damaged(segmentPath(e.cfg.Dir, before.number+1), "it is missing")
		case s.prevBytes != before.size:
			return damaged(before.path, "it has %d bytes, want %d", before.size, s.prevBytes)
		}
		before.sum, before.last = s.prevSum, s.first-1
	}
	s := e.mu.segments[n-1]
	if mark.Offset < s.from.offset {
		return damaged(s.path, "its first %d bytes are not fetched yet, the checkpoint needs %d",
			s.from.offset, mark.Offset)
	}
	if s.size < mark.Offset {
		return damaged(s.path, "it has %d bytes, the checkpoint has seen %d", s.size, mark.Offset)
	}
	found, err := scanSegment(s, mark.Offset, e.cfg.codec)
	switch {
	case err != nil:
		return err
	case found.last != mark.Seq:
		return damaged(s.path, "it ends with event %d, the checkpoint has seen %d",
			found.last, mark.Seq)
	case found.sum != mark.Checksum:
		return damaged(s.path, "its checksum is %016x, the checkpoint has seen %016x",
			found.sum, mark.Checksum)
	}
	s.index, s.last, s.sum = found.index, found.last, found.sum
	return nil
}

// dropLocked deletes all segments but the first n, the newest first, so that a crash leaves no gap.
func (e *EventFiles) dropLocked(n int) error {
	for len(e.mu.segments) > n {
		s := e.tailLocked()
		e.cfg.Logger.Info("dropping events behind the checkpoint", "file", s.path, "bytes", s.size)
		if err := errors.Join(s.close(), os.Remove(s.path)); err != nil {
			return err
		}
		e.mu.segments = e.mu.segments[:len(e.mu.segments)-1]
	}
	return syncPath(e.cfg.Dir)
}

// reopen cuts the file to size and makes it the one that is written to.
func (s *segment) reopen(size int64) error {
	if err := s.close(); err != nil {
		return err
	}
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(size), f.Sync()); err != nil {
		return errors.Join(fmt.Errorf("cut %s: %w", s.path, err), f.Close())
	}
	s.file, s.size = f, size
	return nil
}
