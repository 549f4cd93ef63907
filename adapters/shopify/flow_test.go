package shopify

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/connections"
	"holdfast/adapters/mapping"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
	"holdfast/adapters/shopify/shopifytest"
)

func TestOrdersComeInByWebhookAndEndEqual(t *testing.T) {
	w := newWorld(t)
	w.watch()
	w.sim.Noise(shopifytest.WebhookNoise{DuplicatePercent: 30, ReorderPercent: 30, ReorderMS: 5000,
		LostPercent: 10})
	sold, err := w.sim.Sell(shopifytest.Sales{Shop: "alpha", Count: 40, SKUs: []string{"A", "B"}})
	require.NoError(t, err)
	require.NotEmpty(t, sold.Orders)
	w.sim.Advance(30 * time.Second)
	_, err = w.sim.Cancel(shopifytest.Cancels{Shop: "alpha",
		Orders: []string{sold.Orders[0].ID, sold.Orders[3].ID}})
	require.NoError(t, err)
	fulfil := shopifytest.Edits{Shop: "alpha",
		Fulfil: []shopifytest.FulfilEdit{{Order: sold.Orders[1].ID}}}
	require.NoError(t, w.sim.Edit(fulfil))
	w.sim.Advance(time.Minute)
	w.sim.Settle()
	w.sim.Advance(5 * time.Minute)
	w.sweep()
	require.Empty(t, w.work())
	w.sim.Settle()
	require.Equal(t, orders.Cancelled, w.order(sold.Orders[0].ID).State)
	require.Equal(t, orders.Shipped, w.order(sold.Orders[1].ID).State)
	w.equal(begun)
	require.Empty(t, w.exceptions())
	calls := w.sim.Journal(shopifytest.Filter{Cause: "api"})
	for _, e := range calls {
		require.NotContains(t, e.Roots, "fulfillmentCreate", "an echo")
		require.NotContains(t, e.Roots, "orderCancel", "an echo")
	}
	require.NotContains(t, w.statuses, 503)
}

func TestRefundsEditsAndExchanges(t *testing.T) {
	w := newWorld(t)
	w.watch()
	sold, err := w.sim.Sell(shopifytest.Sales{Shop: "alpha", Count: 3,
		Lines: []shopifytest.SaleLine{{SKU: "A", Qty: 4}}})
	require.NoError(t, err)
	refunded, edited, exchanged := sold.Orders[0].ID, sold.Orders[1].ID, sold.Orders[2].ID
	_, err = w.sim.Return(shopifytest.Returns{Shop: "alpha", Order: refunded,
		Refund: &shopifytest.RefundEdit{Restock: "CANCEL",
			Lines: []shopifytest.Units{{SKU: "A", Qty: 1}}}})
	require.NoError(t, err)
	require.NoError(t, w.sim.Edit(shopifytest.Edits{Shop: "alpha",
		Orders: []shopifytest.OrderEdit{{Order: edited, Add: []shopifytest.SaleLine{{SKU: "B", Qty: 2}},
			Remove: []shopifytest.Units{{SKU: "A", Qty: 3, Restock: true}}}},
		Fulfil: []shopifytest.FulfilEdit{{Order: exchanged}}}))
	w.sim.Settle()
	require.Empty(t, w.work())
	w.equal(begun)
	o := w.order(edited)
	require.Len(t, o.Lines, 2)
	require.EqualValues(t, 1, o.Lines[0].Qty)
	require.Len(t, w.order(refunded).Refunds, 1)

	_, err = w.sim.Return(shopifytest.Returns{Shop: "alpha", Order: exchanged,
		Lines:    []shopifytest.Units{{SKU: "A", Qty: 1}},
		Exchange: []shopifytest.SaleLine{{SKU: "B", Qty: 1}}, Disposition: "RESTOCKED"})
	require.NoError(t, err)
	w.sim.Settle()
	require.Empty(t, w.work())
	o = w.order(exchanged)
	require.NotEmpty(t, o.Returns)
	require.Len(t, o.Lines, 2, "the exchange is a return and an addition")
	require.EqualValues(t, 1, o.Lines[1].ToShip)
}

// amazonOrder puts an order of Amazon's into the book, which queues its making in the shop.
func (w *world) amazonOrder(id string, fulfilledBy string) string {
	w.t.Helper()
	_, err := w.book.Receive(w.ctx, orders.Delivery{Connection: "amz"}, orders.Snapshot{
		Home: orders.External{System: "amz", Kind: "order", ID: id}, CreatedAt: w.sim.Now(),
		UpdatedAt: w.sim.Now(), Currency: "USD", Total: "30.00", FulfilledBy: fulfilledBy,
		Tags: []string{"Amazon"}, ShipTo: orders.Place{Country: "US", Region: "CA", PostalCode: "94105"},
		Lines: []orders.SnapshotLine{{Ref: "l1", Qty: 3, Ordered: 3, SellerSKU: "AZ-A", SKU: "AZ-A",
			Title: "Article A", Price: "10.00"}}})
	require.NoError(w.t, err)
	return "amazon:amz:" + id
}

func (w *world) get(id string) (o orders.Order) {
	w.t.Helper()
	row, ok, err := w.store.Get(w.ctx, records.Orders, id)
	require.NoError(w.t, err)
	require.True(w.t, ok)
	o, err = records.Decode[orders.Order](row)
	require.NoError(w.t, err)
	return o
}

func TestAForeignOrderIsMadeOnceWhateverIsLost(t *testing.T) {
	for _, lost := range []bool{false, true} {
		w := newWorld(t)
		w.watch()
		id := w.amazonOrder("902-1111111-2222222", "")
		if lost {
			require.NoError(t, w.sim.Break(shopifytest.Fault{ID: "f", Kind: shopifytest.FaultResetAfter,
				Operation: "orderCreate",
				Count:     1}))
		}
		failed := w.work()
		if lost {
			require.Len(t, failed, 1)
			task := outbox.ID(taskOrder, id, "shop")
			var f *Fault
			require.ErrorAs(t, failed[task], &f)
			require.True(t, f.Unknown())
			row, _, err := w.store.Get(w.ctx, records.Tasks, task)
			require.NoError(t, err)
			again, err := records.Decode[outbox.Task](row)
			require.NoError(t, err)
			again.Unknown, again.Tries = true, 2
			require.NoError(t, w.do(again, row.Version))
		} else {
			require.Empty(t, failed)
		}
		w.sim.Settle()
		w.sweep()
		require.Empty(t, w.work())
		made := w.sim.Journal(shopifytest.Filter{Op: "orderCreate"})
		created := 0
		state, err := w.sim.State("alpha")
		require.NoError(t, err)
		for _, o := range state.Orders {
			if o.SourceID == "902-1111111-2222222" {
				created++
			}
		}
		require.Equal(t, 1, created, "%d calls", len(made))
		o := w.get(id)
		kinds := map[string]bool{}
		for _, e := range o.Externals {
			if e.System == "shop" {
				kinds[e.Kind] = true
			}
		}
		require.Equal(t, map[string]bool{"order": true, "name": true}, kinds)
		rows, _, err := w.store.List(w.ctx, records.Orders, "shopify:", "", 10)
		require.NoError(t, err)
		require.Empty(t, rows, "its webhooks are echoes: no order of the shop's")
		w.expected(begun)
	}
}

// expected demands that each slot shows what is expected of it.
func (w *world) expected(start map[string]int64) {
	w.t.Helper()
	state, err := w.sim.State("alpha")
	require.NoError(w.t, err)
	for _, l := range state.Levels {
		for place, name := range w.conn.Locations {
			if l.SKU != "U" && name == l.Location {
				row, _, err := w.store.Get(w.ctx, records.Tallies, SlotID("shop", l.Item, place))
				require.NoError(w.t, err)
				require.Equal(w.t, l.Available, start[l.SKU+"@"+name]+row.Value, "%s at %s", l.SKU, name)
			}
		}
	}
}

func TestAPackageIsToldOnce(t *testing.T) {
	w := newWorld(t)
	w.watch()
	sold, err := w.sim.Sell(shopifytest.Sales{Shop: "alpha",
		Lines: []shopifytest.SaleLine{{SKU: "A", Qty: 3}}})
	require.NoError(t, err)
	w.sim.Settle()
	require.Empty(t, w.work())
	id := "shopify:shop:" + gid(sold.Orders[0].ID).tail()
	_, err = w.book.Ship(w.ctx, id, orders.Shipment{Key: "p1", By: "3pl", Carrier: "UPS",
		Tracking: "1Z1", Lines: []orders.ShipmentLine{{Ref: gid(sold.Orders[0].Lines[0].ID).tail(),
			Qty: 2}}})
	require.NoError(t, err)
	require.NoError(t, w.sim.Break(shopifytest.Fault{ID: "f", Kind: shopifytest.FaultResetAfter,
		Operation: "fulfillmentCreate",
		Count:     1}))
	failed := w.work()
	require.Len(t, failed, 1)
	for task, err := range failed {
		var f *Fault
		require.ErrorAs(t, err, &f)
		require.True(t, f.Unknown(), task)
		row, _, err := w.store.Get(w.ctx, records.Tasks, task)
		require.NoError(t, err)
		again, err := records.Decode[outbox.Task](row)
		require.NoError(t, err)
		again.Unknown = true
		require.NoError(t, w.do(again, row.Version))
	}
	w.sim.Settle()
	require.Empty(t, w.work())
	o := w.get(id)
	require.Len(t, o.Shipments, 1, "the shop's news of it attaches")
	require.NotEmpty(t, o.Shipments[0].IDs)
	state, err := w.sim.State("alpha")
	require.NoError(t, err)
	require.EqualValues(t, 2, state.Orders[0].Lines[0].Fulfilled)
	w.equal(begun)
}

func TestFollowAndLead(t *testing.T) {
	for _, placement := range []orders.Placement{orders.Follow, orders.Lead} {
		t.Run(string(placement), func(t *testing.T) {
			w := newWorld(t)
			w.watch()
			w.accounts[1].Placement = placement
			sold, err := w.sim.Sell(shopifytest.Sales{Shop: "alpha",
				Lines: []shopifytest.SaleLine{{SKU: "A", Qty: 3}}})
			require.NoError(t, err)
			w.sim.Settle()
			require.Empty(t, w.work())
			require.NoError(t, w.sim.Edit(shopifytest.Edits{Shop: "alpha",
				Moves: []shopifytest.MoveEdit{{Order: sold.Orders[0].ID, To: "east"}}}))
			w.sim.Settle()
			require.Empty(t, w.work())
			at := "east"
			if placement == orders.Lead {
				at = "main"
			}
			require.EqualValues(t, 3, w.stock("A", at).Committed)
			w.equal(begun)
		})
	}
}

func TestPushesLevelsAndLostAnswers(t *testing.T) {
	w := newWorld(t)
	p, err := w.shops.Pusher("shop")
	require.NoError(t, err)
	slots := w.slots()
	require.Len(t, slots, 3)
	var pushes []publish.Push
	for i := range slots {
		pushes = append(pushes, w.delta(&slots[i], -2))
	}
	require.NoError(t, w.sim.Break(shopifytest.Fault{ID: "f", Kind: shopifytest.FaultResetAfter,
		Operation: "inventoryAdjustQuantities",
		Count:     4}))
	answers, err := p.Push(w.ctx, slots, pushes)
	require.NoError(t, err)
	for _, a := range answers {
		var f *Fault
		require.ErrorAs(t, a, &f)
		require.True(t, f.Unknown())
	}
	// One row comes again alone, then another: the call that they were in is sent again as it was.
	for i := range pushes {
		pushes[i].Until = pushes[i].At.Add(2 * publish.CallTime)
	}
	answers, err = p.Push(w.ctx, slots[1:2], pushes[1:2])
	require.NoError(t, err)
	require.Equal(t, []error{nil}, answers)
	answers, err = p.Push(w.ctx, []publish.Slot{slots[2], slots[0]},
		[]publish.Push{pushes[2], pushes[0]})
	require.NoError(t, err)
	for _, s := range slots {
		require.EqualValues(t, begun[s.SKU+"@"+s.Location]-2, w.available(&s), "%s: once", s.ID)
	}
	_ = answers

	seen, err := p.Read(w.ctx, append(slots, publish.Slot{Item: 1, Place: slots[0].Place}))
	require.NoError(t, err)
	require.Nil(t, seen[3])
	for i := range slots {
		require.Equal(t, w.available(&slots[i]), seen[i].Available)
		require.True(t, seen[i].Active && seen[i].Tracked)
	}

	// A compare-and-set that is stale changes nothing, and holds up no other row.
	sets := []publish.Push{w.set(&slots[0], 500, 1), w.set(&slots[1], 77, w.available(&slots[1]))}
	answers, err = p.Push(w.ctx, slots[:2], sets)
	require.NoError(t, err)
	var f *Fault
	require.ErrorAs(t, answers[0], &f)
	require.True(t, f.Stale() && !f.Unknown())
	require.NoError(t, answers[1])
	require.EqualValues(t, 77, w.available(&slots[1]))
}

func (w *world) slots() (all []publish.Slot) {
	s, err := w.shops.shop("shop")
	require.NoError(w.t, err)
	state, err := w.sim.State("alpha")
	require.NoError(w.t, err)
	for _, l := range state.Levels {
		item := mapping.Item{Connection: "shop", VariantID: w.variant(l.Item), InventoryItemID: l.Item}
		for _, slot := range s.slots(l.SKU, &item) {
			if slot.Location == l.Location && l.SKU != "U" {
				all = append(all, slot)
			}
		}
	}
	return all
}

func (w *world) available(s *publish.Slot) int64 {
	l, ok := w.sim.Level("alpha", s.SKU, s.Location)
	require.True(w.t, ok)
	return l.Available
}

func (w *world) delta(s *publish.Slot, by int64) publish.Push {
	now := w.sim.Now()
	return publish.Push{Sequence: 1, Delta: by, At: now, Until: now.Add(publish.CallTime),
		Key: s.ID + "#1"}
}

func (w *world) set(s *publish.Slot, to, from int64) publish.Push {
	now := w.sim.Now()
	return publish.Push{Sequence: 2, Set: true, Quantity: to, From: from, At: now,
		Until: now.Add(publish.CallTime), Key: s.ID + "#2"}
}

func TestTheStartReadsCatalogueOrdersAndLevels(t *testing.T) {
	w := newWorld(t)
	sold, err := w.sim.Sell(shopifytest.Sales{Shop: "alpha", Count: 60,
		Lines: []shopifytest.SaleLine{{SKU: "A"}}})
	require.NoError(t, err)
	a := w.adapter()
	for name, step := range map[string]func(cursor string) (connections.Page, error){
		"1 catalogue": func(c string) (connections.Page, error) { return a.Catalogue(w.ctx, c) },
		"2 orders":    func(c string) (connections.Page, error) { return a.OpenOrders(w.ctx, c) },
	} {
		w.steps(name, step)
	}
	w.steps("3 levels", func(c string) (connections.Page, error) { return a.Levels(w.ctx, c) })
	items, _, err := w.store.List(w.ctx, records.Catalogue, "shop/", "", 100)
	require.NoError(t, err)
	require.Len(t, items, 3)
	slots, _, err := w.store.List(w.ctx, records.Slots, "shop/", "", 100)
	require.NoError(t, err)
	require.Len(t, slots, 4, "A and B at two places; untracked has none")
	require.EqualValues(t, len(sold.Orders), w.stock("A", "main").Committed+
		w.stock("A", "east").Committed)
	s, err := w.shops.shop("shop")
	require.NoError(t, err)
	found, err := s.check(w.ctx)
	require.NoError(t, err)
	require.Empty(t, found)
	for range 2 {
		require.NoError(t, a.check(w.ctx, s), "defined twice is defined")
	}
	w.sim.Advance(10 * time.Minute)
	w.sweep()
	mark, _, err := w.store.Get(w.ctx, records.Cursors, "shop"+ordersFeed)
	require.NoError(t, err)
	require.Equal(t, w.sim.Now().UnixMilli(), mark.Value)
}

func (w *world) steps(name string, step func(string) (connections.Page, error)) {
	w.t.Helper()
	cursor := ""
	for range 50 {
		page, err := step(cursor)
		require.NoError(w.t, err, name)
		require.Empty(w.t, page.Found, name)
		if page.Write != nil {
			_, err := records.Retry(w.ctx, w.store, func(tx *records.Tx) error {
				return page.Write(w.ctx, tx)
			})
			require.NoError(w.t, err, name)
		}
		if cursor = page.Next; cursor == "" {
			return
		}
	}
	w.t.Fatal(name, "has no end")
}

func TestTheWatchdogMendsSubscriptions(t *testing.T) {
	w := newWorld(t)
	w.watch()
	state, err := w.sim.State("alpha")
	require.NoError(t, err)
	require.Len(t, state.Subscriptions, len(wanted))
	uri := state.Subscriptions[0].URI
	require.NoError(t, w.sim.Subscribe("alpha", "orders/paid", uri))
	require.NoError(t, w.sim.Subscribe("alpha", "orders/create", "https://other.example/hook"))
	w.watch()
	state, err = w.sim.State("alpha")
	require.NoError(t, err)
	topics := map[string]int{}
	for _, s := range state.Subscriptions {
		topics[s.Topic+" "+s.URI]++
	}
	require.Len(t, topics, len(wanted)+1, "the one that nobody asked for is gone, another's stays")
	calls := len(w.sim.Journal(shopifytest.Filter{Cause: "api"}))
	w.watch()
	require.Len(t, w.sim.Journal(shopifytest.Filter{Cause: "api"}), calls+1, "it only looked")
}

func TestTheAppIsUninstalled(t *testing.T) {
	w := newWorld(t)
	w.watch()
	require.NoError(t, w.sim.Edit(shopifytest.Edits{Shop: "alpha", Uninstall: true}))
	w.sim.Settle()
	require.Equal(t, connections.Paused, w.conn.Mode)
	all := w.exceptions()
	require.Len(t, all, 1)
	require.Equal(t, "app-uninstalled", all[0].Code)
}

func TestForeignOrdersAreCancelledWithTheirStock(t *testing.T) {
	for _, by := range []string{"", "amazon"} {
		w := newWorld(t)
		w.watch()
		id := w.amazonOrder("902-1111111-3333333", by)
		require.Empty(t, w.work())
		w.sim.Advance(time.Minute)
		payload, err := json.Marshal(map[string]any{"restock": true, "reason": "customer"})
		require.NoError(t, err)
		task := outbox.Task{ID: "c", Kind: taskCancel, Key: id, Connection: "shop", Part: "shop",
			Payload: payload}
		for range 2 {
			fin, err := w.shops.Do(w.ctx, task)
			require.NoError(t, err)
			_, err = records.Retry(w.ctx, w.store, func(tx *records.Tx) error {
				return fin.Also(w.ctx, tx)
			})
			require.NoError(t, err)
		}
		w.sim.Settle()
		state, err := w.sim.State("alpha")
		require.NoError(t, err)
		require.True(t, state.Orders[0].Cancelled)
		w.expected(begun)
		for _, l := range state.Levels {
			if l.SKU != "U" {
				require.EqualValues(t, begun[l.SKU+"@"+l.Location], l.Available, by)
			}
		}
	}
}

func TestPackagesOfForeignOrdersAttachOnTheirOwnLines(t *testing.T) {
	w := newWorld(t)
	w.watch()
	id := w.amazonOrder("902-1111111-5555555", "")
	require.Empty(t, w.work())
	w.sim.Settle()
	state, err := w.sim.State("alpha")
	require.NoError(t, err)
	require.NoError(t, w.sim.Edit(shopifytest.Edits{Shop: "alpha", Fulfil: []shopifytest.FulfilEdit{{
		Order: state.Orders[0].ID, Company: "UPS", Number: "1Z9"}}}))
	w.sim.Settle()
	w.sweep()
	require.Empty(t, w.work())
	o := w.get(id)
	require.Len(t, o.Shipments, 1)
	require.Equal(t, "l1", o.Shipments[0].Lines[0].Ref, "the line as its home calls it")
	require.Equal(t, orders.Shipped, o.State)
	require.NotContains(t, w.statuses, 503)
	require.Empty(t, w.exceptions())
}

func TestAClaimOfAnUnknownOrderIsASale(t *testing.T) {
	w := newWorld(t)
	body := w.orderText(func(o, _ map[string]any) {
		o["source_identifier"] = "902-9"
		o["note_attributes"] = []any{map[string]any{"name": markAttribute, "value": "amazon:amz:902-9"}}
	})
	require.Equal(t, Taken, w.send("orders/create", "w1", body))
	require.EqualValues(t, 2, w.stock("A", "main").Committed)
}

func TestReturnsAndRefundsOfForeignOrdersAreToldOnce(t *testing.T) {
	w := newWorld(t)
	w.watch()
	id := w.amazonOrder("902-1111111-6666666", "")
	require.Empty(t, w.work())
	state, err := w.sim.State("alpha")
	require.NoError(t, err)
	require.NoError(t, w.sim.Edit(shopifytest.Edits{Shop: "alpha", Fulfil: []shopifytest.FulfilEdit{{
		Order: state.Orders[0].ID, Company: "UPS", Number: "1Z9"}}}))
	w.sim.Settle()
	require.Empty(t, w.work())
	w.sim.Advance(time.Minute)
	back := []orders.ShipmentLine{{Ref: "l1", Qty: 1}}
	_, err = w.book.Receive(w.ctx, orders.Delivery{Connection: "amz"}, orders.Snapshot{
		Home:      orders.External{System: "amz", Kind: "order", ID: "902-1111111-6666666"},
		CreatedAt: w.sim.Now(), UpdatedAt: w.sim.Now(), Currency: "USD", Total: "30.00",
		Lines:   []orders.SnapshotLine{{Ref: "l1", Qty: 3, Ordered: 3, SellerSKU: "AZ-A", SKU: "AZ-A"}},
		Refunds: []orders.Refund{{ID: "r1", By: "amz", At: w.sim.Now(), Amount: "10.00"}},
		Returns: []orders.Return{{ID: "b1", By: "amz", At: w.sim.Now(), State: orders.ReturnReceived,
			Disposition: "sellable", Location: "main", Lines: back}}})
	require.NoError(t, err)
	before := w.stock("A", "main")
	require.Empty(t, w.work())
	for _, kind := range []string{taskReturn, taskReceipt} {
		for range 2 {
			_, err = w.shops.Do(w.ctx, outbox.Task{Kind: kind, Key: id, Connection: "shop",
				Part: "shop/b1"})
			require.NoError(t, err)
		}
	}
	_, err = w.shops.Do(w.ctx, outbox.Task{ID: "again", Kind: taskRefund, Key: id,
		Connection: "shop", Part: "shop/r1", Unknown: true})
	require.NoError(t, err)
	w.sim.Settle()
	require.Len(t, w.sim.Journal(shopifytest.Filter{Kind: "request", Op: "returnCreate"}), 1)
	require.Len(t, w.sim.Journal(shopifytest.Filter{Kind: "request", Op: "returnProcess"}), 1)
	require.Len(t, w.sim.Journal(shopifytest.Filter{Kind: "request", Op: "refundCreate"}), 1)
	require.Equal(t, before.Balance, w.stock("A", "main").Balance, "the shop is not the master: nothing came back by it")
	w.expected(begun)
	o, err := w.book.Get(w.ctx, id)
	require.NoError(t, err)
	require.Len(t, o.Returns, 1, "what the shop says of it is its echo: %+v", o.Returns)
	require.Empty(t, w.exceptions(), "no webhook of it is a riddle")
}

func TestHealthShowsTheWatermark(t *testing.T) {
	w := newWorld(t)
	board := connections.NewBoard(w.sim.Now)
	a := w.adapter()
	a.health = board.Reporter("shop")
	s, err := w.shops.shop("shop")
	require.NoError(t, err)
	require.True(t, board.Health("shop").Watermark.IsZero())
	require.NoError(t, a.sweep(w.ctx, s))
	require.WithinDuration(t, w.sim.Now().Add(-s.every(watermarkLag)), board.Health("shop").Watermark,
		time.Second)
}
