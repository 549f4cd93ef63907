package engine_test

import (
	"fmt"
	"slices"

	"holdfast/engine"
)

// mirror replaces one foreign allocation whole. It returns the rows that a shortfall must look at.
func (w *twin) mirror(c *engine.Mirror, r *engine.Result) []rowKey {
	v := w.reservation(c.ID)
	channel := w.channel(c.Channel)
	switch {
	case v != nil && !v.mirror, v != nil && channel != 0 && v.channel != channel:
		r.Refusal = engine.IDConflict
		return nil
	case channel == 0:
		r.Refusal = engine.UnknownChannel
		return nil
	}
	lines := w.mirrorLines(c, channel, r)
	if r.Refusal != engine.Accepted {
		return nil
	}
	asOf := c.AsOf
	if asOf == 0 || asOf > w.now {
		asOf = w.now
	}
	r.Stock = &engine.StockResult{Status: engine.Applied}
	if v != nil && asOf < v.asOf {
		r.Stock.Status = engine.Stale
		return nil
	}
	if v == nil {
		v = &twinReservation{id: c.ID, seq: w.nextSeq(), mirror: true,
			mode: engine.Accept, channel: channel}
		w.reservations = append(w.reservations, v)
	}
	v.asOf = asOf
	if w.reported(v) == reportedLines(lines) {
		r.Stock.Status = engine.Unchanged
		w.rank(v)
		return nil
	}
	return w.replace(v, lines)
}

// reported spells what a mirror has now, to compare it with what is reported.
func (w *twin) reported(v *twinReservation) string {
	var live []*twinLine
	for _, l := range v.lines {
		if l.live() > 0 {
			live = append(live, l)
		}
	}
	return reportedLines(live)
}

func reportedLines(lines []*twinLine) (text string) {
	for _, l := range lines {
		text += fmt.Sprintf(" %d %d %d %q", l.sku, l.pin, l.wanted, l.ref)
	}
	return text
}

// replace takes the units of the old lines away and puts those of the new lines in their place.
func (w *twin) replace(v *twinReservation, lines []*twinLine) (rows []rowKey) {
	for _, l := range v.lines {
		n := l.sum(committedOf)
		if n == 0 {
			continue
		}
		l.released += n
		l.places = nil
		w.freed(l, l.pin)
		rows = append(rows, rowKey{l.sku, l.pin})
		w.emitPlace(engine.EventMirrored, v, l, l.pin, -n, "")
	}
	if len(lines) > 0 {
		v.lines = nil
	}
	for _, l := range lines {
		v.lines = append(v.lines, l)
		l.places = []*twinPlace{{location: l.pin, committed: l.wanted}}
		rows = append(rows, rowKey{l.sku, l.pin})
		w.emitPlace(engine.EventMirrored, v, l, l.pin, l.wanted, "")
	}
	w.rank(v)
	return rows
}

func (w *twin) mirrorLines(c *engine.Mirror, channel uint32, r *engine.Result) []*twinLine {
	var lines []*twinLine
	for i, line := range c.Lines {
		k := rowKey{w.sku(line.SKU), w.location(line.Location)}
		field := fmt.Sprintf("lines[%d].", i)
		switch {
		case k.location == 0:
			r.Refusal, r.Field = engine.UnknownLocation, field+"location"
		case k.sku == 0:
			r.Refusal, r.Field = engine.UnknownSKU, field+"sku"
		case w.locations[k.location].def.Kind == engine.FBA &&
			!slices.Contains(w.channels[channel].locations, k.location):
			r.Refusal, r.Field = engine.NotListed, field+"location"
		case w.kitWithoutStock(k):
			r.Refusal, r.Field = engine.KitWithoutStock, field+"sku"
		}
		if r.Refusal != engine.Accepted {
			return nil
		}
		lines = append(lines, &twinLine{ref: line.Ref, sku: k.sku, pin: k.location, wanted: line.Qty})
	}
	return lines
}
