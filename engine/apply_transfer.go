package engine

// transfer moves live units of one line to another of the channel's locations.
func (l *Ledger) transfer(c *Transfer, v *verdict) {
	if !l.begun(c.ID, v) {
		return
	}
	from, to := l.find(LocationName, c.From), l.find(LocationName, c.To)
	row := l.resvAt(v.resv)
	switch {
	case row.flags&isMirror != 0:
		v.refuse(WrongState, field{leaf: "id"})
	case from == 0:
		v.refuse(UnknownLocation, field{leaf: "from"})
	case to == 0:
		v.refuse(UnknownLocation, field{leaf: "to"})
	case !l.channel(uint32(row.channel)).lists(to):
		v.refuse(NotListed, field{leaf: "to"})
	case c.Line > int64(row.lines):
		v.refuse(WrongState, field{leaf: "line"})
	}
	if v.refusal != Accepted {
		return
	}
	l.units(v.resv)
	place, live, expired := partRef(0), int64(0), int64(0)
	for _, u := range l.unitsOf(uint16(c.Line)) {
		expired += int64(u.expired)
		if u.location == from {
			place = u.part
		}
		if u.location != 0 {
			live += int64(u.held) + int64(u.committed)
		}
	}
	if place == 0 || int64(l.partAt(place).live()) < c.Qty {
		v.refuse(WrongState, field{leaf: "line"})
		if live == 0 && expired > 0 {
			v.refuse(ReservationExpired, field{leaf: "line"})
		}
		return
	}
	s := l.siteTo(v.resv, l.partAt(place), to)
	if have := l.availableOf(s); have < c.Qty {
		v.refuse(InsufficientStock, field{leaf: "qty"})
		v.lack(s.sku, c.Qty, max(0, have))
		return
	}
	l.openResv(v.resv)
	l.relocate(v.resv, place, s, uint32(c.Qty))
	if l.partAt(place).empty() {
		l.dropPart(v.resv, uint32(place)>>l.bits)
	}
	l.closeResv(v.resv)
}

// siteTo is where units of a place would be at another location.
func (l *Ledger) siteTo(ref resvRef, p *partRow, to uint32) site {
	s := l.siteOf(ref, p)
	l.work.kit = l.componentsOf(l.work.kit[:0], ref, p.line)
	s.location, s.parts = to, l.work.kit
	s.kit = len(s.parts) > 0 && l.location(to).Kind == Merchant
	return s
}
