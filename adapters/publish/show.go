package publish

import (
	"context"
	"slices"
	"time"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// Listing is a slot as people see it.
type Listing struct {
	Slot       string    `json:"slot"`
	Channel    string    `json:"channel"`
	Connection string    `json:"connection"`
	SKU        string    `json:"sku"`
	Location   string    `json:"location,omitempty"`
	Target     int64     `json:"target"`
	Expected   int64     `json:"expected"`
	Lease      int64     `json:"lease"` // the most that the channel could still sell
	Hold       *int64    `json:"hold,omitempty"`
	Sent       *int64    `json:"sent,omitempty"`  // what the newest push was to leave there
	Acked      *int64    `json:"acked,omitempty"` // what the newest acknowledged push left there
	Seen       *int64    `json:"seen,omitempty"`  // what was read there last
	SentAt     time.Time `json:"sent_at,omitzero"`
	AckedAt    time.Time `json:"acked_at,omitzero"`
	SeenAt     time.Time `json:"seen_at,omitzero"`
	Watermark  time.Time `json:"watermark,omitzero"`
	Sequence   uint64    `json:"sequence"`
	Blocked    string    `json:"blocked,omitempty"` // why nothing is sent that should be
	Why        string    `json:"why"`               // what is to be done with it, in a word
	Terms      []Term    `json:"terms,omitempty"`   // of the target; only when one slot is explained
	Index      uint64    `json:"index"`             // of the ledger that Target is of
}

// Listings shows up to limit slots in order of id after after; next is the cursor of the rest. It fails
// with the store's error.
func (p *Publisher) Listings(ctx context.Context, f Filter, after string, limit int) (
	list []Listing, next string, err error) {
	return p.listings(ctx, f, page{after, limit}, false)
}

type page struct {
	after string
	limit int
}

// Explain shows the slots of a SKU on a channel, with the terms of each target. It fails with the
// store's error.
func (p *Publisher) Explain(ctx context.Context, channel, sku string) ([]Listing, error) {
	list, _, err := p.listings(ctx, Filter{Channel: channel, SKU: sku}, page{"", 1000}, true)
	return list, err
}

func (p *Publisher) listings(ctx context.Context, f Filter, at page, explain bool) ([]Listing, string,
	error) {
	all, next, err := p.gathered(ctx, f, at, explain)
	if err != nil {
		return nil, "", err
	}
	list := make([]Listing, 0, len(all))
	for i := range all {
		if all[i].ok {
			list = append(list, listingOf(&all[i]))
		}
	}
	return list, next, nil
}

// gathered decides about slots as the leader would.
func (p *Publisher) gathered(ctx context.Context, f Filter, at page, explain bool) ([]gathered,
	string, error) {
	slots, more := p.book.Slots(f, at.after, at.limit)
	ids := make([]string, 0, len(slots))
	for _, s := range slots {
		ids = append(ids, s.ID)
	}
	topo, err := readTopology(ctx, p.cfg.Store)
	if err != nil {
		return nil, "", err
	}
	g := gatherer{store: p.cfg.Store, book: p.book, topo: topo, now: p.cfg.Now,
		outlets: p.cfg.Outlets, stands: p.cfg.Stands}
	all, err := g.gather(ctx, ids, explain)
	if err != nil || !more {
		return all, "", err
	}
	return all, ids[len(ids)-1], nil
}

func listingOf(one *gathered) Listing {
	f, p := &one.facts, &one.plan
	s := f.Slot
	l := Listing{
		Slot: s.ID, Channel: s.Channel, Connection: s.Connection, SKU: s.SKU, Location: s.Location,
		Target: p.Target, Expected: p.Expected, Lease: p.Claims, Watermark: f.Watermark,
		Sequence: s.Sequence, Why: p.Why, Terms: p.Terms, Index: f.Index,
	}
	if f.Offer.Publish == engine.Dedicated {
		l.Hold = &f.Pool.Hold
	}
	if s.Known {
		l.Acked, l.AckedAt = &s.Acked, s.AckedAt
		l.Sent = l.Acked
	}
	if s.Sent != nil {
		l.Sent, l.SentAt = &s.Sent.Quantity, s.Sent.At
	}
	if s.Seen != nil {
		l.Seen, l.SeenAt = &s.Seen.Available, s.Seen.ReadAt
	}
	if l.Blocked = s.Blocked; l.Blocked == "" && p.Do == Rest && p.Target != p.Expected {
		l.Blocked = p.Why
	}
	return l
}

// DriftRow is a difference at a slot that neither a sale nor a push of ours explains.
type DriftRow struct {
	Slot     string    `json:"slot"`
	Channel  string    `json:"channel"`
	SKU      string    `json:"sku"`
	Location string    `json:"location,omitempty"`
	Ours     int64     `json:"ours"`
	Theirs   int64     `json:"theirs"`
	Cause    string    `json:"cause"`
	Repair   string    `json:"repair"`
	At       time.Time `json:"at"`
	Repaired time.Time `json:"repaired_at,omitzero"`
	Target   int64     `json:"target"`
}

// Drift lists the last unexplained difference of each slot that has, or had, one, in order of id after
// after; next is the cursor of the rest. It fails with the store's error.
func (p *Publisher) Drift(ctx context.Context, f Filter, after string, limit int) (rows []DriftRow,
	next string, err error) {
	f.Drifted = true
	all, next, err := p.gathered(ctx, f, page{after, limit}, false)
	if err != nil {
		return nil, "", err
	}
	for i := range all {
		if s := all[i].facts.Slot; s != nil && s.Drift != nil {
			rows = append(rows, driftOf(s, all[i].plan.Target))
		}
	}
	return rows, next, nil
}

func driftOf(s *Slot, target int64) DriftRow {
	d := s.Drift
	return DriftRow{Slot: s.ID, Channel: s.Channel, SKU: s.SKU, Location: s.Location, Ours: d.Ours,
		Theirs: d.Theirs, Cause: d.Cause, Repair: d.Repair, At: d.At, Repaired: d.Repaired,
		Target: target}
}

// MaxRepair is the most slots that one repair reads.
const MaxRepair = 1000

// Repair has slots read again, and so whatever is not as it should be put right: those given, or all
// that fit and have drift that is not repaired. Dry, it only lists them. The reads are wanted in the
// records: any node may be asked, and whoever leads makes them. It fails with an *[UnknownSlot],
// and then nothing was done, or with the store's error.
func (p *Publisher) Repair(ctx context.Context, f Filter, ids []string, dry bool) ([]DriftRow,
	error) {
	var rows []DriftRow
	if len(ids) == 0 {
		f.Drifted = true
		slots, _ := p.book.Slots(f, "", MaxRepair)
		for _, s := range slots {
			if s.Drift.Repaired.IsZero() {
				ids = append(ids, s.ID)
			}
		}
	}
	var tx records.Tx
	for _, id := range ids[:min(len(ids), MaxRepair)] {
		s, ok := p.book.Slot(id)
		if !ok {
			return nil, &UnknownSlot{ID: id}
		}
		row := DriftRow{Slot: id, Channel: s.Channel, SKU: s.SKU, Location: s.Location,
			Cause: "none", Repair: "read"}
		if s.Drift != nil {
			row = driftOf(s, 0)
		}
		rows = append(rows, row)
		Look(&tx, id, time.UnixMilli(0))
	}
	if dry || tx.Empty() {
		return rows, nil
	}
	_, err := p.cfg.Store.Submit(ctx, &tx)
	return rows, err
}

// PostMortem is how units came to be sold that are not there.
type PostMortem struct {
	SKU       string    `json:"sku"`
	Index     uint64    `json:"index"`
	Sales     []Sold    `json:"sales"`     // newest first, at most 50
	Published []Listing `json:"published"` // every slot of the SKU, as it is
	Prevented []string  `json:"prevented"` // what would have prevented it
}

// Sold is one sale of a SKU.
type Sold struct {
	At       time.Time `json:"at"`
	Index    uint64    `json:"index"`
	Channel  string    `json:"channel"`
	Location string    `json:"location"`
	Order    string    `json:"order"`
	Qty      int64     `json:"qty"`
	Left     int64     `json:"left"` // available at that location after it
}

const postMortemSales, postMortemSteps = 50, 500

// PostMortem gathers who sold a SKU when, and what was published of it. It fails with the store's error,
// and shows as many sales as are still in the history.
func (p *Publisher) PostMortem(ctx context.Context, sku string) (PostMortem, error) {
	pm := PostMortem{SKU: sku}
	var heads []uint64
	if _, err := p.cfg.Store.Ledger(ctx, func(l *engine.Ledger) bool {
		rows, _ := l.Stock(sku)
		pm.Index, heads = l.Index(), heads[:0]
		for _, row := range rows {
			heads = append(heads, row.LastEvent)
		}
		return false
	}); err != nil {
		return pm, err
	}
	var sales []engine.Event
	for _, seq := range heads {
		for step := 0; seq != 0 && step < postMortemSteps; step++ {
			events, err := p.cfg.Stream.Events(seq-1, 1)
			if err != nil || len(events) != 1 || events[0].Seq != seq {
				break
			}
			if e := events[0]; e.Type == engine.EventCommitted || e.Type == engine.EventReserved {
				sales = append(sales, e)
			}
			seq = events[0].Prev
		}
	}
	slices.SortFunc(sales, func(a, b engine.Event) int { return int(b.Seq) - int(a.Seq) })
	sales = sales[:min(len(sales), postMortemSales)]
	if _, err := p.cfg.Store.Ledger(ctx, func(l *engine.Ledger) bool {
		pm.Sales = pm.Sales[:0]
		for i := range sales {
			e := &sales[i]
			pm.Sales = append(pm.Sales, Sold{At: time.UnixMilli(e.At), Index: e.Index,
				Channel:  l.NameOf(engine.ChannelName, e.Channel),
				Location: l.NameOf(engine.LocationName, e.Location),
				Order:    e.Cause, Qty: e.Qty, Left: e.Available()})
		}
		return false
	}); err != nil {
		return pm, err
	}
	var err error
	pm.Published, _, err = p.Listings(ctx, Filter{SKU: sku}, "", 100)
	pooled := slices.ContainsFunc(pm.Published, func(l Listing) bool { return l.Hold == nil })
	if pooled {
		pm.Prevented = append(pm.Prevented, "publish: dedicated, on every channel of the SKU",
			"a buffer of at least the units that are short")
	}
	return pm, err
}
