package raftstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// bodyMergeBytes is what Badger may take at a time to merge the tables of the bodies, beside what it
// merges: three tables of a memtable each with a first level of some 100 MiB, and as much again on the
// second of its two workers.
//
// It maps the tables that it makes, without asking the disk for their room first: when there is none
// the process dies of a bus error, in a goroutine of Badger's that nobody can catch. So this much is
// part of the mark below which reserves are refused, and Badger is not opened without it. What is left
// is a disk that somebody else fills up while tables are merged; nothing that was answered is lost then
// either, since nothing counts on a table before it is whole and synced.
const bodyMergeBytes = 256 << 20

// mergeRoom is how much of it tables of so many bytes can take: never more than they have.
func mergeRoom(tables int64) int64 { return min(tables, bodyMergeBytes) }

// checkOpenSpace fails with ErrDiskFull when Badger might not find the room for what it does as soon as
// it is opened: a piece, and a merge that is due.
func (s *BodyStore) checkOpenSpace() error {
	tables, err := tableBytes(s.cfg.Dir)
	if err != nil {
		return fmt.Errorf("size of the bodies in %s: %w", s.cfg.Dir, err)
	}
	return s.checkFree(s.cfg.Spare + mergeRoom(tables))
}

// checkSpace fails with ErrDiskFull when the next piece might not fit.
func (s *BodyStore) checkSpace() error { return s.checkFree(s.cfg.Spare) }

func (s *BodyStore) checkFree(needed int64) error {
	free, err := s.cfg.free(s.cfg.Dir)
	if err != nil {
		return fmt.Errorf("free space: %w", err)
	}
	if free < needed {
		return fmt.Errorf("%d bytes are free, %d are needed: %w", free, needed, ErrDiskFull)
	}
	return nil
}

// tableBytes is how many bytes the tables in a folder have.
func tableBytes(dir string) (n int64, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil {
		return 0, err
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err == nil:
			n += info.Size()
		case !errors.Is(err, fs.ErrNotExist):
			return 0, err
		}
	}
	return n, nil
}
