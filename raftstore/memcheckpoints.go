package raftstore

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"sync"

	"github.com/hashicorp/raft"

	"holdfast/engine"
)

// MemCheckpoints is a Checkpoints in memory, for tests: no file, no goroutine, so that it works
// inside a synctest bubble. What it holds outlives Close; Reopen gives it back, as a restart would.
type MemCheckpoints struct {
	load ledgerLoader
	mu   struct {
		sync.Mutex
		kept   []memCheckpoint // newest first
		writer *memSink
		loaded loadedLedger
		sent   []uint64 // indexes of what is being read
		closed bool
		number int
	}
}

type memCheckpoint struct {
	rec    checkpointRecord
	blocks []engine.Block
}

// NewMemCheckpoints makes an empty store.
func NewMemCheckpoints() *MemCheckpoints { return &MemCheckpoints{load: loadLedger} }

// Reopen closes s and gives the same contents to a new handle; a checkpoint that was being written
// is lost.
func (s *MemCheckpoints) Reopen() *MemCheckpoints {
	_ = s.Close() // it never fails
	s.mu.Lock()
	defer s.mu.Unlock()
	next := &MemCheckpoints{load: s.load}
	next.mu.kept, next.mu.number = s.mu.kept, s.mu.number
	return next
}

// Load rebuilds the ledger from the newest checkpoint, else from the one before it. It returns
// ErrNoCheckpoint, or the error of the last one that was tried.
func (s *MemCheckpoints) Load() (*engine.Ledger, CheckpointMeta, error) {
	s.mu.Lock()
	kept := s.mu.kept
	s.mu.Unlock()
	err := ErrNoCheckpoint
	for i, c := range kept {
		var ledger *engine.Ledger
		var digest uint64
		ledger, digest, err = s.load(c.source())
		if err == nil && digest != uint64(c.rec.Digest) {
			err = fmt.Errorf("checkpoint %s: digest %016x, want %016x",
				c.rec.ID, digest, uint64(c.rec.Digest))
		}
		if err == nil {
			s.mu.Lock()
			s.mu.kept = kept[i:]
			s.mu.Unlock()
			return ledger, c.rec.meta(), nil
		}
	}
	return nil, CheckpointMeta{}, err
}

func (c *memCheckpoint) source() blockSource {
	blocks := c.blocks
	return func() (engine.Block, bool, error) {
		if len(blocks) == 0 {
			return engine.Block{}, false, nil
		}
		b := blocks[0]
		blocks = blocks[1:]
		return b, true, nil
	}
}

// Newest is the newest checkpoint; ok is false when there is none.
func (s *MemCheckpoints) Newest() (m CheckpointMeta, ok bool) {
	kept := s.records()
	if len(kept) == 0 {
		return CheckpointMeta{}, false
	}
	return kept[0].meta(), true
}

// Floor is that of CheckpointStore.
func (s *MemCheckpoints) Floor() uint64 {
	floor := floorOf(s.records())
	s.mu.Lock()
	defer s.mu.Unlock()
	if floor != math.MaxUint64 && len(s.mu.sent) > 0 {
		floor = min(floor, slices.Min(s.mu.sent))
	}
	return floor
}

// EventFloor is that of CheckpointStore.
func (s *MemCheckpoints) EventFloor() uint64 { return eventFloorOf(s.records()) }

// Meta is that of CheckpointStore; it returns fs.ErrNotExist for an id that List does not give.
func (s *MemCheckpoints) Meta(id string) (CheckpointMeta, error) { return metaOf(s.records(), id) }

func (s *MemCheckpoints) records() []checkpointRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	var kept []checkpointRecord
	for _, c := range s.mu.kept {
		kept = append(kept, c.rec)
	}
	return kept
}

// Create begins a checkpoint. It fails with ErrCheckpointRunning, ErrOldCheckpoint, or after Close.
func (s *MemCheckpoints) Create(version raft.SnapshotVersion, index, term uint64,
	configuration raft.Configuration, configurationIndex uint64, _ raft.Transport,
) (raft.SnapshotSink, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.mu.closed:
		return nil, errStoreClosed
	case s.mu.writer != nil:
		return nil, ErrCheckpointRunning
	case len(s.mu.kept) > 0 && s.mu.kept[0].rec.Index > index:
		return nil, fmt.Errorf("checkpoint at %d, newest at %d: %w",
			index, s.mu.kept[0].rec.Index, ErrOldCheckpoint)
	}
	s.mu.number++
	sink := &memSink{store: s}
	sink.made.rec = checkpointRecord{
		ID:    fmt.Sprintf("%d-%d-%d", index, term, s.mu.number),
		Index: index, Term: term, Version: version, ConfigurationIndex: configurationIndex,
	}
	sink.made.rec.setConfiguration(configuration)
	sink.blocks = sinkBlocks{rec: &sink.made.rec, put: func(b engine.Block) error {
		sink.made.blocks = append(sink.made.blocks, cloneBlock(b))
		return nil
	}, load: s.load}
	s.mu.loaded.drop()
	s.mu.writer = sink
	return sink, nil
}

// List gives the checkpoints, newest first; the error is nil.
func (s *MemCheckpoints) List() ([]*raft.SnapshotMeta, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var metas []*raft.SnapshotMeta
	for i := range s.mu.kept {
		metas = append(metas, s.mu.kept[i].rec.snapshot())
	}
	return metas, nil
}

// Open gives a checkpoint as a stream. It returns fs.ErrNotExist for an id that List does not give.
func (s *MemCheckpoints) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.mu.kept {
		if c.rec.ID == id && !s.mu.closed {
			var stream io.ReadCloser
			s.mu.sent = append(s.mu.sent, c.rec.Index)
			unpin := sync.OnceFunc(func() { s.unpin(c.rec.Index) })
			stream = newStreamReader(c.rec.header(), c.source(), func() error { unpin(); return nil })
			if ledger := s.mu.loaded.take(id); ledger != nil {
				read := stream
				stream = &ledgerStream{ledger: ledger, meta: c.rec.meta(),
					open: func() (io.ReadCloser, error) { return read, nil }, drop: unpin}
			}
			return c.rec.snapshot(), stream, nil
		}
	}
	return nil, nil, fmt.Errorf("checkpoint %q: %w", id, fs.ErrNotExist)
}

func (s *MemCheckpoints) unpin(index uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.Index(s.mu.sent, index)
	s.mu.sent = slices.Delete(s.mu.sent, at, at+1)
}

// Close refuses what comes later and cancels a checkpoint that is being written. It returns nil.
func (s *MemCheckpoints) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.closed = true
	s.mu.loaded.drop()
	if w := s.mu.writer; w != nil {
		s.mu.writer = nil
		w.blocks.drop()
		w.done, w.end = true, errStoreClosed
	}
	return nil
}

// memSink collects one checkpoint. One goroutine at a time uses it.
type memSink struct {
	store  *MemCheckpoints
	made   memCheckpoint
	blocks sinkBlocks
	done   bool
	end    error
}

var _ BlockSink = (*memSink)(nil)

// ID is the name that Open knows the checkpoint by.
func (s *memSink) ID() string { return s.made.rec.ID }

// WriteBlock takes the next block. It fails when keys do not ascend, and after the end.
func (s *memSink) WriteBlock(b engine.Block) error {
	if s.done {
		return errSinkDone
	}
	return s.blocks.writeBlock(b)
}

// Write takes the next bytes of a stream. It fails when they are damaged, and after the end.
func (s *memSink) Write(p []byte) (int, error) {
	if s.done {
		return 0, errSinkDone
	}
	return s.blocks.write(p)
}

// SetLedger stamps what the blocks must add up to.
func (s *memSink) SetLedger(digest uint64, events EventMark) { s.blocks.setLedger(digest, events) }

// Close makes the checkpoint the newest. It fails when it is not whole; a second call returns what
// the first did, and it fails after Cancel.
func (s *memSink) Close() error {
	if s.done {
		return s.end
	}
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	st.mu.writer = nil
	ledger, err := s.blocks.finish()
	s.done, s.end = true, err
	if err != nil {
		s.blocks.drop()
		return err
	}
	next := []memCheckpoint{s.made}
	for _, c := range st.mu.kept {
		if c.rec.Index < s.made.rec.Index && len(next) < keptCheckpoints {
			next = append(next, c)
		}
	}
	st.mu.kept = next
	st.mu.loaded.keep(s.made.rec.ID, ledger)
	return nil
}

// Cancel drops what was written; it returns nil.
func (s *memSink) Cancel() error {
	if s.done {
		return nil
	}
	s.done, s.end = true, errSinkDone
	s.blocks.drop()
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.store.mu.writer = nil
	return nil
}
