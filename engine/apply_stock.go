package engine

import "github.com/zeebo/xxh3"

// MasterHoldfast is the master of a location whose units anybody may count who may call.
const MasterHoldfast = "holdfast"

func (l *Ledger) set(c *Set, v *verdict) {
	sku, location := l.stockChange(c.SKU, c.Location, "location", v)
	l.mayChange(sku, location, "location", c.Source, v)
	if v.refusal != Accepted {
		return
	}
	row := stockRow{}
	if v.stock != 0 {
		row = *l.stockAt(v.stock)
	}
	asOf, source := c.AsOf, xxh3.HashString(c.Source)
	if asOf == 0 || asOf > l.now { // an edge's clock may run ahead of the ledger's by a little
		asOf = l.now
	}
	if last, ok := l.lastCount(&row, source); ok && asOf < last {
		v.status = Stale
		return
	}
	replay := int64(0)
	if c.AsOf != 0 {
		if c.BasisGone {
			v.refuse(AsOfTooOld, field{leaf: "as_of"})
			return
		}
		replay = row.moved - c.Basis
	}
	onHand := c.Value + replay
	if tooLarge(onHand) || tooLarge(replay) {
		v.refuse(QuantityOverflow, field{leaf: "set"})
		return
	}
	v.stock, v.moved = l.needStock(sku, location), replay
	open := l.openStock(v.stock)
	before := open.available()
	l.setMark(open, source, asOf)
	if by := onHand - open.onHand; by == 0 {
		v.status = Unchanged
	} else {
		v.status = Applied
		open.onHand = onHand
		l.emit(open, by, note{kind: EventStockSet, cause: c.Source})
	}
	l.closeStock(open)
	if open.available() > before {
		l.work.raised = append(l.work.raised, v.stock)
	}
	l.noteFall(v.stock)
}

func (l *Ledger) adjust(c *Adjust, v *verdict) {
	sku, location := l.stockChange(c.SKU, c.Location, "location", v)
	l.mayChange(sku, location, "location", c.Source, v)
	if v.refusal != Accepted {
		return
	}
	if v.stock != 0 && l.wouldOverflow(v.stock, c.Delta) {
		v.refuse(QuantityOverflow, field{leaf: "adjust"})
		return
	}
	v.stock, v.status = l.needStock(sku, location), Applied
	l.shift(v.stock, change{onHand: c.Delta, moved: c.Delta}, c.Delta,
		note{kind: EventStockAdjusted, cause: c.Source, text: c.Reason})
	l.noteFall(v.stock)
}

func (l *Ledger) move(c *Move, v *verdict) {
	sku, from := l.stockChange(c.SKU, c.From, "from", v)
	to := l.find(LocationName, c.To)
	if v.refusal == Accepted && to == 0 {
		v.refuse(UnknownLocation, field{leaf: "to"})
	}
	if v.refusal == Accepted && l.isKitAt(sku, to) {
		v.refuse(KitWithoutStock, field{leaf: "sku"})
	}
	l.mayChange(sku, from, "from", c.Source, v)
	l.mayChange(sku, to, "to", c.Source, v)
	if v.refusal != Accepted {
		return
	}
	source, target := v.stock, l.stockOf(sku, to)
	if source != 0 && l.wouldOverflow(source, -c.Qty) || target != 0 && l.wouldOverflow(target, c.Qty) {
		v.refuse(QuantityOverflow, field{leaf: "move"})
		return
	}
	available := int64(0)
	if source != 0 {
		available = l.stockAt(source).available()
	}
	if available < c.Qty {
		v.refuse(InsufficientStock, field{leaf: "move"})
		v.lack(sku, c.Qty, max(0, available))
		return
	}
	e := note{kind: EventStockMoved, cause: c.Source, text: c.Reason, minus: true}
	v.stock, v.status = l.needStock(sku, from), Applied
	l.shift(v.stock, change{onHand: -c.Qty, moved: -c.Qty}, c.Qty, e)
	e.minus = false
	l.shift(l.needStock(sku, to), change{onHand: c.Qty, moved: c.Qty}, c.Qty, e)
}

// stockChange finds what a change of stock is about. v.stock is the row, 0 if there is none yet.
func (l *Ledger) stockChange(s, at Name, leaf string, v *verdict) (sku, location uint32) {
	sku, location = l.find(SKUName, s), l.find(LocationName, at)
	if sku != 0 && location != 0 {
		v.stock, v.balance = l.stockOf(sku, location), true
	}
	if sku == 0 {
		v.refuse(UnknownSKU, field{leaf: "sku"})
	} else if location == 0 {
		v.refuse(UnknownLocation, field{leaf: leaf})
	}
	return sku, location
}

// mayChange refuses a change of stock where there is none, or by a source that is not the master.
func (l *Ledger) mayChange(sku, location uint32, leaf, source string, v *verdict) {
	if v.refusal != Accepted {
		return
	}
	if l.isKitAt(sku, location) {
		v.refuse(KitWithoutStock, field{leaf: "sku"})
	} else if m := l.location(location).Master; m != MasterHoldfast && m != source {
		v.refuse(NotMaster, field{leaf: leaf})
	}
}

func (l *Ledger) wouldOverflow(ref stockRef, by int64) bool {
	row := l.stockAt(ref)
	return tooLarge(row.onHand + by)
}

func tooLarge(v int64) bool { return v > MaxBalance || v < -MaxBalance }
