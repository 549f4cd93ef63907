package engine

// reservePlain is reserve, with what surrounds it in run, for a plain reserve that gets all its units
// at one place. It does not do other things, only fewer: no demand to be summed, no kit, no list of
// takes. ok is false, and nothing is changed, for whatever else it may be; then run has the say.
func (l *Ledger) reservePlain(c *plainReserve) (ref resvRef, ok bool) {
	w := &l.work
	if w.load > entryLoad || len(l.events.b) > entryEvents || len(l.shortfall) > 0 {
		return 0, false
	}
	if l.findHashed(c.id, c.hash) != 0 || l.findRetired(c.id, c.hash) != 0 || !c.key.IsZero() && l.findAnswer(c.key) != 0 {
		return 0, false
	}
	if !l.stands(ChannelName, c.channel) || !l.stands(SKUName, c.sku) || l.moreOf(c.sku).kit != 0 {
		return 0, false
	}
	ch, sku := l.channel(c.channel), l.sku(c.sku)
	at := l.plainPlace(ch, c)
	if at == 0 {
		return 0, false
	}
	w.load += int64(len(ch.sourcing)) + 2

	l.seq++
	row := resvRow{
		content: plainContent(c, ch.hash, sku.hash), seq: l.seq,
		channel: uint16(c.channel), lines: 1, mode: c.mode,
	}
	part := partRow{stock: at, line: 1, kind: placePart, held: uint32(c.qty)}
	by, kind := change{held: c.qty}, EventReserved
	if c.commit {
		row.flags = didCommit
		part.held, part.committed = 0, uint32(c.qty)
		by, kind = change{committed: c.qty}, EventCommitted
	} else if c.ttl != 0 {
		row.moment = l.now + c.ttl
	}
	row.blob = l.shards[l.shardOf(c.hash)].blobs.putText(c.id)
	ref = l.addResv(c.hash, row)
	l.appendPart(ref, 0, part)
	l.shift(at, by, c.qty, note{kind: kind, channel: c.channel, cause: c.id})
	l.wheel.put(l, ref, l.resvAt(ref))
	l.closeResv(ref)
	if !c.key.IsZero() {
		l.addAnswer(answerRow{
			key: c.key, content: plainKeyed(c, ch.hash, sku.hash), index: l.index,
		}, nil)
	}
	return ref, true
}

// plainPlace returns the stock row that a plain reserve takes all its units from, as plan and place
// would choose it; 0 when it is refused, split or short.
func (l *Ledger) plainPlace(ch *channelDef, c *plainReserve) stockRef {
	if len(ch.sourcing) == 1 {
		return l.onlyPlace(ch, c)
	}
	s := l.stockFor(ch, c.sku, &l.work.supply)
	from := s.have
	if c.mode == Strict {
		from = s.rest
	}
	for at, n := range from {
		if n >= c.qty {
			return l.stockOf(c.sku, ch.sourcing[at])
		}
		if n > 0 && ch.Split {
			break
		}
	}
	return 0
}

// onlyPlace is plainPlace where there is but one place to look at.
func (l *Ledger) onlyPlace(ch *channelDef, c *plainReserve) stockRef {
	ref := l.stockOf(c.sku, ch.sourcing[0])
	if ref == 0 {
		return 0
	}
	n := max(0, l.stockAt(ref).available())
	if c.mode == Strict {
		n -= ch.Rules.kept(n)
	}
	if n < c.qty {
		return 0
	}
	return ref
}
