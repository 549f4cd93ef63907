package publish

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/engine"
)

func pooled(t *testing.T, units int64) (w *world, a, b *shop) {
	w = newWorld(t, 1)
	a, b = w.shop("a", engine.Pooled, "main", "A"), w.shop("b", engine.Pooled, "main", "A")
	w.count("A", units)
	w.start()
	a.pushes, b.pushes = nil, nil
	return w, a, b
}

// TestOwnSalesAreNotPushed: a sale of a channel is pushed to every other channel, and never to it.
func TestOwnSalesAreNotPushed(t *testing.T) {
	w, a, b := pooled(t, 100)
	for range 20 {
		a.sell("a/A", 2)
	}
	w.sweep(a)
	w.turns()
	require.Empty(t, a.pushes)
	require.Len(t, b.pushes, 1, "and only the latest value is sent")
	require.Equal(t, int64(-40), b.pushes[0].Delta)
	w.settle()
	require.Empty(t, a.pushes)
	w.inStep()
}

func TestRisesWaitForTheWatermark(t *testing.T) {
	w, a, b := pooled(t, 10)
	a.sell("a/A", 3) // nobody has told us yet
	w.count("A", 15)
	w.turns()
	require.Empty(t, a.pushes)
	require.Empty(t, b.pushes)
	w.clock = w.clock.Add(time.Minute)
	w.sweep(b)
	w.turns()
	require.Empty(t, a.pushes, "its own watermark counts")
	require.Equal(t, int64(15), b.pushes[0].Quantity)
	w.sweep(a)
	w.turns()
	require.Len(t, a.pushes, 1)
	require.Equal(t, [2]int64{7, 12}, [2]int64{a.pushes[0].From, a.pushes[0].Quantity})
	w.settle()
	w.inStep()
}

// TestFailoverInTheMiddleOfAPush lets the leader die with a push sent and not acknowledged.
func TestFailoverInTheMiddleOfAPush(t *testing.T) {
	w, a, _ := pooled(t, 10)
	a.onPush = func() { w.dead = true }
	w.must(&engine.Adjust{SKU: "A", Location: "main", Delta: -4, Source: "wms"})
	require.NoError(t, w.lead.followEvents(t.Context()))
	_, err := w.lead.worker("a").turn(t.Context())
	require.ErrorIs(t, err, errDead)
	require.Len(t, a.pushes, 1)
	a.onPush = nil
	old := w.lead
	w.leads()
	w.turns()
	require.Len(t, a.pushes, 1, "nobody calls while the old call may still be under way")
	w.clock = w.clock.Add(CallTime + CallGrace)
	w.turns()
	require.Len(t, a.pushes, 1, "it was sent again under its key, which had no second effect")
	require.Equal(t, int64(6), a.levels["a/A"].value)
	w.inStep()

	w.must(&engine.Adjust{SKU: "A", Location: "main", Delta: -1, Source: "wms"})
	require.NoError(t, old.followEvents(t.Context()))
	w.turns()
	_, err = old.worker("a").turn(t.Context())
	require.NoError(t, err, "a leader that was deposed does no harm")
	require.Equal(t, int64(5), a.levels["a/A"].value)
	w.settle()
	w.inStep()
}

// TestUnknownForTooLong reads a slot whose push may not be sent again.
func TestUnknownForTooLong(t *testing.T) {
	w, a, _ := pooled(t, 10)
	a.onPush = func() { w.dead = true }
	w.must(&engine.Adjust{SKU: "A", Location: "main", Delta: -4, Source: "wms"})
	require.NoError(t, w.lead.followEvents(t.Context()))
	_, err := w.lead.worker("a").turn(t.Context())
	require.ErrorIs(t, err, errDead)
	a.onPush = nil
	w.clock = w.clock.Add(KeyLife + time.Hour)
	a.keys = map[string]error{} // the vendor has forgotten it
	w.leads()
	w.turns()
	require.Equal(t, int64(6), a.levels["a/A"].value)
	w.settle()
	require.Len(t, a.pushes, 1, "it was not sent again")
	w.inStep()
	s, _ := w.pub.book.Slot("a/A")
	require.Equal(t, "unknown-push", s.Drift.Cause)
}

// TestAStaleRiseOverwritesNothing: an order that nobody knows of makes the comparison fail.
func TestAStaleRiseOverwritesNothing(t *testing.T) {
	w, a, _ := pooled(t, 10)
	w.clock = w.clock.Add(time.Minute)
	w.count("A", 15)
	w.turns()
	w.clock = w.clock.Add(time.Minute)
	w.sweep(a)
	a.sell("a/A", 3)
	w.turns()
	require.Equal(t, int64(7), a.levels["a/A"].value)
	s, _ := w.pub.book.Slot("a/A")
	require.False(t, s.Doubt.IsZero())
	w.settle()
	require.Equal(t, int64(12), a.levels["a/A"].value)
	require.Nil(t, w.plans()["a/A"].facts.Slot.Drift, "it was a sale, not an edit")
	w.inStep()
}

func TestStopCords(t *testing.T) {
	w, a, b := pooled(t, 10)
	ctx := t.Context()
	rule, index, err := w.pub.Pull(ctx, Cord{Stop: StopZero, Channel: "a", SKU: "A"})
	require.NoError(t, err)
	require.Positive(t, index)
	_, _, err = w.pub.Pull(ctx, Cord{Stop: StopZero, Channel: "a", SKU: "A"})
	require.NoError(t, err, "twice is once")
	w.turns()
	require.Zero(t, a.levels["a/A"].value)
	require.Equal(t, int64(10), b.levels["b/A"].value)
	_, _, err = w.pub.Pull(ctx, Cord{Stop: StopFreeze})
	require.NoError(t, err)
	w.must(&engine.Adjust{SKU: "A", Location: "main", Delta: -4, Source: "wms"})
	w.settle()
	require.Equal(t, int64(10), b.levels["b/A"].value, "nothing is sent anywhere")
	_, _, stops, err := w.pub.Rules(ctx)
	require.NoError(t, err)
	require.Len(t, stops, 2)
	require.NotEqual(t, rule.ID, stops[0].ID)
	for _, c := range []Cord{{Stop: StopFreeze, Release: true},
		{Stop: StopZero, Channel: "a", SKU: "A", Release: true}} {
		_, _, err = w.pub.Pull(ctx, c)
		require.NoError(t, err)
	}
	w.settle()
	w.inStep()
	require.Equal(t, int64(6), a.levels["a/A"].value)
	for _, bad := range []Cord{{Stop: StopZero}, {Stop: "x"}, {Stop: StopFreeze, SKU: "A"}} {
		var field *engine.FieldError
		_, _, err = w.pub.Pull(ctx, bad)
		require.ErrorAs(t, err, &field)
	}
}

func n(v int64) *int64 { return &v }

func TestRulesReachTheSlots(t *testing.T) {
	w, a, b := pooled(t, 100)
	ctx := t.Context()
	version, _, err := w.pub.PutRules(ctx, []Rule{
		{ID: "few", When: When{Channel: "a"}, Then: Then{Max: n(20)}},
		{ID: "soon", When: When{SKU: "A", From: w.clock.Add(time.Hour)}, Then: Then{Buffer: n(90)}},
	}, "")
	require.NoError(t, err)
	w.settle()
	require.Equal(t, [2]int64{20, 100}, [2]int64{a.levels["a/A"].value, b.levels["b/A"].value})
	list, err := w.pub.Explain(ctx, "a", "A")
	require.NoError(t, err)
	require.Equal(t, []Term{{Term: "available", Location: "main", Value: 100},
		{Term: "max", Location: "main", Rule: "few", Value: -80}}, list[0].Terms)
	w.clock = w.clock.Add(time.Hour)
	w.must(&engine.Adjust{SKU: "A", Location: "main", Delta: 0 + 1, Source: "wms"}) // ledger time moves
	w.lead.tick(ctx)
	w.settle()
	require.Equal(t, [2]int64{11, 11}, [2]int64{a.levels["a/A"].value, b.levels["b/A"].value})

	_, _, err = w.pub.PutRules(ctx, nil, "stale")
	var changed *Changed
	require.ErrorAs(t, err, &changed)
	require.Equal(t, version, changed.Version)
	_, _, err = w.pub.PutRules(ctx, nil, version)
	require.NoError(t, err)
	w.settle()
	require.Equal(t, [2]int64{101, 101}, [2]int64{a.levels["a/A"].value, b.levels["b/A"].value})
}

func TestListingsAndDrift(t *testing.T) {
	w, a, b := pooled(t, 10)
	ctx := t.Context()
	b.edit("b/A", 5)
	list, next, err := w.pub.Listings(ctx, Filter{}, "", 1)
	require.NoError(t, err)
	require.Equal(t, "a/A", next)
	require.Equal(t, int64(10), *list[0].Acked)
	require.Equal(t, "in-step", list[0].Why)
	list, next, err = w.pub.Listings(ctx, Filter{}, next, 1)
	require.NoError(t, err)
	require.Empty(t, next)
	require.Equal(t, "b/A", list[0].Slot)
	w.settle()
	rows, _, err := w.pub.Drift(ctx, Filter{}, "", 10)
	require.NoError(t, err)
	require.Len(t, rows, 1)
	require.Equal(t, [2]int64{10, 15}, [2]int64{rows[0].Ours, rows[0].Theirs})
	require.Equal(t, "edit push", rows[0].Cause+" "+rows[0].Repair)
	require.False(t, rows[0].Repaired.IsZero())

	a.levels["a/A"].value += 3 // and nobody has told us
	reads := a.reads
	rows, err = w.pub.Repair(ctx, Filter{}, []string{"a/A"}, true)
	require.NoError(t, err)
	require.Len(t, rows, 1)
	w.settle()
	require.Equal(t, reads, a.reads, "a dry run")
	_, err = w.pub.Repair(ctx, Filter{}, []string{"a/A"}, false)
	require.NoError(t, err)
	w.settle()
	require.Equal(t, int64(10), a.levels["a/A"].value)
	_, err = w.pub.Repair(ctx, Filter{}, []string{"nobody/A"}, true)
	var unknown *UnknownSlot
	require.ErrorAs(t, err, &unknown)
}

// TestAFullPassFindsWhatNobodyTold also finds a slot that is gone, and blocks it.
func TestAFullPassFindsWhatNobodyTold(t *testing.T) {
	w, a, b := pooled(t, 10)
	a.levels["a/A"].value = 3
	delete(b.levels, "b/A")
	require.True(t, w.pub.Pass(""))
	w.settle()
	require.Equal(t, int64(10), a.levels["a/A"].value)
	s, _ := w.pub.book.Slot("b/A")
	require.Equal(t, "missing", s.Blocked)
	require.Equal(t, "missing", s.Drift.Cause)
}

// TestAnItemThatWasNeverStockedThereIsActivated: nothing there is no drift, and the first units are
// pushed to a level that is made active; only what was there and is gone is missing.
func TestAnItemThatWasNeverStockedThereIsActivated(t *testing.T) {
	w := newWorld(t, 1)
	a := w.shop("a", engine.Pooled, "main", "A")
	delete(a.levels, "a/A")
	w.leads()
	for range 2 { // a full pass reads it again
		w.settle()
		s, _ := w.pub.book.Slot("a/A")
		require.True(t, s.Known)
		require.Empty(t, s.Blocked)
		require.Nil(t, s.Drift)
		require.Empty(t, a.pushes)
		require.True(t, w.pub.Pass(""))
	}
	w.settle()
	a.levels["a/A"] = &level{updated: w.clock} // as an activation finds it
	w.count("A", 4)
	w.settle()
	require.Len(t, a.pushes, 1)
	require.True(t, a.pushes[0].Activate)
	w.inStep()

	delete(a.levels, "a/A")
	require.True(t, w.pub.Pass(""))
	w.settle()
	s, _ := w.pub.book.Slot("a/A")
	require.Equal(t, Missing, s.Blocked)
}

// TestAnItemThatNobodyCountsIsLeftAlone: it has no level, and is given none; one that was counted and is
// not any more is missing.
func TestAnItemThatNobodyCountsIsLeftAlone(t *testing.T) {
	for _, location := range []string{"main", "store"} {
		w := newWorld(t, 1)
		w.store.Define(t, &engine.DefineLocation{Location: "store", Kind: engine.Merchant,
			Master: "shopify:a", Shortfall: engine.ShortfallNone})
		a := w.shop("a", engine.Pooled, location, "A")
		counted := *a.levels["a/A"]
		delete(a.levels, "a/A")
		a.loose = true
		source := map[string]string{"main": "wms", "store": "shopify:a"}[location]
		w.must(&engine.Set{SKU: "A", Location: engine.Name(location), Value: 4, Source: source})
		w.leads()
		w.settle()
		require.True(t, w.pub.Pass(""))
		w.settle()
		require.Empty(t, a.pushes, "no level is activated")
		require.Equal(t, "untracked", w.plans()["a/A"].plan.Why)
		require.EqualValues(t, 4, w.plans()["a/A"].offer.Places[0].Have, "and nothing is counted")

		counted.value = 4
		a.levels["a/A"] = &counted
		require.True(t, w.pub.Pass(""))
		w.settle()
		w.inStep()
		delete(a.levels, "a/A")
		require.True(t, w.pub.Pass(""))
		w.settle()
		s, _ := w.pub.book.Slot("a/A")
		require.Equal(t, Missing, s.Blocked)
	}
}

// TestTheFirstCountIsOfTheMomentOfTheRead: what is booked between the read and the write counts on top
// of it, and a sale in between has it read again.
func TestTheFirstCountIsOfTheMomentOfTheRead(t *testing.T) {
	for name, between := range map[string]func(w *world, a *shop){
		"a move": func(w *world, _ *shop) {
			w.must(&engine.Adjust{SKU: "A", Location: "store", Delta: -3, Source: "shopify:a"})
		},
		"a sale": func(w *world, a *shop) {
			a.sell("a/A", 3)
			a.deliver(func(*sale) bool { return true })
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.store.Define(t, &engine.DefineLocation{Location: "store", Kind: engine.Merchant,
				Master: "shopify:a", Shortfall: engine.ShortfallNone})
			a := w.shop("a", engine.Pooled, "store", "A")
			w.must(&engine.Set{SKU: "A", Location: "store", Value: 1, Source: "shopify:a"})
			w.clock = w.clock.Add(time.Minute)
			a.levels["a/A"].value = 10
			a.onRead = func() {
				w.clock = w.clock.Add(time.Second)
				between(w, a)
			}
			w.leads()
			w.sweep(a)
			w.turns()
			require.Nil(t, a.onRead, "it was read")
			w.settle()
			var onHand, available int64
			_, err := w.store.Ledger(t.Context(), func(l *engine.Ledger) bool {
				rows, _ := l.Stock("A")
				onHand, available = rows[0].OnHand, rows[0].Available()
				return false
			})
			require.NoError(t, err)
			require.Equal(t, int64(7), available)
			want := map[string]int64{"a move": 7, "a sale": 10}[name]
			require.Equal(t, want, onHand)
			require.Equal(t, name == "a sale", a.reads > 1, "it was read again")
		})
	}
}

// refusing refuses every push for good.
type refusing struct{ *shop }

func (r refusing) Push(context.Context, []Slot, []Push) ([]error, error) {
	return nil, &testError{code: "NON_MUTABLE_INVENTORY_ITEM"}
}

func TestARefusedPushIsToldAndTriedAgainLater(t *testing.T) {
	w, a, _ := pooled(t, 10)
	outlets := refuses{w}
	w.pub.cfg.Outlets = outlets
	w.leads()
	w.must(&engine.Adjust{SKU: "A", Location: "main", Delta: -4, Source: "wms"})
	w.turns()
	require.Len(t, w.failed, 1)
	require.Equal(t, "NON_MUTABLE_INVENTORY_ITEM", w.failed[0].Code)
	s, _ := w.pub.book.Slot("a/A")
	require.Equal(t, "NON_MUTABLE_INVENTORY_ITEM", s.Blocked)
	require.Nil(t, s.Sent)
	w.pub.cfg.Outlets = w
	w.healed = nil
	w.leads() // the next leader knows of nothing that somebody was told
	w.settle()
	require.Equal(t, int64(6), a.levels["a/A"].value)
	s, _ = w.pub.book.Slot("a/A")
	require.Empty(t, s.Blocked)
	require.Contains(t, w.healed, "a/A")
}

// TestWhatWasRefusedAndIsDoneByHandIsWell: nobody pushes any more, because a read finds what is wanted.
func TestWhatWasRefusedAndIsDoneByHandIsWell(t *testing.T) {
	w, a, _ := pooled(t, 10)
	w.pub.cfg.Outlets = refuses{w}
	w.leads()
	w.must(&engine.Adjust{SKU: "A", Location: "main", Delta: -4, Source: "wms"})
	w.turns()
	require.Len(t, w.failed, 1)
	a.levels["a/A"].value, a.levels["a/A"].updated = 6, w.clock
	w.pub.cfg.Outlets = w
	w.healed = nil
	pushes := len(a.pushes)
	w.leads()
	w.lead.pass("a")
	w.settle()
	require.Len(t, a.pushes, pushes)
	require.Contains(t, w.healed, "a/A")
}

type refuses struct{ w *world }

func (r refuses) Outlet(connection string) (Outlet, bool) {
	return Outlet{Pusher: refusing{r.w.shops[connection]}, Style: Delta}, connection == "a"
}
func (r refuses) Closed(string) string { return "" }

// TestKits: a kit's slot moves when a component does.
func TestKits(t *testing.T) {
	w := newWorld(t, 1)
	w.store.Define(t, &engine.DefineSKU{SKU: "K", Kit: []engine.Component{{SKU: "A", Qty: 3}}})
	a := w.shop("a", engine.Pooled, "main", "K")
	w.count("A", 10)
	w.start()
	require.Equal(t, int64(3), a.levels["a/K"].value)
	w.must(&engine.Adjust{SKU: "A", Location: "main", Delta: -2, Source: "wms"})
	w.turns()
	require.Equal(t, int64(2), a.levels["a/K"].value)
}

// TestRun runs the parts as a node does, with goroutines and timers, on a clock of its own.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		s := w.shop("a", engine.Pooled, "main", "A")
		w.count("A", 9)
		base, start := w.clock.Add(time.Hour), time.Now()
		now := func() time.Time { return base.Add(time.Since(start)) }
		sweep := func() {
			var tx records.Tx
			require.NoError(t, Advance(t.Context(), w.store, &tx, "a", now().Add(-time.Second)))
			w.submit(&tx)
		}
		ages := make(chan time.Duration, 10)
		fresh := make(chan string, 100)
		p, err := New(Config{Store: live{w.store}, Stream: w, Outlets: w, Now: now,
			Alert: func(_ context.Context, _ string, age time.Duration) { ages <- age },
			Fresh: func(_ context.Context, connection string) { fresh <- connection }})
		require.NoError(t, err)
		sweep()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel() // else the parts would go on in a bubble whose test has failed
		done := make(chan error, 2)
		go func() { done <- p.Follow(ctx) }()
		go func() { done <- p.Run(ctx, 1) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, int64(0), s.levels["a/A"].value, "the rise waits for the watermark")
		sweep()
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, int64(9), s.levels["a/A"].value)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Greater(t, <-ages, 30*time.Minute)
		require.Empty(t, ages, "told once")
		for len(fresh) > 0 {
			<-fresh
		}
		sweep()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, "a", <-fresh)
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, <-done)
	})
}

// live is the store alone.
type live struct{ records.Store }

// TestBadBodiesStopTheBook: what cannot be read is an error, not an empty slot.
func TestBadBodiesStopTheBook(t *testing.T) {
	w := newWorld(t, 1)
	var tx records.Tx
	tx.Put(records.Record{Table: records.Slots, Key: "a/1", Body: []byte("{")})
	w.submit(&tx)
	require.ErrorContains(t, w.pub.book.Load(t.Context()), `slots "a/1"`)
}

// TestWhatHadNoTurnIsNoTry: a push that never left is sent later, and nobody is told, however often that
// was.
func TestWhatHadNoTurnIsNoTry(t *testing.T) {
	w, a, _ := pooled(t, 10)
	w.pub.cfg.Outlets = crowded{w}
	w.leads()
	w.must(&engine.Adjust{SKU: "A", Location: "main", Delta: -4, Source: "wms"})
	for range 3 * tellAfter {
		w.turns()
		w.pass(10 * time.Second)
	}
	require.Empty(t, w.failed)
	require.Zero(t, w.lead.worker("a").backoff["a/A"].tries)
	w.pub.cfg.Outlets = w
	w.turns()
	require.Equal(t, int64(6), a.levels["a/A"].value, "and it waits no longer than a moment")
}

// crowded are outlets that have no turn for anybody.
type crowded struct{ w *world }

type noTurn struct{ *shop }

func (n noTurn) Push(context.Context, []Slot, []Push) ([]error, error) {
	return nil, &testError{code: "throttled", retry: true, unsent: true}
}

func (c crowded) Outlet(connection string) (Outlet, bool) {
	return Outlet{Pusher: noTurn{c.w.shops[connection]}, Style: Delta}, connection == "a"
}
func (c crowded) Closed(string) string { return "" }

// TestTheFirstCountKnowsItsBasis: what moved in the millisecond in which the ledger was read is on top of
// the count or not, as the ledger was and not as the clock says.
func TestTheFirstCountKnowsItsBasis(t *testing.T) {
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	one := &gathered{readAt: at.UnixMilli(), moved: -3,
		facts: Facts{Slot: &Slot{SKU: "A", Location: "store"}, Master: true, Watermark: at}}
	x := findOut(one, &Seen{Available: 7, Active: true, Tracked: true, UpdatedAt: at.Add(-time.Minute)},
		false, "shopify:a")
	require.Equal(t, []engine.Command{&engine.Set{SKU: "A", Location: "store", Source: "shopify:a",
		Value: 7, AsOf: at.UnixMilli(), Basis: -3, BasisRead: true}}, x.ops)
}
