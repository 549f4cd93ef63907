package raftstore

import (
	"errors"
	"fmt"
	"os"

	"holdfast/engine"
)

// sinkBlocks is what every sink of a checkpoint does with what it is given: it takes either blocks
// of our own or the stream of another node, checks their order and adds them up.
type sinkBlocks struct {
	rec    *checkpointRecord
	put    func(engine.Block) error // keeps one block; the block is valid during the call
	load   ledgerLoader             // what a stream is loaded with while it comes
	order  blockOrder
	parser *streamParser // nil for a checkpoint of our own
	feed   *ledgerFeed   // nil for a checkpoint of our own, and before the header of a stream
	own    bool
	ledger bool // SetLedger was called
}

func (s *sinkBlocks) writeBlock(b engine.Block) error {
	if s.parser != nil {
		return errors.New("a block for a checkpoint that is being installed from a stream")
	}
	s.own = true
	return s.accept(b)
}

func (s *sinkBlocks) accept(b engine.Block) error {
	if err := s.order.check(b); err != nil {
		return err
	}
	if err := s.put(b); err != nil {
		return err
	}
	if s.feed != nil {
		if err := s.feed.put(b); err != nil {
			return err
		}
	}
	s.rec.Blocks++
	s.rec.SizeBytes += frameBytes(b)
	return nil
}

// write takes a piece of a stream.
func (s *sinkBlocks) write(p []byte) (int, error) {
	if s.own || s.ledger {
		return 0, errors.New("a stream for a checkpoint of our own")
	}
	if s.parser == nil {
		s.parser = &streamParser{block: s.accept, begin: func(h streamHeader) error {
			s.rec.Digest = hexUint64(h.digest)
			s.rec.Events = recordMark(h.events)
			s.rec.Installed = true
			s.feed = newLedgerFeed(s.load)
			return nil
		}}
	}
	return s.parser.Write(p)
}

func (s *sinkBlocks) setLedger(digest uint64, m EventMark) {
	s.ledger = true
	s.rec.Digest = hexUint64(digest)
	s.rec.Events = recordMark(m)
}

// finish says whether what came is a whole checkpoint, and completes the record. Of a stream it
// gives the ledger, which adds up to its digest; of a checkpoint of our own nil.
func (s *sinkBlocks) finish() (*engine.Ledger, error) {
	s.rec.SizeBytes += streamHeaderBytes
	if s.parser == nil {
		if !s.ledger {
			return nil, errors.New(
				"a checkpoint of our own without its digest: SetLedger was not called")
		}
		return nil, nil
	}
	if err := s.parser.finish(); err != nil {
		return nil, err
	}
	ledger, digest, err := s.feed.finish()
	if err == nil && digest != uint64(s.rec.Digest) {
		err = fmt.Errorf("checkpoint stream: digest %016x, want %016x", digest,
			uint64(s.rec.Digest))
	}
	return ledger, err
}

// drop gives up what was loaded of a stream that will not be finished.
func (s *sinkBlocks) drop() {
	if s.feed != nil {
		s.feed.drop()
		s.feed = nil
	}
}

// checkpointSink writes one checkpoint. One goroutine at a time uses it, as raft does.
type checkpointSink struct {
	store  *CheckpointStore
	dir    string
	rec    checkpointRecord
	blocks sinkBlocks
	badger *badgerWriter
	ledger *engine.Ledger // of a stream that is whole
	unseen int64          // bytes put since the free space of the disk was last looked at
	done   bool
	end    error // what Close answers once done
}

var _ BlockSink = (*checkpointSink)(nil)

// ID is the name that Open knows the checkpoint by; it is the name of its folder.
func (s *checkpointSink) ID() string { return s.rec.ID }

// WriteBlock takes the next block of a checkpoint of our own; b may be reused afterwards. It fails
// when keys do not ascend, when the disk is nearly full (ErrDiskFull), with an error of Badger, or
// after the end of the sink. A failed sink must be cancelled.
func (s *checkpointSink) WriteBlock(b engine.Block) error {
	if s.done {
		return errSinkDone
	}
	return s.blocks.writeBlock(b)
}

// Write takes the next bytes of a stream that another node's Open gave. It fails as WriteBlock
// does, and when the stream is damaged.
func (s *checkpointSink) Write(p []byte) (int, error) {
	if s.done {
		return 0, errSinkDone
	}
	return s.blocks.write(p)
}

// SetLedger stamps what the blocks must add up to, and how far the events reach.
func (s *checkpointSink) SetLedger(digest uint64, events EventMark) {
	s.blocks.setLedger(digest, events)
}

// spaceCheckBytes is how much is written between two looks at the free space; spareBytes is what
// must be left. Badger maps its files: on a full disk the process would die of a bus error.
const (
	spaceCheckBytes = 8 << 20
	spareBytes      = 64 << 20
)

func (s *checkpointSink) put(b engine.Block) error {
	if s.unseen += frameBytes(b); s.unseen >= min(spaceCheckBytes, s.store.cfg.Spare/8) {
		s.unseen = 0
		if err := s.store.checkSpace(0); err != nil {
			return err
		}
	}
	return s.badger.put(b)
}

// Close makes the checkpoint durable and the newest. A stream is loaded by then, and its digest
// verified, so that CURRENT never names a checkpoint of another node's that cannot be served; Open
// of the new checkpoint hands that ledger over. What a restart finds when the process dies:
//
//   - while blocks are written, or before the files are synced: CURRENT as it was; the folder is a
//     leftover, deleted at the next open.
//   - after sealFolder: the same; the folder is whole, but nothing names it.
//   - in between the steps of sealedFile.replace: the old CURRENT, with a file CURRENT.tmp beside
//     it that the next open deletes.
//   - after the rename, before the folder is synced: the old CURRENT or the new one. Both name only
//     folders that are whole: the new one is synced already, old ones are not deleted yet.
//   - after the replacement: the new CURRENT; the folder that it no longer names is deleted at the
//     next open if it was not here.
//
// Raft compacts its log only after Close returned nil. An error leaves the old checkpoints in
// force (errors of Badger, of the file system, ErrDiskFull, or of an incomplete stream), and the
// folder is deleted unless CURRENT may name it. A second call returns what the first did; Close
// fails after Cancel.
func (s *checkpointSink) Close() error {
	if s.done {
		return s.end
	}
	s.done = true
	if err := s.finish(); err != nil {
		err = fmt.Errorf("checkpoint %s: %w", s.dir, err)
		s.end = errors.Join(err, s.store.abandon(s))
	} else {
		s.end = s.store.publish(s)
	}
	return s.end
}

// finish takes the folder to the point where only CURRENT is missing.
func (s *checkpointSink) finish() error {
	if err := s.store.step("write blocks"); err != nil {
		return err
	}
	writer := s.badger
	s.badger = nil
	ledger, err := s.blocks.finish()
	if err != nil {
		return errors.Join(err, writer.abandon())
	}
	s.ledger = ledger
	if err := writer.finish(); err != nil {
		return err
	}
	if err := s.store.step("sync files"); err != nil {
		return err
	}
	files, err := sealFolder(s.dir)
	s.rec.Files = files
	return err
}

// Cancel deletes what was written; after Close it does nothing. It returns an error when something
// is left behind, which the next open deletes.
func (s *checkpointSink) Cancel() error {
	if s.done {
		return nil
	}
	s.done, s.end = true, errSinkDone
	return s.store.abandon(s)
}

// discard closes and deletes the folder.
func (s *checkpointSink) discard() error {
	s.blocks.drop()
	s.ledger = nil
	var err error
	if s.badger != nil {
		err = s.badger.abandon()
		s.badger = nil
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}
