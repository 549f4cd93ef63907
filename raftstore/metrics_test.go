package raftstore

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMetricsAreRegisteredAndTakenBack(t *testing.T) {
	t.Parallel()
	r := prometheus.NewPedanticRegistry()
	inBubble(t, 1, func(c *Config) { c.Registerer = r }, func(t *testing.T, c *cluster) {
		n := c.leader()
		c.stock(n, 10, "A")
		families, err := r.Gather()
		require.NoError(t, err)
		require.Len(t, families, len(n.metrics.all))
		for _, f := range families {
			assert.True(t, strings.HasPrefix(f.GetName(), "holdfast_ledger_"), f.GetName())
			assert.NotEmpty(t, f.GetHelp(), f.GetName())
		}
		c.kill(n)
		families, err = r.Gather()
		require.NoError(t, err)
		assert.Empty(t, families)
		c.start(n) // registers them again
		c.leader()
	})
}
