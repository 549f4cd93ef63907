package raftstore

import (
	"net"
	"sync"

	"github.com/hashicorp/raft"
)

// directory says where nodes are reached: at the address that this start's list of peers has, so that
// nodes may move; else at the one that the node's own settings give it, which it says in every
// handshake; else where raft's configuration has it. Safe for concurrent use.
type directory struct {
	listed map[string]string // by name; never written

	mu   sync.Mutex
	said map[string]string
}

func newDirectory(peers []Peer) *directory {
	d := &directory{listed: map[string]string{}, said: map[string]string{}}
	for _, p := range peers {
		d.listed[p.Node] = p.Addr
	}
	return d
}

// maxSaid bounds the addresses that nodes say of themselves: names of nodes, so a few.
const maxSaid = 1024

// hear notes what a node says of itself, if anything. An address without a host is where it listens
// and not where it is reached.
func (d *directory) hear(node, addr string) {
	host, _, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err != nil || host == "" || ip != nil && ip.IsUnspecified() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.said[node]; known || len(d.said) < maxSaid {
		d.said[node] = addr
	}
}

// saying returns what a node says of itself, "" when it said nothing.
func (d *directory) saying(node string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.said[node]
}

// resolve returns where a server of raft's configuration is reached.
func (d *directory) resolve(id raft.ServerID, configured raft.ServerAddress) raft.ServerAddress {
	node := nodeName(id)
	if addr := d.listed[node]; addr != "" {
		return raft.ServerAddress(addr)
	}
	if addr := d.saying(node); addr != "" {
		return raft.ServerAddress(addr)
	}
	return configured
}
