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
	rest   []int64 // of it, what is not kept back
	all    int64   // sum of have
	buffer int64   // kept back; all − sum of rest
}

// stockFor fills s with the supply of a SKU at a channel's sourcing locations.
func (l *Ledger) stockFor(d *channelDef, sku uint32, s *supply) *supply {
	s.have, s.rest = s.have[:0], s.rest[:0]
	for _, location := range d.sourcing {
		s.have = append(s.have, max(0, l.availableAt(sku, location)))
	}
	s.rest = append(s.rest, s.have...)
	s.keepBack(&d.Rules)
	if len(l.shortfall) > 0 && l.unsettled(sku) {
		clear(s.rest) // until it is known whose units are short, nobody gets new ones
		s.buffer = s.all
	}
	return s
}

// keepBack takes the buffer out of the rest, from the last location backwards.
func (s *supply) keepBack(r *Rules) {
	s.all = 0
	for _, n := range s.have {
		s.all += n
	}
	s.buffer = min(s.all, max(r.Buffer, percentUp(r.BufferPercent, s.all)))
	left := s.buffer
	for i := len(s.rest) - 1; i >= 0 && left > 0; i-- {
		n := min(left, s.rest[i])
		s.rest[i] -= n
		left -= n
	}
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
		for at := l.sku(sku).kit; at != 0; {
			p := l.names.parts.at(at)
			if p.sku == short {
				return true
			}
			at = p.next
		}
	}
	return false
}
