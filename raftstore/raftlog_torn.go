package raftstore

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// walRest is what stands in the newest file behind its last whole batch: nothing, or what is left of
// one batch whose write did not come to its end, or what was acknowledged and is damaged. The first
// two are as they should be after a crash; the third must never be taken for the second, because
// raft-wal would cut acknowledged entries away without a word.
//
// Only one batch is ever on its way, everything behind it was zeros before, and a disk writes whole
// sectors. So it is no torn write when
//
//   - a whole batch follows, whose CRC is right: it was written after the one before it was synced;
//   - or no sector is missing from it, and still its CRC is wrong.
//
// What remains is taken for torn. That the newest batch was acknowledged and all its sectors are
// zeros now can only be known from the mark in VOTE.
type walRest struct {
	file      *os.File
	path      string
	end, size int64
}

const (
	// sectorBytes is the least that a disk writes at once.
	sectorBytes = 512
	// maxTornBytes is more than one batch can have: maxAppend entries of at most some MiB, and the
	// index of a file.
	maxTornBytes = 256 << 20
)

// lastUsed is the end of the last eight bytes that are not zeros, at least end.
func (r *walRest) lastUsed() (int64, error) {
	used := r.end
	w := walWindow{file: r.file}
	for at := r.end; at < r.size; at += walPiece {
		p, err := w.bytes(at, min(walPiece, r.size-at))
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", r.path, err)
		}
		if allZero(p) {
			continue
		}
		for i := len(p) - 1; i >= 0; i-- {
			if p[i] != 0 {
				used = at + int64(i) + 1
				break
			}
		}
	}
	return min((used+7)/8*8, max(used, r.size)), nil
}

// torn reports whether there is a batch to cut. It returns *CorruptError when acknowledged entries
// are damaged, or an error of the file system. While the file is written to, a batch that is not
// whole yet is nothing to cut, whatever it looks like.
func (r *walRest) torn(live bool) (bool, error) {
	used, err := r.lastUsed()
	if err != nil || used <= r.end {
		return false, err
	}
	if used-r.end > maxTornBytes {
		return false, damaged(r.path, "bytes %d to %d are not what was written", r.end, used)
	}
	p := make([]byte, used-r.end)
	if n, err := r.file.ReadAt(p, r.end); err != nil && (err != io.EOF || n < len(p)) {
		return false, fmt.Errorf("read %s: %w", r.path, err)
	}
	if at, ok := findBatch(p); ok {
		return false, damaged(r.path, "the batch at byte %d is not what was written, and another "+
			"one follows it at byte %d", r.end, r.end+int64(at))
	}
	if !live && !r.sectorMissing(p) {
		return false, damaged(r.path, "the batch at byte %d is not what was written", r.end)
	}
	return !live, nil
}

// findBatch looks for a whole batch in p, whose start and framing cannot be trusted: at every
// multiple of 8 that may be the head of an entry it follows the frames to a commit, and holds the
// CRC of it all against that. It gives up, with a yes, when it has summed up far more than p: then p
// is made to look like batches, and nobody may take it for a torn write.
func findBatch(p []byte) (at int, found bool) {
	budget := 16*len(p) + 64<<20
	for at = 0; at+2*walFrameHeader <= len(p); at += walFrameHeader {
		if at == 0 || p[at] != walEntry {
			continue // the batch at 0 was looked at
		}
		end, crc, ok := batchAt(p, at)
		budget -= walFrameHeader
		if !ok {
			continue
		}
		if budget -= end - at; budget < 0 || crc32.Checksum(p[at:end], walCRC) == crc {
			return at, true
		}
	}
	return 0, false
}

// batchAt follows the frames from at to a commit, which is at end.
func batchAt(p []byte, at int) (end int, crc uint32, ok bool) {
	for at+walFrameHeader <= len(p) {
		kind, n, ok := frameHeader(p[at:])
		if !ok {
			return 0, 0, false
		}
		if kind == walCommit {
			return at, uint32(n), true
		}
		at += walFrameHeader + int(n+7)/8*8
	}
	return 0, 0, false
}

// sectorMissing reports whether p, the rest from r.end to the last byte that was written, may be a
// batch of which not every sector came to the disk.
func (r *walRest) sectorMissing(p []byte) bool {
	for at := 0; at < len(p); {
		next := min(at+sectorBytes-int((r.end+int64(at))%sectorBytes), len(p))
		if allZero(p[at:next]) {
			return true
		}
		at = next
	}
	if kind, _, ok := frameHeader(p[max(0, len(p)-walFrameHeader):]); ok && kind == walCommit {
		return false // it comes last
	}
	// All that was written is here, up to the end of a sector: the frames must lead beyond it.
	written := int64(len(p)) + r.end
	written = (written + sectorBytes - 1) / sectorBytes * sectorBytes
	at := 0
	if r.end == 0 {
		at = walFileHeader
	}
	for at+walFrameHeader <= len(p) {
		kind, n, ok := frameHeader(p[at:])
		if !ok || kind == walCommit {
			return false
		}
		at += walFrameHeader + int(n+7)/8*8
	}
	return r.end+int64(at)+walFrameHeader > written
}

var zeros [4096]byte

func allZero(p []byte) bool {
	for len(p) > len(zeros) {
		if !bytes.Equal(p[:len(zeros)], zeros[:]) {
			return false
		}
		p = p[len(zeros):]
	}
	return bytes.Equal(p, zeros[:len(p)])
}
