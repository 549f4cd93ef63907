package raftstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"holdfast/engine"
)

// How a node with an empty folder gets into a cluster that is there. It asks the leader, and takes
// part only when the leader has agreed with a majority, without it, that this folder has the name and
// the incarnation from now on (engine.Enrol). A second folder under the same name and incarnation is
// one that lost its first, and is sent to `cluster recover`, which gives it a higher incarnation.
//
// What may have been acknowledged or voted under that id by a folder that nobody enrolled, because
// its node died before a leader had heard of it, does no harm: the entry that enrols was agreed
// without it, so all that was acknowledged in front of it is on a majority without it too, and it
// votes only in terms behind that one (gate.go).

// joinQuestion is a node that wants to be let in, as JSON.
type joinQuestion struct {
	Node        string `json:"node"`
	Incarnation uint64 `json:"incarnation"`
	Folder      string `json:"folder"`
	Raft        string `json:"raft"` // where it is reached
	// ApplyVersion is the newest that its build knows.
	ApplyVersion int64 `json:"apply_version"`
}

// What the leader says to it.
const (
	joinIn    = "in"
	joinWait  = "wait" // not now, or not before somebody did something
	joinUsed  = "used"
	joinOld   = "old" // its build does not know what the cluster does
	maxAnswer = 64 << 10
)

// joinAnswer is what the leader says, as JSON.
type joinAnswer struct {
	Verdict     string `json:"verdict"`
	Why         string `json:"why"` // for people
	Cluster     string `json:"cluster"`
	Term        uint64 `json:"term"`
	Incarnation uint64 `json:"incarnation"` // the one that is known, of joinUsed
	// ApplyVersion is the cluster's, of joinOld.
	ApplyVersion int64 `json:"apply_version,omitempty"`
}

// UsedNameError says that the data folder of a member is gone: another folder took part under its
// name, and an empty one may not do so in its place.
type UsedNameError struct {
	Node        string
	Incarnation uint64 // under which it is known
	Cluster     string
}

func (e *UsedNameError) Error() string {
	return fmt.Sprintf("node %q takes part in cluster %s as incarnation %d with another data folder, "+
		"and this one may not take its place", e.Node, e.Cluster, e.Incarnation)
}

// join asks the leader at addr to let this node in. It returns for what the node waits.
func (s *Store) join(ctx context.Context, addr string) string {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ProposeTimeout)
	defer cancel()
	id := s.parts.identity.Identity()
	body, err := json.Marshal(joinQuestion{Node: id.Node, Incarnation: id.Incarnation,
		Folder: id.Folder, Raft: string(s.parts.transport.LocalAddr()),
		ApplyVersion: s.cfg.applyVersion})
	if err != nil {
		return err.Error()
	}
	answer, _, err := s.peers.Call(ctx, addr, callJoin, body)
	var a joinAnswer
	if err == nil && (len(answer) > maxAnswer || json.Unmarshal(answer, &a) != nil) {
		err = errors.New("its answer cannot be read")
	}
	if err != nil {
		s.heedReplaced(err)
		return fmt.Sprintf("the leader at %s could not be asked: %v", addr, err)
	}
	switch a.Verdict {
	case joinIn:
		if err := s.takePart(a.Cluster, a.Term); err != nil {
			s.fail(err)
		}
		return "the leader's first message"
	case joinUsed:
		s.fail(&UsedNameError{Node: id.Node, Incarnation: a.Incarnation, Cluster: a.Cluster})
	case joinOld:
		s.fail(fmt.Errorf("join the cluster of %s: %w", addr,
			&engine.VersionError{Version: a.ApplyVersion, Knows: s.cfg.applyVersion}))
	}
	return a.Why
}

// takePart notes durably that this node was let in, and only then opens the gate.
func (s *Store) takePart(cluster string, term uint64) error {
	old := s.parts.identity.Identity()
	if err := s.parts.identity.SetLetIn(cluster, term); err != nil {
		return fmt.Errorf("remember that this node was let in: %w", err)
	}
	if s.gate != nil {
		s.gate.letIn(term)
	}
	if !old.LetIn {
		s.log.Info("let in", "cluster", cluster, "term", term, "id", s.parts.id)
	}
	return nil
}

// handleJoin is the answer to callJoin.
func (s *Store) handleJoin(ctx context.Context, body []byte) []byte {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ProposeTimeout) // nobody waits for longer
	defer cancel()
	var q joinQuestion
	a := joinAnswer{Verdict: joinWait}
	if err := json.Unmarshal(body, &q); err != nil || !validNode(q.Node) || q.Incarnation == 0 {
		a.Why = "the question cannot be read"
	} else if err := s.letIn(ctx, q, &a); err != nil {
		s.log.Warn("a node was not let in", "node", q.Node, "error", err)
		a.Why = "the leader could not let it in yet: " + err.Error()
	}
	answer, err := json.Marshal(a)
	if err != nil {
		s.log.Error("answer to a node that wants to be let in", "error", err)
	}
	return answer
}

// letIn decides about a node that wants to be let in. It fails when what that takes could not be
// agreed; asking again is safe then.
func (s *Store) letIn(ctx context.Context, q joinQuestion, a *joinAnswer) error {
	l := s.lead.Load()
	if l == nil || !l.opened.Load() {
		a.Why = "the node that was asked does not lead"
		return nil
	}
	if err := s.changes.take(ctx); err != nil {
		return err
	}
	defer s.changes.give()
	id := Identity{Node: q.Node, Incarnation: q.Incarnation, Folder: q.Folder}
	a.Cluster = s.clusterText()
	if now := s.applyVersion(); q.ApplyVersion < now {
		// It would stop at its first entry, or at the checkpoint that it is sent, and be a member then.
		a.Verdict, a.ApplyVersion = joinOld, now
		return nil
	}
	member, isMember := s.memberNamed(q.Node)
	known, enrolled := s.enrolment(q.Node)
	if enrolled && !mayClaim(known, id) {
		a.Verdict, a.Incarnation = joinUsed, uint64(known.Incarnation)
		return nil
	}
	switch kept := enrolled && known.Folder == [16]byte{}; {
	case !isMember && !kept:
		a.Why = fmt.Sprintf("this node is not a member yet: run `holdfast cluster add %s=%s` at any member",
			q.Node, q.Raft)
		return nil
	case isMember && !enrolled && member.ID != id.RaftID():
		a.Why = fmt.Sprintf("the members have %s, and this is %s: was its folder made for another cluster?",
			member.ID, id.RaftID())
		return nil
	}
	if member.ID != id.RaftID() {
		if err := s.replace(ctx, member.ID, id.RaftID(), s.placeOf(member.ID, q.Raft)); err != nil {
			return err
		}
	}
	if err := s.enrol(ctx, id); err != nil {
		return err
	}
	if s.lead.Load() != l || s.raft().CurrentTerm() != l.term {
		return &NoLeaderError{Why: "the leader changed", After: retrySoon}
	}
	a.Verdict, a.Term = joinIn, l.term
	return nil
}

// mayClaim reports whether a folder may have the incarnation that it says: it has it already, or that
// was kept for a folder to come.
func mayClaim(known engine.Enrolment, id Identity) bool {
	return uint64(known.Incarnation) == id.Incarnation &&
		(known.Folder == id.FolderID() || known.Folder == [16]byte{})
}

// enrol has the members agree that a folder has a name and an incarnation from now on; a folder id of
// zero keeps it. It fails as Submit, or when another folder has it.
func (s *Store) enrol(ctx context.Context, id Identity) error {
	r, err := s.Submit(ctx, engine.Op{Command: &engine.Enrol{
		Node: id.Node, Incarnation: int64(id.Incarnation), Folder: id.FolderID()}})
	if err == nil && r.Refusal != engine.Accepted {
		err = fmt.Errorf("enrol %s: %s", id.RaftID(), r.Refusal)
	}
	return err
}

// enrolSelf is part of the first entry of a cluster.
func (s *Store) enrolSelf() engine.Op {
	id := s.parts.identity.Identity()
	return engine.Op{Command: &engine.Enrol{
		Node: id.Node, Incarnation: int64(id.Incarnation), Folder: id.FolderID()}}
}

// replace puts a node's new incarnation, as a non-voter, in the place of its old one. Raft allows one
// address once, so the old one goes first; its disk is gone, so no majority becomes harder to
// reach by that: of n voters, one of them dead, n/2+1 must agree before, and at most as many after.
//
// When the leader dies between the two, the node has no place, and its new incarnation is still kept
// for it: the next leader goes on with the second step. old is "" then.
func (s *Store) replace(ctx context.Context, old, id raft.ServerID, addr raft.ServerAddress) error {
	if old != "" {
		err := s.reconfigure(ctx, func(r *raft.Raft, seen uint64, wait time.Duration) raft.Future {
			return r.RemoveServer(old, seen, wait)
		})
		if err != nil {
			return fmt.Errorf("remove %s: %w", old, err)
		}
		s.log.Info("a lost incarnation was removed", "id", old)
	}
	err := s.reconfigure(ctx, func(r *raft.Raft, seen uint64, wait time.Duration) raft.Future {
		return r.AddNonvoter(id, addr, seen, wait)
	})
	if err != nil {
		return fmt.Errorf("add %s: %w", id, err)
	}
	s.log.Info("a new incarnation was added", "id", id, "raft", addr)
	return nil
}

// placeOf is where the successor of a member is reached: at its address, else where it says.
func (s *Store) placeOf(old raft.ServerID, said string) raft.ServerAddress {
	for _, m := range s.configured() {
		if m.ID == old {
			return m.Address
		}
	}
	return raft.ServerAddress(said)
}

// memberNamed finds a member by its name.
func (s *Store) memberNamed(node string) (raft.Server, bool) {
	servers := s.servers()
	i := slices.IndexFunc(servers, func(m raft.Server) bool { return nodeName(m.ID) == node })
	if i < 0 {
		return raft.Server{}, false
	}
	return servers[i], true
}

// enrolment is what is known of a node that was ever a member.
func (s *Store) enrolment(node string) (e engine.Enrolment, ok bool) {
	s.machine.view(func(l *engine.Ledger) bool {
		if l != nil { // nil until the start has gone on from the peer port
			e, ok = l.Enrolment(node)
		}
		return false
	})
	return e, ok
}

// guardRaft puts the gate in front of raft if the node needs one, before raft starts. It fails with
// the error of the disk.
func (s *Store) guardRaft(p *parts) error {
	p.transport.nodes = s.nodes
	term, err := p.log.GetUint64([]byte("CurrentTerm"))
	if err != nil {
		return fmt.Errorf("read raft's term: %w", err)
	}
	if id := p.identity.Identity(); needsGate(id, term) {
		s.gate = newGate(p.transport.inner.Consumer(), id)
		p.transport.gate = s.gate
		p.closers = append(p.closers, func() error { s.gate.close(); return nil })
	}
	return nil
}

// introduce is what the peer port says of this node and asks of others.
func (s *Store) introduce(own identityKeeper) peerSelf {
	return peerSelf{
		cluster: func() [16]byte {
			if id := s.machine.clusterID(); id != ([16]byte{}) {
				return id
			}
			return Identity{Folder: own.Identity().ClusterID}.FolderID()
		},
		incarnation: func() uint64 {
			if id := own.Identity(); id.LetIn {
				return id.Incarnation
			}
			return 0
		},
		enrolled: func(node string) uint64 {
			e, _ := s.enrolment(node)
			return uint64(e.Incarnation)
		},
		folder: func() [16]byte { return own.Identity().FolderID() },
		stranger: func(node string, incarnation uint64, folder [16]byte) bool {
			e, _ := s.enrolment(node)
			return uint64(e.Incarnation) == incarnation && e.Folder != [16]byte{} && e.Folder != folder
		},
		hear: s.nodes.hear,
	}
}

// introduceIn says in a report who this node is.
func (s *Store) introduceIn(r *report) {
	id := s.parts.identity.Identity()
	r.Node, r.Incarnation, r.Folder, r.LetIn = id.Node, id.Incarnation, id.Folder, id.LetIn
	r.Raft = string(s.parts.transport.LocalAddr())
}

// takesPart reports whether a report is of the member id, fresh, and of one that was let in.
func (r report) takesPart(id raft.ServerID, now time.Time) bool {
	of := Identity{Node: r.Node, Incarnation: r.Incarnation}
	return !r.heard.IsZero() && now.Sub(r.heard) < silentAfter && r.LetIn && of.RaftID() == id
}

// heedReplaced stops the node when another says that it was made anew since.
func (s *Store) heedReplaced(err error) {
	var replaced *replacedError
	if !errors.As(err, &replaced) {
		return
	}
	known := s.parts.identity.Identity().Incarnation
	if !replaced.twin {
		known++
	}
	s.fail(&UsedNameError{Node: s.cfg.Node, Cluster: s.clusterText(), Incarnation: known})
}

// heedEnrolment stops the node when the members agreed that another folder has its name: two were
// started under it, and the other was heard first. Both would vote and acknowledge under one id.
func (s *Store) heedEnrolment() {
	id := s.parts.identity.Identity()
	known, ok := s.enrolment(id.Node)
	if ok && id.LetIn && !mayClaim(known, id) && uint64(known.Incarnation) >= id.Incarnation {
		s.fail(&UsedNameError{Node: id.Node, Cluster: s.clusterText(),
			Incarnation: uint64(known.Incarnation)})
	}
}
