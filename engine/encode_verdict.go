package engine

// encodeVerdict appends a verdict as an encoded Result, straight from the state.
func (l *Ledger) encodeVerdict(dst []byte, v *verdict) []byte {
	r := &l.work.result
	*r = Result{
		Refusal: v.refusal, Replayed: v.replayed, Existed: v.existed, Index: v.index,
		At: v.at, Short: r.Short[:0],
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
	if v.resv != 0 {
		l.viewResv(&l.work.view, v.resv)
		r.Reservation = &l.work.view
	}
	x := &l.work.coder
	*x = coder{mode: writing, b: dst}
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
