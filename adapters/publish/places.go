package publish

import (
	"holdfast/engine"
)

// placeIn is where a slot draws from, of what its channel offers. Two things are never mixed:
//
//   - One number for all places is of the merchant's own stock. A channel that draws from Amazon's
//     warehouses has no such number to write: Amazon knows what lies there.
//   - A number at a location that mirrors Amazon's warehouses is of that location alone, whatever the
//     channel draws from, and takes no part in the channel's buffer, maximum or share.
func placeIn(l *engine.Ledger, s *Slot, o *engine.Offer) int {
	at := placeOf(s, o)
	switch {
	case at == AllPlaces && mirrors(l, o.Places[0].Location): // places of a channel are of one kind
		return NoPlace
	case at == NoPlace && s.Location != "" && mirrors(l, s.Location):
		return alone(l, s, o)
	case at >= 0 && mirrors(l, s.Location):
		return alone(l, s, o)
	}
	return at
}

// mirrors reports whether a location is a mirror of Amazon's warehouses.
func mirrors(l *engine.Ledger, location string) bool {
	d, ok := l.Location(location)
	return ok && d.Kind == engine.FBA
}

// alone makes o the offer of the slot's location by itself.
func alone(l *engine.Ledger, s *Slot, o *engine.Offer) int {
	d, ok := l.Location(s.Location)
	if !ok {
		return NoPlace
	}
	rows, _ := l.Stock(s.SKU)
	place := engine.OfferPlace{Location: d.Name, Number: d.Number, Master: d.Master}
	for i := range rows {
		if rows[i].Location == d.Name {
			place.Have = max(0, rows[i].Available())
		}
	}
	o.Places = append(o.Places[:0], place)
	o.Publish, o.Split, o.Rules, o.Short = engine.Pooled, true, engine.Rules{}, 0
	return 0
}

// lowest is what the other channels of a slot that is one number for several of them would show: they
// sell the same units, so the least of all counts. ok is false when one of them cannot say: it is not
// known, it draws from Amazon's warehouses, or it has units of its own, which one number cannot show.
func (g *gatherer) lowest(l *engine.Ledger, book *Rulebook, s *Slot, subject Subject) (n int64, ok bool) {
	n = engine.MaxQty
	for _, channel := range s.Also {
		var o engine.Offer
		if l.OfferOf(channel, s.SKU, &o) != engine.Accepted || o.Publish == engine.Dedicated ||
			placeIn(l, s, &o) == NoPlace {
			return 0, false
		}
		subject.Channel, subject.Region = channel, g.topo.regions[channel]
		ruling := book.Rule(&subject, &o.Rules)
		var have supply
		for _, p := range o.Places {
			have.have = append(have.have, p.Have)
		}
		var out sum
		shape(&ruling, &have, AllPlaces, &o, &out)
		n = min(n, out.n)
	}
	return n, true
}
