package engine_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

var updateFlag = flag.Bool("update", false, "write the golden files of this version")

// goldenVersion names the files of the codec as it is now. When a codec changes, the files of the
// version before stay, and get their name into readableVersions: every later build must read them.
// Before the first release there is nothing to be read, and v1 is what is written now.
const goldenVersion = "v1"

var readableVersions = []string{"v1"}

// goldenLog is a log with every command in it, as a script: what the golden files are made of.
const goldenLog = `
sku A attributes=blue
sku B
sku K kit=A:1,B:2
location main merchant master=wms shortfall=newest attributes=hall
location east merchant shortfall=priority
location fba fba master=amazon
channel web shopify dedicated split locations=main,east priority=1 percent=250 max=90 min=1
channel amz amazon pooled locations=fba buffer=2 threshold=3
configure results_max=1000 results_age=60000 events_max=4096 shortfall_step=100 apply_version=1 cluster=golden
enrol n1 1 folder=abc
enrol n1 1
enrol n2 3
--
set A main 20 source=wms as_of=900 basis=-3 key=one
set B main 30 source=wms
set B east 9
set K fba 5 source=amazon
adjust A main -2 source=wms reason=damaged key=two
move B main east 1 source=wms reason=rebalance
set A nowhere 1 key=three
--
reserve r1 web A:2#first K:1 ttl=5000 key=four
reserve r2 web A@main:3 mode=dip commit
reserve r3 web B:50 mode=accept ttl=2000
reserve r4 amz K:2 commit
reserve r5 web A:400 B:500 key=five
mirror m1 amz as_of=950 K@fba:1#pending
--
commit r1 1:1@main
add r1 A:1 ttl=9000
extend r1 ttl=8000
ship r2 1:2 package=p1 tracking=t1
release r1 2 reason=changed
return r2 1:1 disposition=damaged
return r2 1:1 location=east
transfer r2 1 main east 1
tick
delete channel web
sku Z
delete sku Z
--
group atomic key=six
  adjust A main 1 source=wms
  release r2
group atomic key=seven
  adjust A main 1 source=wms
  commit never
group key=eight
  set A main 3 source=wms
  ship r4 1:1
--
put 1 order-1 if=absent state=1 value=7 body=first
put 2 seen-1 if=absent expires=20000
put 3 tally value=5 add
put 3 tally value=-2 add
adjust A main 1 source=wms
group atomic key=records
  adjust A main 1 source=wms
  put 1 order-1 version=6 state=2 expires=19000 archive body=second
  expect 2 seen-1 if=present state=0
  drop 2 seen-1
--
put 2 seen-2 expires=18000
put 4 task body=later
expect 4 task version=7
purge 10
drop 4 task if=present
adjust A main 1 source=wms
--
purge 10
adjust A main 1 source=wms
--
channel shop api split locations=main,east
--
reserve r6 shop A:1 ttl=5000
reserve r7 shop B:2 commit key=nine
reserve r6 shop A:1 ttl=5000
reserve r8 shop A:1 mode=dip ttl=60000 key=ten
`

func goldenOps(t *testing.T) [][]engine.Op {
	t.Helper()
	var all [][]engine.Op
	for _, text := range strings.Split(goldenLog, "--\n") {
		ops, err := parseOps(text)
		require.NoError(t, err)
		all = append(all, ops)
	}
	return all
}

// golden is what one version wrote: the entries of the log, and what came of them.
type golden struct {
	entries, results, events [][]byte
	blocks                   []engine.Block
	digests                  []uint64
}

func writeGolden(t *testing.T) golden {
	t.Helper()
	var g golden
	l := engine.New(engine.Options{ShardBits: 1})
	var b engine.EntryBuilder
	out := engine.Output{WantResults: true}
	for i, ops := range goldenOps(t) {
		b.Reset()
		for _, op := range ops {
			if i > 2 {
				b.AddFor(l, op)
			} else {
				b.Add(op)
			}
		}
		p := b.Seal(int64(1000+1500*i), int64(1000+1500*i))
		g.entries = append(g.entries, p)
		e, err := engine.OpenEntry(p)
		require.NoError(t, err)
		l.Apply(uint64(i+1), e, &out)
		for j := range e.Count {
			g.results = append(g.results, bytes.Clone(out.Result(j)))
		}
		g.events = append(g.events, bytes.Clone(out.Events))
		g.digests = append(g.digests, l.Digest())
	}
	g.blocks = save(l)
	return g
}

// TestGolden holds this build to the bytes of every version that it must read: the entries still
// give the same results, events and digests; results, events and checkpoints still open.
func TestGolden(t *testing.T) {
	t.Parallel()
	if *updateFlag {
		mayUpdate(t, goldenVersion)
		storeGolden(t, goldenVersion, writeGolden(t))
	}
	for _, version := range readableVersions {
		t.Run(version, func(t *testing.T) { replayGolden(t, readGolden(t, version)) })
	}
	t.Run("written now", func(t *testing.T) {
		require.Equal(t, readGolden(t, goldenVersion), writeGolden(t),
			"the codec changed: give it a new version, and keep the old files")
	})
}

func replayGolden(t *testing.T, g golden) {
	t.Helper()
	l := engine.New(engine.Options{ShardBits: 3})
	out := engine.Output{WantResults: true}
	results := g.results
	for i, p := range g.entries {
		e, err := engine.OpenEntry(p)
		require.NoError(t, err)
		l.Apply(uint64(i+1), e, &out)
		for j, op := range engine.PlainOps(l, e) {
			want, err := engine.DecodeResult(results[0], op.Command)
			require.NoError(t, err)
			got, err := engine.DecodeResult(out.Result(j), op.Command)
			require.NoError(t, err)
			require.Equal(t, printResult(want, true), printResult(got, true))
			results = results[1:]
		}
		require.Equal(t, decodeEvents(g.events[i]), decodeEvents(out.Events))
		require.Equal(t, g.digests[i], l.Digest(), "digest after entry %d", i)
	}
	loaded, err := load(g.blocks)
	require.NoError(t, err)
	require.Equal(t, l.Digest(), loaded.Digest())
	require.Empty(t, loaded.Check())
	require.Equal(t, showAll(l), showAll(loaded))
}

// The golden files are hex, one value a line, so that a change can be seen in a review.
func storeGolden(t *testing.T, version string, g golden) {
	t.Helper()
	dir := filepath.Join("testdata", "golden", version)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	store := func(name string, rows [][]byte) {
		var text strings.Builder
		for _, row := range rows {
			fmt.Fprintf(&text, "%x\n", row)
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text.String()), 0o644))
	}
	var digests, keys, values [][]byte
	for _, d := range g.digests {
		digests = append(digests, fmt.Appendf(nil, "%016x", d))
	}
	for _, b := range g.blocks {
		keys, values = append(keys, b.Key), append(values, b.Value)
	}
	store("entries.hex", g.entries)
	store("results.hex", g.results)
	store("events.hex", g.events)
	store("digests.hex", digests)
	store("block_keys.hex", keys)
	store("block_values.hex", values)
}

func readGolden(t *testing.T, version string) (g golden) {
	t.Helper()
	read := func(name string) (rows [][]byte) {
		text, err := os.ReadFile(filepath.Join("testdata", "golden", version, name))
		require.NoError(t, err)
		for _, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
			row, err := hex.DecodeString(line)
			require.NoError(t, err)
			rows = append(rows, row)
		}
		return rows
	}
	g.entries, g.results, g.events = read("entries.hex"), read("results.hex"), read("events.hex")
	for _, d := range read("digests.hex") {
		var n uint64
		_, err := fmt.Sscanf(string(d), "%x", &n)
		require.NoError(t, err)
		g.digests = append(g.digests, n)
	}
	keys, values := read("block_keys.hex"), read("block_values.hex")
	for i := range keys {
		g.blocks = append(g.blocks, engine.Block{Key: keys[i], Value: values[i]})
	}
	return g
}
