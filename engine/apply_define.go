package engine

import (
	"bytes"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"
)

func (l *Ledger) defineSKU(c *DefineSKU, v *verdict) {
	number := l.find(SKUName, c.SKU)
	kit := l.work.kit[:0]
	for i := range c.Kit {
		part := l.find(SKUName, c.Kit[i].SKU)
		at := field{list: "kit", i: i, leaf: "sku"}
		switch {
		case c.Kit[i].SKU == c.SKU, part != 0 && part == number:
			v.refuse(KitNested, at)
			return
		case part == 0:
			v.refuse(UnknownSKU, at)
			return
		case l.moreOf(part).kit != 0:
			v.refuse(KitNested, at)
			return
		}
		kit = append(kit, kitPart{sku: part, qty: uint32(c.Kit[i].Qty)})
	}
	l.work.kit = kit
	if number == 0 {
		if l.names.skuNext > MaxSKUs {
			v.refuse(LimitReached, field{leaf: "sku"})
			return
		}
		name := l.textOf(SKUName, c.SKU)
		if name == "" { // a number that was never given
			v.refuse(UnknownSKU, field{leaf: "sku"})
			return
		}
		number = l.names.skuNext
		l.addSKU(number, name).epoch = l.epoch
		l.indexSKU(number)
	} else {
		if len(kit) > 0 && l.moreOf(number).kit == 0 && (l.skuInUse(number) || l.isComponent(number)) {
			v.refuse(InUse, field{leaf: "kit"})
			return
		}
		if l.sameSKU(number, kit, c.Attributes) {
			return
		}
		row := l.sku(number)
		if row.epoch != l.epoch {
			l.saveSKU(number, row)
		}
		l.digest.remove(l.hashSKU(number))
	}
	l.setKit(number, kit)
	l.setAttributes(number, c.Attributes)
	l.digest.add(l.hashSKU(number))
	l.emitPlain(Event{Type: EventDefined, SKU: number})
}

func (l *Ledger) sameSKU(number uint32, kit []kitPart, attributes []byte) bool {
	more := l.moreOf(number)
	at := more.kit
	for i := range kit {
		if at == 0 {
			return false
		}
		p := l.names.parts.at(at)
		if p.sku != kit[i].sku || p.qty != kit[i].qty {
			return false
		}
		at = p.next
	}
	return at == 0 && bytes.Equal(l.names.texts.at(more.attributes), attributes)
}

// skuInUse reports whether a SKU has units on hand or live units anywhere.
func (l *Ledger) skuInUse(number uint32) bool {
	for ref := l.sku(number).stock; ref != 0; {
		row := l.stockAt(ref)
		if row.onHand != 0 || row.held != 0 || row.committed != 0 || row.parts != 0 {
			return true
		}
		ref = row.next
	}
	return false
}

func (l *Ledger) hashSKU(number uint32) uint64 {
	row, more := l.sku(number), l.moreOf(number)
	h := mixWide(uint64(number), 'K')
	h = mix(h, row.hash)
	h = mix(h, xxh3.Hash(l.names.texts.at(more.attributes)))
	for at := more.kit; at != 0; {
		p := l.names.parts.at(at)
		h = mix(h, uint64(p.sku)<<32|uint64(p.qty))
		at = p.next
	}
	if row.deleted {
		h++
	}
	return mixWide(h, 'E')
}

func (l *Ledger) defineLocation(c *DefineLocation, v *verdict) {
	t := &l.names.locations
	number := l.find(LocationName, c.Location)
	if number == 0 {
		if len(t.rows) == MaxLocations {
			v.refuse(LimitReached, field{leaf: "location"})
			return
		}
		name := strings.Clone(l.textOf(LocationName, c.Location))
		if name == "" {
			v.refuse(UnknownLocation, field{leaf: "location"})
			return
		}
		number = uint32(len(t.rows) + 1)
		t.rows = append(t.rows, &locationDef{
			Location: Location{Name: name, Number: number},
			hash:     xxh3.HashString(name),
		})
		t.byName[name] = number
	} else {
		d := l.location(number)
		if d.Kind != c.Kind && d.rows > 0 {
			v.refuse(InUse, field{leaf: "kind"})
			return
		}
		if d.Kind == c.Kind && d.Master == c.Master && d.Shortfall == c.Shortfall &&
			bytes.Equal(d.Attributes, c.Attributes) {
			return
		}
		l.digest.remove(hashLocation(d))
	}
	d := l.location(number)
	d.Kind, d.Master, d.Shortfall = c.Kind, strings.Clone(c.Master), c.Shortfall
	d.Attributes = bytes.Clone(c.Attributes)
	l.digest.add(hashLocation(d))
	for _, ch := range l.names.channels.rows {
		if !ch.gone && ch.lists(number) {
			l.linkChannel(ch)
		}
	}
	l.emitPlain(Event{Type: EventDefined, Location: number})
}

func hashLocation(d *locationDef) uint64 {
	h := mixWide(uint64(d.Number), 'P')
	h = mix(h, d.hash)
	h = mix(h, uint64(d.Kind)<<8|uint64(d.Shortfall))
	h = mix(h, xxh3.HashString(d.Master))
	h = mix(h, xxh3.Hash(d.Attributes))
	if d.gone {
		h++
	}
	return mixWide(h, 'E')
}

func (l *Ledger) defineChannel(c *DefineChannel, v *verdict) {
	t := &l.names.channels
	list := make([]uint32, 0, len(c.Locations))
	for i, n := range c.Locations {
		at := l.find(LocationName, n)
		if at == 0 {
			v.refuse(UnknownLocation, field{list: "locations", i: i})
			return
		}
		list = append(list, at)
	}
	number := l.find(ChannelName, c.Channel)
	if number == 0 {
		if len(t.rows) == MaxChannels {
			v.refuse(LimitReached, field{leaf: "channel"})
			return
		}
		name := strings.Clone(l.textOf(ChannelName, c.Channel))
		if name == "" {
			v.refuse(UnknownChannel, field{leaf: "channel"})
			return
		}
		number = uint32(len(t.rows) + 1)
		t.rows = append(t.rows, &channelDef{
			Channel: Channel{Name: name, Number: number},
			hash:    xxh3.HashString(name),
		})
		t.byName[name] = number
	} else {
		d := l.channel(number)
		if d.Kind == c.Kind && d.Publish == c.Publish && d.Split == c.Split &&
			d.Priority == c.Priority && d.Rules == c.Rules && slices.Equal(d.locations, list) &&
			bytes.Equal(d.Attributes, c.Attributes) {
			return
		}
		if d.live > 0 && l.dropsFBA(d, list) {
			v.refuse(InUse, field{leaf: "locations"})
			return
		}
		l.digest.remove(hashChannel(d))
		l.listed(d, -1)
	}
	d := l.channel(number)
	d.Kind, d.Publish, d.Split, d.Priority, d.Rules = c.Kind, c.Publish, c.Split, c.Priority, c.Rules
	d.locations, d.Attributes = list, bytes.Clone(c.Attributes)
	l.linkChannel(d)
	l.listed(d, 1)
	l.digest.add(hashChannel(d))
	l.emitPlain(Event{Type: EventDefined, Channel: number})
}

// dropsFBA reports whether a new list of locations lacks an fba location of the old one, where the
// channel may have units.
func (l *Ledger) dropsFBA(d *channelDef, list []uint32) bool {
	for _, n := range d.locations {
		if l.location(n).Kind == FBA && !slices.Contains(list, n) {
			return true
		}
	}
	return false
}

// listed counts, in the channel's locations, that it lists them.
func (l *Ledger) listed(d *channelDef, by int64) {
	for _, n := range d.locations {
		l.location(n).used += by
	}
}

func hashChannel(d *channelDef) uint64 {
	h := mixWide(uint64(d.Number), 'C')
	h = mix(h, d.hash)
	h = mix(h, uint64(d.Kind)<<8|uint64(d.Publish))
	if d.Split {
		h++
	}
	h = mix(h, uint64(d.Priority))
	for _, r := range [...]int64{
		d.Rules.Buffer, d.Rules.BufferPercent, d.Rules.Max, d.Rules.Min, d.Rules.Threshold,
	} {
		h = mix(h, uint64(r))
	}
	for _, n := range d.locations {
		h = mix(h, uint64(n))
	}
	h = mix(h, xxh3.Hash(d.Attributes))
	if d.gone {
		h++
	}
	return mixWide(h, 'E')
}

func (l *Ledger) delete(c *Delete, v *verdict) {
	number := l.find(c.Kind, c.Name)
	at := field{leaf: "name"}
	switch c.Kind {
	case SKUName:
		if number == 0 {
			v.refuse(UnknownSKU, at)
		} else if l.skuInUse(number) || l.isComponent(number) {
			v.refuse(InUse, at)
		} else {
			l.deleteSKU(number)
		}
	case LocationName:
		if number == 0 {
			v.refuse(UnknownLocation, at)
		} else if l.location(number).used > 0 || l.locationInUse(number) {
			v.refuse(InUse, at)
		} else {
			l.deleteLocation(number)
		}
	case ChannelName:
		if number == 0 {
			v.refuse(UnknownChannel, at)
		} else if l.channel(number).live > 0 {
			v.refuse(InUse, at)
		} else {
			l.deleteChannel(number)
		}
	}
}

func (l *Ledger) deleteSKU(number uint32) {
	row := l.sku(number)
	if row.epoch != l.epoch {
		l.saveSKU(number, row)
	}
	l.digest.remove(l.hashSKU(number))
	l.unindexSKU(number)
	l.setKit(number, nil) // it no longer keeps its components in use
	row.deleted = true
	l.digest.add(l.hashSKU(number))
	l.emitPlain(Event{Type: EventDeleted, SKU: number})
}

// locationInUse reports whether there is stock or a live unit at a location. It looks at every stock
// row: a location is deleted once in its life.
func (l *Ledger) locationInUse(number uint32) bool {
	if l.location(number).rows == 0 {
		return false
	}
	for i := range l.shards {
		sh := &l.shards[i]
		for slot := uint32(1); slot < sh.stock.end(); slot++ {
			row := sh.stock.at(slot)
			if row.location == number && (row.onHand != 0 || row.held != 0 || row.committed != 0 ||
				row.parts != 0) {
				return true
			}
		}
	}
	return false
}

func (l *Ledger) deleteLocation(number uint32) {
	d := l.location(number)
	l.digest.remove(hashLocation(d))
	delete(l.names.locations.byName, d.Name)
	d.gone = true
	l.digest.add(hashLocation(d))
	l.emitPlain(Event{Type: EventDeleted, Location: number})
}

func (l *Ledger) deleteChannel(number uint32) {
	d := l.channel(number)
	l.digest.remove(hashChannel(d))
	delete(l.names.channels.byName, d.Name)
	l.listed(d, -1)
	d.locations, d.sourcing, d.places, d.gone = nil, nil, nil, true
	l.digest.add(hashChannel(d))
	l.emitPlain(Event{Type: EventDeleted, Channel: number})
}
