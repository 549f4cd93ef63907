package raftstore

import (
	"context"
	"math"
	"time"

	"holdfast/engine"
)

const (
	// retireCount is how many reservations leave in one entry: some 0.5 ms of apply.
	retireCount = 250
	// retirePause is the least time between two such entries, so that leaving takes a node some 2% of
	// a core: with the bodies' way to the disk 8 µs each.
	retirePause = 100 * time.Millisecond
	// retireLate is how far behind leaving may be before it takes as many as an entry may: 10,000 a
	// second and at most a tenth of a core, so that memory stays bounded after a sale.
	retireLate = time.Hour
)

// noteRetire publishes when something can leave memory.
func (m *machine) noteRetire(ledger *engine.Ledger) {
	next, ok := ledger.NextRetire()
	if !ok {
		next = 0
	}
	if m.nextRetire.Swap(next) != next {
		m.poke(m.leaving)
	}
}

// runRetire proposes that closed reservations leave memory whenever one may, while this node leads,
// and nothing otherwise. It ends with ctx.
func (s *Store) runRetire(ctx context.Context) {
	timer := time.NewTimer(tickNever)
	defer timer.Stop()
	for {
		timer.Reset(s.untilRetire())
		select {
		case <-ctx.Done():
			return
		case <-s.machine.leaving:
			continue
		case <-timer.C:
		}
		if s.untilRetire() > 0 {
			continue
		}
		if err := s.retire(ctx); err != nil {
			s.log.Debug("retire", "error", err)
		}
		if !pause(ctx, retirePause) {
			return
		}
	}
}

// untilRetire is how long nothing can leave; 0 or less when something can. While the term is not open,
// too many bodies wait for the disk, or a disk is low, it is when to look again.
func (s *Store) untilRetire() time.Duration {
	next := s.machine.nextRetire.Load()
	if next == 0 {
		return tickNever
	}
	now, least := s.cfg.Now().UnixMilli(), time.Second
	if l := s.lead.Load(); l != nil && l.opened.Load() {
		now = l.clock.read()
		if s.machine.bodies.State().DirtyBytes < maxDirty/2 && !s.anyDiskLow() {
			least = math.MinInt64
		}
	}
	due := min(next-now, tickNever.Milliseconds())
	return max(time.Duration(due)*time.Millisecond, least)
}

// anyDiskLow reports whether the disk of this node is low, or that of a member that is heard: bodies are
// written on every one, and what is left there is for the sale. Memory holds what is closed meanwhile. A
// silent member keeps nobody from retiring: it may be gone for good.
func (s *Store) anyDiskLow() bool {
	if s.disk.tight() {
		return true
	}
	for _, server := range s.servers() {
		if server.ID == s.parts.id {
			continue
		}
		if r, ok := s.heardOf(server.ID); ok && r.Disk != nil && r.Disk.Level >= diskLow {
			return true
		}
	}
	return false
}

// retire proposes one Retire and waits until it is applied. It returns the batch's error.
func (s *Store) retire(ctx context.Context) error {
	count := int64(retireCount)
	if s.untilRetire() < -retireLate {
		count = engine.MaxRetire
	}
	c := s.machine.encode(engine.Op{Command: &engine.Retire{Count: count}})
	b, _, err := s.batcher.add(c)
	c.release()
	if err != nil {
		return err
	}
	return b.wait(ctx)
}
