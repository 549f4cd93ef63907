package engine

// mirror replaces one foreign allocation whole.
func (l *Ledger) mirror(c *Mirror, v *verdict) {
	if v.resv = l.findResv(c.ID); v.resv == 0 && l.away(c.ID, v) {
		return
	}
	number := l.find(ChannelName, c.Channel)
	if l.cannotMirror(c, number, v); v.refusal != Accepted {
		return
	}
	asOf := c.AsOf
	if asOf == 0 || asOf > l.now { // one from the future would make all that follow stale
		asOf = l.now
	}
	v.balance = true // only for the status: it is of no one location
	if v.resv == 0 {
		l.seq++
		v.resv = l.newResv(c.ID, hashID(c.ID), nil, resvRow{
			seq: l.seq, channel: uint16(number), mode: Accept, flags: isMirror,
		})
		l.closeResv(v.resv)
	} else if asOf < l.resvAt(v.resv).moment {
		v.status = Stale
		return
	}
	same := l.sameMirror(v.resv, c.Lines)
	row := l.openResv(v.resv)
	row.moment = asOf
	if v.status = Unchanged; !same {
		v.status = Applied
		l.replaceMirror(v.resv, row, c.Lines)
	}
	l.closeResv(v.resv)
}

func (l *Ledger) cannotMirror(c *Mirror, number uint32, v *verdict) {
	if v.resv != 0 {
		row := l.resvAt(v.resv)
		if row.flags&isMirror == 0 || number != 0 && uint32(row.channel) != number {
			v.refuse(IDConflict, field{leaf: "id"})
			return
		}
	}
	if number == 0 {
		v.refuse(UnknownChannel, field{leaf: "channel"})
		return
	}
	for i := range c.Lines {
		at := func(leaf string) field { return field{list: "lines", i: i, leaf: leaf} }
		location, sku := l.find(LocationName, c.Lines[i].Location), l.find(SKUName, c.Lines[i].SKU)
		switch {
		case location == 0:
			v.refuse(UnknownLocation, at("location"))
		case sku == 0:
			v.refuse(UnknownSKU, at("sku"))
		case l.location(location).Kind == FBA && !l.channel(number).lists(location):
			v.refuse(NotListed, at("location"))
		case l.isKitAt(sku, location):
			v.refuse(KitWithoutStock, at("sku"))
		default:
			if ref := l.stockOf(sku, location); ref != 0 &&
				tooLarge(l.stockAt(ref).committed+c.Lines[i].Qty) {
				v.refuse(QuantityOverflow, at("qty"))
			}
		}
		if v.refusal != Accepted {
			return
		}
	}
}

// sameMirror reports whether a mirror has just these lines now.
func (l *Ledger) sameMirror(ref resvRef, lines []Line) bool {
	sh, row, i := l.shardOfResv(ref), l.resvAt(ref), 0
	refs := refsOf(l.work.refs[:0], sh.blobs.text(row.blob), row)
	l.work.refs = refs
	for at := row.parts; at != 0 && at&lastPart == 0; {
		p := sh.parts.at(at)
		if at = p.next; p.committed == 0 {
			continue
		}
		if i == len(lines) {
			return false
		}
		stock, want := l.stockAt(p.stock), &lines[i]
		if int64(p.committed) != want.Qty || stock.sku != l.find(SKUName, want.SKU) ||
			stock.location != l.find(LocationName, want.Location) || refs[p.line-1] != want.Ref {
			return false
		}
		i++
	}
	return i == len(lines)
}

// replaceMirror gives up the units of a mirror's lines and takes those of the new ones. With no new
// lines the old ones stay, as released.
func (l *Ledger) replaceMirror(ref resvRef, row *resvRow, lines []Line) {
	e := l.noteOf(ref, EventMirrored, "")
	e.minus = true
	sh := l.shardOfResv(ref)
	for at := row.parts; at != 0 && at&lastPart == 0; {
		p := sh.parts.at(at)
		if n := p.committed; n > 0 {
			p.committed, p.released = 0, p.released+n
			l.settlePart(partRef(l.makeRef(at, uint32(ref)&l.shardMask())), p)
			l.shift(p.stock, change{committed: -int64(n)}, int64(n), e)
			l.noteFall(p.stock) // what is left may still be too little
		}
		at = p.next
	}
	if len(lines) == 0 {
		return
	}
	l.clearParts(ref)
	l.setRefs(ref, 0, lines)
	e = l.noteOf(ref, EventMirrored, "")
	after := uint32(0)
	for i := range lines {
		n := lines[i].Qty
		stock := l.needStock(l.find(SKUName, lines[i].SKU), l.find(LocationName, lines[i].Location))
		after = l.appendPart(ref, after, partRow{
			line: uint16(i + 1), kind: placePart, stock: stock, committed: uint32(n),
		})
		l.shift(stock, change{committed: n}, n, e)
		l.noteFall(stock)
	}
}
