package raftstore

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// reserveSome reserves one unit n times and returns the ids.
func reserveSome(t *testing.T, s *Store, name string, n int) (ids []string) {
	t.Helper()
	for i := range n {
		id := fmt.Sprint(name, i)
		r, err := s.Submit(t.Context(), engine.Op{Command: reserve(id, "A", 1, time.Hour)})
		require.NoError(t, err)
		require.Equal(t, engine.Accepted, r.Refusal)
		ids = append(ids, id)
	}
	return ids
}

// TestCrashAtEveryStepOfAnInstall installs a checkpoint on the files of a node that is behind, takes
// an image of its whole folder before each step and behind the last, and starts a node on each.
func TestCrashAtEveryStepOfAnInstall(t *testing.T) {
	t.Parallel()
	nodes := realNodes(t, 1, func(c *Config) { c.LogSegmentBytes = minSegmentBytes })
	n := nodes[0]
	leading(t, nodes)
	define(t, n.Store, 1_000_000)
	early := reserveSome(t, n.Store, "early", 20)
	require.NoError(t, n.Checkpoint(t.Context()))
	early = append(early, reserveSome(t, n.Store, "tail", 5)...)
	n.kill(t)
	conf := n.conf
	conf.Dir, conf.Raft = copyTree(t, n.conf.Dir), "127.0.0.1:0"

	n.start(t)
	leading(t, nodes)
	late := reserveSome(t, n.Store, "late", 50)
	require.NoError(t, n.Checkpoint(t.Context()))
	list, err := n.parts.checkpoints.List()
	require.NoError(t, err)
	meta, stream, err := n.parts.checkpoints.Open(list[0].ID)
	require.NoError(t, err)
	text, err := io.ReadAll(stream)
	require.NoError(t, err)
	require.NoError(t, stream.Close())

	type image struct{ step, dir string }
	var images []image
	look := func(step string) error {
		images = append(images, image{step, copyTree(t, conf.Dir)})
		return nil
	}
	install(t, conf, meta, text, look)

	var steps []string
	installed := false
	for _, im := range images {
		steps = append(steps, im.step)
		installed = installed || im.step == "current: sync folder"
		proof, err := VerifyFolder(t.Context(), im.dir)
		require.NoError(t, err)
		require.True(t, proof.Starts, "%s: %+v", im.step, proof)
		again := &realNode{conf: conf}
		again.conf.Dir = im.dir
		again.start(t)
		leading(t, []*realNode{again})
		holds(t, again.Store, early)
		if installed {
			holds(t, again.Store, late)
			assert.False(t, again.complete(), im.step)
		}
		before := again.machine.lastEvent()
		reserveSome(t, again.Store, "again", 1)
		first, last := again.machine.events.Bounds()
		assert.Equal(t, again.machine.lastEvent(), last, im.step)
		if installed {
			assert.Equal(t, before+1, first, "%s: what is in front is elsewhere", im.step)
		} else {
			assert.EqualValues(t, 1, first, im.step)
		}
		again.kill(t)
	}
	assert.Equal(t, []string{
		"write blocks", "sync files", "current: write beside", "current: sync beside",
		"current: rename", "current: sync folder", "delete old folders",
		"events: missing", "events: set aside", "events: segment", "events: end",
		"delete the log", "end",
	}, steps)
}

// install does to the files of a node that does not run what raft does when a checkpoint comes.
func install(t *testing.T, conf Config, meta *raft.SnapshotMeta, text []byte,
	look func(step string) error) {
	t.Helper()
	conf = conf.WithDefaults()
	var p parts
	s := newStore(conf)
	s.disk.space = diskSpaceOf
	_, err := p.openDisk(conf, s)
	require.NoError(t, err)
	defer func() { require.NoError(t, p.close()) }()
	s.machine.events, s.machine.checkpoints, s.machine.bodies = p.events, p.checkpoints, p.bodies
	require.NoError(t, s.machine.adopt(p.ledger, p.meta))
	p.checkpoints.(*CheckpointStore).cfg.step = look
	p.events.(*EventFiles).cfg.step = look
	sink, err := p.checkpoints.Create(meta.Version, meta.Index, meta.Term, meta.Configuration,
		meta.ConfigurationIndex, nil)
	require.NoError(t, err)
	_, err = io.Copy(struct{ io.Writer }{sink}, bytes.NewReader(text))
	require.NoError(t, err)
	require.NoError(t, sink.Close())
	_, stream, err := p.checkpoints.Open(sink.ID())
	require.NoError(t, err)
	require.NoError(t, s.machine.Restore(stream))
	require.NoError(t, stream.Close())
	require.NoError(t, look("delete the log"))
	have, err := logRange(p.log)
	require.NoError(t, err)
	require.NoError(t, p.log.DeleteRange(have.first, have.last))
	require.NoError(t, look("end"))
}

// TestAFollowerThatWasAwayCatchesUpUnderLoad keeps a node away for longer than the log reaches, on
// real files, and lets it back while the others are busy.
func TestAFollowerThatWasAwayCatchesUpUnderLoad(t *testing.T) {
	t.Parallel()
	nodes := realNodes(t, 3, func(c *Config) {
		c.LogSegmentBytes, c.CheckpointBytes = 256<<10, 128<<10
	})
	leader := leading(t, nodes)
	define(t, leader.Store, 10_000_000)
	var away *realNode
	var rest []*realNode
	for _, n := range nodes {
		if n != leader && away == nil {
			away = n
			continue
		}
		rest = append(rest, n)
	}
	reserveSome(t, leader.Store, "before", 20)
	left := away.machine.applied.Load()
	away.kill(t)

	stop := make(chan struct{})
	wait := reserving(rest, 16, stop)
	var phase atomic.Int32 // 0: one is away, 1: it is back
	measured := measure(leader.Store, stop, &phase)
	gone := func() bool {
		leader.trailLittle(t)
		first, err := leader.parts.log.FirstIndex()
		return err == nil && first > left+64 // more than it can have had and not applied
	}
	require.Eventually(t, gone, 60*time.Second, 20*time.Millisecond)
	phase.Store(1)
	away.start(t)
	require.Eventually(t, func() bool { return away.machine.applied.Load() > left+50 },
		60*time.Second, 5*time.Millisecond)
	require.Eventually(t, func() bool { return away.behind() == 0 }, 60*time.Second, time.Millisecond)
	installed, ok := away.parts.checkpoints.Newest()
	require.True(t, ok)
	assert.True(t, installed.Index > left)
	close(stop)
	ids := wait()
	require.NotEmpty(t, ids)
	took := measured()
	for i, when := range []string{"while it is away", "while it comes back"} {
		if n := len(took[i]); n > 0 { // for the reader: this machine has other things to do
			slices.Sort(took[i])
			t.Logf("%s: %d writes, p50 %v, p99 %v", when, n, took[i][n/2], took[i][n*99/100])
		}
	}
	require.Eventually(t, func() bool {
		_, _, err := away.Read(t.Context(), false, 0, func(*engine.Ledger) bool { return false })
		return err == nil && away.complete()
	}, 60*time.Second, 10*time.Millisecond)
	holds(t, away.Store, ids)
	assert.GreaterOrEqual(t, counted(t, away.metrics.reopened), 1)

	away.kill(t) // the files are what the others' are, to the byte, up to where both have synced
	mine := filepath.Join(away.conf.Dir, eventFolder)
	theirs := filepath.Join(leader.conf.Dir, eventFolder)
	require.NoError(t, leader.Checkpoint(t.Context()))
	first, err := os.ReadFile(segmentPath(mine, 1))
	require.NoError(t, err)
	same, err := os.ReadFile(segmentPath(theirs, 1))
	require.NoError(t, err)
	n := min(len(first), len(same))
	require.Greater(t, n, segmentHeaderBytes)
	assert.True(t, bytes.Equal(first[:n], same[:n]))
	away.start(t)
	leading(t, nodes)
}

// measure writes one after the other until stop is closed, and returns how long each took, by phase.
func measure(s *Store, stop chan struct{}, phase *atomic.Int32) func() [2][]time.Duration {
	var took [2][]time.Duration
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			began, at := time.Now(), phase.Load()
			id := fmt.Sprint("measured", i)
			_, err := s.Submit(context.Background(),
				engine.Op{Command: reserve(id, "A", 1, time.Hour)})
			if err == nil {
				took[at] = append(took[at], time.Since(began))
			}
		}
	}()
	return func() [2][]time.Duration {
		<-done
		return took
	}
}

// trailLittle makes the next checkpoints leave next to no log behind.
func (n *realNode) trailLittle(t *testing.T) {
	t.Helper()
	c := n.raft().ReloadableConfig()
	c.TrailingLogs = 1
	require.NoError(t, n.raft().ReloadConfig(c))
	_ = n.raft().Snapshot().Error() // there may be nothing new
}
