package raftstore

import (
	"fmt"
	"io"

	"holdfast/engine"
)

// ledgerLoader rebuilds a ledger from blocks and returns it with its digest.
type ledgerLoader func(next blockSource) (*engine.Ledger, uint64, error)

// loadLedger is the ledgerLoader outside tests. The engine's loader copies what it keeps of a
// block, so that blocks need to be valid only until the next one.
func loadLedger(next blockSource) (*engine.Ledger, uint64, error) {
	loader := engine.NewLoader()
	for {
		b, ok, err := next()
		if err != nil {
			return nil, 0, err
		}
		if !ok {
			break
		}
		if err := loader.Load(b); err != nil {
			return nil, 0, err
		}
	}
	l, err := loader.Finish()
	if err != nil {
		return nil, 0, err
	}
	return l, l.Digest(), nil
}

// LoadStream rebuilds a ledger from the stream that Checkpoints.Open gives, for raft's FSM.Restore.
// The meta has no index and no term. It returns an error when r fails, or when the stream is not
// whole, not as it was written, or does not add up to the digest that it carries.
func LoadStream(r io.Reader) (*engine.Ledger, CheckpointMeta, error) {
	return loadStream(r, loadLedger)
}

func loadStream(r io.Reader, load ledgerLoader) (*engine.Ledger, CheckpointMeta, error) {
	pull := &streamPull{r: r}
	pull.parser.begin = func(streamHeader) error { return nil }
	pull.parser.block = pull.queue
	l, digest, err := load(pull.next)
	if err != nil {
		return nil, CheckpointMeta{}, fmt.Errorf("load checkpoint stream: %w", err)
	}
	h := pull.parser.header
	if digest != h.digest {
		return nil, CheckpointMeta{}, fmt.Errorf(
			"load checkpoint stream: digest %016x, want %016x", digest, h.digest)
	}
	return l, CheckpointMeta{
		Digest: h.digest, SizeBytes: int64(h.sizeBytes), Installed: true, Events: h.events,
	}, nil
}

// streamPull turns the parser, which is pushed, into a blockSource, which is pulled.
type streamPull struct {
	r      io.Reader
	parser streamParser
	piece  [32 << 10]byte
	blocks []engine.Block // parsed and not taken yet
	ended  bool
}

func (p *streamPull) queue(b engine.Block) error {
	// The parser's buffer is overwritten by the next piece; a piece holds at most a few blocks.
	p.blocks = append(p.blocks, cloneBlock(b))
	return nil
}

func (p *streamPull) next() (engine.Block, bool, error) {
	for len(p.blocks) == 0 {
		if p.ended {
			return engine.Block{}, false, p.parser.finish()
		}
		n, err := p.r.Read(p.piece[:])
		if _, err := p.parser.Write(p.piece[:n]); err != nil {
			return engine.Block{}, false, err
		}
		if err == io.EOF {
			p.ended = true
		} else if err != nil {
			return engine.Block{}, false, err
		}
	}
	b := p.blocks[0]
	p.blocks = p.blocks[1:]
	return b, true, nil
}

func cloneBlock(b engine.Block) engine.Block {
	return engine.Block{Key: append([]byte(nil), b.Key...), Value: append([]byte(nil), b.Value...)}
}
