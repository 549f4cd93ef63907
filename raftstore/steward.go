package raftstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hashicorp/raft"
)

// The leader looks after the members once a second: it enrols those of the first configuration as it
// hears them, gives members that have caught up their vote, and has the configuration follow a member
// that has moved. Each is one small step that can be taken again, so nothing is remembered when
// another leads.

const (
	// promoteLag is how many entries a member may be behind, at the moment it is asked, and count as
	// caught up: what is on its way at full load.
	promoteLag = 256
	// promoteAfter is how many times in a row it must have been.
	promoteAfter = 3
)

// runSteward looks after the members while this node leads, until ctx ends.
func (s *Store) runSteward(ctx context.Context) {
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	near := map[raft.ServerID]int{} // how often in a row each was seen close behind
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if !s.opened() {
			clear(near)
			continue
		}
		if err := s.steward(ctx, near); err != nil && ctx.Err() == nil {
			s.log.Warn("looking after the members", "error", err)
		}
	}
}

// steward does what is to be done now. It returns the errors of what could not be agreed.
func (s *Store) steward(ctx context.Context, near map[raft.ServerID]int) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ProposeTimeout)
	defer cancel()
	if err := s.changes.take(ctx); err != nil {
		return err
	}
	defer s.changes.give()
	errs := []error{s.enrolHeard(ctx)}
	for _, m := range s.configured() {
		if m.Suffrage == raft.Voter {
			delete(near, m.ID)
		} else if near[m.ID]++; !s.caughtUp(ctx, m) {
			near[m.ID] = 0
		}
	}
	for _, m := range s.configured() { // one change of the configuration at a time
		voter := m.Suffrage == raft.Voter
		addr := s.saidOf(m.ID)
		promote := !voter && near[m.ID] >= promoteAfter
		moved := addr != "" && raft.ServerAddress(addr) != m.Address && s.isWell(m.ID)
		if moved {
			m.Address = raft.ServerAddress(addr)
		}
		if promote || moved {
			return errors.Join(append(errs, s.settle(ctx, m, voter || promote))...)
		}
	}
	return errors.Join(errs...)
}

// saidOf is the address that a member's own settings give it, "" when they give none or it was not
// heard. A cluster of one has nobody who would need it.
func (s *Store) saidOf(id raft.ServerID) string {
	switch {
	case id != s.parts.id:
		return s.nodes.saying(nodeName(id))
	case s.alone():
		return ""
	}
	return s.nodes.listed[s.cfg.Node]
}

// configured is raft's newest configuration as it is, with its own addresses.
func (s *Store) configured() []raft.Server {
	f := s.raft().GetConfiguration()
	if f.Error() != nil {
		return nil
	}
	return slices.Clone(f.Configuration().Servers)
}

// settle puts a member into the configuration with its address, and its vote.
func (s *Store) settle(ctx context.Context, m raft.Server, voter bool) error {
	err := s.reconfigure(ctx, func(r *raft.Raft, seen uint64, wait time.Duration) raft.Future {
		if voter {
			return r.AddVoter(m.ID, m.Address, seen, wait)
		}
		return r.AddNonvoter(m.ID, m.Address, seen, wait)
	})
	if err == nil {
		s.log.Info("member settled", "id", m.ID, "raft", m.Address, "voter", voter)
	}
	return err
}

// enrolHeard enrols the members that take part and that no leader has heard before.
func (s *Store) enrolHeard(ctx context.Context) error {
	var errs []error
	for _, m := range s.configured() {
		r := s.members.get(m.ID)
		if m.ID == s.parts.id {
			s.introduceIn(&r)
		} else if !r.takesPart(m.ID, time.Now()) {
			continue
		}
		id := Identity{Node: r.Node, Incarnation: r.Incarnation, Folder: r.Folder}
		known, ok := s.enrolment(id.Node)
		if !ok || mayClaim(known, id) && known.Folder != id.FolderID() {
			errs = append(errs, s.enrol(ctx, id))
		}
	}
	return errors.Join(errs...)
}

// caughtUp asks a member how far it is.
func (s *Store) caughtUp(ctx context.Context, m raft.Server) bool {
	before := s.machine.applied.Load()
	m.Address = s.nodes.resolve(m.ID, m.Address)
	s.ask(ctx, m)
	r := s.members.get(m.ID)
	return s.isWell(m.ID) && r.Applied+promoteLag >= before && time.Since(r.heard) < askEvery
}
