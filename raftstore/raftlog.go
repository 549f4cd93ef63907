package raftstore

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"

	"holdfast/engine"
)

// LogConfig says where the raft log is and what guards it.
type LogConfig struct {
	// Dir exists already. Required.
	Dir string
	// Votes is the path of the file VOTE. Default: in Dir; outside it outlives the loss of Dir.
	Votes string
	// SegmentBytes is the size of a file of the log, 64 KiB to 2 GiB. Default 256 MiB: a change of
	// file costs a few ms, and at this size it comes once in thousands of batches.
	SegmentBytes int
	// CacheEntries is how many of the newest entries stay in memory, 1 to 4,096. Default 64: the
	// replicators of two followers that are a few batches behind read all they need from it.
	CacheEntries int
	// StallAfter is how long one StoreLogs may take, 10 ms to 1 min. Default 2 s: raft goes on
	// heart-beating while its disk hangs, so that nobody else is elected; the process must go.
	StallAfter time.Duration
	// Floor is Checkpoints.Floor; nil lets raft delete what it likes.
	Floor func() uint64
	// Fatal is called at most once, with what was being done. The process must end: what is on the
	// disk is not known any more. Every later write fails with the same error. It must not call
	// the log, which may hang. Required.
	Fatal func(what string, err error)
	// Verify checks the payload of a command that is read from the disk; nil is engine.OpenEntry.
	Verify func(payload []byte) error
	// Stored is told how long each write of entries took, with its sync; nil tells nobody.
	Stored func(took time.Duration)
	// Logger takes the warnings of the log's files; nil discards them.
	Logger *slog.Logger

	now       func() time.Time                              // nil is time.Now
	afterFunc func(d time.Duration, fire func()) stallTimer // nil is time.AfterFunc
	open      func(c LogConfig) (closableLog, error)        // nil is openWAL
}

const (
	// minSegmentBytes still holds some entries, for tests that want many files.
	minSegmentBytes = 64 << 10
	// defaultSegmentBytes is argued at LogConfig.SegmentBytes.
	defaultSegmentBytes = 256 << 20
	// maxSegmentBytes keeps every offset in a file within 32 bits, which raft-wal uses.
	maxSegmentBytes = 2 << 30
)

// stallTimer is what *time.Timer offers.
type stallTimer interface {
	Reset(time.Duration) bool
	Stop() bool
}

// closableLog is what RaftLog guards: raft-wal, or a stand-in that fails on demand.
type closableLog interface {
	raft.LogStore
	raft.StableStore
	raft.MonotonicLogStore
	Close() error
}

// WithDefaults returns c with the default for what is zero.
func (c LogConfig) WithDefaults() LogConfig {
	if c.SegmentBytes == 0 {
		c.SegmentBytes = defaultSegmentBytes
	}
	if c.Votes == "" {
		c.Votes = filepath.Join(c.Dir, voteFileName)
	}
	if c.CacheEntries == 0 {
		c.CacheEntries = 64
	}
	if c.StallAfter == 0 {
		c.StallAfter = 2 * time.Second
	}
	if c.Verify == nil {
		c.Verify = func(p []byte) error { _, err := engine.OpenEntry(p); return err }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.afterFunc == nil {
		c.afterFunc = func(d time.Duration, f func()) stallTimer { return time.AfterFunc(d, f) }
	}
	if c.open == nil {
		c.open = openWAL
	}
	return c
}

// Validate returns every fault of a config with defaults, joined, or nil.
func (c LogConfig) Validate() error {
	var faults []error
	fault := func(bad bool, text string) {
		if bad {
			faults = append(faults, errors.New("log: "+text))
		}
	}
	fault(c.Dir == "", "Dir is required")
	fault(c.Fatal == nil, "Fatal is required")
	fault(c.SegmentBytes < minSegmentBytes || c.SegmentBytes > maxSegmentBytes,
		"SegmentBytes: want 64 KiB to 2 GiB")
	fault(c.CacheEntries < 1 || c.CacheEntries > 4096, "CacheEntries: want 1 to 4096")
	fault(c.StallAfter < 10*time.Millisecond || c.StallAfter > time.Minute,
		"StallAfter: want 10 ms to 1 min")
	return errors.Join(faults...)
}

// RaftLog keeps the raft log and votes in raft-wal and stops the node at the first sign that the
// disk cannot be trusted. raft itself goes on after a failed write, and raft-wal would try the same
// file again after a failed sync, when the kernel may have dropped the pages already.
//
// Safe for concurrent use: raft writes from its main loop, deletes from its snapshot goroutine and
// reads from several.
type RaftLog struct {
	cfg   LogConfig
	inner closableLog
	cache *entryCache
	sizes *entrySizes

	closed atomic.Bool
	failed atomic.Pointer[error] // the first failure; set once, before Fatal is called

	stall stallWatch // over all that raft's main loop waits for
	write sync.Mutex // StoreLogs and DeleteRange, so that size and cache follow the log
}

// OpenRaftLog opens the log in c.Dir, or makes an empty one, and verifies every byte of it. It
// returns the faults of c, *CorruptError or *LogLostError, which name the file, or an error of
// raft-wal or the file system. Reading the log costs about a second per GiB.
func OpenRaftLog(c LogConfig) (*RaftLog, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	inner, err := c.open(c)
	if err != nil {
		return nil, fmt.Errorf("open raft log in %s: %w", c.Dir, err)
	}
	l := &RaftLog{cfg: c, inner: inner, cache: newEntryCache(c.CacheEntries), sizes: &entrySizes{}}
	l.stall.init(c.StallAfter, c.now, c.afterFunc, l.onStall)
	if w, ok := inner.(walLog); ok {
		l.sizes = w.found.sizes
	} else if err := l.measure(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// measure reads the whole of a log that is not raft-wal's: for its size, and so that a bad entry is
// found before the node serves, not when a follower asks for it.
func (l *RaftLog) measure() error {
	first, err := l.inner.FirstIndex()
	if err != nil {
		return fmt.Errorf("open raft log in %s: %w", l.cfg.Dir, err)
	}
	last, err := l.inner.LastIndex()
	if err != nil {
		return fmt.Errorf("open raft log in %s: %w", l.cfg.Dir, err)
	}
	if first == 0 {
		return nil
	}
	var entry raft.Log
	for i := first; i <= last; i++ {
		if err := l.read(i, &entry); err != nil {
			return damaged(l.cfg.Dir, "entry %d of %d to %d: %v", i, first, last, err)
		}
		l.sizes.add(&entry)
	}
	return nil
}

// IsMonotonic is what raft-wal says: true.
func (l *RaftLog) IsMonotonic() bool { return l.inner.IsMonotonic() }

// FirstIndex is the index of the first entry, 0 when there is none. It returns wal.ErrClosed after
// Close.
func (l *RaftLog) FirstIndex() (uint64, error) { return l.inner.FirstIndex() }

// LastIndex is the index of the last entry, 0 when there is none. It returns wal.ErrClosed after
// Close.
func (l *RaftLog) LastIndex() (uint64, error) { return l.inner.LastIndex() }

// Size is the bytes of all entries in the log.
func (l *RaftLog) Size() int64 { return l.sizes.total() }

// GetLog reads one entry. It returns raft.ErrLogNotFound as it is, because raft compares it, and
// wal.ErrClosed after Close; any other error is fatal.
func (l *RaftLog) GetLog(index uint64, entry *raft.Log) error {
	if l.cache.read(index, entry) {
		return nil
	}
	err := l.read(index, entry)
	if err == nil || err == raft.ErrLogNotFound {
		return err
	}
	return l.fail(fmt.Sprintf("read raft log entry %d", index), err)
}

// readTries is how often an entry is read from a file that was just closed.
const readTries = 4

// read reads an entry from the files. As of raft-wal v0.4.1 a read that begins while a DeleteRange
// ends may be given a file that the delete has closed: the next one sees the log as it is now.
func (l *RaftLog) read(index uint64, entry *raft.Log) (err error) {
	for range readTries {
		if err = l.readOnce(index, entry); !errors.Is(err, os.ErrClosed) {
			break
		}
	}
	return err
}

// readOnce reads an entry and checks that it is what was stored.
func (l *RaftLog) readOnce(index uint64, entry *raft.Log) (err error) {
	defer func() {
		// The codec of raft-wal slices with lengths that it reads; a damaged one makes it panic. So
		// does a read beside Close.
		if p := recover(); p != nil && l.closed.Load() {
			err = wal.ErrClosed
		} else if p != nil {
			err = damaged(l.cfg.Dir, "entry %d: %v", index, p)
		}
	}()
	// raft-wal still finds a deleted entry that is in front of others in the newest segment.
	if have, err := logRange(l.inner); err != nil {
		return err
	} else if have.empty() || index < have.first || index > have.last {
		return raft.ErrLogNotFound
	}
	*entry = raft.Log{}
	if err := l.inner.GetLog(index, entry); err != nil {
		return err
	}
	if entry.Index != index {
		return damaged(l.cfg.Dir, "entry %d says that it is %d", index, entry.Index)
	}
	if entry.Type == raft.LogCommand {
		if err := l.cfg.Verify(entry.Data); err != nil {
			return damaged(l.cfg.Dir, "entry %d: %v", index, err)
		}
	}
	return nil
}

// StoreLog stores one entry, as StoreLogs does; any error is fatal.
func (l *RaftLog) StoreLog(entry *raft.Log) error { return l.StoreLogs([]*raft.Log{entry}) }

// StoreLogs appends entries and returns when they are durable. Any error is fatal, and so is taking
// longer than StallAfter: then Fatal is called from a timer while this call still hangs, because a
// write that succeeds after the cluster has moved on would be worse. The time counts from the call:
// waiting behind a delete that hangs is waiting for the disk.
func (l *RaftLog) StoreLogs(entries []*raft.Log) error {
	if err := l.failure(); err != nil {
		return err
	}
	ended := l.stall.begin("store raft log entries")
	l.write.Lock()
	defer l.write.Unlock()
	began := l.cfg.now()
	err := l.inner.StoreLogs(entries)
	ended()
	if l.cfg.Stored != nil {
		l.cfg.Stored(l.cfg.now().Sub(began))
	}
	if err != nil {
		return l.fail(fmt.Sprintf("store %d raft log entries", len(entries)), err)
	}
	if err := l.failure(); err != nil {
		return err // it stalled: Fatal was called, so this success must not be acknowledged
	}
	for _, e := range entries {
		l.cache.keep(e)
		l.sizes.add(e)
	}
	return nil
}

// onStall runs when a call has waited for too long.
func (l *RaftLog) onStall(what string, took time.Duration) {
	_ = l.fail(what, fmt.Errorf("the disk has not answered for %v", took))
}

// emptiedAtKey holds the last index that the log had when it was deleted whole. raft-wal forgets
// it, and FitLog needs it to tell an emptied log from a lost one.
var emptiedAtKey = []byte("HoldfastEmptiedAt")

// DeleteRange deletes a prefix, a suffix or all of the log; any error is fatal. A prefix is cut
// short so that the entry at the floor and all behind it stay: the previous checkpoint can then
// take the place of a bad newest one. It may take long, for whole files go; it counts as a stall
// only while a StoreLogs waits for it.
func (l *RaftLog) DeleteRange(first, last uint64) error {
	if err := l.failure(); err != nil {
		return err
	}
	floor := uint64(math.MaxUint64)
	if l.cfg.Floor != nil && !bugNoClamp {
		floor = l.cfg.Floor() // may wait for the checkpoints' lock; StoreLogs must not
	}
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.deleteLocked(first, last, floor); err != nil {
		return l.fail(fmt.Sprintf("delete raft log entries %d to %d", first, last), err)
	}
	return nil
}

func (l *RaftLog) deleteLocked(first, last, floor uint64) error {
	have, err := logRange(l.inner)
	if err != nil {
		return err
	}
	cut := have.cut(first, last, floor)
	if cut.empty() {
		return nil
	}
	if cut == have {
		if err := l.inner.SetUint64(emptiedAtKey, have.last); err != nil {
			return err
		}
	}
	l.cache.drop(cut.first, cut.last)
	if err := l.inner.DeleteRange(cut.first, cut.last); err != nil {
		return err
	}
	return l.sizes.drop(cut, func(i uint64) (int64, error) {
		var entry raft.Log
		err := l.read(i, &entry)
		return entryBytes(&entry), err
	})
}

// marker is a log that can be told to note how far it reaches.
type marker interface{ Mark() error }

// Mark notes durably, beside the log, that it reaches its last entry, so that a restart that finds
// less refuses. Any error is fatal. It is for moments that come rarely: a checkpoint, a stop.
func (l *RaftLog) Mark() error {
	if err := l.failure(); err != nil {
		return err
	}
	l.write.Lock()
	defer l.write.Unlock()
	if m, ok := l.inner.(marker); ok {
		if err := m.Mark(); err != nil {
			return l.fail("note how far the raft log reaches", err)
		}
	}
	return nil
}

// Set stores a value of raft's (term, vote), durably; any error is fatal, and so is taking longer
// than StallAfter.
func (l *RaftLog) Set(key, value []byte) error {
	return l.set(key, func() error { return l.inner.Set(key, value) })
}

// SetUint64 stores a number of raft's, durably; it fails as Set does.
func (l *RaftLog) SetUint64(key []byte, value uint64) error {
	return l.set(key, func() error { return l.inner.SetUint64(key, value) })
}

func (l *RaftLog) set(key []byte, store func() error) error {
	if err := l.failure(); err != nil {
		return err
	}
	what := fmt.Sprintf("set %q", key)
	ended := l.stall.begin(what)
	err := store()
	ended()
	if err != nil {
		return l.fail(what, err)
	}
	return l.failure() // a vote that came too late must not be cast
}

// Get reads a value that Set stored; nil when there is none. It returns an error of the file.
func (l *RaftLog) Get(key []byte) ([]byte, error) { return l.inner.Get(key) }

// GetUint64 reads a number; 0 when there is none. It returns an error of the file.
func (l *RaftLog) GetUint64(key []byte) (uint64, error) { return l.inner.GetUint64(key) }

// Close notes how far the log reaches and closes the files. It is called after raft has stopped; a
// second call returns nil, the first an error of the files.
func (l *RaftLog) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	l.stall.stop()
	var err error
	if m, ok := l.inner.(marker); ok && l.failure() == nil {
		err = m.Mark()
	}
	return errors.Join(err, l.inner.Close())
}

// failure is the error that ended the log, or nil.
func (l *RaftLog) failure() error {
	if p := l.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// fail latches the first error and calls Fatal for it, once. A call that comes too late, on a log
// that was closed in order, fails without ending the process.
func (l *RaftLog) fail(what string, err error) error {
	err = fmt.Errorf("%s in %s: %w", what, l.cfg.Dir, err)
	if errors.Is(err, wal.ErrClosed) && l.closed.Load() {
		return err
	}
	if l.failed.CompareAndSwap(nil, &err) {
		l.cfg.Fatal(what, err)
	}
	return err
}
