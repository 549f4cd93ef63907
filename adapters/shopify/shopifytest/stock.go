package shopifytest

// shift adds to one state of one level. It is the only place where stock changes.
func (a *action) shift(l *level, state int, delta int64) {
	if delta == 0 {
		return
	}
	l.q[state] += delta
	l.at[state], l.updated = a.at, a.at
	a.log(Entry{Kind: "stock", Item: gid{"InventoryItem", l.item.id}.String(), SKU: l.item.variant.sku,
		Location: l.loc.name, State: stateNames[state], Delta: delta, After: l.q[state]})
	a.items = append(a.items, l.item)
	if state == available {
		a.tell("inventory_levels/update", l)
	}
}

// levelFor returns the level of an item at a location and makes an active one where there is none.
func (a *action) levelFor(i *item, l *location) *level {
	x := i.level(l)
	if x == nil {
		x = a.shop.newLevel(i, l, a.at)
		a.tell("inventory_levels/connect", x)
	}
	x.active = true
	return x
}

// claim takes units for an order: available falls, committed rises, on_hand stays.
func (a *action) claim(i *item, l *location, n int64) {
	x := a.levelFor(i, l)
	a.shift(x, available, -n)
	a.shift(x, committed, n)
}

// unclaim undoes claim. Without restock the units are gone: on_hand falls.
func (a *action) unclaim(i *item, l *location, n int64, restock bool) {
	x := a.levelFor(i, l)
	a.shift(x, committed, -n)
	if restock {
		a.shift(x, available, n)
	}
}

// part is some units of a line at a location.
type part struct {
	loc *location
	qty int64
}

// policy says what to do when fewer units are available than asked for.
type policy int

const (
	obey   policy = iota // refuse, unless the variant sells on (CONTINUE)
	ignore               // take them, available falls below 0
)

// places are the locations that an order may be assigned to, in order of preference.
func (s *shop) places() []*location {
	var out []*location
	for _, l := range s.locations {
		if l.active && l.online {
			out = append(out, l)
		}
	}
	return out
}

// sellable is what the online shop could sell of an item.
func (s *shop) sellable(i *item) int64 {
	var n int64
	for _, l := range s.places() {
		if x := i.level(l); x != nil && x.active {
			n += max(0, x.q[available])
		}
	}
	return n
}

// need is one line that wants stock.
type need struct {
	item *item
	qty  int64
}

// assign finds locations for the lines of an order: one for all of them if there is one, else for
// each line one, else several. ok is false where the policy forbids what is left. A location that
// is not nil pins the order.
func (s *shop) assign(needs []need, how policy, pin *location) (parts [][]part, ok bool) {
	places := s.places()
	if pin != nil {
		places = []*location{pin}
	}
	for _, l := range places {
		if s.fits(needs, l) {
			for _, n := range needs {
				parts = append(parts, []part{{l, n.qty}})
			}
			return parts, true
		}
	}
	taken := map[*level]int64{}
	for _, n := range needs {
		p, left := spread(n, places, taken)
		sellsOn := n.item == nil || n.item.variant.policy == "CONTINUE"
		if left > 0 && how == obey && !sellsOn {
			return nil, false
		}
		if left > 0 {
			p = addPart(p, s.overflow(n, places), left)
		}
		parts = append(parts, p)
	}
	return parts, true
}

// fits tells whether a location has all units of all lines.
func (s *shop) fits(needs []need, l *location) bool {
	sum := map[*item]int64{}
	for _, n := range needs {
		if n.item == nil || !n.item.tracked {
			continue
		}
		sum[n.item] += n.qty
		x := n.item.level(l)
		if x == nil || !x.active || x.q[available] < sum[n.item] {
			return false
		}
	}
	return len(needs) > 0
}

// spread takes a line from the first location that has it all, else from several.
func spread(n need, places []*location, taken map[*level]int64) (parts []part, left int64) {
	if n.item == nil || !n.item.tracked {
		return []part{{places[0], n.qty}}, 0
	}
	free := func(l *location) (*level, int64) {
		x := n.item.level(l)
		if x == nil || !x.active {
			return nil, 0
		}
		return x, max(0, x.q[available]-taken[x])
	}
	for _, l := range places {
		if x, f := free(l); f >= n.qty {
			taken[x] += n.qty
			return []part{{l, n.qty}}, 0
		}
	}
	left = n.qty
	for _, l := range places {
		x, f := free(l)
		if k := min(f, left); k > 0 {
			taken[x] += k
			left -= k
			parts = append(parts, part{l, k})
		}
	}
	return parts, left
}

// overflow is the location that units go to which nobody has: the first that stocks the item.
func (s *shop) overflow(n need, places []*location) *location {
	for _, l := range places {
		if x := n.item.level(l); x != nil && x.active {
			return l
		}
	}
	return places[0]
}

func addPart(parts []part, l *location, qty int64) []part {
	for i := range parts {
		if parts[i].loc == l {
			parts[i].qty += qty
			return parts
		}
	}
	return append(parts, part{l, qty})
}
