package volume

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A power cut keeps what the device was told and loses the rest. The device of a Volume is its
// backing file. What the node wrote and did not sync is in the page cache of the mounted file
// system, which is above the device: a copy of the backing file does not have it. So the copy is
// what the next start would find after a cut at that moment.
//
// It is one moment only if the device takes no write while it is copied. The processes are stopped,
// but the kernel writes back by itself; the device's own counters say whether it did, and then the
// copy is made again.

// maxCopies bounds the tries: the kernel writes every few seconds and a copy takes a part of one.
const maxCopies = 20

// errBusy says that the device never held still for as long as a copy takes.
var errBusy = errors.New("the kernel kept writing while the image was copied")

// Snapshot copies the backing file as the device has it now, without any sync, and returns its
// path. Every process that writes to the volume must be stopped. It fails on a plain folder, or
// when no copy was of one moment.
func (v *Volume) Snapshot() (path string, err error) {
	if !v.Mounted() {
		return "", errPlain
	}
	v.gen++
	path = fmt.Sprintf("%s.cut%d", v.image, v.gen)
	for range maxCopies {
		before, err := v.deviceWrites()
		if err != nil {
			return "", err
		}
		if err := copySparse(path, v.image); err != nil {
			return "", err
		}
		after, err := v.deviceWrites()
		if err != nil {
			return "", err
		}
		if before == after && strings.HasSuffix(after, " 0") {
			return path, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return "", errors.Join(errBusy, os.Remove(path))
}

// Replace takes the file system away and mounts a copy in its place. No process may use it. It
// fails with the error of the kernel; the volume is of no use then.
func (v *Volume) Replace(copied string) error {
	v.fill = ""
	if err := unix.Unmount(v.mount, 0); err != nil {
		return fmt.Errorf("unmount %s: %w", v.mount, err)
	}
	if err := os.Rename(copied, v.image); err != nil {
		return err
	}
	return v.mountImage()
}

// deviceWrites is the device's count of finished writes and of requests under way.
func (v *Volume) deviceWrites() (string, error) {
	var st unix.Stat_t
	if err := unix.Stat(v.mount, &st); err != nil {
		return "", err
	}
	block := fmt.Sprintf("/sys/dev/block/%d:%d/stat", unix.Major(st.Dev), unix.Minor(st.Dev))
	text, err := os.ReadFile(block)
	if err != nil {
		return "", err
	}
	const writes, sectors, underWay = 4, 6, 8
	fields := strings.Fields(string(text))
	if len(fields) <= underWay {
		return "", fmt.Errorf("%s: %q is not known", block, text)
	}
	return fields[writes] + " " + fields[sectors] + " " + fields[underWay], nil
}

// copySparse copies a file without its holes.
func copySparse(to, from string) (err error) {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	info, err := src.Stat()
	if err != nil {
		return err
	}
	if err := dst.Truncate(info.Size()); err != nil {
		return err
	}
	for at := int64(0); ; {
		begin, err := unix.Seek(int(src.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil // only a hole is left
		}
		if err != nil {
			return err
		}
		if at, err = unix.Seek(int(src.Fd()), begin, unix.SEEK_HOLE); err != nil {
			return err
		}
		if _, err := dst.Seek(begin, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.Copy(dst, io.NewSectionReader(src, begin, at-begin)); err != nil {
			return err
		}
	}
}

// copyTree copies a folder with all that is in it, holes kept.
func copyTree(to, from string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(target, 0o750)
		}
		return copySparse(target, path)
	})
}
