package raftstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/zeebo/xxh3"

	"holdfast/engine"
)

// A checkpoint travels as a header of streamHeaderBytes and one frame for each block, in key order:
//
//	header: magic 6 · version u16 · digest u64 · blocks u64 · size u64 · the place in the event
//	        files that it goes with, 8 times u64 · xxh3 of all before it u64
//	frame:  checksum u64 · key length u32 · value length u32 · key · value
//
// All little endian. The checksum of a frame is xxh3 over what follows it, seeded with the checksum
// of the frame before, the first with the header's: so a frame that is missing, doubled or in
// another place is found as well as a changed byte.
const (
	streamMagic       = "HFCKPT"
	streamVersion     = 1
	streamHeaderBytes = 104
	frameHeaderBytes  = 16
	maxBlockKey       = 4 << 10
	maxBlockValue     = 16 << 20 // 64 KiB and one row, whatever a row may become
)

// streamHeader says what the stream must add up to.
type streamHeader struct {
	digest, blocks, sizeBytes uint64
	events                    EventMark
}

func (h streamHeader) encode() []byte {
	p := make([]byte, 0, streamHeaderBytes)
	p = append(p, streamMagic...)
	p = binary.LittleEndian.AppendUint16(p, streamVersion)
	m := h.events
	for _, n := range []uint64{h.digest, h.blocks, h.sizeBytes, m.First, m.Seq, m.Segment,
		uint64(m.Offset), m.Checksum, m.Begin, uint64(m.PrevBytes), m.PrevSum} {
		p = binary.LittleEndian.AppendUint64(p, n)
	}
	return binary.LittleEndian.AppendUint64(p, xxh3.Hash(p))
}

func decodeStreamHeader(p []byte) (streamHeader, error) {
	if string(p[:6]) != streamMagic {
		return streamHeader{}, fmt.Errorf("checkpoint stream begins with %q", p[:6])
	}
	if v := binary.LittleEndian.Uint16(p[6:]); v != streamVersion {
		return streamHeader{}, fmt.Errorf("checkpoint stream has version %d, want %d",
			v, streamVersion)
	}
	const end = streamHeaderBytes - 8
	if sum := uint64Of(p[end:]); sum != xxh3.Hash(p[:end]) {
		return streamHeader{}, errors.New("checkpoint stream has a damaged header")
	}
	return streamHeader{
		digest: uint64Of(p[8:]), blocks: uint64Of(p[16:]), sizeBytes: uint64Of(p[24:]),
		events: EventMark{
			First: uint64Of(p[32:]), Seq: uint64Of(p[40:]), Segment: uint64Of(p[48:]),
			Offset: int64(uint64Of(p[56:])), Checksum: uint64Of(p[64:]),
			Begin: uint64Of(p[72:]), PrevBytes: int64(uint64Of(p[80:])), PrevSum: uint64Of(p[88:]),
		},
	}, nil
}

// frameBytes is what a block takes in the stream.
func frameBytes(b engine.Block) int64 {
	return frameHeaderBytes + int64(len(b.Key)) + int64(len(b.Value))
}

// appendFrame appends the frame of b and returns its checksum, which seeds the next.
func appendFrame(dst []byte, b engine.Block, seed uint64) ([]byte, uint64) {
	at := len(dst)
	dst = append(dst, make([]byte, 8)...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(b.Key)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(b.Value)))
	dst = append(append(dst, b.Key...), b.Value...)
	sum := xxh3.HashSeed(dst[at+8:], seed)
	binary.LittleEndian.PutUint64(dst[at:], sum)
	return dst, sum
}

// blockSource gives the blocks of a checkpoint in key order; ok is false at the end. A block is
// valid until the next call.
type blockSource func() (b engine.Block, ok bool, err error)

// streamReader encodes blocks as they are read.
type streamReader struct {
	header streamHeader
	next   blockSource
	close  func() error

	buf    []byte // encoded and not read yet
	rest   []byte // the unread part of buf
	seed   uint64
	blocks uint64
	done   bool
}

func newStreamReader(h streamHeader, next blockSource, close func() error) *streamReader {
	head := h.encode()
	return &streamReader{
		header: h, next: next, close: close, rest: head, seed: uint64Of(head[streamHeaderBytes-8:]),
	}
}

// Read gives the next bytes of the stream, io.EOF at its end, or the error of the blocks' source;
// it fails as well when there are more or fewer blocks than the header says.
func (r *streamReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.done {
			return 0, io.EOF
		}
		b, ok, err := r.next()
		switch {
		case err != nil:
			return 0, err
		case ok:
			r.blocks++
			r.buf, r.seed = appendFrame(r.buf[:0], b, r.seed)
			r.rest = r.buf
		case r.blocks != r.header.blocks:
			return 0, fmt.Errorf("checkpoint has %d blocks, want %d", r.blocks, r.header.blocks)
		default:
			r.done = true
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Close gives the blocks' source back; it returns its error.
func (r *streamReader) Close() error { return r.close() }

// streamParser is the other end: it takes a stream in pieces of any size.
type streamParser struct {
	begin func(streamHeader) error
	block func(engine.Block) error // the block is valid during the call

	buf     []byte
	header  streamHeader
	started bool
	seed    uint64
	blocks  uint64
	size    uint64
	err     error
}

// Write takes the next piece. It returns the first error: of the stream, of begin or of block; then
// the stream cannot be continued.
func (s *streamParser) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	s.buf = append(s.buf, p...)
	rest := s.buf
	for {
		n, err := s.take(rest)
		if err != nil {
			s.err = err
			return 0, err
		}
		if n == 0 {
			break
		}
		rest = rest[n:]
		s.size += uint64(n)
	}
	s.buf = s.buf[:copy(s.buf, rest)]
	return len(p), nil
}

// take handles the header or frame at the front of p, and returns its length; 0 when it is not
// whole yet.
func (s *streamParser) take(p []byte) (int, error) {
	if !s.started {
		if len(p) < streamHeaderBytes {
			return 0, nil
		}
		h, err := decodeStreamHeader(p[:streamHeaderBytes])
		if err != nil {
			return 0, err
		}
		s.header, s.started, s.seed = h, true, uint64Of(p[streamHeaderBytes-8:])
		return streamHeaderBytes, s.begin(h)
	}
	if len(p) < frameHeaderBytes {
		return 0, nil
	}
	key := int(binary.LittleEndian.Uint32(p[8:]))
	value := int(binary.LittleEndian.Uint32(p[12:]))
	if key > maxBlockKey || value > maxBlockValue {
		return 0, fmt.Errorf("block %d of the checkpoint stream: key of %d bytes, value of %d",
			s.blocks, key, value)
	}
	end := frameHeaderBytes + key + value
	if len(p) < end {
		return 0, nil
	}
	sum := xxh3.HashSeed(p[8:end], s.seed)
	if sum != uint64Of(p) {
		return 0, fmt.Errorf("block %d of the checkpoint stream has a wrong checksum", s.blocks)
	}
	s.seed = sum
	s.blocks++
	at := frameHeaderBytes + key
	return end, s.block(engine.Block{Key: p[frameHeaderBytes:at], Value: p[at:end]})
}

// finish says whether the stream was whole; an error names what is missing.
func (s *streamParser) finish() error {
	switch h := s.header; {
	case s.err != nil:
		return s.err
	case !s.started || len(s.buf) != 0:
		return errors.New("checkpoint stream ends in the middle of a block")
	case s.blocks != h.blocks || s.size != h.sizeBytes:
		return fmt.Errorf("checkpoint stream has %d blocks and %d bytes, want %d and %d",
			s.blocks, s.size, h.blocks, h.sizeBytes)
	}
	return nil
}

// blockOrder checks that keys ascend: Badger's StreamWriter would end the process otherwise.
type blockOrder struct{ last []byte }

func (o *blockOrder) check(b engine.Block) error {
	if len(b.Key) == 0 || len(b.Key) > maxBlockKey || len(b.Value) > maxBlockValue {
		return fmt.Errorf("block with a key of %d bytes and a value of %d",
			len(b.Key), len(b.Value))
	}
	if bytes.Compare(b.Key, o.last) <= 0 {
		return fmt.Errorf("block %x does not come after block %x", b.Key, o.last)
	}
	o.last = append(o.last[:0], b.Key...)
	return nil
}
