package engine_test

import (
	"fmt"
	"testing"

	"holdfast/engine"
)

// probe asks what an op would answer, and changes nothing: it runs the op in an atomic group with
// one that must be refused.
func (d *driver) probe(t *testing.T, c engine.Command) engine.Result {
	t.Helper()
	before := d.ledger.Digest()
	g := &engine.Group{Atomic: true, Ops: []engine.Command{c, &engine.Release{ID: "never-was"}}}
	d.index++
	e := entry{now: d.ledger.Now(), due: d.ledger.Due(), ops: []keyedOp{{command: g}}}
	r := applyPayload(d.ledger, d.index, encode(&d.builder, d.ledger, e), &d.out)[0]
	if after := d.ledger.Digest(); after != before || len(d.out.Events) > 0 {
		t.Fatalf("an undone group leaves digest %x, not %x, and %d bytes of events", after, before,
			len(d.out.Events))
	}
	if r.At == 0 {
		return r.Ops[0]
	}
	return engine.Result{At: -1}
}

// TestSellableIsWhatReserveTakes says what sellable means: a strict reserve of one SKU on a channel
// succeeds exactly if its quantity is at most that, over one line or several.
func TestSellableIsWhatReserveTakes(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds(6) {
		d := newDriver()
		for i, e := range newWorld(seed + 1<<35).log(40) {
			d.index++
			applyPayload(d.ledger, d.index, encode(&d.builder, d.ledger, e), &d.out)
			if i%8 != 7 {
				continue
			}
			for _, c := range d.ledger.Channels(0, 100) {
				for _, s := range d.ledger.SKUs(0, 100) {
					d.probeSellable(t, fmt.Sprintf("-seed %d, entry %d", seed, i), c, s.Name)
				}
			}
		}
	}
}

func (d *driver) probeSellable(t *testing.T, where string, c engine.Channel, sku string) {
	t.Helper()
	sellable, refusal := d.ledger.Sellable(c.Name, sku)
	if refusal != engine.Accepted || sellable < 0 {
		t.Fatalf("%s: sellable of %s on %s is %d, %s", where, sku, c.Name, sellable, refusal)
	}
	for _, split := range [][]int64{{sellable}, {sellable + 1}, {1}, {sellable - 1, 1},
		{1, sellable}, {sellable, 1, 1}, {sellable + 40}} {
		reserve := &engine.Reserve{ID: "probe", Channel: engine.Name(c.Name), Mode: engine.Strict,
			Commit: true}
		var sum int64
		for _, n := range split {
			if n > 0 {
				sum += n
				reserve.Lines = append(reserve.Lines,
					engine.Line{SKU: engine.Name(sku), Qty: n})
			}
		}
		// Several lines of a channel without split have to fit one location each and all of them
		// together; that they fit is what one line of the sum asks.
		if sum == 0 {
			continue
		}
		r := d.probe(t, reserve)
		if (r.Refusal == engine.Accepted) != (sum <= sellable) {
			t.Fatalf("%s: sellable of %s on %+v is %d, but %v gets %s", where, sku, c, sellable,
				split, printResult(r, true))
		}
		if r.Refusal != engine.Accepted && (r.Refusal != engine.InsufficientStock ||
			len(r.Short) != 1 || r.Short[0] != engine.ShortLine{SKU: sku, Wanted: sum,
			Sellable: sellable}) {
			t.Fatalf("%s: sellable of %s on %s is %d, %v gets %s", where, sku, c.Name, sellable,
				split, printResult(r, true))
		}
	}
}

// TestStrictReserveKeepsBuffer is invariant I2: after a strict reserve was accepted, every SKU that
// it took has at least its buffer left where the channel takes from.
func TestStrictReserveKeepsBuffer(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds(3) {
		w := newWorld(seed + 1<<36)
		d := newDriver()
		accepted := 0
		for i, e := range w.log(40) {
			d.index++
			applyPayload(d.ledger, d.index, encode(&d.builder, d.ledger, e), &d.out)
			for range 4 {
				reserve := w.reserve()
				reserve.Mode = engine.Strict
				if d.keepsBuffer(t, fmt.Sprintf("-seed %d, entry %d", seed, i), reserve) {
					accepted++
				}
			}
		}
		if accepted == 0 {
			t.Fatalf("-seed %d: no strict reserve was accepted: the test is idle", seed)
		}
	}
}

func (d *driver) keepsBuffer(t *testing.T, where string, c *engine.Reserve) bool {
	t.Helper()
	channel, ok := d.ledger.Channel(string(c.Channel))
	if _, known := d.ledger.Reservation(c.ID); !ok || known {
		return false
	}
	sourcing := d.sourcing(channel)
	before := d.sourced(sourcing)
	d.index++
	e := entry{now: d.ledger.Now(), due: d.ledger.Due(), ops: []keyedOp{{command: c}}}
	r := applyPayload(d.ledger, d.index, encode(&d.builder, d.ledger, e), &d.out)[0]
	if r.Refusal != engine.Accepted {
		return false
	}
	after := d.sourced(sourcing)
	for sku, had := range before {
		buffer := max(channel.Rules.Buffer, (channel.Rules.BufferPercent*had+9999)/10000)
		if after[sku] < had && after[sku] < buffer {
			t.Fatalf("%s: %s\n%s leaves %d of %s on %+v, the buffer is %d of %d", where,
				spellOp(c, ""), printResult(r, true), after[sku], sku, channel, buffer, had)
		}
	}
	if v := d.ledger.Check(); len(v) > 0 {
		t.Fatalf("%s: %+v", where, v)
	}
	return true
}

// sourcing is where a channel takes from by itself.
func (d *driver) sourcing(c engine.Channel) map[string]bool {
	kinds := map[engine.LocationKind]map[string]bool{engine.Merchant: {}, engine.FBA: {}}
	for _, name := range c.Locations {
		l, _ := d.ledger.Location(name)
		kinds[l.Kind][name] = true
	}
	if len(kinds[engine.Merchant]) > 0 {
		return kinds[engine.Merchant]
	}
	return kinds[engine.FBA]
}

// sourced adds up what is available of every SKU at some locations.
func (d *driver) sourced(locations map[string]bool) map[string]int64 {
	all := map[string]int64{}
	for _, s := range d.ledger.SKUs(0, 100) {
		rows, _ := d.ledger.Stock(s.Name)
		for _, row := range rows {
			if locations[row.Location] {
				all[s.Name] += max(0, row.Available())
			}
		}
	}
	return all
}

// TestShortfallInSteps resolves the same shortfall a place at a time: strict reserves of the SKU
// are refused until it is done, and then all is as if it had been done at once.
func TestShortfallInSteps(t *testing.T) {
	t.Parallel()
	for _, policy := range []engine.ShortfallPolicy{engine.ShortfallNone, engine.ShortfallNewest,
		engine.ShortfallPriority} {
		whole, steps := newDriver(), newDriver()
		for _, d := range []*driver{whole, steps} {
			d.fillForShortfall(t, policy)
		}
		steps.run(t, &engine.Configure{Limits: engine.Limits{ShortfallStep: 2}})
		whole.run(t, &engine.Tick{})
		count := &engine.Set{SKU: "A", Location: "main", Value: 3}
		whole.run(t, count)
		steps.run(t, count)
		if whole.ledger.Unfinished() || !steps.ledger.Unfinished() {
			t.Fatalf("unfinished: %v in one, %v in steps", whole.ledger.Unfinished(),
				steps.ledger.Unfinished())
		}
		for n := 0; steps.ledger.Unfinished(); n++ {
			for _, sku := range []string{"A", "K"} {
				if got, _ := steps.ledger.Sellable("web", sku); got != 0 {
					t.Fatalf("sellable of %s in the middle of a shortfall is %d", sku, got)
				}
			}
			if got, _ := steps.ledger.Sellable("web", "B"); got == 0 {
				t.Fatal("a shortfall of A ends the sale of B")
			}
			if n > 100 {
				t.Fatal("the shortfall never ends")
			}
			r := steps.run(t, &engine.Reserve{ID: "more", Channel: "web", Mode: engine.Strict,
				Lines: []engine.Line{{SKU: "A", Qty: 1_000_000}}})[0]
			if r.Refusal != engine.InsufficientStock || len(r.Short) != 1 ||
				steps.ledger.Unfinished() && r.Short[0].Sellable != 0 {
				t.Fatalf("a strict reserve in the middle of a shortfall: %s", printResult(r, true))
			}
		}
		want, got := showStock(whole.ledger), showStock(steps.ledger)
		if want != got {
			t.Fatalf("%s: in one entry\n%s\nin steps\n%s", policy, want, got)
		}
	}
}

// run applies one op to the ledger alone, and checks it.
func (d *driver) run(t *testing.T, commands ...engine.Command) []engine.Result {
	t.Helper()
	d.index++
	e := entry{now: d.ledger.Now(), due: d.ledger.Due()}
	for _, c := range commands {
		e.ops = append(e.ops, keyedOp{command: c})
	}
	results := applyPayload(d.ledger, d.index, encode(&d.builder, d.ledger, e), &d.out)
	if v := d.ledger.Check(); len(v) > 0 {
		t.Fatalf("check: %+v", v)
	}
	return results
}

// fillForShortfall promises 30 units of A at main in 10 reservations, some by kits, with room for 6
// more at east.
func (d *driver) fillForShortfall(t *testing.T, policy engine.ShortfallPolicy) {
	t.Helper()
	text := `sku A
sku B
sku K kit=A:2,B:1
location main merchant shortfall=` + policy.String() + `
location east merchant
channel web split locations=main,east
channel pos split locations=main priority=1
set A main 30
set B main 30
set B east 30
`
	for i := range 10 {
		channel := []string{"web", "pos"}[i%2]
		text += fmt.Sprintf("reserve r%d %s A:1 K:1 mode=dip%s\n", i, channel,
			[]string{"", " commit", ""}[i%3])
	}
	ops, err := parseOps(text + "set A east 6")
	if err != nil {
		t.Fatal(err)
	}
	var commands []engine.Command
	for _, op := range ops {
		commands = append(commands, op.Command)
	}
	for i, r := range d.run(t, commands...) {
		if r.Refusal != engine.Accepted {
			t.Fatalf("%s: %s", spellOp(commands[i], ""), printResult(r, true))
		}
	}
}

// showStock prints the rows and the reservations of a ledger, without what counts events.
func showStock(l *engine.Ledger) string {
	text := ""
	for _, s := range l.SKUs(0, 100) {
		rows, _ := l.Stock(s.Name)
		for _, row := range rows {
			text += fmt.Sprintf("%s at %s: %s\n", s.Name, row.Location, printBalance(row.Balance))
		}
	}
	for _, id := range listAll(l, engine.ReservationFilter{}) {
		v, _ := l.Reservation(id)
		text += printReservation(v) + "\n"
	}
	return text
}
