package node

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"holdfast/adapters/connections"
	"holdfast/cmd/internal/flows"
	"holdfast/raftstore"
)

// Config says which node to run.
type Config struct {
	Name  string
	Data  string // folder
	HTTP  string // address to listen on; port 0 takes a free one
	Raft  string // address of the port for the other nodes
	Peers []Peer // all nodes, this one included; empty is a cluster of one
	// Join has the peer ports of some members of a cluster that this node, when its folder is empty,
	// asks to be let in.
	Join []string
	TLS  TLS // of the port for the other nodes; empty is a plain port

	Version     string
	Logger      *slog.Logger  // default: discards
	StopTimeout time.Duration // for requests in flight, default 10 s
	// LeaderWait is how long Start waits for a leader before it returns all the same, default 3 s: an
	// election among nodes that start together takes less; a node that waits for others must be
	// seen to run.
	LeaderWait time.Duration
	// LogSegmentBytes is the store's: the size of a file of the raft log, 0 for its default. A node
	// that lives for a minute takes less.
	LogSegmentBytes int
	// DiskWarn, DiskMin and Ballast are the store's, in bytes; 0 is its default.
	DiskWarn, DiskMin, Ballast int64
	// SkipEntries are the store's: agreed entries that have no effect.
	SkipEntries []raftstore.SkipEntry
	// CheckpointBytes is the store's: the least log between two checkpoints, 0 for its default.
	CheckpointBytes int64
	// OpenLoopback serves loopback without an API key also when there are keys.
	OpenLoopback bool
	// Alerts says who is told of exceptions.
	Alerts flows.Alerts
	// Vault says where secrets of connections may be; nil is anywhere.
	Vault *connections.Vault
	// Private are the addresses that webhooks are sent to although they are not public.
	Private []netip.Prefix
	// Speed divides the intervals that wait for outside systems; 0 is 1. Only beside a simulator.
	Speed int
}

// Peer is one node of the cluster.
type Peer struct {
	Name string
	Raft string
}

// TLS names the files by which the nodes know each other, all three or none.
type TLS struct{ Cert, Key, Pins string }

// WithDefaults fills in what is not set.
func (c Config) WithDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.StopTimeout <= 0 {
		c.StopTimeout = 10 * time.Second
	}
	if c.LeaderWait <= 0 {
		c.LeaderWait = 3 * time.Second
	}
	return c
}

// Validate joins every fault of the configuration, or returns nil.
func (c Config) Validate() error {
	var faults []error
	for name, text := range map[string]string{
		"name": c.Name, "data": c.Data, "http": c.HTTP, "raft": c.Raft,
	} {
		if text == "" {
			faults = append(faults, fmt.Errorf("%s: missing", name))
		}
	}
	return errors.Join(faults...)
}

// listen opens a port of the node. The error names the port's purpose, its address and what to do.
func listen(what, addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s port: %w; give --%s another address, or stop what listens there",
			what, err, what)
	}
	return ln, nil
}
