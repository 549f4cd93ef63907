package engine_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"

	"holdfast/engine"
)

// releasedVersions are those whose files in testdata belong to everyone who runs that release: -update
// does not write them again. A release puts its version here, and the next change of a format or of
// apply begins a new one (goldenVersion).
var releasedVersions []string

// mayUpdate stops a test that would overwrite the files of a release.
func mayUpdate(t *testing.T, version string) {
	t.Helper()
	if slices.Contains(releasedVersions, version) {
		t.Fatalf("%s is released: its files stay as they are; give goldenVersion a new name", version)
	}
}

// recordedLogs are the logs that every version leaves behind: what they are made of is random, but
// always the same.
var recordedLogs = map[string]func() []entry{
	"shop": func() []entry { return newWorld(1 << 50).log(250) },
	"wide": func() []entry { return newWideWorld(1 << 51).log(25) },
	"slow": func() []entry {
		w := newWorld(1 << 52)
		w.step, w.age = 2, 1500 // shortfalls that take several entries, answers that are forgotten
		return w.log(120)
	},
}

// recordedEntry is a line of a recorded log: an entry, and what came of it.
type recordedEntry struct {
	index                   uint64
	digest, events, results uint64
	payload                 []byte
}

func (e recordedEntry) String() string {
	return fmt.Sprintf("%d %016x %016x %016x %x", e.index, e.digest, e.events, e.results, e.payload)
}

func parseRecorded(line string) (e recordedEntry, err error) {
	var payload string
	_, err = fmt.Sscanf(line, "%d %x %x %x %s", &e.index, &e.digest, &e.events, &e.results, &payload)
	if err == nil {
		e.payload, err = hex.DecodeString(payload)
	}
	return e, err
}

// applied applies an entry and returns the line that it would have.
func applied(l *engine.Ledger, index uint64, payload []byte, out *engine.Output) (recordedEntry, error) {
	done, err := applyEntry(l, index, payload, out)
	return recordedEntry{index: index, digest: done.digest, events: xxh3.Hash(done.events),
		results: xxh3.Hash(bytes.Join(done.results, nil)), payload: payload}, err
}

func record(t *testing.T, log []entry) (lines []recordedEntry) {
	t.Helper()
	l := engine.New(engine.Options{})
	out := engine.Output{WantResults: true}
	var b engine.EntryBuilder
	for i, e := range log {
		line, err := applied(l, uint64(3*i+1), encode(&b, l, e), &out)
		require.NoError(t, err)
		lines = append(lines, line)
	}
	return lines
}

// TestRecordedLogs holds this build to the logs of every version that it can read: each entry must
// give the same digest, events and results, on a ledger that lives through and on one that is loaded
// again and again. go test ./engine -run 'RecordedLogs|Golden' -update writes those of this version.
func TestRecordedLogs(t *testing.T) {
	t.Parallel()
	if *updateFlag {
		mayUpdate(t, goldenVersion)
		for name, log := range recordedLogs {
			storeRecorded(t, recordedPath(goldenVersion, name), record(t, log()))
		}
	}
	for _, version := range readableVersions {
		paths, err := filepath.Glob(recordedPath(version, "*"))
		require.NoError(t, err)
		require.NotEmpty(t, paths, version)
		for _, path := range paths {
			t.Run(filepath.Base(path), func(t *testing.T) {
				t.Parallel()
				lines := readRecorded(t, path)
				replayRecorded(t, lines, 1<<30)
				replayRecorded(t, lines, 20)
			})
		}
	}
}

func replayRecorded(t *testing.T, lines []recordedEntry, reloadEvery int) {
	t.Helper()
	l := engine.New(engine.Options{ShardBits: 2})
	out := engine.Output{WantResults: true}
	for i, want := range lines {
		got, err := applied(l, want.index, want.payload, &out)
		require.NoError(t, err)
		if got.digest != want.digest || got.events != want.events || got.results != want.results {
			t.Fatalf("entry %d, line %d: got\n%.60s, want\n%.60s", want.index, i+1, got, want)
		}
		if (i+1)%reloadEvery == 0 {
			l, err = reload(l)
			require.NoError(t, err)
		}
	}
	require.Empty(t, l.Check())
}

func recordedPath(version, name string) string {
	return filepath.Join("testdata", "logs", version+"-"+name+".log.gz")
}

func storeRecorded(t *testing.T, path string, lines []recordedEntry) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	var file bytes.Buffer
	w, err := gzip.NewWriterLevel(&file, gzip.BestCompression)
	require.NoError(t, err)
	for _, line := range lines {
		fmt.Fprintln(w, line)
	}
	require.NoError(t, w.Close())
	require.NoError(t, os.WriteFile(path, file.Bytes(), 0o644))
}

func readRecorded(t *testing.T, path string) (lines []recordedEntry) {
	t.Helper()
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	r, err := gzip.NewReader(bytes.NewReader(file))
	require.NoError(t, err)
	text := bufio.NewScanner(r)
	text.Buffer(nil, 8<<20)
	for text.Scan() {
		line, err := parseRecorded(strings.TrimSpace(text.Text()))
		require.NoError(t, err)
		lines = append(lines, line)
	}
	require.NoError(t, text.Err())
	return lines
}
