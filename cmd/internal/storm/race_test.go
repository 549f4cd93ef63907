package storm_test

import (
	"log/slog"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/cmd/internal/storm"
)

func raceConfig(t *testing.T, mode string) storm.RaceConfig {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	c := storm.RaceConfig{Dir: t.TempDir(), Mode: mode, Seed: max(1, *seed), Out: t.Output()}
	if *verbose {
		c.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return c
}

// TestRacePooled sells 1,000 units on three sides at once.
func TestRacePooled(t *testing.T) {
	cfg := raceConfig(t, "pooled")
	cfg.Nodes, cfg.SKUs, cfg.Units = 3, 10, 100
	res, err := storm.Race(t.Context(), cfg)
	t.Logf("pooled, seed %d: sold %v, %d oversold, %d of them in transit", cfg.Seed, res.Sold, res.Oversold,
		res.InTransit)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, res.Sold["alpha"]+res.Sold["beta"]+res.Sold["web"], int64(1000))
}

// TestRaceDedicated is 20 races, each of a SKU and a seed of its own: nothing is ever sold twice.
func TestRaceDedicated(t *testing.T) {
	cfg := raceConfig(t, "dedicated")
	cfg.SKUs, cfg.Units = 20, 50
	res, err := storm.Race(t.Context(), cfg)
	t.Logf("dedicated, 20 seeds from %d: sold %v, %d oversold", cfg.Seed, res.Sold, res.Oversold)
	require.NoError(t, err)
	assert.Zero(t, res.Oversold)
	sold := res.Sold["alpha"] + res.Sold["beta"] + res.Sold["web"]
	assert.LessOrEqual(t, sold, int64(1000))
	for name, n := range res.Sold {
		assert.NotZero(t, n, name)
	}
}
