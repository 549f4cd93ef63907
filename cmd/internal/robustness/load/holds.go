package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"holdfast/cmd/internal/robustness/history"
)

// HoldSKU is what short holds take; it has plenty.
const HoldSKU = "short-holds"

// runHolds takes holds of one to three seconds and abandons them: each must end, in time, and only
// then. It fails when the SKU cannot be defined.
func (l *Load) runHolds(ctx context.Context) error {
	err := l.define(ctx, "/v1/skus", "POST",
		map[string]any{"skus": []map[string]any{{"sku": HoldSKU}}})
	if err != nil {
		return fmt.Errorf("define %s: %w", HoldSKU, err)
	}
	const client = -1
	l.do(ctx, 0, history.Op{ID: HoldSKU + "-stock", Kind: history.Adjust, SKU: HoldSKU, Qty: 1e6,
		Client: client})
	chance := rand.New(rand.NewPCG(l.cfg.Seed, 99))
	for i := 0; !l.stopping(); i++ {
		id := fmt.Sprintf("%s-%d", HoldSKU, i)
		l.do(ctx, chance.IntN(len(l.cfg.Servers)), history.Op{ID: id, Kind: history.Reserve,
			Reservation: id, Lines: []history.Ask{{SKU: HoldSKU, Qty: 1}}, Client: client,
			Qty: 1000 + chance.Int64N(2000)})
		select {
		case <-time.After(150 * time.Millisecond):
		case <-l.stop:
		}
	}
	return nil
}
