package engine_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/engine"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "replay this one seed of the driver")
	seedsFlag = flag.Int("seeds", 300, "how many seeds the driver runs")
)

// seeds are the seeds of a driven test: one by -seed, else its share of as many as asked for, fewer
// in short runs and under the race detector. A failure names the seed that -seed replays.
func seeds(share int) []uint64 {
	if *seedFlag != 0 {
		return []uint64{*seedFlag}
	}
	n := *seedsFlag / share
	if testing.Short() || underRace {
		n /= 10
	}
	var all []uint64
	for i := range max(1, n) {
		all = append(all, uint64(i+1))
	}
	return all
}

// TestDrive gives the ledger and the twin the same random logs and compares all that can be seen.
func TestDrive(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds(1) {
		driveLog(t, seed, newWorld(seed).log(60))
	}
}

// TestDriveLong runs a few seeds for longer, so that much is remembered and much has ended.
func TestDriveLong(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds(75) {
		driveLog(t, seed, newWorld(seed+1<<32).log(400))
	}
}

// TestDriveWide runs long reserves over many SKUs.
func TestDriveWide(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds(10) {
		driveLog(t, seed, newWideWorld(seed).log(40))
	}
}

// driveLog fails with the smallest log that shows what differs.
func driveLog(t *testing.T, seed uint64, log []entry) {
	t.Helper()
	if fault := drive(log); fault != "" {
		log, fault = shrink(log, fault)
		t.Fatalf("-seed %d: %s\nThe smallest log that differs:\n%s", seed, fault, spellLog(log))
	}
}

// TestDriveLeaving runs logs in which reservations leave memory, come back and are forgotten.
func TestDriveLeaving(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds(4) {
		w := newWorld(seed + 1<<44)
		w.leaving = 15
		driveLog(t, seed, w.log(120))
	}
}

// TestDriveReachesAll makes sure that the driver is not idle: its logs see every event, and every
// refusal that a small world can reach.
func TestDriveReachesAll(t *testing.T) {
	t.Parallel()
	unreached := map[string]bool{}
	for _, r := range engine.Refusals() {
		unreached[r.String()] = true
	}
	delete(unreached, engine.LimitReached.String())      // a thousand lines, ten thousand names
	delete(unreached, engine.QuantityOverflow.String())  // a thousand adjusts
	delete(unreached, engine.Overloaded.String())        // a million rows: TestAnEntryHasAnEnd
	delete(unreached, engine.ReservationClosed.String()) // TestDriveLeaving
	for e := engine.EventStockSet; e <= engine.EventDeleted; e++ {
		unreached[e.String()] = true
	}
	for seed := uint64(1); len(unreached) > 0; seed++ {
		if seed > 100 {
			t.Fatalf("no seed reaches %v", slices.Sorted(maps.Keys(unreached)))
		}
		w := newTwin()
		for i, e := range newWorld(seed).log(60) {
			var ops []engine.Op
			for _, o := range e.ops {
				ops = append(ops, o.op())
			}
			for _, r := range w.apply(uint64(i+1), e.now, e.due, ops) {
				delete(unreached, r.Refusal.String())
				for _, op := range r.Ops {
					delete(unreached, op.Refusal.String())
				}
			}
			for _, event := range w.events {
				delete(unreached, event.Type.String())
			}
		}
	}
}

// drive runs a log and says what differed first; empty is nothing. A panic of the ledger counts.
func drive(log []entry) (fault string) { return newDriver().drive(log) }

func (d *driver) drive(log []entry) (fault string) {
	at := 0
	defer func() {
		if p := recover(); p != nil {
			fault = fmt.Sprintf("entry %d: panic: %v", at, p)
		}
	}()
	for i, e := range log {
		at = i
		if f := d.step(e); f != "" {
			return fmt.Sprintf("entry %d: %s", i, f)
		}
		if i%16 == 15 || i == len(log)-1 {
			if f := d.compareAll(); f != "" {
				return fmt.Sprintf("after entry %d: %s", i, f)
			}
		}
	}
	return ""
}

// shrink leaves out what the fault does not need: entries from the end, then entries, then ops.
func shrink(log []entry, fault string) ([]entry, string) {
	deadline := time.Now().Add(20 * time.Second)
	try := func(smaller []entry) bool {
		f := drive(smaller)
		if f != "" {
			log, fault = smaller, f
		}
		return f != ""
	}
	for again := true; again && time.Now().Before(deadline); {
		again = false
		for size := len(log) / 2; size > 0; size /= 2 {
			for i := len(log) - size; i >= 0; i -= size {
				if i+size <= len(log) && try(slices.Delete(slices.Clone(log), i, i+size)) {
					again = true
				}
			}
		}
		for i := len(log) - 1; i >= 0; i-- {
			for j := len(log[i].ops) - 1; j >= 0; j-- {
				smaller := slices.Clone(log)
				smaller[i].ops = slices.Delete(slices.Clone(log[i].ops), j, j+1)
				again = try(smaller) || again
			}
		}
	}
	return log, fault
}

// spellLog prints a log as the entries of a script.
func spellLog(log []entry) string {
	var b strings.Builder
	for _, e := range log {
		fmt.Fprintf(&b, "entry now=%d due=%d\n", e.now, e.due)
		for _, op := range e.ops {
			b.WriteString(spellOp(op.command, op.key) + "\n")
		}
		b.WriteString("----\n\n")
	}
	return b.String()
}

// driver runs entries through a ledger and its twin.
type driver struct {
	ledger  *engine.Ledger
	twin    *twin
	builder engine.EntryBuilder
	out     engine.Output
	index   uint64
	digest  uint64
	bodies  bodies
}

func newDriver() *driver { return newDriverOf(2) }

func newDriverOf(bits uint) *driver {
	d := &driver{ledger: engine.New(engine.Options{ShardBits: bits}), twin: newTwin(),
		bodies: bodies{}}
	d.out.WantResults = true
	d.digest = d.ledger.Digest()
	return d
}

// encode builds the payload of an entry. Half of the leader's work is to number names: the twin
// never sees the numbers.
func encode(b *engine.EntryBuilder, l *engine.Ledger, e entry) []byte {
	b.Reset()
	for _, o := range e.ops {
		op := o.op()
		if e.resolve {
			b.AddFor(l, op)
		} else {
			b.Add(op)
		}
	}
	return b.Seal(e.now, e.due)
}

// applyPayload opens and applies a payload, and returns the decoded results.
func applyPayload(l *engine.Ledger, index uint64, payload []byte, out *engine.Output,
) []engine.Result {
	opened, err := engine.OpenEntry(payload)
	if err != nil {
		panic(fmt.Sprintf("an entry does not open: %v", err))
	}
	l.Apply(index, opened, out)
	var results []engine.Result
	for i, op := range engine.PlainOps(l, opened) {
		r, err := engine.DecodeResult(bytes.Clone(out.Result(i)), op.Command)
		if err != nil {
			panic(fmt.Sprintf("result %d does not decode: %v", i, err))
		}
		results = append(results, r)
	}
	return results
}

// step runs one entry and says what differs.
func (d *driver) step(e entry) string {
	e = d.bodies.fill(e)
	return d.stepAs(e, encode(&d.builder, d.ledger, e))
}

// stepAs is step for an entry that is encoded already.
func (d *driver) stepAs(e entry, payload []byte) string {
	d.index++
	got := applyPayload(d.ledger, d.index, payload, &d.out)
	var ops []engine.Op
	for _, o := range e.ops {
		ops = append(ops, o.op())
	}
	want := d.twin.apply(d.index, e.now, e.due, ops)
	for i := range want {
		w, g := printResult(want[i], false), printResult(got[i], false)
		if w != g {
			return fmt.Sprintf("op %d, %s\ntwin:   %s\nledger: %s", i,
				spellOp(e.ops[i].command, e.ops[i].key), w, g)
		}
		if f := fieldFault(want[i], got[i]); f != "" {
			return fmt.Sprintf("op %d, %s: %s", i, spellOp(e.ops[i].command, e.ops[i].key), f)
		}
	}
	d.bodies.take(d.index, d.out.Bodies)
	if f := d.compareAudit(); f != "" {
		return f
	}
	if f := d.compareBodies(); f != "" {
		return f
	}
	events := decodeEvents(d.out.Events)
	if f := d.compareEvents(d.twin.events, events); f != "" {
		return f
	}
	if f := d.compareRecall(e); f != "" {
		return f
	}
	return d.compareTouched(len(events))
}

// compareRecall asks what is remembered of each op of the entry, after it.
func (d *driver) compareRecall(e entry) string {
	for _, o := range e.ops {
		op := o.op()
		want, known := "unknown", d.twin.answer(op.Key)
		switch {
		case known == nil || twinInvalid(op.Command):
		case known.content != contentOf(op.Command):
			want = engine.IdempotencyConflict.String()
		default:
			want = printResult(d.twin.replay(op, *known), false)
		}
		got := "unknown"
		r, ok := d.ledger.Recall(op)
		if ok {
			got = printResult(r, false)
		}
		if ok && r.Refusal == engine.IdempotencyConflict {
			got = r.Refusal.String()
		}
		if want != got {
			return fmt.Sprintf("recall of %s\ntwin:   %s\nledger: %s", spellOp(o.command, o.key),
				want, got)
		}
	}
	return ""
}

// fieldFault compares the fields of refusals where the twin knows one.
func fieldFault(want, got engine.Result) string {
	if want.Field != "" && !want.Replayed && want.Field != got.Field {
		return fmt.Sprintf("field: twin %q, ledger %q", want.Field, got.Field)
	}
	for i := range want.Ops {
		if f := fieldFault(want.Ops[i], got.Ops[i]); f != "" {
			return fmt.Sprintf("op %d of the group: %s", i, f)
		}
	}
	return ""
}

func (d *driver) compareEvents(want, got []engine.Event) string {
	for i := range max(len(want), len(got)) {
		w, g := "none", "none"
		if i < len(want) {
			w = fmt.Sprintf("%s, index %d at %d", printEvent(want[i], d.twin.nameOf),
				want[i].Index, want[i].At)
		}
		if i < len(got) {
			g = fmt.Sprintf("%s, index %d at %d", printEvent(got[i], d.ledger.NameOf),
				got[i].Index, got[i].At)
		}
		if w != g {
			return fmt.Sprintf("event %d\ntwin:   %s\nledger: %s\ntwin's events:\n%s\nledger's:\n%s",
				i, w, g, d.printEvents(want), d.printEvents(got))
		}
	}
	return ""
}

func (d *driver) printEvents(events []engine.Event) string {
	var b strings.Builder
	for _, e := range events {
		b.WriteString("  " + printEvent(e, d.twin.nameOf) + "\n")
	}
	return b.String()
}
