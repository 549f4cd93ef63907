package engine_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"

	"holdfast/engine"
)

// TestASweepKeepsTheMarksOfItsCut forgets all answers between a cut and the end of its sweep, and
// remembers another. A ledger that is loaded must know the answers of the cut for as long as the
// one that lives.
func TestASweepKeepsTheMarksOfItsCut(t *testing.T) {
	t.Parallel()
	const age = 5000
	l := engine.New(engine.Options{ShardBits: 1})
	var b engine.EntryBuilder
	out := engine.Output{WantResults: true}
	apply := func(l *engine.Ledger, e entry) appliedEntry {
		done, err := applyEntry(l, l.Index()+1, encode(&b, l, e), &out)
		require.NoError(t, err)
		return done
	}
	configure := &engine.Configure{Limits: engine.Limits{ResultsAge: age}}
	apply(l, entry{now: 1000, due: 1000, ops: []keyedOp{{command: configure},
		{key: "before", command: &engine.Tick{}}}})
	sweep := l.Cut()
	var lived []appliedEntry
	behind := []entry{
		{now: 1000 + 2*age}, // forgets
		{now: 2000 + 2*age, ops: []keyedOp{{key: "after", command: &engine.Tick{}}}},
		{now: 2000 + 3*age},
	}
	for _, e := range behind {
		lived = append(lived, apply(l, e))
	}
	again, err := load(drain(sweep))
	require.NoError(t, err)
	for i, e := range behind {
		loaded := apply(again, e)
		require.Empty(t, loaded.differs(&lived[i]), "entry %d behind the cut", i)
	}
	require.Equal(t, l.Counts(), again.Counts())
}

// TestBeforeImagesComeInBlocks changes many large reservations of one shard during a sweep. What is
// kept of them comes in pieces of about a block, since who stores blocks bounds them.
func TestBeforeImagesComeInBlocks(t *testing.T) {
	t.Parallel()
	const block = 32 << 10
	d := newDriver()
	d.run(t, &engine.DefineSKU{SKU: "A"}, newWorld(1).site("main"),
		&engine.DefineChannel{Channel: "web", Kind: engine.ChannelAPI, Publish: engine.Pooled,
			Split: true, Locations: []engine.Name{"main"}},
		&engine.Set{SKU: "A", Location: "main", Value: 1_000_000})
	lines := make([]engine.Line, 300)
	for i := range lines {
		lines[i] = engine.Line{SKU: "A", Qty: 1, Ref: fmt.Sprintf("%040d", i)}
	}
	var reserves, ships []engine.Command
	for i := 0; len(reserves) < 20; i++ {
		id := fmt.Sprintf("order-%d", i)
		if xxh3.HashString(id)>>62 == 0 { // the first of the four shards
			reserves = append(reserves, &engine.Reserve{ID: id, Channel: "web", Mode: engine.Strict,
				Commit: true, Lines: lines})
			ships = append(ships, &engine.Ship{ID: id, Picks: []engine.Pick{{Line: 1}}})
		}
	}
	d.run(t, reserves...)
	sweep, digest := d.ledger.Cut(), d.ledger.Digest()
	d.run(t, ships...)
	require.Greater(t, sweep.Pending(), 5*block)
	blocks := drain(sweep)
	require.Zero(t, sweep.Pending())
	images := 0
	for _, b := range blocks {
		require.Less(t, len(b.Value), 2*block, "block %x", b.Key)
		if len(b.Value) > block/2 {
			images++
		}
	}
	require.Greater(t, images, 5, "large blocks")
	again, err := load(blocks)
	require.NoError(t, err)
	require.Equal(t, digest, again.Digest())
	require.Empty(t, again.Check())
}

// TestUndoBesideASweep gives one ledger atomic groups that do much and then fail while a sweep
// runs, and another one groups that only fail. Nothing may show the difference, and what is swept
// must load as its cut.
func TestUndoBesideASweep(t *testing.T) {
	t.Parallel()
	undone := 0
	for _, seed := range seeds(20) {
		w := newWorld(seed + 1<<41)
		if seed%3 == 0 {
			w = newWideWorld(seed)
		}
		w.noise, w.step = 0, int64(seed%4)
		u := &undoer{t: t, Rand: rand.New(rand.NewPCG(seed, 2)), seed: seed,
			busy: engine.New(engine.Options{ShardBits: 1}),
			idle: engine.New(engine.Options{ShardBits: 3})}
		u.outBusy.WantResults, u.outIdle.WantResults = true, true
		for i, e := range w.log(40) {
			u.both(e, e)
			if i < 2 {
				continue
			}
			var ops []engine.Command
			for range 1 + w.IntN(12) {
				if c := w.plain(); engine.Validate(c) == nil {
					ops = append(ops, c)
				}
			}
			undone += u.undo(e.now, ops)
			u.sweepOn()
		}
	}
	require.Positive(t, undone)
	t.Logf("%d ops were undone", undone)
}

// undoer is two ledgers, of which the busy one does and undoes more, and is swept.
type undoer struct {
	*rand.Rand
	t                *testing.T
	seed             uint64
	busy, idle       *engine.Ledger
	outBusy, outIdle engine.Output
	builder          engine.EntryBuilder
	sweep            *engine.Sweep
	digest           uint64
	blocks           []engine.Block
}

// both applies an entry to each ledger and compares what is left.
func (u *undoer) both(busy, idle entry) {
	u.t.Helper()
	index := u.busy.Index() + 1
	a, err := applyEntry(u.busy, index, encode(&u.builder, u.busy, busy), &u.outBusy)
	require.NoError(u.t, err)
	b, err := applyEntry(u.idle, index, encode(&u.builder, u.idle, idle), &u.outIdle)
	require.NoError(u.t, err)
	if len(busy.ops) > 0 && len(idle.ops) > 0 && busy.ops[0].command != idle.ops[0].command {
		a.results, b.results = nil, nil // a group that fails later
	}
	f := a.differs(&b)
	next, ok := u.busy.NextDeadline()
	other, otherOK := u.idle.NextDeadline()
	if f == "" && (u.busy.Counts() != u.idle.Counts() || next != other || ok != otherOK ||
		u.busy.Unfinished() != u.idle.Unfinished()) {
		f = fmt.Sprintf("%+v %d, not %+v %d", u.busy.Counts(), next, u.idle.Counts(), other)
	}
	if f == "" && len(u.busy.Check()) > 0 {
		f = fmt.Sprintf("check: %+v", u.busy.Check())
	}
	if f != "" {
		u.t.Fatalf("-seed %d: %s, after\n%s", u.seed, f, spellLog([]entry{busy}))
	}
}

// undo lets a group of ops fail behind its last; ops that fail themselves are left out one by one.
// It returns how many were undone at the end.
func (u *undoer) undo(now int64, ops []engine.Command) int {
	u.t.Helper()
	fail := &engine.Ship{ID: "no-such-reservation"}
	group := func(ops ...engine.Command) entry {
		return entry{now: now, due: now, ops: []keyedOp{{command: &engine.Group{Atomic: true,
			Ops: append(ops, fail)}}}}
	}
	for {
		u.both(group(append([]engine.Command(nil), ops...)...), group())
		r, err := engine.DecodeResult(u.outBusy.Result(0), nil)
		require.NoError(u.t, err)
		if r.At >= len(ops) {
			return len(ops)
		}
		ops = append(ops[:r.At:r.At], ops[r.At+1:]...)
	}
}

// sweepOn takes a block now and then; at its end the sweep must load as its cut.
func (u *undoer) sweepOn() {
	u.t.Helper()
	if u.sweep == nil {
		u.sweep, u.digest, u.blocks = u.busy.Cut(), u.busy.Digest(), nil
		return
	}
	for range u.IntN(4) {
		b, ok := u.sweep.Next()
		if ok {
			u.blocks = append(u.blocks,
				engine.Block{Key: bytes.Clone(b.Key), Value: bytes.Clone(b.Value)})
			continue
		}
		u.sweep = nil
		cut, err := load(u.blocks)
		require.NoError(u.t, err, "-seed %d", u.seed)
		require.Equal(u.t, u.digest, cut.Digest(), "-seed %d", u.seed)
		require.Empty(u.t, cut.Check(), "-seed %d", u.seed)
		return
	}
}
