package raftstore

import (
	"bytes"
	"io"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
)

// walCodec is raft-wal's own codec, but for where the bytes go: by itself raft-wal grows a new buffer
// for each entry, which is cleared, filled, copied to the file's buffer and thrown away. All entries
// that are stored together share one room here. Used by one StoreLogs at a time.
type walCodec struct {
	wal.BinaryCodec
	room  []byte
	given bool // to raft-wal
}

const (
	walEntryHead = 64      // more than all but data and extensions of an entry has
	walRoomKept  = 4 << 20 // a larger room is not kept for entries that need less
)

// begin makes room for entries; that of the ones before is used again.
func (c *walCodec) begin(logs []*raft.Log) {
	size := 0
	for _, l := range logs {
		size += walEntryHead + len(l.Data) + len(l.Extensions)
	}
	if cap(c.room) < size || cap(c.room) > walRoomKept && size <= walRoomKept {
		c.room = make([]byte, 0, max(size, min(2*size, walRoomKept)))
	}
	c.room = c.room[:0]
}

// Encode writes an entry in raft-wal's format; it fails as raft-wal's does.
func (c *walCodec) Encode(l *raft.Log, w io.Writer) error {
	size := walEntryHead + len(l.Data) + len(l.Extensions)
	if b, ok := w.(*bytes.Buffer); ok && b.Cap() == 0 && cap(c.room)-len(c.room) >= size {
		at := len(c.room)
		c.room = c.room[:at+size]
		*b = *bytes.NewBuffer(c.room[at : at : at+size])
	}
	return c.BinaryCodec.Encode(l, w)
}

// ID says that the entries are in raft-wal's own format, as they are. But raft-wal v0.4.1 asks twice:
// at first it refuses a codec that is given to it under an ID of its own, and afterwards it wants that
// of the segments, which it has all marked with its own whatever codec they were written by.
func (c *walCodec) ID() uint64 {
	if !c.given {
		c.given = true
		return wal.FirstExternalCodecID
	}
	return wal.CodecBinaryV1
}
