package raftstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/hashicorp/raft-wal/types"
	"golang.org/x/sys/unix"
)

// segmentsFile lists the files of the raft log and holds raft's term and vote. It takes the place of
// raft-wal's own bbolt file, which has checksums on two of its pages and none on its data, ends the
// process when it is damaged, and cannot be read while a node runs.
const segmentsFile = "SEGMENTS"

var segmentsSeal = sealedFile{kind: "raft-log-segments", version: 1}

// segmentList is what stands in SEGMENTS.
type segmentList struct {
	NextSegmentID uint64              `json:"next_segment_id"`
	Segments      []types.SegmentInfo `json:"segments"`
	Stable        map[string][]byte   `json:"stable"` // what raft and FitLog keep, by key
}

// metaFile is raft-wal's MetaStore over SEGMENTS, which it replaces whole at every change: a crash
// leaves the list as it was or as it was to be. Safe for concurrent use.
type metaFile struct {
	path string
	mu   struct {
		sync.Mutex
		list segmentList
		size int64 // of both files: it grows and never shrinks
	}
}

// readSegmentList reads the list of the log in dir. It returns *CorruptError, or the error of the
// file system (fs.ErrNotExist for a log that was never opened).
func readSegmentList(dir string) (segmentList, error) {
	var list segmentList
	err := segmentsSeal.read(filepath.Join(dir, segmentsFile), &list)
	return list, err
}

// openMetaFile reads the list of the log in dir, or makes an empty one when fresh says that there
// was no log yet. It returns *CorruptError, also when the list is missing in a log that was used, or
// an error of the file system.
func openMetaFile(dir string, fresh bool) (*metaFile, error) {
	m := &metaFile{path: filepath.Join(dir, segmentsFile)}
	list, err := readSegmentList(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if !fresh {
			return nil, damaged(m.path, "it is missing, but the log was used")
		}
		list = segmentList{Stable: map[string][]byte{}}
		err = segmentsSeal.replace(m.path, list)
	}
	if err != nil {
		return nil, err
	}
	if list.Stable == nil {
		list.Stable = map[string][]byte{}
	}
	info, err := os.Stat(m.path)
	if err != nil {
		return nil, err
	}
	m.mu.list, m.mu.size = list, info.Size()
	return m, nil
}

// Load gives the list; the error is nil. The folder is the one that the list was opened in.
func (m *metaFile) Load(string) (types.PersistentState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return types.PersistentState{NextSegmentID: m.mu.list.NextSegmentID,
		Segments: append([]types.SegmentInfo(nil), m.mu.list.Segments...)}, nil
}

// CommitState replaces the list, durably. It fails with an error of the file system, and then leaves
// open which of the two a restart finds.
func (m *metaFile) CommitState(s types.PersistentState) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := m.mu.list
	next.NextSegmentID, next.Segments = s.NextSegmentID, s.Segments
	return m.replaceLocked(next)
}

// GetStable gives a copy of a value, nil when there is none; the error is nil.
func (m *metaFile) GetStable(key []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.mu.list.Stable[string(key)]), nil
}

// SetStable stores a value, or deletes it when it is nil, durably. It fails as CommitState does.
func (m *metaFile) SetStable(key, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := m.mu.list
	next.Stable = make(map[string][]byte, len(m.mu.list.Stable)+1)
	for k, v := range m.mu.list.Stable {
		next.Stable[k] = v
	}
	next.Stable[string(key)] = bytes.Clone(value)
	if value == nil {
		delete(next.Stable, string(key))
	}
	return m.replaceLocked(next)
}

// replaceLocked writes the list beside the old one and exchanges the two names. So there are two files
// of whole blocks, which are written in turn, and on a full disk a term or a vote is still kept: raft
// ends the process when it is not. A crash leaves one whole list under the name that counts.
func (m *metaFile) replaceLocked(next segmentList) error {
	body, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", m.path, err)
	}
	head := len(segmentsSeal.line(nil))
	size := max(m.mu.size, int64(head+len(body)+segmentsBlock)/segmentsBlock*segmentsBlock)
	body = append(body, bytes.Repeat([]byte{'\n'}, int(size)-head-len(body))...)
	beside := m.path + ".tmp"
	for _, step := range []func() error{
		func() error { return m.growLocked(beside, size) },
		func() error { return overwrite(beside, append([]byte(segmentsSeal.line(body)), body...)) },
		func() error { return exchange(beside, m.path) },
		func() error { return syncPath(filepath.Dir(m.path)) },
	} {
		if err := step(); err != nil {
			return fmt.Errorf("replace %s: %w", m.path, err)
		}
	}
	m.mu.list, m.mu.size = next, size
	return nil
}

// growLocked takes the blocks for both files before either grows: of two of different size the larger
// list would fit into one, and on a full disk the next term into neither.
func (m *metaFile) growLocked(beside string, size int64) error {
	if size <= m.mu.size {
		return nil
	}
	return errors.Join(takeBlocks(beside, size), takeBlocks(m.path, size))
}

// takeBlocks takes the blocks for a file of size bytes, and leaves it as long as it is. A file system that
// cannot do so does nothing.
func takeBlocks(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// segmentsBlock is what a file system gives to a file at once.
const segmentsBlock = 4096

// overwrite writes and syncs a file in the blocks that it has.
func overwrite(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(text, 0)
	if err == nil {
		err = f.Truncate(int64(len(text)))
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// exchange puts each of two files in the other's place at once, or, where a file system cannot, the
// first in place of the second.
func exchange(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_EXCHANGE)
	if err == nil {
		return nil
	}
	return os.Rename(from, to)
}

// Close returns nil: nothing is open between two calls.
func (m *metaFile) Close() error { return nil }

// strays finds what does not belong into the folder of a log. A segment file that the list does not
// name is a leftover, which raft-wal deletes, when the list has known it; *CorruptError names one that
// it cannot have known, and any other file.
func (l *segmentList) strays(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list the raft log: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		switch name {
		case segmentsFile, segmentsFile + ".tmp", voteFileName, voteFileName + ".tmp", "lost+found":
			continue
		}
		var base, id uint64
		_, err := fmt.Sscanf(name, "%020d-%016x.wal", &base, &id)
		known := err == nil && name == segmentName(base, id) && id < l.NextSegmentID
		for _, s := range l.Segments {
			known = known && (s.ID != id || s.BaseIndex == base)
		}
		if !known || !e.Type().IsRegular() {
			return damaged(filepath.Join(dir, name), "%s does not know this file", segmentsFile)
		}
	}
	return nil
}

func segmentName(base, id uint64) string { return fmt.Sprintf("%020d-%016x.wal", base, id) }

// holds reports whether there is a segment file in dir: then the log was used.
func holdsSegments(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, fmt.Errorf("list the raft log: %w", err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".wal") || e.Name() == segmentsFile {
			return true, nil
		}
	}
	return false, nil
}
