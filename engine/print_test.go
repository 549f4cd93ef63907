package engine_test

import (
	"fmt"
	"strings"

	"holdfast/engine"
)

// The shapes of the ledger as compact text: what scripts show, and what the driver compares. Every
// field is shown, those that are zero by being absent.

// printResult prints the result of the command that spelled is the first word of.
func printResult(r engine.Result, withField bool) string {
	var b strings.Builder
	b.WriteString(r.Refusal.String())
	if withField && r.Field != "" {
		fmt.Fprintf(&b, " (%s)", r.Field)
	}
	if r.At != -1 {
		fmt.Fprintf(&b, ", op %d", r.At)
	}
	fmt.Fprintf(&b, ", index %d", r.Index)
	for _, flag := range []struct {
		on   bool
		text string
	}{{r.Replayed, ", replayed"}, {r.Existed, ", existed"}} {
		if flag.on {
			b.WriteString(flag.text)
		}
	}
	for _, s := range r.Short {
		fmt.Fprintf(&b, "\n  short %s: wanted %d, sellable %d", s.SKU, s.Wanted, s.Sellable)
	}
	if r.Stock != nil {
		b.WriteString("\n  stock " + strings.TrimSpace(r.Stock.Status.String()+" "+
			printBalance(r.Stock.Balance)))
		if r.Stock.Replayed != 0 {
			fmt.Fprintf(&b, ", replayed %d", r.Stock.Replayed)
		}
	}
	if r.Reservation != nil {
		b.WriteString("\n  " + indent(printReservation(*r.Reservation)))
	}
	if r.Body != 0 {
		fmt.Fprintf(&b, "\n  body of index %d", r.Body)
	}
	for i, op := range r.Ops {
		fmt.Fprintf(&b, "\n  op %d: %s", i, indent(printResult(op, withField)))
	}
	return b.String()
}

func indent(text string) string { return strings.ReplaceAll(text, "\n", "\n  ") }

func printBalance(b engine.Balance) string {
	return fmt.Sprintf("on hand %d held %d committed %d", b.OnHand, b.Held, b.Committed)
}

func printReservation(v engine.Reservation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s #%d %s %s %s", v.ID, v.Seq, v.Channel, v.State, v.Mode)
	if v.Mirror {
		b.WriteString(" mirror")
	}
	if v.Deadline != 0 {
		fmt.Fprintf(&b, " until %d", v.Deadline)
	}
	for i := 0; i < len(v.Lines); {
		first, text := v.Lines[i].Line, printLine(v.Lines[i])
		last := first
		for i++; i < len(v.Lines) && printLine(v.Lines[i]) == text; i++ {
			last = v.Lines[i].Line
		}
		if last == first {
			fmt.Fprintf(&b, "\n  %d %s", first, text)
		} else {
			fmt.Fprintf(&b, "\n  %d-%d %s", first, last, text)
		}
	}
	return b.String()
}

// printLine prints a line without its number.
func printLine(l engine.ReservationLine) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d", l.SKU, l.Qty)
	if l.Wanted != l.Qty {
		fmt.Fprintf(&b, " of %d", l.Wanted)
	}
	if l.Ref != "" {
		b.WriteString(" #" + l.Ref)
	}
	b.WriteString(" =" + printUnits([]unit{{"held", l.Held}, {"committed", l.Committed},
		{"short", l.Short}, {"shipped", l.Shipped}, {"released", l.Released},
		{"expired", l.Expired}, {"returned", l.Returned}}))
	for _, a := range l.Allocations {
		fmt.Fprintf(&b, "; %s at %s", a.SKU, a.Location)
		b.WriteString(printUnits([]unit{{"held", a.Held}, {"committed", a.Committed},
			{"shipped", a.Shipped}}))
	}
	return b.String()
}

type unit struct {
	name string
	n    int64
}

func printUnits(units []unit) string {
	var b strings.Builder
	for _, u := range units {
		if u.n != 0 {
			fmt.Fprintf(&b, " %s %d", u.name, u.n)
		}
	}
	if b.Len() == 0 {
		return " nothing"
	}
	return b.String()
}

// naming gives names to the numbers of an event.
type naming func(kind engine.NameKind, number uint32) string

func printEvent(e engine.Event, name naming) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s", e.Seq, e.Type)
	for _, n := range []struct {
		kind   engine.NameKind
		number uint32
		word   string
	}{{engine.SKUName, e.SKU, ""}, {engine.LocationName, e.Location, "at "},
		{engine.ChannelName, e.Channel, "for "}} {
		if n.number != 0 {
			b.WriteString(" " + n.word + name(n.kind, n.number))
		}
	}
	fmt.Fprintf(&b, " %+d", e.Qty)
	if e.Balance != (engine.Balance{}) {
		b.WriteString(", " + printBalance(e.Balance))
	}
	if e.Prev != 0 {
		fmt.Fprintf(&b, ", after %d", e.Prev)
	}
	if e.Cause != "" {
		b.WriteString(", " + e.Cause)
	}
	if e.Note != "" {
		b.WriteString(": " + e.Note)
	}
	return b.String()
}

// decodeEvents opens one frame of events. It fails the test's run by panic: what Apply wrote must
// open.
func decodeEvents(frame []byte) []engine.Event {
	if len(frame) == 0 {
		return nil
	}
	f, err := engine.OpenEvents(frame)
	if err != nil {
		panic(fmt.Sprintf("events of Apply do not open: %v", err))
	}
	var all []engine.Event
	var e engine.Event
	for f.Next(&e) {
		e.Cause, e.Note = strings.Clone(e.Cause), strings.Clone(e.Note)
		all = append(all, e)
	}
	if f.Err() != nil || len(all) != f.Count || all[0].Seq != f.FirstSeq || all[0].Index != f.Index ||
		all[0].At != f.At {
		panic(fmt.Sprintf("events of Apply: header %+v, %d events, first %+v", f, len(all), all[0]))
	}
	return all
}
