package raftstore

import (
	"context"
	"time"

	"holdfast/engine"
)

// runVersions raises the cluster's apply version as soon as every member can follow, while this node
// leads. It ends with ctx.
//
// Nobody has to ask for it: a cluster whose nodes are all of a later build would otherwise keep the
// behaviour of the oldest build that it ever had until a person thought of it, and whoever takes one
// node back to the older build while others wait still can, since that node's report holds the leader
// back. Once raised it stays: an older build stops at the entry that raised it, and says so.
func (s *Store) runVersions(ctx context.Context) {
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := s.raiseVersion(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("apply version not raised", "error", err)
		}
	}
}

// raiseVersion proposes the highest apply version that all members know, if that is above the
// cluster's and this node leads. It returns the batch's error; the next try is a second away.
//
// When the lead is lost on the way the batch goes to the next leader, who would have asked for the same:
// what a member once said it can do it still can, unless it was started anew with an older build in
// these few seconds. That one stops.
func (s *Store) raiseVersion(ctx context.Context) error {
	if !s.opened() {
		return nil
	}
	known, all := s.versionOfAll()
	now := s.applyVersion()
	if !all || now == 0 || known <= now {
		return nil
	}
	raise := &engine.Configure{Limits: engine.Limits{ApplyVersion: known}}
	c := s.machine.encode(engine.Op{Command: raise})
	b, _, err := s.batcher.add(c)
	c.release()
	if err == nil {
		err = b.wait(ctx)
	}
	if err != nil {
		return err
	}
	s.log.Info("apply version raised", "from", now, "to", known, "index", b.index)
	return nil
}

// applyVersion is the cluster's as it is applied here, 0 when the ledger cannot be read.
func (s *Store) applyVersion() (version int64) {
	s.machine.view(func(l *engine.Ledger) bool {
		version = l.Limits().ApplyVersion
		return false
	})
	return version
}

// versionOfAll is the highest apply version that every member knows, voter or not. all is false while
// any of them was not heard lately: a member that is away may be of an older build.
func (s *Store) versionOfAll() (version int64, all bool) {
	servers := s.servers()
	version = s.cfg.applyVersion
	for _, server := range servers {
		if server.ID == s.parts.id {
			continue
		}
		r := s.members.get(server.ID)
		if r.heard.IsZero() || time.Since(r.heard) >= silentAfter || r.ApplyVersion < 1 {
			return 0, false
		}
		version = min(version, r.ApplyVersion)
	}
	return version, len(servers) > 0
}
