package engine_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// TestEveryRefusalIsInAScript: the scripts show each refusal at least once.
func TestEveryRefusalIsInAScript(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/script/*.txt")
	require.NoError(t, err)
	var all strings.Builder
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		all.Write(text)
	}
	for _, r := range engine.Refusals() {
		if r == engine.Overloaded {
			continue // it takes a million rows: TestAnEntryHasAnEnd
		}
		shown := strings.Contains(all.String(), ": "+r.String())
		require.True(t, shown, "no script is refused %s", r)
	}
}

// TestSpelling: what the driver spells is what the scripts read.
func TestSpelling(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds(30) {
		w := newWorld(seed)
		w.noise = 0 // some broken commands cannot be spelled
		for _, e := range w.log(40) {
			for _, o := range e.ops {
				text := spellOp(o.command, o.key)
				ops, err := parseOps(text)
				require.NoError(t, err, text)
				require.Len(t, ops, 1)
				require.Equal(t, o.op().Key, ops[0].Key, text)
				require.Equal(t, text, spellOp(ops[0].Command, o.key))
			}
		}
	}
}

// TestTablesHaveLimits fills the tables of locations and channels.
func TestTablesHaveLimits(t *testing.T) {
	t.Parallel()
	d := newDriver()
	define := func(of func(i int) engine.Command) {
		for at := 0; at < engine.MaxLocations; at += 1000 {
			var commands []engine.Command
			for i := range 1000 {
				commands = append(commands, of(at+i))
			}
			for _, r := range d.run(t, commands...) {
				require.Equal(t, engine.Accepted, r.Refusal)
			}
		}
	}
	location := func(i int) engine.Command {
		return &engine.DefineLocation{Location: engine.Name(fmt.Sprintf("l%d", i)),
			Kind: engine.Merchant, Master: "holdfast", Shortfall: engine.ShortfallNone}
	}
	channel := func(i int) engine.Command {
		return &engine.DefineChannel{Channel: engine.Name(fmt.Sprintf("c%d", i)),
			Kind: engine.ChannelAPI, Publish: engine.Pooled}
	}
	define(location)
	define(channel)
	for _, of := range []func(int) engine.Command{location, channel} {
		again, more := of(1), of(engine.MaxLocations)
		results := d.run(t, again, more)
		require.Equal(t, engine.Accepted, results[0].Refusal, "what is there can be replaced")
		require.Equal(t, engine.LimitReached, results[1].Refusal)
	}
	results := d.run(t, &engine.Delete{Kind: engine.LocationName, Name: "l5"}, location(10_000))
	require.Equal(t, engine.Accepted, results[0].Refusal)
	t.Logf("a location instead of a deleted one: %s", results[1].Refusal)
}

// TestDigestsAreKept: the digest of every multiple of 1,024 stays known, the last 64 of them, also
// over entries that are not the ledger's. What is loaded may know fewer, never another.
func TestDigestsAreKept(t *testing.T) {
	t.Parallel()
	l := engine.New(engine.Options{})
	var b engine.EntryBuilder
	want := map[uint64]uint64{}
	log := newWorld(1 << 37).log(300)
	for i, e := range log {
		index := uint64(i+1) * 255
		if index%1024 != 0 {
			before := l.Digest()
			l.SkipTo(index - 1)
			require.Equal(t, before, l.Digest(), "skipping changes nothing")
			for n := uint64(1024); n < index; n += 1024 {
				if _, ok := want[n]; !ok {
					want[n] = before
				}
			}
		}
		applyPayload(l, index, encode(&b, l, e), &engine.Output{WantResults: true})
		if index%1024 == 0 {
			want[index] = l.Digest()
		}
	}
	again, err := reload(l)
	require.NoError(t, err)
	for name, l := range map[string]*engine.Ledger{"lived through": l, "loaded": again} {
		last := l.Index() / 1024
		for n, digest := range want {
			got, ok := l.DigestAt(n)
			kept := n/1024+64 > last && name == "lived through"
			if kept && !ok || ok && got != digest {
				t.Errorf("%s: digest at %d of %d is %x %v, not %x", name, n, l.Index(), got, ok,
					digest)
			}
		}
		_, ok := l.DigestAt(1000)
		require.False(t, ok)
	}
}

// TestHorizon: an answer is remembered for results_age, for less when results_max cut it short.
func TestHorizon(t *testing.T) {
	t.Parallel()
	d := newDriver()
	require.Equal(t, d.ledger.Limits().ResultsAge, d.ledger.Horizon())
	now := int64(1000)
	keyed := func(n int) {
		e := entry{now: now, due: now}
		for i := range n {
			e.ops = append(e.ops, keyedOp{key: fmt.Sprintf("%d-%d", now, i), command: &engine.Tick{}})
		}
		require.Empty(t, d.step(e))
		now += 1000
	}
	keyed(1)
	require.Empty(t, d.step(entry{now: now, due: now, ops: []keyedOp{{command: &engine.Configure{
		Limits: engine.Limits{ResultsMax: 10}}}}}))
	for range 20 {
		keyed(2)
	}
	got := d.ledger.Horizon()
	require.Less(t, got, int64(8000), "ten answers are five seconds")
	require.GreaterOrEqual(t, got, int64(3000))
}
