package raftstore

import (
	"errors"
	"io"
	"sync"

	"github.com/hashicorp/raft"
)

// gate keeps raft's messages from a node that may not take part yet. Its id in raft may have been used
// before, by a folder that is gone: whatever it voted or acknowledged under that id would count twice,
// or for what it no longer has. So nothing reaches raft until the leader has let it in (join.go), and
// then no vote is given in a term in which that id may have voted before.
//
// Raft runs behind a closed gate, so that everything else of the node works; without a
// configuration it asks nobody for votes.
type gate struct {
	in  <-chan raft.RPC
	out chan raft.RPC

	stop  chan struct{}
	once  sync.Once
	tasks sync.WaitGroup

	mu struct {
		sync.Mutex
		open  bool
		since uint64 // no vote up to this term
	}
}

// newGate stands in front of in until close. id says whether it is open.
func newGate(in <-chan raft.RPC, id Identity) *gate {
	g := &gate{in: in, out: make(chan raft.RPC), stop: make(chan struct{})}
	g.mu.open, g.mu.since = id.LetIn, id.SinceTerm
	g.tasks.Go(g.run)
	return g
}

// needsGate reports whether a node must run behind a gate: once it has been in a later term than
// that in which it was let in, raft itself refuses what the gate would.
func needsGate(id Identity, term uint64) bool {
	return !id.LetIn || id.SinceTerm > 0 && term <= id.SinceTerm
}

// letIn opens the gate. since is the term in which the leader let the node in, 0 for a node that
// formed the cluster.
func (g *gate) letIn(since uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.open, g.mu.since = true, max(g.mu.since, since)
}

func (g *gate) close() {
	g.once.Do(func() { close(g.stop) })
	g.tasks.Wait()
}

func (g *gate) run() {
	for {
		select {
		case <-g.stop:
			return
		case rpc := <-g.in:
			if err := g.judge(rpc.Command); err != nil {
				refuse(rpc, err)
				continue
			}
			select {
			case g.out <- rpc:
			case <-g.stop:
				return
			}
		}
	}
}

var (
	errNotLetIn = errors.New("this node was not let in yet")
	errOldTerm  = errors.New("this node was let in in a later term")
)

// judge returns nil for what may reach raft.
func (g *gate) judge(message any) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.mu.open {
		return errNotLetIn
	}
	old := false
	switch m := message.(type) {
	case *raft.RequestVoteRequest:
		old = m.Term <= g.mu.since
	case *raft.RequestPreVoteRequest:
		old = m.Term <= g.mu.since
	case *raft.AppendEntriesRequest:
		old = m.Term < g.mu.since
	case *raft.InstallSnapshotRequest:
		old = m.Term < g.mu.since
	}
	if old {
		return errOldTerm
	}
	return nil
}

// refuse answers a message in place of raft. A snapshot's bytes are read to their end, as raft does:
// they stand on the connection in front of the next message.
func refuse(rpc raft.RPC, err error) {
	var answer any
	switch rpc.Command.(type) {
	case *raft.AppendEntriesRequest:
		answer = &raft.AppendEntriesResponse{}
	case *raft.RequestVoteRequest:
		answer = &raft.RequestVoteResponse{}
	case *raft.RequestPreVoteRequest:
		answer = &raft.RequestPreVoteResponse{}
	case *raft.TimeoutNowRequest:
		answer = &raft.TimeoutNowResponse{}
	case *raft.InstallSnapshotRequest:
		answer = &raft.InstallSnapshotResponse{}
		if rpc.Reader != nil {
			_, _ = io.Copy(io.Discard, rpc.Reader) // the connection's fault shows when it is used
		}
	}
	rpc.Respond(answer, err)
}
