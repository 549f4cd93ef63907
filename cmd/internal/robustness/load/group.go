package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"

	"holdfast/cmd/internal/robustness/history"
)

// group is one generation of a group: its SKUs and the reservations that were tried on them.
type group struct {
	name string
	skus []string

	mu struct {
		sync.Mutex
		ids []string
	}
}

// stockEach is what each SKU of a group has at first: less than its clients want, so that they
// compete for the last units.
const stockEach = 40

// holdFor is the time of a hold that the linearizability of its group does not depend on: longer
// than any run.
const holdFor = 12 * 3600 * 1000

// runGroup runs generation after generation of one group. It fails when its SKUs cannot be defined.
func (l *Load) runGroup(ctx context.Context, slot int) error {
	for gen := 0; !l.stopping(); gen++ {
		g := &group{name: fmt.Sprintf("g%d-%d", slot, gen)}
		var defs []map[string]any
		for _, part := range []string{"a", "b"} {
			g.skus = append(g.skus, g.name+part)
			defs = append(defs, map[string]any{"sku": g.name + part})
		}
		err := l.define(ctx, "/v1/skus", "POST", map[string]any{"skus": defs})
		if err != nil {
			return fmt.Errorf("define the SKUs of %s: %w", g.name, err)
		}
		var clients sync.WaitGroup
		for c := range l.cfg.Clients {
			clients.Go(func() { l.runClient(ctx, g, slot, c) })
		}
		clients.Wait()
	}
	return nil
}

// runClient does the operations of one client in one generation.
func (l *Load) runClient(ctx context.Context, g *group, slot, number int) {
	client := slot*l.cfg.Clients + number
	seed := l.cfg.Seed ^ uint64(client+1)<<32
	for _, c := range g.name {
		seed = seed*31 + uint64(c)
	}
	chance := rand.New(rand.NewPCG(seed, 1))
	for i := 0; i < l.cfg.Ops && !l.stopping(); i++ {
		id := fmt.Sprintf("%s-%d-%d", g.name, number, i)
		start := chance.IntN(len(l.cfg.Servers))
		if old, ok := l.pickOld(chance); ok && chance.IntN(25) == 0 {
			l.again(ctx, start, client, id, old)
			continue
		}
		op := g.next(chance, id)
		op.Client = client
		if i < len(g.skus) && number == 0 {
			op = history.Op{ID: id, Kind: history.Adjust, SKU: g.skus[i], Qty: stockEach,
				Client: client}
		}
		op.Group = g.name
		op = l.do(ctx, start, op)
		if op.Kind == history.Reserve && op.Outcome == history.Done {
			g.taken(op.Reservation)
		}
		if !op.Kind.Reads() && (op.Outcome == history.Done || op.Outcome == history.Refused) {
			l.keepOld(op)
		}
		l.think(chance)
	}
}

func (g *group) taken(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.ids = append(g.mu.ids, id)
}

// next draws an operation.
func (g *group) next(chance *rand.Rand, id string) history.Op {
	g.mu.Lock()
	defer g.mu.Unlock()
	op := history.Op{ID: id}
	dice := chance.IntN(100)
	if len(g.mu.ids) == 0 && dice >= 35 {
		dice = 90
	}
	sku := g.skus[chance.IntN(len(g.skus))]
	switch {
	case dice < 35:
		op.Kind, op.Reservation, op.Qty = history.Reserve, id, holdFor
		op.Lines = []history.Ask{{SKU: sku, Qty: 1 + chance.Int64N(4)}}
		if chance.IntN(3) == 0 {
			op.Lines = nil
			for _, s := range g.skus {
				op.Lines = append(op.Lines, history.Ask{SKU: s, Qty: 1 + chance.Int64N(3)})
			}
		}
		if chance.IntN(8) == 0 { // others may try it before it is there, and although it never is
			g.mu.ids = append(g.mu.ids, id)
		}
		return op
	case dice < 45:
		op.Kind = history.Commit
	case dice < 57:
		op.Kind = history.Release
	case dice < 65:
		op.Kind = history.Ship
	case dice < 70:
		op.Kind = history.Return
	case dice < 74:
		op.Kind, op.SKU, op.Qty = history.Adjust, sku, 1+chance.Int64N(5)
		return op
	case dice < 82:
		op.Kind, op.Stale = history.ReadReservation, chance.IntN(4) == 0
	default:
		op.Kind, op.SKU, op.Stale = history.ReadStock, sku, chance.IntN(4) == 0
		return op
	}
	// Mostly a late one: its other clients are at it too.
	recent := g.mu.ids[max(0, len(g.mu.ids)-8):]
	op.Reservation = recent[chance.IntN(len(recent))]
	return op
}
