package storm

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"holdfast/adapters/shopify/shopifytest"
	"holdfast/cmd/internal/client"
)

// findings is what one look at both sides comes to.
type findings struct {
	faults []error
	counts []string
	skus   map[string]bool // those of which something does not hold
}

// wrong notes what does not hold.
func (f *findings) wrong(format string, args ...any) {
	f.faults = append(f.faults, fmt.Errorf(format, args...))
}

func (f *findings) sku(sku string) {
	if f.skus == nil {
		f.skus = map[string]bool{}
	}
	f.skus[sku] = true
}

func (f *findings) count(format string, args ...any) {
	f.counts = append(f.counts, fmt.Sprintf(format, args...))
}

// err joins what does not hold; of many only the first ones.
func (f *findings) err() error {
	const most = 80
	if n := len(f.faults); n > most {
		return errors.Join(append(f.faults[:most:most], fmt.Errorf("and %d more", n-most))...)
	}
	return errors.Join(f.faults...)
}

// listing is what the checks need of GET /v1/listings.
type listing struct {
	Slot, SKU, Location, Blocked, Why string
	Target, Expected                  int64
	Sent                              *int64
	Sequence                          uint64
}

type drift struct{ Slot, SKU, Location, Cause, Repair string }

type task struct {
	ID, Kind, Key, State, Connection string
	LastError                        string `json:"last_error"`
}

// seen is both sides as they are now.
type seen struct {
	shop       shopifytest.State
	stock      map[place]client.LocationStock
	listings   []listing
	tasks      []task // to the ERP
	open       []task // to the shop, that wait or run
	exceptions []client.Exception
	drift      []drift
	check      client.CheckReport
}

// check looks at both sides and notes what is not equal. It fails when it cannot look.
func (s *storm) check(ctx context.Context, f *findings) error {
	now, err := s.look(ctx)
	if err != nil {
		return err
	}
	s.checkStock(now, f)
	if err := s.blame(ctx, now, f); err != nil {
		return err
	}
	s.checkSlots(now, f)
	s.checkTasks(now, f)
	s.checkExceptions(now, f)
	for _, v := range now.check.Violations {
		f.wrong("invariant %s: %s", v.Invariant, v.Detail)
	}
	return s.checkEchoes(ctx, f)
}

func (s *storm) look(ctx context.Context) (now *seen, err error) {
	now = &seen{stock: map[place]client.LocationStock{}}
	if now.shop, err = s.state(ctx, "alpha"); err != nil {
		return nil, err
	}
	for _, state := range []string{"queued", "running"} {
		some, err := pages[task](ctx, s.nodes, "/v1/tasks",
			url.Values{"connection": {"alpha"}, "state": {state}})
		if err != nil {
			return nil, err
		}
		now.open = append(now.open, some...)
	}
	now.tasks, err = pages[task](ctx, s.nodes, "/v1/tasks", url.Values{"kind": {"erp.order"}})
	if err != nil {
		return nil, err
	}
	now.listings, err = pages[listing](ctx, s.nodes, "/v1/listings", url.Values{"channel": {"alpha"}})
	if err != nil {
		return nil, err
	}
	now.exceptions, err = pages[client.Exception](ctx, s.nodes, "/v1/exceptions",
		url.Values{"state": {"open"}})
	if err != nil {
		return nil, err
	}
	now.drift, err = pages[drift](ctx, s.nodes, "/v1/drift", url.Values{"connection": {"alpha"}})
	if err != nil {
		return nil, err
	}
	for i := range s.cfg.skus() {
		var row client.Stock
		if err := s.nodes.do(ctx, client.Call{Path: "/v1/stock/" + skuOf(i)}, &row); err != nil {
			return nil, err
		}
		for _, l := range row.Locations {
			now.stock[place{row.SKU, l.Location}] = l
		}
	}
	return now, s.nodes.do(ctx, client.Call{Method: "POST", Path: "/v1/check"}, &now.check)
}

// checkStock holds the ledger against the orders of the shop, and against its levels: what is
// committed there is committed here for the shop, and what it may sell is what is available here.
func (s *storm) checkStock(now *seen, f *findings) {
	open, sent := map[string]int64{}, map[string]int64{}
	for _, o := range now.shop.Orders {
		for _, l := range o.Lines {
			if !o.Cancelled { // what was left of it stays written there
				open[l.SKU] += l.Unfulfilled
			}
			sent[l.SKU] += l.Fulfilled
		}
	}
	committed := map[string]int64{}
	units, shipped := int64(0), int64(0)
	for _, l := range now.shop.Levels {
		if s.books.ghosts[l.SKU] {
			continue
		}
		led, sold := now.stock[place{l.SKU, l.Location}], int64(0)
		if l.Location == ours {
			sold = s.books.sales[l.SKU]
		}
		committed[l.SKU] += led.Committed - sold
		if led.Committed-sold != l.Committed || led.Held != 0 {
			f.sku(l.SKU)
			f.wrong("%s at %s: %d committed for the shop and %d held, %d committed there", l.SKU,
				l.Location, led.Committed-sold, led.Held, l.Committed)
		}
		if led.Available != l.Available {
			f.wrong("%s at %s: %d available, %d there", l.SKU, l.Location, led.Available, l.Available)
		}
		if led.OnHand != l.OnHand+sold {
			f.wrong("%s at %s: %d on hand, %d there and %d sold over the API", l.SKU, l.Location,
				led.OnHand, l.OnHand, sold)
		}
	}
	for i := range s.cfg.skus() {
		sku := skuOf(i)
		units, shipped = units+open[sku], shipped+sent[sku]
		if committed[sku] != open[sku] {
			f.wrong("%s: %d committed, the orders have %d", sku, committed[sku], open[sku])
		}
	}
	f.count("ledger: %d SKUs at 2 locations equal; %d units committed, %d shipped of %d orders",
		s.cfg.skus(), units, shipped, now.shop.OrderCount)
}

// blame names the orders that are to leave from elsewhere than the ledger has promised them, of SKUs of
// which something does not hold.
func (s *storm) blame(ctx context.Context, now *seen, f *findings) error {
	for _, o := range now.shop.Orders {
		for _, l := range o.Lines {
			if o.Cancelled || !l.Tracked || !f.skus[l.SKU] {
				continue
			}
			var led client.Reservation
			var answered *client.Problem
			err := s.nodes.do(ctx, client.Call{Path: "/v1/reservations/shopify:alpha:" + tail(o.ID)}, &led)
			if errors.As(err, &answered) {
				f.wrong("order %s: its reservation: %w", o.ID, err)
				continue
			}
			if err != nil {
				return err
			}
			here := map[string]int64{}
			for i := range led.Lines {
				for _, a := range led.Lines[i].Allocations {
					if a.SKU == l.SKU {
						here[a.Location] += a.Held + a.Committed
					}
				}
			}
			for _, at := range []string{theirs, ours} {
				if here[at] != l.Assigned[at] {
					f.wrong("order %s, %d of %s: %d promised at %s, %d assigned there", tail(o.ID), l.Qty,
						l.SKU, here[at], at, l.Assigned[at])
				}
			}
		}
	}
	return nil
}

// tail is the number in an id of the shop's.
func tail(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

// checkSlots: every slot is at its target, which is what the shop shows.
func (s *storm) checkSlots(now *seen, f *findings) {
	shows := map[place]int64{}
	for _, l := range now.shop.Levels {
		shows[place{l.SKU, l.Location}] = l.Available
	}
	for _, l := range now.listings {
		there := shows[place{l.SKU, l.Location}]
		if l.Target != l.Expected || l.Target != there || l.Why != "in-step" || l.Blocked != "" {
			f.wrong("slot %s of %s at %s: target %d, expected %d, there %d; %s %s", l.Slot, l.SKU,
				l.Location, l.Target, l.Expected, there, l.Why, l.Blocked)
		}
	}
	if n := 2 * s.cfg.skus(); len(now.listings) != n {
		f.wrong("%d slots, want %d", len(now.listings), n)
	}
	f.count("slots: %d at their target", len(now.listings))
	found := map[place]string{}
	for _, d := range now.drift {
		found[place{d.SKU, d.Location}] = d.Repair
	}
	for at, n := range s.books.edited {
		want := "push"
		if at.location == theirs {
			want = "adjusted"
		}
		// What is changed twice may be undone before anybody has looked: an edit by another one, or by units
		// that the shop puts back where it is not the master.
		if n == 1 && s.books.foreign[at] == 1 && found[at] != want {
			f.wrong("an edit of %s at %s: drift %q, want %s", at.sku, at.location, found[at], want)
		}
	}
	f.count("edits: %d slots edited, %d in the drift report", len(s.books.edited), len(found))
}

// checkTasks: the ERP is told of every order once. Of one that was called off before we had heard of
// it, it need not be told.
func (s *storm) checkTasks(now *seen, f *findings) {
	told := map[string]int{}
	for _, t := range now.tasks {
		told[t.Key]++
	}
	for _, t := range now.open {
		f.wrong("task %s is %s: %s", t.ID, t.State, t.LastError)
	}
	quiet := 0
	for _, o := range now.shop.Orders {
		key := "shopify:alpha:" + tail(o.ID)
		n := told[key]
		delete(told, key)
		switch {
		case n == 0 && o.Cancelled:
			quiet++
		case n != 1:
			f.wrong("order %s: %d tasks erp.order", o.Name, n)
		}
	}
	for key, n := range told {
		f.wrong("%d tasks erp.order of %s, which the shop does not have", n, key)
	}
	f.count("tasks: erp.order once for each of %d orders; %d were called off before anybody was told",
		len(now.tasks), quiet)
}

// checkExceptions: each that is open joins a fault that was made, and each fault in data has one.
func (s *storm) checkExceptions(now *seen, f *findings) {
	found := map[string]int{}
	for _, e := range now.exceptions {
		joins := ""
		switch e.Code {
		case "unmapped-sku":
			if s.books.ghosts[e.Key] {
				joins = e.Key
			}
		case "bad-webhook":
			if id := e.Trace[strings.LastIndexByte(e.Trace, ':')+1:]; s.books.bodies[id] {
				joins = id
			}
		case "recount":
			if s.books.nothing["gid://shopify/Order/"+e.Key[strings.LastIndexByte(e.Key, ':')+1:]] != "" {
				joins = "recount " + e.Key
			}
		}
		if joins == "" {
			f.wrong("exception %s %s of %s joins nothing: %s", e.Code, e.Trace, e.Key, e.Detail)
		} else if found[joins]++; found[joins] > 1 {
			f.wrong("exception %s of %s is there twice", e.Code, e.Key)
		}
	}
	for _, set := range []map[string]bool{s.books.ghosts, s.books.bodies} {
		for key := range set {
			if found[key] == 0 {
				f.wrong("the fault %s has no exception", key)
			}
		}
	}
	f.count("exceptions: %d open, each of a fault that was made; %d faults of data have one each",
		len(now.exceptions), len(s.books.ghosts)+len(s.books.bodies))
}
