package raftstore

import (
	"errors"
	"io"
	"time"

	"github.com/hashicorp/raft"
)

// transportTimeout bounds one raft message. InstallSnapshot has that much for every 256 KiB, which
// must cover the follower's loading too, so it is far above a heartbeat.
const transportTimeout = raftTimeout

// transportPool is how many idle connections raft keeps to each node: heartbeats, entries, votes.
const transportPool = 3

// serialTransport wraps raft's transport and mends it from outside:
//
//   - Heartbeats take the ordinary path. Raft's fast path handles them beside its main loop, which
//     can bring two logs apart after a partition. The price is that they wait behind a sync, so
//     timeouts must be well above one.
//   - No pipeline: it can park for ever after a follower's refusal. One message in flight makes
//     larger groups, and costs nothing on a local network.
type serialTransport struct {
	inner interface {
		raft.Transport
		raft.WithPreVote
		raft.WithClose
	}
	nodes *directory // nil: every address is right as it is
	gate  *gate      // nil: every message may reach raft
}

// at is where a server is reached.
func (t serialTransport) at(id raft.ServerID, addr raft.ServerAddress) raft.ServerAddress {
	if t.nodes == nil {
		return addr
	}
	return t.nodes.resolve(id, addr)
}

var (
	_ raft.Transport   = serialTransport{}
	_ raft.WithPreVote = serialTransport{}
	_ raft.WithClose   = serialTransport{}
)

// newTCPTransport is raft's transport over the peer port of the node of c.
func newTCPTransport(port *peerPort, c Config) serialTransport {
	return serialTransport{inner: raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:          raftStream{port: port},
		MaxPool:         transportPool,
		MaxRPCsInFlight: 1,
		Timeout:         transportTimeout,
		Logger:          newRaftLogger("raft-net", c.Logger, c.Peers),
	})}
}

// SetHeartbeatHandler does nothing, on purpose.
func (t serialTransport) SetHeartbeatHandler(func(raft.RPC)) {}

// AppendEntriesPipeline fails with raft.ErrPipelineReplicationNotSupported, on purpose.
func (t serialTransport) AppendEntriesPipeline(raft.ServerID,
	raft.ServerAddress) (raft.AppendPipeline, error) {
	return nil, raft.ErrPipelineReplicationNotSupported
}

// Consumer is the inner transport's, behind the gate if there is one.
func (t serialTransport) Consumer() <-chan raft.RPC {
	if t.gate != nil {
		return t.gate.out
	}
	return t.inner.Consumer()
}

// LocalAddr is the inner transport's.
func (t serialTransport) LocalAddr() raft.ServerAddress { return t.inner.LocalAddr() }

// AppendEntries fails with the inner transport's error.
func (t serialTransport) AppendEntries(id raft.ServerID, addr raft.ServerAddress,
	req *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	send := func(resp *raft.AppendEntriesResponse) error {
		return t.inner.AppendEntries(id, t.at(id, addr), req, resp)
	}
	if answersEarly(req, resp, send) {
		return nil
	}
	return send(resp)
}

// sendEntries sends what is to be sent and fills in the follower's answer.
type sendEntries func(*raft.AppendEntriesResponse) error

// RequestVote fails with the inner transport's error.
func (t serialTransport) RequestVote(id raft.ServerID, addr raft.ServerAddress,
	req *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	return t.inner.RequestVote(id, t.at(id, addr), req, resp)
}

// RequestPreVote fails with the inner transport's error.
func (t serialTransport) RequestPreVote(id raft.ServerID, addr raft.ServerAddress,
	req *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	return t.inner.RequestPreVote(id, t.at(id, addr), req, resp)
}

// InstallSnapshot sends in the steps of easeSend. It fails with the inner transport's error.
func (t serialTransport) InstallSnapshot(id raft.ServerID, addr raft.ServerAddress,
	req *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	return t.inner.InstallSnapshot(id, t.at(id, addr), req, resp, easeSend.reader(data))
}

// EncodePeer is the inner transport's.
func (t serialTransport) EncodePeer(id raft.ServerID, addr raft.ServerAddress) []byte {
	return t.inner.EncodePeer(id, addr)
}

// DecodePeer is the inner transport's.
func (t serialTransport) DecodePeer(b []byte) raft.ServerAddress { return t.inner.DecodePeer(b) }

// turnPatience is how long a node may take to hear that it shall lead. A leader refuses every write
// until it has, and gives up the hand-over a heartbeat timeout after it began in any case.
const turnPatience = time.Second

var errNoTurn = errors.New("the node that shall lead does not answer")

// TimeoutNow fails with the inner transport's error, or errNoTurn; then that node may still have heard.
func (t serialTransport) TimeoutNow(id raft.ServerID, addr raft.ServerAddress,
	req *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	var answer raft.TimeoutNowResponse
	done := make(chan error, 1)
	go func() { // ends with the network's own timeout
		done <- t.inner.TimeoutNow(id, t.at(id, addr), req, &answer)
	}()
	limit := time.NewTimer(turnPatience)
	defer limit.Stop()
	select {
	case err := <-done:
		*resp = answer
		return err
	case <-limit.C:
		return errNoTurn
	}
}

// Close fails with the inner transport's error.
func (t serialTransport) Close() error {
	err := t.inner.Close()
	if t.gate != nil {
		t.gate.close()
	}
	return err
}
