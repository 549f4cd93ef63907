package raftstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/zeebo/xxh3"
)

// VOTE holds what raft must never forget a second time, beside the log: its term, its vote, and how
// far the log is known to reach. It has two slots, each a block of its own, which are written in
// turn and synced: a write that is torn damages one of them, and the other is the state before it.
//
//	slot: magic "HFVOTES" 0 · version u32 · length of candidate u32 · sequence u64 · term u64
//	      · term of the vote u64 · mark u64 · candidate · zeros · xxh3 of all before u64
//
// All little endian. The slot with the higher sequence counts.
const (
	voteFileName   = "VOTE"
	voteMagic      = "HFVOTES\x00"
	voteVersion    = 1
	voteSlotBytes  = 4096 // what a disk writes at once
	voteHeadBytes  = 48
	maxVoteBytes   = voteSlotBytes - voteHeadBytes - 8 // of a candidate
	voteFileLength = 2 * voteSlotBytes
)

// voteState is what VOTE says.
type voteState struct {
	term      uint64 // the newest that raft has seen
	votedIn   uint64 // term of the newest vote
	candidate string // who got it, as raft writes it
	// mark is the index of an entry that was durable when this was written, and that has not been
	// deleted behind since: a log that ends before it has lost entries. 0 says nothing.
	mark uint64
}

// voteSlot is one slot as it was read.
type voteSlot struct {
	voteState
	sequence uint64
	fault    error // why it cannot be trusted
}

func (s voteSlot) encode() []byte {
	p := make([]byte, voteSlotBytes)
	copy(p, voteMagic)
	binary.LittleEndian.PutUint32(p[8:], voteVersion)
	binary.LittleEndian.PutUint32(p[12:], uint32(len(s.candidate)))
	for i, n := range []uint64{s.sequence, s.term, s.votedIn, s.mark} {
		binary.LittleEndian.PutUint64(p[16+8*i:], n)
	}
	copy(p[voteHeadBytes:], s.candidate)
	binary.LittleEndian.PutUint64(p[voteSlotBytes-8:], xxh3.Hash(p[:voteSlotBytes-8]))
	return p
}

func decodeVoteSlot(p []byte) (s voteSlot) {
	const end = voteSlotBytes - 8
	size := binary.LittleEndian.Uint32(p[12:])
	switch version := binary.LittleEndian.Uint32(p[8:]); {
	case uint64Of(p[end:]) != xxh3.Hash(p[:end]):
		s.fault = errors.New("a wrong checksum")
	case string(p[:8]) != voteMagic || version != voteVersion || size > maxVoteBytes:
		s.fault = fmt.Errorf("magic %q, version %d", p[:8], version)
	default:
		s.sequence, s.term = uint64Of(p[16:]), uint64Of(p[24:])
		s.votedIn, s.mark = uint64Of(p[32:]), uint64Of(p[40:])
		s.candidate = string(p[voteHeadBytes : voteHeadBytes+size])
	}
	return s
}

// readVotes reads VOTE and returns the slot that counts. half is the fault of the other one, nil when
// both are good. It returns *CorruptError when neither is, or an error of the file system.
func readVotes(path string) (newest voteSlot, half error, err error) {
	f, err := os.Open(path)
	if err != nil {
		return voteSlot{}, nil, err
	}
	defer f.Close()
	p := make([]byte, voteFileLength+1)
	n, err := io.ReadFull(f, p)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && err != io.EOF {
		return voteSlot{}, nil, fmt.Errorf("read %s: %w", path, err)
	}
	if n != voteFileLength {
		// It is made with its length and never changes it, so this was no crash.
		return voteSlot{}, nil, damaged(path, "it has not %d bytes", voteFileLength)
	}
	a, b := decodeVoteSlot(p[:voteSlotBytes]), decodeVoteSlot(p[voteSlotBytes:voteFileLength])
	switch {
	case a.fault != nil && b.fault != nil:
		return voteSlot{}, nil, damaged(path, "both slots are: %v; %v", a.fault, b.fault)
	case a.fault == nil && b.fault == nil && (a.sequence%2 != 0 || b.sequence%2 != 1 ||
		max(a.sequence, b.sequence) != min(a.sequence, b.sequence)+1):
		return voteSlot{}, nil, damaged(path, "its slots have sequences %d and %d",
			a.sequence, b.sequence)
	case b.fault != nil || a.fault == nil && a.sequence > b.sequence:
		return a, b.fault, nil
	}
	return b, a.fault, nil
}

// voteFile is VOTE, open. Safe for concurrent use.
type voteFile struct {
	path  string
	sync  func(*os.File) error // (*os.File).Sync; tests fail it
	write sync.Mutex
	file  *os.File
	slot  voteSlot // as it stands in the file
}

// CreateVotes makes the file VOTE at path, for a log that is empty; a crash leaves all of it or
// none. It returns fs.ErrExist when it is there, or an error of the file system.
func CreateVotes(path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist})
	}
	text := append(voteSlot{sequence: 2}.encode(), voteSlot{sequence: 1}.encode()...)
	beside := path + ".tmp"
	if err := os.WriteFile(beside, text, 0o640); err != nil {
		return err
	}
	if err := syncPath(beside); err != nil {
		return err
	}
	if err := os.Rename(beside, path); err != nil {
		return err
	}
	return syncPath(filepath.Dir(path))
}

// openVotes opens VOTE, which is there. half is the fault of one of its slots, nil when both are
// good. It fails as readVotes does.
func openVotes(path string) (v *voteFile, half error, err error) {
	slot, half, err := readVotes(path)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	return &voteFile{path: path, sync: (*os.File).Sync, file: f, slot: slot}, half, nil
}

// state is what the file says.
func (v *voteFile) state() voteState {
	v.write.Lock()
	defer v.write.Unlock()
	return v.slot.voteState
}

// update changes what the file says, durably; nothing is written when change changes nothing. The
// process may die anywhere in here: then one slot is torn and the other says what was true before.
// An error of the file system is final: what is on the disk is not known any more.
func (v *voteFile) update(change func(*voteState)) error {
	v.write.Lock()
	defer v.write.Unlock()
	next := v.slot
	change(&next.voteState)
	if next.voteState == v.slot.voteState {
		return nil
	}
	return v.putLocked(next)
}

// renew writes what the file says once more, into the slot that does not count.
func (v *voteFile) renew() error {
	v.write.Lock()
	defer v.write.Unlock()
	return v.putLocked(v.slot)
}

func (v *voteFile) putLocked(next voteSlot) error {
	if len(next.candidate) > maxVoteBytes {
		return fmt.Errorf("write %s: a candidate of %d bytes", v.path, len(next.candidate))
	}
	next.sequence++
	at := int64(next.sequence%2) * voteSlotBytes
	if _, err := v.file.WriteAt(next.encode(), at); err != nil {
		return fmt.Errorf("write %s: %w", v.path, err)
	}
	if err := v.sync(v.file); err != nil {
		return fmt.Errorf("sync %s: %w", v.path, err)
	}
	v.slot = next
	return nil
}

func (v *voteFile) close() error { return v.file.Close() }
