package raftstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"holdfast/engine"
)

// dueLimit is the most holds that fall due in one entry.
const dueLimit = 5000

// runBatches sends batches until the batcher is closed: to raft while this node leads, else to the
// leader. It is the only goroutine that proposes.
func (s *Store) runBatches() {
	for b := s.batcher.next(); b != nil; b = s.batcher.next() {
		l, err := s.inOrder(b)
		if err != nil {
			s.batcher.settle(b, outcome{err: err})
			continue
		}
		s.send(b, l)
	}
}

// inOrder waits until b may follow the batch with the earlier commands of the same SubmitAll. An
// entry behind another in the log of one term is lost if that one is, and a node never leads a
// term twice, so those two may be on their way together.
//
// It returns the leadership in which b may go, nil for the way to another node. b may go in no
// other: when this node has lost it meanwhile and won a later one, the earlier commands may be lost.
// It fails with *NoLeaderError when what b follows did not certainly happen.
func (s *Store) inOrder(b *batch) (*leadership, error) {
	before := b.after
	b.after = nil
	l := s.lead.Load()
	if before == nil || (l != nil && l.opened.Load() && s.batcher.inFlightIn(before, l.term)) {
		return l, nil
	}
	<-before.done
	if before.err == nil && (before.kinds == nil || before.kinds[len(before.kinds)-1] == opResult) {
		return s.lead.Load(), nil // it happened, so any leadership will do
	}
	return nil, &NoLeaderError{Why: "an earlier command may not have happened", After: retrySoon}
}

// send proposes b in the leadership l, or sends it to the leader when l is nil.
func (s *Store) send(b *batch, l *leadership) {
	if l != nil {
		if err := s.openTerm(l); err != nil {
			s.batcher.settle(b, outcome{err: err})
			return
		}
		s.propose(b, l)
		return
	}
	calls, addr, node := s.following.look(s.ctx, s.leader)
	switch {
	case node == "" || node == s.cfg.Node:
		err := &NoLeaderError{Why: "there is no leader", After: retrySoon}
		s.batcher.settle(b, outcome{err: err})
	case b.hopped:
		err := &NoLeaderError{Known: node, Why: "the leader changed", After: retrySoon}
		s.batcher.settle(b, outcome{err: err})
	default:
		s.tasks.Go(func() { s.forward(calls, b, addr, node) })
	}
}

// propose gives b to raft as one entry. What becomes of it is learnt by the state machine, by
// watch, or by nobody: then the batch's own deadline answers. A batch that is answered already,
// because the node stops, does not go to raft.
func (s *Store) propose(b *batch, l *leadership) {
	now, due, err := s.machine.stamp(l)
	if err != nil {
		s.batcher.settle(b, outcome{err: closing()})
		return
	}
	if err := b.entry.Whole(); err != nil { // each of its commands was read back before: see encode
		s.batcher.settle(b, outcome{err: fmt.Errorf("did not happen: the batch is not whole: %w", err)})
		return
	}
	payload := b.entry.Seal(now, due)
	if !s.batcher.proposed(b, payload, l.term, s.cfg.ProposeTimeout) {
		return
	}
	began := time.Now()
	run := s.running.Load()
	future := run.ApplyLog(raft.Log{Data: payload, Extensions: l.mark}, s.cfg.ProposeTimeout)
	s.watch(b, future, run.gone)
	if time.Since(began) >= s.cfg.ProposeTimeout/2 {
		// It may not have been queued at all. What follows must not overtake it.
		<-b.done
	}
}

// maxWatched bounds the goroutines that wait for raft. Three are enough while raft answers, which it
// does within a heartbeat or two of losing the lead; a future that it forgets keeps one until raft
// ends.
const maxWatched = 64

// watch answers b when its future ends in an error, on a goroutine that ends with that raft, which is
// gone then, at the latest.
// Above maxWatched it does not: the state machine answers, or the batch's own deadline.
func (s *Store) watch(b *batch, f raft.ApplyFuture, gone chan struct{}) {
	if s.watched.Add(1) > maxWatched {
		s.watched.Add(-1)
		return
	}
	letEnd(f, gone)
	go func() {
		defer s.watched.Add(-1)
		s.ended(b, f.Error())
	}()
}

// ended answers b, whose future ended with err, unless the state machine has.
func (s *Store) ended(b *batch, err error) {
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
func (s *Store) openTerm(l *leadership) error {
	if l.opened.Load() {
		return nil
	}
	if err := s.internal(l); err != nil {
		return &NoLeaderError{Why: "the term's barrier: " + err.Error(), After: retrySoon}
	}
	s.startClock(l)
	if s.machine.clusterID() == ([16]byte{}) {
		configure := &engine.Configure{Limits: engine.Limits{ClusterID: newClusterID()}}
		if err := s.internal(l, engine.Op{Command: configure}, s.enrolSelf()); err != nil {
			return &NoLeaderError{Why: "the cluster's id: " + err.Error(), After: retrySoon}
		}
	}
	l.opened.Store(true)
	s.led.fire()
	s.poke(s.ticks)
	s.log.Info("leading", "term", l.term, "index", s.machine.applied.Load())
	return nil
}

// internal proposes ops as an entry of their own and waits until it is applied. It returns the
// batch's error.
func (s *Store) internal(l *leadership, ops ...engine.Op) error {
	b := newBatch(time.Now())
	var err error
	if len(ops) > 0 {
		c := s.machine.encode(ops...)
		b.entry.Append(c.buf, c.len(), c.defines)
		b.count, err = c.len(), c.fault
		c.release()
		if err != nil {
			return err
		}
	}
	s.propose(b, l)
	<-b.done
	return b.err
}

// stamp returns the time for the next entry, and up to when holds end in it, both in ms. It fails
// with errDead when the ledger is half way through an entry that could not be applied.
func (m *machine) stamp(l *leadership) (now, due int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.broken {
		return 0, 0, errDead
	}
	now = l.clock.stamp(m.mu.ledger.Now())
	return now, m.mu.ledger.DueUpTo(now, dueLimit), nil
}
