package link

import (
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// pipe is one connection from the node that dialled to the node that was dialled.
type pipe struct {
	m     *Mesh
	ends  [2]net.Conn
	pair  Pair // who dialled whom
	seed  uint64
	ended atomic.Bool
}

// run carries bytes both ways until one of them ends.
func (p *pipe) run() {
	var both sync.WaitGroup
	back := Pair{p.pair.To, p.pair.From}
	both.Go(func() { p.carry(p.ends[0], p.ends[1], p.pair, 1) })
	both.Go(func() { p.carry(p.ends[1], p.ends[0], back, 2) })
	both.Wait()
}

// carry moves bytes of one direction, as its rule says at the moment when they go out.
func (p *pipe) carry(from, to net.Conn, pair Pair, stream uint64) {
	defer p.end()
	chance := rand.New(rand.NewPCG(p.seed, stream))
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		r, changed := p.m.passable(pair)
		for r.Stall && !p.ended.Load() {
			<-changed
			r, changed = p.m.passable(pair)
		}
		if p.ended.Load() || r.Refuse || (r.Cut > 0 && chance.Float64() < r.Cut) {
			return
		}
		if wait := r.Delay + rand.N(r.Jitter+1); wait > 0 {
			time.Sleep(wait)
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// end resets both ends.
func (p *pipe) end() {
	if p.ended.Swap(true) {
		return
	}
	for _, c := range p.ends {
		reset(c)
	}
}

// reset closes a connection so that the other side sees a reset and not an orderly end.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails on a connection that is over: then it is over
	}
	_ = c.Close()
}
