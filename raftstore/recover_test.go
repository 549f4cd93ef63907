package raftstore

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const lostCluster = "00112233445566778899aabbccddeeff"

// beginAnew recovers dir for n3 once.
func beginAnew(t *testing.T, dir string, incarnation uint64) (kept string, err error) {
	t.Helper()
	f, err := OpenLostFolder(dir, "n3")
	require.NoError(t, err)
	kept, err = f.BeginAnew(Recovery{Node: "n3", Incarnation: incarnation, Cluster: lostCluster})
	require.NoError(t, f.Close())
	return kept, err
}

func identityIn(t *testing.T, dir string) (id Identity) {
	t.Helper()
	require.NoError(t, identitySeal.read(filepath.Join(dir, identityFile), &id))
	return id
}

// TestRecoverKeepsWhatWasThere recovers folders of every kind: whole, damaged, empty, not there.
func TestRecoverKeepsWhatWasThere(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"whole":            func(*testing.T, string) {},
		"damaged IDENTITY": func(t *testing.T, dir string) { scribble(t, filepath.Join(dir, identityFile)) },
		"no IDENTITY": func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, identityFile)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "d3")
			f := openTestFolder(t, dir, "n3")
			require.NoError(t, f.SetLetIn(lostCluster, 1))
			scribble(t, filepath.Join(f.LogDir(), "segment"))
			_, err := OpenLostFolder(dir, "n3")
			var locked *LockedError
			require.ErrorAs(t, err, &locked, "it runs")
			require.NoError(t, f.Close())
			spoil(t, dir)
			scribble(t, filepath.Join(dir, ballastFile))

			kept, err := beginAnew(t, dir, 2)
			require.NoError(t, err)
			assert.Equal(t, filepath.Join(dir, "lost-1"), kept)
			assert.FileExists(t, filepath.Join(kept, logFolder, "segment"))
			assert.NoFileExists(t, filepath.Join(kept, ballastFile), "it would keep the disk full")
			assert.NoFileExists(t, filepath.Join(dir, ballastFile))
			id := identityIn(t, dir)
			assert.Equal(t, Identity{Node: "n3", Incarnation: 2, Format: folderFormat,
				ClusterID: lostCluster, Folder: id.Folder}, id)
			again, err := beginAnew(t, dir, 2)
			require.NoError(t, err)
			assert.Empty(t, again)
			assert.Equal(t, id, identityIn(t, dir), "a second run does nothing")

			f = openTestFolder(t, dir, "n3")
			assert.Equal(t, "n3.2", string(f.RaftID()))
			require.NoError(t, f.SetLetIn(lostCluster, 4))
			require.NoError(t, f.Close())
			kept, err = beginAnew(t, dir, 3)
			require.NoError(t, err)
			assert.Equal(t, filepath.Join(dir, "lost-2"), kept, "what was kept before stays where it is")
		})
	}
	dir := filepath.Join(t.TempDir(), "never", "there")
	kept, err := beginAnew(t, dir, 7)
	require.NoError(t, err)
	assert.Empty(t, kept)
	assert.Equal(t, uint64(7), identityIn(t, dir).Incarnation)
}

func scribble(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
}

func TestRecoverRefusesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := openTestFolder(t, dir, "n3")
	require.NoError(t, f.SetClusterID("another"))
	require.NoError(t, f.Close())
	before := identityIn(t, dir)
	_, err := OpenLostFolder(dir, "n1")
	var node *ForeignFolderError
	require.ErrorAs(t, err, &node)
	_, err = beginAnew(t, dir, 2)
	var cluster *ForeignClusterError
	require.ErrorAs(t, err, &cluster)
	assert.Equal(t, before, identityIn(t, dir))
	assert.NoDirExists(t, filepath.Join(dir, "lost-1"))
}

// TestARecoveryThatComesToNothingLeavesNothing gives recover a folder that is not the node's, and the
// cluster says no: what was made for it goes again, and what was there stays.
func TestARecoveryThatComesToNothingLeavesNothing(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	given := func(parts ...string) {
		t.Helper()
		f, err := OpenLostFolder(filepath.Join(append([]string{root}, parts...)...), "n3")
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	given("mistyped", "d3")
	assert.NoDirExists(t, filepath.Join(root, "mistyped"))
	there := filepath.Join(root, "there")
	require.NoError(t, os.Mkdir(there, 0o750))
	given("there")
	entries, err := os.ReadDir(there)
	require.NoError(t, err)
	assert.Empty(t, entries)
	scribble(t, filepath.Join(there, lockFile))
	given("there")
	assert.FileExists(t, filepath.Join(there, lockFile), "it was there before")

	f, err := OpenLostFolder(filepath.Join(root, "used"), "n3")
	require.NoError(t, err)
	scribble(t, filepath.Join(root, "used", "somebody-elses"))
	require.NoError(t, f.Close())
	assert.FileExists(t, filepath.Join(root, "used", "somebody-elses"))
}

// TestALockThatWasTakenAwayIsNone locks a file that is not at its place any more.
func TestALockThatWasTakenAwayIsNone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), lockFile)
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	assert.True(t, isAt(f, path))
	require.NoError(t, os.Remove(path))
	assert.False(t, isAt(f, path))
	scribble(t, path)
	assert.False(t, isAt(f, path))
}
