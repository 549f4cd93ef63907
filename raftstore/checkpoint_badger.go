package raftstore

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/ristretto/v2/z"
	"github.com/zeebo/xxh3"

	"holdfast/engine"
)

// checkpointOptions are Badger's settings for a folder that is written once, in key order, and read
// once or twice, on a machine that has better uses for its memory.
func checkpointOptions(dir string, log *slog.Logger) badger.Options {
	return badger.DefaultOptions(dir).
		WithLogger(badgerLogger{log.With("badger", filepath.Base(dir))}).
		WithMetricsEnabled(false).
		WithDetectConflicts(false).
		WithNumGoroutines(1).
		WithNumCompactors(2). // fewer are refused; with StreamWriter they have nothing to do
		WithNumMemtables(1).
		WithMemTableSize(8 << 20). // nothing goes through it
		WithValueLogFileSize(1 << 20).
		// StreamWriter writes tables of 32 times this: 2 MiB, synced one by one, so that a
		// checkpoint never hands the disk much at once. It may hold 16 of them in memory, twice
		// over, when the disk is slow.
		WithBaseTableSize(64 << 10).
		// Packed blocks do not compress by much, and without compression no block cache is needed.
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithChecksumVerificationMode(options.OnTableAndBlockRead)
}

// badgerLogger passes Badger's warnings on and drops the rest.
type badgerLogger struct{ log *slog.Logger }

func (l badgerLogger) Errorf(format string, args ...any)   { l.warn(format, args) }
func (l badgerLogger) Warningf(format string, args ...any) { l.warn(format, args) }
func (badgerLogger) Infof(string, ...any)                  {}
func (badgerLogger) Debugf(string, ...any)                 {}

func (l badgerLogger) warn(format string, args []any) {
	l.log.Warn("checkpoint files", "line", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// blockVersion is the version of every key: a checkpoint holds one state, so versions say nothing.
const blockVersion = 1

// writeBytes is how much goes to StreamWriter at once.
const writeBytes = 1 << 20

// badgerWriter fills a fresh Badger folder with blocks in key order.
type badgerWriter struct {
	db  *badger.DB
	to  *badger.StreamWriter
	buf *z.Buffer
}

func openBadgerWriter(dir string, log *slog.Logger) (*badgerWriter, error) {
	db, err := badger.Open(checkpointOptions(dir, log))
	if err != nil {
		return nil, fmt.Errorf("open badger in %s: %w", dir, err)
	}
	w := &badgerWriter{db: db, to: db.NewStreamWriter(), buf: z.NewBuffer(writeBytes, "checkpoint")}
	if err := w.to.Prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare badger in %s: %w", dir, err), w.abandon())
	}
	return w, nil
}

// put takes a block; the caller has checked the order of keys. The block may be reused afterwards.
func (w *badgerWriter) put(b engine.Block) error {
	badger.KVToBuffer(&pb.KV{Key: b.Key, Value: b.Value, Version: blockVersion}, w.buf)
	if w.buf.LenNoPadding() < writeBytes {
		return nil
	}
	return w.flush()
}

func (w *badgerWriter) flush() error {
	err := w.to.Write(w.buf)
	w.buf.Reset()
	return err
}

// finish writes what is left and closes the files. They are not known to be durable yet.
func (w *badgerWriter) finish() error {
	err := w.flush()
	if err == nil {
		err = w.to.Flush()
	} else {
		w.to.Cancel()
	}
	return errors.Join(err, w.buf.Release(), w.db.Close())
}

// abandon closes the files without finishing them.
func (w *badgerWriter) abandon() error {
	w.to.Cancel()
	return errors.Join(w.buf.Release(), w.db.Close())
}

// sealFolder makes the files of a finished folder durable through descriptors of our own, because
// Badger logs some errors of sync and goes on, and returns what they are. The folder's entry in its
// parent is synced as well.
func sealFolder(dir string) ([]fileRecord, error) {
	// A megabyte of zeros about a value log that is empty; Badger makes it anew when it needs it.
	if err := os.Remove(filepath.Join(dir, "DISCARD")); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []fileRecord
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !e.Type().IsRegular() {
			return nil, fmt.Errorf("%s is not a file", path)
		}
		if err := syncPath(path); err != nil {
			return nil, err
		}
		record, err := recordFile(path, easeVerify)
		if err != nil {
			return nil, err
		}
		files = append(files, record)
	}
	if err := syncPath(dir); err != nil {
		return nil, err
	}
	return files, syncPath(filepath.Dir(dir))
}

// recordFile reads a file for its size and checksum, in steps.
func recordFile(path string, steps easeSteps) (fileRecord, error) {
	f, err := os.Open(path)
	if err != nil {
		return fileRecord{}, err
	}
	defer f.Close()
	h := xxh3.New()
	n, err := io.CopyBuffer(h, struct{ io.Reader }{steps.reader(f)}, make([]byte, 256<<10))
	if err != nil {
		return fileRecord{}, fmt.Errorf("read %s: %w", path, err)
	}
	return fileRecord{Name: filepath.Base(path), Bytes: n, XXH3: hexUint64(h.Sum64())}, nil
}

// verifyFolder checks every byte of a checkpoint against CURRENT. It comes before Badger opens the
// folder, because a damaged table can end the process in there. It returns *CorruptError with the
// file, or an error of the file system.
func verifyFolder(dir string, files []fileRecord, steps easeSteps) error {
	for _, want := range files {
		path := filepath.Join(dir, want.Name)
		found, err := recordFile(path, steps)
		switch {
		case errors.Is(err, os.ErrNotExist):
			return damaged(path, "it is missing")
		case err != nil:
			return err
		case found.Bytes != want.Bytes:
			return damaged(path, "it has %d bytes, want %d", found.Bytes, want.Bytes)
		case found.XXH3 != want.XXH3:
			return damaged(path, "its checksum is %016x, want %016x",
				uint64(found.XXH3), uint64(want.XXH3))
		}
	}
	return nil
}

// badgerReader gives the blocks of a folder in key order.
type badgerReader struct {
	dir   string
	db    *badger.DB
	txn   *badger.Txn
	it    *badger.Iterator
	value []byte
	count uint64
	want  uint64
}

func openBadgerReader(dir string, want uint64, log *slog.Logger) (*badgerReader, error) {
	db, err := badger.Open(checkpointOptions(dir, log).WithReadOnly(true))
	if err != nil {
		return nil, damaged(dir, "badger cannot open it: %v", err)
	}
	r := &badgerReader{dir: dir, db: db, txn: db.NewTransaction(false), want: want}
	opts := badger.DefaultIteratorOptions
	opts.PrefetchValues = false // one goroutine a value, for values that are mapped memory
	r.it = r.txn.NewIterator(opts)
	r.it.Rewind()
	return r, nil
}

// next is a blockSource. Badger ends an iteration silently where it cannot read a table, so the
// number of blocks decides whether this is the end.
func (r *badgerReader) next() (engine.Block, bool, error) {
	if !r.it.Valid() {
		if r.count != r.want {
			return engine.Block{}, false, damaged(r.dir, "it has %d blocks, want %d",
				r.count, r.want)
		}
		return engine.Block{}, false, nil
	}
	item := r.it.Item()
	var err error
	if r.value, err = item.ValueCopy(r.value[:0]); err != nil {
		return engine.Block{}, false, damaged(r.dir, "block %x: %v", item.Key(), err)
	}
	b := engine.Block{Key: item.KeyCopy(nil), Value: r.value}
	r.count++
	r.it.Next()
	return b, true, nil
}

func (r *badgerReader) close() error {
	r.it.Close()
	r.txn.Discard()
	return r.db.Close()
}
