package raftstore

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/zeebo/xxh3"
)

// BackupReader reads a backup from its beginning to its end, section by section, and checks every byte
// on the way. What it gave out counts only when its end was reached: then the backup is whole.
// One goroutine at a time uses it.
type BackupReader struct {
	name string // for errors
	r    *bufio.Reader
	head BackupHead

	seed     uint64
	all      *xxh3.Hasher
	bytes    int64
	sections int

	buf     []byte // the chunk that was read last
	rest    []byte // of its content, not given out yet
	inside  bool   // a section is open
	section *xxh3.Hasher
	total   int64
	err     error // the first; nothing is read after it
}

// ReadBackup reads the head of a backup; name is what errors call it. It fails with *CorruptError when
// r does not begin with the head of a backup that this build can read, or with the error of r.
func ReadBackup(name string, r io.Reader) (*BackupReader, error) {
	b := &BackupReader{name: name, r: bufio.NewReaderSize(r, 64<<10), all: xxh3.New(),
		section: xxh3.New()}
	start := make([]byte, backupStartBytes)
	if err := b.fill(start); err != nil {
		return nil, err
	}
	if string(start[:8]) != backupMagic {
		return nil, damaged(name, "it begins with %q: it is no backup of holdfast", start[:8])
	}
	if v := binary.LittleEndian.Uint32(start[8:]); v != backupVersion {
		return nil, damaged(name, "it is of version %d, and this build reads %d", v, backupVersion)
	}
	size := binary.LittleEndian.Uint32(start[12:])
	if size > maxBackupJSON {
		return nil, damaged(name, "its head has %d bytes, at most %d are possible", size, maxBackupJSON)
	}
	p := append(start, make([]byte, size+8)...)
	if err := b.fill(p[backupStartBytes:]); err != nil {
		return nil, err
	}
	body := p[:len(p)-8]
	b.seed = xxh3.Hash(body)
	if uint64Of(p[len(body):]) != b.seed {
		return nil, damaged(name, "its head has a wrong checksum")
	}
	b.count(p)
	return b, b.decode("head", body[backupStartBytes:], &b.head)
}

// Head says what the backup is of.
func (b *BackupReader) Head() BackupHead { return b.head }

// Bytes is how much of the backup was read and found good so far.
func (b *BackupReader) Bytes() int64 { return b.bytes }

func (b *BackupReader) count(p []byte) {
	_, _ = b.all.Write(p) // never fails
	b.bytes += int64(len(p))
}

// fill reads all of p.
func (b *BackupReader) fill(p []byte) error {
	_, err := io.ReadFull(b.r, p)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return damaged(b.name, "it ends early, behind byte %d: it was cut, or never finished", b.bytes)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", b.name, err)
	}
	return nil
}

func (b *BackupReader) decode(what string, body []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return damaged(b.name, "its %s cannot be read: %v", what, err)
	}
	return nil
}

// chunk reads the next chunk. The total of a trailer is of what is in front of it, so its own bytes are
// counted by the caller.
func (b *BackupReader) chunk() (chunkKind, []byte, error) {
	start := append(b.buf[:0], make([]byte, chunkStartBytes)...)
	if err := b.fill(start); err != nil {
		return 0, nil, err
	}
	kind, size := chunkKind(start[0]), binary.LittleEndian.Uint32(start[4:])
	most := uint32(maxBackupJSON)
	if kind == chunkData {
		most = backupChunkBytes
	}
	if kind == 0 || kind >= chunkKindEnd || size > most || start[1]|start[2]|start[3] != 0 {
		return 0, nil, damaged(b.name, "what stands at byte %d is no part of a backup", b.bytes)
	}
	b.buf = append(start, make([]byte, size)...)
	if err := b.fill(b.buf[chunkStartBytes:]); err != nil {
		return 0, nil, err
	}
	sum := chunkSum(b.buf, b.seed)
	if sum != uint64Of(b.buf[8:]) {
		return 0, nil, damaged(b.name, "the part at byte %d has a wrong checksum", b.bytes)
	}
	b.seed = sum
	if kind != chunkTrailer {
		b.count(b.buf)
	}
	return kind, b.buf[chunkStartBytes:], nil
}

// next goes to the next section, past what is left of the one that is open. It returns io.EOF behind
// the last one, when the whole backup was there and good, *CorruptError, or the error of the reader.
func (b *BackupReader) next() (sectionHead, error) {
	if b.inside {
		if _, err := io.Copy(io.Discard, struct{ io.Reader }{b}); err != nil {
			return sectionHead{}, err
		}
	}
	if b.err != nil {
		return sectionHead{}, b.err
	}
	var h sectionHead
	if h, b.err = b.open(); b.err != nil {
		return sectionHead{}, b.err
	}
	b.inside, b.total, b.rest = true, 0, nil
	b.section.Reset()
	b.sections++
	return h, nil
}

func (b *BackupReader) open() (h sectionHead, err error) {
	at := b.bytes
	kind, payload, err := b.chunk()
	switch {
	case err != nil:
		return h, err
	case kind == chunkSection:
		return h, b.decode("section", payload, &h)
	case kind != chunkTrailer:
		return h, damaged(b.name, "the part at byte %d is in no section", at)
	}
	var total backupTotal
	if err := b.decode("trailer", payload, &total); err != nil {
		return h, err
	}
	found := backupTotal{Sections: b.sections, Bytes: b.bytes, XXH3: hexUint64(b.all.Sum64())}
	if total != found {
		return h, damaged(b.name, "its trailer says %+v, and it has %+v", total, found)
	}
	b.bytes += int64(len(b.buf))
	if _, err := b.r.ReadByte(); err == nil {
		return h, damaged(b.name, "something stands behind its trailer")
	} else if !errors.Is(err, io.EOF) {
		return h, fmt.Errorf("read %s: %w", b.name, err)
	}
	return h, io.EOF
}

// Read gives the content of the open section. It returns io.EOF when all of it was there and good,
// *CorruptError, or the error of the reader.
func (b *BackupReader) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		if b.err != nil {
			return 0, b.err
		}
		if !b.inside {
			return 0, io.EOF
		}
		if err := b.more(); err != nil {
			return 0, err
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// more takes the next chunk of the open section.
func (b *BackupReader) more() error {
	at := b.bytes
	kind, payload, err := b.chunk()
	switch {
	case err != nil:
		b.err = err
	case kind == chunkData:
		_, _ = b.section.Write(payload) // never fails
		b.total += int64(len(payload))
		b.rest = payload
	case kind == chunkEnd:
		var total sectionTotal
		b.err = b.decode("total of a section", payload, &total)
		found := sectionTotal{Bytes: b.total, XXH3: hexUint64(b.section.Sum64())}
		if b.err == nil && total != found {
			b.err = damaged(b.name, "a section says %+v, and it has %+v", total, found)
		}
		b.inside = false
	default:
		b.err = damaged(b.name, "a section is not ended at byte %d", at)
	}
	return b.err
}

// CheckBackup reads a backup to its end and checks all of its checksums and totals, without looking at
// what it holds. It returns its head and its length, or the errors of ReadBackup.
func CheckBackup(name string, r io.Reader) (BackupHead, int64, error) {
	b, err := ReadBackup(name, r)
	if err != nil {
		return BackupHead{}, 0, err
	}
	err = b.Rest(func(int64) {})
	return b.head, b.bytes, err
}

// Rest reads to the end and checks all that is on the way; seen is told how many bytes of the backup
// were good so far, now and then. It returns nil when the backup is whole, *CorruptError, or the error
// of the reader.
func (b *BackupReader) Rest(seen func(bytes int64)) error {
	piece := make([]byte, backupChunkBytes)
	for {
		if _, err := b.next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		for {
			_, err := b.Read(piece)
			seen(b.bytes)
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
		}
	}
}
