package storm_test

import (
	"flag"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/cmd/internal/storm"
)

var (
	orders  = flag.Int("storm.orders", 0, "orders of the storm; 0 runs none")
	seed    = flag.Uint64("storm.seed", 0, "seed of the storm; 0 takes one from the clock")
	rate    = flag.Int("storm.rate", 0, "orders a second")
	settle  = flag.Duration("storm.settle", 0, "how long both sides may take to be equal")
	verbose = flag.Bool("storm.log", false, "print what the nodes log")
)

func TestStorm(t *testing.T) {
	if *orders == 0 {
		t.Skip("takes minutes: -storm.orders 1500 runs it")
	}
	cfg := storm.Config{Dir: t.TempDir(), Orders: *orders, Seed: *seed, Rate: *rate, Settle: *settle,
		Out: t.Output()}
	if cfg.Seed == 0 {
		cfg.Seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	if *verbose {
		cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	require.NoError(t, storm.Run(t.Context(), cfg))
}
