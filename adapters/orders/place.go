package orders

import (
	"strings"
	"time"

	"holdfast/engine"
)

// What a plan asks of the ledger. The answers are from a moment before the transaction; what they
// decide is checked again when it is applied, or is only where a number is counted.

// served is from where a channel may be served, as it was a moment ago.
type served struct {
	at        time.Time
	locations []string
	all       []string
}

// servedFor is how long a channel's locations are taken as they were: they only guide guesses.
const servedFor = time.Second

// channel returns the sourcing locations of the order's channel, and all that it lists.
func (d *draft) channel() (served, error) {
	if v, ok := d.b.places.Load(d.o.Channel); ok && d.now.Sub(v.(served).at) < servedFor {
		return v.(served), nil
	}
	var s served
	_, err := d.b.Store.Ledger(d.ctx, func(l *engine.Ledger) bool {
		c, _ := l.Channel(d.o.Channel)
		s.all = c.Locations
		for _, name := range c.Locations {
			if loc, ok := l.Location(name); ok && loc.Kind == engine.Merchant {
				s.locations = append(s.locations, name)
			}
		}
		if len(s.locations) == 0 {
			s.locations = c.Locations
		}
		return false
	})
	if err == nil {
		s.at = d.now
		d.b.places.Store(d.o.Channel, s)
	}
	return s, err
}

// listed reports whether the order's channel may be served from a location.
func (d *draft) listed(location string) (bool, error) {
	s, err := d.channel()
	for _, name := range s.all {
		if name == location {
			return true, err
		}
	}
	return false, err
}

// guess is where the home has most likely taken units from: its only location, or the first that
// has them. What the home assigns corrects it.
func (d *draft) guess(l *Line, qty int64) (string, error) {
	s, err := d.channel()
	if err != nil || len(s.locations) == 0 {
		return "", err
	}
	if len(s.locations) > 1 {
		for _, location := range s.locations {
			if room, err := d.room(l.SKU, location); err != nil || room >= qty {
				return location, err
			}
		}
	}
	return s.locations[0], nil
}

// orGuess is a location, or the guess when there is none.
func (d *draft) orGuess(location string, l *Line, qty int64) (string, error) {
	if location != "" {
		return location, nil
	}
	return d.guess(l, qty)
}

type stockPlace struct{ sku, location string }

// room is how many units of a SKU are available at a location, less what this draft has taken
// there.
func (d *draft) room(sku, location string) (int64, error) {
	at := stockPlace{sku, location}
	if n, ok := d.rooms[at]; ok {
		return n, nil
	}
	var room int64
	_, err := d.b.Store.Ledger(d.ctx, func(l *engine.Ledger) bool {
		room = roomIn(l, sku, location)
		return false
	})
	if err != nil {
		return 0, err
	}
	if d.rooms == nil {
		d.rooms = make(map[stockPlace]int64)
	}
	d.rooms[at] = room
	return room, nil
}

// roomIn is what is available of a SKU at a location, of a kit whole kits.
func roomIn(l *engine.Ledger, sku, location string) int64 {
	s, ok := l.SKU(sku)
	if !ok {
		return 0
	}
	loc, _ := l.Location(location)
	if len(s.Kit) == 0 || loc.Kind == engine.FBA {
		return availableIn(l, sku, location)
	}
	room := int64(engine.MaxBalance)
	for _, part := range s.Kit {
		room = min(room, max(0, availableIn(l, part.SKU, location))/part.Qty)
	}
	return room
}

func availableIn(l *engine.Ledger, sku, location string) int64 {
	rows, _ := l.Stock(sku)
	for i := range rows {
		if rows[i].Location == location {
			return rows[i].Available()
		}
	}
	return 0
}

// take notes that units are spoken for in this draft.
func (d *draft) take(sku, location string, qty int64) {
	at := stockPlace{sku, location}
	if _, ok := d.rooms[at]; ok {
		d.rooms[at] -= qty
	}
}

// master is who may say how many units are at a location; "" when nobody knows the location.
func (d *draft) master(location string) (name string, err error) {
	_, err = d.b.Store.Ledger(d.ctx, func(l *engine.Ledger) bool {
		loc, _ := l.Location(location)
		name = loc.Master
		return false
	})
	return name, err
}

// mayCount reports whether a system's receipt is one of the location's master. Where nobody outside
// is the master, whoever calls the stock API is; a system that has a connection never is.
func (d *draft) mayCount(by, location string) (bool, error) {
	master, err := d.master(location)
	if err != nil || master == "" {
		return false, err
	}
	if a, ok := d.b.Accounts.Account(by); ok {
		return master == a.master() || master == engine.MasterHoldfast && a.Kind == "erp", nil
	}
	return master == engine.MasterHoldfast || master == by, nil
}

// adjust says that units came to a location or left it beside every reservation. They moved, and
// are no count: so it is said in the master's name. A kit's components move.
func (d *draft) adjust(sku, location string, delta int64, reason string) error {
	if delta == 0 || location == "" {
		return nil
	}
	_, err := d.b.Store.Ledger(d.ctx, func(l *engine.Ledger) bool {
		loc, _ := l.Location(location)
		source := loc.Master
		if source == engine.MasterHoldfast {
			source = "orders"
		}
		parts := []engine.KitPart{{SKU: sku, Qty: 1}}
		if s, _ := l.SKU(sku); len(s.Kit) > 0 && loc.Kind == engine.Merchant {
			parts = s.Kit
		}
		for _, p := range parts {
			d.stock.adjusts = append(d.stock.adjusts, &engine.Adjust{SKU: engine.Name(p.SKU),
				Location: engine.Name(location), Delta: delta * p.Qty, Source: source,
				Reason: note(strings.TrimSpace(reason + " " + d.o.ID))})
		}
		return false
	})
	return err
}
