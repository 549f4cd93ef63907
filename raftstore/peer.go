package raftstore

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// peerNet carries calls between nodes beside raft: forwarded batches, indexes for reads, statuses.
// Its twin in memory is memPeer.
type peerNet interface {
	// Call sends one request to the node at addr and waits for the answer. sent says whether a byte
	// of it may have left: if not, the call did not happen. It never sends twice, and it gives up
	// with errSilent when nothing at all came from that node for a while.
	Call(ctx context.Context, addr string, kind byte,
		body []byte) (answer []byte, sent bool, err error)
	// Serve sets who answers calls; before it, calls wait. Call it once.
	Serve(peerHandler)
	// Close ends all connections and waits for the handlers.
	Close() error
}

// peerHandler answers one call. It runs on a goroutine of its own, many at a time; ctx ends when
// the node closes. It must not keep body.
type peerHandler func(ctx context.Context, kind byte, body []byte) []byte

const (
	// maxFrame bounds one answer: to 4,096 commands with reservations of many lines.
	maxFrame = 64 << 20
	// maxRequest bounds one request: a batch, or the one command that may be larger than one, with as
	// much again to spare.
	maxRequest = 2 * (maxOpBytes + maxBatchBytes)
	// maxCallsPerConn bounds the calls of one node that are being answered; above, it is not read.
	maxCallsPerConn = 64
	// peerTimeout bounds dialling, the handshake and the write of one message.
	peerTimeout = 10 * time.Second
	// peerSilence is how long a connection may bring nothing while calls wait for answers. Each node
	// asks every other how it is once a second, on the same connection, and that is answered at once:
	// three of these missing mean that the connection is lost, although nobody has closed it.
	peerSilence = 3 * time.Second
)

// errSilent ends calls on a connection on which nothing comes any more.
var errSilent = errors.New("the node is silent")

// tcpPeers is the peerNet over the peer port. One connection to each node carries all calls to it,
// told apart by number. Safe for concurrent use.
type tcpPeers struct {
	port    *peerPort
	silence time.Duration
	ctx     context.Context
	cancel  context.CancelFunc
	tasks   sync.WaitGroup
	handler peerHandler
	ready   chan struct{} // closed by Serve

	mu struct {
		sync.Mutex
		conns  map[string]*peerConn // by address
		closed bool
	}
}

func newTCPPeers(port *peerPort) *tcpPeers {
	p := &tcpPeers{port: port, silence: peerSilence, ready: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.mu.conns = map[string]*peerConn{}
	return p
}

// Serve begins to answer calls with h.
func (p *tcpPeers) Serve(h peerHandler) {
	p.handler = h
	close(p.ready)
	p.tasks.Go(func() {
		for {
			select {
			case c := <-p.port.calls:
				p.tasks.Go(func() { p.answer(c) })
			case <-p.ctx.Done():
				return
			}
		}
	})
}

// Call implements peerNet. It fails with the error of the network, errSilent, or the cause when ctx
// ends.
func (p *tcpPeers) Call(ctx context.Context, addr string, kind byte,
	body []byte) (answer []byte, sent bool, err error) {
	c, err := p.conn(ctx, addr)
	if err != nil {
		return nil, false, err
	}
	return c.call(ctx, kind, body)
}

// conn returns the connection to addr, a new one when there is none or it broke.
func (p *tcpPeers) conn(ctx context.Context, addr string) (*peerConn, error) {
	p.mu.Lock()
	if p.mu.closed {
		p.mu.Unlock()
		return nil, net.ErrClosed
	}
	c := p.mu.conns[addr]
	if c == nil || c.broken() {
		c = &peerConn{
			silence: p.silence, dialled: make(chan struct{}), down: make(chan struct{}),
		}
		c.mu.waiting = map[uint64]chan []byte{}
		p.mu.conns[addr] = c
		p.tasks.Go(func() { c.run(p.port, addr) })
	}
	p.mu.Unlock()
	select {
	case <-c.dialled:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if c.broken() {
		return nil, c.fault()
	}
	return c, nil
}

// answer serves one connection that another node opened, until it breaks.
func (p *tcpPeers) answer(c net.Conn) {
	stop := context.AfterFunc(p.ctx, func() { c.Close() })
	defer stop()
	var calls sync.WaitGroup
	defer calls.Wait()
	defer c.Close()
	r := bufio.NewReaderSize(c, 64<<10)
	slots := make(chan struct{}, maxCallsPerConn)
	var write sync.Mutex
	for {
		id, kind, body, err := readFrame(r, maxRequest)
		if err != nil {
			return
		}
		slots <- struct{}{}
		calls.Go(func() {
			defer func() { <-slots }()
			answer := p.handler(p.ctx, kind, body)
			write.Lock()
			defer write.Unlock()
			if err := writeFrame(c, id, kind, answer); err != nil {
				c.Close() // the caller learns that the outcome is unknown
			}
		})
	}
}

// Close implements peerNet. It returns nil.
func (p *tcpPeers) Close() error {
	p.mu.Lock()
	p.mu.closed = true
	for _, c := range p.mu.conns {
		c.shut(net.ErrClosed)
	}
	p.mu.Unlock()
	p.cancel()
	p.tasks.Wait()
	return nil
}

// peerConn is one connection to another node, for calls that begin here.
type peerConn struct {
	silence time.Duration
	dialled chan struct{} // closed once it is up, or will never be
	down    chan struct{} // closed when it broke
	write   sync.Mutex

	mu struct {
		sync.Mutex
		conn    net.Conn
		err     error // why it broke; nil while it has not
		last    uint64
		waiting map[uint64]chan []byte
		armed   bool // something must come within silence
	}
}

// run dials, then reads answers until the connection breaks.
func (c *peerConn) run(port *peerPort, addr string) {
	conn, err := port.dial(addr, kindCalls, peerTimeout)
	c.mu.Lock()
	closed := c.mu.err != nil
	if err == nil && !closed {
		c.mu.conn = conn
	}
	c.mu.Unlock()
	if err == nil && closed {
		conn.Close()
	}
	if err != nil {
		c.shut(err)
	}
	close(c.dialled)
	if err != nil || closed {
		return
	}
	r := bufio.NewReaderSize(listening{c, conn}, 64<<10)
	for {
		id, _, body, err := readFrame(r, maxFrame)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = errSilent
		}
		if err != nil {
			c.shut(fmt.Errorf("connection to %s: %w", addr, err))
			return
		}
		c.mu.Lock()
		ch := c.mu.waiting[id]
		delete(c.mu.waiting, id)
		c.armLocked(len(c.mu.waiting) > 0)
		c.mu.Unlock()
		if ch != nil {
			ch <- body
		}
	}
}

// listening reads from the connection and notes that something came.
type listening struct {
	of *peerConn
	net.Conn
}

// Read returns the connection's error, os.ErrDeadlineExceeded when nothing came for too long.
func (l listening) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if n > 0 {
		l.of.mu.Lock()
		l.of.armLocked(l.of.mu.armed) // again from now on
		l.of.mu.Unlock()
	}
	return n, err
}

// armLocked begins, begins again or ends the wait for a sign of the other node. A deadline that the
// connection does not take shows as its error when it is used.
func (c *peerConn) armLocked(on bool) {
	c.mu.armed = on
	if on {
		_ = c.mu.conn.SetReadDeadline(time.Now().Add(c.silence))
	} else {
		_ = c.mu.conn.SetReadDeadline(time.Time{})
	}
}

// call sends one request and waits for its answer.
func (c *peerConn) call(ctx context.Context, kind byte, body []byte) ([]byte, bool, error) {
	ch := make(chan []byte, 1)
	c.mu.Lock()
	if c.mu.err != nil {
		defer c.mu.Unlock()
		return nil, false, c.mu.err
	}
	c.mu.last++
	id, conn := c.mu.last, c.mu.conn
	c.mu.waiting[id] = ch
	if !c.mu.armed { // else the wait goes on: what is sent is no sign of life
		c.armLocked(true)
	}
	c.mu.Unlock()

	c.write.Lock()
	err := writeFrame(conn, id, kind, body)
	c.write.Unlock()
	if err != nil {
		c.shut(err)
		return nil, true, err
	}
	select {
	case answer := <-ch:
		return answer, true, nil
	case <-c.down:
		select {
		case answer := <-ch: // it came before the end did
			return answer, true, nil
		default:
			return nil, true, c.fault()
		}
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.mu.waiting, id)
		c.mu.Unlock()
		return nil, true, context.Cause(ctx)
	}
}

// shut breaks the connection for the reason err; only the first counts.
func (c *peerConn) shut(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.err != nil {
		return
	}
	c.mu.err = err
	if c.mu.conn != nil {
		c.mu.conn.Close()
	}
	close(c.down)
}

func (c *peerConn) broken() bool { return c.fault() != nil }

func (c *peerConn) fault() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.err
}

// frameHead is the length of what stands in front of a message: length of the body, number, kind.
const frameHead = 4 + 8 + 1

// writeFrame sends one message within peerTimeout. It fails with the connection's error, after
// which nobody knows how much of it left.
func writeFrame(c net.Conn, id uint64, kind byte, body []byte) error {
	var head [frameHead]byte
	binary.LittleEndian.PutUint32(head[:], uint32(len(body)))
	binary.LittleEndian.PutUint64(head[4:], id)
	head[12] = kind
	if err := c.SetWriteDeadline(time.Now().Add(peerTimeout)); err != nil {
		return err
	}
	parts := net.Buffers{head[:], body}
	_, err := parts.WriteTo(c)
	return err
}

// readFrame reads one message; the body is the caller's. It fails with the connection's error, or
// errFrame for a message over most bytes.
func readFrame(r io.Reader, most uint32) (id uint64, kind byte, body []byte, err error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, 0, nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > most {
		return 0, 0, nil, errFrame
	}
	body = make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, 0, nil, err
	}
	return binary.LittleEndian.Uint64(head[4:]), head[12], body, nil
}

var errFrame = errors.New("message over the limit")
