package raftstore

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ballastFile is a file in the data folder that holds nothing but space: on a full disk, deleting it
// gives a node the room to start and to write the checkpoint after which its log can be cut. Nothing
// counts on it, and the node never deletes it by itself.
const ballastFile = "BALLAST"

// maxBallast is the default on a disk of 25 GiB and more; on a smaller one it is a hundredth. It is a
// file of the log: what a node lacks that stopped when it could not begin one.
const maxBallast = 256 << 20

// keepBallast makes the ballast file of dir, of bytes, below 0 the default, when afterwards the disk is
// above its first mark; 0 deletes it. It tells log what it could not do, which is no reason not to
// start. A process that dies on the way leaves a file that is too short, which the next start mends.
func keepBallast(dir string, bytes int64, d DiskSpace, warn int64, log *slog.Logger) {
	path := filepath.Join(dir, ballastFile)
	if bytes < 0 {
		bytes = min(maxBallast, d.Total/100)
	}
	have := int64(0)
	if info, err := os.Stat(path); err == nil {
		have = info.Size()
	}
	if have == bytes {
		return
	}
	var err error
	switch {
	case bytes < have || bytes == 0:
		_, err = FreeBallast(dir)
	case d.Free+have-bytes < warn+warn/8:
		log.Info("no room for the ballast file", "file", path, "bytes", bytes, "free_bytes", d.Free)
		return
	}
	if err == nil && bytes > 0 {
		err = allocate(path, bytes)
	}
	if err != nil {
		log.Warn("the ballast file is not as it should be", "file", path, "error", err)
	}
}

// allocate makes path bytes long with all its blocks, without writing them. It leaves no file when it
// fails: one without blocks would only look like ballast.
func allocate(path string, bytes int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return err
	}
	if err = unix.Fallocate(int(f.Fd()), 0, 0, bytes); err != nil {
		err = fmt.Errorf("allocate %s: %w", path, err)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// FreeBallast deletes the ballast file of a data folder, whether its node runs or not, and returns how
// many bytes that gave back: 0 when there is none. The node makes it again at a start with enough
// room. It fails with the error of the file system.
func FreeBallast(dir string) (bytes int64, err error) {
	path := filepath.Join(dir, ballastFile)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("free the ballast: %w", err)
	}
	if err := errors.Join(os.Remove(path), syncPath(dir)); err != nil {
		return 0, fmt.Errorf("free the ballast: %w", err)
	}
	return info.Size(), nil
}
