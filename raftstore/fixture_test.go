package raftstore

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

var updateFlag = flag.Bool("update", false, "write the fixtures of this version")

// fixtureVersion names what is written now; every version in readableFolders must open.
// releasedFolders are those that a release has left behind: -update does not write them again. A release
// puts its version there, and the next change of a format on the disk begins a new one.
const fixtureVersion = "v1"

var (
	readableFolders = []string{"v1"}
	releasedFolders []string
)

// folderFixture says what a folder of testdata/folders must come to.
type folderFixture struct {
	Checkpoint uint64    `json:"checkpoint"` // index of the newest
	Digest     hexUint64 `json:"digest"`     // of that
	Index      uint64    `json:"index"`      // of the last entry of the log
	Final      hexUint64 `json:"final"`      // digest there
	Dump       string    `json:"dump"`       // SHA-256 of all that can be read there
	LastEvent  uint64    `json:"last_event"`
	ClusterID  string    `json:"cluster_id"`
}

func fixturePath(version, suffix string) string {
	return filepath.Join("testdata", "folders", version+suffix)
}

// TestFoldersOfEveryVersionOpen opens a data folder as each version left it, killed in the middle of
// its work: the checkpoint loads, the log behind it leads to the same state, a node runs on it, and
// the backup that it took then is still restored.
//
// go test ./raftstore -run FoldersOfEveryVersion -update writes those of this version.
func TestFoldersOfEveryVersionOpen(t *testing.T) {
	t.Parallel()
	if *updateFlag {
		if slices.Contains(releasedFolders, fixtureVersion) {
			t.Fatalf("%s is released: give fixtureVersion a new name", fixtureVersion)
		}
		makeFixture(t, fixtureVersion)
	}
	for _, version := range readableFolders {
		t.Run(version, func(t *testing.T) {
			var want folderFixture
			text, err := os.ReadFile(fixturePath(version, ".json"))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &want))
			dir := filepath.Join(t.TempDir(), "data")
			unpackTree(t, fixturePath(version, ".tar.gz"), dir)
			// The clock goes on from where the fixture was made, or all of its holds would have ended.
			stopped, began := time.UnixMilli(requireState(t, dir, want)), time.Now()
			n := &realNode{conf: Config{Node: "n1", Dir: dir, Raft: "127.0.0.1:0", LogSegmentBytes: 1 << 20,
				Now: func() time.Time { return stopped.Add(time.Since(began)) }}}
			n.start(t)
			t.Cleanup(func() { n.kill(t) })
			leading(t, []*realNode{n})
			assert.Equal(t, want.ClusterID, n.clusterText())
			n.machine.view(func(l *engine.Ledger) bool {
				assert.Equal(t, want.Dump, dumpSum(t, l))
				assert.Equal(t, want.LastEvent, l.LastEvent())
				return false
			})
			events, err := n.Events(want.LastEvent-1, 10)
			require.NoError(t, err)
			require.Len(t, events, 1)
			r, err := n.Submit(t.Context(), engine.Op{Command: reserve("after", "A", 1, time.Hour)})
			require.NoError(t, err)
			assert.Equal(t, engine.Accepted, r.Refusal)

			backup, err := os.Open(fixturePath(version, ".backup"))
			require.NoError(t, err)
			defer backup.Close()
			report, err := VerifyBackup(backup.Name(), backup)
			require.NoError(t, err)
			assert.Equal(t, want.Checkpoint, report.Head.Index)
			assert.Equal(t, want.Digest, report.Head.Digest)
		})
	}
}

// requireState loads the checkpoint of a folder and applies the log behind it, without raft. It returns
// the ledger's time there.
func requireState(t *testing.T, dir string, want folderFixture) (now int64) {
	t.Helper()
	folder, err := OpenFolder(dir, "n1")
	require.NoError(t, err)
	defer folder.Close()
	c, err := OpenCheckpoints(CheckpointConfig{Dir: folder.CheckpointDir(),
		Owner: func() Owner { return Owner{ClusterID: want.ClusterID, Incarnation: 1} }})
	require.NoError(t, err)
	defer c.Close()
	l, meta, err := c.Load()
	require.NoError(t, err)
	require.Equal(t, want.Checkpoint, l.Index())
	require.Equal(t, want.Digest, hexUint64(l.Digest()))
	log, err := OpenRaftLog(LogConfig{Dir: folder.LogDir(), Votes: folder.VotePath(), SegmentBytes: 1 << 20,
		Fatal: func(what string, err error) { t.Error(what, err) }})
	require.NoError(t, err)
	defer log.Close()
	require.NoError(t, AlignLog(log, meta, true, folder.LogDir()))
	applyBehind(t, l, log, want.Index)
	require.Equal(t, want.Final, hexUint64(l.Digest()))
	require.Equal(t, want.Dump, dumpSum(t, l))
	return l.Now()
}

// applyBehind applies the entries of a log behind what l has, up to an index.
func applyBehind(t *testing.T, l *engine.Ledger, log Log, index uint64) {
	t.Helper()
	var out engine.Output
	for i := l.Index() + 1; i <= index; i++ {
		var e raft.Log
		require.NoError(t, log.GetLog(i, &e))
		if e.Type == raft.LogCommand {
			meant, err := sameTerm(&e)
			require.NoError(t, err)
			if meant {
				entry, err := engine.OpenEntry(e.Data)
				require.NoError(t, err)
				l.SkipTo(i - 1)
				l.Apply(i, entry, &out)
				continue
			}
		}
		l.SkipTo(i)
	}
}

func dumpSum(t *testing.T, l *engine.Ledger) string {
	t.Helper()
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(dump(t, l), "\n"))))
}

// makeFixture runs a node through two checkpoints and several files of log, kills it in between, and
// keeps its folder, a backup and what it must come to.
func makeFixture(t *testing.T, version string) {
	t.Helper()
	n := &realNode{conf: Config{Node: "n1", Dir: filepath.Join(t.TempDir(), "data"),
		Raft: "127.0.0.1:0", LogSegmentBytes: minSegmentBytes}}
	n.start(t)
	defer n.kill(t)
	leading(t, []*realNode{n})
	define(t, n.Store, 1000)
	work := func(from, to int) {
		for i := from; i < to; i++ {
			for _, cmd := range fixtureWork(i) {
				_, err := n.Submit(t.Context(), engine.Op{Key: engine.KeyOf("fixture", fmt.Sprintf("%d %T", i, cmd)),
					Command: cmd})
				require.NoError(t, err)
			}
		}
	}
	work(0, 150)
	require.NoError(t, n.Checkpoint(t.Context()))
	work(150, 300)
	backup := takeBackup(t, n.Store, BackupOptions{Events: true, Version: version})
	work(300, 400)

	var want folderFixture
	kept, err := n.parts.checkpoints.List()
	require.NoError(t, err)
	meta, err := n.parts.checkpoints.Meta(kept[0].ID)
	require.NoError(t, err)
	want.Checkpoint, want.Digest, want.ClusterID = meta.Index, hexUint64(meta.Digest), n.clusterText()
	n.machine.view(func(l *engine.Ledger) bool {
		want.Index, want.Final, want.LastEvent = l.Index(), hexUint64(l.Digest()), l.LastEvent()
		want.Dump = dumpSum(t, l)
		return false
	})
	n.kill(t)
	requireState(t, n.conf.Dir, want)
	text, err := json.MarshalIndent(want, "", "  ")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join("testdata", "folders"), 0o755))
	require.NoError(t, os.WriteFile(fixturePath(version, ".json"), append(text, '\n'), 0o644))
	require.NoError(t, os.WriteFile(fixturePath(version, ".backup"), backup, 0o644))
	packTree(t, n.conf.Dir, fixturePath(version, ".tar.gz"))
}

// fixtureWork is a bit of everything that a ledger does.
func fixtureWork(i int) []engine.Command {
	id, sku := fmt.Sprintf("order-%04d", i), engine.Name(fmt.Sprintf("S%02d", i%25))
	hold := reserve(id, sku, int64(1+i%3), 28*24*time.Hour)
	hold.Lines[0].Ref = strings.Repeat("r", i%100)
	all := []engine.Command{&engine.DefineSKU{SKU: sku},
		&engine.Adjust{SKU: sku, Location: "main", Delta: 5, Source: "fixture", Reason: "more"}, hold}
	switch i % 5 {
	case 1:
		all = append(all, &engine.Commit{ID: id})
	case 2:
		all = append(all, &engine.Commit{ID: id}, &engine.Ship{ID: id, Package: "p"})
	case 3:
		all = append(all, &engine.Release{ID: id})
	case 4:
		all = append(all, &engine.Extend{ID: id, TTL: 29 * 24 * 3_600_000})
	}
	return all
}

// packTree writes a folder as tar.gz: the same bytes for the same files.
func packTree(t *testing.T, dir, path string) {
	t.Helper()
	var file bytes.Buffer
	zip, err := gzip.NewWriterLevel(&file, gzip.BestCompression)
	require.NoError(t, err)
	w := tar.NewWriter(zip)
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." || name == lockFile {
			return err
		}
		head := &tar.Header{Name: name, Mode: 0o750, Typeflag: tar.TypeDir}
		var text []byte
		if !d.IsDir() {
			if text, err = os.ReadFile(filepath.Join(dir, name)); err != nil {
				return err
			}
			head.Typeflag, head.Mode, head.Size = tar.TypeReg, 0o640, int64(len(text))
		}
		if err := w.WriteHeader(head); err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	}))
	require.NoError(t, errors.Join(w.Close(), zip.Close()))
	require.Less(t, file.Len(), 300<<10, "a fixture is small")
	require.NoError(t, os.WriteFile(path, file.Bytes(), 0o644))
}

func unpackTree(t *testing.T, path, dir string) {
	t.Helper()
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	zip, err := gzip.NewReader(bytes.NewReader(file))
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(dir, 0o750))
	for r := tar.NewReader(zip); ; {
		head, err := r.Next()
		if err == io.EOF {
			return
		}
		require.NoError(t, err)
		to := filepath.Join(dir, filepath.FromSlash(head.Name))
		if head.Typeflag == tar.TypeDir {
			require.NoError(t, os.MkdirAll(to, 0o750))
			continue
		}
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to, text, 0o640))
	}
}
