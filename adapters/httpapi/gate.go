package httpapi

import (
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// gate is a listener that bounds open connections, in all and of one address. It stands in front of
// fasthttp's own bounds because those answer without Retry-After: whoever is refused here gets the
// same problem as everywhere.
type gate struct {
	net.Listener
	most, mostOfOne int
	keepAlive       time.Duration

	mu   sync.Mutex
	open int
	of   map[netip.Addr]int
}

func newGate(ln net.Listener, cfg *Config) *gate {
	return &gate{Listener: ln, most: cfg.MaxConns, mostOfOne: cfg.MaxConnsPerIP,
		keepAlive: cfg.IdleTimeout, of: make(map[netip.Addr]int)}
}

// Accept returns the next connection that is within the bounds, or the listener's error.
func (g *gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.SetKeepAlive(true)
			tcp.SetKeepAlivePeriod(g.keepAlive)
		}
		addr := addressOf(conn)
		p := g.enter(addr)
		if p == nil {
			return &gated{Conn: conn, gate: g, addr: addr}, nil
		}
		refuse(conn, p)
	}
}

// addressOf is the client's address; connections that have none count as one client.
func addressOf(conn net.Conn) netip.Addr {
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// enter counts a connection in, or says why not.
func (g *gate) enter(addr netip.Addr) *problem {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open >= g.most {
		return newProblem(codeOverloaded, "Too many connections are open ("+
			strconv.Itoa(g.most)+").")
	}
	if g.of[addr] >= g.mostOfOne {
		return newProblem(codeRate, "Too many connections of one address are open ("+
			strconv.Itoa(g.mostOfOne)+").")
	}
	g.open++
	g.of[addr]++
	return nil
}

func (g *gate) leave(addr netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open--
	if g.of[addr]--; g.of[addr] == 0 {
		delete(g.of, addr)
	}
}

// refuse answers a connection without reading from it. It must not hold the accepting goroutine, so
// it writes only what fits into the empty send buffer.
func refuse(conn net.Conn, p *problem) {
	body := appendProblem(nil, p)
	b := []byte("HTTP/1.1 " + strconv.Itoa(p.httpStatus()) + " Refused\r\nContent-Type: " +
		problemType + "\r\nRetry-After: " + strconv.FormatInt(p.retryAfterSeconds(), 10) +
		"\r\nConnection: close\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n")
	conn.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	conn.Write(append(b, body...))
	conn.Close()
}

// gated counts itself out when it is closed, once.
type gated struct {
	net.Conn
	gate *gate
	addr netip.Addr
	once sync.Once
	// lingers: the client is still sending a body that was refused. Closed at once, the connection
	// would be reset, and the answer lost before the client reads it. Written by the goroutine that
	// closes.
	lingers bool
}

// Close closes the connection; the error is that of the connection, or nil for a later call.
func (c *gated) Close() error {
	var err error
	c.once.Do(func() {
		if c.lingers {
			c.linger()
		}
		err = c.Conn.Close()
		c.gate.leave(c.addr)
	})
	return err
}

// A refused body is thrown away up to so many bytes and so long, for its sender to see the answer.
const (
	lingerBytes = 16 << 20
	lingerTime  = 2 * time.Second
)

// linger says that nothing more will be sent, and reads until the client has seen it.
func (c *gated) linger() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = c.Conn.SetReadDeadline(time.Now().Add(lingerTime)) // on a failure the reads fail too
	_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
}
