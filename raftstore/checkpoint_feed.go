package raftstore

import (
	"io"
	"iter"

	"holdfast/engine"
)

// ledgerFeed loads a ledger from blocks that come one by one: a loader asks for blocks, a sink is
// given them, and the two take turns. One goroutine at a time uses it.
type ledgerFeed struct {
	resume func() (struct{}, bool) // lets the loader run up to its next question
	stop   func()
	block  engine.Block
	has    bool

	ledger *engine.Ledger
	digest uint64
	err    error
}

func newLedgerFeed(load ledgerLoader) *ledgerFeed {
	f := &ledgerFeed{}
	f.resume, f.stop = iter.Pull(func(yield func(struct{}) bool) {
		f.ledger, f.digest, f.err = load(func() (engine.Block, bool, error) {
			if !yield(struct{}{}) {
				return engine.Block{}, false, errSinkDone
			}
			return f.block, f.has, nil
		})
	})
	f.resume()
	return f
}

// put loads b, which is not kept. It fails with the loader's error.
func (f *ledgerFeed) put(b engine.Block) error {
	f.block, f.has = b, true
	if _, asks := f.resume(); !asks {
		return f.err
	}
	return nil
}

// finish returns the ledger and its digest, or the loader's error.
func (f *ledgerFeed) finish() (*engine.Ledger, uint64, error) {
	f.block, f.has = engine.Block{}, false
	f.resume()
	f.stop()
	return f.ledger, f.digest, f.err
}

// drop ends the loader; what it has loaded is garbage then.
func (f *ledgerFeed) drop() {
	f.stop()
	f.ledger = nil
}

// loadedLedger is the ledger of the checkpoint that was installed last, until raft's call of Restore
// has fetched it. It is dropped by the next checkpoint, so that a Restore that never comes does not
// keep a second ledger in memory. The checkpoints' lock guards it.
type loadedLedger struct {
	id     string
	ledger *engine.Ledger
}

func (l *loadedLedger) keep(id string, ledger *engine.Ledger) { l.id, l.ledger = id, ledger }

func (l *loadedLedger) drop() { *l = loadedLedger{} }

// take gives the ledger away when it is that of id, else nil.
func (l *loadedLedger) take(id string) *engine.Ledger {
	if l.id != id {
		return nil
	}
	ledger := l.ledger
	l.drop()
	return ledger
}

func (s *CheckpointStore) takeLoaded(id string) *engine.Ledger {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.loaded.take(id)
}

// ledgerStream is the stream of a checkpoint whose ledger is in memory already. One goroutine at a
// time uses it.
type ledgerStream struct {
	ledger *engine.Ledger
	meta   CheckpointMeta
	open   func() (io.ReadCloser, error) // what reading reads, which Close closes
	drop   func()                        // what Close does when nothing was opened

	stream io.ReadCloser
	err    error
	closed bool
}

func (s *CheckpointStore) ledgerStream(rec checkpointRecord, l *engine.Ledger) *ledgerStream {
	return &ledgerStream{
		ledger: l, meta: rec.meta(),
		open: func() (io.ReadCloser, error) { return s.stream(rec) },
		drop: func() { s.unpin(rec.ID) },
	}
}

// take gives the ledger away, once; nil afterwards.
func (s *ledgerStream) take() (*engine.Ledger, CheckpointMeta) {
	l := s.ledger
	s.ledger = nil
	return l, s.meta
}

// Read reads the stream from the files. It fails as Checkpoints.Open and the stream that it gives do.
func (s *ledgerStream) Read(p []byte) (int, error) {
	if s.stream == nil && s.err == nil {
		s.stream, s.err = s.open()
	}
	if s.err != nil {
		return 0, s.err
	}
	return s.stream.Read(p)
}

// Close lets go of the checkpoint and of the ledger, if nobody took it. It returns the error of the
// files; a second call returns nil.
func (s *ledgerStream) Close() error {
	s.ledger = nil
	switch {
	case s.closed || s.err != nil: // a stream that did not open has let go
		return nil
	case s.stream == nil:
		s.closed = true
		s.drop()
		return nil
	}
	s.closed = true
	return s.stream.Close()
}
