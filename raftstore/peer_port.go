package raftstore

import (
	"context"
	"encoding/binary"
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

// portVersions are the versions of what follows the handshake that this build speaks. Two nodes speak
// the highest that both know, so that nodes of neighbouring versions are one cluster during an
// upgrade: a build that begins a version goes on speaking the one before. The handshake itself stays
// as it is; a later version may only add to its end.
var portVersions = versionRange{1, 1}

type versionRange struct{ min, max byte }

// common is the version that two nodes speak, 0 when there is none.
func (v versionRange) common(o versionRange) byte {
	if high := min(v.max, o.max); high >= max(v.min, o.min) {
		return high
	}
	return 0
}

// helloTimeout bounds how long an accepted connection may take to say what it is.
const helloTimeout = 5 * time.Second

// peerPort is the one port on which nodes reach each other. It accepts, shakes hands, and hands
// each connection to raft or to tcpPeers.
type peerPort struct {
	listener  net.Listener
	advertise string
	said      string // advertise, if somebody chose it; "" when it is only where the port listens
	node      string
	self      peerSelf
	versions  versionRange
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

// peerSelf is what a node knows of itself and of others when it shakes hands. Every function but
// cluster may be nil.
type peerSelf struct {
	cluster     func() [16]byte // zero while it is not known
	incarnation func() uint64   // 0 until the node was let in
	// enrolled is the incarnation under which another node takes part now, 0 when that is not known.
	enrolled func(node string) uint64
	folder   func() [16]byte // random id of this node's data folder
	// stranger reports whether another folder takes part under a node's name and incarnation.
	stranger func(node string, incarnation uint64, folder [16]byte) bool
	hear     func(node, addr string) // where a node says that it is reached
}

// openPeerPort begins to accept on ln, which it owns from then on. advertise may be "".
func openPeerPort(ln net.Listener, advertise, node string, self peerSelf,
	log *slog.Logger) *peerPort {
	said := advertise
	if advertise == "" {
		advertise = ln.Addr().String()
	}
	p := &peerPort{
		listener: ln, advertise: advertise, said: said, node: node, self: self.filled(), log: log,
		versions: portVersions, guard: guardOf(ln),
		raft: make(chan net.Conn), calls: make(chan net.Conn),
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

func (s peerSelf) filled() peerSelf {
	if s.incarnation == nil {
		s.incarnation = func() uint64 { return 0 }
	}
	if s.enrolled == nil {
		s.enrolled = func(string) uint64 { return 0 }
	}
	if s.folder == nil {
		s.folder = func() (none [16]byte) { return none }
	}
	if s.stranger == nil {
		s.stranger = func(string, uint64, [16]byte) bool { return false }
	}
	if s.hear == nil {
		s.hear = func(string, string) {}
	}
	return s
}

// hello is what both sides say first, the caller with a kind in front and the other with a status:
// the versions that it speaks, the length of the rest, cluster id, incarnation, name, the address that
// it was given, if any, and the id of its folder. A reader passes over what a later build adds behind
// them.
func (p *peerPort) hello(first byte) []byte {
	id := p.self.cluster()
	rest := binary.LittleEndian.AppendUint64(id[:], p.self.incarnation())
	rest = append(append(rest, byte(len(p.node))), p.node...)
	addr := p.said
	if len(addr) > 255 {
		addr = "" // it is only a help
	}
	rest = append(append(rest, byte(len(addr))), addr...)
	folder := p.self.folder()
	rest = append(rest, folder[:]...)
	b := []byte{first, p.versions.min, p.versions.max}
	return append(binary.LittleEndian.AppendUint16(b, uint16(len(rest))), rest...)
}

const (
	helloOK          byte = 0
	helloVersion     byte = 1
	helloCluster     byte = 2
	helloIncarnation byte = 3
	helloFolder      byte = 4
	helloName        byte = 16
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
	p.self.hear(h.node, h.addr)
	if h.first != kindRaft && h.first != kindCalls {
		return 0, fmt.Errorf("unknown kind of connection %q", h.first)
	}
	return h.first, c.SetDeadline(time.Time{})
}

// judge says whether this node talks to the one that sent h.
func (p *peerPort) judge(h hello) byte {
	own := p.self.cluster()
	switch {
	case p.versions.common(h.versions) == 0:
		return helloVersion
	case !equalID(own[:], h.cluster[:]):
		return helloCluster
	case h.proven != "" && h.proven != h.node:
		return helloName
	case h.incarnation > 0 && h.incarnation < p.self.enrolled(h.node):
		return helloIncarnation
	case h.incarnation > 0 && p.self.stranger(h.node, h.incarnation, h.folder):
		return helloFolder
	}
	return helloOK
}

// helloError says what the two sides of a handshake do not agree on: h is what the other said, and
// status what one of them answered to it.
func helloError(status byte, node string) error {
	switch status {
	case helloVersion:
		return fmt.Errorf("node %q and this one speak no common version of the peer protocol: upgrade "+
			"one version at a time", node)
	case helloCluster:
		return fmt.Errorf("node %q belongs to another cluster", node)
	case helloName:
		return fmt.Errorf("node %q: name and certificate do not belong together; what to do: see "+
			"that peer.tls.pins has each pin under the right name and that no node has another's key", node)
	case helloFolder:
		return fmt.Errorf("node %q takes part with another data folder: two run under one name", node)
	case helloIncarnation:
		return fmt.Errorf("node %q was made anew since: an older incarnation of it may not take part",
			node)
	}
	return fmt.Errorf("node %q refused the connection", node)
}

// replacedError says that another node refused this one, which was made anew under a higher
// incarnation: what runs here is the folder of the old one.
type replacedError struct {
	by   string
	twin bool // under the same incarnation: another folder was let in before this one was known
}

func (e *replacedError) Error() string {
	if e.twin {
		return fmt.Sprintf("node %q says that another data folder takes part under the name of this node",
			e.by)
	}
	return fmt.Sprintf("node %q says that this node was made anew since: this folder is of an older "+
		"incarnation and may not take part", e.by)
}

type hello struct {
	first       byte
	versions    versionRange
	cluster     [16]byte
	incarnation uint64
	folder      [16]byte
	node, addr  string
	proven      string // the node's name by its certificate; "" on a plain port
}

// maxHello bounds what stands behind the length: a few addresses are far less.
const maxHello = 4096

func readHello(r io.Reader) (hello, error) {
	var b [1 + 2 + 2]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return hello{}, fmt.Errorf("handshake: %w", err)
	}
	if b[0] == tlsHandshake {
		return hello{}, errSpeaksTLS
	}
	h := hello{first: b[0], versions: versionRange{b[1], b[2]}}
	n := binary.LittleEndian.Uint16(b[3:])
	if n > maxHello {
		return hello{}, errHello
	}
	rest := make([]byte, n)
	if _, err := io.ReadFull(r, rest); err != nil {
		return hello{}, fmt.Errorf("handshake: %w", err)
	}
	if len(rest) < 16+8 {
		return hello{}, errHello
	}
	copy(h.cluster[:], rest)
	h.incarnation = binary.LittleEndian.Uint64(rest[16:])
	rest = rest[16+8:]
	for _, text := range []*string{&h.node, &h.addr} {
		if len(rest) == 0 || len(rest) < 1+int(rest[0]) {
			return hello{}, errHello
		}
		*text, rest = string(rest[1:1+int(rest[0])]), rest[1+int(rest[0]):]
	}
	if len(rest) < len(h.folder) {
		return hello{}, errHello
	}
	copy(h.folder[:], rest)
	return h, nil
}

var errHello = errors.New("handshake: what came is none of a node")

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
	if h.first == helloIncarnation || h.first == helloFolder {
		return &replacedError{by: h.node, twin: h.first == helloFolder}
	}
	if h.first != helloOK {
		return helloError(h.first, h.node)
	}
	h.proven = provenName(c)
	if status := p.judge(h); status != helloOK {
		return helloError(status, h.node)
	}
	p.self.hear(h.node, h.addr)
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
