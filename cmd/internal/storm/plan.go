package storm

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"

	"holdfast/adapters/shopify/shopifytest"
	"holdfast/cmd/internal/client"
)

// plan is what happens, in rounds that follow from the seed.
type plan struct {
	s     *storm
	r     *rand.Rand
	turn  int
	sold  int
	made  map[string]int // how many of each kind of mishap were made
	due   map[int][]fate // by round
	ghost int
}

const (
	perRound = 5
	patience = 40 // rounds: how late a fate may come
)

func newPlan(s *storm) *plan {
	return &plan{s: s, r: rand.New(rand.NewPCG(s.cfg.Seed, 1)), made: map[string]int{},
		due: map[int][]fate{}}
}

// fate is what becomes of an order.
type fate struct {
	kind  string
	order shopifytest.SoldOrder
}

// fatesOf are the parts of 100 orders. All others wait to be shipped.
var fatesOf = []struct {
	kind  string
	parts int
	now   bool // in the same round, before its webhook can have been taken in
}{
	{"cancel", 4, true}, {"cancel", 7, false}, {"refund", 5, false}, {"refund-gone", 1, false},
	{"money", 2, false}, {"edit", 6, false}, {"ship", 20, false}, {"return", 2, false},
}

// round is one round.
func (p *plan) round(ctx context.Context) error {
	n := min(perRound, p.s.cfg.Orders-p.sold)
	var sold shopifytest.Sold
	if err := p.s.control(ctx, "/_sim/sales", shopifytest.Sales{Count: n, Seed: p.r.Uint64(),
		SKUs: p.s.books.skus(p.s.cfg.skus())}, &sold); err != nil {
		return err
	}
	if sold.Refused > 0 {
		return fmt.Errorf("%d shoppers found too little: the shop is too small", sold.Refused)
	}
	p.sold += n
	for _, o := range sold.Orders {
		p.draw(o)
	}
	for _, one := range []struct {
		kind string
		each int
		do   func(context.Context) error
	}{{"edit", editEach, p.editStock}, {"sell", sellEach, p.sell}, {"ghost", ghostEach, p.sellGhost},
		{"broken", brokenEach, p.sendBroken}} {
		for p.made[one.kind]*one.each < p.sold {
			p.made[one.kind]++
			if err := one.do(ctx); err != nil {
				return err
			}
		}
	}
	return p.fates(ctx)
}

// draw decides what becomes of an order, and when.
func (p *plan) draw(o shopifytest.SoldOrder) {
	at := p.r.IntN(100)
	for _, f := range fatesOf {
		if at -= f.parts; at < 0 {
			when := p.turn
			if !f.now {
				when += 1 + p.r.IntN(patience)
			}
			p.due[when] = append(p.due[when], fate{f.kind, o})
			return
		}
	}
}

// fates does what is due, and ends the round.
func (p *plan) fates(ctx context.Context) error {
	for _, f := range p.due[p.turn] {
		if err := p.do(ctx, f); err != nil {
			return fmt.Errorf("%s of %s: %w", f.kind, f.order.Name, err)
		}
		p.s.books.count(f.kind, 1)
	}
	delete(p.due, p.turn)
	p.turn++
	return nil
}

func (p *plan) do(ctx context.Context, f fate) error {
	first := f.order.Lines[0]
	back := func(restock string) error {
		return p.s.control(ctx, "/_sim/returns", shopifytest.Returns{Order: f.order.ID,
			Refund: &shopifytest.RefundEdit{Restock: restock,
				Lines: []shopifytest.Units{{Line: first.ID, Qty: 1}}}}, nil)
	}
	ship := func() error {
		return p.s.control(ctx, "/_sim/edits", shopifytest.Edits{Fulfil: []shopifytest.FulfilEdit{
			{Order: f.order.ID, Company: "UPS", Number: "1Z" + f.order.Name[1:]}}}, nil)
	}
	switch f.kind {
	case "cancel":
		return p.s.control(ctx, "/_sim/cancel", shopifytest.Cancels{Orders: []string{f.order.ID},
			Refund: p.r.IntN(2) == 0}, nil)
	case "refund":
		return back("CANCEL")
	case "refund-gone":
		p.s.books.gone(f.order.ID, first.SKU)
		return back("NO_RESTOCK")
	case "money":
		return p.s.control(ctx, "/_sim/returns", shopifytest.Returns{Order: f.order.ID,
			Refund: &shopifytest.RefundEdit{Amount: "1.00"}}, nil)
	case "edit":
		e := shopifytest.OrderEdit{Order: f.order.ID,
			Remove: []shopifytest.Units{{Line: first.ID, Qty: 1, Restock: true}},
			Add:    []shopifytest.SaleLine{{SKU: skuOf(p.r.IntN(p.s.cfg.skus())), Qty: 1}}}
		return p.s.control(ctx, "/_sim/edits", shopifytest.Edits{Orders: []shopifytest.OrderEdit{e}}, nil)
	case "return":
		if err := ship(); err != nil {
			return err
		}
		p.s.books.returned(first.SKU)
		return back("RETURN")
	}
	return ship()
}

// editStock changes a number in the admin, at either location.
func (p *plan) editStock(ctx context.Context) error {
	i, place := p.r.IntN(p.s.cfg.skus()), theirs
	if p.r.IntN(2) == 0 {
		place = ours
	}
	sku, by := skuOf(i), 1+p.r.Int64N(5)
	if p.r.IntN(2) == 0 && (place == ours || !scarce(i)) {
		by = -by
	}
	p.s.books.edit(sku, place, by)
	return p.s.control(ctx, "/_sim/stock", shopifytest.Edits{Stock: []shopifytest.StockEdit{
		{SKU: sku, Location: place, Adjust: by}}}, nil)
}

// sell sells over the API, out of our location.
func (p *plan) sell(ctx context.Context) error {
	sku, qty := skuOf(p.r.IntN(p.s.cfg.skus())), 1+p.r.Int64N(3)
	id := fmt.Sprintf("web-%d", p.made["sell"])
	p.s.books.sale(sku, qty)
	return p.s.nodes.do(ctx, client.Call{Method: "POST", Path: "/v1/reservations", Key: id,
		Body: dict{"id": id, "channel": "web", "mode": "strict", "commit": true,
			"lines": []dict{{"sku": sku, "qty": qty}}}}, nil)
}

// sellGhost sells a SKU that nobody has mapped, beside one that is.
func (p *plan) sellGhost(ctx context.Context) error {
	ghost := fmt.Sprintf("GHOST-%d", p.ghost%ghosts)
	p.ghost++
	p.s.books.ghost(ghost)
	return p.s.control(ctx, "/_sim/sales", shopifytest.Sales{Seed: p.r.Uint64(),
		Lines: []shopifytest.SaleLine{{SKU: ghost, Kind: "plain", Title: ghost},
			{SKU: skuOf(p.r.IntN(p.s.cfg.skus()))}}}, nil)
}

// sendBroken sends a webhook that is signed as it should be and has no body of an order; twice, as
// a shop does that got no answer.
func (p *plan) sendBroken(ctx context.Context) error {
	id := fmt.Sprintf("broken-%d", p.made["broken"])
	body := []byte(`{"id": "` + id)
	mac := hmac.New(sha256.New, []byte("shpss_alpha"))
	mac.Write(body)
	p.s.books.broken(id)
	for taken := 0; taken < 2; {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.s.nodes.at+"/hooks/shopify/alpha",
			bytes.NewReader(body))
		if err != nil {
			return err
		}
		r.Header.Set("X-Shopify-Topic", "orders/create")
		r.Header.Set("X-Shopify-Webhook-Id", id)
		r.Header.Set("X-Shopify-Hmac-Sha256", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		r.Header.Set("Content-Type", "application/json")
		resp, err := p.s.http.Do(r)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		switch resp.StatusCode {
		case http.StatusOK:
			taken++
		case http.StatusBadGateway, http.StatusServiceUnavailable: // it must come again
		default:
			return fmt.Errorf("a broken webhook is answered with %d", resp.StatusCode)
		}
	}
	return nil
}
