package raftstore

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// tlsNode is the files of one node.
type tlsNode struct {
	name string
	PeerTLS
	pin string // its line
}

// tlsNodes makes files for nodes that know each other.
func tlsNodes(t *testing.T, names ...string) []*tlsNode {
	t.Helper()
	var all []*tlsNode
	for _, name := range names {
		dir := t.TempDir()
		made, err := MakePeerCertificate(name, dir)
		require.NoError(t, err)
		all = append(all, &tlsNode{name: name, pin: made.Pin, PeerTLS: PeerTLS{
			Cert: made.Cert, Key: made.Key, Pins: filepath.Join(dir, "pins"),
		}})
	}
	for _, n := range all {
		n.pins(t, lines(all)...)
	}
	return all
}

func lines(nodes []*tlsNode) (all []string) {
	for _, n := range nodes {
		all = append(all, n.pin)
	}
	return all
}

// pins replaces the node's file of pins in one step.
func (n *tlsNode) pins(t *testing.T, lines ...string) {
	t.Helper()
	text := "# of a test\n\n" + strings.Join(lines, " # a node\n") + "\n"
	require.NoError(t, os.WriteFile(n.Pins+".new", []byte(text), 0o600))
	require.NoError(t, os.Rename(n.Pins+".new", n.Pins))
}

// change gives the node another key.
func (n *tlsNode) change(t *testing.T, to PeerCertificate) {
	t.Helper()
	require.NoError(t, os.Rename(to.Key, n.Key))
	require.NoError(t, os.Rename(to.Cert, n.Cert))
	n.pin = to.Pin
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// tlsPort is an open port that answers calls.
type tlsPort struct {
	*peerPort
	peers *tcpPeers
	log   *lockedBuffer
}

// openTLSPort opens a port with the files of n, which says that it is called says.
func openTLSPort(t *testing.T, n *tlsNode, says string) tlsPort {
	t.Helper()
	log := &lockedBuffer{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	var guard *peerGuard
	if n != nil {
		var err error
		guard, err = newPeerGuard(n.PeerTLS, n.name, logger)
		require.NoError(t, err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	self := peerSelf{cluster: func() [16]byte { return [16]byte{} }}
	port := openPeerPort(guard.listener(ln), "", says, self, logger)
	t.Cleanup(func() { assert.NoError(t, port.close()) })
	p := tlsPort{peerPort: port, peers: newTCPPeers(port), log: log}
	p.peers.Serve(echo)
	t.Cleanup(func() { assert.NoError(t, p.peers.Close()) })
	return p
}

// call asks to and says how that went.
func (p tlsPort) call(t *testing.T, to tlsPort) error {
	t.Helper()
	answer, _, err := p.peers.Call(t.Context(), to.advertise, 9, []byte("x"))
	if err == nil {
		assert.Equal(t, "\x09x", string(answer))
	}
	return err
}

// eventually allows for the next look at the files, on a busy machine.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 20*time.Second, 5*time.Millisecond, what)
}

func TestPinnedPeersTalk(t *testing.T) {
	t.Parallel()
	files := tlsNodes(t, "a", "b")
	a, b := openTLSPort(t, files[0], "a"), openTLSPort(t, files[1], "b")
	require.NoError(t, a.call(t, b))
	require.NoError(t, b.call(t, a))

	c, err := a.dial(b.advertise, kindCalls, time.Second)
	require.NoError(t, err)
	defer c.Close()
	assert.Equal(t, "b", provenName(c))
	state := c.(*guardedConn).ConnectionState()
	assert.Equal(t, uint16(tls.VersionTLS13), state.Version)
	assert.False(t, state.DidResume)
}

func TestAPeerWithAnotherKeyIsRefused(t *testing.T) {
	t.Parallel()
	files := tlsNodes(t, "a", "b")
	a := openTLSPort(t, files[0], "a")
	stranger := tlsNodes(t, "b")[0] // has the name, but not the key
	stranger.pins(t, stranger.pin, files[0].pin)
	s := openTLSPort(t, stranger, "b")

	var refused *PinError
	require.ErrorAs(t, a.call(t, s), &refused, "the one that dials looks at the other's key")
	assert.Equal(t, stranger.pin, "b "+refused.Seen)
	for _, says := range []string{s.advertise, refused.Seen, files[0].Pins, files[1].pin,
		"what to do"} {
		assert.ErrorContains(t, a.call(t, s), says)
	}

	err := s.call(t, a)
	require.ErrorContains(t, err, "it refuses this node's certificate", "so does the one that accepts")
	assert.ErrorContains(t, err, stranger.pin)
	eventually(t, "the refusal is logged", func() bool {
		return strings.Contains(a.log.String(), "peer refused") &&
			strings.Contains(a.log.String(), refused.Seen)
	})
}

func TestAPeerUnderAnotherNameIsRefused(t *testing.T) {
	t.Parallel()
	files := tlsNodes(t, "a", "b", "c")
	a := openTLSPort(t, files[0], "a")
	liar := openTLSPort(t, files[1], "c")
	for _, err := range []error{liar.call(t, a), a.call(t, liar)} {
		assert.ErrorContains(t, err, "name and certificate do not belong together")
		assert.ErrorContains(t, err, "what to do")
	}
	eventually(t, "the refusal is logged", func() bool { // after it was answered
		return strings.Contains(a.log.String(), "node \\\"c\\\"")
	})
}

func TestPlainAndSecuredPortsRefuseEachOther(t *testing.T) {
	t.Parallel()
	files := tlsNodes(t, "a", "b")
	a, plain := openTLSPort(t, files[0], "a"), openTLSPort(t, nil, "b")
	assert.ErrorContains(t, a.call(t, plain), "peer.tls.pins")
	assert.Error(t, plain.call(t, a))
	eventually(t, "both say what to do", func() bool {
		return strings.Contains(a.log.String(), "does not speak TLS") &&
			strings.Contains(plain.log.String(), "this node's peer port is plain")
	})
	b := openTLSPort(t, files[1], "b")
	assert.NoError(t, b.call(t, a), "the port goes on")
}

// TestStrangersAtASecuredPort sends what is no handshake, or half of one, or nothing.
func TestStrangersAtASecuredPort(t *testing.T) {
	t.Parallel()
	files := tlsNodes(t, "a", "b")
	a, b := openTLSPort(t, files[0], "a"), openTLSPort(t, files[1], "b")
	for name, say := range map[string]string{
		"silence": "", "http": "GET / HTTP/1.1\r\n\r\n", "half a record": "\x16\x03\x01\x02\x00\x01",
		"a record that is too long": "\x16\x03\x01\xff\xff" + strings.Repeat("x", 70_000),
	} {
		conn, err := net.Dial("tcp", a.advertise)
		require.NoError(t, err)
		_, err = conn.Write([]byte(say))
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(4*helloTimeout)))
		_, err = io.Copy(io.Discard, conn)
		assert.NotErrorIs(t, err, os.ErrDeadlineExceeded, "%s: the port must hang up", name)
		conn.Close()
	}
	old := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}
	_, err := tls.Dial("tcp", a.advertise, old)
	assert.ErrorContains(t, err, "protocol version")
	nameless := &tls.Config{InsecureSkipVerify: true}
	conn, err := tls.Dial("tcp", a.advertise, nameless)
	if err == nil {
		_, err = conn.Read(make([]byte, 1))
		conn.Close()
	}
	assert.ErrorContains(t, err, "certificate required")
	assert.NoError(t, b.call(t, a), "the port goes on")
}

func TestPinsAreReadAgain(t *testing.T) {
	t.Parallel()
	files := tlsNodes(t, "a", "b")
	a, b := openTLSPort(t, files[0], "a"), openTLSPort(t, files[1], "b")
	require.NoError(t, a.call(t, b))
	toA, err := b.dial(a.advertise, kindCalls, time.Second)
	require.NoError(t, err)
	defer toA.Close()

	for fault, text := range map[string]string{
		"64 hexadecimal digits": "a sha256:12\n", "such as n1 sha256": "a\n",
		"does not have the pin": files[1].pin + "\n",
		"is node b's, and this": "b" + strings.TrimPrefix(files[0].pin, "a") + "\n",
	} {
		require.NoError(t, os.WriteFile(files[0].Pins, []byte(text), 0o600))
		eventually(t, "a bad file is told", func() bool { return strings.Contains(a.log.String(), fault) })
		assert.NoError(t, b.call(t, a), "the old pins stay in force")
	}

	files[0].pins(t, files[0].pin) // b is no longer one of us
	buf := make([]byte, 1)
	require.NoError(t, toA.SetReadDeadline(time.Now().Add(20*time.Second)))
	_, err = toA.Read(buf)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "what is open is cut")
	require.Error(t, err)
	assert.Contains(t, a.log.String(), "peer cut off")
	eventually(t, "the next is cut too", func() bool { return b.call(t, a) != nil })
	assert.Error(t, a.call(t, b))

	files[0].pins(t, lines(files)...)
	eventually(t, "b is back", func() bool { return b.call(t, a) == nil })
}

func TestFaultsOfTLSFiles(t *testing.T) {
	t.Parallel()
	files := tlsNodes(t, "a", "b")
	open := func(f PeerTLS) error {
		_, err := newPeerGuard(f, "a", slog.New(slog.DiscardHandler))
		return err
	}
	require.NoError(t, open(files[0].PeerTLS))
	mixed := files[0].PeerTLS
	mixed.Key = files[1].Key
	assert.ErrorContains(t, open(mixed), mixed.Key)
	missing := files[0].PeerTLS
	missing.Pins += "x"
	assert.ErrorContains(t, open(missing), missing.Pins)

	hex := strings.TrimPrefix(files[1].pin, "b ")
	other := func(last string) string { return "b sha256:" + strings.Repeat("0", 63) + last }
	for text, fault := range map[string]string{
		files[1].pin + "\nc " + hex:                        "line 3: the pin is there already, for b",
		other("1") + "\n" + other("2") + "\n" + other("3"): "node b has more than 2 pins",
		"x.y " + hex:         "node \"x.y\"",
		"b " + hex + " more": "must be a node's name and its pin",
		"b " + strings.Replace(hex, "sha256:", "sha256:zz", 1):  "64 hexadecimal digits",
		"b " + strings.ReplaceAll(hex, "sha256:", "sha512:"):    "must be sha256:",
		"b sha256:" + strings.Repeat("z", 64) + "\nb sha256:12": "line 3",
	} {
		require.NoError(t, os.WriteFile(files[0].Pins, []byte(files[0].pin+"\n"+text+"\n"), 0o600))
		assert.ErrorContains(t, open(files[0].PeerTLS), fault)
	}

	_, err := MakePeerCertificate("a", filepath.Dir(files[0].Cert))
	assert.ErrorContains(t, err, files[0].Key, "nothing is replaced")
	info, err := os.Stat(files[0].Key)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	half := Config{Node: "a", Dir: "d", TLS: PeerTLS{Cert: "x"}}.WithDefaults()
	assert.ErrorContains(t, half.Validate(), "go together")
}

// TestKeysChangeOneByOne gives each of three nodes a new key while units are sold: the new pin goes
// to all, the node changes over, the old pin goes. No leader is lost and nothing that was answered.
func TestKeysChangeOneByOne(t *testing.T) {
	t.Parallel()
	files := tlsNodes(t, "n1", "n2", "n3")
	at := 0
	nodes := realNodes(t, 3, func(c *Config) {
		c.TLS, c.Heartbeat = files[at].PeerTLS, 5*time.Second
		at++
	})
	guards := func(ok func(g *peerGuard) bool) func() bool {
		return func() bool {
			for _, n := range nodes {
				g := n.peers.(*tcpPeers).port.guard
				g.mu.Lock()
				yes := ok(g)
				g.mu.Unlock()
				if !yes {
					return false
				}
			}
			return true
		}
	}
	leader := leading(t, nodes)
	term := leader.Status().Term
	define(t, leader.Store, 1e6)
	stop := make(chan struct{})
	accepted := reserving(nodes, 3, stop)
	for i, n := range files {
		before := lines(files)
		next, err := MakePeerCertificate(n.name, t.TempDir())
		require.NoError(t, err)
		all := func(pins ...string) {
			for _, f := range files {
				f.pins(t, pins...)
			}
			eventually(t, "pins are read", guards(func(g *peerGuard) bool {
				return assert.ObjectsAreEqual(pins, g.mu.pins.lines())
			}))
		}
		all(append(before, next.Pin)...)
		n.change(t, next)
		eventually(t, "the key is read", func() bool {
			g := nodes[i].peers.(*tcpPeers).port.guard
			g.mu.Lock()
			defer g.mu.Unlock()
			return n.name+" "+pinOf(g.mu.certificate.Leaf).String() == next.Pin
		})
		all(lines(files)...)
		r, err := nodes[i].Submit(t.Context(), engine.Op{Command: reserve(fmt.Sprintf("after-%d", i),
			"A", 1, time.Hour)})
		require.NoError(t, err)
		require.Equal(t, engine.Accepted, r.Refusal)
	}
	close(stop)
	ids := accepted()
	assert.NotEmpty(t, ids)
	assert.Equal(t, term, leader.Status().Term, "the leader stays")
	for _, n := range nodes {
		holds(t, n.Store, ids)
	}
}
