package raftstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

func TestOneNodeServesAtOnceAndReplaysItsLog(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.nodes[0]
		began := time.Now()
		c.leader()
		assert.Less(t, time.Since(began), time.Second, "a single node has nobody to wait for")
		c.stock(n, 10, "A")
		r := c.accept(n, reserve("r1", "A", 4, time.Hour))
		require.NotNil(t, r.Reservation)
		assert.Equal(t, engine.Held, r.Reservation.State)
		events, err := n.Events(0, 100)
		require.NoError(t, err)

		c.kill(n)
		c.start(n)
		c.leader()
		assert.EqualValues(t, 6, c.available(n, false, "A"))
		again, err := n.Events(0, 100)
		require.NoError(t, err)
		assert.Equal(t, events, again, "replay makes the same events")
		_, violations, err := n.Check(t.Context())
		require.NoError(t, err)
		assert.Empty(t, violations)
	})
}

func TestACheckpointAndTheLogBehindItGiveTheSameLedger(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.nodes[0]
		c.leader()
		c.stock(n, 1000, "A")
		for i := range 20 {
			c.accept(n, reserve(fmt.Sprint("r", i), "A", 1, time.Hour))
			if i%5 == 4 {
				require.NoError(t, n.Checkpoint(t.Context()))
			}
		}
		c.accept(n, reserve("last", "A", 1, time.Hour))
		var digest uint64
		n.machine.view(func(l *engine.Ledger) bool { digest = l.Digest(); return false })
		index := n.machine.applied.Load()
		c.kill(n)
		kept, err := n.checkpoints.List()
		require.NoError(t, err)
		require.Len(t, kept, 2, "the two newest")
		c.start(n)
		c.leader()
		assert.EqualValues(t, 979, c.available(n, false, "A"))
		assert.Greater(t, n.machine.applied.Load(), index, "the new term has a barrier")
		events, err := n.Events(0, 1000)
		require.NoError(t, err)
		for i, e := range events {
			require.EqualValues(t, i+1, e.Seq, "dense, nothing twice")
		}
		require.NotZero(t, digest)
	})
}

func TestEveryNodeTakesWritesAndReadsLinearizably(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		follower := c.follower(leader)
		c.stock(follower, 10, "A")
		r := c.accept(follower, reserve("r1", "A", 3, time.Hour))
		assert.EqualValues(t, 7, c.available(leader, false, "A"))
		assert.EqualValues(t, 7, c.available(follower, false, "A"), "right after the write")
		assert.GreaterOrEqual(t, follower.machine.applied.Load(), r.Index)

		_, age, err := leader.Read(t.Context(), true, 0, func(*engine.Ledger) bool { return false })
		require.NoError(t, err)
		assert.Zero(t, age, "the leader is never stale")
		index, _, err := follower.Read(t.Context(), true, r.Index,
			func(*engine.Ledger) bool { return false })
		require.NoError(t, err)
		assert.GreaterOrEqual(t, index, r.Index)
		_, _, err = follower.Read(t.Context(), true, 1<<40, func(*engine.Ledger) bool { return false })
		assert.Equal(t, "too-far", code(err))
		c.sameDigests()
	})
}

func TestAFollowerThatIsCutOffAnswersOnlyStaleReads(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		follower := c.follower(leader)
		c.stock(leader, 10, "A")
		require.EqualValues(t, 10, c.available(follower, false, "A"))
		c.net.Cut(follower.addr)
		c.accept(leader, reserve("r1", "A", 3, time.Hour))
		time.Sleep(5 * time.Second)
		assert.EqualValues(t, 10, c.available(follower, true, "A"), "what it knew")
		_, age, err := follower.Read(t.Context(), true, 0, func(*engine.Ledger) bool { return false })
		require.NoError(t, err)
		assert.Greater(t, age, 4*time.Second)
		_, _, err = follower.Read(t.Context(), false, 0, func(*engine.Ledger) bool { return false })
		assert.Equal(t, "no-leader", code(err))
		c.net.Heal(follower.addr)
		time.Sleep(10 * time.Second)
		assert.EqualValues(t, 7, c.available(follower, false, "A"))
	})
}

func TestALostLeaderCostsNothingThatWasAnswered(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		old := c.leader()
		c.stock(old, 100, "A")
		for i := range 10 {
			c.accept(old, reserve(fmt.Sprint("r", i), "A", 1, time.Hour))
		}
		c.kill(old)
		began := time.Now()
		next := c.leader()
		assert.Less(t, time.Since(began), splitVote, "two heartbeat timeouts, or four")
		assert.EqualValues(t, 90, c.available(next, false, "A"))
		c.accept(next, reserve("after", "A", 1, time.Hour))
		c.start(old)
		time.Sleep(3 * time.Second)
		assert.EqualValues(t, 89, c.available(old, false, "A"))
		c.sameDigests()
	})
}

func TestUnknownIsNotTheSameAsDidNotHappen(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		old := c.leader()
		c.stock(old, 100, "A")
		c.net.Cut(old.addr)
		// It still believes that it leads: the entry is in its log and nobody agrees.
		_, err := old.Submit(t.Context(), engine.Op{Command: reserve("lost", "A", 1, time.Hour)})
		assert.Equal(t, "outcome-unknown", code(err))
		// By now it knows better.
		_, err = old.Submit(t.Context(), engine.Op{Command: reserve("late", "A", 1, time.Hour)})
		assert.Equal(t, "no-leader", code(err))
		var again interface{ RetryAfter() time.Duration }
		require.ErrorAs(t, err, &again)
		assert.Positive(t, again.RetryAfter())

		next := c.leader(old)
		c.accept(next, reserve("r1", "A", 1, time.Hour))
		c.net.Heal(old.addr)
		time.Sleep(10 * time.Second)
		assert.EqualValues(t, 99, c.available(old, false, "A"), "what was unknown did not happen")
		c.sameDigests()
	})
}

func TestAForwardedWriteWhoseAnswerIsLostIsUnknown(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		follower := c.follower(leader)
		c.stock(leader, 100, "A")
		c.net.LoseAnswers(follower.addr, true)
		_, err := follower.Submit(t.Context(), engine.Op{Command: reserve("r", "A", 1, time.Hour)})
		assert.Equal(t, "outcome-unknown", code(err))
		assert.EqualValues(t, 99, c.available(leader, false, "A"), "this time it did happen")
	})
}

func TestAHoldIsFreeAtItsDeadlineAtIdle(t *testing.T) {
	t.Parallel()
	for _, ttl := range []time.Duration{time.Second, 90 * time.Second, 10 * time.Minute} {
		inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
			leader := c.leader()
			c.stock(leader, 5, "A")
			r := c.accept(leader, reserve("r1", "A", 5, ttl))
			deadline := time.UnixMilli(r.Reservation.Deadline)
			time.Sleep(time.Until(deadline) - 10*time.Millisecond)
			synctest.Wait()
			assert.Zero(t, c.available(leader, true, "A"), "%v: never early", ttl)
			time.Sleep(time.Second)
			synctest.Wait()
			assert.EqualValues(t, 5, c.available(leader, true, "A"), "%v: free within a second", ttl)
			events, err := leader.Events(0, 1000)
			require.NoError(t, err)
			last := events[len(events)-1]
			assert.Equal(t, engine.EventExpired, last.Type)
			assert.Equal(t, leader.machine.applied.Load(), last.Index, "the event says at which index")
		})
	}
}

func TestNothingIsProposedAtIdle(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 5, "A")
		c.accept(leader, reserve("r1", "A", 1, 24*time.Hour))
		before := leader.machine.applied.Load()
		time.Sleep(10 * time.Minute)
		assert.LessOrEqual(t, leader.machine.applied.Load(), before+20, "no ticks by the clock")
	})
}

func TestClockThatGoesBackwardsOnTheLeader(t *testing.T) {
	t.Parallel()
	var step time.Duration
	var mu sync.Mutex
	now := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Round(0).Add(step) // no monotonic reading
	}
	inBubble(t, 1, func(c *Config) { c.Now = now }, func(t *testing.T, c *cluster) {
		n := c.leader()
		c.stock(n, 5, "A")
		c.accept(n, reserve("r1", "A", 1, time.Hour))
		before := n.machine.now()
		mu.Lock()
		step = -time.Hour
		mu.Unlock()
		c.accept(n, reserve("r2", "A", 1, time.Hour))
		assert.GreaterOrEqual(t, n.machine.now(), before)
		events, err := n.Events(0, 100)
		require.NoError(t, err)
		for i := 1; i < len(events); i++ {
			assert.GreaterOrEqual(t, events[i].At, events[i-1].At)
		}
	})
}

func TestReplaysAreAnsweredBeforeAdmission(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		c.stock(n, 100, "A")
		op := func(i int) engine.Op {
			id := fmt.Sprint("r", i)
			return engine.Op{Key: engine.KeyOf("test", id), Command: reserve(id, "A", 1, time.Hour)}
		}
		first, err := n.Submit(t.Context(), op(1))
		require.NoError(t, err)

		n.batcher.mu.Lock()
		n.batcher.mu.load.bytes = n.cfg.QueueBytes / 4 * 3 // as full as reserves may make it
		n.batcher.mu.Unlock()
		_, err = n.Submit(t.Context(), op(2))
		require.Equal(t, "overloaded", code(err))
		var again interface{ RetryAfter() time.Duration }
		require.ErrorAs(t, err, &again)
		assert.Positive(t, again.RetryAfter())
		replay, err := n.Submit(t.Context(), op(1))
		require.NoError(t, err)
		assert.True(t, replay.Replayed)
		assert.Equal(t, first.Index, replay.Index)
		c.accept(n, &engine.Commit{ID: "r1"}) // what ends a sale still gets in

		var codes []string
		n.SubmitAll(t.Context(), []engine.Op{op(2), op(1), op(3)},
			func(_ int, r engine.Result, err error) { codes = append(codes, code(err)) })
		assert.Equal(t, []string{"overloaded", "", "overloaded"}, codes)

		n.batcher.mu.Lock()
		n.batcher.mu.load.bytes = n.cfg.QueueBytes
		n.batcher.mu.Unlock()
		_, err = n.Submit(t.Context(), engine.Op{Command: &engine.Commit{ID: "r1"}})
		assert.Equal(t, "overloaded", code(err))
		n.batcher.mu.Lock()
		n.batcher.mu.load.bytes = 0
		n.batcher.mu.Unlock()
	})
}

func TestSubmitAllKeepsOrderAcrossEntries(t *testing.T) {
	t.Parallel()
	for _, on := range []string{"leader", "follower"} {
		inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
			leader := c.leader()
			n := leader
			if on == "follower" {
				n = c.follower(leader)
			}
			c.stock(n, 20_000, "A")
			ops := make([]engine.Op, 0, 10_001)
			for i := range 10_000 {
				ops = append(ops, engine.Op{Command: reserve(fmt.Sprint("r", i), "A", 1, time.Hour)})
			}
			ops[5000] = engine.Op{Command: &engine.Reserve{ID: ""}} // fails alone
			next, index := 0, uint64(0)
			n.SubmitAll(t.Context(), ops, func(i int, r engine.Result, err error) {
				require.Equal(t, next, i)
				next++
				if i == 5000 {
					var field *engine.FieldError
					require.ErrorAs(t, err, &field)
					return
				}
				require.NoError(t, err)
				require.Equal(t, engine.Accepted, r.Refusal)
				require.GreaterOrEqual(t, r.Index, index)
				index = r.Index
			})
			require.Equal(t, 10_000, next)
			assert.EqualValues(t, 10_001, c.available(n, false, "A"))
		})
	}
}

func TestAfterTheFirstUnknownNothingOfACallHappens(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		old := c.leader()
		c.stock(old, 50_000, "A")
		c.net.Cut(old.addr)
		ops := make([]engine.Op, 40_000)
		for i := range ops {
			ops[i] = engine.Op{Command: reserve(fmt.Sprint("r", i), "A", 1, time.Hour)}
		}
		var codes []string
		old.SubmitAll(t.Context(), ops, func(_ int, _ engine.Result, err error) {
			if k := code(err); len(codes) == 0 || codes[len(codes)-1] != k {
				codes = append(codes, k)
			}
		})
		assert.Equal(t, []string{"outcome-unknown", "no-leader"}, codes)
		c.net.Heal(old.addr)
		c.leader()
		time.Sleep(5 * time.Second)
		c.sameDigests()
	})
}

func TestClosingAnswersEveryone(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 100_000, "A")
		var waiting sync.WaitGroup
		var mu sync.Mutex
		counts := map[string]int{}
		const callers = 200
		s := leader.Store // the cluster forgets it when it is killed
		for i := range callers {
			waiting.Go(func() {
				_, err := s.Submit(context.Background(),
					engine.Op{Command: reserve(fmt.Sprint("r", i), "A", 1, time.Hour)})
				mu.Lock()
				defer mu.Unlock()
				counts[code(err)]++
			})
		}
		c.kill(leader)
		waiting.Wait()
		total := 0
		for k, n := range counts {
			total += n
			assert.Contains(t, []string{"", "no-leader", "outcome-unknown"}, k)
		}
		assert.Equal(t, callers, total)
		_, err := s.Submit(t.Context(), engine.Op{Command: reserve("x", "A", 1, time.Hour)})
		assert.Equal(t, "no-leader", code(err))
		_, _, err = s.Read(t.Context(), false, 0, func(*engine.Ledger) bool { return false })
		assert.Equal(t, "no-leader", code(err))
		require.NoError(t, s.Close(), "a second time")
	})
}

func TestOneUnitAndManyCallersOnThreeNodes(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		c.stock(c.leader(), 1, "A")
		var callers sync.WaitGroup
		var mu sync.Mutex
		accepted := 0
		for i := range 500 {
			n := c.nodes[i%3]
			callers.Go(func() {
				r, err := n.Submit(t.Context(),
					engine.Op{Command: reserve(fmt.Sprint("r", i), "A", 1, time.Hour)})
				mu.Lock()
				defer mu.Unlock()
				if err == nil && r.Refusal == engine.Accepted {
					accepted++
				} else if err == nil {
					assert.Equal(t, engine.InsufficientStock, r.Refusal)
				}
			})
		}
		callers.Wait()
		assert.Equal(t, 1, accepted)
		c.sameDigests()
	})
}

func TestASetReplaysWhatItsSourceCouldNotHaveSeen(t *testing.T) {
	t.Parallel()
	for _, on := range []string{"leader", "follower"} {
		inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
			leader := c.leader()
			n := leader
			if on == "follower" {
				n = c.follower(leader)
			}
			c.stock(n, 100, "A")
			adjust := func(delta int64) {
				c.accept(n, &engine.Adjust{SKU: "A", Location: "main", Delta: delta, Source: "test",
					Reason: "x"})
				time.Sleep(time.Second)
			}
			time.Sleep(time.Second)
			adjust(-5)
			counted := time.Now().UnixMilli()
			time.Sleep(time.Second)
			adjust(-7)
			adjust(2)
			r := c.accept(n, &engine.Set{SKU: "A", Location: "main", Value: 50, Source: "wms",
				AsOf: counted})
			require.NotNil(t, r.Stock)
			assert.EqualValues(t, -5, r.Stock.Replayed)
			assert.EqualValues(t, 45, r.Stock.OnHand)
		})
	}
}

func TestADiskThatFailsStopsTheNode(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		c.stock(n, 10, "A")
		boom := errors.New("disk on fire")
		n.Store.fail(boom)
		require.ErrorIs(t, <-n.fatal, boom)
		err := <-n.ran
		require.ErrorIs(t, err, boom, "Run says why")
		n.ran <- err
		_, err = n.Submit(t.Context(), engine.Op{Command: reserve("r", "A", 1, time.Hour)})
		assert.Equal(t, "no-leader", code(err))
		for _, check := range n.Ready() {
			if check.Name == "storage" {
				assert.False(t, check.OK)
				assert.Contains(t, check.Detail, "on fire")
			}
		}
	})
}

func TestAnEntryThatCannotBeReadStopsTheNode(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		n.raft().Apply([]byte("not an entry"), 0)
		err := <-n.fatal
		assert.ErrorContains(t, err, "agreed entry")
		before := n.machine.applied.Load()
		_, err = n.Submit(t.Context(), engine.Op{Command: &engine.DefineSKU{SKU: "A"}})
		assert.Error(t, err)
		assert.Equal(t, before, n.machine.applied.Load())
	})
}

func TestAFollowerFarBehindInstallsACheckpoint(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 1000, "A")
		behind := c.follower(leader)
		c.kill(behind)
		for k := range 3 {
			for i := range 20 {
				c.accept(leader, reserve(fmt.Sprint("r", k, "-", i), "A", 1, time.Hour))
			}
			conf := leader.raft().ReloadableConfig()
			conf.TrailingLogs = 1
			require.NoError(t, leader.raft().ReloadConfig(conf))
			require.NoError(t, leader.raft().Snapshot().Error())
		}
		first, err := leader.log.FirstIndex()
		require.NoError(t, err)
		require.Greater(t, first, uint64(20), "the log begins behind what the follower has")
		c.start(behind)
		time.Sleep(5 * time.Second)
		assert.EqualValues(t, 940, c.available(behind, false, "A"))
		c.accept(leader, reserve("after", "A", 1, time.Hour))
		c.sameDigests()
		all, err := leader.Events(0, 1000)
		require.NoError(t, err)
		same, err := behind.Events(0, 1000)
		require.NoError(t, err)
		assert.Equal(t, all, same, "what it lacked was fetched")
		last, err := leader.Events(leader.machine.lastEvent()-1, 10)
		require.NoError(t, err)
		same, err = behind.Events(leader.machine.lastEvent()-1, 10)
		require.NoError(t, err)
		assert.Equal(t, last, same)

		c.kill(behind)
		c.start(behind)
		time.Sleep(5 * time.Second)
		assert.EqualValues(t, 939, c.available(behind, false, "A"))
		c.sameDigests()
	})
}

func TestStatusOfThreeNodes(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 100_000, "A")
		for i := range 1200 {
			c.accept(leader, reserve(fmt.Sprint("r", i), "A", 1, time.Hour))
		}
		time.Sleep(2 * time.Second)
		for _, n := range c.nodes {
			st := n.Status()
			assert.Equal(t, n.name, st.Node)
			assert.Equal(t, leader.name, st.Leader)
			assert.EqualValues(t, 1024, st.Digest.Index)
			assert.NotZero(t, st.Digest.Value)
			assert.False(t, st.Digest.Diverged)
			require.Len(t, st.Members, 3)
			for i, m := range st.Members {
				assert.Equal(t, Member{
					ID: c.nodes[i].name, Raft: c.nodes[i].addr, HTTP: "http-" + c.nodes[i].name,
					Voter: true, Healthy: true,
				}, m)
			}
			for _, check := range n.Ready() {
				assert.True(t, check.OK, "%s: %s: %s", n.name, check.Name, check.Detail)
			}
		}
		gone := c.follower(leader)
		c.kill(gone)
		time.Sleep(5 * time.Second)
		for _, m := range leader.Status().Members {
			assert.Equal(t, m.ID != gone.name, m.Healthy, m.ID)
		}
		assert.EqualValues(t, 1024, leader.Status().Digest.Index, "of those that are healthy")
	})
}

func TestEventWatchersWake(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		changed := n.EventsChanged()
		c.stock(n, 1, "A")
		<-changed
		events, err := n.Events(0, 1)
		require.NoError(t, err)
		require.Len(t, events, 1)
		events, err = n.Events(1<<40, 1)
		require.NoError(t, err)
		assert.Empty(t, events)
	})
}
