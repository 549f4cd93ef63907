package connections

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

func TestTheMetricsOfABoard(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	b := NewBoard(func() time.Time { return now })
	shop, off := b.Reporter("shop"), b.Reporter("off")
	shop.state(StateRunning, 0)
	shop.Watermark(now.Add(-90 * time.Second))
	shop.Would("shopify.quantity", "x", "7 → 5")
	off.state(StatePaused, 0)
	b.Reporter("bad").state(StateFailing, 3)
	registry := prometheus.NewRegistry()
	require.NoError(t, registry.Register(b))
	families, err := registry.Gather()
	require.NoError(t, err)
	var got []string
	for _, f := range families {
		for _, m := range f.Metric {
			got = append(got, fmt.Sprint(f.GetName(), " ", m.Label[0].GetValue(), " ",
				m.GetGauge().GetValue()+m.GetCounter().GetValue()))
		}
	}
	slices.Sort(got)
	require.Equal(t, []string{
		"holdfast_connection_observed_calls_total bad 0",
		"holdfast_connection_observed_calls_total shop 1",
		"holdfast_connection_up bad 0",
		"holdfast_connection_up shop 1",
		"holdfast_connection_watermark_age_seconds shop 90",
	}, got, "one that is paused is silent")
}
