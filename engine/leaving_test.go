package engine_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// TestLeavingCannotBeSeen gives one log to a ledger that keeps everything and to one from which all
// that is closed leaves as soon as it may. Commands that meet what has left are sent again behind a
// revive, as the owner of a ledger does. Every answer and every event is the same, but for indexes.
func TestLeavingCannotBeSeen(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds(10) {
		w := newWorld(seed + 1<<45)
		stays, leaves := newLeaving(t), newLeaving(t)
		for i, e := range w.log(150) {
			if len(e.ops) == 0 {
				e.ops = []keyedOp{{command: &engine.Tick{}}}
			}
			for j, op := range e.ops {
				one := entry{now: e.now, due: e.due, ops: []keyedOp{op}, resolve: e.resolve}
				tick := entry{now: e.now, due: e.due, ops: []keyedOp{{command: &engine.Tick{}}}}
				require.Equal(t, stays.run(tick), leaves.run(tick), "-seed %d, entry %d", seed, i)
				want, got := stays.run(one), leaves.runAway(one)
				require.Equal(t, want, got, "-seed %d, entry %d, op %d: %s", seed, i, j,
					spellOp(op.command, op.key))
			}
		}
		assert.Zero(t, stays.l.Counts().Retired)
		assert.Positive(t, leaves.revived, "-seed %d: nothing came back", seed)
		assert.Positive(t, leaves.l.Counts().Retired, "-seed %d: nothing left", seed)
	}
}

// leaving is a ledger with its bodies.
type leaving struct {
	t       *testing.T
	l       *engine.Ledger
	b       engine.EntryBuilder
	out     engine.Output
	kept    bodies
	revived int
}

func newLeaving(t *testing.T) *leaving {
	return &leaving{t: t, l: engine.New(engine.Options{ShardBits: 2}), kept: bodies{},
		out: engine.Output{WantResults: true}}
}

func (s *leaving) apply(e entry) []engine.Result {
	r := applyPayload(s.l, s.l.Index()+1, encode(&s.b, s.l, e), &s.out)
	s.kept.take(s.l.Index(), s.out.Bodies)
	return r
}

// run applies an entry of one op and prints what came of it, without indexes.
func (s *leaving) run(e entry) string {
	r := s.apply(e)[0]
	text := s.print(e.ops[0].command, r)
	for _, event := range decodeEvents(s.out.Events) {
		text += "\n" + printEvent(event, s.l.NameOf)
	}
	return text
}

// runAway lets what can leave do so, and brings back what the op needs.
func (s *leaving) runAway(e entry) string {
	limits := engine.Limits{ClosedAfter: 1, IDMemory: engine.MaxMemory}
	s.apply(entry{ops: []keyedOp{
		{command: &engine.Configure{Limits: limits}}, {command: &engine.Retire{Count: 3}}}})
	text := s.run(e)
	if text != engine.ReservationClosed.String() {
		return text
	}
	for _, id := range idsOf(e.ops[0].command) {
		if _, away := s.l.Retired(id); away {
			s.apply(s.kept.fill(entry{ops: []keyedOp{{command: &engine.Revive{ID: id}}}}))
			s.revived++
		}
	}
	return s.run(e)
}

func idsOf(c engine.Command) (ids []string) {
	g, ok := c.(*engine.Group)
	if !ok {
		return []string{engine.ActsOn(c)}
	}
	for _, op := range g.Ops {
		ids = append(ids, engine.ActsOn(op))
	}
	return ids
}

// print prints a result with the reservations that have left, as their bodies show them.
func (s *leaving) print(c engine.Command, r engine.Result) string {
	if r.Refusal == engine.ReservationClosed {
		return r.Refusal.String()
	}
	s.complete(c, &r)
	return printResult(r, true)
}

func (s *leaving) complete(c engine.Command, r *engine.Result) {
	r.Index = 0
	if r.Body != 0 {
		body := s.kept[bodyKey(engine.BodyOfReservation, engine.ReservationKey(reservationOf(c)))]
		require.Equal(s.t, r.Body, body.version)
		v, ok := s.l.ReservationOf(body.value)
		require.True(s.t, ok)
		r.Reservation, r.Body = &v, 0
	}
	for i := range r.Ops {
		s.complete(c.(*engine.Group).Ops[i], &r.Ops[i])
	}
}

// TestDriveLeavingReachesAll makes sure that the logs of TestDriveLeaving are about something.
func TestDriveLeavingReachesAll(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for seed := uint64(1); seed <= 40; seed++ {
		w := newWorld(seed + 1<<44)
		w.leaving = 15
		d := newDriver()
		for _, e := range w.log(120) {
			before := d.ledger.Counts()
			require.Empty(t, d.step(e))
			for i, op := range e.ops {
				r, err := engine.DecodeResult(bytes.Clone(d.out.Result(i)), op.command)
				require.NoError(t, err)
				_, group := op.command.(*engine.Group)
				switch {
				case r.Refusal == engine.ReservationClosed && group:
					seen["group refused"]++
				case r.Refusal == engine.ReservationClosed:
					seen[fmt.Sprintf("%T refused", op.command)]++
				case r.Body != 0 && r.Refusal == engine.IDConflict:
					seen["conflict"]++
				case r.Body != 0 && r.Existed:
					seen["existed"]++
				case r.Body != 0 && r.Replayed:
					seen["replayed"]++
				}
			}
			after := d.ledger.Counts()
			if after.Reservations > before.Reservations && after.Retired < before.Retired {
				seen["came back"]++
			}
			for _, b := range d.out.Bodies {
				if b.Table == engine.BodyOfReservation && len(b.Value) == 0 {
					seen["forgotten"]++
				}
			}
		}
	}
	for _, what := range []string{"group refused", "*engine.Return refused", "*engine.Mirror refused",
		"*engine.Revive refused", "*engine.Add refused", "*engine.Transfer refused", "conflict",
		"existed", "replayed", "came back", "forgotten"} {
		assert.Positive(t, seen[what], "%s; seen: %v", what, seen)
	}
}

// TestRetireIsBounded: one Retire does as much as an entry may, and what is left goes on.
func TestRetireIsBounded(t *testing.T) {
	t.Parallel()
	s := closedOnes(t, 2500)
	const day = 24 * 60 * 60 * 1000
	due, ok := s.l.NextRetire()
	require.True(t, ok)
	assert.EqualValues(t, 1000+day, due)
	s.retire(due-1, engine.MaxRetire)
	assert.Zero(t, s.l.Counts().Retired, "a moment too early")
	for _, want := range []int64{1000, 2000, 2500, 2500} {
		s.retire(due, engine.MaxRetire)
		assert.Equal(t, want, s.l.Counts().Retired)
		assert.Equal(t, 2500-want, s.l.Counts().Reservations)
	}
	forget, ok := s.l.NextRetire()
	require.True(t, ok)
	assert.EqualValues(t, 2000+90*day, forget)
	s.retire(forget-1, engine.MaxRetire)
	assert.EqualValues(t, 2500, s.l.Counts().Retired)
	s.retire(forget, 600)
	assert.EqualValues(t, 1900, s.l.Counts().Retired)
	require.Len(t, s.out.Bodies, 600)
	assert.Empty(t, s.out.Bodies[0].Value, "the body goes too")
	assert.Empty(t, s.l.Check())
}

// TestBodiesOfOneEntryAreBounded: a Retire stops after some 256 KiB of bodies.
func TestBodiesOfOneEntryAreBounded(t *testing.T) {
	t.Parallel()
	s := closedOnes(t, 0)
	lines := make([]engine.Line, 500)
	for i := range lines {
		lines[i] = engine.Line{SKU: "A", Qty: 1, Ref: fmt.Sprintf("%0100d", i)}
	}
	for i := range 20 {
		id := fmt.Sprintf("wide-%d", i)
		s.apply(entry{now: 1000, ops: []keyedOp{
			{command: &engine.Reserve{ID: id, Channel: "web", Mode: engine.Strict, Lines: lines}},
			{command: &engine.Release{ID: id}}}})
	}
	s.retire(2*24*60*60*1000, engine.MaxRetire)
	total := 0
	for _, b := range s.out.Bodies {
		total += len(b.Value)
	}
	assert.Greater(t, total, 200<<10)
	assert.Less(t, total, 400<<10)
	assert.Positive(t, s.l.Counts().Reservations, "the rest waits")
}

// TestMemoryOfWhatHasLeft holds what is kept of a reservation that left to its figure, and shows that
// the rest of its memory is used again.
func TestMemoryOfWhatHasLeft(t *testing.T) {
	if testing.Short() || underRace {
		t.Skip("measures the heap")
	}
	const n = 200_000
	s := closedOnes(t, 0)
	limits := engine.Limits{IDMemory: engine.MaxMemory}
	s.apply(entry{ops: []keyedOp{{command: &engine.Configure{Limits: limits}}}})
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	base := heap()
	for at := 0; at < n; at += 1000 {
		s.close(at, 1000)
		s.retire(s.l.Now()+2*24*60*60*1000, engine.MaxRetire)
	}
	require.EqualValues(t, n, s.l.Counts().Retired)
	per := float64(heap()-base) / n
	t.Logf("%.1f bytes for each reservation that has left", per)
	assert.Less(t, per, 72.0, "48 of the row and some 14 of the index")
	runtime.KeepAlive(s)
}

// closedOnes is a ledger with n reservations that were released.
func closedOnes(t *testing.T, n int) *leaving {
	s := newLeaving(t)
	s.apply(entry{now: 1000, due: 1000, ops: []keyedOp{{command: &engine.DefineSKU{SKU: "A"}},
		{command: &engine.DefineLocation{Location: "main", Kind: engine.Merchant, Master: "holdfast",
			Shortfall: engine.ShortfallNone}},
		{command: &engine.DefineChannel{Channel: "web", Kind: engine.ChannelAPI,
			Publish: engine.Pooled, Split: true, Locations: []engine.Name{"main"}}},
		{command: &engine.Set{SKU: "A", Location: "main", Value: 1000}}}})
	s.close(0, n)
	return s
}

func (s *leaving) close(from, n int) {
	e := entry{now: s.l.Now(), resolve: true}
	for i := from; i < from+n; i++ {
		id := fmt.Sprintf("order-%016d", i)
		e.ops = append(e.ops, keyedOp{command: &engine.Reserve{ID: id, Channel: "web",
			Mode: engine.Strict, Lines: []engine.Line{{SKU: "A", Qty: 1}}}},
			keyedOp{command: &engine.Release{ID: id}})
	}
	s.apply(e)
	s.kept = bodies{}
}

func (s *leaving) retire(now int64, count int64) {
	s.apply(entry{now: now, due: now, ops: []keyedOp{{command: &engine.Retire{Count: count}}}})
	s.kept = bodies{}
}

// TestOnlyWhatLeftComesBack: a record that is whole, but not the one that left, is refused.
func TestOnlyWhatLeftComesBack(t *testing.T) {
	t.Parallel()
	s := closedOnes(t, 0)
	lines := []engine.Line{{SKU: "A", Qty: 2}}
	one := func(c engine.Command) engine.Result {
		return s.apply(s.kept.fill(entry{now: s.l.Now(), ops: []keyedOp{{command: c}}}))[0]
	}
	leave := func() keptBody {
		s.apply(entry{now: s.l.Now() + 2*24*60*60*1000,
			ops: []keyedOp{{command: &engine.Retire{Count: 10}}}})
		body, ok := s.kept[bodyKey(engine.BodyOfReservation, engine.ReservationKey("r1"))]
		require.True(t, ok)
		return body
	}
	one(&engine.Reserve{ID: "r1", Channel: "web", Mode: engine.Strict, Lines: lines})
	one(&engine.Ship{ID: "r1"})
	first := leave()
	one(&engine.Revive{ID: "r1"})
	one(&engine.Return{ID: "r1", Disposition: engine.Sellable})
	second := leave()
	require.NotEqual(t, first, second)
	r := one(&engine.Revive{ID: "r1", Version: second.version, Record: first.value})
	assert.Equal(t, engine.ReservationClosed, r.Refusal, "units could be returned twice")
	r = one(&engine.Revive{ID: "r1", Version: first.version, Record: first.value})
	assert.Equal(t, engine.Accepted, r.Refusal)
	_, ok := s.l.Reservation("r1")
	assert.False(t, ok, "a revive that comes too late is without effect")
	one(&engine.Revive{ID: "r1"})
	v, ok := s.l.Reservation("r1")
	require.True(t, ok)
	assert.EqualValues(t, 2, v.Lines[0].Returned)
	assert.Empty(t, s.l.Check())
}
