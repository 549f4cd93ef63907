package engine_test

import (
	"encoding/json"
	"fmt"
	"slices"

	"holdfast/engine"
)

// contentOfReserve is what the id of a reservation stands for: everything but the ttl.
func contentOfReserve(c *engine.Reserve) string {
	lines, err := json.Marshal(c.Lines)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%s %v %v %v %s", c.Channel, c.Mode, c.Partial, c.Commit, lines)
}

func (w *twin) reserve(c *engine.Reserve, r *engine.Result) {
	if v := w.reservation(c.ID); v != nil {
		if v.mirror || v.content != contentOfReserve(c) {
			r.Refusal = engine.IDConflict
			return
		}
		r.Existed = true
		return
	}
	if v := w.away(c.ID); v != nil {
		if v.was.mirror || v.was.content != contentOfReserve(c) {
			r.Refusal = engine.IDConflict
			return
		}
		r.Existed = true
		return
	}
	v := &twinReservation{id: c.ID, seq: w.nextSeq(),
		channel: w.channel(c.Channel), mode: c.Mode, content: contentOfReserve(c)}
	w.reservations = append(w.reservations, v)
	w.fill(v, wish{c.Mode, c.Partial, c.Commit, c.TTL, c.Lines}, r)
}

func (w *twin) add(c *engine.Add, r *engine.Result) {
	v := w.reservation(c.ID)
	if v == nil {
		r.Refusal = engine.UnknownReservation
		return
	}
	live := v.sum((*twinLine).live)
	shipped := v.sum(func(l *twinLine) int64 { return l.sum(shippedOf) })
	expired := v.sum(func(l *twinLine) int64 { return l.expired })
	switch {
	case v.mirror || live+shipped+expired == 0:
		r.Refusal = engine.WrongState
	case live+shipped == 0 && expired > 0:
		r.Refusal = engine.ReservationExpired
	case len(v.lines)+len(c.Lines) > engine.MaxLines:
		r.Refusal = engine.LimitReached
	default:
		w.fill(v, wish{c.Mode, c.Partial, c.Commit, c.TTL, c.Lines}, r)
		w.rank(v)
	}
}

// wish is what a reserve and an add have in common.
type wish struct {
	mode            engine.Mode
	partial, commit bool
	ttl             int64
	lines           []engine.Line
}

// fill appends the lines of a wish to a reservation: rules 2 to 6 of Reserve.
func (w *twin) fill(v *twinReservation, c wish, r *engine.Result) {
	ch := w.channels[v.channel]
	if ch == nil || ch.gone {
		r.Refusal = engine.UnknownChannel
		return
	}
	var lines []*twinLine
	for i, line := range c.lines {
		l := &twinLine{ref: line.Ref, sku: w.sku(line.SKU), pin: w.location(line.Location),
			wanted: line.Qty}
		switch {
		case line.Location != "" && l.pin == 0:
			r.Refusal, r.Field = engine.UnknownLocation, fmt.Sprintf("lines[%d].location", i)
		case l.sku == 0:
			r.Refusal, r.Field = engine.UnknownSKU, fmt.Sprintf("lines[%d].sku", i)
		case l.pin != 0 && !slices.Contains(ch.locations, l.pin):
			r.Refusal, r.Field = engine.NotListed, fmt.Sprintf("lines[%d].location", i)
		}
		if r.Refusal != engine.Accepted {
			return
		}
		l.kit = w.skus[l.sku].kit
		lines = append(lines, l)
	}
	p := w.place(v.channel, c.mode, lines)
	if c.mode != engine.Accept {
		if short := p.missing(c.partial); short != nil {
			r.Refusal, r.Short = engine.InsufficientStock, short
			return
		}
	}
	w.hold(v, c, p)
}

// hold does what was placed: it makes the lines, their places and short units, and the deadline.
func (w *twin) hold(v *twinReservation, c wish, p *placing) {
	idle := v.sum(holding) == 0
	event := engine.EventReserved
	if c.commit {
		event, v.everCommitted = engine.EventCommitted, true
	}
	for i, l := range p.lines {
		v.lines = append(v.lines, l)
		for _, t := range p.takes[i] {
			if c.commit {
				l.at(t.location).committed += t.qty
			} else {
				l.at(t.location).held += t.qty
			}
			w.emitPlace(event, v, l, t.location, t.qty, "")
		}
		if c.mode != engine.Accept {
			continue
		}
		if missing := l.wanted - p.taken(i); c.commit {
			l.firm = missing
			w.emitNowhere(engine.EventShort, v, l, missing, "")
		} else {
			l.soft = missing
			w.emitNowhere(engine.EventShort, v, l, missing, "")
		}
	}
	switch {
	case c.commit || v.sum(holding) == 0 || c.ttl == 0:
	case idle:
		v.deadline = w.now + c.ttl
	case v.deadline != 0:
		v.deadline = max(v.deadline, w.now+c.ttl)
	}
}

// holding is the units of a line that a deadline ends.
func holding(l *twinLine) int64 { return l.soft + l.sum(heldOf) }

// sourcing is where a channel takes from: its merchant locations, or all if it lists none.
func (w *twin) sourcing(channel uint32) []uint32 {
	all := w.channels[channel].locations
	merchant := slices.DeleteFunc(slices.Clone(all), func(l uint32) bool {
		return w.locations[l].def.Kind != engine.Merchant
	})
	if len(merchant) > 0 {
		return merchant
	}
	return all
}

// units is how many units of a line a location could give: for a kit whole kits.
func (w *twin) units(l *twinLine, location uint32) int64 {
	least := int64(1 << 62)
	for _, part := range w.parts(l, location) {
		least = min(least, max(0, w.available(rowKey{part.sku, location}))/part.qty)
	}
	return least
}

// rests is r(l) of LEDGER.md for each sourcing location of a channel.
func (w *twin) rests(channel uint32, sku uint32, buffers bool) []int64 {
	l := &twinLine{sku: sku, kit: w.skus[sku].kit}
	var rests []int64
	var all int64
	for _, location := range w.sourcing(channel) {
		n := w.units(l, location)
		rests = append(rests, n)
		all += n
	}
	if !buffers {
		return rests
	}
	left := w.buffer(channel, all)
	for i := len(rests) - 1; i >= 0; i-- {
		keep := min(left, rests[i])
		rests[i] -= keep
		left -= keep
	}
	return rests
}

func (w *twin) buffer(channel uint32, available int64) int64 {
	rules := w.channels[channel].def.Rules
	return max(rules.Buffer, (rules.BufferPercent*available+9_999)/10_000)
}

// sellable is what one channel may sell of a SKU.
func (w *twin) sellable(channel, sku uint32, buffers bool) int64 {
	var sum, most int64
	for _, n := range w.rests(channel, sku, buffers) {
		sum, most = sum+n, max(most, n)
	}
	if w.channels[channel].def.Split {
		return sum
	}
	return most
}

// bound is what all lines together may take of one SKU's stock rows, directly or through kits.
func (w *twin) bound(channel, sku uint32, buffers bool) int64 {
	var all int64
	for _, location := range w.sourcing(channel) {
		all += max(0, w.available(rowKey{sku, location}))
	}
	if buffers {
		all -= w.buffer(channel, all)
	}
	return max(0, all)
}

// placing is where the lines of one reserve would be taken from.
type placing struct {
	w       *twin
	channel uint32
	mode    engine.Mode
	lines   []*twinLine
	takes   [][]take // of each line
}

type take struct {
	location uint32
	qty      int64
}

// place finds places for every line, each after the ones before it, as many units as there are.
func (w *twin) place(channel uint32, mode engine.Mode, lines []*twinLine) *placing {
	p := &placing{w: w, channel: channel, mode: mode, lines: lines}
	for _, l := range lines {
		p.takes = append(p.takes, p.line(l))
	}
	return p
}

func (p *placing) buffers() bool { return p.mode == engine.Strict }

// outside reports whether a line is pinned to a location that the channel does not source from.
func (p *placing) outside(l *twinLine) bool {
	return l.pin != 0 && !slices.Contains(p.w.sourcing(p.channel), l.pin)
}

func (p *placing) line(l *twinLine) (takes []take) {
	if l.pin != 0 {
		return some(take{l.pin, min(l.wanted, p.room(l, l.pin))})
	}
	sourcing := p.w.sourcing(p.channel)
	if p.w.channels[p.channel].def.Split {
		left := min(l.wanted, p.budget(l))
		for _, location := range sourcing {
			t := take{location, min(left, p.room(l, location))}
			left -= t.qty
			takes = append(takes, some(t)...)
		}
		return takes
	}
	var best take
	for _, location := range sourcing {
		room := p.room(l, location)
		if room >= l.wanted {
			return []take{{location, l.wanted}}
		}
		if room > best.qty {
			best = take{location, room}
		}
	}
	return some(best)
}

func some(t take) []take {
	if t.qty <= 0 {
		return nil
	}
	return []take{t}
}

// room is how many units of a line one location has, after what earlier lines take.
func (p *placing) room(l *twinLine, location uint32) int64 {
	room := p.budget(l)
	for _, part := range p.w.parts(l, location) {
		k := rowKey{part.sku, location}
		left := p.w.available(k) - p.takenOf(part.sku, location)
		room = min(room, max(0, left)/part.qty)
	}
	i := slices.Index(p.w.sourcing(p.channel), location)
	if !p.buffers() || i < 0 {
		return room
	}
	rest := p.w.rests(p.channel, l.sku, true)[i]
	if l.kit == nil {
		return min(room, rest-p.takenOf(l.sku, location))
	}
	return min(room, rest-p.takenLines(l.sku, location))
}

// budget is how many units of a line the sums of rule 4 leave, after what earlier lines take.
func (p *placing) budget(l *twinLine) int64 {
	if p.mode == engine.Accept || p.outside(l) {
		return l.wanted
	}
	room := p.w.sellable(p.channel, l.sku, p.buffers()) - p.takenLines(l.sku, 0)
	for _, part := range p.demandOf(l) {
		left := p.w.bound(p.channel, part.sku, p.buffers()) - p.takenOf(part.sku, 0)
		room = min(room, left/part.qty)
	}
	return max(0, room)
}

// demandOf is the stock that one unit of a line needs: at fba locations a kit is itself.
func (p *placing) demandOf(l *twinLine) []twinPart {
	sourcing := p.w.sourcing(p.channel)
	if len(sourcing) == 0 {
		return []twinPart{{sku: l.sku, qty: 1}}
	}
	return p.w.parts(l, sourcing[0])
}

// takenOf is what earlier lines take of a SKU's stock, directly or through kits, at a location, or
// at all sourcing locations.
func (p *placing) takenOf(sku, location uint32) int64 {
	var n int64
	for i := range p.takes {
		for _, t := range p.takes[i] {
			if t.location != location && (location != 0 || p.outside(p.lines[i])) {
				continue
			}
			for _, part := range p.w.parts(p.lines[i], t.location) {
				if part.sku == sku {
					n += t.qty * part.qty
				}
			}
		}
	}
	return n
}

// takenLines is what earlier lines of a SKU take, in units of the line.
func (p *placing) takenLines(sku, location uint32) int64 {
	var n int64
	for i := range p.takes {
		for _, t := range p.takes[i] {
			here := t.location == location || location == 0 && !p.outside(p.lines[i])
			if p.lines[i].sku == sku && here {
				n += t.qty
			}
		}
	}
	return n
}

func (p *placing) taken(i int) int64 {
	var n int64
	for _, t := range p.takes[i] {
		n += t.qty
	}
	return n
}

// missing says what is short, nil when the reserve can be done.
func (p *placing) missing(partial bool) []engine.ShortLine {
	var got, wanted int64
	for i, l := range p.lines {
		got, wanted = got+p.taken(i), wanted+l.wanted
	}
	sums, parts := p.sums()
	fits := len(sums)+len(parts) == 0 && got == wanted
	if partial {
		fits = got > 0
	}
	switch {
	case fits:
		return nil
	case len(sums) > 0:
		return sums
	case len(parts) > 0:
		return parts
	}
	var short []engine.ShortLine
	for _, s := range p.bySKU(nil) {
		if s.Sellable < s.Wanted {
			short = append(short, s)
		}
	}
	return short
}

// sums lists the SKUs whose lines ask for more than is sellable, and the components of which more
// is needed than there is.
func (p *placing) sums() (skus, parts []engine.ShortLine) {
	inside := func(l *twinLine) bool { return !p.outside(l) }
	for _, s := range p.bySKU(inside) {
		s.Sellable = p.w.sellable(p.channel, p.w.sku(engine.Name(s.SKU)), p.buffers())
		if s.Wanted > s.Sellable {
			skus = append(skus, s)
		}
	}
	need := map[uint32]int64{}
	var order []uint32
	for _, l := range p.lines {
		if !inside(l) {
			continue
		}
		for _, part := range p.demandOf(l) {
			if _, seen := need[part.sku]; !seen {
				order = append(order, part.sku)
			}
			need[part.sku] += l.wanted * part.qty
		}
	}
	for _, sku := range order {
		bound := p.w.bound(p.channel, sku, p.buffers())
		if need[sku] > bound {
			parts = append(parts, engine.ShortLine{SKU: p.w.skus[sku].name, Wanted: need[sku],
				Sellable: bound})
		}
	}
	return skus, parts
}

// bySKU adds up the lines that count by SKU, in order of first use: wanted, and what was placed.
func (p *placing) bySKU(counts func(*twinLine) bool) []engine.ShortLine {
	var rows []engine.ShortLine
	for i, l := range p.lines {
		name := p.w.skus[l.sku].name
		at := slices.IndexFunc(rows, func(s engine.ShortLine) bool { return s.SKU == name })
		if at < 0 {
			at = len(rows)
			rows = append(rows, engine.ShortLine{SKU: name})
		}
		if counts == nil || counts(l) {
			rows[at].Wanted += l.wanted
			rows[at].Sellable += p.taken(i)
		}
	}
	return rows
}
