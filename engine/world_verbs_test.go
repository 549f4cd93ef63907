package engine_test

import (
	"fmt"
	"slices"

	"holdfast/engine"
)

// someSKU is mostly a known one.
func (w *world) someSKU() engine.Name {
	if w.chance(2) {
		return "unheard"
	}
	if n := w.IntN(len(w.skus) + len(w.kits)); n < len(w.kits) {
		return engine.Name(w.kits[n])
	}
	return engine.Name(w.pick(w.skus))
}

func (w *world) someLocation() engine.Name {
	if w.chance(2) {
		return "nowhere"
	}
	return engine.Name(w.pick(worldLocations))
}

// otherLocation is one that is not the one given.
func (w *world) otherLocation(than engine.Name) engine.Name {
	if to := w.someLocation(); to != than {
		return to
	}
	at := slices.Index(worldLocations, string(than))
	return engine.Name(worldLocations[(at+1)%len(worldLocations)])
}

// someID is mostly one of the newest reservations.
func (w *world) someID() string {
	if w.ids == 0 || w.chance(3) {
		return "r0"
	}
	return fmt.Sprintf("r%d", max(1, w.ids-w.IntN(12)))
}

func (w *world) qty() int64 {
	if w.chance(10) {
		return 1 + int64(w.IntN(40))
	}
	return 1 + int64(w.IntN(6))
}

func (w *world) stock() engine.Command {
	location := w.someLocation()
	source := w.sourceOf(string(location))
	if w.chance(5) {
		source = w.pick(worldSources)
	}
	switch n := w.IntN(10); {
	case n < 5:
		c := &engine.Set{SKU: w.someSKU(), Location: location, Value: int64(w.IntN(25)),
			Source: source}
		if w.chance(40) {
			c.AsOf = w.now + 500 - int64(w.IntN(4500)) // also from the future
			c.Basis = int64(w.IntN(9)) - 4
			c.BasisGone = w.chance(5)
		}
		return c
	case n < 8:
		c := &engine.Adjust{SKU: w.someSKU(), Location: location, Source: source,
			Delta: int64(w.IntN(21)) - 10, Reason: w.pick([]string{"", "damaged"})}
		if c.Delta == 0 {
			c.Delta = 3
		}
		return c
	}
	to := w.otherLocation(location)
	return &engine.Move{SKU: w.someSKU(), From: location, To: to, Qty: w.qty(), Source: source}
}

func (w *world) reserve() *engine.Reserve {
	w.ids++
	id := fmt.Sprintf("r%d", w.ids)
	if w.chance(5) {
		id = w.someID()
	}
	c := &engine.Reserve{ID: id, Channel: engine.Name(w.pick(worldChannels)),
		Mode: engine.Mode(1 + w.IntN(3)), Partial: w.chance(25), Commit: w.chance(25)}
	if w.chance(2) {
		c.Channel = "unheard"
	}
	if !c.Commit && w.chance(85) {
		c.TTL = 1000 + int64(w.IntN(8000))
	}
	for i := range 1 + w.IntN(w.lines) {
		l := engine.Line{SKU: w.someSKU(), Qty: w.qty()}
		if w.chance(15) {
			l.Location = w.someLocation()
		}
		if w.chance(10) {
			l.Ref = fmt.Sprintf("line-%d", i)
		}
		c.Lines = append(c.Lines, l)
	}
	return c
}

func (w *world) mirror() engine.Command {
	c := &engine.Mirror{ID: fmt.Sprintf("m%d", w.IntN(4)),
		Channel: engine.Name(w.pick([]string{"amz", "amz-fba", "pos"})),
		AsOf:    w.now + 500 - int64(w.IntN(3500))} // also from the future
	if w.chance(3) {
		c.ID = w.someID()
	}
	for range w.IntN(4) {
		c.Lines = append(c.Lines, engine.Line{SKU: w.someSKU(), Location: w.someLocation(),
			Qty: w.qty()})
	}
	return c
}

func (w *world) verb() engine.Command {
	id := w.someID()
	switch n := w.IntN(100); {
	case n < 25:
		return &engine.Commit{ID: id, Picks: w.picks()}
	case n < 45:
		return &engine.Release{ID: id, Picks: w.picks(), Reason: w.pick([]string{"", "no"}),
			HandOver: w.chance(30)}
	case n < 70:
		return &engine.Ship{ID: id, Picks: w.picks(), Tracking: w.pick([]string{"", "t1"})}
	case n < 82:
		c := &engine.Return{ID: id, Picks: w.picks(),
			Disposition: engine.Disposition(max(1, w.IntN(6)-2))}
		if w.chance(30) {
			c.Location = w.someLocation()
		}
		return c
	case n < 88:
		return &engine.Extend{ID: id, TTL: 1000 + int64(w.IntN(9000))}
	}
	from := w.someLocation()
	to := w.otherLocation(from)
	return &engine.Transfer{ID: id, Line: 1 + int64(w.IntN(w.lines-1)), From: from, To: to,
		Qty: w.qty()}
}

// picks names some units: often all of a line, now and then more than there are.
func (w *world) picks() []engine.Pick {
	if w.chance(50) {
		return nil
	}
	var picks []engine.Pick
	for range 1 + w.IntN(3) {
		p := engine.Pick{Line: 1 + int64(w.IntN(w.lines/2)), Qty: int64(w.IntN(4))}
		if w.chance(20) {
			p.Location = w.someLocation()
		}
		if w.chance(3) {
			p.Line = 9
		}
		picks = append(picks, p)
	}
	return slices.Clip(picks)
}
