package raftstore

import (
	"fmt"
	"slices"
	"sync"

	"github.com/zeebo/xxh3"

	"holdfast/engine"
)

// MemEventLog is an EventLog in memory, for tests: no file, no goroutine, so that it works inside a
// synctest bubble. What it holds outlives Close; Reopen gives it back, as a restart would, and
// CutTo must follow.
type MemEventLog struct {
	codec        eventCodec
	segmentBytes int64
	mu           struct {
		sync.Mutex
		frames []memFrame
		last   uint64
		number uint64 // of the segment that is written to
		closed bool
	}
}

// memFrame is a frame and where it would be in the files.
type memFrame struct {
	frame       []byte
	first, last uint64
	segment     uint64
	end         int64  // offset behind it in its segment
	sum         uint64 // running checksum of its segment
}

// NewMemEventLog makes an empty log with segments of 64 KiB.
func NewMemEventLog() *MemEventLog {
	return &MemEventLog{codec: engineEvents, segmentBytes: 64 << 10}
}

// Reopen closes l and gives the same contents to a new handle.
func (l *MemEventLog) Reopen() *MemEventLog {
	_ = l.Close() // it never fails
	l.mu.Lock()
	defer l.mu.Unlock()
	next := &MemEventLog{codec: l.codec, segmentBytes: l.segmentBytes}
	next.mu.frames, next.mu.last = slices.Clone(l.mu.frames), l.mu.last
	next.mu.number = l.mu.number
	return next
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
	f := memFrame{frame: slices.Clone(frame), first: first, last: first + uint64(count) - 1}
	f.segment, f.end = l.mu.number, segmentHeaderBytes
	if n := len(l.mu.frames); n > 0 {
		before := l.mu.frames[n-1]
		f.segment, f.end, f.sum = before.segment, before.end, before.sum
	}
	size := int64(recordHeaderBytes + len(frame))
	if len(l.mu.frames) == 0 || f.end+size > l.segmentBytes {
		f.segment, f.end = f.segment+1, segmentHeaderBytes
	}
	f.sum, f.end = xxh3.HashSeed(frame, f.sum), f.end+size
	l.mu.frames = append(l.mu.frames, f)
	l.mu.last, l.mu.number = f.last, f.segment
	return nil
}

// Read visits the events behind after. It returns ErrEventsGone, and fails after Close.
func (l *MemEventLog) Read(after uint64, visit func(*engine.Event) bool) error {
	l.mu.Lock()
	frames, last, closed := l.mu.frames, l.mu.last, l.mu.closed
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
	if len(l.mu.frames) == 0 {
		return 0, 0
	}
	return l.mu.frames[0].first, l.mu.last
}

// Retain drops whole segments from the front, as EventFiles does; it returns nil.
func (l *MemEventLog) Retain(maxBytes int64, floor uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		var total int64
		from := 0 // the first frame of the second segment
		for i, f := range l.mu.frames {
			if i+1 == len(l.mu.frames) || l.mu.frames[i+1].segment != f.segment {
				total += f.end
			}
			if from == 0 && f.segment != l.mu.frames[0].segment {
				from = i
			}
		}
		if total <= maxBytes || from == 0 || l.mu.frames[0].segment >= floor {
			return nil
		}
		l.mu.frames = l.mu.frames[from:]
	}
}

// Sync returns the end of what was appended; it fails after Close.
func (l *MemEventLog) Sync() (EventMark, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed {
		return EventMark{}, errEventsClosed
	}
	mark := EventMark{Seq: l.mu.last, Segment: l.mu.number}
	if n := len(l.mu.frames); n > 0 {
		f := l.mu.frames[n-1]
		mark = EventMark{First: l.mu.frames[0].first, Seq: f.last, Segment: f.segment,
			Offset: f.end, Checksum: f.sum}
	}
	return mark, nil
}

// CutTo drops what is behind mark. It fails when mark is not a place in this log, and after Close.
func (l *MemEventLog) CutTo(mark EventMark) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed {
		return errEventsClosed
	}
	n := 0
	if mark.Offset > 0 {
		n = 1 + slices.IndexFunc(l.mu.frames, func(f memFrame) bool {
			return f.segment == mark.Segment && f.end == mark.Offset &&
				f.sum == mark.Checksum && f.last == mark.Seq
		})
		if n == 0 {
			return damaged(segmentPath("memory", mark.Segment), "%+v is not in it", mark)
		}
	}
	l.mu.frames = slices.Clone(l.mu.frames[:n])
	l.mu.last, l.mu.number = mark.Seq, mark.Segment
	return nil
}

// Close refuses what comes later; it returns nil.
func (l *MemEventLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.closed = true
	return nil
}

var _ EventLog = (*MemEventLog)(nil)
