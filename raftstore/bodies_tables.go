package raftstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
	"golang.org/x/sys/unix"
)

// checkTables proves every table that Badger's manifest in dir names, from its last byte to its first.
// Badger verifies tables as well, but takes their lengths before their checksums, and where these are
// damaged it ends the process in a goroutine of its own. Tables that the manifest does not name are
// what a death left behind; Badger deletes them. It returns *CorruptError, which names the file, or an
// error of the file system.
func checkTables(dir string) error {
	f, err := os.Open(filepath.Join(dir, badger.ManifestFilename))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // Badger was never opened here; or all is lost, which the marker shows
	}
	if err != nil {
		return err
	}
	defer f.Close()
	manifest, _, err := badger.ReplayManifestFile(f, 0, bodyOptions(dir, nil))
	if err != nil {
		return damaged(f.Name(), "%v", err)
	}
	for id := range manifest.Tables {
		path := filepath.Join(dir, fmt.Sprintf("%06d.sst", id))
		if err := checkTableFile(path); err != nil {
			return err
		}
	}
	return nil
}

// checkTableFile proves one table. It returns *CorruptError, or an error of the file system.
func checkTableFile(path string) (err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return damaged(path, "it is missing")
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return damaged(path, "it is empty")
	}
	p, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, unix.Munmap(p)) }()
	if fault := checkTable(p); fault != nil {
		return damaged(path, "%v", fault)
	}
	return nil
}

var errTable = errors.New("its lengths do not fit together")

// checkTable proves a table: blocks side by side, each behind it its checksum and that one's length; the
// index of the blocks, its length, checksum and that one's length. Neither is compressed or encrypted.
func checkTable(p []byte) error {
	p, sum, err := cutSum(p)
	if err != nil {
		return err
	}
	if len(p) < 4 {
		return errTable
	}
	blocks, size := p[:len(p)-4], binary.BigEndian.Uint32(p[len(p)-4:])
	if uint64(size) > uint64(len(blocks)) {
		return errTable
	}
	blocks, p = blocks[:len(blocks)-int(size)], blocks[len(blocks)-int(size):]
	if err := sum.check(p); err != nil {
		return fmt.Errorf("its index: %w", err)
	}
	index, at := fb.GetRootAsTableIndex(p, 0), uint64(0) // it is what was written: nothing in it is out of place
	for i := range index.OffsetsLength() {
		var b fb.BlockOffset
		if !index.Offsets(&b, i) || uint64(b.Offset()) != at || at+uint64(b.Len()) > uint64(len(blocks)) {
			return errTable
		}
		block, sum, err := cutSum(blocks[at : at+uint64(b.Len())])
		if err == nil {
			err = sum.check(block)
		}
		if err != nil {
			return fmt.Errorf("its block at %d: %w", at, err)
		}
		at += uint64(b.Len())
	}
	if at != uint64(len(blocks)) {
		return errTable
	}
	return nil
}

// tableSum is a checksum in a table: CRC32-C.
type tableSum uint64

func (s tableSum) check(p []byte) error {
	if got := crc32.Checksum(p, castagnoli); uint64(got) != uint64(s) {
		return fmt.Errorf("its checksum is %08x, want %08x", got, uint64(s))
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// cutSum takes the checksum from the end of p: a protocol buffer with nothing but field 2, as CRC32-C is
// algorithm 0, and its length.
func cutSum(p []byte) (rest []byte, sum tableSum, err error) {
	if len(p) < 4 {
		return nil, 0, errTable
	}
	rest, size := p[:len(p)-4], binary.BigEndian.Uint32(p[len(p)-4:])
	if uint64(size) > uint64(len(rest)) {
		return nil, 0, errTable
	}
	rest, p = rest[:len(rest)-int(size)], rest[len(rest)-int(size):]
	if len(p) == 0 {
		return rest, 0, nil // a checksum of 0 is left out
	}
	value, n := binary.Uvarint(p[1:])
	if p[0] != 2<<3 || n != len(p)-1 {
		return nil, 0, errors.New("its checksum cannot be read")
	}
	return rest, tableSum(value), nil
}
