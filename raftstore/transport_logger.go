package raftstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// newRaftLogger returns a logger for raft that writes warnings and errors to log and drops the
// rest: what raft says below that is a line per state change, and we write our own. peers is the
// list of this start, for the names of nodes.
func newRaftLogger(name string, log *slog.Logger, peers []Peer) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{
		Name: name, Level: hclog.Off, Output: io.Discard,
	})
	l.RegisterSink(&raftSink{log: log.With("part", name), peers: peers})
	return l
}

// raftSink hands raft's log lines on. Safe for concurrent use.
type raftSink struct {
	log   *slog.Logger
	peers []Peer

	mu struct {
		sync.Mutex
		said map[string]*peerLines // by node
	}
}

// peerLines is what was said of one node lately.
type peerLines struct {
	at      time.Time // of the last line
	leftOut int       // since
}

// aboutPeers maps what raft says while another node is down, at every heartbeat and every vote, to
// the argument that names that node. Raft calls most of it errors; it is the weather of a cluster.
var aboutPeers = map[string]string{
	"failed to make requestVote RPC":                           "target",
	"failed to contact":                                        "server-id",
	"failed to heartbeat to":                                   "peer",
	"failed to appendEntries to":                               "peer",
	"failed to start pipeline replication to":                  "peer",
	"failed to pipeline appendEntries":                         "peer",
	"failed to send snapshot to":                               "peer",
	"failed to install snapshot":                               "peer",
	"installSnapshot rejected to":                              "peer",
	"appendEntries rejected, sending older logs":               "peer",
	"peer has newer term, stopping replication":                "peer",
	"unable to get address for server, using fallback address": "id",
}

// peerLineEvery is how often one line about one node is enough.
const peerLineEvery = 10 * time.Second

// Accept writes one line, unless it says of a node what was said of it just now, or that a connection
// ended which this node closed itself.
func (s *raftSink) Accept(_ string, level hclog.Level, msg string, args ...any) {
	if level < hclog.Warn {
		return
	}
	if err, ok := valueOf(args, "error").(error); ok && errors.Is(err, net.ErrClosed) {
		return
	}
	to := slog.LevelWarn
	if level >= hclog.Error {
		to = slog.LevelError
	}
	args = slices.Clone(args) // raft hands the same to its other sinks
	if key, ok := aboutPeers[msg]; ok {
		to = slog.LevelWarn
		leftOut, say := s.due(s.node(valueOf(args, key)))
		if !say {
			return
		}
		if leftOut > 0 {
			args = append(args, "left_out", leftOut)
		}
	}
	for i, a := range args {
		if f, ok := a.(hclog.Format); ok && len(f) > 0 {
			args[i] = fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
		}
	}
	s.log.Log(context.Background(), to, msg, args...)
}

// due reports whether a line about node is due, and how many were left out before it.
func (s *raftSink) due(node string) (leftOut int, say bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.said == nil {
		s.mu.said = map[string]*peerLines{}
	}
	now := time.Now()
	last := s.mu.said[node]
	if last != nil && now.Sub(last.at) < peerLineEvery {
		last.leftOut++
		return 0, false
	}
	if last != nil {
		leftOut = last.leftOut
	}
	s.mu.said[node] = &peerLines{at: now}
	return leftOut, true
}

// node is the name of the node that raft names in one of its ways.
func (s *raftSink) node(v any) string {
	switch v := v.(type) {
	case raft.Server:
		return nodeName(v.ID)
	case raft.ServerID:
		return nodeName(v)
	case raft.ServerAddress:
		for _, p := range s.peers {
			if p.Addr == string(v) {
				return p.Node
			}
		}
	}
	return fmt.Sprint(v)
}

// valueOf is the argument behind key, nil when there is none.
func valueOf(args []any, key string) any {
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] == key {
			return args[i+1]
		}
	}
	return nil
}
