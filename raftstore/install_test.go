package raftstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// counted reads a counter.
func counted(t *testing.T, c prometheus.Counter) int {
	t.Helper()
	r := prometheus.NewRegistry()
	require.NoError(t, r.Register(c))
	families, err := r.Gather()
	require.NoError(t, err)
	return int(families[0].GetMetric()[0].GetCounter().GetValue())
}

// checkpointNow makes n write a checkpoint and keep as little log as it may.
func checkpointNow(t *testing.T, n *node) {
	t.Helper()
	conf := n.raft().ReloadableConfig()
	conf.TrailingLogs = 1
	require.NoError(t, n.raft().ReloadConfig(conf))
	require.NoError(t, n.raft().Snapshot().Error())
}

// moveOn makes the cluster agree on entries and forget all but the newest of them.
func (c *cluster) moveOn(leader *node, name string) {
	c.t.Helper()
	for k := range 3 {
		for i := range 5 {
			c.accept(leader, reserve(fmt.Sprint(name, k, "-", i), "A", 1, time.Hour))
		}
		checkpointNow(c.t, leader)
	}
}

// diverge cuts the leader off and gives its log a tail of n entries that nobody agrees on.
func (c *cluster) diverge(leader *node, n int) {
	c.t.Helper()
	c.net.Cut(leader.addr)
	for range n {
		leader.raft().ApplyLog(raft.Log{Data: []byte("never agreed")}, time.Second)
	}
	time.Sleep(100 * time.Millisecond)
}

// TestADivergentTailHealsAfterAnInstall is raft#697: a checkpoint is installed on a node whose log goes
// on behind it another way, and raft remembers the end of that log although the log is gone.
func TestADivergentTailHealsAfterAnInstall(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		old := c.leader()
		c.stock(old, 1000, "A")
		c.diverge(old, 100)
		next := c.leader(old)
		c.moveOn(next, "r")
		tail, err := old.log.LastIndex()
		require.NoError(t, err)
		newest, ok := next.checkpoints.Newest()
		require.True(t, ok)
		require.Greater(t, tail, newest.Index, "the tail reaches beyond the checkpoint")

		c.net.Heal(old.addr)
		time.Sleep(4 * time.Second)
		assert.EqualValues(t, 985, c.available(old, false, "A"))
		for i := range 5 {
			c.accept(old, reserve(fmt.Sprint("after", i), "A", 1, time.Hour))
		}
		c.sameDigests()
		assert.EqualValues(t, 1, counted(t, old.metrics.reopened))
		assert.True(t, old.log.IsMonotonic())

		c.kill(old)
		c.start(old)
		time.Sleep(4 * time.Second)
		assert.EqualValues(t, 980, c.available(old, false, "A"))
		c.sameDigests()
	})
}

// TestAnInstallThatIsNotNeededIsRefused holds the guard to its two reasons, and to leaving nothing.
func TestAnInstallThatIsNotNeededIsRefused(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		c.stock(n, 1000, "A")
		applied := n.machine.applied.Load()
		c.diverge(n, 3)
		last, err := n.log.LastIndex()
		require.NoError(t, err)
		require.Greater(t, last, applied)
		guard := &installGuard{Checkpoints: n.checkpoints, store: n.Store}
		term := n.raft().CurrentTerm()
		offer := func(index, term uint64) error {
			sink, err := guard.Create(raft.SnapshotVersionMax, index, term, testConfiguration, 1, nil)
			require.NoError(t, err)
			_, err = sink.Write(streamHeader{}.encode())
			require.NoError(t, sink.Cancel())
			return err
		}
		require.ErrorIs(t, offer(applied-1, term), ErrOldCheckpoint)
		require.ErrorIs(t, offer(applied, term), ErrOldCheckpoint)
		require.ErrorIs(t, offer(last, term), ErrOldCheckpoint, "its log has that entry")
		require.NoError(t, offer(last, term+1), "its log has another one")
		require.NoError(t, offer(last+1, term))
		list, err := n.checkpoints.List()
		require.NoError(t, err)
		require.Empty(t, list)
		assert.False(t, n.installing.Load())
		assert.Empty(t, n.reopens)

		sink, err := guard.Create(raft.SnapshotVersionMax, last+1, term, testConfiguration, 1, nil)
		require.NoError(t, err)
		_, err = guard.Create(raft.SnapshotVersionMax, last+2, term, testConfiguration, 1, nil)
		require.ErrorIs(t, err, ErrCheckpointRunning)
		require.NoError(t, sink.Cancel())
	})
}

// TestALeaderIsToldWhatIsInstalledAlready offers a checkpoint twice: when the answer to the first was
// lost, an error would have the leader offer it for ever.
func TestALeaderIsToldWhatIsInstalledAlready(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 1000, "A")
		behind := c.follower(leader)
		c.kill(behind)
		c.moveOn(leader, "r")
		c.start(behind)
		time.Sleep(3 * time.Second)
		installed, ok := behind.checkpoints.Newest()
		require.True(t, ok)
		require.True(t, installed.Installed)

		list, err := leader.checkpoints.List()
		require.NoError(t, err)
		meta, stream, err := leader.checkpoints.Open(list[0].ID)
		require.NoError(t, err)
		text, err := io.ReadAll(stream)
		require.NoError(t, err)
		index := behind.machine.applied.Load()
		left := bytes.NewReader(text)
		var answer raft.InstallSnapshotResponse
		require.NoError(t, leader.parts.transport.InstallSnapshot(behind.parts.id,
			raft.ServerAddress(behind.addr), &raft.InstallSnapshotRequest{
				RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax},
				Term:      leader.raft().CurrentTerm(), LastLogIndex: meta.Index,
				LastLogTerm: meta.Term, Size: meta.Size, SnapshotVersion: meta.Version,
				Configuration: raft.EncodeConfiguration(meta.Configuration),
			}, &answer, left))
		assert.True(t, answer.Success)
		assert.Zero(t, left.Len(), "the next call stands behind the stream")
		assert.EqualValues(t, 1, counted(t, behind.metrics.reopened), "nothing was installed")
		assert.GreaterOrEqual(t, behind.machine.applied.Load(), index)
		c.accept(behind, reserve("after", "A", 1, time.Hour))
		c.sameDigests()
	})
}

// TestALogThatDivergesRightBehindTheCheckpoint leaves a follower no entry to compare with: all that it
// has in front of the entries that nobody agreed on is the checkpoint.
func TestALogThatDivergesRightBehindTheCheckpoint(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 1000, "A")
		behind := c.follower(leader)
		c.kill(behind)
		c.moveOn(leader, "r")
		c.start(behind)
		time.Sleep(3 * time.Second)
		base, ok := behind.checkpoints.Newest()
		require.True(t, ok)
		// What was agreed behind it goes, and what a leader wrote that nobody followed comes.
		last := behind.log
		c.kill(behind)
		first, err := behind.log.FirstIndex()
		require.NoError(t, err)
		if first > 0 {
			end, err := behind.log.LastIndex()
			require.NoError(t, err)
			require.NoError(t, last.Reopen().DeleteRange(first, end))
		}
		behind.log = last.Reopen()
		require.NoError(t, behind.log.StoreLogs([]*raft.Log{
			{Index: base.Index + 1, Term: base.Term + 1, Type: raft.LogNoop},
			{Index: base.Index + 2, Term: base.Term + 1, Type: raft.LogNoop},
		}))
		term := []byte("CurrentTerm") // of raft
		require.NoError(t, behind.log.SetUint64(term, base.Term+1))
		for _, n := range c.nodes { // a leader of a later term, whose entries behind it differ
			if n != behind {
				c.kill(n)
				require.NoError(t, n.log.SetUint64(term, base.Term+2))
				c.start(n)
			}
		}
		next := c.leader(behind)
		c.accept(next, reserve("next", "A", 1, time.Hour))
		c.start(behind)
		time.Sleep(4 * time.Second)
		assert.EqualValues(t, 984, c.available(behind, false, "A"))
		c.sameDigests()
	})
}

// TestTheLogBehindWhatIsSentIsKept reads a checkpoint while the leader makes others: whoever gets it can
// go on from the log.
func TestTheLogBehindWhatIsSentIsKept(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		c.stock(n, 1000, "A")
		c.moveOn(n, "r")
		list, err := n.checkpoints.List()
		require.NoError(t, err)
		meta, stream, err := n.checkpoints.Open(list[0].ID)
		require.NoError(t, err)
		c.moveOn(n, "s")
		first, err := n.log.FirstIndex()
		require.NoError(t, err)
		require.LessOrEqual(t, first, meta.Index+1)
		require.NoError(t, stream.Close())
		c.accept(n, reserve("one-more", "A", 1, time.Hour))
		checkpointNow(t, n)
		first, err = n.log.FirstIndex()
		require.NoError(t, err)
		require.Greater(t, first, meta.Index+1)
	})
}

// TestProposalsAndReadsOutliveAReopening reopens raft on a follower and on the leader under load: all
// is answered, and nothing that was answered is lost.
func TestProposalsAndReadsOutliveAReopening(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 1000, "A")
		accepted := 0
		for round := range 10 {
			n := c.nodes[round%3]
			n.askReopen("a test asks")
			for i := range 5 {
				for _, n := range c.nodes {
					id := fmt.Sprint("r", round, "-", i, n.name)
					began := time.Now()
					r, err := n.Submit(t.Context(), engine.Op{Command: reserve(id, "A", 1, time.Hour)})
					require.Less(t, time.Since(began), n.cfg.ProposeTimeout)
					if err == nil && r.Refusal == engine.Accepted {
						accepted++
						assert.Positive(t, c.available(n, true, "A"))
					}
					time.Sleep(20 * time.Millisecond)
				}
			}
			time.Sleep(2 * time.Second)
		}
		time.Sleep(5 * time.Second)
		assert.Greater(t, accepted, 10, "a leader that is reopened is followed by another")
		for _, n := range c.nodes {
			left := c.available(n, false, "A")
			assert.LessOrEqual(t, left, int64(1000-accepted))
			assert.Less(t, n.contact(), silentAfter)
		}
		c.sameDigests()
		require.NoError(t, leader.Checkpoint(t.Context()))
	})
}

// TestNoCheckpointWhileRaftReplays is about a cut that would be stamped with an index behind it.
func TestNoCheckpointWhileRaftReplays(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		c.stock(n, 1000, "A")
		n.machine.replayTo = n.machine.applied.Load() + 1
		_, err := n.machine.Snapshot()
		require.ErrorIs(t, err, errReplay)
		c.accept(n, reserve("r", "A", 1, time.Hour))
		require.NoError(t, n.Checkpoint(t.Context()))
	})
}

// slowEvents is an event log whose Install waits.
type slowEvents struct {
	EventLog
	began, goOn chan struct{}
}

func (e slowEvents) Install(m EventMark) error {
	close(e.began)
	<-e.goOn
	return e.EventLog.Install(m)
}

// TestRestoreHoldsTheLockForAPointer looks at the ledger while Restore is under way: it sees the old
// one, at once, and the new one afterwards.
func TestRestoreHoldsTheLockForAPointer(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, nil, func(t *testing.T, c *cluster) {
		n := c.leader()
		c.stock(n, 1000, "A")
		require.NoError(t, n.Checkpoint(t.Context()))
		list, err := n.checkpoints.List()
		require.NoError(t, err)
		_, stream, err := n.checkpoints.Open(list[0].ID)
		require.NoError(t, err)

		events := slowEvents{NewMemEventLog(), make(chan struct{}), make(chan struct{})}
		s := newStore(n.cfg)
		s.machine.events, s.machine.bodies = events, NewMemBodies()
		require.NoError(t, events.EventLog.CutTo(EventMark{}))
		s.machine.mu.ledger = engine.New(engine.Options{})
		done := make(chan error, 1)
		go func() { done <- s.machine.Restore(stream) }()
		<-events.began
		require.True(t, s.machine.mu.TryLock(), "the lock is free")
		before := s.machine.mu.ledger.Index()
		s.machine.mu.Unlock()
		assert.Zero(t, before)
		close(events.goOn)
		require.NoError(t, <-done)
		assert.Equal(t, list[0].Index, s.machine.applied.Load())
	})
}

// failingEvents is an event log whose first Install fails.
type failingEvents struct {
	EventLog
	failed *atomic.Bool
}

func (e failingEvents) Install(m EventMark) error {
	if !e.failed.Swap(true) {
		return errors.New("a hiccup")
	}
	return e.EventLog.Install(m)
}

// TestARestoreThatFailedIsMadeUpFor: CURRENT names the installed checkpoint by then, and the ledger is
// that of before.
func TestARestoreThatFailedIsMadeUpFor(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 1000, "A")
		behind := c.follower(leader)
		c.kill(behind)
		c.moveOn(leader, "r")
		c.net.Cut(behind.addr)
		var failed atomic.Bool
		c.adapt = func(_ *node, _ *Store, p *parts) { p.events = failingEvents{p.events, &failed} }
		c.start(behind)
		c.net.Heal(behind.addr)
		time.Sleep(5 * time.Second)
		require.True(t, failed.Load())
		assert.EqualValues(t, 985, c.available(behind, false, "A"))
		assert.Equal(t, 1, counted(t, behind.metrics.reopened))
		c.sameDigests()
	})
}

// TestAFollowerComesBackUnderLoad installs while writes go on at every node, twice, and holds the
// ledger against what was answered.
func TestAFollowerComesBackUnderLoad(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 1_000_000, "A")
		behind := c.follower(leader)
		for round := range 2 {
			c.kill(behind)
			c.moveOn(leader, fmt.Sprint("gone", round, "-"))
			load, end := context.WithCancel(t.Context())
			h := &history{yes: map[string]bool{}, no: map[string]bool{}}
			var callers sync.WaitGroup
			c.start(behind)
			for k, n := range c.nodes {
				callers.Go(func() {
					for i := 0; load.Err() == nil; i++ {
						id := fmt.Sprint("r", round, "-", k, "-", i)
						r, err := n.Submit(t.Context(), engine.Op{Command: reserve(id, "A", 1, time.Hour)})
						h.note(id, r, err)
						time.Sleep(time.Millisecond)
					}
				})
			}
			time.Sleep(5 * time.Second)
			end()
			callers.Wait()
			assert.Equal(t, 1, counted(t, behind.metrics.reopened), "round %d", round)
			time.Sleep(5 * time.Second)
			h.check(t, c)
			assert.True(t, behind.complete())
			assert.Equal(t, allEvents(t, leader, 0), allEvents(t, behind, 0))
		}
	})
}
