package raftstore

import (
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// builds gives each node of a cluster the apply version of a build; a missing one has today's.
func builds(versions map[string]int64) func(*Config) {
	return func(c *Config) { c.applyVersion = versions[c.Node] }
}

func TestTheApplyVersionIsRaisedOnceEveryMemberCanFollow(t *testing.T) {
	t.Parallel()
	versions := map[string]int64{"n1": 3, "n3": 3}
	inBubble(t, 3, builds(versions), func(t *testing.T, c *cluster) {
		c.stock(c.leader(), 10, "A")
		time.Sleep(10 * askEvery)
		assert.EqualValues(t, 1, c.leader().applyVersion(), "n2 knows no more")

		n2, n3 := c.nodes[1], c.nodes[2]
		c.kill(n3)
		time.Sleep(2 * silentAfter)
		versions["n2"] = 2
		c.kill(n2)
		c.start(n2)
		time.Sleep(10 * askEvery)
		assert.EqualValues(t, 1, c.leader().applyVersion(), "n3 may come back with an older build")

		c.start(n3)
		time.Sleep(10 * askEvery)
		c.sameDigests()
		for _, n := range c.nodes {
			assert.EqualValues(t, 2, n.applyVersion(), n.name)
		}
	})
}

func TestAnOlderBuildStopsAtTheEntryThatRaised(t *testing.T) {
	t.Parallel()
	versions := map[string]int64{"n1": 2}
	inBubble(t, 1, builds(versions), func(t *testing.T, c *cluster) {
		n := c.leader()
		time.Sleep(3 * askEvery)
		require.EqualValues(t, 2, n.applyVersion())
		c.kill(n)
		versions["n1"] = 1
		c.start(n)
		err := <-n.fatal
		var version *engine.VersionError
		require.ErrorAs(t, err, &version)
		assert.EqualValues(t, 2, version.Version)
		assert.ErrorContains(t, err, "entry ", "it names the entry")
	})
}

// TestANodeOfAnOlderBuildIsNotLetIn starts a node whose build does not know what the cluster does by
// now: it stops before it is a member in any but name, and one with a build that knows takes its place.
func TestANodeOfAnOlderBuildIsNotLetIn(t *testing.T) {
	t.Parallel()
	versions := map[string]int64{"n1": 2, "n4": 1}
	inBubble(t, 1, builds(versions), func(t *testing.T, c *cluster) {
		n1 := c.leader()
		time.Sleep(3 * askEvery)
		require.EqualValues(t, 2, n1.applyVersion())
		n4 := c.add("n4")
		c.start(n4)
		err := <-n4.fatal
		var version *engine.VersionError
		require.ErrorAs(t, err, &version)
		assert.Equal(t, engine.VersionError{Version: 2, Knows: 1}, *version)
		assert.False(t, n4.identity.Identity().LetIn)
		_, known := n1.enrolment("n4")
		assert.False(t, known, "its name is free")

		c.kill(n4)
		versions["n4"] = 2
		c.start(n4)
		require.NoError(t, n1.AddMember(t.Context(), "n4", n4.addr))
		c.eventually("n4 votes", func() bool { return c.votes(n1, "n1", "n4") })
	})
}

func TestACheckpointOfALaterBuildIsNotTakenForABadOne(t *testing.T) {
	t.Parallel()
	s := openTestCheckpoints(t, CheckpointConfig{Dir: t.TempDir(), Owner: testOwner})
	older := engine.New(engine.Options{})
	older.SkipTo(5)
	later := engine.New(engine.Options{})
	later.Know(2)
	var b engine.EntryBuilder
	b.Add(engine.Op{Command: &engine.Configure{Limits: engine.Limits{ApplyVersion: 2}}})
	entry, err := engine.OpenEntry(b.Seal(1, 1))
	require.NoError(t, err)
	later.Apply(9, entry, &engine.Output{})
	for _, l := range []*engine.Ledger{older, later} {
		keepCheckpoint(t, s, l)
	}
	_, _, err = s.Load()
	var version *engine.VersionError
	require.ErrorAs(t, err, &version, "and the one before it is not loaded in its place")
}

// keepCheckpoint writes a checkpoint of l at its index, in term 1.
func keepCheckpoint(t *testing.T, s Checkpoints, l *engine.Ledger) {
	t.Helper()
	sink, err := s.Create(1, l.Index(), 1, raft.Configuration{}, 1, nil)
	require.NoError(t, err)
	require.NoError(t, writeLedger(sink.(BlockSink), l, EventMark{Seq: l.LastEvent()}))
	require.NoError(t, sink.Close())
}
