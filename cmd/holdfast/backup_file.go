package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/zeebo/xxh3"
	"golang.org/x/sys/unix"

	"holdfast/raftstore"
)

// partialFile is a file on its way to its name. What was written to it counts only after publish; else
// close deletes it.
type partialFile struct {
	f         *os.File // not embedded: its other ways to write would not be counted
	name      string   // that it will have
	sum       *xxh3.Hasher
	written   int64
	published bool
}

// createPartial makes the file beside name. It fails when name exists, or when another process is
// writing the same; what one that died has left is overwritten.
func createPartial(name string) (*partialFile, error) {
	if _, err := os.Lstat(name); err == nil {
		return nil, fmt.Errorf("%s exists already: a backup never overwrites; give another name", name)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("backup file: %w", err)
	}
	f, err := os.OpenFile(name+".partial", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("backup file: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is being written by another backup: %w", f.Name(), err),
			f.Close())
	}
	if err := f.Truncate(0); err != nil {
		return nil, errors.Join(fmt.Errorf("backup file: %w", err), f.Close())
	}
	return &partialFile{f: f, name: name, sum: xxh3.New()}, nil
}

// Write fails with the error of the file system.
func (f *partialFile) Write(p []byte) (int, error) {
	n, err := f.f.Write(p)
	_, _ = f.sum.Write(p[:n]) // never fails
	f.written += int64(n)
	return n, err
}

// prove makes the file durable, reads all of it back and compares it with what was written. Where
// there are keys that open it, or none are needed, it is read as a backup, too.
func (f *partialFile) prove(keys *backupKeys) error {
	if err := f.f.Sync(); err != nil {
		return fmt.Errorf("backup file: %w", err)
	}
	sum := xxh3.New()
	from := io.TeeReader(io.NewSectionReader(f.f, 0, f.written), sum)
	if keys.opens() || !keys.any() {
		plain, err := keys.decrypt(f.f.Name(), from)
		if err == nil {
			_, _, err = raftstore.CheckBackup(f.f.Name(), plain)
		}
		if err != nil {
			return fmt.Errorf("read back: %w", err)
		}
	}
	if _, err := io.Copy(io.Discard, from); err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if sum.Sum64() != f.sum.Sum64() {
		return fmt.Errorf("read back: %s is not what was written: the disk is at fault", f.f.Name())
	}
	return nil
}

// publish gives the file its name, durably. It fails when somebody else has taken the name meanwhile.
func (f *partialFile) publish() error {
	// A link and not a rename: that would overwrite.
	if err := os.Link(f.f.Name(), f.name); err != nil {
		return fmt.Errorf("name the backup: %w", err)
	}
	f.published = true
	if err := os.Remove(f.f.Name()); err != nil {
		return fmt.Errorf("name the backup: %w", err)
	}
	dir, err := os.Open(filepath.Dir(f.name))
	if err != nil {
		return fmt.Errorf("sync the folder of the backup: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("sync the folder of the backup: %w", err)
	}
	return nil
}

// close gives the file up, and deletes it when it has not got its name.
func (f *partialFile) close() error {
	var err error
	if !f.published {
		err = os.Remove(f.f.Name())
	}
	return errors.Join(err, f.f.Close())
}
