package check

import (
	"time"

	"holdfast/loadtest/driver"
)

// oversell compares what strict reservations of a SKU took with what was ever there for them. Units
// that came back are counted where they are: a returned one may be sold again.
func (c *checker) oversell() {
	taken := map[string]int64{}
	for _, r := range c.placed {
		if r.Mode != "" && r.Mode != "strict" {
			continue
		}
		for _, l := range r.Lines {
			taken[l.SKU] += l.Held + l.Committed + l.Shipped - l.Returned
		}
	}
	for sku, units := range c.stocked {
		c.looked(noOversell, 1)
		if taken[sku] > units {
			c.broken(noOversell, "%s: %d units sold, %d stocked", sku, taken[sku], units)
		}
	}
}

// writes looks for every acknowledged write.
func (c *checker) writes() {
	for id, verbs := range c.asked {
		placed, there := c.placed[id]
		for verb, r := range verbs {
			c.looked(writesKept, 1)
			if !there {
				c.broken(writesKept, "%s of %s was acknowledged with %d at index %d and is gone",
					verb, id, r.Status, r.Index)
				break
			}
			if !shows(placed, verb, r) {
				c.broken(writesKept, "%s of %s was acknowledged with %d at index %d, and the "+
					"reservation shows nothing of it: %+v", verb, id, r.Status, r.Index, placed.Lines)
			}
		}
	}
	for i := range c.cfg.Result.Records {
		for _, p := range c.cfg.Result.Records[i].Parts {
			if p.Status != 200 && p.Status != 201 {
				continue
			}
			c.looked(writesKept, 1)
			if _, there := c.placed[p.Reservation]; !there {
				c.broken(writesKept, "the reserve of %s in a batch was acknowledged and is gone",
					p.Reservation)
			}
		}
	}
}

// shows reports whether a reservation carries the trace of a verb that took all that it could.
func shows(r seen, verb string, rec *driver.Record) bool {
	qty, n := map[string]int64{}, int64(0)
	for _, l := range r.Lines {
		qty[l.SKU] += l.Qty
		switch verb {
		case "commit":
			n += l.Committed + l.Shipped + l.Released
		case "release":
			n += l.Released
		case "ship":
			n += l.Shipped
		case "return":
			n += l.Returned
		}
	}
	if verb != "reserve" {
		return n > 0
	}
	for _, l := range rec.Lines {
		if qty[l.SKU] != l.Qty {
			return false
		}
	}
	return true
}

// oneEffect compares all answers under one key. A read of the state may differ between them, as time
// went on; what the call did may not.
func (c *checker) oneEffect() {
	for key, all := range c.keys {
		var first *driver.Record
		for _, r := range all {
			remembered := r.Outcome == driver.Done || r.Outcome == driver.Refused
			if !remembered {
				continue
			}
			if first == nil {
				first = r
				continue
			}
			c.looked(oneEffect, 1)
			// Without an index in the answer there is none to compare.
			moved := r.Index != 0 && first.Index != 0 && r.Index != first.Index
			if r.Status != first.Status || r.Code != first.Code || r.AnswerID != first.AnswerID ||
				moved {
				c.broken(oneEffect, "key %s was answered %d %s (%s, index %d) and %d %s (%s, index %d)",
					key, first.Status, first.Code, first.AnswerID, first.Index, r.Status, r.Code,
					r.AnswerID, r.Index)
			}
		}
	}
}

// leaked looks for holds that outlived their deadline by more than the grace.
func (c *checker) leaked() {
	limit := time.Now().Add(-c.cfg.Scenario.Hold.Grace)
	for id, r := range c.placed {
		c.looked(noLeakedHold, 1)
		if r.ExpiresAt.IsZero() || r.ExpiresAt.After(limit) {
			continue
		}
		for _, l := range r.Lines {
			if l.Held > 0 {
				c.broken(noLeakedHold, "%s line %d still holds %d of %s, to be gone at %s", id, l.Line,
					l.Held, l.SKU, r.ExpiresAt.UTC().Format(time.RFC3339))
			}
		}
	}
}

// balances adds up what the reservations say and compares it with the stock of each SKU.
func (c *checker) balances() {
	want := map[string]driver.StockSeen{}
	for sku, units := range c.stocked {
		want[sku] = driver.StockSeen{OnHand: units}
	}
	for id, r := range c.placed {
		for _, l := range r.Lines {
			s := want[l.SKU]
			s.OnHand += l.Returned - l.Shipped
			s.Held += l.Held
			s.Committed += l.Committed
			want[l.SKU] = s
			c.looked(balances, 1)
			if sum := l.Held + l.Committed + l.Short + l.Shipped + l.Released + l.Expired; sum != l.Qty {
				c.broken(balances, "%s line %d of %d units accounts for %d", id, l.Line, l.Qty, sum)
			}
		}
	}
	for sku := range c.stocked {
		c.looked(balances, 1)
		got, s := c.stock[0][sku], want[sku]
		if got.OnHand != s.OnHand || got.Held != s.Held || got.Committed != s.Committed {
			c.broken(balances, "%s: on hand %d, held %d, committed %d; the accepted operations add up "+
				"to %d, %d and %d", sku, got.OnHand, got.Held, got.Committed, s.OnHand, s.Held,
				s.Committed)
		}
	}
}

// agree compares every node's stock with the first one's.
func (c *checker) agree() {
	for i := 1; i < len(c.stock); i++ {
		for sku, a := range c.stock[0] {
			c.looked(agreement, 1)
			if b := c.stock[i][sku]; a != b {
				c.broken(agreement, "%s: %s says %+v, %s says %+v", sku, c.cfg.Targets[0], a,
					c.cfg.Targets[i], b)
			}
		}
	}
}
