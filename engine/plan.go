package engine

import "slices"

// plan works out where the lines of a reserve get their units from. It changes nothing.
//
// Demand is summed before anything is checked: duplicate lines of one SKU, and a kit beside one of
// its components, draw from the same numbers.
type plan struct {
	channel  *channelDef
	strict   bool
	sums     bool // the sums over lines count, not only each line (not in accept)
	locs     []uint32
	sourcing int // locs below are the channel's sourcing locations, the others pins outside of them
	skus     []planSKU
	parts    []planPart
	have     []int64 // skus × locs: what is there, less what lines took
	rest     []int64 // skus × locs: what the SKU's own lines may still take
	lines    []planLine
	takes    []take
	supply   supply
	bySKU    map[uint32]int32 // place in skus; used above planLinear
}

// planSKU is one SKU that lines, or their kits, ask for.
type planSKU struct {
	sku      uint32
	part     int32 // first of its components in parts
	parts    int32 // number of components; 0: no kit
	isPart   bool
	wanted   int64 // units of its own lines
	exploded int64 // units of all lines, through kits too, saturated
	sellable int64
	budget   int64 // of sellable, what its own lines may still take
	all      int64 // sum of rest before anything was taken
	left     int64 // of all, what is left for lines and kits
	taken    int64
	lines    int64 // see eachLineSKU
}

type planPart struct {
	sku int32 // place in skus
	qty int64
}

type planLine struct {
	sku   int32 // place in skus
	pin   int32 // place in locs, -1 none
	taken int64
	takes int32 // number of its takes
}

// take is units of a line at one location.
type take struct {
	loc int32
	qty int64
}

// planLinear is up to how many SKUs are found by looking at each: no map is touched for an order of
// the usual size.
const planLinear = 16

// sumLimit saturates sums of demand, far above any balance and below an overflow.
const sumLimit = 1 << 60

// plan fills the scratch plan for a reserve, or refuses it. Lines that get less than they want are
// left to the caller.
func (l *Ledger) plan(ch *channelDef, mode Mode, lines []Line, v *verdict) *plan {
	p := &l.work.plan
	p.channel, p.strict, p.sums = ch, mode == Strict, mode != Accept
	p.locs = append(p.locs[:0], ch.sourcing...)
	p.sourcing = len(p.locs)
	p.skus, p.parts, p.lines, p.takes = p.skus[:0], p.parts[:0], p.lines[:0], p.takes[:0]
	p.have, p.rest = p.have[:0], p.rest[:0]
	if len(p.bySKU) > 0 {
		clear(p.bySKU)
	}
	for i := range lines {
		if l.planLine(p, i, &lines[i], v); v.refusal != Accepted {
			return p
		}
	}
	for i := range p.skus {
		l.planSupply(p, i)
	}
	l.work.load += int64(len(p.lines) + len(p.parts) + len(p.have))
	p.countBudgets()
	return p
}

// planLine names what a line asks for, and adds it to the sums.
func (l *Ledger) planLine(p *plan, i int, c *Line, v *verdict) {
	line := planLine{pin: -1}
	if c.Location != "" {
		at := l.find(LocationName, c.Location)
		if at == 0 {
			v.refuse(UnknownLocation, field{list: "lines", i: i, leaf: "location"})
			return
		}
		line.pin = p.loc(at)
	}
	sku := l.find(SKUName, c.SKU)
	if sku == 0 {
		v.refuse(UnknownSKU, field{list: "lines", i: i, leaf: "sku"})
		return
	}
	if line.pin >= 0 && !p.channel.lists(p.locs[line.pin]) {
		v.refuse(NotListed, field{list: "lines", i: i, leaf: "location"})
		return
	}
	line.sku = l.planFor(p, sku, true)
	if int(line.pin) < p.sourcing {
		s := &p.skus[line.sku]
		s.wanted += c.Qty
		s.exploded = min(sumLimit, s.exploded+c.Qty)
		if p.sourcing == 0 || l.location(p.locs[0]).Kind == FBA {
			// There a kit is a SKU like any other.
			p.lines = append(p.lines, line)
			return
		}
		for _, part := range p.parts[s.part : s.part+s.parts] {
			of := &p.skus[part.sku]
			of.exploded = min(sumLimit, of.exploded+min(sumLimit, c.Qty*part.qty))
		}
	}
	p.lines = append(p.lines, line)
}

// loc returns the place of a location in locs.
func (p *plan) loc(location uint32) int32 {
	if i := slices.Index(p.locs, location); i >= 0 {
		return int32(i)
	}
	p.locs = append(p.locs, location)
	return int32(len(p.locs) - 1)
}

// planFor returns the place of a SKU in skus, with its components behind it if it is a kit of a line.
func (l *Ledger) planFor(p *plan, sku uint32, ofLine bool) int32 {
	at := p.find(sku)
	if at < 0 {
		at = int32(len(p.skus))
		p.skus = append(p.skus, planSKU{sku: sku})
		if len(p.skus) > planLinear {
			p.remember(at)
		}
	}
	if !ofLine {
		p.skus[at].isPart = true
		return at
	}
	row := l.moreOf(sku)
	if row.kit == 0 || p.skus[at].parts > 0 {
		return at
	}
	first := int32(len(p.parts))
	for part := row.kit; part != 0; {
		k := l.names.parts.at(part)
		p.parts = append(p.parts, planPart{sku: l.planFor(p, k.sku, false), qty: int64(k.qty)})
		part = k.next
	}
	p.skus[at].part, p.skus[at].parts = first, int32(row.components)
	return at
}

func (p *plan) find(sku uint32) int32 {
	if len(p.skus) > planLinear {
		if at, ok := p.bySKU[sku]; ok {
			return at
		}
		return -1
	}
	for i := range p.skus {
		if p.skus[i].sku == sku {
			return int32(i)
		}
	}
	return -1
}

// remember puts a SKU, and the first time all before it, into the map.
func (p *plan) remember(at int32) {
	if p.bySKU == nil {
		p.bySKU = map[uint32]int32{}
	}
	from := at
	if len(p.bySKU) == 0 {
		from = 0
	}
	for i := from; i <= at; i++ {
		p.bySKU[p.skus[i].sku] = i
	}
}

// planSupply finds what there is of one SKU.
func (l *Ledger) planSupply(p *plan, i int) {
	s := &p.skus[i]
	from := l.stockFor(p.channel, s.sku, &p.supply)
	p.have = append(p.have, from.have...)
	if p.strict {
		p.rest = append(p.rest, from.rest...)
		s.all = from.all - from.buffer
		s.sellable = from.sellable(p.channel.Split)
	} else {
		p.rest = append(p.rest, from.have...)
		s.all, s.sellable = from.all, from.all
		if !p.channel.Split && len(from.have) > 0 {
			s.sellable = slices.Max(from.have)
		}
	}
	unsettled := p.strict && len(l.shortfall) > 0 && l.unsettled(s.sku)
	for _, location := range p.locs[p.sourcing:] { // pins outside the sourcing locations: no buffer
		n := max(0, l.availableAt(s.sku, location))
		if unsettled {
			n = 0
		}
		p.have, p.rest = append(p.have, n), append(p.rest, n)
	}
}

func (p *plan) countBudgets() {
	for i := range p.skus {
		s := &p.skus[i]
		s.budget, s.left = s.sellable, s.all
		if !p.sums {
			s.budget, s.left = sumLimit, sumLimit
		}
	}
}

// place lets every line take what it can, in order. It returns the first line that did not get all,
// or -1.
func (p *plan) place(l *Ledger, lines []Line) (first int) {
	first = -1
	for i := range p.lines {
		line := &p.lines[i]
		want := lines[i].Qty
		switch {
		case line.pin >= 0:
			p.takeAt(l, line, line.pin, want)
		case p.channel.Split:
			for at := int32(0); int(at) < p.sourcing && line.taken < want; at++ {
				p.takeAt(l, line, at, want-line.taken)
			}
		default:
			if at := p.bestFor(l, line, want); at >= 0 {
				p.takeAt(l, line, at, want)
			}
		}
		p.skus[line.sku].taken += line.taken
		if line.taken < want && first < 0 {
			first = i
		}
	}
	return first
}

// rows is how many rows the plan needs: components of its lines, and stock rows of its takes.
func (p *plan) rows() int {
	n := 0
	for i := range p.lines {
		parts := int(p.skus[p.lines[i].sku].parts)
		n += parts + int(p.lines[i].takes)*max(1, parts)
	}
	return n
}

// bestFor returns the first location that holds a whole line, else the one that holds most of it.
func (p *plan) bestFor(l *Ledger, line *planLine, want int64) int32 {
	best, most := int32(-1), int64(0)
	for at := int32(0); int(at) < p.sourcing; at++ {
		if n := p.limit(l, line, at); n >= want {
			return at
		} else if n > most {
			best, most = at, n
		}
	}
	return best
}

// limit is how many units a line can take at a location.
func (p *plan) limit(l *Ledger, line *planLine, at int32) int64 {
	s := &p.skus[line.sku]
	n := p.rest[int(line.sku)*len(p.locs)+int(at)]
	outside := int(at) >= p.sourcing
	if !outside {
		n = min(n, s.budget)
	}
	if s.parts == 0 || l.location(p.locs[at]).Kind == FBA {
		if n = min(n, p.have[int(line.sku)*len(p.locs)+int(at)]); !outside {
			n = min(n, s.left)
		}
		return max(0, n)
	}
	for _, part := range p.parts[s.part : s.part+s.parts] {
		have := max(0, p.have[int(part.sku)*len(p.locs)+int(at)])
		n = min(n, have/part.qty, max(0, p.skus[part.sku].left)/part.qty)
	}
	return max(0, n)
}

// takeAt takes up to want units for a line at a location.
func (p *plan) takeAt(l *Ledger, line *planLine, at int32, want int64) {
	n := min(want, p.limit(l, line, at))
	if n <= 0 {
		return
	}
	line.taken += n
	line.takes++
	p.takes = append(p.takes, take{loc: at, qty: n})
	s := &p.skus[line.sku]
	outside := int(at) >= p.sourcing
	if !outside {
		s.budget -= n
	}
	cell := int(line.sku)*len(p.locs) + int(at)
	p.rest[cell] -= n
	if s.parts == 0 || l.location(p.locs[at]).Kind == FBA {
		if p.have[cell] -= n; !outside {
			s.left -= n
		}
		return
	}
	for _, part := range p.parts[s.part : s.part+s.parts] {
		cell := int(part.sku)*len(p.locs) + int(at)
		p.have[cell] -= n * part.qty
		p.rest[cell] -= n * part.qty
		p.skus[part.sku].left -= n * part.qty
	}
}

// lacking lists what a refused reserve lacked: SKUs whose lines want more than is sellable, else
// components of which all lines together want more, else SKUs whose lines found no room.
func (p *plan) lacking(lines []Line, v *verdict) {
	p.eachLineSKU(func(s *planSKU, _ int64) {
		if p.sums && s.wanted > s.sellable {
			v.lack(s.sku, s.wanted, s.sellable)
		}
	}, lines)
	if len(v.shorts) > 0 {
		return
	}
	for i := range p.skus {
		if s := &p.skus[i]; p.sums && s.isPart && s.exploded > s.all {
			v.lack(s.sku, s.exploded, s.all)
		}
	}
	if len(v.shorts) > 0 {
		return
	}
	p.eachLineSKU(func(s *planSKU, wanted int64) {
		if s.taken < wanted {
			v.lack(s.sku, wanted, s.taken)
		}
	}, lines)
}

// eachLineSKU visits the SKUs that lines name, in order of first use, with what all their lines
// want.
func (p *plan) eachLineSKU(visit func(s *planSKU, wanted int64), lines []Line) {
	for i := range p.skus {
		p.skus[i].lines = 0
	}
	for i := range p.lines {
		p.skus[p.lines[i].sku].lines += lines[i].Qty
	}
	for i := range p.lines {
		if s := &p.skus[p.lines[i].sku]; s.lines > 0 {
			visit(s, s.lines)
			s.lines = 0
		}
	}
}

// oversummed reports whether the sums over all lines are more than there is, before any is placed.
func (p *plan) oversummed() bool {
	if !p.sums {
		return false
	}
	for i := range p.skus {
		s := &p.skus[i]
		if s.wanted > s.sellable || s.isPart && s.exploded > s.all {
			return true
		}
	}
	return false
}
