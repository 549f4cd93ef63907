package raftstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// crashedLog is a log of several files as a killed process leaves it: the newest batches are not
// covered by the mark. Entries come in batches of 7, of about 2 KiB each batch.
func crashedLog(t *testing.T) (c LogConfig, last uint64) {
	t.Helper()
	c = testLogConfig(t, t.TempDir())
	l := openTestLog(t, c)
	require.NoError(t, l.SetUint64([]byte(keyTerm), 1))
	for i := range uint64(120) {
		var batch []*raft.Log
		for k := range uint64(7) {
			e := logEntry(i*7+k+1, 1)
			for n := range 32 { // no zeros
				e.Data = fmt.Appendf(e.Data, " %d", uint64(n)*(i+1))
			}
			batch = append(batch, e)
		}
		require.NoError(t, l.StoreLogs(batch))
	}
	crashed := c
	crashed.Dir = copyTree(t, c.Dir)
	return crashed, 840
}

// tailFile is the newest file of a log.
func tailFile(t *testing.T, dir string) (path string, found foundLog) {
	t.Helper()
	found = walkedTail(t, dir)
	return filepath.Join(dir, segmentName(found.tail.BaseIndex, found.tail.ID)), found
}

// lastBatch is where the newest whole batch of a file begins.
func lastBatch(t *testing.T, path string, end int64) int64 {
	t.Helper()
	p, err := os.ReadFile(path)
	require.NoError(t, err)
	at, start := int64(walFileHeader), int64(0)
	for at < end-walFrameHeader {
		kind, n, ok := frameHeader(p[at:])
		require.True(t, ok)
		if at += walFrameHeader; kind == walCommit {
			start = at
		} else {
			at += (n + 7) / 8 * 8
		}
	}
	return start
}

// TestATornBatchIsCutAndADamagedOneIsNot goes through the newest batch: any sector of it, or all from
// one on, may be missing after a crash; a bit that is another cannot be from one.
func TestATornBatchIsCutAndADamagedOneIsNot(t *testing.T) {
	t.Parallel()
	c, last := crashedLog(t)
	path, found := tailFile(t, c.Dir)
	require.Equal(t, last, found.have.last)
	require.Greater(t, found.files, 2)
	start := lastBatch(t, path, found.tailEnd.end)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	spoil := func(change func(p []byte)) LogConfig {
		p := bytes.Clone(text)
		change(p)
		copied := c
		copied.Dir = copyTree(t, c.Dir)
		require.NoError(t, os.WriteFile(filepath.Join(copied.Dir, filepath.Base(path)), p, 0o600))
		return copied
	}
	for at := start / sectorBytes * sectorBytes; at < found.tailEnd.end; at += sectorBytes {
		for _, end := range []int64{at + sectorBytes, int64(len(text))} {
			from := max(at, start)
			torn := spoil(func(p []byte) { clear(p[from:end]) })
			l := openTestLog(t, torn)
			requireRange(t, l, 1, last-7)
			storeRange(t, l, last-6, last, 1)
			require.NoError(t, l.Close())
			require.EqualValues(t, last, walkedTail(t, torn.Dir).have.last)
		}
	}
	before := lastBatch(t, path, start)
	for at := (before/sectorBytes + 1) * sectorBytes; at+sectorBytes <= start; at += sectorBytes {
		damaged := spoil(func(p []byte) { clear(p[at : at+sectorBytes]) })
		refusesLog(t, damaged, filepath.Join(damaged.Dir, filepath.Base(path)), "another one follows it")
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	for range 100 {
		at := start + dice.Int64N(found.tailEnd.end-start)
		bit := byte(1) << dice.IntN(8)
		damaged := spoil(func(p []byte) { p[at] ^= bit })
		refusesLog(t, damaged, filepath.Join(damaged.Dir, filepath.Base(path)), "not what was written")
	}
}

// TestEveryDamagedLogIsRefused flips bits, clears and cuts pieces of every file of a log, and puts
// files in each other's place: a start refuses and names a file of the log, or has all entries.
func TestEveryDamagedLogIsRefused(t *testing.T) {
	t.Parallel()
	c, last := crashedLog(t)
	l, err := OpenRaftLog(c) // a start, which marks the end
	require.NoError(t, err)
	require.NoError(t, l.Close())
	_, found := tailFile(t, c.Dir)
	entries, err := os.ReadDir(c.Dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	seed := rand.Uint64()
	t.Logf("seed %d, files %v", seed, names)
	dice := rand.New(rand.NewPCG(seed, 0))
	refusals := 0
	for round := range 300 {
		copied := c
		copied.Dir = copyTree(t, c.Dir)
		name := names[round%len(names)]
		what := spoilFile(t, dice, copied.Dir, name, names)
		l, err := OpenRaftLog(copied)
		if err == nil {
			requireRange(t, l, 1, last)
			for i := uint64(1); i <= last; i += 13 {
				requireSame(t, c.Dir, l, i)
			}
			require.NoError(t, l.Close())
			continue
		}
		refusals++
		var corrupt *CorruptError
		var lost *LogLostError
		require.True(t, errors.As(err, &corrupt) || errors.As(err, &lost), "%s: %v", what, err)
		require.Contains(t, err.Error(), copied.Dir+"/", what)
		require.NoError(t, os.RemoveAll(copied.Dir))
	}
	require.Greater(t, refusals, 150, "of 300; most of a file is used")
	require.Equal(t, last, found.have.last)
}

func requireSame(t *testing.T, _ string, l Log, index uint64) {
	t.Helper()
	var e raft.Log
	require.NoError(t, l.GetLog(index, &e))
	require.Equal(t, index, e.Index)
	require.EqualValues(t, 1, e.Term)
	require.True(t, strings.HasPrefix(string(e.Data), string(logEntry(index, 1).Data)+" "))
}

// spoilFile does something to a file that disks, copies and people do, and says what.
func spoilFile(t *testing.T, dice *rand.Rand, dir, name string, names []string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	p, err := os.ReadFile(path)
	require.NoError(t, err)
	used := len(bytes.TrimRight(p, "\x00"))
	at := dice.IntN(max(1, used))
	what := fmt.Sprintf("%s: at %d of %d: ", name, at, used)
	switch kind := dice.IntN(6); {
	case kind == 0 && len(p) > 0:
		what += "cut off"
		p = p[:at]
	case kind == 1:
		n := min(1+dice.IntN(8<<10), len(p)-at)
		what += fmt.Sprintf("%d bytes cleared", n)
		clear(p[at : at+n])
	case kind == 2:
		other := names[dice.IntN(len(names))]
		what += "replaced by " + other
		p, err = os.ReadFile(filepath.Join(dir, other))
		require.NoError(t, err)
	case kind == 3:
		what += "missing"
		require.NoError(t, os.Remove(path))
		return what
	case len(p) > 0:
		bit := dice.IntN(8)
		what += fmt.Sprintf("bit %d flipped", bit)
		p[at] ^= 1 << bit
	}
	require.NoError(t, os.WriteFile(path, p, 0o600))
	return what
}

func TestAFileThatIsNotListedIsRefused(t *testing.T) {
	t.Parallel()
	c, last := crashedLog(t)
	l := openTestLog(t, c)
	require.NoError(t, l.DeleteRange(1, 500))
	require.NoError(t, l.Close())
	leftover := filepath.Join(c.Dir, segmentName(1, 0))
	require.NoError(t, os.WriteFile(leftover, nil, 0o600)) // its deletion was lost in a crash
	l = openTestLog(t, c)
	requireRange(t, l, 501, last)
	require.NoError(t, l.Close())
	require.NoFileExists(t, leftover)
	for _, name := range []string{segmentName(700, 99), segmentName(700, 1), "copy of SEGMENTS", "x.wal"} {
		path := filepath.Join(c.Dir, name)
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		refusesLog(t, c, path, "does not know this file")
		require.NoError(t, os.Remove(path))
	}
}

// TestAHiddenBatchIsFound destroys framing in front of a batch, in ways that leave no commit in front
// of it, and makes data that looks like batches.
func TestAHiddenBatchIsFound(t *testing.T) {
	t.Parallel()
	frame := func(kind byte, n uint32, payload string) []byte {
		p := binary.LittleEndian.AppendUint32([]byte{kind, 0, 0, 0}, n)
		p = append(p, payload...)
		return append(p, make([]byte, (8-len(p)%8)%8)...)
	}
	batch := append(frame(walEntry, 5, "first"), frame(walEntry, 11, "second one.")...)
	batch = append(batch, frame(walCommit, crc32.Checksum(batch, walCRC), "")...)
	for _, front := range []string{"", "12345678", strings.Repeat("\x01\x00\x00\x00\xff\xff\x00\x00", 99)} {
		p := append([]byte("garbage "+front), batch...)
		at, ok := findBatch(p)
		require.True(t, ok)
		require.Equal(t, 8+len(front), at)
		p[len(p)-12] ^= 1
		_, ok = findBatch(p)
		require.False(t, ok)
	}
	// Every word is the head of an entry that leads to one commit far behind: it ends all the same.
	p := bytes.Repeat([]byte{walEntry, 0, 0, 0, 0, 0, 0, 0}, 1<<20)
	p = append(p, frame(walCommit, 1, "")...)
	began := time.Now()
	_, ok := findBatch(p)
	require.True(t, ok, "nobody takes this for a torn write")
	require.Less(t, time.Since(began), time.Minute)
}
