package engine

// How many units of a SKU a channel may sell: one function for publishing, for availability and for
// strict reserves (docs/LEDGER.md, "Sellable").

// Sellable returns how many units of a SKU a strict reserve on a channel can get now, or
// UnknownChannel or UnknownSKU.
func (l *Ledger) Sellable(channel, sku string) (int64, Refusal) {
	ch := l.find(ChannelName, Name(channel))
	if ch == 0 {
		return 0, UnknownChannel
	}
	number := l.find(SKUName, Name(sku))
	if number == 0 {
		return 0, UnknownSKU
	}
	d := l.channel(ch)
	s := l.stockFor(d, number, &l.work.supply)
	return s.sellable(d.Split), Accepted
}

// supply is what a channel's locations have of a SKU, by location in the channel's order.
type supply struct {
	have   []int64 // max(0, available)
	part   []int64 // scratch: have of one component
	rest   []int64 // of it, what is not kept back
	all    int64   // sum of have
	buffer int64   // kept back; all − sum of rest
}

// stockFor fills s with the supply of a SKU at a channel's sourcing locations.
func (l *Ledger) stockFor(d *channelDef, sku uint32, s *supply) *supply {
	s.have = l.haveAt(d, sku, grow(s.have, len(d.sourcing)))
	if len(d.sourcing) > 0 && l.isKitAt(sku, d.sourcing[0]) { // sourcing locations are of one kind
		l.kitsFor(d, sku, s)
	}
	s.rest = append(s.rest[:0], s.have...)
	s.keepBack(&d.Rules)
	if len(l.shortfall) > 0 && l.unsettled(sku) {
		clear(s.rest) // until it is known whose units are short, nobody gets new ones
		s.buffer = s.all
	}
	return s
}

// haveAt fills have with what is available of a SKU at each sourcing location, in one walk over the
// SKU's stock rows.
func (l *Ledger) haveAt(d *channelDef, sku uint32, have []int64) []int64 {
	clear(have)
	for ref := l.sku(sku).stock; ref != 0; {
		row := l.stockAt(ref)
		if i := d.sourcingIndex(row.location); i >= 0 {
			have[i] = max(0, row.available())
		}
		ref = row.next
	}
	return have
}

// kitsFor is I8 at every sourcing location.
func (l *Ledger) kitsFor(d *channelDef, kit uint32, s *supply) {
	first := true
	for at := l.moreOf(kit).kit; at != 0; {
		part := l.names.parts.at(at)
		s.part = l.haveAt(d, part.sku, grow(s.part, len(d.sourcing)))
		for i, n := range s.part {
			if n /= int64(part.qty); first || n < s.have[i] {
				s.have[i] = n
			}
		}
		first, at = false, part.next
	}
}

// keepBack takes the buffer out of the rest, from the last location backwards.
func (s *supply) keepBack(r *Rules) {
	s.all = 0
	for _, n := range s.have {
		s.all += n
	}
	s.buffer = r.kept(s.all)
	left := s.buffer
	for i := len(s.rest) - 1; i >= 0 && left > 0; i-- {
		n := min(left, s.rest[i])
		s.rest[i] -= n
		left -= n
	}
}

// kept is what of all units at a channel's sourcing locations is not sold.
func (r *Rules) kept(all int64) int64 {
	if r.Buffer|r.BufferPercent == 0 {
		return 0
	}
	return min(all, max(r.Buffer, percentUp(r.BufferPercent, all)))
}

func (s *supply) sellable(split bool) int64 {
	if split {
		return s.all - s.buffer
	}
	best := int64(0)
	for _, n := range s.rest {
		best = max(best, n)
	}
	return best
}

// percentUp is n × hundredths of a percent, rounded up, without passing 64 bits on the way.
func percentUp(hundredths, n int64) int64 {
	return n/10_000*hundredths + (n%10_000*hundredths+9_999)/10_000
}

// unsettled reports whether a shortfall of the SKU, or of a component of the kit, waits to be
// resolved.
func (l *Ledger) unsettled(sku uint32) bool {
	for _, ref := range l.shortfall {
		short := l.stockAt(ref).sku
		if short == sku {
			return true
		}
		for at := l.moreOf(sku).kit; at != 0; {
			p := l.names.parts.at(at)
			if p.sku == short {
				return true
			}
			at = p.next
		}
	}
	return false
}
