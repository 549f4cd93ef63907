package raftstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

const (
	// trailingBytes of log stay behind a checkpoint at least, so that a follower that is a little
	// behind catches up from the log and not by an install; less where checkpoints are closer than
	// four times that.
	trailingBytes = 64 << 20
	// trailingMin and trailingMax bound the same in entries.
	trailingMin, trailingMax = 128, 16384
)

// runCheckpoints starts a checkpoint whenever the log since the last one exceeds the larger of
// Config.CheckpointBytes and the last one's size: a byte of checkpoint per byte of log at most, and
// a replay bounded by the same figure. It ends with ctx.
func (s *Store) runCheckpoints(ctx context.Context) {
	for {
		least := max(s.cfg.CheckpointBytes, s.machine.sweptBytes.Load())
		// Nodes apply the same bytes; a tenth more for each place in the list keeps them from
		// sweeping together. The leader will stagger them by its own knowledge one day: here.
		least += least / 10 * int64(s.rank())
		if state := s.disk.state.Load(); state != nil && state.Level >= diskLow {
			// A file of the log goes whole, so nothing less gives any space.
			least = min(least, s.cfg.segmentOn(DiskSpace{Total: state.Total}))
		}
		s.machine.checkpointAt.Store(least)
		select {
		case <-ctx.Done():
			return
		case <-s.machine.grown:
		}
		trim := s.disk.trim.Swap(false)
		if !trim && (s.machine.logBytes.Load() < least || (s.disk.tight() && s.disk.falling.Load())) {
			continue // the next entry asks again
		}
		if err := s.Checkpoint(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("checkpoint failed", "error", err)
			s.machine.logBytes.Store(least / 2) // not again at once
		}
		if s.disk.tight() { // also events that the checkpoint before this one needed
			err := s.machine.events.Retain(s.machine.eventsMax(), s.parts.checkpoints.EventFloor())
			if err != nil {
				s.log.Warn("old events are left over", "error", err)
			}
		}
	}
}

// Checkpoint writes a checkpoint now and returns nil when it is durable, or when nothing was applied
// since the start, so that there is nothing to write. While another is being written it waits for
// that one first. It fails with the error of the disk, or with the cause when ctx ends; a checkpoint
// that has begun goes on then.
func (s *Store) Checkpoint(ctx context.Context) error {
	r := s.raft()
	s.trail(r)
	done := make(chan error, 1)
	// It ends with the sweep, which ends when the store closes; raft takes one order at a time.
	go func() { done <- r.Snapshot().Error() }()
	select {
	case err := <-done:
		if err == nil {
			err = s.parts.log.Mark() // fatal by itself when it fails
		}
		if err == nil || errors.Is(err, raft.ErrNothingNewToSnapshot) {
			return nil
		}
		return fmt.Errorf("checkpoint: %w", err)
	case <-ctx.Done():
		return fmt.Errorf("checkpoint: %w", context.Cause(ctx))
	}
}

// trail sets how many entries raft leaves behind the checkpoint, from their mean size. The log
// keeps more when the older checkpoint needs it.
func (s *Store) trail(r *raft.Raft) {
	mean := s.machine.logBytes.Load() / max(1, s.machine.logEntries.Load())
	s.settings.Lock()
	defer s.settings.Unlock()
	c := r.ReloadableConfig()
	bytes := min(trailingBytes, s.cfg.CheckpointBytes/4)
	c.TrailingLogs = uint64(min(max(bytes/max(1, mean), trailingMin), trailingMax))
	if s.disk.tight() {
		c.TrailingLogs = trailingMin
	}
	if err := r.ReloadConfig(c); err != nil {
		s.log.Warn("raft settings refused", "error", err)
	}
}
