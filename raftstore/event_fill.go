package raftstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// After an install the event files go on where the sender's were at the checkpoint, in the same
// segment at the same byte, so that the files of all nodes stay the same, and any member can give what
// is missing in front. Until it was fetched, that segment has a hole, and MISSING says so:
//
//	events-S.seg   its header, then nothing up to the mark's offset, then the events behind it
//	events-N.part  a piece that is being fetched, or what this node had before the install
//	MISSING        there are pieces to fetch: in front of the first segment, or in its hole
//
// Pieces are fetched from the newest to the oldest, because each is vouched for by the one behind it:
// a header says the length and the last checksum of the file in front, the mark those of the hole.
const (
	missingFile = "MISSING"
	partSuffix  = ".part"
)

var missingSeal = sealedFile{kind: "missing", version: 1}

// missingEvents is what stands in MISSING: the hole of a segment, none when Offset is 0.
type missingEvents struct {
	Segment  uint64    `json:"segment"`
	Offset   int64     `json:"offset"`
	Seq      uint64    `json:"seq"` // the last event in front of Offset
	Checksum hexUint64 `json:"checksum"`
}

func partPath(dir string, number uint64) string {
	return strings.TrimSuffix(segmentPath(dir, number), segmentSuffix) + partSuffix
}

// readMissing reads MISSING; nil when there is none. It fails with *CorruptError or an error of the file
// system.
func readMissing(dir string) (*missingEvents, error) {
	var doc missingEvents
	err := missingSeal.read(filepath.Join(dir, missingFile), &doc)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return &doc, err
}

// mark makes a hole in the segment that has one.
func (m *missingEvents) mark(segments []*segment) {
	if m == nil || m.Offset == 0 {
		return
	}
	for _, s := range segments {
		if s.number == m.Segment {
			s.from = indexEntry{first: m.Seq + 1, offset: m.Offset, seed: uint64(m.Checksum)}
			s.last, s.sum = m.Seq, s.from.seed
		}
	}
}

// Install implements EventLog. The files that are here count as fetched: this node had them before it
// fell behind, and they are looked at like any other piece. When the process dies:
//
//   - before MISSING is in place: the old files are found, mark is no place in them, and Install
//     begins again.
//   - after it, at whatever step: the segment of mark is missing or too short, and Install begins
//     again; a piece that became something else meanwhile is found out and fetched.
//   - after the last step: mark is the place where the hole ends.
//
// It returns an error of the file system.
func (e *EventFiles) Install(mark EventMark) error {
	e.sync.Lock()
	defer e.sync.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.closed {
		return errEventsClosed
	}
	if err := e.flushLocked(); err != nil {
		return err
	}
	at := slices.IndexFunc(e.mu.segments, func(s *segment) bool { return s.number == mark.Segment })
	if mark.Offset == 0 || (at >= 0 && e.mu.segments[at].begins(mark) &&
		e.verifyLocked(at+1, mark) == nil) {
		return e.cutLocked(mark)
	}
	doc := missingEvents{Segment: mark.Segment, Offset: mark.Offset, Seq: mark.Seq,
		Checksum: hexUint64(mark.Checksum)}
	if err := e.step("events: missing"); err != nil {
		return err
	}
	if err := missingSeal.replace(filepath.Join(e.cfg.Dir, missingFile), doc); err != nil {
		return err
	}
	if err := e.setAsideLocked(); err != nil {
		return err
	}
	if err := e.step("events: segment"); err != nil {
		return err
	}
	return e.beginLocked(mark, doc)
}

// begins reports whether the segment begins as the one does that m ends in. Of one with a hole nothing
// else vouches for its header: MISSING may be newer than the file, and nodes end theirs at different
// sizes.
func (s *segment) begins(m EventMark) bool {
	return s.first == m.Begin && s.prevBytes == m.PrevBytes && s.prevSum == m.PrevSum
}

// setAsideLocked makes pieces of all segments, or drops those with a hole.
func (e *EventFiles) setAsideLocked() error {
	for _, s := range e.mu.segments {
		if err := e.step("events: set aside"); err != nil {
			return err
		}
		err := s.close()
		if s.hole() {
			err = errors.Join(err, os.Remove(s.path))
		} else {
			err = errors.Join(err, os.Rename(s.path, partPath(e.cfg.Dir, s.number)))
		}
		if err != nil {
			return err
		}
	}
	e.mu.segments, e.mu.chunks, e.mu.events, e.mu.bytes = nil, nil, 0, 0
	return syncPath(e.cfg.Dir)
}

// beginLocked makes the segment that goes on behind mark.
func (e *EventFiles) beginLocked(mark EventMark, doc missingEvents) error {
	s, err := createSegment(e.cfg.Dir, segmentHeader{number: mark.Segment, first: mark.Begin,
		prevBytes: mark.PrevBytes, prevSum: mark.PrevSum})
	if err != nil {
		return err
	}
	err = errors.Join(s.file.Truncate(mark.Offset), s.file.Sync(), syncPath(e.cfg.Dir))
	if err != nil {
		return errors.Join(fmt.Errorf("begin %s: %w", s.path, err), s.close())
	}
	s.size, s.sum, s.last = mark.Offset, mark.Checksum, mark.Seq
	s.from = indexEntry{first: mark.Seq + 1, offset: mark.Offset, seed: mark.Checksum}
	e.mu.segments = []*segment{s}
	e.mu.last, e.mu.mark, e.mu.missing = mark.Seq, mark, &doc
	e.cfg.Logger.Info("events go on behind an installed checkpoint; older ones are fetched",
		"file", s.path, "sequence", mark.Seq)
	return e.step("events: end")
}

// step is where a test stops, as a crash would.
func (e *EventFiles) step(name string) error {
	if e.cfg.step == nil {
		return nil
	}
	return e.cfg.step(name)
}

// Complete implements EventLog.
func (e *EventFiles) Complete() bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.mu.missing == nil
}

// Gap implements EventLog. It returns an error of the file system.
func (e *EventFiles) Gap(maxBytes int64) (EventGap, bool, error) {
	e.sync.Lock()
	defer e.sync.Unlock()
	g, ok := e.gap()
	if !ok || (e.total()+g.Bytes > maxBytes && g.Segment < e.oldest()) {
		return EventGap{}, false, e.endFill()
	}
	info, err := os.Stat(partPath(e.cfg.Dir, g.Segment))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return EventGap{}, false, err
	default:
		g.Have = min(info.Size(), g.Bytes)
	}
	return g, true, nil
}

// gap is the piece to fetch next; ok is false when nothing is missing.
func (e *EventFiles) gap() (g EventGap, ok bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.mu.missing == nil || len(e.mu.segments) == 0 {
		return g, false
	}
	s := e.mu.segments[0]
	if s.hole() {
		return EventGap{Segment: s.number, Bytes: s.from.offset, Sum: s.from.seed,
			Last: s.from.first - 1}, true
	}
	return EventGap{Segment: s.number - 1, Bytes: s.prevBytes, Sum: s.prevSum,
		Last: s.first - 1}, s.prevBytes > 0
}

func (e *EventFiles) total() (bytes int64) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, s := range e.mu.segments {
		bytes += s.size
	}
	return bytes
}

func (e *EventFiles) oldest() uint64 {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.mu.segments[0].number
}

// Fill implements EventLog. A piece stays after a crash, whole or not, and its checks come at its
// end. It returns *CorruptError when the piece was not what it must be, or an error of the file
// system.
func (e *EventFiles) Fill(g EventGap, p []byte) error {
	e.sync.Lock()
	defer e.sync.Unlock()
	now, ok := e.gap()
	if now.Have = g.Have; !ok || now != g {
		return nil // it is not wanted any more
	}
	path := partPath(e.cfg.Dir, g.Segment)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return err
	}
	defer f.Close()
	p = p[:min(int64(len(p)), g.Bytes-g.Have)]
	_, err = f.WriteAt(p, g.Have)
	if err == nil {
		err = f.Sync() // else its last piece would have the disk write all of them at once
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if g.Have+int64(len(p)) < g.Bytes {
		return nil
	}
	s, err := e.verifyPart(path, g)
	if err != nil {
		var bad *CorruptError
		if errors.As(err, &bad) {
			err = errors.Join(err, os.Remove(path))
		}
		return err
	}
	if err := errors.Join(f.Truncate(g.Bytes), f.Sync()); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	if g.Segment == e.oldest() {
		return e.closeHole(f, s)
	}
	return e.attach(s)
}

// verifyPart checks a whole piece against what it must add up to.
func (e *EventFiles) verifyPart(path string, g EventGap) (*segment, error) {
	s, err := readSegment(path, g.Segment)
	if err != nil {
		return nil, err
	}
	if s.fault != nil {
		return nil, s.fault
	}
	found, err := scanSegment(s, g.Bytes, e.cfg.codec)
	if err != nil {
		return nil, err
	}
	if found.sum != g.Sum || found.last != g.Last {
		return nil, damaged(path, "it ends with event %d and checksum %016x, want %d and %016x",
			found.last, found.sum, g.Last, g.Sum)
	}
	s.size, s.index, s.last, s.sum = g.Bytes, found.index, found.last, found.sum
	return s, nil
}

// attach puts a piece that is durable in front of the other segments.
func (e *EventFiles) attach(s *segment) error {
	path := segmentPath(e.cfg.Dir, s.number)
	if err := errors.Join(os.Rename(s.path, path), syncPath(e.cfg.Dir)); err != nil {
		return fmt.Errorf("take in %s: %w", s.path, err)
	}
	s.path = path
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.segments = slices.Insert(e.mu.segments, 0, s)
	return nil
}

// closeHole writes a piece that is durable into the hole of the first segment. Nobody writes or reads
// there, and until MISSING no longer says so it is a hole.
func (e *EventFiles) closeHole(piece io.Reader, front *segment) error {
	e.mu.RLock()
	s := e.mu.segments[0]
	e.mu.RUnlock()
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = copySynced(f, piece, front.size)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("fill the hole of %s: %w", s.path, err)
	}
	doc := missingEvents{Segment: s.number}
	if err := missingSeal.replace(filepath.Join(e.cfg.Dir, missingFile), doc); err != nil {
		return err
	}
	e.mu.Lock()
	s.whole()
	if s.index.built {
		s.index.entries = append(front.index.entries, s.index.entries...)
	}
	e.mu.missing = &doc
	e.mu.Unlock()
	return os.Remove(front.path)
}

// copySynced copies n bytes and syncs them in steps, with a rest behind each that is as long as the
// step was, so that the log's syncs do not queue behind all of it. It fails with the error of either.
func copySynced(f *os.File, from io.Reader, n int64) error {
	for n > 0 {
		began := time.Now()
		copied, err := io.CopyN(f, from, min(n, paceBurst))
		if err == nil {
			err = f.Sync()
		}
		if err != nil {
			return err
		}
		n -= copied
		time.Sleep(time.Since(began))
	}
	return nil
}

// GiveUp implements EventLog. What is left of a hole stays one. It returns an error of the file
// system.
func (e *EventFiles) GiveUp() error {
	e.sync.Lock()
	defer e.sync.Unlock()
	return e.endFill()
}

// endFill forgets what is missing, and the pieces. The caller holds e.sync.
func (e *EventFiles) endFill() error {
	e.mu.Lock()
	missing := e.mu.missing
	hole := len(e.mu.segments) > 0 && e.mu.segments[0].hole()
	if missing != nil && !hole {
		e.mu.missing = nil
	}
	e.mu.Unlock()
	if missing == nil || hole {
		return nil // a restart must know of the hole
	}
	entries, err := os.ReadDir(e.cfg.Dir)
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), partSuffix) {
			err = errors.Join(err, os.Remove(filepath.Join(e.cfg.Dir, entry.Name())))
		}
	}
	err = errors.Join(err, os.Remove(filepath.Join(e.cfg.Dir, missingFile)))
	return errors.Join(err, syncPath(e.cfg.Dir))
}

// Piece implements EventLog: what it gives may not be durable yet. It returns ErrEventsGone, or an
// error of the file system.
func (e *EventFiles) Piece(number uint64, offset int64, n int) ([]byte, error) {
	e.mu.RLock()
	at := slices.IndexFunc(e.mu.segments, func(s *segment) bool { return s.number == number })
	if at < 0 || e.mu.segments[at].hole() || e.mu.closed {
		e.mu.RUnlock()
		return nil, ErrEventsGone
	}
	s := e.mu.segments[at]
	path, end := s.path, s.size
	if c := e.chunkLocked(); c != nil && c.segment == number {
		end = c.offset + int64(c.written) // what is behind it is not in the file yet
	}
	e.mu.RUnlock()
	if offset < 0 || offset >= end {
		return nil, ErrEventsGone
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrEventsGone
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := make([]byte, min(int64(n), end-offset))
	if _, err := f.ReadAt(p, offset); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return p, nil
}
