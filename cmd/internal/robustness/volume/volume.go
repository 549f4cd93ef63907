package volume

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Volume is the file system of one node. Not safe for concurrent use.
type Volume struct {
	Dir   string // where the node's data is
	image string // the backing file; empty: a plain folder
	mount string
	size  int64
	froze bool
	fill  string
	gen   int
}

// errPlain is the error of what takes a file system of its own.
var errPlain = errors.New("the node's folder is not on a file system of its own")

// Able says why loop-mounted images cannot be made here, or returns nil.
func Able(dir string) error {
	v, err := New(dir, "probe", 32<<20)
	if err != nil {
		return err
	}
	return v.Remove()
}

// Plain is a folder in dir, without a file system of its own. It fails with the error of the file
// system.
func Plain(dir, name string) (*Volume, error) {
	path := filepath.Join(dir, name, "data")
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, err
	}
	return &Volume{Dir: path}, nil
}

// New makes a file system of size bytes in dir and mounts it. It fails when that takes rights or
// programs that are not there, and leaves nothing mounted.
func New(dir, name string, size int64) (*Volume, error) {
	v := &Volume{image: filepath.Join(dir, name+".img"), mount: filepath.Join(dir, name), size: size}
	v.Dir = filepath.Join(v.mount, "data")
	f, err := os.Create(v.image)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
		return nil, err
	}
	// Without lazy initialisation the kernel writes nothing later that a copy could catch half way.
	err = run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0",
		v.image)
	if err == nil {
		err = os.MkdirAll(v.mount, 0o750)
	}
	if err == nil {
		err = v.mountImage()
	}
	if err == nil {
		err = os.MkdirAll(v.Dir, 0o750)
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(v.image))
	}
	return v, nil
}

// Mounted reports whether the volume is a file system of its own.
func (v *Volume) Mounted() bool { return v.image != "" }

func (v *Volume) mountImage() error { return run("mount", "-o", "loop", v.image, v.mount) }

// Remove unmounts the file system and deletes it. It fails with the error of the kernel, for
// example when a process still uses it.
func (v *Volume) Remove() error {
	if !v.Mounted() {
		return os.RemoveAll(filepath.Dir(v.Dir))
	}
	err := errors.Join(v.Thaw(), unix.Unmount(v.mount, 0))
	if err != nil {
		return fmt.Errorf("unmount %s: %w", v.mount, err)
	}
	return errors.Join(os.Remove(v.image), os.Remove(v.mount))
}

// The requests of the kernel that freeze and thaw a file system.
const (
	fiFreeze = 0xC0045877
	fiThaw   = 0xC0045878
)

// Freeze makes every write to the file system hang until Thaw. It fails on a plain folder.
func (v *Volume) Freeze() error {
	if !v.Mounted() {
		return errPlain
	}
	if err := v.control(fiFreeze); err != nil {
		return fmt.Errorf("freeze %s: %w", v.mount, err)
	}
	v.froze = true
	return nil
}

// Thaw lets the writes go on. It returns nil when nothing is frozen.
func (v *Volume) Thaw() error {
	if !v.froze {
		return nil
	}
	if err := v.control(fiThaw); err != nil {
		return fmt.Errorf("thaw %s: %w", v.mount, err)
	}
	v.froze = false
	return nil
}

func (v *Volume) control(request uint) error {
	f, err := os.Open(v.mount)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.IoctlSetInt(int(f.Fd()), request, 0)
}

// Fill leaves no more than left bytes free. It fails on a plain folder.
func (v *Volume) Fill(left int64) error {
	if !v.Mounted() {
		return errPlain
	}
	var s unix.Statfs_t
	if err := unix.Statfs(v.mount, &s); err != nil {
		return err
	}
	take := int64(s.Bavail)*s.Bsize - left
	if take <= 0 {
		return nil
	}
	v.fill = filepath.Join(v.mount, "ballast")
	f, err := os.Create(v.fill)
	if err != nil {
		return err
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, take)
	if errors.Is(err, unix.ENOSPC) { // the node was quicker: what is left is little
		err = nil
	}
	return errors.Join(err, f.Close())
}

// Drain gives back what Fill took. It returns nil when nothing was filled.
func (v *Volume) Drain() error {
	if v.fill == "" {
		return nil
	}
	err := os.Remove(v.fill)
	v.fill = ""
	return err
}

// run runs a program; its error is what the program printed.
func run(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err,
			strings.TrimSpace(string(out)))
	}
	return nil
}
