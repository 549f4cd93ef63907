package raftstore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// dropEmptyLogs deletes the files of Badger's own log that have no bytes, before it opens the folder. As
// of v4.9.6 it makes such a file and gives it its size in two steps: a process that died in between
// left one that Badger opens as a new one, and then calls that an error. There is nothing in it, and
// Badger makes the next one itself. It returns an error of the file system.
func dropEmptyLogs(dir string) error {
	for _, pattern := range []string{"*.mem", "*.vlog"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		for _, path := range files {
			info, err := os.Stat(path)
			if err == nil && info.Size() == 0 {
				err = os.Remove(path)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
