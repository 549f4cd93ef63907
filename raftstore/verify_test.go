package raftstore

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"

	"holdfast/engine"
)

// usedFolder is a folder with several files of each kind and two checkpoints, as a node leaves it
// that was stopped; index and digest are of what it acknowledged.
func usedFolder(t *testing.T) (dir string, index, digest uint64) {
	t.Helper()
	dir = t.TempDir()
	log := ledgerLog(t, 100, 220)
	d := openDiskParts(t, dir)
	for key, value := range map[string]uint64{keyTerm: 3, keyVotedIn: 3} {
		require.NoError(t, d.log.SetUint64([]byte(key), value))
	}
	require.NoError(t, d.log.Set([]byte(keyCandidate), []byte("n1")))
	for i, p := range log {
		e := &raft.Log{Index: uint64(i + 1), Term: 3, Type: raft.LogCommand, Data: p}
		require.NoError(t, d.log.StoreLog(e))
		d.apply(t, e.Index, p)
		if e.Index == 60 || e.Index == 150 {
			d.checkpoint(t)
		}
	}
	index, digest = d.ledger.Index(), d.ledger.Digest()
	for _, close := range []func() error{d.events.Close, d.log.Close, d.checkpoints.Close, d.folder.Close} {
		require.NoError(t, close())
	}
	for pattern, least := range map[string]int{"log/*.wal": 3, "events/*.seg": 3, "checkpoints/ckpt-*": 2} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(files), least, pattern)
	}
	return dir, index, digest
}

// startOn does what a start does before raft, and what raft does then: it replays the log. It returns
// the ledger, or the error of the start.
func startOn(t *testing.T, dir string) (*engine.Ledger, error) {
	t.Helper()
	var p parts
	defer func() { assert.NoError(t, p.close()) }()
	c := Config{Node: "n1", Dir: dir, LogSegmentBytes: minSegmentBytes}.WithDefaults()
	c.Fatal, c.space = func(err error) { t.Error(err) }, diskSpaceOf
	if _, err := p.openDisk(c, newStore(c)); err != nil {
		return nil, err
	}
	if err := p.events.CutTo(p.meta.Events); err != nil {
		return nil, err
	}
	have, err := logRange(p.log)
	require.NoError(t, err)
	var out engine.Output
	for i := p.ledger.Index() + 1; i <= have.last; i++ {
		var e raft.Log
		require.NoError(t, p.log.GetLog(i, &e))
		entry, err := engine.OpenEntry(e.Data)
		require.NoError(t, err)
		p.ledger.Apply(i, entry, &out)
	}
	return p.ledger, nil
}

// hashTree sums up names, contents and times of all in dir.
func hashTree(t *testing.T, dir string) uint64 {
	t.Helper()
	h := xxh3.New()
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		_, _ = h.WriteString(path + info.ModTime().String() + info.Mode().String())
		if info.Mode().IsRegular() {
			p, err := os.ReadFile(path)
			require.NoError(t, err)
			_, _ = h.Write(p)
		}
		return nil
	}))
	return h.Sum64()
}

func verified(t *testing.T, dir string) FolderReport {
	t.Helper()
	before := hashTree(t, dir)
	r, err := VerifyFolder(t.Context(), dir)
	require.NoError(t, err)
	require.Equal(t, before, hashTree(t, dir), "nothing is changed")
	return r
}

// TestDamageNeverStartsAnotherLedger does to every file of a folder what disks, copies and people
// do. A start names the file, or has all that was acknowledged; verify says the same without it.
func TestDamageNeverStartsAnotherLedger(t *testing.T) {
	t.Parallel()
	origin, index, digest := usedFolder(t)
	r := verified(t, origin)
	require.True(t, r.Good && r.Starts, "%+v", r)
	var names []string
	require.NoError(t, filepath.WalkDir(origin, func(path string, d fs.DirEntry, err error) error {
		if name, _ := filepath.Rel(origin, path); err == nil && !d.IsDir() && name != lockFile {
			names = append(names, name)
		}
		return err
	}))
	seed := rand.Uint64()
	t.Logf("seed %d, %d files", seed, len(names))
	dice := rand.New(rand.NewPCG(seed, 0))
	rounds, refusals, notices := 100, 0, 0
	if testing.Short() {
		rounds = 2 * len(names)
	}
	for round := range rounds {
		dir := copyTree(t, origin)
		what := spoilFile(t, dice, dir, names[round%len(names)], names)
		r := verified(t, dir)
		ledger, err := startOn(t, dir)
		require.Equal(t, err == nil, r.Starts, "%s: %v\n%+v", what, err, r)
		if !r.Good {
			notices++
		}
		if err == nil {
			require.Equal(t, index, ledger.Index(), what)
			require.Equal(t, digest, ledger.Digest(), what)
			require.NoError(t, os.RemoveAll(dir))
			continue
		}
		refusals++
		var corrupt *CorruptError
		var gap *LogGapError
		var lost *LogLostError
		require.True(t, errors.As(err, &corrupt) || errors.As(err, &gap) || errors.As(err, &lost),
			"%s: %v", what, err)
		require.Contains(t, err.Error(), dir+"/", what)
		require.False(t, r.Good, what)
		require.NoError(t, os.RemoveAll(dir))
	}
	t.Logf("%d mutations: %d noticed by verify, %d refused to start", rounds, notices, refusals)
	require.Greater(t, notices, rounds/2)
	require.Greater(t, refusals, rounds/5)
}

// TestVerifyNamesThePart spoils one file of each part.
func TestVerifyNamesThePart(t *testing.T) {
	t.Parallel()
	origin, _, _ := usedFolder(t)
	for pattern, want := range map[string]struct {
		part   string
		starts bool
	}{
		"IDENTITY":                  {"identity", false},
		"VOTE":                      {"votes", false},
		"checkpoints/CURRENT":       {"current", false},
		"checkpoints/ckpt-*-1/*":    {"checkpoint", true},
		"log/SEGMENTS":              {"log", false},
		"log/*.wal":                 {"log", false},
		"events/*0000000000001.seg": {"events", true},
	} {
		dir := copyTree(t, origin)
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		require.NotEmpty(t, files, pattern)
		p, err := os.ReadFile(files[0])
		require.NoError(t, err)
		p[min(200, len(p)/2)] ^= 4
		if pattern == "VOTE" {
			p[voteSlotBytes+200] ^= 4
		}
		require.NoError(t, os.WriteFile(files[0], p, 0o600))
		r := verified(t, dir)
		require.False(t, r.Good, pattern)
		assert.Equal(t, want.starts, r.Starts, "%s: %+v", pattern, r)
		for _, part := range r.Parts {
			if !part.Good {
				assert.Equal(t, want.part, part.Name, pattern)
				assert.Contains(t, part.Detail, filepath.Dir(files[0]), pattern)
				break
			}
		}
	}
}

// TestVerifyBesideANode looks at the folder of a node that writes and checkpoints.
func TestVerifyBesideANode(t *testing.T) {
	t.Parallel()
	nodes := realNodes(t, 1, func(c *Config) {
		c.CheckpointBytes, c.LogSegmentBytes = 128<<10, minSegmentBytes
	})
	n := nodes[0]
	leading(t, nodes)
	define(t, n.Store, 1_000_000)
	stop := make(chan struct{})
	wait := reserving(nodes, 8, stop)
	newest := map[string]bool{}
	for began := time.Now(); len(newest) < 3; {
		require.Less(t, time.Since(began), time.Minute)
		r, err := VerifyFolder(t.Context(), n.conf.Dir)
		require.NoError(t, err)
		require.True(t, r.Good, "%+v", r)
		require.Contains(t, r.InUse, "node n1")
		if r.Parts[2].Name == "checkpoint" {
			newest[r.Parts[2].Path] = true
		}
	}
	close(stop)
	wait()
	require.NoError(t, n.Checkpoint(t.Context()))
	n.kill(t)
	r := verified(t, n.conf.Dir)
	require.True(t, r.Good && r.Starts, "%+v", r)
	require.Empty(t, r.InUse)
	require.Len(t, r.Parts, 8, "two checkpoints, and one of each other part")
}

func TestVerifyOfNoFolder(t *testing.T) {
	t.Parallel()
	_, err := VerifyFolder(t.Context(), filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	r, err := VerifyFolder(t.Context(), t.TempDir())
	require.NoError(t, err)
	require.False(t, r.Good || r.Starts, "an empty folder is no data folder")
}

// TestVerifyAfterACrashAtTheFirstStart looks at a folder in which only IDENTITY was written.
func TestVerifyAfterACrashAtTheFirstStart(t *testing.T) {
	t.Parallel()
	f := openTestFolder(t, t.TempDir(), "n1")
	require.NoError(t, f.Close())
	r := verified(t, f.dir)
	require.True(t, r.Good && r.Starts, "%+v", r)
	_, err := startOn(t, f.dir)
	require.NoError(t, err)
	require.True(t, verified(t, f.dir).Good)
}

func TestVerifyStream(t *testing.T) {
	t.Parallel()
	dir, _, _ := usedFolder(t)
	s := openTestCheckpoints(t, CheckpointConfig{Dir: filepath.Join(dir, checkpointFolder),
		Owner: func() Owner { return Owner{Incarnation: 1} }})
	list, err := s.List()
	require.NoError(t, err)
	_, stream, err := s.Open(list[0].ID)
	require.NoError(t, err)
	var text bytes.Buffer
	_, err = text.ReadFrom(stream)
	require.NoError(t, err)
	require.NoError(t, stream.Close())
	l, m, err := VerifyStream("backup", bytes.NewReader(text.Bytes()))
	require.NoError(t, err)
	require.Equal(t, m.Digest, l.Digest())
	for _, at := range []int{9, text.Len() / 2, text.Len() - 1} {
		p := bytes.Clone(text.Bytes())
		p[at] ^= 1
		_, _, err = VerifyStream("backup", bytes.NewReader(p))
		require.ErrorContains(t, err, "backup")
		require.True(t, strings.HasPrefix(err.Error(), "backup"), "%v", err)
	}
}
