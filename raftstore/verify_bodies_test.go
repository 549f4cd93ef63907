package raftstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// usedBodies are two folders of one node with three closed reservations and a checkpoint: as it was
// while the node ran, which is what a death leaves, and as it was closed.
func usedBodies(t *testing.T) (died, closed string) {
	t.Helper()
	n := leading(t, realNodes(t, 1, nil))
	define(t, n.Store, 10)
	submit(t, n.Store, &engine.Configure{Limits: engine.Limits{ClosedAfter: 1}})
	for _, id := range []string{"r1", "r2", "r3"} {
		submit(t, n.Store, reserve(id, "A", 1, time.Hour))
		submit(t, n.Store, &engine.Ship{ID: id})
		leaves(t, n.Store, id)
	}
	submit(t, n.Store, put(1, "order", "first"))
	submit(t, n.Store, put(1, "order", strings.Repeat("second", bodyValueBytes)))
	submit(t, n.Store, put(1, "dropped", "x"))
	submit(t, n.Store, put(2, "task", ""))
	submit(t, n.Store, &engine.Drop{Table: 1, Key: "dropped"})
	require.NoError(t, n.Checkpoint(t.Context()))
	live, err := VerifyFolder(t.Context(), n.conf.Dir)
	require.NoError(t, err)
	assert.True(t, live.Good, "%+v", live)
	assert.Contains(t, bodiesIn(live).Detail, "left out")
	died, closed = t.TempDir(), n.conf.Dir
	require.NoError(t, os.CopyFS(died, os.DirFS(closed)))
	n.kill(t)
	return died, closed
}

// bodiesIn is what a report says of the bodies.
func bodiesIn(r FolderReport) PartReport {
	for _, p := range r.Parts {
		if p.Name == "bodies" {
			return p
		}
	}
	return PartReport{}
}

func TestVerifyReadsEveryBody(t *testing.T) {
	t.Parallel()
	died, closed := usedBodies(t)
	// A process that dies while Badger makes a file of its log leaves one without bytes.
	require.NoError(t, os.WriteFile(filepath.Join(died, bodyFolder, "00099.mem"), nil, 0o600))
	for _, c := range []struct{ dir, file string }{{died, "*.mem"}, {died, "*.vlog"}, {closed, "*.sst"}, {closed, "*.vlog"}} {
		dir, file := c.dir, c.file
		r := verified(t, dir)
		require.True(t, r.Good, "%+v", r)
		p := bodiesIn(r)
		assert.Contains(t, p.Detail, "3 of reservations that have left memory, 2 of records")
		assert.Positive(t, p.Bytes)

		paths, err := filepath.Glob(filepath.Join(dir, bodyFolder, file))
		require.NoError(t, err)
		require.NotEmpty(t, paths)
		for _, path := range paths {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			if len(content) == 0 || len(bytes.TrimRight(content, "\x00")) <= valueFileHead {
				continue
			}
			used := len(bytes.TrimRight(content, "\x00"))
			// What precedes the rows of a log is a key that is not used.
			for at := 20; at < used; at += 1 + used/40 {
				changed := bytes.Clone(content)
				changed[at] ^= 0x20
				require.NoError(t, os.WriteFile(path, changed, 0o600))
				r, err := VerifyFolder(t.Context(), dir)
				require.NoError(t, err)
				assert.False(t, r.Good, "%s changed at %d of %d: %+v", file, at, used, bodiesIn(r))
				assert.False(t, bodiesIn(r).Good)
				if file != "*.mem" {
					var corrupt *CorruptError
					for range 2 { // a start that was refused changes nothing
						_, err = OpenBodies(BodyConfig{Dir: filepath.Join(dir, bodyFolder)})
					}
					require.ErrorAs(t, err, &corrupt, "a start names the file %s, %d of %d", path, at, used)
					require.Equal(t, path, corrupt.File)
				}
			}
			require.NoError(t, os.WriteFile(path, content, 0o600))
		}
		require.True(t, verified(t, dir).Good)
	}
}

func TestVerifyFindsBodiesThatDoNotFit(t *testing.T) {
	t.Parallel()
	_, dir := usedBodies(t)
	bad := func(dir, what string) {
		t.Helper()
		r := verified(t, dir)
		p := bodiesIn(r)
		assert.False(t, r.Good)
		assert.False(t, p.Good)
		assert.True(t, r.Starts, "it has all that was acknowledged, and asks others for the bodies")
		assert.Contains(t, p.Detail, what)
	}
	lost := t.TempDir()
	require.NoError(t, os.CopyFS(lost, os.DirFS(dir)))
	require.NoError(t, os.RemoveAll(filepath.Join(lost, bodyFolder)))
	require.NoError(t, os.Mkdir(filepath.Join(lost, bodyFolder), 0o700))
	bad(lost, "5 reservations that have left memory, or records")

	store, err := OpenBodies(BodyConfig{Dir: filepath.Join(dir, bodyFolder)})
	require.NoError(t, err)
	var row BodyRow
	require.NoError(t, store.Scan(nil, store.State().Through, func(r BodyRow) bool {
		row = BodyRow{Key: bytes.Clone(r.Key), Version: r.Version, Value: bytes.Clone(r.Value)}
		return false
	}))
	row.Value[len(row.Value)-1] ^= 1 // under a checksum that is right
	require.NoError(t, store.Fill(nil, []BodyRow{row}, false))
	require.NoError(t, store.Close())
	bad(dir, fmt.Sprintf("the body %x", row.Key[1:]))
}

func TestTablesOfManyBlocksAreProven(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := OpenBodies(BodyConfig{Dir: dir})
	require.NoError(t, err)
	const rows = 9000
	for i := range uint64(rows) {
		key := binary.BigEndian.AppendUint64(nil, i*0x9e3779b97f4a7c15)
		store.Put(i+1, []engine.Body{{Table: engine.BodyOfReservation, Key: key,
			Value: bytes.Repeat(key, bodyValueBytes/8-2)}})
	}
	require.NoError(t, store.Flush(rows, 0))
	require.NoError(t, store.Close())
	paths, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	require.NoError(t, err)
	var size int64
	for _, path := range paths {
		size += sizeOf(path)
	}
	require.Greater(t, size, int64(rows*200))
	require.NoError(t, checkTables(dir))
	r := bodyReading{dir: dir}
	require.NoError(t, r.readAll(t.Context()))
	assert.EqualValues(t, rows, r.count)
	assert.EqualValues(t, rows, r.marker)
	require.NoError(t, os.Remove(paths[0]))
	require.ErrorContains(t, checkTables(dir), "it is missing")
}
