package raftstore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// diskEvery is how often a node looks at its own disk: a microsecond each time, and in that time a
	// fast disk takes some 100 MiB, which is below the second mark.
	diskEvery = 100 * time.Millisecond
	// bodiesEvery is after how many looks the size of the bodies is asked for, which goes through the
	// list of their files.
	bodiesEvery = 20
	// diskHandEvery is the least time between two attempts to give the lead away for want of space. It
	// goes only to a node above its first mark, which comes back only once that one is below its
	// second: so leadership never goes to and fro by itself.
	diskHandEvery = time.Minute
)

// diskWatch is a node's own disk, and what as leader it makes of all disks.
type diskWatch struct {
	space func(dir string) (DiskSpace, error) // nil: nothing to watch
	state atomic.Pointer[diskState]           // the last look; nil before the first
	trim  atomic.Bool                         // take a checkpoint now, so that the log can be cut
	// falling is set while somebody fills the disk fast. No checkpoint to trim the log begins then:
	// Badger maps its files, and a disk that fills up under them ends the process with a bus error.
	falling atomic.Bool
	// Used by runDisk alone.
	looks   int           // so far
	bodies  int64         // bytes of the bodies, lately
	pending bool          // trim is due once the disk does not fall any more
	failing bool          // the last look failed
	handed  time.Duration // when the lead was last offered to another node, monotonic; 0 is never
}

// tight reports whether what can be trimmed should be.
func (d *diskWatch) tight() bool {
	state := d.state.Load()
	return state != nil && state.Level >= diskLow
}

// runDisk watches this node's disk, and refuses reserves while it leads and the disks are too full,
// until ctx ends.
func (s *Store) runDisk(ctx context.Context) {
	if s.disk.space == nil {
		return
	}
	ticker := time.NewTicker(diskEvery)
	defer ticker.Stop()
	for {
		s.lookAtDisk()
		s.judgeDisks()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// lookAtDisk asks for the free space, and says so when it is short.
func (s *Store) lookAtDisk() {
	space, err := s.disk.space(s.cfg.Dir)
	if err != nil {
		if !s.disk.failing {
			s.log.Warn("the free space of the data folder is not known", "error", err)
		}
		s.disk.failing = true
		return
	}
	s.disk.failing = false
	before := diskState{}
	if state := s.disk.state.Load(); state != nil {
		before = *state
	}
	if s.disk.looks%bodiesEvery == 0 {
		s.disk.bodies = s.machine.bodies.Size()
	}
	s.disk.looks++
	marks := s.cfg.marks(space, s.machine.sweptBytes.Load(), s.disk.bodies)
	next := diskState{Free: space.Free, Total: space.Total, Needed: marks.needed,
		Level: marks.level(space.Free, before.Level)}
	s.disk.state.Store(&next)
	defer s.trimWhenCalm(before, next, space)
	if next.Level == before.Level {
		return
	}
	args := []any{"free_bytes", space.Free, "warn_bytes", marks.warn, "needed_bytes", marks.needed}
	switch next.Level {
	case diskFine:
		s.log.Info("the disk has space again", args...)
	case diskLow:
		s.log.Warn("the disk is low: log and events are trimmed", args...)
	case diskFull:
		s.log.Error("the disk is full: a leader refuses reserves, the rest goes on", args...)
	}
	s.machine.tight.Store(next.Level >= diskLow)
	s.poke(s.machine.grown)
}

// trimWhenCalm has a checkpoint taken when the disk became shorter of space, once nobody fills it
// fast: 40 MiB a second on a large disk.
func (s *Store) trimWhenCalm(before, next diskState, space DiskSpace) {
	falling := next.Free < before.Free-space.spare()/smallPart
	s.disk.falling.Store(falling)
	s.disk.pending = next.Level > before.Level || (s.disk.pending && next.Level >= diskLow)
	if s.disk.pending && !falling {
		s.disk.pending = false
		s.disk.trim.Store(true)
		s.poke(s.machine.grown)
	}
}

// judgeDisks decides, while this node leads, whether reserves are taken.
func (s *Store) judgeDisks() {
	var verdict *DiskFullError
	if l := s.lead.Load(); l != nil {
		var heir *raft.Server
		if verdict, heir = s.diskVerdict(); heir != nil && l.opened.Load() {
			s.handDisk(*heir)
		}
	}
	switch old := s.batcher.full.Swap(verdict); {
	case old == nil && verdict != nil:
		s.log.Error("reserves are refused", "error", verdict)
	case old != nil && verdict == nil:
		s.log.Info("reserves are not refused here any more")
	}
}

// diskVerdict says why reserves are refused: this node's disk is full, or those of so many voters that
// those who have space and are heard are no majority. Whoever is silent counts as full only by its
// last word. In the first case heir is the most advanced voter above its first mark, if there is one.
func (s *Store) diskVerdict() (why *DiskFullError, heir *raft.Server) {
	voters, good := 0, 0
	var full *DiskFullError
	var ahead uint64
	own := false
	for _, server := range s.servers() {
		if server.Suffrage != raft.Voter {
			continue
		}
		voters++
		state, heard, applied := s.disk.state.Load(), true, uint64(0)
		if server.ID == s.parts.id {
			own = state != nil && state.Level == diskFull
		} else {
			r := s.members.get(server.ID)
			state, applied = r.Disk, r.Applied
			heard = !r.heard.IsZero() && time.Since(r.heard) < silentAfter
			if heard && state != nil && state.Level == diskFine && (heir == nil || applied > ahead) {
				heir, ahead = &server, applied
			}
		}
		switch {
		case state != nil && state.Level == diskFull:
			if full == nil || server.ID == s.parts.id {
				full = &DiskFullError{Node: nodeName(server.ID), Free: state.Free, Needed: state.Needed}
			}
		case heard:
			good++
		}
	}
	switch {
	case own:
		return full, heir
	case full != nil && good < voters/2+1:
		return full, nil
	}
	return nil, nil
}

// handDisk offers the lead to a voter whose disk has space, once in diskHandEvery. When that fails
// reserves stay refused here.
func (s *Store) handDisk(to raft.Server) {
	now := s.mono()
	if s.disk.handed > 0 && now-s.disk.handed < diskHandEvery {
		return
	}
	s.disk.handed = now
	done := make(chan error, 1)
	go func() { // raft ends it after an election timeout
		done <- s.raft().LeadershipTransferToServer(to.ID, to.Address).Error()
	}()
	limit := time.NewTimer(2 * s.cfg.Heartbeat)
	defer limit.Stop()
	err := errors.New("it took too long")
	select {
	case err = <-done:
	case <-s.dead:
	case <-limit.C:
	}
	if err != nil {
		s.log.Warn("the lead was not handed over for want of space", "to", to.ID, "error", err)
		return
	}
	s.log.Info("the lead was handed over for want of space", "to", to.ID)
}

// diskCheck is the line of this node's disk.
func (s *Store) diskCheck() ReadyCheck {
	check := ReadyCheck{Name: "disk", OK: true}
	state := s.disk.state.Load()
	if state == nil {
		return check
	}
	words := fmt.Sprintf("%s of %s free, %s needed", size(state.Free), size(state.Total),
		size(state.Needed))
	switch state.Level {
	case diskLow:
		check.Detail = "LOW: " + words
	case diskFull:
		check.OK, check.Detail = false, words
	}
	return check
}

// diskValue is a number of the last look, 0 before the first.
func (d *diskWatch) value(of func(*diskState) int64) float64 {
	state := d.state.Load()
	if state == nil {
		return 0
	}
	return float64(of(state))
}
