package raftstore

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// staleValues opens a folder of bodies whose oldest files of values nothing names any more, in whose newest two
// a tenth is named still: versions up to 51 of 20 bodies.
func staleValues(t *testing.T, c BodyConfig) (s *BodyStore, stale string) {
	t.Helper()
	open := func() {
		var err error
		s, err = OpenBodies(c)
		require.NoError(t, err)
		s.badger.Load().SetDiscardTs(50)
	}
	for v := uint64(1); v <= 50; v++ {
		if v%10 == 1 { // a table each, so that there is something to merge
			open()
		}
		s.Put(v, bigBodies(v))
		if v%10 == 0 {
			require.NoError(t, s.Flush(v, 0))
			require.NoError(t, s.Close())
		}
	}
	open()
	t.Cleanup(func() { _ = s.Close() })
	paths, err := valueFiles(c.Dir)
	require.NoError(t, err)
	require.NoError(t, s.badger.Load().Flatten(1))
	s.Put(51, bigBodies(51)[:10])
	return s, paths[0]
}

func bigBodies(v uint64) (bodies []engine.Body) {
	for i := range 20 {
		bodies = append(bodies, aBody(i, strings.Repeat(fmt.Sprint(v, " "), 4<<10)))
	}
	return bodies
}

func requireNewest(t *testing.T, s *BodyStore) {
	t.Helper()
	for i := range 20 {
		v := uint64(50)
		if i < 10 {
			v = 51
		}
		requireBody(t, s, i, v, string(bigBodies(v)[i].Value))
	}
}

// TestRoomOfOldValuesIsGivenBack also holds that a file of values stays until what was still named of it is
// synced elsewhere.
func TestRoomOfOldValuesIsGivenBack(t *testing.T) {
	t.Parallel()
	dir, synced := t.TempDir(), false
	s, stale := staleValues(t, BodyConfig{Dir: dir})
	before := valueBytes(dir)
	require.Greater(t, before, int64(10<<20))
	s.cfg.step = func(name string) error {
		if name == "sync cleaned" {
			synced = true
			assert.FileExists(t, stale, "nothing of what was copied is synced yet")
		}
		return nil
	}
	require.NoError(t, s.Flush(51, 51))
	require.True(t, synced)
	assert.NoFileExists(t, stale)
	assert.Less(t, valueBytes(dir), before/8)
	requireNewest(t, s)
	require.NoError(t, s.Close())
	s, err := OpenBodies(BodyConfig{Dir: dir})
	require.NoError(t, err)
	requireNewest(t, s)
	require.NoError(t, s.Close())
}

func TestAFileOfValuesStaysWhileTheDiskFails(t *testing.T) {
	t.Parallel()
	s, stale := staleValues(t, BodyConfig{Dir: t.TempDir()})
	s.cfg.step = func(name string) error {
		if name == "sync cleaned" {
			return errors.New("the disk fails")
		}
		return nil
	}
	require.NoError(t, s.Flush(51, 51))
	assert.FileExists(t, stale)
	requireNewest(t, s)
	s.cfg.step = nil
	s.Put(52, bigBodies(52)[:1])
	require.NoError(t, s.Flush(52, 51))
	requireBody(t, s, 0, 52, string(bigBodies(52)[0].Value))
}

// TestADamagedFileOfValuesIsNotCleaned: what stands behind the damage would be dropped with it.
func TestADamagedFileOfValuesIsNotCleaned(t *testing.T) {
	t.Parallel()
	s, stale := staleValues(t, BodyConfig{Dir: t.TempDir()})
	f, err := os.OpenFile(stale, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("damage"), 100_000)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, s.Flush(51, 51))
	assert.FileExists(t, stale)
	requireNewest(t, s)
	_, err = s.proveValues(cleanFiles)
	var corrupt *CorruptError
	require.ErrorAs(t, err, &corrupt)
	assert.Equal(t, stale, corrupt.File)
}
