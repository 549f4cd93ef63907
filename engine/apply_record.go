package engine

import "math"

// MaxPurge is how many records one Purge ends.
const MaxPurge = 1000

// holds reports whether a record, or none, is as a condition demands; else it refuses.
func (l *Ledger) holds(ref keyedRef, c Condition, version uint64, v *verdict) bool {
	at := field{leaf: "key"}
	l.work.load++
	switch {
	case c == IfAny:
		return true
	case c == IfAbsent && ref == 0:
		return true
	case c == IfAbsent:
		v.refuse(RecordExists, at)
	case ref == 0:
		v.refuse(RecordUnknown, at)
	case c == IfAt && l.keyedAt(ref).version != version:
		v.refuse(RecordChanged, at)
	default:
		return true
	}
	return false
}

func (l *Ledger) put(c *Put, v *verdict) {
	key := keyOfRecord(c.Table, c.Key)
	ref := l.findKeyed(key)
	if !l.holds(ref, c.If, c.Version, v) {
		return
	}
	next := keyedRow{key: key, version: l.index, value: c.Value, table: c.Table, state: c.State}
	if c.Archive {
		next.flags = keepsBody
	}
	if c.Add && ref != 0 {
		had := l.keyedAt(ref).value
		if had > 0 && c.Value > math.MaxInt64-had || had < 0 && c.Value < math.MinInt64-had {
			v.refuse(QuantityOverflow, field{leaf: "value"})
			return
		}
		next.value += had
	}
	if ref == 0 && l.keyed.count >= l.limits.RecordsMax {
		v.refuse(LimitReached, field{leaf: "key"})
		return
	}
	if l.undo != nil {
		l.undo.keyed(l, key, ref)
	}
	if ref == 0 {
		ref = l.addKeyed(next)
		l.bodies.again = l.bodies.again || l.bodies.dropped
	} else {
		row := l.openKeyed(ref)
		l.bodies.again = l.bodies.again || row.version == l.index
		next.due, next.epoch = row.due, row.epoch
		*row = next
	}
	l.setExpiry(ref, c.Expires, c.Key)
	l.closeKeyed(l.keyedAt(ref))
	l.bodies.record(c, next.value)
}

func (l *Ledger) drop(c *Drop, v *verdict) {
	key := keyOfRecord(c.Table, c.Key)
	ref := l.findKeyed(key)
	if !l.holds(ref, c.If, c.Version, v) {
		return
	}
	if l.undo != nil {
		l.undo.keyed(l, key, ref)
	}
	l.bodies.again = l.bodies.again || l.bodies.dropped
	if ref != 0 {
		row := l.openKeyed(ref)
		l.bodies.again = l.bodies.again || row.version == l.index
		l.eraseKeyed(ref)
	}
	l.bodies.dropRecord(c.Table, c.Key)
}

func (l *Ledger) expect(c *Expect, v *verdict) {
	ref := l.findKeyed(keyOfRecord(c.Table, c.Key))
	if !l.holds(ref, c.If, c.Version, v) || !c.HasState {
		return
	}
	switch {
	case ref == 0:
		v.refuse(RecordUnknown, field{leaf: "key"})
	case l.keyedAt(ref).state != c.State:
		v.refuse(RecordChanged, field{leaf: "state"})
	}
}

// purge ends what has expired, in the order of the queue.
func (l *Ledger) purge(c *Purge) {
	for range c.Count {
		if l.keyed.due.count == 0 || l.keyed.due.at(1).at > l.now || l.work.load > entryLoad {
			return
		}
		d := *l.keyed.due.at(1)
		l.work.load++
		row := l.openKeyed(d.ref)
		if text := l.keyed.texts.text(d.text); row.flags&keepsBody != 0 {
			l.keyed.archived++
			l.bodies.leaveRecord(row.table, text)
		} else {
			l.bodies.again = l.bodies.again || row.version == l.index
			l.bodies.dropRecord(row.table, text)
		}
		l.eraseKeyed(d.ref)
	}
}

// NextPurge returns the ledger time, in ms since 1970, at which a Purge has something to do; ok is
// false while no record expires.
func (l *Ledger) NextPurge() (ms int64, ok bool) {
	if l.keyed.due.count == 0 {
		return 0, false
	}
	return l.keyed.due.at(1).at, true
}

// stillAway is what left memory in this entry, without what was written anew behind that.
func (l *Ledger) stillAway() []Body {
	kept := l.bodies.left[:0]
	for _, b := range l.bodies.left {
		if l.findKeyed(keyOfRecord(b.Key[0], aliasText(b.Key[1:]))) == 0 {
			kept = append(kept, b)
		}
	}
	l.bodies.left = kept
	return kept
}
