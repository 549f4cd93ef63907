package publish

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// facts are those of a slot that shows 10 of 10, all of it proven.
func facts(change func(f *Facts)) *Facts {
	f := &Facts{
		Slot: &Slot{ID: "shop/1", Channel: "shop", Connection: "shop", SKU: "A", Location: "main",
			Acked: 10, AckedAt: noon.Add(-time.Hour), Known: true, Sequence: 4, Lease: 10},
		Style: Delta, Now: noon, Watermark: noon.Add(-time.Minute), Index: 99, Term: 3,
		Offer: &engine.Offer{Publish: engine.Pooled, Split: true,
			Places: []engine.OfferPlace{{Location: "main", Have: 10}}},
		Ruling:    &Ruling{All: Shape{Share: -1}, Here: Shape{Share: -1}},
		Pool:      Pool{Holds: []int64{0}, Slots: 1},
		RiseSince: noon.Add(-10 * time.Minute),
	}
	change(f)
	return f
}

func have(n int64) func(*Facts) { return func(f *Facts) { f.Offer.Places[0].Have = n } }

// dedicated makes the slot one of two, with a hold, in dedicated mode.
func dedicated(hold, free int64) func(*Facts) {
	return func(f *Facts) {
		f.Offer.Publish = engine.Dedicated
		f.Offer.Places[0].Have = free
		f.Pool = Pool{Hold: hold, Holds: []int64{hold}, Slots: 1}
	}
}

func both(all ...func(*Facts)) func(*Facts) {
	return func(f *Facts) {
		for _, a := range all {
			a(f)
		}
	}
}

func sent(p Push) func(*Facts) {
	return func(f *Facts) {
		p.Sequence, f.Slot.Sequence = 5, 5
		f.Slot.Sent = &p
	}
}

func TestDecide(t *testing.T) {
	overwrite := func(f *Facts) {
		f.Style = Overwrite
		f.Slot.Seen = &Seen{Available: 10, ReadAt: noon.Add(-50 * time.Minute), Active: true,
			Tracked: true}
	}
	late := func(f *Facts) { f.Watermark = noon.Add(-2 * time.Hour) }
	for _, c := range []struct {
		name   string
		change func(*Facts)
		do     Deed
		why    string
		push   string // delta or set, from, quantity
		hold   int64
	}{
		{"nothing to do", have(10), Rest, "in-step", "", 0},
		{"its own sale is expected", both(have(7), func(f *Facts) { f.Tally = -3 }), Rest, "in-step", "", 0},
		{"a fall at once", both(have(7), late), Send, "fall", "-3 from 10 to 7", 0},
		{"a fall below what it sold", both(have(2), func(f *Facts) { f.Tally = -3 }), Send, "fall", "-5 from 7 to 2", 0},
		{"a rise is compared", have(12), Send, "rise", "set from 10 to 12", 0},
		{"a rise waits for the watermark", both(have(12), late), Wait, "watermark", "", 0},
		{"a rise just noticed waits", both(have(12), func(f *Facts) { f.RiseSince = time.Time{} }), Wait, "watermark", "", 0},
		{"a rise in doubt is read first", both(have(12), func(f *Facts) { f.Slot.Doubt = noon.Add(-5 * time.Minute) }), Read, "doubt", "", 0},
		{"a fall in doubt is sent", both(have(8), func(f *Facts) { f.Slot.Doubt = noon }), Send, "fall", "-2 from 10 to 8", 0},
		{"not read yet", both(have(12), func(f *Facts) { f.Slot.Known = false }), Read, "not-read", "", 0},
		{"no such place", func(f *Facts) { f.Place = NoPlace }, Rest, "not-listed", "", 0},
		{"missing there", both(have(1), func(f *Facts) { f.Slot.Blocked = "missing" }), Rest, "missing", "", 0},
		{"observed", both(have(7), func(f *Facts) { f.Closed = "observe" }), Rest, "observe", "-3 from 10 to 7", 0},
		{"observed is read", both(have(7), func(f *Facts) { f.Closed, f.Slot.Known = "observe", false }), Read, "not-read", "", 0},
		{"starting is read", both(have(7), func(f *Facts) { f.Closed, f.Slot.Known = Starting, false }), Read, "not-read", "", 0},
		{"paused is not read", func(f *Facts) { f.Closed, f.Slot.Known = "paused", false }, Rest, "paused", "", 0},
		{"frozen", both(have(7), func(f *Facts) { f.Ruling.Frozen = "stop/freeze" }), Rest, "freeze", "", 0},
		{"the cord", func(f *Facts) { f.Ruling.Zero = "stop/zero/shop" }, Send, "fall", "-10 from 10 to 0", 0},
		{"untracked", both(have(7), func(f *Facts) { f.Slot.Seen = &Seen{Active: true} }), Rest, "untracked", "", 0},
		{"inactive and nothing to show", both(have(0), func(f *Facts) {
			f.Slot.Seen, f.Slot.Acked = &Seen{Tracked: true}, 0
		}), Rest, "inactive", "", 0},
		{"inactive is activated", both(have(3), func(f *Facts) {
			f.Slot.Seen, f.Slot.Acked = &Seen{Tracked: true, Available: 1}, 0
		}), Send, "rise", "activate set from 1 to 3", 0},
		{"a shop that owes units", both(have(0), func(f *Facts) { f.Master, f.Tally = true, -12 }), Rest, "backorder", "", 0},
		{"the master keeps its own buffer", both(have(10), func(f *Facts) { f.Master, f.Ruling.All.Buffer = true, 4 }), Rest, "in-step", "", 0},
		{"in flight", both(have(7), sent(Push{Delta: -1, At: noon, Until: noon.Add(CallTime)})), Wait, "in-flight", "", 0},
		{"in flight of a dead leader", both(have(7), sent(Push{Delta: -1, At: noon.Add(-time.Minute), Until: noon.Add(-CallGrace)})), Resend, "unknown", "", 0},
		{"unknown is sent again", both(have(7), sent(Push{Delta: -1, At: noon.Add(-KeyLife + time.Second), Unknown: true})), Resend, "unknown", "", 0},
		{"unknown for too long is read", both(have(7), sent(Push{Delta: -1, At: noon.Add(-KeyLife), Unknown: true})), Read, "unknown-too-long", "", 0},

		{"overwriting allows for what it sold unseen", both(overwrite, have(7), func(f *Facts) { f.Unseen = 2 }), Send, "fall", "set from 10 to 5", 0},
		{"and never goes below 0", both(overwrite, have(1), func(f *Facts) { f.Unseen = 2 }), Send, "fall", "set from 10 to 0", 0},
		{"what was left out waits to be proven", both(overwrite, have(12), late, func(f *Facts) { f.Unseen = 2 }), Wait, "watermark", "", 0},
		{"unknown: the latest value again", both(overwrite, have(7), sent(Push{Set: true, Quantity: 9, Unknown: true, At: noon})), Send, "unknown", "set from 10 to 7", 0},

		{"dedicated: the hold is taken first", dedicated(10, 5), Send, "rise", "set from 10 to 15", 5},
		{"dedicated: it is not there", both(dedicated(10, 0), func(f *Facts) { f.Pool.Holds[0] = 30 }), Rest, "in-step", "", 0},
		{"dedicated: a fall needs no hold", both(dedicated(10, 0), func(f *Facts) { f.Ruling.All.Max = 4 }), Send, "fall", "-6 from 10 to 4", 0},
		{"dedicated: then it waits", both(dedicated(10, 0), late, func(f *Facts) {
			f.Ruling.All.Max, f.Slot.Acked = 4, 4
		}), Wait, "watermark", "", 0},
		{"dedicated: then it is released", both(dedicated(10, 0), func(f *Facts) {
			f.Ruling.All.Max, f.Slot.Acked = 4, 4
		}), Settle, "release", "", -6},
		{"dedicated: what it shows is held", dedicated(4, 6), Settle, "hold", "", 6},
		{"dedicated: who waits is first", both(dedicated(10, 5), func(f *Facts) { f.Offer.Short = 1 }), Rest, "in-step", "", 0},
		{"dedicated: near its part it stays", both(dedicated(10, 13), func(f *Facts) {
			f.Pool.Slots = 2
		}), Rest, "in-step", "", 0},
		{"dedicated: two share", both(dedicated(10, 20), func(f *Facts) { f.Pool.Slots = 2 }), Send, "rise", "set from 10 to 15", 5},
		{"dedicated: a share of its own", both(dedicated(10, 90), func(f *Facts) { f.Ruling.All.Share = 2550 }), Send, "rise", "set from 10 to 25", 15},
		{"dedicated, overwriting: over zero", both(overwrite, dedicated(10, 5)), Send, "to-zero", "set from 10 to 0", 0},
		{"dedicated, overwriting: then wait", both(overwrite, dedicated(10, 5), late, func(f *Facts) { f.Slot.Acked = 0 }), Wait, "watermark", "", 0},
		{"dedicated, overwriting: then up", both(overwrite, dedicated(10, 5), func(f *Facts) { f.Slot.Acked = 0 }), Send, "from-zero", "set from 0 to 15", 5},
		{"dedicated, overwriting, unknown", both(overwrite, dedicated(10, 5), sent(Push{Set: true, Quantity: 9, Unknown: true, At: noon})), Send, "unknown", "set from 10 to 0", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p Plan
			f := facts(c.change)
			f.Explain = true
			Decide(f, &p)
			require.Equal(t, c.do, p.Do, p.Why)
			require.Equal(t, c.why, p.Why)
			if c.do == Send || c.push != "" {
				require.Equal(t, c.push, print(&p.Push))
				require.Equal(t, f.Slot.Sequence+1, p.Push.Sequence)
			}
			if c.do == Send || c.do == Settle {
				require.Equal(t, c.hold, p.Hold)
			}
			sum := int64(0)
			for _, term := range p.Terms {
				sum += term.Value
			}
			require.Equal(t, p.Target, sum, "%v", p.Terms)
		})
	}
}

func print(p *Push) string {
	text := fmt.Sprintf("%+d", p.Delta)
	if p.Set {
		text = "set"
	}
	if p.Activate {
		text = "activate " + text
	}
	return fmt.Sprintf("%s from %d to %d", text, p.From, p.Quantity)
}

// TestLeaseOfWhatIsOverwritten holds the most that a channel can sell to the sum of what it showed and
// what it may be shown, until the last push is seen in effect and every sale before that is in.
func TestLeaseOfWhatIsOverwritten(t *testing.T) {
	f := facts(have(4))
	f.Style = Overwrite
	f.Slot.Seen = &Seen{ReadAt: noon.Add(-50 * time.Minute), Active: true, Tracked: true}
	var p Plan
	Decide(f, &p)
	s := claimed(*f.Slot, f, &p)
	require.Equal(t, int64(14), s.Lease, "10 that it showed and 4 that it will show")
	s = applied(s, noon)
	require.Equal(t, int64(14), s.Claims(Overwrite, 0, noon.Add(time.Hour)), "nobody has seen it in effect")
	require.Equal(t, int64(11), s.Claims(Overwrite, -3, noon), "three of them are sold")
	s.Seen = &Seen{ReadAt: noon.Add(time.Minute)}
	require.Equal(t, int64(14), s.Claims(Overwrite, 0, noon.Add(time.Second)))
	require.Equal(t, int64(4), s.Claims(Overwrite, 0, noon.Add(2*time.Minute)), "proven")
	zero := facts(have(0))
	zero.Style, zero.Slot.Seen = Overwrite, f.Slot.Seen
	Decide(zero, &p)
	s = claimed(*zero.Slot, zero, &p)
	require.Equal(t, int64(10), s.Lease, "a push of 0 adds nothing")
}

// TestLeaseOfDifferences is exact: the larger of before and after.
func TestLeaseOfDifferences(t *testing.T) {
	for _, c := range []struct{ have, lease int64 }{{4, 10}, {15, 15}} {
		f := facts(have(c.have))
		var p Plan
		Decide(f, &p)
		s := claimed(*f.Slot, f, &p)
		require.Equal(t, c.lease, s.Lease)
		s = applied(s, noon)
		require.Equal(t, c.have, s.Expected(0))
		require.Equal(t, c.have, s.Claims(Delta, 0, noon.Add(time.Second)))
	}
}

// TestADifferenceIsAddedToWhateverWasThere: sales between claim and acknowledgement stay sold.
func TestADifferenceIsAddedToWhateverWasThere(t *testing.T) {
	f := facts(have(7))
	var p Plan
	Decide(f, &p)
	s := applied(claimed(*f.Slot, f, &p), noon)
	require.Equal(t, int64(5), s.Expected(-2))
	f = facts(have(12))
	f.Tally = -1
	Decide(f, &p)
	require.Equal(t, "set from 9 to 12", print(&p.Push))
	s = applied(claimed(*f.Slot, f, &p), noon)
	require.Equal(t, int64(12), s.Expected(-1), "a number is true of the tally that it was made from")
	require.Equal(t, int64(10), s.Expected(-3))
}

func benchmarkSlots(n int) []Facts {
	all := make([]Facts, n)
	for i := range all {
		all[i] = *facts(have(int64(i % 20)))
		slot := *all[i].Slot
		slot.ID = fmt.Sprintf("shop/%d", i)
		all[i].Slot = &slot
	}
	return all
}

// BenchmarkDecide plans 100,000 slots that change, and reports the time of one.
func BenchmarkDecide(b *testing.B) {
	all := benchmarkSlots(100_000)
	var room planner
	var p Plan
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		for i := range all {
			room.decide(&all[i], &p)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(all)), "ns/slot")
}
