package demo

import (
	"fmt"
	"sort"
	"time"

	"holdfast/cmd/internal/client"
)

// Check is one comparison of the books with what was seen.
type Check struct {
	Name     string
	Compared string   // what was held against what, with numbers
	Faults   []string // empty when it holds
}

// OK reports whether the check holds.
func (c Check) OK() bool { return len(c.Faults) == 0 }

func (c *Check) fault(format string, args ...any) {
	c.Faults = append(c.Faults, fmt.Sprintf(format, args...))
}

// Checks compares everything. It changes nothing and asks nobody.
func Checks(b *Books, s *Seen) []Check {
	return []Check{
		checkInvariants(s), checkDigests(s), checkVerdicts(b), checkNothingLost(b, s),
		checkOneEffect(b, s), checkNoOversell(b, s), checkOnHand(b, s), checkPromises(s),
		checkHoldsEnd(b, s), checkLateCommits(s), checkEvents(s),
	}
}

func checkInvariants(s *Seen) Check {
	c := Check{Name: "invariants"}
	rows := 0
	for _, n := range s.Nodes {
		rows += len(n.Stock) + len(n.Reservations)
		for _, v := range n.Check.Violations {
			c.fault("%s: %s %s", n.Name, v.Invariant, v.Detail)
		}
	}
	c.Compared = fmt.Sprintf("each of %d nodes walked its whole state (%d rows in all): "+
		"%d violations", len(s.Nodes), rows, len(c.Faults))
	return c
}

func checkDigests(s *Seen) Check {
	c := Check{Name: "equal digests"}
	first := s.Nodes[0]
	for _, n := range s.Nodes {
		if n.Digest != first.Digest || n.Digest.Value == "" {
			c.fault("%s has %q at index %d, %s has %q at index %d", n.Name, n.Digest.Value,
				n.Digest.Index, first.Name, first.Digest.Value, first.Digest.Index)
		}
	}
	c.Compared = fmt.Sprintf("%d nodes at index %d: %s", len(s.Nodes), first.Digest.Index,
		first.Digest.Value)
	return c
}

func checkVerdicts(b *Books) Check {
	c := Check{Name: "right verdicts", Faults: b.wrong}
	c.Compared = fmt.Sprintf("%d orders answered; refused for want of stock: %d; refused without "+
		"reason: %d", len(b.accounts), b.refusals["insufficient-stock"], len(b.wrong))
	return c
}

func checkNothingLost(b *Books, s *Seen) Check {
	c := Check{Name: "nothing acknowledged is lost"}
	accepted := 0
	for _, id := range ids(b.accounts) {
		acc := b.accounts[id]
		if acc.Refused != "" {
			continue
		}
		accepted++
		for _, n := range s.Nodes {
			got, ok := n.Reservations[id]
			if !ok {
				c.fault("%s: %s was acknowledged and is not there", n.Name, id)
				continue
			}
			if why := unlike(acc, got, s.At); why != "" {
				c.fault("%s: %s: %s", n.Name, id, why)
			}
		}
	}
	c.Compared = fmt.Sprintf("last acknowledged answer of %d orders = reservation on each of "+
		"%d nodes", accepted, len(s.Nodes))
	return c
}

// unlike says how a reservation differs from the last acknowledged answer, or nothing. What may
// have happened since without a call: held units end at their deadline, short units get stock.
func unlike(acc *Account, got client.Reservation, at time.Time) string {
	want := acc.Last
	if len(got.Lines) != len(want.Lines) {
		return fmt.Sprintf("%d lines, acknowledged %d", len(got.Lines), len(want.Lines))
	}
	over := !acc.Deadline.IsZero() && acc.Deadline.Before(at)
	for i, w := range want.Lines {
		if over {
			w.Expired, w.Held = w.Expired+w.Held, 0
		}
		g := got.Lines[i]
		if acc.Order.short() { // only their sum is certain
			w.Committed, w.Short = w.Committed+w.Short, 0
			g.Committed, g.Short = g.Committed+g.Short, 0
		}
		have, must := units(g), units(w)
		if have != must || g.SKU != w.SKU {
			return fmt.Sprintf("line %d has %s %v, acknowledged %s %v (qty, held, committed, short, "+
				"shipped, released, expired, returned)", i+1, g.SKU, have, w.SKU, must)
		}
	}
	return ""
}

func units(l client.Line) [8]int64 {
	return [8]int64{l.Qty, l.Held, l.Committed, l.Short, l.Shipped, l.Released, l.Expired, l.Returned}
}

func checkOneEffect(b *Books, s *Seen) Check {
	c := Check{Name: "one effect per key", Faults: append([]string(nil), b.unlike...)}
	accepted := 0
	for _, acc := range b.accounts {
		if acc.Refused == "" {
			accepted++
		}
	}
	for _, n := range s.Nodes {
		for _, id := range ids(n.Reservations) {
			if acc := b.accounts[id]; acc == nil || acc.Refused != "" {
				c.fault("%s: %s is there and was never accepted", n.Name, id)
			}
		}
		if len(n.Reservations) != accepted {
			c.fault("%s has %d reservations, accepted were %d", n.Name, len(n.Reservations), accepted)
		}
	}
	c.Compared = fmt.Sprintf("%d requests sent twice: second answer = first; %d accepted orders = "+
		"reservations on each node", b.again, accepted)
	return c
}

func checkNoOversell(b *Books, s *Seen) Check {
	c := Check{Name: "no unit sold twice"}
	had, sold := map[string]int64{}, map[string]int64{}
	for at, n := range b.stocked {
		had[at.SKU] += n
	}
	for at, n := range b.returned {
		had[at.SKU] += n
	}
	for _, r := range s.Nodes[0].Reservations {
		for _, l := range r.Lines {
			for _, a := range l.Allocations {
				sold[a.SKU] += a.Shipped + a.Committed + a.Held
			}
		}
	}
	var units, stock int64
	gone := 0
	for _, sku := range ids(had) {
		units, stock = units+sold[sku], stock+had[sku]
		if sold[sku] == had[sku] {
			gone++
		}
		if sold[sku] > had[sku] {
			c.fault("%s: %d units sold or promised, %d were there", sku, sold[sku], had[sku])
		}
	}
	for _, n := range s.Nodes {
		for at, l := range n.Stock {
			if l.Available < 0 {
				c.fault("%s: %s at %s: available is %d", n.Name, at.SKU, at.Location, l.Available)
			}
		}
	}
	c.Compared = fmt.Sprintf("%d SKUs: %d units sold or promised ≤ %d stocked and returned, for "+
		"each; %d SKUs sold to the last unit", len(had), units, stock, gone)
	return c
}

func checkOnHand(b *Books, s *Seen) Check {
	c := Check{Name: "on hand balances"}
	want := b.onHand()
	for _, n := range s.Nodes {
		for at, units := range want {
			if got := n.Stock[at].OnHand; got != units {
				c.fault("%s: %s at %s has %d on hand, books say %d stocked − %d shipped + %d returned = %d",
					n.Name, at.SKU, at.Location, got, b.stocked[at], b.shipped()[at], b.returned[at], units)
			}
		}
		for at, l := range n.Stock {
			if _, ok := want[at]; !ok && l.OnHand != 0 {
				c.fault("%s: %s at %s has %d on hand, books know nothing of it", n.Name, at.SKU,
					at.Location, l.OnHand)
			}
		}
	}
	sort.Strings(c.Faults)
	sum := func(m map[Place]int64) (n int64) {
		for _, v := range m {
			n += v
		}
		return n
	}
	c.Compared = fmt.Sprintf("%d stock rows on each of %d nodes: %d = %d stocked − %d shipped + %d "+
		"returned for sale", len(want), len(s.Nodes), sum(want), sum(b.stocked), sum(b.shipped()),
		sum(b.returned))
	return c
}

// checkPromises adds up the reservations and holds the sums against the stock rows.
func checkPromises(s *Seen) Check {
	c := Check{Name: "held and committed add up"}
	var held, committed int64
	for i, n := range s.Nodes {
		want := map[Place][2]int64{}
		for _, r := range n.Reservations {
			for _, l := range r.Lines {
				for _, a := range l.Allocations {
					at := Place{a.SKU, a.Location}
					want[at] = [2]int64{want[at][0] + a.Held, want[at][1] + a.Committed}
				}
			}
		}
		for at := range n.Stock {
			if _, ok := want[at]; !ok {
				want[at] = [2]int64{}
			}
		}
		for at, w := range want {
			got := n.Stock[at]
			if got.Held != w[0] || got.Committed != w[1] {
				c.fault("%s: %s at %s says held %d, committed %d; its reservations have %d, %d", n.Name,
					at.SKU, at.Location, got.Held, got.Committed, w[0], w[1])
			}
			if i == 0 {
				held, committed = held+w[0], committed+w[1]
			}
		}
	}
	sort.Strings(c.Faults)
	c.Compared = fmt.Sprintf("sums over %d reservations = stock rows on each of %d nodes: %d held, "+
		"%d committed", len(s.Nodes[0].Reservations), len(s.Nodes), held, committed)
	return c
}

func checkHoldsEnd(b *Books, s *Seen) Check {
	c := Check{Name: "no hold outlives its deadline"}
	ended := 0
	for _, n := range s.Nodes {
		for _, id := range ids(n.Reservations) {
			r := n.Reservations[id]
			acc := b.accounts[id]
			if acc == nil || acc.Deadline.IsZero() || acc.Deadline.After(s.At.Add(-idleExpiry)) {
				continue
			}
			ended++
			for _, l := range r.Lines {
				if l.Held > 0 {
					c.fault("%s: %s still holds %d of %s, %s after its deadline", n.Name, id, l.Held, l.SKU,
						s.At.Sub(acc.Deadline).Round(time.Millisecond))
				}
			}
		}
	}
	var late time.Duration
	for _, e := range s.Events {
		if acc := b.accounts[e.Cause]; e.Type == "reservation.expired" && acc != nil &&
			!acc.Deadline.IsZero() {
			late = max(late, e.At.Sub(acc.Deadline))
			if e.At.Before(acc.Deadline.Truncate(time.Millisecond)) {
				c.fault("%s ended %s before its deadline", e.Cause, acc.Deadline.Sub(e.At))
			}
		}
	}
	c.Compared = fmt.Sprintf("%d holds on each of %d nodes are over and hold nothing; the latest "+
		"ended %s after its deadline", ended/len(s.Nodes), len(s.Nodes), late.Round(time.Millisecond))
	return c
}

func checkLateCommits(s *Seen) Check {
	c := Check{Name: "a late commit is refused"}
	for _, id := range ids(s.Late) {
		if a := s.Late[id]; a.Status != 410 || a.Code != "expired" {
			c.fault("commit of %s after its deadline: %d %s", id, a.Status, a.Code)
		}
	}
	c.Compared = fmt.Sprintf("%d shoppers came back after their hold was over: each got 410 expired",
		len(s.Late))
	return c
}

// checkEvents replays the events: they are dense, each balance follows from the one before it, and
// the last one is what the stock row says.
func checkEvents(s *Seen) Check {
	c := Check{Name: "events tell the same story"}
	onHand := map[Place]client.Event{}
	for i, e := range s.Events {
		if i > 0 && e.Seq != s.Events[i-1].Seq+1 {
			c.fault("event %d follows %d", e.Seq, s.Events[i-1].Seq)
		}
		if e.SKU == "" || e.Location == "" {
			continue
		}
		at := Place{e.SKU, e.Location}
		before := onHand[at]
		if change, want := e.OnHand-before.OnHand, moved(e); change != want {
			c.fault("event %d, %s of %d %s at %s: on hand changed by %d", e.Seq, e.Type, e.Qty, e.SKU,
				e.Location, change)
		}
		onHand[at] = e
	}
	for at, l := range s.Nodes[0].Stock {
		e := onHand[at]
		if e.OnHand != l.OnHand || e.Held != l.Held || e.Committed != l.Committed {
			c.fault("%s at %s: last event says %d, %d, %d; the row says %d, %d, %d", at.SKU, at.Location,
				e.OnHand, e.Held, e.Committed, l.OnHand, l.Held, l.Committed)
		}
	}
	c.Compared = fmt.Sprintf("%d events without a gap, replayed; last balances = %d stock rows",
		len(s.Events), len(s.Nodes[0].Stock))
	return c
}

// moved is by how much an event changes what is on hand.
func moved(e client.Event) int64 {
	switch e.Type {
	case "stock.set", "stock.adjusted":
		return e.Qty
	case "reservation.shipped":
		return -e.Qty
	case "reservation.returned":
		if e.Note == "" || e.Note == "sellable" {
			return e.Qty
		}
	}
	return 0
}

// ids lists the keys of m in order, so that faults read the same each time.
func ids[V any](m map[string]V) []string {
	all := make([]string, 0, len(m))
	for id := range m {
		all = append(all, id)
	}
	sort.Strings(all)
	return all
}
