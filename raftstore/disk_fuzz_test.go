package raftstore

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"holdfast/engine"
)

// FuzzCheckpointStream feeds the parser what a damaged or hostile peer might send: it must end with
// an error or with blocks that encode to the same bytes, whatever the pieces are.
func FuzzCheckpointStream(f *testing.F) {
	blocks, digest := fakeBlocks(3, "seed")
	h := streamHeader{digest: digest, events: EventMark{Seq: 9}, blocks: 3,
		sizeBytes: streamHeaderBytes}
	for _, b := range blocks {
		h.sizeBytes += uint64(frameBytes(b))
	}
	text := h.encode()
	seed := uint64Of(text[streamHeaderBytes-8:])
	for _, b := range blocks {
		text, seed = appendFrame(text, b, seed)
	}
	f.Add(text, uint16(7))
	f.Add(text[:streamHeaderBytes+6], uint16(1))
	f.Fuzz(func(t *testing.T, p []byte, piece uint16) {
		var again []byte
		var sum uint64
		parser := &streamParser{
			begin: func(h streamHeader) error {
				again = h.encode()
				sum = uint64Of(again[streamHeaderBytes-8:])
				return nil
			},
			block: func(b engine.Block) error {
				again, sum = appendFrame(again, b, sum)
				return nil
			},
		}
		for rest := p; len(rest) > 0; {
			n := min(len(rest), 1+int(piece))
			if _, err := parser.Write(rest[:n]); err != nil {
				return
			}
			rest = rest[n:]
		}
		if parser.finish() == nil && !bytes.Equal(again, p) {
			t.Fatalf("accepted %x, which encodes to %x", p, again)
		}
	})
}

// FuzzEventSegment reads a file that may hold anything.
func FuzzEventSegment(f *testing.F) {
	head := segmentHeader{number: 1, first: 1}.encode()
	seed := uint64Of(head[segmentHeaderBytes-8:])
	text, sum := appendRecord(head, fakeFrame(1, 3), seed)
	text, _ = appendRecord(text, fakeFrame(4, 1), sum)
	f.Add(text)
	f.Add(text[:len(text)-1])
	f.Add(binary.LittleEndian.AppendUint32(bytes.Clone(head), 1<<31))
	f.Fuzz(func(t *testing.T, p []byte) {
		path := filepath.Join(t.TempDir(), "events-0000000000000001.seg")
		if err := os.WriteFile(path, p, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := readSegment(path, 1)
		if err != nil || s.fault != nil {
			return
		}
		found, err := scanSegment(s, s.size, fakeEvents)
		if err == nil && s.size > segmentHeaderBytes && found.last < s.first {
			t.Fatalf("%d bytes without an event", s.size)
		}
	})
}
