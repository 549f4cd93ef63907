package engine

import (
	"encoding/binary"
	"fmt"

	"github.com/zeebo/xxh3"
)

// The payload of a raft entry is a header, the ops, and a checksum over both:
//
//	0  magic "HF"        2  version      3  flags: entryDefines
//	4  length of all     8  now (ms)    16  due (ms)
//	24 number of ops    28  ops          …  xxh3 of all before
const (
	entryVersion  = 1
	entryHeader   = 28
	entryChecksum = 8
	entryDefines  = 1 // some op may define or delete a name
)

// EntryError says that bytes are not an entry that this package wrote, or that they were changed
// since: somebody else's, cut off, or corrupted. Nothing was applied.
type EntryError struct{ Reason string }

// Error returns the reason.
func (e *EntryError) Error() string { return "entry: " + e.Reason }

// EntryBuilder builds the payload of one raft entry. The zero value is ready.
type EntryBuilder struct {
	coder coder
	buf   []byte
	count uint32
	flags byte
}

// Reset empties the builder and starts a new buffer; a payload that was sealed stays valid.
func (b *EntryBuilder) Reset() { b.Grow(0) }

// Grow is Reset with room for size bytes of ops.
func (b *EntryBuilder) Grow(size int) {
	b.buf = make([]byte, entryHeader, entryHeader+size+entryChecksum)
	b.count, b.flags = 0, 0
}

// Add appends an op with its names as they are. The command must pass [Validate].
func (b *EntryBuilder) Add(op Op) { b.AddFor(nil, op) }

// AddFor is Add with the names that l knows in their numbered form; see [Ledger.AppendOps].
func (b *EntryBuilder) AddFor(l *Ledger, op Op) {
	if b.buf == nil {
		b.Reset()
	}
	b.buf = appendOp(&b.coder, b.buf, op, l)
	b.count++
	if Defines(op.Command) {
		b.flags |= entryDefines
	}
}

// Append appends n encoded ops; defines says whether one of them may define or delete a name.
func (b *EntryBuilder) Append(ops []byte, n int, defines bool) {
	if b.buf == nil {
		b.Reset()
	}
	b.buf = append(b.buf, ops...)
	b.count += uint32(n)
	if defines {
		b.flags |= entryDefines
	}
}

// Ops is the encoded ops so far, until the builder is changed.
func (b *EntryBuilder) Ops() []byte {
	if b.buf == nil {
		return nil
	}
	return b.buf[entryHeader:]
}

// Len is the number of ops so far.
func (b *EntryBuilder) Len() int { return int(b.count) }

// Seal finishes the payload with the ledger times now and due, in ms since 1970. The caller owns
// it; the builder must be reset before it is used again.
func (b *EntryBuilder) Seal(now, due int64) []byte {
	if b.buf == nil {
		b.Reset()
	}
	p := b.buf
	b.buf = nil
	p[0], p[1], p[2], p[3] = 'H', 'F', entryVersion, b.flags
	binary.LittleEndian.PutUint32(p[4:], uint32(len(p)+entryChecksum))
	binary.LittleEndian.PutUint64(p[8:], uint64(now))
	binary.LittleEndian.PutUint64(p[16:], uint64(due))
	binary.LittleEndian.PutUint32(p[24:], b.count)
	return binary.LittleEndian.AppendUint64(p, xxh3.Hash(p))
}

// Entry is an opened payload, and shares its bytes.
type Entry struct {
	Now, Due int64 // ms since 1970
	Count    int   // number of ops
	Defines  bool  // some op may define or delete a name
	Checksum uint64
	ops      []byte
}

// OpenEntry checks magic, version, length and checksum. It returns an *EntryError when one is off.
func OpenEntry(p []byte) (Entry, error) {
	fail := func(format string, args ...any) (Entry, error) {
		return Entry{}, &EntryError{Reason: fmt.Sprintf(format, args...)}
	}
	if len(p) < entryHeader+entryChecksum {
		return fail("%d bytes are too few", len(p))
	}
	if p[0] != 'H' || p[1] != 'F' {
		return fail("the magic is %x", p[:2])
	}
	if p[2] != entryVersion {
		return fail("version %d is not known to this build", p[2])
	}
	if n := binary.LittleEndian.Uint32(p[4:]); int(n) != len(p) {
		return fail("the length is %d but says %d", len(p), n)
	}
	end := len(p) - entryChecksum
	if got, want := xxh3.Hash(p[:end]), binary.LittleEndian.Uint64(p[end:]); got != want {
		return fail("the checksum is %016x but says %016x", got, want)
	}
	return Entry{
		Now:      int64(binary.LittleEndian.Uint64(p[8:])),
		Due:      int64(binary.LittleEndian.Uint64(p[16:])),
		Count:    int(binary.LittleEndian.Uint32(p[24:])),
		Defines:  p[3]&entryDefines != 0,
		Checksum: binary.LittleEndian.Uint64(p[end:]),
		ops:      p[entryHeader:end],
	}, nil
}

// Ops decodes every op of the entry, for tools that print a log. The commands share the entry's
// bytes. It returns an *EntryError at the first op that cannot be decoded.
func (e Entry) Ops() ([]Op, error) {
	rest := e.ops
	var all []Op
	for range e.Count {
		op, next, err := DecodeOp(rest)
		if err != nil {
			return all, err
		}
		all, rest = append(all, op), next
	}
	if len(rest) != 0 {
		return all, &EntryError{Reason: "bytes are left over behind the last op"}
	}
	return all, nil
}
