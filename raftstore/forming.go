package raftstore

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// How a cluster comes to be. Every node of a static list starts with an empty folder and raft without
// a configuration, and asks the others of its list what they know, until it is a member:
//
//   - Somebody knows a cluster: this node never forms one, and asks its leader to be let in (join.go).
//   - A majority of the list, itself included, is empty or forms the cluster with this very folder, and
//     nobody has another list: it notes durably whose folders those are, and writes the first
//     configuration. All nodes write the same.
//   - Else it waits, and says for what.
//
// A node that forms without this folder does not count: it may be one that was cut off early, and knows
// nothing of what the others agreed since, among them perhaps the folder that this node lost.
//
// So two nodes whose lists differ never form anything, and one whose folder was wiped finds its
// cluster in place of making a second.

// How far a node is.
const (
	stateEmpty   = "empty"   // its folder has nothing
	stateForming = "forming" // it has the first configuration, and knows of no cluster id yet
	stateFormed  = "formed"  // it knows its cluster
)

// formingAnswer is what a node says of itself to one that asks, as JSON.
type formingAnswer struct {
	Node    string `json:"node"`
	Folder  string `json:"folder"`
	State   string `json:"state"`
	Cluster string `json:"cluster"` // "" while it is not known
	Peers   string `json:"peers"`   // its list, as peersText gives it
	Leader  string `json:"leader"`  // name and address of the leader that it follows, or ""
	At      string `json:"at"`
	// Members has the raft ids of the configuration, of a node that has a leader.
	Members []string `json:"members"`
	// Heard has the folder under which each other node asked first.
	Heard map[string]string `json:"heard"`
	// With has the folder of each other node with which this one forms the cluster.
	With map[string]string `json:"with"`
}

// formingQuestion is who asks.
type formingQuestion struct {
	Node   string `json:"node"`
	Folder string `json:"folder"`
}

// forming is what this node knows while it is no member, and what others asked it. Safe for
// concurrent use.
type forming struct {
	mu      sync.Mutex
	waiting string            // for what the node waits; "" when for nothing
	silent  string            // who did not answer last, and why
	heard   map[string]string // folder of each node of the list that asked
	refused int               // how often raft refused to begin
}

// waitFor notes for what the node waits; it reports whether that is new.
func (f *forming) waitFor(what string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed := f.waiting != what
	f.waiting = what
	return changed
}

// why is for what the node waits, and who does not answer meanwhile.
func (f *forming) why() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waiting == "" || f.silent == "" {
		return f.waiting
	}
	return f.waiting + "; " + f.silent
}

// missing notes which addresses did not answer, and why.
func (f *forming) missing(faults []error) {
	text := ""
	if err := errors.Join(faults...); err != nil {
		text = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.silent = text
}

// hear notes who asked. While this node is empty the newest folder counts, afterwards the first.
func (f *forming) hear(q formingQuestion, empty bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.heard == nil {
		f.heard = map[string]string{}
	}
	if f.heard[q.Node] == "" || empty {
		f.heard[q.Node] = q.Folder
	}
}

// refuse notes that raft refused to begin, and reports whether that is once too often.
func (f *forming) refuse() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused++
	return f.refused%finishAfter == 0
}

// missesFirst reports whether raft began without a configuration, and nobody sends it one.
func (f *forming) missesFirst() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refused >= finishAfter
}

func (f *forming) folders() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.heard)
}

// peersText is a list as nodes compare it: by name, n1=host:port,n2=….
func peersText(peers []Peer) string {
	var parts []string
	for _, p := range sortedPeers(peers) {
		parts = append(parts, p.Node+"="+p.Addr)
	}
	return strings.Join(parts, ",")
}

// formingAnswer is this node's own.
func (s *Store) formingAnswer() formingAnswer {
	id := s.parts.identity.Identity()
	a := formingAnswer{
		Node: s.cfg.Node, Folder: id.Folder, State: stateEmpty, Cluster: s.clusterText(),
		Peers: peersText(s.cfg.Peers), Heard: s.forming.folders(), With: parseFolders(id.FormedWith),
	}
	switch {
	case a.Cluster != "":
		a.State = stateFormed
	case id.LetIn:
		a.State = stateForming
	}
	if a.At, a.Leader = s.leader(); a.Leader != "" {
		for _, m := range s.servers() {
			a.Members = append(a.Members, string(m.ID))
		}
	}
	return a
}

// clusterText is the cluster's id as far as it is known here, in hexadecimal or "".
func (s *Store) clusterText() string {
	if id := s.machine.clusterID(); id != ([16]byte{}) {
		return hex.EncodeToString(id[:])
	}
	return s.parts.identity.Identity().ClusterID
}

// handleForming is the answer to callForming.
func (s *Store) handleForming(body []byte) []byte {
	var q formingQuestion
	a := s.formingAnswer()
	listed := func(p Peer) bool { return p.Node == q.Node }
	if json.Unmarshal(body, &q) == nil && slices.ContainsFunc(s.cfg.Peers, listed) {
		s.forming.hear(q, a.State == stateEmpty)
	}
	answer, err := json.Marshal(a)
	if err != nil {
		s.log.Error("own state of forming", "error", err)
	}
	return answer
}

// runFormation asks the others until this node is a member of a cluster, and then whether it still
// is when it finds no leader, until ctx ends.
func (s *Store) runFormation(ctx context.Context) {
	ticker := time.NewTicker(s.cfg.Heartbeat / 5)
	defer ticker.Stop()
	for len(s.servers()) == 0 {
		why := s.formOnce(ctx)
		if s.forming.waitFor(why) && why != "" {
			s.log.Info("not a member yet", "waiting", s.forming.why())
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
	s.forming.waitFor("")
	ticker.Reset(silentAfter)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if s.leaderName() != "" {
			continue
		}
		if why := s.whetherRemoved(ctx); s.forming.waitFor(why) && why != "" {
			s.log.Warn("this node does not take part", "why", why)
		}
	}
}

// whetherRemoved asks the members that this node knows whether it is one of them. A node that was
// removed while it did not run has no other way to learn of it: nobody sends it the entry that says
// so, and nobody gives it a vote. It returns what the node waits for.
func (s *Store) whetherRemoved(ctx context.Context) string {
	own := s.formingAnswer()
	var addrs []string
	for _, m := range s.servers() {
		if m.ID != s.parts.id {
			addrs = append(addrs, string(m.Address))
		}
	}
	answers := s.askForming(ctx, own, addrs)
	s.forming.missing(nil) // one that says it is enough
	for _, a := range answers {
		if a.Cluster == own.Cluster && len(a.Members) > 0 &&
			!slices.Contains(a.Members, string(s.parts.id)) {
			return removedText
		}
	}
	return ""
}

const removedText = "this node is not a member any more: it was removed"

// whyNoLeader says why there is none, for people.
func (s *Store) whyNoLeader() string {
	if why := s.forming.why(); why != "" {
		return why
	}
	servers := s.servers()
	own := func(server raft.Server) bool { return server.ID == s.parts.id }
	if len(servers) > 0 && !slices.ContainsFunc(servers, own) {
		return removedText
	}
	return "there is no leader"
}

// formOnce asks everybody once and does what follows. It returns for what the node waits.
func (s *Store) formOnce(ctx context.Context) string {
	own := s.formingAnswer()
	addrs := slices.Clone(s.cfg.Join)
	for _, p := range s.cfg.Peers {
		if p.Node != s.cfg.Node {
			addrs = append(addrs, p.Addr)
		}
	}
	step := decideForming(own, s.cfg.Peers, s.askForming(ctx, own, addrs))
	switch {
	case ctx.Err() != nil:
		return ""
	case step.form:
		if err := s.bootstrap(step.with); err != nil {
			s.fail(err)
		}
		return ""
	case step.leaderAt != "":
		return s.join(ctx, step.leaderAt)
	}
	return step.why
}

// askForming asks every address at once, for at most a heartbeat, and returns what others than this
// node answered, by name. Who did not is noted.
func (s *Store) askForming(ctx context.Context, own formingAnswer, addrs []string) []formingAnswer {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Heartbeat)
	defer cancel()
	body, err := json.Marshal(formingQuestion{Node: own.Node, Folder: own.Folder})
	if err != nil {
		return nil // two texts
	}
	all, faults := make([]formingAnswer, len(addrs)), make([]error, len(addrs))
	var asked sync.WaitGroup
	for i, addr := range addrs {
		asked.Go(func() {
			answer, _, err := s.peers.Call(ctx, addr, callForming, body)
			if err != nil || len(answer) > maxReport || json.Unmarshal(answer, &all[i]) != nil {
				s.heedReplaced(err)
				all[i], faults[i] = formingAnswer{}, fmt.Errorf("no answer from %s: %w", addr,
					cmp.Or(err, errReply))
			}
		})
	}
	asked.Wait()
	s.forming.missing(faults)
	slices.SortFunc(all, func(a, b formingAnswer) int { return strings.Compare(a.Node, b.Node) })
	all = slices.CompactFunc(all, func(a, b formingAnswer) bool { return a.Node == b.Node })
	return slices.DeleteFunc(all, func(a formingAnswer) bool {
		return a.Node == "" || a.Node == own.Node
	})
}

// formingStep is what a node that is no member does next: form, ask the leader at an address, or wait.
type formingStep struct {
	form     bool
	with     map[string]string // the folders of those with whom it forms
	leaderAt string
	why      string // it waits for this
}

// decideForming is the rule. answers are of other nodes, one of each.
func decideForming(own formingAnswer, list []Peer, answers []formingAnswer) formingStep {
	var formed, same, apart []string
	with := map[string]string{}
	cluster, leaderAt := own.Cluster, ""
	for _, a := range answers {
		switch {
		case a.State != stateFormed:
			continue
		case cluster == "":
			cluster = a.Cluster
		case a.Cluster != cluster:
			return formingStep{why: fmt.Sprintf("node %s belongs to cluster %s, and others or this "+
				"folder to %s: do not mix them", a.Node, a.Cluster, cluster)}
		}
		formed = append(formed, a.Node)
		leaderAt = cmp.Or(leaderAt, a.At)
	}
	switch {
	case leaderAt != "":
		return formingStep{leaderAt: leaderAt}
	case len(formed) > 0:
		return formingStep{why: fmt.Sprintf("the cluster of %s has no leader that could let this node in",
			strings.Join(formed, ", "))}
	case own.State == stateFormed:
		return formingStep{why: "no member of its cluster answers"}
	case len(list) == 0:
		return formingStep{why: "no member of a cluster answers at the addresses of --join"}
	}
	for _, a := range answers {
		if a.Peers != own.Peers {
			return formingStep{why: fmt.Sprintf("node %s has another list of peers: %q there, %q here; "+
				"give all nodes the same", a.Node, a.Peers, own.Peers)}
		}
		before := cmp.Or(a.With[own.Node], a.Heard[own.Node])
		switch {
		case a.State == stateEmpty || a.With[own.Node] == own.Folder:
			same, with[a.Node] = append(same, a.Node), a.Folder
		case before != "" && before != own.Folder:
			return formingStep{why: fmt.Sprintf("node %s knew this one with another data folder: it waits "+
				"until the others have formed the cluster", a.Node)}
		default:
			apart = append(apart, fmt.Sprintf("%s began to form the cluster with %s", a.Node,
				strings.Join(slices.Sorted(maps.Keys(a.With)), ", ")))
		}
	}
	need := len(list)/2 + 1
	if len(same)+1 >= need {
		return formingStep{form: true, with: with}
	}
	if len(apart) > 0 {
		return formingStep{why: strings.Join(apart, "; ") + ", and lets this node in when those run"}
	}
	return formingStep{why: fmt.Sprintf("%d of %s must run to form the cluster; heard so far: %s", need,
		own.Peers, strings.Join(append(same, own.Node), ", "))}
}
