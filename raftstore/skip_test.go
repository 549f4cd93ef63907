package raftstore

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// poison is an entry as a fault in a codec would make it: sealed well, with a command in second place
// whose body ends early, so that apply panics.
func poison() []byte {
	var b engine.EntryBuilder
	b.Add(tick())
	b.Append([]byte{5, 1, 0}, 1, false)
	b.Add(engine.Op{Command: reserve("never", "A", 1, time.Hour)})
	return b.Seal(time.Now().UnixMilli(), 0)
}

// stopAtPoison has the members agree on an entry that stops everyone who applies it, and returns what
// they say. The last one may never learn that it was agreed: it is alone by then.
func (c *cluster) stopAtPoison() *ApplyPanicError {
	c.t.Helper()
	n := c.leader()
	n.raft().ApplyLog(raft.Log{Data: poison(), Extensions: termMark(n.raft().CurrentTerm())}, 0)
	time.Sleep(20 * time.Second)
	var said *ApplyPanicError
	stopped := 0
	for _, n := range c.nodes {
		select {
		case err := <-n.fatal:
			var e *ApplyPanicError
			require.ErrorAs(c.t, err, &e, n.name)
			require.True(c.t, said == nil || said.Entry == e.Entry)
			said = e
			stopped++
		default:
		}
	}
	require.GreaterOrEqual(c.t, stopped, len(c.nodes)-1)
	return said
}

func TestAnEntryThatPanicsIsSkippedOnEveryNode(t *testing.T) {
	t.Parallel()
	var skip []SkipEntry
	tune := func(c *Config) { c.SkipEntries = skip }
	inBubble(t, 3, tune, func(t *testing.T, c *cluster) {
		c.stock(c.leader(), 10, "A")
		e := c.stopAtPoison()
		assert.Equal(t, 2, e.Op)
		assert.Equal(t, 3, e.Of)
		assert.Equal(t, "set", e.Command)
		assert.ErrorContains(t, e, "--skip-entry "+e.Entry.String()+"; give it on every node")

		parsed, err := ParseSkipEntry(e.Entry.String())
		require.NoError(t, err)
		skip = []SkipEntry{parsed}
		for _, n := range c.nodes {
			c.kill(n)
			c.start(n)
		}
		n := c.leader()
		assert.EqualValues(t, 10, c.available(n, false, "A"), "all of the entry is left out")
		c.accept(n, reserve("r1", "A", 1, time.Hour))
		c.sameDigests()

		// From here on the log is served and applied by nodes that were told; a checkpoint remembers.
		require.NoError(t, n.Checkpoint(t.Context()))
		skip = nil
		c.kill(n)
		c.start(n)
		c.leader()
		c.sameDigests()
	})
}

func TestAnEntryWithAnotherChecksumIsNotSkipped(t *testing.T) {
	t.Parallel()
	var skip []SkipEntry
	tune := func(c *Config) { c.SkipEntries = skip }
	inBubble(t, 1, tune, func(t *testing.T, c *cluster) {
		n := c.leader()
		c.stock(n, 10, "A")
		index := n.machine.applied.Load()
		c.kill(n)
		skip = []SkipEntry{{Index: index, Checksum: 4711}}
		c.start(n)
		err := <-n.fatal
		var other *SkipMismatchError
		require.ErrorAs(t, err, &other)
		assert.Equal(t, skip[0], other.Told)
		assert.Less(t, n.machine.applied.Load(), index)
	})
}

func TestANodeThatSkipsAloneDiffersFromTheOthers(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, func(c *Config) { c.SkipEntries = nil }, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 10, "A")
		n := c.follower(leader)
		c.kill(n)
		c.accept(leader, reserve("r1", "A", 1, time.Hour))
		index := leader.machine.applied.Load()
		var log raft.Log
		require.NoError(t, leader.log.GetLog(index, &log))
		entry, err := engine.OpenEntry(log.Data)
		require.NoError(t, err)
		c.tune = func(c *Config) { c.SkipEntries = []SkipEntry{{index, entry.Checksum}} }
		c.start(n)
		for leader.machine.applied.Load() <= digestEvery {
			_, err := leader.Submit(t.Context(), tick())
			require.NoError(t, err)
		}
		time.Sleep(5 * askEvery)
		synctest.Wait()
		assert.True(t, leader.Status().Digest.Diverged)
	})
}

func TestSkipEntriesAreWrittenInOneForm(t *testing.T) {
	t.Parallel()
	good := SkipEntry{Index: 4711, Checksum: 0xabc}
	parsed, err := ParseSkipEntry("4711:0000000000000abc")
	require.NoError(t, err)
	assert.Equal(t, good, parsed)
	for _, text := range []string{"", "4711", "4711:abc", "0:0000000000000abc", "x:0000000000000abc",
		"4711:0000000000000ABC", "4711:0000000000000abc ", "-1:0000000000000abc", "4711:zzzzzzzzzzzzzzzz"} {
		_, err := ParseSkipEntry(text)
		assert.Error(t, err, text)
	}
	c := Config{Node: "n1", Dir: "d", SkipEntries: []SkipEntry{good, {4711, 5}}}.WithDefaults()
	assert.ErrorContains(t, c.Validate(), "named twice")
}
