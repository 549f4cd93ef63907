package publish

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
	"holdfast/engine"
)

// world is a ledger, channels that sell by themselves, and a publisher, all turned by hand: one
// goroutine, one clock, one seed.
type world struct {
	t      *testing.T
	rng    *rand.Rand
	clock  time.Time
	store  *recordstest.Store
	shops  map[string]*shop
	pub    *Publisher
	lead   *leading
	term   uint64
	dead   bool // the leader's process has died: it can write nothing any more
	closed map[string]string
	style  Style
	orders int
	failed []Failure
	healed []string // slots that the writes which took effect said are well
}

// shop is a channel outside: it sells what its slots show, applies pushes when it likes, and tells of
// its orders late, or not until it is asked.
type shop struct {
	w      *world
	name   string
	levels map[string]*level // by slot
	told   []*sale           // not booked yet
	keys   map[string]error  // what was answered under a key
	late   []latePush
	pushes []Push // every one that was applied
	reads  int
	faulty bool
	loose  bool // what has no level is an item that nobody counts
	onPush func()
	onRead func() // once, after a read and before its answer
}

type level struct {
	value     int64
	committed int64
	updated   time.Time
	active    bool
}

// sale is an order, or the cancellation of one.
type sale struct {
	id, slot string
	qty      int64
	at       time.Time
	due      time.Time // when its webhook comes; zero: it is lost
	cancel   bool
}

type latePush struct {
	at   time.Time
	slot string
	push Push
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 7)), shops: map[string]*shop{}, style: Delta,
		clock: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), closed: map[string]string{},
	}
	w.store = recordstest.New(recordstest.Options{Now: func() time.Time { return w.clock }})
	var err error
	w.pub, err = New(Config{
		Store: w, Stream: w, Outlets: w, Now: func() time.Time { return w.clock },
		Failed: func(_ context.Context, f Failure) { w.failed = append(w.failed, f) },
		Healed: func(_ context.Context, _ *records.Tx, slot string) error {
			w.healed = append(w.healed, slot)
			return nil
		},
	})
	require.NoError(t, err)
	w.store.Define(t, &engine.DefineLocation{Location: "main", Kind: engine.Merchant,
		Master: "holdfast", Shortfall: engine.ShortfallNone})
	w.store.Define(t, &engine.DefineSKU{SKU: "A"})
	return w
}

// shop defines a channel with one slot of each SKU at a location.
func (w *world) shop(name string, mode engine.PublishMode, location string, skus ...string) *shop {
	w.store.Define(w.t, &engine.DefineChannel{Channel: engine.Name(name),
		Kind: engine.ChannelShopify, Publish: mode, Split: true,
		Locations: []engine.Name{engine.Name(location)}})
	s := &shop{w: w, name: name, levels: map[string]*level{}, keys: map[string]error{}}
	w.shops[name] = s
	var tx records.Tx
	for _, sku := range skus {
		slot := Slot{ID: name + "/" + sku, Channel: name, Connection: name, SKU: sku,
			Location: location}
		s.levels[slot.ID] = &level{updated: w.clock, active: true}
		tx.Create(slot.Record(&tx))
	}
	w.submit(&tx)
	return s
}

// The store, whose writes of the leader fail once it is dead.
func (w *world) Submit(ctx context.Context, tx *records.Tx) (records.Outcome, error) {
	if w.dead {
		return records.Outcome{}, errDead
	}
	return w.store.Submit(ctx, tx)
}

func (w *world) Get(ctx context.Context, t records.Table, key string) (records.Record, bool, error) {
	return w.store.Get(ctx, t, key)
}

func (w *world) List(ctx context.Context, t records.Table, prefix, after string, limit int) (
	[]records.Record, bool, error) {
	return w.store.List(ctx, t, prefix, after, limit)
}

func (w *world) Ledger(ctx context.Context, step func(*engine.Ledger) bool) (uint64, error) {
	return w.store.Ledger(ctx, step)
}

func (w *world) Watch(tables ...records.Table) records.Watch { return w.store.Watch(tables...) }

var errDead = fmt.Errorf("the process is dead")

// Events says that all changed whenever anything did.
func (w *world) Events(after uint64, _ int) ([]engine.Event, error) {
	var events []engine.Event
	_, err := w.store.Ledger(w.t.Context(), func(l *engine.Ledger) bool {
		if last := l.LastEvent(); last > after {
			for _, s := range l.SKUs(0, 100) {
				events = append(events, engine.Event{Seq: last, SKU: s.Number,
					Type: engine.EventStockAdjusted})
			}
		}
		return false
	})
	return events, err
}

func (w *world) EventsChanged() <-chan struct{} { return nil }

func (w *world) Outlet(connection string) (Outlet, bool) {
	s, ok := w.shops[connection]
	return Outlet{Pusher: s, Style: w.style, Master: "shopify:" + connection}, ok
}

func (w *world) Closed(connection string) string { return w.closed[connection] }

// submit is a Tx of somebody else than the leader.
func (w *world) submit(tx *records.Tx) records.Outcome {
	w.t.Helper()
	o, err := w.store.Submit(w.t.Context(), tx)
	require.NoError(w.t, err)
	require.False(w.t, o.Conflict, "at write %d", o.At)
	return o
}

func (w *world) must(ops ...engine.Command) records.Outcome {
	w.t.Helper()
	var tx records.Tx
	tx.Do(ops...)
	o := w.submit(&tx)
	require.Equal(w.t, engine.Accepted, o.Refusal, "op %d", o.At)
	return o
}

// count sets what is on hand.
func (w *world) count(sku string, n int64) {
	w.must(&engine.Set{SKU: engine.Name(sku), Location: "main", Value: n, Source: "wms"})
}

// leads makes a new leader, and forgets the one before.
func (w *world) leads() {
	w.dead = false
	w.term++
	w.lead = newLeading(w.pub, w.term)
	w.pub.lead = w.lead
	require.NoError(w.t, w.lead.begin(w.t.Context()))
}

// turns lets the leader work until it has nothing to do now.
func (w *world) turns() {
	for range 200 {
		require.NoError(w.t, w.pub.book.Load(w.t.Context()))
		if w.dead {
			w.leads()
		}
		require.NoError(w.t, w.lead.followEvents(w.t.Context()))
		busy := false
		for _, name := range slices.Sorted(maps.Keys(w.shops)) {
			more, err := w.lead.worker(name).turn(w.t.Context())
			if w.dead {
				break
			}
			require.NoError(w.t, err)
			busy = busy || more
		}
		if !busy && !w.dead {
			return
		}
	}
	w.t.Fatal("the publisher never rests")
}

// pass lets time pass: late pushes arrive, webhooks come.
func (w *world) pass(d time.Duration) {
	w.clock = w.clock.Add(d)
	for _, name := range slices.Sorted(maps.Keys(w.shops)) {
		s := w.shops[name]
		s.arrive()
		s.deliver(func(x *sale) bool { return !x.due.IsZero() && !x.due.After(w.clock) })
	}
}

// sweep asks a shop for all its orders, and moves its watermark as far as that proves.
func (w *world) sweep(s *shop) {
	s.deliver(func(*sale) bool { return true })
	var tx records.Tx
	require.NoError(w.t, Advance(w.t.Context(), w.store, &tx, s.name, w.clock.Add(-time.Second)))
	if !tx.Empty() {
		w.submit(&tx)
	}
}

func (w *world) sweeps() {
	for _, name := range slices.Sorted(maps.Keys(w.shops)) {
		w.sweep(w.shops[name])
	}
}

// settle lets everything come to rest: no more sales, all orders in, all pushes arrived.
func (w *world) settle() {
	for _, s := range w.shops {
		s.faulty = false
	}
	for range 60 {
		w.pass(30 * time.Second)
		w.sweeps()
		w.turns()
	}
}

// sell is a customer at a shop: it gets what is shown.
func (s *shop) sell(slot string, qty int64) *sale {
	l := s.levels[slot]
	if qty = min(qty, l.value); qty <= 0 || !l.active {
		return nil
	}
	l.value, l.committed, l.updated = l.value-qty, l.committed+qty, s.w.clock
	s.w.orders++
	x := &sale{id: fmt.Sprintf("%s-%d", s.name, s.w.orders), slot: slot, qty: qty, at: s.w.clock}
	s.tell(x)
	return x
}

// cancel gives the units of an order back at the shop.
func (s *shop) cancel(x *sale) {
	l := s.levels[x.slot]
	l.value, l.committed, l.updated = l.value+x.qty, l.committed-x.qty, s.w.clock
	s.tell(&sale{id: x.id, slot: x.slot, qty: x.qty, at: s.w.clock, cancel: true})
}

func (s *shop) tell(x *sale) {
	switch s.w.rng.IntN(10) {
	case 0: // lost
	default:
		x.due = s.w.clock.Add(time.Duration(s.w.rng.IntN(20_000)) * time.Millisecond)
	}
	s.told = append(s.told, x)
}

// deliver books the orders that fit, in the order in which they happened.
func (s *shop) deliver(fits func(*sale) bool) {
	kept := s.told[:0:0]
	held := map[string]bool{} // a cancellation does not overtake its order
	for _, x := range s.told {
		if !fits(x) || held[x.id] {
			kept = append(kept, x)
			held[x.id] = true
			continue
		}
		s.w.book(s, x)
	}
	s.told = kept
}

// book is what the orders core does with a sale of a channel.
func (w *world) book(s *shop, x *sale) {
	ctx := w.t.Context()
	for range 10 {
		require.NoError(w.t, w.pub.book.Load(ctx))
		slot, _ := w.pub.book.Slot(x.slot)
		var tx records.Tx
		if x.cancel {
			tx.Do(&engine.Release{ID: x.id, HandOver: true})
			require.NoError(w.t, w.pub.leases.Restock(ctx, &tx, x.slot, slot.SKU, x.qty))
			Moved(&tx, x.slot, x.qty)
		} else {
			d, err := w.pub.leases.Draw(ctx, slot.Channel, slot.SKU, slot.Location, x.qty)
			require.NoError(w.t, err)
			tx.Do(d.Ops...)
			r := &engine.Reserve{ID: x.id, Channel: engine.Name(s.name), Mode: engine.Accept,
				Commit: true}
			for _, line := range d.Lines {
				r.Lines = append(r.Lines, engine.Line{SKU: engine.Name(slot.SKU), Qty: line.Qty,
					Location: engine.Name(line.Location)})
			}
			if rest := x.qty - d.Qty; rest > 0 {
				r.Lines = append(r.Lines, engine.Line{SKU: engine.Name(slot.SKU), Qty: rest})
			}
			tx.Do(r)
			Moved(&tx, x.slot, -x.qty)
		}
		o := w.submit(&tx)
		if o.Refusal != engine.Accepted {
			continue
		}
		return
	}
	w.t.Fatalf("order %s cannot be booked", x.id)
}

// edit is somebody in the shop's admin.
func (s *shop) edit(slot string, by int64) {
	l := s.levels[slot]
	l.value, l.updated = l.value+by, s.w.clock
	var tx records.Tx
	Look(&tx, slot, s.w.clock)
	s.w.submit(&tx)
}

// testError is an error of the shop's.
type testError struct {
	code           string
	unknown, retry bool
	stale          bool
	unsent         bool
}

func (e *testError) Unsent() bool    { return e.unsent }
func (e *testError) Error() string   { return e.code }
func (e *testError) Code() string    { return e.code }
func (e *testError) Unknown() bool   { return e.unknown }
func (e *testError) Retryable() bool { return e.retry || e.unknown }
func (e *testError) Stale() bool     { return e.stale }

func (s *shop) PushBatch() int { return 3 }

func (s *shop) Push(_ context.Context, slots []Slot, pushes []Push) ([]error, error) {
	if s.onPush != nil {
		s.onPush()
	}
	answers := make([]error, len(slots))
	for i := range slots {
		answers[i] = s.push(slots[i].ID, pushes[i])
	}
	return answers, nil
}

func (s *shop) push(slot string, p Push) error {
	require.Equal(s.w.t, s.w.style == Delta && !p.Set, p.Delta != 0, "%+v", p)
	if answer, ok := s.keys[p.Key]; ok {
		return answer // the same key: what was done is not done again
	}
	if i := slices.IndexFunc(s.late, func(l latePush) bool { return l.push.Key == p.Key }); i >= 0 {
		s.late[i].at = s.w.clock
		s.arrive()
		return s.keys[p.Key]
	}
	if s.faulty {
		switch s.w.rng.IntN(8) {
		case 0:
			return &testError{code: "throttled", retry: true}
		case 1:
			return &testError{code: "lost", unknown: true}
		case 2:
			s.apply(slot, p)
			return &testError{code: "timeout", unknown: true}
		case 3:
			s.late = append(s.late, latePush{slot: slot, push: p,
				at: s.w.clock.Add(time.Duration(s.w.rng.IntN(24_000)) * time.Millisecond)})
			return &testError{code: "late", unknown: true}
		}
	}
	return s.apply(slot, p)
}

// apply is what the system does with a push, once.
func (s *shop) apply(slot string, p Push) error {
	l := s.levels[slot]
	switch {
	case s.w.style == Overwrite:
		l.value = p.Quantity
	case p.Set && l.value != p.From:
		s.keys[p.Key] = &testError{code: "stale", stale: true}
		return s.keys[p.Key]
	case p.Set:
		l.value = p.Quantity
	default:
		l.value += p.Delta
	}
	l.active, l.updated = true, s.w.clock
	s.keys[p.Key] = nil
	s.pushes = append(s.pushes, p)
	return nil
}

// arrive applies the pushes that were on their way.
func (s *shop) arrive() {
	slices.SortStableFunc(s.late, func(a, b latePush) int { return a.at.Compare(b.at) })
	for len(s.late) > 0 && !s.late[0].at.After(s.w.clock) {
		_ = s.apply(s.late[0].slot, s.late[0].push) // nobody hears the answer
		s.late = s.late[1:]
	}
}

func (s *shop) Read(_ context.Context, slots []Slot) ([]*Seen, error) {
	s.reads++
	if s.faulty && s.w.rng.IntN(5) == 0 {
		return nil, &testError{code: "throttled", retry: true}
	}
	var seen []*Seen
	for _, slot := range slots {
		l := s.levels[slot.ID]
		if l == nil {
			var v *Seen
			if s.loose {
				v = &Seen{ReadAt: s.w.clock}
			}
			seen = append(seen, v)
			continue
		}
		seen = append(seen, &Seen{Available: l.value, Committed: l.committed,
			OnHand: l.value + l.committed, UpdatedAt: l.updated, ReadAt: s.w.clock,
			Active: l.active, Tracked: true})
	}
	if after := s.onRead; after != nil {
		s.onRead = nil
		after()
	}
	return seen, nil
}

// plans decides about all slots now.
func (w *world) plans() map[string]gathered {
	require.NoError(w.t, w.pub.book.Load(w.t.Context()))
	topo, err := readTopology(w.t.Context(), w.store)
	require.NoError(w.t, err)
	g := gatherer{store: w.store, book: w.pub.book, now: func() time.Time { return w.clock },
		outlets: w, topo: topo, term: w.term, stands: w.pub.cfg.Stands}
	slots, _ := w.pub.book.Slots(Filter{}, "", 1000)
	out := map[string]gathered{}
	for _, s := range slots {
		all, err := g.gather(w.t.Context(), []string{s.ID}, true)
		require.NoError(w.t, err)
		out[s.ID] = all[0]
	}
	return out
}

// inStep demands that every slot shows its target, and that we know it.
func (w *world) inStep() {
	w.t.Helper()
	for id, one := range w.plans() {
		name := one.facts.Slot.Connection
		l, p := w.shops[name].levels[id], one.plan
		require.Equal(w.t, p.Target, l.value, "%s shows what it must (%s)", id, p.Why)
		require.Equal(w.t, p.Expected, l.value, "%s is what we expect", id)
		require.Equal(w.t, Rest, p.Do, "%s: %s", id, p.Why)
		sum := int64(0)
		for _, term := range p.Terms {
			sum += term.Value
		}
		require.Equal(w.t, p.Target, sum, "%s: the terms add up: %v", id, p.Terms)
	}
}

// short is how many units were sold that are not there. While a cancellation is on its way, the units
// that it gives back may be sold again and booked first, so it counts only once all is in.
func (w *world) short() (n int64) {
	_, err := w.store.Ledger(w.t.Context(), func(l *engine.Ledger) bool {
		scan := l.ScanReservations(engine.ReservationFilter{State: engine.Short}, 0, 1000)
		for scan.Step(1000) {
		}
		for _, r := range scan.Page() {
			for _, line := range r.Lines {
				n += line.Short
			}
		}
		return false
	})
	require.NoError(w.t, err)
	return n
}

// covered demands that what is sold, and what the shops can still sell however late they hear of
// anything, is never more than there is.
func (w *world) covered(step int) {
	w.t.Helper()
	var there, api, shops int64
	_, err := w.store.Ledger(w.t.Context(), func(l *engine.Ledger) bool {
		rows, _ := l.Stock("A")
		there = rows[0].OnHand
		scan := l.ScanReservations(engine.ReservationFilter{Channel: "api"}, 0, 1000)
		for scan.Step(1000) {
		}
		for _, r := range scan.Page() {
			api += r.Lines[0].Committed
		}
		return false
	})
	require.NoError(w.t, err)
	for _, s := range w.shops {
		for _, l := range s.levels {
			shops += l.committed + max(0, l.value)
		}
		for _, p := range s.late {
			shops += max(0, max(0, p.push.Quantity)-max(0, p.push.From))
		}
	}
	require.LessOrEqual(w.t, api+shops, there, "step %d", step)
}
