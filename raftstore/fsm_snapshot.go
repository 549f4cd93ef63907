package raftstore

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/raft"

	"holdfast/engine"
)

// maxPending is how many bytes of before-images a sweep may hold in memory; above, apply waits.
const maxPending = 64 << 20

// errSweep and errDead are the errors of a checkpoint that cannot begin, or be loaded.
var (
	errSweep = errors.New("a checkpoint is being written already")
	errDead  = errors.New("the node has stopped")
	// errReplay: raft would stamp the cut with an index that is behind it, and a restart would apply
	// what lies between a second time.
	errReplay = errors.New("raft was reopened and has not come up to the ledger yet")
)

// Snapshot makes the cut for a checkpoint: no I/O, no copy. Raft calls it between two entries. It
// fails when another sweep is under way, raft is behind the ledger, or the node has stopped.
func (m *machine) Snapshot() (raft.FSMSnapshot, error) {
	if m.dead {
		return nil, errDead
	}
	if m.replayTo > 0 {
		return nil, errReplay
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.sweep != nil {
		return nil, errSweep
	}
	m.mu.sweep = m.mu.ledger.Cut()
	m.logBytes.Store(0)
	m.logEntries.Store(0)
	return &snapshot{m: m, sweep: m.mu.sweep, ending: m.ending()}, nil
}

// waitForSweep keeps apply back while a sweep holds too much in memory. It returns false when the
// store closes meanwhile: then the entry must not be applied, nor any other.
func (m *machine) waitForSweep() bool {
	for {
		m.mu.Lock()
		behind := m.mu.sweep != nil && m.mu.sweep.Pending() > m.maxPending
		m.mu.Unlock()
		m.held.Store(behind)
		if !behind {
			return true
		}
		select {
		case <-m.swept:
		case <-m.closing:
			return false
		}
	}
}

// Restore replaces the ledger by an installed checkpoint, whose stream raft hands over. The ledger was
// loaded while the stream came, so that only a pointer changes under the lock. It fails, and leaves
// the ledger as it was, when the event files do not fit, or the node has stopped; CURRENT names the
// installed checkpoint by then, and the reopening of raft that follows loads it from there.
func (m *machine) Restore(stream io.ReadCloser) error {
	if m.dead {
		return errDead
	}
	ledger, meta, err := restored(stream)
	if err != nil {
		err = fmt.Errorf("load the installed checkpoint: %w", err)
		var later *engine.VersionError
		if errors.As(err, &later) {
			m.fail(err) // the leader would send it again and again
		}
		return err
	}
	if index := ledger.Index(); index <= m.applied.Load() {
		return fmt.Errorf("installed checkpoint at %d: this node is at %d already",
			index, m.applied.Load())
	}
	return m.adopt(ledger, meta)
}

// restored gives the ledger that the stream carries, or loads one from what the stream reads. It fails
// as LoadStream.
func restored(stream io.ReadCloser) (*engine.Ledger, CheckpointMeta, error) {
	inner := stream
	for { // raft counts what is read
		w, ok := inner.(raft.ReadCloserWrapper)
		if !ok {
			break
		}
		inner = w.WrappedReadCloser()
	}
	if s, ok := inner.(*ledgerStream); ok {
		if ledger, meta := s.take(); ledger != nil {
			return ledger, meta, nil
		}
	}
	return LoadStream(stream)
}

// snapshot writes one cut. Raft calls Persist, on a goroutine of its own, and then Release; Release
// alone when it gave up.
type snapshot struct {
	m      *machine
	sweep  *engine.Sweep
	ending <-chan struct{}
}

// Persist writes the blocks of the cut, each copied under the lock and written outside it, and the
// events up to at least the cut. It fails with the sink's error, or when the store closes or dies, or
// raft is reopened: another checkpoint begins after that.
func (s *snapshot) Persist(sink raft.SnapshotSink) error {
	out, ok := sink.(BlockSink)
	if !ok {
		return fmt.Errorf("checkpoint sink %T takes no blocks", sink)
	}
	began := time.Now()
	pace := pacer{log: s.m.logBytes.Load, began: began}
	written := int64(0)
	for {
		b, pending, ok, err := s.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if err := out.WriteBlock(b); err != nil {
			return err
		}
		size := len(b.Key) + len(b.Value)
		written += int64(size)
		if pending > maxPending/2 {
			continue // memory before manners
		}
		if !pace.wait(size, s.ending) {
			return errClosing
		}
	}
	mark, err := s.m.events.Sync()
	if err != nil {
		return fmt.Errorf("sync the events: %w", err)
	}
	if err := s.m.events.Retain(s.m.eventsMax(), s.m.checkpoints.EventFloor()); err != nil {
		return fmt.Errorf("drop old events: %w", err)
	}
	if err := s.m.flushBodies(s.sweep.Index); err != nil {
		return err
	}
	out.SetLedger(s.sweep.Digest, mark)
	s.m.sweptBytes.Store(written)
	s.m.metrics.checkpoint.Observe(time.Since(began).Seconds())
	s.m.metrics.checkpointBytes.Set(float64(written))
	return nil
}

// eventsMax is how many bytes of events are kept: a limit of the ledger's, so equal on every node. On
// a disk that is low it is 0, which leaves the files that the checkpoints need; another node has the
// older ones.
func (m *machine) eventsMax() int64 {
	if m.tight.Load() {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.ledger.Limits().EventsMax
}

// next copies the next block; ok is false behind the last one. It fails with errDead.
func (s *snapshot) next() (b engine.Block, pending int, ok bool, err error) {
	defer s.m.poke(s.m.swept)
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m.mu.broken {
		return engine.Block{}, 0, false, errDead
	}
	b, ok = s.sweep.Next()
	return b, s.sweep.Pending(), ok, nil
}

// Release ends the sweep.
func (s *snapshot) Release() {
	s.m.mu.Lock()
	s.sweep.Close()
	s.m.mu.sweep = nil
	s.m.mu.Unlock()
	s.m.poke(s.m.swept)
}

// pacer keeps a sweep from taking the disk for itself: it writes in bursts of paceBurst and waits
// in between, so that its rate follows the log's. Each checkpoint has its own.
type pacer struct {
	log   func() int64 // bytes of log applied since the cut
	began time.Time
	bytes int64
	burst int64
}

const (
	// paceBurst is how much is written between two waits: what one log sync may have to queue
	// behind.
	paceBurst = 1 << 20
	// paceFloor is the least rate, bytes a second, so that a quiet node finishes too.
	paceFloor = 32 << 20
)

// wait counts size bytes and blocks until the next may be written. It returns false when closing
// was closed first.
func (p *pacer) wait(size int, closing <-chan struct{}) bool {
	now := time.Now()
	p.bytes += int64(size)
	p.burst += int64(size)
	if p.burst < paceBurst {
		return true
	}
	p.burst = 0
	elapsed := now.Sub(p.began)
	rate := int64(paceFloor)
	if elapsed > 100*time.Millisecond {
		rate = max(rate, int64(float64(p.log())/elapsed.Seconds()))
	}
	early := time.Duration(float64(p.bytes)/float64(rate)*float64(time.Second)) - elapsed
	if early <= 0 {
		return true
	}
	t := time.NewTimer(early)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-closing:
		return false
	}
}
