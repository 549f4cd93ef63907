package raftstore

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// valueFileHead is what a file of Badger's value log starts with: a key number and half of a nonce, of
// no use without encryption.
const valueFileHead = 20

// valueFiles are the files of values in a folder, oldest first. It returns an error of the file system.
func valueFiles(dir string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
	slices.Sort(paths) // their numbers have six digits
	return paths, err
}

// checkValueFile reads a file of values from its first byte to its last. It returns where its whole
// entries end and whether anything but zeros stands behind them, which Badger would cut off without a
// word when the file is the newest, and drop with the file when it cleans it. Or an error of the file system.
// It does not map the file, which may be cut meanwhile.
func checkValueFile(path string) (end int64, more bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	if _, err := r.Discard(valueFileHead); err != nil {
		return 0, false, unlessEnd(err)
	}
	end = valueFileHead
	for {
		n, err := valueEntry(r)
		if err != nil {
			return end, false, err
		}
		if n == 0 {
			more, err := anyByte(io.NewSectionReader(f, end, math.MaxInt64-end))
			return end, more, err
		}
		end += int64(n)
	}
}

// valueEntry reads an entry and returns how long it is; 0: there is no whole one. It is two bytes of flags;
// lengths of key and value, and a time, as varints; key and value; CRC32-C of all that. It fails as r does.
func valueEntry(r *bufio.Reader) (int, error) {
	head, err := r.Peek(2 + 3*binary.MaxVarintLen64)
	if err = unlessEnd(err); err != nil || len(head) < 2 {
		return 0, err
	}
	at := 2
	var sizes [3]uint64
	for i := range sizes {
		v, n := binary.Uvarint(head[at:])
		if n <= 0 {
			return 0, nil
		}
		sizes[i] = v
		at += n
	}
	if sizes[0] == 0 || sizes[0] > math.MaxUint16 || sizes[1] > 2*bodyValueFile {
		return 0, nil
	}
	n := at + int(sizes[0]+sizes[1])
	sum := crc32.New(castagnoli)
	if _, err := io.CopyN(sum, r, int64(n)); err != nil {
		return 0, unlessEnd(err)
	}
	want, err := r.Peek(4)
	if err = unlessEnd(err); err != nil || len(want) < 4 || sum.Sum32() != binary.BigEndian.Uint32(want) {
		return 0, err
	}
	_, err = r.Discard(4)
	return n + 4, err
}

// unlessEnd is err, and nil for the end of a file.
func unlessEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// anyByte says whether anything but zeros is in r.
func anyByte(r io.Reader) (bool, error) {
	p := make([]byte, 1<<20)
	for {
		n, err := r.Read(p)
		if slices.ContainsFunc(p[:n], func(b byte) bool { return b != 0 }) {
			return true, nil
		}
		if err != nil {
			return false, unlessEnd(err)
		}
	}
}

// newestValues says whether Badger will cut something off the newest file of values in dir when it
// opens it: what a power cut tore, behind the marker; or damage, and whole values with it. It returns the
// file's path, or an error of the file system.
func newestValues(dir string) (path string, cut bool, err error) {
	paths, err := valueFiles(dir)
	if err != nil || len(paths) == 0 {
		return "", false, err
	}
	path = paths[len(paths)-1]
	if _, cut, err = checkValueFile(path); errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	return path, cut, err
}

// checkNewestValues reads every body when Badger will cut something off the newest file of values: once it
// did, nobody would know what is lost. It returns *CorruptError, which names the file, or an error of the
// file system.
func checkNewestValues(dir string) error {
	path, cut, err := newestValues(dir)
	if err != nil || !cut {
		return err
	}
	r := bodyReading{dir: dir}
	if err := r.readAll(context.Background()); err != nil {
		return damaged(path, "%v", err)
	}
	return nil
}

// proveValues reads files of values that nobody writes any more, each once in the life of the store, at
// most so many, and says whether all were read: Badger reads a file that it cleans up to the first damage, and
// drops what stands behind. It returns *CorruptError, or an error of the file system. Called under flushing.
func (s *BodyStore) proveValues(most int) (all bool, err error) {
	paths, err := valueFiles(s.cfg.Dir)
	if err != nil || len(paths) == 0 {
		return err == nil, err
	}
	for _, path := range paths[:len(paths)-1] {
		if s.proven[path] {
			continue
		}
		if most--; most < 0 {
			return false, nil
		}
		end, more, err := checkValueFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return false, err
		case more:
			return false, damaged(path, "the value at byte %d", end)
		}
		if s.proven == nil {
			s.proven = make(map[string]bool)
		}
		s.proven[path] = true
	}
	return true, nil
}

// valueBytes is how much of the disk the files of values in a folder take.
func valueBytes(dir string) (n int64) {
	paths, _ := valueFiles(dir)
	for _, path := range paths {
		n += allocated(path)
	}
	return n
}

// allocated is how much of the disk a file takes, which has holes; 0 when there is none.
func allocated(path string) int64 {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return 0
	}
	return st.Blocks * 512
}
