package raftstore

import (
	"fmt"
	"slices"
	"sync"

	"holdfast/engine"
)

// MemEventLog is an EventLog in memory, for tests: no file, no goroutine, so that it works inside a
// synctest bubble. Its segments are the bytes that the files would have. What it holds outlives Close;
// Reopen gives it back, as a restart would, and CutTo or Install must follow.
type MemEventLog struct {
	codec        eventCodec
	segmentBytes int64
	mu           struct {
		sync.Mutex
		memEvents
		closed bool
	}
}

// memEvents is what a restart finds again.
type memEvents struct {
	segments []*memSegment // by number, without gaps
	last     uint64
	number   uint64            // of the segment that was written to last
	missing  bool              // there is more in front
	parts    map[uint64][]byte // pieces, by segment
}

// memSegment is the bytes of a segment file, and where the frames in it end.
type memSegment struct {
	segment
	text   []byte
	frames []memFrame
}

type memFrame struct {
	frame       []byte
	first, last uint64
	end         int64
	sum         uint64 // running checksum of its segment
}

// NewMemEventLog makes an empty log with segments of 64 KiB.
func NewMemEventLog() *MemEventLog {
	l := &MemEventLog{codec: engineEvents, segmentBytes: 64 << 10}
	l.mu.parts = map[uint64][]byte{}
	return l
}

// Reopen closes l and gives the same contents to a new handle.
func (l *MemEventLog) Reopen() *MemEventLog {
	_ = l.Close() // it never fails
	l.mu.Lock()
	defer l.mu.Unlock()
	next := &MemEventLog{codec: l.codec, segmentBytes: l.segmentBytes}
	next.mu.memEvents = l.mu.memEvents
	return next
}

func newMemSegment(h segmentHeader) *memSegment {
	s := &memSegment{text: h.encode()}
	s.segmentHeader, s.head = h, uint64Of(s.text[segmentHeaderBytes-8:])
	s.whole()
	s.cut(0)
	return s
}

// cut drops all frames but the first n.
func (s *memSegment) cut(n int) {
	s.frames = s.frames[:n:n]
	s.size, s.sum, s.last = s.from.offset, s.from.seed, s.from.first-1
	if n > 0 {
		f := s.frames[n-1]
		s.size, s.sum, s.last = f.end, f.sum, f.last
	}
	s.text = s.text[:s.size:s.size]
}

// add takes a frame and the bytes of its record, if they are not there yet.
func (s *memSegment) add(f memFrame) {
	if int64(len(s.text)) == s.size {
		s.text, f.sum = appendRecord(s.text, f.frame, s.sum)
	}
	s.frames = append(s.frames, f)
	s.size, s.sum, s.last = f.end, f.sum, f.last
}

func (l *MemEventLog) tailLocked() *memSegment {
	if len(l.mu.segments) == 0 {
		return nil
	}
	return l.mu.segments[len(l.mu.segments)-1]
}

// Append takes one frame, which is copied. It fails when the frame does not follow the last one,
// and after Close.
func (l *MemEventLog) Append(frame []byte) error {
	if len(frame) == 0 {
		return nil
	}
	first, count, err := l.codec.span(frame)
	if err != nil {
		return fmt.Errorf("append events: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.mu.closed:
		return errEventsClosed
	case count == 0:
		return nil
	case first != l.mu.last+1:
		return fmt.Errorf("append events: frame begins with event %d, want %d", first, l.mu.last+1)
	}
	size := int64(recordHeaderBytes + len(frame))
	s := l.tailLocked()
	if s == nil || (s.size+size > l.segmentBytes && s.last >= s.first) {
		h := segmentHeader{number: l.mu.number + 1, first: first}
		if s != nil {
			h.prevBytes, h.prevSum = s.size, s.sum
		}
		s = newMemSegment(h)
		l.mu.segments = append(l.mu.segments, s)
	}
	f := memFrame{frame: slices.Clone(frame), first: first, last: first + uint64(count) - 1}
	f.end = s.size + size
	s.add(f)
	l.mu.last, l.mu.number = f.last, s.number
	return nil
}

// Read visits the events behind after. It returns ErrEventsGone, and fails after Close.
func (l *MemEventLog) Read(after uint64, visit func(*engine.Event) bool) error {
	l.mu.Lock()
	var frames []memFrame
	for _, s := range l.mu.segments {
		frames = append(frames, s.frames...)
	}
	last, closed := l.mu.last, l.mu.closed
	l.mu.Unlock()
	switch {
	case closed:
		return errEventsClosed
	case after >= last:
		return nil
	case len(frames) == 0 || after+1 < frames[0].first:
		return ErrEventsGone
	}
	more := true
	for _, f := range frames {
		if f.last <= after {
			continue
		}
		err := l.codec.each(f.frame, func(ev *engine.Event) bool {
			more = ev.Seq <= after || visit(ev)
			return more
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// At returns one event, or ErrEventsGone; it fails after Close.
func (l *MemEventLog) At(seq uint64) (engine.Event, error) {
	var found engine.Event
	if seq == 0 {
		return found, ErrEventsGone
	}
	err := l.Read(seq-1, func(ev *engine.Event) bool {
		found = *ev
		return false
	})
	if err == nil && found.Seq != seq {
		err = ErrEventsGone
	}
	return found, err
}

// Bounds are the first kept and the last sequence; 0, 0 when nothing is kept.
func (l *MemEventLog) Bounds() (first, last uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.mu.segments) == 0 || l.mu.segments[0].from.first > l.mu.last {
		return 0, 0
	}
	return l.mu.segments[0].from.first, l.mu.last
}

// Retain drops whole segments from the front, as EventFiles does; it returns nil.
func (l *MemEventLog) Retain(maxBytes int64, floor uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.mu.segments) > 1 && l.totalLocked() > maxBytes && l.mu.segments[0].number < floor {
		l.mu.segments = l.mu.segments[1:]
		l.mu.missing = false
	}
	return nil
}

func (l *MemEventLog) totalLocked() (bytes int64) {
	for _, s := range l.mu.segments {
		bytes += s.size
	}
	return bytes
}

// Sync returns the end of what was appended; it fails after Close.
func (l *MemEventLog) Sync() (EventMark, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed {
		return EventMark{}, errEventsClosed
	}
	s := l.tailLocked()
	if s == nil {
		return EventMark{Seq: l.mu.last, Segment: l.mu.number}, nil
	}
	return EventMark{First: l.mu.segments[0].from.first, Seq: s.last, Segment: s.number,
		Offset: s.size, Checksum: s.sum,
		Begin: s.first, PrevBytes: s.prevBytes, PrevSum: s.prevSum}, nil
}

// CutTo drops what is behind mark. It fails when mark is not a place in this log, and after Close.
func (l *MemEventLog) CutTo(mark EventMark) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed {
		return errEventsClosed
	}
	kept := 0
	if mark.Offset > 0 {
		at, frames := l.findLocked(mark)
		if at < 0 {
			return damaged(segmentPath("memory", mark.Segment), "%+v is not in it", mark)
		}
		l.mu.segments[at].cut(frames)
		kept = at + 1
	}
	l.mu.segments = slices.Clone(l.mu.segments[:kept])
	l.mu.last, l.mu.number = mark.Seq, mark.Segment
	return nil
}

// findLocked returns the segment that mark ends in and how many of its frames are in front of mark;
// -1 when mark is no place in this log.
func (l *MemEventLog) findLocked(mark EventMark) (at, frames int) {
	at = slices.IndexFunc(l.mu.segments, func(s *memSegment) bool { return s.number == mark.Segment })
	if at < 0 {
		return -1, 0
	}
	s := l.mu.segments[at]
	if s.from.offset == mark.Offset && s.from.seed == mark.Checksum && s.from.first == mark.Seq+1 {
		return at, 0
	}
	n := slices.IndexFunc(s.frames, func(f memFrame) bool {
		return f.end == mark.Offset && f.sum == mark.Checksum && f.last == mark.Seq
	})
	if n < 0 {
		return -1, 0
	}
	return at, n + 1
}

// Close refuses what comes later; it returns nil.
func (l *MemEventLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.closed = true
	return nil
}

var _ EventLog = (*MemEventLog)(nil)
