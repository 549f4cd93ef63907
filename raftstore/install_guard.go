package raftstore

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// installGuard is the checkpoints as raft has them. It refuses a checkpoint of another node's that this
// node does not need, at its first byte, and asks for another raft when one was installed.
type installGuard struct {
	Checkpoints
	store *Store
}

// Create begins a checkpoint; it fails as Checkpoints.Create.
func (g *installGuard) Create(version raft.SnapshotVersion, index, term uint64,
	configuration raft.Configuration, configurationIndex uint64, t raft.Transport,
) (raft.SnapshotSink, error) {
	sink, err := g.Checkpoints.Create(version, index, term, configuration, configurationIndex, t)
	if err != nil {
		return nil, err
	}
	return &guardedSink{BlockSink: sink.(BlockSink), store: g.store, index: index, term: term}, nil
}

// guardedSink tells an install from a checkpoint of our own: raft writes bytes, the sweep blocks.
type guardedSink struct {
	BlockSink
	store       *Store
	index, term uint64
	installs    bool
}

// Write takes the next bytes of another node's checkpoint. It fails as the sink's, and with
// ErrOldCheckpoint where refuseInstall does; raft cancels the sink then, which leaves nothing.
func (s *guardedSink) Write(p []byte) (int, error) {
	if !s.installs {
		if err := s.store.refuseInstall(s.index, s.term); err != nil {
			return 0, err
		}
		s.installs = true
		s.store.installing.Store(true)
		s.store.log.Info("a checkpoint is being installed", "index", s.index, "term", s.term)
	}
	return s.BlockSink.Write(p)
}

// Close makes the checkpoint the newest; it fails as the sink's.
func (s *guardedSink) Close() error {
	err := s.BlockSink.Close()
	if s.installs {
		s.store.installing.Store(false)
	}
	if s.installs && err == nil {
		s.store.askReopen("a checkpoint was installed")
	}
	return err
}

// Cancel drops what was written; it fails as the sink's.
func (s *guardedSink) Cancel() error {
	if s.installs {
		s.store.installing.Store(false)
	}
	return s.BlockSink.Cancel()
}

// refuseInstall fails with ErrOldCheckpoint when all that a checkpoint of (index, term) holds is here:
// in the ledger, or in the log. Raft empties the log when it installs one, so that entries behind the
// checkpoint would be lost that this node has acknowledged, and that a majority may count on.
func (s *Store) refuseInstall(index, term uint64) error {
	if applied := s.machine.applied.Load(); index <= applied {
		return fmt.Errorf("checkpoint at %d, this node is at %d: %w", index, applied,
			ErrOldCheckpoint)
	}
	if s.logHas(index, term) {
		return fmt.Errorf("checkpoint at %d, which this node has in its log: %w", index,
			ErrOldCheckpoint)
	}
	return nil
}

func (s *Store) logHas(index, term uint64) bool {
	var e raft.Log
	return s.parts.log.GetLog(index, &e) == nil && e.Term == term
}

// continues reports whether entries behind (index, term) can follow here at once: that entry is in the
// log, or is where the newest checkpoint is.
func (s *Store) continues(index, term uint64) bool {
	m, ok := s.parts.checkpoints.Newest()
	return s.logHas(index, term) ||
		(ok && m.Index == index && m.Term == term && index <= s.machine.applied.Load())
}

// intake is the network as every raft of this node has it, one after the other. It has no Close, which
// raft would call when it is shut down, and it hands out the same calls to whoever listens, so that
// none is lost between two rafts.
//
// A leader that offers a checkpoint which this node need not have is told that it is installed: it
// sends the log from there on then. It comes to this when the answer to an install was lost; an
// error would have it offer the same checkpoint for ever.
//
// A follower whose log begins right behind its checkpoint, and goes another way from there on, has no
// entry left to compare with: raft refuses, and the leader has nothing older to send. The checkpoint
// has that entry, so intake compares with it, and raft need not.
type intake struct {
	raft.Transport
	raft.WithPreVote
	store *Store
	out   chan raft.RPC
	stop  chan struct{}
	tasks sync.WaitGroup
	// base is the newest checkpoint when the raft that runs was started; nil without one.
	base atomic.Pointer[CheckpointMeta]
}

// takeIn begins to take in the calls of other nodes' rafts. It ends when the parts are closed, after
// the network.
func (s *Store) takeIn() {
	t := s.parts.transport
	s.intake = &intake{Transport: t, WithPreVote: t, store: s, out: make(chan raft.RPC),
		stop: make(chan struct{})}
	s.intake.tasks.Go(s.intake.run)
	s.parts.closers = slices.Insert(s.parts.closers, 0, func() error {
		close(s.intake.stop)
		s.intake.tasks.Wait()
		return nil
	})
}

// Consumer gives the calls to the raft that runs.
func (t *intake) Consumer() <-chan raft.RPC { return t.out }

func (t *intake) run() {
	for {
		var call raft.RPC
		select {
		case call = <-t.Transport.Consumer():
		case <-t.stop:
			return
		}
		if r, ok := call.Command.(*raft.InstallSnapshotRequest); ok && t.installed(r) {
			t.tasks.Go(func() { confirmInstall(call, r) })
			continue
		}
		if r, ok := call.Command.(*raft.AppendEntriesRequest); ok && t.behindBase(r) {
			own := *r
			own.PrevLogEntry, own.PrevLogTerm = 0, 0
			call.Command = &own
		}
		if t.election(&call) {
			continue
		}
		select {
		case t.out <- call:
		case <-t.stop:
			return
		}
	}
}

// installed reports whether r need not be installed. A leader of an older term is raft's to refuse.
func (t *intake) installed(r *raft.InstallSnapshotRequest) bool {
	current := t.store.raft()
	return current != nil && r.Term >= current.CurrentTerm() &&
		t.store.continues(r.LastLogIndex, r.LastLogTerm)
}

// behindBase reports whether the entries of r follow the checkpoint, and the log lacks what it has.
func (t *intake) behindBase(r *raft.AppendEntriesRequest) bool {
	base := t.base.Load()
	return base != nil && r.PrevLogEntry == base.Index && r.PrevLogTerm == base.Term &&
		!t.store.logHas(base.Index, base.Term)
}

// confirmInstall answers as raft would after an install. The stream must be read to its end: the next
// call on the connection stands behind it.
func confirmInstall(call raft.RPC, r *raft.InstallSnapshotRequest) {
	_, err := io.Copy(io.Discard, call.Reader)
	call.Respond(&raft.InstallSnapshotResponse{
		RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax},
		Term:      r.Term, Success: err == nil,
	}, err)
}
