package engine

// verb is what is done with picked units.
type verb uint8

const (
	verbCommit verb = iota + 1
	verbRelease
	verbShip
	verbReturn
)

// did is the flag that remembers that a verb took a unit.
func (b verb) did() resvFlags {
	return [...]resvFlags{0, didCommit, didRelease, didShip, didReturn}[b]
}

// pick works out what a verb does to a reservation, or refuses it. The acts are in the scratch list;
// nothing is changed. Every pick sees what the ones before it left.
func (l *Ledger) pick(ref resvRef, b verb, picks []Pick, v *verdict) []act {
	l.work.acts = l.work.acts[:0]
	row := l.resvAt(ref)
	if row.flags&isMirror != 0 {
		v.refuse(WrongState, field{leaf: "id"})
		return nil
	}
	l.units(ref)
	if len(picks) == 0 {
		for line := uint16(1); line <= row.lines; line++ {
			units := l.unitsOf(line)
			l.takeUnits(units, b, 0, l.canTake(units, b, 0, true), true)
		}
		if len(l.work.acts) == 0 {
			l.nothingLeft(row, b, v)
		}
		return l.work.acts
	}
	for i := range picks {
		if !l.pickOne(row, b, &picks[i]) {
			l.refusePick(b, i, &picks[i], v)
			return nil
		}
	}
	return l.work.acts
}

// pickOne takes the units of one pick; false when there are not so many.
func (l *Ledger) pickOne(row *resvRow, b verb, c *Pick) bool {
	if c.Line > int64(row.lines) {
		return false
	}
	at := uint32(0)
	if c.Location != "" {
		if at = l.find(LocationName, c.Location); at == 0 {
			return false
		}
	}
	from := at
	if b == verbReturn { // there it is where the units come back to
		from = 0
	}
	units := l.unitsOf(uint16(c.Line))
	can, want := l.canTake(units, b, from, false), c.Qty
	if want == 0 {
		want = can
	}
	if want == 0 || want > can {
		return false
	}
	first := len(l.work.acts)
	l.takeUnits(units, b, from, want, false)
	if b == verbReturn {
		for i := range l.work.acts[first:] {
			l.work.acts[first+i].location = at
		}
	}
	return true
}

func (l *Ledger) refusePick(b verb, i int, c *Pick, v *verdict) {
	at := field{list: "lines", i: i}
	v.refuse(WrongState, at)
	if b == verbReturn || c.Line > int64(l.resvAt(v.resv).lines) {
		return
	}
	l.units(v.resv)
	units := l.unitsOf(uint16(c.Line))
	if l.canTake(units, b, 0, false) == 0 && expiredOf(units) > 0 {
		v.refuse(ReservationExpired, at)
	}
}

// nothingLeft decides what a verb without picks says that finds nothing to act on.
func (l *Ledger) nothingLeft(row *resvRow, b verb, v *verdict) {
	did, expired := row.flags&b.did() != 0, expiredOf(l.work.units) > 0
	switch {
	// Units that were to be promised are gone: an "accepted" would be taken for a promise.
	case b == verbCommit && expired:
		v.refuse(ReservationExpired, field{leaf: "id"})
	case did:
	case expired && b != verbReturn:
		v.refuse(ReservationExpired, field{leaf: "id"})
	default:
		v.refuse(WrongState, field{leaf: "id"})
	}
}

func expiredOf(units []unit) int64 {
	var n int64
	for i := range units {
		n += int64(units[i].expired)
	}
	return n
}

// canTake is how many units of a line a verb can act on, at one location or, with 0, at all.
func (l *Ledger) canTake(units []unit, b verb, at uint32, whole bool) int64 {
	var n int64
	for i := range units {
		u := &units[i]
		if at != 0 && u.location != at {
			continue
		}
		for _, from := range b.order() {
			if have := u.bucket(from, b, whole); have != nil {
				n += int64(*have)
			}
		}
	}
	return n
}

// bucketKind is one of the counts of a unit.
type bucketKind uint8

const (
	noBucket bucketKind = iota
	softUnits
	firmUnits
	heldUnits
	committedUnits
	shippedUnits
)

// order is the order in which a verb takes from the counts of a line.
func (b verb) order() [4]bucketKind {
	switch b {
	case verbCommit:
		return [4]bucketKind{heldUnits, softUnits}
	case verbRelease:
		return [4]bucketKind{softUnits, firmUnits, heldUnits, committedUnits}
	case verbShip:
		return [4]bucketKind{committedUnits, heldUnits}
	}
	return [4]bucketKind{shippedUnits}
}

// bucket returns the count of a unit that a verb may take from, nil where it has none. Short units
// are promised only when the whole reservation is.
func (u *unit) bucket(k bucketKind, b verb, whole bool) *uint32 {
	switch place := u.location != 0; {
	case k == softUnits && u.kind == softShort && (whole || b != verbCommit),
		k == firmUnits && u.kind == firmShort,
		k == heldUnits && place:
		return &u.held
	case k == committedUnits && place:
		return &u.committed
	case k == shippedUnits && place:
		return &u.shipped
	}
	return nil
}

// takeUnits takes want units of a line, of which there are enough, and appends one act a place.
func (l *Ledger) takeUnits(units []unit, b verb, at uint32, want int64, whole bool) {
	for _, from := range b.order() {
		for i := range units {
			u := &units[i]
			if b == verbRelease { // the units that were hardest to find go last
				u = &units[len(units)-1-i]
			}
			if at != 0 && u.location != at {
				continue
			}
			have := u.bucket(from, b, whole)
			if have == nil {
				continue
			}
			n := uint32(min(want, int64(*have)))
			*have -= n
			want -= int64(n)
			switch from {
			case committedUnits:
				u.take.committed += n
			case shippedUnits:
				u.take.returned += n
			default:
				u.take.held += n
			}
		}
	}
	for _, short := range [...]bool{b == verbRelease, b != verbRelease} {
		for i := range units {
			u := &units[i]
			if b == verbRelease {
				u = &units[len(units)-1-i]
			}
			if (u.location == 0) == short && u.take.units() > 0 {
				u.take.part = u.part
				l.work.acts = append(l.work.acts, u.take)
				u.take = act{}
			}
		}
	}
}
