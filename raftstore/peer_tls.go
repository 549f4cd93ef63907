package raftstore

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// PeerTLS names the files by which a node proves to the others who it is, and knows them: all three,
// or none, which leaves the peer port plain. They are read again when they change.
type PeerTLS struct {
	Cert string // PEM: this node's certificate, signed by whom it likes
	Key  string // PEM: its private key
	Pins string // of every node, this one too: lines "n1 sha256:HEX"; the same file on every node
}

func (f PeerTLS) none() bool { return f == PeerTLS{} }

func (f PeerTLS) whole() bool { return f.Cert != "" && f.Key != "" && f.Pins != "" }

func (f PeerTLS) names() [3]string { return [3]string{f.Cert, f.Key, f.Pins} }

// peerGuard secures the connections of a peer port: TLS 1.3, both sides with a certificate, and a
// certificate counts for the node under whose name its key is pinned. There is no authority, no
// chain and no expiry: a key ends when its pin is taken out of the file, and with it the connections
// that it opened. Safe for concurrent use.
type peerGuard struct {
	files PeerTLS
	node  string
	log   *slog.Logger

	mu struct {
		sync.Mutex
		certificate tls.Certificate
		pins        pinTable
		conns       map[*guardedConn]struct{}
	}

	// Used by newPeerGuard, and then by watch alone.
	stamp   fileStamps // of what is loaded
	settled bool       // the files were old enough when they were read
	fault   string     // of the newest files, when they could not be taken
}

// lookEvery is how often the files are looked at: three stats. A clock and no signal, for whoever
// replaces files in a container signals nobody; and no look at a handshake, which must not wait for
// a disk, and would be too late for the connections that have to end.
const lookEvery = time.Second

// settleTime is how old a file must be when it is read to be believed to be whole: one that was
// written in place may change again within the clock tick of its modification time.
const settleTime = 2 * time.Second

// newPeerGuard reads the files. It fails, naming the file, when one cannot be read, when key and
// certificate are not a pair, or when the pins are not the certificate's.
func newPeerGuard(files PeerTLS, node string, log *slog.Logger) (*peerGuard, error) {
	g := &peerGuard{files: files, node: node, log: log}
	g.mu.conns = map[*guardedConn]struct{}{}
	if err := g.load(); err != nil {
		return nil, fmt.Errorf("TLS of the peer port: %w", err)
	}
	return g, nil
}

// fileStamps tell the contents of the three files from the next without reading them.
type fileStamps [3]os.FileInfo // nil before the first load

func (s fileStamps) same(other fileStamps) bool {
	for i, a := range s {
		b := other[i]
		if a == nil || b == nil || !os.SameFile(a, b) || a.Size() != b.Size() ||
			!a.ModTime().Equal(b.ModTime()) {
			return false
		}
	}
	return true
}

func (s fileStamps) settled() bool {
	for _, info := range s {
		if time.Since(info.ModTime()) <= settleTime {
			return false
		}
	}
	return true
}

func (g *peerGuard) stamps() (all fileStamps, err error) {
	for i, name := range g.files.names() {
		if all[i], err = os.Stat(name); err != nil {
			return all, err
		}
	}
	return all, nil
}

// load takes the files as they are now, all three or none, and cuts whom they no longer allow. The
// stamps are taken first: a file that changes in between is read again at the next look. It fails
// with the fault of a file, and then the old ones stay in force.
func (g *peerGuard) load() error {
	stamp, err := g.stamps()
	if err != nil {
		return err
	}
	settled := stamp.settled()
	certificate, err := tls.LoadX509KeyPair(g.files.Cert, g.files.Key)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", g.files.Cert, g.files.Key, err)
	}
	pins, err := readPins(g.files.Pins)
	if err != nil {
		return err
	}
	own := pinOf(certificate.Leaf)
	switch name, known := pins.nameOf(own); {
	case known && name != g.node:
		return fmt.Errorf("%s says that the certificate %s is node %s's, and this is node %s: give each "+
			"node its own", g.files.Pins, g.files.Cert, name, g.node)
	case !known:
		return fmt.Errorf("%s does not have the pin of this node's certificate %s: add the line %q, "+
			"on every node", g.files.Pins, g.files.Cert, g.node+" "+own.String())
	}
	if g.stamp[0] != nil && (!g.stamp.same(stamp) || g.fault != "") {
		g.log.Info("certificate and pins of the peer port were read again", "pin", own.String(),
			"pins", len(pins))
	}
	if stamp[1].Mode().Perm()&0o007 != 0 {
		g.log.Warn("every user of this machine can read the key of the peer port", "file", g.files.Key)
	}
	g.stamp, g.settled, g.fault = stamp, settled, ""
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.certificate, g.mu.pins = certificate, pins
	g.cutLocked()
	return nil
}

// cutLocked closes the connections whose pin is no longer its node's.
func (g *peerGuard) cutLocked() {
	for c := range g.mu.conns {
		if name, _ := g.mu.pins.nameOf(c.pin); name != c.name {
			g.log.Warn("peer cut off: its pin was taken out", "peer", c.name, "pin", c.pin.String(),
				"from", c.RemoteAddr().String())
			delete(g.mu.conns, c)
			c.raw.Close()
		}
	}
}

// look reads the files again if they changed. What cannot be taken is logged, once, and the old
// stays in force; a certificate and a key that are replaced one after the other pass through that.
func (g *peerGuard) look() {
	if g.settled && g.fault == "" {
		if stamp, err := g.stamps(); err == nil && g.stamp.same(stamp) {
			return
		}
	}
	err := g.load()
	if err != nil && err.Error() != g.fault {
		g.fault = err.Error()
		g.log.Error("new TLS files of the peer port are refused; the old ones stay in force",
			"error", err)
	}
}

// watch looks until done is closed.
func (g *peerGuard) watch(done <-chan struct{}) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			g.look()
		}
	}
}

// config is that of one connection, by the files as they are now. Sessions are not resumed: a
// resumed one would rest on a check of the past, and a node opens few connections and keeps them.
func (g *peerGuard) config() *tls.Config {
	g.mu.Lock()
	defer g.mu.Unlock()
	pins := g.mu.pins
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{g.mu.certificate},
		ClientAuth:             tls.RequireAnyClientCert,
		SessionTicketsDisabled: true,
		// Not unverified: VerifyConnection asks for more than a chain does, namely for one of the keys
		// that are listed. TLS itself proves that the other side has the private key.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			pin := pinOf(state.PeerCertificates[0])
			if _, ok := pins.nameOf(pin); !ok {
				return &PinError{Seen: pin.String(), File: g.files.Pins, Pins: pins.lines()}
			}
			return nil
		},
	}
}

// PinError refuses a node whose key nobody pinned.
type PinError struct {
	Seen string   // pin of the certificate that it showed
	File string   // of the pins
	Pins []string // lines of that file
}

func (e *PinError) Error() string {
	return fmt.Sprintf("it showed a certificate with pin %s, which is not in %s; expected one of: %s; "+
		"what to do: if that is a node of this cluster, add \"NODE %s\" to the pins of every node",
		e.Seen, e.File, strings.Join(e.Pins, ", "), e.Seen)
}

// secure shakes hands on c, which it closes on failure, as the side that accepted or dialled it. It
// fails with *PinError or with what stood in the way of the handshake.
func (g *peerGuard) secure(c net.Conn, dialled bool) (net.Conn, error) {
	side := tls.Server
	if dialled {
		side = tls.Client
	}
	secured := &guardedConn{Conn: side(c, g.config()), raw: c, guard: g}
	err := c.SetDeadline(time.Now().Add(helloTimeout))
	if err == nil {
		err = secured.Handshake()
	}
	if err != nil {
		if !dialled {
			lastWords(c)
		}
		c.Close()
		if dialled && hungUp(err) {
			err = fmt.Errorf("it hung up during the TLS handshake (%w); what to do: see its log, and "+
				"whether it has peer.tls.cert, peer.tls.key and peer.tls.pins too", err)
		}
		return nil, g.explain(err)
	}
	secured.pin = pinOf(secured.ConnectionState().PeerCertificates[0])
	g.mu.Lock()
	defer g.mu.Unlock()
	name, ok := g.mu.pins.nameOf(secured.pin)
	if !ok { // taken out during the handshake
		c.Close()
		return nil, &PinError{Seen: secured.pin.String(), File: g.files.Pins,
			Pins: g.mu.pins.lines()}
	}
	secured.name = name
	g.mu.conns[secured] = struct{}{}
	return secured, nil
}

// lastWords waits a moment for the other side to hang up after a refusal: closing first, with its
// bytes unread, would reset the connection and take the reason away from it.
func lastWords(c net.Conn) {
	if c.SetDeadline(time.Now().Add(time.Second)) == nil {
		_, _ = io.CopyN(io.Discard, c, 64<<10)
	}
}

func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
}

// explain adds to an error of the connection what it means here. nil stays nil.
func (g *peerGuard) explain(err error) error {
	var plain tls.RecordHeaderError
	var alert *net.OpError
	switch {
	case errors.As(err, &plain):
		return fmt.Errorf("it does not speak TLS (%w); what to do: give every node of the cluster "+
			"peer.tls.cert, peer.tls.key and peer.tls.pins", err)
	case errors.As(err, &alert) && alert.Op == "remote error":
		g.mu.Lock()
		own := pinOf(g.mu.certificate.Leaf)
		g.mu.Unlock()
		return fmt.Errorf("it refuses this node's certificate (%w); what to do: see its log, and "+
			"whether its file of pins has the line %q", err, g.node+" "+own.String())
	}
	return err
}

// guardedConn is a connection whose other end proved to be a node.
type guardedConn struct {
	*tls.Conn
	raw   net.Conn
	guard *peerGuard
	name  string // of the node
	pin   peerPin
}

// Read fails with the connection's error; a refusal of the other side says what to do.
func (c *guardedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && err != io.EOF {
		err = c.guard.explain(err)
	}
	return n, err
}

// Close ends the connection at once, without TLS's farewell: that may wait for a peer that does not
// read, and the messages say how long they are, so a cut is never taken for an end. It returns the
// connection's error.
func (c *guardedConn) Close() error {
	c.guard.mu.Lock()
	delete(c.guard.mu.conns, c)
	c.guard.mu.Unlock()
	return c.raw.Close()
}

// provenName is the node that a connection was proven to come from; "" on a plain port, where
// everyone is who he says.
func provenName(c net.Conn) string {
	if g, ok := c.(*guardedConn); ok {
		return g.name
	}
	return ""
}

// guardedListener makes a peer port a secured one, both ways. What it accepts is still plain: the
// port shakes hands where a slow stranger holds up nobody.
type guardedListener struct {
	net.Listener
	guard *peerGuard
}

// guardOf is the guard of a listener; nil for a plain one.
func guardOf(ln net.Listener) *peerGuard {
	if g, ok := ln.(guardedListener); ok {
		return g.guard
	}
	return nil
}

// openGuard reads the files of c and returns the guard of the peer port; nil for a plain one. It
// fails as newPeerGuard.
func openGuard(c Config) (*peerGuard, error) {
	if c.TLS.none() {
		return nil, nil
	}
	g, err := newPeerGuard(c.TLS, c.Node, c.Logger)
	if err != nil {
		return nil, err
	}
	for _, peer := range c.Peers {
		if !g.mu.pins.has(peer.Node) {
			c.Logger.Warn("a node of the cluster has no pin: nobody talks to it until it has one",
				"peer", peer.Node, "file", c.TLS.Pins)
		}
	}
	return g, nil
}

// listener returns ln as the listener of a port that g guards; ln itself if g is nil.
func (g *peerGuard) listener(ln net.Listener) net.Listener {
	if g == nil {
		return ln
	}
	return guardedListener{Listener: ln, guard: g}
}

// tlsHandshake is the first byte of whoever begins to speak TLS. No kind of connection is that.
const tlsHandshake byte = 0x16

var errSpeaksTLS = errors.New("it speaks TLS and this node's peer port is plain; what to do: give " +
	"every node of the cluster peer.tls.cert, peer.tls.key and peer.tls.pins, or none")
