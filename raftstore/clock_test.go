package raftstore

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

func TestTermClock(t *testing.T) {
	t.Parallel()
	var mono time.Duration
	c := termClock{mono: func() time.Duration { return mono }}
	assert.EqualValues(t, 7_000, c.stamp(7_000), "before it is set it stands where the ledger does")
	mono = time.Hour
	assert.EqualValues(t, 7_000, c.stamp(7_000))
	c.begin(7_000, 1_000_000*time.Millisecond)
	assert.EqualValues(t, 1_000_000, c.stamp(7_000))
	mono += 5 * time.Second
	assert.EqualValues(t, 1_005_000, c.stamp(0))
	assert.EqualValues(t, 2_000_000, c.stamp(2_000_000), "never below the ledger's")
	assert.EqualValues(t, 2_000_000, c.stamp(0), "never backwards")

	c = termClock{mono: c.mono}
	c.begin(1_010_000, 1_000_000*time.Millisecond) // the ledger is ten seconds ahead
	assert.EqualValues(t, 1_010_000, c.read())
	mono += 100 * time.Second
	assert.EqualValues(t, 1_109_000, c.read(), "one percent slower")
	mono += 10_000 * time.Second
	assert.EqualValues(t, 11_100_000, c.read(), "until the two meet")

	now := func() time.Duration { return time.Duration(c.read()) * time.Millisecond }
	c.aim(now() + time.Hour)
	mono += 100 * time.Second
	assert.EqualValues(t, 11_201_000, c.read(), "one percent faster")
	c.aim(now() - time.Hour)
	mono += time.Hour // as a process that was paused finds it
	assert.EqualValues(t, 11_201_000+3_600_000-36_000, c.read(), "no step after a pause")
}

func TestATermClockNeitherStepsNorGoesBack(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	var mono time.Duration
	c := termClock{mono: func() time.Duration { return mono }}
	c.begin(0, time.Hour)
	for range 10_000 {
		before := c.since1970()
		step := time.Duration(random.Int64N(int64(10 * time.Second)))
		mono += step
		went := c.since1970() - before
		require.InDelta(t, step, went, float64(step/slewPart+1))
		c.aim(time.Duration(random.Int64N(int64(100 * time.Hour))))
		require.Equal(t, before+went, c.since1970(), "aiming is no step")
	}
}

func TestTheMedianIsOfAMajority(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		leads  []time.Duration
		voters int
		want   time.Duration
		ok     bool
	}{
		{nil, 0, 0, false},
		{[]time.Duration{4}, 1, 4, true},
		{[]time.Duration{4}, 2, 0, false},
		{[]time.Duration{4}, 3, 0, false},
		{[]time.Duration{9, 4}, 3, 4, true}, // of two, the one that is behind
		{[]time.Duration{9, 4, 5}, 3, 5, true},
		{[]time.Duration{9, 4, 5}, 5, 5, true},
		{[]time.Duration{9, 4}, 5, 0, false},
		{[]time.Duration{9, 4, 5, 1}, 4, 4, true},
	} {
		lead, ok := medianOf(c.leads, c.voters)
		assert.Equal(t, c.ok, ok, "%v of %d", c.leads, c.voters)
		assert.Equal(t, c.want, lead, "%v of %d", c.leads, c.voters)
	}
}

func TestAClockIsReadByHalfTheWay(t *testing.T) {
	t.Parallel()
	old := clockReading{lead: 7, at: 7}
	r := clockAt(int64(100*time.Second/time.Microsecond), 10*time.Second, 10*time.Second+
		100*time.Millisecond, old)
	assert.Equal(t, clockReading{lead: 90*time.Second - 50*time.Millisecond,
		at: 10*time.Second + 100*time.Millisecond}, r)
	assert.Equal(t, old, clockAt(1, 0, clockTrip+1, old), "a pause in between says nothing")
	assert.Equal(t, old, clockAt(0, 0, 1, old), "a node that does not tell")
}

// wallClocks are the wall clocks of the nodes of a bubble, each off by a time of its own. They have
// no monotonic reading.
type wallClocks struct {
	mu  sync.Mutex
	off map[string]time.Duration
	// pause makes the next reading of a node's clock take so long, as a paused process would.
	pause map[string]time.Duration
}

func newWallClocks(off map[string]time.Duration) *wallClocks {
	return &wallClocks{off: off, pause: map[string]time.Duration{}}
}

func (w *wallClocks) tune(c *Config) {
	node := c.Node
	c.Now = func() time.Time {
		w.mu.Lock()
		off, pause := w.off[node], w.pause[node]
		delete(w.pause, node)
		w.mu.Unlock()
		time.Sleep(pause)
		return time.Now().Round(0).Add(off)
	}
}

func (w *wallClocks) set(node string, off time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.off[node] = off
}

// leadBy makes n the leader. It must be a follower that is up to date, or the leader.
func (c *cluster) leadBy(n *node) {
	c.t.Helper()
	for range 20 {
		leader := c.leader()
		if leader == n {
			return
		}
		server := raftServer(n)
		_ = leader.raft().LeadershipTransferToServer(server.ID, server.Address).Error()
		time.Sleep(time.Second)
	}
	c.t.Fatalf("%s never leads", n.name)
}

// offBy is how far the ledger's time is from the bubble's after a write now.
func (c *cluster) offBy(n *node) time.Duration {
	c.t.Helper()
	c.accept(n, &engine.Set{SKU: "A", Location: "main", Value: 5, Source: "test"})
	return time.Until(time.UnixMilli(n.machine.now()))
}

func readyLine(n *node, name string) ReadyCheck {
	for _, check := range n.Ready() {
		if check.Name == name {
			return check
		}
	}
	return ReadyCheck{}
}

func TestAWrongClockOfOneOfThreeMovesNoDeadline(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{time.Hour, -time.Hour} {
		clocks := newWallClocks(map[string]time.Duration{"n1": off})
		inBubble(t, 3, clocks.tune, func(t *testing.T, c *cluster) {
			bad := c.nodes[0]
			c.leader()
			c.stock(bad, 5, "A")
			c.leadBy(bad)
			assert.InDelta(t, 0, c.offBy(bad).Seconds(), 0.01, "the time is the median's")
			c.accept(bad, reserve("r1", "A", 5, 10*time.Minute))
			time.Sleep(10*time.Minute - time.Second)
			synctest.Wait()
			assert.Zero(t, c.available(bad, true, "A"), "%v: not an hour early", off)
			time.Sleep(2 * time.Second)
			synctest.Wait()
			assert.EqualValues(t, 5, c.available(bad, true, "A"), "%v: not an hour late", off)

			check := readyLine(bad, "clock")
			assert.True(t, check.OK, "a wrong clock takes no node out of service")
			assert.Contains(t, check.Detail, "this node's clock is 3600.0 s")
			for _, n := range c.nodes {
				for i, m := range n.Status().Members {
					want := time.Duration(0)
					if i == 0 {
						want = off
					}
					assert.Equal(t, want, m.ClockOffset, "%s as %s sees it", m.ID, n.name)
				}
			}
			assert.Equal(t, ReadyCheck{Name: "clock", OK: true}, readyLine(c.nodes[1], "clock"))

			clocks.set("n1", 0)
			time.Sleep(2 * time.Second)
			assert.Equal(t, ReadyCheck{Name: "clock", OK: true}, readyLine(bad, "clock"))
		})
	}
}

func TestWallClocksThatJumpWithinATermMoveNoDeadline(t *testing.T) {
	t.Parallel()
	for _, nodes := range []int{1, 3} {
		clocks := newWallClocks(map[string]time.Duration{})
		inBubble(t, nodes, clocks.tune, func(t *testing.T, c *cluster) {
			leader := c.leader()
			c.stock(leader, 5, "A")
			term := leader.raft().CurrentTerm()
			began := time.Now()
			c.accept(leader, reserve("r1", "A", 5, 100*time.Second))
			for _, off := range []time.Duration{-time.Hour, time.Hour, -24 * time.Hour, 0, time.Hour} {
				clocks.set(leader.name, off)
				before := leader.machine.now()
				c.accept(leader, &engine.DefineSKU{SKU: "B"})
				assert.GreaterOrEqual(t, leader.machine.now(), before)
				time.Sleep(10 * time.Second)
			}
			// Alone, its own clock is the median: the ledger's goes after it by 1% at most.
			most := time.Since(began) / slewPart
			assert.LessOrEqual(t, time.Until(time.UnixMilli(leader.lead.Load().clock.read())).Abs(),
				most+10*time.Millisecond)
			time.Sleep(time.Until(began.Add(98 * time.Second)))
			synctest.Wait()
			assert.Zero(t, c.available(leader, true, "A"), "not early")
			time.Sleep(5 * time.Second)
			synctest.Wait()
			assert.EqualValues(t, 5, c.available(leader, true, "A"), "not late")
			assert.Equal(t, term, leader.raft().CurrentTerm())
		})
	}
}

func TestAHandOverBetweenSkewedClocksIsNoStep(t *testing.T) {
	t.Parallel()
	clocks := newWallClocks(map[string]time.Duration{"n1": -time.Minute, "n3": time.Minute})
	inBubble(t, 3, clocks.tune, func(t *testing.T, c *cluster) {
		c.stock(c.leader(), 5, "A")
		for _, n := range []*node{c.nodes[0], c.nodes[2], c.nodes[1], c.nodes[2], c.nodes[0]} {
			c.leadBy(n)
			assert.InDelta(t, 0, c.offBy(n).Seconds(), 0.01, n.name)
		}
		behind := c.nodes[0]
		c.leadBy(c.nodes[1])
		assert.Contains(t, readyLine(behind, "clock").Detail, "60.0 s behind", "a follower says it too")
		assert.EqualValues(t, -time.Minute, behind.clock.own.Load())
		assert.Zero(t, behind.clock.ledger.Load())
		// With one of the three gone the one that is behind counts, and the ledger is ahead of it.
		ahead := c.nodes[2]
		c.leadBy(ahead)
		began := time.Now()
		c.kill(c.nodes[1])
		c.leadBy(c.nodes[0])
		c.leadBy(ahead)
		time.Sleep(100 * time.Second)
		off := c.offBy(ahead)
		assert.Less(t, off, 10*time.Millisecond, "no step forward")
		// A term goes on from the newest entry: two hand-overs of a second without any are lost.
		assert.Greater(t, off, -time.Since(began)/slewPart-2*time.Second, "slower by 1%, no more")
	})
}

func TestALeaderWithoutOtherClocksSaysSo(t *testing.T) {
	t.Parallel()
	var lines lineWriter
	clocks := newWallClocks(map[string]time.Duration{"n1": 5 * time.Second})
	inBubble(t, 3, func(conf *Config) {
		clocks.tune(conf)
		conf.Logger = lines.logger()
	}, func(t *testing.T, c *cluster) {
		c.stock(c.leader(), 5, "A")
		time.Sleep(2 * time.Second)
		c.leadBy(c.nodes[1])
		n := c.nodes[0]
		for _, other := range c.nodes {
			c.net.LoseAnswers(other.addr, true) // raft goes on without
		}
		c.leadBy(n)
		assert.InDelta(t, 0, c.offBy(n).Seconds(), 0.01, "by what it heard before")
		assert.Contains(t, lines.String(), "by clocks that were heard before it began")

		n.members.mu.Lock()
		clear(n.members.mu.reports)
		n.members.mu.Unlock()
		c.leadBy(c.nodes[1])
		c.leadBy(n)
		assert.InDelta(t, 5, c.offBy(n).Seconds(), 0.01, "by its own")
		assert.Contains(t, lines.String(), "by this node's clock alone")
		for _, other := range c.nodes {
			c.net.LoseAnswers(other.addr, false)
		}
		time.Sleep(3 * time.Second)
		check := readyLine(n, "clock")
		assert.Contains(t, check.Detail, "is 5.0 s ahead")
		assert.Contains(t, lines.String(), "a clock is off the median")
		time.Sleep(10 * time.Minute)
		assert.InDelta(t, 0, c.offBy(n).Seconds(), 0.01, "it went back, slowly")
	})
}

// TestAPauseWhileAClockIsReadIsNoOffset pauses the process for 10 s just before its wall clock is
// read, as SIGSTOP may.
func TestAPauseWhileAClockIsReadIsNoOffset(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clocks := newWallClocks(map[string]time.Duration{})
		conf := Config{Node: "n1"}
		clocks.tune(&conf)
		s := &Store{cfg: conf, began: time.Now()}
		want := s.ownClock()
		time.Sleep(time.Second)
		clocks.pause["n1"] = 10 * time.Second
		assert.Equal(t, want.lead, s.ownClock().lead)
	})
}

// TestALeaderThatWasAwayStampsNothingWrong cuts the leader off while it is asked, as its others see a
// process that is paused, and wants its late entries to move nobody's time.
func TestALeaderThatWasAwayStampsNothingWrong(t *testing.T) {
	t.Parallel()
	clocks := newWallClocks(map[string]time.Duration{"n1": time.Hour})
	inBubble(t, 3, clocks.tune, func(t *testing.T, c *cluster) {
		old := c.nodes[0]
		c.leader()
		c.stock(old, 5, "A")
		c.leadBy(old)
		l := old.lead.Load()
		c.accept(old, reserve("r1", "A", 5, time.Minute))
		deadline := time.Now().Add(time.Minute)
		c.net.Cut(old.addr)
		next := c.leader(old)
		time.Sleep(20 * time.Second)
		assert.InDelta(t, time.Now().UnixMilli(), l.clock.stamp(0), 10, "its clock went on")
		// What it had stamped goes to raft now, in the term that is over.
		old.lead.Store(l)
		b := newBatch(time.Now())
		go old.propose(b, l)
		c.net.Heal(old.addr)
		<-b.done
		assert.Error(t, b.err)
		assert.InDelta(t, 0, c.offBy(next).Seconds(), 0.01)
		time.Sleep(time.Until(deadline) - time.Second)
		synctest.Wait()
		assert.Zero(t, c.available(next, true, "A"), "not early")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		assert.Positive(t, c.available(next, true, "A"), "nor late")
		c.sameDigests()
	})
}

// TestAfterAGapHoldsEndInBoundedEntries has all nodes down while 12,000 holds fall due.
func TestAfterAGapHoldsEndInBoundedEntries(t *testing.T) {
	t.Parallel()
	const holds = 12_000
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, holds+1, "A")
		var ops []engine.Op
		for i := range holds {
			ops = append(ops, engine.Op{Command: reserve(fmt.Sprint("r", i), "A", 1,
				time.Minute+time.Duration(i/100)*time.Millisecond)})
		}
		leader.SubmitAll(t.Context(), ops, func(_ int, r engine.Result, err error) {
			require.NoError(t, err)
			require.Equal(t, engine.Accepted, r.Refusal)
		})
		c.accept(leader, reserve("later", "A", 1, 2*time.Hour))
		for _, n := range c.nodes {
			c.kill(n)
		}
		time.Sleep(time.Hour)
		for _, n := range c.nodes {
			c.start(n)
		}
		leader = c.leader()
		time.Sleep(time.Second)
		assert.EqualValues(t, holds, c.available(leader, false, "A"), "all within a second")
		ended := map[uint64]int{}
		for after := uint64(0); ; {
			events, err := leader.Events(after, 1000)
			require.NoError(t, err)
			if len(events) == 0 {
				break
			}
			for _, e := range events {
				if after = e.Seq; e.Type == engine.EventExpired {
					ended[e.Index]++
				}
			}
		}
		all := 0
		for index, n := range ended {
			assert.LessOrEqual(t, n, dueLimit, "at %d", index)
			all += n
		}
		assert.Equal(t, holds, all)
		assert.GreaterOrEqual(t, len(ended), 3)
		c.sameDigests()
	})
}

// TestAShortfallIsSettledInSlices sets a row so far down that its losers do not fit into one entry:
// meanwhile a strict reserve of the SKU is refused, although another location has plenty.
func TestAShortfallIsSettledInSlices(t *testing.T) {
	t.Parallel()
	const holds = 60
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.accept(leader, &engine.Configure{Limits: engine.Limits{ShortfallStep: 10}})
		for _, location := range []engine.Name{"main", "spare"} {
			c.accept(leader, &engine.DefineLocation{Location: location, Kind: engine.Merchant,
				Master: "holdfast", Shortfall: engine.ShortfallNewest})
		}
		c.accept(leader, &engine.DefineChannel{Channel: "web", Kind: engine.ChannelAPI,
			Publish: engine.Pooled, Split: true, Locations: []engine.Name{"main", "spare"}})
		c.accept(leader, &engine.DefineChannel{Channel: "one", Kind: engine.ChannelAPI,
			Publish: engine.Pooled, Split: true, Locations: []engine.Name{"main"}})
		c.accept(leader, &engine.DefineSKU{SKU: "A"})
		set := func(location engine.Name, n int64) engine.Op {
			return engine.Op{Command: &engine.Set{SKU: "A", Location: location, Value: n, Source: "test"}}
		}
		c.accept(leader, set("main", holds).Command)
		c.accept(leader, set("spare", 1000).Command)
		for i := range holds {
			r := reserve(fmt.Sprint("r", i), "A", 1, time.Hour)
			r.Channel = "one"
			c.accept(leader, r)
		}
		var refusals []engine.Refusal
		ops := []engine.Op{set("main", 0), {Command: reserve("meanwhile", "A", 1, time.Hour)}}
		leader.SubmitAll(t.Context(), ops, func(_ int, r engine.Result, err error) {
			require.NoError(t, err)
			refusals = append(refusals, r.Refusal)
		})
		assert.Equal(t, []engine.Refusal{engine.Accepted, engine.InsufficientStock}, refusals)
		time.Sleep(time.Second)
		assert.False(t, leader.machine.unfinished.Load(), "ticks went on with it")
		c.accept(leader, reserve("after", "A", 1, time.Hour))
		short := map[uint64]int{}
		events, err := leader.Events(0, 1000)
		require.NoError(t, err)
		for _, e := range events {
			if e.Type == engine.EventShort {
				short[e.Index]++
			}
		}
		assert.Len(t, short, holds/10)
		c.sameDigests()
	})
}

// lineWriter keeps what several nodes log.
type lineWriter struct {
	mu  sync.Mutex
	all strings.Builder
}

// Write keeps a line; the error is nil.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.Write(p)
}

func (w *lineWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}

func (w *lineWriter) logger() *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// raftServer is how raft knows n.
func raftServer(n *node) raft.Server {
	return raft.Server{ID: n.parts.id, Address: raft.ServerAddress(n.addr)}
}
