package raftstore

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

func entryOf(ops ...engine.Op) []byte {
	var b engine.EntryBuilder
	b.Reset()
	for _, op := range ops {
		b.Add(op)
	}
	return b.Seal(1000, 1000)
}

func TestAnEntryOfAnotherTermHasNoEffect(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		c.stock(n, 10, "A")
		payload := entryOf(engine.Op{Command: reserve("late", "A", 1, time.Hour)})
		term := n.raft().CurrentTerm()
		f := n.raft().ApplyLog(raft.Log{Data: payload, Extensions: termMark(term - 1)}, 0)
		require.NoError(t, f.Error())
		assert.EqualValues(t, 10, c.available(n, false, "A"))
		f = n.raft().ApplyLog(raft.Log{Data: payload, Extensions: termMark(term)}, 0)
		require.NoError(t, f.Error())
		assert.EqualValues(t, 9, c.available(n, false, "A"))
		c.sameDigests()
	})
}

func TestAMarkThatWasChangedStopsTheNode(t *testing.T) {
	t.Parallel()
	for _, mark := range [][]byte{nil, make([]byte, markBytes), termMark(1)[:8]} {
		inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
			n := c.leader()
			n.raft().ApplyLog(raft.Log{Data: entryOf(), Extensions: mark}, 0)
			assert.ErrorIs(t, <-n.fatal, errMark)
		})
	}
}

func TestAPanicInApplyNamesTheIndex(t *testing.T) {
	t.Parallel()
	s := newStore(Config{Node: "n1", Dir: "none"}.WithDefaults())
	err := s.machine.applyLocked(7, engine.Entry{}) // there is no ledger
	assert.ErrorContains(t, err, "applying entry 7 panicked")
	require.True(t, s.machine.mu.TryLock(), "it was given back")
	s.machine.mu.Unlock()
}

func TestARefusedForwardIsRefusedCommandByCommand(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		n := c.follower(leader)
		c.stock(n, 10, "A")
		op := func(id string) engine.Op {
			return engine.Op{Key: engine.KeyOf("test", id), Command: reserve(id, "A", 1, time.Hour)}
		}
		_, err := n.Submit(t.Context(), op("r1"))
		require.NoError(t, err)
		fill := func(bytes int) {
			leader.batcher.mu.Lock()
			defer leader.batcher.mu.Unlock()
			leader.batcher.mu.load.bytes = bytes
		}
		fill(leader.cfg.QueueBytes / 4 * 3)
		_, err = n.Submit(t.Context(), op("r2"))
		require.Equal(t, "overloaded", code(err))
		replay, err := n.Submit(t.Context(), op("r1"))
		require.NoError(t, err)
		assert.True(t, replay.Replayed)
		c.accept(n, &engine.Commit{ID: "r1"})
		var codes []string
		n.SubmitAll(t.Context(), []engine.Op{op("r3"), op("r4")},
			func(_ int, _ engine.Result, err error) { codes = append(codes, code(err)) })
		assert.Equal(t, []string{"overloaded", "overloaded"}, codes)
		fill(0)
		synctest.Wait()
		assert.EqualValues(t, 9, c.available(n, false, "A"))
	})
}

func TestReadsHaveABudgetOfTheirOwn(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(c *Config) { c.ReadsInFlight = 2 }, func(t *testing.T, c *cluster) {
		n := c.leader()
		n.reads.Store(2)
		_, _, err := n.Read(t.Context(), true, 0, func(*engine.Ledger) bool { return false })
		assert.Equal(t, "overloaded", code(err))
		n.reads.Store(0)
		runs := 0
		_, _, err = n.Read(t.Context(), true, 0, func(*engine.Ledger) bool { runs++; return runs < 3 })
		require.NoError(t, err)
		assert.Equal(t, 3, runs)
	})
}

func TestTooLargeCommandsAreRefused(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		g := &engine.Group{}
		note := strings.Repeat("x", 200)
		for range engine.MaxGroup {
			g.Ops = append(g.Ops, &engine.Adjust{SKU: "A", Location: "main", Delta: 1, Source: "t",
				Reason: note})
		}
		_, err := n.Submit(t.Context(), engine.Op{Command: g})
		assert.Equal(t, "too-large", code(err))
		n.SubmitAll(t.Context(), []engine.Op{{Command: g}, {Command: &engine.DefineSKU{SKU: "A"}}},
			func(i int, r engine.Result, err error) {
				assert.Equal(t, []string{"too-large", ""}[i], code(err))
			})
	})
}

func TestWorkThatIsLeftOverGoesOnAlthoughADeadlineMovedToo(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		c.stock(n, 10, "A")
		c.accept(n, &engine.DefineLocation{Location: "main", Kind: engine.Merchant,
			Master: "holdfast", Shortfall: engine.ShortfallNewest})
		c.accept(n, &engine.Configure{Limits: engine.Limits{ShortfallStep: 2}})
		for i := range 10 {
			id := string(rune('a' + i))
			c.accept(n, reserve(id, "A", 1, time.Hour-time.Duration(i)*time.Second))
		}
		c.accept(n, &engine.Set{SKU: "A", Location: "main", Value: 0, Source: "test"})
		time.Sleep(time.Second)
		n.machine.view(func(l *engine.Ledger) bool {
			assert.False(t, l.Unfinished(), "at %d", l.Index())
			return false
		})
	})
}

func TestNothingIsAppliedBehindAnEntryThatWasLeftOut(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		c.stock(n, 10, "A")
		m := n.machine
		term, index := n.raft().CurrentTerm(), m.applied.Load()
		n.Store.cancel() // it closes, while a sweep holds the first entry back
		entry := func(i uint64) *raft.Log {
			return &raft.Log{Index: i, Term: term, Type: raft.LogCommand, Data: entryOf(tick()),
				Extensions: termMark(term)}
		}
		m.maxPending = -1
		_, err := m.Snapshot()
		require.NoError(t, err)
		m.Apply(entry(index + 1))
		m.maxPending = maxPending
		m.mu.Lock()
		m.mu.sweep.Close()
		m.mu.sweep = nil
		m.mu.Unlock()
		m.Apply(entry(index + 2))
		assert.Equal(t, index, m.applied.Load())
		_, err = m.Snapshot()
		assert.ErrorIs(t, err, errDead)
		assert.ErrorIs(t, m.Restore(nil), errDead)
	})
}

func TestNobodyReadsALedgerThatIsHalfWayThroughAnEntry(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		n.machine.mu.Lock()
		n.machine.mu.broken = true
		n.machine.mu.Unlock()
		_, _, err := n.Read(t.Context(), true, 0, func(*engine.Ledger) bool {
			t.Error("read")
			return false
		})
		assert.Equal(t, "no-leader", code(err))
		_, err = n.Submit(t.Context(), tick())
		assert.Equal(t, "no-leader", code(err), "nor encodes anything by it")
	})
}
