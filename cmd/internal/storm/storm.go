package storm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/adapters/shopify/shopifytest"
	"holdfast/cmd/internal/client"
)

// storm is one run.
type storm struct {
	*world
	cfg   Config
	books *books
	plan  *plan
	kills []string // what became of each
}

// Run sells, breaks and mends until all orders are placed, waits until both sides are at rest, and
// holds them against each other. It returns nil when every check holds. It fails with all that does
// not, and when the world cannot be run to the end.
func Run(ctx context.Context, cfg Config) (err error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return err
	}
	shop := cfg.shop()
	w, err := newWorld(ctx, cfg.Dir, 3, shopifytest.Config{Seed: cfg.Seed, SearchLag: 200 * time.Millisecond,
		Shops: []shopifytest.ShopConfig{shop}}, cfg.Logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	s := &storm{world: w, cfg: cfg, books: newBooks()}
	s.plan = newPlan(s)
	began := time.Now()
	if err := s.setUp(ctx); err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	fmt.Fprintf(cfg.Out, "storm: seed %d, %d orders, %d SKUs; set up in %v\n", cfg.Seed, cfg.Orders,
		cfg.skus(), time.Since(began).Round(time.Millisecond))
	began = time.Now()
	if err := s.blow(ctx); err != nil {
		return fmt.Errorf("storm: %w", err)
	}
	blown := time.Since(began)
	if err := s.control(ctx, "/_sim/faults", shopifytest.Script{Clear: true,
		Webhooks: &shopifytest.WebhookNoise{}}, nil); err != nil {
		return err
	}
	began = time.Now()
	var last *findings
	wrong := until(ctx, cfg.Settle, func() error {
		last = &findings{}
		if err := s.check(ctx, last); err != nil {
			return err
		}
		return last.err()
	})
	s.report(blown, time.Since(began), last)
	return wrong
}

func (s *storm) report(blown, settled time.Duration, f *findings) {
	out := s.cfg.Out
	fmt.Fprintf(out, "storm: %d orders in %v, at rest %v later\n", s.cfg.Orders,
		blown.Round(time.Millisecond), settled.Round(time.Millisecond))
	for _, k := range s.kills {
		fmt.Fprintln(out, "  "+k)
	}
	for _, line := range s.books.lines() {
		fmt.Fprintln(out, "  "+line)
	}
	if f == nil {
		return
	}
	for _, line := range f.counts {
		fmt.Fprintln(out, "  "+line)
	}
}

// setUp defines locations, channels, SKUs and stock, an ERP that takes its tasks itself, and the shop.
func (s *storm) setUp(ctx context.Context) error {
	for path, body := range map[string]any{
		"/v1/locations/" + theirs: dict{"kind": "merchant", "master": "shopify:alpha"},
		"/v1/locations/" + ours:   dict{"kind": "merchant"},
	} {
		if err := s.put(ctx, path, body); err != nil {
			return err
		}
	}
	var skus []dict
	var changes []client.StockChange
	for i := range s.cfg.skus() {
		skus = append(skus, dict{"sku": skuOf(i)})
		n := int64(inOurs)
		changes = append(changes, client.StockChange{SKU: skuOf(i), Location: ours, Set: &n,
			Source: "wms"})
	}
	for _, c := range []client.Call{
		{Method: "PUT", Path: "/v1/channels/alpha",
			Body: dict{"kind": "shopify", "locations": []string{theirs, ours}}},
		{Method: "PUT", Path: "/v1/channels/web",
			Body: dict{"kind": "api", "locations": []string{ours}}},
		{Method: "POST", Path: "/v1/skus", Body: dict{"skus": skus}},
		{Method: "POST", Path: "/v1/stock", Body: client.StockChanges{Changes: changes}},
		{Method: "PUT", Path: "/v1/connections/erp", Body: dict{"kind": "erp", "mode": "on"}},
	} {
		c.Key = "set-up"
		if err := s.nodes.do(ctx, c, nil); err != nil {
			return err
		}
	}
	if err := s.connect(ctx, 0, map[string]string{theirs: theirs, ours: ours}); err != nil {
		return err
	}
	return until(ctx, time.Minute, func() error {
		f := &findings{}
		if err := s.check(ctx, f); err != nil {
			return err
		}
		return f.err()
	})
}

// blow lets it all happen: each round is some orders and what is due of the fates of earlier ones.
func (s *storm) blow(ctx context.Context) error {
	if err := s.control(ctx, "/_sim/faults", shopifytest.Script{Webhooks: noise(), Faults: faults()},
		nil); err != nil {
		return err
	}
	pace := time.NewTicker(time.Second * perRound / time.Duration(s.cfg.Rate))
	defer pace.Stop()
	killed := make(chan error, kills)
	for s.plan.sold < s.cfg.Orders {
		if err := s.plan.round(ctx); err != nil {
			return err
		}
		for len(s.kills)+1 <= kills && s.plan.sold >= (len(s.kills)+1)*s.cfg.Orders/(kills+1) {
			s.kills = append(s.kills, "")
			n := len(s.kills) - 1
			go func() { killed <- s.killLeader(ctx, n) }()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pace.C:
		}
	}
	for len(s.plan.due) > 0 {
		if err := s.plan.fates(ctx); err != nil {
			return err
		}
	}
	var err error
	for range len(s.kills) {
		err = errors.Join(err, <-killed)
	}
	return err
}

const kills = 2

// killLeader kills the leader in the middle of it all, and starts it again from its folder once
// another one leads.
func (s *storm) killLeader(ctx context.Context, n int) error {
	victim, err := s.nodes.leader(ctx, -1)
	if err != nil {
		return err
	}
	began := time.Now()
	s.nodes.kill(victim)
	heir, err := s.nodes.leader(ctx, victim)
	if err != nil {
		return err
	}
	elected := time.Since(began)
	if err := s.nodes.start(ctx, victim); err != nil {
		return err
	}
	s.kills[n] = fmt.Sprintf("killed the leader %s: %s leads after %v, it is back after %v",
		s.nodes.specs[victim].Name, s.nodes.specs[heir].Name, elected.Round(time.Millisecond),
		time.Since(began).Round(time.Millisecond))
	return nil
}
