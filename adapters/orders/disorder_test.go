package orders

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
)

// shopOrder is an order as a shop has it: it does what a merchant may do, and says how it is.
type shopOrder struct {
	id       string
	location string // pinned; empty: wherever
	updated  int
	lines    []shopLine
	s        Snapshot
}

type shopLine struct{ ordered, left, sent, returned int64 }

// history makes the snapshots of one order's life. Several may fall into one second.
func history(r *rand.Rand, id, location string) []Snapshot {
	o := &shopOrder{id: id, location: location}
	for range 1 + r.IntN(3) {
		n := 1 + r.Int64N(4)
		o.lines = append(o.lines, shopLine{ordered: n, left: n})
	}
	all := []Snapshot{o.say()}
	for range 2 + r.IntN(6) {
		if o.act(r) {
			o.updated += r.IntN(2)
			all = append(all, o.say())
		}
	}
	return all
}

// act does one thing to a random line; false: it cannot be done.
func (o *shopOrder) act(r *rand.Rand) bool {
	i := r.IntN(len(o.lines))
	l := &o.lines[i]
	ref := fmt.Sprintf("L%d", i)
	refund := func(qty int64, kind, at string) {
		id := fmt.Sprintf("R%d", len(o.s.Refunds))
		o.s.Refunds = append(o.s.Refunds, Refund{ID: id, At: start})
		o.s.Restocks = append(o.s.Restocks, Restock{Refund: id, Ref: ref, Qty: qty, Kind: kind, Location: at})
	}
	switch at := first(o.location, "main"); r.IntN(7) {
	case 0: // an edit adds units
		if o.s.Cancelled != nil {
			return false
		}
		n := 1 + r.Int64N(3)
		l.ordered, l.left = l.ordered+n, l.left+n
	case 1: // an edit adds a line
		if o.s.Cancelled != nil {
			return false
		}
		o.lines = append(o.lines, shopLine{ordered: 1, left: 1})
	case 2, 3: // a package
		if l.left == 0 {
			return false
		}
		n := 1 + r.Int64N(l.left)
		l.left, l.sent = l.left-n, l.sent+n
		o.s.Shipments = append(o.s.Shipments, Shipment{Key: fmt.Sprintf("F%d", len(o.s.Shipments)),
			Location: at, At: start, Lines: []ShipmentLine{{Ref: ref, Qty: n}}})
	case 4: // units are refunded before they leave
		if l.left == 0 {
			return false
		}
		n := 1 + r.Int64N(l.left)
		l.left -= n
		refund(n, []string{CancelRestock, NoRestock}[r.IntN(2)], "")
	case 5: // units come back
		if l.sent == l.returned {
			return false
		}
		n := 1 + r.Int64N(l.sent-l.returned)
		l.returned += n
		refund(n, ReturnRestock, at)
	case 6: // all that is left is off
		if o.s.Cancelled != nil || r.IntN(2) == 0 {
			return false
		}
		for k := range o.lines {
			if n := o.lines[k].left; n > 0 {
				o.lines[k].left = 0
				ref = fmt.Sprintf("L%d", k)
				refund(n, CancelRestock, "")
			}
		}
		o.s.Cancelled = &Cancellation{At: start, Restock: true}
	}
	return true
}

func (o *shopOrder) say() Snapshot {
	s := o.s
	s.Home, s.CreatedAt = External{System: "shop", Kind: "order", ID: o.id}, start
	s.UpdatedAt = start.Add(time.Duration(o.updated) * time.Second)
	for i, l := range o.lines {
		left := l.left
		s.Lines = append(s.Lines, SnapshotLine{Ref: fmt.Sprintf("L%d", i), VariantID: int64(1 + i%4),
			Ordered: l.ordered, Qty: l.left + l.sent - l.returned, ToShip: &left, Location: o.location})
	}
	s.Shipments = append([]Shipment(nil), s.Shipments...)
	s.Refunds = append([]Refund(nil), s.Refunds...)
	s.Restocks = append([]Restock(nil), s.Restocks...)
	return s
}

// stocked is a world with plenty of everything, at one place of each kind.
func stocked(t testing.TB) *world {
	w := newWorld(t)
	for _, sku := range []string{"A", "B", "C"} {
		w.stock("main", sku, 100_000)
		w.stock("store", sku, 100_000)
	}
	return w
}

// end is all that must not depend on the way there.
func (w *world) end() []string {
	w.sound()
	all := append(w.balances(), w.open()...)
	for _, t := range w.tallies() {
		if !strings.HasSuffix(t, " +0") {
			all = append(all, t)
		}
	}
	for _, t := range w.tasks() {
		if strings.HasPrefix(t, erpOrder+":") {
			all = append(all, t)
		}
	}
	for _, r := range w.list(records.Orders) {
		o := w.order(r.Key)
		o.Timeline, o.Reservation, o.Quiet = nil, "", false
		for i := range o.Lines {
			o.Lines[i].Lines = nil
		}
		body, err := json.Marshal(o)
		require.NoError(w.t, err)
		all = append(all, string(body))
	}
	return all
}

// deliver takes one snapshot in, again while the outcome says so, as a sender of webhooks does.
func (w *world) deliver(id string, s Snapshot) {
	for try := 0; ; try++ {
		_, err := w.book.Receive(w.ctx, Delivery{Connection: "shop", Topic: "orders/updated", ID: id}, s)
		if err == nil {
			return
		}
		if try == 50 {
			w.t.Fatalf("it is never taken: %v", err)
		}
	}
}

type delivery struct {
	id string
	s  Snapshot
}

// histories are those of several orders, in one row.
func histories(r *rand.Rand) (all []delivery) {
	for o := range 1 + r.IntN(3) {
		location := []string{"", "store"}[r.IntN(2)]
		for i, s := range history(r, fmt.Sprint(o), location) {
			all = append(all, delivery{fmt.Sprintf("%d-%d", o, i), s})
		}
	}
	return all
}

// disordered is all of them at least once, in any order, some again.
func disordered(r *rand.Rand, all []delivery) []delivery {
	mixed := append([]delivery(nil), all...)
	for _, d := range all {
		if r.IntN(3) == 0 {
			if r.IntN(2) == 0 {
				d.id += "-copy" // the same, sent twice
			}
			mixed = append(mixed, d)
		}
	}
	r.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	return mixed
}

// TestDisorderEndsTheSame delivers lives of orders in random order with duplicates: ledger, tallies
// and orders end as they do in order.
func TestDisorderEndsTheSame(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		all := histories(r)
		straight := stocked(t)
		for _, d := range all {
			straight.deliver(d.id, d.s)
		}
		mixed := stocked(t)
		for _, d := range disordered(r, all) {
			mixed.deliver(d.id, d.s)
		}
		require.Equal(t, straight.end(), mixed.end(), "seed %d", seed)
	}
}

// TestManyAtOnce delivers them from several sides at once: versions tell them apart.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 2))
		all := histories(r)
		straight := stocked(t)
		for _, d := range all {
			straight.deliver(d.id, d.s)
		}
		at := stocked(t)
		mixed := disordered(r, all)
		var group sync.WaitGroup
		for side := range 4 {
			group.Go(func() {
				for i := side; i < len(mixed); i += 4 {
					at.deliver(mixed[i].id, mixed[i].s)
				}
			})
		}
		group.Wait()
		require.Equal(t, straight.end(), at.end(), "seed %d", seed)
	}
}

// TestEverySubmitMayFail lets each Submit fail in each way, one at a time and at random: what is
// sent again until it is taken is neither lost nor doubled.
func TestEverySubmitMayFail(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 3))
		all := histories(r)
		straight := stocked(t)
		for _, d := range all {
			straight.deliver(d.id, d.s)
		}
		failing := stocked(t)
		count := 0
		failing.store.Fail(func(*records.Tx) recordstest.Failure {
			count++
			if count%2 == 0 {
				return recordstest.Works
			}
			return recordstest.Failure(r.IntN(4))
		})
		for _, d := range disordered(r, all) {
			failing.deliver(d.id, d.s)
		}
		failing.store.Fail(nil)
		require.Equal(t, straight.end(), failing.end(), "seed %d", seed)
	}
}
