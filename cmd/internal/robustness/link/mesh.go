package link

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Rule is what befalls bytes on their way from one node to another. The zero value lets them pass.
type Rule struct {
	// Stall holds bytes back until the rule changes, as a network that loses packets does: the
	// senders see a connection that is open and silent.
	Stall bool
	// Refuse ends the connections and lets no new one come up.
	Refuse bool
	Delay  time.Duration
	Jitter time.Duration // up to this much more
	Cut    float64       // chance that a piece ends its connection
}

// Pair is a direction: bytes from one node to another.
type Pair struct{ From, To string }

// Mesh carries what nodes say to each other. Safe for concurrent use.
type Mesh struct {
	who   func(remote *net.TCPAddr) (node string, ok bool)
	tasks sync.WaitGroup

	mu struct {
		sync.Mutex
		rules   map[Pair]Rule
		changed chan struct{} // closed when the rules change
		doors   map[string]*door
		pipes   map[*pipe]bool
		seed    uint64
		closed  bool
	}
}

// door is the address under which the others reach one node.
type door struct {
	node, target string
	ln           net.Listener
}

// New returns a mesh without nodes. who says which node has the local end of a connection.
func New(seed uint64, who func(remote *net.TCPAddr) (string, bool)) *Mesh {
	m := &Mesh{who: who}
	m.mu.seed = seed
	m.mu.rules = map[Pair]Rule{}
	m.mu.changed = make(chan struct{})
	m.mu.doors = map[string]*door{}
	m.mu.pipes = map[*pipe]bool{}
	return m
}

// Open gives a node an address at which the others reach it; target is its real peer port. It fails
// when there is no free port.
func (m *Mesh) Open(node, target string) (addr string, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("proxy before %s: %w", node, err)
	}
	d := &door{node: node, target: target, ln: ln}
	m.mu.Lock()
	m.mu.doors[node] = d
	m.mu.Unlock()
	m.tasks.Go(func() { m.accept(d) })
	return ln.Addr().String(), nil
}

func (m *Mesh) accept(d *door) {
	for {
		c, err := d.ln.Accept()
		if err != nil {
			return
		}
		m.tasks.Go(func() { m.serve(d, c) })
	}
}

// serve carries one connection until an end of it closes or a rule ends it.
func (m *Mesh) serve(d *door, c net.Conn) {
	defer c.Close()
	remote, _ := c.RemoteAddr().(*net.TCPAddr)
	from, ok := m.who(remote)
	if !ok {
		return // a process that has died meanwhile
	}
	if m.rule(Pair{from, d.node}).Refuse {
		reset(c)
		return
	}
	target, err := net.DialTimeout("tcp", d.target, 5*time.Second)
	if err != nil {
		reset(c) // nobody listens there: as if we did not either
		return
	}
	defer target.Close()
	p := &pipe{m: m, ends: [2]net.Conn{c, target}, pair: Pair{from, d.node}}
	if !m.add(p) {
		return
	}
	defer m.remove(p)
	p.run()
}

func (m *Mesh) add(p *pipe) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.closed || m.mu.rules[p.pair].Refuse {
		return false
	}
	m.mu.seed++
	p.seed = m.mu.seed
	m.mu.pipes[p] = true
	return true
}

func (m *Mesh) remove(p *pipe) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.mu.pipes, p)
}

func (m *Mesh) rule(p Pair) Rule {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.rules[p]
}

// passable returns the rule of a direction, and what is closed when that may be another one.
func (m *Mesh) passable(p Pair) (Rule, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.rules[p], m.mu.changed
}

// Set makes the rule of one direction. A refusing rule ends the connections between the two.
func (m *Mesh) Set(p Pair, r Rule) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.rules[p] = r
	m.nudgeLocked()
	if r.Refuse {
		m.endLocked(p)
	}
}

// Heal takes all rules away. With broken, connections that were held back end, as they do when the
// network was away for longer than the kernel tries; else what was held back goes on.
func (m *Mesh) Heal(broken bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if broken {
		for p, r := range m.mu.rules {
			if r.Stall {
				m.endLocked(p)
			}
		}
	}
	clear(m.mu.rules)
	m.nudgeLocked()
}

func (m *Mesh) nudgeLocked() {
	close(m.mu.changed)
	m.mu.changed = make(chan struct{})
}

func (m *Mesh) endLocked(pair Pair) {
	for p := range m.mu.pipes {
		if p.pair == pair || p.pair == (Pair{pair.To, pair.From}) {
			p.end()
		}
	}
}

// Close ends all connections and gives the ports back. It returns the errors of the listeners.
func (m *Mesh) Close() error {
	m.mu.Lock()
	m.mu.closed = true
	var errs []error
	for _, d := range m.mu.doors {
		errs = append(errs, d.ln.Close())
	}
	for p := range m.mu.pipes {
		p.end()
	}
	m.nudgeLocked()
	m.mu.Unlock()
	m.tasks.Wait()
	return errors.Join(errs...)
}
