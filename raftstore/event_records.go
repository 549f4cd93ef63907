package raftstore

import (
	"fmt"
	"os"

	"holdfast/engine"
)

// records reads records one after another, from memory or from a file.
type records struct {
	path   string
	file   *os.File // nil for memory
	buf    []byte   // read and not taken yet; never overwritten, events may point into it
	offset int64    // of buf in the file
	end    int64    // of what may be read
	seed   uint64   // checksum of the record before buf
	piece  int      // bytes of the next read
}

// A file is read in pieces that double from firstPiece to lastPiece: who wants one event, and there
// may be thousands of such reads, gets along with the first.
const (
	firstPiece = 2 * indexBytes
	lastPiece  = 256 << 10
)

// openRecords reads a file from a place that is known, up to end.
func openRecords(path string, at indexEntry, end int64) (*records, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &records{path: path, file: f, offset: at.offset, end: end, seed: at.seed}, nil
}

// next returns the next frame and its place; frame is nil at the end. It returns *CorruptError, or
// an error of the file system.
func (r *records) next() (frame []byte, at indexEntry, err error) {
	for {
		if len(r.buf) == 0 && r.offset >= r.end {
			return nil, indexEntry{}, nil
		}
		frame, sum, size, want, ok := nextRecord(r.buf, r.seed)
		if !ok {
			return nil, indexEntry{}, damaged(r.path,
				"the record at byte %d is not what was written", r.offset)
		}
		if size > 0 {
			at = indexEntry{offset: r.offset, seed: r.seed}
			r.buf, r.offset, r.seed = r.buf[size:], r.offset+int64(size), sum
			return frame, at, nil
		}
		if err := r.fill(want); err != nil {
			return nil, indexEntry{}, err
		}
	}
}

// fill reads at least want bytes into a new buffer.
func (r *records) fill(want int) error {
	left := r.end - r.offset
	if r.file == nil || int64(want) > left {
		return damaged(r.path, "it ends at byte %d in the middle of a record", r.end)
	}
	r.piece = min(max(2*r.piece, firstPiece), lastPiece)
	next := make([]byte, min(int64(max(want, r.piece)), left))
	n := copy(next, r.buf)
	if _, err := r.file.ReadAt(next[n:], r.offset+int64(n)); err != nil {
		return damaged(r.path, "it cannot be read at byte %d: %v", r.offset+int64(n), err)
	}
	r.buf = next
	return nil
}

func (r *records) close() {
	if r.file != nil {
		_ = r.file.Close() // it was only read
	}
}

// walk visits the events from seq on, to the end of r. It returns the sequence after the last one
// that it has seen, and whether visit wants more.
func (r *records) walk(seq uint64, codec eventCodec, visit func(*engine.Event) bool) (
	uint64, bool, error,
) {
	for {
		frame, at, err := r.next()
		if err != nil || frame == nil {
			return seq, true, err
		}
		first, count, err := codec.span(frame)
		if err != nil {
			return seq, false, damaged(r.path, "the record at byte %d: %v", at.offset, err)
		}
		if first+uint64(count) <= seq {
			continue
		}
		more := true
		err = codec.each(frame, func(ev *engine.Event) bool {
			if ev.Seq < seq {
				return true
			}
			seq = ev.Seq + 1
			more = visit(ev)
			return more
		})
		if err != nil {
			return seq, false, damaged(r.path, "the record at byte %d: %v", at.offset, err)
		}
		if !more {
			return seq, false, nil
		}
	}
}

// scan is what a pass over the records of a segment finds.
type scan struct {
	index eventIndex
	last  uint64 // sequence of the last event
	sum   uint64 // checksum of the last record
}

// scanSegment reads the records of s that are there, up to end, and checks that they are whole and in sequence.
func scanSegment(s *segment, end int64, codec eventCodec) (scan, error) {
	found := scan{last: s.from.first - 1, sum: s.from.seed}
	r, err := openRecords(s.path, s.from, end)
	if err != nil {
		return found, fmt.Errorf("open event segment: %w", err)
	}
	defer r.close()
	for {
		frame, at, err := r.next()
		if err != nil {
			return found, err
		}
		if frame == nil {
			found.index.built = true
			return found, nil
		}
		first, count, err := codec.span(frame)
		if err != nil {
			return found, damaged(s.path, "the record at byte %d: %v", at.offset, err)
		}
		if first != found.last+1 || count < 1 {
			return found, damaged(s.path, "the record at byte %d begins with event %d, want %d",
				at.offset, first, found.last+1)
		}
		found.index.add(first, at.offset, at.seed)
		found.last, found.sum = first+uint64(count)-1, r.seed
	}
}
