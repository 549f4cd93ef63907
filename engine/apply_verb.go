package engine

// The verbs that move units of a reservation from one state to the next. Each first picks its units,
// which can fail, and then acts, which cannot.

func (l *Ledger) commit(c *Commit, v *verdict) {
	if !l.begun(c.ID, v) {
		return
	}
	acts := l.pick(v.resv, verbCommit, c.Picks, v)
	l.act(v, verbCommit, acts, l.noteOf(v.resv, EventCommitted, ""), l.commitUnits)
}

func (l *Ledger) commitUnits(ref resvRef, a *act, p *partRow, e note) {
	n := int64(a.held)
	p.held -= a.held
	if !p.short() {
		p.committed += a.held
		l.settlePart(a.part, p)
		l.shiftUnits(l.siteOf(ref, p), change{held: -n, committed: n}, n, e)
		return
	}
	l.settlePart(a.part, p)
	sku := l.skuOfPart(p)
	l.addShort(ref, p.line, sku, firmShort, a.held)
	l.emitShort(sku, n, e)
}

func (l *Ledger) release(c *Release, v *verdict) {
	if !l.begun(c.ID, v) {
		return
	}
	acts := l.pick(v.resv, verbRelease, c.Picks, v)
	l.act(v, verbRelease, acts, l.noteOf(v.resv, EventReleased, c.Reason), l.releaseUnits)
}

func (l *Ledger) releaseUnits(ref resvRef, a *act, p *partRow, e note) {
	p.held -= a.held
	p.committed -= a.committed
	p.released += a.held + a.committed
	l.settlePart(a.part, p)
	if p.short() {
		l.emitShort(l.skuOfPart(p), a.units(), e)
		return
	}
	by := change{held: -int64(a.held), committed: -int64(a.committed)}
	l.shiftUnits(l.siteOf(ref, p), by, a.units(), e)
}

func (l *Ledger) ship(c *Ship, v *verdict) {
	if !l.begun(c.ID, v) {
		return
	}
	text := c.Package
	if c.Tracking != "" {
		if text != "" {
			text += " "
		}
		text += c.Tracking
	}
	acts := l.pick(v.resv, verbShip, c.Picks, v)
	l.act(v, verbShip, acts, l.noteOf(v.resv, EventShipped, text), l.shipUnits)
}

func (l *Ledger) shipUnits(ref resvRef, a *act, p *partRow, e note) {
	p.held -= a.held
	p.committed -= a.committed
	p.shipped += a.held + a.committed
	l.settlePart(a.part, p)
	n := a.units()
	l.shiftUnits(l.siteOf(ref, p), change{
		onHand: -n, held: -int64(a.held), committed: -int64(a.committed), moved: -n,
	}, n, e)
}

// giveBack is the return of shipped units.
func (l *Ledger) giveBack(c *Return, v *verdict) {
	if !l.begun(c.ID, v) {
		return
	}
	if l.resvAt(v.resv).flags&isMirror != 0 {
		v.refuse(WrongState, field{leaf: "id"})
		return
	}
	at := uint32(0)
	if c.Location != "" {
		if at = l.find(LocationName, c.Location); at == 0 {
			v.refuse(UnknownLocation, field{leaf: "location"})
			return
		}
	}
	for i := range c.Picks {
		if n := c.Picks[i].Location; n != "" && l.find(LocationName, n) == 0 {
			v.refuse(UnknownLocation, field{list: "lines", i: i, leaf: "location"})
			return
		}
	}
	acts := l.pick(v.resv, verbReturn, c.Picks, v)
	for i := range acts {
		if acts[i].location == 0 {
			acts[i].location = at
		}
		if l.cannotReturn(&acts[i], v); v.refusal != Accepted {
			return
		}
	}
	e := l.noteOf(v.resv, EventReturned, c.Disposition.String())
	if c.Disposition == Sellable {
		l.act(v, verbReturn, acts, e, l.returnUnits)
	} else {
		l.act(v, verbReturn, acts, e, l.loseUnits)
	}
}

// cannotReturn refuses a return to what is not there any more.
func (l *Ledger) cannotReturn(a *act, v *verdict) {
	p := l.partAt(a.part)
	s := l.siteBack(v.resv, a, p)
	if l.location(s.location).gone {
		v.refuse(UnknownLocation, field{leaf: "location"})
		return
	}
	if l.sku(s.sku).deleted {
		v.refuse(UnknownSKU, field{leaf: "lines"})
	}
	if !s.kit {
		s.parts = append(s.parts[:0], kitPart{sku: s.sku})
	}
	for _, part := range s.parts {
		if v.refusal == Accepted && l.sku(part.sku).deleted {
			v.refuse(UnknownSKU, field{leaf: "lines"})
		}
	}
	for _, part := range s.parts { // it may have become a kit since
		if v.refusal == Accepted && l.isKitAt(part.sku, s.location) {
			v.refuse(KitWithoutStock, field{leaf: "lines"})
		}
	}
}

// siteBack is where returned units come back to.
func (l *Ledger) siteBack(ref resvRef, a *act, p *partRow) site {
	if s := l.siteOf(ref, p); a.location == 0 || a.location == s.location {
		return s
	}
	return l.siteTo(ref, p, a.location)
}

func (l *Ledger) returnUnits(ref resvRef, a *act, p *partRow, e note) {
	p.returned += a.returned
	n := a.units()
	l.shiftUnits(l.siteBack(ref, a, p), change{onHand: n, moved: n}, n, e)
}

func (l *Ledger) loseUnits(ref resvRef, a *act, p *partRow, e note) {
	p.returned += a.returned
	l.shiftUnits(l.siteOf(ref, p), change{}, a.units(), e)
}

// begun finds the reservation of a verb, or refuses it.
func (l *Ledger) begun(id string, v *verdict) bool {
	if v.resv = l.findResv(id); v.resv == 0 && !l.away(id, v) {
		v.refuse(UnknownReservation, field{leaf: "id"})
	}
	return v.resv != 0
}

// act does the acts of a verb, unless it was refused.
func (l *Ledger) act(v *verdict, b verb, acts []act, e note,
	do func(resvRef, *act, *partRow, note)) {
	if v.refusal != Accepted || len(acts) == 0 {
		return
	}
	row := l.openResv(v.resv)
	for i := range acts {
		do(v.resv, &acts[i], l.partAt(acts[i].part), e)
	}
	for i := range acts { // only now, so that no slot is used again while the list is in use
		if p := l.partAt(acts[i].part); p.kind != 0 && p.empty() {
			l.dropPart(v.resv, uint32(acts[i].part)>>l.bits)
		}
	}
	row.flags |= b.did()
	l.endHold(v.resv, row)
	l.closeResv(v.resv)
}

func (l *Ledger) extend(c *Extend, v *verdict) {
	if !l.begun(c.ID, v) {
		return
	}
	row := l.resvAt(v.resv)
	if row.flags&isMirror != 0 {
		v.refuse(WrongState, field{leaf: "id"})
		return
	}
	if held, _ := l.heldUnits(v.resv); held == 0 {
		v.refuse(WrongState, field{leaf: "id"})
		if _, _, expired := l.totals(v.resv); expired > 0 {
			v.refuse(ReservationExpired, field{leaf: "id"})
		}
		return
	}
	l.openResv(v.resv)
	l.setDeadline(v.resv, row, l.now+c.TTL)
	l.closeResv(v.resv)
	e := l.noteOf(v.resv, EventExtended, "")
	l.emitPlain(Event{Type: e.kind, Channel: e.channel, Cause: e.cause})
}
