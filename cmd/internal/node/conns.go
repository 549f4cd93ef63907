package node

import (
	"net"
	"sync"
)

// cuttable is a listener that can break all its connections at once, as a crash does. It is safe
// for concurrent use.
type cuttable struct {
	net.Listener

	mu   sync.Mutex
	open map[*cutConn]struct{} // nil after cut
}

func newCuttable(ln net.Listener) *cuttable {
	return &cuttable{Listener: ln, open: map[*cutConn]struct{}{}}
}

// Accept returns the next connection, or the listener's error.
func (l *cuttable) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	cut := &cutConn{Conn: c, of: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	l.open[cut] = struct{}{}
	return cut, nil
}

// cut stops listening and resets every connection: what is on its way is lost.
func (l *cuttable) cut() {
	_ = l.Listener.Close()
	l.mu.Lock()
	open := l.open
	l.open = nil
	l.mu.Unlock()
	for c := range open {
		if tcp, ok := c.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset and not an orderly end
		}
		_ = c.Conn.Close()
	}
}

type cutConn struct {
	net.Conn
	of *cuttable
}

// CloseWrite ends what is sent and leaves what is received open; the error is the connection's, or
// net.ErrClosed for one that has no such half.
func (c *cutConn) CloseWrite() error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		return tcp.CloseWrite()
	}
	return net.ErrClosed
}

// Close closes the connection and forgets it; the error is the connection's.
func (c *cutConn) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}
