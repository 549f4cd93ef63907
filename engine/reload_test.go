package engine_test

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// save sweeps a ledger into blocks that own their bytes.
func save(l *engine.Ledger) []engine.Block {
	s := l.Cut()
	defer s.Close()
	return drain(s)
}

func drain(s *engine.Sweep) (blocks []engine.Block) {
	for b, ok := s.Next(); ok; b, ok = s.Next() {
		blocks = append(blocks, engine.Block{Key: bytes.Clone(b.Key), Value: bytes.Clone(b.Value)})
	}
	return blocks
}

// load builds a ledger from blocks. Its errors are those of Loader.
func load(blocks []engine.Block) (*engine.Ledger, error) {
	ld := engine.NewLoader()
	for _, b := range blocks {
		if err := ld.Load(b); err != nil {
			return nil, err
		}
	}
	return ld.Finish()
}

// reload saves a ledger and loads what was saved. Its error names what differs.
func reload(l *engine.Ledger) (*engine.Ledger, error) {
	blocks := save(l)
	again, err := load(blocks)
	switch {
	case err != nil:
		return nil, err
	case again.Digest() != l.Digest():
		return nil, fmt.Errorf("digest %x, loaded %x", l.Digest(), again.Digest())
	case len(again.Check()) > 0:
		return nil, fmt.Errorf("check of what was loaded: %+v", again.Check())
	}
	return again, nil
}

// replica is a ledger that is saved and loaded after every k-th entry.
type replica struct {
	name   string
	ledger *engine.Ledger
	out    engine.Output
	every  int
	silent bool // wants no results, as a follower
	sweeps *slowSweep
	checks *slowCheck
}

// slowSweep is a sweep that goes on a block at a time while entries are applied. At its end, what
// was swept is loaded, and the entries behind the cut are applied to that, as a node does that
// starts.
type slowSweep struct {
	sweep  *engine.Sweep
	digest uint64
	blocks []engine.Block
	behind []appliedEntry
}

// appliedEntry is an entry of a log, and what came of it.
type appliedEntry struct {
	index   uint64
	payload []byte
	results [][]byte
	events  []byte
	bodies  []engine.Body
	digest  uint64
}

// applyEntry applies a payload and returns what came of it, in bytes that stay.
func applyEntry(l *engine.Ledger, index uint64, payload []byte, out *engine.Output,
) (appliedEntry, error) {
	e, err := engine.OpenEntry(payload)
	if err != nil {
		return appliedEntry{}, err
	}
	l.Apply(index, e, out)
	done := appliedEntry{index: index, payload: bytes.Clone(payload),
		events: bytes.Clone(out.Events), digest: l.Digest()}
	for _, b := range out.Bodies {
		done.bodies = append(done.bodies, engine.Body{Table: b.Table, Key: bytes.Clone(b.Key),
			Value: bytes.Clone(b.Value)})
	}
	for i := range e.Count {
		if out.WantResults {
			done.results = append(done.results, bytes.Clone(out.Result(i)))
		}
	}
	return done, nil
}

// differs says what came of an entry that did not come of it elsewhere; empty is nothing.
func (a *appliedEntry) differs(from *appliedEntry) string {
	switch {
	case a.digest != from.digest:
		return fmt.Sprintf("digest %x, not %x", a.digest, from.digest)
	case !bytes.Equal(a.events, from.events):
		return "events differ"
	case !reflect.DeepEqual(a.bodies, from.bodies):
		return fmt.Sprintf("bodies differ: %v, not %v", a.bodies, from.bodies)
	}
	for i := range min(len(a.results), len(from.results)) { // a silent one has none
		if !bytes.Equal(a.results[i], from.results[i]) {
			return fmt.Sprintf("result %d differs", i)
		}
	}
	return ""
}

func (r *replica) apply(t *testing.T, i int, index uint64, payload []byte) appliedEntry {
	t.Helper()
	done, err := applyEntry(r.ledger, index, payload, &r.out)
	if err != nil {
		t.Fatal(err)
	}
	if r.sweeps != nil {
		r.sweeps.goOn(t, r.ledger, done)
	}
	if r.checks != nil {
		r.checks.goOn(t, r.ledger)
	}
	if r.every > 0 && i%r.every == r.every-1 {
		again, err := reload(r.ledger)
		if err != nil {
			t.Fatalf("%s, after entry %d: %v", r.name, i, err)
		}
		r.ledger = again
	}
	return done
}

// goOn takes one block of the sweep, after an entry; at its end what was swept must be the state of
// the cut, and the entries behind the cut must do to it what they did to the ledger.
func (s *slowSweep) goOn(t *testing.T, l *engine.Ledger, done appliedEntry) {
	t.Helper()
	if s.sweep == nil {
		s.sweep, s.digest, s.blocks, s.behind = l.Cut(), l.Digest(), nil, nil
		if s.sweep.Digest != s.digest || s.sweep.Index != l.Index() {
			t.Fatalf("a cut at %d, %x says %d, %x", l.Index(), s.digest, s.sweep.Index,
				s.sweep.Digest)
		}
		return
	}
	s.behind = append(s.behind, done)
	b, ok := s.sweep.Next()
	if ok {
		s.blocks = append(s.blocks,
			engine.Block{Key: bytes.Clone(b.Key), Value: bytes.Clone(b.Value)})
		return
	}
	s.restart(t)
	s.sweep.Close()
	s.sweep = nil
}

// restart loads what was swept and applies the entries behind the cut.
func (s *slowSweep) restart(t *testing.T) {
	t.Helper()
	again, err := load(s.blocks)
	if err != nil {
		t.Fatalf("a sweep with entries in its middle, cut at %d: %v", s.sweep.Index, err)
	}
	if again.Digest() != s.digest || again.Index() != s.sweep.Index || len(again.Check()) > 0 {
		t.Fatalf("a sweep cut at %d, %x loads as %d, %x; %+v", s.sweep.Index, s.digest,
			again.Index(), again.Digest(), again.Check())
	}
	out := engine.Output{WantResults: true}
	for _, want := range s.behind {
		got, err := applyEntry(again, want.index, want.payload, &out)
		if err != nil {
			t.Fatal(err)
		}
		if f := got.differs(&want); f != "" {
			t.Fatalf("cut at %d and loaded, then entry %d: %s", s.sweep.Index, want.index, f)
		}
	}
	if v := again.Check(); len(v) > 0 {
		t.Fatalf("cut at %d, loaded, and gone on: %+v", s.sweep.Index, v)
	}
}

// slowCheck is a check of the invariants, and a listing, that go on a few rows at a time while
// entries are applied.
type slowCheck struct {
	checker *engine.Checker
	scan    *engine.ReservationScan
	last    uint64 // Seq of the last reservation listed
}

func (s *slowCheck) goOn(t *testing.T, l *engine.Ledger) {
	t.Helper()
	if s.checker == nil {
		s.checker = l.NewChecker()
	}
	if !s.checker.Step(7) {
		if v := s.checker.Violations(); len(v) > 0 {
			t.Fatalf("a check with entries in its middle: %+v", v)
		}
		s.checker = nil
	}
	if s.scan == nil {
		s.scan = l.ScanReservations(engine.ReservationFilter{SKU: "A"}, s.last, 5)
	}
	if s.scan.Step(3) {
		return
	}
	page := s.scan.Page()
	for _, v := range page {
		if v.Seq <= s.last {
			t.Fatalf("a listing shows %s, number %d, after number %d", v.ID, v.Seq, s.last)
		}
		s.last = v.Seq
	}
	if s.scan = nil; len(page) < 5 {
		s.last = 0
	}
}

// TestReloadedTwin applies one log to ledgers that live through, that are saved and loaded every
// k-th entry, that have other shards, and that are swept all the time: nothing may show it.
func TestReloadedTwin(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds(12) {
		w := newWorld(seed + 1<<33)
		if seed%5 == 0 {
			w = newWideWorld(seed)
		}
		w.step = int64(seed % 3) // what a shortfall left over is saved too
		w.leaving = int(seed % 4 * 5)
		if seed%2 == 0 {
			w.age = 1 + int64(w.IntN(3000)) // all that was remembered ends again and again
		}
		log := w.log(120)
		replicas := []*replica{
			{name: "lives through", ledger: engine.New(engine.Options{ShardBits: 6})},
			{name: "reloaded after each", every: 1, ledger: engine.New(engine.Options{ShardBits: 6})},
			{name: "reloaded after 7", every: 7, ledger: engine.New(engine.Options{ShardBits: 6})},
			{name: "silent", silent: true, ledger: engine.New(engine.Options{ShardBits: 1})},
			{name: "two shards", ledger: engine.New(engine.Options{ShardBits: 1})},
			{name: "four shards, reloaded after 7", every: 7,
				ledger: engine.New(engine.Options{ShardBits: 2})},
			{name: "swept", sweeps: &slowSweep{}, checks: &slowCheck{},
				ledger: engine.New(engine.Options{ShardBits: 2})},
		}
		runReplicas(t, seed, log, replicas)
	}
}

// TestReloadedTwinLong is one long log with a reload after every 1,000th entry.
func TestReloadedTwinLong(t *testing.T) {
	t.Parallel()
	log := newWorld(1 << 34).log(2500)
	runReplicas(t, 1<<34, log, []*replica{
		{name: "lives through", ledger: engine.New(engine.Options{ShardBits: 4})},
		{name: "reloaded after 1,000", every: 1000, ledger: engine.New(engine.Options{ShardBits: 4})},
		{name: "swept", sweeps: &slowSweep{}, ledger: engine.New(engine.Options{ShardBits: 4})},
	})
}

// TestWorkOfAnEntryIsTheSameEverywhere: what an entry looks at decides what is refused as
// Overloaded, so it must be the same on a ledger that lived through, on one that was loaded just
// before, and whether results are wanted or not.
func TestWorkOfAnEntryIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds(12) {
		w := newWorld(seed + 1<<40)
		w.step, w.leaving = int64(seed%3), int(seed%4*5)
		lived := engine.New(engine.Options{ShardBits: 2})
		loaded := engine.New(engine.Options{ShardBits: 2})
		wanted, silent := engine.Output{WantResults: true}, engine.Output{}
		var b engine.EntryBuilder
		kept := bodies{}
		for i, e := range w.log(120) {
			payload := encode(&b, lived, kept.fill(e))
			done, err := applyEntry(lived, uint64(i+1), payload, &wanted)
			require.NoError(t, err)
			kept.take(uint64(i+1), done.bodies)
			_, err = applyEntry(loaded, uint64(i+1), payload, &silent)
			require.NoError(t, err)
			require.Equal(t, lived.Load(), loaded.Load(),
				"-seed %d, entry %d: rows looked at, by one that lived and one that was loaded\n%s",
				seed, i, spellLog([]entry{e}))
			loaded, err = reload(loaded)
			require.NoError(t, err)
		}
	}
}

// runReplicas gives every replica the same payloads and compares the bytes that come out.
func runReplicas(t *testing.T, seed uint64, log []entry, replicas []*replica) {
	t.Helper()
	for _, r := range replicas {
		r.out.WantResults = !r.silent
	}
	var b engine.EntryBuilder
	first, kept := replicas[0], bodies{}
	for i, e := range log {
		index := uint64(3*i + 1)
		payload := encode(&b, replicas[i%len(replicas)].ledger, kept.fill(e))
		var want appliedEntry
		for _, r := range replicas {
			got := r.apply(t, i, index, payload)
			if r == first {
				want = got
				kept.take(index, got.bodies)
				continue
			}
			if f := got.differs(&want); f != "" {
				t.Fatalf("-seed %d, entry %d, %s: %s\n%s", seed, i, r.name, f,
					spellLog(log[i:i+1]))
			}
		}
	}
	want := showAll(first.ledger)
	for _, r := range replicas[1:] {
		if got := showAll(r.ledger); !slices.Equal(got, want) {
			t.Fatalf("-seed %d, %s: shows\n%v\nnot\n%v", seed, r.name, got, want)
		}
	}
}

// showAll prints what the reads of a ledger show.
func showAll(l *engine.Ledger) (all []string) {
	show := func(v any) { all = append(all, fmt.Sprintf("%+v", v)) }
	next, ok := l.NextDeadline()
	show([]any{next, ok, l.DueUpTo(1<<50, 1), l.Index(), l.Now(), l.Due(), l.Limits(),
		l.LastEvent(), l.Unfinished(), l.Horizon(), l.Enrolments()})
	purge, ok := l.NextPurge()
	show([]any{purge, ok, l.Counts().Records, l.Archived()})
	for i := range 15 {
		head, ok := l.Record(uint8(1+i/5), fmt.Sprintf("k%d", i%5))
		show([]any{head, ok})
	}
	show(l.Locations(0, 100))
	channels := l.Channels(0, 100)
	show(channels)
	for _, s := range l.SKUs(0, 100) {
		rows, _ := l.Stock(s.Name)
		show(s)
		show(rows)
		for _, c := range channels {
			why, _ := l.Explain(c.Name, s.Name)
			show(why)
		}
	}
	for _, id := range listAll(l, engine.ReservationFilter{}) {
		v, _ := l.Reservation(id)
		show(v)
	}
	return all
}

// TestManySweeps cuts a ledger more often than rows can count cuts. Most sweeps are given up in the
// middle, as when a checkpoint fails; those that are finished must show their cut.
func TestManySweeps(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds(100) {
		w := newWorld(seed + 1<<38)
		w.leaving = 10
		kept := bodies{}
		l := engine.New(engine.Options{ShardBits: 1})
		var b engine.EntryBuilder
		out := engine.Output{WantResults: true}
		for i, e := range w.log(700) {
			sweep, digest := l.Cut(), l.Digest()
			var blocks []engine.Block
			for range w.IntN(20) { // the front alone is a few
				if b, ok := sweep.Next(); ok {
					blocks = append(blocks, b)
				}
			}
			applyPayload(l, uint64(i+1), encode(&b, l, kept.fill(e)), &out)
			kept.take(uint64(i+1), out.Bodies)
			if i%10 != 9 {
				continue
			}
			if sweep.Pending() < 0 {
				t.Fatalf("-seed %d, cut %d: %d bytes are pending", seed, i, sweep.Pending())
			}
			cut, err := load(append(blocks, drain(sweep)...))
			if err != nil || cut.Digest() != digest {
				t.Fatalf("-seed %d, cut %d: what was swept does not load as the cut: %v", seed, i, err)
			}
			if v := cut.Check(); len(v) > 0 {
				t.Fatalf("-seed %d, cut %d: %+v", seed, i, v)
			}
			if sweep.Pending() != 0 {
				t.Fatalf("-seed %d, cut %d: %d bytes are pending at the end", seed, i, sweep.Pending())
			}
		}
	}
}
