package raftstore

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// recordsOf lists a table on a node, a few at a time.
func recordsOf(t *testing.T, s *Store, table uint8, prefix string) string {
	t.Helper()
	var all []string
	for after, more := "", true; more; {
		var page []Record
		var err error
		page, more, err = s.Records(t.Context(), table, prefix, after, 3)
		require.NoError(t, err)
		require.True(t, !more || len(page) == 3)
		for _, r := range page {
			all = append(all, fmt.Sprintf("%s=%s", r.Key, r.Body))
			after = r.Key
		}
	}
	return strings.Join(all, " ")
}

func put(table uint8, key, body string) *engine.Put {
	return &engine.Put{Table: table, Key: key, Body: []byte(body)}
}

func TestRecordsAreReadOnEveryNode(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		follower := c.follower(leader)
		c.stock(leader, 10, "A")
		first := c.accept(follower, put(1, "order-1", "first"))
		group := &engine.Group{Atomic: true, Ops: []engine.Command{
			&engine.Reserve{ID: "o2", Channel: "web", Mode: engine.Accept, Commit: true,
				Lines: []engine.Line{{SKU: "A", Qty: 2}}},
			&engine.Put{Table: 1, Key: "order-2", If: engine.IfAbsent, State: 3, Value: -7,
				Expires: 1 << 50, Body: []byte("second")},
			&engine.Put{Table: 1, Key: "order-1", If: engine.IfAt, Version: first.Index,
				Body: []byte("changed")},
			put(2, "task", ""),
		}}
		r := c.accept(leader, group)
		for _, n := range c.nodes {
			got, ok, err := n.Record(t.Context(), 1, "order-2", r.Index)
			require.NoError(t, err)
			require.True(t, ok)
			assert.Equal(t, Record{Table: 1, Key: "order-2", Version: r.Index, State: 3, Value: -7,
				Expires: 1 << 50, Body: []byte("second")}, got)
			_, ok, err = n.Record(t.Context(), 1, "order-3", r.Index)
			require.NoError(t, err)
			assert.False(t, ok)
			assert.Equal(t, "order-1=changed order-2=second", recordsOf(t, n.Store, 1, ""))
			assert.Equal(t, "order-2=second", recordsOf(t, n.Store, 1, "order-2"))
			assert.Equal(t, "task=", recordsOf(t, n.Store, 2, ""))
		}
		refused, err := leader.Submit(t.Context(), engine.Op{Command: group})
		require.NoError(t, err)
		assert.Equal(t, engine.RecordExists, refused.Refusal)
		assert.Equal(t, 1, refused.At)
		c.accept(leader, &engine.Drop{Table: 1, Key: "order-1"})
		assert.Equal(t, "order-2=second", recordsOf(t, leader.Store, 1, ""))
		c.sameDigests()
	})
}

// TestRecordsAgainstAMap writes, drops and flushes at random, and reads everything each time, through
// restarts with and without a checkpoint.
func TestRecordsAgainstAMap(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		want := map[string]string{}
		random := rand.New(rand.NewPCG(7, 1))
		for i := range 600 {
			key := fmt.Sprintf("k%02d", random.IntN(40))
			var ops []engine.Command
			for range 1 + random.IntN(3) {
				if random.IntN(3) == 0 {
					ops = append(ops, &engine.Drop{Table: 1, Key: key})
					delete(want, key)
				} else {
					want[key] = fmt.Sprint(i, "-", random.IntN(1000))
					ops = append(ops, put(1, key, want[key]))
				}
				key = fmt.Sprintf("k%02d", random.IntN(40))
			}
			c.accept(n, &engine.Group{Atomic: true, Ops: ops})
			switch {
			case i%7 == 6:
				require.NoError(t, n.machine.bodies.Flush(n.machine.applied.Load()-2, 0))
			case i%100 == 99:
				if i%200 == 199 {
					require.NoError(t, n.Checkpoint(t.Context()))
				}
				c.kill(n)
				c.start(n)
				c.leader()
			}
			if i%10 != 9 {
				continue
			}
			var all []string
			for _, key := range slices.Sorted(maps.Keys(want)) {
				all = append(all, key+"="+want[key])
				r, ok, err := n.Record(t.Context(), 1, key, 0)
				require.NoError(t, err)
				require.True(t, ok)
				require.Equal(t, want[key], string(r.Body))
			}
			require.Equal(t, strings.Join(all, " "), recordsOf(t, n.Store, 1, ""), "after %d", i)
		}
		_, violations, err := n.Check(t.Context())
		require.NoError(t, err)
		assert.Empty(t, violations)
	})
}

func TestRecordsExpireAndSomeAreKept(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		at := time.Now().Add(soon).UnixMilli()
		c.accept(leader, &engine.Put{Table: 1, Key: "closed", Expires: at, Archive: true,
			Body: []byte("kept")})
		c.accept(leader, &engine.Put{Table: 1, Key: "seen", Expires: at})
		c.accept(leader, put(1, "stays", "x"))
		time.Sleep(soon - 2*time.Second)
		assert.Equal(t, "closed=kept seen= stays=x", recordsOf(t, leader.Store, 1, ""))
		time.Sleep(4 * time.Second)
		index := leader.machine.applied.Load()
		time.Sleep(time.Minute)
		assert.LessOrEqual(t, leader.machine.applied.Load(), index+1, "nothing is proposed but what is due")
		for _, n := range c.nodes {
			assert.EqualValues(t, 1, n.counts().Records)
			assert.Equal(t, "stays=x", recordsOf(t, n.Store, 1, ""))
			for range 2 { // in memory, and on the disk
				r, ok, err := n.Record(t.Context(), 1, "closed", 0)
				require.NoError(t, err)
				require.True(t, ok)
				assert.True(t, r.Archived)
				assert.Equal(t, "kept", string(r.Body))
				_, ok, err = n.Record(t.Context(), 1, "seen", 0)
				require.NoError(t, err)
				assert.False(t, ok)
				require.NoError(t, n.Checkpoint(t.Context()))
			}
		}
		c.kill(leader)
		c.start(leader)
		c.leader()
		r, ok, err := leader.Record(t.Context(), 1, "closed", index)
		require.NoError(t, err)
		require.True(t, ok)
		assert.Equal(t, "kept", string(r.Body))
		c.sameDigests()
	})
}

// TestRecordsAfterAnInstall gives a node another disk's bodies: what it lacks comes, what was dropped
// meanwhile goes, and until then it says that it does not know.
func TestRecordsAfterAnInstall(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		n := c.follower(leader)
		soonGone := time.Now().Add(10 * time.Second).UnixMilli()
		c.accept(leader, put(1, "dropped", "old"))
		c.accept(leader, &engine.Put{Table: 1, Key: "dropped-archive", Archive: true, Expires: soonGone,
			Body: []byte("old")})
		c.accept(leader, put(1, "stays", "here"))
		time.Sleep(time.Second)
		require.NoError(t, n.Checkpoint(t.Context()))
		old := flushedBodies(n.bodies)
		c.accept(leader, &engine.Drop{Table: 1, Key: "dropped"})
		c.accept(leader, &engine.Drop{Table: 1, Key: "dropped-archive"})
		c.accept(leader, &engine.Put{Table: 1, Key: "archived", Archive: true, Expires: soonGone,
			Body: []byte("kept")})
		c.accept(leader, put(1, "new", "here too"))
		time.Sleep(15 * time.Second)
		require.NoError(t, n.Checkpoint(t.Context()))
		c.kill(n)
		n.bodies = old // as after an install: of a state long ago
		c.start(n)
		c.leader()
		require.False(t, n.bodiesComplete())
		for _, key := range []string{"new", "archived", "never", "dropped"} {
			_, _, err := n.Record(t.Context(), 1, key, 0)
			assert.Equal(t, "overloaded", code(err), key)
		}
		_, _, err := n.Records(t.Context(), 1, "", "", 10)
		assert.Equal(t, "overloaded", code(err))
		time.Sleep(10 * time.Second)
		require.True(t, n.bodiesComplete())
		assert.Equal(t, "new=here too stays=here", recordsOf(t, n.Store, 1, ""))
		for key, want := range map[string]string{"new": "here too", "archived": "kept", "stays": "here",
			"dropped": "", "dropped-archive": "", "never": ""} {
			r, ok, err := n.Record(t.Context(), 1, key, 0)
			require.NoError(t, err)
			assert.Equal(t, want != "", ok, key)
			assert.Equal(t, want, string(r.Body), key)
			assert.Equal(t, key == "archived", r.Archived)
		}
		c.sameDigests()
	})
}

// flushedBodies is what is durable of b, which goes on.
func flushedBodies(b *MemBodies) *MemBodies {
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := &MemBodies{}
	kept.mu.rows, kept.mu.through = slices.Clone(b.mu.rows), b.mu.through
	kept.dirty.durable(b.mu.through)
	return kept
}

func TestAWatchSeesWhatIsWritten(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		follower := c.follower(leader)
		before := c.accept(leader, put(1, "before", "x"))
		_, _, err := follower.Record(t.Context(), 1, "before", before.Index)
		require.NoError(t, err)
		w := follower.WatchRecords(1, 200)
		defer w.Close()
		changes, lost, err := w.Next(t.Context())
		require.NoError(t, err)
		assert.True(t, lost, "what was before must be read")
		assert.Empty(t, changes)
		c.accept(leader, put(2, "other table", "x"))
		one := c.accept(leader, &engine.Put{Table: 1, Key: "k", State: 4, Value: 5, Expires: 1 << 50,
			Body: []byte("body")})
		two := c.accept(leader, &engine.Group{Atomic: true, Ops: []engine.Command{
			&engine.Drop{Table: 1, Key: "k"}, put(200, "high", "")}})
		var got []RecordChange
		for len(got) < 3 {
			changes, lost, err := w.Next(t.Context())
			require.NoError(t, err)
			require.False(t, lost)
			got = append(got, changes...)
		}
		assert.Equal(t, []RecordChange{
			{Record: Record{Table: 1, Key: "k", Version: one.Index, State: 4, Value: 5, Expires: 1 << 50,
				Body: []byte("body")}},
			{Record: Record{Table: 1, Key: "k", Version: two.Index}, Deleted: true},
			{Record: Record{Table: 200, Key: "high", Version: two.Index, Body: []byte{}}},
		}, got)

		for i := range watchChanges/1000 + 2 { // more than a watch keeps
			g := &engine.Group{}
			for k := range 1000 {
				g.Ops = append(g.Ops, put(1, fmt.Sprint(i, "-", k), ""))
			}
			c.accept(leader, g)
		}
		time.Sleep(time.Second)
		_, lost, err = w.Next(t.Context())
		require.NoError(t, err)
		assert.True(t, lost)
		c.accept(leader, put(1, "last", ""))
		for {
			changes, lost, err := w.Next(t.Context())
			require.NoError(t, err)
			require.False(t, lost)
			if changes[len(changes)-1].Key == "last" {
				break
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err = w.Next(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		w.Close()
		w.Close()
		assert.Zero(t, follower.machine.changes.count.Load())
	})
}

func TestWhatWritesRecordsWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		follower := c.follower(leader)
		c.accept(follower, put(1, "a", "x"))
		leader.machine.mu.Lock()
		has := leader.machine.bodies
		var full atomic.Bool
		full.Store(true)
		leader.machine.bodies = fullBodies{has, &full}
		leader.machine.mu.Unlock()
		group := &engine.Group{Atomic: true, Ops: []engine.Command{
			&engine.Expect{Table: 1, Key: "a", If: engine.IfPresent}, put(1, "b", "x")}}
		for _, n := range []*node{leader, follower} { // also where the bodies of the one asked have room
			for _, cmd := range []engine.Command{put(1, "b", "x"), group, &engine.Drop{Table: 1, Key: "a"}} {
				_, err := n.Submit(t.Context(), engine.Op{Command: cmd})
				assert.Equal(t, "overloaded", code(err), "%s: %T", n.name, cmd)
			}
			c.accept(n, &engine.Expect{Table: 1, Key: "a", If: engine.IfPresent})
		}
		full.Store(false)
		c.accept(follower, group)
	})
}

func TestOneLeadsAtATime(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		var running atomic.Int32
		terms := make(chan uint64, 100)
		lead := func(n *node, ctx context.Context) {
			n.RunLeading(ctx, func(ctx context.Context, term uint64) {
				running.Add(1)
				defer running.Add(-1)
				terms <- term
				<-ctx.Done()
			})
		}
		for _, n := range c.nodes {
			go lead(n, n.ctx)
		}
		last := uint64(0)
		for range 4 {
			leader := c.leader()
			c.everyoneIn()
			term := <-terms
			assert.Greater(t, term, last)
			assert.Equal(t, leader.lead.Load().term, term)
			last = term
			require.NoError(t, leader.raft().LeadershipTransfer().Error())
			time.Sleep(5 * time.Second)
			// Two may run for the instant in which the old leader has not heard of the new one.
			assert.EqualValues(t, 1, running.Load())
		}
		leader := c.leader()
		<-terms
		ended := make(chan struct{})
		calls := 0
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer close(ended)
			leader.RunLeading(ctx, func(context.Context, uint64) { calls++ })
		}()
		time.Sleep(5 * time.Second)
		cancel()
		<-ended
		assert.Equal(t, 1, calls, "once a term")
		c.kill(leader)
		c.leader()
		<-terms
		assert.EqualValues(t, 1, running.Load())
	})
}
