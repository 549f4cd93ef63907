package raftstore

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math"
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

// form bootstraps an empty folder: a node without peers is a cluster of itself, and every node of a
// static list writes the same first configuration, which raft allows. A folder that holds anything
// is left as it is.
//
// This is where an empty folder will first ask all listed peers, refuse when any of them knows a
// cluster, and bootstrap only when a majority is empty with the same list. Until then a node whose
// folder was wiped must not be started under its old name.
//
// It fails with the error of the disk.
func form(c Config, conf *raft.Config, p *parts) error {
	exists, err := raft.HasExistingState(p.log, p.log, p.checkpoints)
	if err != nil {
		return fmt.Errorf("look for raft's state: %w", err)
	}
	if exists {
		return nil
	}
	servers := []raft.Server{{ID: conf.LocalID, Address: p.transport.LocalAddr()}}
	if len(c.Peers) > 0 {
		servers = servers[:0]
		for _, peer := range c.Peers {
			servers = append(servers, raft.Server{
				ID:      Identity{Node: peer.Node, Incarnation: firstIncarnation}.RaftID(),
				Address: raft.ServerAddress(peer.Addr),
			})
		}
	}
	err = raft.BootstrapCluster(conf, p.log, p.log, p.checkpoints, p.transport,
		raft.Configuration{Servers: servers})
	if err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
		return fmt.Errorf("write the first configuration: %w", err)
	}
	return nil
}

// firstIncarnation is the incarnation that every node of a new cluster has.
const firstIncarnation = 1

// nodeName is the name in a raft id: what stands in front of the incarnation.
func nodeName(id raft.ServerID) string {
	name, _, _ := strings.Cut(string(id), ".")
	return name
}

// addresses gives raft the address of a node as the configuration of this start says, so that a
// node may move to another port; others are where raft's own configuration has them.
type addresses map[string]string

// ServerAddr fails when the node is not in the list of this start.
func (a addresses) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	if addr, ok := a[nodeName(id)]; ok {
		return raft.ServerAddress(addr), nil
	}
	return "", fmt.Errorf("node %s is not in the list of peers", id)
}

// addressesOf returns nil when there is no list.
func addressesOf(c Config) raft.ServerAddressProvider {
	if len(c.Peers) == 0 {
		return nil
	}
	a := addresses{}
	for _, p := range c.Peers {
		a[p.Node] = p.Addr
	}
	return a
}

// rankOf is the node's place in the list, from 0: it keeps nodes from doing at one moment what only
// one of them should.
func rankOf(c Config) int {
	for i, p := range c.Peers {
		if p.Node == c.Node {
			return i
		}
	}
	return 0
}

// newClusterID returns a random id, never zero.
func newClusterID() (id [16]byte) {
	for id == ([16]byte{}) {
		rand.Read(id[:]) // never fails
	}
	return id
}
