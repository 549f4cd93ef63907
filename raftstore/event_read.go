package raftstore

import (
	"errors"
	"io/fs"
	"sort"

	"holdfast/engine"
)

// Read visits the events behind after, in order, until visit returns false or there are no more.
// The event belongs to visit only during the call, its strings stay valid. It returns ErrEventsGone
// when some of them are no longer kept, *CorruptError when a file is damaged, or an error of the
// file system. No lock is held during visit; Read is safe beside everything else.
func (e *EventFiles) Read(after uint64, visit func(*engine.Event) bool) error {
	for seq := after + 1; ; {
		run, err := e.locate(seq)
		if run == nil || err != nil {
			return err
		}
		next, more, err := run.walk(seq, e.cfg.codec, visit)
		run.close()
		if err != nil || !more {
			return err
		}
		if next == seq {
			return damaged(run.path, "it does not hold event %d", seq)
		}
		seq = next
	}
}

// At returns one event. It fails as Read does, and with ErrEventsGone for one that is yet to come.
func (e *EventFiles) At(seq uint64) (engine.Event, error) {
	var found engine.Event
	if seq == 0 {
		return found, ErrEventsGone
	}
	err := e.Read(seq-1, func(ev *engine.Event) bool {
		found = *ev
		return false
	})
	if err == nil && found.Seq != seq {
		err = ErrEventsGone
	}
	return found, err
}

// locate finds a run of records that holds seq: a chunk in memory, or a file. It returns nil when
// seq is still to come.
func (e *EventFiles) locate(seq uint64) (*records, error) {
	for {
		run, s, at, end, err := e.find(seq)
		if run != nil || s == nil || err != nil {
			return run, err
		}
		if at.offset == 0 {
			if err := e.buildIndex(s); err != nil {
				return nil, e.goneOr(seq, err)
			}
			continue
		}
		run, err = openRecords(s.path, at, end)
		return run, e.goneOr(seq, err)
	}
}

// find looks seq up under the lock. It returns a run in memory, or the segment with the place to
// read from; at.offset is 0 when the segment has no index yet.
func (e *EventFiles) find(seq uint64) (
	run *records, s *segment, at indexEntry, end int64, err error,
) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	first, _ := e.boundsLocked()
	switch {
	case e.mu.closed:
		return nil, nil, at, 0, errEventsClosed
	case seq > e.mu.last:
		return nil, nil, at, 0, nil
	case first == 0 || seq < first:
		return nil, nil, at, 0, ErrEventsGone
	}
	n := sort.Search(len(e.mu.segments), func(i int) bool { return e.mu.segments[i].first > seq })
	s = e.mu.segments[n-1]
	n = sort.Search(len(e.mu.chunks), func(i int) bool { return e.mu.chunks[i].first > seq })
	if n > 0 {
		return e.mu.chunks[n-1].records(s, seq), nil, at, 0, nil
	}
	if !s.index.built {
		return nil, s, at, 0, nil
	}
	end = s.size
	if len(e.mu.chunks) > 0 && e.mu.chunks[0].segment == s.number {
		end = e.mu.chunks[0].offset // what is behind it may not be in the file yet
	}
	return nil, s, s.index.find(seq), end, nil
}

// records reads a chunk, from a place near seq. s is the chunk's segment.
func (c *chunk) records(s *segment, seq uint64) *records {
	at := s.index.find(seq)
	if at.offset < c.offset {
		at = indexEntry{offset: c.offset, seed: c.seed}
	}
	return &records{path: s.path, buf: c.buf[at.offset-c.offset:], offset: at.offset,
		end: c.offset + int64(len(c.buf)), seed: at.seed}
}

// buildIndex reads a file of an earlier run of the process: once, when it is first asked for. The
// header of the file behind it says what it must add up to.
func (e *EventFiles) buildIndex(s *segment) error {
	found, err := scanSegment(s, s.size, e.cfg.codec)
	if err != nil {
		return err
	}
	if found.sum != s.sum {
		return damaged(s.path, "its last checksum is %016x, want %016x", found.sum, s.sum)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s.index = found.index
	return nil
}

// goneOr is err, or ErrEventsGone when Retain has taken the file away meanwhile.
func (e *EventFiles) goneOr(seq uint64, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if first, _ := e.Bounds(); first == 0 || seq < first {
		return ErrEventsGone
	}
	return damaged(e.cfg.Dir, "event %d: %v", seq, err)
}
