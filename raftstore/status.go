package raftstore

import (
	"cmp"
	"slices"
	"time"

	"github.com/hashicorp/raft"
)

// Status is what a node knows of itself and of the cluster.
type Status struct {
	Cluster string // its id, in hexadecimal; "" until it is known
	Node    string
	Leader  string // "" when there is none
	Waiting string // without a leader: for what this node waits, for people; else ""
	Term    uint64
	Index   uint64 // applied here
	Members []Member
	Digest  Digest
	// Horizon is for how long a remembered answer is kept now: 24 h unless memory cuts it short.
	Horizon time.Duration
}

// Member is one node of the cluster as this one sees it.
type Member struct {
	ID      string // its name, without incarnation
	Raft    string // address of its peer port
	HTTP    string // what it says of itself; "" before it was heard
	Voter   bool
	Healthy bool   // complete, and heard within the last three seconds or this node
	Lag     uint64 // entries that it is behind the newest index known here
	// ClockOffset is how far its clock is ahead of the median of the voters', in whole ms; 0 also
	// while that is not known.
	ClockOffset time.Duration
	DiskFree    int64 // bytes; 0 while it is not known
}

// Digest is the digest of the ledger at Index, the newest multiple of 1,024 that all members
// who were heard lately have; 0 when there is none.
type Digest struct {
	Index, Value uint64
	Diverged     bool // two members differ at an index that both have
}

// ReadyCheck is one condition for serving.
type ReadyCheck struct {
	Name   string
	OK     bool
	Detail string
}

// Status returns what is known now. It asks nobody: members are asked once a second.
func (s *Store) Status() Status {
	own := s.report()
	st := Status{
		Cluster: s.clusterText(), Node: s.cfg.Node, Leader: s.leaderName(), Term: own.Term, Index: own.Applied,
		Horizon: own.horizon,
	}
	if st.Leader == "" {
		st.Waiting = s.whyNoLeader()
	}
	newest, offset := own.Applied, s.clockOffsets()
	reports := []report{own}
	for _, server := range s.servers() {
		m := Member{
			ID: nodeName(server.ID), Raft: string(server.Address),
			Voter: server.Suffrage == raft.Voter,
		}
		r := own
		if server.ID == s.parts.id {
			m.Healthy = own.Complete
			m.Raft = string(s.parts.transport.LocalAddr())
		} else {
			var heard bool
			r, heard = s.heardOf(server.ID)
			if heard {
				reports = append(reports, r)
			}
			m.Healthy = heard && r.Complete
		}
		m.HTTP, m.Lag = r.HTTP, r.Applied
		m.ClockOffset = offset(server.ID)
		if r.Disk != nil {
			m.DiskFree = r.Disk.Free
		}
		newest = max(newest, r.Applied)
		st.Members = append(st.Members, m)
	}
	for i := range st.Members {
		st.Members[i].Lag = newest - st.Members[i].Lag
	}
	st.Digest = commonDigest(reports)
	return st
}

// Ready returns the conditions for serving; the node is ready when all are OK.
func (s *Store) Ready() []ReadyCheck {
	leader := ReadyCheck{Name: "leader", OK: true, Detail: s.leaderName()}
	own := leader.Detail == s.cfg.Node
	switch {
	case leader.Detail == "":
		leader.OK, leader.Detail = false, s.whyNoLeader()
	case own && !s.opened():
		leader.OK, leader.Detail = false, "the term is not open yet"
	case !own && s.contact() > silentAfter:
		leader.OK, leader.Detail = false, "the leader is silent"
	}
	storage := ReadyCheck{Name: "storage", OK: true}
	if err := s.fault(); err != nil {
		storage.OK, storage.Detail = false, err.Error()
	}
	applied := ReadyCheck{Name: "applied", OK: true}
	if behind := s.behind(); behind > readyBehind {
		applied.OK, applied.Detail = false, "catching up with the log"
	}
	return []ReadyCheck{leader, storage, applied, s.clockCheck(), s.diskCheck()}
}

// opened reports whether this node leads and its term is open. Raft knows that it has won before we
// do, so a leadership of an older term counts for nothing.
func (s *Store) opened() bool {
	l := s.lead.Load()
	return l != nil && l.opened.Load() && l.term == s.raft().CurrentTerm()
}

// readyBehind is how many entries a node may be behind what was agreed and still be ready: what
// three batches on their way and a heartbeat make.
const readyBehind = 64

func (s *Store) behind() uint64 {
	agreed, applied := s.raft().CommitIndex(), s.machine.applied.Load()
	if applied >= agreed {
		return 0
	}
	return agreed - applied
}

// servers is raft's newest configuration, by name, with the addresses of this start.
func (s *Store) servers() []raft.Server {
	f := s.raft().GetConfiguration()
	if f.Error() != nil {
		return nil
	}
	servers := slices.Clone(f.Configuration().Servers) // raft shares its own
	for i := range servers {
		servers[i].Address = s.nodes.resolve(servers[i].ID, servers[i].Address)
	}
	slices.SortFunc(servers, func(a, b raft.Server) int { return cmp.Compare(a.ID, b.ID) })
	return servers
}

// commonDigest is the digest at the newest index that all reports have, and whether any two differ.
func commonDigest(reports []report) Digest {
	var d Digest
	for index, value := range reports[0].Digests {
		all := true
		for _, r := range reports[1:] {
			other, ok := r.Digests[index]
			all = all && ok
			d.Diverged = d.Diverged || (ok && other != value)
		}
		if all && index > d.Index {
			d.Index, d.Value = index, uint64(value)
		}
	}
	return d
}
