package raftstore

import (
	"errors"
	"log/slog"
	"math"

	"github.com/dgraph-io/badger/v4"
)

const (
	// cleanShare is what part of a file of values nothing names any more before it is written anew.
	cleanShare = 0.5
	// cleanFiles bounds what one flush cleans: more than is written between two checkpoints.
	cleanFiles = 16
)

// clean gives back the room of values that nothing names any more: files with enough of them are read, what
// is still named is written behind the newest, and the file goes. Badger knows what is named no more from
// merging its tables. Called under flushing.
//
// Badger would delete a file as soon as its rest is written, which is not synced then. While an iterator is
// open it keeps the file; so one is, until everything is synced. When the process dies, or the power goes:
//
//   - before the sync: both files are there, or the old one alone. A value that is named from a table or a
//     log that was synced is in the old one.
//   - after it, before the file is deleted: both are there, and nothing names the old one. Badger finds it
//     again when it is cleaned the next time.
//
// A file that is damaged would lose what stands behind the damage, so files are read before any is cleaned;
// once one is damaged none is.
//
// A failure loses nothing and is logged: the room is given back another time.
func (s *BodyStore) clean(db *badger.DB) {
	if err := s.cleanFiles(db); err != nil && !errors.Is(err, ErrDiskFull) {
		log := s.cfg.Logger
		if log == nil {
			log = slog.New(slog.DiscardHandler)
		}
		log.Warn("room of old bodies not given back", "error", err)
	}
}

func (s *BodyStore) cleanFiles(db *badger.DB) error {
	if all, err := s.proveValues(cleanFiles); err != nil || !all {
		return err
	}
	if s.keeper == nil { // else a sync failed the last time
		s.keeper = newFileKeeper(db)
	}
	cleaned, failed := 0, error(nil)
	for ; cleaned < cleanFiles; cleaned++ {
		if failed = s.checkFree(s.cfg.Spare + bodyValueFile); failed != nil {
			break
		}
		if failed = db.RunValueLogGC(cleanShare); failed != nil {
			break
		}
	}
	if cleaned > 0 {
		if err := errors.Join(s.step("sync cleaned"), s.sync()); err != nil {
			return err // the files stay
		}
	}
	s.keeper.close()
	s.keeper = nil
	if errors.Is(failed, badger.ErrNoRewrite) {
		return nil
	}
	return failed
}

// fileKeeper is an iterator of Badger's that goes nowhere: while it is open no file of values is deleted.
type fileKeeper struct {
	txn *badger.Txn
	it  *badger.Iterator
}

func newFileKeeper(db *badger.DB) *fileKeeper {
	txn := db.NewTransactionAt(math.MaxUint64, false)
	opts := badger.DefaultIteratorOptions
	opts.PrefetchValues = false
	return &fileKeeper{txn, txn.NewIterator(opts)}
}

func (k *fileKeeper) close() {
	k.it.Close()
	k.txn.Discard()
}
