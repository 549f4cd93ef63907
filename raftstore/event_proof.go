package raftstore

import "errors"

// segmentProof checks the bytes of an event file as they come: its header, the checksum of every
// record, and that the events are in sequence.
type segmentProof struct {
	path  string // for errors
	codec eventCodec

	buf    []byte
	begun  bool
	header segmentHeader
	bytes  int64  // found good
	sum    uint64 // checksum of the last record, of the header before the first
	last   uint64 // sequence of the last event
}

// Write takes the next piece. It fails with *CorruptError at the first byte that is not what was
// written.
func (p *segmentProof) Write(piece []byte) (int, error) {
	p.buf = append(p.buf, piece...)
	rest := p.buf
	for {
		n, err := p.take(rest)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			break
		}
		rest = rest[n:]
		p.bytes += int64(n)
	}
	p.buf = p.buf[:copy(p.buf, rest)]
	return len(piece), nil
}

// take handles the header or record at the front of b and returns its length; 0 when it is not whole.
func (p *segmentProof) take(b []byte) (size int, err error) {
	if !p.begun {
		if len(b) < segmentHeaderBytes {
			return 0, nil
		}
		if p.header, p.sum, err = decodeSegmentHeader(p.path, b); err != nil {
			return 0, err
		}
		p.begun, p.last = true, p.header.first-1
		return segmentHeaderBytes, nil
	}
	frame, sum, size, _, ok := nextRecord(b, p.sum)
	if !ok {
		return 0, damaged(p.path, "the record at byte %d is not what was written", p.bytes)
	}
	if size == 0 {
		return 0, nil
	}
	first, count, err := p.codec.span(frame)
	if err != nil || first != p.last+1 || count < 1 {
		err = errors.Join(err, damaged(p.path, "the record at byte %d begins with event %d, want %d",
			p.bytes, first, p.last+1))
		return 0, err
	}
	p.sum, p.last = sum, first+uint64(count)-1
	return size, nil
}

// finish says whether all of a file was there, with that number, and whether it follows before, which
// is nil for the first. It fails with *CorruptError.
func (p *segmentProof) finish(number uint64, before *segmentProof) error {
	switch {
	case !p.begun || len(p.buf) > 0:
		return damaged(p.path, "it ends in the middle of a record")
	case p.header.number != number:
		return damaged(p.path, "its header says that it is number %d", p.header.number)
	case before == nil:
		return nil
	case p.header.number != before.header.number+1 || p.header.first != before.last+1 ||
		p.header.prevBytes != before.bytes || p.header.prevSum != before.sum:
		return damaged(p.path, "it does not follow the file before it")
	}
	return nil
}
