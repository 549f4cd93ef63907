package raftstore

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func testOwner() Owner { return Owner{ClusterID: "c1", Incarnation: 1} }

func testCheckpointConfig(dir string) CheckpointConfig {
	return CheckpointConfig{Dir: dir, Owner: testOwner, load: loadFake}
}

func openTestCheckpoints(t *testing.T, c CheckpointConfig) *CheckpointStore {
	t.Helper()
	s, err := OpenCheckpoints(c)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

func TestCheckpointStoreConformance(t *testing.T) {
	t.Parallel()
	RunCheckpointsConformance(t, func() *checkpointHarness {
		return &checkpointHarness{
			open: func(t *testing.T) Checkpoints {
				return openTestCheckpoints(t, testCheckpointConfig(t.TempDir()))
			},
			reopen: func(t *testing.T, c Checkpoints) Checkpoints {
				require.NoError(t, c.Close())
				return openTestCheckpoints(t, c.(*CheckpointStore).cfg)
			},
		}
	})
}

func TestMemCheckpointsConformance(t *testing.T) {
	t.Parallel()
	RunCheckpointsConformance(t, func() *checkpointHarness {
		return &checkpointHarness{
			open: func(t *testing.T) Checkpoints {
				c := NewMemCheckpoints()
				c.load = loadFake
				return c
			},
			reopen: func(t *testing.T, c Checkpoints) Checkpoints {
				return c.(*MemCheckpoints).Reopen()
			},
		}
	})
}

func copyTree(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "image")
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
	return to
}

// TestCrashAtEveryStep takes an image of the folder before each step of a checkpoint and after the
// last, and starts a node on each.
func TestCrashAtEveryStep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := testCheckpointConfig(dir)
	type image struct{ step, dir string }
	var images []image
	s := openTestCheckpoints(t, c)
	for i := uint64(1); i <= 2; i++ {
		blocks, digest := fakeBlocks(20, "old")
		writeCheckpoint(t, s, i*10, blocks, digest)
	}
	_, oldDigest := fakeBlocks(20, "old")
	blocks, newDigest := fakeBlocks(40, "new")
	s.cfg.step = func(name string) error {
		images = append(images, image{name, copyTree(t, dir)})
		return nil
	}
	writeCheckpoint(t, s, 30, blocks, newDigest)
	images = append(images, image{"end", copyTree(t, dir)})

	var steps []string
	renamed := false
	for _, im := range images {
		steps = append(steps, im.step)
		renamed = renamed || im.step == "current: sync folder"
		c.Dir = im.dir
		s := openTestCheckpoints(t, c)
		want, digest, floor := uint64(20), oldDigest, uint64(10)
		if renamed {
			want, digest, floor = 30, newDigest, 20
		}
		requireLoads(t, s, want, digest)
		assert.Equal(t, floor, s.Floor(), im.step)
		entries, err := os.ReadDir(im.dir)
		require.NoError(t, err)
		assert.Len(t, entries, 3, "%s: two checkpoints and CURRENT: %v", im.step, entries)
		writeCheckpoint(t, s, 30, blocks, newDigest) // the node makes it again
		requireLoads(t, s, 30, newDigest)
		require.NoError(t, s.Close())
	}
	assert.Equal(t, []string{
		"write blocks", "sync files", "current: write beside", "current: sync beside",
		"current: rename", "current: sync folder", "delete old folders", "end",
	}, steps)
}

// TestFailedCurrentKeepsBoth lets the replacement of CURRENT fail at each of its steps.
func TestFailedCurrentKeepsBoth(t *testing.T) {
	t.Parallel()
	sick := errors.New("sick")
	for _, step := range []string{"write beside", "sync beside", "rename", "sync folder"} {
		c := testCheckpointConfig(t.TempDir())
		s := openTestCheckpoints(t, c)
		blocks, digest := fakeBlocks(5, "x")
		writeCheckpoint(t, s, 10, blocks, digest)
		s.cfg.step = func(name string) error {
			if name == "current: "+step {
				return sick
			}
			return nil
		}
		sink := createSink(t, s, 20, 1)
		sink.SetLedger(0, EventMark{})
		require.ErrorIs(t, sink.Close(), sick)
		requireLoads(t, s, 10, digest)
		require.NoError(t, s.Close())

		again := openTestCheckpoints(t, c)
		want := uint64(10)
		if step == "sync folder" {
			want = 20
		}
		_, m, err := again.Load()
		require.NoError(t, err, step)
		assert.Equal(t, want, m.Index, step)
		require.NoError(t, again.Close())

		s = openTestCheckpoints(t, c)
		writeCheckpoint(t, s, 30, blocks, digest)
		requireLoads(t, s, 30, digest)
	}
}

func flipByte(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	require.NoError(t, err)
	b[0] ^= 0x40
	_, err = f.WriteAt(b[:], at)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestBadCurrentIsNamed(t *testing.T) {
	t.Parallel()
	c := testCheckpointConfig(t.TempDir())
	s := openTestCheckpoints(t, c)
	writeCheckpoint(t, s, 10, nil, 0)
	require.NoError(t, s.Close())
	path := filepath.Join(c.Dir, currentFile)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for at := 0; at < len(text); at += 7 {
		flipByte(t, path, int64(at))
		_, err := OpenCheckpoints(c)
		var bad *CorruptError
		require.ErrorAs(t, err, &bad, "byte %d", at)
		assert.Equal(t, path, bad.File)
		flipByte(t, path, int64(at))
	}
	require.NoError(t, os.Truncate(path, int64(len(text)/2)))
	_, err = OpenCheckpoints(c)
	assert.ErrorContains(t, err, path)
	require.NoError(t, os.Remove(path))
	_, err = OpenCheckpoints(c)
	assert.ErrorContains(t, err, path+" is damaged: it is missing")
}

func TestForeignCheckpointsAreRefused(t *testing.T) {
	t.Parallel()
	c := testCheckpointConfig(t.TempDir())
	c.Owner = func() Owner { return Owner{Incarnation: 1} } // the cluster's id is not known yet
	s := openTestCheckpoints(t, c)
	writeCheckpoint(t, s, 10, nil, 0)
	require.NoError(t, s.Close())
	c.Owner = testOwner
	s = openTestCheckpoints(t, c)
	writeCheckpoint(t, s, 20, nil, 0)
	require.NoError(t, s.Close())
	for _, other := range []Owner{{"c2", 1}, {"c1", 2}} {
		c.Owner = func() Owner { return other }
		_, err := OpenCheckpoints(c)
		var foreign *ForeignClusterError
		require.ErrorAs(t, err, &foreign)
		assert.Equal(t, filepath.Join(c.Dir, currentFile), foreign.File)
	}
}

// TestBadFilesFallBack damages each file of the newest checkpoint in turn.
func TestBadFilesFallBack(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	c := testCheckpointConfig(t.TempDir())
	c.Logger = slog.New(slog.NewTextHandler(&said, nil))
	s := openTestCheckpoints(t, c)
	blocks, digest := fakeBlocks(800, "x")
	writeCheckpoint(t, s, 10, blocks, digest)
	newest := filepath.Join(c.Dir, writeCheckpoint(t, s, 20, blocks, digest))
	require.NoError(t, s.Close())
	files, err := os.ReadDir(newest)
	require.NoError(t, err)
	tables := 0
	for _, f := range files {
		path := filepath.Join(newest, f.Name())
		info, err := f.Info()
		require.NoError(t, err)
		if strings.HasSuffix(path, ".sst") {
			tables++
		}
		for _, at := range []int64{0, info.Size() / 2, info.Size() - 1} {
			flipByte(t, path, at)
			said.Reset()
			s := openTestCheckpoints(t, c)
			requireLoads(t, s, 10, digest)
			assert.Contains(t, said.String(), path)
			_, m, err := s.Load()
			require.NoError(t, err)
			assert.Equal(t, uint64(10), m.Index)
			require.NoError(t, s.Close())
			flipByte(t, path, at)
		}
	}
	assert.Positive(t, tables)
	s = openTestCheckpoints(t, c)
	requireLoads(t, s, 20, digest)
	id := filepath.Base(newest)
	flipByte(t, filepath.Join(newest, "MANIFEST"), 9)
	_, _, err = s.Open(id)
	var bad *CorruptError
	require.ErrorAs(t, err, &bad, "what is damaged is not sent to a follower")
	requireLoads(t, s, 10, digest)
	require.DirExists(t, newest)
	writeCheckpoint(t, s, 30, blocks, digest)
	require.NoDirExists(t, newest)
	requireLoads(t, s, 30, digest)
}

func TestNoGoodCheckpointNamesTheFiles(t *testing.T) {
	t.Parallel()
	c := testCheckpointConfig(t.TempDir())
	s := openTestCheckpoints(t, c)
	blocks, digest := fakeBlocks(8, "x")
	var paths []string
	for i := uint64(1); i <= 2; i++ {
		id := writeCheckpoint(t, s, i, blocks, digest)
		paths = append(paths, filepath.Join(c.Dir, id, "MANIFEST"))
		require.NoError(t, os.Remove(paths[i-1]))
	}
	_, _, err := s.Load()
	var bad *CorruptError
	require.ErrorAs(t, err, &bad)
	assert.ErrorContains(t, err, paths[0])
	assert.ErrorContains(t, err, paths[1])
	assert.NotErrorIs(t, err, ErrNoCheckpoint)
}

func TestFullDiskStopsACheckpointOnly(t *testing.T) {
	t.Parallel()
	c := testCheckpointConfig(t.TempDir())
	free := int64(1 << 40)
	c.free = func(string) (int64, error) { return free, nil }
	s := openTestCheckpoints(t, c)
	blocks, digest := fakeBlocks(5, "x")
	writeCheckpoint(t, s, 10, blocks, digest)
	sink := createSink(t, s, 20, 1)
	free = 1 << 20
	big := blocks[4]
	big.Value = make([]byte, spaceCheckBytes)
	require.ErrorIs(t, sink.WriteBlock(big), ErrDiskFull)
	require.NoError(t, sink.Cancel())
	_, err := s.Create(raft.SnapshotVersionMax, 20, 1, testConfiguration, 1, nil)
	require.ErrorIs(t, err, ErrDiskFull)
	requireLoads(t, s, 10, digest)
	names, err := s.folders()
	require.NoError(t, err)
	assert.Len(t, names, 1)
}

func TestCheckpointConfigNamesEveryFault(t *testing.T) {
	t.Parallel()
	_, err := OpenCheckpoints(CheckpointConfig{})
	assert.ErrorContains(t, err, "Dir")
	assert.ErrorContains(t, err, "Owner")
}

func TestFloorWaitsForTheReader(t *testing.T) {
	t.Parallel()
	s := openTestCheckpoints(t, testCheckpointConfig(t.TempDir()))
	id := writeCheckpoint(t, s, 10, nil, 0)
	_, one, err := s.Open(id)
	require.NoError(t, err)
	_, two, err := s.Open(id)
	require.NoError(t, err)
	for i := uint64(2); i <= 5; i++ {
		writeCheckpoint(t, s, i*10, nil, 0)
	}
	assert.Equal(t, uint64(10), s.Floor())
	require.NoError(t, one.Close())
	assert.Equal(t, uint64(10), s.Floor())
	assert.DirExists(t, filepath.Join(s.cfg.Dir, id))
	require.NoError(t, two.Close())
	assert.Equal(t, uint64(40), s.Floor())
	assert.NoDirExists(t, filepath.Join(s.cfg.Dir, id))
}
