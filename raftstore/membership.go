package raftstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/raft"
)

// The changes of who the members are that a person asks for. Any node takes them and passes them on to
// the leader, which refuses what would hurt, and makes one at a time.

// MemberError refuses a change of the members; nothing changed.
type MemberError struct {
	Reason string // stable, such as "last-voter"
	Why    string // for people
	Field  string // of the request, where one is to blame
}

// Error says why.
func (e *MemberError) Error() string { return e.Why }

// Code returns the reason.
func (e *MemberError) Code() string { return e.Reason }

// At returns the field of the request that is to blame, or "".
func (e *MemberError) At() string { return e.Field }

// The reasons of a MemberError.
const (
	reasonInvalid   = "invalid"
	reasonUnknown   = "unknown-member"
	reasonExists    = "member-exists"
	reasonLastVoter = "last-voter"
	reasonMajority  = "majority-at-risk"
	reasonBehind    = "member-behind"
	reasonHealthy   = "member-healthy"
)

func refuseMember(reason, field, format string, args ...any) *MemberError {
	return &MemberError{Reason: reason, Field: field, Why: fmt.Sprintf(format, args...)}
}

// Recovery is what a node needs to begin anew with an empty folder.
type Recovery struct {
	Node        string
	Incarnation uint64
	Cluster     string // the cluster's id, in hexadecimal
}

// What a change does.
const (
	changeAdd      = "add"
	changeRemove   = "remove"
	changeTransfer = "transfer"
	changeRecover  = "recover"
)

// memberChange is one change, as JSON.
type memberChange struct {
	Do   string `json:"do"`
	Node string `json:"node"`
	Raft string `json:"raft"`
}

// changeAnswer is what became of it, as JSON.
type changeAnswer struct {
	Code        string        `json:"code"` // "" when it was done
	Why         string        `json:"why"`
	Field       string        `json:"field"`
	After       time.Duration `json:"after"`
	Incarnation uint64        `json:"incarnation"`
	Cluster     string        `json:"cluster"`
}

// AddMember makes node, reached at addr, a member: first without a vote, and with one once it has
// caught up. It fails with *MemberError or *NoLeaderError when nothing changed, and with
// *UnknownError when that is not known.
func (s *Store) AddMember(ctx context.Context, node, addr string) error {
	_, err := s.change(ctx, memberChange{Do: changeAdd, Node: node, Raft: addr})
	if err != nil {
		return err
	}
	s.seeSoon(ctx, func() bool { _, is := s.memberNamed(node); return is })
	return nil
}

// RemoveMember ends the membership of node; a leader hands over first. It fails as AddMember.
func (s *Store) RemoveMember(ctx context.Context, node string) error {
	_, err := s.change(ctx, memberChange{Do: changeRemove, Node: node})
	if err != nil {
		return err
	}
	s.seeSoon(ctx, func() bool { _, is := s.memberNamed(node); return !is })
	return nil
}

// TransferLeadership makes node the leader, or, when it is "", the member that is best fit for it. It
// returns nil when node leads already, and fails as AddMember.
func (s *Store) TransferLeadership(ctx context.Context, node string) error {
	before := s.leaderName()
	if _, err := s.change(ctx, memberChange{Do: changeTransfer, Node: node}); err != nil {
		return err
	}
	s.seeSoon(ctx, func() bool {
		now := s.leaderName()
		return now != "" && (now == node || node == "" && now != before)
	})
	return nil
}

// RecoverMember keeps the next incarnation for node, whose disk is lost. Asked again before that
// was used, it returns the same. It fails as AddMember.
func (s *Store) RecoverMember(ctx context.Context, node string) (Recovery, error) {
	a, err := s.change(ctx, memberChange{Do: changeRecover, Node: node})
	return Recovery{Node: node, Incarnation: a.Incarnation, Cluster: a.Cluster}, err
}

// seeSoon waits a little until this node has learnt of a change: it is agreed, but the asker may look
// at once.
func (s *Store) seeSoon(ctx context.Context, seen func() bool) {
	for range 100 {
		if seen() {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(s.cfg.Heartbeat / 50):
		}
	}
}

// change has the leader make a change: this node, or the one that it follows. While there is none,
// as after a handover that the change began with, it tries again for a few heartbeats.
func (s *Store) change(ctx context.Context, c memberChange) (changeAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ProposeTimeout)
	defer cancel()
	if err := c.check(); err != nil {
		return changeAnswer{}, err
	}
	patience := time.Now().Add(4 * s.cfg.Heartbeat)
	for {
		a, err := s.changeOnce(ctx, c)
		var none *NoLeaderError
		if !errors.As(err, &none) || time.Now().After(patience) {
			return a, err
		}
		select {
		case <-ctx.Done():
			return a, err
		case <-time.After(s.cfg.Heartbeat / 10):
		}
	}
}

// check finds what needs no state.
func (c memberChange) check() error {
	if (c.Node != "" || c.Do != changeTransfer) && !validNode(c.Node) {
		field := "id"
		if c.Do == changeTransfer {
			field = "to"
		}
		return refuseMember(reasonInvalid, field, "%s %q must be %s", field, c.Node, nodeRule)
	}
	if c.Do != changeAdd {
		return nil
	}
	host, port, err := net.SplitHostPort(c.Raft)
	number, badPort := strconv.ParseUint(port, 10, 16)
	ip := net.ParseIP(host)
	if err != nil || badPort != nil || number == 0 || host == "" || ip != nil && ip.IsUnspecified() {
		return refuseMember(reasonInvalid, "raft", "raft %q must be host:port as the other members reach it, "+
			"such as 10.0.0.4:7481", c.Raft)
	}
	return nil
}

func (s *Store) changeOnce(ctx context.Context, c memberChange) (changeAnswer, error) {
	if s.opened() {
		return s.makeChange(ctx, c)
	}
	addr, leader := s.leader()
	if leader == "" || leader == s.cfg.Node {
		return changeAnswer{}, &NoLeaderError{Why: s.whyNoLeader(), After: retrySoon}
	}
	body, err := json.Marshal(c)
	if err != nil {
		return changeAnswer{}, err
	}
	answer, sent, err := s.peers.Call(ctx, addr, callChange, body)
	switch {
	case err != nil && sent:
		return changeAnswer{}, &UnknownError{Cause: err}
	case err != nil:
		return changeAnswer{}, &NoLeaderError{Known: leader, Why: err.Error(), After: retrySoon}
	}
	var a changeAnswer
	if len(answer) > maxAnswer || json.Unmarshal(answer, &a) != nil {
		return changeAnswer{}, &UnknownError{Cause: errReply}
	}
	return a, a.err(leader)
}

// handleChange is the answer to callChange: at most one hop.
func (s *Store) handleChange(ctx context.Context, body []byte) []byte {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ProposeTimeout)
	defer cancel()
	var c memberChange
	var a changeAnswer
	err := json.Unmarshal(body, &c)
	if err == nil {
		err = c.check()
	}
	if err == nil {
		a, err = s.makeChange(ctx, c)
	}
	a.setErr(err)
	answer, err := json.Marshal(a)
	if err != nil {
		s.log.Error("answer to a change of the members", "error", err)
	}
	return answer
}

func (a *changeAnswer) setErr(err error) {
	var coded interface{ Code() string }
	switch {
	case err == nil:
		return
	case errors.As(err, &coded):
		a.Code = coded.Code()
	default:
		a.Code = (*UnknownError)(nil).Code()
	}
	a.Why = err.Error()
	var later interface{ RetryAfter() time.Duration }
	if errors.As(err, &later) {
		a.After = later.RetryAfter()
	}
	var at interface{ At() string }
	if errors.As(err, &at) {
		a.Field = at.At()
	}
}

// err is the error that the leader had.
func (a changeAnswer) err(leader string) error {
	switch a.Code {
	case "":
		return nil
	case (*NoLeaderError)(nil).Code(), (*OverloadedError)(nil).Code():
		return &NoLeaderError{Known: leader, Why: a.Why, After: max(a.After, retrySoon)}
	case (*UnknownError)(nil).Code():
		return &UnknownError{Cause: errors.New(a.Why)}
	}
	return &MemberError{Reason: a.Code, Why: a.Why, Field: a.Field}
}

// makeChange makes one change, if this node leads. It fails as AddMember.
func (s *Store) makeChange(ctx context.Context, c memberChange) (changeAnswer, error) {
	if !s.opened() {
		return changeAnswer{}, &NoLeaderError{Why: "the node that was asked does not lead", After: retrySoon}
	}
	if err := s.changes.take(ctx); err != nil {
		return changeAnswer{}, err
	}
	defer s.changes.give()
	switch c.Do {
	case changeAdd:
		return changeAnswer{}, s.addMember(ctx, c)
	case changeRemove:
		return changeAnswer{}, s.removeMember(ctx, c)
	case changeTransfer:
		return changeAnswer{}, s.transfer(ctx, c.Node)
	case changeRecover:
		return s.recoverMember(ctx, c)
	}
	return changeAnswer{}, refuseMember(reasonInvalid, "", "this version does not know %q", c.Do)
}

func (s *Store) addMember(ctx context.Context, c memberChange) error {
	if m, is := s.memberNamed(c.Node); is {
		return refuseMember(reasonExists, "id", "%s is a member already, at %s", c.Node, m.Address)
	}
	for _, m := range s.servers() {
		if string(m.Address) == c.Raft {
			return refuseMember(reasonExists, "raft", "%s is the address of %s", c.Raft, nodeName(m.ID))
		}
	}
	id := Identity{Node: c.Node, Incarnation: firstIncarnation}
	if known, ok := s.enrolment(c.Node); ok {
		id.Incarnation = uint64(known.Incarnation)
	}
	err := s.reconfigure(ctx, func(r *raft.Raft, seen uint64, wait time.Duration) raft.Future {
		return r.AddNonvoter(id.RaftID(), raft.ServerAddress(c.Raft), seen, wait)
	})
	if err == nil {
		s.log.Info("member added", "id", id.RaftID(), "raft", c.Raft)
	}
	return err
}

func (s *Store) removeMember(ctx context.Context, c memberChange) error {
	m, is := s.memberNamed(c.Node)
	if !is {
		return refuseMember(reasonUnknown, "id", "%s is not a member", c.Node)
	}
	if m.Suffrage == raft.Voter {
		if err := s.spare(m.ID); err != nil {
			return err
		}
	}
	if m.ID == s.parts.id {
		if err := s.transfer(ctx, ""); err != nil {
			return err
		}
		return &NoLeaderError{Why: "leadership is being handed over first", After: retrySoon}
	}
	// An incarnation that is kept for a folder to come would let that node in again by itself.
	if known, ok := s.enrolment(c.Node); ok && known.Folder == [16]byte{} {
		if err := s.enrol(ctx, newIdentity(c.Node, uint64(known.Incarnation))); err != nil {
			return err
		}
	}
	err := s.reconfigure(ctx, func(r *raft.Raft, seen uint64, wait time.Duration) raft.Future {
		return r.RemoveServer(m.ID, seen, wait)
	})
	if err == nil {
		s.log.Info("member removed", "id", m.ID)
	}
	return err
}

// spare returns nil when the members without the voter id have a majority among those that are well
// now. It fails with *MemberError.
func (s *Store) spare(id raft.ServerID) error {
	voters, well := 0, 0
	for _, m := range s.servers() {
		if m.Suffrage != raft.Voter || m.ID == id {
			continue
		}
		voters++
		if s.isWell(m.ID) {
			well++
		}
	}
	switch {
	case voters == 0:
		return refuseMember(reasonLastVoter, "id", "%s is the last voter", nodeName(id))
	case well < voters/2+1:
		return refuseMember(reasonMajority, "id", "without %s only %d of %d voters are healthy, which is no "+
			"majority: bring others back first", nodeName(id), well, voters)
	}
	return nil
}

// isWell reports whether a member is this node, or was heard lately and takes part.
func (s *Store) isWell(id raft.ServerID) bool {
	return id == s.parts.id || s.members.get(id).takesPart(id, time.Now())
}

// answers reports whether a member answers at this moment and takes part.
func (s *Store) answers(ctx context.Context, m raft.Server) bool {
	ctx, cancel := context.WithTimeout(ctx, askEvery)
	defer cancel()
	answer, _, err := s.peers.Call(ctx, string(m.Address), callStatus, nil)
	if err != nil {
		return false
	}
	r, err := parseReport(answer)
	r.heard = time.Now()
	return err == nil && r.takesPart(m.ID, r.heard)
}

// handoverLag is how many entries the next leader may be behind: raft waits for it to catch up, and
// takes no writes meanwhile.
const handoverLag = 4096

// transfer hands leadership to node, or to the best of the others when it is "". It fails with
// *MemberError, or with *NoLeaderError when raft did not manage within a heartbeat.
func (s *Store) transfer(ctx context.Context, node string) error {
	if node == s.cfg.Node {
		return nil
	}
	to, lag := raft.Server{}, uint64(handoverLag)
	for _, m := range s.servers() {
		if m.ID == s.parts.id || node != "" && nodeName(m.ID) != node {
			continue
		}
		behind := s.lagOf(m.ID)
		switch fit := m.Suffrage == raft.Voter && s.isWell(m.ID) && behind < handoverLag; {
		case fit && behind < lag:
			to, lag = m, behind
		case !fit && node != "":
			return refuseMember(reasonBehind, "to", "%s cannot lead now: it must be a voter, be healthy and be "+
				"at most %d entries behind, and is %d behind", node, handoverLag, behind)
		}
	}
	switch {
	case to.ID == "" && node != "":
		return refuseMember(reasonUnknown, "to", "%s is not a member", node)
	case to.ID == "":
		return refuseMember(reasonBehind, "", "no other voter is healthy and close enough behind to lead")
	}
	// A node that hangs since it was heard last would keep raft, which refuses every write meanwhile,
	// until its answer is given up for lost.
	if !s.answers(ctx, to) {
		return refuseMember(reasonBehind, "to", "%s does not answer at this moment", nodeName(to.ID))
	}
	err := within(ctx, s.raft().LeadershipTransferToServer(to.ID, to.Address))
	if err != nil {
		return &NoLeaderError{Why: fmt.Sprintf("hand over to %s: %v", to.ID, err), After: retrySoon}
	}
	s.log.Info("leadership handed over", "to", nodeName(to.ID))
	return nil
}

// lagOf is how many entries a member was behind this node when it was heard last.
func (s *Store) lagOf(id raft.ServerID) uint64 {
	own, its := s.machine.applied.Load(), s.members.get(id).Applied
	return own - min(own, its)
}

func (s *Store) recoverMember(ctx context.Context, c memberChange) (changeAnswer, error) {
	m, is := s.memberNamed(c.Node)
	known, enrolled := s.enrolment(c.Node)
	kept := enrolled && known.Folder == [16]byte{}
	switch {
	case !is && !kept:
		return changeAnswer{}, refuseMember(reasonUnknown, "id", "%s is not a member: nothing is to be "+
			"recovered; `holdfast cluster add` makes it one", c.Node)
	case is && (m.ID == s.parts.id || s.answers(ctx, m)):
		return changeAnswer{}, refuseMember(reasonHealthy, "id", "%s runs and is healthy: stop it first, if its "+
			"disk is really to be given up", c.Node)
	}
	a := changeAnswer{Cluster: s.clusterText(), Incarnation: uint64(known.Incarnation)}
	if kept {
		return a, nil
	}
	a.Incarnation++
	err := s.enrol(ctx, Identity{Node: c.Node, Incarnation: a.Incarnation})
	if err == nil {
		s.log.Info("an incarnation is kept for a lost node", "node", c.Node, "incarnation", a.Incarnation)
	}
	return a, err
}

// reconfigure has raft agree on one change of its configuration, which begins at the one that this
// node sees now. It fails with *MemberError for one that raft refuses, *NoLeaderError when it did
// not happen, and *UnknownError.
func (s *Store) reconfigure(ctx context.Context,
	ask func(r *raft.Raft, seen uint64, wait time.Duration) raft.Future) error {
	r := s.raft()
	seen := r.GetConfiguration()
	if err := seen.Error(); err != nil {
		return &NoLeaderError{Why: err.Error(), After: retrySoon}
	}
	err := within(ctx, ask(r, seen.Index(), s.cfg.Heartbeat))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrEnqueueTimeout),
		errors.Is(err, raft.ErrLeadershipTransferInProgress), errors.Is(err, raft.ErrRaftShutdown):
		return &NoLeaderError{Why: err.Error(), After: retrySoon}
	case errors.Is(err, raft.ErrLeadershipLost), errors.Is(err, errDeadline), ctx.Err() != nil:
		return &UnknownError{Cause: err}
	}
	return refuseMember(reasonExists, "", "raft refuses the change: %v", err)
}

// within waits for a future of raft's until ctx ends. A future that raft forgets keeps its goroutine
// until raft ends.
func within(ctx context.Context, f raft.Future) error {
	done := make(chan error, 1)
	go func() { done <- f.Error() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errDeadline
	}
}
