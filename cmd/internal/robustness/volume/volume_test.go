package volume

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// volume is a file system of its own; the test is skipped where none can be made.
func volume(t *testing.T) *Volume {
	t.Helper()
	v, err := New(t.TempDir(), "v", 64<<20)
	if err != nil {
		t.Skip("no file systems of our own here:", err)
	}
	t.Cleanup(func() { assert.NoError(t, v.Remove()) })
	return v
}

func write(t *testing.T, path string, data []byte, sync bool) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	_, err = f.Write(data)
	require.NoError(t, err)
	if sync {
		require.NoError(t, f.Sync())
		dir, err := os.Open(filepath.Dir(path))
		require.NoError(t, err)
		require.NoError(t, dir.Sync())
		require.NoError(t, dir.Close())
	}
	require.NoError(t, f.Close())
}

// TestPowerCutKeepsWhatWasSynced and loses the rest: without that, no cut would show anything.
func TestPowerCutKeepsWhatWasSynced(t *testing.T) {
	t.Parallel()
	v := volume(t)
	kept, lost := bytes.Repeat([]byte{1}, 10_000), bytes.Repeat([]byte{2}, 10_000)
	write(t, filepath.Join(v.Dir, "kept"), kept, true)
	write(t, filepath.Join(v.Dir, "lost"), lost, false)
	cut, err := v.Snapshot()
	require.NoError(t, err)
	write(t, filepath.Join(v.Dir, "later"), lost, true)
	require.NoError(t, v.Replace(cut))

	got, err := os.ReadFile(filepath.Join(v.Dir, "kept"))
	require.NoError(t, err)
	assert.Equal(t, kept, got)
	got, _ = os.ReadFile(filepath.Join(v.Dir, "lost")) // its name may be there, or not
	assert.NotEqual(t, lost, got)
	assert.NoFileExists(t, filepath.Join(v.Dir, "later"), "it came behind the cut")
}

func TestFrozenDiskAnswersNoWrite(t *testing.T) {
	t.Parallel()
	v := volume(t)
	path := filepath.Join(v.Dir, "file")
	write(t, path, []byte("x"), true)
	require.NoError(t, v.Freeze())
	wrote := make(chan error, 1)
	go func() { wrote <- os.WriteFile(path, []byte("y"), 0o600) }()
	select {
	case err := <-wrote:
		t.Errorf("the write came back: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	require.NoError(t, v.Thaw())
	require.NoError(t, v.Thaw(), "nothing is frozen any more")
	assert.NoError(t, <-wrote)
}

func TestFullDiskTakesNothing(t *testing.T) {
	t.Parallel()
	v := volume(t)
	require.NoError(t, v.Fill(64<<10))
	big := make([]byte, 1<<20)
	assert.ErrorIs(t, os.WriteFile(filepath.Join(v.Dir, "big"), big, 0o600), unix.ENOSPC)
	require.NoError(t, v.Drain())
	assert.NoError(t, os.WriteFile(filepath.Join(v.Dir, "big"), big, 0o600))
}

func TestPlainFolderHasNoFaults(t *testing.T) {
	t.Parallel()
	v, err := Plain(t.TempDir(), "v")
	require.NoError(t, err)
	assert.ErrorIs(t, v.Freeze(), errPlain)
	assert.ErrorIs(t, v.Fill(0), errPlain)
	_, err = v.Snapshot()
	assert.ErrorIs(t, err, errPlain)
	assert.NoError(t, v.Thaw())
	assert.NoError(t, v.Drain())
	assert.NoError(t, v.Remove())
	assert.NoDirExists(t, v.Dir)
}

// TestMutationChangesOneFile, whatever is drawn, and the saved copy brings it back.
func TestMutationChangesOneFile(t *testing.T) {
	t.Parallel()
	v, err := Plain(t.TempDir(), "v")
	require.NoError(t, err)
	files := map[string][]byte{
		"IDENTITY": []byte("holdfast identity\n{}"), "log/0001.wal": make([]byte, 8192),
		"checkpoints/ckpt-1/1.sst": bytes.Repeat([]byte{7}, 9000),
	}
	copy(files["log/0001.wal"], "frames")
	saved := filepath.Join(t.TempDir(), "saved")
	for seed := range uint64(40) {
		for name, data := range files {
			path := filepath.Join(v.Dir, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
			require.NoError(t, os.WriteFile(path, data, 0o600))
		}
		require.NoError(t, os.WriteFile(filepath.Join(v.Dir, "LOCK"), []byte("pid"), 0o600))
		require.NoError(t, v.Save(saved))
		d, err := Mutate(v.Dir, func(string) bool { return true }, rand.New(rand.NewPCG(seed, 0)))
		require.NoError(t, err)
		changed := 0
		for name, data := range files {
			got, err := os.ReadFile(filepath.Join(v.Dir, name))
			if err != nil || !bytes.Equal(got, data) {
				changed++
				assert.Equal(t, name, d.File)
			}
		}
		assert.LessOrEqual(t, changed, 1, "a page of zeros that is zeroed is as it was")
		require.NoError(t, v.Restore(saved))
		for name, data := range files {
			got, err := os.ReadFile(filepath.Join(v.Dir, name))
			require.NoError(t, err)
			assert.Equal(t, data, got)
		}
	}
}
