package raftstore

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	walfile "github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"
	"golang.org/x/sys/unix"
)

// mendTail brings the newest file into a state that raft-wal goes on from, before it opens it. A
// crash in here is harmless: the next start finds the same, or the end of it. It returns
// *CorruptError, or an error of the file system.
func mendTail(dir string, meta *metaFile, found *foundLog) error {
	if found.tail == nil {
		return nil
	}
	path := filepath.Join(dir, walfile.FileName(*found.tail))
	// Its name may be in memory alone, and raft-wal syncs the folder only for a file that it makes.
	if err := syncPath(dir); err != nil {
		return err
	}
	if found.cut {
		// raft-wal would write over what is left of the batch, and leave the rest behind it.
		if err := cutWAL(path, found.tailEnd.end, int64(found.tail.SizeLimit)); err != nil {
			return err
		}
		return takeSpace(path, int64(found.tail.SizeLimit))
	}
	// What a killed process wrote and did not sync is read back from memory. Raft takes what it
	// reads for stored and answers for it, so it must be stored.
	if err := syncPath(path); err != nil {
		return err
	}
	if found.tailEnd.sealed {
		return mendSeal(path, meta, found)
	}
	return takeSpace(path, int64(found.tail.SizeLimit))
}

// takeSpace gives the newest file all its space again, as raft-wal takes it for a file that it makes: a
// process that died while it made one leaves it short, and a cut leaves holes. What is not to be had
// is left out: a disk that fills up then stops the node in the middle of the file, and not at its end.
func takeSpace(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_ = unix.Fallocate(int(f.Fd()), 0, 0, size)
	return f.Close()
}

// mendSeal finishes a change of file as raft-wal would have done it. As of v0.4.1 a crash between the
// write that seals a full file and the change of the list, which comes a moment later in the
// background, also when Close comes in between, leaves a log in which every append fails, for ever.
func mendSeal(path string, meta *metaFile, found *foundLog) error {
	state, err := meta.Load("")
	if err != nil {
		return err
	}
	old := &state.Segments[len(state.Segments)-1]
	if found.tailEnd.entries == 0 || old.ID != found.tail.ID {
		return damaged(path, "it is sealed with %d entries", found.tailEnd.entries)
	}
	old.MaxIndex = old.BaseIndex + found.tailEnd.entries - 1
	old.IndexStart = uint64(found.tailEnd.index)
	old.SealTime = time.Now()
	next := types.SegmentInfo{
		ID: state.NextSegmentID, BaseIndex: old.MaxIndex + 1, MinIndex: old.MaxIndex + 1,
		SizeLimit: old.SizeLimit, Codec: old.Codec, CreateTime: old.SealTime,
	}
	state.NextSegmentID++
	state.Segments = append(state.Segments, next) // raft-wal makes the file when it is not there
	return meta.CommitState(state)
}

// cutWAL drops what stands behind end, and makes the file of the given size again, with zeros.
func cutWAL(path string, end, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, step := range []func() error{
		func() error { return f.Truncate(end) },
		func() error { return f.Truncate(max(end, size)) },
		f.Sync,
	} {
		if err := step(); err != nil {
			return fmt.Errorf("cut %s: %w", path, err)
		}
	}
	return nil
}
