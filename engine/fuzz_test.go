package engine_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"testing"

	"holdfast/engine"
)

// sample is a short log with something of everything, and what a ledger makes of it.
func sample() (payloads, results, frames [][]byte, l *engine.Ledger) {
	l = engine.New(engine.Options{ShardBits: 1})
	var b engine.EntryBuilder
	out := engine.Output{WantResults: true}
	for i, e := range newWorld(7).log(25) {
		p := encode(&b, l, e)
		payloads = append(payloads, p)
		opened, err := engine.OpenEntry(p)
		if err != nil {
			panic(err)
		}
		l.Apply(uint64(i+1), opened, &out)
		for j := range opened.Count {
			results = append(results, bytes.Clone(out.Result(j)))
		}
		if len(out.Events) > 0 {
			frames = append(frames, bytes.Clone(out.Events))
		}
	}
	return payloads, results, frames, l
}

// FuzzOpenEntry opens arbitrary bytes: never a panic, and what opens is encoded again to the same
// bytes.
func FuzzOpenEntry(f *testing.F) {
	payloads, _, _, _ := sample()
	for _, p := range payloads[:8] {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		e, err := engine.OpenEntry(p)
		if err != nil {
			if _, ok := err.(*engine.EntryError); !ok {
				t.Fatalf("%T is no *EntryError: %v", err, err)
			}
			return
		}
		ops, err := e.Ops()
		if err != nil {
			return // sealed by somebody who can make checksums
		}
		var b engine.EntryBuilder
		for _, op := range ops {
			b.Add(op)
		}
		again, err := engine.OpenEntry(b.Seal(e.Now, e.Due))
		if err != nil || again.Count != e.Count {
			t.Fatalf("%d ops, encoded again: %d, %v", e.Count, again.Count, err)
		}
	})
}

// FuzzDecodeOp decodes arbitrary bytes. What decodes is encoded again and decodes to the same
// command; what is valid besides never makes the ledger panic.
func FuzzDecodeOp(f *testing.F) {
	for _, e := range newWorld(3).log(12) {
		for _, o := range e.ops {
			f.Add(engine.AppendOp(nil, o.op()))
		}
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		l := ledgerForFuzz(t)
		var b engine.EntryBuilder
		for len(p) > 0 {
			op, rest, err := engine.DecodeOp(p)
			if err != nil {
				break
			}
			if len(rest) >= len(p) {
				t.Fatal("an op of no bytes")
			}
			p = rest
			encoded := engine.AppendOp(nil, op)
			again, left, err := engine.DecodeOp(encoded)
			if err != nil || len(left) > 0 || again.Key != op.Key ||
				contentOf(again.Command) != contentOf(op.Command) {
				t.Fatalf("%#v is encoded as %x, which is %#v, %v", op, encoded, again, err)
			}
			if engine.Validate(op.Command) == nil {
				b.Add(op)
			}
		}
		if b.Len() == 0 {
			return
		}
		e, err := engine.OpenEntry(b.Seal(5000, 5000))
		if err != nil {
			t.Fatal(err)
		}
		l.Apply(l.Index()+1, e, &engine.Output{WantResults: true})
		if v := l.Check(); len(v) > 0 {
			t.Fatalf("check: %+v", v)
		}
	})
}

// ledgerForFuzz is a small ledger with names, stock and a few reservations.
func ledgerForFuzz(t *testing.T) *engine.Ledger {
	t.Helper()
	l := engine.New(engine.Options{ShardBits: 1})
	var b engine.EntryBuilder
	for i, e := range newWorld(11).log(3) {
		opened, err := engine.OpenEntry(encode(&b, l, e))
		if err != nil {
			t.Fatal(err)
		}
		l.Apply(uint64(i+1), opened, &engine.Output{})
	}
	return l
}

// anyReserve is a command whose result may be as asked.
var anyReserve = &engine.Reserve{
	ID: "r", Channel: "web", Mode: engine.Strict, Lines: []engine.Line{{SKU: "A", Qty: 2}},
}

// FuzzDecodeResult decodes arbitrary bytes: what decodes is encoded again to the same result.
func FuzzDecodeResult(f *testing.F) {
	_, results, _, _ := sample()
	for _, p := range results[len(results)/2:] {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		r, err := engine.DecodeResult(p, anyReserve)
		if err != nil {
			return
		}
		again, err := engine.DecodeResult(engine.AppendResult(nil, &r), nil)
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("%+v\n%s\nis encoded as %+v\n%s\n%v", r, printResult(r, true), again,
				printResult(again, true), err)
		}
	})
}

// FuzzEvents reads arbitrary bytes as a frame of events: never a panic, never more events than the
// header says.
func FuzzEvents(f *testing.F) {
	_, _, frames, _ := sample()
	for _, p := range frames {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		frame, err := engine.OpenEvents(p)
		if err != nil {
			return
		}
		n := 0
		var e engine.Event
		for frame.Next(&e) {
			if n++; n > frame.Count || n > len(p) {
				t.Fatalf("%d events in %d bytes, the header says %d", n, len(p), frame.Count)
			}
		}
	})
}

// byteSource is a source of chance that a fuzzer can steer: a byte a number, in its high and its
// low bits. Behind them come numbers of a sequence, since a source that stands still would keep
// some uses of it from ending.
type byteSource struct {
	left []byte
	n    uint64
}

func (s *byteSource) Uint64() uint64 {
	if len(s.left) > 0 {
		b := s.left[0]
		s.left = s.left[1:]
		return uint64(b) * 0x0101010101010101
	}
	s.n += 0x9e3779b97f4a7c15
	return s.n
}

// FuzzApply turns bytes into a log of the driver's world and compares ledger and twin on it. The
// definitions are always the same and a log is of some thirty entries at most, so that a run is
// short.
func FuzzApply(f *testing.F) {
	const most = 400
	for seed := range byte(4) {
		b := make([]byte, most/2)
		r := rand.NewChaCha8([32]byte{seed})
		_, _ = r.Read(b)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		p = p[:min(len(p), most)]
		w := newWorld(5)
		log := []entry{w.definitions(), w.opening()}
		source := &byteSource{left: p}
		w.Rand = rand.New(source)
		for len(source.left) > 0 {
			log = append(log, w.entry())
		}
		if fault := newDriverOf(1).drive(log); fault != "" {
			t.Fatalf("%s\n%s", fault, spellLog(log))
		}
	})
}

// packBlocks and unpackBlocks put the blocks of a checkpoint into one byte string for the fuzzer.
func packBlocks(blocks []engine.Block) (p []byte) {
	for _, b := range blocks {
		p = binary.AppendUvarint(p, uint64(len(b.Key)))
		p = append(p, b.Key...)
		p = binary.AppendUvarint(p, uint64(len(b.Value)))
		p = append(p, b.Value...)
	}
	return p
}

func unpackBlocks(p []byte) (blocks []engine.Block) {
	take := func() []byte {
		n, size := binary.Uvarint(p)
		if size <= 0 {
			p = nil
			return nil
		}
		p = p[size:]
		b := p[:min(n, uint64(len(p)))]
		p = p[len(b):]
		return b
	}
	for len(p) > 0 {
		blocks = append(blocks, engine.Block{Key: take(), Value: take()})
	}
	return blocks
}

// FuzzLoader loads arbitrary blocks: an error or a sound ledger, never a panic.
func FuzzLoader(f *testing.F) {
	f.Add(packBlocks(save(engine.New(engine.Options{ShardBits: 1}))))
	l := engine.New(engine.Options{ShardBits: 1})
	var b engine.EntryBuilder
	for i, e := range newWorld(11).log(4) {
		opened, err := engine.OpenEntry(encode(&b, l, e))
		if err != nil {
			f.Fatal(err)
		}
		l.Apply(uint64(i+1), opened, &engine.Output{})
	}
	f.Add(packBlocks(save(l)))
	f.Fuzz(func(t *testing.T, p []byte) {
		l, err := load(unpackBlocks(p))
		if err == nil && len(l.Check()) > 0 {
			t.Fatalf("loads, but: %+v", l.Check())
		}
	})
}

// TestLoaderFindsEveryFlippedBit flips bits all over a small checkpoint: each is an error, or what
// is loaded is the same.
func TestLoaderFindsEveryFlippedBit(t *testing.T) {
	t.Parallel()
	_, _, _, l := sample()
	blocks := save(l)
	for i := range blocks {
		for at := range blocks[i].Value {
			blocks[i].Value[at] ^= 1 << (at % 8)
			got, err := load(blocks)
			if err == nil && (got.Digest() != l.Digest() || len(got.Check()) > 0) {
				t.Fatalf("block %d (%x), byte %d: loads with digest %x, not %x; %+v", i,
					blocks[i].Key, at, got.Digest(), l.Digest(), got.Check())
			}
			blocks[i].Value[at] ^= 1 << (at % 8)
		}
		missing := append(append([]engine.Block(nil), blocks[:i]...), blocks[i+1:]...)
		if got, err := load(missing); err == nil && got.Digest() != l.Digest() {
			t.Fatalf("block %d of %d is missing, and it loads", i, len(blocks))
		}
	}
	if _, err := load(blocks); err != nil {
		t.Fatalf("the blocks were put right again: %v", err)
	}
}

// TestOpenEntryFindsEveryFlippedBit flips every bit of an entry.
func TestOpenEntryFindsEveryFlippedBit(t *testing.T) {
	t.Parallel()
	payloads, _, _, _ := sample()
	p := payloads[3]
	for at := range p {
		for bit := range 8 {
			p[at] ^= 1 << bit
			if _, err := engine.OpenEntry(p); err == nil {
				t.Fatalf("bit %d of byte %d is flipped, and it opens", bit, at)
			}
			p[at] ^= 1 << bit
		}
		if _, err := engine.OpenEntry(p[:at]); err == nil {
			t.Fatalf("cut to %d of %d bytes, and it opens", at, len(p))
		}
	}
}
