package raftstore

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	walfile "github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"
)

// The frames of a segment file of raft-wal v0.4.1: a header of 8 bytes (type, 3 bytes, length or
// CRC), the payload, zeros up to a multiple of 8. A batch ends with a commit frame, whose CRC
// covers all since the commit before, the first time with the file's header. The batch that fills a
// file has an index frame before its commit.
const (
	walFileHeader  = 32
	walFrameHeader = 8
	walEntry       = 1
	walIndex       = 2
	walCommit      = 3
)

// mendSeal takes a tail that raft-wal takes for sealed out of its way. If the batch that sealed it
// is whole, the change of file is finished, as raft-wal would have done it. If it is not, nothing
// of it was acknowledged, and the file is cut to the batch before it. A crash in here is harmless:
// the next start finds the same, or the end of it. It returns *CorruptError, or an error of the
// file system.
func mendSeal(dir string, meta types.MetaStore, tail types.SegmentInfo) error {
	path := filepath.Join(dir, walfile.FileName(tail))
	found, err := scanWAL(path)
	if err != nil {
		return err
	}
	if !found.sealed {
		return cutWAL(path, found.end, int64(tail.SizeLimit))
	}
	state, err := meta.Load(dir)
	if err != nil {
		return fmt.Errorf("load the list of raft log files in %s: %w", dir, err)
	}
	at := slices.IndexFunc(state.Segments, func(s types.SegmentInfo) bool {
		return s.ID == tail.ID
	})
	if at != len(state.Segments)-1 || found.entries == 0 {
		return damaged(path, "it is sealed with %d entries, and is file %d of %d",
			found.entries, at+1, len(state.Segments))
	}
	old := &state.Segments[at]
	old.MaxIndex = old.BaseIndex + found.entries - 1
	old.IndexStart = uint64(found.index)
	old.SealTime = time.Now()
	next := types.SegmentInfo{
		ID: state.NextSegmentID, BaseIndex: old.MaxIndex + 1, MinIndex: old.MaxIndex + 1,
		SizeLimit: old.SizeLimit, Codec: old.Codec, CreateTime: old.SealTime,
	}
	state.NextSegmentID++
	state.Segments = append(state.Segments, next) // raft-wal makes the file when it is not there
	if err := meta.CommitState(state); err != nil {
		return fmt.Errorf("change the list of raft log files in %s: %w", dir, err)
	}
	return nil
}

// walScan is what scanWAL finds in a segment file.
type walScan struct {
	end     int64  // of the last whole batch; 0 when there is none
	entries uint64 // in whole batches
	index   int64  // where the index begins that the last whole batch ends with
	sealed  bool   // it does end with one
}

// walBatch is the end of a batch.
type walBatch struct {
	walScan
	start int64 // of what the CRC covers
	crc   uint32
}

// scanWAL finds the last whole batch of a file, by the rules of raft-wal: the last commit counts if
// another batch was begun behind it, or else if its CRC is right; if not, the one before it counts.
func scanWAL(path string) (walScan, error) {
	f, err := os.Open(path)
	if err != nil {
		return walScan{}, err
	}
	defer f.Close()
	var before, last walBatch
	var run walScan // what has been read since the start of the file
	begun := false  // an entry or an index stands behind the last commit
	for offset := int64(walFileHeader); ; {
		var h [walFrameHeader]byte
		if _, err := f.ReadAt(h[:], offset); err != nil && err != io.EOF {
			return walScan{}, fmt.Errorf("read %s: %w", path, err)
		}
		n := int64(binary.LittleEndian.Uint32(h[4:]))
		if h[0] == walCommit {
			run.end = offset + walFrameHeader
			before, last = last, walBatch{walScan: run, start: last.end, crc: uint32(n)}
			begun, run.sealed, n = false, false, 0
		} else if h[0] == walEntry {
			run.entries++
			begun = true
		} else if h[0] == walIndex {
			run.index, run.sealed = offset+walFrameHeader, true
		} else {
			break
		}
		offset += walFrameHeader + (n+7)/8*8
	}
	if last.end == 0 || begun {
		return last.walScan, nil
	}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	size := last.end - walFrameHeader - last.start
	if _, err := io.Copy(sum, io.NewSectionReader(f, last.start, size)); err != nil {
		return walScan{}, fmt.Errorf("read %s: %w", path, err)
	}
	if sum.Sum32() != last.crc {
		return before.walScan, nil
	}
	return last.walScan, nil
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
