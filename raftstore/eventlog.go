package raftstore

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// EventLogConfig says where the event files are and how much of them stays in memory.
type EventLogConfig struct {
	// Dir exists already. Required.
	Dir string
	// SegmentBytes is the size at which a file ends, 4 KiB to 1 GiB; a frame is never split. It may
	// differ from start to start; replay writes the same files as long as it does not. Default 64
	// MiB: retention drops whole files.
	SegmentBytes int64
	// MemoryEvents and MemoryBytes bound what is served from memory, at least one chunk of 256 KiB.
	// Defaults 1,000,000 and 96 MiB: the followers of a stream are rarely more than seconds behind.
	MemoryEvents int
	MemoryBytes  int64
	// Logger hears of files that are dropped after a crash; nil discards.
	Logger *slog.Logger

	codec eventCodec              // zero is the engine's
	step  func(name string) error // before each step of an install; tests stop there
}

// WithDefaults returns c with the default for what is zero.
func (c EventLogConfig) WithDefaults() EventLogConfig {
	if c.SegmentBytes == 0 {
		c.SegmentBytes = eventSegmentBytes
	}
	if c.MemoryEvents == 0 {
		c.MemoryEvents = 1_000_000
	}
	if c.MemoryBytes == 0 {
		c.MemoryBytes = 96 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.codec.span == nil {
		c.codec = engineEvents
	}
	return c
}

// Validate returns every fault of a config with defaults, joined, or nil.
func (c EventLogConfig) Validate() error {
	var faults []error
	fault := func(bad bool, text string) {
		if bad {
			faults = append(faults, errors.New("events: "+text))
		}
	}
	fault(c.Dir == "", "Dir is required")
	fault(c.SegmentBytes < 4<<10 || c.SegmentBytes > 1<<30, "SegmentBytes: want 4 KiB to 1 GiB")
	fault(c.MemoryEvents < 1, "MemoryEvents: want at least 1")
	fault(c.MemoryBytes < 1, "MemoryBytes: want at least 1")
	return errors.Join(faults...)
}

// eventSegmentBytes is argued at EventLogConfig.SegmentBytes.
const eventSegmentBytes = 64 << 20

// EventFiles keeps the events in segment files. What was appended is first in a chunk of memory,
// goes to the file when the chunk is full, and is durable after Sync. A crash may lose or tear what
// came after the last Sync; CutTo drops it, and replay appends the same bytes again.
//
// Append is called by one goroutine; everything else may run beside it.
type EventFiles struct {
	cfg EventLogConfig

	// sync is held by Sync, CutTo, Retain and Close, which may wait for the disk; it is taken
	// before mu, which never waits for more than a write into the page cache.
	sync sync.Mutex

	mu struct {
		sync.RWMutex
		segments []*segment     // by number, without gaps; the last one is written to
		chunks   []*chunk       // what is in memory: the newest events, without gaps
		events   int            // in chunks
		bytes    int64          // in chunks
		last     uint64         // sequence of the newest event, kept or not; 0 before the first
		missing  *missingEvents // nil when nothing in front of segments is to be fetched
		mark     EventMark      // the last that Sync or CutTo gave
		dirty    bool           // a file was made since the folder was synced
		failed   error          // the first error of a write; nothing is written after it
		closed   bool
	}
}

var errEventsClosed = errors.New("the event log is closed")

// OpenEventLog opens the files in c.Dir. CutTo must follow before anything is appended or read. It
// returns the faults of c, or an error of the file system.
func OpenEventLog(c EventLogConfig) (*EventFiles, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	e := &EventFiles{cfg: c}
	segments, missing, err := listSegments(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("open event log: %w", err)
	}
	e.mu.segments = segments
	e.mu.missing = missing
	return e, nil
}

// Append takes the frame of one entry, which is copied; an empty one is nothing. It does not wait
// for the disk, but for the page cache when a chunk is full. It fails when the frame does not
// follow the last one, and with an error of the file system, which is final: every later Append
// fails with the same.
func (e *EventFiles) Append(frame []byte) error {
	if len(frame) == 0 {
		return nil
	}
	first, count, err := e.cfg.codec.span(frame)
	if err != nil {
		return fmt.Errorf("append events: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.mu.closed:
		return errEventsClosed
	case e.mu.failed != nil:
		return e.mu.failed
	case count == 0:
		return nil
	case first != e.mu.last+1:
		return fmt.Errorf("append events: frame begins with event %d, want %d", first, e.mu.last+1)
	}
	if err := e.appendLocked(frame, first, count); err != nil {
		e.mu.failed = fmt.Errorf("append events: %w", err)
		return e.mu.failed
	}
	return nil
}

func (e *EventFiles) appendLocked(frame []byte, first uint64, count int) error {
	size := int64(recordHeaderBytes + len(frame))
	s := e.tailLocked()
	if s == nil || (s.size+size > e.cfg.SegmentBytes && s.last >= s.first) {
		if err := e.rotateLocked(first); err != nil {
			return err
		}
		s = e.tailLocked()
	}
	c := e.chunkLocked()
	if c == nil || c.segment != s.number || cap(c.buf)-len(c.buf) < int(size) {
		if err := e.flushLocked(); err != nil {
			return err
		}
		c = newChunk(s, first, size)
		e.mu.chunks = append(e.mu.chunks, c)
	}
	s.index.add(first, s.size, s.sum)
	c.buf, s.sum = appendRecord(c.buf, frame, s.sum)
	s.size += size
	s.last = first + uint64(count) - 1
	c.last, e.mu.last = s.last, s.last
	e.mu.events += count
	e.mu.bytes += size
	e.trimLocked()
	return nil
}

func (e *EventFiles) tailLocked() *segment {
	if len(e.mu.segments) == 0 {
		return nil
	}
	return e.mu.segments[len(e.mu.segments)-1]
}

func (e *EventFiles) chunkLocked() *chunk {
	if len(e.mu.chunks) == 0 {
		return nil
	}
	return e.mu.chunks[len(e.mu.chunks)-1]
}

// rotateLocked begins a new file. The old one stays open until the next Sync has made it durable.
func (e *EventFiles) rotateLocked(first uint64) error {
	if err := e.flushLocked(); err != nil {
		return err
	}
	h := segmentHeader{number: 1, first: first}
	if s := e.tailLocked(); s != nil {
		h = segmentHeader{number: s.number + 1, first: first, prevBytes: s.size, prevSum: s.sum}
	} else if m := e.mu.mark; m.Seq > 0 {
		// Everything in front was dropped. A new number keeps marks apart that are not the same.
		h.number = m.Segment + 1
	}
	s, err := createSegment(e.cfg.Dir, h)
	if err != nil {
		return err
	}
	e.mu.segments = append(e.mu.segments, s)
	e.mu.dirty = true
	return nil
}

// flushLocked hands what is only in memory to the page cache.
func (e *EventFiles) flushLocked() error {
	c := e.chunkLocked()
	if c == nil || c.written == len(c.buf) {
		return nil
	}
	s := e.tailLocked()
	n, err := s.file.WriteAt(c.buf[c.written:], c.offset+int64(c.written))
	c.written += n
	if err != nil {
		return fmt.Errorf("write %s: %w", s.path, err)
	}
	return nil
}

// trimLocked drops the oldest chunks from memory; their bytes are in the files.
func (e *EventFiles) trimLocked() {
	for len(e.mu.chunks) > 1 &&
		(e.mu.events > e.cfg.MemoryEvents || e.mu.bytes > e.cfg.MemoryBytes) {
		c := e.mu.chunks[0]
		e.mu.events -= int(c.last - c.first + 1)
		e.mu.bytes -= int64(len(c.buf))
		e.mu.chunks[0] = nil
		e.mu.chunks = e.mu.chunks[1:]
	}
}

// Bounds are the first kept and the last sequence; 0, 0 when nothing is kept.
func (e *EventFiles) Bounds() (first, last uint64) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.boundsLocked()
}

func (e *EventFiles) boundsLocked() (first, last uint64) {
	if len(e.mu.segments) == 0 || e.mu.segments[0].from.first > e.mu.last {
		return 0, 0
	}
	return e.mu.segments[0].from.first, e.mu.last
}

// Sync makes everything appended so far durable and returns its end. Append goes on meanwhile. An
// error is final: what is on the disk is not known any more.
func (e *EventFiles) Sync() (EventMark, error) {
	e.sync.Lock()
	defer e.sync.Unlock()
	mark, open, dirty, err := e.beginSync()
	if err != nil {
		return EventMark{}, err
	}
	for _, s := range open {
		if err = s.file.Sync(); err != nil {
			err = fmt.Errorf("sync %s: %w", s.path, err)
			break
		}
	}
	if err == nil && dirty {
		err = syncPath(e.cfg.Dir)
	}
	return e.endSync(mark, open, err)
}

// endSync closes the files that need no other sync, and remembers mark. It returns err, which is
// that of the syncs and final, or an error of closing.
func (e *EventFiles) endSync(mark EventMark, open []*segment, err error) (EventMark, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		e.mu.failed = errors.Join(e.mu.failed, err)
		return EventMark{}, err
	}
	for _, s := range open {
		// Only what was full when this began: the file that mark ends in may have grown and ended
		// during the syncs, and the next Sync needs it open.
		if s.number < mark.Segment {
			err = errors.Join(err, s.close())
		}
	}
	e.mu.mark = mark
	return mark, err
}

// beginSync writes what is in memory and says what must be synced.
func (e *EventFiles) beginSync() (mark EventMark, open []*segment, dirty bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.closed {
		return mark, nil, false, errEventsClosed
	}
	if e.mu.failed != nil {
		return mark, nil, false, e.mu.failed
	}
	if err := e.flushLocked(); err != nil {
		e.mu.failed = err
		return mark, nil, false, err
	}
	for _, s := range e.mu.segments {
		if s.file != nil {
			open = append(open, s)
		}
	}
	dirty, e.mu.dirty = e.mu.dirty, false
	mark = EventMark{Seq: e.mu.last}
	if s := e.tailLocked(); s != nil {
		mark = EventMark{First: e.mu.segments[0].from.first, Seq: e.mu.last,
			Segment: s.number, Offset: s.size, Checksum: s.sum,
			Begin: s.first, PrevBytes: s.prevBytes, PrevSum: s.prevSum}
	} else if old := e.mu.mark; old.Seq == e.mu.last {
		mark.Segment = old.Segment
	}
	return mark, open, dirty, nil
}

// Retain drops whole files from the front while more than maxBytes are kept. It keeps the newest
// file, and those from floor on: only the checkpoints know which mark a restart will begin at, for
// one that was synced for a checkpoint that then failed counts for nothing. It returns an error when
// a file cannot be deleted; it is no longer served then.
func (e *EventFiles) Retain(maxBytes int64, floor uint64) error {
	e.sync.Lock()
	defer e.sync.Unlock()
	e.mu.Lock()
	var total int64
	for _, s := range e.mu.segments {
		total += s.size
	}
	var drop []*segment
	for len(e.mu.segments) > 1 && total > maxBytes && e.mu.segments[0].number < floor {
		s := e.mu.segments[0]
		total -= s.size
		drop = append(drop, s)
		e.mu.segments = e.mu.segments[1:]
	}
	e.dropChunksLocked()
	e.mu.Unlock()

	for _, s := range drop { // the oldest first, so that no crash and no error leaves a gap
		if err := errors.Join(s.close(), os.Remove(s.path)); err != nil {
			return err
		}
	}
	if len(drop) == 0 || e.Complete() {
		return nil
	}
	// What is in front of these is not wanted either. MISSING goes last, and durably so: a restart
	// must not find the file that had a hole, and take it for whole.
	if err := syncPath(e.cfg.Dir); err != nil {
		return err
	}
	return e.endFill()
}

// dropChunksLocked forgets chunks of files that are gone.
func (e *EventFiles) dropChunksLocked() {
	for len(e.mu.chunks) > 0 && len(e.mu.segments) > 0 &&
		e.mu.chunks[0].segment < e.mu.segments[0].number {
		c := e.mu.chunks[0]
		e.mu.events -= int(c.last - c.first + 1)
		e.mu.bytes -= int64(len(c.buf))
		e.mu.chunks = e.mu.chunks[1:]
	}
}

// Close writes what is in memory and closes the files, without waiting for the disk. A second call
// returns nil, the first an error of the file system.
func (e *EventFiles) Close() error {
	e.sync.Lock()
	defer e.sync.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.closed {
		return nil
	}
	e.mu.closed = true
	var err error
	if e.mu.failed == nil {
		// A full disk costs nothing here: what was not synced is cut off at the next start anyway.
		if err = e.flushLocked(); errors.Is(err, unix.ENOSPC) {
			err = nil
		}
	}
	for _, s := range e.mu.segments {
		err = errors.Join(err, s.close())
	}
	return err
}

var _ EventLog = (*EventFiles)(nil)
