package raftstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/raft"

	"holdfast/engine"
)

// Errors of Create and of a sink.
var (
	ErrCheckpointRunning = errors.New("a checkpoint is being written already")
	ErrOldCheckpoint     = errors.New("the newest checkpoint is newer than this one")
	ErrDiskFull          = errors.New("the disk is nearly full")
	errSinkDone          = errors.New("the checkpoint was closed or cancelled")
	errStoreClosed       = errors.New("the checkpoint store is closed")
)

// CheckpointConfig says where checkpoints are and whose they are.
type CheckpointConfig struct {
	// Dir exists already. Required.
	Dir string
	// Owner is asked at open and at every checkpoint. Required.
	Owner func() Owner
	// Spare is how many bytes of the disk stay free beside a checkpoint; default 64 MiB.
	Spare int64
	// Logger hears of a bad checkpoint; nil discards.
	Logger *slog.Logger

	load ledgerLoader                    // nil is loadLedger
	step func(name string) error         // before each step of a checkpoint; tests stop there
	free func(dir string) (int64, error) // nil asks the file system
}

// WithDefaults returns c with the default for what is not set.
func (c CheckpointConfig) WithDefaults() CheckpointConfig {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.load == nil {
		c.load = loadLedger
	}
	if c.Spare == 0 {
		c.Spare = spareBytes
	}
	if c.free == nil {
		c.free = freeBytes
	}
	return c
}

// Validate returns every fault of c, joined, or nil.
func (c CheckpointConfig) Validate() error {
	var faults []error
	if c.Dir == "" {
		faults = append(faults, errors.New("checkpoints: Dir is required"))
	}
	if c.Owner == nil {
		faults = append(faults, errors.New("checkpoints: Owner is required"))
	}
	return errors.Join(faults...)
}

// folderPrefix marks the folders that are ours to delete.
const folderPrefix = "ckpt-"

var currentSeal = sealedFile{kind: "current", version: 1}

// CheckpointStore keeps the checkpoints of a node, each in a Badger folder of its own. Safe for
// concurrent use; one checkpoint is written at a time.
type CheckpointStore struct {
	cfg CheckpointConfig

	mu struct {
		sync.Mutex
		kept   []checkpointRecord // newest first; what is known to be bad is not among them
		named  map[string]bool    // folders that CURRENT on the disk may name
		pins   map[string]pin     // what is being read, by folder
		writer *checkpointSink
		loaded loadedLedger // of the checkpoint that was installed last
		closed bool
	}
}

// pin keeps a folder from being deleted.
type pin struct {
	readers int
	index   uint64 // of the checkpoint
}

// OpenCheckpoints opens the store and deletes what a crash left over. It returns the faults of c,
// *CorruptError when CURRENT is damaged or missing, *ForeignClusterError when it is another
// cluster's, or an error of the file system. Nothing is loaded or verified yet.
func OpenCheckpoints(c CheckpointConfig) (*CheckpointStore, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &CheckpointStore{cfg: c}
	s.mu.named, s.mu.pins = map[string]bool{}, map[string]pin{}
	path := filepath.Join(c.Dir, currentFile)
	var doc current
	switch err := currentSeal.read(path, &doc); {
	case errors.Is(err, fs.ErrNotExist):
		folders, err := s.folders()
		if err != nil {
			return nil, err
		}
		if len(folders) > 0 {
			return nil, damaged(path, "it is missing, but there is %s", folders[0])
		}
		if err := currentSeal.replace(path, current{Owner: c.Owner()}); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case !c.Owner().accepts(doc.Owner):
		return nil, &ForeignClusterError{
			File: path, Found: doc.Owner.String(), Want: c.Owner().String()}
	}
	s.mu.kept = doc.Checkpoints
	for _, r := range doc.Checkpoints {
		s.mu.named[r.ID] = true
	}
	if err := os.Remove(path + ".tmp"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweepLocked()
	return s, nil
}

// folders lists the folders of checkpoints, named or not.
func (s *CheckpointStore) folders() ([]string, error) {
	entries, err := os.ReadDir(s.cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("list checkpoints: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), folderPrefix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// sweepLocked deletes the folders that nobody names, reads or writes. What cannot be deleted is
// tried again after the next checkpoint.
func (s *CheckpointStore) sweepLocked() {
	names, err := s.folders()
	for _, name := range names {
		writing := s.mu.writer != nil && s.mu.writer.rec.ID == name
		if writing || s.mu.named[name] || s.mu.pins[name].readers > 0 {
			continue
		}
		err = errors.Join(err, os.RemoveAll(filepath.Join(s.cfg.Dir, name)))
	}
	if err != nil {
		s.cfg.Logger.Warn("old checkpoints are left over", "error", err)
	}
}

// Load rebuilds the ledger from the newest checkpoint, else from the one before it; then List and
// Floor no longer know the bad one. It returns ErrNoCheckpoint when there is none, and
// *CorruptError or errors of the file system for all of them when none is good, or
// *engine.VersionError for the newest one that a later build wrote.
func (s *CheckpointStore) Load() (*engine.Ledger, CheckpointMeta, error) {
	s.mu.Lock()
	kept := s.mu.kept
	s.mu.Unlock()
	if len(kept) == 0 {
		return nil, CheckpointMeta{}, ErrNoCheckpoint
	}
	var faults []error
	for i, rec := range kept {
		ledger, err := s.load(&rec)
		if err == nil {
			s.forget(kept[:i])
			return ledger, rec.meta(), nil
		}
		s.cfg.Logger.Error("a checkpoint is bad", "folder", rec.ID, "index", rec.Index,
			"left", len(kept)-i-1, "error", err)
		var later *engine.VersionError
		if errors.As(err, &later) {
			// It is not bad: a later build wrote it. The one before it would only lead to the entry
			// at which this build must stop.
			return nil, CheckpointMeta{}, err
		}
		faults = append(faults, err)
	}
	return nil, CheckpointMeta{}, errors.Join(faults...)
}

// forget takes bad checkpoints out of what raft sees. Their folders stay until a good checkpoint
// has taken their place in CURRENT: a person may want to look at them.
func (s *CheckpointStore) forget(bad []checkpointRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.kept = slices.DeleteFunc(slices.Clone(s.mu.kept), func(r checkpointRecord) bool {
		return slices.ContainsFunc(bad, func(b checkpointRecord) bool { return b.ID == r.ID })
	})
}

func (s *CheckpointStore) load(rec *checkpointRecord) (*engine.Ledger, error) {
	r, err := s.read(rec, atOnce)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(s.cfg.Dir, rec.ID)
	ledger, digest, err := s.cfg.load(r.next)
	err = errors.Join(err, r.close())
	switch {
	case err != nil:
		return nil, fmt.Errorf("load %s: %w", dir, err)
	case digest != uint64(rec.Digest):
		return nil, damaged(dir, "its digest is %016x, want %016x", digest, uint64(rec.Digest))
	}
	return ledger, nil
}

// read verifies the files of a checkpoint, in steps, and opens them.
func (s *CheckpointStore) read(rec *checkpointRecord, steps easeSteps) (*badgerReader, error) {
	dir := filepath.Join(s.cfg.Dir, rec.ID)
	if err := verifyFolder(dir, rec.Files, steps); err != nil {
		return nil, err
	}
	return openBadgerReader(dir, rec.Blocks, s.cfg.Logger)
}

// Floor is the index of the older checkpoint: the log keeps that entry and all behind it. It is 0
// while there is one checkpoint, of our own, and math.MaxUint64, which asks for nothing, while
// there is none and while the newest is an installed one: raft then deletes the whole log. It is
// never above a checkpoint that is being sent, so that its receiver can go on from the log.
func (s *CheckpointStore) Floor() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	floor := floorOf(s.mu.kept)
	if floor == math.MaxUint64 {
		return floor
	}
	for _, p := range s.mu.pins {
		floor = min(floor, p.index)
	}
	return floor
}

// EventFloor is the number of the oldest event segment that one of the kept checkpoints ends in, 0
// while none ends in any. It moves when CURRENT does, and not before.
func (s *CheckpointStore) EventFloor() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return eventFloorOf(s.mu.kept)
}

// eventFloorOf leaves out checkpoints without events of our own: a restart at one of these drops all
// event files.
func eventFloorOf(kept []checkpointRecord) uint64 {
	floor := uint64(0)
	for _, r := range kept {
		if r.Events.Offset > 0 && (floor == 0 || r.Events.Segment < floor) {
			floor = r.Events.Segment
		}
	}
	return floor
}

func floorOf(kept []checkpointRecord) uint64 {
	switch {
	case len(kept) == 0 || kept[0].Installed:
		return math.MaxUint64
	case len(kept) == 1:
		return 0
	}
	return kept[1].Index
}

// Newest is the newest checkpoint that is not known to be bad; ok is false when there is none.
func (s *CheckpointStore) Newest() (m CheckpointMeta, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.kept) == 0 {
		return CheckpointMeta{}, false
	}
	return s.mu.kept[0].meta(), true
}

// Meta is what CURRENT says of a checkpoint. It returns fs.ErrNotExist for an id that List does not
// give.
func (s *CheckpointStore) Meta(id string) (CheckpointMeta, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return metaOf(s.mu.kept, id)
}

func metaOf(kept []checkpointRecord, id string) (CheckpointMeta, error) {
	for i := range kept {
		if kept[i].ID == id {
			return kept[i].meta(), nil
		}
	}
	return CheckpointMeta{}, fmt.Errorf("checkpoint %q: %w", id, fs.ErrNotExist)
}

// Create begins a checkpoint; trans is not used. The sink is a BlockSink. It fails with
// ErrCheckpointRunning, ErrOldCheckpoint, ErrDiskFull, or an error of Badger or the file system;
// then nothing is left.
func (s *CheckpointStore) Create(version raft.SnapshotVersion, index, term uint64,
	configuration raft.Configuration, configurationIndex uint64, _ raft.Transport,
) (raft.SnapshotSink, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.mu.closed:
		return nil, errStoreClosed
	case s.mu.writer != nil:
		return nil, ErrCheckpointRunning
	case len(s.mu.kept) > 0 && s.mu.kept[0].Index > index:
		return nil, fmt.Errorf("checkpoint at %d, newest at %d: %w",
			index, s.mu.kept[0].Index, ErrOldCheckpoint)
	}
	last := int64(0) // this one will hardly be smaller
	if len(s.mu.kept) > 0 {
		last = s.mu.kept[0].SizeBytes
	}
	if err := s.checkSpace(last); err != nil {
		return nil, err
	}
	sink := &checkpointSink{store: s}
	sink.rec = checkpointRecord{Index: index, Term: term, Version: version,
		ConfigurationIndex: configurationIndex}
	sink.rec.setConfiguration(configuration)
	if err := s.makeFolder(sink); err != nil {
		return nil, err
	}
	sink.blocks = sinkBlocks{rec: &sink.rec, put: sink.put, load: s.cfg.load}
	s.mu.loaded.drop()
	var err error
	if sink.badger, err = openBadgerWriter(sink.dir, s.cfg.Logger); err != nil {
		return nil, errors.Join(err, os.RemoveAll(sink.dir))
	}
	s.mu.writer = sink
	return sink, nil
}

// makeFolder finds a name that is not taken: a checkpoint of the same index and term may be there.
func (s *CheckpointStore) makeFolder(sink *checkpointSink) error {
	for n := 1; ; n++ {
		id := fmt.Sprintf("%s%020d-%d-%d", folderPrefix, sink.rec.Index, sink.rec.Term, n)
		dir := filepath.Join(s.cfg.Dir, id)
		err := os.Mkdir(dir, 0o750)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		sink.rec.ID, sink.dir = id, dir
		return err
	}
}

// checkSpace fails with ErrDiskFull unless bytes more can be written and enough stays free.
func (s *CheckpointStore) checkSpace(bytes int64) error {
	free, err := s.cfg.free(s.cfg.Dir)
	if err != nil {
		return err
	}
	if free < bytes+s.cfg.Spare {
		return fmt.Errorf("%d bytes are free for %s, %d are needed: %w", free, s.cfg.Dir,
			bytes+s.cfg.Spare, ErrDiskFull)
	}
	return nil
}

func freeBytes(dir string) (int64, error) {
	d, err := diskSpaceOf(dir)
	return d.Free, err
}

// step is where a test stops, as a crash would.
func (s *CheckpointStore) step(name string) error {
	if s.cfg.step == nil {
		return nil
	}
	return s.cfg.step(name)
}

// publish puts a finished checkpoint into CURRENT. The lock is held while two small files are
// synced, so that nobody deletes what either CURRENT names.
func (s *CheckpointStore) publish(sink *checkpointSink) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.writer = nil
	kept := push(s.mu.kept, sink.rec)
	s.mu.named[sink.rec.ID] = true
	seal := currentSeal
	seal.step = s.cfg.step
	doc := current{Owner: s.cfg.Owner(), Checkpoints: kept}
	if err := seal.replace(filepath.Join(s.cfg.Dir, currentFile), doc); err != nil {
		return fmt.Errorf("checkpoint %s: %w", sink.dir, err)
	}
	s.mu.kept = kept
	s.mu.loaded.keep(sink.rec.ID, sink.ledger)
	sink.ledger = nil
	s.mu.named = map[string]bool{}
	for _, r := range kept {
		s.mu.named[r.ID] = true
	}
	if err := s.step("delete old folders"); err != nil {
		return err
	}
	s.sweepLocked()
	return nil
}

// abandon ends a sink that will not be published.
func (s *CheckpointStore) abandon(sink *checkpointSink) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.writer = nil
	return sink.discard()
}

// List gives the checkpoints, newest first; the error is nil.
func (s *CheckpointStore) List() ([]*raft.SnapshotMeta, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var metas []*raft.SnapshotMeta
	for i := range s.mu.kept {
		metas = append(metas, s.mu.kept[i].snapshot())
	}
	return metas, nil
}

// Open gives a checkpoint as a stream of exactly Size bytes. The checkpoint stays on the disk until
// the stream is closed. The first stream of a checkpoint that was installed last is a ledgerStream,
// which has the ledger in memory and reads the files only when it is read. It returns fs.ErrNotExist for an id that List does not give, *CorruptError
// when a file is damaged, or an error of the file system.
func (s *CheckpointStore) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	rec, err := s.hold(id)
	if err != nil {
		return nil, nil, err
	}
	if ledger := s.takeLoaded(id); ledger != nil {
		return rec.snapshot(), s.ledgerStream(rec, ledger), nil
	}
	stream, err := s.stream(rec)
	if err != nil {
		return nil, nil, err
	}
	return rec.snapshot(), stream, nil
}

// stream reads a checkpoint that is held, and lets go of it when the stream is closed, or when it
// fails, as Open does.
func (s *CheckpointStore) stream(rec checkpointRecord) (io.ReadCloser, error) {
	r, err := s.read(&rec, easeVerify)
	if err != nil {
		s.unpin(rec.ID)
		return nil, err
	}
	var once sync.Once
	return newStreamReader(rec.header(), r.next, func() error {
		var err error
		once.Do(func() {
			err = r.close()
			s.unpin(rec.ID)
		})
		return err
	}), nil
}

func (s *CheckpointStore) hold(id string) (checkpointRecord, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.mu.kept {
		if r.ID == id && !s.mu.closed {
			s.mu.pins[id] = pin{readers: s.mu.pins[id].readers + 1, index: r.Index}
			return r, nil
		}
	}
	return checkpointRecord{}, fmt.Errorf("checkpoint %q: %w", id, fs.ErrNotExist)
}

func (s *CheckpointStore) unpin(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.mu.pins[id]; p.readers > 1 {
		s.mu.pins[id] = pin{readers: p.readers - 1, index: p.index}
		return
	}
	delete(s.mu.pins, id)
	if !s.mu.closed {
		s.sweepLocked()
	}
}

// Close refuses what comes later and cancels a checkpoint that is being written; its writer must
// have stopped. Streams that are open stay readable. A second call returns nil, the first an error
// when something is left behind.
func (s *CheckpointStore) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return nil
	}
	s.mu.closed = true
	s.mu.loaded.drop()
	if w := s.mu.writer; w != nil {
		s.mu.writer = nil
		w.done, w.end = true, errStoreClosed
		return w.discard()
	}
	return nil
}
