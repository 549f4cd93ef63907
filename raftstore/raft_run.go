package raftstore

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// raftRun is one raft of this node, from its start to the end of all its goroutines. A node has one
// after the other on the same log, checkpoints and network, see Store.reopen.
type raftRun struct {
	*raft.Raft
	ctx   context.Context // ends when this raft is to end: what works for it gives up
	end   func()          // begins to shut it down, once, and does not wait
	heard time.Time       // when the raft before it heard of the leader last
	// gone is closed when all its goroutines have ended, or when nobody waits for that any more.
	gone    chan struct{}
	release func() // closes gone, once
}

func newRaftRun(within context.Context, heard time.Time) *raftRun {
	run := &raftRun{heard: heard, gone: make(chan struct{})}
	ctx, cancel := context.WithCancel(within)
	run.ctx = ctx
	run.release = sync.OnceFunc(func() { close(run.gone) })
	run.end = sync.OnceFunc(func() {
		cancel()
		ended := run.Shutdown()
		go func() {
			_ = ended.Error() // it is always nil
			run.release()
		}()
	})
	return run
}

// contact is when this node last heard of the leader.
func (r *raftRun) contact() time.Time {
	if last := r.LastContact(); !last.IsZero() {
		return last
	}
	return r.heard
}

// raft is this node's part in the cluster as it runs now; nil before start. Another one may take its
// place at any moment: what needs one and the same asks once.
func (s *Store) raft() *raft.Raft {
	if run := s.running.Load(); run != nil {
		return run.Raft
	}
	return nil
}

// raftEnding is closed when the raft that runs now is to end.
func (s *Store) raftEnding() <-chan struct{} {
	if run := s.running.Load(); run != nil {
		return run.ctx.Done()
	}
	return s.closing
}

// startRaft gives the node a raft. It fails with raft's error, or errClosing when the node is to have
// none any more.
func (s *Store) startRaft(heard time.Time) error {
	run := newRaftRun(s.ctx, heard)
	if meta, ok := s.parts.checkpoints.Newest(); ok {
		s.intake.base.Store(&meta)
	}
	guard := &installGuard{Checkpoints: s.parts.checkpoints, store: s}
	r, err := raft.NewRaft(raftConfig(s.cfg, s.parts.id, s.leads), s.machine, s.parts.log,
		s.parts.log, guard, s.intake)
	if err != nil {
		return fmt.Errorf("start raft: %w", err)
	}
	run.Raft = r
	s.mu.Lock()
	quits := s.mu.quits
	if !quits {
		s.running.Store(run)
	}
	s.mu.Unlock()
	if quits {
		run.end()
		<-run.gone
		return errClosing
	}
	return nil
}

// askReopen asks for another raft; while one reason waits, a second adds nothing.
func (s *Store) askReopen(why string) {
	select {
	case s.reopens <- why:
	default:
	}
}

// runReopen gives the node another raft whenever somebody has asked for it, until ctx ends.
func (s *Store) runReopen(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case why := <-s.reopens:
			began := time.Now()
			if err := s.reopen(ctx); err != nil {
				if ctx.Err() == nil && s.fault() == nil {
					s.fail(fmt.Errorf("reopen raft: %w", err))
				}
				return
			}
			s.metrics.reopened.Inc()
			s.log.Info("raft reopened", "why", why, "index", s.machine.applied.Load(),
				"took", time.Since(began))
		}
	}
}

// reopen shuts raft down and starts another, as a restart of the process would, while everything
// else goes on. Raft keeps in memory where its log ends and does not look again when a checkpoint was
// installed over a log that went another way (raft#697): from then on it refuses every entry. The
// new one reads it from the log.
//
// The order, and what a crash behind each step leaves:
//
//  1. Wait until raft's main loop is past the install, so that the leader gets its answer. CURRENT
//     names the installed checkpoint; a start deletes a log that does not fit it.
//  2. Shut raft down. A checkpoint that is being written is given up. What was proposed and is not
//     answered ends as unknown, what comes meanwhile finds no leader. Nothing on the disk changes.
//  3. Load the newest checkpoint if the ledger is behind it, which only a failed Restore leaves.
//  4. Put the log in step with the checkpoint, as a start does: this may delete the log, and half of
//     a delete is found, and finished, by the next start.
//  5. Start the new raft. It hands out again what lies between checkpoint and ledger, which the
//     machine passes over.
//
// It fails with the errors of AlignLog, Checkpoints.Load, the event files or raft, or when ctx ends.
// Then the node has no raft that runs, and must stop.
func (s *Store) reopen(ctx context.Context) error {
	old := s.running.Load()
	if err := s.pastInstall(ctx, old); err != nil {
		return err
	}
	old.end()
	select {
	case <-old.gone:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select { // it may have led last, and have ended without a word
	case s.leads <- false:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := s.realign(); err != nil {
		return err
	}
	return s.startRaft(old.contact())
}

// pastInstall waits until the main loop of run is in its select again: no follower answers whether it
// leads while it installs a checkpoint. It fails when ctx ends.
func (s *Store) pastInstall(ctx context.Context, run *raftRun) error {
	asked := run.VerifyLeader()
	letEnd(asked, run.gone)
	done := make(chan struct{})
	go func() { // ends with that raft at the latest
		defer close(done)
		_ = asked.Error() // whether it leads is of no interest
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// realign puts ledger, checkpoint and log in step while no raft runs. It fails as reopen does.
func (s *Store) realign() error {
	meta, has := s.parts.checkpoints.Newest()
	if has && meta.Index > s.machine.applied.Load() {
		ledger, loaded, err := s.parts.checkpoints.Load()
		if err != nil {
			return fmt.Errorf("load the checkpoint: %w", err)
		}
		meta = loaded
		if err := s.machine.adopt(ledger, meta); err != nil {
			return err
		}
	}
	s.machine.replayTo = 0
	if applied := s.machine.applied.Load(); applied > meta.Index {
		s.machine.replayTo = applied
	}
	if err := s.finishForming(); err != nil {
		return err
	}
	return AlignLog(s.parts.log, meta, has, filepath.Join(s.cfg.Dir, logFolder))
}
