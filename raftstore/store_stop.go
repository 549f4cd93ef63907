package raftstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// closePatience is how long what closes may take: a checkpoint of a few GiB that is being synced
	// has to come to an end.
	closePatience = 30 * time.Second
	// faultPatience is the same once the node must stop: enough for all that does not hang.
	faultPatience = 3 * time.Second
)

// errHangs says that a part of the node did not end. It may still be in a call to the disk; it holds
// its files and the folder's lock until the process ends.
var errHangs = errors.New("the disk does not answer; the process must end")

// Close ends Run, if it runs, and gives everything up: raft, sockets, files, the folder. It waits.
// Nothing is flushed: what was answered is durable already, and the rest is replayed. Nobody is told
// either; ending the context of Run before is how a node leaves in order.
//
// A second call returns what the first did: nil, or the errors of the disk. When the disk hangs it
// says so after a while and leaves open what cannot be closed: the process must end then.
func (s *Store) Close() error {
	s.closeOnce.Do(func() { s.closeErr = s.close() })
	return s.closeErr
}

func (s *Store) close() error {
	s.mu.Lock()
	s.mu.closed = true
	ran := s.mu.ran
	s.mu.Unlock()
	if ran != nil {
		s.stopRun()
		<-ran
	}
	s.cancel()
	s.batcher.close()
	s.batcher.abandon(errClosing)
	s.metrics.unregister(s.cfg.Registerer)
	if s.raft() == nil {
		return s.parts.close()
	}
	quit := s.quit()
	defer s.running.Load().release() // also where it did not come to an end
	var err error
	if !s.await(func() { err = errors.Join(quit.Error(), s.parts.close()) }) {
		return errHangs
	}
	return err
}

// stopRun lets Run go on to its end without ending what drains there.
func (s *Store) stopRun() {
	s.batcher.close()
	select {
	case <-s.batcher.quiet:
	case <-s.dead:
	case <-time.After(2 * s.cfg.Heartbeat):
	}
	s.cancel()
}

// drain waits a little for what is on its way, then calls it unknown: within two heartbeats it is
// agreed, or raft has given up the lead and answered.
func (s *Store) drain() {
	limit := time.NewTimer(2 * s.cfg.Heartbeat)
	defer limit.Stop()
	select {
	case <-s.batcher.quiet:
	case <-s.dead:
	case <-limit.C:
	}
	s.batcher.abandon(errClosing)
}

// handOver asks raft to make another node the leader if this one leads, within a heartbeat: that
// takes a few milliseconds, while a leader that merely goes is missed for a whole heartbeat. Nothing
// is on its way any more, so nothing can be lost by it. When it fails the others elect by themselves.
func (s *Store) handOver() {
	if s.raft().State() != raft.Leader || s.alone() {
		return
	}
	done := make(chan error, 1)
	go func() { done <- s.raft().LeadershipTransfer().Error() }() // raft ends it after a heartbeat
	limit := time.NewTimer(s.cfg.Heartbeat)
	defer limit.Stop()
	err := errors.New("it took too long")
	select {
	case err = <-done:
	case <-s.dead:
	case <-limit.C:
	}
	if err != nil {
		s.log.Warn("leadership not handed over", "error", err)
		return
	}
	s.log.Info("leadership handed over", "to", s.leaderName())
}

// await runs wait on a goroutine and reports whether it came back: within closePatience, or within
// faultPatience once the node must stop. A disk that hangs keeps that goroutine.
func (s *Store) await(wait func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		wait()
	}()
	patience := time.NewTimer(closePatience)
	defer patience.Stop()
	select {
	case <-done:
		return true
	case <-s.dead:
	case <-patience.C:
	}
	patience.Reset(faultPatience)
	select {
	case <-done:
		return true
	case <-patience.C:
		return false
	}
}

// fail stops the node, once, for the reason err.
func (s *Store) fail(err error) {
	s.mu.Lock()
	first := s.mu.fault == nil
	if first {
		s.mu.fault = err
	}
	s.mu.Unlock()
	if !first {
		return
	}
	s.log.Error("the node must stop", "error", err)
	close(s.dead)
	if s.cfg.Fatal != nil {
		go s.cfg.Fatal(err) // it may exit the process, or wait for Close
	}
}

// fault is why the node must stop, nil while it need not.
func (s *Store) fault() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.fault
}

// startQuit tells raft to stop and closes its network, and does not wait: the returned future does.
// Closing the network ends what waits for an answer from it, and the heartbeats of a leader whose
// disk hangs, which keep the others from electing a new one.
func (s *Store) startQuit() quitting {
	s.mu.Lock()
	s.mu.quits = true
	run := s.running.Load()
	s.mu.Unlock()
	run.end()
	return quitting{run, s.parts.transport.Close()}
}

// quitting is a raft that is stopping.
type quitting struct {
	run *raftRun
	err error // of closing the network
}

// Error waits for raft's goroutines and returns the error of stopping, or nil.
func (q quitting) Error() error {
	<-q.run.gone
	if q.err != nil {
		return fmt.Errorf("stop raft: %w", q.err)
	}
	return nil
}
