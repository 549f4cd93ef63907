package raftstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"holdfast/engine"
)

// BodyConfig says where the bodies are.
type BodyConfig struct {
	// Dir exists already. Required.
	Dir string
	// Logger hears of Badger's warnings; nil discards.
	Logger *slog.Logger
	// Spare is how many bytes of the disk stay free beside the bodies; default 64 MiB.
	Spare int64

	step func(name string) error         // before each step of a flush; tests stop there
	free func(dir string) (int64, error) // nil asks the file system
}

const (
	// bodyWriteBytes bounds one write to Badger: below its bound for a batch, which is 15% of the
	// memtable, so that it is never split, and little enough to let the log's sync pass.
	bodyWriteBytes = 1 << 20
	// bodyMemtable is Badger's log and table in memory: mapped at twice its size. With a quarter of it the
	// slowest of 100 orders at 8,000 a second took two to three times as long.
	bodyMemtable = 32 << 20
	// bodyValueBytes is from what size a value stands in Badger's value log, and only its place in the
	// tables. Tables with whole orders in them are merged again and again: at 8,000 orders a second their
	// syncs made those of the raft log, which all writes wait for, take 10 to 20 ms for seconds.
	bodyValueBytes = 256
	// bodyValueFile is how long a file of the value log grows, in bytes: the active one is mapped at twice
	// that. It is what cleaning reads at a time.
	bodyValueFile = 64 << 20
)

// bodyOptions are Badger's settings for a small part of a machine that has better uses for its
// memory. Without a log it is silent.
//
// Badger does not sync what it writes: that would be each piece by itself, beside the syncs of the raft
// log, which all writes wait for. Nothing counts on a body until a marker stands behind it, and that is
// written between two syncs of our own. What a power cut tears of Badger's logs is behind the last marker:
// Badger cuts it off, or cannot read it, and replay makes it again.
func bodyOptions(dir string, log *slog.Logger) badger.Options {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return badger.DefaultOptions(dir).
		WithLogger(badgerLogger{log.With("badger", filepath.Base(dir))}).
		WithMetricsEnabled(false).
		WithDetectConflicts(false).
		WithNumGoroutines(1).
		WithNumCompactors(2). // fewer are refused
		WithNumMemtables(2).
		WithMemTableSize(bodyMemtable).
		WithNumLevelZeroTables(3). // what is merged at a time, and stands on the disk twice meanwhile
		WithValueThreshold(bodyValueBytes).
		WithValueLogFileSize(bodyValueFile).
		WithVerifyValueChecksum(true). // before it takes lengths from what it reads
		WithSyncWrites(false).
		WithBypassLockGuard(true).     // the data folder's lock is ours, and takes no room on a full disk
		WithCompression(options.None). // so that no block cache is needed
		WithBlockCacheSize(0).
		WithIndexCacheSize(0).
		WithChecksumVerificationMode(options.OnTableAndBlockRead)
}

// BodyStore keeps bodies in a Badger of their own, under their versions. Safe for concurrent use.
//
// Badger maps its files, so that on a full disk it would end the process, and it writes when it is
// opened and closed too. So a node that starts on a full disk begins without it: bodies wait in
// memory, older ones are not there, and it is opened once there is room.
type BodyStore struct {
	cfg     BodyConfig
	opening sync.Mutex
	badger  atomic.Pointer[badger.DB] // nil: there was no room to open it yet
	dirty   dirtyBodies
	readers readers // of badger

	flushing sync.Mutex // one flush at a time; also guards what follows
	closed   bool
	keeper   *fileKeeper     // nil: files of values may go
	proven   map[string]bool // files of values that were read whole
}

var _ Bodies = (*BodyStore)(nil)

// OpenBodies opens the bodies in a folder. It fails, naming the folder or file, when a table or the
// marker is damaged or Badger cannot open it; want of room is no failure.
func OpenBodies(c BodyConfig) (*BodyStore, error) {
	if c.free == nil {
		c.free = freeBytes
	}
	if c.Spare == 0 {
		c.Spare = spareBytes
	}
	s := &BodyStore{cfg: c}
	if _, err := s.open(); err != nil && !errors.Is(err, ErrDiskFull) {
		return nil, err
	}
	return s, nil
}

// open returns Badger, and opens it the first time that there is room. It fails with ErrDiskFull, or
// as OpenBodies.
func (s *BodyStore) open() (*badger.DB, error) {
	if db := s.badger.Load(); db != nil {
		return db, nil
	}
	s.opening.Lock()
	defer s.opening.Unlock()
	if db := s.badger.Load(); db != nil {
		return db, nil
	}
	if err := s.checkOpenSpace(); err != nil {
		return nil, err
	}
	if err := dropEmptyLogs(s.cfg.Dir); err != nil {
		return nil, fmt.Errorf("open the bodies in %s: %w", s.cfg.Dir, err)
	}
	if err := checkTables(s.cfg.Dir); err != nil {
		return nil, err
	}
	if err := checkNewestValues(s.cfg.Dir); err != nil {
		return nil, err
	}
	db, err := badger.OpenManaged(bodyOptions(s.cfg.Dir, s.cfg.Logger))
	if err != nil {
		return nil, damaged(s.cfg.Dir, "badger cannot open it: %v", err)
	}
	through, err := readMarker(db)
	if err != nil {
		return nil, errors.Join(damaged(s.cfg.Dir, "its marker: %v", err), db.Close())
	}
	s.dirty.opened(through)
	s.badger.Store(db)
	return db, nil
}

func readMarker(db *badger.DB) (uint64, error) {
	txn := db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	item, err := txn.Get(markerKey)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	p, err := item.ValueCopy(nil)
	if err == nil {
		p, err = openBody(markerKey, item.Version(), p)
	}
	if err == nil && len(p) != 8 {
		err = fmt.Errorf("it has %d bytes", len(p))
	}
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(p), nil
}

// Put takes the bodies of one entry, which may be reused afterwards. It does no I/O.
func (s *BodyStore) Put(index uint64, bodies []engine.Body) { s.dirty.put(index, bodies) }

// Get returns a body of just that version, or ErrNoBody, or an error that says what is damaged.
func (s *BodyStore) Get(key []byte, version uint64) ([]byte, error) {
	if value, known := s.dirty.get(key, version); known {
		return bodyOrNone(value)
	}
	value, at, err := s.onDisk(key, version)
	if err == nil && at != version {
		return nil, ErrNoBody
	}
	return value, err
}

// onDisk returns the newest durable body under a key up to a version, or ErrNoBody, or an error that says
// what is damaged.
func (s *BodyStore) onDisk(key []byte, version uint64) (value []byte, at uint64, err error) {
	if !s.readers.enter() {
		return nil, 0, errBodiesClosed
	}
	defer s.readers.leave()
	db, err := s.open()
	if err != nil {
		return nil, 0, fmt.Errorf("bodies in %s: %w", s.cfg.Dir, err)
	}
	value, at, err = s.look(db, key, version)
	if err != nil && !errors.Is(err, ErrNoBody) {
		// Its file may have been cleaned away between the look at its place and the one at its bytes.
		return s.look(db, key, version)
	}
	return value, at, err
}

// look is onDisk once.
func (s *BodyStore) look(db *badger.DB, key []byte, version uint64) (value []byte, at uint64, err error) {
	txn := db.NewTransactionAt(version, false)
	defer txn.Discard()
	item, err := txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, 0, ErrNoBody
	}
	if err != nil {
		return nil, 0, fmt.Errorf("body %x in %s: %w", key, s.cfg.Dir, err)
	}
	p, err := s.readItem(item)
	if errors.Is(err, errTorn) {
		return nil, 0, ErrNoBody
	}
	return p, item.Version(), err
}

// errTorn says that what a body's place names is not there, and is behind the marker: a power cut tore it,
// nothing names the body yet, or it is in memory, made again by replay, and is written anew.
var errTorn = errors.New("a body behind the marker is torn")

// readItem returns the value of a body. It fails with errTorn, or an error
// that says what is damaged.
func (s *BodyStore) readItem(item *badger.Item) ([]byte, error) {
	p, err := item.ValueCopy(nil)
	if err == nil {
		p, err = openBody(item.Key(), item.Version(), p)
	}
	switch {
	case err == nil:
		return p, nil
	case item.Version() > s.dirty.state().Through:
		return nil, errTorn
	default:
		return nil, fmt.Errorf("body %x of index %d in %s: %w", item.Key(), item.Version(), s.cfg.Dir, err)
	}
}

func bodyOrNone(value []byte) ([]byte, error) {
	if value == nil {
		return nil, ErrNoBody
	}
	return value, nil
}

// Flush makes the bodies of all entries up to through durable, and lets Badger drop versions that no
// state from floor on names; 0 drops nothing. What a restart finds when the process dies:
//
//   - while pieces are written: some bodies of entries behind the marker. Replay makes them again, with
//     the same bytes under the same versions; until then the ledger names none of them.
//   - before the marker is written, or synced: the same, with all of the bodies.
//   - afterwards: the marker; replay leaves out what it makes again up to there.
//
// It fails with ErrDiskFull, an error of Badger or of the file system; what was not written stays in
// memory, and a later flush tries again.
func (s *BodyStore) Flush(through, floor uint64) error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	if s.closed {
		return errBodiesClosed
	}
	db, err := s.open()
	if err == nil {
		err = s.flush(through)
	}
	if err != nil {
		return fmt.Errorf("bodies in %s: %w", s.cfg.Dir, err)
	}
	if floor != 0 {
		db.SetDiscardTs(floor)
		s.clean(db)
	}
	return nil
}

func (s *BodyStore) flush(through uint64) error {
	for {
		piece := s.dirty.piece(through, bodyWriteBytes)
		if len(piece) == 0 {
			break
		}
		if err := s.write(piece); err != nil {
			return err
		}
		s.dirty.written(piece)
	}
	mark := s.dirty.mark(through)
	if mark == 0 {
		return nil
	}
	return s.writeMarker(mark)
}

// writeMarker makes everything that was written durable, and then says so.
func (s *BodyStore) writeMarker(mark uint64) error {
	if err := s.step("sync bodies"); err != nil {
		return err
	}
	if err := s.sync(); err != nil {
		return err
	}
	value := binary.LittleEndian.AppendUint64(nil, mark)
	if err := s.step("write marker"); err != nil {
		return err
	}
	if err := s.write([]BodyRow{{Key: markerKey, Version: mark, Value: value}}); err != nil {
		return err
	}
	if err := s.step("sync marker"); err != nil {
		return err
	}
	if err := s.sync(); err != nil {
		return err
	}
	s.dirty.durable(mark)
	return nil
}

// write gives one piece to Badger, each body under its version. Badger's rule that a key's versions only
// grow holds within a piece and from piece to piece; after a crash the same versions come again.
func (s *BodyStore) write(piece []BodyRow) error {
	if err := s.step("write bodies"); err != nil {
		return err
	}
	if err := s.checkSpace(); err != nil {
		return err
	}
	db, err := s.open()
	if err != nil {
		return err
	}
	batch := db.NewManagedWriteBatch()
	defer batch.Cancel()
	for _, r := range piece {
		var err error
		if len(r.Value) == 0 {
			err = batch.DeleteAt(r.Key, r.Version)
		} else {
			e := badger.NewEntry(r.Key, sealBody(r.Key, r.Version, r.Value))
			err = batch.SetEntryAt(e, r.Version)
		}
		if err != nil {
			return err
		}
	}
	return batch.Flush()
}

// sync syncs every file of the folder through descriptors of our own: Badger logs some errors of sync
// and goes on.
func (s *BodyStore) sync() error {
	entries, err := os.ReadDir(s.cfg.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		err := syncPath(filepath.Join(s.cfg.Dir, e.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // one that was compacted away meanwhile
			return err
		}
	}
	return syncPath(s.cfg.Dir)
}

func (s *BodyStore) step(name string) error {
	if s.cfg.step == nil {
		return nil
	}
	return s.cfg.step(name)
}

// State says how far bodies are.
func (s *BodyStore) State() BodyState { return s.dirty.state() }

// Size is about how many bytes the durable ones take: without the keys of the newest, which are in no
// table yet.
func (s *BodyStore) Size() (n int64) {
	db := s.badger.Load()
	if db == nil {
		return 0
	}
	for _, t := range db.Tables() {
		n += int64(t.OnDiskSize)
	}
	return n + valueBytes(s.cfg.Dir)
}

// Expect says that the ledger was loaded, or installed, at index. What is in memory only is dropped.
func (s *BodyStore) Expect(index uint64) { s.dirty.expect(index) }

// Scan visits the newest version, up to one version, of every body behind a key, in order of the keys,
// until visit returns false; a row is visit's until it returns. Bodies that are in memory only are not
// seen. It fails with an error of Badger, or one that says what is damaged.
func (s *BodyStore) Scan(after []byte, version uint64, visit func(BodyRow) bool) error {
	if !s.readers.enter() {
		return errBodiesClosed
	}
	defer s.readers.leave()
	db, err := s.open()
	if err != nil {
		return fmt.Errorf("bodies in %s: %w", s.cfg.Dir, err)
	}
	txn := db.NewTransactionAt(version, false)
	defer txn.Discard()
	opts := badger.DefaultIteratorOptions
	opts.PrefetchValues = false
	it := txn.NewIterator(opts)
	defer it.Close()
	for it.Seek(append(slices.Clone(after), 0)); it.Valid(); it.Next() {
		item := it.Item()
		if slices.Equal(item.Key(), markerKey) {
			continue
		}
		value, err := s.readItem(item)
		if errors.Is(err, errTorn) {
			continue
		}
		if err != nil {
			return err
		}
		if !visit(BodyRow{Key: item.Key(), Version: item.Version(), Value: value}) {
			return nil
		}
	}
	return nil
}

// Fill takes bodies that were missing, from another node: all of those behind after up to the last of
// rows; last says that these are all, up to the index that was expected. It fails as Flush does, and may
// be called again with the same bodies.
func (s *BodyStore) Fill(after []byte, rows []BodyRow, last bool) error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	if s.closed {
		return errBodiesClosed
	}
	if len(rows) > 0 {
		if err := s.write(rows); err != nil {
			return fmt.Errorf("bodies in %s: %w", s.cfg.Dir, err)
		}
	}
	missing := s.dirty.state().Missing
	if missing == 0 {
		return nil
	}
	if err := dropStrangers(s.span, s.write, fillRange{after, rows, last, missing}); err != nil {
		return fmt.Errorf("bodies in %s: %w", s.cfg.Dir, err)
	}
	if !last {
		return nil
	}
	if err := s.writeMarker(missing); err != nil {
		return fmt.Errorf("bodies in %s: %w", s.cfg.Dir, err)
	}
	s.dirty.filled(missing)
	return nil
}

var errBodiesClosed = errors.New("the bodies are closed")

// Close gives the folder up once nobody reads it any more; what is in memory only is dropped. Who reads
// later gets an error. It returns Badger's error; a second
// call returns nil. On a full disk Badger stays open until the process ends: closing it writes, and what
// it has is durable as it is.
func (s *BodyStore) Close() error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.readers.close()
	db := s.badger.Load()
	if db == nil || s.checkSpace() != nil {
		return nil
	}
	return db.Close()
}
