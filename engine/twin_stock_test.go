package engine_test

import (
	"holdfast/engine"
)

// stockRow finds the row of a stock change, or says why there is none.
func (w *twin) stockRow(sku, location engine.Name, source string, r *engine.Result) (rowKey, bool) {
	k := rowKey{w.sku(sku), w.location(location)}
	switch {
	case k.sku == 0:
		r.Refusal = engine.UnknownSKU
	case k.location == 0:
		r.Refusal = engine.UnknownLocation
	case w.kitWithoutStock(k):
		r.Refusal = engine.KitWithoutStock
	case !w.master(k.location, source):
		r.Refusal = engine.NotMaster
	}
	return k, r.Refusal == engine.Accepted
}

func (w *twin) kitWithoutStock(k rowKey) bool {
	return w.skus[k.sku].kit != nil && w.locations[k.location].def.Kind == engine.Merchant
}

// master reports whether a source may say how many units are at a location.
func (w *twin) master(location uint32, source string) bool {
	m := w.locations[location].def.Master
	return m == "holdfast" || m == source
}

func overflows(n int64) bool { return n > engine.MaxBalance || n < -engine.MaxBalance }

func (w *twin) set(c *engine.Set, r *engine.Result) []rowKey {
	k, ok := w.stockRow(c.SKU, c.Location, c.Source, r)
	if !ok {
		return nil
	}
	row := w.row(k)
	asOf, replayed := w.now, int64(0)
	if c.AsOf != 0 {
		asOf, replayed = min(c.AsOf, w.now), row.moved-c.Basis
	}
	for _, s := range row.sources {
		if s.name == c.Source && asOf < s.asOf {
			r.Stock = &engine.StockResult{Status: engine.Stale}
			return nil
		}
	}
	switch {
	case c.AsOf != 0 && c.BasisGone:
		r.Refusal = engine.AsOfTooOld
		return nil
	case overflows(c.Value + replayed):
		r.Refusal = engine.QuantityOverflow
		return nil
	}
	row.note(c.Source, asOf)
	change := c.Value + replayed - row.onHand
	row.onHand += change
	if change > 0 {
		w.touched[k.sku] = true
	}
	r.Stock = &engine.StockResult{Status: engine.Unchanged, Replayed: replayed}
	if change != 0 {
		r.Stock.Status = engine.Applied
		w.emit(engine.Event{Type: engine.EventStockSet, SKU: k.sku, Location: k.location,
			Qty: change, Cause: c.Source})
	}
	return []rowKey{k}
}

// note remembers what a source said last; the oldest of more than eight is forgotten.
func (row *twinRow) note(source string, asOf int64) {
	for i := range row.sources {
		if row.sources[i].name == source {
			row.sources[i].asOf = asOf
			return
		}
	}
	row.sources = append(row.sources, twinSource{source, asOf})
	if len(row.sources) <= 8 {
		return
	}
	oldest := 0
	for i, s := range row.sources {
		if s.asOf < row.sources[oldest].asOf {
			oldest = i
		}
	}
	row.sources = append(row.sources[:oldest], row.sources[oldest+1:]...)
}

func (w *twin) adjust(c *engine.Adjust, r *engine.Result) []rowKey {
	k, ok := w.stockRow(c.SKU, c.Location, c.Source, r)
	if !ok {
		return nil
	}
	row := w.row(k)
	if overflows(row.onHand + c.Delta) {
		r.Refusal = engine.QuantityOverflow
		return nil
	}
	row.onHand += c.Delta
	row.moved += c.Delta
	if c.Delta > 0 {
		w.touched[k.sku] = true
	}
	r.Stock = &engine.StockResult{Status: engine.Applied}
	w.emit(engine.Event{Type: engine.EventStockAdjusted, SKU: k.sku, Location: k.location,
		Qty: c.Delta, Cause: c.Source, Note: c.Reason})
	return []rowKey{k}
}

func (w *twin) move(c *engine.Move, r *engine.Result) {
	from := rowKey{w.sku(c.SKU), w.location(c.From)}
	to := rowKey{w.sku(c.SKU), w.location(c.To)}
	switch {
	case from.sku == 0:
		r.Refusal = engine.UnknownSKU
	case from.location == 0 || to.location == 0:
		r.Refusal = engine.UnknownLocation
	case w.kitWithoutStock(from) || w.kitWithoutStock(to):
		r.Refusal = engine.KitWithoutStock
	case !w.master(from.location, c.Source) || !w.master(to.location, c.Source):
		r.Refusal = engine.NotMaster
	case overflows(w.balance(to).OnHand + c.Qty):
		r.Refusal = engine.QuantityOverflow
	case w.available(from) < c.Qty:
		r.Refusal = engine.InsufficientStock
		r.Short = []engine.ShortLine{{SKU: string(c.SKU), Wanted: c.Qty,
			Sellable: max(0, w.available(from))}}
	}
	if r.Refusal != engine.Accepted {
		return
	}
	r.Stock = &engine.StockResult{Status: engine.Applied}
	for k, q := range map[rowKey]int64{from: -c.Qty, to: c.Qty} {
		w.row(k).onHand += q
		w.row(k).moved += q
	}
	w.touched[from.sku] = true
	w.emit(engine.Event{Type: engine.EventStockMoved, SKU: from.sku, Location: from.location,
		Qty: -c.Qty, Cause: c.Source, Note: c.Reason})
	w.emit(engine.Event{Type: engine.EventStockMoved, SKU: to.sku, Location: to.location,
		Qty: c.Qty, Cause: c.Source, Note: c.Reason})
}
