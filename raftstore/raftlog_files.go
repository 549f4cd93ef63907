package raftstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/types"
)

// logFiles is raft-wal's file system, but says why a file of the log could not be begun. raft-wal, as
// of v0.4.1, begins the next file in the background, only logs it when that fails, and refuses the next
// append with nothing but "segment is sealed".
type logFiles struct {
	*fs.FS
	failed atomic.Pointer[error] // why the last file could not be begun
}

// Create makes a file of the log with all its space. On a full disk it fails with ENOSPC and leaves no
// file: raft-wal makes the same one at the next start, when there may be room. A process that dies in
// between leaves an empty one, which raft-wal takes for a file without entries.
func (f *logFiles) Create(dir, name string, size uint64) (types.WritableFile, error) {
	w, err := f.FS.Create(dir, name, size)
	if err == nil {
		return w, nil
	}
	path := filepath.Join(dir, name)
	if !errors.Is(err, os.ErrExist) {
		if gone := os.Remove(path); !errors.Is(gone, os.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	err = fmt.Errorf("begin the log file %s of %d bytes: %w", path, size, err)
	f.failed.Store(&err)
	return nil, err
}

// explain adds to an error of raft-wal why a file could not be begun; nil stays nil.
func (f *logFiles) explain(err error) error {
	if why := f.failed.Load(); err != nil && why != nil {
		return fmt.Errorf("%w (%w)", *why, err)
	}
	return err
}
