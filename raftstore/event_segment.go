package raftstore

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"
)

// A segment file is a header and then records, one for each frame:
//
//	header: magic "HFEVENTS" · version u32 · 0 u32 · number u64 · first sequence u64
//	        · bytes of the file before u64 · last checksum of the file before u64 · xxh3 of all u64
//	record: frame length u32 · checksum u64 · frame
//
// All little endian. The checksum of a record is xxh3 of the frame, seeded with the checksum of the
// record before; of the first record, with the header's own. So one checksum vouches for all in
// front of it in the file, and the header of the next file for the whole file. Nothing here depends
// on time or chance: replay writes the same bytes.
const (
	segmentMagic       = "HFEVENTS"
	segmentVersion     = 1
	segmentHeaderBytes = 56
	recordHeaderBytes  = 12
	// maxFrameBytes bounds what a damaged length can make us read. An entry is at most 1 MiB, and
	// its events at most some dozen times that.
	maxFrameBytes = 256 << 20
	segmentPrefix = "events-"
	segmentSuffix = ".seg"
)

type segmentHeader struct {
	number, first uint64
	prevBytes     int64
	prevSum       uint64
}

func (h segmentHeader) encode() []byte {
	p := append(make([]byte, 0, segmentHeaderBytes), segmentMagic...)
	p = binary.LittleEndian.AppendUint32(p, segmentVersion)
	p = binary.LittleEndian.AppendUint32(p, 0)
	for _, n := range []uint64{h.number, h.first, uint64(h.prevBytes), h.prevSum} {
		p = binary.LittleEndian.AppendUint64(p, n)
	}
	return binary.LittleEndian.AppendUint64(p, xxh3.Hash(p))
}

// decodeSegmentHeader returns the header and its checksum; path is for the error.
func decodeSegmentHeader(path string, p []byte) (segmentHeader, uint64, error) {
	const end = segmentHeaderBytes - 8
	switch {
	case len(p) < segmentHeaderBytes:
		return segmentHeader{}, 0, damaged(path, "it has %d bytes, too few for its header", len(p))
	case string(p[:8]) != segmentMagic:
		return segmentHeader{}, 0, damaged(path, "it begins with %q", p[:8])
	case binary.LittleEndian.Uint32(p[8:]) != segmentVersion:
		return segmentHeader{}, 0, damaged(path, "version %d, want %d",
			binary.LittleEndian.Uint32(p[8:]), segmentVersion)
	}
	sum := uint64Of(p[end:])
	if sum != xxh3.Hash(p[:end]) {
		return segmentHeader{}, 0, damaged(path, "its header has a wrong checksum")
	}
	return segmentHeader{
		number: uint64Of(p[16:]), first: uint64Of(p[24:]),
		prevBytes: int64(uint64Of(p[32:])), prevSum: uint64Of(p[40:]),
	}, sum, nil
}

// segment is one file. Its fields are guarded by the log's lock, except path and number.
type segment struct {
	segmentHeader
	path  string
	file  *os.File // open while it is written to or not yet durable, else nil
	fault error    // why the header could not be read; after a crash the file may be of no interest
	head  uint64   // checksum of the header
	last  uint64   // sequence of its last event, first-1 when it has none; known of the newest
	size  int64    // bytes, with what is only in memory
	sum   uint64   // checksum of its last record
	index eventIndex
	// from is where what can be read of it begins: behind the header, or further on while its front is
	// missing, see EventFiles.Install.
	from indexEntry
}

// hole reports whether the front of the segment is missing.
func (s *segment) hole() bool { return s.from.offset > segmentHeaderBytes }

// whole says that nothing of the segment is missing.
func (s *segment) whole() {
	s.from = indexEntry{first: s.first, offset: segmentHeaderBytes, seed: s.head}
}

// close closes the file, if it is open.
func (s *segment) close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

func segmentPath(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%s%016x%s", segmentPrefix, number, segmentSuffix))
}

// listSegments finds the segment files, by number. A header that cannot be read is kept as the
// segment's fault: a crash may have torn it. missing is what MISSING says, nil without one. It fails
// with *CorruptError for MISSING, or an error of the file system.
func listSegments(dir string) (found []*segment, missing *missingEvents, err error) {
	if missing, err = readMissing(dir); err != nil {
		return nil, nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		text, ok := strings.CutPrefix(e.Name(), segmentPrefix)
		text, ok2 := strings.CutSuffix(text, segmentSuffix)
		number, err := strconv.ParseUint(text, 16, 64)
		if !ok || !ok2 || err != nil || e.Name() != filepath.Base(segmentPath(dir, number)) {
			continue
		}
		s, err := readSegment(segmentPath(dir, number), number)
		if err != nil {
			return nil, nil, err
		}
		found = append(found, s)
	}
	sort.Slice(found, func(i, j int) bool { return found[i].number < found[j].number })
	missing.mark(found)
	return found, missing, nil
}

// readSegment reads the header of a file.
func readSegment(path string, number uint64) (*segment, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	p := make([]byte, min(segmentHeaderBytes, info.Size()))
	if _, err := f.ReadAt(p, 0); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	s := &segment{path: path, size: info.Size()}
	s.segmentHeader, s.head, s.fault = decodeSegmentHeader(path, p)
	if s.fault == nil && s.number != number {
		s.fault = damaged(path, "its header says that it is number %d", s.number)
	}
	s.number = number
	s.last = s.first - 1
	s.whole()
	return s, nil
}

// createSegment makes a new file with its header.
func createSegment(dir string, h segmentHeader) (*segment, error) {
	path := segmentPath(dir, h.number)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o640)
	if err != nil {
		return nil, err
	}
	head := h.encode()
	if _, err := f.Write(head); err != nil {
		f.Close()
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	sum := uint64Of(head[segmentHeaderBytes-8:])
	s := &segment{segmentHeader: h, path: path, file: f, head: sum, sum: sum,
		last: h.first - 1, size: segmentHeaderBytes, index: eventIndex{built: true}}
	s.whole()
	return s, nil
}

// appendRecord appends the record of a frame and returns its checksum, which seeds the next.
func appendRecord(dst, frame []byte, seed uint64) ([]byte, uint64) {
	sum := xxh3.HashSeed(frame, seed)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(frame)))
	dst = binary.LittleEndian.AppendUint64(dst, sum)
	return append(dst, frame...), sum
}

// nextRecord reads the record at the front of p: its frame, checksum and length. size is 0 when p
// is too short for it, and want then says how long it is, as far as that is known. ok is false when
// the checksum is wrong.
func nextRecord(p []byte, seed uint64) (frame []byte, sum uint64, size, want int, ok bool) {
	if len(p) < recordHeaderBytes {
		return nil, 0, 0, recordHeaderBytes, true
	}
	n := binary.LittleEndian.Uint32(p)
	if n > maxFrameBytes {
		return nil, 0, 0, 0, false
	}
	end := recordHeaderBytes + int(n)
	if len(p) < end {
		return nil, 0, 0, end, true
	}
	frame = p[recordHeaderBytes:end:end]
	sum = uint64Of(p[4:])
	return frame, sum, end, end, sum == xxh3.HashSeed(frame, seed)
}

// chunk is a piece of a segment in memory. Its bytes are never overwritten or moved, so that a
// reader that took buf under the lock may go on without it, and the strings of events may point
// into it for as long as somebody holds them.
type chunk struct {
	segment     uint64
	offset      int64 // of buf in the file
	first, last uint64
	seed        uint64 // checksum of the record before buf
	buf         []byte
	written     int // bytes of buf that are in the file
}

const chunkBytes = 256 << 10

func newChunk(s *segment, first uint64, size int64) *chunk {
	return &chunk{segment: s.number, offset: s.size, first: first, last: first - 1, seed: s.sum,
		buf: make([]byte, 0, max(chunkBytes, size))}
}

// eventIndex finds the place in a segment from which to look for an event. It has one entry for
// about every indexBytes of the file.
type eventIndex struct {
	entries []indexEntry
	built   bool // the whole file is in it
}

type indexEntry struct {
	first  uint64 // sequence of the first event of the record
	offset int64  // of the record
	seed   uint64 // checksum of the record before
}

const indexBytes = 16 << 10

// add takes a record, in order.
func (x *eventIndex) add(first uint64, offset int64, seed uint64) {
	if n := len(x.entries); n == 0 || offset-x.entries[n-1].offset >= indexBytes {
		x.entries = append(x.entries, indexEntry{first, offset, seed})
	}
}

// find is the last entry at or before seq; there is one.
func (x *eventIndex) find(seq uint64) indexEntry {
	n := sort.Search(len(x.entries), func(i int) bool { return x.entries[i].first > seq })
	return x.entries[max(n, 1)-1]
}
