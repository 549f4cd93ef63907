package engine_test

import (
	"cmp"
	"fmt"
	"slices"

	"holdfast/engine"
)

// nameOf gives the name of a number, also of what was deleted.
func (w *twin) nameOf(kind engine.NameKind, n uint32) string {
	switch {
	case kind == engine.SKUName && int(n) < len(w.skus):
		return w.skus[n].name
	case kind == engine.LocationName && int(n) < len(w.locations):
		return w.locations[n].name
	case kind == engine.ChannelName && int(n) < len(w.channels):
		return w.channels[n].name
	}
	return fmt.Sprintf("?%d", n)
}

// stock is the rows of a SKU that have anything to show, by location name.
func (w *twin) stock(sku uint32) []engine.LocationStock {
	var rows []engine.LocationStock
	for i, l := range w.locations {
		if l == nil || l.gone {
			continue
		}
		k := rowKey{sku, uint32(i)}
		s := engine.LocationStock{Location: l.name, Balance: w.balance(k)}
		if row := w.rows[k]; row != nil {
			s.Moved, s.LastEvent = row.moved, row.lastEvent
		}
		rows = append(rows, s)
	}
	return withContent(rows)
}

// withContent leaves out rows that have nothing to show, and sorts the rest by name.
func withContent(rows []engine.LocationStock) []engine.LocationStock {
	rows = slices.DeleteFunc(rows, func(s engine.LocationStock) bool {
		return s == engine.LocationStock{Location: s.Location}
	})
	slices.SortFunc(rows, func(a, b engine.LocationStock) int {
		return cmp.Compare(a.Location, b.Location)
	})
	return rows
}

// compareTouched compares, after every entry, all that is cheap to look at.
func (d *driver) compareTouched(events int) string {
	l, w := d.ledger, d.twin
	for _, c := range []struct {
		what      string
		want, got any
	}{
		{"index", w.index, l.Index()}, {"now", w.now, l.Now()}, {"due", w.due, l.Due()},
		{"last event", w.lastEvent, l.LastEvent()}, {"limits", w.limits, l.Limits()},
		{"nodes", fmt.Sprint(w.nodes), fmt.Sprint(l.Enrolments())},
		{"unfinished", false, l.Unfinished()},
		{"away", int64(len(w.retired)), l.Counts().Retired},
		{"answers", int64(len(w.answers)), l.Counts().Results},
		{"records", int64(len(w.records.live)), l.Counts().Records},
		{"archived", w.records.left, l.Counts().Archived},
		{"reservations", int64(len(w.reservations)), l.Counts().Reservations},
		{"live reservations", w.countLive(), l.Counts().LiveHolds},
		{"SKUs", int64(len(known(w.skus, func(s *twinSKU) bool { return !s.gone }))), l.Counts().SKUs},
		{"locations", int64(len(known(w.locations, func(s *twinLocation) bool { return !s.gone }))),
			l.Counts().Locations},
		{"channels", int64(len(known(w.channels, func(s *twinChannel) bool { return !s.gone }))),
			l.Counts().Channels},
		{"expired holds", w.expired, d.out.Expired},
	} {
		if c.want != c.got {
			return fmt.Sprintf("%s: twin %v, ledger %v", c.what, c.want, c.got)
		}
	}
	if v := l.Check(); len(v) > 0 {
		return fmt.Sprintf("check: %+v", v)
	}
	digest := l.Digest()
	if events > 0 && digest == d.digest {
		return fmt.Sprintf("digest: still %x after %d events", digest, events)
	}
	d.digest = digest
	if f := d.compareDeadlines(); f != "" {
		return f
	}
	return d.compareStock()
}

// countLive counts the reservations that have live units.
func (w *twin) countLive() (n int64) {
	for _, v := range w.reservations {
		if v.sum((*twinLine).live) > 0 {
			n++
		}
	}
	return n
}

// known picks the definitions of a table that are alive.
func known[T any](table []*T, alive func(*T) bool) (all []*T) {
	for _, d := range table {
		if d != nil && alive(d) {
			all = append(all, d)
		}
	}
	return all
}

// compareDeadlines holds NextDeadline and DueUpTo to their promises: never late, never too many.
func (d *driver) compareDeadlines() string {
	var deadlines []int64
	for _, v := range d.twin.reservations {
		if v.deadline != 0 && v.sum(holding) > 0 {
			deadlines = append(deadlines, v.deadline)
		}
	}
	next, ok := d.ledger.NextDeadline()
	if ok != (len(deadlines) > 0) {
		return fmt.Sprintf("next deadline: %d %v, the twin's are %v", next, ok, deadlines)
	}
	if !ok {
		return ""
	}
	slices.Sort(deadlines)
	if next > deadlines[0] {
		return fmt.Sprintf("next deadline: %d is later than %d", next, deadlines[0])
	}
	far := d.twin.now + 1<<30
	for _, limit := range []int{1, 3} {
		due := d.ledger.DueUpTo(far, limit)
		ending := func(at int64) int {
			n, _ := slices.BinarySearch(deadlines, at+1)
			return n
		}
		if due > far || ending(due) > limit && ending(due) > ending(deadlines[0]) {
			return fmt.Sprintf("DueUpTo(%d, %d) = %d ends %d of %v", far, limit, due,
				ending(due), deadlines)
		}
		if due < deadlines[0] {
			return fmt.Sprintf("DueUpTo(%d, %d) = %d ends nothing of %v", far, limit, due,
				deadlines)
		}
	}
	return ""
}

func (d *driver) compareStock() string {
	for i, s := range d.twin.skus {
		if s == nil || s.gone {
			continue
		}
		rows, r := d.ledger.Stock(s.name)
		if r != engine.Accepted {
			return fmt.Sprintf("stock of %s: %s", s.name, r)
		}
		want, got := fmt.Sprintf("%+v", d.twin.stock(uint32(i))),
			fmt.Sprintf("%+v", withContent(rows))
		if want != got {
			return fmt.Sprintf("stock of %s\ntwin:   %s\nledger: %s", s.name, want, got)
		}
	}
	return ""
}

// compareAll compares everything: definitions, sellable and its explanation, every reservation.
func (d *driver) compareAll() string {
	for _, compare := range []func() string{d.compareDefinitions, d.compareSellable,
		d.compareReservations, d.compareLists, d.compareRecords} {
		if f := compare(); f != "" {
			return f
		}
	}
	return ""
}

func (d *driver) compareDefinitions() string {
	for i, s := range d.twin.skus {
		if s == nil || s.gone {
			continue
		}
		want := engine.SKU{Name: s.name, Number: uint32(i), Attributes: s.attrs}
		for _, p := range s.kit {
			want.Kit = append(want.Kit, engine.KitPart{SKU: d.twin.skus[p.sku].name, Qty: p.qty})
		}
		got, ok := d.ledger.SKU(s.name)
		if !ok || fmt.Sprintf("%+v", want) != fmt.Sprintf("%+v", got) {
			return fmt.Sprintf("SKU %s\ntwin:   %+v\nledger: %+v", s.name, want, got)
		}
	}
	for i, l := range d.twin.locations {
		if l == nil || l.gone {
			continue
		}
		want := engine.Location{Name: l.name, Number: uint32(i), Kind: l.def.Kind,
			Master: l.def.Master, Shortfall: l.def.Shortfall, Attributes: l.def.Attributes}
		got, ok := d.ledger.Location(l.name)
		if !ok || fmt.Sprintf("%+v", want) != fmt.Sprintf("%+v", got) {
			return fmt.Sprintf("location %s\ntwin:   %+v\nledger: %+v", l.name, want, got)
		}
	}
	for i, c := range d.twin.channels {
		if c == nil || c.gone {
			continue
		}
		want := engine.Channel{Name: c.name, Number: uint32(i), Kind: c.def.Kind,
			Publish: c.def.Publish, Split: c.def.Split, Priority: c.def.Priority,
			Rules: c.def.Rules, Attributes: c.def.Attributes}
		for _, l := range c.locations {
			want.Locations = append(want.Locations, d.twin.locations[l].name)
		}
		got, ok := d.ledger.Channel(c.name)
		if !ok || fmt.Sprintf("%+v", want) != fmt.Sprintf("%+v", got) {
			return fmt.Sprintf("channel %s\ntwin:   %+v\nledger: %+v", c.name, want, got)
		}
	}
	return ""
}

func (d *driver) compareSellable() string {
	for i, c := range d.twin.channels {
		for j, s := range d.twin.skus {
			if c == nil || s == nil || c.gone || s.gone {
				continue
			}
			want := d.twin.sellable(uint32(i), uint32(j), true)
			got, r := d.ledger.Sellable(c.name, s.name)
			if want != got || r != engine.Accepted {
				return fmt.Sprintf("sellable of %s on %s: twin %d, ledger %d %s", s.name, c.name,
					want, got, r)
			}
			why, r := d.ledger.Explain(c.name, s.name)
			sum := int64(0)
			for _, term := range why.Terms {
				sum += term.Value
			}
			if why.Sellable != want || sum != want || r != engine.Accepted {
				return fmt.Sprintf("explain %s on %s: %d expected, %+v", s.name, c.name, want, why)
			}
		}
	}
	return ""
}

func (d *driver) compareReservations() string {
	for _, v := range d.twin.reservations {
		want := printReservation(*d.twin.view(v))
		got, ok := d.ledger.Reservation(v.id)
		if g := printReservation(got); !ok || want != g {
			return fmt.Sprintf("reservation\ntwin:   %s\nledger: %s", want, g)
		}
	}
	return d.compareRetired()
}

// compareLists walks the listings page by page.
func (d *driver) compareLists() string {
	var skus, want []string
	for after := uint32(0); ; {
		page := d.ledger.SKUs(after, 2)
		for _, s := range page {
			skus, after = append(skus, s.Name), s.Number
		}
		if len(page) < 2 {
			break
		}
	}
	for _, s := range d.twin.skus {
		if s != nil && !s.gone {
			want = append(want, s.name)
		}
	}
	if !slices.Equal(want, skus) {
		return fmt.Sprintf("list of SKUs: twin %v, ledger %v", want, skus)
	}
	for _, f := range []engine.ReservationFilter{{}, {SKU: "A"}, {Channel: "web"},
		{State: engine.Held}, {SKU: "K", Channel: "shop", State: engine.Committed}} {
		want, got := d.twin.list(f), listAll(d.ledger, f)
		if !slices.Equal(want, got) {
			return fmt.Sprintf("list of reservations by %+v: twin %v, ledger %v", f, want, got)
		}
	}
	return ""
}

// list is the ids of the reservations that a filter picks: those with a line of the SKU, or of a
// kit that it is part of.
func (w *twin) list(f engine.ReservationFilter) (ids []string) {
	sku, channel := w.sku(engine.Name(f.SKU)), w.channel(engine.Name(f.Channel))
	for _, v := range w.reservations {
		view := w.view(v)
		has := slices.ContainsFunc(v.lines, func(l *twinLine) bool {
			return l.sku == sku || slices.ContainsFunc(l.kit, func(p twinPart) bool {
				return p.sku == sku
			})
		})
		if (f.SKU == "" || sku != 0 && has) && (f.Channel == "" || v.channel == channel) &&
			(f.State == 0 || view.State == f.State) {
			ids = append(ids, v.id)
		}
	}
	return ids
}

func listAll(l *engine.Ledger, f engine.ReservationFilter) (ids []string) {
	for after := uint64(0); ; {
		scan := l.ScanReservations(f, after, 3)
		for scan.Step(2) {
		}
		page := scan.Page()
		for _, v := range page {
			ids, after = append(ids, v.ID), v.Seq
		}
		if len(page) < 3 {
			return ids
		}
	}
}
