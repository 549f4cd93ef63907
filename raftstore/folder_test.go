package raftstore

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func openTestFolder(t *testing.T, dir, node string) *Folder {
	t.Helper()
	f, err := OpenFolder(dir, node)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, f.Close()) })
	return f
}

func TestFolderIsMadeAndFoundAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	f := openTestFolder(t, dir, "n1")
	folder := f.Identity().Folder
	assert.Len(t, folder, 32)
	assert.Equal(t, Identity{Node: "n1", Incarnation: 1, Format: 1, Folder: folder}, f.Identity())
	assert.Equal(t, "n1.1", string(f.RaftID()))
	for _, path := range []string{f.LogDir(), f.CheckpointDir(), f.EventDir(), f.BodyDir()} {
		assert.DirExists(t, path)
	}
	require.NoError(t, f.SetClusterID("c1"))
	require.NoError(t, f.SetClusterID("c1"))
	require.NoError(t, f.Close())
	require.NoError(t, f.Close(), "Close is idempotent")

	f = openTestFolder(t, dir, "n1")
	assert.Equal(t, "c1", f.Identity().ClusterID)
	var foreign *ForeignClusterError
	require.ErrorAs(t, f.SetClusterID("c2"), &foreign)
	assert.Equal(t, filepath.Join(dir, "IDENTITY"), foreign.File)
	assert.Equal(t, "c1", f.Identity().ClusterID)
}

func TestSecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := openTestFolder(t, dir, "n1")
	_, err := OpenFolder(dir, "n1")
	var locked *LockedError
	require.ErrorAs(t, err, &locked)
	assert.Equal(t, filepath.Join(dir, "LOCK"), locked.File)
	assert.ErrorContains(t, err, "another holdfast has this folder")
	assert.ErrorContains(t, err, "node n1")
	require.NoError(t, f.Close())
	openTestFolder(t, dir, "n1")
}

func TestForeignFolderIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, openTestFolder(t, dir, "n1").Close())
	for range 2 { // a refused open leaves no lock
		_, err := OpenFolder(dir, "n2")
		var foreign *ForeignFolderError
		require.ErrorAs(t, err, &foreign)
		assert.Equal(t, ForeignFolderError{
			File: filepath.Join(dir, "IDENTITY"), Found: "n1", Want: "n2"}, *foreign)
		assert.ErrorContains(t, err, `node "n1", not of node "n2"`)
	}
	openTestFolder(t, dir, "n1")
}

func TestBadIdentityIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, openTestFolder(t, dir, "n1").Close())
	path := filepath.Join(dir, "IDENTITY")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for at := range text {
		flipByte(t, path, int64(at))
		_, err := OpenFolder(dir, "n1")
		var bad *CorruptError
		require.ErrorAs(t, err, &bad, "byte %d", at)
		assert.Equal(t, path, bad.File)
		flipByte(t, path, int64(at))
	}
	require.NoError(t, os.Remove(path))
	_, err = OpenFolder(dir, "n1")
	assert.ErrorContains(t, err, path+" is damaged: it is missing, but there is data in log")
}

func TestCrashWhileTheFolderIsMade(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "LOCK"), []byte("pid 1"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "IDENTITY.tmp"), []byte("half"), 0o600))
	f := openTestFolder(t, dir, "n1")
	assert.Equal(t, uint64(1), f.Identity().Incarnation)
}

func TestNodeNameIsAWord(t *testing.T) {
	t.Parallel()
	for _, node := range []string{"", "a b", "a.b", "../x", "a\n"} {
		_, err := OpenFolder(t.TempDir(), node)
		assert.ErrorContains(t, err, "node name", "%q", node)
	}
}
