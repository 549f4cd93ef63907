package raftstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

func TestTheMarksFitTheDisk(t *testing.T) {
	t.Parallel()
	const mib, gib = 1 << 20, 1 << 30
	usual := Config{}.WithDefaults()
	for _, c := range []struct {
		conf                Config
		total, checkpoint   int64
		bodies              int64
		segment, spare      int64
		wantWarn, wantNeeds int64
	}{
		{usual, 250 * gib, 0, 0, 256 * mib, 64 * mib, 1152 * mib, 576 * mib},
		{usual, 250 * gib, gib, 0, 256 * mib, 64 * mib, 3200 * mib, 1600 * mib},
		{usual, 4 * gib, 0, 0, 256 * mib, 64 * mib, 1152 * mib, 576 * mib},
		{usual, gib, 0, 0, 64 * mib, 64 * mib, 384 * mib, 192 * mib},
		{usual, 64 * mib, 0, 0, 4 * mib, 4 * mib, 24 * mib, 12 * mib},
		{usual, 1 * mib, 0, 0, 64 << 10, 64 << 10, 384 << 10, 192 << 10},
		{Config{LogSegmentBytes: 16 * mib}, 250 * gib, 0, 0, 16 * mib, 64 * mib, 192 * mib, 96 * mib},
		{Config{LogSegmentBytes: 256 * mib, DiskMin: 7}, gib, gib, 0, 64 * mib, 64 * mib, 14, 7},
		{Config{LogSegmentBytes: 256 * mib, DiskMin: 7, DiskWarn: 3}, gib, 0, 0, 64 * mib, 64 * mib, 7, 7},
		{Config{LogSegmentBytes: 256 * mib, DiskWarn: 1}, gib, 0, 0, 64 * mib, 64 * mib, 192 * mib, 192 * mib},
		{usual, 250 * gib, 0, 7 * mib, 256 * mib, 64 * mib, 2 * 583 * mib, 583 * mib},
		{usual, 250 * gib, 0, 9 * gib, 256 * mib, 64 * mib, 2 * 832 * mib, 832 * mib},
	} {
		d := DiskSpace{Total: c.total}
		assert.Equal(t, c.segment, c.conf.segmentOn(d), "%+v", c)
		assert.Equal(t, c.spare, d.spare(), "%+v", c)
		assert.Equal(t, diskMarks{warn: c.wantWarn, needed: c.wantNeeds},
			c.conf.marks(d, c.checkpoint, c.bodies), "%+v", c)
	}
	assert.Equal(t, "12.0 MiB", size(12*mib))
	assert.Equal(t, "1.5 GiB", size(3*gib/2))
	assert.Equal(t, "7 B", size(7))
}

func TestADiskLevelHolds(t *testing.T) {
	t.Parallel()
	m := diskMarks{warn: 800, needed: 400}
	level := diskFine
	for _, step := range []struct {
		free int64
		want diskLevel
	}{
		{1000, diskFine}, {800, diskFine}, {799, diskLow}, {899, diskLow}, {900, diskFine},
		{799, diskLow}, {400, diskLow}, {399, diskFull}, {449, diskFull}, {450, diskLow},
		{0, diskFull}, {899, diskLow}, {0, diskFull}, {900, diskFine},
	} {
		level = m.level(step.free, level)
		require.Equal(t, step.want, level, "%d", step.free)
	}
}

// smallDisks are the disks of the nodes of a bubble: 1,000 MiB each, with free MiB as they are set.
type smallDisks struct {
	mu   sync.Mutex
	free map[string]int64
}

func (d *smallDisks) tune(c *Config) {
	node := c.Node
	c.DiskWarn, c.DiskMin = 200<<20, 100<<20
	c.space = func(string) (DiskSpace, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		free, ok := d.free[node]
		if !ok {
			free = 900
		}
		if free < 0 {
			return DiskSpace{}, errors.New("no answer")
		}
		return DiskSpace{Free: free << 20, Total: 1000 << 20}, nil
	}
}

func (d *smallDisks) set(free int64, nodes ...*node) {
	d.mu.Lock()
	for _, n := range nodes {
		d.free[n.name] = free
	}
	d.mu.Unlock()
	time.Sleep(askEvery + diskEvery)
	synctest.Wait()
}

// keyed is a reserve of one unit of A under a key.
func keyed(id string) engine.Op {
	return engine.Op{Key: engine.KeyOf("test", id), Command: reserve(id, "A", 1, time.Hour)}
}

func TestAFullDiskRefusesReservesAlone(t *testing.T) {
	t.Parallel()
	disks := &smallDisks{free: map[string]int64{}}
	inBubble(t, 1, disks.tune, func(t *testing.T, c *cluster) {
		n := c.leader()
		c.stock(n, 100, "A")
		first, err := n.Submit(t.Context(), keyed("r1"))
		require.NoError(t, err)
		c.accept(n, reserve("r2", "A", 1, time.Hour))
		assert.Equal(t, ReadyCheck{Name: "disk", OK: true}, readyLine(n, "disk"))

		disks.set(150, n)
		assert.Equal(t, ReadyCheck{Name: "disk", OK: true,
			Detail: "LOW: 150.0 MiB of 1000.0 MiB free, 100.0 MiB needed"}, readyLine(n, "disk"))
		c.accept(n, reserve("r3", "A", 1, time.Hour))

		disks.set(99, n)
		assert.Equal(t, ReadyCheck{Name: "disk",
			Detail: "99.0 MiB of 1000.0 MiB free, 100.0 MiB needed"}, readyLine(n, "disk"))
		_, err = n.Submit(t.Context(), keyed("r4"))
		assert.Equal(t, &DiskFullError{Node: "n1", Free: 99 << 20, Needed: 100 << 20}, err)
		replay, err := n.Submit(t.Context(), keyed("r1"))
		require.NoError(t, err, "remembered answers are still given")
		assert.True(t, replay.Replayed)
		assert.Equal(t, first.Index, replay.Index)
		for _, cmd := range []engine.Command{&engine.Commit{ID: "r1"}, &engine.Ship{ID: "r1"},
			&engine.Return{ID: "r1", Disposition: engine.Sellable}, &engine.Release{ID: "r2"},
			&engine.Set{SKU: "A", Location: "main", Value: 50, Source: "test"}} {
			c.accept(n, cmd)
		}
		var codes []string
		n.SubmitAll(t.Context(), []engine.Op{keyed("r1"), {Command: &engine.Release{ID: "r3"}}},
			func(_ int, r engine.Result, err error) { codes = append(codes, code(err)) })
		assert.Equal(t, []string{"", "disk-full"}, codes, "a batch with a reserve counts as one")

		disks.set(111, n)
		_, err = n.Submit(t.Context(), keyed("r4"))
		assert.Equal(t, "disk-full", code(err), "not at once above the mark")
		disks.set(-1, n)
		_, err = n.Submit(t.Context(), keyed("r4"))
		assert.Equal(t, "disk-full", code(err), "no answer is no space")
		disks.set(113, n)
		_, err = n.Submit(t.Context(), keyed("r4"))
		assert.NoError(t, err)
		disks.set(900, n)
		assert.Equal(t, ReadyCheck{Name: "disk", OK: true}, readyLine(n, "disk"))
	})
}

func TestALowDiskIsTrimmedBeforeItIsFull(t *testing.T) {
	t.Parallel()
	disks := &smallDisks{free: map[string]int64{}}
	inBubble(t, 1, disks.tune, func(t *testing.T, c *cluster) {
		n := c.leader()
		n.events.segmentBytes = 2 << 10
		c.stock(n, 10_000, "A")
		for i := range 3 {
			for range 100 {
				c.accept(n, reserve(newID(), "A", 1, time.Hour))
			}
			if i < 2 {
				require.NoError(t, n.Checkpoint(t.Context()))
			}
		}
		before := n.checkpoints.records()[0]
		log := n.log.Size()
		first, _ := n.events.Bounds()
		require.EqualValues(t, 1, first)
		disks.set(150, n)
		after := n.checkpoints.records()[0]
		assert.Greater(t, after.Index, before.Index, "a checkpoint was taken")
		assert.Less(t, n.log.Size(), log, "and the log was cut")
		first, last := n.events.Bounds()
		assert.Greater(t, first, uint64(100), "and old events went")
		assert.Less(t, first, last)
	})
}

func TestALeaderWithoutSpaceHandsOverOnce(t *testing.T) {
	t.Parallel()
	disks := &smallDisks{free: map[string]int64{}}
	inBubble(t, 3, disks.tune, func(t *testing.T, c *cluster) {
		old := c.leader()
		c.stock(old, 100, "A")
		time.Sleep(2 * time.Second)
		disks.set(10, old)
		next := c.leader(old)
		time.Sleep(2 * time.Second)
		require.Nil(t, old.lead.Load())
		assert.False(t, readyLine(old, "disk").OK)
		for _, n := range c.nodes { // also by the node without space, which goes on replicating
			c.accept(n, reserve(newID(), "A", 1, time.Hour))
		}
		c.sameDigests()

		third := c.follower(next)
		if third == old {
			for _, n := range c.nodes {
				if n != old && n != next {
					third = n
				}
			}
		}
		// All are short now: nobody is better than the leader, who keeps the lead and refuses.
		term := next.raft().CurrentTerm()
		disks.set(150, third)
		disks.set(10, next)
		time.Sleep(10 * time.Minute)
		assert.Equal(t, term, next.raft().CurrentTerm(), "no ping-pong")
		assert.Same(t, next, c.leader())
		for _, n := range c.nodes {
			_, err := n.Submit(t.Context(), keyed("no"))
			var full *DiskFullError
			require.ErrorAs(t, err, &full, n.name)
			assert.Equal(t, &DiskFullError{Node: next.name, Free: 10 << 20, Needed: 100 << 20}, full)
		}
		disks.set(900, old)
		time.Sleep(2 * time.Second)
		assert.Same(t, old, c.leader(next), "the first that has space")
		c.accept(old, reserve("yes", "A", 1, time.Hour))
	})
}

func TestReservesNeedAMajorityWithSpace(t *testing.T) {
	t.Parallel()
	disks := &smallDisks{free: map[string]int64{}}
	inBubble(t, 3, disks.tune, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 100, "A")
		c.accept(leader, reserve("r1", "A", 1, time.Hour))
		_, err := leader.Submit(t.Context(), keyed("remembered"))
		require.NoError(t, err)
		var others []*node
		for _, n := range c.nodes {
			if n != leader {
				others = append(others, n)
			}
		}
		disks.set(10, others[0])
		c.accept(leader, reserve("r2", "A", 1, time.Hour)) // two of three have space
		disks.set(10, others[1])
		for _, n := range c.nodes {
			_, err := n.Submit(t.Context(), keyed("no"))
			assert.Equal(t, "disk-full", code(err), n.name)
			r, err := n.Submit(t.Context(), keyed("remembered"))
			require.NoError(t, err, n.name)
			assert.True(t, r.Replayed)
			n.SubmitAll(t.Context(), []engine.Op{keyed("remembered")},
				func(_ int, r engine.Result, err error) {
					assert.NoError(t, err, n.name)
					assert.True(t, r.Replayed, n.name)
				})
		}
		assert.True(t, readyLine(leader, "disk").OK, "its own disk is well")
		// A reserve and a release of two callers in one forwarded batch: only one is refused.
		from := others[0]
		from.batcher.mu.Lock()
		b, at, _ := from.batcher.putLocked(from.machine.encode(keyed("no")), 0)
		_, second, _ := from.batcher.putLocked(
			from.machine.encode(engine.Op{Command: &engine.Release{ID: "r1"}}), 0)
		from.batcher.nudgeLocked()
		from.batcher.mu.Unlock()
		require.NoError(t, b.wait(t.Context()))
		var r engine.Result
		assert.Equal(t, "disk-full", code(b.result(at, keyed("no").Command, &r)))
		require.NoError(t, b.result(second, &engine.Release{}, &r))
		assert.Equal(t, engine.Accepted, r.Refusal)

		disks.set(900, others[1])
		c.accept(others[0], reserve("r3", "A", 1, time.Hour))
		c.kill(others[1]) // now the one without space is needed for every yes
		time.Sleep(silentAfter + askEvery)
		_, err = leader.Submit(t.Context(), keyed("no"))
		assert.Equal(t, "disk-full", code(err))
		c.accept(leader, &engine.Release{ID: "r3"})
		disks.set(900, others[0])
		c.accept(leader, reserve("r4", "A", 1, time.Hour))
	})
}

func TestTheBallastIsMadeAndGivenBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, ballastFile)
	var lines lineWriter
	keep := func(bytes, free int64) int64 {
		keepBallast(dir, bytes, DiskSpace{Free: free, Total: 100 << 20}, 8<<20, lines.logger())
		info, err := os.Stat(path)
		if err != nil {
			require.ErrorIs(t, err, os.ErrNotExist)
			return 0
		}
		return info.Size()
	}
	assert.Zero(t, keep(0, 90<<20))
	assert.Zero(t, keep(2<<20, 11<<20-1), "not below an eighth above the first mark")
	assert.Contains(t, lines.String(), "no room for the ballast")
	assert.EqualValues(t, 2<<20, keep(2<<20, 11<<20))
	used, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Len(t, used, 2<<20)
	assert.EqualValues(t, 1<<20, keep(-1, 90<<20), "a hundredth")
	require.NoError(t, os.Truncate(path, 17)) // as a crash may leave it
	assert.EqualValues(t, 1<<20, keep(-1, 90<<20))
	freed, err := FreeBallast(dir)
	require.NoError(t, err)
	assert.EqualValues(t, 1<<20, freed)
	assert.NoFileExists(t, path)
	freed, err = FreeBallast(dir)
	require.NoError(t, err)
	assert.Zero(t, freed)
	keep(1<<20, 90<<20)
	assert.Zero(t, keep(0, 90<<20), "0 is none")
	_, err = FreeBallast(filepath.Join(path, "x"))
	assert.NoError(t, err)
}

var lastID atomic.Int64

func newID() string { return fmt.Sprint("id-", lastID.Add(1)) }
