package engine_test

import (
	"fmt"
	"reflect"
	"slices"

	"holdfast/engine"
)

func (w *twin) defineSKU(c *engine.DefineSKU, r *engine.Result) {
	n := w.sku(c.SKU)
	var kit []twinPart
	for i, part := range c.Kit {
		if p := w.sku(part.SKU); p == 0 && part.SKU != c.SKU {
			r.Refusal, r.Field = engine.UnknownSKU, fmt.Sprintf("kit[%d].sku", i)
			return
		}
	}
	for i, part := range c.Kit {
		p := w.sku(part.SKU)
		if part.SKU == c.SKU || w.skus[p].kit != nil {
			r.Refusal, r.Field = engine.KitNested, fmt.Sprintf("kit[%d].sku", i)
			return
		}
		kit = append(kit, twinPart{p, part.Qty})
	}
	if n != 0 && kit != nil && w.skus[n].kit == nil &&
		(w.stocked(n) || w.live(n) || w.component(n)) {
		r.Refusal = engine.InUse
		return
	}
	if n == 0 {
		n = uint32(len(w.skus))
		w.skus = append(w.skus, nil)
	}
	def := &twinSKU{name: string(c.SKU), kit: kit, attrs: c.Attributes}
	if !reflect.DeepEqual(w.skus[n], def) {
		w.skus[n] = def
		w.emit(engine.Event{Type: engine.EventDefined, SKU: n})
	}
}

// stocked reports whether units of the SKU are on hand anywhere.
func (w *twin) stocked(n uint32) bool {
	for k, row := range w.rows {
		if k.sku == n && row.onHand != 0 {
			return true
		}
	}
	return false
}

// live reports whether a reservation has live units of the SKU, directly or through a kit.
func (w *twin) live(n uint32) bool {
	for _, v := range w.reservations {
		for _, l := range v.lines {
			has := l.sku == n || slices.ContainsFunc(l.kit, func(p twinPart) bool {
				return p.sku == n
			})
			if has && l.live() > 0 {
				return true
			}
		}
	}
	return false
}

// component reports whether the SKU is part of a kit.
func (w *twin) component(n uint32) bool {
	for _, s := range w.skus {
		if s != nil && !s.gone && slices.ContainsFunc(s.kit, func(p twinPart) bool {
			return p.sku == n
		}) {
			return true
		}
	}
	return false
}

func (w *twin) defineLocation(c *engine.DefineLocation, r *engine.Result) {
	n := w.location(c.Location)
	if n != 0 && w.locations[n].def.Kind != c.Kind {
		for k := range w.rows {
			if k.location == n {
				r.Refusal = engine.InUse
				return
			}
		}
	}
	if n == 0 {
		n = uint32(len(w.locations))
		w.locations = append(w.locations, nil)
	}
	def := &twinLocation{name: string(c.Location), def: *c}
	if !reflect.DeepEqual(w.locations[n], def) {
		w.locations[n] = def
		w.emit(engine.Event{Type: engine.EventDefined, Location: n})
	}
}

func (w *twin) defineChannel(c *engine.DefineChannel, r *engine.Result) {
	var locations []uint32
	for _, name := range c.Locations {
		l := w.location(name)
		if l == 0 {
			r.Refusal = engine.UnknownLocation
			return
		}
		locations = append(locations, l)
	}
	n := w.channel(c.Channel)
	if n != 0 && w.busy(n) {
		for _, l := range w.channels[n].locations {
			if w.locations[l].def.Kind == engine.FBA && !slices.Contains(locations, l) {
				r.Refusal, r.Field = engine.InUse, "locations"
				return
			}
		}
	}
	if n == 0 {
		n = uint32(len(w.channels))
		w.channels = append(w.channels, nil)
	}
	def := &twinChannel{name: string(c.Channel), def: *c, locations: locations}
	if !reflect.DeepEqual(w.channels[n], def) {
		w.channels[n] = def
		w.emit(engine.Event{Type: engine.EventDefined, Channel: n})
	}
}

func (w *twin) delete(c *engine.Delete, r *engine.Result) {
	switch c.Kind {
	case engine.SKUName:
		w.deleteSKU(w.sku(c.Name), r)
	case engine.LocationName:
		w.deleteLocation(w.location(c.Name), r)
	case engine.ChannelName:
		w.deleteChannel(w.channel(c.Name), r)
	}
}

func (w *twin) deleteSKU(n uint32, r *engine.Result) {
	switch {
	case n == 0:
		r.Refusal = engine.UnknownSKU
	case w.stocked(n) || w.live(n) || w.component(n):
		r.Refusal = engine.InUse
	default:
		gone := *w.skus[n]
		gone.gone, gone.kit = true, nil
		w.skus[n] = &gone
		w.dropRows(func(k rowKey) bool { return k.sku == n })
		w.emit(engine.Event{Type: engine.EventDeleted, SKU: n})
	}
}

func (w *twin) deleteLocation(n uint32, r *engine.Result) {
	if n == 0 {
		r.Refusal = engine.UnknownLocation
		return
	}
	for i := range w.skus {
		k := rowKey{uint32(i), n}
		if b := w.balance(k); b != (engine.Balance{}) {
			r.Refusal = engine.InUse
			return
		}
	}
	for _, c := range w.channels {
		if c != nil && !c.gone && slices.Contains(c.locations, n) {
			r.Refusal = engine.InUse
			return
		}
	}
	gone := *w.locations[n]
	gone.gone = true
	w.locations[n] = &gone
	w.dropRows(func(k rowKey) bool { return k.location == n })
	w.emit(engine.Event{Type: engine.EventDeleted, Location: n})
}

func (w *twin) deleteChannel(n uint32, r *engine.Result) {
	if n == 0 {
		r.Refusal = engine.UnknownChannel
		return
	}
	if w.busy(n) {
		r.Refusal = engine.InUse
		return
	}
	gone := *w.channels[n]
	gone.gone = true
	w.channels[n] = &gone
	w.emit(engine.Event{Type: engine.EventDeleted, Channel: n})
}

// busy reports whether a reservation of the channel has live units.
func (w *twin) busy(channel uint32) bool {
	return slices.ContainsFunc(w.reservations, func(v *twinReservation) bool {
		return v.channel == channel && v.sum((*twinLine).live) > 0
	})
}

func (w *twin) dropRows(which func(rowKey) bool) {
	for k := range w.rows {
		if which(k) {
			delete(w.rows, k)
		}
	}
}
