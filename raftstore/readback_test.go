package raftstore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// TestACommandThatCannotBeReadBackIsItsCallersFault stands in for a fault in a codec: a command that
// Submit would refuse is encoded all the same, and no build could decode it.
func TestACommandThatCannotBeReadBackIsItsCallersFault(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		c.stock(n, 10, "A")
		bad := reserve("bad", "A", 1, time.Hour)
		for range engine.MaxLines {
			bad.Lines = append(bad.Lines, bad.Lines[0])
		}
		op := engine.Op{Command: bad}
		before := n.machine.applied.Load()
		var entry *engine.EntryError

		encoded := n.machine.encode(op)
		_, _, err := n.batcher.add(encoded)
		require.ErrorAs(t, err, &entry)
		_, err = n.batcher.addAll(encoded, true, false)
		require.ErrorAs(t, err, &entry)
		encoded.release()
		require.ErrorAs(t, n.internal(n.lead.Load(), op), &entry)

		b := newBatch(time.Now()) // put together wrongly
		b.entry.Append(n.machine.encode(tick()).buf, 2, false)
		n.propose(b, n.lead.Load())
		<-b.done
		require.ErrorAs(t, b.err, &entry)

		assert.Equal(t, before, n.machine.applied.Load(), "nothing of it is in the log")
		c.accept(n, reserve("good", "A", 1, time.Hour)) // with the same pooled room
	})
}
