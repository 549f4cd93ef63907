package raftstore

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/zeebo/xxh3"
)

// A backup is one stream: a head, sections made of chunks, and a trailer, which is a chunk too.
//
//	head:  magic "HFBACKUP" · version u32 · length u32 · JSON (BackupHead) · xxh3 of all before it u64
//	chunk: kind u8 · 3 zero bytes · length u32 · checksum u64 · payload
//
// All little endian. The checksum of a chunk is xxh3 over its kind, length and payload, seeded with
// the checksum of the chunk before, the first with the head's: so a chunk that is missing, doubled or in
// another place is found as well as a changed byte. A section is a chunk that names it, chunks of its
// content, and a chunk with the content's length and checksum: its size need not be known before. The
// trailer has the number of sections, and length and checksum of everything before it, and nothing
// stands behind it. So a file that was cut anywhere is never taken for a whole one.
const (
	backupMagic      = "HFBACKUP"
	backupVersion    = 1
	backupStartBytes = 16 // magic, version, length
	chunkStartBytes  = 16
	// backupChunkBytes is how much of a section goes into one chunk: what a reader must hold, and what
	// a writer hands over between two looks at its deadline.
	backupChunkBytes = 256 << 10
	// maxBackupJSON bounds head, names and totals: what a damaged length can make us read.
	maxBackupJSON = 64 << 10
)

// chunkKind says what a chunk's payload is.
type chunkKind uint8

const (
	chunkSection chunkKind = iota + 1 // sectionHead: a section begins
	chunkData                         // a piece of it
	chunkEnd                          // sectionTotal: it is whole
	chunkTrailer                      // backupTotal: the backup is whole
	chunkKindEnd
)

// BackupHead says what a backup is of.
type BackupHead struct {
	Holdfast  string    `json:"holdfast"` // the build that made it
	Created   time.Time `json:"created"`  // by the clock of the node
	ClusterID string    `json:"cluster_id"`
	Node      string    `json:"node"`
	// Index is the last entry whose effect it holds: all of that entry, and nothing of any later one.
	// Term is that entry's.
	Index uint64 `json:"index"`
	Term  uint64 `json:"term"`
	// Digest is that of the ledger at Index.
	Digest hexUint64 `json:"digest"`
	// Events is how far the events reach; without a file of them when they were left out.
	Events eventsMark `json:"events"`
	// SizeBytes is about how long the backup is, for those who show how far they are.
	SizeBytes int64 `json:"size_bytes"`
}

// sectionHead names a section.
type sectionHead struct {
	Name string `json:"name"`
	// Number tells sections of one name apart: of events, the number of the segment.
	Number uint64 `json:"number,omitempty"`
}

// sectionTotal is what the content of a section must add up to.
type sectionTotal struct {
	Bytes int64     `json:"bytes"`
	XXH3  hexUint64 `json:"xxh3"`
}

// backupTotal is what all in front of the trailer must add up to.
type backupTotal struct {
	Sections int       `json:"sections"`
	Bytes    int64     `json:"bytes"`
	XXH3     hexUint64 `json:"xxh3"`
}

// backupWriter writes the format. Its methods return the error of w.
type backupWriter struct {
	w        io.Writer
	all      *xxh3.Hasher
	bytes    int64
	seed     uint64
	sections int
	buf      []byte

	section *xxh3.Hasher // content of the open section
	total   int64
	piece   []byte // content that is not a chunk yet
}

func newBackupWriter(w io.Writer) *backupWriter {
	return &backupWriter{w: w, all: xxh3.New(), section: xxh3.New()}
}

func (b *backupWriter) put(p []byte) error {
	_, _ = b.all.Write(p) // never fails
	b.bytes += int64(len(p))
	_, err := b.w.Write(p)
	return err
}

func (b *backupWriter) head(h BackupHead) error {
	body, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("encode the head of a backup: %w", err)
	}
	p := append(b.buf[:0], backupMagic...)
	p = binary.LittleEndian.AppendUint32(p, backupVersion)
	p = binary.LittleEndian.AppendUint32(p, uint32(len(body)))
	p = append(p, body...)
	b.seed = xxh3.Hash(p)
	b.buf = binary.LittleEndian.AppendUint64(p, b.seed)
	return b.put(b.buf)
}

func (b *backupWriter) chunk(k chunkKind, payload []byte) error {
	p := append(b.buf[:0], byte(k), 0, 0, 0)
	p = binary.LittleEndian.AppendUint32(p, uint32(len(payload)))
	p = append(append(p, make([]byte, 8)...), payload...)
	b.seed = chunkSum(p, b.seed)
	binary.LittleEndian.PutUint64(p[8:], b.seed)
	b.buf = p
	return b.put(p)
}

// chunkSum is the checksum of a whole chunk.
func chunkSum(p []byte, seed uint64) uint64 {
	return xxh3.HashSeed(p[chunkStartBytes:], xxh3.HashSeed(p[:8], seed))
}

func (b *backupWriter) jsonChunk(k chunkKind, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode a chunk of a backup: %w", err)
	}
	return b.chunk(k, body)
}

// begin opens a section; Write takes its content, and end closes it.
func (b *backupWriter) begin(h sectionHead) error {
	b.section.Reset()
	b.total, b.piece = 0, b.piece[:0]
	b.sections++
	return b.jsonChunk(chunkSection, h)
}

// Write takes content of the open section. It fails with the error of what is written to.
func (b *backupWriter) Write(p []byte) (int, error) {
	_, _ = b.section.Write(p) // never fails
	b.total += int64(len(p))
	n := len(p)
	for len(p) > 0 {
		take := min(len(p), backupChunkBytes-len(b.piece))
		b.piece, p = append(b.piece, p[:take]...), p[take:]
		if len(b.piece) == backupChunkBytes {
			if err := b.flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (b *backupWriter) flush() error {
	if len(b.piece) == 0 {
		return nil
	}
	err := b.chunk(chunkData, b.piece)
	b.piece = b.piece[:0]
	return err
}

func (b *backupWriter) end() error {
	if err := b.flush(); err != nil {
		return err
	}
	return b.jsonChunk(chunkEnd, sectionTotal{Bytes: b.total, XXH3: hexUint64(b.section.Sum64())})
}

func (b *backupWriter) trailer() error {
	return b.jsonChunk(chunkTrailer, backupTotal{Sections: b.sections, Bytes: b.bytes,
		XXH3: hexUint64(b.all.Sum64())})
}
