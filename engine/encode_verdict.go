package engine

// encodeVerdict appends a verdict as an encoded Result, straight from the state.
func (l *Ledger) encodeVerdict(dst []byte, v *verdict) []byte {
	r := &l.work.result
	*r = Result{
		Refusal: v.refusal, Replayed: v.replayed, Existed: v.existed, Index: v.index,
		At: v.at, Short: r.Short[:0], Body: v.body,
	}
	if v.refusal != Accepted {
		r.Field = v.field.String()
	}
	for _, s := range v.shorts {
		r.Short = append(r.Short, ShortLine{
			SKU: l.nameText(s.sku), Wanted: s.wanted, Sellable: s.sellable,
		})
	}
	if v.balance {
		l.work.stock = StockResult{Status: v.status, Replayed: v.moved}
		if v.stock != 0 {
			l.work.stock.Balance = l.stockAt(v.stock).balance()
		}
		r.Stock = &l.work.stock
	}
	x := &l.work.coder
	*x = coder{mode: writing, b: dst}
	if v.resv != 0 {
		if p := l.plainPart(v.resv); p != nil && v.ops == 0 {
			r.wireHead(x, resultReservation)
			l.encodePlain(x, v.resv, p)
			return x.b
		}
		l.viewResv(&l.work.view, v.resv)
		r.Reservation = &l.work.view
	}
	if v.ops == 0 {
		r.wire(x)
		return x.b
	}
	r.wireHead(x, resultOps)
	n := uint64(v.ops)
	x.uint(&n)
	return append(x.b, l.work.grouped...)
}

// nameText is a SKU's name without a copy, valid for ever.
func (l *Ledger) nameText(sku uint32) string { return l.names.texts.text(l.sku(sku).name) }

// plainPart returns the one part of a reservation of one line at one place, as almost all are; nil for
// any other.
func (l *Ledger) plainPart(ref resvRef) *partRow {
	row := l.resvAt(ref)
	if row.lines != 1 || row.flags&(hasRefs|isMirror) != 0 || row.parts == 0 {
		return nil
	}
	p := l.shardOfResv(ref).parts.at(row.parts)
	if p.kind != placePart || p.next&lastPart == 0 {
		return nil
	}
	return p
}

// encodePlain writes what viewResv and Reservation.wire would, without building the view.
func (l *Ledger) encodePlain(x *coder, ref resvRef, p *partRow) {
	row, stock := l.resvAt(ref), l.stockAt(p.stock)
	sku, location := l.nameText(stock.sku), l.location(stock.location).Name
	line := [1]ReservationLine{{
		Line: 1, SKU: sku, Held: int64(p.held), Committed: int64(p.committed),
		Shipped: int64(p.shipped), Released: int64(p.released), Expired: int64(p.expired),
		Returned: int64(p.returned),
	}}
	c := &line[0]
	c.Qty = c.Held + c.Committed + c.Shipped + c.Released + c.Expired
	c.Wanted = c.Qty
	v := Reservation{
		ID: l.idOf(l.shardOfResv(ref), row), Seq: row.seq,
		Channel: l.channel(uint32(row.channel)).Name, State: stateOf(line[:]), Mode: row.mode,
	}
	if c.Held > 0 {
		v.Deadline = row.moment
	}
	v.wireHead(x)
	one := uint64(1)
	x.uint(&one)
	c.wireHead(x)
	if p.held|p.committed|p.shipped == 0 {
		one = 0
	}
	if x.uint(&one); one == 1 {
		a := Allocation{
			SKU: sku, Location: location, Held: c.Held, Committed: c.Committed, Shipped: c.Shipped,
		}
		allocationWire(x, &a)
	}
}

// encodeAsAsked appends the result of a plain reserve, which is new.
func (l *Ledger) encodeAsAsked(dst []byte, ref resvRef) []byte {
	row := l.resvAt(ref)
	at := l.stockAt(l.shardOfResv(ref).parts.at(row.parts).stock).location
	return appendAsAsked(dst, l.index, row.seq, row.moment, l.location(at).Name)
}
