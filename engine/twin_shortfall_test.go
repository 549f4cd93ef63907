package engine_test

import (
	"cmp"
	"maps"
	"slices"

	"holdfast/engine"
)

// shortfalls looks at rows that a command touched: where less than nothing is available,
// allocations are moved, and what is still missing goes by the policy of the location.
func (w *twin) shortfalls(low []rowKey) {
	slices.SortFunc(low, compareRows)
	for _, k := range slices.Compact(low) {
		if w.available(k) >= 0 {
			continue
		}
		w.moveAway(k)
		w.lose(k)
	}
}

// claim is the units that one line has at the short row.
type claim struct {
	v     *twinReservation
	l     *twinLine
	place *twinPlace
	each  int64 // units of the row in one unit of the line
}

// claims lists who has live units of a row, the newest reservation first, its last line first.
func (w *twin) claims(k rowKey) []claim {
	var all []claim
	for _, v := range slices.Backward(w.reservations) {
		if v.mirror {
			continue
		}
		for _, l := range slices.Backward(v.lines) {
			for _, p := range l.places {
				for _, part := range w.parts(l, p.location) {
					if p.location == k.location && part.sku == k.sku && p.held+p.committed > 0 {
						all = append(all, claim{v, l, p, part.qty})
					}
				}
			}
		}
	}
	return all
}

// lacking is how many units of a claim would have to go to bring the row back to 0.
func (w *twin) lacking(k rowKey, c claim) int64 {
	missing := max(0, -w.available(k))
	return (missing + c.each - 1) / c.each
}

// moveAway moves what is missing to other locations that the channels may use. Stock of the two
// kinds of location never mixes.
func (w *twin) moveAway(k rowKey) {
	kind := w.locations[k.location].def.Kind
	for _, c := range w.claims(k) {
		for _, to := range w.channels[c.v.channel].locations {
			if to == k.location || w.locations[to].def.Kind != kind {
				continue
			}
			n := min(w.lacking(k, c), w.units(c.l, to), c.place.held+c.place.committed)
			if held := min(n, c.place.held); n > 0 {
				w.shift(c.v, c.l, k.location, to, held, n-held)
			}
		}
		w.tidy(c.v)
	}
}

// lose makes units short, by the policy of the location.
func (w *twin) lose(k rowKey) {
	policy := w.locations[k.location].def.Shortfall
	if policy == engine.ShortfallNone {
		return
	}
	claims := w.claims(k)
	if policy == engine.ShortfallPriority {
		slices.SortStableFunc(claims, func(a, b claim) int {
			return cmp.Compare(w.channels[a.v.channel].def.Priority,
				w.channels[b.v.channel].def.Priority)
		})
	}
	for _, c := range claims {
		n := takeFrom(&c.place.held, w.lacking(k, c))
		c.l.soft += n
		w.lost(k, c, n)
	}
	for _, c := range claims {
		n := takeFrom(&c.place.committed, w.lacking(k, c))
		c.l.firm += n
		w.lost(k, c, n)
	}
	for _, c := range claims {
		w.tidy(c.v)
	}
}

func (w *twin) lost(k rowKey, c claim, n int64) {
	if n > 0 {
		w.freed(c.l, k.location)
		w.emitPlace(engine.EventShort, c.v, c.l, k.location, n, "")
	}
}

// allocateShort gives what became available to short units, oldest reservation first.
func (w *twin) allocateShort() {
	touched := w.touched
	w.touched = map[uint32]bool{}
	for _, sku := range slices.Sorted(maps.Keys(touched)) {
		for _, v := range w.reservations {
			for _, l := range v.lines {
				uses := l.sku == sku || slices.ContainsFunc(l.kit, func(p twinPart) bool {
					return p.sku == sku
				})
				if uses && l.short() > 0 && !v.mirror {
					w.allocate(v, l)
				}
			}
		}
	}
}

// allocate gives a line with short units what is available where it may take from.
func (w *twin) allocate(v *twinReservation, l *twinLine) {
	for _, location := range w.reach(v, l) {
		if n := takeFrom(&l.firm, w.units(l, location)); n > 0 {
			l.at(location).committed += n
			w.emitPlace(engine.EventAllocated, v, l, location, n, "")
		}
		if n := takeFrom(&l.soft, w.units(l, location)); n > 0 {
			l.at(location).held += n
			w.emitPlace(engine.EventAllocated, v, l, location, n, "")
		}
	}
}

// reach lists the locations that a line with short units may take from.
func (w *twin) reach(v *twinReservation, l *twinLine) []uint32 {
	ch := w.channels[v.channel]
	sourcing := w.sourcing(v.channel)
	if slices.Contains(ch.locations, l.pin) {
		return []uint32{l.pin}
	}
	if ch.def.Split {
		return sourcing
	}
	var live []uint32
	for _, p := range l.places {
		if p.held+p.committed > 0 && slices.Contains(sourcing, p.location) {
			live = append(live, p.location)
		}
	}
	if len(live) > 0 {
		return live
	}
	for _, location := range sourcing {
		if w.units(l, location) > 0 {
			return []uint32{location}
		}
	}
	return nil
}
