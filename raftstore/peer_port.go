package raftstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// The first byte of a connection to the peer port says what it is for.
const (
	kindRaft  byte = 'R'
	kindCalls byte = 'C'
)

// portVersion is the version of the handshake and of what follows it. Nodes of two versions do not
// talk; a later version will name the range that it understands in the same place.
const portVersion = 1

// helloTimeout bounds how long an accepted connection may take to say what it is.
const helloTimeout = 5 * time.Second

// peerPort is the one port on which nodes reach each other. It accepts, shakes hands, and hands
// each connection to raft or to tcpPeers.
type peerPort struct {
	listener  net.Listener
	advertise string
	node      string
	cluster   func() [16]byte // zero while it is not known
	log       *slog.Logger
	guard     *peerGuard // nil: the port is plain
	raft      chan net.Conn
	calls     chan net.Conn
	ctx       context.Context // ends when the port closes
	stop      context.CancelFunc
	tasks     sync.WaitGroup

	mu struct {
		sync.Mutex
		conns  map[net.Conn]struct{} // open, either way
		closed bool
	}
}

// openPeerPort begins to accept on ln, which it owns from then on. advertise may be "".
func openPeerPort(ln net.Listener, advertise, node string, cluster func() [16]byte,
	log *slog.Logger) *peerPort {
	if advertise == "" {
		advertise = ln.Addr().String()
	}
	p := &peerPort{
		listener: ln, advertise: advertise, node: node, cluster: cluster, log: log,
		guard: guardOf(ln), raft: make(chan net.Conn), calls: make(chan net.Conn),
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.mu.conns = map[net.Conn]struct{}{}
	p.tasks.Go(p.accept)
	if p.guard != nil {
		p.tasks.Go(func() { p.guard.watch(p.ctx.Done()) })
	}
	return p
}

func (p *peerPort) accept() {
	for {
		conn, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, most likely: others may close some
			p.log.Error("accept on the peer port", "error", err)
			select {
			case <-p.ctx.Done():
				return
			case <-time.After(100 * time.Millisecond):
				continue
			}
		}
		if p.crowded() {
			conn.Close()
			continue
		}
		if c := p.track(conn); c != nil {
			p.tasks.Go(func() { p.greet(c) })
		}
	}
}

// maxPeerConns bounds the connections of the port, either way: a node has some five with each other.
const maxPeerConns = 256

// crowded reports whether there is no room for another connection from outside. Strangers make room
// again: they are hung up on after helloTimeout.
func (p *peerPort) crowded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.mu.conns) >= maxPeerConns
}

// greet shakes hands and hands the connection on, or closes it.
func (p *peerPort) greet(c net.Conn) {
	from := c.RemoteAddr().String()
	c, err := p.secure(c, false)
	var kind byte
	if err == nil {
		kind, err = p.answerHello(c)
	}
	if err != nil {
		p.log.Warn("peer refused", "from", from, "error", err)
		c.Close()
		return
	}
	to := p.calls
	if kind == kindRaft {
		to = p.raft
	}
	select {
	case to <- c:
	case <-p.ctx.Done():
		c.Close()
	}
}

// secure shakes TLS's hands if the port has a guard. The connection that it returns is never nil; it
// fails as peerGuard.secure.
func (p *peerPort) secure(c net.Conn, dialled bool) (net.Conn, error) {
	if p.guard == nil {
		return c, nil
	}
	secured, err := p.guard.secure(c, dialled)
	if err != nil {
		return c, err
	}
	return secured, nil
}

// hello is what both sides say first, the caller with a kind in front and the other with a status:
// version, cluster id, length of the node's name, name.
func (p *peerPort) hello(first byte) []byte {
	id := p.cluster()
	b := append([]byte{first, portVersion}, id[:]...)
	return append(append(b, byte(len(p.node))), p.node...)
}

const (
	helloOK      byte = 0
	helloVersion byte = 1
	helloCluster byte = 2
	helloName    byte = 16
)

func (p *peerPort) answerHello(c net.Conn) (kind byte, err error) {
	if err := c.SetDeadline(time.Now().Add(helloTimeout)); err != nil {
		return 0, err
	}
	h, err := readHello(c)
	if err != nil {
		return 0, err
	}
	h.proven = provenName(c)
	status := p.judge(h)
	if _, err := c.Write(p.hello(status)); err != nil {
		return 0, err
	}
	if status != helloOK {
		return 0, helloError(status, h.node)
	}
	if h.first != kindRaft && h.first != kindCalls {
		return 0, fmt.Errorf("unknown kind of connection %q", h.first)
	}
	return h.first, c.SetDeadline(time.Time{})
}

// judge says whether this node talks to the one that sent h.
func (p *peerPort) judge(h hello) byte {
	own := p.cluster()
	switch {
	case h.version != portVersion:
		return helloVersion
	case !equalID(own[:], h.cluster[:]):
		return helloCluster
	case h.proven != "" && h.proven != h.node:
		return helloName
	}
	return helloOK
}

func helloError(status byte, node string) error {
	switch status {
	case helloVersion:
		return fmt.Errorf("node %q speaks another version of the peer protocol", node)
	case helloCluster:
		return fmt.Errorf("node %q belongs to another cluster", node)
	case helloName:
		return fmt.Errorf("node %q: name and certificate do not belong together; what to do: see "+
			"that peer.tls.pins has each pin under the right name and that no node has another's key", node)
	}
	return fmt.Errorf("node %q refused the connection", node)
}

type hello struct {
	first, version byte
	cluster        [16]byte
	node           string
	proven         string // by its certificate; "" on a plain port
}

func readHello(r io.Reader) (hello, error) {
	var b [2 + 16 + 1]byte
	if _, err := io.ReadFull(r, b[:2]); err != nil {
		return hello{}, fmt.Errorf("handshake: %w", err)
	}
	if b[0] == tlsHandshake {
		return hello{}, errSpeaksTLS
	}
	h := hello{first: b[0], version: b[1]}
	if h.version != portVersion {
		return h, nil // what follows may be anything
	}
	if _, err := io.ReadFull(r, b[2:]); err != nil {
		return hello{}, fmt.Errorf("handshake: %w", err)
	}
	copy(h.cluster[:], b[2:])
	name := make([]byte, b[18])
	if _, err := io.ReadFull(r, name); err != nil {
		return hello{}, fmt.Errorf("handshake: %w", err)
	}
	h.node = string(name)
	return h, nil
}

// dial opens a connection of a kind to addr and shakes hands. It fails with the network's error, or
// with what the other side objects to.
func (p *peerPort) dial(addr string, kind byte, timeout time.Duration) (net.Conn, error) {
	dialer := net.Dialer{Timeout: timeout}
	conn, err := dialer.DialContext(p.ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := p.track(conn)
	if c == nil {
		return nil, net.ErrClosed
	}
	if c, err = p.secure(c, true); err == nil {
		err = p.sayHello(c, kind, timeout)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("node at %s: %w", addr, err)
	}
	return c, nil
}

func (p *peerPort) sayHello(c net.Conn, kind byte, timeout time.Duration) error {
	if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := c.Write(p.hello(kind)); err != nil {
		return err
	}
	h, err := readHello(c)
	if err != nil {
		return err
	}
	if h.first != helloOK {
		return helloError(h.first, h.node)
	}
	h.proven = provenName(c)
	if status := p.judge(h); status != helloOK {
		return helloError(status, h.node)
	}
	return c.SetDeadline(time.Time{})
}

// track remembers conn so that close ends it; it returns nil, and conn is closed, after close.
func (p *peerPort) track(conn net.Conn) net.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.closed {
		conn.Close()
		return nil
	}
	p.mu.conns[conn] = struct{}{}
	return &trackedConn{Conn: conn, port: p}
}

// trackedConn forgets itself when it is closed.
type trackedConn struct {
	net.Conn
	port *peerPort
}

// Close returns the connection's error.
func (c *trackedConn) Close() error {
	c.port.mu.Lock()
	delete(c.port.mu.conns, c.Conn)
	c.port.mu.Unlock()
	return c.Conn.Close()
}

// close ends the listener and every connection, and waits. Idempotent; it returns nil.
func (p *peerPort) close() error {
	p.mu.Lock()
	if p.mu.closed {
		p.mu.Unlock()
		return nil
	}
	p.mu.closed = true
	p.stop()
	p.listener.Close()
	for c := range p.mu.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.tasks.Wait()
	return nil
}

// raftStream is raft's part of the peer port: a raft.StreamLayer.
type raftStream struct{ port *peerPort }

// Accept returns the next connection that another node opened for raft. It fails with
// net.ErrClosed.
func (s raftStream) Accept() (net.Conn, error) {
	select {
	case c := <-s.port.raft:
		return c, nil
	case <-s.port.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close closes the whole port. It returns nil.
func (s raftStream) Close() error { return s.port.close() }

// Addr is the address under which others reach the port.
func (s raftStream) Addr() net.Addr { return textAddr(s.port.advertise) }

// Dial opens a connection for raft. It fails as peerPort.dial.
func (s raftStream) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	return s.port.dial(string(addr), kindRaft, timeout)
}

type textAddr string

func (a textAddr) Network() string { return "tcp" }
func (a textAddr) String() string  { return string(a) }
