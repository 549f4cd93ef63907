package storm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/adapters/shopify/shopifytest"
	"holdfast/cmd/internal/client"
)

// RaceConfig says who sells what.
type RaceConfig struct {
	Dir   string // for the data of the nodes
	Nodes int    // default 1
	Mode  string // pooled or dedicated
	SKUs  int    // each is a race of its own, with a seed of its own
	Units int64  // of each
	Seed  uint64 // of the first
	Out   io.Writer
	// Logger is of the nodes; default discards.
	Logger *slog.Logger
}

// RaceResult is what came of it.
type RaceResult struct {
	Sold     map[string]int64 // units by seller: alpha, beta, web
	Oversold int64
	// InTransit of them were sold before the ledger was short, and told of afterwards.
	InTransit int64
}

// race is one run.
type race struct {
	*world
	cfg RaceConfig

	mu   sync.Mutex
	sold map[string]int64
}

var sellers = []string{"alpha", "beta", "web"}

// Race lets two shops and a client of the API, which reserves strictly, sell the same units until nobody
// can sell any more. Of each unit that was sold twice it proves, by the journal and the events, that it
// was sold before the push had been applied that the shortage caused, and after that shortage or with
// its webhook under way. It fails when that does not hold, when the ledger is wrong, or when the world
// cannot be run.
func Race(ctx context.Context, cfg RaceConfig) (res RaceResult, err error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	sim := shopifytest.Config{Seed: cfg.Seed}
	for _, name := range sellers[:2] {
		shop := shopifytest.ShopConfig{Name: name,
			Locations: []shopifytest.LocationConfig{{Name: theirs}}}
		for i := range cfg.SKUs {
			shop.Variants = append(shop.Variants, shopifytest.VariantConfig{SKU: skuOf(i),
				Title: skuOf(i), Barcode: fmt.Sprintf("40000000%05d", i+1), Price: "10.00",
				Stock: map[string]int{theirs: 0}})
		}
		sim.Shops = append(sim.Shops, shop)
	}
	w, err := newWorld(ctx, cfg.Dir, max(1, cfg.Nodes), sim, cfg.Logger)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	r := &race{world: w, cfg: cfg, sold: map[string]int64{}}
	if err := r.setUp(ctx); err != nil {
		return res, fmt.Errorf("set up: %w", err)
	}
	if err := r.sellAll(ctx); err != nil {
		return res, err
	}
	res.Sold = r.sold
	return res, r.judge(ctx, &res)
}

func (r *race) setUp(ctx context.Context) error {
	if err := r.put(ctx, "/v1/locations/"+theirs, dict{"kind": "merchant"}); err != nil {
		return err
	}
	var skus []dict
	var changes []client.StockChange
	for i := range r.cfg.SKUs {
		skus = append(skus, dict{"sku": skuOf(i)})
		changes = append(changes, client.StockChange{SKU: skuOf(i), Location: theirs,
			Set: &r.cfg.Units, Source: "wms"})
	}
	for _, name := range sellers {
		kind, publish := "shopify", r.cfg.Mode
		if name == "web" {
			kind, publish = "api", "pooled"
		}
		if err := r.put(ctx, "/v1/channels/"+name, dict{"kind": kind, "publish": publish,
			"locations": []string{theirs}}); err != nil {
			return err
		}
	}
	for _, c := range []client.Call{
		{Method: "POST", Path: "/v1/skus", Body: dict{"skus": skus}},
		{Method: "POST", Path: "/v1/stock", Body: client.StockChanges{Changes: changes}},
	} {
		c.Key = "set-up"
		if err := r.nodes.do(ctx, c, nil); err != nil {
			return err
		}
	}
	for i := range sellers[:2] {
		if err := r.connect(ctx, i, map[string]string{theirs: theirs}); err != nil {
			return err
		}
	}
	return r.atRest(ctx)
}

// atRest waits until every order of the shops is known, and every slot is at its target.
func (r *race) atRest(ctx context.Context) error {
	return until(ctx, time.Minute, func() error {
		all, err := pages[listing](ctx, r.nodes, "/v1/listings", url.Values{})
		if err != nil {
			return err
		}
		if len(all) != 2*r.cfg.SKUs {
			return fmt.Errorf("%d slots", len(all))
		}
		known := 0
		for _, name := range sellers[:2] {
			state, err := r.state(ctx, name)
			if err != nil {
				return err
			}
			orders, err := pages[client.Reservation](ctx, r.nodes, "/v1/reservations",
				url.Values{"channel": {name}})
			if err != nil {
				return err
			}
			for i := range orders {
				if orders[i].ID[0] == 's' { // of an order, and no standing hold
					known++
				}
			}
			if known -= state.OrderCount; known != 0 {
				return fmt.Errorf("%d orders of %s are not known", -known, name)
			}
		}
		for _, l := range all {
			if l.Target != l.Expected || l.Why == "hold" || l.Why == "release" {
				return fmt.Errorf("slot %s: target %d, expected %d, %s", l.Slot, l.Target, l.Expected,
					l.Why)
			}
		}
		return nil
	})
}

// sellAll sells until nobody can sell any more, also after what was left has been shared out anew.
func (r *race) sellAll(ctx context.Context) error {
	const passes = 20
	for pass := range passes {
		var all errgroup.Group
		before := r.total()
		for i, name := range sellers {
			seed := r.cfg.Seed + uint64(pass*len(sellers)+i)
			all.Go(func() error { return r.sellOut(ctx, name, seed) })
		}
		if err := all.Wait(); err != nil {
			return err
		}
		if err := r.atRest(ctx); err != nil {
			return fmt.Errorf("after pass %d: %w", pass+1, err)
		}
		if r.total() == before {
			return nil
		}
	}
	return fmt.Errorf("units are still sold after %d passes", passes)
}

func (r *race) total() (n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.sold {
		n += k
	}
	return n
}

// sellPace is how far apart two sales of one seller are: quick beside a push, and slow enough that
// pushes matter.
const sellPace = 4 * time.Millisecond

// sellOut sells single units of random SKUs until each was refused once.
func (r *race) sellOut(ctx context.Context, name string, seed uint64) error {
	luck := rand.New(rand.NewPCG(seed, 3))
	var left []int
	for i := range r.cfg.SKUs {
		left = append(left, i)
	}
	pace := time.NewTicker(sellPace)
	defer pace.Stop()
	for n := 0; len(left) > 0; n++ {
		at := luck.IntN(len(left))
		ok, err := r.sellOne(ctx, name, skuOf(left[at]), fmt.Sprintf("web-%d-%d", seed, n))
		if err != nil {
			return fmt.Errorf("%s sells: %w", name, err)
		}
		if !ok {
			left = append(left[:at], left[at+1:]...)
		} else {
			r.mu.Lock()
			r.sold[name]++
			r.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pace.C:
		}
	}
	return nil
}

func (r *race) sellOne(ctx context.Context, name, sku, id string) (bool, error) {
	if name != "web" {
		var sold shopifytest.Sold
		err := r.control(ctx, "/_sim/sales", shopifytest.Sales{Shop: name,
			Lines: []shopifytest.SaleLine{{SKU: sku, Qty: 1}}}, &sold)
		return len(sold.Orders) == 1, err
	}
	err := r.nodes.do(ctx, client.Call{Method: "POST", Path: "/v1/reservations", Key: id,
		Body: dict{"id": id, "channel": name, "mode": "strict", "commit": true,
			"lines": []dict{{"sku": sku, "qty": 1}}}}, nil)
	var p *client.Problem
	if errors.As(err, &p) && p.Code == "insufficient-stock" {
		return false, nil
	}
	return err == nil, err
}

// shortage is the last moment at which the ledger ran out of a SKU.
type shortage struct {
	index uint64
	at    time.Time
}

// shortages reads the events.
func (r *race) shortages(ctx context.Context) (map[string]shortage, error) {
	last, free := map[string]shortage{}, map[string]int64{}
	for after := uint64(0); ; {
		var page client.EventPage
		if err := r.nodes.do(ctx, client.Call{Path: "/v1/events", Query: url.Values{
			"after": {strconv.FormatUint(after, 10)}, "limit": {"1000"}}}, &page); err != nil {
			return nil, err
		}
		for _, raw := range page.Events {
			var e client.Event
			if err := json.Unmarshal(raw, &e); err != nil {
				return nil, err
			}
			after = e.Seq
			if e.SKU == "" || e.Location == "" {
				continue
			}
			now := e.OnHand - e.Held - e.Committed
			if now <= 0 && free[e.SKU] > 0 {
				last[e.SKU] = shortage{e.Index, e.At}
			}
			free[e.SKU] = now
		}
		if len(page.Events) < 1000 {
			return last, nil
		}
	}
}

// judge finds the units that were sold twice, and when.
func (r *race) judge(ctx context.Context, res *RaceResult) error {
	var check client.CheckReport
	if err := r.nodes.do(ctx, client.Call{Method: "POST", Path: "/v1/check"}, &check); err != nil {
		return err
	}
	var faults []error
	for _, v := range check.Violations {
		faults = append(faults, fmt.Errorf("invariant %s: %s", v.Invariant, v.Detail))
	}
	when, err := r.shortages(ctx)
	if err != nil {
		return err
	}
	for _, shop := range sellers[:2] {
		all, err := pages[client.Reservation](ctx, r.nodes, "/v1/reservations",
			url.Values{"channel": {shop}})
		if err != nil {
			return err
		}
		for i := range all {
			for _, l := range all[i].Lines {
				if l.Short == 0 {
					continue
				}
				res.Oversold += l.Short
				transit, err := r.explain(ctx, shop, &all[i], when[l.SKU])
				if transit {
					res.InTransit += l.Short
				}
				if err != nil {
					faults = append(faults, err)
				}
			}
		}
	}
	total := r.total()
	if over := total - int64(r.cfg.SKUs)*r.cfg.Units; over > res.Oversold {
		faults = append(faults, fmt.Errorf("%d units more were sold than there are, %d are short", over,
			res.Oversold))
	}
	return errors.Join(faults...)
}

// explain holds the sale of a unit that was not there against the shortage and the push that it caused.
// inTransit: it was sold before, and the shop's word of it came after.
func (r *race) explain(ctx context.Context, shop string, o *client.Reservation, s shortage) (
	inTransit bool, err error) {
	sku := o.Lines[0].SKU
	id := "gid://shopify/Order/" + o.ID[len("shopify:"+shop+":"):]
	sales, err := r.journal(ctx, url.Values{"kind": {"sale"}, "shop": {shop}, "order": {id}})
	if err != nil {
		return false, err
	}
	if len(sales) == 0 {
		return false, fmt.Errorf("%s is not in the journal of sales", o.ID)
	}
	sold := sales[0].At
	levels, err := r.journal(ctx, url.Values{"kind": {"stock"}, "shop": {shop}, "sku": {sku}})
	if err != nil {
		return false, err
	}
	var applied time.Time
	by := ""
	for _, e := range levels {
		// A sale moves available, then committed, and is written down itself: it may take the last unit.
		after := !e.At.Before(sold) || e.N < sales[0].N && e.N+2 >= sales[0].N
		if e.State == "available" && e.After <= 0 && !e.At.Before(s.at) && after {
			applied, by = e.At, e.Cause
			break
		}
	}
	told, err := r.journal(ctx, url.Values{"kind": {"webhook"}, "shop": {shop}, "order": {id}})
	if err != nil {
		return false, err
	}
	const clock = "15:04:05.000000"
	inTransit = sold.Before(s.at)
	fmt.Fprintf(r.cfg.Out, "  %s of %s: short at index %d, %s; sold %s; 0 in the shop by %s %s\n", o.ID,
		sku, s.index, s.at.Format(clock), sold.Format(clock), by, applied.Format(clock))
	switch {
	case applied.IsZero() && !inTransit:
		return false, fmt.Errorf("%s was sold after index %d, and %s never fell to 0 in %s", o.ID,
			s.index, sku, shop)
	case inTransit && len(told) > 0 && told[0].At.Before(s.at):
		return true, fmt.Errorf("%s was sold and told of at %s, before index %d at %s, and is short", o.ID,
			told[0].At.Format(clock), s.index, s.at.Format(clock))
	}
	return inTransit, nil
}
