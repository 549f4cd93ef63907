package node

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"holdfast/adapters/apikeys"
	"holdfast/engine"
	"holdfast/raftstore"
)

// newKeys makes the index of API keys. It fails when its metric is taken.
func newKeys(store *raftstore.Store, records *syncStore, log *slog.Logger,
	registry prometheus.Registerer) (*apikeys.Index, error) {
	return apikeys.NewIndex(apikeys.Config{
		Store: records,
		// A read that must be up to date is answered once this node has all that was agreed before it.
		Current: func(ctx context.Context) (ever bool, err error) {
			_, _, err = store.Read(ctx, false, 0, func(l *engine.Ledger) bool {
				ever = apikeys.EverMade(l)
				return false
			})
			return ever, err
		},
		Logger: log, Registry: registry,
	})
}
