package raftstore

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// MemNet joins nodes of one process: the twin, in memory, of the peer port with raft's transport
// and the calls beside it. Safe for concurrent use.
type MemNet struct {
	mu struct {
		sync.Mutex
		calls map[string]*memPeer // by address
		rafts map[string]*raft.InmemTransport
		cut   map[string]bool // addresses that reach nobody
		deaf  map[string]bool // addresses to which no answer comes back
	}
}

// NewMemNet returns a network without nodes.
func NewMemNet() *MemNet {
	n := &MemNet{}
	n.mu.calls = map[string]*memPeer{}
	n.mu.rafts = map[string]*raft.InmemTransport{}
	n.mu.cut = map[string]bool{}
	n.mu.deaf = map[string]bool{}
	return n
}

// memTimeout bounds one raft message in memory.
const memTimeout = 500 * time.Millisecond

// join adds a node, or replaces the one that was at addr.
func (n *MemNet) join(addr string) (serialTransport, *memPeer) {
	_, t := raft.NewInmemTransportWithTimeout(raft.ServerAddress(addr), memTimeout)
	p := &memPeer{net: n, addr: addr, ready: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	n.mu.Lock()
	n.mu.calls[addr], n.mu.rafts[addr] = p, t
	n.mu.Unlock()
	n.wire()
	return serialTransport{inner: t}, p
}

// Cut separates the node at addr from all others, until Heal.
func (n *MemNet) Cut(addr string) { n.set(addr, true) }

// Heal ends what Cut began.
func (n *MemNet) Heal(addr string) { n.set(addr, false) }

// LoseAnswers makes calls of the node at addr arrive without an answer, beside raft, until lose is
// false.
func (n *MemNet) LoseAnswers(addr string, lose bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.deaf[addr] = lose
}

func (n *MemNet) set(addr string, cut bool) {
	n.mu.Lock()
	n.mu.cut[addr] = cut
	n.mu.Unlock()
	n.wire()
}

// wire connects every two raft transports that may reach each other, and no others.
func (n *MemNet) wire() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for a, t := range n.mu.rafts {
		for b, u := range n.mu.rafts {
			if a == b || n.mu.cut[a] || n.mu.cut[b] {
				t.Disconnect(raft.ServerAddress(b))
				continue
			}
			t.Connect(raft.ServerAddress(b), u)
		}
	}
}

// reach returns the node at to when from can reach it.
func (n *MemNet) reach(from, to string) (*memPeer, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.mu.calls[to]
	return p, p != nil && !n.mu.cut[from] && !n.mu.cut[to]
}

// hears reports whether the answer of the node at from gets to the one at to.
func (n *MemNet) hears(to, from string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.mu.deaf[to] && !n.mu.cut[to] && !n.mu.cut[from]
}

// memPeer is the twin of tcpPeers.
type memPeer struct {
	net    *MemNet
	addr   string
	ctx    context.Context
	cancel context.CancelFunc
	ready  chan struct{} // closed by Serve

	mu struct {
		sync.Mutex
		handler peerHandler
		closed  bool
		tasks   sync.WaitGroup
	}
}

var errUnreachable = errors.New("the node cannot be reached")

// Call implements peerNet. It fails with errUnreachable or net.ErrClosed, with errSilent when no
// answer can come back for peerSilence, or with the cause when ctx ends.
func (p *memPeer) Call(ctx context.Context, addr string, kind byte,
	body []byte) (answer []byte, sent bool, err error) {
	to, ok := p.net.reach(p.addr, addr)
	if !ok || p.ctx.Err() != nil {
		return nil, false, errUnreachable
	}
	done := make(chan []byte, 1)
	if !to.run(kind, append([]byte(nil), body...), done) {
		return nil, false, errUnreachable
	}
	look := time.NewTicker(peerSilence)
	defer look.Stop()
	for {
		select {
		case answer = <-done:
			if p.net.hears(p.addr, addr) {
				return answer, true, nil
			}
			// It is lost; others will be, and that is noticed.
		case <-look.C:
			if !p.net.hears(p.addr, addr) {
				return nil, true, errSilent
			}
		case <-to.ctx.Done():
			return nil, true, net.ErrClosed
		case <-p.ctx.Done():
			return nil, true, net.ErrClosed
		case <-ctx.Done():
			return nil, true, context.Cause(ctx)
		}
	}
}

// run answers one call; false when the node is closed.
func (p *memPeer) run(kind byte, body []byte, done chan<- []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.closed {
		return false
	}
	p.mu.tasks.Go(func() {
		select {
		case <-p.ready:
		case <-p.ctx.Done():
			return
		}
		done <- p.mu.handler(p.ctx, kind, body)
	})
	return true
}

// Serve implements peerNet.
func (p *memPeer) Serve(h peerHandler) {
	p.mu.handler = h
	close(p.ready)
}

// Close implements peerNet. It returns nil.
func (p *memPeer) Close() error {
	p.mu.Lock()
	p.mu.closed = true
	p.mu.Unlock()
	p.cancel()
	p.mu.tasks.Wait()
	return nil
}
