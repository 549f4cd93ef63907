package engine

import (
	"slices"

	"github.com/zeebo/xxh3"
)

// names are the three name tables. A name's number is given by apply in log order and never again;
// the text of a number is kept for ever, because events and ended reservations still show it.
//
// There may be millions of SKUs, so their rows are without pointers and in the shards. Locations and
// channels are few and are plain Go values.
type names struct {
	skuNext   uint32 // the next number; numbers begin at 1
	skuCount  int    // not deleted
	texts     arena  // names, attributes
	more      slab[skuMore]
	uses      slab[kitUse]
	useIndex  index // of uses, by component and kit
	parts     slab[kitPart]
	locations table[locationDef]
	channels  table[channelDef]
}

// skuRow is one SKU, 24 bytes: what every reserve looks at.
type skuRow struct {
	hash    uint64   // of the name
	name    uint32   // in names.texts
	stock   stockRef // first row of its stock
	more    uint32   // its skuMore; 0 for most
	deleted bool
	epoch   uint8
}

// skuMore is what few SKUs have.
type skuMore struct {
	attributes uint32   // in names.texts
	kit        uint32   // first kitPart; 0: not a kit
	usedIn     uint32   // first kitUse: kits that have it, or had it, as a component
	short      stockRef // the row without location that lists its short units; 0: never had any
	components uint16   // of the kit
}

var noMore skuMore

// moreOf is what else there is of a SKU, to be read.
func (l *Ledger) moreOf(sku uint32) *skuMore {
	if at := l.sku(sku).more; at != 0 {
		return l.names.more.at(at)
	}
	return &noMore
}

// needMore is moreOf, to be written.
func (l *Ledger) needMore(sku uint32) *skuMore {
	row := l.sku(sku)
	if row.more == 0 {
		row.more = l.names.more.take()
	}
	return l.names.more.at(row.more)
}

// kitPart is one component of a kit; parts are in the order of the definition.
type kitPart struct {
	sku  uint32
	qty  uint32 // 1 to MaxQty
	next uint32
}

// kitUse says that a SKU is a component of a kit.
type kitUse struct {
	component, kit uint32
	next           uint32
}

// locationDef is one location.
type locationDef struct {
	Location
	hash uint64
	rows int64 // stock rows here that are not blank
	used int64 // channels that list it
	gone bool
}

// channelDef is one channel.
type channelDef struct {
	Channel
	hash      uint64
	locations []uint32         // numbers, in order
	sourcing  []uint32         // those that a line without location draws from
	places    map[uint32]int32 // of sourcing, where there are many
	live      int64            // reservations with live units, for in-use
	gone      bool
}

// table maps names to numbers and numbers to definitions; number n is at rows[n-1].
type table[T any] struct {
	rows   []*T
	byName map[string]uint32
}

func (n *names) init() {
	n.skuNext = 1
	n.locations.byName = map[string]uint32{}
	n.channels.byName = map[string]uint32{}
}

func (t *table[T]) at(number uint32) *T { return t.rows[number-1] }

// NameOf returns the text of a number, also of a name that was deleted since; "" for 0 and for a
// number that was never given.
func (l *Ledger) NameOf(k NameKind, number uint32) string {
	switch {
	case !l.given(k, number):
		return ""
	case k == SKUName:
		return string(l.skuName(number))
	case k == LocationName:
		return l.location(number).Name
	}
	return l.channel(number).Name
}

// given reports whether a number is, or was, a name's.
func (l *Ledger) given(k NameKind, number uint32) bool {
	switch k {
	case SKUName:
		return number != 0 && number < l.names.skuNext
	case LocationName:
		return number != 0 && int(number) <= len(l.names.locations.rows)
	case ChannelName:
		return number != 0 && int(number) <= len(l.names.channels.rows)
	}
	return false
}

// find returns the number of a name of either form, or 0 when it is unknown or deleted. A number that
// was its name's before the name was deleted says that name, which may have another one by now.
func (l *Ledger) find(k NameKind, n Name) uint32 {
	num, isNumber := n.number()
	if isNumber {
		if l.stands(k, num) {
			return num
		}
		n = Name(l.NameOf(k, num)) // hardly ever: a copy does no harm
	}
	switch k {
	case SKUName:
		return l.findSKU(string(n))
	case LocationName:
		return l.names.locations.byName[string(n)]
	case ChannelName:
		return l.names.channels.byName[string(n)]
	}
	return 0
}

// textOf is the text of a name of either form; "" for a number that was never given.
func (l *Ledger) textOf(k NameKind, n Name) string {
	if number, ok := n.number(); ok {
		return l.NameOf(k, number)
	}
	return string(n)
}

// stands reports whether a number is that of a name which is defined.
func (l *Ledger) stands(k NameKind, num uint32) bool {
	switch {
	case !l.given(k, num):
		return false
	case k == SKUName:
		return !l.sku(num).deleted
	case k == LocationName:
		return !l.location(num).gone
	}
	return !l.channel(num).gone
}

func (l *Ledger) findSKU(name string) uint32 {
	h := xxh3.HashString(name)
	sh := &l.shards[l.shardOf(h)]
	for p := sh.byName.probe(h); p.next(); {
		if row := l.sku(p.slot); row.hash == h && l.names.texts.text(row.name) == name {
			return p.slot
		}
	}
	return 0
}

func (l *Ledger) sku(number uint32) *skuRow {
	return l.shards[number&l.shardMask()].skus.at(number>>l.bits + 1)
}

func (l *Ledger) location(number uint32) *locationDef { return l.names.locations.at(number) }
func (l *Ledger) channel(number uint32) *channelDef   { return l.names.channels.at(number) }

// skuName returns a SKU's name; the bytes are valid for ever.
func (l *Ledger) skuName(number uint32) []byte { return l.names.texts.at(l.sku(number).name) }

// nameHash returns a hash of the text of a name of either form.
func (l *Ledger) nameHash(k NameKind, n Name) uint64 {
	num, ok := n.number()
	switch {
	case !ok:
		return xxh3.HashString(string(n))
	case !l.given(k, num):
		return 0
	case k == SKUName:
		return l.sku(num).hash
	case k == LocationName:
		return l.location(num).hash
	}
	return l.channel(num).hash
}

// isKitAt reports whether a unit of the SKU at the location stands for its components: a kit has
// stock of its own only where Amazon keeps it.
func (l *Ledger) isKitAt(sku, location uint32) bool {
	return l.moreOf(sku).kit != 0 && (location == 0 || l.location(location).Kind == Merchant)
}

// addSKU gives a new SKU its row under the next number, or under the one that it had when loading.
func (l *Ledger) addSKU(number uint32, name string) *skuRow {
	sh := &l.shards[number&l.shardMask()]
	for sh.skus.end() <= number>>l.bits+1 {
		sh.skus.take()
	}
	row := l.sku(number)
	*row = skuRow{hash: xxh3.HashString(name), name: l.names.texts.put([]byte(name))}
	l.names.skuNext = max(l.names.skuNext, number+1)
	return row
}

func (l *Ledger) indexSKU(number uint32) {
	h := l.sku(number).hash
	l.shards[l.shardOf(h)].byName.put(h, number)
	l.names.skuCount++
}

func (l *Ledger) unindexSKU(number uint32) {
	h := l.sku(number).hash
	l.shards[l.shardOf(h)].byName.drop(h, number)
	l.names.skuCount--
}

// setAttributes replaces a SKU's attributes.
func (l *Ledger) setAttributes(number uint32, attributes []byte) {
	if len(attributes) == 0 && l.moreOf(number).attributes == 0 {
		return
	}
	more := l.needMore(number)
	l.names.texts.give(more.attributes)
	more.attributes = l.names.texts.put(attributes)
}

// setKit replaces a SKU's components.
func (l *Ledger) setKit(number uint32, kit []kitPart) {
	if l.sku(number).more == 0 && len(kit) == 0 {
		return
	}
	row := l.needMore(number)
	for at := row.kit; at != 0; {
		next := l.names.parts.at(at).next
		l.names.parts.give(at)
		at = next
	}
	row.kit, row.components = 0, uint16(len(kit))
	for i := len(kit) - 1; i >= 0; i-- {
		at := l.names.parts.take()
		*l.names.parts.at(at) = kitPart{sku: kit[i].sku, qty: kit[i].qty, next: row.kit}
		row.kit = at
		l.noteUse(kit[i].sku, number)
	}
}

// noteUse remembers that the kit has, or had, the component. It is never forgotten while the ledger
// lives, since a line keeps the composition of its kit; a reload forgets the idle ones, which only
// spares looking at them.
func (l *Ledger) noteUse(component, kit uint32) {
	h := mixWide(uint64(component), uint64(kit))
	for p := l.names.useIndex.probe(h); p.next(); {
		if use := l.names.uses.at(p.slot); use.component == component && use.kit == kit {
			return
		}
	}
	row, at := l.needMore(component), l.names.uses.take()
	*l.names.uses.at(at) = kitUse{component: component, kit: kit, next: row.usedIn}
	row.usedIn = at
	l.names.useIndex.put(h, at)
}

// isComponent reports whether a kit's present definition has the SKU.
func (l *Ledger) isComponent(sku uint32) bool {
	for at := l.moreOf(sku).usedIn; at != 0; at = l.names.uses.at(at).next {
		for p := l.moreOf(l.names.uses.at(at).kit).kit; p != 0; p = l.names.parts.at(p).next {
			if l.names.parts.at(p).sku == sku {
				return true
			}
		}
	}
	return false
}

// linkChannel works out what follows from a channel's locations.
func (l *Ledger) linkChannel(c *channelDef) {
	c.sourcing = c.sourcing[:0]
	var fba []uint32
	for _, n := range c.locations {
		if l.location(n).Kind == Merchant {
			c.sourcing = append(c.sourcing, n)
		} else {
			fba = append(fba, n)
		}
	}
	if len(c.sourcing) == 0 {
		c.sourcing = fba
	}
	if c.places = nil; len(c.sourcing) > 8 {
		c.places = make(map[uint32]int32, len(c.sourcing))
		for i, n := range c.sourcing {
			c.places[n] = int32(i)
		}
	}
}

// sourcingIndex is the place of a location in sourcing, -1 if it is not there.
func (c *channelDef) sourcingIndex(location uint32) int {
	if c.places != nil {
		if i, ok := c.places[location]; ok {
			return int(i)
		}
		return -1
	}
	return slices.Index(c.sourcing, location)
}

func (c *channelDef) lists(location uint32) bool { return slices.Contains(c.locations, location) }
