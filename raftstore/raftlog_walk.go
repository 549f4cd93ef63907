package raftstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"github.com/hashicorp/raft"
	walfile "github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"
)

// The frames of a segment file of raft-wal v0.4.1: a header of 8 bytes (type, 3 bytes, length or
// CRC), the payload, zeros up to a multiple of 8. A batch ends with a commit frame, whose CRC
// covers all since the commit before, the first time with the file's header. The batch that fills a
// file has an index frame before its commit.
const (
	walMagic       = 0x58eb6b0d
	walFileHeader  = 32
	walFrameHeader = 8
	walEntry       = 1
	walIndex       = 2
	walCommit      = 3
	// walMaxFrame bounds what a damaged length can make us read; raft-wal takes no larger entry.
	walMaxFrame = walfile.MaxEntrySize
)

var walCRC = crc32.MakeTable(crc32.Castagnoli)

// walScan is what a walk through a segment file finds.
type walScan struct {
	size    int64  // of the file
	end     int64  // of the last whole batch; 0 when there is none
	entries uint64 // in whole batches
	index   int64  // where the index begins that the last whole batch ends with
	sealed  bool   // it does end with one
}

// walkedEntry is what is kept of an entry until its batch is known to be whole.
type walkedEntry struct {
	index, term uint64
	bytes       int64
	fault       error
}

// segmentWalk goes through one segment file from its start to the first byte that is not part of a
// whole batch. raft-wal itself looks at the CRC of the last batch of the newest file alone.
type segmentWalk struct {
	path   string
	info   types.SegmentInfo
	verify func(payload []byte) error
	whole  func(walkedEntry) error // every entry of a whole batch, in order
	from   walWindow
	walScan

	pos     int64 // of the next frame
	sum     uint32
	batch   []walkedEntry
	offsets []uint32 // of all entries, as an index has them
	run     walScan  // as walScan, with the batch that has not ended
	fault   error    // what a whole batch must not have
}

// walk reads the file. It returns *CorruptError for a whole batch that holds what raft-wal never
// writes, the error of ctx, or of the file system. That it ended early is no error yet.
func (w *segmentWalk) walk(ctx context.Context, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	w.size = info.Size()
	w.from = walWindow{file: f}
	header, err := w.from.bytes(0, walFileHeader)
	if err != nil || len(header) < walFileHeader {
		return err
	}
	w.sum = crc32.Checksum(header, walCRC)
	w.checkHeader(header)
	w.pos = walFileHeader
	for more := true; more; {
		if more, err = w.frame(); err != nil {
			return fmt.Errorf("read %s: %w", w.path, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if w.end == w.pos && w.fault != nil {
			return w.fault
		}
	}
	return nil
}

// checkHeader holds the header against the list: a file may have been put in another's place.
func (w *segmentWalk) checkHeader(p []byte) {
	magic, base, id := uint64Of(p), uint64Of(p[8:]), uint64Of(p[16:])
	if magic != walMagic || base != w.info.BaseIndex || id != w.info.ID ||
		uint64Of(p[24:]) != w.info.Codec {
		w.fault = damaged(w.path, "its header is that of file %s, in format %x",
			segmentName(base, id), magic)
	}
}

// frame takes the next frame; more is false at the end, or when there is none that makes sense.
func (w *segmentWalk) frame() (more bool, err error) {
	h, err := w.from.bytes(w.pos, walFrameHeader)
	if err != nil {
		return false, err
	}
	kind, n, ok := frameHeader(h)
	if !ok {
		return false, nil
	}
	if kind == walCommit {
		return w.commit(uint32(n))
	}
	size := walFrameHeader + (n+7)/8*8
	if w.pos+size > w.size {
		return false, nil
	}
	frame, err := w.from.bytes(w.pos, size)
	if err != nil || int64(len(frame)) < size {
		return false, err
	}
	w.sum = crc32.Update(w.sum, walCRC, frame)
	if kind == walEntry {
		w.offsets = append(w.offsets, uint32(w.pos))
		w.entry(frame[walFrameHeader : walFrameHeader+n])
	} else {
		w.run.index, w.run.sealed = w.pos+walFrameHeader, true
		w.checkIndex(frame[walFrameHeader : walFrameHeader+n])
	}
	w.pos += size
	return true, nil
}

// frameHeader reads the head of a frame: its kind, and its length or, of a commit, its CRC.
func frameHeader(h []byte) (kind byte, n int64, ok bool) {
	if len(h) < walFrameHeader || h[0] < walEntry || h[0] > walCommit ||
		h[1] != 0 || h[2] != 0 || h[3] != 0 {
		return 0, 0, false
	}
	n = int64(binary.LittleEndian.Uint32(h[4:]))
	return h[0], n, h[0] == walCommit || n <= walMaxFrame
}

// entry notes the entry in p.
func (w *segmentWalk) entry(p []byte) {
	want := w.info.BaseIndex + w.run.entries
	w.run.entries++
	var e raft.Log
	err := decodeWALEntry(p, &e)
	switch {
	case err != nil:
	case e.Index != want:
		err = fmt.Errorf("it says that it is entry %d", e.Index)
	case e.Type == raft.LogCommand:
		err = w.verify(e.Data)
	}
	if err != nil {
		err = damaged(w.path, "entry %d at byte %d: %v", want, w.pos, err)
	}
	w.batch = append(w.batch, walkedEntry{want, e.Term, entryBytes(&e), err})
}

// checkIndex holds the index that seals a file against the entries in it: reads go by the index.
func (w *segmentWalk) checkIndex(p []byte) {
	same := len(p) == 4*len(w.offsets)
	for i := 0; same && i < len(w.offsets); i++ {
		same = binary.LittleEndian.Uint32(p[4*i:]) == w.offsets[i]
	}
	if !same && w.fault == nil {
		w.fault = damaged(w.path, "the index at byte %d is not that of its entries", w.pos)
	}
}

// commit ends a batch, which counts if its CRC is right.
func (w *segmentWalk) commit(crc uint32) (more bool, err error) {
	if crc != w.sum {
		return false, nil
	}
	w.pos += walFrameHeader
	w.run.size, w.run.end = w.size, w.pos
	w.walScan = w.run
	w.run.sealed, w.sum = false, 0
	if w.fault == nil {
		for _, e := range w.batch {
			if err := errors.Join(e.fault, w.whole(e)); err != nil {
				w.fault = err
				break
			}
		}
	}
	w.batch = w.batch[:0]
	return !w.walScan.sealed, nil // nothing follows what seals a file
}

// decodeWALEntry reads an entry in raft-wal's own format; its bytes stay those of p.
func decodeWALEntry(p []byte, e *raft.Log) error {
	number := func() uint64 {
		n, size := binary.Uvarint(p)
		if size <= 0 {
			p = nil
			return 0
		}
		p = p[size:]
		return n
	}
	text := func() []byte {
		n := number()
		if n > uint64(len(p)) {
			p = nil
			return nil
		}
		s := p[:n]
		p = p[n:]
		return s
	}
	e.Index, e.Term, e.Type = number(), number(), raft.LogType(number())
	e.Data, e.Extensions = text(), text()
	if err := e.AppendedAt.UnmarshalBinary(p); err != nil {
		return fmt.Errorf("it cannot be decoded: %w", err)
	}
	return nil
}

// walWindow reads a file forwards, a piece at a time.
type walWindow struct {
	file io.ReaderAt
	at   int64 // of buf in the file
	buf  []byte
}

const walPiece = 1 << 20

// bytes gives n bytes from offset on, fewer at the end of the file; they are valid until the next
// call. An offset never lies before one that was asked for earlier.
func (w *walWindow) bytes(offset, n int64) ([]byte, error) {
	skip := offset - w.at
	if skip+n <= int64(len(w.buf)) {
		return w.buf[skip : skip+n], nil
	}
	var left []byte
	if skip < int64(len(w.buf)) {
		left = w.buf[skip:]
	}
	next := w.buf[:0]
	if int64(cap(next)) < n {
		next = make([]byte, 0, max(n, walPiece))
	}
	next = append(next, left...) // to the front of the same memory, or to new
	have := len(next)
	next = next[:cap(next)]
	got, err := w.file.ReadAt(next[have:], offset+int64(have))
	if err != nil && err != io.EOF {
		return nil, err
	}
	w.at, w.buf = offset, next[:have+got]
	return w.buf[:min(n, int64(len(w.buf)))], nil
}

// foundLog is what a walk through all files of a log finds.
type foundLog struct {
	have  indexRange
	terms []termStart // ascending
	sizes *entrySizes
	files int
	bytes int64 // that were read
	// tail is the newest file, and cut says that it ends in a batch that was never acknowledged.
	// There is none when no file was written yet.
	tail    *types.SegmentInfo
	tailEnd walScan
	cut     bool
}

// termStart says that entries from an index on are of a term.
type termStart struct{ index, term uint64 }

// lastTerm is the term of the last entry, 0 when there is none.
func (l *foundLog) lastTerm() uint64 {
	if len(l.terms) == 0 {
		return 0
	}
	return l.terms[len(l.terms)-1].term
}

// term is the term of an entry that is there, 0 of another.
func (l *foundLog) term(index uint64) uint64 {
	if index < l.have.first || index > l.have.last {
		return 0
	}
	n := sort.Search(len(l.terms), func(i int) bool { return l.terms[i].index > index })
	return l.terms[n-1].term
}

// logWalk reads every byte of a log's files.
type logWalk struct {
	dir    string
	verify func(payload []byte) error
	// live says that a node may be writing: then the newest file may end in the middle of a batch.
	live  bool
	found foundLog
}

// walkLog reads the files that list names, all of them to their ends, and changes nothing. It
// returns *CorruptError, which names the file, where an entry that was acknowledged is not what was
// written: then nothing may be started on this log.
func (w *logWalk) walkLog(ctx context.Context, list *segmentList) (foundLog, error) {
	w.found.sizes = &entrySizes{}
	for i, info := range list.Segments {
		path := filepath.Join(w.dir, walfile.FileName(info))
		tail := info.SealTime.IsZero()
		switch {
		case tail != (i == len(list.Segments)-1):
			return w.found, damaged(path, "%s says that it is not the newest, and not sealed",
				segmentsFile)
		case i > 0 && info.BaseIndex != list.Segments[i-1].MaxIndex+1:
			return w.found, damaged(path, "the file before it ends at entry %d",
				list.Segments[i-1].MaxIndex)
		}
		if err := w.segment(ctx, path, info); err != nil {
			return w.found, err
		}
	}
	return w.found, nil
}

func (w *logWalk) segment(ctx context.Context, path string, info types.SegmentInfo) error {
	tail := info.SealTime.IsZero()
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && tail {
		return nil // it is listed before it is made, and synced with the first batch: see voteState
	}
	if errors.Is(err, fs.ErrNotExist) {
		return damaged(path, "it is missing")
	}
	if err != nil {
		return err
	}
	defer f.Close()
	s := &segmentWalk{path: path, info: info, verify: w.verify}
	s.whole = func(e walkedEntry) error { return w.entry(s, e) }
	if err := s.walk(ctx, f); err != nil {
		return err
	}
	w.found.files++
	w.found.bytes += s.size
	rest := walRest{file: f, path: path, end: s.end, size: s.size}
	if !tail {
		return s.checkSealed(&rest)
	}
	if used, err := rest.lastUsed(); err == nil && s.sealed && used > s.end {
		return damaged(path, "something stands behind its end, at byte %d", s.end)
	}
	cut, err := rest.torn(w.live)
	if err != nil {
		return err
	}
	w.found.tail, w.found.tailEnd, w.found.cut = &info, s.walScan, cut
	return nil
}

// entry counts an entry, if the log still has it: raft-wal deletes whole files only, and otherwise
// moves the bounds in its list.
func (w *logWalk) entry(s *segmentWalk, e walkedEntry) error {
	if e.index < s.info.MinIndex || s.info.MaxIndex > 0 && e.index > s.info.MaxIndex {
		return nil
	}
	l := &w.found
	if l.have.empty() {
		l.have.first = e.index
	}
	l.have.last = e.index
	if before := l.lastTerm(); e.term > before {
		l.terms = append(l.terms, termStart{e.index, e.term})
	} else if e.term < before {
		return damaged(s.path, "entry %d is of term %d, the one before it of term %d",
			e.index, e.term, before)
	}
	l.sizes.addBytes(e.index, e.bytes)
	return nil
}

// checkSealed says what is wrong with a file that the list says was filled and sealed.
func (w *segmentWalk) checkSealed(rest *walRest) error {
	used, err := rest.lastUsed()
	switch last := w.info.BaseIndex + w.entries - 1; {
	case err != nil:
		return err
	case !w.sealed:
		return damaged(w.path, "what stands behind byte %d, from entry %d on, is not what was written",
			w.end, last+1)
	case w.info.IndexStart != uint64(w.index) || last < w.info.MaxIndex:
		return damaged(w.path, "it ends with entry %d and an index at byte %d, %s says %d and %d",
			last, w.index, segmentsFile, w.info.MaxIndex, w.info.IndexStart)
	case used > w.end:
		return damaged(w.path, "something stands behind its end, at byte %d", w.end)
	}
	return nil
}
