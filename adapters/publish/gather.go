package publish

import (
	"context"
	"slices"
	"time"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// gatherer reads what is known of slots, each at one index: its tally before the ledger and after it,
// and again when that was moved in between. A sale is in both or in none of what a plan is made of.
type gatherer struct {
	store   records.Reader
	book    *Book
	topo    *topology
	now     func() time.Time
	outlets Outlets
	stands  func(s *Slot) bool
	term    uint64
	// unseen returns how much a slot is expected to have sold unseen.
	unseen func(s *Slot, tally int64, watermark time.Time) int64
	// since returns since when a slot is to rise; zero: as of now.
	since func(id string) time.Time
}

// Outlets are the ways to the connections. It is safe for concurrent use.
type Outlets interface {
	// Outlet is how a connection is reached; ok is false when it is not known.
	Outlet(connection string) (o Outlet, ok bool)
	// Closed says why nothing may be sent to a connection now, such as [Observing] or "paused"; empty
	// when it may.
	Closed(connection string) string
}

// Outlet is how one connection is reached.
type Outlet struct {
	Pusher Pusher
	Style  Style
	// Master is the name under which it says how many units are at a location: "shopify:main".
	Master string
}

// gathered is a slot with all that is known of it.
type gathered struct {
	facts   Facts
	version uint64
	tallyAt uint64 // version of the tally
	// moved is the running sum of movements of the SKU at the location, and readAt the ledger's time,
	// when a count is made of what is read: it replays what moves from then on.
	moved, readAt int64
	offer         engine.Offer
	ruling        Ruling
	hold          hold
	plan          Plan
	bulks         Bulker // of the connection; nil: it has none
	bulk          *Bulk  // what it is to be in
	ok            bool   // it has a plan
}

const (
	gatherStep  = 8 // slots read under one lock: some 20 µs
	gatherTries = 8 // a slot whose tally moves that often is looked at again when it has its turn
)

// gather fills in what is known of slots and decides; one that could not be read whole, or is gone, is
// not ok.
func (g *gatherer) gather(ctx context.Context, ids []string, explain bool) ([]gathered, error) {
	all := make([]gathered, len(ids))
	todo := make([]int, 0, len(ids))
	for i, id := range ids {
		if slot, version := g.book.slot(id); slot != nil {
			all[i].facts.Slot, all[i].version = slot, version
			all[i].facts.Explain = explain
			todo = append(todo, i)
		}
	}
	var room planner
	for try := 0; len(todo) > 0 && try < gatherTries; try++ {
		if err := g.readTallies(ctx, all, todo); err != nil {
			return nil, err
		}
		if err := g.readLedger(ctx, all, todo); err != nil {
			return nil, err
		}
		moved := todo[:0]
		for _, i := range todo {
			_, version, err := tallyOf(ctx, g.store, ids[i])
			if err != nil {
				return nil, err
			}
			if version != all[i].tallyAt {
				moved = append(moved, i)
				continue
			}
			g.finish(&all[i], &room)
		}
		todo = moved
	}
	return all, nil
}

func (g *gatherer) readTallies(ctx context.Context, all []gathered, todo []int) error {
	for _, i := range todo {
		var err error
		f := &all[i].facts
		// Before the tally: a watermark that is read later could speak of sales that are not in it.
		f.Watermark = g.book.Watermark(f.Slot.Connection)
		if f.Tally, all[i].tallyAt, err = tallyOf(ctx, g.store, f.Slot.ID); err != nil {
			return err
		}
	}
	return nil
}

func (g *gatherer) readLedger(ctx context.Context, all []gathered, todo []int) error {
	book, next := g.book.Rulebook(), 0
	_, err := g.store.Ledger(ctx, func(l *engine.Ledger) bool {
		for n := 0; n < gatherStep && next < len(todo); n++ {
			g.readSlot(l, book, &all[todo[next]])
			next++
		}
		return next < len(todo)
	})
	return err
}

// readSlot reads the ledger for one slot.
func (g *gatherer) readSlot(l *engine.Ledger, book *Rulebook, one *gathered) {
	f := &one.facts
	s := f.Slot
	f.Index, f.Offer, f.Ruling, f.Place = l.Index(), &one.offer, &one.ruling, NoPlace
	if l.OfferOf(s.Channel, s.SKU, &one.offer) != engine.Accepted {
		one.offer = engine.Offer{}
		return
	}
	f.Place = placeIn(l, s, &one.offer)
	one.readAt, one.moved = l.Now(), 0
	if !s.Known {
		rows, _ := l.Stock(s.SKU)
		for _, row := range rows {
			if row.Location == s.Location {
				one.moved = row.Moved
			}
		}
	}
	subject := Subject{
		SKU: s.SKU, Location: s.Location, Channel: s.Channel, Region: g.topo.regions[s.Channel],
		At: time.UnixMilli(l.Now()),
	}
	if book.tags {
		subject.Tags = tagsOf(l, s.SKU)
	}
	one.ruling = book.Rule(&subject, &one.offer.Rules)
	if len(s.Also) > 0 {
		ok := false
		if f.Lowest, ok = g.lowest(l, book, s, subject); !ok || one.offer.Publish == engine.Dedicated {
			f.Place = NoPlace
		}
	}
	if one.offer.Publish == engine.Dedicated && f.Place != NoPlace {
		g.readPool(l, one)
	}
}

// readPool reads the standing holds of all dedicated slots that share with this one.
func (g *gatherer) readPool(l *engine.Ledger, one *gathered) {
	f := &one.facts
	f.Pool = Pool{Holds: make([]int64, len(one.offer.Places))}
	var channels []string
	for _, s := range g.book.Of(f.Slot.SKU) {
		ch, ok := l.Channel(s.Channel)
		if !ok || ch.Publish != engine.Dedicated ||
			s.Location != "" && f.Slot.Location != "" && s.Location != f.Slot.Location {
			continue
		}
		if s.ID == f.Slot.ID {
			f.Pool.Rank = f.Pool.Slots
		}
		f.Pool.Slots++
		channels = append(channels, s.Channel)
		var h hold
		h.read(l, s)
		pickHeld(&h.resv, h.units, func(location string, n int64) {
			for i := range one.offer.Places {
				if one.offer.Places[i].Location == location {
					f.Pool.Holds[i] += n
				}
			}
		})
		if s.ID == f.Slot.ID {
			one.hold, f.Pool.Hold, f.Pool.Short = h, h.units, h.short
		}
	}
	places := one.offer.Places
	if f.Place >= 0 {
		places = places[f.Place : f.Place+1]
	}
	f.Pool.Others = g.topo.othersThan(channels, places)
}

// finish adds what is not in the ledger, and decides.
func (g *gatherer) finish(one *gathered, room *planner) {
	f := &one.facts
	s := f.Slot
	outlet, known := g.outlets.Outlet(s.Connection)
	one.bulks, _ = outlet.Pusher.(Bulker)
	f.Style, f.Now, f.Term = outlet.Style, g.now(), g.term
	if f.Closed = g.outlets.Closed(s.Connection); !known {
		f.Closed = "no-connection"
	}
	f.Remapped = !g.stands(s)
	if f.Place >= 0 {
		f.Master = outlet.Master != "" && one.offer.Places[f.Place].Master == outlet.Master
	}
	if f.Style == Overwrite && g.unseen != nil {
		f.Unseen = g.unseen(s, f.Tally, f.Watermark)
	}
	if g.since != nil {
		f.RiseSince = g.since(s.ID)
	}
	room.decide(f, &one.plan)
	one.plan.Terms = slices.Clone(one.plan.Terms)
	one.ok = true
}
