package raftstore

import (
	"errors"
	"time"

	"github.com/hashicorp/raft"

	"holdfast/engine"
)

const (
	// resolveSlice is how many commands have their names numbered under one hold of the lock: some
	// 15 µs, so that neither apply nor a read waits for the whole of a batch.
	resolveSlice = 128
	// dueLimit is the most holds that fall due in one entry.
	dueLimit = 5000
)

// runBatches sends batches until the batcher is closed: to raft while this node leads, else to the
// leader. It is the only goroutine that proposes.
func (s *Store) runBatches() {
	var enc encoder
	for b := s.batcher.next(); b != nil; b = s.batcher.next() {
		if err := s.inOrder(b); err != nil {
			s.batcher.settle(b, outcome{err: err})
			continue
		}
		s.send(b, &enc)
	}
}

// inOrder waits until b may follow the batch with the earlier commands of the same SubmitAll. An
// entry behind another in the log of one term is lost if that one is, and a node never leads a
// term twice, so those two may be on their way together. It fails with *NoLeaderError when what b
// follows did not certainly happen.
func (s *Store) inOrder(b *batch) error {
	before := b.after
	b.after = nil
	if before == nil {
		return nil
	}
	if l := s.lead.Load(); l != nil && l.opened.Load() && s.batcher.inFlightIn(before, l.term) {
		return nil
	}
	<-before.done
	if before.err == nil && (before.kinds == nil || before.kinds[len(before.kinds)-1] == opResult) {
		return nil
	}
	return &NoLeaderError{Why: "an earlier command may not have happened", After: retrySoon}
}

func (s *Store) send(b *batch, enc *encoder) {
	if l := s.lead.Load(); l != nil {
		if err := s.openTerm(l, enc); err != nil {
			s.batcher.settle(b, outcome{err: err})
			return
		}
		s.propose(b, l, enc)
		return
	}
	addr, node := s.leader()
	switch {
	case node == "" || node == s.cfg.Node:
		err := &NoLeaderError{Why: "there is no leader", After: retrySoon}
		s.batcher.settle(b, outcome{err: err})
	case b.hopped:
		err := &NoLeaderError{Known: node, Why: "the leader changed", After: retrySoon}
		s.batcher.settle(b, outcome{err: err})
	default:
		s.tasks.Go(func() { s.forward(b, addr, node) })
	}
}

// propose gives b to raft as one entry. What becomes of it is learnt by the state machine, by
// watch, or by nobody: then the batch's own deadline answers.
func (s *Store) propose(b *batch, l *leadership, enc *encoder) {
	payload := enc.seal(s.machine, b.ops, l)
	s.batcher.encoded(b)
	s.batcher.proposed(b, payload, l.term, s.cfg.ProposeTimeout)
	began := time.Now()
	future := s.raft.ApplyLog(raft.Log{Data: payload, Extensions: l.mark}, s.cfg.ProposeTimeout)
	go s.watch(b, future) // ends when raft answers; raft may not, and then nothing can end it
	if time.Since(began) >= s.cfg.ProposeTimeout/2 {
		// It may not have been queued at all. What follows must not overtake it.
		<-b.done
	}
}

// watch answers b when its future ends in an error.
func (s *Store) watch(b *batch, f raft.ApplyFuture) {
	err := f.Error()
	switch {
	case err == nil:
		// The state machine answers before it lets the future end, unless it has stopped.
		err = &UnknownError{Cause: errClosing}
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrEnqueueTimeout),
		errors.Is(err, raft.ErrLeadershipTransferInProgress):
		err = &NoLeaderError{Why: err.Error(), After: retrySoon}
	default:
		err = &UnknownError{Cause: err}
	}
	s.batcher.settle(b, outcome{err: err})
}

// openTerm makes sure that everything agreed in earlier terms is applied here before this node
// leads: a barrier of our own, an empty entry, is the first of each term. In the first term of a
// cluster the second one gives the cluster its id. It fails with *NoLeaderError.
func (s *Store) openTerm(l *leadership, enc *encoder) error {
	if l.opened.Load() {
		return nil
	}
	if err := s.internal(nil, l, enc); err != nil {
		return &NoLeaderError{Why: "the term's barrier: " + err.Error(), After: retrySoon}
	}
	if s.machine.clusterID() == ([16]byte{}) {
		configure := &engine.Configure{Limits: engine.Limits{ClusterID: newClusterID()}}
		if err := s.internal([]engine.Op{{Command: configure}}, l, enc); err != nil {
			return &NoLeaderError{Why: "the cluster's id: " + err.Error(), After: retrySoon}
		}
	}
	l.clock.rebase(s.machine.now())
	l.opened.Store(true)
	s.poke(s.ticks)
	s.log.Info("leading", "term", l.term, "index", s.machine.applied.Load())
	return nil
}

// internal proposes ops as an entry of their own and waits until it is applied. It returns the
// batch's error.
func (s *Store) internal(ops []engine.Op, l *leadership, enc *encoder) error {
	b := newBatch(nil, time.Now())
	b.ops = ops
	s.propose(b, l, enc)
	<-b.done
	return b.err
}

// encoder makes the payloads of entries. Used by one goroutine.
type encoder struct{ builder engine.EntryBuilder }

// seal numbers the names of ops, stamps the time and returns the entry's payload, which belongs to
// the caller.
func (e *encoder) seal(m *machine, ops []engine.Op, l *leadership) []byte {
	e.builder.Reset()
	var now, due int64
	for rest := ops; ; rest = rest[resolveSlice:] {
		last := len(rest) <= resolveSlice
		m.mu.Lock()
		ledger := m.mu.ledger
		for _, op := range rest[:min(len(rest), resolveSlice)] {
			e.builder.AddFor(ledger, op)
		}
		if last {
			now = l.clock.stamp(ledger.Now())
			due = ledger.DueUpTo(now, dueLimit)
		}
		m.mu.Unlock()
		if last {
			break
		}
	}
	return e.builder.Seal(now, due)
}
