package raftstore

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/raft"
)

// raftTimeout bounds one raft message. It must cover a follower that loads an installed checkpoint,
// so it is ten heartbeats, not one.
const raftTimeout = 10 * time.Second

// commitEvery is how late an idle follower learns what was agreed: its readers wait for that.
const commitEvery = 10 * time.Millisecond

// maxAppend is how many entries go into one message and one sync. Entries are batches of up to
// 256 KiB already, and at most maxInFlight of them are new.
const maxAppend = 16

// raftConfig is raft's settings. Checkpoints are triggered by us, so raft's own trigger is put out
// of reach; the ledger is loaded before raft starts, so raft restores nothing.
func raftConfig(c Config, id raft.ServerID, leads chan<- bool) *raft.Config {
	r := raft.DefaultConfig()
	r.LocalID = id
	r.HeartbeatTimeout = c.Heartbeat
	r.ElectionTimeout = c.Heartbeat
	r.LeaderLeaseTimeout = c.Heartbeat
	r.CommitTimeout = min(commitEvery, c.Heartbeat/10)
	r.MaxAppendEntries = maxAppend
	r.BatchApplyCh = true
	r.PreVoteDisabled = false
	r.NoLegacyTelemetry = true
	r.NoSnapshotRestoreOnStart = true
	r.RestoreCommittedLogs = false
	r.ShutdownOnRemove = false
	r.SnapshotThreshold = math.MaxUint64
	r.SnapshotInterval = 24 * time.Hour
	r.TrailingLogs = trailingMax
	r.NotifyCh = leads
	r.Logger = newRaftLogger("raft", c.Logger, c.Peers)
	return r
}

// form makes a cluster of one of an empty folder, if the node is to be one: it has neither a list of
// peers nor anybody to join. All others wait for runFormation. It fails with the error of the disk.
//
// IDENTITY is written first: when the process dies before raft has its configuration, the next start
// finds a folder that was let in to no cluster and holds nothing, or raft's term alone, and goes on
// from here.
func form(c Config, conf *raft.Config, p *parts) error {
	if !c.alone() {
		return nil
	}
	exists, err := raft.HasExistingState(p.log, p.log, p.checkpoints)
	if err != nil {
		return fmt.Errorf("look for raft's state: %w", err)
	}
	id := p.identity.Identity()
	if id.ClusterID != "" {
		return nil
	}
	servers := []raft.Server{{ID: conf.LocalID, Address: p.transport.LocalAddr()}}
	if exists {
		if term, err := p.log.GetUint64([]byte(keyTerm)); err != nil || term > 1 || !id.LetIn {
			return err // it voted for somebody, or there is more than that term
		}
		return finishFirst(p, raft.Configuration{Servers: servers})
	}
	if err := p.identity.SetLetIn("", 0); err != nil {
		return err
	}
	err = raft.BootstrapCluster(conf, p.log, p.log, p.checkpoints, p.transport,
		raft.Configuration{Servers: servers})
	if err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
		return fmt.Errorf("write the first configuration: %w", err)
	}
	return nil
}

// alone reports whether an empty folder becomes a cluster of one.
func (c Config) alone() bool { return len(c.Peers) <= 1 && len(c.Join) == 0 }

// firstConfiguration is what every node of a new cluster begins with: all of the list vote. It is
// the same to the last byte on each, since it is the first entry of each log.
func firstConfiguration(peers []Peer) raft.Configuration {
	var servers []raft.Server
	for _, peer := range sortedPeers(peers) {
		servers = append(servers, raft.Server{
			ID:      Identity{Node: peer.Node, Incarnation: firstIncarnation}.RaftID(),
			Address: raft.ServerAddress(peer.Addr),
		})
	}
	return raft.Configuration{Servers: servers}
}

func sortedPeers(peers []Peer) []Peer {
	return slices.SortedFunc(slices.Values(peers), func(a, b Peer) int {
		return strings.Compare(a.Node, b.Node)
	})
}

// firstIncarnation is the incarnation that every node of a new cluster has.
const firstIncarnation = 1

// nodeName is the name in a raft id: what stands in front of the incarnation.
func nodeName(id raft.ServerID) string {
	name, _, _ := strings.Cut(string(id), ".")
	return name
}

// rankOf is the node's place among the members, from 0: it keeps nodes from doing at one moment what
// only one of them should.
func rankOf(servers []raft.Server, own raft.ServerID) int {
	rank := 0
	for _, server := range servers {
		if server.ID < own {
			rank++
		}
	}
	return rank
}

// newClusterID returns a random id, never zero.
func newClusterID() (id [16]byte) {
	for id == ([16]byte{}) {
		rand.Read(id[:]) // never fails
	}
	return id
}
