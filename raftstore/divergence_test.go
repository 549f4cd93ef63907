package raftstore

import (
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// tamper replaces the ledger of n by one to which one more command was applied on the way: it has
// one unit more. Nothing is on its way meanwhile.
func tamper(t *testing.T, n *node) {
	t.Helper()
	l, at := engine.New(engine.Options{}), n.machine.applied.Load()
	var out engine.Output
	done := false
	for i := uint64(1); i <= at; i++ {
		var e raft.Log
		require.NoError(t, n.log.GetLog(i, &e))
		if e.Type != raft.LogCommand {
			l.SkipTo(i)
			continue
		}
		entry, err := engine.OpenEntry(e.Data)
		require.NoError(t, err)
		if rows, _ := l.Stock("A"); !done && len(rows) > 0 && entry.Count == 1 {
			var b engine.EntryBuilder
			b.Add(engine.Op{Command: &engine.Set{SKU: "A", Location: "main", Value: 1_000_001,
				Source: "test"}})
			entry, err = engine.OpenEntry(b.Seal(l.Now(), l.Due()))
			require.NoError(t, err)
			done = true
		}
		l.Apply(i, entry, &out)
	}
	require.True(t, done)
	n.machine.mu.Lock()
	defer n.machine.mu.Unlock()
	n.machine.names.Lock()
	defer n.machine.names.Unlock()
	require.Equal(t, at, n.machine.applied.Load())
	n.machine.mu.ledger, n.machine.names.ledger = l, l
}

// busy fills the log up to beyond the next digest.
func busy(c *cluster, n *node) {
	for target := n.machine.applied.Load()/digestEvery*digestEvery + digestEvery; ; {
		if n.machine.applied.Load() > target {
			time.Sleep(2 * askEvery) // for the others, and their reports
			return
		}
		c.accept(n, &engine.Set{SKU: "A", Location: "main", Value: 1_000_000, Source: "test"})
	}
}

func TestAMemberThatDiffersFromTwoStops(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"follower", "leader"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
				leader := c.leader()
				c.stock(leader, 1_000_000, "A")
				busy(c, leader)
				sick := leader
				if role == "follower" {
					sick = c.follower(leader)
				}
				require.False(t, leader.Status().Digest.Diverged)
				began := time.Now()
				tamper(t, sick)
				var diverged *DivergedError
				select {
				case err := <-sick.fatal:
					require.ErrorAs(t, err, &diverged)
				case <-time.After(time.Minute):
					t.Fatal("it goes on")
				}
				assert.EqualValues(t, digestEvery, diverged.Index)
				assert.Len(t, diverged.Members, 2)
				assert.NotEqual(t, diverged.Own, diverged.Theirs)
				next := c.leader(sick)
				assert.Less(t, time.Since(began), 4*askEvery, "it asks once a second, and hands over")
				require.ErrorAs(t, <-sick.ran, &diverged)
				sick.ran <- nil
				storage := sick.Ready()[1]
				assert.False(t, storage.OK)
				assert.Contains(t, storage.Detail, "index 1024")
				c.accept(next, &engine.Set{SKU: "A", Location: "main", Value: 7, Source: "test"})
				assert.EqualValues(t, 7, c.available(next, false, "A"))
				for _, n := range c.nodes {
					assert.True(t, n == sick || n.fault() == nil)
				}
			})
		})
	}
}

func TestTwoThatDifferOnlyRaiseTheAlarm(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 1_000_000, "A")
		busy(c, leader)
		sick := c.follower(leader)
		for _, n := range c.nodes {
			if n != leader && n != sick {
				c.kill(n)
			}
		}
		time.Sleep(2 * silentAfter)
		tamper(t, sick)
		time.Sleep(10 * askEvery)
		for _, n := range []*node{leader, sick} {
			assert.True(t, n.Status().Digest.Diverged)
			assert.NoError(t, n.fault())
		}
		c.accept(leader, &engine.Set{SKU: "A", Location: "main", Value: 7, Source: "test"})
	})
}

func TestOutlier(t *testing.T) {
	t.Parallel()
	of := func(at ...uint64) report {
		r := report{Digests: digestMap{}}
		for i := 0; i < len(at); i += 2 {
			r.Digests[at[i]] = hexUint64(at[i+1])
		}
		return r
	}
	own := of(1024, 1, 2048, 2, 3072, 3)
	for _, c := range []struct {
		name  string
		heard map[string]report
		index uint64
	}{
		{"alone", nil, 0},
		{"all the same", map[string]report{"b": own, "c": own}, 0},
		{"one differs", map[string]report{"b": of(1024, 9), "c": own}, 0},
		{"one differs, the other is elsewhere", map[string]report{"b": of(1024, 9), "c": of(5120, 5)}, 0},
		{"two differ from each other too", map[string]report{"b": of(1024, 8), "c": of(1024, 9)}, 0},
		{"two agree", map[string]report{"b": of(2048, 9), "c": of(2048, 9)}, 2048},
		{"two agree, one with us", map[string]report{"b": of(2048, 9), "c": of(2048, 9), "d": own}, 2048},
		{"the first index", map[string]report{"b": of(2048, 9, 3072, 9), "c": of(2048, 9, 3072, 9)}, 2048},
	} {
		err := outlier(own, c.heard)
		if c.index == 0 {
			assert.Nil(t, err, c.name)
			continue
		}
		require.NotNil(t, err, c.name)
		assert.Equal(t, c.index, err.Index, c.name)
		assert.Equal(t, []string{"b", "c"}, err.Members, c.name)
	}
}
