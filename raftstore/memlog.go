package raftstore

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/hashicorp/raft"
)

// MemLog is a Log in memory, for tests: no file, no goroutine, no timer, so that it works inside a
// synctest bubble. What it holds outlives Close; Reopen gives it back, as a restart would.
type MemLog struct {
	floor func() uint64
	disk  *memLogDisk
	once  sync.Once
	shut  chan struct{}
}

// memLogDisk is what a restart finds again.
type memLogDisk struct {
	mu      sync.Mutex
	first   uint64 // index of entries[0]
	entries []*raft.Log
	stable  map[string][]byte
	bytes   int64
	failing error // what the next StoreLogs returns
}

var errMemClosed = errors.New("memory log is closed")

// NewMemLog makes an empty log. floor is Checkpoints.Floor, or nil.
func NewMemLog(floor func() uint64) *MemLog {
	return &MemLog{
		floor: floor, disk: &memLogDisk{stable: map[string][]byte{}}, shut: make(chan struct{}),
	}
}

// Reopen closes l and gives the same contents to a new handle.
func (l *MemLog) Reopen() *MemLog {
	_ = l.Close() // it never fails
	return &MemLog{floor: l.floor, disk: l.disk, shut: make(chan struct{})}
}

// FailNext makes the next StoreLogs store nothing and return err.
func (l *MemLog) FailNext(err error) {
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	l.disk.failing = err
}

// lock takes the disk, unless l is closed.
func (l *MemLog) lock() (*memLogDisk, error) {
	l.disk.mu.Lock()
	select {
	case <-l.shut:
		l.disk.mu.Unlock()
		return nil, errMemClosed
	default:
		return l.disk, nil
	}
}

func (d *memLogDisk) held() indexRange {
	if len(d.entries) == 0 {
		return indexRange{}
	}
	return indexRange{d.first, d.first + uint64(len(d.entries)) - 1}
}

// IsMonotonic is true, as it is of RaftLog.
func (l *MemLog) IsMonotonic() bool { return true }

// FirstIndex is the first index, 0 when the log is empty. It fails after Close.
func (l *MemLog) FirstIndex() (uint64, error) {
	d, err := l.lock()
	if err != nil {
		return 0, err
	}
	defer d.mu.Unlock()
	return d.held().first, nil
}

// LastIndex is the last index, 0 when the log is empty. It fails after Close.
func (l *MemLog) LastIndex() (uint64, error) {
	d, err := l.lock()
	if err != nil {
		return 0, err
	}
	defer d.mu.Unlock()
	return d.held().last, nil
}

// GetLog reads an entry. It returns raft.ErrLogNotFound, and fails after Close.
func (l *MemLog) GetLog(index uint64, entry *raft.Log) error {
	d, err := l.lock()
	if err != nil {
		return err
	}
	defer d.mu.Unlock()
	if h := d.held(); h.empty() || index < h.first || index > h.last {
		return raft.ErrLogNotFound
	}
	*entry = *d.entries[index-d.first]
	return nil
}

// Mark does nothing: memory loses nothing by itself. It fails after Close.
func (l *MemLog) Mark() error {
	d, err := l.lock()
	if err != nil {
		return err
	}
	d.mu.Unlock()
	return nil
}

// StoreLog stores one entry. It fails as StoreLogs does.
func (l *MemLog) StoreLog(entry *raft.Log) error { return l.StoreLogs([]*raft.Log{entry}) }

// StoreLogs appends entries, all or none. It fails when they do not follow the last one, after
// FailNext, and after Close.
func (l *MemLog) StoreLogs(entries []*raft.Log) error {
	d, err := l.lock()
	if err != nil {
		return err
	}
	defer d.mu.Unlock()
	if err := d.failing; err != nil {
		d.failing = nil
		return err
	}
	last := d.held().last
	for _, e := range entries {
		if last != 0 && e.Index != last+1 {
			return fmt.Errorf("entry %d does not follow %d", e.Index, last)
		}
		last = e.Index
	}
	for _, e := range entries {
		if len(d.entries) == 0 {
			d.first = e.Index
		}
		own := *e
		own.Data, own.Extensions = slices.Clone(e.Data), slices.Clone(e.Extensions)
		d.entries = append(d.entries, &own)
		d.bytes += entryBytes(&own)
	}
	return nil
}

// DeleteRange deletes a prefix, a suffix or all, as RaftLog does. It fails for a range in the
// middle and after Close.
func (l *MemLog) DeleteRange(first, last uint64) error {
	floor := uint64(math.MaxUint64)
	if l.floor != nil {
		floor = l.floor()
	}
	d, err := l.lock()
	if err != nil {
		return err
	}
	defer d.mu.Unlock()
	have := d.held()
	cut := have.cut(first, last, floor)
	switch {
	case cut.empty():
		return nil
	case cut.first != have.first && cut.last != have.last:
		return fmt.Errorf("entries %d to %d are neither the first nor the last", first, last)
	case cut == have:
		d.stable[string(emptiedAtKey)] = uint64Bytes(have.last)
	}
	from, to := cut.first-d.first, cut.last-d.first+1
	for _, e := range d.entries[from:to] {
		d.bytes -= entryBytes(e)
	}
	d.entries = slices.Delete(d.entries, int(from), int(to))
	if from == 0 {
		d.first = cut.last + 1
	}
	return nil
}

// Size is the bytes of all entries.
func (l *MemLog) Size() int64 {
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	return l.disk.bytes
}

// Set stores a value. It fails after Close.
func (l *MemLog) Set(key, value []byte) error {
	d, err := l.lock()
	if err != nil {
		return err
	}
	defer d.mu.Unlock()
	d.stable[string(key)] = slices.Clone(value)
	return nil
}

// Get reads a value, nil when there is none. It fails after Close.
func (l *MemLog) Get(key []byte) ([]byte, error) {
	d, err := l.lock()
	if err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	return slices.Clone(d.stable[string(key)]), nil
}

// SetUint64 stores a number. It fails after Close.
func (l *MemLog) SetUint64(key []byte, value uint64) error {
	return l.Set(key, uint64Bytes(value))
}

// GetUint64 reads a number, 0 when there is none. It fails after Close, and for a value that Set
// stored in another length.
func (l *MemLog) GetUint64(key []byte) (uint64, error) {
	value, err := l.Get(key)
	if err != nil || len(value) == 0 {
		return 0, err
	}
	if len(value) != 8 {
		return 0, fmt.Errorf("value of %q is %d bytes, not a number", key, len(value))
	}
	return uint64Of(value), nil
}

// Close ends this handle; it returns nil.
func (l *MemLog) Close() error {
	l.once.Do(func() { close(l.shut) })
	return nil
}
