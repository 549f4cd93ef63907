package raftstore

import "slices"

// Install goes on behind mark, as EventFiles does; it fails after Close.
func (l *MemEventLog) Install(mark EventMark) error {
	l.mu.Lock()
	at, _ := l.findLocked(mark)
	if l.mu.closed || mark.Offset == 0 || at >= 0 {
		l.mu.Unlock()
		return l.CutTo(mark)
	}
	defer l.mu.Unlock()
	for _, old := range l.mu.segments {
		if !old.hole() {
			l.mu.parts[old.number] = old.text
		}
	}
	s := newMemSegment(segmentHeader{number: mark.Segment, first: mark.Begin,
		prevBytes: mark.PrevBytes, prevSum: mark.PrevSum})
	s.text = append(s.text, make([]byte, mark.Offset-segmentHeaderBytes)...)
	s.from = indexEntry{first: mark.Seq + 1, offset: mark.Offset, seed: mark.Checksum}
	s.cut(0)
	l.mu.segments, l.mu.missing = []*memSegment{s}, true
	l.mu.last, l.mu.number = mark.Seq, mark.Segment
	return nil
}

// Complete reports whether nothing is missing.
func (l *MemEventLog) Complete() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.mu.missing
}

// Gap is that of EventFiles; the error is nil.
func (l *MemEventLog) Gap(maxBytes int64) (EventGap, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g, ok := l.gapLocked()
	over := ok && l.totalLocked()+g.Bytes > maxBytes && g.Segment < l.mu.segments[0].number
	if !ok || over {
		l.mu.missing = l.mu.missing && ok && !over
		return EventGap{}, false, nil
	}
	g.Have = min(int64(len(l.mu.parts[g.Segment])), g.Bytes)
	return g, true, nil
}

func (l *MemEventLog) gapLocked() (g EventGap, ok bool) {
	if !l.mu.missing || len(l.mu.segments) == 0 {
		return g, false
	}
	s := l.mu.segments[0]
	if s.hole() {
		return EventGap{Segment: s.number, Bytes: s.from.offset, Sum: s.from.seed,
			Last: s.from.first - 1}, true
	}
	return EventGap{Segment: s.number - 1, Bytes: s.prevBytes, Sum: s.prevSum,
		Last: s.first - 1}, s.prevBytes > 0
}

// Fill takes the next bytes of a gap, as EventFiles does. It returns *CorruptError when they are not
// what they must be.
func (l *MemEventLog) Fill(g EventGap, p []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, ok := l.gapLocked()
	if now.Have = g.Have; !ok || now != g {
		return nil
	}
	part := append(slices.Clone(l.mu.parts[g.Segment][:g.Have]), p...)
	l.mu.parts[g.Segment] = part
	if int64(len(part)) < g.Bytes {
		return nil
	}
	delete(l.mu.parts, g.Segment)
	piece, err := l.parse(g, part[:g.Bytes])
	if err != nil {
		return err
	}
	if s := l.mu.segments[0]; s.number == g.Segment {
		copy(s.text, piece.text)
		s.frames = append(piece.frames, s.frames...)
		s.whole()
		return nil
	}
	l.mu.segments = slices.Insert(l.mu.segments, 0, piece)
	return nil
}

// parse reads a whole piece. It returns *CorruptError when it is not what g says.
func (l *MemEventLog) parse(g EventGap, text []byte) (*memSegment, error) {
	h, _, err := decodeSegmentHeader("memory", text)
	if err != nil {
		return nil, err
	}
	s := newMemSegment(h)
	s.text = text
	for s.size < g.Bytes {
		frame, sum, size, _, ok := nextRecord(text[s.size:], s.sum)
		if !ok || size == 0 {
			return nil, damaged("memory", "the record at byte %d is not what was written", s.size)
		}
		first, count, err := l.codec.span(frame)
		if err != nil {
			return nil, damaged("memory", "the record at byte %d: %v", s.size, err)
		}
		s.add(memFrame{frame: frame, first: first, last: first + uint64(count) - 1,
			end: s.size + int64(size), sum: sum})
	}
	if s.sum != g.Sum || s.last != g.Last || s.number != g.Segment {
		return nil, damaged("memory", "segment %d is not what it must be", g.Segment)
	}
	return s, nil
}

// GiveUp ends the filling, unless there is a hole; it returns nil.
func (l *MemEventLog) GiveUp() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.missing = len(l.mu.segments) > 0 && l.mu.segments[0].hole()
	return nil
}

// Piece reads bytes of a segment, or returns ErrEventsGone.
func (l *MemEventLog) Piece(number uint64, offset int64, n int) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.mu.segments {
		if s.number == number && !s.hole() && offset >= 0 && offset < s.size {
			return slices.Clone(s.text[offset:min(offset+int64(n), s.size)]), nil
		}
	}
	return nil, ErrEventsGone
}
