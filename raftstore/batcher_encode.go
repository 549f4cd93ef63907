package raftstore

import (
	"fmt"
	"sync"

	"holdfast/engine"
)

// commands are the commands of one call, encoded one behind the other: the bytes that the log will
// have. They are made by the caller's goroutine, so that the one that proposes only puts them
// together.
type commands struct {
	buf      []byte
	ends     []int    // of each in buf
	priority priority // the lowest of theirs
	defines  bool     // one may define or delete a name
	fault    error    // what was encoded cannot be read back: a bug of ours, and nobody may propose it
	checker  engine.OpChecker
}

// encodeSlice is how many commands are encoded under one hold of the names: an entry that defines
// waits for at most so many, some 20 µs with commands of the usual size.
const encodeSlice = 64

var commandsPool = sync.Pool{New: func() any { return new(commands) }}

// release gives c back for other calls.
func (c *commands) release() {
	if cap(c.buf) <= maxOpBytes {
		commandsPool.Put(c)
	}
}

// encode returns ops encoded, with the names that this node knows by number. The caller releases
// them.
func (m *machine) encode(ops ...engine.Op) *commands {
	c := commandsPool.Get().(*commands)
	c.buf, c.ends, c.priority, c.defines = c.buf[:0], c.ends[:0], priorityHigh, false
	c.fault = nil
	for i := range ops {
		c.priority = min(c.priority, priorityOf(ops[i].Command))
		c.defines = c.defines || engine.Defines(ops[i].Command)
	}
	for len(ops) > 0 {
		n := min(len(ops), encodeSlice)
		c.append(m, ops[:n])
		ops = ops[n:]
	}
	// Here and not where batches are proposed: it runs beside the one goroutine that does, and a fault
	// is the caller's whose command it is, not everybody's in the batch. What other nodes forward is
	// decoded by parseForward.
	if c.fault = c.checker.Check(c.buf, len(c.ends)); c.fault != nil {
		c.fault = fmt.Errorf("did not happen: the command cannot be read back: %w", c.fault)
	}
	return c
}

func (c *commands) append(m *machine, ops []engine.Op) {
	m.names.RLock()
	defer m.names.RUnlock()
	c.buf, c.ends = m.names.ledger.AppendOps(c.buf, c.ends, ops)
}

func (c *commands) len() int { return len(c.ends) }

// run is the bytes of the commands between two places.
func (c *commands) run(from, to int) []byte {
	first := 0
	if from > 0 {
		first = c.ends[from-1]
	}
	return c.buf[first:c.ends[to-1]]
}

// only returns the command at a place by itself; it shares the bytes.
func (c *commands) only(i int, p priority) *commands {
	b := c.run(i, i+1)
	return &commands{buf: b, ends: []int{len(b)}, priority: p, defines: c.defines}
}
